import type { ApiKey } from '../inventory/model.ts';
import { after, type Id, type Instant } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import type { Ports, Tx } from '../ports.ts';
import { whyNotIssue, whyNotRotate } from '../rotation/model.ts';
import { phases } from './checklist-model.ts';
import { causeOf, type Incident, openLines, roundOf, withEntry } from './model.ts';

/** Why this key cannot be replaced without a person, or null. */
export function whyByHand(
  key: ApiKey,
  { policy, issuers }: Pick<Ports, 'policy' | 'issuers'>,
  now: Instant,
): string | null {
  const refusal = whyNotRotate(key, null, true, policy, now) ?? whyNotIssue(key, issuers.of(key.issuer), policy);
  return refusal?.sentence ?? null;
}

/**
 * Whoever had access could read the new value too, and one of them may be how the old one leaked. So it is made once
 * their access has ended, and at the latest after this time.
 */
export const accessFirstSeconds = 15;

/** Starts the emergency rotation of this round; a repetition starts nothing. */
export function rotate(tx: Tx, incident: Incident, keyId: Id<'key'>, at: Instant): Promise<void> {
  const payload = { keyId, cause: 'incident', causeId: causeOf(incident), emergency: true } as const;
  return tx.jobs.add('rotation.start', payload, { lane: 'urgent', at });
}

/**
 * What happens at once when others may have the value: nobody keeps access, and a new value replaces it ahead of
 * everything else. Jobs do it; where no job can, the incident says why, and its lines stay with people.
 */
export async function contained(
  tx: Tx,
  ports: Pick<Ports, 'policy' | 'issuers'>,
  incident: Incident,
  key: ApiKey,
): Promise<Incident> {
  const holders = await tx.grants.countHolders(key.id);
  const byHand = whyByHand(key, ports, tx.now);
  const round = incident.containment ? roundOf(incident) + 1 : 1;
  const next: Incident = {
    ...incident,
    containment: { at: tx.now.toISOString(), holders, round, endedAt: null, rotation: null },
    byHand,
  };
  await tx.jobs.add('access.end-all-of-key', { keyId: key.id, causeId: incident.id });
  if (!byHand) await rotate(tx, next, key.id, holders > 0 ? after(tx.now, accessFirstSeconds * 1000) : tx.now);
  await tx.jobs.add('incidents.watch', { incidentId: incident.id }, { once: incident.id });
  tx.note({ holders, byHand, round });
  const people = holders === 1 ? 'one person' : `${holders} people`;
  const rotation = byHand ? `No rotation by itself: ${byHand}` : 'The emergency rotation follows at once.';
  return withEntry(next, null, `Access of ${people} is being ended. ${rotation}`, tx.now);
}

/** Wakes people, where the policy asks for it; for each round only once, however often it is reported or regraded. */
export async function raiseAlarm(tx: Tx, policy: Policy, incident: Incident): Promise<void> {
  const { pageFor, mentionChannelFor } = policy.incidents;
  if (pageFor.includes(incident.severity)) {
    await tx.jobs.add('incidents.page', { incidentId: incident.id, occasion: 'declared' }, { once: incident.id });
  }
  // An edited card notifies nobody, so the call is a message of its own.
  if (mentionChannelFor.includes(incident.severity)) {
    await tx.cards.show(`incidents.call:${roundOf(incident)}`, incident.id, { channel: policy.channels.incidents });
  }
}

/** Looks again when a clock of the checklist has run out. */
export async function planDeadlines(tx: Tx, incident: Incident): Promise<void> {
  for (const phase of phases) {
    if (incident.overdue.includes(phase) || openLines(incident, phase).length === 0) continue;
    await tx.jobs.add(
      'incidents.deadline',
      { incidentId: incident.id, phase },
      { at: new Date(incident.deadlines[phase]) },
    );
  }
}

/** Who has to see the incident: the channel, who answers for the key, and everybody who reported it. */
export async function showIncident(
  tx: Tx,
  policy: Policy,
  incident: Incident,
  key: ApiKey | null,
  reporter: Id<'person'>,
): Promise<void> {
  await tx.cards.show('incidents.card', incident.id, { channel: policy.channels.incidents });
  const owner = key ? await tx.people.find(key.ownerId) : null;
  if (owner?.status === 'active') await tx.cards.show('incidents.card', incident.id, { person: owner.id });
  await tx.cards.show('incidents.card', incident.id, { person: reporter });
}
