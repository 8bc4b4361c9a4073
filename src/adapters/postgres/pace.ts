import type pg from 'pg';
import type { Pace } from '../../ports.ts';
import { type Bucket, full, leftAlone, turnIn } from '../../rotation/timing/pace-model.ts';

/** Somebody who was told to come back and did not for so long has gone. */
const goneMs = 3_600_000;

const columns = 'of, tokens, at, queue_ends as "queueEnds", urgent_ends as "urgentEnds"';
const clock = 'extract(epoch from clock_timestamp())::float8 * 1000 as now';

/** The buckets are rows: whoever wants their turn holds them until it is decided, one after the other over all processes. */
export function postgresPace(pool: pg.Pool): Pace {
  /** The buckets under the lock, and the time after the lock was had: no one else can have had a later one. */
  async function withBuckets<T>(
    of: string[],
    run: (buckets: Map<string, Bucket>, now: number, client: pg.PoolClient) => Promise<T>,
  ): Promise<T> {
    const client = await pool.connect();
    let broken = false;
    try {
      await client.query('begin');
      // Always in the same order, so that nobody waits for each other.
      const held = await client.query<Bucket & { of: string }>(
        `select ${columns} from pace where of = any($1) order by of for update`,
        [of],
      );
      const { rows } = await client.query<{ now: number }>(`select ${clock}`);
      const result = await run(new Map(held.rows.map((row) => [row.of, row])), rows[0]!.now, client);
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback').catch(() => {
        broken = true;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** Rows that are missing are made before they are locked: two who make one at once would otherwise both believe it full. */
  async function known(needs: { of: string; perSecond: number }[]): Promise<void> {
    for (const { of, perSecond } of needs) {
      await pool.query(
        `insert into pace (of, tokens, at, queue_ends, urgent_ends)
         select $1, $2, now, now, now from (select ${clock}) clock on conflict do nothing`,
        [of, perSecond],
      );
    }
  }
  const save = (client: pg.PoolClient, of: string, bucket: Bucket) =>
    client.query('update pace set tokens = $2, at = $3, queue_ends = $4, urgent_ends = $5 where of = $1', [
      of,
      bucket.tokens,
      bucket.at,
      bucket.queueEnds,
      bucket.urgentEnds,
    ]);

  const made = new Set<string>();
  async function prepare(needs: { of: string; perSecond: number }[]): Promise<string[]> {
    const unknown = needs.filter(({ of }) => !made.has(of));
    await known(unknown);
    for (const { of } of unknown) made.add(of);
    return needs.map(({ of }) => of);
  }

  return {
    async turn(holder, needs, urgent) {
      const of = await prepare(needs);
      return withBuckets(of, async (buckets, now, client) => {
        const { rows: promises } = await client.query<{ of: string; at: number }>(
          'select of, at from turn where holder = $1 and of = any($2)',
          [holder, of],
        );
        const turns = needs.map((need) => {
          const bucket = buckets.get(need.of) ?? full(need.perSecond, now);
          const promised = promises.find((each) => each.of === need.of)?.at ?? null;
          return { of: need.of, promised, turn: turnIn(bucket, need, urgent, promised, now) };
        });
        // All of them at once or none: whoever waits for one uses up nothing of another.
        const waiting = turns.filter(({ turn }) => turn.waitMs > 0);
        for (const { of, promised, turn } of waiting.length > 0 ? waiting : turns) {
          await save(client, of, turn.bucket);
          if ('turnAt' in turn && turn.turnAt !== promised) {
            await client.query(
              'insert into turn (holder, of, at) values ($1, $2, $3) on conflict (holder, of) do update set at = excluded.at',
              [holder, of, turn.turnAt],
            );
          }
        }
        if (waiting.length > 0) {
          await client.query('delete from turn where at < $1', [now - goneMs]);
        } else if (promises.length > 0) {
          await client.query('delete from turn where holder = $1 and of = any($2)', [holder, of]);
        }
        return Math.ceil(Math.max(0, ...waiting.map(({ turn }) => turn.waitMs)));
      });
    },

    async leaveAlone(need, ms) {
      const of = await prepare([need]);
      await withBuckets(of, async (buckets, now, client) => {
        const bucket = buckets.get(need.of) ?? full(need.perSecond, now);
        await save(client, need.of, leftAlone(bucket, need.perSecond, ms, now));
      });
    },
  };
}
