import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, inject } from 'vitest';
import { type PostgresStore, postgresStore } from '../../src/adapters/postgres/store.ts';

export interface TestDatabase {
  /** Set from the first `beforeAll` on. */
  url: string;
  store: PostgresStore;
}

/** A database of its own for this test file, cloned from the migrated template. */
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
    await database.store.close();
    const admin = new pg.Client(inject('postgres').url);
    await admin.connect();
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  });
  return database;
}
