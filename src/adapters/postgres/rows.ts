import { eq, getTableColumns, type SQL, sql } from 'drizzle-orm';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { Refusal } from '../../kernel.ts';
import type { WritableRows } from '../../ports.ts';

export type Db = NodePgDatabase;
/** What the rows of one transaction share. */
export interface Session {
  db: Db;
  /** True inside `store.change`: reading one row locks it. */
  locking: boolean;
  /** What was made once for this connection, such as a prepared statement. */
  keep: <V>(name: string, make: () => V) => V;
}

export interface TableRows<N> extends WritableRows<N> {
  where(condition: SQL | undefined, order?: SQL, limit?: number): Promise<N[]>;
}

type TableWithId = PgTable & { id: PgColumn };

/** The rows of a table whose property names are those of its model. `what` names the noun in "not found". */
export function rowsOf<N extends { id: string }>(session: Session, table: TableWithId, what: string): TableRows<N> {
  const columns = getTableColumns(table);
  const find = async (id: string): Promise<N | null> => {
    const query = session.db.select().from(table).where(eq(table.id, id)).$dynamic();
    const rows = await (session.locking ? query.for('update') : query);
    return (rows[0] as N | undefined) ?? null;
  };
  return {
    find,
    async get(id) {
      const row = await find(id);
      if (!row) throw new Refusal('not_found', `This ${what} does not exist, or not any more.`);
      return row;
    },
    async save(row) {
      const set = Object.fromEntries(
        Object.keys(columns)
          .filter((name) => name !== 'id')
          .map((name) => [name, sql.raw(`excluded."${columns[name]!.name}"`)]),
      );
      await session.db
        .insert(table)
        .values(row as never)
        .onConflictDoUpdate({ target: table.id, set: set as never });
    },
    async where(condition, order, limit) {
      let query = session.db.select().from(table).where(condition).$dynamic();
      if (order) query = query.orderBy(order);
      if (limit !== undefined) query = query.limit(limit);
      return (await query) as N[];
    },
  };
}
