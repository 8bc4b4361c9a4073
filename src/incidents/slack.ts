import type { KnownBlock, View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, button, md, messageLink, page, typed, when } from '../blocks.ts';
import { type Answer, done, idField, keysNamed, refuseAtClick, type SlackDoor } from '../doors.ts';
import { inFull } from '../inventory/model.ts';
import { byId, type Id, idOf, isId, type Refusal, refuseIf } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { Card, Ports } from '../ports.ts';
import { incidentCards, nameOf, type Story, statusInWords, storyOf } from './cards.ts';
import { changeSeverity } from './change-severity.ts';
import { isLine } from './checklist-model.ts';
import { claimIncident } from './claim.ts';
import { closeIncident } from './close.ts';
import { declareIncident } from './declare.ts';
import {
  channelName,
  chosenLines,
  closeModal,
  type Draft,
  declareModal,
  emptyDraft,
  isHappening,
  isReach,
  keyOption,
  noteModal,
  previewOf,
  severityModal,
  tickModal,
  timelinePage,
  unlisted,
  unlistedOption,
  untickModal,
} from './modals.ts';
import {
  type Incident,
  openLines,
  type Seen,
  whyNotClose,
  whyNotNote,
  whyNotOpen,
  whyNotRegrade,
  whyNotWork,
} from './model.ts';
import { addNote } from './note.ts';
import { type Happening, happenings, type Reach, reaches, type Severity, severities } from './severity-model.ts';
import { tickLines, untickLine } from './tick.ts';

const incidentId = idField('incident', 'This incident does not exist.');
const optionalText = z
  .string()
  .nullish()
  .transform((text) => text ?? '');
const names = <T extends object>(table: T) => Object.keys(table) as [keyof T & string];
const Chosen = z.array(z.string()).nullish();

const ReportForm = z.object({
  leakedKey: z.custom<Id<'key'> | typeof unlisted>(
    (value) => value === unlisted || isId('key', value),
    'Choose the key, or that it is not in the inventory.',
  ),
  which: optionalText,
  leakReach: z
    .enum(names(reaches))
    .nullish()
    .transform((reach): Reach => reach ?? 'unknown'),
  leakHow: z.enum(names(happenings), { error: 'Choose what happened.' }),
  what: optionalText,
  leakedAgain: Chosen,
  seenChannel: z.string().optional(),
  seenTs: z.string().optional(),
});
const TickForm = z.object({
  incidentId,
  immediately: Chosen,
  hour: Chosen,
  day: Chosen,
  week: Chosen,
  verdict: z.enum(['done', 'skipped']).default('done'),
  note: optionalText,
});
const UntickForm = z.object({
  incidentId,
  line: z.string({ error: 'Choose a line.' }).refine(isLine, 'Choose a line.'),
  note: optionalText,
});
const SeverityForm = z.object({ incidentId, severity: z.enum(severities), reason: optionalText });
const NoteForm = z.object({ incidentId, note: optionalText });
const CloseForm = z.object({ incidentId, lesson: optionalText });

const title = 'Report a leaked key';
const seenFrom = (channel: unknown, ts: unknown): Seen | null =>
  typeof channel === 'string' && typeof ts === 'string' && /^[CDG][A-Z0-9]+$/.test(channel) && /^\d+\.\d+$/.test(ts)
    ? { channel, ts }
    : null;

/** The P0 button in all its places, and the card that an incident is worked on with. */
export function incidentsInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;
  incidentCards(slack, policy);

  // ————— Reporting —————

  const draw = async (person: Person, draft: Draft): Promise<SlackView> =>
    declareModal(draft, await store.read((view) => previewOf(view, draft, ports)), policy, person);

  async function draftFor(words: string): Promise<Draft> {
    if (!words.trim()) return emptyDraft;
    const keys = await store.read((view) => keysNamed(view, words, 20));
    if (keys.length === 1) return { ...emptyDraft, key: keys[0]! };
    const count = keys.length === 20 ? 'Many' : keys.length;
    const found =
      keys.length === 0
        ? `No key matches "${words.slice(0, 100)}". Search for it, or say that it is not in the inventory.`
        : `${count} keys match "${words.slice(0, 100)}". Choose one below.`;
    return { ...emptyDraft, found };
  }

  slack.command(
    'incident',
    {
      usage: 'incident [key]',
      help: 'Report a leaked key: people are paged, access ends, the key is replaced at once',
      action: 'incidents.declare',
      opens: title,
    },
    async ({ person, text }) => ({ open: await draw(person, await draftFor(text)) }),
  );
  slack.shortcut('incidents.declare', { opens: title }, async ({ person }) => ({
    open: await draw(person, emptyDraft),
  }));
  slack.shortcut('incidents.report-message', { opens: title }, async ({ person, message }) => ({
    open: await draw(person, { ...emptyDraft, seen: message && seenFrom(message.channel, message.ts) }),
  }));
  slack.action('incidents.declare', { opens: title }, async ({ person, value }) => ({
    open: await draw(person, await draftFor(isId('key', value) ? value : '')),
  }));

  slack.suggest('leakedKey', ({ person, query }) =>
    store.read(async (view) => {
      const keys = await view.keys.search(inFull(query), 50);
      return [...keys.map((key) => keyOption(key, person)), unlistedOption];
    }),
  );
  // Each choice shows at once how severe it is and what reporting does.
  for (const field of ['leakedKey', 'leakHow', 'leakReach']) {
    slack.action(field, {}, async ({ person, fields, context }) => {
      const { leakedKey, leakHow, leakReach, leakedAgain, which, what } = fields;
      const key = isId('key', leakedKey) ? await store.read((view) => view.keys.find(leakedKey)) : null;
      const draft: Draft = {
        key,
        unlisted: leakedKey === unlisted,
        how: isHappening(leakHow) ? (leakHow satisfies Happening) : null,
        reach: isReach(leakReach) ? leakReach : 'unknown',
        which: typeof which === 'string' ? which : '',
        what: typeof what === 'string' ? what : '',
        seen: seenFrom(context.seenChannel, context.seenTs),
        again: Array.isArray(leakedAgain) && leakedAgain.includes('again'),
        found: '',
      };
      return { update: await draw(person, draft) };
    });
  }

  slack.submit('incidents.declare', ReportForm, async ({ form, person }): Promise<Answer> => {
    const { incident, joined } = await declareIncident(ports, person.id, {
      keyId: form.leakedKey === unlisted ? null : form.leakedKey,
      which: form.which || null,
      reach: form.leakReach,
      how: form.leakHow,
      what: form.what,
      seen: seenFrom(form.seenChannel, form.seenTs),
      again: form.leakedAgain?.includes('again') ?? false,
    });
    const story = await storyFor(incident.id, person);
    return { update: page('Reported', reported(story, joined)) };
  });

  function reported(story: Story, joined: boolean): KnownBlock[] {
    const { incident } = story;
    const head = joined
      ? md`:white_check_mark: Added to the ${typed(incident.severity)} incident of *${typed(nameOf(story), 200)}*, open since ${when(incident.declaredAt)}.`
      : md`:rotating_light: *${typed(incident.severity)}* declared for *${typed(nameOf(story), 200)}*.`;
    return [
      block.text(md`${head} Its card is in ${channelName(policy)} and in your direct messages.`),
      block.text(statusInWords(story)),
      block.text(md`Do not send the key to anybody, not even to show it. Thank you for reporting it.`),
    ];
  }

  // ————— Working on it —————

  const storyFor = (id: string, person: Person) =>
    store.read((view) => storyOf(view, idOf('incident', id), { person: person.id }));

  async function opened(
    person: Person,
    value: string,
    action: string,
    rule: (story: Story) => Refusal | null,
  ): Promise<Story> {
    const story = await storyFor(value, person);
    const { id, keyId } = story.incident;
    await refuseAtClick(store, person, { action, subject: id, ...(keyId ? { keyId } : {}) }, rule(story));
    return story;
  }
  const works = (person: Person) => (story: Story) => whyNotWork(story.incident, person, story.key);

  slack.action('incidents.tick', { opens: 'Tick' }, async ({ person, value }) => {
    const story = await opened(person, value, 'incidents.tick', works(person));
    return { open: tickModal(story, !whyNot(person, 'incidents.skip')) };
  });
  slack.submit('incidents.tick', TickForm, async ({ form, person }) => {
    const lines = chosenLines(form);
    const { id, verdict, note } = { id: form.incidentId, verdict: form.verdict, note: form.note };
    const incident = await tickLines(ports, person.id, { incidentId: id, lines, verdict, note });
    return { say: md`:white_check_mark: ${leftInWords(incident)}` };
  });

  slack.action('incidents.untick', { opens: 'Open again' }, async ({ person, value }) => ({
    open: untickModal(await opened(person, value, 'incidents.untick', works(person))),
  }));
  slack.submit('incidents.untick', UntickForm, async ({ form, person }) => {
    await untickLine(ports, person.id, { incidentId: form.incidentId, line: form.line, why: form.note });
    return done;
  });

  slack.action('incidents.change-severity', { opens: 'Severity' }, async ({ person, value }) => {
    const other = ({ incident }: Story): Severity => (incident.severity === 'P0' ? 'P1' : 'P0');
    const story = await opened(person, value, 'incidents.change-severity', (each) =>
      whyNotRegrade(each.incident, person, other(each), 'looked at it'),
    );
    return { open: severityModal(story, policy) };
  });
  slack.submit('incidents.change-severity', SeverityForm, async ({ form, person }) => {
    const incident = await changeSeverity(ports, person.id, form);
    return { say: md`It is *${typed(incident.severity)}* now, and the clocks follow.` };
  });

  slack.action('incidents.note', { opens: 'Add to the timeline' }, async ({ person, value }) => ({
    open: noteModal(
      await opened(person, value, 'incidents.note', ({ incident, key }) =>
        whyNotNote(incident, person, key, 'looked at it'),
      ),
    ),
  }));
  slack.submit('incidents.note', NoteForm, async ({ form, person }) => {
    await addNote(ports, person.id, { incidentId: form.incidentId, text: form.note });
    return done;
  });

  for (const [action, takesOver] of [
    ['incidents.claim', false],
    ['incidents.take-over', true],
  ] as const) {
    slack.action(action, {}, async ({ person, value }) => {
      await claimIncident(ports, person.id, { incidentId: idOf('incident', value), takesOver });
      return done;
    });
  }

  slack.action('incidents.close', { opens: 'Close the incident' }, async ({ person, value }) => ({
    open: closeModal(
      await opened(person, value, 'incidents.close', ({ incident }) => whyNotClose(incident, person, 'looked at it')),
    ),
  }));
  slack.submit('incidents.close', CloseForm, async ({ form, person }) => {
    await closeIncident(ports, person.id, form);
    return { say: md`:white_check_mark: Closed. What was learned is on the card.` };
  });

  slack.action('incidents.timeline', { opens: 'Timeline' }, async ({ person, value }) => {
    const story = await storyFor(value, person);
    // A closed incident can still be read by whoever could work on it.
    refuseIf(whyNotWork({ ...story.incident, status: 'open' }, person, story.key));
    const ids = story.incident.timeline.map((each) => each.by).filter((each) => each !== null);
    const people = await store.read((view) => view.people.many([...new Set(ids)]));
    return { open: timelinePage({ ...story, people: byId(people) }) };
  });

  // ————— App Home —————

  slack.home(async (view, person) => {
    const all = await view.incidents.open(100);
    const visible: Incident[] = [];
    for (const incident of all) {
      const key = incident.keyId ? await view.keys.find(incident.keyId) : null;
      const involved = incident.declaredBy === person.id || !whyNotWork(incident, person, key);
      if (involved && !whyNotOpen(incident)) visible.push(incident);
      if (visible.length === 6) break;
    }
    const lines: KnownBlock[] = [];
    for (const { id } of visible.slice(0, 5)) {
      const story = await storyOf(view, id, { person: person.id });
      const posted = (await view.cards.of('incidents.card', id)).find((each) => each.channel && each.ts);
      lines.push(homeLine(story, posted ?? null));
    }
    const more = visible.length > 5 ? [block.small(md`There are more in ${channelName(policy)}.`)] : [];
    return [
      block.buttons(button('incidents.declare', ':rotating_light: Report a leaked key', 'home', { style: 'danger' })),
      ...(lines.length > 0 ? [block.header('Open incidents'), ...lines, ...more] : []),
    ];
  });
}

function homeLine(story: Story, posted: Card | null): KnownBlock {
  const { incident } = story;
  const left = openLines(incident).length;
  const { postedChannel: channel, ts } = posted ?? {};
  const card = channel && ts ? md` ${messageLink({ channel, ts }, 'Its card')}` : md``;
  return block.text(
    md`*${typed(incident.severity)}*, ${typed(incident.status)}: ${typed(nameOf(story), 200)}, since ${when(incident.declaredAt)}\n${statusInWords(story)} ${left} ${left === 1 ? md`line` : md`lines`} open.${card}`,
  );
}

function leftInWords(incident: Incident) {
  const left = openLines(incident).length;
  if (left === 0) return md`Nothing is open any more: the incident can be closed.`;
  return md`${left} ${left === 1 ? md`line is` : md`lines are`} still open.`;
}
