import { block, button, type Message, type Mrkdwn, md, mention, message, typed, when } from '../../blocks.ts';
import type { SlackDoor } from '../../doors.ts';
import { type ApiKey, atOnceInWords, blockedNow, rotatesHere } from '../../inventory/model.ts';
import { diesAtOnce, type Policy } from '../../policy.ts';
import type { Audience, View } from '../../ports.ts';
import { isLate, stagesOf, toldOf } from './overdue-model.ts';

/** What people are told of keys that are late: that one is overdue, and that one could not be started. */
export function overdueCards(slack: SlackDoor, policy: Policy): void {
  slack.card('rotation.overdue', (view, keyId, audience) => overdueMessage(view, keyId, audience, policy));
  slack.card('rotation.blocked', (view, keyId, audience) => blockedMessage(view, keyId, audience));
}

async function overdueMessage(view: View, keyId: string, audience: Audience, policy: Policy): Promise<Message> {
  const key = await view.keys.get(keyId);
  const name = md`*${typed(key.name, 200)}*`;
  const running = await view.rotations.runningOf(key.id);
  if (!isLate(key, running !== null, policy, view.now)) {
    return message(`${key.name} is no longer waiting for anybody`, [
      block.text(
        md`:white_check_mark: ${name} was overdue. ${await whatHappened(key, running !== null)} Nothing for you to do.`,
      ),
    ]);
  }
  const owner = await view.people.find(key.ownerId);
  const whose = owner ? mention(owner.slackId) : md`nobody`;
  return message(`${key.name} is overdue for rotation`, [
    block.text(md`:red_circle: ${name} is overdue for rotation since ${when(key.nextRotationAt!, 'date')}.`),
    ...block.facts([
      ['Owner', owner?.status === 'active' ? whose : md`${whose}, no longer active`],
      ['Risk', typed(key.risk)],
      ['Why it is not rotated', await whyNot(view, key, policy)],
    ]),
    block.buttons(...buttonsFor(key, audience, policy)),
    block.small(md`${reason(key, audience)} If nobody does anything: ${outlook(key, policy)}`),
  ]);
}

async function whatHappened(key: ApiKey, running: boolean): Promise<Mrkdwn> {
  if (key.status !== 'active') return md`It is retired now.`;
  if (running) return md`It is being rotated.`;
  if (key.pause && !key.pause.endedAt)
    return md`Its rotation is paused until ${when(new Date(key.pause.until), 'date')}.`;
  if (key.plannedAt) return md`Its rotation is planned for ${when(key.plannedAt)}.`;
  return key.lastRotatedAt ? md`It was last rotated ${when(key.lastRotatedAt, 'date')}.` : md`It waits for its time.`;
}

async function whyNot(view: View, key: ApiKey, policy: Policy): Promise<Mrkdwn> {
  if (key.blocked) return md`It could not be started: ${typed(key.blocked.missing.join(' '), 600)}`;
  if (!rotatesHere(key)) return md`Only a person can replace it`;
  const [last] = await view.rotations.ofKey(key.id, 1);
  if (last?.status === 'failed') return md`Its last rotation failed: ${typed(last.failure ?? '', 400)}`;
  if (diesAtOnce(key, policy)) return md`A person has to press *Rotate*. ${typed(atOnceInWords(key))}`;
  if (last?.status === 'rolled-back') return md`Somebody rolled its last rotation back`;
  return md`The schedule could not start it: perhaps its provider is not connected`;
}

function buttonsFor(key: ApiKey, audience: Audience, policy: Policy) {
  const show = button('inventory.show', 'Show', key.id, { describe: `Show ${key.name}` });
  if (!('person' in audience)) return [show];
  return [
    ...(rotatesHere(key) ? [button('rotation.start', 'Rotate', key.id, { style: 'primary' as const })] : []),
    ...(rotatesHere(key) && !diesAtOnce(key, policy) ? [button('inventory.schedule', 'Schedule…', key.id)] : []),
    button('inventory.snooze', 'Snooze…', key.id),
    button('inventory.hand-over', 'Hand over…', key.id),
    show,
  ];
}

function reason(key: ApiKey, audience: Audience): Mrkdwn {
  if (!('person' in audience)) return md`This channel is told of keys that stay overdue.`;
  return audience.person === key.ownerId
    ? md`You are told because you answer for this key.`
    : md`You are told because you are an administrator and its owner has not seen to it.`;
}

const stageWords = {
  owner: 'its owner is',
  security: 'the security channel is',
  administrators: 'the administrators are',
};
function outlook(key: ApiKey, policy: Policy): Mrkdwn {
  const told = toldOf(key);
  const next = stagesOf(key, policy).find(({ stage }) => !told.includes(stage));
  return next
    ? md`${typed(stageWords[next.stage])} told too, from ${when(next.at, 'date')} on.`
    : md`it stays overdue, here and in every count.`;
}

async function blockedMessage(view: View, keyId: string, audience: Audience): Promise<Message> {
  const key = await view.keys.get(keyId);
  const name = md`*${typed(key.name, 200)}*`;
  const blocked = blockedNow(key, view.now);
  if (!blocked) {
    return message(`Nothing keeps ${key.name} from being rotated`, [
      block.text(md`:white_check_mark: What kept ${name} from being rotated has been seen to. Nothing for you to do.`),
    ]);
  }
  const why =
    'person' in audience ? md`You are told because you answer for this key.` : md`Its owner is no longer active.`;
  const owed = blocked.causeId ? md`has to be rotated, as somebody who could read it has left` : md`is due`;
  return message(`${key.name} ${blocked.causeId ? 'has to be rotated and cannot' : 'is due and cannot be rotated'}`, [
    block.text(md`:no_entry_sign: ${name} ${owed}, and Keysteward cannot rotate it yet. Nothing was touched.`),
    block.text(md`*Missing*\n${typed(blocked.missing.join('\n'), 1500)}`),
    block.buttons(button('inventory.show', 'Show', key.id), button('rotation.start', 'Look again', key.id)),
    block.small(md`${why} It is looked at again every few minutes, and starts by itself when nothing is missing.`),
  ]);
}
