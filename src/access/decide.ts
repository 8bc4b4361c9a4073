import { after, hour, type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports, Tx } from '../ports.ts';
import { type AccessRequest, allowedHours, decided, granted, stillNeeds, whyNotDecide } from './model.ts';

export interface Verdict {
  requestId: Id<'request'>;
  verdict: 'approve' | 'deny';
  /** Hours allowed; null for what was asked. */
  hours: number | null;
  reason: string;
}

/** An owner or administrator decides. The last approval that is needed opens the grant in the same transaction. */
export function decideRequest(
  ports: Pick<Ports, 'store' | 'policy'>,
  deciderId: Id<'person'>,
  verdict: Verdict,
): Promise<AccessRequest> {
  const change = {
    actor: { kind: 'person', id: deciderId } as const,
    action: verdict.verdict === 'approve' ? 'access.approve' : 'access.deny',
    subject: verdict.requestId,
  };
  return ports.store.change(change, async (tx) => {
    const request = await tx.requests.get(verdict.requestId);
    const [key, decider] = [await tx.keys.get(request.keyId), await tx.people.get(deciderId)];
    const hours = verdict.hours ?? request.hours;
    refuseIf(whyNotDecide(request, key, decider, { ...verdict, hours }, tx.now));
    const after_ = decided(
      request,
      {
        by: decider.id,
        tier: decider.tier,
        at: tx.now.toISOString(),
        verdict: verdict.verdict,
        hours,
        reason: verdict.reason.trim(),
      },
      tx.now,
    );
    await tx.requests.save(after_);
    await tx.cards.touch(request.id);
    tx.note({
      keyId: key.id,
      hours,
      reason: verdict.reason,
      status: after_.status,
      stillNeeds: after_.status === 'pending' ? stillNeeds(after_) : null,
    });
    if (after_.status === 'denied') await tx.cards.show('access.told:denied', request.id, { person: request.askedBy });
    if (after_.status === 'approved') await openGrant(ports, tx, after_);
    return after_;
  });
}

async function openGrant({ policy }: Pick<Ports, 'policy'>, tx: Tx, request: AccessRequest): Promise<void> {
  const [key, person] = [await tx.keys.get(request.keyId), await tx.people.get(request.askedBy)];
  if (person.status !== 'active')
    throw new Refusal('conflict', `${person.name} is no longer active here, so no access was given.`);
  const grant = granted(tx.newId('grant'), request, person, key, tx.now);
  await tx.grants.save(grant);
  if (request.extendsGrant) {
    const old = await tx.grants.find(request.extendsGrant);
    if (old && old.personId === person.id && old.keyId === key.id && old.status !== 'ended') {
      await tx.grants.save({
        ...old,
        status: 'ending',
        endedBy: 'access.extend',
        endReason: 'Extended by a new grant',
      });
      await tx.cards.touch(old.id);
    }
  }
  await tx.jobs.add('access.apply', { keyId: key.id });
  await tx.jobs.add('access.end', { grantId: grant.id }, { at: grant.endsAt });
  for (const before of policy.access.noticeHours) {
    if (allowedHours(request) > before)
      await tx.jobs.add(
        'access.notice',
        { grantId: grant.id, hours: before },
        { at: after(grant.endsAt, -before * hour) },
      );
  }
  tx.record(
    'access.grant',
    grant.id,
    { requestId: request.id, personId: person.id, endsAt: grant.endsAt, principal: grant.principal },
    key.id,
  );
}

/** The requester takes a pending request back. */
export function withdrawRequest(
  { store }: Pick<Ports, 'store'>,
  person: Pick<Person, 'id'>,
  requestId: Id<'request'>,
): Promise<AccessRequest> {
  return store.change(
    { actor: { kind: 'person', id: person.id }, action: 'access.withdraw', subject: requestId },
    async (tx) => {
      const request = await tx.requests.get(requestId);
      if (request.askedBy !== person.id)
        throw new Refusal('not_allowed', 'Only the one who asked can withdraw a request.');
      return closeAs(tx, request, 'withdrawn');
    },
  );
}

async function closeAs(tx: Tx, request: AccessRequest, status: 'withdrawn' | 'expired'): Promise<AccessRequest> {
  if (request.status !== 'pending') throw new Refusal('conflict', `This request is already ${request.status}.`);
  const closed = { ...request, status, closedAt: tx.now };
  await tx.requests.save(closed);
  await tx.cards.touch(request.id);
  tx.note({ keyId: request.keyId, status });
  return closed;
}

/** A request that nobody decided in time ends. Job `access.expire-request`. */
export function expireRequest(
  { store }: Pick<Ports, 'store'>,
  { requestId }: { requestId: Id<'request'> },
): Promise<void> {
  return store.change(
    { actor: { kind: 'job', id: 'access.expire-request' }, action: 'access.expire-request', subject: requestId },
    async (tx) => {
      const request = await tx.requests.get(requestId);
      tx.note({ status: request.status });
      if (request.status !== 'pending') return;
      await closeAs(tx, request, 'expired');
      await tx.cards.show('access.told:expired', request.id, { person: request.askedBy });
    },
  );
}

/** Takes back everything that a leaver asked for. Job `access.withdraw-all-of-person`. */
export function withdrawAllOfPerson(
  { store }: Pick<Ports, 'store'>,
  { personId, causeId }: { personId: Id<'person'>; causeId: string },
): Promise<void> {
  return store.change(
    { actor: { kind: 'job', id: 'access.withdraw-all-of-person' }, action: 'access.withdraw-all', subject: personId },
    async (tx) => {
      const open = await tx.requests.openBy(personId);
      for (const { id } of open) {
        const request = await tx.requests.get(id);
        if (request.status !== 'pending') continue;
        await tx.requests.save({ ...request, status: 'withdrawn', closedAt: tx.now });
        await tx.cards.touch(id);
      }
      tx.note({ causeId, withdrawn: open.map((each) => each.id) });
    },
  );
}
