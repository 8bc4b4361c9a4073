import type { Consumer } from '../../inventory/consumer-model.ts';
import { after, hour } from '../../kernel.ts';
import { inWorkingHours } from '../../people/hours-model.ts';
import type { Ports, Tx } from '../../ports.ts';
import { journal, type Run } from '../journal.ts';
import type { Rotation } from '../model.ts';
import { passed } from '../moves-model.ts';
import { listed, toldAnew, unconfirmed } from './model.ts';

/**
 * Step 4 of SOP 5.3: whoever uses the key is told that there is a new value, each in their own way. What they say to that
 * is awaited during the grace; in an emergency nobody is waited for, but everybody is told before the old value dies.
 */
export async function tellConsumers(run: Run): Promise<void> {
  const { ports, rotation } = run;
  // An attempt before this one told them of a value that was refused since.
  const again = rotation.deployments.length > 0;
  const consumers = await consumersOf(run);
  const evidence = consumers.length === 0 ? 'nobody is recorded who uses it' : howTold(consumers);
  await journal(
    run,
    (each, now) => passed(listed(again ? toldAnew(each, 'rotated') : each, consumers), evidence, ports.policy, now),
    {
      facts: { consumers: consumers.map(({ id, kind }) => ({ id, kind })) },
      also: (tx, next) => spread(tx, ports, next),
    },
  );
}

export function consumersOf({ ports, key }: Pick<Run, 'ports' | 'key'>): Promise<Consumer[]> {
  return ports.store.look((view) => view.consumers.ofKey(key.id));
}

function howTold(consumers: Consumer[]): string {
  const how = {
    'reads-store': 'reads the store itself',
    webhook: 'is told by webhook',
    person: 'is moved by a person',
  };
  return consumers.map(({ name, kind }) => `${name} ${how[kind]}`).join('; ');
}

/** The jobs and cards by which each is told; for all that has not been confirmed. */
export async function spread(tx: Tx, { policy }: Pick<Ports, 'policy'>, rotation: Rotation): Promise<void> {
  const open = unconfirmed(rotation);
  for (const { consumerId, round } of open.filter((each) => each.kind === 'webhook')) {
    await tx.jobs.add(
      'rotation.tell',
      { rotationId: rotation.id, consumerId },
      { once: `${rotation.id}-${consumerId}-${round}`, ...(rotation.emergency ? { lane: 'urgent' as const } : {}) },
    );
  }
  const asked = open.filter((each) => each.kind === 'person');
  if (asked.length === 0) return;
  const { ownerId } = await tx.keys.get(rotation.keyId);
  for (const mover of new Set(asked.map((each) => each.claimedBy ?? each.personId ?? ownerId))) {
    const here = (await tx.people.find(mover))?.status === 'active';
    const anew = asked.some((each) => each.round > 1);
    // Nobody else can answer for what somebody who has left was to move.
    await tx.cards.show('rotation:move', rotation.id, { person: here ? mover : ownerId }, { anew });
  }
  await planReminder(tx, policy, rotation, asked[0]!.personId);
}

export async function planReminder(
  tx: Tx,
  policy: Ports['policy'],
  rotation: Rotation,
  mover: string | null,
): Promise<void> {
  const person = mover ? await tx.people.find(mover) : null;
  const next = after(tx.now, policy.rotation.evidence.remindHours * hour);
  await tx.jobs.add(
    'rotation.remind',
    { rotationId: rotation.id },
    { once: rotation.id, at: inWorkingHours(next, person?.timeZone ?? policy.company.timeZone, policy) },
  );
}
