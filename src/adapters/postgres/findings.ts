import { and, eq, getTableColumns, inArray, isNull, ne, type SQL, sql } from 'drizzle-orm';
import type { FindingReads, PermissionReviewReads } from '../../ports.ts';
import type { Finding } from '../../reviews/model.ts';
import type { PermissionReview } from '../../reviews/permissions-model.ts';
import { counted, rowsOf, type Session, type TableRows } from './rows.ts';
import { findings, keys, permissionReviews } from './schema.ts';

const rank = sql`case ${keys.risk} when 'high' then 0 when 'medium' then 1 else 2 end`;
/** The place of a finding in the list, also when it has been closed since. */
const placeOf = (id: string) =>
  sql`(select case k.risk when 'high' then 0 when 'medium' then 1 else 2 end, f.found_at, f.id
    from finding f join api_key k on k.id = f.key_id where f.id = ${id})`;

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
    countAlike: ({ keyId, kind, facts }) =>
      counted(
        session,
        findings,
        and(
          isNull(findings.closedAt),
          eq(findings.kind, kind),
          ne(findings.keyId, keyId),
          sql`${findings.facts} = ${JSON.stringify(facts)}::jsonb`,
        ),
      ),
    async open(ownerId, limit, at) {
      const [, way, place] = /^([<>])(fnd_\w+)$/.exec(at ?? '') ?? [];
      const back = way === '<';
      const shown = and(
        isNull(findings.closedAt),
        eq(keys.status, 'active'),
        ownerId ? eq(keys.ownerId, ownerId) : undefined,
      );
      const order: SQL[] = [rank, sql`${findings.foundAt}`, sql`${findings.id}`];
      const columns = sql.join(order, sql`, `);
      const found = (await session.db
        .select(getTableColumns(findings))
        .from(findings)
        .innerJoin(keys, eq(keys.id, findings.keyId))
        .where(and(shown, place ? sql`(${columns}) ${sql.raw(way!)} ${placeOf(place)}` : undefined))
        .orderBy(...(back ? order.map((each) => sql`${each} desc`) : order))
        .limit(limit + 1)) as Finding[];
      const [all] = await session.db
        .select({ n: sql<number>`count(*)::int` })
        .from(findings)
        .innerJoin(keys, eq(keys.id, findings.keyId))
        .where(shown);
      const page = found.slice(0, limit);
      const more = found.length > limit;
      if (back) page.reverse();
      const [first, last] = [page[0], page.at(-1)];
      return {
        rows: page,
        count: all!.n,
        previous: first && (back ? more : place) ? `<${first.id}` : null,
        next: last && (back || more) ? `>${last.id}` : null,
      };
    },
  };
}

export function permissionReviewRows(session: Session): TableRows<PermissionReview> & PermissionReviewReads {
  const rows = rowsOf<PermissionReview>(session, permissionReviews, 'review');
  return {
    ...rows,
    many: async (ids) =>
      ids.length > 0 ? rows.where(inArray(permissionReviews.id, ids as PermissionReview['id'][])) : [],
  };
}
