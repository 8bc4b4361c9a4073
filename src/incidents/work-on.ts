import type { ApiKey } from '../inventory/model.ts';
import type { Actor, Id } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Change, Ports, Tx } from '../ports.ts';
import type { Incident } from './model.ts';

export interface Held {
  incident: Incident;
  key: ApiKey | null;
}

/** One change of one incident, in one transaction, on every card. What `move` answers is saved. */
export async function changeIncident(
  { store }: Pick<Ports, 'store'>,
  change: Pick<Change, 'actor' | 'action'>,
  incidentId: Id<'incident'>,
  move: (tx: Tx, held: Held) => Promise<Incident>,
): Promise<Incident> {
  // Key before incident, as in a report, so that nobody waits for each other; the key of an incident never changes.
  const keyId = (await store.read((view) => view.incidents.find(incidentId)))?.keyId ?? null;
  return store.change({ ...change, subject: incidentId, ...(keyId ? { keyId } : {}) }, async (tx) => {
    const key = keyId ? await tx.keys.get(keyId) : null;
    const incident = await tx.incidents.get(incidentId);
    const next = await move(tx, { incident, key });
    if (next === incident) return incident;
    await tx.incidents.save(next);
    await tx.cards.touch(next.id);
    return next;
  });
}

/** The same, by somebody: re-read under the lock. */
export function workOn(
  ports: Pick<Ports, 'store'>,
  workerId: Id<'person'>,
  action: string,
  incidentId: Id<'incident'>,
  move: (tx: Tx, held: Held & { worker: Person }) => Promise<Incident>,
): Promise<Incident> {
  const actor: Actor = { kind: 'person', id: workerId };
  return changeIncident(ports, { actor, action }, incidentId, async (tx, held) =>
    move(tx, { ...held, worker: await tx.people.get(workerId) }),
  );
}
