import { after, day, type Id, type Instant, Refusal, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Tx } from '../ports.ts';
import { factsOf, type OffboardingPorts } from './facts.ts';
import {
  type Case,
  type Cause,
  isAnotherLeaving,
  opened,
  whyHold,
  whyHoldAdministrator,
  whyNotEffectiveAt,
  whyNotWork,
} from './model.ts';
import { begin } from './start.ts';

interface Leaving {
  cause: Cause;
  effectiveAt: Instant;
}

/** An administrator says that somebody leaves, now (null) or later. That is also the confirmation of a case that waits. */
export function openCase(
  ports: OffboardingPorts,
  askerId: Id<'person'>,
  ask: { personId: Id<'person'>; effectiveAt: Instant | null },
): Promise<Case> {
  const actor = { kind: 'person', id: askerId } as const;
  return ports.store.change({ actor, action: 'offboarding.open', subject: ask.personId }, async (tx) => {
    refuseIf(whyNotWork(await tx.people.get(askerId), 'offboarding.open', ask.personId));
    const person = await tx.people.get(ask.personId);
    const effectiveAt = ask.effectiveAt ?? tx.now;
    refuseIf(whyNotEffectiveAt(effectiveAt, tx.now));
    const each = await leaves(tx, ports, person, { cause: { kind: 'asked', by: askerId }, effectiveAt });
    if (each.status === 'closed') {
      throw new Refusal('conflict', `${person.name} has left already, and everything about it is done.`);
    }
    return each;
  });
}

/** Slack has deactivated somebody. Job `offboarding.person-deactivated`. */
export function openForDeactivated(ports: OffboardingPorts, { personId }: { personId: Id<'person'> }): Promise<void> {
  const actor = { kind: 'job', id: 'offboarding.person-deactivated' } as const;
  return ports.store.change({ actor, action: 'offboarding.open', subject: personId }, async (tx) => {
    const person = await tx.people.get(personId);
    tx.note({ status: person.status });
    if (person.status !== 'deactivated') return;
    await leaves(tx, ports, person, { cause: { kind: 'slack' }, effectiveAt: tx.now });
  });
}

/**
 * The case of somebody who leaves, in the transaction of whoever says so: a new one, or the one that there is, brought
 * up to date. The person must be locked. What is closed stays closed while they have not come back.
 */
export async function leaves(tx: Tx, ports: OffboardingPorts, person: Person, why: Leaving): Promise<Case> {
  const found = await tx.cases.latestOf(person.id);
  const latest = found && found.status !== 'called-off' ? await tx.cases.get(found.id) : null;
  const before = latest?.startedAt && isAnotherLeaving(latest, await factsOf(tx, ports, latest)) ? null : latest;
  if (before?.status === 'closed') {
    tx.note({ caseId: before.id, already: 'closed' });
    if (person.status === 'deactivated' && why.cause.kind !== 'slack') {
      await tx.people.save({ ...person, status: 'left', leftAt: why.effectiveAt });
    }
    return before;
  }
  if (before) return brought(tx, ports, before, person, why);
  if (latest?.status === 'open') await takenOver(tx, latest);
  const machine = why.cause.kind !== 'asked';
  const today = machine ? await tx.cases.openedByMachineSince(after(tx.now, -day)) : 0;
  const hold = whyHold(person, why.cause, today, await otherAdministrators(tx, person), ports.policy);
  const ownedKeys = latest?.ownedKeys ?? [];
  const each = { ...opened(tx.newId('case'), person, { ...why, hold }, tx.now), ownedKeys };
  await tx.cases.save(each);
  await tx.cards.show('offboarding.case', each.id, { channel: ports.policy.channels.security });
  tx.note({ caseId: each.id, personId: person.id, cause: why.cause, effectiveAt: why.effectiveAt, hold });
  return proceed(tx, ports, each, person);
}

/** They came back before the case of the time before was closed, and leave again: what it left undone is the new one's. */
async function takenOver(tx: Tx, each: Case): Promise<void> {
  await tx.cases.save({ ...each, status: 'called-off', closedAt: tx.now });
  await tx.cards.touch(each.id);
  tx.record('offboarding.take-over', each.id, { personId: each.personId });
}

/** Somebody says again that they leave: the newest word about the day counts, until it has begun. */
async function brought(tx: Tx, ports: OffboardingPorts, each: Case, person: Person, why: Leaving): Promise<Case> {
  tx.note({ caseId: each.id, cause: why.cause, effectiveAt: why.effectiveAt, status: each.status });
  if (each.status === 'open') return each;
  const moved: Case = { ...each, effectiveAt: why.effectiveAt };
  const next = why.cause.kind === 'asked' ? confirmed(moved, why.cause.by) : moved;
  await tx.cases.save(next);
  await tx.cards.touch(next.id);
  return proceed(tx, ports, next, person);
}

export function confirmed(each: Case, by: Id<'person'>): Case {
  return each.status === 'waiting' ? { ...each, status: 'planned', hold: null, confirmedBy: by } : each;
}

/** Begins what is due, and plans what is not. What waits goes on waiting. */
export async function proceed(tx: Tx, ports: OffboardingPorts, each: Case, person: Person): Promise<Case> {
  if (each.status !== 'planned') return each;
  if (each.effectiveAt > tx.now) {
    await tx.jobs.add('offboarding.start', { caseId: each.id }, { at: each.effectiveAt });
    return each;
  }
  const hold = whyHoldAdministrator(person, await otherAdministrators(tx, person));
  if (!hold) return begin(tx, ports, each, person);
  const held: Case = { ...each, status: 'waiting', hold };
  await tx.cases.save(held);
  await tx.cards.touch(held.id);
  tx.note({ hold });
  return held;
}

async function otherAdministrators(tx: Tx, person: Person): Promise<number> {
  return (await tx.people.withTier('administrator')).filter((each) => each.id !== person.id).length;
}

/** The day of a planned case has come. Job `offboarding.start`. */
export function startCase(ports: OffboardingPorts, { caseId }: { caseId: Id<'case'> }): Promise<void> {
  const actor = { kind: 'job', id: 'offboarding.start' } as const;
  return ports.store.change({ actor, action: 'offboarding.start', subject: caseId }, async (tx) => {
    const each = await tx.cases.get(caseId);
    tx.note({ status: each.status, effectiveAt: each.effectiveAt });
    // The day was moved: another job comes then.
    if (each.status !== 'planned' || each.effectiveAt > tx.now) return;
    await proceed(tx, ports, each, await tx.people.get(each.personId));
  });
}
