import { whyNotTouch } from '../../inventory/may-model.ts';
import { type Id, refuseIf } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { follow } from '../journal.ts';
import type { Rotation } from '../model.ts';
import { newerThan } from '../retry.ts';
import { forcedNow, unconfirmed, whyNotRetireNow } from './model.ts';

/** Somebody who answers for the key has the old value retired although it is not known that nobody uses it any more. */
export async function retireNow(
  ports: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  { rotationId, reason }: { rotationId: Id<'rotation'>; reason: string },
): Promise<Rotation> {
  const { keyId } = await ports.store.read((view) => view.rotations.get(rotationId));
  const actor = { kind: 'person', id: asker.id } as const;
  return ports.store.change({ actor, action: 'rotation.retire-now', subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const person = await tx.people.get(asker.id);
    refuseIf(whyNotTouch(person, 'rotation.retire-now', key));
    const rotation = await tx.rotations.get(rotationId);
    refuseIf(whyNotRetireNow(rotation, await newerThan(tx, rotation)));
    const next = forcedNow(rotation, person, reason.trim(), tx.now);
    await tx.rotations.save(next);
    tx.note({ reason: reason.trim(), unconfirmed: unconfirmed(rotation).map((each) => each.consumerId) });
    await follow(tx, ports, next, key);
    return next;
  });
}
