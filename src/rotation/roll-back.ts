import { whyNotTouch } from '../inventory/may-model.ts';
import { after, type Id, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { follow, stragglerMs } from './journal.ts';
import { openRecord, type Rotation, whyNotRollBack } from './model.ts';
import { turnedBack } from './moves-model.ts';
import { newerThan } from './retry.ts';

/** Hands out the old value again and throws the new one away. Before the switch, this cancels the rotation. */
export async function rollBackRotation(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  const { keyId } = await ports.store.read((view) => view.rotations.get(rotationId));
  const actor = { kind: 'person', id: asker.id } as const;
  return ports.store.change({ actor, action: 'rotation.roll-back', subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const person = await tx.people.get(asker.id);
    refuseIf(whyNotTouch(person, 'rotation.roll-back', key));
    const rotation = await tx.rotations.get(rotationId);
    refuseIf(whyNotRollBack(rotation, await newerThan(tx, rotation)));
    const underWay = rotation.status === 'running' && rotation.step !== 'grace' && openRecord(rotation);
    const next = turnedBack(
      rotation,
      `${person.name} turned back.`,
      tx.now,
      underWay ? after(tx.now, stragglerMs) : null,
    );
    await tx.rotations.save(next);
    tx.note({ from: rotation.step, step: next.step });
    await follow(tx, ports, next, key);
    return next;
  });
}
