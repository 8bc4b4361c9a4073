import { DateTime } from 'luxon';
import { inFull } from '../inventory/model.ts';
import { after, day, hour, type Instant, isId, minute, Refusal } from '../kernel.ts';
import type { View } from '../ports.ts';
import type { AuditEvent, AuditFilter } from './model.ts';

/** What somebody wants to see of the log, as they wrote it. Times are what they typed: an instant, a day, or so long ago. */
export interface AuditWish {
  key?: string;
  person?: string;
  action?: string;
  since?: string;
  from?: string;
  to?: string;
  outcome?: string;
}

const names = ['key', 'person', 'action', 'since', 'from', 'to', 'outcome'] as const;
const outcomes: readonly AuditEvent['outcome'][] = ['done', 'refused'];
const unitMs: Record<string, number> = { m: minute, h: hour, d: day, w: 7 * day };

/**
 * `key:openai prod action:rotation. since:7d refused @dana` as a wish. Words without a name continue what stands before
 * them, and at the start they name a key.
 */
export function wished(text: string): AuditWish {
  const wish: AuditWish = {};
  let last: keyof AuditWish = 'key';
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const [, name, value] = /^([a-z]+):(.*)$/.exec(word) ?? [];
    const known = names.find((each) => each === name);
    if (known) {
      last = known;
      wish[known] = value ?? '';
    } else if (word.startsWith('<@')) wish.person = word;
    else if (outcomes.includes(word.toLowerCase() as AuditEvent['outcome'])) wish.outcome = word.toLowerCase();
    else wish[last] = `${wish[last] ?? ''} ${word}`.trim();
  }
  return wish;
}

/** The instant that a text means: ISO 8601, or a day in this zone, whose end is the end of that day. */
export function instantOf(text: string, zone: string, edge: 'from' | 'to'): Instant {
  const at = DateTime.fromISO(text, { zone });
  if (!at.isValid) throw new Refusal('invalid', `"${text.slice(0, 50)}" is no date. Write it like 2026-11-01.`);
  return (edge === 'to' && !text.includes('T') ? at.plus({ days: 1 }) : at).toJSDate();
}

function ago(text: string, now: Instant): Instant {
  const [, count, unit] = /^(\d{1,5})([mhdw])$/.exec(text) ?? [];
  if (!count || !unit)
    throw new Refusal('invalid', `"${text.slice(0, 50)}" is no span of time. Write it like 7d or 12h.`);
  return after(now, -Number(count) * unitMs[unit]!);
}

/** The filter that a wish comes to. @throws Refusal that says which part of it means nothing, or too much */
export async function filterOf(view: View, wish: AuditWish, zone: string): Promise<AuditFilter> {
  const filter: AuditFilter = {};
  if (wish.key !== undefined) filter.keyId = await keyOf(view, wish.key);
  if (wish.person !== undefined) filter.personId = await personOf(view, wish.person);
  if (wish.action !== undefined) {
    if (!/^[a-z-]+\.([a-z-]+)?$/.test(wish.action)) {
      throw new Refusal(
        'invalid',
        'An action looks like access.approve; with nothing after the dot, access. means all of access.',
      );
    }
    filter.action = wish.action;
  }
  if (wish.since !== undefined) filter.from = ago(wish.since, view.now);
  if (wish.from !== undefined) filter.from = instantOf(wish.from, zone, 'from');
  if (wish.to !== undefined) filter.to = instantOf(wish.to, zone, 'to');
  if (wish.outcome !== undefined) {
    const outcome = outcomes.find((each) => each === wish.outcome);
    if (!outcome) throw new Refusal('invalid', `An outcome is ${outcomes.join(' or ')}.`);
    filter.outcome = outcome;
  }
  return filter;
}

async function keyOf(view: View, words: string): Promise<string> {
  // Retired keys are found by their id only, and have a past all the same.
  if (isId('key', words)) return words;
  const found = words.trim() ? await view.keys.search(inFull(words), 6) : [];
  if (found.length === 1) return found[0]!.id;
  if (found.length === 0) throw new Refusal('not_found', `No key matches "${words.slice(0, 100)}".`);
  const some = found.slice(0, 5).map((key) => `${key.name} (key:${key.id})`);
  throw new Refusal(
    'invalid',
    `More than one key matches "${words.slice(0, 100)}": ${some.join('; ')}${found.length > 5 ? '; and more' : ''}.`,
  );
}

async function personOf(view: View, word: string): Promise<string> {
  if (isId('person', word)) return word;
  const slackId = /^<@([UW][A-Z0-9]+)(?:\|[^>]*)?>$/.exec(word)?.[1] ?? word;
  const person = await view.people.bySlackId(slackId);
  if (person) return person.id;
  throw new Refusal('not_found', 'Keysteward does not know this person. Name them with an @mention, or by their id.');
}
