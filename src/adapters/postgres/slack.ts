import type pg from 'pg';
import type { CardLedger, HeldCard, Inbox } from '../../ports.ts';

export function postgresInbox(pool: pg.Pool): Inbox {
  return {
    async store(dedupeKey, kind, payload) {
      const { rowCount } = await pool.query({
        name: 'inbox_store',
        text: 'insert into inbox (dedupe_key, kind, payload) values ($1, $2, $3) on conflict do nothing',
        values: [dedupeKey, kind, JSON.stringify(payload)],
      });
      return rowCount === 1;
    },
    async handled(dedupeKey) {
      await pool.query({
        name: 'inbox_handled',
        text: 'update inbox set handled_at = now() where dedupe_key = $1',
        values: [dedupeKey],
      });
    },
    async claimLost(olderThanMs, maxTries, limit) {
      const { rows } = await pool.query<{ dedupeKey: string; payload: unknown }>(
        `update inbox set tries = tries + 1, received_at = now()
         where dedupe_key in (
           select dedupe_key from inbox
           where handled_at is null and received_at < now() - $1 * interval '1 ms' and tries < $2
           order by received_at limit $3 for update skip locked)
         returning dedupe_key as "dedupeKey", payload`,
        [olderThanMs, maxTries, limit],
      );
      return rows;
    },
  };
}

export function cardLedger(pool: pg.Pool): CardLedger {
  return {
    async hold(cardId, holdMs) {
      const { rows } = await pool.query<HeldCard>(
        `update card set held_until = clock_timestamp() + $2 * interval '1 ms'
         where id = $1 and (held_until is null or held_until < clock_timestamp())
         returning id, kind, subject, channel, person_id as "personId", posted_channel as "postedChannel", ts, encode(shown, 'hex') as shown`,
        [cardId, holdMs],
      );
      if (rows[0]) return rows[0];
      const { rowCount } = await pool.query('select 1 from card where id = $1', [cardId]);
      return rowCount ? 'busy' : null;
    },
    async release(cardId, posted) {
      await (posted
        ? pool.query(
            `update card set held_until = null, posted_channel = $2, ts = $3, shown = decode($4, 'hex') where id = $1`,
            [cardId, posted.channel, posted.ts, posted.shown],
          )
        : pool.query('update card set held_until = null where id = $1', [cardId]));
    },
  };
}
