import type pg from 'pg';
import type { Pace } from '../../ports.ts';
import { type Bucket, leftAlone, turnIn } from '../../rotation/timing/pace-model.ts';

/** Somebody who was told to come back and did not for so long has gone. */
const goneMs = 3_600_000;

const clock = 'extract(epoch from clock_timestamp())::float8 * 1000';

/** A bucket under the lock, and the place in its queue that this holder was promised. */
type Held = Bucket & { of: string; promised: number | null };

/** Always in the same order, so that nobody waits for each other. The last time is read when all locks are had. */
async function held(client: pg.PoolClient, of: string[], holder: string | null) {
  const { rows } = await client.query<Held & { now: number }>({
    name: 'pace_hold',
    text: `with held as materialized (select * from pace where of = any($1) order by of for update)
      select held.of, tokens, held.at, queue_ends as "queueEnds", urgent_ends as "urgentEnds", turn.at as promised, ${clock} as now
      from held left join turn on turn.of = held.of and turn.holder = $2`,
    values: [of, holder],
  });
  return rows;
}

const make = (client: pg.PoolClient, { of, perSecond }: { of: string; perSecond: number }) =>
  client.query(
    `insert into pace (of, tokens, at, queue_ends, urgent_ends)
     select $1, $2, now, now, now from (select ${clock} as now) clock on conflict do nothing`,
    [of, perSecond],
  );

/** The buckets as they are now, the places promised to a holder from now on, and those that are used up or given up. */
function written(
  buckets: { of: string; bucket: Bucket }[],
  promised: { holder: string; of: string; at: number }[],
  over: { holder: string; of: string[]; before: number },
): pg.QueryConfig {
  return {
    name: 'pace_write',
    text: `with filled as (update pace set tokens = new.tokens, at = new.at, queue_ends = new."queueEnds", urgent_ends = new."urgentEnds"
          from jsonb_to_recordset($1) as new (of text, tokens float8, at float8, "queueEnds" float8, "urgentEnds" float8) where pace.of = new.of),
        promised as (insert into turn (holder, of, at) select holder, of, at from jsonb_to_recordset($2) as new (holder text, of text, at float8)
          on conflict (holder, of) do update set at = excluded.at)
      delete from turn where holder = $3 and of = any($4) or at < $5`,
    values: [
      JSON.stringify(buckets.map(({ of, bucket }) => ({ ...bucket, of }))),
      JSON.stringify(promised),
      over.holder,
      over.of,
      over.before,
    ],
  };
}

/** The buckets are rows: whoever wants their turn holds them until it is decided, one after the other over all processes. */
export function postgresPace(pool: pg.Pool): Pace {
  /** What is decided about some buckets while nobody else can: `run` gets them and the time, and answers what is written. */
  async function withBuckets<T>(
    needs: { of: string; perSecond: number }[],
    holder: string | null,
    run: (buckets: Map<string, Held>, now: number) => { result: T; write: pg.QueryConfig },
  ): Promise<T> {
    const of = needs.map((need) => need.of);
    const client = await pool.connect();
    let broken = false;
    try {
      await client.query('begin');
      let rows = await held(client, of, holder);
      if (rows.length < of.length) {
        // Made before they are locked: two who make one at once would otherwise both believe it full.
        for (const need of needs) await make(client, need);
        rows = await held(client, of, holder);
      }
      const now = Math.max(...rows.map((row) => row.now));
      const { result, write } = run(new Map(rows.map((row) => [row.of, row])), now);
      await client.query(write);
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

  return {
    async turn(holder, needs, urgent) {
      return withBuckets(needs, holder, (buckets, now) => {
        const turns = needs.map((need) => {
          const bucket = buckets.get(need.of)!;
          const { promised } = bucket;
          return { of: need.of, promised, turn: turnIn(bucket, need, urgent, promised, now) };
        });
        // All of them at once or none: whoever waits for one uses up nothing of another.
        const waiting = turns.filter(({ turn }) => turn.waitMs > 0);
        const decided = waiting.length > 0 ? waiting : turns;
        const places = decided.flatMap(({ of, promised, turn }) =>
          'turnAt' in turn && turn.turnAt !== promised ? [{ holder, of, at: turn.turnAt }] : [],
        );
        const write = written(
          decided.map(({ of, turn }) => ({ of, bucket: turn.bucket })),
          places,
          { holder, of: waiting.length > 0 ? [] : needs.map((need) => need.of), before: now - goneMs },
        );
        return { result: Math.ceil(Math.max(0, ...waiting.map(({ turn }) => turn.waitMs))), write };
      });
    },

    async leaveAlone(need, ms) {
      await withBuckets([need], null, (buckets, now) => {
        const bucket = leftAlone(buckets.get(need.of)!, need.perSecond, ms, now);
        return { result: undefined, write: written([{ of: need.of, bucket }], [], { holder: '', of: [], before: 0 }) };
      });
    },
  };
}
