import type { Button, KnownBlock } from '@slack/types';
import {
  block,
  button,
  code,
  everybodyHere,
  join,
  type Message,
  type Mrkdwn,
  md,
  mention,
  mentioned,
  message,
  messageLink,
  typed,
  when,
} from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import { type ApiKey, storages } from '../inventory/model.ts';
import { byId, type Instant } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Policy } from '../policy.ts';
import type { Audience, View } from '../ports.ts';
import { conditionInWords, type Rotation, whyNotRotate } from '../rotation/model.ts';
import { look } from './check.ts';
import { checklist, isPhase, type LineId, linesOf, type Phase, phases, phaseWords } from './checklist-model.ts';
import { type Findings, rotationSince } from './findings-model.ts';
import { type Incident, openLines, tickOf, whyNotClose, whyNotNote, whyNotRegrade, whyNotWork } from './model.ts';
import { happenings } from './severity-model.ts';

export interface Story {
  incident: Incident;
  key: ApiKey | null;
  findings: Findings;
  rotation: Rotation | null;
  people: Map<string, Person>;
  /** Who looks at it; null for a channel. */
  viewer: Person | null;
  now: Instant;
}

export async function storyOf(view: View, incidentId: string, audience: Audience): Promise<Story> {
  const incident = await view.incidents.get(incidentId);
  const key = incident.keyId ? await view.keys.get(incident.keyId) : null;
  const findings = await look(view, incident);
  const named = [
    incident.declaredBy,
    incident.commander,
    incident.closedBy,
    key?.ownerId,
    ...incident.ticks.map((each) => each.by),
    ...incident.timeline.slice(-5).map((each) => each.by),
  ].filter((each) => each !== null && each !== undefined);
  const people = await view.people.many([...new Set(named)]);
  return {
    incident,
    key,
    findings,
    rotation: rotationSince(incident, findings.rotations),
    people: byId(people),
    viewer: 'person' in audience ? await view.people.find(audience.person) : null,
    now: view.now,
  };
}

/** What the key is called, for sentences that are not mrkdwn. */
export const nameOf = ({ incident, key }: Pick<Story, 'incident' | 'key'>) =>
  key?.name ?? incident.which ?? 'a key outside the inventory';
const who = ({ people }: Story, id: string | null) => mention(people.get(id ?? '')?.slackId ?? id ?? 'somebody');

/** What works now, in words that nobody can take for success when it is none. */
export function statusInWords({ incident, key, rotation, findings }: Story): Mrkdwn {
  const revoked = tickOf(incident, 'S8.1-1');
  if (rotation) {
    const condition = typed(conditionInWords(rotation), 500);
    const overtaken = rotation.status === 'running' && !rotation.emergency && incident.containment && !incident.byHand;
    return overtaken ? md`${condition} The emergency rotation is about to take over.` : condition;
  }
  if (revoked) return md`The old value is revoked, as somebody has confirmed. Keysteward cannot see it by itself.`;
  if (!key) {
    return md`:warning: The key is not in the inventory, so *it still works* until somebody revokes it where it was made.`;
  }
  if (!incident.containment) return md`Nothing was changed by itself: this is no leak. Rotate the key if it has to be.`;
  if (incident.byHand) return md`:warning: *The old value still works.* ${typed(incident.byHand, 500)}`;
  return findings.stillOpen > 0
    ? md`The old value still works. It is replaced as soon as the access has ended, within seconds.`
    : md`The old value still works. The emergency rotation is about to start.`;
}

/** What a person has to do for an open line that Keysteward does not do. */
function hintFor(line: LineId, { incident, key, findings, rotation }: Story): Mrkdwn | null {
  if (line === 'S8.1-1' && findings.stillOpen > 0) return md`access of ${findings.stillOpen} still has to end`;
  if (rotation || (key && !incident.byHand)) return null;
  const service = key ? typed(key.service, 60) : md`the service that made it`;
  const ending = key?.lastFour ? md`, the key ending in …${typed(key.lastFour)}` : md``;
  const place = key?.secretId ? code(key.secretId, 100) : md`Secrets Manager`;
  const hints: Partial<Record<LineId, Mrkdwn>> = {
    'S8.1-1': md`do it at ${service}${ending}`,
    'S8.1-2': key ? md`make it at ${service}, store it in ${place}` : md`then put it into the inventory: \`/keys add\``,
    'S8.1-3': key
      ? md`wherever it is used; kept until now in: ${typed(storages[key.storage])}`
      : md`wherever it was used`,
  };
  return hints[line] ?? null;
}

function lineText(line: LineId, story: Story): Mrkdwn {
  const text = typed(checklist[line].text);
  const tick = tickOf(story.incident, line);
  if (!tick) {
    const hint = hintFor(line, story);
    return md`:white_large_square: ${text}${hint ? md`: ${hint}` : md``}`;
  }
  const note = tick.note ? md`: ${typed(tick.note, 80)}` : md``;
  const at = when(new Date(tick.at));
  if (tick.verdict === 'skipped') return md`:fast_forward: ${text} · not needed, ${who(story, tick.by)} ${at}${note}`;
  return md`:white_check_mark: ${text} · ${tick.by ? who(story, tick.by) : md`seen`} ${at}${note}`;
}

function phaseBlock(phase: Phase, story: Story): KnownBlock {
  const { incident } = story;
  const open = openLines(incident, phase).length;
  const by = when(new Date(incident.deadlines[phase]));
  const late = incident.overdue.includes(phase) ? md` :alarm_clock: *overdue*` : md``;
  const head =
    open > 0 ? md`*${typed(phaseWords[phase])}*, by ${by}${late}` : md`*${typed(phaseWords[phase])}*, all closed`;
  return block.text(join([head, ...linesOf(phase).map((line) => lineText(line, story))], '\n'));
}

function contactsBlock({ incident }: Story, policy: Policy): KnownBlock[] {
  const { contacts } = policy.incidents;
  if (incident.status === 'closed') return [];
  if (contacts.length === 0) {
    return [block.small(md`Whom to call is not in the policy yet (\`incidents.contacts\`).`)];
  }
  const lines = contacts.slice(0, 10).map(({ role, who: name }) => {
    const slackId = mentioned(name);
    return md`${typed(role, 80)}: ${slackId ? mention(slackId) : typed(name, 120)}`;
  });
  return [block.text(join([md`*Whom to call*`, ...lines], '\n'))];
}

/** Only what would be done if this viewer pressed it; a channel shows everything, and the click decides. */
function buttonsOf(story: Story, policy: Policy): KnownBlock[] {
  const { incident, key, viewer, rotation, now } = story;
  const { id } = incident;
  const works = !viewer || !whyNotWork(incident, viewer, key);
  const judges = !viewer || !whyNotRegrade(incident, viewer, incident.severity === 'P0' ? 'P1' : 'P0', 'looked at it');
  const notes = !viewer || !whyNotNote(incident, viewer, key, 'looked at');
  const buttons: Button[] = [];
  if (incident.status !== 'closed') {
    const ready = openLines(incident).length === 0;
    if (works && !ready) buttons.push(button('incidents.tick', 'Tick…', id, { style: 'primary' }));
    if (works && !incident.commander) buttons.push(button('incidents.claim', 'I lead this', id));
    if (works && incident.commander && incident.commander !== viewer?.id) {
      buttons.push(
        button('incidents.take-over', 'Take over', id, {
          confirm: { title: 'Take over the lead?', text: 'Whoever leads it now is replaced by you.', yes: 'Take over' },
        }),
      );
    }
    if (judges) buttons.push(button('incidents.change-severity', 'Severity…', id));
    if (notes) buttons.push(button('incidents.note', 'Add note…', id));
    const rests = !rotation || rotation.endedAt !== null;
    if (works && key && rests && !whyNotRotate(key, null, true, policy, now)) {
      buttons.push(button('rotation.start', 'Rotate…', key.id));
    }
    if (works && incident.ticks.some((each) => each.by)) buttons.push(button('incidents.untick', 'Open again…', id));
    if (ready && (!viewer || !whyNotClose(incident, viewer, 'looked at it'))) {
      buttons.push(button('incidents.close', 'Close…', id, { style: 'primary' }));
    }
  }
  if (works || incident.status === 'closed') buttons.push(button('incidents.timeline', 'Timeline', id));
  return buttons.length > 0 ? [block.buttons(...buttons)] : [];
}

function whyMe({ incident, key, viewer }: Story): Mrkdwn {
  if (!viewer) return md`You see this because leaks are called out here.`;
  if (viewer.id === incident.commander) return md`You lead this incident.`;
  if (viewer.id === key?.ownerId) return md`You see this because you own the key.`;
  if (viewer.id === incident.declaredBy) return md`You see this because you reported it. Thank you.`;
  return md`You see this because you reported it too.`;
}

function outlook({ incident }: Story): Mrkdwn {
  if (incident.status === 'closed') return md`Nothing for you to do.`;
  const next = phases.find((phase) => openLines(incident, phase).length > 0);
  if (!next) return md`Every line is closed: the lead or an administrator can close the incident.`;
  const by = when(new Date(incident.deadlines[next]));
  const again = incident.severity === 'P0' ? md` and on-call is paged again` : md``;
  return incident.overdue.includes(next)
    ? md`It stays open until every line is done or has a reason.`
    : md`If nobody does anything: Keysteward does what it can, and says here ${by} what is still open${again}.`;
}

function incidentCard(story: Story, policy: Policy): Message {
  const { incident, key, viewer, people } = story;
  const works = !viewer || !whyNotWork({ ...incident, status: 'open' }, viewer, key);
  const contain = incident.containedAt
    ? (['Contained', when(incident.containedAt)] as const)
    : (['Contain by', when(new Date(incident.deadlines.immediately))] as const);
  const holders = incident.containment?.holders ?? 0;
  const recent = incident.timeline.slice(-3).map((each) => {
    const by = each.by ? md`${mention(people.get(each.by)?.slackId ?? each.by)}: ` : md``;
    return md`${when(new Date(each.at))} ${by}${typed(each.text, 200)}`;
  });
  return message(`${incident.severity} incident, ${incident.status}: ${nameOf(story)}`, [
    block.header(
      `${incident.status === 'closed' ? '' : ':rotating_light: '}${incident.severity} incident, ${incident.status}`,
    ),
    block.text(
      md`*${typed(nameOf(story), 200)}*\n${typed(happenings[incident.how].label)}${incident.what ? md`\n>${oneLine(incident.what, 450)}` : md``}`,
    ),
    ...block.facts([
      [contain[0], contain[1]],
      ['Leads', incident.commander ? who(story, incident.commander) : md`nobody yet`],
      ['Severity', md`${typed(incident.severity)}: ${typed(incident.because, 300)}`],
      ['Reported', md`${who(story, incident.declaredBy)}, ${when(incident.declaredAt)}`],
      ['Owner', key ? who(story, key.ownerId) : md`not in the inventory`],
      ['Access', accessInWords(story, holders)],
      ['On-call', pagedInWords(incident)],
      ['Seen', incident.seen ? messageLink(incident.seen, 'in this message') : md``],
      ['Closed', incident.closedAt ? md`${who(story, incident.closedBy)}, ${when(incident.closedAt)}` : md``],
    ]),
    block.text(md`*What works now*\n${statusInWords(story)}`),
    ...(works ? phases.map((phase) => phaseBlock(phase, story)) : []),
    ...(works ? contactsBlock(story, policy) : []),
    ...(incident.lesson ? [block.text(md`*What was learned*\n${typed(incident.lesson, 500)}`)] : []),
    ...buttonsOf(story, policy),
    ...(works && recent.length > 0 ? [block.small(join(recent, '\n'))] : []),
    block.small(md`${whyMe(story)} ${outlook(story)}`, code(incident.id)),
  ]);
}

/** Whether somebody was woken must not be guessed. */
function pagedInWords({ pages }: Incident): Mrkdwn {
  const last = pages.at(-1);
  if (!last) return md``;
  if (last.outcome === 'paged') return md`paged ${when(new Date(last.at))}`;
  return last.outcome === 'no pager'
    ? md`:warning: *nobody was paged*: no pager is connected`
    : md`:warning: *nobody was paged*: the pager refused it`;
}

const oneLine = (text: string, max: number) => typed(text.replace(/\s+/g, ' '), max);

function accessInWords({ incident, findings }: Story, holders: number): Mrkdwn {
  if (!incident.containment) return md``;
  if (holders === 0) return md`nobody had any`;
  const people = holders === 1 ? md`one person` : md`${holders} people`;
  return findings.stillOpen > 0 ? md`ending for ${people}, ${findings.stillOpen} left` : md`ended for ${people}`;
}

/** A message of its own, because an edited card wakes nobody. */
function overdueCard(story: Story, phase: Phase): Message {
  const { incident } = story;
  const open = openLines(incident, phase);
  const name = typed(nameOf(story), 200);
  if (open.length === 0 || incident.status === 'closed') {
    return message(`${phaseWords[phase]}: done, too late`, [
      block.text(
        md`${typed(incident.severity)}, *${name}*: what had to be done ${typed(phaseWords[phase].toLowerCase())} is done, too late.`,
      ),
    ]);
  }
  const lead = incident.commander ? md`${who(story, incident.commander)} leads it.` : md`*Nobody leads it.*`;
  return message(`${phaseWords[phase]}: time is over with ${open.length} open lines`, [
    block.text(
      md`:alarm_clock: ${typed(incident.severity)}, *${name}*: the time for *${typed(phaseWords[phase].toLowerCase())}* is over with ${open.length} open ${open.length === 1 ? md`line` : md`lines`}. ${lead}`,
    ),
    block.text(
      join(
        open.map((line) => lineText(line, story)),
        '\n',
      ),
    ),
    block.buttons(
      button('incidents.tick', 'Tick…', incident.id, { style: 'primary' }),
      ...(incident.commander ? [] : [button('incidents.claim', 'I lead this', incident.id)]),
    ),
  ]);
}

export function incidentCards(slack: SlackDoor, policy: Policy): void {
  slack.card('incidents.card', async (view, id, audience) => incidentCard(await storyOf(view, id, audience), policy));
  slack.card('incidents.overdue', async (view, id, audience, variant) => {
    const phase = variant?.split('-')[0] ?? null;
    return isPhase(phase) ? overdueCard(await storyOf(view, id, audience), phase) : null;
  });
  slack.card('incidents.call', async (view, id, audience) => {
    const story = await storyOf(view, id, audience);
    const { incident } = story;
    const what = md`*${typed(nameOf(story), 200)}*: ${typed(happenings[incident.how].label)}`;
    const state =
      incident.status === 'closed'
        ? md`This incident is closed.`
        : md`Reported by ${who(story, incident.declaredBy)}. The card here says what is being done, and what to do.`;
    return message(`${incident.severity} incident: ${nameOf(story)}`, [
      block.text(md`${everybodyHere} :rotating_light: *${typed(incident.severity)}* ${what}\n${state}`),
    ]);
  });
}
