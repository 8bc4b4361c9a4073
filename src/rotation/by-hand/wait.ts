import type { Id } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Tx } from '../../ports.ts';
import { follow, locked, type Run, stepActor } from '../journal.ts';
import type { Rotation, Task } from '../model.ts';
import { askedOfPerson, waitedOn, waitsNow } from './model.ts';

/**
 * This step is a person's. The card that asks for it is shown at first and again at every reminder; the job comes back
 * by itself for the next one, or at once when somebody has done it.
 */
export async function waitForPerson(run: Run, task: Task): Promise<void> {
  const { ports, rotation: seen } = run;
  const change = { actor: stepActor, action: 'rotation.ask-person', subject: seen.id, keyId: seen.keyId };
  await ports.store.change(change, async (tx) => {
    const { key, rotation } = await locked(tx, seen);
    const owner = await tx.people.find(key.ownerId);
    const taker = rotation.taken ? await tx.people.find(rotation.taken.by) : null;
    // Who has left does nothing any more.
    const free = taker?.status === 'active' ? rotation : { ...rotation, taken: null };
    const zone = (taker?.status === 'active' ? taker : owner)?.timeZone ?? ports.policy.company.timeZone;
    const clock = { zone, policy: ports.policy, now: tx.now };
    const waits = waitsNow(free);
    const { next, nudge } = waits
      ? waitedOn(free, waits, clock)
      : { next: askedOfPerson(free, task, key, clock), nudge: true };
    await tx.rotations.save(next);
    const told = await ask(tx, ports.policy.channels.security, next, owner, nudge);
    tx.note({ task, dueAt: next.waits?.dueAt, nudges: next.waits?.nudges, escalatedAt: next.waits?.escalatedAt, told });
    await follow(tx, ports, next, key);
  });
}

/** Shows it to those who can do it; as a new message when they have to hear of it. */
async function ask(
  tx: Tx,
  security: string,
  rotation: Rotation,
  owner: Person | null,
  anew: boolean,
): Promise<string[]> {
  const escalated = rotation.waits?.escalatedAt ?? null;
  const administrators = escalated ? (await tx.people.withTier('administrator')).map((each) => each.id) : [];
  const people: Id<'person'>[] = rotation.taken
    ? [rotation.taken.by, ...administrators]
    : [...(owner?.status === 'active' ? [owner.id] : []), ...administrators];
  for (const person of new Set(people)) await tx.cards.show('rotation:person', rotation.id, { person }, { anew });
  const toChannel = rotation.emergency || escalated !== null || owner?.status !== 'active';
  if (toChannel) await tx.cards.show('rotation:person', rotation.id, { channel: security }, { anew });
  return [...new Set(people), ...(toChannel ? [security] : [])];
}
