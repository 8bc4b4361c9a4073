import { after, minute } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { follow } from './journal.ts';
import { stopped } from './moves-model.ts';

/**
 * Rotations that nothing takes further: whose job was lost gets another, whose job died of its failures ends with a
 * card that says so. Job `rotation.reconcile`.
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
          ? stopped(rotation, `It kept failing: ${trouble}`, rotation.condition, tx.now)
          : { ...rotation, touchedAt: tx.now };
        await tx.rotations.save(next);
        await follow(tx, ports, next, key);
      },
    );
  }
}
