import { type Id, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { closed, type Incident, whyNotClose } from './model.ts';
import { workOn } from './work-on.ts';

/** The end of an incident: every line is done or has a reason why it is not needed. */
export function closeIncident(
  ports: Pick<Ports, 'store'>,
  personId: Id<'person'>,
  ask: { incidentId: Id<'incident'>; lesson: string },
): Promise<Incident> {
  return workOn(ports, personId, 'incidents.close', ask.incidentId, async (tx, { incident, worker }) => {
    refuseIf(whyNotClose(incident, worker, ask.lesson));
    tx.note({ lesson: ask.lesson, severity: incident.severity });
    return closed(incident, worker.id, ask.lesson, tx.now);
  });
}
