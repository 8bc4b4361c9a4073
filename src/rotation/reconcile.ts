import { after, type Id, minute } from '../kernel.ts';
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

/** Wakes somebody for a rotation that failed where nobody can wait. Job `rotation.page`. */
export async function pageForRotation(
  { store, pager }: Pick<Ports, 'store' | 'pager'>,
  { rotationId }: { rotationId: Id<'rotation'> },
): Promise<void> {
  const { rotation, key } = await store.read(async (view) => {
    const found = await view.rotations.get(rotationId);
    return { rotation: found, key: await view.keys.get(found.keyId) };
  });
  if (rotation.status !== 'failed') return;
  await pager.page({
    dedupKey: `rotation-${rotation.id}-${rotation.fence}`,
    severity: 'critical',
    summary: `The rotation of ${key.name} failed`,
    details: {
      rotation: rotation.id,
      key: key.name,
      condition: rotation.condition,
      failure: rotation.failure ?? '',
    },
  });
}
