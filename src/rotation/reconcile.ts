import { after, minute } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { follow } from './journal.ts';
import { openRecord, troubleOf } from './model.ts';
import { stopped, troubled } from './moves-model.ts';
import { isPageDue, pageAsked } from './pages-model.ts';

/** So many failures in a row are no hiccup any more: whoever looks at the card is told what it is. */
const troubleAfter = 3;

/**
 * Rotations that nothing takes further: whose job was lost gets another, whose job died of its failures ends with a
 * card that says so. One whose job keeps failing has that on its card while it is still tried, and where nothing works
 * somebody is woken then. Job `rotation.reconcile`.
 */
export async function reconcileRotations(ports: Pick<Ports, 'store' | 'policy'>): Promise<void> {
  const stalled = await ports.store.read((view) => view.rotations.stalled(after(view.now, -minute), 100));
  for (const { rotation: seen, trouble } of stalled) {
    const actor = { kind: 'job', id: 'rotation.reconcile' } as const;
    await ports.store.change(
      { actor, action: 'rotation.reconcile', subject: seen.id, keyId: seen.keyId },
      async (tx) => {
        const key = await tx.keys.get(seen.keyId);
        const rotation = await tx.rotations.get(seen.id);
        tx.note({ step: rotation.step, trouble });
        if (rotation.status !== 'running' || rotation.fence !== seen.fence) return;
        const next = trouble
          ? stopped(rotation, `It kept failing: ${plainly(trouble)}`, rotation.condition, tx.now)
          : { ...rotation, touchedAt: tx.now };
        await tx.rotations.save(next);
        await follow(tx, ports, next, key);
      },
    );
  }
  await noteTrouble(ports);
}

/** Says on the card of a rotation what its step keeps failing of, once for each trouble. */
async function noteTrouble({ store }: Pick<Ports, 'store'>): Promise<void> {
  const found = await store.read((view) => view.rotations.troubled(troubleAfter, 100));
  for (const { rotation: seen, trouble: said } of found) {
    // Each try has a number of its own, and it is the same trouble.
    const trouble = plainly(said).replace(/ \(request [^)]*\)$/, '');
    if (!openRecord(seen) || troubleOf(seen) === trouble) continue;
    const actor = { kind: 'job', id: 'rotation.reconcile' } as const;
    await store.change({ actor, action: 'rotation.trouble', subject: seen.id, keyId: seen.keyId }, async (tx) => {
      const { rotation } = await tx.rotations.withKey(seen.id);
      tx.note({ step: rotation.step, trouble });
      if (rotation.status !== 'running' || rotation.fence !== seen.fence) return;
      const isDue = isPageDue(rotation);
      await tx.rotations.save(troubled(isDue ? pageAsked(rotation, null, tx.now) : rotation, trouble));
      if (isDue) await tx.jobs.add('rotation.page', { rotationId: rotation.id }, { once: rotation.id });
      await tx.cards.touch(rotation.id);
    });
  }
}

/** Without the kind of error that stands before it. */
const plainly = (trouble: string) => trouble.replace(/^\w*Error: /, '');
