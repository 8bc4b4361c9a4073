import { type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { type Person, type Tier, whyNot, whyNotHrId, whyNotPrincipal } from './model.ts';

/** An administrator says what somebody may do (SOP 6.1). For somebody who left it means that they are back. */
export function setTier(
  { store }: Pick<Ports, 'store'>,
  setterId: Id<'person'>,
  { personId, tier }: { personId: Id<'person'>; tier: Tier },
): Promise<Person> {
  const actor = { kind: 'person', id: setterId } as const;
  return store.change({ actor, action: 'people.set-tier', subject: personId }, async (tx) => {
    refuseIf(whyNot(await tx.people.get(setterId), 'people.set-tier'));
    const person = await tx.people.get(personId);
    const administrators = await tx.people.withTier('administrator');
    if (person.tier === 'administrator' && tier !== 'administrator' && administrators.length === 1) {
      throw new Refusal('conflict', 'There must be an administrator. Make somebody else one first.');
    }
    const back = person.status === 'left';
    const next: Person = { ...person, tier, ...(back ? { status: 'active', joinedAt: tx.now, leftAt: null } : {}) };
    await tx.people.save(next);
    tx.note({ from: person.tier, to: tier, back });
    return next;
  });
}

/** An administrator says which IAM user or role reads secrets as this person; what they were granted is opened for it. */
export function setPrincipal(
  { store }: Pick<Ports, 'store'>,
  setterId: Id<'person'>,
  { personId, principal }: { personId: Id<'person'>; principal: string | null },
): Promise<Person> {
  const actor = { kind: 'person', id: setterId } as const;
  return store.change({ actor, action: 'people.set-principal', subject: personId }, async (tx) => {
    refuseIf(whyNot(await tx.people.get(setterId), 'people.set-principal'));
    if (principal !== null) refuseIf(whyNotPrincipal(principal));
    const person = await tx.people.get(personId);
    const next: Person = { ...person, iamPrincipal: principal };
    await tx.people.save(next);
    tx.note({ from: person.iamPrincipal, to: principal });
    if (person.iamPrincipal !== principal) await tx.jobs.add('access.follow-principal', { personId });
    return next;
  });
}

/** An administrator says which id the HR system knows somebody by; it is how HR's word about them finds them. */
export function setHrId(
  { store }: Pick<Ports, 'store'>,
  setterId: Id<'person'>,
  { personId, hrId }: { personId: Id<'person'>; hrId: string | null },
): Promise<Person> {
  const actor = { kind: 'person', id: setterId } as const;
  return store.change({ actor, action: 'people.set-hr-id', subject: personId }, async (tx) => {
    refuseIf(whyNot(await tx.people.get(setterId), 'people.set-hr-id'));
    if (hrId !== null) refuseIf(whyNotHrId(hrId));
    const person = await tx.people.get(personId);
    const next: Person = { ...person, hrId };
    await tx.people.save(next);
    tx.note({ from: person.hrId, to: hrId });
    // HR may have said something of them before anybody knew whom it meant.
    if (hrId !== null && hrId !== person.hrId) await tx.jobs.add('offboarding.recall', { personId });
    return next;
  });
}
