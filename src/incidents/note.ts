import { type Id, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { type Incident, whyNotNote, withEntry } from './model.ts';
import { workOn } from './work-on.ts';

/** Adds what somebody saw or did to the timeline (SOP 8.1: document the timeline of events). */
export function addNote(
  ports: Pick<Ports, 'store'>,
  personId: Id<'person'>,
  ask: { incidentId: Id<'incident'>; text: string },
): Promise<Incident> {
  return workOn(ports, personId, 'incidents.note', ask.incidentId, async (tx, { incident, key, worker }) => {
    refuseIf(whyNotNote(incident, worker, key, ask.text));
    tx.note({ text: ask.text });
    return withEntry(incident, worker.id, ask.text.trim(), tx.now);
  });
}
