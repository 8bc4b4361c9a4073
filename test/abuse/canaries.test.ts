import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { Redis } from 'ioredis';
import pg from 'pg';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { soundPair } from '../../src/adapters/providers/github-deploy-key.ts';
import { slackDoor } from '../../src/adapters/slack/door.ts';
import { standardWebhooks } from '../../src/adapters/webhooks/standard.ts';
import { openSlack } from '../../src/app.ts';
import { startLocalSecretsManager } from '../../src/local/secrets-manager/server.ts';
import { policySchema } from '../../src/policy.ts';
import type { Rotation } from '../../src/rotation/model.ts';
import { newAwsPair } from '../providers/fakes/aws-iam.ts';
import { fittingOf } from '../providers/fakes/index.ts';
import { chance, type Fake, startFake } from '../providers/fakes/server.ts';
import { twilioPair } from '../providers/fakes/twilio.ts';
import { commandBody, knock, refusalsOf, submitBody, tablesOf, typedInto, useEars } from '../support/abuse.ts';
import { aKey, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { environmentOf, startChild } from '../support/process.ts';
import { redisDatabase } from '../support/redis.ts';

/** A value in the forms in which it could lie about. Base64 of a longer text holds it at one of three offsets. */
function formsOf(value: string): string[] {
  const inBase64 = [0, 1, 2].map((offset) => {
    const all = Buffer.from(`${'\0'.repeat(offset)}${value}`)
      .toString('base64')
      .replace(/=+$/, '');
    return all.slice(Math.ceil((offset * 4) / 3) + 1, -2);
  });
  const parts = [value.slice(0, 14), value.slice(-14)];
  const forms = [value, ...parts, encodeURIComponent(value), JSON.stringify(value).slice(1, -1), ...inBase64];
  return [...new Set([...forms, Buffer.from(value).toString('hex')])].filter((each) => each.length >= 10);
}

/** Every row of every table as text, with what it holds as bytes as text too. */
async function dumpOfPostgres(pool: Pick<pg.Pool, 'query'>): Promise<string> {
  const parts: string[] = [];
  for (const table of await tablesOf(pool as pg.Pool)) {
    const { rows } = await pool.query<{ row: string }>(`select t::text as row from ${table} t`);
    for (const { row } of rows) {
      parts.push(row);
      for (const [, hex] of row.matchAll(/\\x([0-9a-f]{8,})/g)) parts.push(Buffer.from(hex!, 'hex').toString('utf8'));
    }
  }
  return parts.join('\n');
}
async function dumpOfRedis(url: string): Promise<string> {
  const redis = new Redis(url);
  const parts: string[] = [];
  for (const key of await redis.keys('*')) {
    const kind = await redis.type(key);
    const read: Record<string, () => Promise<unknown>> = {
      string: () => redis.get(key),
      hash: () => redis.hgetall(key),
      list: () => redis.lrange(key, 0, -1),
      set: () => redis.smembers(key),
      zset: () => redis.zrange(key, '0', '-1'),
      stream: () => redis.xrange(key, '-', '+'),
    };
    parts.push(key, JSON.stringify(await read[kind]!()));
  }
  redis.disconnect();
  return parts.join('\n');
}

const database = useDatabase();
useEars();
const redisUrl = redisDatabase(11);
const marked = (n: number) => ['sk-proj', `Cana7yQ2x${n}Vb9LmN4vB7cD2eF9gH3jK5sT6uW8yR1iO0pQ`].join('-');
let house: House;
const crashes: string[] = [];
const canaries = new Set<string>();
/** Providers that are connected: their values in one part, in two, of their own making, and found without a name. */
const connected = ['openai', 'aws', 'twilio', 'okta', 'deploy-key'].map(fittingOf);
const fakes = new Map<string, Fake>();
const credentialOf = (name: string) => `keysteward/credential-${name}`;

/** Every value that Secrets Manager holds, under a label or under none. */
async function collect(): Promise<void> {
  for (const { Name } of (await house.bot.listSecrets({ MaxResults: 100 })).SecretList ?? []) {
    const { Versions } = await house.bot.listSecretVersionIds({ SecretId: Name!, IncludeDeprecated: true });
    for (const { VersionId } of Versions ?? []) {
      const { SecretString } = await house.bot.getSecretValue({ SecretId: Name!, VersionId: VersionId! });
      canaries.add(SecretString!);
    }
  }
}

async function everything(): Promise<Record<string, string>> {
  const { control } = house.slack;
  return {
    Postgres: await dumpOfPostgres(database.store.pool),
    ...(redisUrl ? { Redis: await dumpOfRedis(redisUrl) } : {}),
    'the log': house.logged.join('\n'),
    'what was said to Slack': JSON.stringify(control.calls()),
    'what was answered to Slack': JSON.stringify(control.sent().map((each) => each.outcome)),
    metrics: await (await fetch(`http://127.0.0.1:${house.program.port}/metrics`)).text(),
    'crash output': crashes.join('\n'),
  };
}
function found(places: Record<string, string>): string[] {
  return [...canaries].flatMap((value, i) =>
    Object.entries(places).flatMap(([place, text]) =>
      formsOf(value)
        .filter((form) => text.includes(form))
        .map((form) => `canary ${i} in ${place}, ${form.length} of ${value.length} characters`),
    ),
  );
}

beforeAll(async () => {
  if (redisUrl) {
    const redis = new Redis(redisUrl);
    await redis.flushdb();
    redis.disconnect();
  }
  const providers: Record<string, unknown> = {};
  for (const fitting of connected) {
    const fake = await startFake(fitting.dialect());
    fakes.set(fitting.name, fake);
    providers[fitting.name] = fitting.settings(fake.url, credentialOf(fitting.name), fake.port);
  }
  const policy = policySchema.parse({ providers, rotation: { graceMinutes: 0, screamTestHours: 0, settleSeconds: 2 } });
  house = await openHouse({ databaseUrl: database.url, ...(redisUrl ? { redisUrl } : {}), settings: { policy } });
}, 120_000);
afterAll(async () => {
  await house.stop();
  for (const fake of fakes.values()) await fake.close();
});
const keyNamed = async (words: string) => (await house.program.store.read((view) => view.keys.search(words, 2)))[0]!;

describe('no secret outside the store, with every flow run', { timeout: 120_000 }, () => {
  it('asking, approving, granting, ending', async () => {
    const dana = house.as('U0DANA');
    await dana.type('/keys request order webhooks staging');
    await dana.submit({ use: 'Local debugging', reason: 'Ticket PLAT-7 needs a look' });
    const key = await keyNamed('order webhooks staging');
    const owner = await house.program.store.read((view) => view.people.get(key.ownerId));
    await house.as(owner.slackId).press('access.approve');
    await dana.sees('Access active');
    await dana.press('access.end');
    await dana.sees('has ended');
  });

  it('adding a key whose value is made, with punctuation too', async () => {
    const olivia = house.as('U0OLIVIA');
    await olivia.type('/keys add Canary staging');
    await olivia.choose('storage', 'make');
    await until(async () => JSON.stringify((await olivia.modal()).view.blocks).includes('"length"'), 'the longer form');
    const errors = await olivia.submit({ purpose: 'Made here', scope: 'Signs webhooks', storage: 'make' });
    expect(errors).toEqual({});
    await until(async () => (await keyNamed('canary made here'))?.currentVersion, 'the value is made');
    const key = await keyNamed('canary made here');
    await house.program.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.recipe', subject: key.id },
      async (tx) =>
        tx.keys.save({
          ...(await tx.keys.get(key.id)),
          lastRotatedAt: null,
          recipe: { length: 64, exclude: '', punctuation: true },
        }),
    );
  });

  it('rotating, also while AWS quotes the value in its errors', async () => {
    const olivia = house.as('U0OLIVIA');
    await olivia.type('/keys rotate canary made here');
    expect(await olivia.submit({ reason: 'trying it out' })).toEqual({});
    await olivia.sees(/Rotated: .*The new value works; the old one is dead/s);

    const key = await keyNamed('order webhooks staging');
    const { SecretString } = await house.bot.getSecretValue({ SecretId: key.secretId! });
    for (const operation of ['PutSecretValue', 'UpdateSecretVersionStage', 'DescribeSecret'])
      house.aws.control.inject({
        kind: 'error',
        name: 'ValidationException',
        operation,
        message: `1 validation error detected: Value '${SecretString} ${marked(1)}' at 'secretString' failed to satisfy constraint`,
        times: 3,
      });
    canaries.add(marked(1));
    const owner = house.as((await house.program.store.read((view) => view.people.get(key.ownerId))).slackId);
    await owner.type('/keys rotate order webhooks staging');
    expect(await owner.submit({ reason: 'trying it out' })).toEqual({});
    await until(() => house.logged.some((each) => each.includes('ValidationException')), 'an error that quotes');
    await until(
      async () => (await house.program.store.read((view) => view.rotations.ofKey(key.id, 1)))[0]?.status !== 'running',
      'the rotation to end',
      90_000,
    );
    house.aws.control.clearFaults();
  });

  it('rotating at providers, also while they lose their answers and quote keys in their errors', async () => {
    const owner = (await house.program.store.read((view) => view.people.bySlackId('U0OLIVIA')))!;
    const olivia = house.as('U0OLIVIA');
    const outcomes = connected.map(async ({ name, stored = String, known = String }) => {
      const { world } = fakes.get(name)!;
      const secretOf = `s${marked(9)}`.replaceAll('-', '');
      const pair = { aws: newAwsPair(), twilio: { id: 'SKold', value: twilioPair('SKold', secretOf) } }[name];
      const sshPair = () => soundPair(ssh2, () => ssh2.utils.generateKeyPairSync('ed25519'));
      const ssh = name === 'deploy-key' ? sshPair().private : null;
      const value = pair?.value ?? ssh ?? `sk-svcacct-${chance()}`;
      world.make('made by hand', known(value), { id: pair?.id ?? '7' });
      await house.bot.createSecret({ Name: credentialOf(name), SecretString: stored(world.admin) });
      const made = aKey(owner, { issuer: name, service: `Acme ${name}`, purpose: 'Rehearsal' });
      const { VersionId } = await house.bot.createSecret({ Name: made.secretId!, SecretString: value });
      const key = { ...made, currentVersion: VersionId! };
      await given(house.program.store, { keys: [key] });

      const quoting = { message: `${value} ${world.admin}`, error: { message: value, code: value }, [value]: value };
      world.faults = [
        { on: 'create', lose: true },
        ...(['create', 'list', 'probe', 'revoke'] as const).map((on) => ({
          on,
          reply: { status: 500, body: quoting },
        })),
      ];
      return key.id;
    });
    for (const [i, { name }] of connected.entries()) {
      await outcomes[i];
      await olivia.type(`/keys rotate acme ${name} rehearsal`);
      expect(await olivia.submit({ reason: 'trying it out' })).toEqual({});
    }
    let last: Rotation | undefined;
    for (const id of await Promise.all(outcomes)) {
      const ended = await until(
        async () => {
          [last] = await house.program.store.read((view) => view.rotations.ofKey(id, 1));
          return last?.status === 'running' ? null : last;
        },
        () =>
          `the rotation to end: ${JSON.stringify([last?.step, last?.record.slice(-3)])} ${house.logged.slice(-6).join(' | ')}`,
        90_000,
      );
      expect(ended).toMatchObject({ status: 'done', condition: 'new', failure: null });
    }

    // And one that is refused for good, in words that quote the value too.
    const { world } = fakes.get('openai')!;
    const id = (await outcomes[0])!;
    await database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [id]);
    world.faults = [{ on: 'create', reply: { status: 422, body: { error: { message: world.live()[0] } } } }];
    await olivia.type('/keys rotate acme openai rehearsal');
    expect(await olivia.submit({ reason: 'once more' })).toEqual({});
    await olivia.sees(/Rotation failed: .*openai, create a key: it does not accept what was asked for/s);
    for (const { name } of connected.filter((each) => each.name !== 'deploy-key')) {
      for (const each of fakes.get(name)!.world.keys) {
        canaries.add(each.value);
        const parts = each.value.startsWith('{') ? (JSON.parse(each.value) as Record<string, string>) : {};
        const secret = parts.SecretAccessKey ?? parts.secret;
        if (secret) canaries.add(secret);
      }
    }
  });

  it('a leak, a leaver, a digest, the log', async () => {
    const kim = house.as('U0KIM');
    await kim.type('/keys incident order webhooks production', 'C0GENERAL');
    expect(await kim.submit({ leakHow: 'public', what: 'On a slide' })).toEqual({});
    await kim.sees(/incident, contained/);
    await house.as('U0ADA').type('/keys offboard <@U0PRIYA|priya>');
    expect(await house.as('U0ADA').submit({})).toEqual({});
    await house.as('U0ADA').sees('Priya Raman', 'C0SECURITY');
    await house.as('U0OLIVIA').type('/keys digest');
    await house.as('U0ADA').type('/keys digest summary');
    await house.as('U0ADA').type('/keys audit');
    await house.as('U0ADA').type('/keys show canary made here');
    await house.as('U0ADA').home();
    const body = JSON.stringify({
      person: { hrId: 'HR-NOBODY' },
      event: 'left',
      effectiveAt: new Date().toISOString(),
    });
    const headers = standardWebhooks(house.settings.hrWebhookSecrets).sign('msg_canary', new Date(), body);
    await fetch(`http://127.0.0.1:${house.program.port}/webhooks/hr`, {
      method: 'POST',
      body,
      headers: { ...headers, 'content-type': 'application/json' },
    });
    await house.slack.control.settled();
  });

  it('a key typed into every command and every form', async () => {
    const made = slackDoor();
    openSlack(made.door, house.program.ports);
    const before = (await refusalsOf(database.store.pool)).length;
    const attempts: Promise<Response>[] = [];
    let n = 100;
    const mark = () => {
      const value = marked(n++);
      canaries.add(value);
      return value;
    };
    for (const verb of [...made.registry.commands.keys(), '', 'nonsense'])
      attempts.push(knock(house, 'commands', commandBody('U0DANA', `${verb} ${mark()}`)));
    for (const form of made.registry.forms.keys())
      attempts.push(
        knock(
          house,
          'interactive',
          submitBody('U0DANA', form, { reason: typedInto(mark()), note: typedInto('words') }),
        ),
      );
    for (const answer of await Promise.all(attempts)) expect(await answer.text()).toContain('whole key');
    await until(
      async () => (await refusalsOf(database.store.pool)).length === before + attempts.length,
      'all on record',
    );
  });

  it('processes that die, or never start', async () => {
    const env = environmentOf(house);
    const wrongs: Record<string, string>[] = [
      { ...env, DATABASE_URL: `postgres://app:${marked(3)}@127.0.0.1:9/nowhere` },
      { ...env, DATABASE_URL: `${env.DATABASE_URL!.replace(/\/\/.*@/, `//postgres:${marked(3)}@`)}_gone` },
      { ...env, SLACK_BOT_TOKEN: `xoxb-${marked(4)}` },
      { ...env, SLACK_SIGNING_SECRET: marked(5), SLACK_APP_TOKEN: marked(6), PORT: 'http' },
      { ...env, AWS_SECRET_ACCESS_KEY: marked(7), KEYSTEWARD_FAILPOINT: 'rotation.generate:after' },
    ];
    for (const n of [3, 4, 5, 6, 7]) canaries.add(marked(n));
    const olivia = house.as('U0OLIVIA');
    for (const wrong of wrongs) {
      const child = startChild(['all'], wrong);
      const late = setTimeout(() => child.process.kill('SIGTERM'), 15_000);
      await child.ended;
      clearTimeout(late);
      crashes.push(child.output());
      expect(child.output()).not.toBe('');
    }
    expect(olivia.dm().length).toBeGreaterThan(0);
  });

  it('nothing of any value is in Postgres, Redis, the log, Slack, the metrics or what a dying process printed', async () => {
    await collect();
    expect(canaries.size).toBeGreaterThan(50);
    // Values are recognised by their fingerprints, and the key for these is a secret like any other.
    const { SecretString } = await house.bot.getSecretValue({ SecretId: house.program.ports.fingerprints.keptIn });
    expect(canaries).toContain(SecretString);
    const { rows } = await database.store.pool.query('select 1 from key_version where fingerprint is not null');
    expect(rows.length).toBeGreaterThan(5);
    expect(found(await everything())).toEqual([]);
  });

  it('and the search would have found it', async () => {
    const value = [...canaries][0]!;
    const planted: [string, string][] = [
      ['plain', value],
      ['in base64', Buffer.from(`{"a":"${value}"}`).toString('base64')],
      ['in hexadecimal', Buffer.from(`x${value}`).toString('hex')],
      ['escaped', encodeURIComponent(`reason=${value}`)],
      ['cut', value.slice(0, 20)],
    ];
    for (const [name, text] of planted)
      expect([name, found({ metrics: `up 1 ${text}` }).length > 0]).toEqual([name, true]);
    const inside = new pg.Client(database.url);
    await inside.connect();
    await inside.query('begin');
    await inside.query("insert into inbox (dedupe_key, kind, payload) values ('planted', 'x', $1)", [
      JSON.stringify({ value }),
    ]);
    await inside.query("create table planted as select convert_to($1, 'UTF8') as bytes", [value]);
    const dump = await dumpOfPostgres(inside);
    await inside.query('rollback');
    await inside.end();
    expect(found({ dump })).not.toEqual([]);
    expect(dump.split(value).length - 1).toBe(2);
  });
});

describe('the stand-in of Secrets Manager', () => {
  it('keeps nothing of a value on its disk that could be read there', async () => {
    const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-canary-'));
    const server = await startLocalSecretsManager({ dataDir });
    const client = new SecretsManager({ region: server.region, endpoint: server.url, credentials: server.credentials });
    await client.createSecret({ Name: 'canary', SecretString: marked(50) });
    await client.putSecretValue({ SecretId: 'canary', SecretString: marked(51), VersionStages: ['AWSPENDING'] });
    client.destroy();
    await server.close();
    const files = fs.readdirSync(dataDir, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      const bytes = fs.readFileSync(path.join(file.parentPath, file.name)).toString('latin1');
      for (const value of [marked(50), marked(51)])
        expect(formsOf(value).filter((form) => bytes.includes(form))).toEqual([]);
    }
    fs.rmSync(dataDir, { recursive: true });
  });
});
