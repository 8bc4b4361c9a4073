import { type Id, refuseIf } from '../kernel.ts';
import { factsOf, type OffboardingPorts } from './facts.ts';
import { type Case, linesOf, whyNotTick, whyNotWork } from './model.ts';
import { lookedAt } from './start.ts';

/** An administrator says what they did about a line that only a person can do. */
export function tickLine(
  ports: OffboardingPorts,
  tickerId: Id<'person'>,
  { caseId, line, note }: { caseId: Id<'case'>; line: string; note: string },
): Promise<Case> {
  const actor = { kind: 'person', id: tickerId } as const;
  return ports.store.change({ actor, action: 'offboarding.tick', subject: caseId }, async (tx) => {
    const each = await tx.cases.get(caseId);
    refuseIf(whyNotWork(await tx.people.get(tickerId), 'offboarding.close', each.personId));
    const facts = await factsOf(tx, ports, each);
    refuseIf(whyNotTick(each, linesOf(each, facts, tx.now), line, note));
    const tick = { line, by: tickerId, at: tx.now.toISOString(), note: note.trim() };
    tx.note({ personId: each.personId, line, note: tick.note });
    return lookedAt(tx, { ...each, ticks: [...each.ticks, tick] }, facts);
  });
}
