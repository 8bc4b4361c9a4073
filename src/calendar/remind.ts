import { type Actor, after, day, type Id, Refusal } from '../kernel.ts';
import type { Ports, View } from '../ports.ts';
import { waitingOf } from '../rotation/by-hand/model.ts';
import { reminderOwed, saidByDigest } from './reminder-model.ts';

type RemindPorts = Pick<Ports, 'store' | 'policy' | 'issuers'>;

const reminder: Actor = { kind: 'job', id: 'calendar.remind' };

/**
 * Reminds owners of keys that are due soon and that only a person can rotate, in their working hours. One message for
 * each key, at each of the policy's days, however many workers ask. Job `calendar.remind`. Answers how many.
 */
export async function remindOwners(ports: RemindPorts, batch = 200): Promise<number> {
  const { remindDays } = ports.policy.rotation;
  if (remindDays.length === 0) return 0;
  let sent = 0;
  let next: Id<'key'> | null = null;
  do {
    const from: Id<'key'> | null = next;
    const page: { ids: Id<'key'>[]; owed: Id<'key'>[] } = await ports.store.read(async (view) => {
      // A weekend, a holiday of the policy's hours, and zones: nobody is reminded more than a week before their day.
      const before = after(view.now, (Math.max(...remindDays) + 8) * day);
      const ids = await view.reminders.candidates(before, Math.min(...remindDays), from, batch);
      const owed: Id<'key'>[] = [];
      for (const id of ids) if ((await owedOf(ports, view, id)) !== null) owed.push(id);
      return { ids, owed };
    });
    for (const id of page.owed) if (await remind(ports, id)) sent++;
    next = page.ids.length === batch ? page.ids.at(-1)! : null;
  } while (next);
  return sent;
}

type Facts = Pick<View, 'keys' | 'people' | 'reminders' | 'rotations' | 'now'>;

async function owedOf({ issuers, policy }: RemindPorts, facts: Facts, keyId: Id<'key'>): Promise<number | null> {
  const key = await facts.keys.get(keyId);
  if (waitingOf(key, issuers.of(key.issuer), policy) === 'nothing') return null;
  const owner = await facts.people.find(key.ownerId);
  if (owner?.status !== 'active' || (await facts.rotations.runningOf(keyId))) return null;
  return reminderOwed(key, owner, await facts.reminders.find(keyId), policy, facts.now);
}

async function remind(ports: RemindPorts, keyId: Id<'key'>): Promise<boolean> {
  try {
    await ports.store.change({ actor: reminder, action: 'calendar.remind', subject: keyId, keyId }, async (tx) => {
      // The key's row is the lock: a reminder that was never sent has none of its own.
      const key = await tx.keys.get(keyId);
      const days = await owedOf(ports, tx, keyId);
      if (days === null) throw new Refusal('conflict', 'Nobody is to be reminded of this key now.');
      await tx.reminders.save({ id: keyId, personId: key.ownerId, dueAt: key.nextRotationAt!, days, sentAt: tx.now });
      const digest = await tx.digests.find(key.ownerId);
      const silent = saidByDigest(days, digest?.sentAt ?? null, ports.policy, tx.now);
      tx.note({ personId: key.ownerId, dueAt: key.nextRotationAt, days, inTheDigest: silent });
      if (!silent) await tx.cards.show('calendar.reminder', keyId, { person: key.ownerId }, { anew: true });
    });
    return true;
  } catch (error) {
    // Another worker was faster, or the key has changed: recorded as refused, and no reason to leave the others waiting.
    if (error instanceof Refusal) return false;
    throw error;
  }
}
