import { sql } from 'drizzle-orm';
import { type JobName, jobs } from '../../jobs.ts';
import { after, type Instant, newId } from '../../kernel.ts';
import type { Card, Cards, Tx } from '../../ports.ts';
import type { Session } from './rows.ts';

interface Job {
  id: string;
  name: JobName;
  payload: unknown;
  lane: string;
  onceKey: string | null;
  runAt: Instant;
}

/** What follows from one change: jobs to do and cards to bring up to date. Noted while it runs, written at its end. */
export interface FollowUps {
  add: Tx['jobs']['add'];
  touch: Cards['touch'];
  refresh(cardId: Card['id']): Promise<void>;
  write(): Promise<void>;
}

export function followUps({ db }: Session, now: Instant): FollowUps {
  const wanted = new Map<string, Job>();
  const touched = new Map<string, Instant>();

  const add: FollowUps['add'] = async (name, payload, { at = now, once, lane } = {}) => {
    const id = newId('work');
    const known = wanted.get(once ? `${name} ${once}` : id);
    if (known) known.runAt = at < known.runAt ? at : known.runAt;
    else
      wanted.set(once ? `${name} ${once}` : id, {
        ...{ id, name, payload: jobs[name].payload.parse(payload), lane: lane ?? jobs[name].lane },
        ...{ onceKey: once ?? null, runAt: at },
      });
  };
  const refresh = (cardId: Card['id'], at = now) => add('slack.card', { cardId }, { once: cardId, at });

  return {
    add,
    refresh: (cardId) => refresh(cardId),
    async touch(subject, { withinMs = 0 } = {}) {
      const at = after(now, withinMs);
      const before = touched.get(subject);
      touched.set(subject, before && before < at ? before : at);
    },
    async write() {
      if (touched.size > 0) {
        const { rows } = await db.execute<{ id: Card['id']; subject: string }>(
          sql`select id, subject from card where subject = any(${sql.param([...touched.keys()])})`,
        );
        for (const { id, subject } of rows) await refresh(id, touched.get(subject));
      }
      if (wanted.size === 0) return;
      // The job that waits already is locked, not merely left: a worker must not take it before this change can be seen,
      // or it would do its work on the old state and nobody would come again. In one order, so that nobody waits for each
      // other.
      await db.execute(sql`
        insert into work (id, name, payload, lane, once_key, run_at, created_at)
        select id, name, payload, lane, "onceKey", "runAt", ${now.toISOString()}::timestamptz
          from jsonb_to_recordset(${JSON.stringify([...wanted.values()])}::jsonb)
            as job (id text, name text, payload jsonb, lane text, "onceKey" text, "runAt" timestamptz)
          order by name, "onceKey", id
        on conflict (name, once_key) where status = 'waiting' and once_key is not null
          do update set run_at = least(work.run_at, excluded.run_at)`);
    },
  };
}
