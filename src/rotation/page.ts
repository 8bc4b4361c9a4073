import { whyNotTouch } from '../inventory/may-model.ts';
import { type Actor, type Id, isId, Refusal, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { isDrill, isReal, type Rotation, type RotationPage, troubleOf } from './model.ts';
import { failureOf, hasAskedFor, isPageOwed, pageAsked, pageSettled, whyNotPage } from './pages-model.ts';
import { newerThan } from './touch.ts';

/** Somebody presses Page on the card of a failed rotation: whoever is on call is woken, once for each failure. */
export async function askForPage(
  { store }: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  const { keyId } = await store.read((view) => view.rotations.get(rotationId));
  const actor = { kind: 'person', id: asker.id } as const;
  return store.change({ actor, action: 'rotation.page', subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const person = await tx.people.get(asker.id);
    const rotation = await tx.rotations.get(rotationId);
    refuseIf(hasAskedFor(rotation, person) ? null : whyNotTouch(person, 'rotation.page', key));
    refuseIf(whyNotPage(rotation, await newerThan(tx, rotation), tx.now));
    const next = pageAsked(rotation, asker.id, tx.now);
    await tx.rotations.save(next);
    tx.note({ asked: true });
    await tx.jobs.add('rotation.page', { rotationId }, { once: rotation.id });
    await tx.cards.touch(rotation.id);
    return next;
  });
}

const unpaged: Record<'no pager' | 'refused', string> = {
  'no pager': 'no pager is connected: PAGERDUTY_ROUTING_KEY is not set',
  refused: 'the pager refused it: check PAGERDUTY_ROUTING_KEY',
};

/**
 * Wakes somebody for a failed rotation: by itself where nobody can wait, or because somebody pressed Page; and where nothing
 * works for one that keeps failing, not only when it has given up, which is the same page. A repetition
 * has the same key and joins the alert that is open. What came of it is on the card and on record. Job `rotation.page`.
 */
export async function pageForRotation(
  ports: Pick<Ports, 'store' | 'pager'>,
  { rotationId }: { rotationId: Id<'rotation'> },
): Promise<void> {
  const { store } = ports;
  const seen = await store.read(async (view) => {
    const rotation = await view.rotations.get(rotationId);
    const key = await view.keys.get(rotation.keyId);
    return { rotation, name: key.name, owner: (await view.people.find(key.ownerId))?.name ?? 'nobody' };
  });
  const { keyId } = seen.rotation;
  const about = failureOf(seen.rotation);
  if (!isPageOwed(seen.rotation)) return;
  const outcome = await page(ports, seen);
  const actor: Actor = { kind: 'job', id: 'rotation.page' };
  await store.change({ actor, action: 'rotation.page', subject: rotationId, keyId }, async (tx) => {
    const paged = outcome === 'paged';
    tx.note({ paged, ...(paged ? {} : { why: unpaged[outcome] }) });
    await tx.keys.get(keyId);
    await tx.rotations.save(pageSettled(await tx.rotations.get(rotationId), about, outcome, tx.now));
    await tx.cards.touch(rotationId);
  });
}

async function page(
  { pager }: Pick<Ports, 'pager'>,
  { rotation, name, owner }: { rotation: Rotation; name: string; owner: string },
): Promise<NonNullable<RotationPage['outcome']>> {
  const { id, condition, failure, causeId } = rotation;
  const drill = isDrill(rotation) ? ', in a drill' : '';
  try {
    const reached = await pager.page({
      // Sixty that fail for one reason wake somebody once.
      dedupKey: isId('campaign', causeId) ? `campaign-${causeId}` : `rotation-${id}-${failureOf(rotation)}`,
      severity: isReal(rotation) || condition === 'none' ? 'critical' : 'error',
      summary:
        rotation.status === 'running'
          ? `No value of ${name} is known to work, and its rotation keeps failing${drill}`
          : `The rotation of ${name} failed${drill}`,
      details: { rotation: id, key: name, owner, condition, failure: failure ?? troubleOf(rotation) ?? '' },
    });
    return reached ? 'paged' : 'no pager';
  } catch (error) {
    // Final, and the people at the card have to know it.
    if (error instanceof Refusal) return 'refused';
    throw error;
  }
}
