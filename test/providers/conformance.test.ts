import { createHash, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { soundPair } from '../../src/adapters/providers/github-deploy-key.ts';
import { issuers } from '../../src/adapters/providers/index.ts';
import { type Later, newId, Secret } from '../../src/kernel.ts';
import { policySchema } from '../../src/policy.ts';
import type { Issuer, Issuers, Made, Secrets } from '../../src/ports.ts';
import { endsTheOldAtOnce, providerSchema } from '../../src/provider-settings.ts';
import { aKey } from '../support/company.ts';
import { useSecrets } from '../support/secrets.ts';
import { azureDialect, azureSettings } from './fakes/acme.ts';
import { awsSecretOf, newAwsPair } from './fakes/aws-iam.ts';
import { publicHalfOf, tokenDialect } from './fakes/github.ts';
import { type Fitting, fittingOf, fittings, twoSlots } from './fakes/index.ts';
import { oktaApp, oktaDialect } from './fakes/okta.ts';
import { chance, type Fake, startFake } from './fakes/server.ts';

const aws = useSecrets();
const key = aKey({ id: newId('person') });
const read = async (value: Secret) => value;
const label = () => `keysteward-${newId('rotation')}-1`;
/** A call that was made just now, or so many minutes ago. */
const call = (minutesAgo = 0) => new Date(Date.now() - minutesAgo * 60_000);

/** One provider with its fake, and its credential in the store. */
interface Connected {
  fake: Fake;
  issuer: Issuer;
  all: Issuers;
  credential: string;
  /** How often the store was asked for the credential, and the clock by which that is remembered. */
  store: { reads: number; nowMs: number; read: Secrets['read'] };
}
async function connected(fitting: Fitting, url?: string): Promise<Connected> {
  const fake = await startFake(fitting.dialect());
  const stored = fitting.stored ?? ((admin: string) => admin);
  const credential = `keysteward/${fitting.name}-${randomUUID()}`;
  await aws.secrets.create(
    credential,
    randomUUID(),
    new Secret(stored(fake.world.admin)),
    'The credential of a provider',
  );
  const { providers } = policySchema.parse({
    providers: { [fitting.name]: fitting.settings(url ?? fake.url, credential, fake.port) },
  });
  const store = { reads: 0, nowMs: 0, read: aws.secrets.read };
  const secrets: Secrets = {
    ...aws.secrets,
    read: (secretId, version) => {
      if (secretId === credential) store.reads++;
      return store.read(secretId, version);
    },
  };
  const all = issuers(secrets, providers, () => store.nowMs);
  return { fake, credential, store, all, issuer: all.of(fitting.name)! };
}
function really(made: Made) {
  if ('refused' in made) throw new Error(made.refused);
  if ('notYet' in made) throw new Error(made.notYet);
  return { value: made.value, id: made.providerKeyId! };
}
const thrownBy = <E = Error>(run: Promise<unknown>) =>
  run.then(
    () => null,
    (error: unknown) => error as E,
  );

/** Those that can stop a key and start it again. */
const switching = ['anthropic', 'cloudflare', 'okta', 'aws'];
/** Those that say nothing of the use of a key. */
const usesUnseen = ['sendgrid', 'acme', 'twilio', 'okta'];

it('the values of a fake are told apart by their last four characters', () => {
  const ends = Array.from({ length: 5_000 }, () => chance().slice(-4));
  expect(new Set(ends).size).toBe(ends.length);
});

describe.each(fittings)('$name', (fitting) => {
  let fake: Fake;
  let issuer: Issuer;
  let credential: string;
  let store: Connected['store'];
  beforeEach(async () => {
    ({ fake, issuer, credential, store } = await connected(fitting));
  });
  afterEach(() => fake.close());

  /** By the provider's API, or by a person in its dashboard. */
  async function madeNow(name: string): Promise<{ value: Secret; id: string }> {
    if (canCreate) return really(await issuer.create(key, name));
    const { id, value } = fake.world.make(name, `sk-by-hand-${chance()}`);
    return { id, value: new Secret(value) };
  }
  /** What the provider has of a value. */
  const known = (value: Secret) => (fitting.known ?? String)(value.reveal());
  /** By itself, and beside the others. */
  const canCreate = fitting.name !== 'anthropic' && !fitting.replaces;
  const whereKeysAreMade = canCreate ? it : () => {};

  it('makes a key that works, bears its label, and is told from the others', async () => {
    const name = label();
    const other = await madeNow(label());
    const { value, id } = await madeNow(name);
    // Where keys have no names, whatever was made then and nobody has used or stored counts as left behind.
    const found = fitting.replaces ? [] : fitting.labelled === false ? [other.id, id] : [id];
    expect((await issuer.find(key, [name], [call(), call()])).map((each) => each.providerKeyId)).toEqual(found);
    const unread = () => Promise.reject(new Error('the old value was read for nothing'));
    expect(await issuer.test(key, value, unread)).toMatchObject({ verdict: 'works' });
    expect((await issuer.list(key)).map((each) => each.providerKeyId).sort()).toEqual([other.id, id].sort());
    expect(await issuer.identify(key, value)).toBe(fitting.identifies ? id : null);
    expect(await issuer.identify(key, new Secret(`nobody-knows-${chance()}`))).toBeNull();
    // Trouble of its own is not its word that it does not know a value.
    for (const status of fitting.identifies ? [429, 503] : []) {
      fake.world.faults = (['probe', 'list', 'other'] as const).map((on) => ({ on, reply: { status } }));
      expect([id, 'thrown'], String(status)).toContain(await issuer.identify(key, value).catch(() => 'thrown'));
      fake.world.faults = [];
    }
    expect(fake.world.live()).toEqual([other.value, value].map(known));
    expect(JSON.stringify([id, await issuer.list(key)])).not.toContain(value.reveal());
  });

  it('says of a value that it does not know, or not yet, that it is refused', async () => {
    expect(await issuer.test(key, new Secret(`nobody-knows-${chance()}`), null)).toMatchObject({ verdict: 'refused' });
    fake.world.lag.made = 2;
    const { value } = await madeNow(label());
    const said: string[] = [];
    for (let i = 0; i < 3; i++) said.push((await issuer.test(key, value, null)).verdict);
    expect(said).toEqual(['refused', 'refused', 'works']);
    expect(issuer.can.propagationSeconds).toBe(2);
  });

  whereKeysAreMade(
    'finds what was made although the answer was lost, so that one new key is left in the end',
    async () => {
      const name = label();
      const old = fake.world.make('in use', chance());
      const inUse = { ...key, providerKeyId: old.id };
      fake.world.faults.push({ on: 'create', lose: true });
      expect(await thrownBy(issuer.create(inUse, name))).toBeInstanceOf(Error);
      expect(fake.world.live()).toHaveLength(2);
      for (const { providerKeyId } of await issuer.find(inUse, [name], [call()])) {
        await issuer.revoke(inUse, { providerKeyId, value: null });
      }
      const { value } = await madeNow(name);
      expect(fake.world.live()).toEqual([old.value, known(value)]);
    },
  );

  it('revokes once and for all, and knows by the signal of the provider when a value is dead', async () => {
    fake.world.lag.ended = 2;
    const staying = await madeNow(label());
    const { value, id } = await madeNow(label());
    const ending = { providerKeyId: id, value };
    expect(await issuer.confirmDead(key, ending)).toMatchObject({ verdict: 'alive' });
    expect(await issuer.confirmDead(key, { ...ending, value: null })).toMatchObject({ verdict: 'alive' });
    for (let i = 0; i < 2; i++) await issuer.revoke(key, { ...ending, value: () => read(value) });
    const said: string[] = [];
    for (let i = 0; i < 3; i++) said.push((await issuer.confirmDead(key, ending)).verdict);
    expect(said).toEqual(['alive', 'alive', 'dead']);
    expect(await issuer.confirmDead(key, { ...ending, value: null })).toMatchObject({ verdict: 'dead' });
    expect(await issuer.find(key, [id], [])).toEqual([]);
    expect(fake.world.live()).toEqual([known(staying.value)]);
  });

  it('takes no outage, limit, bill or missing permission for an answer', async () => {
    const { value, id } = await madeNow(label());
    for (const reply of fitting.unclear) {
      fake.world.faults = [{ on: 'probe', reply, times: 2 }];
      const about = JSON.stringify(reply);
      expect((await issuer.test(key, value, null)).verdict, about).toBe('unclear');
      expect((await issuer.confirmDead(key, { providerKeyId: id, value })).verdict, about).toBe('unclear');
    }
    fake.world.faults = [{ on: 'probe', lose: true }];
    expect(await thrownBy(issuer.confirmDead(key, { providerKeyId: id, value }))).toBeInstanceOf(Error);
  });

  it('waits for as long as the provider asks for', async () => {
    const reply = { status: 429, headers: { 'retry-after': '7' }, body: {} };
    const { value, id } = await madeNow(label());
    for (const [on, run] of [
      ...(canCreate ? [['create', () => issuer.create(key, label())] as const] : []),
      ['list', () => issuer.list(key)],
      ['revoke', () => issuer.revoke(key, { providerKeyId: id, value: () => read(value) })],
    ] as const) {
      fake.world.faults = [{ on, reply }];
      expect(await thrownBy(run()), on).toMatchObject({ name: 'Later', retryInMs: 7_000 });
    }
    expect(fake.world.live()).toEqual([known(value)]);
  });

  const whereThereArePages = fitting.pages ? it : () => {};
  whereThereArePages('reads every page of the list', async () => {
    fake.world.pageSize = 20;
    const names = Array.from({ length: 205 }, label);
    for (const each of names) fake.world.make(each, chance());
    const all = await issuer.list(key);
    if (fitting.labelled === false) {
      return expect(all.map((each) => each.providerKeyId)).toEqual(fake.world.keys.map((each) => each.id));
    }
    expect(all.map((each) => each.label)).toEqual(names);
    for (const each of [names[0]!, names[204]!]) {
      expect(await issuer.find(key, [each], [])).toHaveLength(fitting.replaces ? 0 : 1);
    }
  });

  const whereThereIsALimit = fitting.keyLimit === null ? () => {} : it;
  whereThereIsALimit('refuses at the limit of keys, in words, before it asks for one more', async () => {
    expect(issuer.can.keyLimit).toBe(fitting.keyLimit);
    for (let i = 0; i < fitting.keyLimit!; i++) fake.world.make(`key ${i}`, chance());
    expect(await issuer.create(key, label())).toMatchObject({
      refused: expect.stringContaining(`${fitting.keyLimit}`),
    });
    expect(fake.world.asked.filter((each) => each.kind === 'create')).toEqual([]);
  });

  it('says in our own words what is wrong, whatever the provider quotes', async () => {
    const { value, id } = await madeNow(label());
    const quoting = {
      message: `Bearer ${fake.world.admin}`,
      value: value.reveal(),
      error: { message: value.reveal() },
    };
    const said: unknown[] = [];
    const asking = {
      create: [() => issuer.create(key, label(), fitting.replaces && id)],
      list: [
        () => issuer.list(key),
        () => issuer.create(key, label(), fitting.replaces && id),
        () => issuer.replaceable?.(key, { providerKeyId: id, asked: null }) ?? null,
        () => issuer.replaceable?.(key, { providerKeyId: id, asked: { from: new Date(), to: new Date() } }) ?? null,
        () => issuer.identify(key, value),
        () => issuer.confirmDead(key, { providerKeyId: id, value: null }),
      ],
      revoke: [() => issuer.revoke(key, { providerKeyId: id, value: () => read(value) })],
      probe: [
        () => issuer.test(key, value, null),
        () => issuer.identify(key, value),
        () => issuer.confirmDead(key, { providerKeyId: id, value }),
      ],
    };
    for (const on of ['create', 'list', 'revoke', 'probe'] as const) {
      for (const status of [400, 401, 403, 404, 409, 422, 500]) {
        for (const run of asking[on]) {
          fake.world.faults = [{ on, reply: { status, body: quoting }, times: 9 }];
          said.push(await Promise.resolve(run()).catch((error: unknown) => error));
        }
      }
    }
    const text = said
      .map((each) => `${inspect(each, { depth: 9, showHidden: true })} ${JSON.stringify(each)}`)
      .join('\n');
    expect(text).not.toContain(fake.world.admin);
    expect(text).not.toContain(value.reveal());
    expect(text).toMatch(/does not accept Keysteward's credential/);
  });

  it('takes its credential nowhere else', async () => {
    const stolen: unknown[] = [];
    const thief = createServer((request, response) => {
      stolen.push(request.headers);
      response.end('{}');
    });
    await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(thief.address() as AddressInfo).port}/`;
    fake.world.faults = [{ on: 'list', reply: { status: 307, headers: { location } } }];
    expect(await thrownBy(issuer.list(key))).toMatchObject({ message: expect.stringMatching(/could not be reached/) });
    expect(stolen).toEqual([]);
    thief.close();
  });

  /** The credential is another one from now on, at the provider and in the store. */
  async function replaced(admin: string, { inStore = true, atProvider = true } = {}): Promise<void> {
    if (atProvider) fake.world.admin = admin;
    if (!inStore) return;
    const next = randomUUID();
    const before = (await aws.secrets.read(credential, { stage: 'AWSCURRENT' }))!.versionId;
    await aws.secrets.stage(credential, next, new Secret((fitting.stored ?? String)(admin)));
    await aws.secrets.move(credential, 'AWSCURRENT', before, next);
  }
  /** The credentials that were shown to the provider since. */
  const shown = () => fake.world.asked.splice(0).map((each) => each.credential);

  it('reads its credential once for calls that come together, and again after ten seconds', async () => {
    await Promise.all([issuer.list(key), issuer.list(key), issuer.list(key)]);
    store.nowMs = 9_999;
    await issuer.list(key);
    expect(store.reads).toBe(1);
    shown();
    const first = fake.world.admin;
    await replaced('another-credential', { atProvider: false });
    await issuer.list(key);
    store.nowMs = 10_000;
    expect(await thrownBy(issuer.list(key))).toMatchObject({ message: expect.stringMatching(/HTTP 40[13]/) });
    expect({ reads: store.reads, shown: shown() }).toEqual({ reads: 2, shown: [first, 'another-credential'] });
  });

  it('goes on at once with the new credential when the one that it remembers is turned down, and has done everything once', async () => {
    await issuer.list(key);
    const first = fake.world.admin;
    await replaced('another-credential');
    shown();
    if (canCreate) await issuer.create(key, label());
    else await issuer.list(key);
    expect(shown().filter((each, at, all) => each !== all[at - 1])).toEqual([first, 'another-credential']);
    expect(fake.world.live()).toHaveLength(canCreate ? 1 : 0);
    expect(store.reads).toBe(2);
    await issuer.list(key);
    expect({ reads: store.reads, shown: new Set(shown()) }).toEqual({
      reads: 2,
      shown: new Set(['another-credential']),
    });
  });

  it('is asked twice at most with credentials that are turned down, and once with one that has not changed', async () => {
    const refused = { message: expect.stringMatching(/HTTP 40[13]/) };
    await issuer.list(key);
    const first = fake.world.admin;
    await replaced('nobody-has-this-one', { inStore: false });
    shown();
    for (const reads of [2, 3]) {
      expect(await thrownBy(issuer.list(key))).toMatchObject(refused);
      expect({ reads: store.reads, shown: shown() }).toEqual({ reads, shown: [first] });
    }
    fake.world.admin = first;
    await issuer.list(key);
    fake.world.admin = 'nobody-has-this-one';
    await replaced('nor-this-one', { atProvider: false });
    shown();
    expect(await thrownBy(issuer.list(key))).toMatchObject(refused);
    expect(shown()).toEqual([first, 'nor-this-one']);
  });

  it('does not remember that its credential could not be read', async () => {
    store.read = () => Promise.reject(new Error('the store is away'));
    const both = await Promise.all([thrownBy(issuer.list(key)), thrownBy(issuer.list(key))]);
    expect(both).toMatchObject([{ message: 'the store is away' }, { message: 'the store is away' }]);
    store.read = async () => null;
    expect(await thrownBy(issuer.list(key))).toMatchObject({ message: expect.stringContaining(credential) });
    expect(fake.world.asked).toEqual([]);
    store.read = aws.secrets.read;
    expect(await issuer.list(key)).toEqual([]);
  });

  it('can what it says that it can', async () => {
    const replaces = fitting.replaces && fake.world.make('ours', chance(), { id: '7' }).id;
    expect('value' in (await issuer.create(key, label(), replaces))).toBe(issuer.can.create);
    expect(issuer.can.create).toBe(canCreate || fitting.replaces === true);
    expect(issuer.can.overlap === 'none').toBe(fitting.replaces === true);
    expect(Boolean(issuer.replaceable)).toBe(fitting.replaces === true);
    const entry = providerSchema.parse(fitting.settings(fake.url, credential, fake.port));
    expect(endsTheOldAtOnce(entry)).toBe(fitting.replaces === true);
    expect(Boolean(issuer.enable)).toBe(issuer.can.disable);
    expect(issuer.can.disable).toBe(switching.includes(fitting.name));
    const { id } = await madeNow(label());
    // Nobody has used it yet.
    expect(await issuer.lastUsed(key, id)).toBeNull();
    const counts = ['openai', 'anthropic'].includes(fitting.name);
    expect(issuer.can.usage).toBe(counts);
    const used = await issuer.usage(key, id, new Date(Date.now() - 3_600_000));
    expect(used?.amount ?? null).toBe(counts ? 0 : null);
    if (counts) expect(issuer.can.lastUsed).toBe(true);
  });

  it('says when a key was last used, where it says that it can', async () => {
    const { id } = await madeNow(label());
    const other = fake.world.make('another', chance());
    const usedAt = Math.floor(Date.now() / 1000) - 3600;
    Object.assign(fake.world.keys.find((each) => each.id === id)!, {
      usedAt,
      uses: [{ atMs: usedAt * 1000, amount: 1 }],
    });
    const found = await issuer.lastUsed(key, id);
    expect(issuer.can.lastUsed).toBe(!usesUnseen.includes(fitting.name));
    expect(await issuer.lastUsed(key, other.id)).toBeNull();
    if (!issuer.can.lastUsed) return expect(found).toBeNull();
    // To the minute, or as late as it says of itself.
    const lateMs = usedAt * 1000 - found!.getTime();
    expect(lateMs).toBeGreaterThanOrEqual(-60_000);
    expect(lateMs).toBeLessThanOrEqual(issuer.can.usageLagMinutes * 60_000);
  });

  it('says which secret is missing when its credential is not there', async () => {
    const { providers } = policySchema.parse({
      providers: { [fitting.name]: fitting.settings(fake.url, 'no/such', fake.port) },
    });
    const without = issuers(aws.secrets, providers).of(fitting.name)!;
    expect(await thrownBy(without.list(key))).toMatchObject({ message: expect.stringContaining('no/such') });
    expect(without.credential).toBe('no/such');
  });
});

describe.each([...fittings, twoSlots])('a value as what Keysteward works with at $name', (fitting) => {
  const stored = fitting.stored ?? String;

  it('is accepted when keys can be managed with it, refused when they cannot, and unclear when nobody says so', async () => {
    const { fake, issuer, all, credential, store } = await connected(fitting);
    const { world } = fake;
    const own = { ...key, secretId: credential };
    const tried = async (text: string) => (await all.tryAsCredential(own, new Secret(text))).verdict;
    // Another one is remembered, and is not what is tried.
    await issuer.list(own);
    const before = world.admin;
    world.admin = `admin-${chance()}`;
    world.asked.length = 0;
    const reads = store.reads;
    expect(await tried(stored(world.admin))).toBe('works');
    expect(new Set(world.asked.map((each) => each.credential))).toEqual(new Set([world.admin]));
    expect(await tried(stored(before))).toBe('refused');
    expect(await tried(stored(`nobody-knows-${chance()}`))).toBe('refused');
    expect(await tried('neither a key nor a document')).toBe('refused');
    if (fitting.name !== 'azure') expect(await tried(world.make('an ordinary key', chance()).value)).toBe('refused');
    expect(store.reads).toBe(reads);

    for (const status of [402, 408, 409, 429, 500, 502, 503, 529]) {
      world.faults = [{ on: 'list', reply: { status } }];
      expect([status, await tried(stored(world.admin))]).toEqual([status, 'unclear']);
    }
    for (const status of [403, 429]) {
      world.faults = [{ on: 'list', reply: { status, headers: { 'retry-after': '7' } } }];
      expect([status, await tried(stored(world.admin))]).toEqual([status, 'unclear']);
    }
    world.faults = [{ on: 'list', lose: true }];
    expect(await tried(stored(world.admin))).toBe('unclear');
    world.faults = [{ on: 'list', reply: { status: 403 } }];
    expect(await tried(stored(world.admin))).toBe('refused');
    expect(await tried(stored(world.admin))).toBe('works');
    expect(world.asked.filter(({ kind }) => kind !== 'list')).toEqual([]);
    await fake.close();
  });

  it('is quoted nowhere, whatever is said of it', async () => {
    const { fake, all, credential } = await connected(fitting);
    const own = { ...key, secretId: credential };
    const value = stored(fake.world.admin);
    const said: unknown[] = [];
    for (const status of [200, 400, 401, 403, 404, 429, 500]) {
      fake.world.faults = [{ on: 'list', reply: { status, body: { error: { message: value }, message: value } } }];
      said.push(await all.tryAsCredential(own, new Secret(value)).catch((error: unknown) => error));
    }
    said.push(await all.tryAsCredential(own, new Secret(`${value}\nx-more: 1`)).catch((error: unknown) => error));
    const text = said
      .map((each) => `${inspect(each, { depth: 9, showHidden: true })} ${JSON.stringify(each)}`)
      .join(' ');
    expect(text).not.toContain(fake.world.admin);
    expect(text).toContain(`may not manage keys at ${fitting.name}`);
    await fake.close();
  });

  it('is tried wherever Keysteward works with the same secret, and refused when one of them turns it down', async () => {
    const first = await connected(fitting);
    const second = await startFake(fitting.dialect());
    const { providers } = policySchema.parse({
      providers: {
        one: fitting.settings(first.fake.url, first.credential, first.fake.port),
        two: fitting.settings(
          second.url,
          `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${first.credential}-AbCdEf`,
          second.port,
        ),
        other: fitting.settings(second.url, 'keysteward/another', second.port),
      },
    });
    const all = issuers(aws.secrets, providers);
    const own = { ...key, secretId: first.credential };
    const value = new Secret(stored(first.fake.world.admin));
    expect(await all.tryAsCredential(own, value)).toEqual({
      verdict: 'refused',
      evidence: expect.stringContaining('it may not manage keys at two'),
    });
    second.world.admin = first.fake.world.admin;
    second.world.asked.length = 0;
    expect(await all.tryAsCredential(own, value)).toEqual({
      verdict: 'works',
      evidence: 'it may manage keys at one and two',
    });
    expect(second.world.asked).toHaveLength(1);
    await Promise.all([first.fake.close(), second.close()]);
  });

  it('works by itself, whatever is remembered and whatever the store has', async () => {
    const { fake, issuer, all, credential } = await connected(fitting);
    const before = fake.world.admin;
    await issuer.list(key);
    fake.world.admin = `admin-${chance()}`;
    const by = all.workingWith(fitting.name, new Secret(stored(fake.world.admin)))!;
    await by.list(key);
    await expect(all.workingWith(fitting.name, new Secret(stored(before)))!.list(key)).rejects.toThrow(/HTTP 40[13]/);
    expect([by.name, by.credential, by.can]).toEqual([issuer.name, credential, issuer.can]);
    expect([all.workingWith('person', new Secret('x')), all.workingWith('nobody', new Secret('x'))]).toEqual([
      null,
      null,
    ]);
    await fake.close();
  });
});

describe('a pair of slots', () => {
  let fake: Fake;
  let issuer: Issuer;
  const stored = async (value: string) => {
    const secretId = `keysteward/slots-${randomUUID()}`;
    await aws.secrets.create(secretId, randomUUID(), new Secret(value), 'The key in use');
    return { ...key, secretId };
  };
  const held = (slot: string) => fake.world.keys.find((each) => each.name === slot && !each.ended)!.value;
  beforeEach(async () => {
    ({ fake, issuer } = await connected(twoSlots));
    for (const id of ['Key1', 'Key2']) fake.world.make(id, chance(), { id, lag: 0 });
  });
  afterEach(() => fake.close());

  it('makes the slot new that is not in use, again and again until the answer arrives, and never the other', async () => {
    const inUse = await stored(held('Key2'));
    const before = held('Key2');
    fake.world.faults = [{ on: 'create', lose: true }];
    expect(await thrownBy(issuer.create(inUse, label()))).toBeInstanceOf(Error);
    const { value, id } = really(await issuer.create(inUse, label()));
    expect({ id, value: value.reveal(), other: held('Key2') }).toEqual({
      id: 'Key1',
      value: held('Key1'),
      other: before,
    });
    expect(await issuer.test(inUse, value, null)).toMatchObject({ verdict: 'works' });
    expect(await issuer.identify(inUse, new Secret(before))).toBe('Key2');
  });

  it('refuses where neither slot holds what is in use', async () => {
    const lost = await stored('something else');
    expect(await issuer.create(lost, label())).toMatchObject({ refused: expect.stringMatching(/Neither slot/) });
  });

  it('takes no outage, limit, bill or missing permission for an answer, and waits for as long as it is asked to', async () => {
    const inUse = await stored(held('Key2'));
    const value = new Secret(held('Key1'));
    const ending = { providerKeyId: 'Key1', value };
    for (const reply of twoSlots.unclear) {
      fake.world.faults = [{ on: 'probe', reply, times: 2 }];
      expect((await issuer.test(inUse, value, null)).verdict, String(reply.status)).toBe('unclear');
      expect((await issuer.confirmDead(inUse, ending)).verdict, String(reply.status)).toBe('unclear');
    }
    const reply = { status: 429, headers: { 'retry-after': '7' }, body: {} };
    const before = [held('Key1'), held('Key2')];
    for (const [on, run] of [
      ['create', () => issuer.create(inUse, label())],
      ['list', () => issuer.list(inUse)],
      ['create', () => issuer.revoke(inUse, { ...ending, value: () => read(value) })],
    ] as const) {
      fake.world.faults = [{ on, reply }];
      expect(await thrownBy(run()), on).toMatchObject({ name: 'Later', retryInMs: 7_000 });
    }
    expect([held('Key1'), held('Key2')]).toEqual(before);
  });

  it('ends a value by making its slot new, once, and leaves a slot alone that holds another value by now', async () => {
    const inUse = await stored(held('Key1'));
    const old = { providerKeyId: 'Key1', value: new Secret(held('Key1')) };
    await issuer.revoke(inUse, { ...old, value: () => read(old.value) });
    const after = held('Key1');
    expect(after).not.toBe(old.value.reveal());
    expect(await issuer.confirmDead(inUse, old)).toMatchObject({ verdict: 'dead' });
    await issuer.revoke(inUse, { ...old, value: () => read(old.value) });
    await issuer.revoke(inUse, { providerKeyId: 'Key1', value: null });
    expect(held('Key1')).toBe(after);
  });
});

describe('a pair of slots at Azure itself, where a client’s secret is changed for a token', () => {
  let fake: Fake;
  let data: Fake;
  let issuer: Issuer;
  let connection: Connected;
  const client = (secret: string) => JSON.stringify({ client_id: 'client', client_secret: secret });
  const held = (slot: string) => fake.world.keys.find((each) => each.name === slot && !each.ended)!.value;
  const tokens = () => fake.world.asked.filter(({ path }) => path.endsWith('/token')).length;
  beforeEach(async () => {
    // The same keys, used somewhere else than they are managed.
    data = await startFake(azureDialect());
    connection = await connected({
      ...twoSlots,
      dialect: azureDialect,
      stored: client,
      settings: (url, credential) => azureSettings(url, credential, data.url),
    });
    ({ fake, issuer } = connection);
    for (const id of ['Key1', 'Key2']) fake.world.make(id, chance(), { id, lag: 0 });
    data.world.keys = fake.world.keys;
  });
  afterEach(() => Promise.all([fake.close(), data.close()]));

  it('makes one slot new, tries it where keys are used, and ends the other, with a token for seconds and not for each call', async () => {
    const secretId = `keysteward/azure-${randomUUID()}`;
    const old = new Secret(held('Key1'));
    await aws.secrets.create(secretId, randomUUID(), old, 'The key in use');
    const inUse = { ...key, secretId };
    const { value, id } = really(await issuer.create(inUse, label()));
    expect({ id, value: value.reveal() }).toEqual({ id: 'Key2', value: held('Key2') });
    expect(await issuer.test(inUse, value, null)).toMatchObject({ verdict: 'works' });
    await issuer.revoke(inUse, { providerKeyId: 'Key1', value: () => read(old) });
    expect(await issuer.confirmDead(inUse, { providerKeyId: 'Key1', value: old })).toMatchObject({ verdict: 'dead' });
    expect(held('Key2')).toBe(value.reveal());
    expect([tokens(), fake.world.asked.some(({ path }) => path === '/use')]).toEqual([1, false]);
    expect(data.world.asked.map(({ path }) => path)).toEqual(['/use', '/use']);
    connection.store.nowMs = 10_000;
    await issuer.list(inUse);
    expect(tokens()).toBe(2);
  });

  it('goes on with a new secret of the client at once, and says in our own words when none is accepted or a token is not to be had', async () => {
    await issuer.list(key);
    const before = fake.world.admin;
    fake.world.admin = `admin-${chance()}`;
    const store = async (text: string) => {
      const current = (await aws.secrets.read(connection.credential, { stage: 'AWSCURRENT' }))!.versionId;
      const next = randomUUID();
      await aws.secrets.stage(connection.credential, next, new Secret(text));
      await aws.secrets.move(connection.credential, 'AWSCURRENT', current, next);
    };
    await store(client(fake.world.admin));
    expect(await issuer.list(key)).toHaveLength(2);

    const own = { ...key, secretId: connection.credential };
    const tried = async (text: string) => (await connection.all.tryAsCredential(own, new Secret(text))).verdict;
    expect(await tried(client(fake.world.admin))).toBe('works');
    expect(await tried(client(before))).toBe('refused');
    expect(await tried(fake.world.admin)).toBe('refused');
    for (const reply of [
      { status: 503 },
      { status: 429, headers: { 'retry-after': '7' } },
      { status: 200, body: {} },
    ]) {
      fake.world.faults = [{ on: 'other', reply }];
      expect([reply.status, await tried(client(fake.world.admin))]).toEqual([reply.status, 'unclear']);
    }
    const others: unknown[] = [];
    for (const [status, error] of [
      [400, 'unauthorized_client'],
      [401, fake.world.admin],
      [400, 'invalid_scope'],
      [500, fake.world.admin],
    ] as const) {
      connection.store.nowMs += 10_000;
      fake.world.faults = [{ on: 'other', reply: { status, body: { error } }, times: 2 }];
      others.push(await thrownBy(issuer.list(key)));
    }
    expect(others).toMatchObject([
      { message: expect.stringMatching(/does not accept Keysteward's credential/) },
      { message: expect.stringMatching(/does not accept Keysteward's credential/) },
      { message: expect.stringMatching(/ask for a token: it does not accept what was asked for; check the settings/) },
      { message: expect.stringMatching(/ask for a token: it has trouble of its own/) },
    ]);
    expect(inspect(others, { depth: 9, showHidden: true })).not.toContain(fake.world.admin);
    fake.world.faults = [];
    await store('no document');
    connection.store.nowMs += 10_000;
    expect(await thrownBy(issuer.list(key))).toMatchObject({ message: expect.stringMatching(/no JSON document with/) });
  });
});

describe.each(fittings.filter(({ replaces }) => replaces))('$name', (fitting) => {
  let fake: Fake;
  let issuer: Issuer;
  const since = new Date();
  const asked = () => ({ from: since, to: new Date() });
  const ours = () => fake.world.make('Deploys', `glpat-${chance()}`, { id: '7' });
  const activeNow = () => fake.world.keys.filter((each) => !each.ended).map((each) => each.id);
  beforeEach(async () => {
    ({ fake, issuer } = await connected(fitting));
  });
  afterEach(() => fake.close());

  it('makes a new value in place of an active one, which ends at once, and keeps its name', async () => {
    const { id, value: old, name } = ours();
    expect(await issuer.replaceable!(key, { providerKeyId: id, asked: null })).toEqual({ providerKeyId: id });
    const made = really(await issuer.create(key, label(), id));
    expect(await issuer.test(key, made.value, null)).toMatchObject({ verdict: 'works' });
    const ending = { providerKeyId: id, value: new Secret(old) };
    expect(await issuer.confirmDead(key, ending)).toMatchObject({ verdict: 'dead' });
    expect(await issuer.confirmDead(key, { ...ending, value: null })).toMatchObject({ verdict: 'dead' });
    expect(await issuer.list(key)).toMatchObject([
      { providerKeyId: id, active: false },
      { providerKeyId: made.id, label: name, active: true },
    ]);
    expect(fake.world.live()).toEqual([made.value.reveal()]);
  });

  it('asks for nothing where nothing is said to be replaced, or where that is not active any more', async () => {
    const { id } = ours();
    expect(await issuer.create(key, label())).toMatchObject({ refused: expect.stringMatching(/in place of/) });
    fake.world.end(id);
    for (const providerKeyId of [id, '404']) {
      expect(await issuer.replaceable!(key, { providerKeyId, asked: null })).toMatchObject({
        refused: expect.stringMatching(/is not active.*by hand/),
      });
    }
    expect(fake.world.asked.filter((each) => each.kind === 'create')).toEqual([]);
  });

  it('after a lost answer replaces what took the place of the old one, and never asks for the old one twice', async () => {
    const { id, name } = ours();
    for (const other of ['Deploys of others', 'Another']) fake.world.make(other, chance());
    // Of the same name, and older than what was asked.
    fake.world.make(name, chance(), { id: '8' });
    fake.world.faults = [{ on: 'create', lose: true }];
    expect(await thrownBy(issuer.create(key, label(), id))).toBeInstanceOf(Error);
    const successor = activeNow().at(-1)!;
    const found = await issuer.replaceable!(key, { providerKeyId: id, asked: asked() });
    expect(found).toEqual({ providerKeyId: successor });
    const { id: next } = really(await issuer.create(key, label(), successor));
    expect(activeNow()).toEqual(expect.arrayContaining([next]));
    expect(activeNow()).not.toEqual(expect.arrayContaining([id]));
    expect(activeNow()).not.toEqual(expect.arrayContaining([successor]));
  });

  it('does not take a call that never arrived for one whose answer was lost', async () => {
    const { id } = ours();
    expect(await issuer.replaceable!(key, { providerKeyId: id, asked: asked() })).toEqual({ providerKeyId: id });
  });

  it('refuses in words where nothing or more than one thing can have taken its place', async () => {
    const { id, name } = ours();
    fake.world.end(id);
    const look = () => issuer.replaceable!(key, { providerKeyId: id, asked: asked() });
    expect(await look()).toMatchObject({ refused: expect.stringMatching(/no active token of its name.*by hand/) });
    const before = activeNow();
    for (const each of ['91', '92']) {
      fake.world.make(name, chance(), { id: each });
      await issuer.create(key, label(), each);
    }
    const made = activeNow().filter((each) => !before.includes(each));
    expect(await look()).toMatchObject({
      refused: expect.stringContaining(`2 active ones of its name have been made`),
    });
    expect(await look()).toMatchObject({ refused: expect.stringContaining(made.join(', ')) });
  });

  it('does not take for its successor what a person has made under its name: what is used already, and what no call can have made', async () => {
    const { id, name } = ours();
    const byHand = (facts: object) => fake.world.make(name, chance(), { account: 'by hand', ...facts });
    const [used, later] = [byHand({ id: '91', usedAt: Date.now() / 1000 }), byHand({ id: '92' })];
    const before = { providerKeyId: id, asked: { from: new Date(since.getTime() - 3_600_000), to: since } };
    later.madeAt = new Date(since.getTime() + 600_000);
    used.ended = true;
    expect(await issuer.replaceable!(key, before)).toEqual({ providerKeyId: id });
    used.ended = false;
    // Which of the two counts is not certain then.
    expect(await thrownBy(issuer.replaceable!(key, before))).toBeInstanceOf(Error);
    fake.world.end(id);
    expect(await issuer.replaceable!(key, before)).toMatchObject({
      refused: expect.stringMatching(/no active token of its name.*by hand/),
    });
    expect(activeNow()).toEqual([used.id, later.id]);
  });

  it('does not rotate what a replica still shows as active beside its successor', async () => {
    const { id, name } = ours();
    fake.world.make(name, chance(), { id: '91' });
    await issuer.create(key, label(), '91');
    expect(await thrownBy(issuer.replaceable!(key, { providerKeyId: id, asked: asked() }))).toMatchObject({
      message: expect.stringMatching(/not certain which of them counts/),
    });
  });

  it('a token that is rotated twice takes all that came of it along', async () => {
    const { id } = ours();
    await issuer.create(key, label(), id);
    expect(await issuer.create(key, label(), id)).toMatchObject({ refused: expect.any(String) });
    expect(activeNow()).toEqual([]);
  });
});

describe.each(fittings.filter(({ name }) => switching.includes(name)))('$name', (fitting) => {
  it('switches a key off and on again, and what it may do stays as it was', async () => {
    const { fake, issuer } = await connected(fitting);
    // The last one that works need not be stoppable.
    fake.world.make('another', chance());
    const byHand = issuer.can.create ? null : fake.world.make('by hand', chance());
    const { value, id } = byHand
      ? { value: new Secret(byHand.value), id: byHand.id }
      : really(await issuer.create(key, label()));
    for (let i = 0; i < 2; i++) await issuer.enable!(key, id, false);
    expect(await issuer.test(key, value, null)).toMatchObject({ verdict: 'refused' });
    expect(await issuer.list(key)).toMatchObject([{ active: true }, { providerKeyId: id, active: false }]);
    for (let i = 0; i < 2; i++) await issuer.enable!(key, id, true);
    expect(await issuer.list(key)).toMatchObject([{ active: true }, { providerKeyId: id, active: true }]);
    expect(await issuer.test(key, value, null)).toMatchObject({ verdict: 'works' });
    await fake.close();
  });
});

describe('OpenAI', () => {
  it('ends the key of a service account together with its account where that is the only way, and never with a sibling', async () => {
    const { openaiDialect } = await import('../../src/local/providers/openai.ts');
    const { fake, issuer } = await connected({ ...fittings[0]!, dialect: () => openaiDialect({ keepsKeys: true }) });
    const alone = fake.world.make('made by hand', chance(), { account: 'svc_1' });
    const twin = fake.world.make('shared', chance(), { account: 'svc_2' });
    const sibling = fake.world.make('shared', chance(), { account: 'svc_2' });
    await issuer.revoke(key, { providerKeyId: alone.id, value: null });
    expect(await thrownBy(issuer.revoke(key, { providerKeyId: twin.id, value: null }))).toMatchObject({
      message: expect.stringMatching(/has others/),
    });
    expect(fake.world.live()).toEqual([twin.value, sibling.value]);
    await fake.close();
  });
});

describe.each([
  { name: 'openai', unit: 'calls', of: 'embeddings' },
  { name: 'anthropic', unit: 'tokens', of: undefined },
])('$name, of how much a key is used,', ({ name, unit, of }) => {
  const [minuteMs, hourMs] = [60_000, 3_600_000];
  const ago = (ms: number) => Date.now() - ms;
  async function counting() {
    const { fake, issuer } = await connected(fittingOf(name));
    const [mine, other] = [fake.world.make('mine', chance()), fake.world.make('other', chance())];
    const use = (who: typeof mine, atMs: number, amount: number, kind = of) => {
      who.uses = [...(who.uses ?? []), { atMs, amount, ...(kind ? { of: kind } : {}) }];
    };
    return { fake, issuer, mine, other, use };
  }

  it('counts what this key did since then, of every kind, and nothing of before or of others', async () => {
    const { fake, issuer, mine, other, use } = await counting();
    const since = new Date(ago(2 * hourMs));
    use(mine, ago(2 * hourMs + minuteMs), 1_000);
    use(mine, ago(90 * minuteMs), 40);
    use(mine, ago(10 * minuteMs), 2, of && 'completions');
    use(other, ago(10 * minuteMs), 500);
    const used = await issuer.usage(key, mine.id, since);
    expect(used).toEqual({ amount: 42, unit, since: expect.any(Date) });
    expect(used!.since.getTime() - since.getTime()).toBeGreaterThanOrEqual(0);
    expect(used!.since.getTime() - since.getTime()).toBeLessThan(minuteMs);
    expect(await issuer.usage(key, 'nobody', since)).toMatchObject({ amount: 0 });
    // Nothing can have been counted since a moment ago.
    expect(await issuer.usage(key, mine.id, new Date(Date.now() + minuteMs))).toBeNull();
    await fake.close();
  });

  it('counts over days in whole hours, on as many pages as it takes', async () => {
    const { fake, issuer, mine, use } = await counting();
    const since = new Date(ago(10 * 24 * hourMs));
    use(mine, since.getTime() + hourMs, 5);
    use(mine, ago(minuteMs), 7);
    const used = await issuer.usage(key, mine.id, since);
    expect(used).toMatchObject({ amount: 12, unit });
    expect(used!.since.getTime() % hourMs).toBe(0);
    expect(used!.since.getTime() - since.getTime()).toBeLessThan(hourMs);
    // Hours of a week come on a page.
    expect(fake.world.asked.filter(({ path }) => path.includes('usage')).length).toBe(name === 'openai' ? 12 : 2);
    await fake.close();
  });

  it('takes nothing that is reported of all keys together for its own', async () => {
    const { fake, issuer, mine, use } = await counting();
    use(mine, ago(10 * minuteMs), 3);
    const since = new Date(ago(hourMs));
    const [start, end] = [ago(hourMs), Date.now()];
    const reply = {
      status: 200,
      body: {
        data: [
          {
            starting_at: new Date(start).toISOString(),
            ending_at: new Date(end).toISOString(),
            results: [{ api_key_id: null, num_model_requests: 9, output_tokens: 9 }],
          },
        ],
        has_more: false,
      },
    };
    fake.world.faults = [{ on: 'other', reply, times: 6 }];
    expect(await issuer.usage(key, mine.id, since)).toMatchObject({ amount: 0 });
    await fake.close();
  });

  it('shows a use only when it is reported, and is silent of it until then', async () => {
    const { fake, issuer, mine, use } = await counting();
    fake.world.reportLagMs = hourMs;
    use(mine, ago(30 * minuteMs), 7);
    use(mine, ago(90 * minuteMs), 5);
    expect(await issuer.usage(key, mine.id, new Date(ago(3 * hourMs)))).toMatchObject({ amount: 5 });
    await fake.close();
  });
});

describe('Anthropic, which tells no last use but reports what was used,', () => {
  const hourMs = 3_600_000;
  async function using(...uses: { atMs: number; amount: number }[]) {
    const { fake, issuer } = await connected(fittingOf('anthropic'));
    const [mine, other] = [fake.world.make('mine', chance()), fake.world.make('other', chance())];
    mine.uses = uses;
    other.uses = [{ atMs: Date.now() - 1_000, amount: 9 }];
    const found = await issuer.lastUsed(key, mine.id);
    await fake.close();
    return found;
  }

  it.each([
    ['minutes', 10 * 60_000],
    ['hours', 30 * hourMs],
    ['nearly a week', 6.9 * 24 * hourMs],
  ])('has the end of the minute of the last use, %s ago', async (_, agoMs) => {
    const atMs = Date.now() - agoMs;
    const found = await using({ atMs: atMs - 5 * hourMs, amount: 4_000 }, { atMs, amount: 1 });
    const lateMs = found!.getTime() - atMs;
    expect(lateMs).toBeGreaterThan(0);
    expect(lateMs).toBeLessThanOrEqual(60_000);
  });

  it('has the end of the day of one that is weeks ago, nothing of one that is longer ago, and never an instant to come', async () => {
    const weeksAgo = Date.now() - 20 * 24 * hourMs;
    const found = await using({ atMs: weeksAgo, amount: 3 });
    expect(found!.getTime() % (24 * hourMs)).toBe(0);
    expect(found!.getTime() - weeksAgo).toBeLessThanOrEqual(24 * hourMs);
    expect(await using({ atMs: Date.now() - 40 * 24 * hourMs, amount: 3 })).toBeNull();
    const now = await using({ atMs: Date.now(), amount: 3 });
    expect(now!.getTime()).toBeLessThanOrEqual(Date.now());
  });

  it('says how late that may be, as its entry in policy.yml has it', async () => {
    const anthropic = fittingOf('anthropic');
    const settings: Fitting['settings'] = (...all) => ({ ...anthropic.settings(...all), reportLagMinutes: 30 });
    for (const [fitting, minutes] of [[anthropic, 240] as const, [{ ...anthropic, settings }, 30] as const]) {
      const { fake, issuer } = await connected(fitting);
      expect(issuer.can.usageLagMinutes).toBe(minutes);
      await fake.close();
    }
  });
});

it('where only the day of the last use is told, a use may be a day later than it looks', async () => {
  const { fake, issuer } = await connected(fittingOf('mistral'));
  const { id } = fake.world.make('mine', chance(), { usedAt: Date.parse('2026-03-05T23:10:00Z') / 1000 });
  expect(await issuer.lastUsed(key, id)).toEqual(new Date('2026-03-05'));
  expect(issuer.can.usageLagMinutes).toBe(24 * 60);
  await fake.close();
});

describe('GitHub', () => {
  const fitting = fittingOf('deploy-key');

  it('keeps of a deploy key the half that opens something, and tells GitHub the other one', async () => {
    const { fake, issuer } = await connected(fitting);
    const { value, id } = really(await issuer.create(key, label()));
    expect(value.reveal()).toMatch(
      /^-----BEGIN OPENSSH PRIVATE KEY-----\n[\w+/=\n]+\n-----END OPENSSH PRIVATE KEY-----\n$/,
    );
    expect(fake.world.live()).toEqual([expect.stringMatching(/^ssh-ed25519 \S+$/)]);
    // A key of another kind, with a comment, as a person has stored it.
    const byHand = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256, comment: 'me@laptop' });
    fake.world.make('by hand', publicHalfOf(byHand.private), { id: '7' });
    expect(await issuer.identify(key, new Secret(byHand.private))).toBe('7');
    expect(await issuer.identify(key, value)).toBe(id);
    expect(await issuer.test(key, new Secret(byHand.private), null)).toMatchObject({ verdict: 'works' });
    for (const rubbish of ['', 'ghp_token', byHand.public, value.reveal().replace(/[A-Za-z]{20}/, 'A'.repeat(20))]) {
      expect((await issuer.test(key, new Secret(rubbish), null)).verdict, rubbish).toBe('refused');
      expect(await issuer.identify(key, new Secret(rubbish))).toBeNull();
    }
    await fake.close();
  });

  it('is given no key that came out a byte too short', () => {
    const ssh = ssh2 as unknown as Parameters<typeof soundPair>[0];
    const make = () => ssh2.utils.generateKeyPairSync('ed25519');
    const [sound, other] = [make(), make()];
    const short = Buffer.from(other.public.split(' ')[1]!, 'base64').subarray(0, -1).toString('base64');
    const unsound = [
      { ...other, public: `ssh-ed25519 ${short}` },
      { ...other, private: other.private.replace(/\n\S{40}/, '\n') },
      { private: sound.private, public: other.public },
    ];
    for (const each of unsound) expect(() => soundPair(ssh, () => each)).toThrow(/no sound SSH key/);
    expect(soundPair(ssh, () => unsound.pop() ?? sound)).toBe(sound);
    // As many as it takes for some of them to come out short: it did once in 256.
    for (let i = 0; i < 600; i++) {
      const pair = soundPair(ssh, make);
      expect(publicHalfOf(pair.private)).toBe(pair.public.trim());
    }
  });

  it('does not believe an SSH server that is not the one that GitHub names', async () => {
    const { fake, issuer } = await connected(fitting);
    const { value, id } = really(await issuer.create(key, label()));
    const other = await startFake(fitting.dialect());
    other.world.keys = fake.world.keys;
    const credential = `keysteward/github-${randomUUID()}`;
    await aws.secrets.create(credential, randomUUID(), new Secret(fake.world.admin), 'The credential of a provider');
    const { providers } = policySchema.parse({ providers: { x: fitting.settings(fake.url, credential, other.port) } });
    const misled = issuers(aws.secrets, providers).of('x')!;
    const said = { message: expect.stringMatching(/is not the one that it should be/) };
    expect(await thrownBy(misled.test(key, value, null))).toMatchObject(said);
    expect(await thrownBy(misled.confirmDead(key, { providerKeyId: id, value }))).toMatchObject(said);
    expect(other.world.asked).toEqual([]);
    await Promise.all([fake.close(), other.close()]);
  });

  it.each([
    ['a wait', 60_000, () => ({ 'retry-after': '60' })],
    ['an instant', 300_000, (now: number) => ({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': `${now + 300}` })],
  ])('is left alone for as long as it asks for by %s with a 403', async (_, ms, headersAt) => {
    const headers = headersAt(Math.ceil(Date.now() / 1000)) as Record<string, string>;
    const { fake, issuer } = await connected(fitting);
    const { id } = really(await issuer.create(key, label()));
    for (const [on, run] of [
      ['create', () => issuer.create(key, label())],
      ['list', () => issuer.list(key)],
      ['revoke', () => issuer.revoke(key, { providerKeyId: id, value: null })],
    ] as const) {
      fake.world.faults = [{ on, reply: { status: 403, headers, body: { message: 'rate limit exceeded' } } }];
      const { retryInMs } = (await thrownBy<Later>(run()))!;
      expect(Math.abs(retryInMs - ms), on).toBeLessThan(30_000);
    }
    expect(fake.world.live()).toHaveLength(1);
    await fake.close();
  });

  it('tries a token and revokes it for good with nothing but the token itself; a person makes the next one', async () => {
    const fake = await startFake(tokenDialect());
    const { providers } = policySchema.parse({
      providers: { github: { kind: 'github-token', baseUrl: fake.url, propagationSeconds: 2 } },
    });
    const issuer = issuers(aws.secrets, providers).of('github')!;
    expect(issuer.credential).toBeNull();
    expect(issuer.can).toMatchObject({ create: false, test: true, revoke: true, confirmDead: true, list: false });
    expect(await issuer.create(key, label())).toMatchObject({ refused: expect.stringMatching(/a person has to/) });
    const [value, other] = [`ghp_${chance()}`, `github_pat_${chance()}`].map((each) => new Secret(each)) as [
      Secret,
      Secret,
    ];
    for (const each of [value, other]) fake.world.make('by hand', each.reveal());
    fake.world.lag.ended = 2;

    expect(await issuer.test(key, value, null)).toMatchObject({ verdict: 'works' });
    const id = await issuer.identify(key, value);
    expect(id).toBe(createHash('sha256').update(value.reveal()).digest('base64'));
    expect(await issuer.identify(key, new Secret('sk-something-else'))).toBeNull();
    for (const status of [402, 403, 404, 429, 500, 503]) {
      fake.world.faults = [{ on: 'probe', reply: { status }, times: 2 }];
      expect((await issuer.test(key, value, null)).verdict, String(status)).toBe('unclear');
      expect((await issuer.confirmDead(key, { providerKeyId: id, value })).verdict, String(status)).toBe('unclear');
    }
    expect(await issuer.confirmDead(key, { providerKeyId: id, value: null })).toMatchObject({ verdict: 'unclear' });
    expect(await thrownBy(issuer.revoke(key, { providerKeyId: id, value: null }))).toMatchObject({
      message: expect.stringMatching(/only for whoever shows it/),
    });
    const reply = { status: 403, headers: { 'retry-after': '60' }, body: { message: value.reveal() } };
    fake.world.faults = [{ on: 'revoke', reply }];
    expect(await thrownBy(issuer.revoke(key, { providerKeyId: id, value: () => read(value) }))).toMatchObject({
      retryInMs: 60_000,
    });
    fake.world.faults = [{ on: 'revoke', lose: true }];
    expect(await thrownBy(issuer.revoke(key, { providerKeyId: id, value: () => read(value) }))).toBeInstanceOf(Error);
    await issuer.revoke(key, { providerKeyId: id, value: () => read(value) });
    const said: string[] = [];
    for (let i = 0; i < 3; i++) said.push((await issuer.confirmDead(key, { providerKeyId: id, value })).verdict);
    expect(said).toEqual(['alive', 'alive', 'dead']);
    expect(fake.world.live()).toEqual([other.reveal()]);
    await fake.close();
  });
});

/** Some that did not make a key which was made now: none, of another day, ended already, or not begun. */
const otherCalls = [[], [call(3 * 24 * 60)], [call(3)], [call(-3)], [call(3 * 24 * 60), call(3), call(-3)]];

describe('AWS IAM', () => {
  const fitting = fittingOf('aws');

  it('takes for left behind what an unanswered call made and nobody used, and nothing of another time, in use or in the store', async () => {
    const { fake, issuer } = await connected(fitting);
    const byHand = newAwsPair();
    fake.world.make('', byHand.value, { id: byHand.id });
    const secretId = `keysteward/iam-${randomUUID()}`;
    await aws.secrets.create(secretId, randomUUID(), new Secret(byHand.value), 'The key in use');
    const inUse = { ...key, secretId };
    const { value, id } = really(await issuer.create(inUse, label()));
    expect(await issuer.find(inUse, [label()], [call()])).toMatchObject([{ providerKeyId: id }]);
    expect(await issuer.find({ ...inUse, providerKeyId: id }, [label()], [call()])).toEqual([]);
    for (const others of otherCalls) expect(await issuer.find(inUse, [label()], others)).toEqual([]);
    expect(await issuer.lastUsed(inUse, id)).toBeNull();
    await issuer.test(inUse, value, null);
    expect(await issuer.lastUsed(inUse, id)).toBeInstanceOf(Date);
    expect(await issuer.find(inUse, [label()], [call()])).toEqual([]);
    await fake.close();
  });

  it('believes no 200 that does not come from AWS', async () => {
    const { fake, issuer } = await connected(fitting);
    const { value } = really(await issuer.create(key, label()));
    for (const body of ['<html><body>Please log in</body></html>', 'ok', '', '{}']) {
      fake.world.faults = [{ on: 'probe', reply: { status: 200, headers: { 'content-type': 'text/html' }, body } }];
      const said = await issuer.test(key, value, null).catch(() => ({ verdict: 'unclear' }));
      expect(said.verdict, body).toBe('unclear');
    }
    await fake.close();
  });

  it('works as the role of this machine where no credential is named', async () => {
    const { fake } = await connected(fitting);
    const { providers } = policySchema.parse({
      providers: { aws: { kind: 'aws-iam', baseUrl: fake.url, stsUrl: fake.url, user: 'deployer' } },
    });
    const issuer = issuers(aws.secrets, providers).of('aws')!;
    expect(issuer.credential).toBeNull();
    const before = { ...process.env };
    process.env.AWS_ACCESS_KEY_ID = fake.world.admin;
    process.env.AWS_SECRET_ACCESS_KEY = awsSecretOf(fake.world.admin);
    const { value } = really(await issuer.create(key, label()).finally(() => Object.assign(process.env, before)));
    if (!before.AWS_ACCESS_KEY_ID) delete process.env.AWS_ACCESS_KEY_ID;
    if (!before.AWS_SECRET_ACCESS_KEY) delete process.env.AWS_SECRET_ACCESS_KEY;
    expect(fake.world.live()).toEqual([value.reveal()]);
    expect(await issuer.test(key, value, null)).toMatchObject({ verdict: 'works' });
    await fake.close();
  });
});

describe.each([
  { fitting: fittingOf('aws'), old: newAwsPair() },
  { fitting: fittingOf('okta'), old: { id: 'ocs1', value: chance() } },
])('$fitting.name', ({ fitting, old }) => {
  it('is asked again, and has not refused for good, while it counts a key that it does not list yet', async () => {
    const { fake, issuer } = await connected(fitting);
    fake.world.make('', old.value, { id: old.id });
    fake.world.faults.push({ on: 'create', lose: true });
    const name = label();
    expect(await thrownBy(issuer.create(key, name))).toBeInstanceOf(Error);
    fake.world.hidden = 1;
    expect(await issuer.create(key, name)).toEqual({ notYet: expect.stringMatching(/than it lists/) });
    expect(await issuer.create(key, name)).toMatchObject({ refused: expect.stringMatching(/already has 2 keys/) });
    await fake.close();
  });
});

describe('Okta', () => {
  const fitting = fittingOf('okta');
  const storedAs = async (value: string) => {
    const secretId = `keysteward/okta-${randomUUID()}`;
    await aws.secrets.create(secretId, randomUUID(), new Secret(value), 'The secret in use');
    return { ...key, secretId };
  };

  it('takes for left behind what an unanswered call made, and nothing of another time, in the inventory or in the store', async () => {
    const { fake, issuer } = await connected(fitting);
    const inUse = await storedAs(fake.world.make('', chance()).value);
    const { id } = really(await issuer.create(inUse, label()));
    expect(await issuer.find(inUse, [label()], [call()])).toEqual([{ providerKeyId: id, label: null, active: true }]);
    expect(await issuer.find({ ...inUse, providerKeyId: id }, [label()], [call()])).toEqual([]);
    for (const others of otherCalls) expect(await issuer.find(inUse, [label()], others)).toEqual([]);
    await fake.close();
  });

  it('takes nothing for left behind where the store hands out a value that none of its secrets is', async () => {
    const { fake, issuer } = await connected(fitting);
    const inUse = await storedAs(chance());
    really(await issuer.create(inUse, label()));
    expect(await issuer.find(inUse, [label()], [call()])).toEqual([]);
    await fake.close();
  });

  it('knows a secret by its hash, or by itself where lists show it', async () => {
    const { client_secret, secret_hash } = {
      // https://developer.okta.com/docs/guides/client-secret-rotation-key/main/
      client_secret: ['3ZIqRCzmjcdNPK2Y29x1qSkI5', 'NRHji_eGIm4aKtI'].join(''),
      secret_hash: 'jMur1qOhMw_MtC9aQo7YEg',
    };
    const row = { id: 'ocs1', status: 'ACTIVE', created: '2022-01-10T21:06:31.000Z' };
    for (const shown of [
      { client_secret: '***KtI', secret_hash },
      { client_secret, secret_hash: 'of another kind' },
    ]) {
      const { fake, issuer } = await connected(fitting);
      const reply = {
        status: 200,
        body: [
          { ...row, id: 'ocs0', secret_hash: 'x' },
          { ...row, ...shown },
        ],
      };
      fake.world.faults = [{ on: 'list', reply, times: 2 }];
      expect(await issuer.identify(key, new Secret(client_secret))).toBe('ocs1');
      expect(await issuer.identify(key, new Secret(`${client_secret}x`))).toBeNull();
      await fake.close();
    }
  });

  it('goes on where an end broke off between deactivation and deletion, also with what an earlier try left behind', async () => {
    const { fake, issuer } = await connected(fitting);
    fake.world.make('', chance(), { id: 'ocs1' });
    const inUse = { ...key, providerKeyId: 'ocs1' };
    const { id } = really(await issuer.create(inUse, label()));
    fake.world.faults = [{ on: 'other', reply: { status: 503 } }];
    expect(await thrownBy(issuer.revoke(inUse, { providerKeyId: id, value: null }))).toBeInstanceOf(Error);
    // It works no more, and takes up a place.
    expect(await issuer.list(inUse)).toMatchObject([{ active: true }, { providerKeyId: id, active: false }]);
    expect(await issuer.find(inUse, [label()], [call()])).toMatchObject([{ providerKeyId: id }]);
    await issuer.revoke(inUse, { providerKeyId: id, value: null });
    expect(await issuer.list(inUse)).toMatchObject([{ providerKeyId: 'ocs1' }]);
    await issuer.revoke(inUse, { providerKeyId: id, value: null });
    await fake.close();
  });

  it('takes nothing for left behind where there is more of it than the calls can have made', async () => {
    const { fake, issuer } = await connected(fitting);
    for (let i = 0; i < 2; i++) really(await issuer.create(key, label()));
    expect(await issuer.find(key, [], [call()])).toEqual([]);
    expect(await issuer.find(key, [], [call(), call()])).toHaveLength(2);
    await fake.close();
  });

  it('ends what another try deactivated meanwhile, and does not call it the only active one', async () => {
    const { fake, issuer } = await connected(fitting);
    const old = fake.world.make('', chance()).value;
    const { id } = really(await issuer.create(key, label()));
    await issuer.enable!(key, id, false);
    const row = { id, status: 'ACTIVE', created: call().toISOString() };
    for (const run of [
      () => issuer.enable!(key, id, false),
      () => issuer.revoke(key, { providerKeyId: id, value: null }),
    ]) {
      fake.world.faults = [{ on: 'list', reply: { status: 200, body: [row] } }];
      await run();
    }
    expect(fake.world.live()).toEqual([old]);
    expect(await issuer.list(key)).toHaveLength(1);
    await fake.close();
  });

  it('says in words that the only active secret cannot be ended, and leaves it as it is', async () => {
    const { fake, issuer } = await connected(fitting);
    const { value, id } = really(await issuer.create(key, label()));
    for (const run of [
      () => issuer.revoke(key, { providerKeyId: id, value: null }),
      () => issuer.enable!(key, id, false),
    ]) {
      expect(await thrownBy(run())).toMatchObject({
        message: expect.stringMatching(/the only active one.*another one/),
      });
    }
    expect(fake.world.live()).toEqual([value.reveal()]);
    await fake.close();
  });

  it('puts the new secret into the document that the store has, and leaves the rest as it is', async () => {
    const { fake, issuer } = await connected(fitting);
    const document = (secret: string) =>
      `{"client_id":"${oktaApp}","scope":"read","client_secret":"${secret}","n":[1]}`;
    const old = fake.world.make('', chance()).value;
    const inUse = await storedAs(document(old));
    expect(await issuer.identify(inUse, new Secret(document(old)))).toBe('key_1');
    const { value, id } = really(await issuer.create(inUse, label()));
    const made = fake.world.keys.find((each) => each.id === id)!.value;
    expect(value.reveal()).toBe(document(made));
    expect(await issuer.test(inUse, value, null)).toMatchObject({ verdict: 'works' });
    expect(await issuer.identify(inUse, value)).toBe(id);
    await issuer.revoke(inUse, { providerKeyId: id, value: null });
    expect(await issuer.confirmDead(inUse, { providerKeyId: id, value })).toMatchObject({ verdict: 'dead' });
    await fake.close();
  });

  it('makes nothing where its readers would not understand the document, or it is of another application', async () => {
    const { fake, issuer } = await connected(fitting);
    for (const document of [
      '{"secret":"old-secret"}',
      '{"client_id":"0oaOTHER","client_secret":"old-secret"}',
      '{"client_secret":7}',
      '{"client_secret":"old-secret"',
      '["old-secret"]',
      'old secret',
    ]) {
      const made = await issuer.create(await storedAs(document), label());
      expect(made, document).toMatchObject({ refused: expect.stringMatching(/neither a value alone nor a JSON/) });
      expect(JSON.stringify(made)).not.toContain('old-secret');
      expect(await issuer.test(key, new Secret(document), null), document).toMatchObject({ verdict: 'refused' });
      expect(await issuer.identify(key, new Secret(document)), document).toBeNull();
    }
    expect(fake.world.asked).toEqual([]);
    await fake.close();
  });

  it.each(['client_secret_basic', 'client_secret_post'])(
    'tries a secret of another client id than the application has, shown by %s, without having a token made',
    async (clientAuthentication) => {
      const texts: string[] = [];
      const dialect = oktaDialect({ clientId: 'shop' });
      const { fake, issuer } = await connected({
        ...fitting,
        dialect: () => ({
          ...dialect,
          handle(asked, world) {
            if (asked.path.startsWith('/oauth2/')) texts.push(`${asked.path} ${asked.text}`);
            return dialect.handle(asked, world);
          },
        }),
        settings: (url, credential) => ({
          ...fitting.settings(url, credential, 0),
          clientId: 'shop',
          clientAuthentication,
        }),
      });
      const { value } = really(await issuer.create(key, label()));
      expect(await issuer.test(key, value, null)).toMatchObject({ verdict: 'works' });
      expect(await issuer.test(key, new Secret(`x${value.reveal()}`), null)).toMatchObject({ verdict: 'refused' });
      expect(texts).toEqual([
        expect.stringMatching(/^\/oauth2\/v1\/introspect token=keysteward&token_type_hint=access_token/),
        expect.stringMatching(/^\/oauth2\/v1\/introspect token=/),
      ]);
      await fake.close();
    },
  );

  it('is left alone until its limit begins anew, and asked again as ever where it does not say when', async () => {
    const { fake, issuer } = await connected(fitting);
    const { id } = really(await issuer.create(key, label()));
    const runs = [
      ['create', () => issuer.create(key, label())],
      ['list', () => issuer.list(key)],
      ['revoke', () => issuer.revoke(key, { providerKeyId: id, value: null })],
    ] as const;
    const limited = (reset: number) => ({
      status: 429,
      headers: { 'x-rate-limit-limit': '600', 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': String(reset) },
      body: { errorCode: 'E0000047', errorSummary: 'API call exceeded rate limit due to too many requests.' },
    });
    for (const [on, run] of runs) {
      fake.world.faults = [{ on, reply: limited(Math.ceil(Date.now() / 1000) + 300) }];
      const { retryInMs } = (await thrownBy<Later>(run()))!;
      expect(Math.abs(retryInMs - 300_000), on).toBeLessThan(30_000);
      fake.world.faults = [{ on, reply: limited(0) }];
      if (on === 'create') {
        // Nothing was made then, for certain.
        expect(await run()).toEqual({ notYet: expect.stringMatching(/asked too often/) });
        continue;
      }
      const said = await thrownBy(run());
      expect({ name: said?.name, message: said?.message }, on).toEqual({
        name: 'Error',
        message: expect.stringMatching(/asked too often/),
      });
    }
    expect(fake.world.live()).toHaveLength(1);
    await fake.close();
  });
});

describe('a value in two parts', () => {
  const twilio = fittingOf('twilio');
  const stored = async (document: string) => {
    const secretId = `keysteward/pair-${randomUUID()}`;
    await aws.secrets.create(secretId, randomUUID(), new Secret(document), 'The key in use');
    return { ...key, secretId };
  };

  it('takes the place of the old one in its document, under the names that its readers know; the rest stays', async () => {
    const fields = { id: 'user', secret: 'pass' };
    const { fake, issuer } = await connected({
      ...twilio,
      settings: (url, credential) => ({ ...twilio.settings(url, credential, 0), fields }),
    });
    const inUse = await stored('{"region":"ie1","pass":"old","user":"SKold","__proto__":{"x":1}}');
    const { value, id } = really(await issuer.create(inUse, label()));
    const made = JSON.parse(fake.world.live()[0]!) as { sid: string; secret: string };
    expect(value.reveal()).toBe(`{"region":"ie1","pass":"${made.secret}","user":"${made.sid}","__proto__":{"x":1}}`);
    expect(id).toBe(made.sid);
    expect(await issuer.test(inUse, value, null)).toMatchObject({ verdict: 'works' });
    await fake.close();
  });

  it('is not made where the store holds something that its readers would not understand afterwards', async () => {
    const { fake, issuer } = await connected(twilio);
    for (const document of ['SKold:secret', '{"sid":"SKold"}', '[1]', '"text"', '{"sid":"SKold","secret":7}']) {
      const made = await issuer.create(await stored(document), label());
      expect(made, document).toMatchObject({ refused: expect.stringMatching(/no JSON document with sid and secret/) });
      expect(JSON.stringify(made)).not.toContain('SKold');
      expect(await issuer.test(key, new Secret(document), null), document).toMatchObject({ verdict: 'refused' });
      expect(await issuer.confirmDead(key, { providerKeyId: null, value: new Secret(document) })).toMatchObject({
        verdict: 'unclear',
      });
    }
    expect(fake.world.asked.filter((each) => each.kind === 'create' || each.kind === 'probe')).toEqual([]);
    await fake.close();
  });

  it('at Twilio may be a restricted one, with what it may do and where that is tried', async () => {
    const policy = { allow: ['/twilio/messaging/messages/read'] };
    const forms: Record<string, unknown>[] = [];
    const dialect = twilio.dialect();
    const { fake, issuer } = await connected({
      ...twilio,
      dialect: () => ({
        ...dialect,
        handle(asked, world) {
          if (asked.method === 'POST') forms.push(asked.body);
          return dialect.handle(asked, world);
        },
      }),
      settings: (url, credential) => ({
        ...twilio.settings(url, credential, 0),
        policy,
        testPath: '/2010-04-01/x.json',
      }),
    });
    const { value } = really(await issuer.create(key, label()));
    expect(forms).toMatchObject([{ AccountSid: 'AC1', KeyType: 'restricted', Policy: JSON.stringify(policy) }]);
    await issuer.test(key, value, null);
    expect(fake.world.asked.at(-1)!.path).toBe('/2010-04-01/x.json');
    await fake.close();
  });
});

describe('policy.yml', () => {
  it.each([
    [{ OpenAI: {} }, /short name/],
    [{ person: {} }, /short name/],
    [{ openai: { kind: 'openai', credential: 'x', project: 'p', baseUrl: 'http://api.openai.com' } }, /https/],
    [{ openai: { kind: 'openai', credential: 'x' } }, /project/],
    [{ sms: { kind: 'twilio', credential: 'x', account: 'AC1', policy: { allow: [] } } }, /testPath|restricted/],
    [{ sms: { kind: 'twilio', credential: 'x', account: 'AC1', fields: { id: 'a', secret: 'a' } } }, /two different/],
    [{ sms: { kind: 'twilio', credential: 'x', account: '../AC1' } }, /account SID/],
    [{ aws: { kind: 'aws-iam', credential: 'x' } }, /user/],
    [{ sso: { kind: 'okta', credential: 'x', app: '0oa1' } }, /baseUrl/],
    [{ sso: { kind: 'okta', credential: 'x', baseUrl: 'https://acme.okta.com', app: '../0oa1' } }, /application/],
    [{ github: { kind: 'github-token', credential: 'x' } }, /credential/],
    [{ github: { kind: 'github-deploy-key', credential: 'x', repository: '../shop' } }, /owner.name/],
    [{ aws: { kind: 'aws-iam', user: '' } }, /IAM user/],
    [{ mail: { kind: 'sendgrid', credential: 'x', scopes: [] } }, /scopes/],
    [{ git: { kind: 'gitlab', credential: 'x', of: 'personal' } }, /only rotated/],
    [{ git: { kind: 'gitlab', credential: 'x', of: 'personal', method: 'rotate', id: '7' } }, /none for personal/],
    [{ git: { kind: 'gitlab', credential: 'x', of: 'project', method: 'rotate' } }, /the id of the project/],
    [{ git: { kind: 'gitlab', credential: 'x', of: 'group', id: '7' } }, /what new tokens may do/],
    [
      { git: { kind: 'gitlab', credential: 'x', of: 'group', id: '7', method: 'rotate', scopes: ['api'] } },
      /keeps its/,
    ],
    [{ other: { kind: 'nobody', credential: 'x' } }, /kind/],
  ])('refuses a provider that cannot be meant: %o', (providers, complaint) => {
    const parsed = policySchema.safeParse({ providers });
    expect(JSON.stringify(parsed.error?.issues)).toMatch(complaint);
  });
});
