import type { Id } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { checkIncident } from './check.ts';
import { checklist, type Phase, phaseWords } from './checklist-model.ts';
import { openLines, roundOf, withEntry } from './model.ts';
import { changeIncident } from './work-on.ts';

/**
 * A clock of the checklist has run out with open lines: said once in the incident channel, and a P0 wakes people again.
 * A clock that was moved has a job of its own. Job `incidents.deadline`.
 */
export async function tellOverdue(
  ports: Pick<Ports, 'store' | 'policy' | 'issuers'>,
  { incidentId, phase }: { incidentId: Id<'incident'>; phase: Phase },
): Promise<void> {
  await checkIncident(ports, incidentId);
  const { incident: seen, now } = await ports.store.read(async (view) => ({
    incident: await view.incidents.get(incidentId),
    now: view.now,
  }));
  const over = (incident: typeof seen, at: Date) =>
    incident.status !== 'closed' &&
    !incident.overdue.includes(phase) &&
    new Date(incident.deadlines[phase]) <= at &&
    openLines(incident, phase).length > 0;
  if (!over(seen, now)) return;
  const change = { actor: { kind: 'job', id: 'incidents.deadline' } as const, action: 'incidents.deadline' };
  await changeIncident(ports, change, incidentId, async (tx, { incident }) => {
    if (!over(incident, tx.now)) return incident;
    const open = openLines(incident, phase);
    tx.note({ phase, open, severity: incident.severity });
    const kind = `incidents.overdue:${phase}-${roundOf(incident)}`;
    await tx.cards.show(kind, incident.id, { channel: ports.policy.channels.incidents });
    if (incident.severity === 'P0') {
      await tx.jobs.add('incidents.page', { incidentId, occasion: phase }, { once: `${incidentId}-${phase}` });
    }
    const text = `${phaseWords[phase]}: the time is over with open lines: ${open.map((line) => checklist[line].text).join('; ')}`;
    return withEntry({ ...incident, overdue: [...incident.overdue, phase] }, null, text, tx.now);
  });
}
