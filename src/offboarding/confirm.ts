import { type Id, Refusal, refuseIf } from '../kernel.ts';
import type { OffboardingPorts } from './facts.ts';
import { type Case, holds, whyNotConfirm, whyNotWork } from './model.ts';
import { confirmed, proceed } from './open.ts';

/** An administrator says that a case which waits is right. It begins, or waits for its day. */
export function confirmCase(
  ports: OffboardingPorts,
  confirmerId: Id<'person'>,
  { caseId }: { caseId: Id<'case'> },
): Promise<Case> {
  const actor = { kind: 'person', id: confirmerId } as const;
  return ports.store.change({ actor, action: 'offboarding.confirm', subject: caseId }, async (tx) => {
    const each = await tx.cases.get(caseId);
    refuseIf(whyNotWork(await tx.people.get(confirmerId), 'offboarding.open', each.personId));
    refuseIf(whyNotConfirm(each));
    const next = confirmed(each, confirmerId);
    await tx.cases.save(next);
    await tx.cards.touch(next.id);
    tx.note({ personId: each.personId, hold: each.hold });
    const went = await proceed(tx, ports, next, await tx.people.get(each.personId));
    if (went.status === 'waiting') throw new Refusal('conflict', went.hold ? holds[went.hold] : 'It still waits.');
    return went;
  });
}
