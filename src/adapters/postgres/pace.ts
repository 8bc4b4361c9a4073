import type pg from 'pg';
import type { Pace } from '../../ports.ts';
import { type Bucket, leftAlone, type Need, turnIn } from '../../rotation/timing/pace-model.ts';
import { inRounds } from './rounds.ts';
import { inTransaction } from './transaction.ts';

/** Somebody who was told to come back and did not for so long has gone. */
const goneMs = 3_600_000;

const clock = 'extract(epoch from clock_timestamp())::float8 * 1000';

type Limit = { of: string; perSecond: number };
type Granted = { holder: string; of: string };
type Promised = Granted & { at: number };
interface Ask {
  holder: string;
  needs: Need[];
  urgent: boolean;
  /** Only a place in the queue is asked for. */
  ahead: boolean;
}

/** Always in the same order, so that nobody waits for each other. The last time is read when all locks are had. */
const holding = `
  with held as materialized (select * from pace where of = any($1) order by of for update)
  select held.of, tokens, held.at, queue_ends as "queueEnds", urgent_ends as "urgentEnds", ${clock} as now,
    (select jsonb_agg(turn) from turn where turn.of = held.of and turn.holder = any($2)) as promised
  from held`;

/** The buckets as they are now, the places in their queues that are promised, and those that are used up. */
const writing = `
  with filled as (update pace set tokens = new.tokens, at = new.at, queue_ends = new."queueEnds", urgent_ends = new."urgentEnds"
      from jsonb_to_recordset($1) as new (of text, tokens float8, at float8, "queueEnds" float8, "urgentEnds" float8) where pace.of = new.of),
    promised as (insert into turn (holder, of, at) select holder, of, at from jsonb_to_recordset($2) as new (holder text, of text, at float8)
      on conflict (holder, of) do update set at = excluded.at)
  delete from turn where (holder, of) in (select holder, of from jsonb_to_recordset($3) as granted (holder text, of text)) or at < $4`;

const making = `
  insert into pace (of, tokens, at, queue_ends, urgent_ends)
  select limits.of, tokens, now, now, now from jsonb_to_recordset($1) as limits (of text, tokens float8), (select ${clock} as now) clock
  order by limits.of on conflict do nothing`;

/** The buckets are rows: whoever wants their turn holds them until it is decided, one after the other over all processes. */
export function postgresPace(pool: pg.Pool): Pace {
  /** Those of the buckets that there are, under the lock, with what was promised to these holders, and the time. */
  async function held(client: pg.PoolClient, limits: Limit[], holders: string[]) {
    const { rows } = await client.query<Bucket & { of: string; now: number; promised: Promised[] | null }>({
      name: 'pace_hold',
      text: holding,
      values: [limits.map((each) => each.of), holders],
    });
    return {
      now: Math.max(...rows.map((row) => row.now)),
      buckets: new Map<string, Bucket>(
        rows.map(({ of, tokens, at, queueEnds, urgentEnds }) => [of, { tokens, at, queueEnds, urgentEnds }]),
      ),
      promised: new Map(
        rows.flatMap((row) => row.promised ?? []).map((each) => [`${each.holder} ${each.of}`, each.at]),
      ),
    };
  }

  /** Decides about some buckets while nobody else can. */
  async function withBuckets<T>(
    limits: Limit[],
    holders: string[],
    decide: (found: Awaited<ReturnType<typeof held>>) => { result: T; promises: Promised[]; granted: Granted[] },
  ): Promise<T> {
    return inTransaction(pool, async (client) => {
      // Sent behind one another without waiting, where the connection can.
      let [, found] = await Promise.all([client.query('begin'), held(client, limits, holders)]);
      if (found.buckets.size < limits.length) {
        // Made before they are locked: two who make one at once would otherwise both believe it full.
        await client.query(making, [JSON.stringify(limits.map(({ of, perSecond }) => ({ of, tokens: perSecond })))]);
        found = await held(client, limits, holders);
      }
      const { result, promises, granted } = decide(found);
      const buckets = [...found.buckets].map(([of, bucket]) => ({ of, ...bucket }));
      const values = [JSON.stringify(buckets), JSON.stringify(promises), JSON.stringify(granted), found.now - goneMs];
      await Promise.all([client.query({ name: 'pace_write', text: writing, values }), client.query('commit')]);
      return result;
    });
  }

  const unique = (limits: Limit[]) => [...new Map(limits.map((each) => [each.of, each])).values()];

  // Who asks while others are decided about is decided about with the next round.
  const turn = inRounds(1, (asks: Ask[]) =>
    withBuckets(
      unique(asks.flatMap((ask) => ask.needs)),
      asks.map((ask) => ask.holder),
      ({ buckets, promised, now }) => {
        const places = new Map<string, Promised>();
        const granted = new Map<string, Granted>();
        const waits = new Map<Ask, number>();
        for (const ask of asks.toSorted((one, other) => Number(other.urgent) - Number(one.urgent))) {
          const { holder, needs, urgent, ahead } = ask;
          const turns = needs.map((need) => {
            const before = promised.get(`${holder} ${need.of}`) ?? null;
            return { of: need.of, before, turn: turnIn(buckets.get(need.of)!, need, urgent, before, now) };
          });
          // All of them at once or none: whoever waits for one uses up nothing of another.
          const waiting = turns.filter((each) => each.turn.waitMs > 0);
          const mine = ahead ? [] : turns;
          for (const each of waiting.length > 0 ? waiting : mine) {
            buckets.set(each.of, each.turn.bucket);
            if ('turnAt' in each.turn && each.turn.turnAt !== each.before)
              places.set(`${holder} ${each.of}`, { holder, of: each.of, at: each.turn.turnAt });
          }
          // What it was promised of somebody else is not used up by that.
          if (waiting.length === 0) for (const { of } of mine) granted.set(`${holder} ${of}`, { holder, of });
          waits.set(ask, Math.ceil(Math.max(0, ...waiting.map((each) => each.turn.waitMs))));
        }
        const promises = [...places].flatMap(([place, promised]) => (granted.has(place) ? [] : [promised]));
        return { result: asks.map((ask) => waits.get(ask)!), promises, granted: [...granted.values()] };
      },
    ),
  );

  return {
    turn: (holder, needs, urgent) => turn({ holder, needs, urgent, ahead: false }),
    reserve: (holder, needs, urgent) => turn({ holder, needs, urgent, ahead: true }),
    leaveAlone: (limit, ms) =>
      withBuckets([limit], [], ({ buckets, now }) => {
        buckets.set(limit.of, leftAlone(buckets.get(limit.of)!, limit.perSecond, ms, now));
        return { result: undefined, promises: [], granted: [] };
      }),
  };
}
