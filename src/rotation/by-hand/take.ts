import { type Id, refuseIf } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports, Tx } from '../../ports.ts';
import type { Rotation } from '../model.ts';
import { touchRotation } from '../touch.ts';
import { closedLink } from './hand-in-model.ts';
import { handedBack, takenOn, whyNotHandBack, whyNotTake } from './model.ts';

/** Somebody takes on what waits for a person; an administrator also from whoever has it. */
export function takeOn(
  ports: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  return changed(ports, asker, rotationId, 'rotation.take', async (tx, rotation, person) => {
    refuseIf(whyNotTake(rotation, person));
    tx.note({ from: rotation.taken?.by ?? null });
    return takenOn(rotation, person, tx.now);
  });
}

/** They cannot do it after all; somebody else has to. */
export function handBack(
  ports: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<Rotation> {
  return changed(ports, asker, rotationId, 'rotation.hand-back', async (tx, rotation, person) => {
    refuseIf(whyNotHandBack(rotation, person));
    return handedBack(rotation, tx.now);
  });
}

function changed(
  ports: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
  action: 'rotation.take' | 'rotation.hand-back',
  move: (tx: Tx, rotation: Rotation, person: Person) => Promise<Rotation>,
): Promise<Rotation> {
  return touchRotation(ports, asker, action, rotationId, async (tx, { rotation, person }) => {
    const next = await move(tx, rotation, person);
    await tx.rotations.save(next);
    // What somebody else had opened leads nowhere from here on.
    await endLinks(tx, next, next.taken?.by ?? null);
    await tx.cards.show('rotation:person', next.id, { person: person.id });
    await tx.cards.touch(next.id);
    return next;
  });
}

/** Ends every link of a rotation but those of this person. */
export async function endLinks(tx: Tx, rotation: Rotation, butOf: Id<'person'> | null): Promise<void> {
  for (const { id } of await tx.handIns.openOf(rotation.id)) {
    const link = await tx.handIns.get(id);
    if (link.status === 'open' && link.personId !== butOf) await tx.handIns.save(closedLink(link, 'ended', tx.now));
  }
}
