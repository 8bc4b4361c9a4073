import { type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { whyNotTouch } from './may-model.ts';
import { type ApiKey, whyNotOwn } from './model.ts';

/** Somebody else answers for a key from now on. Both hear of it. */
export function handOver(
  { store }: Pick<Ports, 'store'>,
  giverId: Id<'person'>,
  { keyId, to }: { keyId: Id<'key'>; to: Id<'person'> },
): Promise<ApiKey> {
  const actor = { kind: 'person', id: giverId } as const;
  return store.change({ actor, action: 'inventory.hand-over', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(giverId), 'inventory.hand-over', key));
    if (key.status !== 'active') throw new Refusal('conflict', `${key.name} is retired.`);
    const owner = await tx.people.get(to);
    if (owner.id === key.ownerId) {
      throw new Refusal('conflict', `${owner.name} is the owner of this key already.`, 'owner');
    }
    refuseIf(whyNotOwn(owner));
    const previous = await tx.people.find(key.ownerId);
    const next: ApiKey = { ...key, ownerId: owner.id };
    await tx.keys.save(next);
    // Each hand-over is told in messages of its own: an edited one wakes nobody.
    const card = `inventory.handed-over:${tx.now.getTime()}`;
    await tx.cards.show(card, key.id, { person: owner.id });
    if (previous?.status === 'active') await tx.cards.show(card, key.id, { person: previous.id });
    // Requests that wait for the previous owner wait for the new one too.
    await tx.jobs.add('access.ask-new-owner', { keyId: key.id });
    await tx.cards.touch(key.id);
    await tx.cards.touch(key.ownerId);
    await tx.cards.touch(owner.id);
    // Somebody's offboarding may wait for just this.
    if (previous?.status !== 'active') await tx.jobs.add('offboarding.sweep', {}, { once: 'hand-over' });
    tx.note({ from: key.ownerId, personId: owner.id });
    return next;
  });
}
