import type { KnownBlock } from '@slack/types';
import { block, join, type Message, type Mrkdwn, md, mention, message, typed, when } from '../../blocks.ts';
import type { SlackDoor } from '../../doors.ts';
import type { ApiKey } from '../../inventory/model.ts';
import { byId } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { View } from '../../ports.ts';
import { conditionInWords, type Rotation, type RotationStatus } from '../model.ts';
import { measured } from './model.ts';

const outcomes: Record<RotationStatus, string> = {
  running: 'Still running',
  done: 'Rotated',
  failed: 'Failed',
  'rolled-back': 'Rolled back',
  superseded: 'An emergency took over',
};
/** In seconds as long as these say more. */
function lasting(seconds: number): Mrkdwn {
  if (seconds < 1) return md`less than a second`;
  if (seconds < 120) return seconds === 1 ? md`1 second` : md`${seconds} seconds`;
  return md`${Math.round(seconds / 6) / 10} minutes`;
}

/** The times of a drill as far as there are any. */
export function measuredLine(rotation: Rotation): Mrkdwn {
  const { rotatedSeconds, deadSeconds } = measured(rotation);
  const parts = [
    ...(rotatedSeconds === null ? [] : [md`new value in use after ${lasting(rotatedSeconds)}`]),
    ...(deadSeconds === null ? [] : [md`old value dead after ${lasting(deadSeconds)}`]),
  ];
  return join(parts, ', ');
}

interface Result {
  rotation: Rotation;
  key: ApiKey | undefined;
  by: Person | undefined;
}

/** The last drills, newest first, with who asked for them. */
export async function resultsIn(view: View, limit: number): Promise<Result[]> {
  const drills = await view.rotations.drills(null, limit);
  const keys = byId(await view.keys.many(drills.map(({ keyId }) => keyId)));
  const askers = drills.flatMap(({ askedBy }) => askedBy ?? []);
  const people = byId(await view.people.many([...new Set(askers)]));
  return drills.map((rotation) => ({
    rotation,
    key: keys.get(rotation.keyId),
    by: rotation.askedBy ? people.get(rotation.askedBy) : undefined,
  }));
}

const who = (by: Person | undefined): Mrkdwn => (by ? mention(by.slackId) : md`by surprise`);

export function resultBlocks(results: Result[]): KnownBlock[] {
  if (results.length === 0) return [block.text(md`There has been no drill yet.`)];
  return results.map(({ rotation, key, by }) => {
    const times = measuredLine(rotation);
    const name = typed(key?.name ?? rotation.keyId, 200);
    return block.text(
      md`*${name}*\n${when(rotation.startedAt)}, ${who(by)} · ${typed(outcomes[rotation.status])}${times ? md`: ${times}` : md``}`,
    );
  });
}

/** What a drill has shown, for those who look after security. */
export function drillCards(slack: SlackDoor): void {
  slack.card('rotation.drill', async (view, subject): Promise<Message> => {
    const rotation = await view.rotations.get(subject);
    const key = await view.keys.get(rotation.keyId);
    const by = rotation.askedBy ? await view.people.find(rotation.askedBy) : null;
    const owner = await view.people.find(key.ownerId);
    const times = measuredLine(rotation);
    const icon = rotation.status === 'done' ? md`:dart:` : md`:warning:`;
    const outcome = outcomes[rotation.status];
    return message(`Drill with ${key.name}: ${outcome}`, [
      block.text(
        md`${icon} *Drill with ${typed(key.name, 200)}: ${typed(outcome)}${times ? md`, ${times}` : md``}.*\n${typed(conditionInWords(rotation))}`,
      ),
      ...block.facts([
        ['Asked for', by ? mention(by.slackId) : md`nobody; it was a surprise`],
        ['Owner', owner ? mention(owner.slackId) : md`nobody`],
        ['Started', when(rotation.startedAt)],
        ['Ended', rotation.endedAt ? when(rotation.endedAt) : md``],
      ]),
      ...(rotation.failure ? [block.text(md`*What went wrong*\n${typed(rotation.failure, 1000)}`)] : []),
      block.small(md`This was a drill: no value has leaked. All results: \`/keys drill results\`.`),
    ]);
  });
  slack.card('rotation.drill-missed', async () =>
    message('There was no drill', [
      block.text(
        md`:dart: *The drill that was due did not take place:* no key fits. It takes one of low risk outside of production that rotates without a person, is not paused, snoozed, frozen or rotating, and has not been in a drill lately.`,
      ),
      block.small(md`Nothing for you to do. The next one comes by the policy.`),
    ]),
  );
}
