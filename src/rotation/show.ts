import { whyNotTouch } from '../inventory/may-model.ts';
import { type Id, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';

/**
 * Somebody wants a rotation's card where they are asked for nothing by themselves: of a campaign nobody has one, and whoever
 * something broke for has none. It comes to their direct messages, because they will act on it.
 */
export async function showRotation(
  { store }: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<void> {
  const { keyId } = await store.read((view) => view.rotations.get(rotationId));
  const actor = { kind: 'person', id: asker.id } as const;
  await store.change({ actor, action: 'rotation.show', subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(asker.id), 'rotation.show', key));
    await tx.cards.show('rotation', rotationId, { person: asker.id }, { anew: true });
  });
}
