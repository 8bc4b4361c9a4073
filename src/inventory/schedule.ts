import { type Id, type Instant, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { whyNotTouch } from './may-model.ts';
import { type ApiKey, whyNotSchedule } from './model.ts';

/** Plans the next rotation of a key for a moment that suits those who depend on it; the schedule starts it then. */
export function scheduleRotation(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  schedulerId: Id<'person'>,
  { keyId, at }: { keyId: Id<'key'>; at: Instant },
): Promise<ApiKey> {
  const actor = { kind: 'person', id: schedulerId } as const;
  return store.change({ actor, action: 'inventory.schedule', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const scheduler = await tx.people.get(schedulerId);
    refuseIf(whyNotTouch(scheduler, 'inventory.schedule', key) ?? whyNotSchedule(key, scheduler, at, policy, tx.now));
    const next: ApiKey = { ...key, plannedAt: at };
    await tx.keys.save(next);
    await tx.cards.touch(keyId);
    await tx.cards.touch(key.ownerId);
    tx.note({ at, before: key.plannedAt, due: key.nextRotationAt });
    return next;
  });
}
