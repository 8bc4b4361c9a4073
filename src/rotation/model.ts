import { type ApiKey, computedRisk, nextRotation } from '../inventory/model.ts';
import { after, type Id, type Instant, minute, Refusal } from '../kernel.ts';
import type { Policy } from '../policy.ts';

/** SOP 5.3 in the order in which a rotation goes through it. Each step is one job and safe to repeat. */
export const steps = ['generate', 'test', 'promote', 'verify', 'grace', 'retire', 'confirm'] as const;
/** The way back: hand out the old value again, then take the labels off what was tried. */
export const backSteps = ['restore', 'discard'] as const;
export type Step = (typeof steps)[number] | (typeof backSteps)[number];
export type RotationStatus = 'running' | 'done' | 'failed' | 'rolled-back' | 'superseded';
/** SOP 5.1 and the triggers of SOP 5.4. */
export const rotationCauses = ['due', 'planned', 'asked', 'incident', 'leaver', 'expiry'] as const;
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
  /** Labels under which it, or one that it superseded, may have made a key at the provider. */
  labels: string[];
  /** Which version is which key at the provider, as far as that is known. */
  issued: Issued[];
  /** On the way back: how it ends, or null when another attempt follows. */
  ending: { status: 'failed' | 'rolled-back'; why: string } | null;
  record: StepRecord[];
  failure: string | null;
  supersededBy: Id<'rotation'> | null;
  startedAt: Instant;
  /** Nothing happens before this instant. */
  continuesAt: Instant | null;
  touchedAt: Instant;
  endedAt: Instant | null;
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
  if (key.issuer === 'person') {
    return new Refusal(
      'conflict',
      `${key.service} has to be rotated by a person: make a new key there, store it in Secrets Manager, then retire the old one.`,
    );
  }
  if (key.storage !== 'secrets-manager' || !key.secretId) {
    return new Refusal('conflict', `${key.name} is not in Secrets Manager, so Keysteward cannot replace its value.`);
  }
  if (emergency) return null;
  if (running) return new Refusal('conflict', 'A rotation of this key is already running.');
  const since = key.lastRotatedAt ? now.getTime() - key.lastRotatedAt.getTime() : Number.POSITIVE_INFINITY;
  if (since < policy.rotation.minMinutesBetween * minute) {
    return new Refusal(
      'conflict',
      `This key was rotated ${Math.floor(since / minute)} minutes ago; wait until ${policy.rotation.minMinutesBetween} minutes have passed.`,
    );
  }
  return null;
}

/** Why this issuer cannot make a new value for this key, or null. `issuer` is null where nobody is configured by that name. */
export function whyNotIssue(
  key: Pick<ApiKey, 'name' | 'issuer' | 'secretId'>,
  issuer: { can: { create: boolean }; credential: string | null } | null,
): Refusal | null {
  if (!issuer) {
    return new Refusal(
      'conflict',
      `Keysteward does not know how to make a new value at ${key.issuer}: it is not connected. Name its kind and its credential under providers.${key.issuer} in policy.yml, or have the key rotated by a person.`,
    );
  }
  if (!issuer.can.create) {
    return new Refusal(
      'conflict',
      `${key.issuer} makes no keys for programs. Have the key rotated by a person: set "New values" to "A person".`,
    );
  }
  if (issuer.credential && key.secretId && sameSecret(issuer.credential, key.secretId)) {
    return new Refusal(
      'conflict',
      `${key.name} is what Keysteward itself works with at ${key.issuer}, and it cannot end the branch that it sits on. Have it rotated by a person.`,
    );
  }
  return null;
}

/** Whether two names mean one secret; an ARN ends with the name, a dash and six characters. */
function sameSecret(one: string, other: string): boolean {
  const nameOf = (id: string) => (id.startsWith('arn:') ? (id.split(':secret:')[1] ?? id).replace(/-\w{6}$/, '') : id);
  return one === other || nameOf(one) === nameOf(other);
}

export interface Beginning {
  cause: RotationCause;
  causeId: string | null;
  askedBy: Id<'person'> | null;
  reason: string | null;
  emergency: boolean;
}

/** A fresh rotation. It takes over what a superseded one would have had to clean up. */
export function started(
  id: Id<'rotation'>,
  key: ApiKey,
  why: Beginning,
  superseded: Rotation | null,
  policy: Policy,
  now: Instant,
): Rotation {
  return {
    id,
    keyId: key.id,
    ...why,
    status: 'running',
    step: 'generate',
    condition: 'old',
    attempt: 1,
    lastAttempt: policy.rotation.attempts,
    fence: superseded ? superseded.fence + 2 : 1,
    oldVersion: null,
    newVersion: null,
    oldLastFour: key.lastFour,
    newLastFour: null,
    tried: [],
    cleanup: superseded ? unique([superseded.oldVersion, ...superseded.tried, ...superseded.cleanup]) : [],
    labels: superseded?.labels ?? [],
    issued: superseded?.issued ?? issuedAlready(key),
    ending: null,
    record: [],
    failure: null,
    supersededBy: null,
    startedAt: now,
    continuesAt: null,
    touchedAt: now,
    endedAt: null,
  };
}

function issuedAlready({ currentVersion, providerKeyId }: ApiKey): Issued[] {
  return currentVersion && providerKeyId
    ? [{ version: currentVersion, providerKeyId, expiresAt: null, ended: false }]
    : [];
}

/** The name that the value of one attempt gets at the provider, so that a try whose answer was lost is found again. */
export const labelOf = ({ id, attempt }: Pick<Rotation, 'id' | 'attempt'>) => `keysteward-${id}-${attempt}`;

const unique = (versions: (string | null)[]) => [...new Set(versions.filter((each) => each !== null))];

/** The record of the step that it is in, when that has begun and not ended. */
export function openRecord(rotation: Rotation): StepRecord | null {
  const last = rotation.record.at(-1);
  return last && last.endedAt === null && last.step === rotation.step && last.attempt === rotation.attempt
    ? last
    : null;
}

/** The intent to take the step that it is in; `version` is what it is about to store. */
export function begun(rotation: Rotation, now: Instant, version?: string): Rotation {
  if (openRecord(rotation)) return rotation;
  const record: StepRecord = {
    step: rotation.step,
    attempt: rotation.attempt,
    startedAt: now.toISOString(),
    endedAt: null,
    verdict: null,
    evidence: null,
  };
  return {
    ...rotation,
    record: [...rotation.record, record],
    tried: version ? unique([...rotation.tried, version]) : rotation.tried,
    labels: version ? unique([...rotation.labels, labelOf(rotation)]) : rotation.labels,
    touchedAt: now,
  };
}

function closed(rotation: Rotation, verdict: StepRecord['verdict'], evidence: string, now: Instant): Rotation {
  const open = begun(rotation, now);
  const last = open.record.at(-1)!;
  return {
    ...open,
    record: [...open.record.slice(0, -1), { ...last, endedAt: now.toISOString(), verdict, evidence }],
    fence: rotation.fence + 1,
    continuesAt: null,
    touchedAt: now,
  };
}

/** The step was done; on to the next. After an emergency, and where the policy says so, the old value has no grace. */
export function passed(rotation: Rotation, evidence: string, policy: Policy, now: Instant): Rotation {
  const done = closed(rotation, 'done', evidence, now);
  switch (rotation.step) {
    case 'generate':
      return { ...done, step: 'test' };
    case 'test':
      return { ...done, step: 'promote', newVersion: rotation.tried.at(-1) ?? null };
    case 'promote':
      return { ...done, step: 'verify', condition: 'both' };
    case 'verify': {
      const grace: Rotation = { ...done, step: 'grace' };
      if (rotation.emergency) return ungraced(grace, 'no grace in an emergency', now);
      if (policy.rotation.graceMinutes === 0) return ungraced(grace, 'no grace by policy', now);
      return { ...begun(grace, now), continuesAt: after(now, policy.rotation.graceMinutes * minute) };
    }
    case 'grace':
      return { ...done, step: 'retire' };
    case 'retire':
      return { ...done, step: 'confirm' };
    case 'confirm':
      return { ...done, status: 'done', condition: 'new', endedAt: now };
    case 'restore':
      return { ...done, step: 'discard', condition: 'old' };
    case 'discard':
      return done.ending
        ? { ...done, status: done.ending.status, failure: done.ending.why, endedAt: now }
        : { ...done, step: 'generate', attempt: done.attempt + 1, newVersion: null, newLastFour: null };
  }
}

function ungraced(rotation: Rotation, why: string, now: Instant): Rotation {
  return { ...closed(rotation, 'skipped', why, now), step: 'retire' };
}

/**
 * The new value does not work. Before the switch it is thrown away; after it the old one is handed out again. Where the
 * old value may be in the wrong hands nothing leads back: the next attempt replaces both.
 */
export function rejected(rotation: Rotation, why: string, now: Instant): Rotation {
  const refused = closed(rotation, 'refused', why, now);
  const more = rotation.attempt < rotation.lastAttempt;
  const ending = { status: 'failed' as const, why };
  if (rotation.step !== 'verify') return { ...refused, step: 'discard', ending: more ? null : ending };
  if (!compromised(rotation)) return { ...refused, step: 'restore', ending };
  return more
    ? { ...refused, step: 'generate', attempt: rotation.attempt + 1, newVersion: null, newLastFour: null }
    : stopped(refused, why, 'none', now);
}

/** Something outside forbids to go on: what was tried is taken away, and it ends saying why and what works. */
export function givenUp(rotation: Rotation, why: string, condition: Condition, now: Instant): Rotation {
  return { ...closed(rotation, 'refused', why, now), step: 'discard', condition, ending: { status: 'failed', why } };
}

/** One part of the step was done, such as a label taken off or a key ended; there may be more, so the step goes on. */
export function partDone(rotation: Rotation, evidence: string, now: Instant): Rotation {
  return closed(rotation, 'done', evidence, now);
}

/** The old value turned out not to be dead yet, so all of it is ended once more. */
export function aliveAgain(rotation: Rotation, evidence: string, now: Instant): Rotation {
  // What never was a value of ours is found again by its label, if it lives.
  const issued = rotation.issued.filter((each) => each.version !== '').map((each) => ({ ...each, ended: false }));
  return { ...closed(rotation, 'refused', evidence, now), step: 'retire', issued };
}

/** How often an old value that is found alive is ended once more before somebody has to look. */
const maxRevivals = 3;
export const mayReviveAgain = (rotation: Rotation) =>
  rotation.record.filter((each) => each.step === 'confirm' && each.verdict === 'refused').length < maxRevivals;

/** What the provider calls the value of a version. Whoever says it first is believed: a worker that comes late made another. */
export function named(rotation: Rotation, known: Omit<Issued, 'ended'>): Rotation {
  if (rotation.issued.some((each) => each.version === known.version)) return rotation;
  return { ...rotation, issued: [...rotation.issued, { ...known, ended: false }] };
}

/** A key was ended at the provider, one of ours or one that was made for nothing. */
export function ended(rotation: Rotation, providerKeyId: string): Rotation {
  if (!rotation.issued.some((each) => each.providerKeyId === providerKeyId)) {
    return { ...rotation, issued: [...rotation.issued, { version: '', providerKeyId, expiresAt: null, ended: true }] };
  }
  const issued = rotation.issued.map((each) =>
    each.providerKeyId === providerKeyId ? { ...each, ended: true } : each,
  );
  return { ...rotation, issued };
}

/** Whatever was made for this attempt is gone, and its value with it; another can be made. */
export function unnamed(rotation: Rotation, version: string): Rotation {
  return { ...rotation, issued: rotation.issued.filter((each) => each.version !== version) };
}

export const issuedOf = (rotation: Pick<Rotation, 'issued'>, version: string | null): Issued | null =>
  rotation.issued.find((each) => each.version === version) ?? null;

/** The versions whose values have to die so that only the new one works. */
export const dying = (rotation: Rotation): string[] =>
  unique([rotation.oldVersion, ...rotation.cleanup, ...rotation.tried]).filter((each) => each !== rotation.newVersion);

/** Versions that were tried and that nothing leads to any more; their values are thrown away at the provider too. */
export function discarded(stages: Stages, rotation: Rotation): string[] {
  const led = new Set(stages.filter((each) => each.stages.length > 0).map((each) => each.id));
  return unique([...rotation.tried, ...rotation.cleanup]).filter(
    (each) => each !== rotation.oldVersion && !led.has(each),
  );
}

/** Keys at the provider that live on when these versions die. */
export const idsToKeep = ({ issued }: Rotation, versions: string[]): string[] =>
  issued.filter((each) => !each.ended && !versions.includes(each.version)).map((each) => each.providerKeyId);

/** Keys at the provider that these versions are, and that live. A slot that holds a value which stays is not one of them. */
export function idsToEnd(rotation: Rotation, versions: string[]): Issued[] {
  const keep = idsToKeep(rotation, versions);
  return rotation.issued.filter(
    (each) => versions.includes(each.version) && !each.ended && !keep.includes(each.providerKeyId),
  );
}

/** What a failed rotation may have left at the provider is this one's to look after. */
export function inherited(rotation: Rotation, previous: Rotation | null): Rotation {
  if (previous?.status !== 'failed') return rotation;
  const known = new Set(rotation.issued.map((each) => each.version));
  const left = previous.issued.filter((each) => !each.ended && !known.has(each.version));
  return {
    ...rotation,
    labels: unique([...previous.labels, ...rotation.labels]),
    issued: [...rotation.issued, ...left],
    cleanup: unique([...rotation.cleanup, ...left.map((each) => each.version)]),
  };
}

/** It ends here and now, saying why and what works. */
export function stopped(rotation: Rotation, why: string, condition: Condition, now: Instant): Rotation {
  return {
    ...rotation,
    status: 'failed',
    failure: why,
    condition,
    ending: null,
    fence: rotation.fence + 1,
    continuesAt: null,
    touchedAt: now,
    endedAt: now,
  };
}

export function superseded(rotation: Rotation, by: Id<'rotation'>, now: Instant): Rotation {
  return {
    ...rotation,
    status: 'superseded',
    supersededBy: by,
    fence: rotation.fence + 1,
    continuesAt: null,
    touchedAt: now,
    endedAt: now,
  };
}

/** Whether the old value may be known to somebody who must not use it, so that nothing may lead back to it. */
export function compromised(rotation: Pick<Rotation, 'emergency' | 'cause'>): boolean {
  return rotation.emergency || rotation.cause === 'incident' || rotation.cause === 'leaver';
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

/**
 * Goes on from the step that failed. A value that was refused is never tried again: another one is made, to replace
 * whatever is current by then.
 */
export function retried(rotation: Rotation, policy: Policy, now: Instant): Rotation {
  const refused = rotation.record.at(-1)?.verdict === 'refused';
  const afresh =
    rotation.step === 'discard' || (refused && ['generate', 'test', 'promote', 'verify'].includes(rotation.step));
  const attempt = afresh && rotation.tried.length >= rotation.attempt ? rotation.attempt + 1 : rotation.attempt;
  return {
    ...rotation,
    status: 'running',
    attempt,
    lastAttempt: attempt + policy.rotation.attempts - 1,
    ...(afresh
      ? {
          step: 'generate',
          oldVersion: null,
          newVersion: null,
          newLastFour: null,
          cleanup: unique([...rotation.cleanup, rotation.oldVersion]),
        }
      : {}),
    ending:
      rotation.step === 'restore' ? { status: 'failed', why: rotation.failure ?? 'the new value did not work' } : null,
    failure: null,
    fence: rotation.fence + 1,
    touchedAt: now,
    endedAt: null,
  };
}

/** Why this rotation cannot be rolled back, or null. There is a way back until the old value starts to die. */
export function whyNotRollBack(rotation: Rotation, newer: Rotation | null): Refusal | null {
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
  if (reached(rotation, 'retire')) {
    return new Refusal('conflict', 'The old value is being retired or dead already, so there is no way back to it.');
  }
  if (rotation.status === 'failed' && (rotation.step === 'discard' || !reached(rotation, 'promote'))) {
    return new Refusal('conflict', 'Nothing has been switched over, so there is nothing to roll back.');
  }
  return null;
}

/** Turned back: what was switched over is switched back, what was tried is taken away. */
export function turnedBack(rotation: Rotation, why: string, now: Instant, notBefore: Instant | null): Rotation {
  const turned =
    rotation.status === 'running' && openRecord(rotation) ? closed(rotation, 'skipped', why, now) : rotation;
  return {
    ...turned,
    status: 'running',
    step: reached(rotation, 'promote') ? 'restore' : 'discard',
    ending: { status: 'rolled-back', why },
    failure: null,
    fence: rotation.fence + 1,
    continuesAt: notBefore,
    touchedAt: now,
    endedAt: null,
  };
}

/** Stages of each version, as the store has them. */
export type Stages = { id: string; stages: string[] }[];
export const holderOf = (stages: Stages, label: string) =>
  stages.find((version) => version.stages.includes(label))?.id ?? null;
const labelled = (stages: Stages, version: string | null) =>
  stages.some((each) => each.id === version && each.stages.some((stage) => stage !== 'AWSPENDING'));

/** What the store itself says works: a value that a label other than AWSPENDING leads to. */
export function conditionIn(stages: Stages, rotation: Pick<Rotation, 'oldVersion' | 'newVersion'>): Condition {
  const current = holderOf(stages, 'AWSCURRENT');
  const old = labelled(stages, rotation.oldVersion);
  if (current !== null && current === rotation.newVersion) return old ? 'both' : 'new';
  return old ? 'old' : 'none';
}

/** What to do about AWSCURRENT so that the new version has it. Anybody else's change stops the rotation. */
export function switchOver(
  stages: Stages,
  rotation: Rotation,
): { is: 'done' } | { is: 'open'; from: string } | { is: 'foreign'; holder: string | null } {
  const holder = holderOf(stages, 'AWSCURRENT');
  if (holder === rotation.newVersion) return { is: 'done' };
  const ours = [rotation.oldVersion, ...rotation.cleanup, ...rotation.tried];
  return holder && ours.includes(holder) ? { is: 'open', from: holder } : { is: 'foreign', holder };
}

/** Which labels have to go before the old value is dead, in this order; exact targets, so that a late repetition hits nothing else. */
export function labelsToRetire(stages: Stages, rotation: Rotation): { stage: string; version: string }[] {
  const dead = new Set(unique([rotation.oldVersion, ...rotation.cleanup, ...rotation.tried]));
  return stages.flatMap((version) =>
    version.stages
      .filter((stage) =>
        version.id === rotation.newVersion ? stage === 'AWSPENDING' : dead.has(version.id) && stage !== 'AWSCURRENT',
      )
      .map((stage) => ({ stage, version: version.id })),
  );
}

/** Which labels have to go when the new values are thrown away. */
export function labelsToDiscard(stages: Stages, rotation: Rotation): { stage: string; version: string }[] {
  return stages.flatMap((version) =>
    version.stages
      .filter((stage) =>
        rotation.tried.includes(version.id)
          ? stage !== 'AWSCURRENT'
          : stage === 'AWSPENDING' && rotation.cleanup.includes(version.id) && version.id !== rotation.oldVersion,
      )
      .map((stage) => ({ stage, version: version.id })),
  );
}

/** What works now, and what is being done about it, in one sentence or two. */
export function conditionInWords(rotation: Rotation): string {
  const known = conditions[rotation.condition];
  const open = openRecord(rotation);
  if (rotation.status === 'superseded') return 'An emergency rotation has taken over; its card says what works.';
  if (rotation.step === 'promote' && open) {
    return rotation.status === 'running'
      ? 'The old value works. The switch to the new one, which works too, is under way.'
      : 'The old value works. Whether the new one, which works too, is already handed out could not be seen.';
  }
  if (rotation.step === 'restore' && open) return 'Both values work. The switch back to the old one is under way.';
  if (rotation.step === 'retire' && rotation.condition === 'both' && reached(rotation, 'retire')) {
    return rotation.status === 'running'
      ? 'The new value works. The old one is being retired.'
      : 'The new value works. The old one may still work.';
  }
  if (rotation.step === 'confirm' && rotation.condition === 'both') {
    if (rotation.status !== 'running') return 'The new value works. The old one was retired; it may still be alive.';
    return 'The new value works. The old one was retired; whether it is dead is being checked.';
  }
  return known;
}

/** The key once its new version is current, so that the inventory never says otherwise. */
export function keySwitched(
  key: ApiKey,
  rotation: Rotation,
  { version, lastFour }: { version: string; lastFour: string | null },
): ApiKey {
  const providerKeyId = issuedOf(rotation, version)?.providerKeyId ?? null;
  return { ...key, currentVersion: version, lastFour, providerKeyId };
}

/** The key after its rotation: due again by its risk, which not having been rotated may have raised (SOP 1.3, 5.1). */
export function keyRotated(key: ApiKey, rotation: Rotation, policy: Policy, now: Instant): ApiKey {
  // The end that the provider had set before was the old value's.
  const end = issuedOf(rotation, rotation.newVersion)?.expiresAt;
  const expiresAt = end ? new Date(end) : null;
  const fresh = { ...key, lastRotatedAt: now, expiresAt, plannedAt: null, snooze: null };
  const risk = key.riskSet?.risk ?? computedRisk(fresh, policy, now).risk;
  return { ...fresh, risk, nextRotationAt: nextRotation({ ...fresh, risk }, policy, now) };
}
