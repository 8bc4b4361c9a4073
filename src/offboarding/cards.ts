import type { Button } from '@slack/types';
import {
  block,
  button,
  code,
  join,
  literal,
  type Message,
  type Mrkdwn,
  md,
  mention,
  message,
  typed,
  when,
} from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import { byId } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { View } from '../ports.ts';
import { factsOf, type OffboardingPorts } from './facts.ts';
import {
  type Case,
  type CaseStatus,
  consumerOf,
  type Facts,
  holds,
  type Line,
  type LineKind,
  type LineState,
  linesOf,
} from './model.ts';

interface Story {
  each: Case;
  facts: Facts;
  lines: Line[];
  people: Map<string, Person>;
}

async function storyOf(view: View, ports: OffboardingPorts, caseId: string): Promise<Story> {
  const each = await view.cases.get(caseId);
  const facts = await factsOf(view, ports, each);
  const named = [
    ...each.ticks.map((tick) => tick.by),
    ...(each.cause.kind === 'asked' ? [each.cause.by] : []),
    ...[each.confirmedBy, each.closedBy].filter((id) => id !== null),
  ];
  const people = await view.people.many(named);
  return { each, facts, lines: linesOf(each, facts, view.now), people: byId(people) };
}

/** The card of a case in the security channel, and of what HR said that fits nobody. */
export function offboardingCards(slack: SlackDoor, ports: OffboardingPorts): void {
  slack.card('offboarding.case', async (view, id) => caseMessage(await storyOf(view, ports, id)));
  slack.card('offboarding.unmatched', async (view, id) => unmatchedMessage(view, id));
}

const heads: Record<CaseStatus, (story: Story) => Mrkdwn> = {
  planned: ({ each, facts }) =>
    md`:calendar: *${who(facts)} leaves ${when(each.effectiveAt)}.* Nothing has been ended yet.`,
  waiting: ({ each, facts }) =>
    md`:warning: *${who(facts)} is reported to have left; an administrator has to confirm it.*\n${typed(each.hold ? holds[each.hold] : '')} Nothing has been ended.`,
  open: ({ facts, lines }) =>
    md`:door: *${who(facts)} has left.* ${lines.filter((line) => line.state === 'done').length} of ${lines.length} lines are done.`,
  closed: ({ facts, lines }) =>
    md`:white_check_mark: *${who(facts)} has left, and all ${lines.length} lines are done.*`,
  'called-off': ({ each, facts }) =>
    each.startedAt
      ? md`:leftwards_arrow_with_hook: *${who(facts)} had left, came back and leaves again.* Another case has taken over.`
      : md`:leftwards_arrow_with_hook: *The leaving of ${who(facts)} was called off.* Nothing was ended.`,
};
const who = ({ person }: Facts) => mention(person.slackId);

function caseMessage(story: Story): Message {
  const { each, facts, lines } = story;
  const shown = each.status === 'called-off' ? [] : groups.flatMap(([kind, title]) => groupBlock(story, kind, title));
  return message(`Leaving: ${facts.person.name}`, [
    block.text(heads[each.status](story)),
    ...block.facts([
      ['Who says so', saidBy(story)],
      ['Last day', when(each.effectiveAt)],
      ['Confirmed by', each.confirmedBy ? nameOf(story, each.confirmedBy) : md``],
      [each.status === 'called-off' ? 'Called off' : 'Closed', closed(story)],
    ]),
    ...shown,
    ...buttonsOf(story),
    block.small(outlook(story, lines), code(each.id)),
  ]);
}

function saidBy({ each, people }: Story): Mrkdwn {
  if (each.cause.kind === 'hr') return md`The HR system, message ${code(each.cause.messageId, 60)}`;
  if (each.cause.kind === 'slack') return md`Slack: their account was deactivated`;
  return mention(people.get(each.cause.by)?.slackId ?? each.cause.by);
}
const nameOf = ({ people }: Story, id: string) => mention(people.get(id)?.slackId ?? id);
const closed = (story: Story) =>
  story.each.closedAt
    ? md`${when(story.each.closedAt)}${story.each.closedBy ? md` by ${nameOf(story, story.each.closedBy)}` : md``}`
    : md``;

const groups: [LineKind, string][] = [
  ['grants', 'End every access'],
  ['requests', 'Withdraw open requests'],
  ['hand-over', 'Hand over what they own'],
  ['consumer', 'Hand over what they move by hand'],
  ['rotate', 'Rotate what they could read'],
  ['review', 'Review the access logs'],
  ['record', 'Document it'],
];
const marks: Record<LineState, Mrkdwn> = {
  done: md`:white_check_mark:`,
  running: md`:hourglass_flowing_sand:`,
  open: md`:white_large_square:`,
  failed: md`:x:`,
};
const linesPerGroup = 12;

function groupBlock(story: Story, kind: LineKind, title: string) {
  const lines = story.lines.filter((line) => line.kind === kind);
  if (lines.length === 0) return [block.text(md`:white_check_mark: *${typed(title)}*: nothing to do`)];
  const [only] = lines;
  if (lines.length === 1 && !only!.keyId) {
    return [block.text(md`${mark(story, only!)} *${typed(title)}*: ${saying(story, only!)}`)];
  }
  const undone = lines.filter((line) => line.state !== 'done' && story.each.status !== 'closed');
  const order = [...undone, ...lines.filter((line) => !undone.includes(line))];
  const left = undone.length > 0 ? md` (${undone.length} of ${lines.length} to do)` : md``;
  const rows = order.slice(0, linesPerGroup).map((line) => {
    const name = story.facts.keys.get(line.keyId!)?.name ?? line.keyId!;
    return md`${mark(story, line)} ${typed(name, 80)}: ${saying(story, line)}`;
  });
  if (order.length > linesPerGroup) rows.push(md`… and ${order.length - linesPerGroup} more`);
  return [block.text(md`*${typed(title)}*${left}\n${join(rows, '\n')}`)];
}

const mark = ({ each }: Story, line: Line) => marks[each.status === 'closed' ? 'done' : line.state];

/** Where the line stands, since when, and who said so. A closed case shows what was true when it was closed. */
function saying(story: Story, line: Line): Mrkdwn {
  const since = story.each.seen[line.id]?.state === 'done' ? story.each.seen[line.id]!.since : null;
  const at = since ? md`, ${when(new Date(since))}` : md``;
  if (line.tick)
    return md`${typed(line.tick.note, 160)} (${nameOf(story, line.tick.by)}, ${when(new Date(line.tick.at))})`;
  if (story.each.status === 'closed') return md`done${at}`;
  return md`${typed(line.says, 200)}${line.state === 'done' ? at : md``}`;
}

const buttonsPerGroup = 10;

/** Only what would be done if it was pressed now. */
function buttonsOf(story: Story) {
  const { each, lines, facts } = story;
  const row = (buttons: Button[]) => (buttons.length > 0 ? [block.buttons(...buttons)] : []);
  if (each.status === 'waiting' || each.status === 'planned') return row(beforeButtons(story));
  if (each.status !== 'open') return [];
  const byHand = lines.filter((line) => line.byHand);
  const name = (line: Line) => facts.keys.get(line.keyId ?? '')?.name ?? '';
  return [
    ...row(
      byHand
        .filter((line) => line.kind === 'hand-over')
        .slice(0, buttonsPerGroup)
        .map((line) => button(`inventory.hand-over:${line.keyId}`, `Hand over ${name(line)}…`, line.keyId!)),
    ),
    ...row(
      byHand
        .filter((line) => line.kind === 'consumer')
        .slice(0, buttonsPerGroup)
        .map((line) => {
          const id = consumerOf(line);
          const consumer = facts.consumers.find((one) => one.id === id);
          const describe = `Hand over ${consumer?.name ?? id}, which uses ${name(line)}`;
          return button(`inventory.change-consumer:${id}`, `Hand over ${consumer?.name ?? id}…`, id, { describe });
        }),
    ),
    ...row(
      byHand
        .filter((line) => line.kind === 'rotate')
        .slice(0, buttonsPerGroup)
        .map((line) => button(`offboarding.tick:${line.keyId}`, `Rotated ${name(line)}…`, `${each.id} ${line.id}`)),
    ),
    ...row([
      ...byHand
        .filter((line) => line.kind === 'review')
        .map((line) => button('offboarding.tick', 'Logs reviewed…', `${each.id} ${line.id}`)),
      ...(lines.every((line) => line.state === 'done')
        ? [button('offboarding.close', 'Close the case', each.id, { style: 'primary' })]
        : []),
    ]),
  ];
}

function beforeButtons({ each, facts }: Story): Button[] {
  const confirm = button('offboarding.confirm', 'Confirm', each.id, {
    style: 'danger',
    confirm: {
      title: 'Have they really left?',
      text: 'They lose all access at once, and every key that they could read is rotated.',
      yes: 'Confirm',
    },
  });
  const callOff = button('offboarding.call-off', 'They do not leave', each.id, {
    describe: `Call off the leaving of ${facts.person.name}`,
  });
  return each.status === 'waiting' ? [confirm, callOff] : [callOff];
}

/** What happens if nobody does anything. */
function outlook({ each }: Story, lines: Line[]): Mrkdwn {
  switch (each.status) {
    case 'planned':
      return md`If nobody does anything, all their access ends ${when(each.effectiveAt)} and every key that they could read is rotated.`;
    case 'waiting':
      return md`If nobody does anything, they keep what they have. Only administrators other than them can confirm.`;
    case 'open':
      return lines.every((line) => line.state === 'done')
        ? md`Everything is done. An administrator closes the case.`
        : md`Lines turn green by themselves when what they say has happened. The rest waits for an administrator; the case cannot be closed before.`;
    case 'closed':
    case 'called-off':
      return md`Nothing left to do here.`;
  }
}

async function unmatchedMessage(view: View, id: string): Promise<Message | null> {
  const said = await view.cases.message(id);
  if (!said) return null;
  const facts = block.facts([
    ['HR id', typed(said.hrId, 100)],
    ['Slack id', said.slackUserId ? typed(said.slackUserId) : md`not given`],
    ['Last day', when(said.effectiveAt)],
    ['Received', when(said.receivedAt)],
  ]);
  if (said.outcome === 'case') {
    return message('HR said that somebody left; it is known now who', [
      block.text(
        md`:white_check_mark: HR said that somebody left; it is known now who. Their case: ${code(said.caseId ?? '')}`,
      ),
      ...facts,
    ]);
  }
  const text =
    said.outcome === 'contradiction'
      ? md`:warning: *HR says somebody left, but its HR id and its Slack id belong to different people.* Nothing was done. Ask HR whom they mean, then run \`/keys offboard @person\`.`
      : md`:warning: *HR says somebody left whom we do not know.* If they are here, run \`/keys hr-id @person ${literal(said.hrId, 100)}\`: their offboarding starts then. If nobody does anything, nothing is ended.`;
  return message(`HR says somebody left whom we cannot place: ${said.hrId}`, [block.text(text), ...facts]);
}
