import { type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { type Consumer, removed } from './consumer-model.ts';
import { whyNotTouch } from './may-model.ts';

/** Somebody no longer uses a key, so no rotation waits for them any more. */
export async function removeConsumer(
  { store }: Pick<Ports, 'store'>,
  removerId: Id<'person'>,
  consumerId: Id<'consumer'>,
): Promise<Consumer> {
  const { keyId } = await store.read((view) => view.consumers.get(consumerId));
  const actor = { kind: 'person', id: removerId } as const;
  return store.change({ actor, action: 'inventory.remove-consumer', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(removerId), 'inventory.keep-consumers', key));
    const consumer = await tx.consumers.get(consumerId);
    if (consumer.removedAt) throw new Refusal('conflict', 'This consumer has been removed already.');
    const next = removed(consumer, tx.now);
    await tx.consumers.save(next);
    const mover = consumer.personId ? await tx.people.find(consumer.personId) : null;
    if (mover && mover.status !== 'active') await tx.jobs.add('offboarding.sweep', {}, { once: 'hand-over' });
    await tx.cards.touch(keyId);
    tx.note({ consumerId, name: consumer.name, kind: consumer.kind });
    return next;
  });
}
