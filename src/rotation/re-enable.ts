import { whyNotTouch } from '../inventory/may-model.ts';
import { after, type Id, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { follow, stragglerMs } from './journal.ts';
import type { Rotation } from './model.ts';
import { newerThan } from './retry.ts';
import { reEnabled, whyNotReEnable } from './steps/scream-model.ts';

/** Something broke when the old value was disabled: it is enabled again, and its grace goes on. Its owner hears of it. */
export async function reEnableOld(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  const { keyId } = await ports.store.read((view) => view.rotations.get(rotationId));
  const actor = { kind: 'person', id: asker.id } as const;
  return ports.store.change({ actor, action: 'rotation.re-enable', subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const person = await tx.people.get(asker.id);
    refuseIf(whyNotTouch(person, 'rotation.re-enable', key));
    const rotation = await tx.rotations.get(rotationId);
    refuseIf(whyNotReEnable(rotation, await newerThan(tx, rotation)));
    const underWay = rotation.status === 'running' && rotation.step === 'disable';
    const next = reEnabled(rotation, person.name, tx.now, underWay ? after(tx.now, stragglerMs) : null);
    await tx.rotations.save(next);
    tx.note({ from: rotation.step });
    // Each objection is told in a message of its own: an edited one wakes nobody.
    await tx.cards.show(`rotation:re-enabled-${next.fence}`, next.id, { person: key.ownerId });
    await follow(tx, ports, next, key);
    return next;
  });
}
