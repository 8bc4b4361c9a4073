import { day, type Id } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { reassessed } from './model.ts';

const batch = 200;

/**
 * Time alone makes a key dangerous: never rotated in more than 90 days (SOP 1.3). Looks once a day for the keys that
 * have just become so; their owners are told. Job `inventory.reassess`.
 */
export async function reassessKeys({ store, policy }: Pick<Ports, 'store' | 'policy'>): Promise<void> {
  let after: Id<'key'> | null = null;
  do {
    const from: Id<'key'> | null = after;
    const ids: Id<'key'>[] = await store.read((view) => {
      const madeBefore = new Date(view.now.getTime() - policy.risk.neverRotatedDays * day);
      return view.keys.neverRotated(madeBefore, from, batch);
    });
    for (const keyId of ids) await reassess({ store, policy }, keyId);
    after = ids.length === batch ? ids.at(-1)! : null;
  } while (after);
}

function reassess({ store, policy }: Pick<Ports, 'store' | 'policy'>, keyId: Id<'key'>): Promise<void> {
  const actor = { kind: 'job', id: 'inventory.reassess' } as const;
  return store.change({ actor, action: 'inventory.reassess', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const next = reassessed(key, key, policy, tx.now);
    tx.note({ from: key.risk, to: next.risk });
    if (next.risk === key.risk) return;
    await tx.keys.save(next);
    await tx.cards.show('inventory.risk', keyId, { person: key.ownerId });
    await tx.cards.touch(keyId);
    await tx.cards.touch(key.ownerId);
  });
}
