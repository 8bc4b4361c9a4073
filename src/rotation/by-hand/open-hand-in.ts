import { whyNotTouch } from '../../inventory/may-model.ts';
import { freshToken, type Id, Refusal, refuseIf, sha256 } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { type HandIn, linkMade } from './hand-in-model.ts';
import { takenOn, whyNotDo } from './model.ts';
import { endLinks } from './take.ts';

/**
 * A link to the page where this person hands in the new key; every earlier one of this rotation is over with it. The
 * address is for them alone: it must go where nobody else reads it.
 */
export async function openHandIn(
  ports: Pick<Ports, 'store' | 'signIn' | 'address'>,
  asker: Pick<Person, 'id'>,
  rotationId: Id<'rotation'>,
): Promise<{ url: string; link: HandIn }> {
  const { store, signIn, address } = ports;
  const { keyId } = await store.read((view) => view.rotations.get(rotationId));
  const token = freshToken();
  const tokenHash = await sha256(token);
  const actor = { kind: 'person', id: asker.id } as const;
  const change = { actor, action: 'rotation.open-hand-in', subject: rotationId, keyId };
  const link = await store.change(change, async (tx) => {
    const key = await tx.keys.get(keyId);
    const person = await tx.people.get(asker.id);
    refuseIf(whyNotTouch(person, 'rotation.hand-in', key));
    const rotation = await tx.rotations.get(rotationId);
    refuseIf(whyNotDo(rotation, 'hand-in', person));
    if (signIn.whyNot) throw new Refusal('conflict', signIn.whyNot);
    const taken = takenOn(rotation, person, tx.now);
    await endLinks(tx, taken, null);
    const made = linkMade(tx.newId('handIn'), rotation, person.id, tokenHash, tx.now);
    await tx.handIns.save(made);
    if (taken !== rotation) await tx.rotations.save(taken);
    await tx.cards.touch(rotation.id);
    tx.note({ linkId: made.id, endsAt: made.endsAt });
    return made;
  });
  return { url: address(`/hand-in/${link.id}/${token}`), link };
}
