import { setTimeout as sleep } from 'node:timers/promises';
import { workLedger } from '../../src/adapters/postgres/work.ts';
import { handlersOf } from '../../src/app.ts';
import { type JobName, jobs } from '../../src/jobs.ts';
import { Later, newId, Refusal } from '../../src/kernel.ts';
import type { Ports, Work } from '../../src/ports.ts';
import type { TestDatabase } from './database.ts';

export interface Shift {
  /** Jobs of other names stay waiting. */
  only?: (name: JobName) => boolean;
  /** What a card's job does. Without it a shift that meets one fails. */
  card?: Parameters<typeof handlersOf>[2]['card'];
  /** So far ahead of the clock counts as due, so that no test waits for a retry of a second or two. */
  aheadMs?: number;
  /** Asked after each job; true ends the shift. */
  until?: ((ran: Work) => boolean | Promise<boolean>) | undefined;
  /** A scheduled job whose turn comes whenever nothing is due, until it brings nothing new. */
  scheduled?: JobName | undefined;
  /** `throw` ends the shift with the first failure; `count` tries again, and gives up, as the engine does, but at once. */
  failures?: 'throw' | 'count';
  /** More jobs than this are taken for a circle. */
  limit?: number;
}

/** Runs the jobs that are due through the program's own table, one after the other, urgent ones first. Answers how many. */
export async function workOff(database: TestDatabase, ports: Ports, shift: Shift = {}): Promise<number> {
  const { only = () => true, card = showsNoCards, aheadMs = 2_000, until, scheduled, failures = 'throw' } = shift;
  const { limit = 500 } = shift;
  const { pool } = database.store;
  const ledger = workLedger(pool, ports.policy);
  const handlers = handlersOf(ports, [], { card });
  const names = (Object.keys(jobs) as JobName[]).filter(only);

  async function nextDue(): Promise<Work | null> {
    const { rows } = await pool.query<{ id: string }>(
      `update work set run_at = least(run_at, now()) where id = (
         select id from work where status = 'waiting' and name = any($1)
           and run_at <= clock_timestamp() + $2 * interval '1 ms'
         order by lane = 'urgent' desc, run_at, id limit 1)
       returning id`,
      [names, aheadMs],
    );
    return rows[0] ? ledger.claim(rows[0].id, 60_000) : null;
  }
  async function turnOf(name: JobName): Promise<Work | null> {
    const id = newId('work');
    await pool.query(
      `insert into work (id, name, payload, lane, run_at, created_at) values ($1, $2, '{}', $3, now(), now())`,
      [id, name, jobs[name].lane],
    );
    return ledger.claim(id, 60_000);
  }
  async function run(work: Work): Promise<void> {
    const { payload, attempts } = jobs[work.name];
    const handler = handlers[work.name] as (payload: unknown, work: Work) => Promise<void>;
    try {
      await handler(payload.parse(work.payload), work);
      await ledger.finish(work);
    } catch (error) {
      if (error instanceof Refusal) return ledger.finish(work);
      if (error instanceof Later) {
        await ledger.postpone(work, error.retryInMs);
        // It is due again already, being ahead of the clock; what it waits for needs some real time.
        if (error.retryInMs <= aheadMs) await sleep(100);
        return;
      }
      if (failures === 'throw') throw error;
      await ledger.fail(work, (error as Error).message, work.failures + 1 >= attempts ? null : 1);
    }
  }

  let hadItsTurn = scheduled === undefined;
  for (let ran = 0; ran < limit; ran++) {
    const due = await nextDue();
    const work = due ?? (scheduled && !hadItsTurn ? await turnOf(scheduled) : null);
    if (!work) return ran;
    hadItsTurn = scheduled === undefined || due === null;
    await run(work);
    if (await until?.(work)) return ran + 1;
  }
  throw new Error(`${limit} jobs and no end`);
}

async function showsNoCards(): Promise<never> {
  throw new Error('this test shows no cards');
}
