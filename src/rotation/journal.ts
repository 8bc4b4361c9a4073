import type { ApiKey } from '../inventory/model.ts';
import { seenVersion } from '../inventory/version-model.ts';
import { type Actor, after, failpoint, type Id, type Instant, isId, Later, Refusal, sha256 } from '../kernel.ts';
import type { Issuer, Ports, Tx } from '../ports.ts';
import { madeByHand } from './by-hand/model.ts';
import { campaignsHear } from './campaigns/hear.ts';
import { isDrill, isReal, isUrgent, openRecord, type Rotation, type Step, type StepRecord } from './model.ts';
import { begun, keyRotated, keySwitched, unsettled, unsettledSinceOf } from './moves-model.ts';
import { untilNextTurn } from './timing/pace.ts';

export type RotationPorts = Pick<
  Ports,
  'store' | 'secrets' | 'fingerprints' | 'issuers' | 'policy' | 'pace' | 'readers'
>;

/** One run of one step: what was true when it began. Everything is checked again under the lock. */
export interface Run {
  ports: RotationPorts;
  rotation: Rotation;
  key: ApiKey;
  secretId: string;
  issuer: Issuer;
  now: Instant;
  /** Versions that this job has read: a version never has another value, so each is read once. */
  values: Map<string, Read>;
  /** What this job has had its turn for. */
  turn: { writes: number; calls: number };
}

export type Read = NonNullable<Awaited<ReturnType<Ports['secrets']['read']>>>;

/** Steps that pass by themselves are shown together: Slack allows an app about one edit a second. */
const showProgressWithinMs = 2_000;

/** While one of these is under way, something else works than before and after it. */
const saysWhatWorks: ReadonlySet<Step> = new Set(['promote', 'restore', 'disable', 'enable']);

export const stepActor: Actor = { kind: 'job', id: 'rotation.step' };

/** The rotation under the lock, unless it has moved on since: then whoever asks is late and must not write. */
export async function locked(tx: Tx, seen: Rotation): Promise<{ key: ApiKey; rotation: Rotation }> {
  const { key, rotation } = await tx.rotations.withKey(seen.id);
  if (rotation.status !== 'running' || rotation.fence !== seen.fence) {
    throw new Refusal('conflict', 'This rotation has moved on, so the worker that came late wrote nothing.');
  }
  return { key, rotation };
}

/** Writes down what is about to be done, before anything outside is touched. `version` is what is about to be stored. */
export async function begin(run: Run, version?: string): Promise<Run> {
  const rotation = openRecord(run.rotation) ? run.rotation : await written(run, version);
  failpoint(`rotation.${rotation.step}:begun`);
  return { ...run, rotation };
}

async function written({ rotation: seen, ports, issuer }: Run, version?: string): Promise<Rotation> {
  const change = { actor: stepActor, action: 'rotation.begin', subject: seen.id, keyId: seen.keyId };
  return ports.store.change(change, async (tx) => {
    const next = begun((await locked(tx, seen)).rotation, tx.now, version, madeByHand(issuer.can));
    await tx.rotations.save(next);
    if (saysWhatWorks.has(next.step))
      await tx.cards.touch(next.id, { withinMs: showProgressWithinMs, urgent: next.emergency });
    tx.note({ step: next.step, attempt: next.attempt, ...(version ? { version } : {}) });
    return next;
  });
}

export interface Outcome {
  /** Facts for the log: ids and times. */
  facts?: Record<string, unknown>;
  /** Which value is current from now on, where that changed. */
  current?: { version: string; lastFour: string | null };
  /** What else is written in the same transaction. */
  also?: (tx: Tx, next: Rotation, key: ApiKey) => Promise<void>;
  /** The audit action, when it is not the step's. */
  action?: string;
}

/** Writes down what came of it and adds the job that goes on, all in one transaction. */
export async function journal(
  run: Run,
  move: (rotation: Rotation, now: Instant) => Rotation,
  outcome: Outcome = {},
): Promise<void> {
  const { rotation: seen, ports } = run;
  const action = outcome.action ?? `rotation.${seen.step}`;
  failpoint(`rotation.${seen.step}:journaling`);
  const waitMs = await untilNextTurn(run, move(seen, run.now));
  await ports.store.change({ actor: stepActor, action, subject: seen.id, keyId: seen.keyId }, async (tx) => {
    const { key, rotation } = await locked(tx, seen);
    const next = move(rotation, tx.now);
    const isOver = (record?: StepRecord) => record !== undefined && record.endedAt !== null;
    const over = next.record.find((each, i) => isOver(each) && !isOver(rotation.record[i]));
    tx.note({
      step: seen.step,
      attempt: seen.attempt,
      verdict: over?.verdict ?? null,
      evidence: over?.evidence ?? null,
      condition: next.condition,
      ...outcome.facts,
    });
    const { current } = outcome;
    let its: ApiKey = current ? keySwitched(key, next, current) : key;
    if (next.status === 'done') its = keyRotated(its, next, ports.policy, tx.now);
    if (its !== key) await tx.keys.save(its);
    if (current) await tx.versions.save(seenVersion(key.id, { ...current, fingerprint: null }, true, tx.now));
    await tx.rotations.save(next);
    await outcome.also?.(tx, next, its);
    await follow(tx, ports, next, its, waitMs);
  });
  failpoint(`rotation.${seen.step}:journaled`);
}

/**
 * What follows from a rotation's new state: the next job, the people who have to hear of it, the cards that show it.
 * `waitMs`: until it is the next job's turn.
 */
export async function follow(
  tx: Tx,
  ports: Pick<Ports, 'policy'>,
  rotation: Rotation,
  key: ApiKey,
  waitMs = 0,
): Promise<void> {
  if (rotation.status === 'running') {
    await tx.jobs.add(
      isUrgent(rotation) ? 'rotation.step-now' : 'rotation.step',
      { rotationId: rotation.id, fence: rotation.fence },
      { once: `${rotation.id}-${rotation.fence}`, at: rotation.continuesAt ?? after(tx.now, waitMs) },
    );
  }
  if (rotation.status === 'failed') {
    // A campaign's own card is there already, and names what has failed.
    if (!isId('campaign', rotation.causeId)) {
      await tx.cards.show('rotation', rotation.id, { channel: ports.policy.channels.security });
    }
    // An edited card wakes nobody: those who have to act get a message of their own.
    for (const person of new Set([key.ownerId, ...(rotation.askedBy ? [rotation.askedBy] : [])])) {
      await tx.cards.show('rotation:failed', rotation.id, { person });
    }
    if (isReal(rotation) || rotation.condition === 'none') {
      await tx.jobs.add('rotation.page', { rotationId: rotation.id }, { once: rotation.id });
    }
  }
  if (isDrill(rotation) && rotation.status !== 'running') {
    await tx.cards.show('rotation.drill', rotation.id, { channel: ports.policy.channels.security });
  }
  const goesOnByItself = rotation.status === 'running' && !rotation.waits && !rotation.continuesAt;
  const soon = goesOnByItself ? { withinMs: showProgressWithinMs, urgent: isUrgent(rotation) } : {};
  // A campaign's card comes first: all its rotations show on that one, and have none of their own.
  await campaignsHear(tx, rotation, soon);
  if (rotation.causeId) await tx.cards.touch(rotation.causeId, soon);
  await tx.cards.touch(rotation.id, soon);
  await tx.cards.touch(key.id, soon);
  if (rotation.status !== 'running') await tx.cards.touch(key.ownerId);
}

/** Pulls the next look of a rotation forward to when it says now; a job that waits longer is the same job. */
export async function lookAtOnce(tx: Tx, rotation: Rotation): Promise<void> {
  if (rotation.status !== 'running' || rotation.step !== 'grace' || !rotation.continuesAt) return;
  await tx.jobs.add(
    'rotation.step',
    { rotationId: rotation.id, fence: rotation.fence },
    { once: `${rotation.id}-${rotation.fence}`, at: rotation.continuesAt },
  );
}

/**
 * Throws when this run is late. Asked right before something outside that would be in the way of whoever has turned back
 * meanwhile: they wait for one call that is under way, and not for one that begins now.
 */
export async function stillOurs({ ports, rotation: seen }: Run): Promise<void> {
  const rotation = await ports.store.look((view) => view.rotations.get(seen.id));
  if (rotation.status === 'running' && rotation.fence === seen.fence) return;
  throw new Refusal('conflict', 'This rotation has moved on, so the worker that came late did nothing.');
}

/** Writes down something that was learned in the middle of a step, before the step goes on. */
export async function noteDown(
  run: Run,
  action: string,
  facts: Record<string, unknown>,
  move: (rotation: Rotation, now: Instant) => Rotation,
): Promise<Run> {
  const { rotation: seen, ports } = run;
  const rotation = await ports.store.change(
    { actor: stepActor, action, subject: seen.id, keyId: seen.keyId },
    async (tx) => {
      const next = move((await locked(tx, seen)).rotation, tx.now);
      await tx.rotations.save(next);
      tx.note(facts);
      return next;
    },
  );
  return { ...run, rotation };
}

/**
 * What should be there does not show yet: reads lag behind writes, at the store and at a provider. Comes back in a
 * second, as a job; once that has been seen for long enough, by default the policy's time, it returns, and what is seen
 * counts. The time runs from the end of the first look that saw it, not from the start of the step or of the job: whoever
 * was frozen meanwhile, or had to wait for the answer, has looked once, and one look may be stale.
 */
export async function settle(
  run: Run,
  why: string,
  seconds = run.ports.policy.rotation.settleSeconds,
  everyMs = 1_000,
): Promise<void> {
  if (seconds === 0) return;
  const since = unsettledSinceOf(run.rotation, why);
  if (!since)
    await noteDown(run, 'rotation.settle', { step: run.rotation.step, why }, (each, now) => unsettled(each, why, now));
  if (!since || run.now.getTime() - Date.parse(since) < seconds * 1000) throw new Later(why, everyMs);
}

/** The same where what is seen may well be so, and people wait for it: somebody else may have changed it. */
export const settleBriefly = (run: Run, why: string) =>
  settle(run, why, Math.min(run.ports.policy.rotation.settleSeconds, 10));

/** A rotation that continues at a moment is left alone until then, whenever its job comes. */
export function notBeforeItsTime({ rotation, now }: Run, why: string): void {
  const left = (rotation.continuesAt?.getTime() ?? 0) - now.getTime();
  if (left > 0) throw new Later(why, left);
}

/** Enough of a version id for people to tell versions apart. */
export const short = (version: string | null) => (version ? version.slice(0, 8) : 'none');

/** The version id of one attempt, sent as its idempotency token. The same after every crash, never made from a value. */
export const tokenOf = (rotationId: Id<'rotation'>, attempt: number): Promise<string> =>
  sha256(`rotation/v1:${rotationId}:${attempt}`);
