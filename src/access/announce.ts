import { after, type Id, minute } from '../kernel.ts';
import { inWorkingHours } from '../people/hours-model.ts';
import type { Person } from '../people/model.ts';
import type { Policy } from '../policy.ts';
import type { Ports, Tx } from '../ports.ts';
import type { AccessRequest } from './model.ts';

/** Shows a fresh request to those who decide and to the one who asked, and plans the reminders. Job `access.announce`. */
export function announceRequest(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  { requestId }: { requestId: Id<'request'> },
): Promise<void> {
  return store.change(
    { actor: { kind: 'job', id: 'access.announce' }, action: 'access.announce', subject: requestId },
    async (tx) => {
      const request = await tx.requests.get(requestId);
      await tx.cards.show('access.mine', request.id, { person: request.askedBy });
      if (request.status !== 'pending') return;
      for (const person of request.asked) await tx.cards.show('access.request', request.id, { person });
      if (policy.channels.approvals)
        await tx.cards.show('access.request', request.id, { channel: policy.channels.approvals });
      await planNudge(tx, request, policy);
      tx.note({ asked: request.asked });
    },
  );
}

/** A key has changed hands: its new owner is asked about what still waits. Job `access.ask-new-owner`. */
export function askNewOwner({ store }: Pick<Ports, 'store'>, { keyId }: { keyId: Id<'key'> }): Promise<void> {
  const actor = { kind: 'job', id: 'access.ask-new-owner' } as const;
  return store.change({ actor, action: 'access.ask-new-owner', subject: keyId, keyId }, async (tx) => {
    const { ownerId } = await tx.keys.get(keyId);
    const asked: string[] = [];
    for (const { id } of await tx.requests.openFor(keyId)) {
      const request = await tx.requests.get(id);
      if (request.status !== 'pending' || request.askedBy === ownerId) continue;
      if (!request.asked.includes(ownerId)) {
        await tx.requests.save({ ...request, asked: [...request.asked, ownerId] });
        await tx.cards.show('access.request', request.id, { person: ownerId });
        asked.push(request.id);
      }
      // Why each of them is asked has changed.
      await tx.cards.touch(request.id);
    }
    tx.note({ ownerId, asked });
  });
}

async function planNudge(tx: Tx, request: AccessRequest, policy: Policy): Promise<void> {
  const waits = policy.access.nudgeMinutes;
  const wait = waits[request.nudges];
  const next =
    wait !== undefined
      ? after(tx.now, wait * minute)
      : request.escalatedAt
        ? null
        : after(request.askedAt, policy.access.escalateMinutes * minute);
  if (!next) return;
  const [first] = await tx.people.many(waitingFor(request));
  await tx.jobs.add(
    'access.nudge',
    { requestId: request.id },
    { at: inWorkingHours(next < tx.now ? tx.now : next, first?.timeZone ?? policy.company.timeZone, policy) },
  );
}

/** Those who were asked and have not answered. */
export function waitingFor(request: AccessRequest): Id<'person'>[] {
  return request.asked.filter((id) => !request.decisions.some((decision) => decision.by === id));
}

/**
 * Reminds those who have not answered, at growing intervals within their working hours; after the last reminder the
 * administrators are asked too. Job `access.nudge`.
 */
export function nudge(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  { requestId }: { requestId: Id<'request'> },
): Promise<void> {
  return store.change(
    { actor: { kind: 'job', id: 'access.nudge' }, action: 'access.nudge', subject: requestId },
    async (tx) => {
      const request = await tx.requests.get(requestId);
      tx.note({ status: request.status });
      if (request.status !== 'pending') return;
      const escalate = tx.now >= after(request.askedAt, policy.access.escalateMinutes * minute) && !request.escalatedAt;
      const administrators: Person[] = escalate ? await tx.people.withTier('administrator') : [];
      const asked = [...new Set([...request.asked, ...administrators.map((each) => each.id)])].filter(
        (id) => id !== request.askedBy,
      );
      const nudged = {
        ...request,
        asked,
        nudges: request.nudges + 1,
        escalatedAt: escalate ? tx.now : request.escalatedAt,
      };
      await tx.requests.save(nudged);
      for (const person of asked) await tx.cards.show('access.request', request.id, { person });
      for (const person of waitingFor(request))
        await tx.cards.show(`access.nudge:${nudged.nudges}`, request.id, { person });
      await tx.cards.touch(request.id);
      await planNudge(tx, nudged, policy);
      tx.note({ nudges: nudged.nudges, escalated: escalate, asked });
    },
  );
}
