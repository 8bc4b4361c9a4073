import { afterAll, afterEach, expect } from 'vitest';
import type { TestDatabase } from './database.ts';
import { type Child, startChild } from './process.ts';

/** Processes that are killed in the middle of their work. Whoever is left ends with each test. */
export interface Crew {
  start(failpoint?: string, role?: 'worker' | 'bot'): Child;
  /** A worker that dies at this place, having done on the way whatever else there was to do. */
  dieAt(failpoint: string): Promise<void>;
  /** Waits until this one has died there. What it held comes free. */
  died(child: Child, failpoint: string): Promise<void>;
  stop(): Promise<void>;
}

/** To be called after the hook that closes what the crew works in: it has to end before that. */
export function useCrew(database: TestDatabase, env: () => Record<string, string>): Crew {
  const all: Child[] = [];
  async function stop(): Promise<void> {
    for (const each of all.splice(0)) {
      each.process.kill('SIGKILL');
      await each.ended;
    }
  }
  afterEach(stop);
  afterAll(stop);

  function start(failpoint?: string, role = 'worker'): Child {
    const child = startChild([role], { ...env(), ...(failpoint ? { KEYSTEWARD_FAILPOINT: failpoint } : {}) });
    all.push(child);
    return child;
  }
  async function died(child: Child, failpoint: string): Promise<void> {
    const end = await Promise.race([
      child.ended,
      new Promise<string>((resolve) => {
        setTimeout(resolve, 60_000, `it lived: ${child.output().slice(-1_000)}`).unref();
      }),
    ]);
    expect(`${String(end)} at ${failpoint}`).toBe(`SIGKILL at ${failpoint}`);
    // It would come free when its lease ends; the test does not wait that long for the longer ones.
    await database.store.pool.query('update lease set held_until = now()');
    await database.store.pool.query('update card set held_until = now() where held_until is not null');
  }
  return { start, died, stop, dieAt: (failpoint) => died(start(failpoint), failpoint) };
}
