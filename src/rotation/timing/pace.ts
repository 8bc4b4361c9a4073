import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiKey } from '../../inventory/model.ts';
import { AskedTooOften, Later } from '../../kernel.ts';
import type { Issuer, Ports } from '../../ports.ts';
import { dying, idsToEnd, issuedOf } from '../issued-model.ts';
import { isUrgent, type Rotation, type Step } from '../model.ts';
import { limitAt, type Need } from './pace-model.ts';

/** As much of a run of a step as taking turns needs. */
interface Paced {
  ports: Pick<Ports, 'policy' | 'pace'>;
  rotation: Rotation;
  key: Pick<ApiKey, 'issuer'>;
  issuer: Pick<Issuer, 'can'>;
  turn: Required<Asks>;
}

/** What a step asks of others: writes to Secrets Manager, calls of the key's provider. */
export interface Asks {
  writes?: number;
  calls?: number;
}

/** So short a time is waited for where it is: to come back as a job would take as long. */
const shortMs = 100;

/** A job that is put off for less may come as much later; it comes at once, and waits for its place then. */
const aheadMs = 1_000;

/** What each step is about to ask for when it begins. */
const needs: Record<Exclude<Step, 'retire'>, Asks> = {
  generate: { writes: 1, calls: 2 },
  test: { calls: 1 },
  promote: { writes: 1 },
  deploy: {},
  verify: { calls: 1 },
  grace: {},
  disable: { calls: 1 },
  watch: {},
  enable: { calls: 1 },
  confirm: { calls: 1 },
  restore: { writes: 1 },
  discard: { calls: 1 },
};

/** A job that retires ends one key at the provider, or takes one label off when all of them are ended. */
export function asksOf({ rotation, issuer }: Pick<Paced, 'rotation' | 'issuer'>): Asks {
  if (rotation.step !== 'retire') return needs[rotation.step];
  // What the provider calls the old value may have to be asked for first; then it is ended.
  const unnamed = rotation.oldVersion !== null && !issuedOf(rotation, rotation.oldVersion);
  const ends = issuer.can.revoke && (unnamed || idsToEnd(rotation, dying(rotation)).length > 0);
  return ends ? { calls: 1 } : { calls: 1, writes: 1 };
}

/**
 * Goes on when it is this rotation's turn, else comes back as a job; emergencies go first. Called before anything that
 * would be lost when the step comes again: what was made at a provider, above all. A job asks for nothing twice.
 */
export async function awaitTurn(run: Paced, { writes = 0, calls = 0 }: Asks): Promise<void> {
  const { ports, rotation, turn } = run;
  const needed = needsOf(run, { writes: writes - turn.writes, calls: calls - turn.calls });
  if (needed.length === 0) return;
  let waitMs = await ports.pace.turn(rotation.id, needed, isUrgent(rotation));
  while (waitMs > 0 && waitMs <= shortMs) {
    await sleep(waitMs);
    waitMs = await ports.pace.turn(rotation.id, needed, isUrgent(rotation));
  }
  if (waitMs > 0) throw new Later(`its turn with ${needed.map((need) => need.of).join(' and ')} comes`, waitMs);
  Object.assign(turn, { writes: Math.max(writes, turn.writes), calls: Math.max(calls, turn.calls) });
}

/**
 * For how long the job of the next step may stay away, because it would only come to wait: its place in the queue is
 * taken already. In milliseconds. Only where writes are asked for, which is what many rotations wait for.
 */
export async function untilNextTurn(run: Paced, next: Rotation): Promise<number> {
  if (next.status !== 'running' || next.continuesAt || next.waits || run.issuer.can.rotatesItself) return 0;
  const asks = asksOf({ rotation: next, issuer: run.issuer });
  const waitMs = asks.writes ? await run.ports.pace.reserve(next.id, needsOf(run, asks), isUrgent(next)) : 0;
  return waitMs < aheadMs ? 0 : waitMs;
}

function needsOf(run: Paced, { writes = 0, calls = 0 }: Asks): Need[] {
  const provider = limitOf(run);
  const wanted: Need[] = [
    { of: 'secrets-manager', calls: writes, perSecond: run.ports.policy.rotation.writesPerSecond },
    ...(provider ? [{ ...provider, calls }] : []),
  ];
  return wanted.filter((need) => need.calls > 0);
}

/** When a provider wants to be left alone, it is left alone by every rotation. */
export async function respectingLimits<T extends Paced>(run: T, take: (run: T) => Promise<void>): Promise<void> {
  try {
    await take(run);
  } catch (error) {
    const limit = error instanceof AskedTooOften ? limitOf(run) : null;
    if (limit) await run.ports.pace.leaveAlone(limit, (error as AskedTooOften).retryInMs);
    throw error;
  }
}

function limitOf({ ports, key }: Paced): Pick<Need, 'of' | 'perSecond'> | null {
  return limitAt(ports.policy.providers, key.issuer);
}
