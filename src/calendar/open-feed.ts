import { freshToken, type Id, isId, refuseIf, sha256 } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { type Scope, whyNotSubscribe } from './model.ts';

/**
 * Somebody wants an address for their calendar, the first or a new one. It is answered here and kept nowhere; an
 * earlier one is dead when this returns.
 */
export async function openFeed(
  { store, address }: Pick<Ports, 'store' | 'address'>,
  personId: Id<'person'>,
  scope: Scope,
): Promise<string> {
  const secret = freshToken();
  const actor = { kind: 'person', id: personId } as const;
  await store.change({ actor, action: 'calendar.open', subject: personId }, async (tx) => {
    // The person's row is the lock: a calendar that was never opened has none of its own.
    const person = await tx.people.get(personId);
    const team = isId('team', scope) ? await tx.teams.find(scope) : null;
    refuseIf(whyNotSubscribe(person, scope, team));
    const known = (await tx.calendars.ofPerson(personId)).find((each) => each.scope === scope);
    const id = known?.id ?? tx.newId('calendar');
    const addressHash = await sha256(secret);
    await tx.calendars.save({ id, personId, scope, addressHash, madeAt: tx.now, fetchedAt: null });
    tx.note({ calendarId: id, scope, replaces: known?.addressHash ? known.madeAt : null });
  });
  return address(`/calendar/${secret}.ics`);
}
