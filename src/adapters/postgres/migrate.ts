import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';

export const migrationsFolder = fileURLToPath(new URL('../../../migrations', import.meta.url));
/** Any number that nothing else in the database locks. */
const lock = '7203114001';

/** Brings the database up to date, once at a time however many processes ask. */
export async function migrateUp(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: 'keysteward migrate' });
  await client.connect();
  try {
    await client.query("set lock_timeout = '60s'");
    await client.query('select pg_advisory_lock($1)', [lock]);
    await migrate(drizzle(client), { migrationsFolder, migrationsSchema: 'keysteward', migrationsTable: 'migration' });
  } finally {
    await client.end();
  }
}

/** Names of the migrations that the database still lacks. */
export async function missingMigrations(pool: pg.Pool): Promise<string[]> {
  const journal = JSON.parse(readFileSync(join(migrationsFolder, 'meta', '_journal.json'), 'utf8')) as {
    entries: { tag: string; when: number }[];
  };
  const exists = await pool.query<{ there: boolean }>(
    "select to_regclass('keysteward.migration') is not null as there",
  );
  if (!exists.rows[0]!.there) return journal.entries.map((each) => each.tag);
  const { rows } = await pool.query<{ created_at: string }>('select created_at from keysteward.migration');
  const applied = new Set(rows.map((row) => Number(row.created_at)));
  return journal.entries.filter((each) => !applied.has(each.when)).map((each) => each.tag);
}

/** What tells this installation from others that use the same Redis. A copy of a database has the same. */
export async function installationOf(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ id: string }>('select id from installation');
  return rows[0]!.id;
}
