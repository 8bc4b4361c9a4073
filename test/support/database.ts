import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { type PostgresStore, postgresStore } from '../../src/adapters/postgres/store.ts';
import { whatIsWrongInTheLog } from './log.ts';

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
