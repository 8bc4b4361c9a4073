import { type ApiKey, startsAt } from '../../inventory/model.ts';
import { after, hour, type Id, Refusal } from '../../kernel.ts';
import type { Ports } from '../../ports.ts';
import { whyNotIssue, whyNotRotate } from '../model.ts';
import { lookOutside } from '../preflight.ts';
import { missingOutside } from '../preflight-model.ts';
import { opened } from '../start.ts';
import { holdInWords, openingFor } from './windows-model.ts';

const batch = 100;
type DuePorts = Pick<Ports, 'store' | 'issuers' | 'policy' | 'secrets'>;
const actor = { kind: 'job', id: 'rotation.find-due' } as const;

/** Starts the rotation of every key that is due and needs no person for it. Job `rotation.find-due`. Answers how many. */
export async function findDue(ports: DuePorts): Promise<number> {
  let begun = 0;
  let next: string | null = null;
  do {
    const from: string | null = next;
    const due = await ports.store.read(async (view) => {
      const failedSince = after(view.now, -ports.policy.rotation.failedPauseHours * hour);
      const page = await view.rotations.dueKeys(failedSince, from, batch);
      const keys: ApiKey[] = [];
      for (const id of page.ids) {
        const key = await view.keys.get(id);
        const able = !whyNotIssue(key, ports.issuers.of(key.issuer));
        const open = openingFor(key, ports.policy, view.now).holds.length === 0;
        if (able && open && !whyNotRotate(key, null, false, ports.policy, view.now)) keys.push(key);
      }
      return { keys, next: page.next };
    });
    for (const key of due.keys) {
      // Looked at outside of any change; a provider that does not answer holds nothing up.
      const missing = await missingFor(ports, key);
      if (missing.length > 0) await block(ports, key, missing);
      else if (await startDue(ports, key.id)) begun++;
    }
    next = due.next;
  } while (next);
  return begun;
}

/** What a preflight finds missing outside, in words and with what to do. */
async function missingFor(ports: DuePorts, key: ApiKey): Promise<string[]> {
  const [previous] = await ports.store.read((view) => view.rotations.ofKey(key.id, 1));
  const inside = { key, issuer: ports.issuers.of(key.issuer), previous: previous ?? null };
  const found = missingOutside(inside, await lookOutside(ports, key));
  return found
    .filter((each) => each.level === 'blocking')
    .map(({ sentence, whatToDo }) => `${sentence} ${whatToDo}`.trim());
}

/** A due key cannot be started: its owner is told of what is missing, once, in a message that follows what is found. */
async function block(ports: DuePorts, seen: ApiKey, missing: string[]): Promise<void> {
  const same = JSON.stringify(seen.blocked?.missing) === JSON.stringify(missing);
  if (same) return;
  await ports.store.change({ actor, action: 'rotation.block', subject: seen.id, keyId: seen.id }, async (tx) => {
    const key = await tx.keys.get(seen.id);
    const since = key.blocked?.since ?? tx.now.toISOString();
    await tx.keys.save({ ...key, blocked: { since, missing } });
    tx.note({ missing, since });
    const owner = await tx.people.find(key.ownerId);
    const to = owner?.status === 'active' ? { person: owner.id } : { channel: ports.policy.channels.security };
    await tx.cards.show('rotation.blocked', key.id, to, { anew: key.blocked === null });
    await tx.cards.touch(key.id);
  });
}

async function startDue(ports: DuePorts, keyId: Id<'key'>): Promise<boolean> {
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
      const free = { ...key, blocked: null };
      if (key.blocked) await tx.keys.save(free);
      await opened(tx, ports, free, running, { cause, causeId: null, askedBy: null, reason: null, emergency: false });
    });
    return true;
  } catch (error) {
    // Somebody else was faster, or the key has changed: recorded as refused, and no reason to leave the others waiting.
    if (error instanceof Refusal) return false;
    throw error;
  }
}
