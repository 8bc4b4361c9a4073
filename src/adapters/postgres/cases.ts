import { and, eq, gte, inArray, sql } from 'drizzle-orm';
import { type Case, type HrMessage, unfinished } from '../../offboarding/model.ts';
import type { CaseReads, Tx } from '../../ports.ts';
import { counted, rowsOf, type Session, type TableRows } from './rows.ts';
import { cases, hrMessages } from './schema.ts';

export function caseRows(session: Session): TableRows<Case> & CaseReads {
  const rows = rowsOf<Case>(session, cases, 'case');
  const notOver = inArray(cases.status, [...unfinished]);
  return {
    ...rows,
    latestOf: async (personId) =>
      (
        await rows.where(eq(cases.personId, personId as Case['personId']), sql`${cases.openedAt} DESC, id DESC`, 1)
      )[0] ?? null,
    unfinished: () => rows.where(notOver, sql`${cases.openedAt}, ${cases.id}`),
    async openedByMachineSince(at) {
      // Two who count at once would each miss the other.
      if (session.locking) await session.db.execute(sql`select pg_advisory_xact_lock(hashtext('offboarding.count'))`);
      const since = and(eq(cases.byMachine, true), gte(cases.openedAt, at), sql`${cases.status} <> 'called-off'`);
      return counted(session, cases, since);
    },
    async message(id) {
      const found = await session.db.select().from(hrMessages).where(eq(hrMessages.id, id));
      return (found[0] as HrMessage | undefined) ?? null;
    },
    unknown: async (hrId) =>
      (await session.db
        .select()
        .from(hrMessages)
        .where(and(eq(hrMessages.hrId, hrId), eq(hrMessages.outcome, 'unknown')))
        .orderBy(sql`${hrMessages.receivedAt} DESC`)) as HrMessage[],
  };
}

export function writableCases(session: Session): Tx['cases'] {
  return {
    ...caseRows(session),
    async hear(message) {
      const kept = await session.db.insert(hrMessages).values(message).onConflictDoNothing().returning();
      return kept.length > 0;
    },
    async settle({ id, outcome, caseId }) {
      await session.db.update(hrMessages).set({ outcome, caseId }).where(eq(hrMessages.id, id));
    },
  };
}
