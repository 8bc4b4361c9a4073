import { createHash, randomBytes } from 'node:crypto';
import canonicalize from 'canonicalize';
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { type PostgresStore, postgresStore } from '../../src/adapters/postgres/store.ts';
import { hasWords } from '../../src/audit/tell.ts';

export interface TestDatabase {
  /** Set from the first `beforeAll` on. */
  url: string;
  store: PostgresStore;
}

/** A database of its own for this test file, cloned from the migrated template; its audit log is held to its promises at the end. */
export function useDatabase(): TestDatabase {
  const database = { url: '', store: undefined as unknown as PostgresStore };
  const name = `t_${randomBytes(6).toString('hex')}`;
  beforeAll(async () => {
    const { url, template } = inject('postgres');
    const admin = new pg.Client(url);
    await admin.connect();
    await admin.query(`create database ${name} template ${template}`);
    await admin.end();
    const own = new URL(url);
    own.pathname = `/${name}`;
    database.url = own.toString();
    database.store = postgresStore(database.url);
  });
  afterAll(async () => {
    const lies = await whatIsWrongInTheLog(database.store.pool);
    await database.store.close();
    const admin = new pg.Client(inject('postgres').url);
    await admin.connect();
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
    if (lies.length > 0) throw new Error(`the audit log of this test file is not as promised:\n${lies.join('\n')}`);
  });
  return database;
}

interface LoggedRow {
  id: string;
  occurred_at: Date;
  actor_kind: string;
  actor_id: string;
  action: string;
  subject: string;
  key_id: string | null;
  outcome: string;
  canonical: Buffer;
  salt: Buffer;
  leaf: Buffer;
}

/** Every event of every flow: written by somebody, hashed as promised, found by what it says, and fit to be read. */
export async function whatIsWrongInTheLog(pool: Pick<pg.Pool, 'query'>): Promise<string[]> {
  const { rows } = await pool.query<LoggedRow>('select * from audit_event');
  const salts = new Set(rows.map((row) => row.salt.toString('hex')));
  const found = salts.size === rows.length ? [] : ['two events share a salt'];
  for (const row of rows) {
    const said = JSON.parse(row.canonical.toString('utf8')) as Record<string, unknown> & { actor: { id?: string } };
    const leaf = createHash('sha256')
      .update(Buffer.from([0]))
      .update(row.salt)
      .update(row.canonical)
      .digest();
    const columns = [row.id, row.occurred_at.toISOString(), row.actor_kind, row.actor_id, row.action];
    const { actor, id, at, action, subject, keyId, outcome } = said as never as Record<string, never>;
    const { kind, id: actorId } = (actor ?? {}) as { kind?: string; id?: string };
    const complaints = {
      'its leaf is another': !leaf.equals(row.leaf),
      'its bytes are not canonical': canonicalize(said) !== row.canonical.toString('utf8'),
      'nobody did it': !row.actor_kind || !row.actor_id,
      'its action has no words in src/audit/tell.ts': !hasWords(row.action) && !/^test[.-]/.test(row.action),
      'its columns say something else':
        JSON.stringify([...columns, row.subject, row.key_id, row.outcome]) !==
        JSON.stringify([id, at, kind, actorId, action, subject, keyId, outcome]),
    };
    for (const [complaint, is] of Object.entries(complaints))
      if (is) found.push(`${row.id} ${row.action}: ${complaint}`);
  }
  return found;
}

/** An empty database on the server that TEST_DATABASE_URL names, for what has a server Postgres as its subject. */
export function useServerDatabase(): { url: string } {
  const database = { url: '' };
  const name = `keysteward_test_${randomBytes(6).toString('hex')}`;
  const admin = () => new pg.Client(process.env.TEST_DATABASE_URL);
  beforeAll(async () => {
    const client = admin();
    await client.connect();
    await client.query(`create database ${name}`);
    await client.end();
    const own = new URL(process.env.TEST_DATABASE_URL!);
    own.pathname = `/${name}`;
    database.url = own.toString();
  });
  afterAll(async () => {
    const client = admin();
    await client.connect();
    await client.query(`drop database ${name} with (force)`);
    await client.end();
  });
  return database;
}
