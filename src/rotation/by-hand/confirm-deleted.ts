import { type Id, refuseIf } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { follow } from '../journal.ts';
import type { Rotation } from '../model.ts';
import { touchRotation } from '../touch.ts';
import { settledByHand, takenOn, whyNotDo } from './model.ts';

/** Somebody has deleted the old key at a service that we do not talk to. Their word is the evidence, and is kept as that. */
export function confirmDeleted(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  return touchRotation(ports, asker, 'rotation.confirm-deleted', rotationId, async (tx, { rotation, key, person }) => {
    refuseIf(whyNotDo(rotation, 'delete', person));
    const next = settledByHand(takenOn(rotation, person, tx.now), person.id, tx.now);
    await tx.rotations.save(next);
    tx.note({ service: key.service, oldLastFour: rotation.oldLastFour });
    await follow(tx, ports, next, key);
    return next;
  });
}
