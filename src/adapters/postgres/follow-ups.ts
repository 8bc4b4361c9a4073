import { type JobName, jobs } from '../../jobs.ts';
import { after, type Instant, newId } from '../../kernel.ts';
import type { Card, Cards, Tx } from '../../ports.ts';
import type { ProgressPace } from './progress.ts';
import type { Statement } from './rows.ts';

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
  statements(): Statement[];
}

/**
 * The job that waits already is locked, not merely left: a worker must not take it before this change can be seen, or it
 * would do its work on the old state and nobody would come again. In one order, so that nobody waits for each other.
 * `offset 0`: the cards of each subject are looked up, never all cards looked through.
 */
const writing = `
  with wanted as (select * from jsonb_to_recordset($1::jsonb)
        as job (id text, name text, payload jsonb, lane text, "onceKey" text, "runAt" timestamptz)),
    touched as (select card.id, min(at) as at
        from jsonb_to_recordset($2::jsonb) as touch (subject text, at timestamptz)
        cross join lateral (select id from card where card.subject = touch.subject offset 0) card
        where not exists (select 1 from wanted where name = 'slack.card' and "onceKey" = card.id)
        group by card.id)
  insert into work (id, name, payload, lane, once_key, run_at, created_at)
  select id, name, payload, lane, "onceKey", "runAt", $3::timestamptz from (
      select * from wanted union all
      select 'work_' || left(replace(gen_random_uuid()::text, '-', ''), 26), 'slack.card', jsonb_build_object('cardId', id),
        '${jobs['slack.card'].lane}', id, at from touched) job
    order by name, "onceKey", id
  on conflict (name, once_key) where status = 'waiting' and once_key is not null
    do update set run_at = least(work.run_at, excluded.run_at)`;

export function followUps(now: Instant, progress: ProgressPace): FollowUps {
  const wanted = new Map<string, Job>();
  const touched = new Map<string, Instant>();
  let shownBy: Instant | undefined;
  const touchBy = (subject: string, at: Instant) => {
    const before = touched.get(subject);
    touched.set(subject, before && before < at ? before : at);
  };

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

  return {
    add,
    refresh: (cardId) => add('slack.card', { cardId }, { once: cardId }),
    async touch(subject, { withinMs, urgent = false } = {}) {
      if (withinMs === undefined || urgent) return touchBy(subject, after(now, withinMs ?? 0));
      // What one change touches is shown together: it is of one thing, and few of its subjects have a card.
      shownBy ??= progress(subject, now, withinMs);
      touchBy(subject, shownBy);
    },
    statements() {
      if (wanted.size + touched.size === 0) return [];
      const cards = [...touched].map(([subject, at]) => ({ subject, at }));
      return [{ text: writing, values: [JSON.stringify([...wanted.values()]), JSON.stringify(cards), now] }];
    },
  };
}
