import { type Id, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { follow } from './journal.ts';
import { type Rotation, stragglersUntil } from './model.ts';
import { reEnabled, whyNotReEnable } from './steps/scream-model.ts';
import { newerThan, touchRotation } from './touch.ts';

/** Something broke when the old value was disabled: it is enabled again, and its grace goes on. Its owner hears of it. */
export function reEnableOld(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  return touchRotation(ports, asker, 'rotation.re-enable', rotationId, async (tx, { rotation, key, person }) => {
    refuseIf(whyNotReEnable(rotation, await newerThan(tx, rotation)));
    const next = reEnabled(rotation, person.name, tx.now, stragglersUntil(rotation, tx.now));
    await tx.rotations.save(next);
    tx.note({ from: rotation.step });
    // Each objection is told in a message of its own: an edited one wakes nobody.
    await tx.cards.show(`rotation:re-enabled-${next.fence}`, next.id, { person: key.ownerId });
    await follow(tx, ports, next, key);
    return next;
  });
}
