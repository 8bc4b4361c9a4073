import type { Id, Instant } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Tx } from '../ports.ts';
import { factsOf, keysHandedOn, type OffboardingPorts } from './facts.ts';
import { type Case, type Facts, grantsToEnd, linesOf, looked, readyToRotate } from './model.ts';

/** From now on they can do nothing here; what they had is ended by jobs, and each line follows what really happens. */
export async function begin(tx: Tx, ports: OffboardingPorts, planned: Case, person: Person): Promise<Case> {
  // Slack may let a deactivated person in again; whoever has left joins again.
  const stays = planned.cause.kind === 'slack' && person.status === 'deactivated';
  if (!stays) await tx.people.save({ ...person, status: 'left', leftAt: planned.effectiveAt });
  const begun: Case = {
    ...planned,
    status: 'open',
    startedAt: tx.now,
    ownedKeys: [...new Set([...planned.ownedKeys, ...(await keysHandedOn(tx, person.id))])],
  };
  const facts = await factsOf(tx, ports, begun);
  const next = await lookedAt(tx, begun, facts);
  const ids = { personId: person.id, causeId: begun.id };
  await tx.jobs.add('access.end-all-of-person', ids);
  await tx.jobs.add('access.withdraw-all-of-person', ids);
  await tx.jobs.add('offboarding.check', { caseId: begun.id }, { once: begun.id });
  tx.record('offboarding.begin', begun.id, {
    personId: person.id,
    effectiveAt: begun.effectiveAt,
    grants: grantsToEnd(begun, facts).map((grant) => grant.id),
    requests: facts.requests.map((request) => request.id),
    ownedKeys: next.ownedKeys,
    rotateKeys: next.rotateKeys,
  });
  return next;
}

/** Keeps what is seen of the lines now, and asks for every rotation that can begin. */
export async function lookedAt(tx: Tx, each: Case, facts: Facts): Promise<Case> {
  const asked = await askRotations(tx, each, facts);
  const next = looked(asked, linesOf(asked, facts, tx.now), facts, tx.now);
  await tx.cases.save(next);
  await tx.cards.touch(next.id);
  return next;
}

async function askRotations(tx: Tx, each: Case, facts: Facts): Promise<Case> {
  const asked: Record<Id<'key'>, string> = {};
  for (const key of readyToRotate(each, facts, tx.now)) {
    const dangerous = key.environment === 'production' || key.risk === 'high';
    await tx.jobs.add(
      'rotation.start',
      { keyId: key.id, cause: 'leaver', causeId: each.id, emergency: false },
      { once: `${each.id}-${key.id}`, lane: dangerous ? 'urgent' : 'normal' },
    );
    asked[key.id] = isoOf(tx.now);
  }
  return { ...each, asked: { ...each.asked, ...asked } };
}

const isoOf = (at: Instant) => at.toISOString();
