import { after, type Id, Later, minute } from '../kernel.ts';
import { callOffBySlack } from './call-off.ts';
import { factsOf, type OffboardingPorts } from './facts.ts';
import { grantsToEnd, linesOf, looked, readyToRotate } from './model.ts';
import { startCase } from './open.ts';
import { lookedAt } from './start.ts';

/** For so long the end of the access is looked after every few seconds, then every minute. */
const closelyMs = 5 * minute;

/**
 * Compares the lines of a case with the world, writes down what has changed, asks for the rotations that can begin.
 * It closes nothing: that is for a person. Job `offboarding.check`, and `offboarding.sweep` for every case.
 */
export async function checkCase(ports: OffboardingPorts, { caseId }: { caseId: Id<'case'> }): Promise<void> {
  const seen = await ports.store.read(async (view) => {
    const each = await view.cases.get(caseId);
    const facts = await factsOf(view, ports, each);
    const changed = looked(each, linesOf(each, facts, view.now), facts, view.now) !== each;
    return { each, facts, changed, now: view.now };
  });
  const { each, facts, changed, now } = seen;
  if (each.status === 'planned' && each.effectiveAt <= now) return startCase(ports, { caseId });
  if (each.status !== 'open') {
    const back = each.cause.kind === 'slack' && facts.person.status === 'active';
    return back && (each.status === 'planned' || each.status === 'waiting') ? callOffBySlack(ports, caseId) : undefined;
  }
  if (changed || readyToRotate(each, facts, now).length > 0) {
    const actor = { kind: 'job', id: 'offboarding.check' } as const;
    await ports.store.change({ actor, action: 'offboarding.check', subject: caseId }, async (tx) => {
      const before = await tx.cases.get(caseId);
      if (before.status !== 'open') return;
      const next = await lookedAt(tx, before, await factsOf(tx, ports, before));
      const moved = Object.entries(next.seen).filter(([id, { state }]) => before.seen[id]?.state !== state);
      tx.note({
        lines: Object.fromEntries(moved.map(([id, { state }]) => [id, state])),
        rotations: Object.keys(next.asked).filter((id) => !before.asked[id]),
      });
    });
  }
  if (grantsToEnd(each, facts).length > 0 && now < after(each.startedAt!, closelyMs)) {
    throw new Later('their access is being ended', 2_000);
  }
}

/** Looks at every case that is not over. Job `offboarding.sweep`. */
export async function sweepCases(ports: OffboardingPorts): Promise<void> {
  const troubles: unknown[] = [];
  for (const { id } of await ports.store.read((view) => view.cases.unfinished())) {
    // One case that cannot be read must not hide the others.
    await checkCase(ports, { caseId: id }).catch((error: unknown) => {
      if (!(error instanceof Later)) troubles.push(error);
    });
  }
  if (troubles.length > 0) throw new AggregateError(troubles, `${troubles.length} cases could not be checked`);
}
