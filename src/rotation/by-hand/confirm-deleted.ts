import { whyNotTouch } from '../../inventory/may-model.ts';
import { type Id, refuseIf } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { follow } from '../journal.ts';
import type { Rotation } from '../model.ts';
import { settledByHand, takenOn, whyNotDo } from './model.ts';

/** Somebody has deleted the old key at a service that we do not talk to. Their word is the evidence, and is kept as that. */
export async function confirmDeleted(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  const { keyId } = await ports.store.read((view) => view.rotations.get(rotationId));
  const actor = { kind: 'person', id: asker.id } as const;
  const change = { actor, action: 'rotation.confirm-deleted', subject: rotationId, keyId };
  return ports.store.change(change, async (tx) => {
    const key = await tx.keys.get(keyId);
    const person = await tx.people.get(asker.id);
    refuseIf(whyNotTouch(person, 'rotation.confirm-deleted', key));
    const rotation = await tx.rotations.get(rotationId);
    refuseIf(whyNotDo(rotation, 'delete', person));
    const next = settledByHand(takenOn(rotation, person, tx.now), person.id, tx.now);
    await tx.rotations.save(next);
    tx.note({ service: key.service, oldLastFour: rotation.oldLastFour });
    await follow(tx, ports, next, key);
    return next;
  });
}
