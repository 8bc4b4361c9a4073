import { type Id, refuseIf } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { follow } from '../journal.ts';
import type { Rotation } from '../model.ts';
import { newerThan, touchRotation } from '../touch.ts';
import { forcedNow, unconfirmed, whyNotRetireNow } from './model.ts';

/** Somebody who answers for the key has the old value retired although it is not known that nobody uses it any more. */
export function retireNow(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  { rotationId, reason }: { rotationId: Id<'rotation'>; reason: string },
): Promise<Rotation> {
  return touchRotation(ports, asker, 'rotation.retire-now', rotationId, async (tx, { rotation, key, person }) => {
    refuseIf(whyNotRetireNow(rotation, await newerThan(tx, rotation)));
    const next = forcedNow(rotation, person, reason.trim(), tx.now);
    await tx.rotations.save(next);
    tx.note({ reason: reason.trim(), unconfirmed: unconfirmed(rotation).map((each) => each.consumerId) });
    await follow(tx, ports, next, key);
    return next;
  });
}
