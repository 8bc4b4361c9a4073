import { type Id, refuseIf } from '../kernel.ts';
import { factsOf, type OffboardingPorts } from './facts.ts';
import { type Case, linesOf, looked, whyNotClose, whyNotWork } from './model.ts';

/** An administrator closes a case; refused while a line is open, computed afresh at this moment (SOP 6.3). */
export function closeCase(
  ports: OffboardingPorts,
  closerId: Id<'person'>,
  { caseId }: { caseId: Id<'case'> },
): Promise<Case> {
  const actor = { kind: 'person', id: closerId } as const;
  return ports.store.change({ actor, action: 'offboarding.close', subject: caseId }, async (tx) => {
    const each = await tx.cases.get(caseId);
    refuseIf(whyNotWork(await tx.people.get(closerId), 'offboarding.close', each.personId));
    const facts = await factsOf(tx, ports, each);
    const lines = linesOf(each, facts, tx.now);
    refuseIf(whyNotClose(each, lines));
    const closed: Case = {
      ...looked(each, lines, facts, tx.now),
      status: 'closed',
      closedAt: tx.now,
      closedBy: closerId,
    };
    await tx.cases.save(closed);
    await tx.cards.touch(closed.id);
    tx.note({ personId: each.personId, lines: Object.fromEntries(lines.map(({ id, says }) => [id, says])) });
    return closed;
  });
}
