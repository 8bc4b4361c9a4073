import type { KnownBlock } from '@slack/types';
import { z } from 'zod';
import { block, button, join, type Message, type Mrkdwn, md, mention, message, typed, when } from '../blocks.ts';
import { done, refuseAtClick, type SlackDoor } from '../doors.ts';
import type { ApiKey } from '../inventory/model.ts';
import { byId, isId, Refusal } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { Page, Ports, View } from '../ports.ts';
import { filterOf, wished } from './ask.ts';
import { auditCards } from './cards.ts';
import type { AuditEvent, AuditFilter } from './model.ts';
import { retryWork } from './retry-work.ts';
import { inWords, reasonGiven } from './tell.ts';

const eventsPerPage = 10;

/** A page as its buttons carry it: the filter with its times fixed, and from which event on. It opens nothing by itself. */
const cursor = z.string().regex(/^[\dT:.Z-]{24}~aud_[0-9a-z]{26}$/);
const Leaf = z.object({
  keyId: z.string().optional(),
  personId: z.string().optional(),
  action: z.string().optional(),
  from: z.iso.datetime().optional(),
  to: z.iso.datetime().optional(),
  outcome: z.enum(['done', 'refused']).optional(),
  older: cursor.optional(),
  newer: cursor.optional(),
});
type Leaf = z.infer<typeof Leaf>;

function leafOf(value: string): Leaf {
  try {
    return Leaf.parse(JSON.parse(value));
  } catch {
    throw new Refusal('invalid', 'This page is gone. Run `/keys audit` again.');
  }
}

const leafFor = ({ from, to, ...rest }: AuditFilter, at: Pick<Leaf, 'older' | 'newer'> = {}): Leaf => ({
  ...rest,
  ...(from ? { from: from.toISOString() } : {}),
  ...(to ? { to: to.toISOString() } : {}),
  ...at,
});
function filterIn({ older: _older, newer: _newer, from, to, ...rest }: Leaf): AuditFilter {
  const filter: AuditFilter = {};
  for (const name of ['keyId', 'personId', 'action', 'outcome'] as const)
    if (rest[name] !== undefined) Object.assign(filter, { [name]: rest[name] });
  if (from) filter.from = new Date(from);
  if (to) filter.to = new Date(to);
  return filter;
}

/** `/keys audit`: the log for administrators, newest first, a page at a time. */
export function auditInSlack(slack: SlackDoor, { store }: Pick<Ports, 'store'>): void {
  auditCards(slack);
  slack.command(
    'audit',
    {
      usage: 'audit [filter]',
      help: 'Who did what and when, e.g. `/keys audit key:stripe since:7d` or `/keys audit @dana refused`',
      action: 'audit.read',
    },
    async ({ person, text }) => ({
      say: await store.read(async (view) => pageOf(view, leafFor(await filterOf(view, wished(text), person.timeZone)))),
    }),
  );

  slack.action('audit.page', {}, async ({ person, value }) => {
    const wanted = { action: 'audit.read', subject: 'audit' } as const;
    await refuseAtClick(store, person, wanted, whyNot(person, wanted.action));
    return { replace: await store.read((view) => pageOf(view, leafOf(value))) };
  });

  slack.action('work.retry', {}, async ({ person, value }) => {
    await retryWork({ store }, { kind: 'person', id: person.id }, value);
    return done;
  });
}

async function pageOf(view: View, leaf: Leaf): Promise<Message> {
  const filter = filterIn(leaf);
  const page = leaf.newer
    ? await view.audit.newer(filter, eventsPerPage, leaf.newer)
    : await view.audit.list(filter, eventsPerPage, leaf.older);
  const names = await namesOf(view, page.rows, filter);
  const count = page.rows.length;
  return message(count === 0 ? 'Nothing in the audit log matches' : `Audit log, ${count} events`, [
    block.header('Audit log'),
    block.small(filterInWords(filter, names)),
    ...(count === 0
      ? [block.text(md`Nothing matches${leaf.older || leaf.newer ? md` any more` : md``}.`)]
      : page.rows.map((event) => block.text(lineOf(event, names)))),
    ...turns(leaf, filter, page),
  ]);
}

/** Older and Newer, where there is something to turn to. */
function turns(leaf: Leaf, filter: AuditFilter, page: Page<AuditEvent>): KnownBlock[] {
  const [newest, oldest] = [page.rows[0], page.rows.at(-1)];
  if (!newest || !oldest) return leaf.older || leaf.newer ? [block.buttons(turn('Newest', leafFor(filter)))] : [];
  const older = leaf.newer !== undefined || page.next !== null;
  const newer = leaf.newer !== undefined ? page.next !== null : leaf.older !== undefined;
  const buttons = [
    ...(newer ? [turn('Newer', leafFor(filter, { newer: cursorOf(newest) }))] : []),
    ...(older ? [turn('Older', leafFor(filter, { older: cursorOf(oldest) }))] : []),
  ];
  return buttons.length > 0 ? [block.buttons(...buttons)] : [];
}
const turn = (label: 'Older' | 'Newer' | 'Newest', leaf: Leaf) =>
  button(`audit.page:${label.toLowerCase()}`, label, JSON.stringify(leaf), { describe: `${label} events` });
const cursorOf = (event: AuditEvent) => `${event.at.toISOString()}~${event.id}`;

interface Names {
  keys: Map<string, ApiKey>;
  people: Map<string, Person>;
}

async function namesOf(view: View, events: AuditEvent[], filter: AuditFilter): Promise<Names> {
  const ids = new Set(events.flatMap((each) => [each.actor.id, each.subject, each.keyId ?? '']));
  for (const each of [filter.keyId, filter.personId]) if (each) ids.add(each);
  const keys = new Map<string, ApiKey>();
  for (const id of ids) {
    const key = isId('key', id) ? await view.keys.find(id) : null;
    if (key) keys.set(id, key);
  }
  const people = await view.people.many([...ids].filter((id) => isId('person', id)));
  return { keys, people: byId(people) };
}

function filterInWords(filter: AuditFilter, names: Names): Mrkdwn {
  const parts = [
    ...(filter.keyId ? [md`of ${keyName(filter.keyId, names)}`] : []),
    ...(filter.personId ? [md`by or about ${personName(filter.personId, names)}`] : []),
    ...(filter.action ? [md`of the kind ${typed(filter.action, 60)}`] : []),
    ...(filter.from ? [md`from ${when(filter.from)}`] : []),
    ...(filter.to ? [md`before ${when(filter.to)}`] : []),
    ...(filter.outcome ? [md`that were ${typed(filter.outcome)}`] : []),
  ];
  return parts.length > 0 ? md`Events ${join(parts, ', ')}; newest first.` : md`All events, newest first.`;
}

const keyName = (id: string, { keys }: Names): Mrkdwn => typed(keys.get(id)?.name ?? id, 200);
const personName = (id: string, { people }: Names): Mrkdwn => {
  const person = people.get(id);
  return person ? mention(person.slackId) : typed(id, 60);
};

function actorName({ kind, id }: AuditEvent['actor'], names: Names): Mrkdwn {
  if (kind === 'person') return personName(id, names);
  if (kind === 'slack-user') return mention(id);
  return md`${typed(kind)} ${typed(id, 100)}`;
}

/** One event: what, on which key, how it ended and why, by whom and when. */
function lineOf(event: AuditEvent, names: Names): Mrkdwn {
  const keyId = event.keyId ?? (isId('key', event.subject) ? event.subject : null);
  const about =
    isId('person', event.subject) && event.subject !== event.actor.id ? personName(event.subject, names) : null;
  const what = join(
    [md`*${typed(inWords(event.action), 100)}*`, ...(keyId ? [keyName(keyId, names)] : []), ...(about ? [about] : [])],
    ' · ',
  );
  const outcome =
    event.outcome === 'done'
      ? md`:white_check_mark: done`
      : md`:no_entry_sign: refused: ${typed(event.reason ?? '', 300)}`;
  const given = reasonGiven(event);
  return join(
    [
      what,
      md`${outcome} · ${actorName(event.actor, names)} · ${when(event.at)} · ${typed(event.subject, 60)}`,
      ...(given ? [md`“${typed(given, 300)}”`] : []),
    ],
    '\n',
  );
}
