import { getTableName, is } from 'drizzle-orm';
import { getTableConfig, integer, PgTable, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import * as schema from '../../src/adapters/postgres/schema.ts';
import { useDatabase } from '../support/database.ts';

/** Tables that only plain SQL reads and writes. */
const inPlainSqlOnly = ['installation', 'lease', 'pace', 'turn'];
/** Columns that Postgres fills by itself and that only plain SQL names. */
const filledByPostgres: Record<string, string[]> = { api_key: ['words'] };

const database = useDatabase();
const tables = Object.values<unknown>(schema).filter((each): each is PgTable => is(each, PgTable));
const known = [...tables.map(getTableName), ...inPlainSqlOnly].sort();

interface Column {
  type: string;
  notNull: boolean;
  hasDefault: boolean;
  primary: boolean;
}
type Columns = Record<string, Column>;

function asInCode(table: PgTable): Columns {
  return Object.fromEntries(
    getTableConfig(table).columns.map((each) => {
      const { notNull, hasDefault, primary } = each;
      // Drizzle writes `timestamp (3) with time zone`, Postgres without the first blank.
      return [each.name, { type: each.getSQLType().replace(' (', '('), notNull, hasDefault, primary }];
    }),
  );
}

async function asInDatabase(table: string): Promise<{ columns: Columns; generated: string[] }> {
  const { rows } = await database.store.pool.query<Column & { name: string; generated: boolean }>(
    `select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as "notNull", atthasdef as "hasDefault",
       coalesce(attnum = any(conkey), false) as "primary", attgenerated <> '' as generated
     from pg_attribute left join pg_constraint on conrelid = attrelid and contype = 'p'
     where attrelid = format('public.%I', $1::text)::regclass and attnum > 0 and not attisdropped`,
    [table],
  );
  const named = rows.filter(({ name }) => !filledByPostgres[table]?.includes(name));
  return {
    columns: Object.fromEntries(
      named.map(({ name, type, notNull, hasDefault, primary }) => [name, { type, notNull, hasDefault, primary }]),
    ),
    generated: rows.filter((each) => each.generated).map((each) => each.name),
  };
}

async function tablesThere(): Promise<string[]> {
  const { rows } = await database.store.pool.query<{ name: string }>(
    `select relname as name from pg_class
     where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')`,
  );
  return rows.map((each) => each.name).sort();
}

describe('the tables as the code knows them', () => {
  it.each(tables.map((table) => [getTableName(table), table] as const))(
    '%s has the columns, types, nullability, defaults and primary key that the migrations gave it, and no others',
    async (name, table) => {
      const { columns, generated } = await asInDatabase(name);
      expect(asInCode(table)).toEqual(columns);
      expect(generated).toEqual(filledByPostgres[name] ?? []);
    },
  );

  it('are all that the migrations made, but for those that only plain SQL knows', async () => {
    expect(await tablesThere()).toEqual(known);
  });

  it('the comparison would notice: each of these differs in one thing from a table that is there', async () => {
    await database.store.pool.query(
      `create table made_up (id text primary key, part integer not null, said text not null default '', at timestamptz(3))`,
    );
    onTestFinished(async () => void (await database.store.pool.query('drop table made_up')));
    const right = {
      id: text('id').primaryKey(),
      part: integer('part').notNull(),
      said: text('said').notNull().default(''),
      at: schema.instant('at'),
    };
    const { at: _, ...withoutTime } = right;
    const wrong = {
      'a column less': pgTable('made_up', withoutTime),
      'a column more': pgTable('made_up', { ...right, more: text('more') }),
      'a column by another name': pgTable('made_up', { ...right, at: schema.instant('made_at') }),
      'another type': pgTable('made_up', { ...right, part: text('part').notNull() }),
      'bytes for text': pgTable('made_up', { ...right, said: schema.bytea('said').notNull().default(Buffer.of()) }),
      'another precision': pgTable('made_up', { ...right, at: timestamp('at', { withTimezone: true }) }),
      'no zone': pgTable('made_up', { ...right, at: timestamp('at', { precision: 3 }) }),
      'may be null': pgTable('made_up', { ...right, said: text('said').default('') }),
      'no default': pgTable('made_up', { ...right, said: text('said').notNull() }),
      'no primary key': pgTable('made_up', { ...right, id: text('id').notNull() }),
      'another primary key': pgTable('made_up', { ...right, part: integer('part').primaryKey() }),
    };
    const { columns } = await asInDatabase('made_up');
    expect(asInCode(pgTable('made_up', right))).toEqual(columns);
    for (const [difference, table] of Object.entries(wrong)) expect(asInCode(table), difference).not.toEqual(columns);
    expect(await tablesThere()).not.toEqual(known);
  });
});
