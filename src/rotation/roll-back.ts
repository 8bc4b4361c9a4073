import { type Id, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { follow } from './journal.ts';
import { type Rotation, rotatedByAws, stragglersUntil, whyNotRollBack } from './model.ts';
import { turnedBack } from './moves-model.ts';
import { newerThan, touchRotation } from './touch.ts';

/** Hands out the old value again and throws the new one away. Before the switch, this cancels the rotation. */
export function rollBackRotation(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  return touchRotation(ports, asker, 'rotation.roll-back', rotationId, async (tx, { rotation, key, person }) => {
    refuseIf(whyNotRollBack(rotation, await newerThan(tx, rotation), rotatedByAws(key, ports.policy)));
    const next = turnedBack(rotation, `${person.name} rolled it back.`, tx.now, stragglersUntil(rotation, tx.now));
    await tx.rotations.save(next);
    tx.note({ from: rotation.step, step: next.step });
    await follow(tx, ports, next, key);
    return next;
  });
}
