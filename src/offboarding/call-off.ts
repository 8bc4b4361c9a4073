import { type Id, refuseIf } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import { type Case, whyNotCallOff, whyNotWork } from './model.ts';

/** An administrator says that they do not leave. Only while nothing has been ended. */
export function callOff(
  { store }: Pick<Ports, 'store'>,
  callerId: Id<'person'>,
  { caseId }: { caseId: Id<'case'> },
): Promise<Case> {
  const actor = { kind: 'person', id: callerId } as const;
  return store.change({ actor, action: 'offboarding.call-off', subject: caseId }, async (tx) => {
    const each = await tx.cases.get(caseId);
    refuseIf(whyNotWork(await tx.people.get(callerId), 'offboarding.open', each.personId));
    refuseIf(whyNotCallOff(each));
    return over(tx, { ...each, status: 'called-off', closedAt: tx.now, closedBy: callerId });
  });
}

/** Slack let somebody in again before anything was ended. */
export function callOffBySlack({ store }: Pick<Ports, 'store'>, caseId: Id<'case'>): Promise<void> {
  const actor = { kind: 'job', id: 'offboarding.check' } as const;
  return store.change({ actor, action: 'offboarding.call-off', subject: caseId }, async (tx) => {
    const each = await tx.cases.get(caseId);
    tx.note({ status: each.status, why: 'active in Slack again' });
    if (whyNotCallOff(each)) return;
    await over(tx, { ...each, status: 'called-off', closedAt: tx.now });
  });
}

async function over(tx: Tx, each: Case): Promise<Case> {
  await tx.cases.save(each);
  await tx.cards.touch(each.id);
  tx.note({ personId: each.personId });
  return each;
}
