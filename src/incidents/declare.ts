import type { ApiKey } from '../inventory/model.ts';
import { type Id, refuseIf } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import { deadlinesOf } from './clocks.ts';
import { contained, planDeadlines, raiseAlarm, showIncident } from './contain.ts';
import { declared, type Incident, type Report, regraded, renewed, whyNotDeclare, withEntry } from './model.ts';
import { happenings, isWorse, proposedSeverity, situationOf } from './severity-model.ts';

type DeclarePorts = Pick<Ports, 'store' | 'policy' | 'issuers'>;

/**
 * Somebody says that a key has leaked, or is in danger. Anybody may. One transaction holds the incident, everything that
 * contains it and everybody who hears of it. While an incident of the key is open, a further report joins it.
 */
export function declareIncident(
  ports: DeclarePorts,
  reporterId: Id<'person'>,
  report: Report,
): Promise<{ incident: Incident; joined: boolean }> {
  const change = {
    actor: { kind: 'person', id: reporterId } as const,
    action: 'incidents.declare',
    subject: report.keyId ?? 'unlisted-key',
    ...(report.keyId ? { keyId: report.keyId } : {}),
  };
  return ports.store.change(change, async (tx) => {
    const key = report.keyId ? await tx.keys.get(report.keyId) : null;
    const open = await openAlready(tx, report);
    refuseIf(whyNotDeclare(await tx.people.get(reporterId), report));
    const incident = open
      ? await join(tx, ports, open, reporterId, report, key)
      : await openIncident(tx, ports, reporterId, report, key);
    await tx.incidents.save(incident);
    await showIncident(tx, ports.policy, incident, key, reporterId);
    await tx.cards.touch(incident.id);
    tx.note({ incidentId: incident.id, joined: open !== null, how: report.how, what: report.what, seen: report.seen });
    return { incident, joined: open !== null };
  });
}

/** The incident that this report is about, under the lock. */
async function openAlready(tx: Tx, { keyId, seen }: Report): Promise<Incident | null> {
  const found = keyId ? await tx.incidents.openOfKey(keyId) : seen && (await tx.incidents.openOfMessage(seen));
  const open = found && (await tx.incidents.get(found.id));
  return open && open.status !== 'closed' ? open : null;
}

async function openIncident(
  tx: Tx,
  ports: DeclarePorts,
  reporterId: Id<'person'>,
  report: Report,
  key: ApiKey | null,
): Promise<Incident> {
  const { severity, because } = proposedSeverity(situationOf(report, key));
  const deadlines = deadlinesOf(severity, tx.now, ports.policy);
  const incident = declared(tx.newId('incident'), report, key, reporterId, deadlines, tx.now);
  await raiseAlarm(tx, ports.policy, incident);
  await planDeadlines(tx, incident);
  await tx.jobs.add('incidents.watch', { incidentId: incident.id }, { once: incident.id });
  tx.record('incidents.open', incident.id, { severity, because, which: incident.which, deadlines });
  return key && happenings[incident.how].contains ? contained(tx, ports, incident, key) : incident;
}

/**
 * A second report pages nobody again, but what it knows may make the incident worse; and when the value that contained it
 * has leaked too, everything starts once more.
 */
async function join(
  tx: Tx,
  ports: DeclarePorts,
  before: Incident,
  reporterId: Id<'person'>,
  report: Report,
  key: ApiKey | null,
): Promise<Incident> {
  const { policy } = ports;
  const said = `Reported again: ${happenings[report.how].label}${report.what.trim() ? `. ${report.what.trim()}` : ''}`;
  let incident = withEntry(before, reporterId, said, tx.now);
  const graded = proposedSeverity(situationOf(report, key));
  const worse = isWorse(graded.severity, incident.severity);
  const contains = key !== null && happenings[report.how].contains;
  const again = contains && report.again && before.status === 'contained';
  if (worse) {
    const deadlines = deadlinesOf(graded.severity, incident.declaredAt, policy);
    incident = regraded(incident, graded, reporterId, deadlines, tx.now);
  }
  if (worse || contains) incident = { ...incident, how: report.how };
  if (again) {
    incident = renewed(incident, key, deadlinesOf(incident.severity, tx.now, policy), reporterId, tx.now);
  }
  if (again || (contains && !incident.containment)) incident = await contained(tx, ports, incident, key);
  if (again || worse) {
    await raiseAlarm(tx, policy, incident);
    await planDeadlines(tx, incident);
  }
  tx.record('incidents.join', incident.id, { severity: incident.severity, was: before.severity, again });
  return incident;
}
