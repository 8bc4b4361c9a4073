import { type ApiKey, startsAt } from '../../inventory/model.ts';
import { after, hour, type Id, Refusal } from '../../kernel.ts';
import { diesAtOnce } from '../../policy.ts';
import type { Ports } from '../../ports.ts';
import { whyNotIssue, whyNotRotate } from '../model.ts';
import { isOwn } from '../own-model.ts';
import { block, missingFor } from '../preflight.ts';
import { opened } from '../start.ts';
import { goesAfter } from './last.ts';
import { holdInWords, openingFor } from './windows-model.ts';

const batch = 100;
type DuePorts = Pick<Ports, 'store' | 'issuers' | 'policy' | 'secrets'>;
const actor = { kind: 'job', id: 'rotation.find-due' } as const;

/**
 * Starts the rotation of every key that is due and needs no person to start it; what Keysteward itself works with comes
 * last, when nothing else that works with it is being rotated. Job `rotation.find-due`. Answers how many.
 */
export async function findDue(ports: DuePorts): Promise<number> {
  let begun = 0;
  const own: ApiKey[] = [];
  const start = async (key: ApiKey) => {
    // Looked at outside of any change; a provider that does not answer holds nothing up.
    const missing = await missingFor(ports, key);
    if (missing.length > 0) await block(ports, actor, key, { missing });
    else if (await startDue(ports, key.id)) begun++;
  };
  let next: string | null = null;
  do {
    const from: string | null = next;
    const due = await ports.store.read(async (view) => {
      const failedSince = after(view.now, -ports.policy.rotation.failedPauseHours * hour);
      const page = await view.rotations.dueKeys(failedSince, from, batch);
      const keys: ApiKey[] = [];
      for (const id of page.ids) {
        const key = await view.keys.get(id);
        const able = !whyNotIssue(key, ports.issuers.of(key.issuer), ports.policy) && !diesAtOnce(key, ports.policy);
        const open = openingFor(key, ports.policy, view.now).holds.length === 0;
        if (able && open && !whyNotRotate(key, null, false, ports.policy, view.now)) keys.push(key);
      }
      return { keys, next: page.next };
    });
    for (const key of due.keys) {
      if (isOwn(key, ports.policy)) own.push(key);
      else await start(key);
    }
    next = due.next;
  } while (next);
  for (const key of own) {
    const before = await ports.store.read((view) => goesAfter(view, key, ports.policy, 'schedule'));
    if (before.length === 0) await start(key);
  }
  return begun;
}

async function startDue(ports: DuePorts, keyId: Id<'key'>): Promise<boolean> {
  try {
    await ports.store.change({ actor, action: 'rotation.start', subject: keyId, keyId }, async (tx) => {
      const key = await tx.keys.get(keyId);
      const at = startsAt(key);
      if (!at || at > tx.now) {
        throw new Refusal('conflict', 'This key is no longer due.');
      }
      if ((await goesAfter(tx, key, ports.policy, 'schedule')).length > 0) {
        throw new Refusal('conflict', 'Another rotation works with this credential, and it goes last.');
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
