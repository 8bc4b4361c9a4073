import { type Actor, type Id, Refusal } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import { type Digest, type Reader, summaryId } from './model.ts';
import { owes } from './occasion.ts';

type PlanPorts = Pick<Ports, 'store' | 'policy'>;

const planner: Actor = { kind: 'job', id: 'digest.plan' };

/**
 * Sends the digest to everybody whose Monday morning has come since their last one, and the summary to the security
 * channel. One for each person and occasion, however many workers ask. Job `digest.plan`. Answers how many.
 */
export async function planDigests(ports: PlanPorts, batch = 200): Promise<number> {
  let sent = 0;
  let next: string | null = null;
  do {
    const from: string | null = next;
    const page: { owed: Reader[]; next: string | null } = await ports.store.read(async (view) => {
      const { rows, next } = await view.digests.readers(from, batch);
      const owed = rows.filter(owes(ports.policy, view.now));
      return { owed, next };
    });
    for (const reader of page.owed) if (await sendPlanned(ports, reader)) sent++;
    next = page.next;
  } while (next);
  if (await summarisePlanned(ports)) sent++;
  return sent;
}

async function sendPlanned(ports: PlanPorts, { id, since }: Reader): Promise<boolean> {
  return unlessLate(() =>
    ports.store.change({ actor: planner, action: 'digest.send', subject: id }, async (tx) => {
      // The person's row is the lock: a digest that was never sent has none of its own.
      const person = await tx.people.get(id);
      if (person.status !== 'active') throw new Refusal('conflict', 'This person is no longer active here.');
      const last = await tx.digests.find(id);
      if (last && last.sentAt > since) throw alreadySent();
      await send(tx, id);
    }),
  );
}

async function summarisePlanned({ store, policy }: PlanPorts): Promise<boolean> {
  const { sentAt, owed } = await store.read(async (view) => {
    const { sentAt } = await view.digests.get(summaryId);
    const owed = owes(policy, view.now)({ timeZone: policy.company.timeZone, since: sentAt });
    return { sentAt, owed };
  });
  if (!owed) return false;
  return unlessLate(() =>
    store.change({ actor: planner, action: 'digest.summarise', subject: summaryId }, async (tx) => {
      if ((await tx.digests.get(summaryId)).sentAt > sentAt) throw alreadySent();
      await sendSummary(tx, policy.channels.security);
    }),
  );
}

const alreadySent = () => new Refusal('conflict', 'This digest has been sent already.');

/** Another worker was faster: recorded as refused, and no reason to leave the others waiting. */
async function unlessLate(sending: () => Promise<void>): Promise<boolean> {
  try {
    await sending();
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/** Posts the digest of somebody afresh, in place of their last one. */
export async function send(tx: Tx, personId: Id<'person'>): Promise<void> {
  const digest: Digest = { id: personId, sentAt: tx.now };
  await tx.digests.save(digest);
  await tx.cards.show('digest.owner', personId, { person: personId }, { anew: true });
}

export async function sendSummary(tx: Tx, channel: string): Promise<void> {
  await tx.digests.save({ id: summaryId, sentAt: tx.now });
  await tx.cards.show('digest.summary', summaryId, { channel }, { anew: true });
}
