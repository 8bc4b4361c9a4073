import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { until } from '../support/house.ts';
import { build, type Child, startChild } from '../support/process.ts';

const children: Child[] = [];
const folders: string[] = [];
beforeAll(() => void build(), 120_000);
afterEach(async () => {
  for (const each of children.splice(0)) {
    each.process.kill('SIGKILL');
    await each.ended;
  }
  for (const each of folders.splice(0)) fs.rmSync(each, { recursive: true, force: true });
});

const freshFolder = () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-cli-'));
  // The embedded Postgres may run as another user than the one that tests.
  fs.chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
};
const start = (args: string[], env: Record<string, string> = {}) => {
  const child = startChild(args, { DATA_DIR: freshFolder(), PORT: '0', ...env });
  children.push(child);
  return child;
};
/** How a command ended and what it said. */
async function run(args: string[], env: Record<string, string> = {}) {
  const child = start(args, env);
  const code = await child.ended;
  return { code, said: child.output() };
}

describe('what it refuses to start with', () => {
  it('production without real services names each variable and why', async () => {
    const { code, said } = await run(['all'], { NODE_ENV: 'production' });
    expect(code).toBe(1);
    for (const name of ['DATABASE_URL', 'SLACK_BOT_TOKEN', 'AWS_REGION'])
      expect(said).toMatch(new RegExp(`${name}: missing; .+`));
  });

  it('a wrong value names the variable, what was found and what is expected, and never a secret', async () => {
    const { code, said } = await run(['all'], {
      PORT: 'seven',
      SLACK_BOT_TOKEN: 'not-a-token-4711',
      DATABASE_URL: 'mysql://root:hunter2@db/keys',
      ADMIN_SLACK_USERS: 'dana',
    });
    expect(code).toBe(1);
    expect(said).toContain('PORT: found "seven", expected a whole number');
    expect(said).toContain('SLACK_BOT_TOKEN: found a value that does not fit, expected');
    expect(said).toContain('ADMIN_SLACK_USERS: found "dana"');
    expect(said).not.toContain('4711');
    expect(said).not.toContain('hunter2');
  });

  it('a policy with an unknown rule or a wrong number names the entry', async () => {
    const folder = freshFolder();
    fs.writeFileSync(
      path.join(folder, 'policy.yml'),
      'rotation:\n  graceMinuts: 5\naccess:\n  requestExpiresHours: soon\n',
    );
    const { code, said } = await run(['all'], { POLICY_FILE: path.join(folder, 'policy.yml') });
    expect(code).toBe(1);
    expect(said).toContain('graceMinuts');
    expect(said).toContain('access.requestExpiresHours');
  });

  it('a policy file that is named and not there is no reason to go on without the company’s rules', async () => {
    const { code, said } = await run(['audit', 'list'], { POLICY_FILE: path.join(freshFolder(), 'polcy.yml') });
    expect(code).toBe(1);
    expect(said).toMatch(/POLICY_FILE: cannot read .*polcy\.yml/);
  });

  it.each(['bot', 'worker'])(
    'a %s on a database without its tables says which migrations are missing, and does not serve',
    async (role) => {
      const name = `empty_${process.pid}_${role}`;
      const admin = new pg.Client(inject('postgres').url);
      await admin.connect();
      await admin.query(`create database ${name}`);
      const url = new URL(inject('postgres').url);
      url.pathname = `/${name}`;
      try {
        const { code, said } = await run([role], {
          DATABASE_URL: url.toString(),
          SLACK_BOT_TOKEN: 'xoxb-1',
          SLACK_SIGNING_SECRET: 's',
          AWS_REGION: 'eu-central-1',
        });
        expect(code).toBe(1);
        expect(said).toContain('0000_core');
        expect(said).toContain('keysteward migrate');
        expect((await run(['migrate'], { DATABASE_URL: url.toString() })).said).toContain('up to date');
      } finally {
        await admin.query(`drop database ${name} with (force)`);
        await admin.end();
      }
    },
  );

  it('a Postgres that cannot be reached is said in a sentence', async () => {
    const { code, said } = await run(['worker'], {
      DATABASE_URL: 'postgres://nobody@127.0.0.1:9/none',
      SLACK_BOT_TOKEN: 'xoxb-1',
      SLACK_SIGNING_SECRET: 's',
      AWS_REGION: 'eu-central-1',
    });
    expect(code).toBe(1);
    expect(said).toContain('DATABASE_URL');
    expect(said).not.toContain('    at ');
  });
});

describe('the terminal', () => {
  it('ends without a word when nobody reads on', async () => {
    const child = start(['help']);
    child.process.stdout!.destroy();
    expect(await child.ended).toBe(0);
    expect(child.output()).toBe('');
  });

  it('stops what runs when nobody reads its lines any more, and says by its exit code that nobody asked for that', async () => {
    const child = start(['local', 'secrets-manager']);
    child.process.stdout!.destroy();
    expect(await child.ended).toBe(1);
    expect(child.output()).toBe('');
  });

  it('help lists every command; an unknown one is refused with the list', async () => {
    const help = await run(['help']);
    expect(help.code).toBe(0);
    for (const each of [
      'all',
      'bot',
      'worker',
      'migrate',
      'local slack',
      'local secrets-manager',
      'local postgres',
      'audit list',
      'jobs dead',
      'jobs retry',
      'hr send',
    ]) {
      expect(help.said).toContain(`keysteward ${each}`);
    }
    expect(
      help.said.split('\n').filter((line) => line.length > 125 && !line.includes('keysteward audit list')),
    ).toEqual([]);
    const unknown = await run(['rotat']);
    expect(unknown.code).toBe(2);
    expect(unknown.said).toContain('There is no command "rotat"');
  });

  it.each<[string[], RegExp]>([
    [['local', 'slack', '--port', 'abc'], /--port is abc; expected a whole number from 0 to 65535/],
    [['local', 'secrets-manager', '--port=70000'], /--port is 70000; expected/],
    [['local', 'postgres', '--port', '-5'], /--port/],
    [['local', 'postgres', '--prot', '5000'], /Unknown option '--prot'/],
    [['all', 'extra'], /Unexpected argument 'extra'/],
    [['migrate', '--dry-run'], /Unknown option '--dry-run'/],
    [['jobs', 'dead', 'now'], /Unexpected argument 'now'/],
    [['hr', 'send', '--hrid', 'HR-1'], /Unknown option '--hrid'/],
  ])(
    '%j is a wrong call, of which it says what is wrong and how it is called, and nothing is started',
    async (args, what) => {
      const DATA_DIR = freshFolder();
      const { code, said } = await run(args, { DATA_DIR });
      expect(code).toBe(2);
      expect(said).toMatch(what);
      expect(said).toMatch(/^usage: keysteward \w/m);
      expect(said.trim().split('\n')).toHaveLength(2);
      expect(fs.readdirSync(DATA_DIR)).toEqual([]);
    },
  );

  it('hr send speaks to the configured program: PUBLIC_URL, else PORT of this machine', async () => {
    const heard: (string | undefined)[] = [];
    const server = http.createServer((request, response) => {
      heard.push(request.url);
      response.writeHead(202).end('accepted');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      const env = { HR_WEBHOOK_SECRETS: `whsec_${Buffer.alloc(32, 7).toString('base64')}` };
      const sent = (more: Record<string, string>) => run(['hr', 'send', '--hr-id', 'HR-1'], { ...env, ...more });
      expect(await sent({ PORT: String(port) })).toMatchObject({ code: 0, said: expect.stringContaining('202') });
      const address = { PUBLIC_URL: `http://127.0.0.1:${port}/keys`, PORT: '9' };
      expect(await sent(address)).toMatchObject({ code: 0, said: expect.stringContaining('202') });
      expect(heard).toEqual(['/webhooks/hr', '/keys/webhooks/hr']);
      expect(await sent({ PORT: '0' })).toMatchObject({ code: 2, said: expect.stringContaining('--url') });
    } finally {
      server.close();
    }
  });

  it('each stand-in runs by itself, prints how to reach it, and stops on SIGTERM', async () => {
    const slack = start(['local', 'slack']);
    const secrets = start(['local', 'secrets-manager']);
    const postgres = start(['local', 'postgres']);
    const printed = async (child: Child, what: RegExp) =>
      (await until(() => what.exec(child.output()) ?? undefined, String(what), 60_000))[1]!;
    const api = await printed(slack, /SLACK_API_URL=(\S+)/);
    const answer = await fetch(`${api}auth.test`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await printed(slack, /SLACK_BOT_TOKEN=(\S+)/)}` },
    });
    expect(await answer.json()).toMatchObject({ ok: true });
    expect(
      (await fetch(await printed(secrets, /AWS_ENDPOINT_URL_SECRETS_MANAGER=(\S+)/))).status,
    ).toBeGreaterThanOrEqual(200);
    const client = new pg.Client(await printed(postgres, /DATABASE_URL=(\S+)/));
    await client.connect();
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await client.end();
    for (const each of [slack, secrets, postgres]) {
      each.process.kill('SIGTERM');
      expect(await each.ended).toBe(0);
    }
  });
});

describe('keysteward all, embedded', () => {
  it('starts with a line for each part, lets commands beside it read, and a second start keeps everything', async () => {
    const DATA_DIR = freshFolder();
    const first = start(['all'], { DATA_DIR });
    await until(
      () => first.output().includes('Open http'),
      () => `the address: ${first.output()}`,
      60_000,
    );
    for (const part of ['Postgres', 'Secrets Manager', 'Slack', 'Queue', 'Database', 'Bot and worker'])
      expect(first.output()).toContain(part);
    // Beside the running program, on the same embedded database.
    const listed = await run(['audit', 'list', '--limit', '5', '--format', 'ndjson'], { DATA_DIR });
    expect(listed.code).toBe(0);
    expect(listed.said.trim().split('\n').length).toBe(5);
    first.process.kill('SIGINT');
    expect(await first.ended).toBe(0);
    expect(first.output()).toContain('Everything is kept');

    const second = start(['all'], { DATA_DIR });
    await until(
      () => second.output().includes('Open http'),
      () => `the address again: ${second.output()}`,
      60_000,
    );
    const again = await run(['audit', 'list', '--limit', '1000', '--format', 'ndjson'], { DATA_DIR });
    for (const line of listed.said.trim().split('\n'))
      expect(again.said).toContain((JSON.parse(line) as { id: string }).id);
    second.process.kill('SIGTERM');
    expect(await second.ended).toBe(0);
  }, 180_000);
});
