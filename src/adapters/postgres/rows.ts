import { eq, getTableColumns, getTableName, type SQL, sql } from 'drizzle-orm';
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
  /** Writes whose answers nobody has waited for yet; whoever commits does. Absent where each is waited for. */
  sent?: Promise<unknown>[];
}

/** A write that has been handed to the connection; what is asked of it next comes behind. */
export async function sending({ sent }: Session, write: Promise<unknown>): Promise<void> {
  if (!sent) return void (await write);
  // Heard at the end, where all that was sent is waited for.
  write.catch(() => {});
  sent.push(write);
}

/** A statement that is ready to be sent: nothing can go wrong any more before Postgres has it. */
export interface Statement {
  text: string;
  values: (string | Buffer | Date | null)[];
}

export interface TableRows<N> extends WritableRows<N> {
  where(condition: SQL | undefined, order?: SQL, limit?: number): Promise<N[]>;
}

/** Statements get their names where they are sent. */
export const unnamed = '';

export const notFound = (what: string) => new Refusal('not_found', `This ${what} does not exist, or not any more.`);

type TableWithId = PgTable & { id: PgColumn };

/** The rows of a table whose property names are those of its model. `what` names the noun in "not found". */
export function rowsOf<N extends { id: string }>(session: Session, table: TableWithId, what: string): TableRows<N> {
  const columns = getTableColumns(table);
  const name = getTableName(table);
  const find = async (id: string): Promise<N | null> => {
    const finding = session.keep(`${session.locking ? 'lock' : 'find'} ${name}`, () => {
      const query = session.db
        .select()
        .from(table)
        .where(eq(table.id, sql.placeholder('id')))
        .$dynamic();
      return (session.locking ? query.for('update') : query).prepare(unnamed);
    });
    const rows = await finding.execute({ id });
    return (rows[0] as N | undefined) ?? null;
  };
  return {
    find,
    async get(id) {
      const row = await find(id);
      if (!row) throw notFound(what);
      return row;
    },
    async save(row) {
      // What a row does not say takes the column's default.
      const said = Object.entries(columns).filter(([each]) => row[each as keyof N] !== undefined);
      const saving = session.keep(`save_${name} ${said.map(([each]) => each).join()}`, () =>
        session.db
          .insert(table)
          .values(Object.fromEntries(said.map(([each]) => [each, sql`${sql.placeholder(each)}`])) as never)
          .onConflictDoUpdate({
            target: table.id,
            set: Object.fromEntries(
              Object.entries(columns)
                .filter(([each]) => each !== 'id')
                .map(([each, column]) => [each, sql.raw(`excluded."${column.name}"`)]),
            ) as never,
          })
          .prepare(unnamed),
      );
      const write = saving.execute(
        Object.fromEntries(
          said.map(([each, column]) => {
            const value = row[each as keyof N];
            return [each, value === null ? null : column.mapToDriverValue(value)];
          }),
        ),
      );
      await sending(session, write);
    },
    async where(condition, order, limit) {
      let query = session.db.select().from(table).where(condition).$dynamic();
      if (order) query = query.orderBy(order);
      if (limit !== undefined) query = query.limit(limit);
      return (await query) as N[];
    },
  };
}
