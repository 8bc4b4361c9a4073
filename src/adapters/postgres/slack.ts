import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { CardLedger, HeldCard, Inbox } from '../../ports.ts';
import { persistently } from './persistently.ts';
import { asError, inRounds } from './rounds.ts';

/** What SQL calls a data exception: a payload that jsonb cannot hold. The others of its round are stored all the same. */
const isDataException = (error: unknown) => (error as { code?: string }).code?.startsWith('22') ?? false;

/** Give it a pool of its own: an acknowledgement must not wait behind what the areas do. */
export function postgresInbox(pool: pg.Pool): Inbox {
  const insert = async (deliveries: { key: string; json: string }[]) => {
    const { rows } = await pool.query<{ dedupe_key: string }>({
      name: 'inbox_store',
      text: `insert into inbox (dedupe_key, kind, payload)
             select each ->> 0, each ->> 1, each -> 2 from jsonb_array_elements($1::jsonb) each
             on conflict do nothing returning dedupe_key`,
      values: [`[${deliveries.map((each) => each.json).join()}]`],
    });
    const stored = new Set(rows.map((row) => row.dedupe_key));
    // Of two equal ones in one round only the first is fresh.
    return deliveries.map((each) => stored.delete(each.key));
  };
  const store = inRounds(3, async (deliveries: { key: string; json: string }[]) => {
    try {
      return await insert(deliveries);
    } catch (error) {
      if (deliveries.length === 1 || !isDataException(error)) throw error;
      return Promise.all(deliveries.map((each) => insert([each]).then(([fresh]) => fresh!, asError)));
    }
  });
  const handled = inRounds(1, async (keys: string[]) => {
    await pool.query({
      name: 'inbox_handled',
      text: 'update inbox set handled_at = now() where dedupe_key = any($1)',
      values: [keys],
    });
    return keys;
  });
  return {
    store: (dedupeKey, kind, payload) => store({ key: dedupeKey, json: JSON.stringify([dedupeKey, kind, payload]) }),
    handled: async (dedupeKey) => void (await handled(dedupeKey)),
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

type Asked = { cardId: string; holdMs: number; holder: string };
type Released = Parameters<CardLedger['release']>;

export function cardLedger(pool: pg.Pool): CardLedger {
  // As with work, each row is looked for by its own id.

  /** Those of many that may be held now; whose answer was lost may hold it already. */
  async function held(asked: Asked[], wait: boolean): Promise<(HeldCard | null)[]> {
    const { rows } = await pool.query<HeldCard>({
      name: `card_hold_${wait}`,
      text: `update card set held_until = clock_timestamp() + its.ms * interval '1 ms', held_by = its.holder, copied = copied or posting_since is not null
         from jsonb_to_recordset($1) as its (id text, holder text, ms bigint) cross join lateral (
             select id from card free where free.id = its.id
               and (free.held_until is null or free.held_until < clock_timestamp() or free.held_by = its.holder)
             for update ${wait ? '' : 'skip locked'}) free
         where card.id = free.id
         returning card.id, held_by as holder, kind, subject, channel, person_id as "personId", posted_channel as "postedChannel", ts, encode(shown, 'hex') as shown, anew, copied, astray,
           (select jsonb_build_object('channel', other.channel, 'astray', other.astray) from card other
            where card.person_id is not null and other.kind = card.kind and other.subject = card.subject and other.astray is not null
            limit 1) as "insteadOf"`,
      values: [JSON.stringify(asked.map(({ cardId: id, holder, holdMs: ms }) => ({ id, holder, ms })))],
    });
    const taken = new Map(rows.map((row) => [row.holder, row]));
    return asked.map(({ holder }) => taken.get(holder) ?? null);
  }
  /** Whether each was still held by whoever lets go of it. */
  async function released(cards: Released[], wait: boolean): Promise<boolean[]> {
    const { rows } = await pool.query<{ holder: string }>({
      name: `card_release_${wait}`,
      text: `update card set held_until = null, held_by = null,
           posting_since = case when its.ts is null then posting_since end, astray = case when its.ts is null then astray end,
           posted_channel = coalesce(its.channel, posted_channel), ts = coalesce(its.ts, card.ts),
           shown = coalesce(decode(its.shown, 'hex'), card.shown), anew = card.anew and not coalesce(its.anew, false)
         from jsonb_to_recordset($1) as its (card text, holder text, channel text, ts text, shown text, anew boolean) cross join lateral (
             select id from card mine where mine.id = its.card and mine.held_by = its.holder for update ${wait ? '' : 'skip locked'}) mine
         where card.id = mine.id
         returning its.holder`,
      values: [JSON.stringify(cards.map(([{ id, holder }, posted]) => ({ ...posted, card: id, holder })))],
    });
    const free = new Set(rows.map((row) => row.holder));
    return cards.map(([{ holder }]) => free.has(holder));
  }
  const holding = inRounds(2, (asked: Asked[]) => held(asked, false));
  const releasing = inRounds(2, (cards: Released[]) => released(cards, false));

  return {
    async hold(cardId, holdMs) {
      const asked = { cardId, holdMs, holder: randomUUID() };
      const card = await persistently(async () => (await holding(asked)) ?? (await held([asked], true))[0]!);
      if (card) return card;
      const { rowCount } = await pool.query('select 1 from card where id = $1', [cardId]);
      return rowCount ? 'busy' : null;
    },
    async posting(cardId) {
      await pool.query({
        name: 'card_posting',
        text: 'update card set posting_since = clock_timestamp() where id = $1',
        values: [cardId],
      });
    },
    async notPosted(cardId) {
      await pool.query('update card set posting_since = null where id = $1', [cardId]);
    },
    async goneAstray(cardId, said) {
      await pool.query('update card set astray = $2 where id = $1', [cardId, said]);
    },
    async release(card, posted) {
      await persistently(async () => {
        if (!(await releasing([card, posted]))) await released([[card, posted]], true);
      });
    },
  };
}
