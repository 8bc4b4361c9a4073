import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { migrateQueues } from '../../src/adapters/bullmq/queues.ts';
import { migrateUp } from '../../src/adapters/postgres/migrate.ts';
import { startLocalPostgres } from '../../src/local/postgres/server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    postgres: { url: string; template: string };
  }
}

/** In memory where there is room for it: cloning a database takes a tenth of the time there. */
function roomyFolder(): string {
  try {
    fs.accessSync('/dev/shm', fs.constants.W_OK);
    const { bavail, bsize } = fs.statfsSync('/dev/shm');
    if (bavail * bsize > 2e9) return '/dev/shm';
  } catch {
    // Not on this system.
  }
  return os.tmpdir();
}

/** One Postgres for the whole run, with a migrated database that every test file clones. */
export default async function postgresForAll(project: TestProject): Promise<() => Promise<void>> {
  const folder = fs.mkdtempSync(path.join(roomyFolder(), 'keysteward-test-'));
  fs.chmodSync(folder, 0o755);
  const flags = ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'autovacuum=off'].flatMap((flag) => [
    '-c',
    flag,
  ]);
  const server = await startLocalPostgres({ dataDir: folder, flags });
  const template = `template_${process.pid}`;
  const admin = new pg.Client(server.url);
  await admin.connect();
  await admin.query(`create database ${template}`);
  const url = new URL(server.url);
  url.pathname = `/${template}`;
  await migrateUp(url.toString());
  await migrateQueues({ databaseUrl: url.toString() });
  await admin.query(`alter database ${template} is_template true allow_connections false`);
  await admin.end();
  project.provide('postgres', { url: server.url, template });
  return async () => {
    await server.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  };
}
