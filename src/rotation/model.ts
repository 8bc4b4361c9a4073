import type { ConsumerKind } from '../inventory/consumer-model.ts';
import { type ApiKey, atOnceInWords } from '../inventory/model.ts';
import { after, type Id, type Instant, minute, Refusal } from '../kernel.ts';
import { diesAtOnce, entriesBy, type Policy } from '../policy.ts';
import { type Maker, whyNotReplace } from './own-model.ts';

/** SOP 5.3 in the order in which a rotation goes through it. Each step is one job and safe to repeat. */
export const steps = ['generate', 'test', 'promote', 'deploy', 'verify', 'grace', 'retire', 'confirm'] as const;

/** The way back: hand out the old value again, then take the labels off what was tried. */
export const backSteps = ['restore', 'discard'] as const;

/**
 * Before the old value dies for good, where its provider can stop it and start it again: stopped, watched for a while, and
 * started again if something broke.
 */
export const screamSteps = ['disable', 'watch', 'enable'] as const;
export type Step = (typeof steps)[number] | (typeof backSteps)[number] | (typeof screamSteps)[number];

export type RotationStatus = 'running' | 'done' | 'failed' | 'rolled-back' | 'superseded';

/** SOP 5.1 and the triggers of SOP 5.4. */
export const rotationCauses = [
  'due',
  'planned',
  'asked',
  'incident',
  'leaver',
  'expiry',
  'provider',
  'audit',
  'unusual',
  'drill',
] as const;

export type RotationCause = (typeof rotationCauses)[number];

/** What works, in words that fit on a card. A rotation always says one of these. */
export const conditions = {
  old: 'The old value works; the new one is not in use.',
  both: 'Both the old and the new value work; the new one is handed out.',
  new: 'The new value works; the old one is dead.',
  none: 'Neither value is known to work. Somebody must look now.',
} as const;

export type Condition = keyof typeof conditions;

export interface StepRecord {
  step: Step;
  attempt: number;
  /** The intent: written before anything outside is touched. */
  startedAt: string;
  /** The outcome; null while it is unknown. */
  endedAt: string | null;
  verdict: 'done' | 'skipped' | 'refused' | null;
  /** What proves that the step was done: ids and times, never values. */
  evidence: string | null;
  /** Since when what should be there has been looked for in vain. */
  unsettledSince?: string;
  unsettledWhy?: string;
  /** The same for what it had looked for before that, by why: one step may have to make sure of several things, one after the other. */
  unsettledBefore?: Record<string, string>;
  /** Why it has failed several times in a row, and at which fence; it is tried again by itself. */
  trouble?: { why: string; fence: number };
  /** From here on nobody can ask whether the old value works: of its last step, or of one after which AWS alone knows. */
  unproven?: true;
}

/** A version of the secret that a provider knows as a key of its own. */
export interface Issued {
  /** Empty for a key whose value nobody has. */
  version: string;
  providerKeyId: string;
  /** When the provider ends it by itself. */
  expiresAt: string | null;
  /** We have ended it there. */
  ended: boolean;
  /** That is about to be done, or has been and was not heard of. */
  ending?: true;
  /** We have stopped it there, and can start it again. Not said in rotations of older programs. */
  disabled?: boolean;
}

/** At a provider that ends the old value in the call that makes the new one: what was asked for, and what came of it. */
export interface Replacement {
  /** What the provider calls the key that was to end. */
  of: string;
  /** The version that was handed out then. */
  version: string;
  /** Since when it may have ended. */
  since: string;
  /** The last call; whoever makes another has looked since. */
  askedAt: string;
  /** What the provider calls the key in its place; null while no answer was seen. */
  by: string | null;
}

/** Somebody was woken for a failed rotation, or should have been. */
export interface RotationPage {
  /** The failure that it is about: a retry that fails anew is another one. */
  fence: number;
  /** Who pressed Page; null when Keysteward did it by itself. */
  by: Id<'person'> | null;
  askedAt: string;
  /** When what came of it was known. */
  at: string | null;
  outcome: 'paged' | 'no pager' | 'refused' | null;
}

/** What no program can do for this key: make the new one at its service and hand it in; delete the old one there. */
export const tasks = ['hand-in', 'delete'] as const;
export type Task = (typeof tasks)[number];

/** A step that a person has to do. */
export interface Waits {
  task: Task;
  /** The attempt that it is about. */
  attempt: number;
  since: string;
  dueAt: string;
  /** Reminders sent so far. */
  nudges: number;
  /** When administrators were asked too. */
  escalatedAt: string | null;
  done: { by: Id<'person'>; at: string } | null;
}

/** Who has taken on what waits for a person. */
export interface Taken {
  by: Id<'person'>;
  at: string;
}

/** What one consumer of the key has been told, and what it has said (SOP 5.3, steps 4 and 5). */
export interface Deployment {
  consumerId: Id<'consumer'>;
  name: string;
  kind: ConsumerKind;
  /** Who was asked to move it. */
  personId: Id<'person'> | null;
  /** Who has taken it on. */
  claimedBy: Id<'person'> | null;
  /** `restored` is told when the old value is handed out again. */
  news: 'rotated' | 'restored';
  /** Raised with each news, so that a receiver can tell a repetition from something new. */
  round: number;
  /** Messages sent of this round; a webhook that does not answer gets more. */
  tries: number;
  /** When it, or whoever moves it, has been reached. */
  toldAt: string | null;
  /** What stands in the way. */
  trouble: string | null;
  confirmedAt: string | null;
  /** Who said so, where a person did. */
  confirmedBy: Id<'person'> | null;
  /** What shows that it is on the value that is handed out. */
  evidence: string | null;
  /** Which IAM user or role it reads the store as, where that is recorded. Not said in rotations of older programs. */
  readsAs?: string | null;
  reading?: Reading | null;
}

/** What came of looking for a consumer's reads. */
export interface Reading {
  /** In words that follow its name. */
  why: string;
  /** Whether its read is waited for. */
  awaited: boolean;
  /** When it was first seen to read the new value. */
  readAt?: string;
  /** Since when whoever knows of its reads has not answered. */
  silentSince?: string;
}

/** Why the old value lives longer than its grace. */
export interface Extension {
  since: string;
  why: string;
  escalatedAt: string | null;
  /** Since when the provider has not said whether the old key is still used, although it could. */
  silentSince?: string;
}

export interface Rotation {
  id: Id<'rotation'>;
  keyId: Id<'key'>;
  cause: RotationCause;
  /** The incident or case behind it. */
  causeId: string | null;
  askedBy: Id<'person'> | null;
  reason: string | null;
  emergency: boolean;
  status: RotationStatus;
  step: Step;
  /** What is proven to work. What is under way is in the record; `conditionInWords` says both. */
  condition: Condition;
  /** Values tried so far; part of the idempotency token. */
  attempt: number;
  /** Attempts after which it stops and asks; raised by a retry. */
  lastAttempt: number;
  /** Raised at every move: a job or a worker that holds an older number can do nothing. */
  fence: number;
  oldVersion: string | null;
  newVersion: string | null;
  oldLastFour: string | null;
  newLastFour: string | null;
  /** The version id of every value that it stored or meant to store, attempt by attempt. */
  tried: string[];
  /** Further versions that no label may lead to in the end: what superseded rotations left behind. */
  cleanup: string[];
  /** Who makes the values, as when it began: what that one calls a key is another key elsewhere. Null in rotations of older programs. */
  issuer: string | null;
  /** Labels under which it, or one that it superseded, may have made a key at the provider. */
  labels: string[];
  /** When it, or one that it took over from, asked for a key that bears no label, and nobody has seen the answer. */
  unanswered: string[];
  /** Which version is which key at the provider, as far as that is known. */
  issued: Issued[];
  /** Set from the moment on at which the old value may have died of being replaced, by this rotation or one before it that did not end well. */
  replacement: Replacement | null;
  /** Who uses the key, as recorded when it was told; empty where nobody is recorded. */
  deployments: Deployment[];
  /** Set while evidence is lacking that the old value can go. */
  extension: Extension | null;
  /** Who had the old value retired without it. */
  forced: { by: Id<'person'>; reason: string; at: string } | null;
  /** On the way back: how it ends, or null when another attempt follows. */
  ending: { status: 'failed' | 'rolled-back'; why: string } | null;
  record: StepRecord[];
  failure: string | null;
  supersededBy: Id<'rotation'> | null;
  /** Oldest first. */
  pages: RotationPage[];
  /** The last step that waited for a person, whether or not it still does. */
  waits: Waits | null;
  taken: Taken | null;
  startedAt: Instant;
  /** Nothing happens before this instant. */
  continuesAt: Instant | null;
  touchedAt: Instant;
  endedAt: Instant | null;
}

/** `1 minute`, `45 minutes`, `1 hour`. */
export function minutesInWords(count: number): string {
  const hours = count >= 60 && count % 60 === 0;
  const shown = hours ? count / 60 : count;
  return `${shown} ${hours ? 'hour' : 'minute'}${shown === 1 ? '' : 's'}`;
}

/** Why no rotation of this key can start now, or null. An emergency takes over a running one. */
export function whyNotRotate(
  key: ApiKey,
  running: Rotation | null,
  emergency: boolean,
  policy: Policy,
  now: Instant,
): Refusal | null {
  if (key.status !== 'active') return new Refusal('conflict', `${key.name} is retired.`);
  if (key.storage !== 'secrets-manager' || !key.secretId) {
    return new Refusal('conflict', `${key.name} is not in Secrets Manager, so Keysteward cannot replace its value.`);
  }
  if (emergency) return null;
  if (running) return new Refusal('conflict', 'A rotation of this key is already running: /keys show has its card.');
  return key.lastRotatedAt && tooSoon('This key was rotated', key.lastRotatedAt, policy, now);
}

/**
 * The same where the rotation before was turned back or failed: AWS asks for no more than one new version of a secret in
 * this time, and what nobody came to use counts too. Not asked in an emergency, nor where nothing works.
 */
export function whyNotSoonAgain(previous: Rotation | null, policy: Policy, now: Instant): Refusal | null {
  const unused = previous?.status === 'failed' || previous?.status === 'rolled-back';
  if (!unused || previous.condition === 'none') return null;
  const stored = previous.record.findLast((each) => each.step === 'generate' && each.verdict === 'done')?.endedAt;
  return stored ? tooSoon('A new value of this key was stored', new Date(stored), policy, now) : null;
}

function tooSoon(what: string, at: Instant, { rotation }: Policy, now: Instant): Refusal | null {
  const since = now.getTime() - at.getTime();
  if (since >= rotation.minMinutesBetween * minute) return null;
  const ago = Math.floor(since / minute);
  return new Refusal(
    'conflict',
    `${what} ${ago === 0 ? 'less than a minute' : minutesInWords(ago)} ago; wait until ${minutesInWords(rotation.minMinutesBetween)} ${rotation.minMinutesBetween === 1 ? 'has' : 'have'} passed.`,
  );
}

/** Why this issuer cannot make a new value for this key, or null. `issuer` is null where nobody is configured by that name. */
export function whyNotIssue(
  key: Pick<ApiKey, 'name' | 'issuer' | 'secretId'>,
  issuer: Maker | null,
  { providers }: Pick<Policy, 'providers'>,
): Refusal | null {
  if (!issuer) {
    return new Refusal(
      'conflict',
      `Keysteward does not know how to make a new value at ${key.issuer}: it is not connected. Name its kind and its credential under providers.${key.issuer} in policy.yml, or have the key rotated by a person.`,
    );
  }
  const entries = entriesBy(key, providers);
  return entries.length > 0 ? whyNotReplace(key, issuer, entries) : null;
}

/** Why a rotation of this key does not start by itself, without an emergency or somebody who wants it now, or null. */
export function whyNotByItself(key: Pick<ApiKey, 'name' | 'issuer'>, policy: Policy): Refusal | null {
  if (!diesAtOnce(key, policy)) return null;
  return new Refusal(
    'conflict',
    `${atOnceInWords(key)} So a person starts the rotation of ${key.name}: press Rotate when they are ready.`,
  );
}

export const unique = (versions: (string | null)[]) => [...new Set(versions.filter((each) => each !== null))];

/** The record of the step that it is in, when that has begun and not ended. */
export function openRecord(rotation: Rotation): StepRecord | null {
  const last = rotation.record.at(-1);
  return last && last.endedAt === null && last.step === rotation.step && last.attempt === rotation.attempt
    ? last
    : null;
}

/** What the step that it is in keeps failing of; no longer once a try of it has come to something, if only to waiting. */
export function troubleOf(rotation: Rotation): string | null {
  const trouble = openRecord(rotation)?.trouble;
  return trouble?.fence === rotation.fence ? trouble.why : null;
}

/** Steps that change nothing outside, so that nothing of theirs can still be under way. */
const changesNothing: ReadonlySet<Step> = new Set(['test', 'verify', 'grace', 'watch', 'confirm']);
/** Longer than an outside call may take: what was under way when somebody turned back has landed by then. */
const stragglerMs = 20_000;
/** A step that took longer may have been tried more than once, and a try whose answer nobody heard may land later. */
const oneTryMs = 2_000;

/** Until when something that this step did outside may still come late; the rotation has `endedAt`, or goes on. */
function landsBy({ startedAt, endedAt }: StepRecord, rotation: Rotation, now: Instant): Instant | null {
  if (!endedAt) return after(rotation.endedAt ?? now, stragglerMs);
  const tookMs = Date.parse(endedAt) - Date.parse(startedAt);
  return tookMs > oneTryMs ? after(new Date(endedAt), stragglerMs) : null;
}

/** Until when something that a rotation did outside may still come late, or null. A way back begins after that. */
export function stragglersUntil(rotation: Rotation, now: Instant): Instant | null {
  const open = openRecord(rotation);
  const instants = rotation.record
    .filter((each) => !changesNothing.has(each.step) && (each.endedAt || each === open))
    .map((each) => landsBy(each, rotation, now)?.getTime() ?? 0);
  const until = Math.max(0, ...instants);
  return until > now.getTime() ? new Date(until) : null;
}

/**
 * Whether an earlier rotation may have moved AWSCURRENT without anybody having seen it, `holder` having it now, and when
 * the last of its calls has landed. What has landed shows soon afterwards.
 */
export function unseenSwitch(earlier: Rotation, holder: string, now: Instant): { landedAt: Instant } | null {
  const last = earlier.record.findLast(({ step }) => step === 'promote' || step === 'restore');
  if (!last || (last.step === 'promote' && holder === earlier.newVersion)) return null;
  const unseen = last.verdict === 'done' ? null : after(new Date(last.endedAt ?? earlier.endedAt ?? now), stragglerMs);
  const landedAt = landsBy(last, earlier, now) ?? unseen;
  return landedAt && after(landedAt, unseen ? minute : 0) > now ? { landedAt } : null;
}

/** A drill takes the path of an emergency, and nothing has leaked. */
export const isDrill = ({ cause }: Pick<Rotation, 'cause'>) => cause === 'drill';

/** Whether it is a real emergency: people may be woken for it, and no other one takes over. */
export const isReal = (rotation: Pick<Rotation, 'emergency' | 'cause'>) => rotation.emergency && !isDrill(rotation);

/** Whether the old value may be known to somebody who must not use it, so that nothing may lead back to it. */
export function compromised(rotation: Pick<Rotation, 'emergency' | 'cause'>): boolean {
  return isReal(rotation) || rotation.cause === 'incident' || rotation.cause === 'leaver';
}

/** Whether this step was begun in this rotation, whatever came of it. */
export const reached = (rotation: Rotation, step: Step) => rotation.record.some((each) => each.step === step);

/** Why a rotation cannot be tried again from where it failed, or null. `newer` is a later rotation of the same key. */
export function whyNotRetry(rotation: Rotation, newer: Rotation | null): Refusal | null {
  if (rotation.status === 'running') return new Refusal('conflict', 'This rotation is running already.');
  if (rotation.status !== 'failed') {
    return new Refusal('conflict', 'This rotation is over, so there is nothing to try again. Start a new one.');
  }
  if (newer) return new Refusal('conflict', 'A newer rotation of this key has started since. Look at that one.');
  return null;
}

/** Whether AWS itself makes the values of this key: then Keysteward asks and watches. */
export const rotatedByAws = ({ issuer }: Pick<ApiKey, 'issuer'>, { providers }: Policy): boolean =>
  providers[issuer]?.kind === 'aws-managed';

/**
 * Why this rotation cannot be rolled back, or null. There is a way back until the old value starts to die; where AWS
 * rotates, only until it has been asked to.
 */
export function whyNotRollBack(rotation: Rotation, newer: Rotation | null, byAws: boolean): Refusal | null {
  if (rotation.status !== 'running' && rotation.status !== 'failed') {
    return new Refusal('conflict', 'This rotation is over. To replace the value once more, start a new rotation.');
  }
  if (newer) return new Refusal('conflict', 'A newer rotation of this key has started since. Look at that one.');
  if (compromised(rotation)) {
    return new Refusal(
      'conflict',
      'The old value may be in the wrong hands, so nothing leads back to it. Retry makes another new value instead.',
    );
  }
  if (rotation.status === 'running' && rotation.ending) {
    return new Refusal('conflict', 'This rotation is already going back.');
  }
  if (byAws && rotation.tried.length > 0) {
    return new Refusal('conflict', `${noWayBackInWords} To replace the value once more, start another rotation.`);
  }
  if (rotation.replacement) return new Refusal('conflict', diedOfItInWords(rotation));
  if ((screamSteps as readonly Step[]).includes(rotation.step)) {
    return new Refusal('conflict', 'The old value is disabled. Re-enable it first; then there is a way back to it.');
  }
  if (reached(rotation, 'retire')) {
    return new Refusal('conflict', 'The old value is being retired or dead already, so there is no way back to it.');
  }
  if (rotation.status === 'failed' && (rotation.step === 'discard' || !reached(rotation, 'promote'))) {
    return new Refusal('conflict', 'Nothing has been switched over, so there is nothing to roll back.');
  }
  return null;
}

/** Why there is no Roll back where AWS has been asked to rotate. */
export const noWayBackInWords =
  'AWS rotates this secret, and only its rotation function knows whether the old value still works, so there is no way back from here.';

const diedOfItInWords = ({ status }: Rotation) =>
  `The old value died when the new one was made, so there is no way back to it. ${status === 'failed' ? 'Retry goes on from the step that failed.' : 'It goes on by itself.'}`;

/** Whether whoever fetches the value is handed one that is dead, or may be. Nothing holds such a rotation up. */
export const nothingWorks = ({ replacement, condition }: Pick<Rotation, 'replacement' | 'condition'>): boolean =>
  replacement !== null && condition === 'none';

/** Whether it has been asked for and has done nothing yet, as its time has not come. */
export const isPlanned = ({ status, record, continuesAt }: Rotation, now: Instant): boolean =>
  status === 'running' && record.length === 0 && continuesAt !== null && continuesAt > now;

/** Whether it goes ahead of others. */
export const isUrgent = (rotation: Pick<Rotation, 'emergency' | 'replacement' | 'condition'>): boolean =>
  rotation.emergency || nothingWorks(rotation);

/** What works where the old value died of being replaced, or may have. */
function replacedInWords({ replacement, condition, status, step, record }: Rotation): string {
  const running = status === 'running';
  if (condition === 'new') return conditions.new;
  if (replacement!.by === null) {
    return running
      ? 'The old value may be dead already: its provider was asked to replace it, and the answer is looked for.'
      : 'Nothing is known to work. The provider was asked to replace the old value, and whether it did is not known. Somebody must look now.';
  }
  const last = record.at(-1);
  if (step === 'promote' && last?.step === 'promote' && last.endedAt === null) {
    return running
      ? 'The old value is dead. The switch to the new one, which works, is under way.'
      : 'The old value is dead. Whether the new one, which works, is already handed out could not be seen. Somebody must look now.';
  }
  return running
    ? 'The old value died when the new one was made. The new one is not handed out yet.'
    : 'Nothing is known to work: the old value died when the new one was made. Somebody must look now.';
}

/** Whether the old value is known to be dead, rather than only that nothing leads to it any more. */
export const isProvenDead = ({ status, condition, record }: Rotation) =>
  status === 'done' && condition === 'new' && !record.at(-1)?.unproven;

/** What works now, and what is being done about it, in one sentence or two. */
export function conditionInWords(rotation: Rotation): string {
  const known = conditions[rotation.condition];
  if (rotation.status === 'superseded') return 'An emergency rotation has taken over; its card says what works.';
  const oneAtMost = rotation.condition === 'new' || rotation.condition === 'none';
  if (rotation.replacement && oneAtMost) return replacedInWords(rotation);
  const byAws = rotation.record.some((each) => each.step === 'generate' && each.unproven);
  if (byAws && rotation.condition === 'both' && !rotation.newVersion) {
    return 'AWS hands out what its rotation function has stored. Whether that is a new value that works is not known.';
  }
  if (rotation.condition === 'both' && (byAws || rotation.status === 'done')) {
    return 'The new value is handed out. Whether the old one still works is up to the rotation that AWS runs.';
  }
  if (rotation.status === 'done' && rotation.condition === 'new' && !isProvenDead(rotation)) {
    return 'The new value is handed out, and nothing leads to the old one any more. Whether its service still takes the old one, Keysteward cannot ask.';
  }
  const open = openRecord(rotation);
  if (rotation.step === 'promote' && open) {
    return rotation.status === 'running'
      ? 'The old value works. The switch to the new one, which works too, is under way.'
      : 'The old value works. Whether the new one, which works too, is already handed out could not be seen.';
  }
  if (rotation.step === 'restore' && open) return 'Both values work. The switch back to the old one is under way.';
  const running = rotation.status === 'running';
  if (rotation.step === 'disable' && open) {
    return `The new value works. ${running ? 'The old one is being disabled, and can be enabled again.' : 'The old one may be disabled already.'}`;
  }
  if (rotation.step === 'watch') return 'The new value works. The old one is disabled, and can be enabled again.';
  if (rotation.step === 'enable') {
    return `The new value works. ${running ? 'The old one is being enabled again.' : 'The old one may still be disabled.'}`;
  }
  if (rotation.step === 'retire' && rotation.condition === 'new') {
    return `The new value works. The old one is disabled, and ${running ? 'is being deleted' : 'not deleted yet'}.`;
  }
  if (rotation.step === 'retire' && rotation.condition === 'both' && reached(rotation, 'retire')) {
    return rotation.status === 'running'
      ? 'The new value works. The old one is being retired.'
      : 'The new value works. The old one may still work.';
  }
  if (rotation.step === 'confirm' && rotation.status !== 'done') {
    if (rotation.status !== 'running') return 'The new value works. The old one was retired; it may still be alive.';
    return 'The new value works. The old one was retired; whether it is dead is being checked.';
  }
  return known;
}
