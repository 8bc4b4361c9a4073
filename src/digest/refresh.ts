import { after, day } from '../kernel.ts';
import type { Ports } from '../ports.ts';

/** Digests younger than this are kept true. */
const keptDays = 14;
const batch = 200;

/** How late a key is changes with the day: digests that people may still look at are rendered again. Job `digest.refresh`. */
export async function refreshDigests({ store }: Pick<Ports, 'store'>): Promise<void> {
  const ids = await store.read((view) => view.digests.sentSince(after(view.now, -keptDays * day)));
  for (let i = 0; i < ids.length; i += batch) {
    const some = ids.slice(i, i + batch);
    const actor = { kind: 'job', id: 'digest.refresh' } as const;
    await store.change({ actor, action: 'digest.refresh', subject: some[0]! }, async (tx) => {
      for (const id of some) await tx.cards.touch(id);
      tx.note({ digests: some.length });
    });
  }
}
