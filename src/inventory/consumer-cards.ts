import type { KnownBlock } from '@slack/types';
import { block, code, join, type Mrkdwn, md, mention, typed } from '../blocks.ts';
import type { Person } from '../people/model.ts';
import type { Consumer } from './consumer-model.ts';

/** One consumer, as a line of the key's card. */
export function consumerLine(consumer: Consumer, mover: Person | undefined): Mrkdwn {
  const name = md`*${typed(consumer.name, 80)}*`;
  switch (consumer.kind) {
    case 'reads-store':
      return md`${name}: reads Secrets Manager itself${consumer.readsAs ? md`, as ${code(consumer.readsAs)}` : md``}`;
    case 'person':
      return md`${name}: ${mover ? mention(mover.slackId) : md`somebody`} moves it${mover && mover.status !== 'active' ? md` · :warning: no longer active here` : md``}`;
    case 'webhook':
      return md`${name}: is told at ${code(consumer.url ?? '')}, signed with ${consumer.signedWith ? code(consumer.signedWith) : md`a secret that is being made`}`;
  }
}

/** The part of a key's card that says who uses it; `own` of one that Keysteward itself works with, where. */
export function consumerBlocks(consumers: Consumer[], people: Map<string, Person>, own: string | null): KnownBlock[] {
  const others = consumers.map((each) => md`• ${consumerLine(each, people.get(each.personId ?? ''))}`);
  const nobody = md`Nobody${own ? md` else` : md``} is recorded. A rotation ends the old value, whether or not somebody still uses it.`;
  const lines = [...(own ? [typed(own)] : []), ...(others.length > 0 ? others : [nobody])];
  return [block.text(md`*Used by*\n${join(lines, '\n')}`)];
}
