import type { AccessRequest, Grant } from '../access/model.ts';
import type { Consumer } from '../inventory/consumer-model.ts';
import { type ApiKey, atOnceInWords } from '../inventory/model.ts';
import { after, day, type Id, type Instant, minute, Refusal } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { whyNot } from '../people/model.ts';
import type { Policy } from '../policy.ts';
import { conditionInWords, type Rotation } from '../rotation/model.ts';

/** `planned` waits for its day, `waiting` for an administrator; nothing is ended before it is `open`. */
export type CaseStatus = 'planned' | 'waiting' | 'open' | 'closed' | 'called-off';
export const unfinished: readonly CaseStatus[] = ['planned', 'waiting', 'open'];

export type Cause =
  | { kind: 'hr'; messageId: string }
  | { kind: 'asked'; by: Id<'person'> }
  /** Slack has deactivated them. */
  | { kind: 'slack' };

/** Why a case waits for an administrator. */
export const holds = {
  many: 'More people than usual are reported to leave. An HR system that goes wrong looks just like this.',
  administrator: 'They are the only administrator. Make somebody else one first, or nobody could look after this.',
} as const;
export type Hold = keyof typeof holds;

/** Somebody's word that a line is done. */
export interface Tick {
  line: string;
  by: Id<'person'>;
  at: string;
  note: string;
}

/** Somebody leaves, with everything that has to be done about it (SOP 6.3). */
export interface Case {
  id: Id<'case'>;
  personId: Id<'person'>;
  status: CaseStatus;
  cause: Cause;
  /** Opened by another system and not by a person. */
  byMachine: boolean;
  hold: Hold | null;
  effectiveAt: Instant;
  openedAt: Instant;
  /** From here on they can do nothing and what they had is being ended. */
  startedAt: Instant | null;
  confirmedBy: Id<'person'> | null;
  closedAt: Instant | null;
  closedBy: Id<'person'> | null;
  /** Every key that they owned at some time during the case. */
  ownedKeys: Id<'key'>[];
  /** Every key whose value had to be replaced at some time during the case. */
  rotateKeys: Id<'key'>[];
  /** When the rotation of a key was asked for. */
  asked: Record<string, string>;
  ticks: Tick[];
  /** How each line stood when it was last looked at, and since when. */
  seen: Record<string, { state: LineState; since: string }>;
}

/** What the HR system said. */
export interface HrMessage {
  /** `webhook-id`: the same in every repetition. */
  id: string;
  hrId: string;
  slackUserId: string | null;
  effectiveAt: Instant;
  receivedAt: Instant;
  outcome: 'heard' | 'case' | 'unknown' | 'contradiction';
  caseId: Id<'case'> | null;
}

/** `open` waits for a person, `running` goes on by itself, `failed` did and needs a person now. */
export type LineState = 'open' | 'running' | 'done' | 'failed';
export type LineKind = 'grants' | 'requests' | 'hand-over' | 'consumer' | 'rotate' | 'review' | 'record';
export interface Line {
  /** The kind, with the key's id where there is one line per key. */
  id: string;
  kind: LineKind;
  keyId: Id<'key'> | null;
  state: LineState;
  /** Where it stands, and what has to happen next. */
  says: string;
  /** Only a person can do it, and says so by a tick. */
  byHand: boolean;
  tick: Tick | null;
}

/** What the lines of a case are computed from, as it is now. */
export interface Facts {
  person: Person;
  /** Every grant that they ever held. */
  grants: Grant[];
  requests: AccessRequest[];
  /** Active keys that they own now. */
  owned: ApiKey[];
  /** What they move by hand when a value is replaced, now or when the case was looked at before. */
  consumers: Consumer[];
  /** Every key that a line is about. */
  keys: Map<string, ApiKey>;
  /** Of each of those keys, newest first. */
  rotations: Map<string, Rotation[]>;
  /** Keys whose value can be replaced without a person. */
  byItself: Set<string>;
  /** Keys whose rotation is an outage, so that a person starts it. */
  byPress: Set<string>;
}

/** They have left, and are a member again before the case was closed. */
const isBack = (each: Case, facts: Facts) => each.startedAt !== null && facts.person.status === 'active';
/** What was granted after somebody came back is none of the case's business. */
const isAfterwards = (each: Case, facts: Facts, grant: Grant) =>
  isBack(each, facts) && grant.startsAt > each.startedAt!;
const isLive = (grant: Grant) => grant.status !== 'ended';
/** What should have happened by itself within this time needs somebody to look. */
const patienceMs = 15 * minute;

export function opened(
  id: Id<'case'>,
  person: Person,
  why: { cause: Cause; effectiveAt: Instant; hold: Hold | null },
  now: Instant,
): Case {
  return {
    id,
    personId: person.id,
    status: why.hold ? 'waiting' : 'planned',
    cause: why.cause,
    byMachine: why.cause.kind !== 'asked',
    hold: why.hold,
    effectiveAt: why.effectiveAt,
    openedAt: now,
    startedAt: null,
    confirmedBy: null,
    closedAt: null,
    closedBy: null,
    ownedKeys: [],
    rotateKeys: [],
    asked: {},
    ticks: [],
    seen: {},
  };
}

/**
 * Since when every value of this key that still works has been the one handed out. Counted from the beginning of the
 * last rotation that was finished: its new value could be read before it was handed out, and until it was finished the
 * old one worked. Null when nobody knows, which means since ever.
 */
export function valueSince(key: Pick<ApiKey, 'lastRotatedAt'>, rotations: Rotation[]): Instant | null {
  const last = rotations.find((each) => each.status === 'done');
  const byHand = key.lastRotatedAt && (!last?.endedAt || key.lastRotatedAt > last.endedAt);
  return byHand ? key.lastRotatedAt : (last?.startedAt ?? key.lastRotatedAt);
}

/** Whether a value of this key that still works could be read by them: by a grant, or as its owner. */
export function couldRead(each: Case, key: ApiKey, facts: Facts, now: Instant): boolean {
  const until = [
    ...facts.grants
      .filter((grant) => grant.keyId === key.id && !isAfterwards(each, facts, grant))
      .map((grant) => (isLive(grant) ? now : (grant.endedAt ?? grant.endsAt))),
    ...(key.ownerId === each.personId || each.ownedKeys.includes(key.id) ? [each.startedAt ?? now] : []),
  ];
  const since = valueSince(key, facts.rotations.get(key.id) ?? []);
  return until.some((moment) => !since || moment >= since);
}

/** The keys whose value has to be replaced, the most dangerous first (SOP 5.4, 6.3). */
export function keysToRotate(each: Case, facts: Facts, now: Instant): ApiKey[] {
  const danger = (key: ApiKey) =>
    (key.environment === 'production' ? 0 : 3) + ['high', 'medium', 'low'].indexOf(key.risk);
  return [...facts.keys.values()]
    .filter((key) => key.status === 'active' && couldRead(each, key, facts, now))
    .sort((a, b) => danger(a) - danger(b) || a.name.localeCompare(b.name));
}

/** Whether they have come back since a case of theirs began, or got something, so that it cannot speak for this leaving. */
export function isAnotherLeaving(before: Case, facts: Facts): boolean {
  const { startedAt } = before;
  if (!startedAt || facts.person.status === 'active') return true;
  if (facts.grants.some((grant) => grant.startsAt > startedAt)) return true;
  return before.status === 'closed' && facts.requests.length + facts.owned.length + moving(before, facts) > 0;
}

/** How much they move by hand now. */
export const moving = ({ personId }: Pick<Case, 'personId'>, { consumers, keys }: Facts): number =>
  consumers.filter((each) => each.personId === personId && !each.removedAt && keys.get(each.keyId)?.status === 'active')
    .length;

/** The grants that this case ends. */
export function grantsToEnd(each: Case, facts: Facts): Grant[] {
  return facts.grants.filter((grant) => isLive(grant) && !isAfterwards(each, facts, grant));
}

/** One line per thing to do. Computed afresh whenever somebody looks: a line is green only while it is true. */
export function linesOf(each: Case, facts: Facts, now: Instant): Line[] {
  const keyOf = (id: string) => facts.keys.get(id);
  const rotate = new Set([...each.rotateKeys, ...keysToRotate(each, facts, now).map((key) => key.id)]);
  const owned = new Set([...each.ownedKeys, ...facts.owned.map((key) => key.id)]);
  return [
    grantsLine(each, facts, now),
    requestsLine(each, facts, now),
    ...[...owned].map((id) => handOverLine(id, keyOf(id), each, facts)),
    ...facts.consumers.map((consumer) => consumerLine(consumer, keyOf(consumer.keyId), each, facts)),
    ...[...rotate].map((id) => rotateLine(id, keyOf(id), each, facts, now)),
    reviewLine(each),
    recordLine(each, facts),
  ];
}

const line = (id: string, kind: LineKind, state: LineState, says: string, more: Partial<Line> = {}): Line => ({
  id,
  kind,
  keyId: null,
  state,
  says,
  byHand: false,
  tick: null,
  ...more,
});
const late = (each: Case, now: Instant) => each.startedAt !== null && now > after(each.startedAt, patienceMs);
const count = (n: number, noun: string) => `${n} ${noun}${n === 1 ? '' : 's'}`;

function grantsLine(each: Case, facts: Facts, now: Instant): Line {
  const left = grantsToEnd(each, facts).length;
  if (!each.startedAt) return line('grants', 'grants', 'open', `${count(left, 'grant')} to end`);
  const { startedAt } = each;
  const ended = facts.grants.filter((grant) => grant.endedAt && grant.endedAt >= startedAt).length;
  if (left === 0) {
    return line(
      'grants',
      'grants',
      'done',
      ended > 0 ? `${ended} ended, the secrets' policies rewritten` : 'They held none',
    );
  }
  return late(each, now)
    ? line(
        'grants',
        'grants',
        'failed',
        `${left} not ended yet: Secrets Manager does not take the new policy. It is tried again and again; look at the worker's log`,
      )
    : line('grants', 'grants', 'running', `${left} being ended`);
}

function requestsLine(each: Case, facts: Facts, now: Instant): Line {
  const left = facts.requests.length;
  if (!each.startedAt) return line('requests', 'requests', 'open', `${count(left, 'open request')} to withdraw`);
  if (left === 0 || isBack(each, facts)) return line('requests', 'requests', 'done', 'None is open');
  return late(each, now)
    ? line('requests', 'requests', 'failed', `${left} still open; look at the worker's log`)
    : line('requests', 'requests', 'running', `${left} being withdrawn`);
}

function handOverLine(id: string, key: ApiKey | undefined, each: Case, facts: Facts): Line {
  const base = (state: LineState, says: string) =>
    line(`hand-over:${id}`, 'hand-over', state, says, { keyId: id as Id<'key'>, byHand: state === 'open' });
  if (!key || key.status === 'retired') return base('done', 'The key is retired');
  if (key.ownerId !== each.personId) return base('done', 'Has another owner');
  return isBack(each, facts) ? base('done', 'Its owner is back') : base('open', 'Needs another owner');
}

/** The next rotation would wait for them in vain. */
function consumerLine(consumer: Consumer, key: ApiKey | undefined, each: Case, facts: Facts): Line {
  const base = (state: LineState, says: string) =>
    line(`${consumerPrefix}${consumer.id}`, 'consumer', state, `${consumer.name}: ${says}`, {
      keyId: consumer.keyId,
      byHand: state === 'open',
    });
  if (!key || key.status === 'retired') return base('done', 'the key is retired');
  if (consumer.removedAt) return base('done', 'does not use the key any more');
  if (consumer.personId !== each.personId) return base('done', 'somebody else moves it');
  return isBack(each, facts) ? base('done', 'who moves it is back') : base('open', 'needs another person who moves it');
}
const consumerPrefix = 'consumer:';
/** The consumers that a case has or had a line for. */
export const consumersIn = (seen: Case['seen']): string[] =>
  Object.keys(seen).flatMap((id) => (id.startsWith(consumerPrefix) ? [id.slice(consumerPrefix.length)] : []));
/** The consumer that a line is about. */
export const consumerOf = ({ id }: Line): string => id.slice(consumerPrefix.length);

function rotateLine(id: string, key: ApiKey | undefined, each: Case, facts: Facts, now: Instant): Line {
  const tick = each.ticks.findLast((one) => one.line === `rotate:${id}`) ?? null;
  const base = (state: LineState, says: string, byHand = false) =>
    line(`rotate:${id}`, 'rotate', state, says, { keyId: id as Id<'key'>, byHand, tick });
  if (!key || key.status === 'retired') return base('done', 'The key is retired');
  if (!each.startedAt) return base('open', facts.byItself.has(id) ? 'Will be rotated' : willBe(facts.byPress.has(id)));
  if (!couldRead(each, key, facts, now)) return base('done', 'Rotated: no value that they could read works any more');
  if (tick) return base('done', tick.note);
  const held = facts.grants.some((grant) => grant.keyId === id && isLive(grant));
  if (held) return base('running', 'Starts when their access has ended, so that they cannot read the new value');
  const started = facts.rotations.get(id)?.find((rotation) => rotation.startedAt >= each.startedAt!);
  if (facts.byPress.has(id) && !started) {
    return base('open', `${atOnceInWords(key)} Press Rotate on its card when they are ready`, true);
  }
  if (!facts.byItself.has(id) && !facts.byPress.has(id)) {
    return base('open', 'Rotate it by hand: make a new key, store it, revoke the old one, then say so here', true);
  }
  if (started?.status === 'running')
    return base(
      'running',
      started.replacement
        ? `Being rotated. ${conditionInWords(started)}`
        : 'Being rotated; the old value works until its rotation is done',
    );
  if (started) {
    const why = started.failure ?? 'it stopped';
    return base('failed', `Its rotation failed: ${why} Retry on its card, or rotate it by hand and say so here`, true);
  }
  if (facts.rotations.get(id)?.some((rotation) => rotation.status === 'running')) {
    return base('running', 'Starts when the rotation that runs now is done');
  }
  if (key.blocked?.causeId === each.id) {
    const missing = key.blocked.missing.join(' ');
    return base('failed', `Not begun: ${missing} It begins by itself when that is seen to; or rotate it by hand`, true);
  }
  const asked = each.asked[id];
  return asked && now > after(new Date(asked), patienceMs)
    ? base('failed', 'Its rotation did not start. Start it by /keys rotate, or rotate it by hand and say so here', true)
    : base('running', 'Its rotation is about to start');
}

const willBe = (byPress: boolean) =>
  byPress ? 'Will have to be rotated, which a person starts' : 'Will have to be rotated by hand';

function reviewLine(each: Case): Line {
  const tick = each.ticks.findLast((one) => one.line === 'review') ?? null;
  return tick
    ? line('review', 'review', 'done', tick.note, { tick })
    : line(
        'review',
        'review',
        'open',
        'Somebody looks at what they did in their last weeks, and notes what they found',
        {
          byHand: true,
        },
      );
}

function recordLine(each: Case, facts: Facts): Line {
  const over = each.startedAt !== null && grantsToEnd(each, facts).length === 0;
  return over
    ? line('record', 'record', 'done', `Who, what and when is in the audit log under ${each.id}`)
    : line(
        'record',
        'record',
        each.startedAt ? 'running' : 'open',
        'Follows from the audit log once all access has ended',
      );
}

/** The keys whose rotation can be asked for now: their access has ended, so that they cannot read the new value. */
export function readyToRotate(each: Case, facts: Facts, now: Instant): ApiKey[] {
  if (!each.startedAt) return [];
  return keysToRotate(each, facts, now).filter(
    (key) =>
      facts.byItself.has(key.id) &&
      !each.asked[key.id] &&
      !each.ticks.some((tick) => tick.line === `rotate:${key.id}`) &&
      !facts.grants.some((grant) => grant.keyId === key.id && isLive(grant)),
  );
}

/** The case with what was seen of its lines just now; the same object when nothing has changed. */
export function looked(each: Case, lines: Line[], facts: Facts, now: Instant): Case {
  const seen = Object.fromEntries(
    lines.map(({ id, state }) => {
      const before = each.seen[id];
      return [id, before?.state === state ? before : { state, since: now.toISOString() }];
    }),
  );
  const rotateKeys = lines.flatMap(({ kind, keyId }) => (kind === 'rotate' && keyId ? [keyId] : []));
  const ownedKeys = [...new Set([...each.ownedKeys, ...facts.owned.map((key) => key.id)])];
  const same =
    lines.every(({ id, state }) => each.seen[id]?.state === state) &&
    rotateKeys.length === each.rotateKeys.length &&
    ownedKeys.length === each.ownedKeys.length;
  return same ? each : { ...each, seen, rotateKeys, ownedKeys };
}

/** The farthest that a last day can lie ahead. */
const farthestDays = 366;

export function whyNotEffectiveAt(effectiveAt: Instant, now: Instant): Refusal | null {
  if (effectiveAt <= after(now, farthestDays * day)) return null;
  return new Refusal('invalid', `The last day can lie at most ${farthestDays} days ahead.`, 'at');
}

/** Why a case that a machine opens has to wait for an administrator, or null. `openedToday` counts such cases of the last 24 hours. */
export function whyHold(
  person: Person,
  cause: Cause,
  openedToday: number,
  otherAdministrators: number,
  policy: Policy,
): Hold | null {
  if (cause.kind === 'asked') return null;
  if (openedToday >= policy.offboarding.maxLeaversPerDay) return 'many';
  return whyHoldAdministrator(person, otherAdministrators);
}
export function whyHoldAdministrator(person: Person, otherAdministrators: number): Hold | null {
  const only = person.status === 'active' && person.tier === 'administrator' && otherAdministrators === 0;
  return only ? 'administrator' : null;
}

/** Nobody works on their own leaving. */
export function whyNotWork(
  person: Person,
  action: 'offboarding.open' | 'offboarding.close',
  leaverId: Id<'person'>,
): Refusal | null {
  const refusal = whyNot(person, action);
  if (refusal || person.id !== leaverId) return refusal;
  const sentence = 'Another administrator has to look after your own leaving.';
  return new Refusal('not_allowed', sentence, undefined, ['administrators']);
}

export function whyNotConfirm(each: Case): Refusal | null {
  if (each.status === 'waiting') return null;
  return new Refusal('conflict', `Nothing has to be confirmed: this case is ${statusWords[each.status]}.`);
}

export function whyNotCallOff(each: Case): Refusal | null {
  if (each.status === 'waiting' || each.status === 'planned') return null;
  return new Refusal('conflict', `This case cannot be called off: it is ${statusWords[each.status]}.`);
}

/** A case is closed by a person, and never with an open line. */
export function whyNotClose(each: Case, lines: Line[]): Refusal | null {
  if (each.status !== 'open') return new Refusal('conflict', `This case is ${statusWords[each.status]}.`);
  const left = lines.filter((one) => one.state !== 'done').length;
  if (left === 0) return null;
  return new Refusal('conflict', `${count(left, 'line')} still open, so this case cannot be closed yet.`);
}

export function whyNotTick(each: Case, lines: Line[], lineId: string, note: string): Refusal | null {
  if (each.status !== 'open') return new Refusal('conflict', `This case is ${statusWords[each.status]}.`);
  const found = lines.find((one) => one.id === lineId);
  if (!found) return new Refusal('not_found', 'This case has no such line.');
  if (found.state === 'done') return new Refusal('conflict', 'This line is done already.');
  if (!found.byHand || found.kind === 'hand-over' || found.kind === 'consumer') {
    return new Refusal('conflict', 'This line turns green by itself, when what it says has happened.');
  }
  if (note.trim().length < 10) {
    return new Refusal('invalid', 'Say what you did or found, so that an auditor understands it.', 'note');
  }
  return null;
}

export const statusWords: Record<CaseStatus, string> = {
  planned: 'planned',
  waiting: 'waiting for an administrator',
  open: 'open',
  closed: 'closed',
  'called-off': 'called off',
};
