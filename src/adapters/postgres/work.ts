import type pg from 'pg';
import { type JobName, jobs, type Lane } from '../../jobs.ts';
import { newId } from '../../kernel.ts';
import type { Policy } from '../../policy.ts';
import type { Work, WorkLedger } from '../../ports.ts';
import { nextOccasion } from '../../rotation/timing/windows-model.ts';
import { persistently } from './persistently.ts';
import { inRounds } from './rounds.ts';
import { inTransaction } from './transaction.ts';

/** Crashes of the process, not failures of the job: only this many take the work out of circulation. */
const maxCrashes = 25;
/** In this time a queue that is handed the same work again and again keeps it once. */
const handOverSeconds = 10;

/** The cron of each scheduled job: the policy's where it has one, else the catalog's. */
export function cronOf(name: JobName, policy: Policy): string | undefined {
  const byPolicy: Partial<Record<JobName, string>> = {
    'rotation.find-due': policy.rotation.check,
    'access.check-drift': policy.access.driftCheck,
    'reviews.check-drift': policy.reviews.driftCheck,
    ...(policy.rotation.drill.cron ? { 'rotation.drill': policy.rotation.drill.cron } : {}),
  };
  const job: { cron?: string } = jobs[name];
  return byPolicy[name] ?? job.cron;
}

export function workLedger(pool: pg.Pool, policy: Policy): WorkLedger {
  const transaction = <T>(run: (client: pg.PoolClient) => Promise<T>): Promise<T> =>
    inTransaction(pool, async (client) => {
      await client.query('begin');
      const result = await run(client);
      await client.query('commit');
      return result;
    });

  // Each row is looked for by its own id, whatever Postgres believes of how many there are: it must never look through an
  // index of what waits or runs, because those are full of what no longer does. Hence the laterals, and the `coalesce`.

  /** Those of many that may be taken now. With `wait`, a row that somebody else holds is waited for. */
  async function claimed(asked: { workId: string; leaseMs: number }[], wait: boolean): Promise<(Work | null)[]> {
    const { rows } = await pool.query<Work>({
      name: `work_claim_${wait}`,
      text: `update work set status = 'running', lease = work.lease + 1, crashes = work.crashes + case when work.status = 'running' then 1 else 0 end,
           leased_until = clock_timestamp() + its.ms * interval '1 ms'
         from jsonb_to_recordset($1) as its (id text, ms bigint) cross join lateral (
             select id from work mine where mine.id = its.id and mine.crashes < ${maxCrashes}
               and (mine.status = 'waiting' and mine.run_at <= clock_timestamp() + interval '1 s' or mine.status = 'running' and mine.leased_until < clock_timestamp())
             for update ${wait ? '' : 'skip locked'}) mine
         where work.id = mine.id
         returning work.id, work.name, work.payload, work.lane, work.lease, work.failures, work.crashes`,
      values: [JSON.stringify(asked.map(({ workId: id, leaseMs: ms }) => ({ id, ms })))],
    });
    const taken = new Map(rows.map((row) => [row.id as string, row]));
    return asked.map(({ workId }) => {
      const mine = taken.get(workId) ?? null;
      // Of two who ask for the same at once, one has it.
      taken.delete(workId);
      return mine;
    });
  }
  /** Whether each of these was ours and is done now. */
  async function finished(works: Work[], wait: boolean): Promise<boolean[]> {
    const { rows } = await pool.query<{ id: string; lease: number }>({
      name: `work_finish_${wait}`,
      text: `update work set status = 'done', ended_at = clock_timestamp()
         from jsonb_to_recordset($1) as its (id text, lease int) cross join lateral (
             select id from work mine where mine.id = its.id and mine.lease = its.lease and coalesce(mine.status, '') = 'running'
             for update ${wait ? '' : 'skip locked'}) mine
         where work.id = mine.id
         returning work.id, work.lease`,
      values: [JSON.stringify(works.map(({ id, lease }) => ({ id, lease })))],
    });
    const done = new Set(rows.map((row) => `${row.id} ${row.lease}`));
    return works.map(({ id, lease }) => done.has(`${id} ${lease}`));
  }
  // Many share a round trip and a commit. Nobody waits because somebody else's row is held, and nobody holds one while
  // waiting for another: what was passed over is asked for once more, by itself.
  const claiming = inRounds(2, (asked: { workId: string; leaseMs: number }[]) => claimed(asked, false));
  const finishing = inRounds(2, (works: Work[]) => finished(works, false));

  let schedulesKnown = false;

  return {
    async publishDue(limit, publish) {
      // Marked first: no row is locked while a queue that may be slow is talked to. What a process that dies here leaves
      // marked is found by `recover`.
      // A queue drops an id that it has already, and may have it with a worker that is gone; so what is handed over again
      // later has another one. What then is there twice is claimed once.
      const { rows } = await pool.query<{ id: string; lane: Lane; queueId: string }>({
        name: 'work_publish',
        text: `update work set queued_at = clock_timestamp() where id in (
           select id from work where status = 'waiting' and queued_at is null and run_at <= now()
           order by run_at limit $1 for update skip locked)
         returning id, lane,
           concat_ws('-', id, lease, crashes, floor(extract(epoch from queued_at) / ${handOverSeconds})) as "queueId"`,
        values: [limit],
      });
      if (rows.length === 0) return 0;
      try {
        await publish(rows.map(({ id, lane, queueId }) => ({ lane, workId: id, queueId })));
      } catch (error) {
        await persistently(() =>
          pool.query(`update work set queued_at = null where id = any($1) and status = 'waiting'`, [
            rows.map((row) => row.id),
          ]),
        );
        throw error;
      }
      return rows.length;
    },

    async claim(workId, leaseMs) {
      const asked = { workId, leaseMs };
      return (await claiming(asked)) ?? (await claimed([asked], true))[0]!;
    },

    async renew(work, leaseMs) {
      const { rowCount } = await pool.query(
        `update work set leased_until = clock_timestamp() + $3 * interval '1 ms' where id = $1 and lease = $2 and status = 'running'`,
        [work.id, work.lease, leaseMs],
      );
      return rowCount === 1;
    },

    async finish(work) {
      await persistently(async () => {
        if (!(await finishing(work))) await finished([work], true);
      });
    },

    async postpone(work, ms) {
      await persistently(() =>
        pool.query({
          name: 'work_postpone',
          text: `update work set status = 'waiting', queued_at = null, leased_until = null, run_at = clock_timestamp() + $3 * interval '1 ms', lease = lease + 1,
           once_key = case when exists (
             select 1 from work other where other.name = work.name and other.once_key = work.once_key and other.status = 'waiting' and other.id <> work.id
           ) then null else once_key end
         where id = $1 and lease = $2 and coalesce(status, '') = 'running'`,
          values: [work.id, work.lease, ms],
        }),
      );
    },

    async fail(work, error, retryInMs) {
      await persistently(() =>
        pool.query(
          `update work set failures = failures + 1, last_error = $3, queued_at = null, leased_until = null,
           status = case when $4::bigint is null then 'dead' else 'waiting' end,
           run_at = clock_timestamp() + coalesce($4::bigint, 0) * interval '1 ms',
           once_key = case when $4::bigint is not null and exists (
             select 1 from work other where other.name = work.name and other.once_key = work.once_key and other.status = 'waiting' and other.id <> work.id
           ) then null else once_key end,
           ended_at = case when $4::bigint is null then clock_timestamp() end
         where id = $1 and lease = $2 and status = 'running'`,
          [work.id, work.lease, error.slice(0, 2000), retryInMs],
        ),
      );
    },

    recover: (queuedForMs) =>
      transaction(async (client) => {
        const lost = await client.query(
          `update work set queued_at = null where status = 'waiting' and queued_at < clock_timestamp() - $1 * interval '1 ms'`,
          [queuedForMs],
        );
        const orphaned = await client.query(
          `update work set status = case when crashes + 1 >= ${maxCrashes} then 'dead' else 'waiting' end, crashes = crashes + 1, queued_at = null, leased_until = null,
             last_error = case when crashes + 1 >= ${maxCrashes} then 'every worker that took this crashed' else last_error end,
             ended_at = case when crashes + 1 >= ${maxCrashes} then clock_timestamp() end,
             once_key = null
           where status = 'running' and leased_until < now()`,
        );
        return (lost.rowCount ?? 0) + (orphaned.rowCount ?? 0);
      }),

    runSchedules: () =>
      transaction(async (client) => {
        const zone = policy.company.timeZone;
        const { rows: clock } = await client.query<{ now: Date }>('select now() as now');
        const now = clock[0]!.now;
        let added = 0;
        const names = schedulesKnown ? [] : (Object.keys(jobs) as JobName[]);
        // What the policy has taken off the schedule; a job that only a newer program knows is left alone.
        const unscheduled = names.filter((name) => !cronOf(name, policy));
        if (unscheduled.length > 0) await client.query('delete from schedule where name = any($1)', [unscheduled]);
        for (const name of names) {
          const cron = cronOf(name, policy);
          if (!cron) continue;
          await client.query(
            `insert into schedule (name, cron, zone, next_at) values ($1, $2, $3, $4)
             on conflict (name) do update set cron = excluded.cron, zone = excluded.zone, next_at = excluded.next_at
             where schedule.cron <> excluded.cron or schedule.zone <> excluded.zone`,
            [name, cron, zone, nextOccasion(cron, zone, now)],
          );
        }
        schedulesKnown = true;
        const { rows: due } = await client.query<{ name: JobName; cron: string; zone: string }>(
          `select name, cron, zone from schedule where next_at <= $1 for update skip locked`,
          [now],
        );
        for (const { name, cron, zone: its } of due) {
          if (name in jobs) {
            await client.query(
              `insert into work (id, name, payload, lane, once_key, run_at, created_at) values ($1, $2, '{}', $3, 'schedule', $4, $4) on conflict do nothing`,
              [newId('work'), name, jobs[name].lane, now],
            );
            added++;
          }
          await client.query(`update schedule set next_at = $2 where name = $1`, [name, nextOccasion(cron, its, now)]);
        }
        return added;
      }),

    async forget(doneForMs) {
      await pool.query(
        `delete from work where status = 'done' and ended_at < clock_timestamp() - $1 * interval '1 ms'`,
        [doneForMs],
      );
      await pool.query(`delete from inbox where handled_at < clock_timestamp() - $1 * interval '1 ms'`, [doneForMs]);
    },

    async onNew(wake, lost) {
      const client = await pool.connect();
      let open = true;
      const drop = (error?: Error) => {
        if (!open) return;
        open = false;
        client.off('notification', wake);
        // Never back into the pool: the connection still listens.
        client.release(error ?? true);
        lost();
      };
      client.on('notification', wake);
      client.on('error', drop);
      try {
        await client.query('listen keysteward_work');
      } catch (error) {
        drop(error as Error);
        throw error;
      }
      return async () => drop();
    },

    async backlog() {
      const { rows } = await pool.query<{ waiting: number; dead: number; oldest: number | null }>(
        `select count(*) filter (where status = 'waiting')::int waiting, count(*) filter (where status = 'dead')::int dead,
           extract(epoch from clock_timestamp() - min(run_at) filter (where status = 'waiting' and run_at <= clock_timestamp()))::float oldest
         from work where status in ('waiting', 'dead')`,
      );
      return { waiting: rows[0]!.waiting, dead: rows[0]!.dead, oldestDueSeconds: rows[0]!.oldest ?? 0 };
    },
  };
}
