import { and, eq, isNull, sql } from 'drizzle-orm';
import type { FindingReads } from '../../ports.ts';
import type { Finding } from '../../reviews/model.ts';
import { rowsOf, type Session, type TableRows } from './rows.ts';
import { findings } from './schema.ts';

export function findingRows(session: Session): TableRows<Finding> & FindingReads {
  const rows = rowsOf<Finding>(session, findings, 'finding');
  const ofKey = (keyId: string) => eq(findings.keyId, keyId as Finding['keyId']);
  return {
    ...rows,
    openOfKey: (keyId) =>
      rows.where(and(ofKey(keyId), isNull(findings.closedAt)), sql`${findings.foundAt}, ${findings.id}`),
    ofKey: (keyId, limit) =>
      rows.where(
        ofKey(keyId),
        sql`${findings.closedAt} is not null, coalesce(${findings.closedAt}, ${findings.foundAt}) desc, ${findings.id}`,
        limit,
      ),
  };
}
