import { type Id, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { type Incident, whyNotClaim, withEntry } from './model.ts';
import { workOn } from './work-on.ts';

/** Somebody coordinates the response from now on (SOP 8.3: the incident commander). */
export function claimIncident(
  ports: Pick<Ports, 'store'>,
  personId: Id<'person'>,
  ask: { incidentId: Id<'incident'>; takesOver: boolean },
): Promise<Incident> {
  return workOn(ports, personId, 'incidents.claim', ask.incidentId, async (tx, { incident, key, worker }) => {
    refuseIf(whyNotClaim(incident, worker, key, ask.takesOver));
    tx.note({ from: incident.commander, to: worker.id });
    // Who leads keeps the card at hand, wherever they follow the channel from.
    await tx.cards.show('incidents.card', incident.id, { person: worker.id });
    const text = incident.commander ? 'Takes over the lead' : 'Leads this incident';
    return withEntry({ ...incident, commander: worker.id }, worker.id, text, tx.now);
  });
}
