import { whyNotTouch } from '../inventory/may-model.ts';
import type { ApiKey } from '../inventory/model.ts';
import { type Id, refuseIf } from '../kernel.ts';
import type { Action, Person } from '../people/model.ts';
import type { Ports, Tx, View } from '../ports.ts';
import type { Rotation } from './model.ts';

/** Somebody does something to a rotation, and may do that to its key. Both are locked and as they are now. */
export async function touchRotation<T>(
  { store }: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  action: Extract<Action, `rotation.${string}`>,
  rotationId: Id<'rotation'>,
  fn: (tx: Tx, found: { rotation: Rotation; key: ApiKey; person: Person }) => Promise<T>,
): Promise<T> {
  const { keyId } = await store.look((view) => view.rotations.get(rotationId));
  const actor = { kind: 'person', id: asker.id } as const;
  return store.change({ actor, action, subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const person = await tx.people.get(asker.id);
    refuseIf(whyNotTouch(person, action, key));
    return fn(tx, { rotation: await tx.rotations.get(rotationId), key, person });
  });
}

/** The latest rotation of the same key, when that is another one. */
export async function newerThan(view: Pick<View, 'rotations'>, rotation: Rotation): Promise<Rotation | null> {
  const [latest] = await view.rotations.ofKey(rotation.keyId, 1);
  return latest && latest.id !== rotation.id ? latest : null;
}
