import { type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import { gone, kindsOf } from '../reviews/model.ts';
import { whyNotTouch } from './may-model.ts';
import type { ApiKey } from './model.ts';

/** A key is no longer in use. Its entry and its history stay; nobody is given access to it or reminded of it any more. */
export function retireKey(
  { store }: Pick<Ports, 'store'>,
  retirerId: Id<'person'>,
  { keyId, reason }: { keyId: Id<'key'>; reason: string },
): Promise<ApiKey> {
  const actor = { kind: 'person', id: retirerId } as const;
  return store.change({ actor, action: 'inventory.retire', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(retirerId), 'inventory.retire', key));
    if (key.status !== 'active') throw new Refusal('conflict', `${key.name} is retired already.`);
    if (await tx.rotations.runningOf(keyId)) {
      throw new Refusal('conflict', 'A rotation of this key is running. Retire it when that has ended.');
    }
    const live = await tx.grants.countLive(keyId);
    const asked = (await tx.requests.openFor(keyId)).length;
    if (live + asked > 0) {
      const open = `${live} open ${live === 1 ? 'access' : 'accesses'} and ${asked} waiting ${asked === 1 ? 'request' : 'requests'}`;
      throw new Refusal('conflict', `There are still ${open} for this key. Close them first.`);
    }
    const next: ApiKey = {
      ...key,
      status: 'retired',
      nextRotationAt: null,
      plannedAt: null,
      snooze: null,
      pause: null,
      overdue: null,
      blocked: null,
    };
    await tx.keys.save(next);
    await closeWhatItMayDo(tx, keyId);
    await tx.cards.touch(key.id);
    await tx.cards.touch(key.ownerId);
    tx.note({ reason: reason.trim() });
    return next;
  });
}

/** What a key that is not in use may do matters no more. */
async function closeWhatItMayDo(tx: Tx, keyId: Id<'key'>): Promise<void> {
  const kinds = kindsOf('permissions');
  for (const finding of (await tx.findings.openOfKey(keyId)).filter((each) => kinds.includes(each.kind))) {
    await tx.findings.save(gone(finding, tx.now));
    tx.record('reviews.close', finding.id, { kind: finding.kind }, keyId);
  }
}
