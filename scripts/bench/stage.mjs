import { fork } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../../dist/app.js';
import { startLocalPostgres } from '../../dist/local/postgres.js';
import { benchUser } from './load.mjs';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));

/** A folder that is gone when the run ends; in memory where that is asked for and there is room. */
function folderFor(inMemory) {
  let base = os.tmpdir();
  if (inMemory && fs.existsSync('/dev/shm')) {
    const { bavail, bsize } = fs.statfsSync('/dev/shm');
    if (bavail * bsize > 6e9) base = '/dev/shm';
  }
  const folder = fs.mkdtempSync(path.join(base, 'keysteward-bench-'));
  fs.chmodSync(folder, 0o755);
  return folder;
}

/** An embedded Postgres with our tables, for one run. */
export async function postgresFor(stage, { inMemory = false, flags = [] } = {}) {
  const folder = folderFor(inMemory);
  stage.leave(() => fs.rmSync(folder, { recursive: true, force: true }));
  const server = await startLocalPostgres({
    dataDir: path.join(folder, 'postgres'),
    flags: flags.flatMap((flag) => ['-c', flag]),
  });
  stage.leave(() => server.stop());
  await migrate({ databaseUrl: server.url, queueHome: { databaseUrl: server.url } });
  const pool = new pg.Pool({ connectionString: server.url, max: 2 });
  pool.on('error', () => {});
  stage.leave(() => pool.end());
  return { url: server.url, pool };
}

export async function databaseBeside(stage, postgres, name) {
  await postgres.pool.query(`create database ${name}`);
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  await migrate({ databaseUrl: url.toString(), queueHome: { databaseUrl: url.toString() } });
  const pool = new pg.Pool({ connectionString: url.toString(), max: 2 });
  pool.on('error', () => {});
  stage.leave(() => pool.end());
  return { url: url.toString(), pool };
}

/** The least of Slack's Web API that the program needs to start and to answer. */
export async function slackThatSaysYes(stage) {
  const answer = JSON.stringify({
    ok: true,
    team_id: 'T1',
    user_id: `${benchUser}BOT`,
    bot_id: 'B0BENCH',
    user: { id: benchUser, team_id: 'T1', name: 'bench', real_name: 'Bench', tz: 'UTC' },
  });
  let answered = 0;
  const server = http.createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      answered++;
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  stage.leave(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${server.address().port}`;
  return { apiUrl: `${url}/api/`, responseUrl: `${url}/respond`, answered: () => answered };
}

/** A server of `servers/` in a process of its own. */
export async function serverFor(stage, name, settings = {}) {
  const child = fork(file(`servers/${name}.mjs`), [], {
    env: { ...process.env, NODE_ENV: 'test', BENCH_SETTINGS: JSON.stringify(settings) },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--disable-proto=delete', ...(process.env.BENCH_PROF ? ['--cpu-prof', '--cpu-prof-dir=/tmp/prof'] : [])],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill(process.env.BENCH_PROF ? 'SIGTERM' : 'SIGKILL');
    await gone;
  };
  stage.leave(stop);
  const { port } = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the server ${name} ended with ${code} before it was ready`)));
  });
  return { port, pid: child.pid, stop };
}

/** Runs with a list of what has to be put away afterwards, last first, whatever happened. */
export async function onStage(run) {
  const leaving = [];
  const stage = { leave: (undo) => void leaving.push(undo) };
  try {
    return await run(stage);
  } finally {
    for (const undo of leaving.reverse()) await undo();
  }
}
