import type { Button, KnownBlock } from '@slack/types';
import {
  block,
  button,
  code,
  join,
  type Message,
  type Mrkdwn,
  md,
  mention,
  message,
  option,
  typed,
  when,
} from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import { pausedNow } from '../inventory/model.ts';
import { byId } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { diesAtOnce, type Policy } from '../policy.ts';
import type { Audience, Ports, View } from '../ports.ts';
import { type Finding, whatToDo } from '../reviews/model.ts';
import { type PersonStory, personMessage } from './by-hand/cards.ts';
import { waitsNow } from './by-hand/model.ts';
import { deployButtons, deploymentBlocks, moveMessage, reEnabledMessage, waitingMessage } from './deployment/cards.ts';
import { endsOnEvidence } from './deployment/model.ts';
import { measuredLine } from './drills/cards.ts';
import {
  backSteps,
  conditionInWords,
  isDrill,
  isPlanned,
  isReal,
  noWayBackInWords,
  openRecord,
  type Rotation,
  type RotationCause,
  type RotationStatus,
  reached,
  rotatedByAws,
  type Step,
  type StepRecord,
  screamSteps,
  steps,
  troubleOf,
  whyNotRetry,
  whyNotRollBack,
} from './model.ts';
import { ownInWords } from './own-model.ts';
import { pagesNow, whyNotPage } from './pages-model.ts';
import type { Check } from './preflight-model.ts';
import { mayScream } from './steps/scream-model.ts';
import { heldAfterGrace, holdInWords, holdsInWords, openingFor, waitsFor } from './timing/windows-model.ts';
import { newerThan } from './touch.ts';

export const stepWords: Record<Step, string> = {
  generate: 'Make a new value and store it',
  test: 'Test it',
  promote: 'Hand it out',
  deploy: 'Tell those who use it',
  verify: 'Verify what is handed out',
  grace: 'Grace for the old value',
  disable: 'Disable the old value for a while',
  watch: 'Watch whether something breaks',
  enable: 'Enable the old value again',
  retire: 'Retire the old value',
  confirm: 'Confirm that the old value is dead',
  restore: 'Hand out the old value again',
  discard: 'Throw the new value away',
};
export const causeWords: Record<RotationCause, string> = {
  due: 'It was due by its risk',
  planned: 'It was planned for now',
  expiry: 'Its provider is about to end it',
  asked: 'Asked for',
  incident: 'Part of an incident: the value may be known to others',
  leaver: 'Somebody who could read it has left',
  drill: 'A drill, to see how fast a leaked value would be replaced; this one has not leaked',
  provider: 'The provider had an incident',
  audit: 'An audit asks for it',
  unusual: 'It was used in an unusual way',
};
/** A cause to choose from. */
export const causeOption = (cause: RotationCause) =>
  option(cause, cause === 'asked' ? 'Another reason' : causeWords[cause]);

export const statusWords: Record<RotationStatus, [icon: Mrkdwn, word: string]> = {
  running: [md`:arrows_counterclockwise:`, 'Rotating'],
  done: [md`:white_check_mark:`, 'Rotated'],
  failed: [md`:warning:`, 'Rotation failed'],
  'rolled-back': [md`:leftwards_arrow_with_hook:`, 'Rolled back'],
  superseded: [md`:rotating_light:`, 'Taken over'],
};

interface Story extends PersonStory {
  /** The old value is stopped for a while when its grace is over, before it dies for good. */
  disablesFirst: boolean;
  /** What of it is still to be deleted by hand at its service. */
  left: Finding | null;
  asker: Person | null;
  newer: Rotation | null;
  /** Who asked for pages, and who moves what. */
  people: Map<string, Person>;
}

async function storyOf(
  view: View,
  rotationId: string,
  { issuers, policy }: Pick<Ports, 'issuers' | 'policy'>,
): Promise<Story> {
  const rotation = await view.rotations.get(rotationId);
  const key = await view.keys.get(rotation.keyId);
  const issuer = issuers.of(key.issuer);
  const involved = [
    ...rotation.pages.map(({ by }) => by),
    ...rotation.deployments.flatMap(({ personId, claimedBy }) => [personId, claimedBy]),
  ].filter((id) => id !== null);
  return {
    rotation,
    key,
    disablesFirst: issuer?.can.disable === true && Boolean(issuer.enable) && mayScream(rotation, policy),
    asker: rotation.askedBy ? await view.people.find(rotation.askedBy) : null,
    owner: await view.people.find(key.ownerId),
    taker: rotation.taken ? await view.people.find(rotation.taken.by) : null,
    doer: rotation.waits?.done ? await view.people.find(rotation.waits.done.by) : null,
    review: await view.permissionReviews.find(key.id),
    left: (await view.findings.openOfKey(key.id)).find((each) => isLeftOf(each, rotation.id)) ?? null,
    newer: await newerThan(view, rotation),
    people: byId(await view.people.many([...new Set(involved)])),
    now: view.now,
  };
}

const isLeftOf = ({ facts }: Finding, rotationId: string) =>
  (facts.left ?? []).some((each) => each.rotationId === rotationId);

/** The card of a rotation, and the message that wakes those who have to act on a failed one. */
export function rotationCards(slack: SlackDoor, ports: Pick<Ports, 'issuers' | 'policy'>): void {
  const { policy } = ports;
  slack.card('rotation', async (view, subject, audience, variant) => {
    const story = await storyOf(view, subject, ports);
    if (variant === 'person') return personMessage(story, audience, policy);
    if (variant === 'move') return moveMessage(story, 'person' in audience ? audience.person : '', policy);
    if (variant?.startsWith('re-enabled')) return reEnabledMessage(story);
    if (variant === 'waiting') return waitingMessage(story, policy);
    return variant === 'failed' ? failedMessage(story, audience, policy) : rotationMessage(story, policy);
  });
  slack.card('rotation.paused', pausedMessage);
}

/** Somebody else has paused the rotation of one's key, or resumed it; true whenever it is looked at. */
async function pausedMessage(view: View, keyId: string): Promise<Message | null> {
  const key = await view.keys.get(keyId);
  const { pause } = key;
  if (!pause)
    return message('A pause is over', [
      block.text(md`The pause of *${typed(key.name, 200)}* is over. Nothing for you to do.`),
    ]);
  const by = (await view.people.find(pause.by))?.slackId;
  const who = by ? mention(by) : md`Somebody`;
  const name = md`*${typed(key.name, 200)}*`;
  const reason = md`“${typed(pause.reason, 500)}”`;
  if (!pausedNow(key, view.now)) {
    const ended = when(new Date(pause.endedAt ?? pause.until));
    return message(`The pause of ${key.name} is over`, [
      block.text(
        md`:arrow_forward: The pause of ${name} ended ${ended}, and its rotation goes on by itself. ${who} had paused it: ${reason}`,
      ),
    ]);
  }
  return message(`The rotation of ${key.name} is paused`, [
    block.text(
      md`:double_vertical_bar: ${who} paused the rotation of ${name} until ${when(new Date(pause.until))}: ${reason}`,
    ),
    block.buttons(button('rotation.resume', 'Resume', key.id), button('inventory.show', 'Show', key.id)),
    block.small(md`You are told because you answer for this key. If nobody does anything, the pause ends by itself.`),
  ]);
}

const drillLine = block.text(md`:dart: *Drill.* No value has leaked; this is the path of an emergency, tried out.`);

function rotationMessage(story: Story, policy: Policy): Message {
  const { rotation, key, owner } = story;
  const [icon, word] = isPlanned(rotation, story.now)
    ? [md`:hourglass_flowing_sand:`, 'Rotation planned']
    : statusWords[rotation.status];
  const urgent = isReal(rotation) ? md` :rotating_light: *Emergency.*` : md``;
  const drill = isDrill(rotation);
  return message(`${drill ? 'Drill. ' : ''}${word}: ${key.name}`, [
    ...(drill ? [drillLine] : []),
    block.text(md`${icon} *${typed(word)}: ${typed(key.name, 200)}*${urgent}\n*${typed(conditionInWords(rotation))}*`),
    ...block.facts([
      ['Why', why(story)],
      ['Owner', owner ? mention(owner.slackId) : md`nobody`],
      [isPlanned(rotation, story.now) ? 'Asked for' : 'Started', when(rotation.startedAt)],
      [rotation.endedAt ? 'Ended' : 'Next', rotation.endedAt ? when(rotation.endedAt) : next(story, policy)],
      ['Does not wait for', unheld(story, policy)],
      ['Take care', rotation.status === 'running' ? typed(ownInWords(key, rotation.emergency, policy) ?? '') : md``],
      ['Value', values(rotation)],
      ['Measured', drill ? measuredLine(rotation) : md``],
      ['Paged', paged(story)],
    ]),
    ...(rotation.failure
      ? [
          block.text(
            md`*${rotation.status === 'rolled-back' ? md`Why it was rolled back` : md`What went wrong`}*\n${typed(rotation.failure, 1000)}`,
          ),
        ]
      : []),
    block.text(
      join(
        shownSteps(rotation).map((step) => stepLine(rotation, step)),
        '\n',
      ),
    ),
    ...deploymentBlocks(story),
    ...leftBlocks(story),
    ...buttonsOf(story, policy),
    block.small(outlook(story, policy), code(rotation.id)),
  ]);
}

/** What only a person can delete, until somebody says that it is done. */
function leftBlocks({ left }: Story): KnownBlock[] {
  if (!left) return [];
  const confirm = {
    title: 'Is it deleted?',
    text: 'Your word is kept as the proof that it is gone.',
    yes: 'It is deleted',
  };
  const text = md`:broom: ${typed(left.sentence, 400)} _${typed(whatToDo(left), 250)}_`;
  return [block.row(text, button('reviews.confirm-deleted', 'I have deleted it', left.id, { confirm }))];
}

function failedMessage(story: Story, audience: Audience, policy: Policy): Message {
  const { rotation, key } = story;
  const open = rotation.status === 'failed' && !story.newer;
  const head = open
    ? md`:warning: *The rotation of ${typed(key.name, 200)} failed.* ${typed(conditionInWords(rotation))}`
    : md`The rotation of ${typed(key.name, 200)} had failed; it has been taken up again. Its card says how it stands.`;
  const drill = isDrill(rotation);
  return message(`${drill ? 'Drill. ' : ''}The rotation of ${key.name} failed`, [
    ...(drill ? [drillLine] : []),
    block.text(head),
    ...(open && rotation.failure ? [block.text(md`*Why*\n${typed(rotation.failure, 1000)}`)] : []),
    ...block.facts([['Paged', open ? paged(story) : md``]]),
    ...(open ? buttonsOf(story, policy) : []),
    ...(open ? [block.small(md`${whyTold(story, audience)} ${outlook(story, policy)}`)] : []),
  ]);
}

function whyTold({ owner }: Story, audience: Audience): Mrkdwn {
  const owns = 'person' in audience && audience.person === owner?.id;
  return owns ? md`You are told because you own this key.` : md`You are told because you asked for this rotation.`;
}

function why({ rotation, asker }: Story): Mrkdwn {
  const reason = rotation.reason ? md`\n“${typed(rotation.reason, 500)}”` : md``;
  const words = typed(causeWords[rotation.cause]);
  const own = rotation.cause === 'asked';
  const by = asker ? md`${own ? md`` : md`. Asked for`} by ${mention(asker.slackId)}` : md``;
  return md`${words}${by}${rotation.causeId ? md` (${code(rotation.causeId)})` : md``}${reason}`;
}

/** What happens next, and when; where it waits, for what. */
function next({ rotation, key, taker, disablesFirst, now }: Story, policy: Policy): Mrkdwn {
  const waits = waitsNow(rotation);
  if (waits) {
    const what = waits.task === 'hand-in' ? md`make a new key` : md`delete the old key`;
    const who = taker ? mention(taker.slackId) : md`A person`;
    return md`${who} has to ${what} at ${typed(key.service, 60)}, by ${when(new Date(waits.dueAt))}`;
  }
  const step = typed(stepWords[rotation.step]);
  const opening = waitsFor(rotation, key, policy, now);
  if (opening?.at) return md`${step}, ${when(opening.at)}: it waits for ${typed(holdsInWords(opening.holds), 300)}`;
  if (opening)
    return md`${step}: it waits for ${typed(holdInWords(opening.holds[0]!))}, and the policy leaves no time after it`;
  if (troubleOf(rotation)) return md`${step}: it keeps failing, and is tried again within minutes`;
  if (!rotation.continuesAt || rotation.continuesAt <= now) return md`${step}, within a minute`;
  if (rotation.step === 'grace') {
    const ends = disablesFirst ? md`disabled` : md`retired`;
    const held = endsOnEvidence(rotation) ? null : heldAfterGrace(rotation, key, policy);
    if (held?.at)
      return md`The old value is ${ends} ${when(held.at)}: its grace is over before, and then it waits for ${typed(holdsInWords(held.holds), 300)}`;
    if (held) return md`The old value lives on: it waits for ${typed(holdInWords(held.holds[0]!))}`;
    return endsOnEvidence(rotation)
      ? md`Whether the old value can be retired is looked at ${when(rotation.continuesAt)}`
      : md`The old value is ${ends} ${when(rotation.continuesAt)}${disablesFirst ? md`, and deleted later` : md``}`;
  }
  if (rotation.step === 'watch')
    return md`The old value is deleted ${when(rotation.continuesAt)}, unless somebody objects`;
  return md`${step}, ${when(rotation.continuesAt)}`;
}

/** A freeze or a window that would have held it, and why it did not. */
function unheld({ rotation, key, now }: Story, policy: Policy): Mrkdwn {
  if (rotation.status !== 'running') return md``;
  const { holds, despite } = openingFor(key, policy, now);
  if (isReal(rotation) && holds.length > 0) return md`${typed(holdInWords(holds[0]!))}, as an emergency`;
  if (despite.length > 0 && key.expiresAt) {
    return md`${typed(holdInWords(despite[0]!))}: the provider ends the key ${when(key.expiresAt)}`;
  }
  return md``;
}

function values({ oldLastFour, newLastFour, status }: Rotation): Mrkdwn {
  if (status === 'rolled-back' && oldLastFour && newLastFour)
    return md`…${typed(oldLastFour)}; …${typed(newLastFour)} is not used`;
  if (!newLastFour) return oldLastFour ? md`…${typed(oldLastFour)}` : md``;
  return md`${oldLastFour ? md`…${typed(oldLastFour)} → ` : md``}…${typed(newLastFour)}`;
}

/** Who was woken for the failure that it stands at, and when; or why nobody was. */
function paged({ rotation, people }: Story): Mrkdwn {
  const lines = pagesNow(rotation).map(({ by, askedAt, at, outcome }) => {
    const who = by ? md` for ${mention(people.get(by)?.slackId ?? by)}` : md``;
    const then = when(new Date(at ?? askedAt));
    if (outcome === null) return md`Paging on-call${who}, since ${then}`;
    if (outcome === 'paged') return md`On-call was paged${who} ${then}`;
    const why = outcome === 'no pager' ? md`no pager is connected. Set` : md`the pager refused it. Check`;
    return md`:warning: Nobody was paged${who} ${then}: ${why} ${code('PAGERDUTY_ROUTING_KEY')}, and until then call somebody.`;
  });
  return join(lines, '\n');
}

/** What happens if nobody does anything. */
function outlook({ rotation, key, newer }: Story, policy: Policy): Mrkdwn {
  const asked = rotatedByAws(key, policy) && reached(rotation, 'promote');
  const noWayBack = asked ? md`${typed(noWayBackInWords)} Retry has AWS rotate it once more. ` : md``;
  const due = key.nextRotationAt ? md` Due again ${when(key.nextRotationAt, 'date')}.` : md``;
  switch (rotation.status) {
    case 'running':
      if (troubleOf(rotation))
        return md`It is tried again by itself for a while. If it goes on failing, it stops, this card says what works, and ${pagesNow(rotation).length > 0 ? md`whoever asked and the owner are told too` : isReal(rotation) || rotation.condition === 'none' ? md`on-call is paged` : md`whoever asked and the owner are told`}.`;
      if (rotation.step === 'watch') {
        return md`Something that worked yesterday does not work any more? Press Re-enable: nothing is lost yet. If nobody does, the old value is deleted.`;
      }
      if (rotatedByAws(key, policy) && rotation.tried.length > 0) {
        return md`Nothing for you to do. ${typed(noWayBackInWords)} Something broke? Rotate it once more, when this is over.`;
      }
      return rotation.step === 'grace'
        ? rotation.deployments.length > 0
          ? md`The old value is retired when everybody who is recorded is on the new one. Something broke? Roll back.`
          : endsOnEvidence(rotation) && !reached(rotation, 'enable')
            ? md`Nobody is recorded who uses this key, and its provider sees its old value used: find out who that is, have them fetch the new one, and record them under Consumers… on the key's card. The old one stays until it has not been used for a while, or until somebody presses Retire now.`
            : endsOnEvidence(rotation)
              ? md`Something broke when the old value was disabled, and nobody is recorded who uses it: it stays until somebody presses Retire now or, where its provider tells of that, until it has not been used for a while.`
              : md`Nobody is recorded who uses this key, so nobody was asked: whoever keeps a copy of the old value has to fetch the new one by then. Something broke? Roll back.`
        : waitsNow(rotation)
          ? md`It waits for a person, who has a message of their own with what to do. Once it is done, it goes on by itself.`
          : md`Nothing for you to do.${rotation.step === 'generate' && rotation.continuesAt ? md` Roll back calls it off before it begins.` : md``}`;
    case 'done':
      return md`Nothing for you to do.${due}`;
    case 'failed':
      return newer
        ? md`A newer rotation has started since.`
        : diesAtOnce(key, policy)
          ? md`If nobody does anything, ${rotation.condition === 'none' ? md`whoever uses this key goes on failing` : md`it stays like this`}: only a person starts it anew.`
          : md`${noWayBack}If nobody does anything: it stays like this, and the schedule tries again after ${policy.rotation.failedPauseHours} hours while the key is due.`;
    case 'rolled-back':
      return diesAtOnce(key, policy)
        ? md`It can be rotated by \`/keys rotate\`.`
        : md`The schedule leaves this key alone for ${policy.rotation.failedPauseHours} hours. People can rotate it sooner, by \`/keys rotate\`.`;
    case 'superseded':
      return md`Taken over by ${rotation.supersededBy ? code(rotation.supersededBy) : md`an emergency`}.`;
  }
}

/** Forward steps; those of a test of disabling, and of the way back, once they were taken: what an earlier attempt threw away is no step of this one. */
function shownSteps(rotation: Rotation): Step[] {
  const taken = (step: Step) =>
    rotation.step === step || rotation.record.some((each) => each.step === step && each.attempt === rotation.attempt);
  const tested = screamSteps.filter(taken);
  const forward = steps.flatMap((step): Step[] => (step === 'retire' ? [...tested, step] : [step]));
  const back = backSteps.filter(taken);
  if (back.length === 0) return forward;
  return [
    ...forward.filter((step) => reached(rotation, step)),
    ...back,
    ...(rotation.ending === null && rotation.status === 'running'
      ? forward.filter((step) => !reached(rotation, step))
      : []),
  ];
}

function stepLine(rotation: Rotation, step: Step): Mrkdwn {
  const record = rotation.record.findLast((each) => each.step === step) ?? null;
  // An earlier attempt's record says nothing about this one, except how it ended.
  const stale =
    record && record.attempt < rotation.attempt && record.verdict !== 'refused' && rotation.status === 'running';
  const shown = stale ? null : record;
  const attempt = step === 'generate' && shown && shown.attempt > 1 ? md` (attempt ${shown.attempt})` : md``;
  const said = shown?.evidence ?? (shown && shown === openRecord(rotation) ? troubleOf(rotation) : null);
  return md`${mark(rotation, step, shown)} ${typed(stepWords[step])}${attempt}${said ? md`: ${typed(said, 200)}` : md``}`;
}

function mark(rotation: Rotation, step: Step, record: StepRecord | null): Mrkdwn {
  if (rotation.status === 'running' && rotation.step === step) return md`:hourglass_flowing_sand:`;
  if (record && openRecord(rotation) === record) return md`:grey_question:`;
  switch (record?.verdict) {
    case 'done':
      return md`:white_check_mark:`;
    case 'skipped':
      return md`:fast_forward:`;
    case 'refused':
      return md`:x:`;
    default:
      return md`:white_large_square:`;
  }
}

/** Only what would be done if it was pressed now. */
function buttonsOf(story: Story, policy: Policy) {
  const { rotation, newer, key, now } = story;
  const buttons: Button[] = deployButtons(story);
  if (!whyNotRetry(rotation, newer)) {
    buttons.push(
      button('rotation.retry', 'Retry', rotation.id, { style: 'primary', describe: 'Retry from the failed step' }),
    );
  }
  if (!whyNotRollBack(rotation, newer, rotatedByAws(key, policy))) {
    buttons.push(
      button('rotation.roll-back', 'Roll back', rotation.id, {
        style: 'danger',
        confirm: {
          title: 'Hand out the old value again?',
          text: 'Whoever fetched the new value meanwhile has to fetch again. The key stays due.',
          yes: 'Roll back',
        },
      }),
    );
  }
  // Somebody may have to look at the service itself, or do it there by hand.
  if (rotation.status === 'failed' && !newer && key.issuer !== 'self-made') {
    buttons.push(button('runbooks.show', 'Steps', key.id, { describe: `Steps for ${key.name}` }));
  }
  if (!whyNotPage(rotation, newer, now)) {
    buttons.push(
      button('rotation.page', 'Page on-call', rotation.id, {
        describe: `Page whoever is on call about ${key.name}`,
        confirm: {
          title: 'Wake whoever is on call?',
          text: 'They are paged now, whatever the hour, with the name of the key, its owner and what works.',
          yes: 'Page',
        },
      }),
    );
  }
  if (rotation.status !== 'running') buttons.push(button('rotation.evidence', 'Evidence', rotation.id));
  return buttons.length > 0 ? [block.buttons(...buttons)] : [];
}

const levelWords: Record<Check['level'], [icon: Mrkdwn, heading: Mrkdwn]> = {
  blocking: [md`:no_entry_sign:`, md`*In the way*`],
  warning: [md`:warning:`, md`*Take care*`],
  ok: [md`:white_check_mark:`, md`*In order*`],
};

/** What is known before a key is rotated: first what is in the way, with what to do. */
export function checkBlocks(checks: Check[]): KnownBlock[] {
  return (['blocking', 'warning', 'ok'] as const).flatMap((level) => {
    const [icon, heading] = levelWords[level];
    const lines = checks
      .filter((each) => each.level === level)
      .map(
        ({ sentence, whatToDo }) =>
          md`${icon} ${typed(sentence, 400)}${whatToDo ? md` _${typed(whatToDo, 250)}_` : md``}`,
      );
    return lines.length > 0 ? [block.text(join([heading, ...lines], '\n'))] : [];
  });
}
