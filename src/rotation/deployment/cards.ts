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
  typed,
  when,
} from '../../blocks.ts';
import type { ApiKey } from '../../inventory/model.ts';
import type { Person } from '../../people/model.ts';
import type { Policy } from '../../policy.ts';
import { compromised, conditionInWords, type Deployment, isDrill, type Rotation, reached } from '../model.ts';
import { whyNotReEnable } from '../steps/scream-model.ts';
import { graceEndsAt, isStale, lackOf, unconfirmed, whyNotConfirm, whyNotRetireNow } from './model.ts';

/** What these cards tell: a rotation, and whoever has a part in its deployment. */
export interface DeployStory {
  rotation: Rotation;
  key: ApiKey;
  owner: Person | null;
  newer: Rotation | null;
  people: Map<string, Person>;
}

const who = ({ people }: DeployStory, id: string | null): Mrkdwn => {
  const person = id ? people.get(id) : undefined;
  return person ? mention(person.slackId) : md`somebody`;
};

function deploymentLine(story: DeployStory, deployment: Deployment): Mrkdwn {
  const name = md`*${typed(deployment.name, 80)}*`;
  if (deployment.news === 'restored') {
    const heard = deployment.toldAt || deployment.confirmedAt ? md`was told` : md`is being told`;
    return deployment.kind === 'webhook'
      ? md`${name} ${heard} that the old value is handed out again${deployment.trouble ? md`: ${typed(deployment.trouble, 200)}` : md``}`
      : md`${name}: back on the old value`;
  }
  if (deployment.confirmedAt) {
    return md`:white_check_mark: ${name}: ${typed(deployment.evidence ?? '', 200)}, ${when(new Date(deployment.confirmedAt))}`;
  }
  const claim = deployment.claimedBy ? md` · ${who(story, deployment.claimedBy)} is at it` : md``;
  const asked =
    deployment.kind === 'person' && !deployment.claimedBy ? md` · ${who(story, deployment.personId)} was asked` : md``;
  const icon = deployment.trouble ? md`:warning:` : md`:hourglass_flowing_sand:`;
  return md`${icon} ${name}: ${typed(lackOf(deployment), 300)}${asked}${claim}`;
}

/** The part of a rotation's card that says who uses the key, and whether they are on the new value. */
export function deploymentBlocks(story: DeployStory): KnownBlock[] {
  const { rotation } = story;
  const lines = rotation.deployments.map((each) => deploymentLine(story, each));
  const waits =
    rotation.extension && rotation.status === 'running'
      ? [
          block.text(
            md`:hourglass: *The old value lives on* since ${when(new Date(rotation.extension.since))}: it is not known yet that nobody needs it: ${typed(rotation.extension.why, 600)}.${rotation.continuesAt ? md` It is looked again ${when(rotation.continuesAt)}.` : md``}`,
          ),
        ]
      : [];
  return [...(lines.length > 0 ? [block.text(md`*Who uses it*\n${join(lines, '\n')}`)] : []), ...waits];
}

/** Buttons for those who answer for the key: to say what they know, or to cut it short. */
export function deployButtons({ rotation, key, newer }: DeployStory): Button[] {
  const open = rotation.status === 'done' ? [] : unconfirmed(rotation);
  const sayable = open.filter((each) => !whyNotConfirm(rotation, each) && !isStale(rotation, each, key.currentVersion));
  return [
    ...(whyNotReEnable(rotation, newer) ? [] : [reEnableButton(rotation)]),
    ...sayable.slice(0, 5).map((each, i) => confirmButton(rotation, each, i)),
    ...(whyNotRetireNow(rotation, newer) ? [] : [button('rotation.retire-now', 'Retire now…', rotation.id)]),
  ];
}

const reEnableButton = (rotation: Rotation) =>
  button('rotation.re-enable', 'Something broke? Re-enable', rotation.id, {
    style: 'danger',
    describe: 'Enable the old key again',
    confirm: {
      title: 'Enable the old key again?',
      text: 'Its grace goes on, everybody who uses it is asked anew, and its owner hears that you pressed this.',
      yes: 'Re-enable',
    },
  });

const confirmButton = (rotation: Rotation, { consumerId, name }: Deployment, i: number) =>
  button(`rotation.confirm-move:${i}`, `On the new key: ${name}`, `${rotation.id} ${consumerId}`, {
    describe: `${name} is on the new key`,
  });

/** What one person is asked to do; `asked` are those that they have to move. */
export function moveMessage(story: DeployStory, me: string, policy: Policy): Message {
  const { rotation, key, owner } = story;
  const mine = rotation.deployments.filter((each) => each.kind === 'person' && isFor(story, each, me));
  const open = mine.filter((each) => !whyNotConfirm(rotation, each) && !isStale(rotation, each, key.currentVersion));
  const name = md`*${typed(key.name, 200)}*`;
  const lines = mine.map((each) => deploymentLine(story, each));
  const list = lines.length > 0 ? [block.text(join(lines, '\n'))] : [];
  if (open.length === 0) {
    const restored = mine.some((each) => each.news === 'restored');
    const head = restored
      ? md`:leftwards_arrow_with_hook: The rotation of ${name} was turned back: the old value is handed out again. What you have moved has to fetch it once more.`
      : md`Nothing is left for you to move to the new value of ${name}.`;
    const undo = whyNotReEnable(rotation, story.newer)
      ? []
      : [
          block.text(
            md`The old key is disabled for a while before it is deleted${rotation.continuesAt ? md` ${when(rotation.continuesAt)}` : md``}. If something of yours broke, say so.`,
          ),
          block.buttons(reEnableButton(rotation)),
        ];
    return message(`The rotation of ${key.name}`, [block.text(head), ...list, ...undo]);
  }
  const dead = reached(rotation, 'retire') || rotation.status === 'done';
  const ends = graceEndsAt(rotation, policy);
  const why = isDrill(rotation)
    ? md`:dart: This is a drill, and nothing has leaked; all the same the old value`
    : md`:rotating_light: The old value may be known to others and`;
  const outlook = rotation.replacement
    ? md`:warning: The old value died when the new one was made: what you move fails until it has the new one.`
    : rotation.emergency
      ? md`${why} ${dead ? md`is dead or dying` : md`dies within minutes`}, without waiting.`
      : dead
        ? md`:warning: The old value is being retired already, or has been.`
        : md`The old value works ${ends ? md`until ${when(ends)} at least` : md`for a while`}, and longer while you have not said that it is done: then you are reminded, and after ${policy.rotation.evidence.escalateAfterDays} days ${owner ? mention(owner.slackId) : md`its owner`} and the security channel hear of it.`;
  const buttons = open.slice(0, 8).flatMap((each, i) => [
    confirmButton(rotation, each, i),
    ...(each.claimedBy === me
      ? []
      : [
          button(`rotation.claim-move:${i}`, `I am at it: ${each.name}`, `${rotation.id} ${each.consumerId}`, {
            describe: `Take on to move ${each.name}`,
          }),
        ]),
  ]);
  return message(`${key.name} has a new value; please move what you look after`, [
    block.text(
      md`:key: ${name} has a new value, in ${code(key.secretId ?? '')}. You are recorded as the one who moves:`,
    ),
    ...list,
    block.text(md`Have it fetch the value again, look that it works, then press *On the new key*.\n${outlook}`),
    block.buttons(...buttons),
    block.small(md`Nobody needs to see the value for that, and nobody should paste it here.`, code(rotation.id)),
  ]);
}

/** Whether somebody is asked about this consumer. The owner is, for whoever has left. */
function isFor({ people, key }: DeployStory, { claimedBy, personId }: Deployment, me: string): boolean {
  if (claimedBy === me || personId === me) return true;
  const mover = people.get(claimedBy ?? personId ?? '');
  return me === key.ownerId && mover?.status !== 'active';
}

/** Tells the owner that something broke. */
export function reEnabledMessage({ rotation, key }: DeployStory): Message {
  const why = rotation.record.findLast(
    (each) => (each.step === 'watch' || each.step === 'disable') && each.verdict === 'refused',
  );
  return message(`The old value of ${key.name} was enabled again`, [
    block.text(
      md`:leftwards_arrow_with_hook: *The old value of ${typed(key.name, 200)} was wanted back.* ${typed(why?.evidence ?? 'Something broke', 200)}. ${typed(conditionInWords(rotation))}`,
    ),
    block.buttons(button('inventory.show', 'Show', key.id)),
    block.small(
      md`Find out what broke, and record it as a consumer on the key's card.${rotation.status === 'running' ? md` The rotation goes on when everybody has confirmed anew, or when you press Retire now on its card.` : md``}`,
      code(rotation.id),
    ),
  ]);
}

/** Wakes those who answer for a key whose old value cannot go for want of evidence. */
export function waitingMessage(story: DeployStory, policy: Policy): Message {
  const { rotation, key, owner } = story;
  const name = md`*${typed(key.name, 200)}*`;
  if (!rotation.extension || rotation.status !== 'running') {
    return message(`The rotation of ${key.name}`, [
      block.text(
        md`The rotation of ${name} no longer waits for whoever uses the key. ${typed(conditionInWords(rotation))}`,
      ),
    ]);
  }
  const { since, why } = rotation.extension;
  const open = compromised(rotation) ? md` :warning: The old value may be known to others.` : md``;
  return message(`The old value of ${key.name} cannot be retired yet`, [
    block.text(
      md`:hourglass: *The old value of ${name} still works*, since ${when(new Date(since))} only because it is not known that nobody needs it.${open}`,
    ),
    block.text(md`*What is lacking*\n${typed(why, 1000)}`),
    ...block.facts([['Owner', owner ? mention(owner.slackId) : md`nobody`]]),
    block.buttons(...deployButtons(story)),
    block.small(
      md`If nobody does anything: it is looked again every few hours, and after ${policy.rotation.evidence.maxGraceDays} days the rotation stops with both values working. Retire now asks for a reason.`,
      code(rotation.id),
    ),
  ]);
}
