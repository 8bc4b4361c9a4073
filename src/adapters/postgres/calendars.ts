import { eq, sql } from 'drizzle-orm';
import type { CalendarFeed } from '../../calendar/model.ts';
import type { Reminder } from '../../calendar/reminder-model.ts';
import type { CalendarReads, ReminderReads } from '../../ports.ts';
import { rowsOf, type Session, type TableRows } from './rows.ts';
import { calendarFeeds, reminders } from './schema.ts';

export function calendarRows(session: Session): TableRows<CalendarFeed> & CalendarReads {
  const rows = rowsOf<CalendarFeed>(session, calendarFeeds, 'calendar');
  return {
    ...rows,
    byAddress: async (hash) => (await rows.where(eq(calendarFeeds.addressHash, hash), undefined, 1))[0] ?? null,
    ofPerson: (personId) => rows.where(eq(calendarFeeds.personId, personId as CalendarFeed['personId'])),
    async changesOf(keyIds, grantIds) {
      // No change goes without its event, so the log knows when each of them last changed.
      const { rows: found } = await session.db.execute<{ id: string; at: string }>(
        sql`select id, at from unnest(${sql.param([...keyIds])}::text[]) as k (id), lateral (
              select occurred_at as at from audit_event
              where key_id = k.id and outcome = 'done' and (action like 'inventory.%' or action like 'rotation.%')
              order by occurred_at desc, audit_event.id desc limit 1) e
            union all
            select id, at from unnest(${sql.param([...grantIds])}::text[]) as g (id), lateral (
              select occurred_at as at from audit_event where subject = g.id and outcome = 'done'
              order by occurred_at desc, audit_event.id desc limit 1) e`,
      );
      return new Map(found.map((each) => [each.id, new Date(each.at)]));
    },
  };
}

export function reminderRows(session: Session): TableRows<Reminder> & ReminderReads {
  return {
    ...rowsOf<Reminder>(session, reminders, 'reminder'),
    async candidates(before, leastDays, after, limit) {
      const { rows } = await session.db.execute<{ id: Reminder['id'] }>(
        sql`select k.id from api_key k left join reminder r on r.id = k.id
            where k.status = 'active' and k.next_rotation_at > now()
              and k.next_rotation_at < ${before.toISOString()}::timestamptz
              and (r.id is null or r.days > ${leastDays} or r.due_at <> k.next_rotation_at or r.person_id <> k.owner_id)
              ${after ? sql`and k.id > ${after}` : sql``}
            order by k.id limit ${limit}`,
      );
      return rows.map((each) => each.id);
    },
  };
}
