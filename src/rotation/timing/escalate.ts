import type { OverdueStage } from '../../inventory/model.ts';
import { type Actor, after, day, type Id, Refusal } from '../../kernel.ts';
import type { Audience, Ports, Tx, View } from '../../ports.ts';
import { escalated, escalationOwed } from './overdue-model.ts';

type EscalatePorts = Pick<Ports, 'store' | 'policy'>;
const actor: Actor = { kind: 'job', id: 'rotation.escalate' };

/**
 * Brings overdue keys before their owner, then the security channel, then the administrators, each once for a due date
 * and at the policy's days. All of them see one fact, true until the key is rotated. Job `rotation.escalate`. Answers how many.
 */
export async function escalateOverdue(ports: EscalatePorts, batch = 200): Promise<number> {
  const stages = Object.values(ports.policy.rotation.escalateOverdueDays).filter((days) => days !== null);
  if (stages.length === 0) return 0;
  let told = 0;
  let next: string | null = null;
  do {
    const from: string | null = next;
    const page: { owed: Id<'key'>[]; next: string | null } = await ports.store.read(async (view) => {
      const dueBefore = after(view.now, -Math.min(...stages) * day);
      const { rows, next } = await view.keys.list({ dueBefore }, batch, from);
      const owed: Id<'key'>[] = [];
      for (const key of rows) if ((await owedOf(ports, view, key.id)).length > 0) owed.push(key.id);
      return { owed, next };
    });
    for (const keyId of page.owed) if (await escalate(ports, keyId)) told++;
    next = page.next;
  } while (next);
  return told;
}

async function owedOf({ policy }: EscalatePorts, view: View | Tx, keyId: Id<'key'>) {
  const key = await view.keys.get(keyId);
  const running = (await view.rotations.runningOf(keyId)) !== null;
  return escalationOwed(key, await view.people.find(key.ownerId), running, policy, view.now);
}

async function escalate(ports: EscalatePorts, keyId: Id<'key'>): Promise<boolean> {
  try {
    await ports.store.change({ actor, action: 'rotation.escalate', subject: keyId, keyId }, async (tx) => {
      // The key's row is the lock, however many workers look.
      const key = await tx.keys.get(keyId);
      const stages = await owedOf(ports, tx, keyId);
      if (stages.length === 0) throw new Refusal('conflict', 'Nobody has to be told of this key now.');
      await tx.keys.save(escalated(key, stages));
      tx.note({ stages, dueAt: key.nextRotationAt });
      await tx.cards.touch(keyId);
      for (const stage of stages) {
        for (const audience of await audiencesOf(tx, ports, key.ownerId, stage)) {
          await tx.cards.show('rotation.overdue', keyId, audience, { anew: true });
        }
      }
    });
    return true;
  } catch (error) {
    // Another worker was faster, or the key has changed: recorded as refused, and no reason to leave the others waiting.
    if (error instanceof Refusal) return false;
    throw error;
  }
}

async function audiencesOf(
  tx: Tx,
  { policy }: EscalatePorts,
  ownerId: Id<'person'>,
  stage: OverdueStage,
): Promise<Audience[]> {
  const channel = { channel: policy.channels.security };
  if (stage === 'security') return [channel];
  if (stage === 'administrators') return (await tx.people.withTier('administrator')).map(({ id }) => ({ person: id }));
  const owner = await tx.people.find(ownerId);
  return [owner?.status === 'active' ? { person: owner.id } : channel];
}
