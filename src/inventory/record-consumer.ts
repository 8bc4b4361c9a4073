import { type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import { type Consumer, type ConsumerEntry, changed, isUnsigned, recorded, whyNotRecord } from './consumer-model.ts';
import { whyNotTouch } from './may-model.ts';
import type { ApiKey } from './model.ts';

type RecordPorts = Pick<Ports, 'store' | 'policy'>;

/** Somebody uses this key, and has to move when its value is replaced (SOP 5.3, step 4). */
export function addConsumer(
  { store, policy }: RecordPorts,
  adderId: Id<'person'>,
  keyId: Id<'key'>,
  entry: ConsumerEntry,
): Promise<Consumer> {
  const actor = { kind: 'person', id: adderId } as const;
  return store.change({ actor, action: 'inventory.add-consumer', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(adderId), 'inventory.keep-consumers', key));
    const others = await tx.consumers.ofKey(keyId);
    const named = entry.personId ? await tx.people.find(entry.personId) : null;
    refuseIf(whyNotRecord(key, entry, others, named, policy));
    return kept(tx, key, recorded(tx.newId('consumer'), keyId, entry, adderId, tx.now));
  });
}

/** What is recorded of a consumer was wrong, or is no longer so. */
export async function changeConsumer(
  { store, policy }: RecordPorts,
  changerId: Id<'person'>,
  consumerId: Id<'consumer'>,
  entry: ConsumerEntry,
): Promise<Consumer> {
  const { keyId } = await store.read((view) => view.consumers.get(consumerId));
  const actor = { kind: 'person', id: changerId } as const;
  return store.change({ actor, action: 'inventory.change-consumer', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(changerId), 'inventory.keep-consumers', key));
    const before = await tx.consumers.get(consumerId);
    if (before.removedAt) throw new Refusal('conflict', 'Somebody has removed this consumer meanwhile.');
    const others = (await tx.consumers.ofKey(keyId)).filter((each) => each.id !== consumerId);
    const named = entry.personId ? await tx.people.find(entry.personId) : null;
    refuseIf(whyNotRecord(key, entry, others, named, policy));
    // Somebody's offboarding may wait for just this.
    const mover = before.personId ? await tx.people.find(before.personId) : null;
    if (mover && mover.status !== 'active') await tx.jobs.add('offboarding.sweep', {}, { once: 'hand-over' });
    const { name, kind, url, personId, readsAs } = before;
    tx.note({ before: { name, kind, url, personId, readsAs } });
    return kept(tx, key, changed(before, entry));
  });
}

async function kept(tx: Tx, key: ApiKey, consumer: Consumer): Promise<Consumer> {
  await tx.consumers.save(consumer);
  if (isUnsigned(consumer)) {
    await tx.jobs.add('inventory.make-signing-secret', { consumerId: consumer.id }, { once: consumer.id });
  }
  await tx.cards.touch(key.id);
  const { id, name, kind, url, personId, readsAs } = consumer;
  tx.note({ consumerId: id, name, kind, url, personId, readsAs });
  return consumer;
}
