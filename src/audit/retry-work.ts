import { type Actor, isId, Refusal, refuseIf } from '../kernel.ts';
import { whyNot } from '../people/model.ts';
import type { DeadWork, Ports } from '../ports.ts';

/** Tries a job again that was given up, with all its attempts. For administrators, and for who runs the program. */
export function retryWork({ store }: Pick<Ports, 'store'>, actor: Actor, workId: string): Promise<DeadWork> {
  return store.change({ actor, action: 'work.retry', subject: workId }, async (tx) => {
    if (actor.kind === 'person') refuseIf(whyNot(await tx.people.get(actor.id), 'work.retry'));
    if (!isId('work', workId)) throw new Refusal('not_found', 'There is no such job.');
    const work = await tx.jobs.again(workId);
    if (!work) throw new Refusal('conflict', 'This job is not given up (any more), so there is nothing to try again.');
    tx.note({ job: work.name, about: work.payload, failures: work.failures });
    await tx.cards.touch(workId);
    return work;
  });
}
