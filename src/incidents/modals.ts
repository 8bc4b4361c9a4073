import type { KnownBlock, View as SlackView } from '@slack/types';
import {
  block,
  channelLink,
  form,
  input,
  join,
  type Mrkdwn,
  md,
  mention,
  messageLink,
  option,
  page,
  typed,
  when,
} from '../blocks.ts';
import type { ApiKey } from '../inventory/model.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { Policy } from '../policy.ts';
import type { Ports, View } from '../ports.ts';
import { nameOf, type Story } from './cards.ts';
import { checklist, isLine, type LineId, linesOf, phases, phaseWords } from './checklist-model.ts';
import { whyByHand } from './contain.ts';
import { type Incident, openLines, type Seen, tickOf } from './model.ts';
import {
  type Happening,
  happenings,
  proposedSeverity,
  type Reach,
  reaches,
  severities,
  situationOf,
} from './severity-model.ts';

export const unlisted = 'unlisted';
export const unlistedOption = option(unlisted, 'It is not in the inventory', 'Or you do not know which key it is');
/** The last four characters help to tell a key that was seen; they are for those who may see the inventory. */
export const keyOption = (key: ApiKey, person: Person) =>
  option(
    key.id,
    key.name,
    key.lastFour && !whyNot(person, 'inventory.show', key) ? `ends with ${key.lastFour}` : `${key.risk} risk`,
  );

const entries = <T extends object>(table: T) => Object.entries(table) as [keyof T & string, T[keyof T]][];
export const isHappening = (text: unknown): text is Happening =>
  typeof text === 'string' && Object.hasOwn(happenings, text);
export const isReach = (text: unknown): text is Reach => typeof text === 'string' && Object.hasOwn(reaches, text);

/** What has been filled in so far; all of it survives when the modal is drawn again. */
export interface Draft {
  key: ApiKey | null;
  unlisted: boolean;
  how: Happening | null;
  reach: Reach;
  which: string;
  what: string;
  seen: Seen | null;
  /** The new value has leaked too. */
  again: boolean;
  /** What was found for the words after the command. */
  found: string;
}
export const emptyDraft: Draft = {
  key: null,
  unlisted: false,
  how: null,
  reach: 'unknown',
  which: '',
  what: '',
  seen: null,
  again: false,
  found: '',
};

/** What reporting would do, as far as the draft tells. */
export interface Preview {
  open: Incident | null;
  holders: number;
  owner: Person | null;
  byHand: string | null;
}
export async function previewOf(view: View, draft: Draft, ports: Pick<Ports, 'policy' | 'issuers'>): Promise<Preview> {
  const { key, seen } = draft;
  if (!key) {
    const open = draft.unlisted && seen ? await view.incidents.openOfMessage(seen) : null;
    return { open, holders: 0, owner: null, byHand: null };
  }
  return {
    open: await view.incidents.openOfKey(key.id),
    holders: await view.grants.countHolders(key.id),
    owner: await view.people.find(key.ownerId),
    byHand: whyByHand(key, ports, view.now),
  };
}

export function declareModal(draft: Draft, preview: Preview, policy: Policy, reporter: Person): SlackView {
  const { key, how, seen } = draft;
  const chosen = key ? keyOption(key, reporter) : draft.unlisted ? unlistedOption : null;
  const context: Record<string, string> = seen ? { seenChannel: seen.channel, seenTs: seen.ts } : {};
  return form(
    'incidents.declare',
    'Report a leaked key',
    'Report',
    [
      ...(draft.found ? [block.small(typed(draft.found, 300))] : []),
      ...(seen
        ? [
            block.text(
              md`You report ${messageLink(seen, 'this message')}. Its text is not copied. Have it deleted once the key is dead.`,
            ),
          ]
        : []),
      input({
        kind: 'search',
        name: 'leakedKey',
        label: 'Which key?',
        placeholder: 'Type a service, environment or purpose',
        live: true,
        ...(chosen ? { initial: chosen } : {}),
      }),
      ...(draft.unlisted ? unlistedQuestions(draft) : []),
      input({
        kind: 'radio',
        name: 'leakHow',
        label: 'What happened?',
        live: true,
        options: entries(happenings).map(([name, { label, example }]) => option(name, label, example)),
        ...(how ? { initial: how } : {}),
      }),
      ...(preview.open?.status === 'contained' ? [againQuestion(draft, preview.open)] : []),
      input({
        kind: 'text',
        name: 'what',
        label: 'What do you know?',
        multiline: true,
        optional: true,
        max: 1500,
        hint: 'Where it was seen, since when, who may have it. Never paste the key.',
        ...(draft.what ? { initial: draft.what } : {}),
      }),
      block.line(),
      ...outlook(draft, preview, policy),
    ],
    context,
  );
}

/** Only a person can know which of the values it is. */
function againQuestion(draft: Draft, { containedAt }: Incident): KnownBlock {
  const at = containedAt ? ` at ${containedAt.toISOString().slice(0, 16).replace('T', ' ')} UTC` : '';
  return input({
    kind: 'checkboxes',
    name: 'leakedAgain',
    label: `This key was contained${at}. Is it about the value from after that?`,
    optional: true,
    options: [option('again', 'Yes, the new value has leaked too', 'Access ends and the key is replaced once more')],
    ...(draft.again ? { initial: ['again'] } : {}),
  });
}

function unlistedQuestions(draft: Draft): KnownBlock[] {
  return [
    input({
      kind: 'text',
      name: 'which',
      label: 'Which key is it, as far as you know?',
      placeholder: 'Stripe, webhook signing, perhaps production',
      max: 200,
      ...(draft.which ? { initial: draft.which } : {}),
    }),
    input({
      kind: 'select',
      name: 'leakReach',
      label: 'What does it reach?',
      live: true,
      options: entries(reaches).map(([name, { label }]) => option(name, label)),
      initial: draft.reach,
    }),
  ];
}

/** The severity with its reason, and what happens at the press of the button. */
function outlook(draft: Draft, preview: Preview, policy: Policy): KnownBlock[] {
  const { key, how, reach } = draft;
  if (!how || (!key && !draft.unlisted)) {
    return [block.text(md`Choose the key and what happened, to see how severe it is and what reporting does.`)];
  }
  const { severity, because } = proposedSeverity(situationOf({ how, reach }, key));
  return [
    block.text(md`*${typed(severity)}*, because ${typed(because)}.`),
    block.text(
      join([md`*When you press Report*`, ...consequences(draft, preview, policy).map((each) => md`• ${each}`)], '\n'),
    ),
  ];
}

function consequences(draft: Draft, { open, holders, owner, byHand }: Preview, policy: Policy): Mrkdwn[] {
  const { key, how, reach } = draft;
  const { severity } = proposedSeverity(situationOf({ how: how!, reach }, key));
  const { pageFor, mentionChannelFor } = policy.incidents;
  const channel = channelName(policy);
  if (open) {
    return [
      md`Your report joins the ${typed(open.severity)} incident that is open since ${when(open.declaredAt)}. Nobody is paged twice.`,
      md`You see its card in your direct messages.`,
    ];
  }
  const call = mentionChannelFor.includes(severity) ? md` and calls everybody in it` : md``;
  const people = holders === 1 ? md`one person` : md`${holders} people`;
  const contains: Mrkdwn[] = !happenings[how!].contains
    ? [md`Nothing is changed by itself: this is no leak. The card says what to do.`]
    : !key
      ? [md`Nothing can be ended or replaced by itself, as the key is not in the inventory. The card says what to do.`]
      : [
          holders > 0 ? md`Access ends at once for ${people}.` : md`Nobody holds access that would have to end.`,
          byHand
            ? md`:warning: A person has to replace it: ${typed(byHand, 300)} The card says how.`
            : md`A new value replaces it, ahead of everything else. The old one dies at once, without a grace.`,
        ];
  return [
    pageFor.includes(severity) ? md`On-call is paged.` : md`Nobody is paged for ${typed(severity)}.`,
    md`The card appears in ${channel}${call}${owner ? md`, and ${mention(owner.slackId)} gets it as the owner` : md``}. You get it too.`,
    ...contains,
  ];
}

export const channelName = ({ channels }: Policy): Mrkdwn => channelLink(channels.incidents);

// ————— Working on it —————

const about = (story: Pick<Story, 'incident' | 'key'>) =>
  block.text(md`*${typed(story.incident.severity)}*, ${typed(nameOf(story), 200)}`);
type Shown = Pick<Story, 'incident' | 'key'>;
const context = ({ incident }: Shown) => ({ incidentId: incident.id });

export function tickModal(story: Shown, maySkip: boolean): SlackView {
  const groups = phases.flatMap((phase) => {
    const open = openLines(story.incident, phase);
    return open.length === 0
      ? []
      : [
          input({
            kind: 'checkboxes',
            name: phase,
            label: phaseWords[phase],
            optional: true,
            options: open.map((line) => option(line, checklist[line].text)),
          }),
        ];
  });
  if (groups.length === 0) return page('Tick', [block.text(md`Every line is closed.`)]);
  return form(
    'incidents.tick',
    'Tick',
    'Tick',
    [
      about(story),
      ...groups,
      ...(maySkip
        ? [
            input({
              kind: 'radio',
              name: 'verdict',
              label: 'The chosen lines are',
              options: [
                option('done', 'Done'),
                option('skipped', 'Not needed here', 'Needs a reason that an auditor would accept'),
              ],
              initial: 'done',
            }),
          ]
        : []),
      input({
        kind: 'text',
        name: 'note',
        label: 'What shows it?',
        multiline: true,
        optional: true,
        max: 500,
        hint: 'A link, a name, a number. Kept on the timeline. Never paste a key.',
      }),
    ],
    context(story),
  );
}

export function untickModal(story: Shown): SlackView {
  const byHand = phases.flatMap(linesOf).filter((line) => tickOf(story.incident, line)?.by);
  if (byHand.length === 0) return page('Open again', [block.text(md`No line was ticked by hand.`)]);
  return form(
    'incidents.untick',
    'Open again',
    'Open again',
    [
      about(story),
      input({
        kind: 'select',
        name: 'line',
        label: 'Which line?',
        options: byHand.map((line) => option(line, checklist[line].text)),
      }),
      input({ kind: 'text', name: 'note', label: 'Why?', max: 300 }),
    ],
    context(story),
  );
}

export function severityModal(story: Shown, policy: Policy): SlackView {
  const words = (minutes: number) => (minutes < 120 ? `${minutes} minutes` : `${Math.round(minutes / 60)} hours`);
  return form(
    'incidents.change-severity',
    'Severity',
    'Change',
    [
      about(story),
      input({
        kind: 'radio',
        name: 'severity',
        label: 'How severe is it?',
        options: severities.map((each) =>
          option(
            each,
            each,
            each === 'P3'
              ? 'Respond by the next business day'
              : `Respond within ${words(policy.incidents.responseMinutes[each])}`,
          ),
        ),
        initial: story.incident.severity,
      }),
      input({
        kind: 'text',
        name: 'reason',
        label: 'Why?',
        multiline: true,
        max: 500,
        hint: 'Kept in the audit log. The clocks follow, counted from the report.',
      }),
    ],
    context(story),
  );
}

export function noteModal(story: Shown): SlackView {
  return form(
    'incidents.note',
    'Add to the timeline',
    'Add',
    [
      about(story),
      input({
        kind: 'text',
        name: 'note',
        label: 'What happened?',
        multiline: true,
        max: 1000,
        hint: 'What was seen or done, by whom, when. Never paste a key.',
      }),
    ],
    context(story),
  );
}

export function closeModal(story: Shown): SlackView {
  return form(
    'incidents.close',
    'Close the incident',
    'Close',
    [
      about(story),
      input({
        kind: 'text',
        name: 'lesson',
        label: 'What was learned?',
        multiline: true,
        max: 1000,
        hint: 'In a sentence or two. It stays on the card and in the audit log.',
      }),
    ],
    context(story),
  );
}

/** The newest entries, oldest of them first: what a post-mortem starts from. */
export function timelinePage(story: Story): SlackView {
  const shown = story.incident.timeline.slice(-95);
  const lines = shown.map((each) => {
    const by = each.by ? mention(story.people.get(each.by)?.slackId ?? each.by) : md`Keysteward`;
    return block.text(md`${when(new Date(each.at))} ${by}: ${typed(each.text, 400)}`);
  });
  const left = story.incident.timeline.length - shown.length;
  return page('Timeline', [
    about(story),
    ...(left > 0 ? [block.small(md`The newest ${shown.length} of ${story.incident.timeline.length} entries.`)] : []),
    ...lines,
  ]);
}

/** The lines that were chosen in the groups of the tick modal. */
export const chosenLines = (fields: Partial<Record<string, unknown>>): LineId[] =>
  phases
    .flatMap((phase) => (Array.isArray(fields[phase]) ? (fields[phase] as unknown[]) : []))
    .filter((each): each is LineId => typeof each === 'string' && isLine(each));
