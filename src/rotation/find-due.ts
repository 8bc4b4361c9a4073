import { startsAt } from '../inventory/model.ts';
import { after, hour, type Id, Refusal } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { whyNotIssue, whyNotRotate } from './model.ts';
import { opened } from './start.ts';
import { holdInWords, openingFor } from './windows-model.ts';

const batch = 100;

/** Starts the rotation of every key that is due and needs no person for it. Job `rotation.find-due`. Answers how many. */
export async function findDue(ports: Pick<Ports, 'store' | 'issuers' | 'policy'>): Promise<number> {
  let begun = 0;
  let next: string | null = null;
  do {
    const from: string | null = next;
    const due = await ports.store.read(async (view) => {
      const failedSince = after(view.now, -ports.policy.rotation.failedPauseHours * hour);
      const page = await view.rotations.dueKeys(failedSince, from, batch);
      const ids: Id<'key'>[] = [];
      for (const id of page.ids) {
        const key = await view.keys.get(id);
        const able = !whyNotIssue(key, ports.issuers.of(key.issuer));
        const open = openingFor(key, ports.policy, view.now).holds.length === 0;
        if (able && open && !whyNotRotate(key, null, false, ports.policy, view.now)) ids.push(id);
      }
      return { ids, next: page.next };
    });
    for (const id of due.ids) if (await startDue(ports, id)) begun++;
    next = due.next;
  } while (next);
  return begun;
}

async function startDue(ports: Pick<Ports, 'store' | 'issuers' | 'policy'>, keyId: Id<'key'>): Promise<boolean> {
  const actor = { kind: 'job', id: 'rotation.find-due' } as const;
  try {
    await ports.store.change({ actor, action: 'rotation.start', subject: keyId, keyId }, async (tx) => {
      const key = await tx.keys.get(keyId);
      const at = startsAt(key);
      if (!at || at > tx.now) {
        throw new Refusal('conflict', 'This key is no longer due.');
      }
      const [hold] = openingFor(key, ports.policy, tx.now).holds;
      if (hold) throw new Refusal('conflict', `Its rotation waits for ${holdInWords(hold)}.`);
      const ends = key.expiresAt && after(key.expiresAt, -ports.policy.rotation.beforeExpiryDays * 24 * hour);
      const cause = ends && ends <= tx.now ? 'expiry' : key.plannedAt ? 'planned' : 'due';
      const running = await tx.rotations.runningOf(keyId);
      await opened(tx, ports, key, running, { cause, causeId: null, askedBy: null, reason: null, emergency: false });
    });
    return true;
  } catch (error) {
    // Somebody else was faster, or the key has changed: recorded as refused, and no reason to leave the others waiting.
    if (error instanceof Refusal) return false;
    throw error;
  }
}
