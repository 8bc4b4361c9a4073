import { getTableColumns, getTableName, type SQL, sql } from 'drizzle-orm';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import type pg from 'pg';
import { type Id, Refusal } from '../../kernel.ts';
import type { WritableRows } from '../../ports.ts';

export type Db = NodePgDatabase & { $client: pg.ClientBase };
/** What the rows of one transaction share. */
export interface Session {
  db: Db;
  /** True inside `store.change`: reading one row locks it. */
  locking: boolean;
  /** What was made once for this connection, such as a prepared statement. */
  keep: <V>(name: string, make: () => V) => V;
  /** Writes whose answers nobody has waited for yet; whoever commits does. Absent where each is waited for. */
  sent?: Promise<unknown>[];
  /** The keys that this transaction has locked so far. */
  locked?: Set<Id<'key'>>;
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

/** How many rows there are, or how many different values of something in them. */
export async function counted(
  session: Session,
  table: PgTable,
  where: SQL | undefined,
  what = sql`*`,
): Promise<number> {
  const [row] = await session.db
    .select({ n: sql<number>`count(${what})::int` })
    .from(table)
    .where(where);
  return row!.n;
}

type TableWithId = PgTable & { id: PgColumn };

/**
 * How rows of a table are read and written as a whole. They come as one JSON array of their columns, in this order: one
 * value to take apart where otherwise each column would be one.
 */
function shapeOf<N>(table: TableWithId) {
  const columns = Object.entries(getTableColumns(table));
  const name = getTableName(table);
  const quoted = (column: PgColumn) => `"${name}"."${column.name}"`;
  return {
    name,
    asked: `json_build_array(${columns.map(([, column]) => quoted(column)).join(', ')})`,
    read: (values: unknown[]): N =>
      Object.fromEntries(
        columns.map(([property, { dataType }], i) => {
          const value = values[i];
          return [property, dataType === 'date' && value !== null ? new Date(value as string) : value];
        }),
      ) as N,
    /** What a row does not say takes the column's default. */
    saving(row: N): Statement {
      const said = columns.filter(([property]) => row[property as keyof N] !== undefined);
      const list = said.map(([, column]) => `"${column.name}"`);
      const news = columns.flatMap(([, { name: each }]) => (each === 'id' ? [] : [`"${each}" = excluded."${each}"`]));
      return {
        text: `insert into "${name}" (${list.join(', ')}) values (${list.map((_, i) => `$${i + 1}`).join(', ')})
          on conflict (id) do update set ${news.join(', ')}`,
        values: said.map(([property, column]) => {
          const value = row[property as keyof N];
          return value === null ? null : (column.mapToDriverValue(value) as string);
        }),
      };
    },
  };
}
const shapes = new Map<TableWithId, ReturnType<typeof shapeOf>>();
/** The shape of a table is made once. */
export function shape<N>(table: TableWithId) {
  const known = shapes.get(table) ?? shapeOf(table);
  shapes.set(table, known);
  return known as ReturnType<typeof shapeOf<N>>;
}

/** The rows of a table whose property names are those of its model. `what` names the noun in "not found". */
export function rowsOf<N extends { id: string }>(session: Session, table: TableWithId, what: string): TableRows<N> {
  const { name, asked, read, saving } = shape<N>(table);
  const finding = `select ${asked} as row from "${name}" where id = $1${session.locking ? ' for update' : ''}`;
  const find = async (id: string): Promise<N | null> => {
    const { rows } = await ask<{ row: unknown[] }>(session, { text: finding, values: [id] });
    return rows[0] ? read(rows[0].row) : null;
  };
  return {
    find,
    async get(id) {
      const row = await find(id);
      if (!row) throw notFound(what);
      return row;
    },
    save: async (row) => sending(session, ask(session, saving(row))),
    async where(condition, order, limit) {
      const { rows } = await session.db.execute<{ row: unknown[] }>(
        sql`select ${sql.raw(asked)} as row from ${table}${condition && sql` where ${condition}`}${order && sql` order by ${order}`}${limit !== undefined ? sql` limit ${limit}` : undefined}`,
      );
      return rows.map(({ row }) => read(row));
    },
  };
}

/** A statement of our own, on the connection of this transaction. */
export const ask = <R extends object>({ db }: Session, { text, values }: Statement): Promise<pg.QueryResult<R>> =>
  db.$client.query<R & pg.QueryResultRow>({ text, values });
