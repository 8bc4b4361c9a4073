import { type Id, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { follow } from './journal.ts';
import { type Rotation, whyNotRetry, whyNotRotate } from './model.ts';
import { retried } from './moves-model.ts';
import { newerThan, touchRotation } from './touch.ts';

/** Goes on with a failed rotation from the step that failed. */
export function retryRotation(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  return touchRotation(ports, asker, 'rotation.retry', rotationId, async (tx, { rotation, key }) => {
    refuseIf(whyNotRetry(rotation, await newerThan(tx, rotation)));
    refuseIf(whyNotRotate(key, null, true, ports.policy, tx.now));
    const next = retried(rotation, ports.policy, tx.now);
    await tx.rotations.save(next);
    tx.note({ step: next.step, attempt: next.attempt });
    await follow(tx, ports, next, key);
    return next;
  });
}
