import type { ApiKey } from '../inventory/model.ts';
import { after, type Id, type Instant, Later, minute } from '../kernel.ts';
import type { Ports, View } from '../ports.ts';
import { isLine } from './checklist-model.ts';
import { rotate, whyByHand } from './contain.ts';
import { type Findings, followed, proven, rotationSince } from './findings-model.ts';
import { type Incident, openLines, ticked, tickOf, withEntry } from './model.ts';
import { changeIncident } from './work-on.ts';

type CheckPorts = Pick<Ports, 'store' | 'policy' | 'issuers'>;

/** How the world stands, as far as the incident's lines follow it. */
export async function look(view: View, incident: Incident): Promise<Findings> {
  const { keyId, containment } = incident;
  const cards = await view.cards.of('incidents.card', incident.id);
  return {
    rotations: keyId ? await view.rotations.ofKey(keyId, 20) : [],
    stillOpen: keyId && containment ? await view.grants.countLive(keyId, new Date(containment.at)) : 0,
    posted: cards.some((each) => each.channel && each.ts),
  };
}

/** The incident as the facts make it; the same object when they say nothing new. */
function seenAs(incident: Incident, key: ApiKey | null, found: Findings, ports: CheckPorts, now: Instant): Incident {
  if (incident.status === 'closed') return incident;
  const shown = proven(incident, found);
  const turned = followed(incident, found, now);
  const lines = Object.keys(shown).filter(isLine);
  const fresh = lines.filter((line) => !tickOf(incident, line));
  const next = fresh.length > 0 ? ticked(turned, fresh, 'done', null, (line) => shown[line] ?? '', now) : turned;
  const why = whyNothingRotates(next, key, found, ports, now);
  return why ? withEntry({ ...next, byHand: why }, null, `No rotation by itself: ${why}`, now) : next;
}

/** A rotation that was refused after all must not look as if it was on its way. */
function whyNothingRotates(
  incident: Incident,
  key: ApiKey | null,
  { rotations }: Findings,
  ports: CheckPorts,
  now: Instant,
): string | null {
  if (!key || !incident.containment || incident.byHand || rotationSince(incident, rotations)) return null;
  const why = whyByHand(key, ports, now);
  if (why) return why;
  const late = now > after(new Date(incident.containment.at), 2 * minute);
  return late ? 'The emergency rotation has not started. Start it with Rotate, or look into the audit log.' : null;
}

/** From now on nobody can read the new value who had access. */
const accessJustEnded = ({ containment: before }: Incident, { containment: now, byHand }: Incident) =>
  !byHand && before?.endedAt === null && now !== null && now.endedAt !== null;

/** Ticks what the facts show. Writes, and leaves a trace, only when they say something new. */
export async function checkIncident(ports: CheckPorts, incidentId: Id<'incident'>): Promise<Incident> {
  const seen = await ports.store.read(async (view) => {
    const incident = await view.incidents.get(incidentId);
    const key = incident.keyId ? await view.keys.get(incident.keyId) : null;
    return { incident, news: seenAs(incident, key, await look(view, incident), ports, view.now) !== incident };
  });
  if (!seen.news) return seen.incident;
  const change = { actor: { kind: 'job', id: 'incidents.check' } as const, action: 'incidents.check' };
  return changeIncident(ports, change, incidentId, async (tx, { incident, key }) => {
    const next = seenAs(incident, key, await look(tx, incident), ports, tx.now);
    if (key && accessJustEnded(incident, next)) await rotate(tx, next, key.id, tx.now);
    const ticks = next.ticks.filter((each) => !tickOf(incident, each.line)).map((each) => each.line);
    tx.note({ ticked: ticks, status: next.status, byHand: next.byHand, containment: next.containment });
    return next;
  });
}

/** Every incident that is not closed. Job `incidents.check`. */
export async function checkIncidents(ports: CheckPorts): Promise<void> {
  const open = await ports.store.read((view) => view.incidents.open(500));
  for (const { id } of open) await checkIncident(ports, id);
}

/** How long a fresh incident is looked at every few seconds; the schedule does the rest. */
const watchMinutes = 15;

/** While an incident is being contained its card is seconds behind the facts, not minutes. Job `incidents.watch`. */
export async function watchIncident(ports: CheckPorts, { incidentId }: { incidentId: Id<'incident'> }): Promise<void> {
  const incident = await checkIncident(ports, incidentId);
  const now = await ports.store.read(async (view) => view.now);
  const since = incident.containment ? new Date(incident.containment.at) : incident.declaredAt;
  const moving = incident.status === 'open' && openLines(incident, 'immediately').length > 0;
  if (moving && now < after(since, watchMinutes * minute)) {
    const waits = incident.containment?.endedAt === null;
    throw new Later('the incident is being contained', waits ? 500 : 3_000);
  }
}
