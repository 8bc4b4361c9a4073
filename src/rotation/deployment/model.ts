import type { Consumer } from '../../inventory/consumer-model.ts';
import { after, day, hour, type Id, type Instant, minute, Refusal } from '../../kernel.ts';
import type { Policy } from '../../policy.ts';
import { compromised, type Deployment, isDrill, type Reading, type Rotation, reached } from '../model.ts';
import { closed, stopped } from '../moves-model.ts';

/** Waits between the messages to a webhook that does not answer: Standard Webhooks' own, three days in all. */
const retryWaitsMs = [5_000, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour];
/** How long until the next message after so many; null when there were enough. */
export const nextTryInMs = (tries: number): number | null => retryWaitsMs[tries - 1] ?? null;

/** What is known of somebody who has not been told yet in this round. */
const untold = {
  tries: 0,
  toldAt: null,
  trouble: null,
  confirmedAt: null,
  confirmedBy: null,
  evidence: null,
  reading: null,
} as const satisfies Partial<Deployment>;

function told(consumer: Consumer, news: Deployment['news']): Deployment {
  return {
    consumerId: consumer.id,
    name: consumer.name,
    kind: consumer.kind,
    personId: consumer.personId,
    readsAs: consumer.readsAs,
    claimedBy: null,
    news,
    round: 1,
    ...untold,
  };
}

/** Whether what it was told and has said is still about the same: else it is told anew, whatever it was before. */
export const isSameConsumer = (
  { kind, personId }: Pick<Deployment, 'kind' | 'personId'>,
  before: Pick<Deployment, 'kind' | 'personId'> | null,
): boolean => before?.kind === kind && before.personId === personId;

/** Whose names are recorded now: who came since is told too, who went is not waited for. What they said stays. */
export function listed(rotation: Rotation, consumers: Consumer[]): Rotation {
  const known = new Map(rotation.deployments.map((each) => [each.consumerId, each]));
  const deployments = consumers.map((consumer) => {
    const before = known.get(consumer.id);
    if (!before || !isSameConsumer(consumer, before)) return told(consumer, before?.news ?? 'rotated');
    // What came of looking for somebody else's reads says nothing of its own.
    const reading = (before.readsAs ?? null) === consumer.readsAs ? (before.reading ?? null) : null;
    return { ...before, name: consumer.name, readsAs: consumer.readsAs, reading };
  });
  return { ...rotation, deployments };
}

/** Everybody is told anew, and what they said before counts no more. */
export function toldAnew(rotation: Rotation, news: Deployment['news']): Rotation {
  const deployments = rotation.deployments.map((each) => ({ ...each, news, round: each.round + 1, ...untold }));
  return { ...rotation, deployments };
}

export const deploymentOf = (rotation: Rotation, consumerId: string): Deployment | null =>
  rotation.deployments.find((each) => each.consumerId === consumerId) ?? null;
export const unconfirmed = ({ deployments }: Pick<Rotation, 'deployments'>) =>
  deployments.filter((each) => each.confirmedAt === null);

function altered(rotation: Rotation, consumerId: string, change: (each: Deployment) => Partial<Deployment>): Rotation {
  const deployments = rotation.deployments.map((each) =>
    each.consumerId === consumerId ? { ...each, ...change(each) } : each,
  );
  return { ...rotation, deployments };
}

/** The intent: a message is about to be sent. */
export const tried = (rotation: Rotation, consumerId: string) =>
  altered(rotation, consumerId, ({ tries }) => ({ tries: tries + 1 }));
/** It has arrived, and the answer is still to come. */
export const reachedThem = (rotation: Rotation, consumerId: string, now: Instant) =>
  altered(rotation, consumerId, ({ toldAt }) => ({ toldAt: toldAt ?? now.toISOString(), trouble: null }));
export const troubled = (rotation: Rotation, consumerId: string, trouble: string) =>
  altered(rotation, consumerId, () => ({ trouble }));
export const awaiting = (rotation: Rotation, consumerId: string, reading: Reading | null) =>
  altered(rotation, consumerId, () => ({ reading }));
export const claimed = (rotation: Rotation, consumerId: string, by: Id<'person'>) =>
  altered(rotation, consumerId, () => ({ claimedBy: by }));
/** It is on the value that is handed out; whoever says it first is believed. */
export const confirmed = (
  rotation: Rotation,
  consumerId: string,
  evidence: string,
  by: Id<'person'> | null,
  now: Instant,
) =>
  altered(rotation, consumerId, (each) =>
    each.confirmedAt
      ? {}
      : {
          toldAt: each.toldAt ?? now.toISOString(),
          trouble: null,
          confirmedAt: now.toISOString(),
          confirmedBy: by,
          evidence,
        },
  );

/** Whether a value that nobody is handed any more is what this would be told of. */
export function isStale(rotation: Rotation, { news }: Deployment, currentVersion: string | null): boolean {
  if (rotation.status === 'superseded') return true;
  if (news === 'restored') return currentVersion !== rotation.oldVersion;
  return rotation.status === 'rolled-back' || currentVersion !== rotation.newVersion;
}

/** Why nothing can be said about this consumer any more, or null. */
export function whyNotConfirm(rotation: Rotation, deployment: Deployment | null): Refusal | null {
  if (!deployment) return new Refusal('not_found', 'This is not recorded as a consumer of the key, or not any more.');
  if (rotation.status === 'superseded') {
    return new Refusal(
      'conflict',
      'An emergency rotation has taken over. Its own message asks about the newest value.',
    );
  }
  if (deployment.confirmedAt) return new Refusal('conflict', `${deployment.name} was confirmed already.`);
  if (deployment.news === 'restored') {
    return new Refusal('conflict', 'The old value is handed out again, so there is no new one to be on.');
  }
  if (rotation.status === 'rolled-back') return new Refusal('conflict', 'This rotation was rolled back.');
  return null;
}

/** Why the old value cannot be retired at once, or null. `newer` is a later rotation of the same key. */
export function whyNotRetireNow(rotation: Rotation, newer: Rotation | null): Refusal | null {
  if (newer) return new Refusal('conflict', 'A newer rotation of this key has started since. Look at that one.');
  const waits = (rotation.step === 'grace' || rotation.step === 'watch') && !rotation.ending;
  if (waits && (rotation.status === 'running' || rotation.status === 'failed')) return null;
  return new Refusal('conflict', 'This rotation does not wait for anybody, so there is nothing to cut short.');
}

/** Somebody answers for it that the old value goes without evidence. */
export function forcedNow(
  rotation: Rotation,
  by: { id: Id<'person'>; name: string },
  reason: string,
  now: Instant,
): Rotation {
  const evidence = `${by.name} had it retired: ${reason}`;
  return {
    ...closed(rotation, 'done', evidence, now),
    status: 'running',
    step: 'retire',
    failure: null,
    extension: null,
    forced: { by: by.id, reason, at: now.toISOString() },
    endedAt: null,
  };
}

/** From when on evidence counts: the switch to the value that is handed out now, or the end of a test that broke something. */
export function switchedAt(rotation: Rotation): Instant | null {
  const last = rotation.record.findLast(
    (each) => (each.step === 'promote' || each.step === 'enable') && each.verdict === 'done',
  );
  return last?.endedAt ? new Date(last.endedAt) : null;
}
/** When the shortest grace is over. */
export function graceEndsAt(rotation: Rotation, policy: Policy): Instant | null {
  const grace = rotation.record.findLast((each) => each.step === 'grace');
  return grace ? after(new Date(grace.startedAt), policy.rotation.graceMinutes * minute) : null;
}

/** What the provider says of the two keys; null where it says nothing, or does not know them. */
export interface Usage {
  provider: string;
  oldUsedAt: Instant | null;
  newUsedAt: Instant | null;
  knowsOld: boolean;
  knowsNew: boolean;
  /** So much later than it happened a use may show, in milliseconds. */
  lagMs: number;
  /** It sees only uses that cost something. */
  isPartial: boolean;
  /** How much the old key was still used since the switch, where that is counted. */
  oldUse: Use | null;
  /** Why it says nothing at the moment, although it could, and since when; null where it answers. */
  trouble: { why: string; since: Instant } | null;
}
/** How much a key was used since then. */
export interface Use {
  amount: number;
  unit: 'calls' | 'tokens';
  since: Instant;
}

export const momentInUtc = (instant: Instant) => `${instant.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
/** Our own tries of the new key are over by so long after its verification. */
const ownUseMs = minute;
/** A provider that has said nothing for so long is not waited for any more. */
const silentMs = day;

/**
 * Those who read the store are taken to be on the new value when their cache has run out: on their own read, else on what
 * its provider saw. Not those whose own reads are known, and waited for.
 */
export function readersConfirmed(rotation: Rotation, usage: Usage | null, policy: Policy, now: Instant): Rotation {
  return cacheConfirmed(ownReadsConfirmed(rotation, policy, now), usage, policy, now);
}

/** The read of one counts for all that read as the same user or role, so it counts when none of them can hold the old value any more. */
function ownReadsConfirmed(rotation: Rotation, policy: Policy, now: Instant): Rotation {
  const { cacheMinutes } = policy.rotation.evidence;
  const since = switchedAt(rotation);
  if (!since || now < after(since, cacheMinutes * minute)) return rotation;
  return unconfirmed(rotation).reduce((all, { consumerId, reading }) => {
    if (!reading?.readAt) return all;
    return confirmed(
      all,
      consumerId,
      `${reading.why}, and its cache of ${cacheMinutes} minutes has run out`,
      null,
      now,
    );
  }, rotation);
}

function cacheConfirmed(rotation: Rotation, usage: Usage | null, policy: Policy, now: Instant): Rotation {
  const since = switchedAt(rotation);
  const cachedUntil = since && after(since, policy.rotation.evidence.cacheMinutes * minute);
  if (!cachedUntil || now < cachedUntil) return rotation;
  // One answer that does not come is none: a moment ago it may have seen the old key used.
  if (usage?.trouble && now < after(usage.trouble.since, silentMs)) return rotation;
  const cache = `its cache of ${policy.rotation.evidence.cacheMinutes} minutes has run out`;
  const silent = usage?.trouble ? `, because ${usage.provider} could not be asked` : '';
  let evidence = `${cache}; that it has fetched the new value was not seen${silent}`;
  if (usage?.knowsNew) {
    if (!usage.newUsedAt || usage.newUsedAt <= ownUseOverAt(rotation, since)) return rotation;
    evidence = `${cache}, and ${usage.provider} saw the new key used ${momentInUtc(usage.newUsedAt)}`;
  }
  return unconfirmed(rotation)
    .filter((each) => each.kind === 'reads-store' && !each.reading?.awaited)
    .reduce((all, { consumerId, reading }) => {
      return confirmed(all, consumerId, reading ? `${evidence} (${reading.why})` : evidence, null, now);
    }, rotation);
}

/** Whether the grace ends on evidence and not on its time: somebody is recorded, or has wanted the old value back. */
const needsEvidence = (rotation: Rotation): boolean => rotation.deployments.length > 0 || reached(rotation, 'enable');

/** The same, or its time is over and the old value was seen to be in use. */
export const endsOnEvidence = (rotation: Rotation): boolean => needsEvidence(rotation) || rotation.extension !== null;

/** When our own tries of a new key, and calls with what is remembered of an old one, are over. */
function ownUseOverAt(rotation: Rotation, since: Instant): Instant {
  const verified = rotation.record.findLast((each) => each.step === 'verify' && each.verdict === 'done')?.endedAt;
  return after(verified ? new Date(verified) : since, ownUseMs);
}

/** Whether the provider has seen the old key used since the switch by somebody whom nobody has recorded; once it has, it has to answer. */
function isUsedByStrangers(rotation: Rotation, usage: Usage | null): boolean {
  const since = switchedAt(rotation);
  if (!usage || !since) return false;
  if (usage.trouble) return rotation.extension !== null;
  return usage.oldUsedAt !== null && usage.oldUsedAt > ownUseOverAt(rotation, since);
}

/** Whether the old value may go, on what evidence; or what is lacking. */
export function standing(
  rotation: Rotation,
  usage: Usage | null,
  policy: Policy,
  now: Instant,
): { enough: string } | { lacking: string } {
  const { deployments } = rotation;
  const objected = reached(rotation, 'enable');
  const strangers = !needsEvidence(rotation) && isUsedByStrangers(rotation, usage);
  if (!needsEvidence(rotation) && !strangers) return { enough: 'its time is over; nobody is recorded who uses it' };
  const open = unconfirmed(rotation);
  if (open.length === 0 && deployments.length > 0) {
    const all = deployments.length === 1 ? deployments[0]!.name : `all ${deployments.length} consumers`;
    return { enough: `${all} ${deployments.length === 1 ? 'is' : 'are'} on the new value` };
  }
  const { quietHours } = policy.rotation.evidence;
  const since = switchedAt(rotation);
  // What it does not see may be going on: of that silence is no proof where somebody has yet to say that they have moved.
  const silenceCounts = !usage?.isPartial || (!objected && open.every((each) => each.kind === 'reads-store'));
  if (usage?.knowsOld && since && silenceCounts) {
    const quietSince = usage.oldUsedAt && usage.oldUsedAt > since ? usage.oldUsedAt : since;
    // A use of the last hours may not show yet: only silence from before that counts.
    if (now >= after(quietSince, quietHours * hour + usage.lagMs)) {
      return {
        enough: `${usage.provider} has seen no use${usage.isPartial ? ' that costs something' : ''} of the old key since ${momentInUtc(quietSince)}`,
      };
    }
  }
  const said = usage ? saidBy(usage) : [];
  const lacking = [
    ...(objected ? ['something broke when the old value was disabled'] : []),
    ...(strangers ? ['somebody uses it who is not recorded'] : []),
  ];
  // What the provider says first: with many consumers the end is cut off.
  return { lacking: [...lacking, ...said, ...open.map((each) => `${each.name}: ${lackOf(each)}`)].join('; ') };
}

/** What a provider says of the old key, a part of a sentence each. */
function saidBy({ provider, knowsOld, oldUsedAt, oldUse, lagMs, trouble }: Usage): string[] {
  if (trouble)
    return [`${provider} could not be asked whether the old key is still used: ${trouble.why.replace(/\.$/, '')}`];
  return [
    ...(knowsOld && oldUsedAt ? [`${provider} last saw the old key used ${momentInUtc(oldUsedAt)}`] : []),
    ...(oldUse ? [countedInWords(provider, oldUse, lagMs)] : []),
  ];
}

function countedInWords(provider: string, { amount, unit, since }: Use, lagMs: number): string {
  const one = unit.replace(/s$/, '');
  const counted = amount === 0 ? `no ${unit}` : amount === 1 ? `1 ${one}` : `${amount.toLocaleString('en')} ${unit}`;
  // Files and lists are calls too, and are not counted.
  const many = unit === 'calls' ? `${counted} of models` : counted;
  const late = Math.ceil(lagMs / hour);
  const known =
    late > 0 ? `; what is less than ${late} ${late === 1 ? 'hour' : 'hours'} old may not be counted yet` : '';
  return `${provider} has counted ${many} with the old key since ${momentInUtc(since)}${known}`;
}

/** What is not known of one consumer, in words that follow its name. */
export function lackOf({ kind, trouble, toldAt, reading }: Deployment): string {
  if (trouble) return trouble;
  if (reading?.readAt) return `${reading.why}; others that read as the same user or role may have the old one cached`;
  if (reading?.awaited) return reading.why;
  switch (kind) {
    case 'reads-store':
      return 'may still use what it has in its cache';
    case 'webhook':
      return toldAt ? 'was told and has not said that it is deployed' : 'could not be told yet';
    case 'person':
      return 'nobody has said that it is on the new value';
  }
}

/**
 * The evidence does not suffice: it is looked again later, also at the `more` times that are not over; after a while people
 * are told, and in the end it stops and asks. `silentSince`: since when the provider has not answered.
 */
export function extended(
  rotation: Rotation,
  lacking: string,
  policy: Policy,
  now: Instant,
  more: Instant[] = [],
  silentSince: Instant | null = null,
): Rotation {
  const { lookEveryMinutes, escalateAfterDays, maxGraceDays, cacheMinutes } = policy.rotation.evidence;
  const since = rotation.extension?.since ?? now.toISOString();
  const waitedMs = now.getTime() - Date.parse(since);
  if (waitedMs >= maxGraceDays * day) {
    const why = `After ${maxGraceDays} days it is still not known that the old value can go: ${lacking}. Retire it with a reason, or press Retry to wait on.`;
    return stopped({ ...rotation, extension: null }, why, 'both', now);
  }
  const escalatedAt =
    rotation.extension?.escalatedAt ?? (waitedMs >= escalateAfterDays * day ? now.toISOString() : null);
  const cached = switchedAt(rotation);
  const looks = [
    after(now, lookEveryMinutes * minute),
    after(new Date(since), maxGraceDays * day),
    ...(escalatedAt ? [] : [after(new Date(since), escalateAfterDays * day)]),
    ...(cached ? [after(cached, cacheMinutes * minute)] : []),
    ...more,
  ].filter((each) => each > now);
  return {
    ...rotation,
    extension: { since, why: lacking, escalatedAt, ...(silentSince ? { silentSince: silentSince.toISOString() } : {}) },
    fence: rotation.fence + 1,
    continuesAt: new Date(Math.min(...looks.map((each) => each.getTime()))),
    touchedAt: now,
  };
}

/** Somebody has said something that may be the last that was lacking: it is looked again at once, after the grace at the earliest. */
export function hurried(rotation: Rotation, policy: Policy, now: Instant): Rotation {
  if (rotation.status !== 'running' || rotation.step !== 'grace' || unconfirmed(rotation).length > 0) return rotation;
  const ends = graceEndsAt(rotation, policy);
  return { ...rotation, continuesAt: ends && ends > now ? ends : now };
}

/** What a webhook is sent: ids alone, never a value. */
export function messageTo(
  deployment: Deployment,
  rotation: Rotation,
  secretId: string,
  now: Instant,
): { id: string; body: string } {
  const restored = deployment.news === 'restored';
  return {
    id: `msg_${rotation.id}_${deployment.consumerId}_${deployment.round}`,
    body: JSON.stringify({
      type: restored ? 'key.restored' : 'key.rotated',
      timestamp: now.toISOString(),
      data: {
        rotationId: rotation.id,
        consumerId: deployment.consumerId,
        keyId: rotation.keyId,
        secretId,
        versionId: restored ? rotation.oldVersion : rotation.newVersion,
        emergency: rotation.emergency,
        compromised: compromised(rotation),
        drill: isDrill(rotation),
      },
    }),
  };
}
