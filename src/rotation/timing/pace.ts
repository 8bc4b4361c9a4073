import { AskedTooOften, Later } from '../../kernel.ts';
import { dying, idsToEnd, issuedOf } from '../issued-model.ts';
import type { Run } from '../journal.ts';
import type { Step } from '../model.ts';
import { limitAt, type Need } from './pace-model.ts';

/** What a step asks of others: writes to Secrets Manager, calls of the key's provider. */
export interface Asks {
  writes?: number;
  calls?: number;
}

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
export function asksOf({ rotation, issuer }: Pick<Run, 'rotation' | 'issuer'>): Asks {
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
export async function awaitTurn(run: Run, { writes = 0, calls = 0 }: Asks): Promise<void> {
  const { ports, rotation, turn } = run;
  const provider = limitOf(run);
  const wanted: Need[] = [
    { of: 'secrets-manager', calls: writes - turn.writes, perSecond: ports.policy.rotation.writesPerSecond },
    ...(provider ? [{ ...provider, calls: calls - turn.calls }] : []),
  ];
  const needed = wanted.filter((need) => need.calls > 0);
  if (needed.length === 0) return;
  const waitMs = await ports.pace.turn(rotation.id, needed, rotation.emergency);
  if (waitMs > 0) throw new Later(`its turn with ${needed.map((need) => need.of).join(' and ')} comes`, waitMs);
  Object.assign(turn, { writes: Math.max(writes, turn.writes), calls: Math.max(calls, turn.calls) });
}

/** When a provider wants to be left alone, it is left alone by every rotation. */
export async function respectingLimits(run: Run, take: (run: Run) => Promise<void>): Promise<void> {
  try {
    await take(run);
  } catch (error) {
    const limit = error instanceof AskedTooOften ? limitOf(run) : null;
    if (limit) await run.ports.pace.leaveAlone(limit, (error as AskedTooOften).retryInMs);
    throw error;
  }
}

function limitOf({ ports, key }: Run): Pick<Need, 'of' | 'perSecond'> | null {
  return limitAt(ports.policy.providers, key.issuer);
}
