import { type Id, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { deadlinesOf } from './clocks.ts';
import { planDeadlines, raiseAlarm } from './contain.ts';
import { type Incident, regraded, whyNotRegrade } from './model.ts';
import type { Severity } from './severity-model.ts';
import { workOn } from './work-on.ts';

/** The judgement of a person over the table of SOP 8.2. The clocks follow, counted from the declaration. */
export function changeSeverity(
  ports: Pick<Ports, 'store' | 'policy'>,
  personId: Id<'person'>,
  ask: { incidentId: Id<'incident'>; severity: Severity; reason: string },
): Promise<Incident> {
  return workOn(ports, personId, 'incidents.change-severity', ask.incidentId, async (tx, { incident, worker }) => {
    refuseIf(whyNotRegrade(incident, worker, ask.severity, ask.reason));
    const to = { severity: ask.severity, because: ask.reason.trim() };
    const next = regraded(
      incident,
      to,
      worker.id,
      deadlinesOf(ask.severity, incident.declaredAt, ports.policy),
      tx.now,
    );
    tx.note({ from: incident.severity, to: next.severity, reason: ask.reason, deadlines: next.deadlines });
    await raiseAlarm(tx, ports.policy, next);
    await planDeadlines(tx, next);
    return next;
  });
}
