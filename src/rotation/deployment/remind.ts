import type { Id } from '../../kernel.ts';
import type { Ports } from '../../ports.ts';
import { planReminder } from './deploy.ts';
import { isStale, unconfirmed } from './model.ts';

/** Whoever was asked to move something and has not said that it is done is asked again. Job `rotation.remind`. */
export async function remindMovers(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  { rotationId }: { rotationId: Id<'rotation'> },
): Promise<void> {
  const { keyId } = await store.read((view) => view.rotations.get(rotationId));
  const actor = { kind: 'job', id: 'rotation.remind' } as const;
  await store.change({ actor, action: 'rotation.remind', subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const rotation = await tx.rotations.get(rotationId);
    const waits = rotation.status === 'running' || (rotation.status === 'failed' && rotation.step === 'grace');
    const asked = unconfirmed(rotation).filter(
      (each) => each.kind === 'person' && each.news === 'rotated' && !isStale(rotation, each, key.currentVersion),
    );
    tx.note({ asked: asked.map((each) => each.consumerId) });
    if (!waits || asked.length === 0) return;
    for (const mover of new Set(asked.map((each) => each.claimedBy ?? each.personId ?? key.ownerId))) {
      await tx.cards.show('rotation:move', rotationId, { person: mover }, { anew: true });
    }
    await planReminder(tx, policy, rotation, asked[0]!.claimedBy ?? asked[0]!.personId);
  });
}
