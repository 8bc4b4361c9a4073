import type { Button, KnownBlock } from '@slack/types';
import {
  block,
  button,
  channelLink,
  code,
  join,
  type Message,
  type Mrkdwn,
  md,
  mention,
  message,
  typed,
  when,
} from '../../blocks.ts';
import type { SlackDoor } from '../../doors.ts';
import { minute } from '../../kernel.ts';
import { diesAtOnce, type Policy } from '../../policy.ts';
import type { Audience, Ports } from '../../ports.ts';
import { causeWords } from '../cards.ts';
import { endsOnEvidence } from '../deployment/model.ts';
import { isProvenDead, minutesInWords } from '../model.ts';
import { type CampaignFacts, campaignFacts } from './facts.ts';
import {
  type Campaign,
  goingLast,
  isActive,
  isLacking,
  type Line,
  type LineState,
  leftLacking,
  needsSomebody,
  secondsNeeded,
  toRotate,
} from './model.ts';

/** So many keys are named; of the others it is said how many they are. */
const named = 15;

const stateWords: Record<LineState, [icon: Mrkdwn, words: string]> = {
  done: [md`:white_check_mark:`, 'rotated'],
  grace: [md`:hourglass:`, 'handed out, the old value is not retired yet'],
  running: [md`:arrows_counterclockwise:`, 'being rotated'],
  'by-hand': [md`:raised_hands:`, 'waiting for what a person has to do'],
  waiting: [md`:white_large_square:`, 'waiting for their turn'],
  failed: [md`:warning:`, 'failed'],
  'rolled-back': [md`:leftwards_arrow_with_hook:`, 'rolled back'],
  person: [md`:bust_in_silhouette:`, 'have to be seen to by a person'],
  'left-out': [md`:no_entry_sign:`, 'cannot be rotated any more'],
  stopped: [md`:black_square_for_stop:`, 'stopped before they began'],
};

/** The one card of a campaign, and each owner's with their keys of it. */
export function campaignCards(slack: SlackDoor, ports: Pick<Ports, 'issuers' | 'policy'>): void {
  slack.card('campaign', async (view, subject, audience, variant) => {
    const facts = await campaignFacts(view, ports, await view.campaigns.get(subject));
    return variant === 'owner' ? ownerMessage(facts, audience) : campaignMessage(facts, ports.policy);
  });
}

export const scopeOf = ({ service, environment }: Campaign): Mrkdwn =>
  environment ? md`${typed(service, 80)} in ${typed(environment)}` : typed(service, 80);
const scopeInWords = ({ service, environment }: Campaign) => (environment ? `${service} in ${environment}` : service);

export const keysInWords = (count: number): Mrkdwn => (count === 1 ? md`1 key` : md`${count} keys`);

function campaignMessage(facts: CampaignFacts, policy: Policy): Message {
  const { campaign, lines } = facts;
  const urgent = campaign.emergency ? md` :rotating_light: *Emergency.*` : md``;
  const [icon, title] = headOf(facts);
  return message(`${title}: all keys of ${scopeInWords(campaign)}`, [
    block.text(md`${icon} *${typed(title)}: all keys of ${scopeOf(campaign)}*${urgent}\n${stand(facts, policy)}`),
    ...block.facts([
      ['Why', md`${typed(causeWords[campaign.cause])}\n“${typed(campaign.reason, 500)}”`],
      ['Asked for', md`${whoIs(facts, campaign.askedBy)}, ${when(campaign.askedAt)}`],
      [decidedLabel(campaign), campaign.decidedBy ? whoIs(facts, campaign.decidedBy) : md``],
      ['Stopped', campaign.stoppedAt ? md`${whoIs(facts, campaign.stoppedBy)}, ${when(campaign.stoppedAt)}` : md``],
      ['Began', campaign.begunAt ? when(campaign.begunAt) : md``],
      ['Ended', campaign.endedAt ? when(campaign.endedAt) : md``],
    ]),
    ...(campaign.begunAt
      ? [block.text(counts(campaign, lines)), ...lastBlock(goingLast(lines.filter(isUnbegun), policy))]
      : previewBlocks(facts, policy)),
    ...attention(facts),
    ...buttonsOf(facts),
    block.small(outlook(facts), code(campaign.id)),
  ]);
}

function headOf({ campaign, lines }: CampaignFacts): [Mrkdwn, string] {
  switch (campaign.status) {
    case 'drafted':
    case 'asked':
      return [md`:raising_hand:`, 'Needs a second person'];
    case 'refused':
      return [md`:no_entry_sign:`, 'Refused'];
    case 'withdrawn':
      return [md`:wastebasket:`, 'Withdrawn'];
    case 'expired':
      return [md`:hourglass:`, 'Expired'];
    default:
      if (lines.some(isActive)) return [md`:arrows_counterclockwise:`, campaign.stoppedAt ? 'Stopping' : 'Rotating'];
      if (campaign.stoppedAt) return [md`:black_square_for_stop:`, 'Stopped'];
      return lines.some(needsSomebody) ? [md`:warning:`, 'Rotated, but not all'] : [md`:white_check_mark:`, 'Rotated'];
  }
}

const decidedLabel = ({ status }: Campaign) =>
  status === 'refused' ? 'Refused by' : status === 'withdrawn' ? 'Withdrawn by' : 'Confirmed by';

function whoIs({ people }: CampaignFacts, id: string | null): Mrkdwn {
  const person = id ? people.get(id) : undefined;
  return person ? mention(person.slackId) : md`somebody`;
}

/** Where it stands, in one sentence. */
function stand({ campaign, lines }: CampaignFacts, policy: Policy): Mrkdwn {
  const own = toRotate(campaign).length;
  const done = lines.filter((line) => line.state === 'done').length;
  switch (campaign.status) {
    case 'drafted':
    case 'asked':
      return md`${keysInWords(own)} would be rotated. Above ${policy.rotation.bulk.confirmAbove} another administrator has to confirm.`;
    case 'refused':
    case 'withdrawn':
    case 'expired':
      return md`Nothing was rotated.`;
    default:
      return md`*${done} of ${keysInWords(lines.length)}* rotated: ${ended(lines)}.`;
  }
}

/** What became of the old values of those that are done. */
function ended(lines: Line[]): Mrkdwn {
  const alive = lines.flatMap(({ state, rotation }) =>
    state === 'done' && rotation && !isProvenDead(rotation) ? [rotation] : [],
  );
  if (alive.length === 0) return md`the new value works and the old one is dead`;
  const byAws = alive.filter((each) => each.condition === 'both').length;
  const unproven = alive.length - byAws;
  const asked =
    unproven > 0
      ? md`; of ${keysInWords(unproven)} the service cannot be asked whether it still takes the old one`
      : md``;
  const left = byAws > 0 ? md`; of ${keysInWords(byAws)} AWS alone knows what became of the old one` : md``;
  return md`the new value is handed out${asked}${left}`;
}

/** How many stand where, and which, but for those that are done. */
function counts(campaign: Campaign, lines: Line[]): Mrkdwn {
  const order = Object.keys(stateWords) as LineState[];
  const where = ({ key }: Line) => (campaign.environment ? key.purpose : `${key.purpose} (${key.environment})`);
  const shown = order.flatMap((state) => {
    const here = lines.filter((line) => line.state === state);
    if (here.length === 0) return [];
    const [icon, words] = stateWords[state];
    const which = state === 'done' ? md`` : md`: ${listed(here.map(where))}`;
    return [md`${icon} ${here.length} ${state === 'grace' ? graceOf(here) : typed(words)}${which}`];
  });
  return join(shown, '\n');
}

/** That their old values still are, and when the last of them is retired, where that is a matter of time. */
function graceOf(lines: Line[]): Mrkdwn {
  const ends = lines.flatMap(({ rotation }) =>
    rotation?.step === 'grace' && rotation.continuesAt && !endsOnEvidence(rotation) ? [rotation.continuesAt] : [],
  );
  if (ends.length < lines.length) return typed(stateWords.grace[1]);
  const last = when(new Date(Math.max(...ends.map(Number))));
  return lines.length === 1
    ? md`handed out, the old value is retired ${last}`
    : md`handed out, the last of the old values is retired ${last}`;
}

/** What would happen, on the preview and on the card that asks for a second person. */
export function previewBlocks({ campaign, lines, people }: CampaignFacts, policy: Policy) {
  const planned = new Map(campaign.lines.map((line) => [line.keyId, line]));
  const able = lines.filter((line) => planned.get(line.key.id)?.why === null);
  const isHeld = (line: Line) => isLacking(planned.get(line.key.id)!, campaign);
  const started = able.filter((line) => !isHeld(line));
  const lacking = able.flatMap((line) => {
    const { missing = [] } = planned.get(line.key.id)!;
    return missing.length > 0 ? [{ key: line.key, why: missing.join(' ') }] : [];
  });
  const unsure = able.filter((line) => planned.get(line.key.id)!.unsure);
  const own = started.filter((line) => !planned.get(line.key.id)!.byHand);
  const asked = started.filter((line) => planned.get(line.key.id)!.byHand);
  const atOnce = own.filter((line) => diesAtOnce(line.key, policy));
  const cannot = campaign.lines.flatMap(({ keyId, why }) => {
    const line = lines.find((each) => each.key.id === keyId);
    return why !== null && line ? [{ key: line.key, why }] : [];
  });
  const environments = [...new Set(own.map((line) => line.key.environment))];
  const rows = environments.map((environment) => {
    const here = own.filter((line) => line.key.environment === environment);
    return md`• ${typed(environment)}: ${keysInWords(here.length)}, ${listed(here.map((line) => line.key.purpose))}`;
  });
  const owners = [...new Set(lines.map((line) => line.key.ownerId))].flatMap((id) => people.get(id) ?? []);
  const whose = owners.slice(0, named).map((owner) => mention(owner.slackId));
  const more = owners.length > named ? md` and ${owners.length - named} more` : md``;
  return [
    block.text(md`*Rotated by Keysteward*\n${rows.length > 0 ? join(rows, '\n') : md`None.`}`),
    ...(atOnce.length > 0
      ? [
          block.text(
            md`:warning: *An outage*: of these the old value stops working the moment the new one is made, so whoever uses them fails until it has read that\n${listed(atOnce.map((line) => line.key.name))}`,
          ),
        ]
      : []),
    ...(asked.length > 0
      ? [
          block.text(
            md`*A person makes the new value*, on a card that asks its owner for it\n${listed(asked.map((line) => line.key.name))}`,
          ),
        ]
      : []),
    ...lastBlock(goingLast(started, policy)),
    ...reasons(
      campaign.emergency
        ? md`*Tried, and likely to fail*: something is missing`
        : md`*Would not begin as things are*: something is missing. What is there at its turn begins; the rest is left to a person`,
      lacking,
    ),
    ...reasons(md`*Left to a person*`, cannot),
    ...(unsure.length > 0
      ? [
          block.small(
            md`${keysInWords(unsure.length)} could not be looked at everywhere: Secrets Manager or the provider did not answer.${campaign.emergency ? md`` : md` They are looked at again at their turn.`}`,
          ),
        ]
      : []),
    ...(started.length > 0
      ? block.facts([
          ['How long', howLong(campaign, own, policy)],
          ['Who is told', md`${join(whose, ', ')}${more}, each once; and ${channelLink(policy.channels.security)}`],
        ])
      : []),
  ];
}

const isUnbegun = ({ state }: Line) => state === 'waiting';
/** Which have their turn when the others are over, and why. */
function lastBlock(keys: Line['key'][]) {
  if (keys.length === 0) return [];
  const them = keys.length === 1 ? 'it' : 'them';
  return [block.text(md`*Last, because Keysteward works with ${typed(them)}*\n${listed(keys.map((key) => key.name))}`)];
}

/** Keys with why, the first few of them. */
function reasons(heading: Mrkdwn, found: { key: Line['key']; why: string }[]): KnownBlock[] {
  if (found.length === 0) return [];
  const rows = found.slice(0, shownReasons).map(({ key, why }) => md`• ${typed(key.name, 100)}: ${typed(why, 260)}`);
  const more = found.length > rows.length ? md`\nand ${found.length - rows.length} more` : md``;
  return [block.text(md`${heading}\n${join(rows, '\n')}${more}`)];
}
/** So many fit into one text with their reasons, whatever was typed. */
const shownReasons = 8;

function howLong(campaign: Campaign, own: Line[], policy: Policy): Mrkdwn {
  const minutes = Math.max(
    1,
    Math.ceil(
      (secondsNeeded(
        own.map((line) => line.key),
        policy,
      ) *
        1000) /
        minute,
    ),
  );
  const about = minutes === 1 ? md`About a minute` : md`About ${minutes} minutes`;
  if (campaign.emergency) return md`${about}; the old values die at once`;
  const { graceMinutes, windows } = policy.rotation;
  const then = graceMinutes > 0 ? md`; the old values work for ${typed(minutesInWords(graceMinutes))} more` : md``;
  return md`${about}${then}${windows.length > 0 ? md`; keys with a maintenance window wait for it` : md``}`;
}

function listed(texts: string[]): Mrkdwn {
  const shown = join(
    texts.slice(0, named).map((text) => typed(text, 60)),
    ', ',
  );
  return texts.length > named ? md`${shown} and ${texts.length - named} more` : shown;
}

/** Those that somebody has to look at, by name. */
function attention({ campaign, lines, people }: CampaignFacts) {
  const found = campaign.begunAt ? lines.filter(needsSomebody) : [];
  if (found.length === 0) return [];
  const rows = found.slice(0, named).map(({ key, state, why }) => {
    const owner = people.get(key.ownerId);
    const whose = owner ? md` (${mention(owner.slackId)})` : md``;
    return md`${stateWords[state][0]} *${typed(key.name, 150)}*${whose}: ${typed(why ?? stateWords[state][1], 200)}`;
  });
  const more = found.length > named ? md`\nand ${found.length - named} more` : md``;
  return [block.text(md`*Somebody has to look*\n${join(rows, '\n')}${more}`)];
}

/** Only what would be done if it was pressed now. */
function buttonsOf({ campaign, lines }: CampaignFacts) {
  const buttons: Button[] = [];
  if (campaign.status === 'asked') {
    const count = toRotate(campaign).length;
    buttons.push(
      button('rotation.confirm-campaign', 'Confirm', campaign.id, {
        style: campaign.emergency ? 'danger' : 'primary',
        describe: `Confirm the rotation of ${count} keys`,
        confirm: {
          title: `Rotate ${count} keys?`,
          text: campaign.emergency
            ? 'It begins at once. The old values die as soon as the new ones work, and nothing leads back to them.'
            : 'It begins at once. Each old value has its grace, in which its rotation can be rolled back.',
          yes: 'Rotate',
        },
      }),
      button('rotation.refuse-campaign', 'Refuse', campaign.id),
      button('rotation.withdraw-campaign', 'Withdraw', campaign.id, { describe: 'Withdraw what you asked for' }),
    );
  }
  if (mayRetry(campaign, lines)) {
    buttons.push(button('rotation.retry-campaign', 'Retry failed', campaign.id, { style: 'primary' }));
  }
  if (campaign.status === 'running' && !campaign.stoppedAt && lines.some((line) => line.state === 'waiting')) {
    buttons.push(
      button('rotation.stop-campaign', 'Stop the rest', campaign.id, {
        style: 'danger',
        confirm: {
          title: 'Stop what has not begun?',
          text: 'Those keys keep their values. What has begun is finished.',
          yes: 'Stop',
        },
      }),
    );
  }
  return buttons.length > 0 ? [block.buttons(...buttons)] : [];
}

const mayRetry = (campaign: Campaign, lines: Line[]) =>
  lines.some((line) => line.state === 'failed') || leftLacking(campaign, lines).length > 0;

/** What happens if nobody does anything. */
function outlook({ campaign, lines }: CampaignFacts): Mrkdwn {
  if (campaign.status === 'asked' || campaign.status === 'drafted') {
    return md`If nobody confirms it expires ${when(campaign.expiresAt)}, and nothing is rotated. Nobody confirms their own.`;
  }
  if (!campaign.begunAt) return md`Nothing for you to do.`;
  if (lines.some((line) => line.state === 'failed')) {
    return md`What failed stays as it is until somebody retries it; each key's own card says which value works.`;
  }
  if (lines.some((line) => line.state === 'grace')) {
    return md`It goes on by itself. Something broke? \`/keys show\` has each key, and *Its card* there the way back.`;
  }
  if (lines.some(isActive)) return md`It goes on by itself.`;
  return lines.some(needsSomebody) ? md`Nothing more happens by itself.` : md`Nothing for you to do.`;
}

const hasWayBack = ({ state, rotation }: Line) => rotation !== null && (state === 'grace' || state === 'failed');

/** One key of an owner's; where they may want to turn back, with the way to its card. */
function ownerRow(line: Line): KnownBlock {
  const { key, state, why, rotation } = line;
  const [icon, words] = stateWords[state];
  const said = state === 'grace' && !why ? graceOf([line]) : typed(why ?? words, 200);
  const text = md`${icon} *${typed(key.name, 150)}*: ${said}`;
  if (!rotation || !hasWayBack(line)) return block.text(text);
  const describe = `Bring up the card of the rotation of ${key.name}`;
  return block.row(text, button('rotation.show', 'Its card', rotation.id, { describe }));
}

function whoKeepsCopies({ emergency }: Campaign, open: boolean): Mrkdwn {
  if (!emergency)
    return md`Whoever keeps a copy of an old value has to fetch the new one before the old one is retired.`;
  return open
    ? md`The old values die at once: whoever keeps a copy has to fetch the new one now.`
    : md`The old values were ended: whoever still keeps a copy has to fetch the new one.`;
}

function ownerOutlook(mine: Line[]): Mrkdwn {
  const isNow = (...states: LineState[]) => mine.some(({ state }) => states.includes(state));
  const said = [
    ...(isNow('by-hand', 'person')
      ? [md`Keys that a person has to rotate wait for you: \`/keys show\` has the steps.`]
      : []),
    ...(isNow('failed') ? [md`What failed stays as it is until somebody retries it.`] : []),
    ...(isNow('rolled-back') ? [md`What was rolled back has its old value; \`/keys rotate\` begins anew.`] : []),
    ...(mine.some(hasWayBack) ? [md`Something broke? *Its card* has the way back.`] : []),
  ];
  return said.length > 0 ? join(said, ' ') : md`Nothing for you to do, unless something keeps a copy.`;
}

/** One message for an owner, whatever the number of their keys. */
function ownerMessage(facts: CampaignFacts, audience: Audience): Message | null {
  const { campaign, people } = facts;
  const mine = facts.lines.filter((line) => 'person' in audience && line.key.ownerId === audience.person);
  if (mine.length === 0) return null;
  const rows = mine.slice(0, named * 2).map(ownerRow);
  const more = mine.length > rows.length ? [block.small(md`and ${mine.length - rows.length} more`)] : [];
  const open = mine.some(isActive);
  const are = open ? 'are being rotated' : 'are rotated';
  return message(`All keys of ${scopeInWords(campaign)} ${are}`, [
    block.text(
      md`${open ? md`:arrows_counterclockwise:` : md`:key:`} *All keys of ${scopeOf(campaign)} ${typed(are)}, yours among them.* ${whoKeepsCopies(campaign, open)}`,
    ),
    ...block.facts([
      ['Why', md`${typed(causeWords[campaign.cause])}\n“${typed(campaign.reason, 500)}”`],
      ['Asked for by', mention(people.get(campaign.askedBy)?.slackId ?? campaign.askedBy)],
    ]),
    ...rows,
    ...more,
    block.small(ownerOutlook(mine), code(campaign.id)),
  ]);
}
