import { whyNotTouch } from '../inventory/may-model.ts';
import { type Id, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports, View } from '../ports.ts';
import { follow } from './journal.ts';
import { type Rotation, whyNotRetry, whyNotRotate } from './model.ts';
import { retried } from './moves-model.ts';

/** Goes on with a failed rotation from the step that failed. */
export async function retryRotation(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  const { keyId } = await ports.store.read((view) => view.rotations.get(rotationId));
  const actor = { kind: 'person', id: asker.id } as const;
  return ports.store.change({ actor, action: 'rotation.retry', subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(asker.id), 'rotation.retry', key));
    const rotation = await tx.rotations.get(rotationId);
    refuseIf(whyNotRetry(rotation, await newerThan(tx, rotation)));
    refuseIf(whyNotRotate(key, null, true, ports.policy, tx.now));
    const next = retried(rotation, ports.policy, tx.now);
    await tx.rotations.save(next);
    tx.note({ step: next.step, attempt: next.attempt });
    await follow(tx, ports, next, key);
    return next;
  });
}

/** The latest rotation of the same key, when that is another one. */
export async function newerThan(view: Pick<View, 'rotations'>, rotation: Rotation): Promise<Rotation | null> {
  const [latest] = await view.rotations.ofKey(rotation.keyId, 1);
  return latest && latest.id !== rotation.id ? latest : null;
}
