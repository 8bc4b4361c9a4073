import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../../dist/app.js';
import { startLocalPostgres } from '../../dist/local/postgres/server.js';
import { benchUser, signingSecret } from './load.mjs';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));

/** A folder that is gone when the run ends; in memory where that is asked for and there is room. */
function folderFor(stage, inMemory) {
  let base = os.tmpdir();
  if (inMemory && fs.existsSync('/dev/shm')) {
    const { bavail, bsize } = fs.statfsSync('/dev/shm');
    if (bavail * bsize > 6e9) base = '/dev/shm';
  }
  const folder = fs.mkdtempSync(path.join(base, 'keysteward-bench-'));
  fs.chmodSync(folder, 0o755);
  stage.leave(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An embedded Postgres with our tables, for one run. */
export async function postgresFor(stage, { inMemory = false, flags = [] } = {}) {
  const folder = folderFor(stage, inMemory);
  const server = await startLocalPostgres({
    dataDir: path.join(folder, 'postgres'),
    flags: flags.flatMap((flag) => ['-c', flag]),
  });
  stage.leave(() => server.stop());
  await migrate({ databaseUrl: server.url, queueHome: { databaseUrl: server.url } });
  const pool = new pg.Pool({ connectionString: server.url, max: 2 });
  pool.on('error', () => {});
  stage.leave(() => pool.end());
  return { url: server.url, pool, liesIn: folder.startsWith('/dev/shm') ? 'memory' : 'a folder of this disk' };
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

/** A Node program in a process of its own, once a line that it prints says that it is ready. */
async function childFor(stage, args, env, ready) {
  const child = spawn(process.execPath, ['--disable-proto=delete', ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: os.tmpdir(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGTERM');
    const killed = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await gone;
    clearTimeout(killed);
  };
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  stage.leave(stop);
  const found = await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = ready.exec(line);
      if (match) resolve(match);
    });
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code} before it was ready`)));
  });
  return { port: Number(found[1]), pid: child.pid, kill };
}

/** `keysteward all` with nothing configured but where it keeps its data. */
export const everythingFor = (stage) =>
  childFor(
    stage,
    [file('../../dist/main.js'), 'all'],
    { DATA_DIR: folderFor(stage, false), PORT: '0' },
    /port (\d+), ready in/,
  );

/** One role of the program beside a Postgres and a Slack. */
export const roleFor = (stage, role, { databaseUrl, apiUrl, redisUrl }) =>
  childFor(
    stage,
    [file('../../dist/main.js'), role],
    {
      DATABASE_URL: databaseUrl,
      ...(redisUrl ? { REDIS_URL: redisUrl } : {}),
      SLACK_BOT_TOKEN: 'xoxb-bench',
      SLACK_SIGNING_SECRET: signingSecret,
      SLACK_API_URL: apiUrl,
      ADMIN_SLACK_USERS: benchUser,
      AWS_REGION: 'eu-central-1',
      PORT: '0',
    },
    new RegExp(`"port":(\\d+).*"${role} ready"`),
  );

export const boltFor = (stage) => childFor(stage, [file('bare-bolt.mjs')], {}, /ready on (\d+)/);

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
