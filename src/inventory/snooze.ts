import { summaryId } from '../digest/model.ts';
import { type Id, type Instant, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { whyNotTouch } from './may-model.ts';
import { type ApiKey, snoozesOf, whyNotSnooze } from './model.ts';

export interface SnoozeAsk {
  keyId: Id<'key'>;
  until: Instant;
  reason: string;
}

/** Silences the reminders of a key, and the schedule with them, until a day. Everybody who looks at the key sees why. */
export function snoozeKey(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  snoozerId: Id<'person'>,
  { keyId, until, reason }: SnoozeAsk,
): Promise<ApiKey> {
  const actor = { kind: 'person', id: snoozerId } as const;
  return store.change({ actor, action: 'inventory.snooze', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const snoozer = await tx.people.get(snoozerId);
    refuseIf(whyNotTouch(snoozer, 'inventory.snooze', key));
    const leaked = (await tx.incidents.openOfKey(keyId)) !== null;
    refuseIf(whyNotSnooze(key, leaked, snoozer, { until, reason }, policy, tx.now));
    const times = snoozesOf(key) + 1;
    const snooze = { until: until.toISOString(), reason: reason.trim(), by: snoozerId, times };
    const next: ApiKey = { ...key, snooze, plannedAt: null };
    await tx.keys.save(next);
    await tx.cards.touch(keyId);
    await tx.cards.touch(key.ownerId);
    await tx.cards.touch(summaryId);
    tx.note({ until, reason, times, before: key.snooze, plannedBefore: key.plannedAt });
    return next;
  });
}
