import { desc, eq, sql } from 'drizzle-orm';
import type { DeadWork, WorkReads } from '../../ports.ts';
import type { Session } from './rows.ts';
import { work } from './schema.ts';

const shown = {
  id: work.id,
  name: work.name,
  payload: work.payload,
  failures: work.failures,
  lastError: work.lastError,
  endedAt: work.endedAt,
};

export function deadWork({ db }: Session): WorkReads {
  return {
    dead: async (limit) =>
      (await db
        .select(shown)
        .from(work)
        .where(eq(work.status, 'dead'))
        .orderBy(desc(work.endedAt), desc(work.id))
        .limit(limit)) as DeadWork[],
  };
}

/** As `Tx.jobs.again` has it. Other work of the same kind that waits already does what this was for; both may run. */
export async function again({ db }: Session, workId: string): Promise<DeadWork | null> {
  const [found] = await db
    .select(shown)
    .from(work)
    .where(sql`${work.id} = ${workId} and ${work.status} = 'dead'`)
    .for('update');
  if (!found) return null;
  await db
    .update(work)
    .set({
      status: 'waiting',
      runAt: sql`clock_timestamp()`,
      queuedAt: null,
      leasedUntil: null,
      lease: sql`${work.lease} + 1`,
      failures: 0,
      crashes: 0,
      onceKey: null,
      endedAt: null,
    })
    .where(eq(work.id, workId));
  return found as DeadWork;
}
