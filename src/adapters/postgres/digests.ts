import { gte, type SQL, sql } from 'drizzle-orm';
import type { Counts, Digest, Reader, Standing } from '../../digest/model.ts';
import type { Risk } from '../../inventory/model.ts';
import type { Instant } from '../../kernel.ts';
import type { DigestReads } from '../../ports.ts';
import { rowsOf, type Session, type TableRows } from './rows.ts';
import { digests } from './schema.ts';

const instant = (value: string | Date) => new Date(value);
/** As `snoozedNow` in inventory/model.ts. */
const snoozed = sql`(k.snooze is not null and k.planned_at is null and (k.snooze ->> 'until')::timestamptz > now())`;

/** As `pausedNow` in inventory/model.ts. */
const pausedNow = sql`(k.pause ->> 'endedAt' is null and (k.pause ->> 'until')::timestamptz > now())`;

export function digestRows(session: Session): TableRows<Digest> & DigestReads {
  const rows = rowsOf<Digest>(session, digests, 'digest');
  const all = async <R extends Record<string, unknown>>(query: ReturnType<typeof sql>) =>
    (await session.db.execute<R>(query)).rows;

  const counted = (dueBefore: Instant, which: SQL) =>
    all<{ risk: Risk } & Record<keyof Counts, number>>(
      sql`select risk, count(*) filter (where ${snoozed})::int as snoozed,
            count(*) filter (where not ${snoozed} and next_rotation_at <= now())::int as overdue,
            count(*) filter (where not ${snoozed} and next_rotation_at > now())::int as due
          from api_key k where status = 'active' and next_rotation_at < ${dueBefore.toISOString()}::timestamptz and ${which}
          group by risk`,
    );

  async function ownersLate(most: number): Promise<Pick<Standing, 'owners' | 'ownersInAll'>> {
    const found = await all<Omit<Standing['owners'][number], 'oldest'> & { oldest: string; all: number }>(
      sql`select owner_id as "ownerId", count(*)::int as overdue, count(*) filter (where risk = 'high')::int as high,
            min(next_rotation_at) as oldest, (count(*) over ())::int as "all"
          from api_key k where status = 'active' and next_rotation_at <= now() and not ${snoozed}
          group by owner_id order by high desc, overdue desc, oldest, owner_id limit ${most}`,
    );
    const owners = found.map(({ all: _all, oldest, ...rest }) => ({ ...rest, oldest: instant(oldest) }));
    return { owners, ownersInAll: found[0]?.all ?? 0 };
  }

  async function withoutOwner(most: number): Promise<Pick<Standing, 'ownerless' | 'ownerlessInAll'>> {
    const found = await all<Standing['ownerless'][number] & { all: number }>(
      sql`select k.id, k.name, k.risk, k.owner_id as "ownerId", (count(*) over ())::int as "all"
          from person p join api_key k on k.owner_id = p.id and k.status = 'active'
          where p.status <> 'active'
          order by array_position(array['high', 'medium', 'low'], k.risk), k.next_rotation_at, k.id limit ${most}`,
    );
    return {
      ownerless: found.map(({ all: _all, ...rest }) => rest),
      ownerlessInAll: found[0]?.all ?? 0,
    };
  }

  async function paused(most: number): Promise<Pick<Standing, 'pauses' | 'pausesInAll'>> {
    const found = await all<Standing['pauses'][number] & { all: number }>(
      sql`select id, name, risk, pause, (count(*) over ())::int as "all"
          from api_key k where status = 'active' and pause is not null and ${pausedNow}
          order by pause ->> 'until', id limit ${most}`,
    );
    return { pauses: found.map(({ all: _all, ...rest }) => rest), pausesInAll: found[0]?.all ?? 0 };
  }

  return {
    ...rows,
    async readers(after, limit) {
      const found = await all<Omit<Reader, 'since'> & { since: string }>(
        sql`select p.id, p.time_zone as "timeZone",
              coalesce(d.sent_at, (select min(k.added_at) from api_key k where k.owner_id = p.id and k.status = 'active')) as since
            from person p left join digest d on d.id = p.id
            where p.status = 'active' ${after ? sql`and p.id > ${after}` : sql``}
              and exists (select 1 from api_key k where k.owner_id = p.id and k.status = 'active')
            order by p.id limit ${limit}`,
      );
      return {
        rows: found.map((each) => ({ ...each, since: instant(each.since) })),
        next: found.length === limit ? (found.at(-1)?.id ?? null) : null,
      };
    },
    async sentSince(since: Instant) {
      const found = await session.db
        .select({ id: digests.id })
        .from(digests)
        .where(gte(digests.sentAt, since))
        .orderBy(digests.id);
      return found.map((each) => each.id);
    },
    async countsOf(ownerId, dueBefore) {
      const counts = await counted(dueBefore, sql`owner_id = ${ownerId}`);
      const sum = (what: keyof Counts) => counts.reduce((all, each) => all + each[what], 0);
      return { overdue: sum('overdue'), due: sum('due'), snoozed: sum('snoozed') };
    },
    async standing(dueBefore, most) {
      const counts = await counted(dueBefore, sql`true`);
      const none = { overdue: 0, due: 0, snoozed: 0 };
      const byRisk: Standing['byRisk'] = { high: none, medium: none, low: none };
      for (const { risk, ...rest } of counts) byRisk[risk] = rest;
      const snoozes = await all<Standing['snoozes'][number]>(
        sql`select id, name, risk, snooze from api_key k where status = 'active' and snooze is not null and ${snoozed}
            order by snooze ->> 'until', id limit ${most}`,
      );
      return {
        byRisk,
        snoozes,
        ...(await paused(most)),
        ...(await ownersLate(most)),
        ...(await withoutOwner(most)),
      };
    },
  };
}
