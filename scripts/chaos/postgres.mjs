import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { startLocalPostgres } from '../../dist/local/postgres/server.js';

const quickly = ['fsync=off', 'full_page_writes=off'].flatMap((flag) => ['-c', flag]);

/** A database for one run: on the given server, or on an embedded one, which can be restarted and crashed. */
export async function databaseFor(stage, folder, serverUrl) {
  if (serverUrl) return databaseAt(stage, serverUrl);
  const dataDir = path.join(folder, 'postgres');
  // What was committed has to survive a crash of the server; a crash of the machine is not played.
  let server = await startLocalPostgres({ dataDir, flags: quickly });
  stage.leave(() => server.stop());
  const startAgain = async () => {
    server = await startLocalPostgres({ dataDir, flags: quickly, port: server.port });
  };
  return {
    url: server.url,
    own: true,
    async restart() {
      await server.stop();
      await startAgain();
    },
    /** Everything at once, as when the process is killed: what was committed has to be there afterwards. */
    async crash() {
      const pid = Number(fs.readFileSync(path.join(dataDir, 'pgdata', 'postmaster.pid'), 'utf8').split('\n')[0]);
      process.kill(pid, 'SIGQUIT');
      await server.stop();
      await startAgain();
    },
  };
}

async function databaseAt(stage, serverUrl) {
  const name = `keysteward_chaos_${randomBytes(5).toString('hex')}`;
  const admin = new pg.Pool({ connectionString: serverUrl, max: 2 });
  admin.on('error', () => {});
  await admin.query(`create database ${name}`);
  stage.leave(async () => {
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  });
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const breakAll = async () =>
    void (await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]));
  return { url: url.toString(), own: false, breakAll };
}
