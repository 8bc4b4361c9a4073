import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { binary, type Home, surroundings } from './home.ts';

export const superuser = 'postgres';

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
export async function initialised(home: Home): Promise<string> {
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

export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
