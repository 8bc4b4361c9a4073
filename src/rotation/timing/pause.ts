import { summaryId } from '../../digest/model.ts';
import { whyNotTouch } from '../../inventory/may-model.ts';
import type { ApiKey } from '../../inventory/model.ts';
import { type Id, refuseIf } from '../../kernel.ts';
import type { Ports, Tx } from '../../ports.ts';
import { type PauseAsk, paused, resumed, whyNotPause, whyNotResume } from './pauses-model.ts';
import { waiting, waitsFor } from './windows-model.ts';

type PausePorts = Pick<Ports, 'store' | 'policy'>;

/**
 * The rotation of a key stands still until a day, for a reason that everybody sees. A step that has begun is finished; an
 * emergency does not care.
 */
export function pauseRotation(
  { store, policy }: PausePorts,
  pauserId: Id<'person'>,
  { keyId, ...ask }: PauseAsk & { keyId: Id<'key'> },
): Promise<ApiKey> {
  const actor = { kind: 'person', id: pauserId } as const;
  return store.change({ actor, action: 'rotation.pause', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const pauser = await tx.people.get(pauserId);
    refuseIf(whyNotTouch(pauser, 'rotation.pause', key));
    const leaked = (await tx.incidents.openOfKey(keyId)) !== null;
    refuseIf(whyNotPause(key, leaked, pauser, ask, policy, tx.now));
    const next = paused(key, pauserId, ask, tx.now);
    await tx.keys.save(next);
    tx.note({ until: ask.until, reason: ask.reason, before: key.pause });
    await tx.jobs.add('rotation.end-pause', { keyId }, { at: ask.until });
    if (key.ownerId !== pauserId) {
      await tx.cards.show('rotation.paused', keyId, { person: key.ownerId }, { anew: true });
    }
    await shown(tx, next);
    return next;
  });
}

/** The rotation of a key may go on before its pause is over. What had begun to wait begins again at once. */
export function resumeRotation(
  { store, policy }: PausePorts,
  resumerId: Id<'person'>,
  keyId: Id<'key'>,
): Promise<ApiKey> {
  const actor = { kind: 'person', id: resumerId } as const;
  return store.change({ actor, action: 'rotation.resume', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(resumerId), 'rotation.resume', key));
    refuseIf(whyNotResume(key, tx.now));
    const next = resumed(key, tx.now);
    await tx.keys.save(next);
    tx.note({ until: key.pause!.until, by: key.pause!.by });
    if (key.pause!.by !== resumerId) await tx.cards.show('rotation.paused', keyId, { person: key.pause!.by });
    const running = await tx.rotations.runningOf(keyId);
    const rotation = running && (await tx.rotations.get(running.id));
    if (rotation && waitsFor(rotation, key, policy, tx.now)) {
      const opening = waitsFor(rotation, next, policy, tx.now);
      const after = opening
        ? waiting(rotation, opening, tx.now)
        : { ...rotation, continuesAt: null, touchedAt: tx.now };
      await tx.rotations.save(after);
      await tx.jobs.add(
        'rotation.step',
        { rotationId: after.id, fence: after.fence },
        { once: `${after.id}-${after.fence}`, at: after.continuesAt ?? tx.now },
      );
    }
    await shown(tx, next);
    return next;
  });
}

/** The time of a pause has come: it is over by itself, and every card says so. Job `rotation.end-pause`. */
export async function endPause({ store }: Pick<Ports, 'store'>, { keyId }: { keyId: Id<'key'> }): Promise<void> {
  const isOver = ({ pause }: ApiKey, now: Date) => pause !== null && !pause.endedAt && new Date(pause.until) <= now;
  const { key: seen, now } = await store.read(async (view) => ({ key: await view.keys.get(keyId), now: view.now }));
  if (!isOver(seen, now)) return;
  const actor = { kind: 'job', id: 'rotation.end-pause' } as const;
  await store.change({ actor, action: 'rotation.end-pause', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    if (!isOver(key, tx.now)) return;
    tx.note({ since: key.pause!.since, by: key.pause!.by });
    await tx.keys.save(resumed(key, tx.now));
    await shown(tx, key);
  });
}

async function shown(tx: Tx, key: ApiKey): Promise<void> {
  await tx.cards.touch(key.id);
  await tx.cards.touch(key.ownerId);
  await tx.cards.touch(summaryId);
  const running = await tx.rotations.runningOf(key.id);
  if (running) await tx.cards.touch(running.id);
}
