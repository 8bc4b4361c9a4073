import { type Id, refuseIf } from '../kernel.ts';
import { whyNot } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { summaryId } from './model.ts';
import { send, sendSummary } from './plan.ts';

/** Somebody wants to see now what is due of their keys. It comes to their direct messages, because they will act on it. */
export function askForDigest({ store }: Pick<Ports, 'store'>, askerId: Id<'person'>): Promise<void> {
  const actor = { kind: 'person', id: askerId } as const;
  return store.change({ actor, action: 'digest.send', subject: askerId }, async (tx) => {
    refuseIf(whyNot(await tx.people.get(askerId), 'digest.read'));
    await send(tx, askerId);
  });
}

/** An administrator wants the security channel to see now how all keys stand. */
export function askForSummary(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  askerId: Id<'person'>,
): Promise<void> {
  const actor = { kind: 'person', id: askerId } as const;
  return store.change({ actor, action: 'digest.summarise', subject: summaryId }, async (tx) => {
    refuseIf(whyNot(await tx.people.get(askerId), 'digest.summarise'));
    await sendSummary(tx, policy.channels.security);
  });
}
