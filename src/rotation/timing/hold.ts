import { Later } from '../../kernel.ts';
import { locked, type Run, stepActor } from '../journal.ts';
import { untroubled } from '../moves-model.ts';
import { holdInWords, type Opening, waiting, waitsFor } from './windows-model.ts';

/**
 * The step that was about to begin has to wait for a window, or for the end of a freeze or a pause: nothing is touched,
 * the card says until when and why, and the same step comes again then.
 */
export async function holdBack(run: Run, opening: Opening): Promise<void> {
  const { ports, rotation: seen, now } = run;
  const until = waiting(seen, opening, now).continuesAt!;
  // It waits for this already, and another job of the same step came.
  if (seen.continuesAt?.getTime() === until.getTime()) {
    throw new Later('it waits for its time', until.getTime() - now.getTime());
  }
  const change = { actor: stepActor, action: 'rotation.wait', subject: seen.id, keyId: seen.keyId };
  await ports.store.change(change, async (tx) => {
    const { key, rotation } = await locked(tx, seen);
    const still = waitsFor(rotation, key, ports.policy, tx.now);
    const next = untroubled(still ? waiting(rotation, still, tx.now) : { ...rotation, continuesAt: null });
    await tx.rotations.save(next);
    tx.note({ step: next.step, until: next.continuesAt, why: (still?.holds ?? []).map(holdInWords) });
    await tx.jobs.add(
      'rotation.step',
      { rotationId: next.id, fence: next.fence },
      { once: `${next.id}-${next.fence}`, at: next.continuesAt ?? tx.now },
    );
    await tx.cards.touch(next.id);
    await tx.cards.touch(key.id);
    await tx.cards.touch(key.ownerId);
  });
}
