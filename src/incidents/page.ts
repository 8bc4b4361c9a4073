import { type Id, Refusal } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { phaseWords } from './checklist-model.ts';
import { type Incident, type Occasion, type Page, roundOf, withEntry } from './model.ts';
import { happenings, type Severity } from './severity-model.ts';
import { changeIncident } from './work-on.ts';

const urgency: Record<Severity, 'critical' | 'error' | 'warning' | 'info'> = {
  P0: 'critical',
  P1: 'error',
  P2: 'warning',
  P3: 'info',
};
const outcomeWords: Record<Page['outcome'], string> = {
  paged: 'On-call was paged',
  'no pager': 'Nobody was paged: no pager is connected. Call the contacts',
  refused: 'Nobody was paged: the pager refused it, check its routing key. Call the contacts',
};

/**
 * Wakes whoever is on call. A repetition has the same key and joins the alert that is open; a clock that ran out has a
 * key of its own, so that it wakes again. What came of it is on the timeline. Job `incidents.page`.
 */
export async function pageForIncident(
  ports: Pick<Ports, 'store' | 'pager'>,
  { incidentId, occasion }: { incidentId: Id<'incident'>; occasion: Occasion },
): Promise<void> {
  const { incident, name } = await ports.store.read(async (view) => {
    const found = await view.incidents.get(incidentId);
    const key = found.keyId ? await view.keys.get(found.keyId) : null;
    return { incident: found, name: key?.name ?? `a key outside the inventory (${found.which})` };
  });
  const round = roundOf(incident);
  const told = ({ pages }: Incident) => pages.some((each) => each.occasion === occasion && each.round === round);
  if (incident.status === 'closed' || told(incident)) return;
  const outcome = await page(ports, incident, name, occasion, round);
  const change = { actor: { kind: 'job', id: 'incidents.page' } as const, action: 'incidents.page' };
  await changeIncident(ports, change, incidentId, async (tx, { incident: now }) => {
    tx.note({ occasion, round, outcome });
    if (told(now)) return now;
    const pages: Page[] = [...now.pages, { occasion, round, at: tx.now.toISOString(), outcome }];
    return withEntry({ ...now, pages }, null, `${outcomeWords[outcome]}.`, tx.now);
  });
}

async function page(
  { pager }: Pick<Ports, 'pager'>,
  incident: Incident,
  name: string,
  occasion: Occasion,
  round: number,
): Promise<Page['outcome']> {
  const late = occasion === 'declared' ? '' : ` (${phaseWords[occasion].toLowerCase()}: time is over)`;
  try {
    const reached = await pager.page({
      dedupKey: [incident.id, ...(occasion === 'declared' ? [] : [occasion]), ...(round > 1 ? [round] : [])].join('-'),
      severity: urgency[incident.severity],
      summary: `${incident.severity}: ${name}: ${happenings[incident.how].label}${late}`,
      details: { incident: incident.id, key: name, severity: incident.severity, because: incident.because },
    });
    return reached ? 'paged' : 'no pager';
  } catch (error) {
    // Final, and the people at the card have to know it.
    if (error instanceof Refusal) return 'refused';
    throw error;
  }
}
