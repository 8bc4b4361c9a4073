import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type LocalPostgres, startLocalPostgres } from '../../src/local/postgres/server.ts';

let dataDir: string;
let cleanups: (() => Promise<void> | void)[];

beforeEach(() => {
  dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-pg-'));
  cleanups = [];
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const clean of cleanups.reverse()) await clean();
  fs.rmSync(dataDir, { recursive: true, force: true });
});

async function start(options: Partial<Parameters<typeof startLocalPostgres>[0]> = {}): Promise<LocalPostgres> {
  const server = await startLocalPostgres({ dataDir, ...options });
  cleanups.push(() => server.stop());
  return server;
}

async function ask(url: string, sql: string): Promise<unknown[][]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
  } finally {
    await client.end();
  }
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 15_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('the condition never came true');
    await sleep(20);
  }
}

function serverPid(): number {
  return Number(fs.readFileSync(path.join(dataDir, 'pgdata', 'postmaster.pid'), 'utf8').split('\n')[0]);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // A killed child nobody has waited for still has a number.
    return !/\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Another Node process that starts the server and then only waits. */
async function startElsewhere(): Promise<{ process: ChildProcess; url: string; owner: boolean }> {
  const bundle = await bundled();
  const script = `const { startLocalPostgres } = await import(${JSON.stringify(pathToFileURL(bundle).href)});
    const server = await startLocalPostgres({ dataDir: ${JSON.stringify(dataDir)} });
    console.log(JSON.stringify({ url: server.url, owner: server.owner }));
    process.stdin.resume(); process.stdin.on('end', () => server.stop());`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanups.push(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return { process: child, ...(JSON.parse(line.toString()) as { url: string; owner: boolean }) };
}

/** The launcher as JavaScript inside the project, where Node finds the packages it imports. */
async function bundled(): Promise<string> {
  const { build } = await import('esbuild');
  const outfile = path.resolve('node_modules', '.cache', 'keysteward-test', `postgres-${process.pid}.mjs`);
  await build({
    entryPoints: ['src/local/postgres/server.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  });
  cleanups.push(() => fs.rmSync(outfile, { force: true }));
  return outfile;
}

describe('the local Postgres', { timeout: 60_000 }, () => {
  test('starts from an empty directory, as a real Postgres on loopback with a password', async () => {
    const server = await start({ database: 'odd "name"' });

    expect(server.owner).toBe(true);
    expect(await ask(server.url, 'select current_database(), inet_server_addr()::text')).toEqual([
      ['odd "name"', '127.0.0.1/32'],
    ]);
    const without = new URL(server.url);
    without.password = 'wrong';
    await expect(ask(without.href, 'select 1')).rejects.toThrow(/password authentication failed/);
    if (process.platform !== 'win32') expect(fs.statSync(path.join(dataDir, 'password')).mode & 0o777).toBe(0o600);
  });

  test('a restart keeps the rows, the password and the right to stop', async () => {
    const first = await start();
    await ask(first.url, 'create table seen (n int); insert into seen values (7)');
    const pid = serverPid();
    await first.stop();
    expect(alive(pid)).toBe(false);

    const second = await start();
    expect(second.owner).toBe(true);
    expect(await ask(second.url, 'select n from seen')).toEqual([[7]]);
    expect(new URL(second.url).password).toBe(new URL(first.url).password);
  });

  test('a second start joins the running server, and stopping the guest leaves it running', async () => {
    const owner = await start();
    const guest = await start({ database: 'other' });

    expect(guest).toMatchObject({ owner: false, port: owner.port });
    await guest.stop();
    expect(await ask(owner.url, 'select 1')).toEqual([[1]]);
    expect(await ask(guest.url, 'select current_database()')).toEqual([['other']]);
  });

  test('three at once on an empty directory all connect to one server with one owner', async () => {
    const servers = await Promise.all([startElsewhere(), startElsewhere(), start()]);

    expect(servers.filter((server) => server.owner)).toHaveLength(1);
    expect(new Set(servers.map((server) => server.url)).size).toBe(1);
    for (const server of servers) expect(await ask(server.url, 'select 1')).toEqual([[1]]);
    expect(fs.readdirSync(dataDir).filter((name) => name.includes('.init-'))).toEqual([]);
  });

  test('SIGKILL of the owner leaves no server behind, and the next start finds the rows', async () => {
    const owner = await startElsewhere();
    await ask(owner.url, 'create table seen (n int); insert into seen values (7)');
    const pid = serverPid();

    owner.process.kill('SIGKILL');
    await until(() => !alive(pid));

    const next = await start();
    expect(next.owner).toBe(true);
    expect(await ask(next.url, 'select n from seen')).toEqual([[7]]);
  });

  test('SIGKILL of the server itself: the next start recovers the rows', async () => {
    const first = await start();
    await ask(first.url, 'create table seen (n int); insert into seen values (7)');
    const pid = serverPid();
    process.kill(pid, 'SIGKILL');
    await until(() => !alive(pid));

    const next = await start();
    expect(await ask(next.url, 'select n from seen')).toEqual([[7]]);
  });

  test('a stale pid file whose number now belongs to another program does not stop a start', async () => {
    const first = await start();
    await first.stop();
    const stale = [process.pid, path.join(dataDir, 'pgdata'), 1, first.port, '', '127.0.0.1', '', 'ready   ', ''].join(
      '\n',
    );
    fs.writeFileSync(path.join(dataDir, 'pgdata', 'postmaster.pid'), stale);
    if (process.platform !== 'linux') return; // Only Linux says what a process number stands for.

    // Postgres itself decides whether the number is its own user's; for an ordinary user this test's process is.
    if (process.getuid?.() !== 0) return;
    const next = await start();
    expect(next.owner).toBe(true);
  });

  test('a first start that died half way is cleared away and done again', async () => {
    const dead = spawn(process.execPath, ['-e', '']);
    await once(dead, 'exit');
    const leftover = path.join(dataDir, `pgdata.init-${dead.pid}-abc`);
    fs.mkdirSync(leftover);
    fs.writeFileSync(path.join(dataDir, 'password'), 'published-before-the-crash\n', { mode: 0o644 });

    const server = await start();
    expect(new URL(server.url).password).toBe('published-before-the-crash');
    expect(fs.existsSync(leftover)).toBe(false);
  });

  test('a taken port is reported with the reason, the log and the way out', async () => {
    const squatter = net.createServer().listen(0, '127.0.0.1');
    await once(squatter, 'listening');
    cleanups.push(() => new Promise<void>((resolve) => squatter.close(() => resolve())));

    const { port } = squatter.address() as net.AddressInfo;
    await expect(start({ port })).rejects.toThrow(/did not start: .*(address|TCP\/IP).*postgres\.log.*DATABASE_URL/s);
  });

  test('a lost password file is reported, not replaced', async () => {
    const server = await start();
    await server.stop();
    fs.rmSync(path.join(dataDir, 'password'));
    await expect(start()).rejects.toThrow(/lost its password file/);
  });

  test('production refuses it', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    await expect(start()).rejects.toThrow(/set DATABASE_URL/);
    expect(fs.readdirSync(dataDir)).toEqual([]);
  });

  describe.runIf(process.getuid?.() === 0)('as root with a directory that no other account may enter', () => {
    let closed: string;
    const elsewhere: string[] = [];
    beforeEach(() => {
      closed = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-closed-'));
      cleanups.push(() => {
        for (const dir of [closed, ...elsewhere.splice(0)]) fs.rmSync(dir, { recursive: true, force: true });
      });
    });

    async function whereTo(): Promise<string> {
      let said = '';
      const server = await start({ dataDir: path.join(closed, 'data'), notice: (sentence) => (said += sentence) });
      await server.stop();
      const dir = /\/var\/tmp\/embedded-pg-data-\w+/.exec(said)?.[0] ?? '';
      elsewhere.push(dir);
      return dir;
    }

    test('the rows go to a directory that is private to the server, and it says where', async () => {
      const dir = await whereTo();
      expect(fs.lstatSync(dir).mode & 0o777).toBe(0o700);
      expect(fs.existsSync(path.join(closed, 'data'))).toBe(false);
    });

    test.each([
      ['a symbolic link', (dir: string) => fs.symlinkSync(closed, dir)],
      [
        'a directory of another user',
        (dir: string) => {
          fs.mkdirSync(dir);
          fs.chownSync(dir, 12345, 12345);
        },
      ],
      [
        'a directory anyone may write to',
        (dir: string) => {
          fs.mkdirSync(dir);
          fs.chmodSync(dir, 0o777);
        },
      ],
    ])('%s planted under that name is refused', async (_what, plant) => {
      const dir = await whereTo();
      fs.rmSync(dir, { recursive: true });
      plant(dir);
      await expect(start({ dataDir: path.join(closed, 'data') })).rejects.toThrow(/made by somebody else/);
    });
  });
});
