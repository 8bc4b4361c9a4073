import { AskedTooOften, Later } from '../../kernel.ts';
import type { Run } from '../journal.ts';
import type { Step } from '../model.ts';
import { limitAt, type Need } from './pace-model.ts';

/** What a step asks of others: writes to Secrets Manager, calls of the key's provider. */
export interface Asks {
  writes?: number;
  calls?: number;
}

/** What each step is about to ask for when it begins. Labels are taken off one a job, each when it is known which. */
export const needs: Record<Step, Asks> = {
  generate: { writes: 1, calls: 2 },
  test: { calls: 1 },
  promote: { writes: 1 },
  deploy: {},
  verify: { calls: 1 },
  grace: {},
  disable: { calls: 1 },
  watch: {},
  enable: { calls: 1 },
  retire: { calls: 1 },
  confirm: { calls: 1 },
  restore: { writes: 1 },
  discard: { calls: 1 },
};

/**
 * Goes on when it is this rotation's turn, else comes back as a job; emergencies go first. Called before anything that
 * would be lost when the step comes again: what was made at a provider, above all.
 */
export async function awaitTurn(run: Run, asks: Asks): Promise<void> {
  const { ports, rotation } = run;
  const writes = { of: 'secrets-manager', calls: asks.writes ?? 0, perSecond: ports.policy.rotation.writesPerSecond };
  const provider = limitOf(run);
  const wanted: Need[] = [writes, ...(provider ? [{ ...provider, calls: asks.calls ?? 0 }] : [])];
  const needed = wanted.filter((need) => need.calls > 0);
  if (needed.length === 0) return;
  const waitMs = await ports.pace.turn(rotation.id, needed, rotation.emergency);
  if (waitMs > 0) throw new Later(`its turn with ${needed.map((need) => need.of).join(' and ')} comes`, waitMs);
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
