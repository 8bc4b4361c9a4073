import { type Id, Refusal, refuseIf } from '../kernel.ts';
import { whyNot } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import type { Scope } from './model.ts';

/** Somebody turns their calendar off; its address is dead when this returns. */
export function closeFeed({ store }: Pick<Ports, 'store'>, personId: Id<'person'>, scope: Scope): Promise<void> {
  const actor = { kind: 'person', id: personId } as const;
  return store.change({ actor, action: 'calendar.close', subject: personId }, async (tx) => {
    // Whoever may no longer have all keys in a calendar may still turn it off.
    refuseIf(whyNot(await tx.people.get(personId), 'calendar.subscribe'));
    const known = (await tx.calendars.ofPerson(personId)).find((each) => each.scope === scope);
    if (!known?.addressHash) throw new Refusal('conflict', 'This calendar is turned off already.');
    await tx.calendars.save({ ...known, addressHash: null });
    tx.note({ calendarId: known.id, scope });
  });
}
