import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { addKey } from '../../src/inventory/add.ts';
import { firstTokenOf, makeSecret } from '../../src/inventory/make-secret.ts';
import type { KeyEntry } from '../../src/inventory/model.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { Secret } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts, waitingJobs } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, inventoryInSlack);
const [dana, ada, kim, gone] = [
  aPerson({ name: 'Dana' }),
  aPerson({ name: 'Ada', tier: 'administrator' }),
  aPerson({ name: 'Kim', tier: 'contractor' }),
  aPerson({ name: 'Gone', status: 'left' }),
];
beforeAll(() => given(test.ports.store, { people: [dana, ada, kim, gone] }));

const stored = async (value = `value-${randomUUID()}`) => {
  const secretId = `company/${randomUUID()}/it`;
  await test.ports.secrets.create(secretId, randomUUID(), new Secret(value), 'test');
  return { secretId, lastFour: value.slice(-4) };
};
const entry = (more: Partial<KeyEntry> = {}): KeyEntry => ({
  service: 'OpenAI',
  environment: 'staging',
  purpose: `Purpose ${randomUUID()}`,
  ownerId: dana.id,
  storage: 'elsewhere',
  secretId: null,
  lastFour: null,
  scope: 'Embeddings only',
  flags: [],
  tags: [],
  createdOn: null,
  lastRotatedAt: null,
  expiresAt: null,
  issuer: 'person',
  recipe: null,
  ...more,
});
const inStore = (where: { secretId: string; lastFour: string | null }, more: Partial<KeyEntry> = {}) =>
  entry({ storage: 'secrets-manager', ...where, ...more });
const fields = (by: Person, more: Record<string, unknown> = {}) => ({
  service: 'Stripe',
  environment: 'test',
  purpose: `Checkout ${randomUUID().slice(0, 8)}`,
  owner: by.slackId,
  storage: 'elsewhere',
  scope: 'Test mode only',
  ...more,
});
const refused = (code: string, field?: string) => expect.objectContaining({ name: 'Refusal', code, field });
const add = (by: Person, what: KeyEntry, make = false) => addKey(test.ports, by.id, what, make);
const keyById = (id: string) => test.ports.store.read((view) => view.keys.get(id));

describe('adding a key', () => {
  it('keeps every fact that was entered, with its name, risk, next rotation and audit event', async () => {
    const place = await stored();
    const createdOn = new Date(Date.now() - 5 * 86_400_000);
    const key = await add(dana, inStore(place, { flags: ['writes'], tags: ['ai'], createdOn }));
    expect(await keyById(key.id)).toEqual({
      ...key,
      name: `OpenAI API Key - Staging - ${key.purpose}`,
      risk: 'high',
      flags: ['writes'],
      tags: ['ai'],
      status: 'active',
      addedBy: dana.id,
      nextRotationAt: new Date(createdOn.getTime() + 30 * 86_400_000),
    });
    const found = await test.ports.secrets.describe(place.secretId);
    expect(key.currentVersion).toBe(found!.versions[0]!.id);
    const { rows } = await test.ports.store.read((view) => view.audit.list({ keyId: key.id }, 10));
    expect(rows).toMatchObject([{ action: 'inventory.add', outcome: 'done', subject: key.id }]);
  });

  it('takes a secret only from somebody who knows how its value ends; an administrator need not', async () => {
    const place = await stored();
    const { secretId } = place;
    await expect(add(dana, inStore({ secretId, lastFour: null }))).rejects.toEqual(refused('invalid', 'lastFour'));
    await expect(add(dana, inStore({ secretId, lastFour: 'zzzz' }))).rejects.toEqual(refused('invalid', 'lastFour'));
    await expect(add(ada, inStore({ secretId, lastFour: 'zzzz' }))).rejects.toEqual(refused('invalid', 'lastFour'));
    const key = await add(ada, inStore({ secretId, lastFour: null }));
    expect(key.lastFour).toBe(place.lastFour);
    const { rows } = await test.ports.store.read((view) =>
      view.audit.list({ personId: dana.id, action: 'inventory.add', outcome: 'refused' }, 10),
    );
    expect(rows).toHaveLength(2);
  });

  it('leaves a document, whose end proves nothing, to administrators', async () => {
    const { secretId } = await stored(JSON.stringify({ user: 'app', password: 'correct horse battery' }));
    await expect(add(dana, inStore({ secretId, lastFour: '"}' }))).rejects.toEqual(refused('not_allowed'));
    expect((await add(ada, inStore({ secretId, lastFour: null }))).lastFour).toBeNull();
  });

  it('knows one secret by its name and its ARN, and takes it once', async () => {
    const place = await stored();
    const { arn } = (await test.ports.secrets.describe(place.secretId))!;
    const key = await add(dana, inStore({ ...place, secretId: arn }));
    expect(key.secretId).toBe(place.secretId);
    await expect(add(dana, inStore(place))).rejects.toEqual(refused('conflict', 'secretId'));
  });

  it('says under the field what is wrong with a secret', async () => {
    const at = (secretId: string) => add(dana, inStore({ secretId, lastFour: 'abcd' }));
    await expect(at('company/not-there')).rejects.toEqual(refused('invalid', 'secretId'));
    await expect(at('no spaces allowed')).rejects.toEqual(refused('invalid', 'secretId'));
    await expect(add(dana, inStore({ secretId: '', lastFour: null }))).rejects.toEqual(refused('invalid', 'secretId'));
    await expect(add(dana, inStore(await stored(), { issuer: 'nobody' }))).rejects.toEqual(
      refused('invalid', 'issuer'),
    );
  });

  it('spells a service as the inventory does, and refuses a second key of one name, also when two are added at once', async () => {
    const first = await add(dana, entry({ service: 'DataDog', purpose: 'Metrics' }));
    await expect(add(dana, entry({ service: 'datadog', purpose: 'metrics' }))).rejects.toEqual(
      refused('conflict', 'purpose'),
    );
    expect((await add(dana, entry({ service: 'datadog', purpose: 'Logs' }))).service).toBe(first.service);
    const race = await Promise.allSettled([1, 2, 3].map(() => add(dana, entry({ purpose: 'Race' }))));
    expect(race.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected', 'rejected']);
    for (const each of race)
      if (each.status === 'rejected') expect(each.reason).toEqual(refused('conflict', 'purpose'));
  });

  it('is for staff, and an owner is somebody active who stays', async () => {
    await expect(add(kim, entry())).rejects.toEqual(refused('not_allowed'));
    await expect(add(gone, entry())).rejects.toEqual(refused('not_allowed'));
    await expect(add(dana, entry({ ownerId: kim.id }))).rejects.toEqual(refused('invalid', 'owner'));
    await expect(add(dana, entry({ ownerId: gone.id }))).rejects.toEqual(refused('invalid', 'owner'));
  });

  it('tells an owner who did not add it', async () => {
    const key = await add(ada, entry());
    const card = await desk.card('inventory.added', key.id, { person: dana.id });
    expect(saying(card)).toContain('You answer for it');
    expect((await test.ports.store.read((view) => view.cards.of('inventory.added', key.id))).length).toBe(1);
    const own = await add(dana, entry());
    expect(await test.ports.store.read((view) => view.cards.of('inventory.added', own.id))).toEqual([]);
  });
});

describe('a secret that is made for somebody', () => {
  const made = (more: Partial<KeyEntry> = {}) =>
    entry({
      storage: 'secrets-manager',
      secretId: `keysteward/staging/${randomUUID()}/it`,
      issuer: 'self-made',
      service: 'Webhooks',
      ...more,
    });

  it('is stored by a job, once, and nobody has seen it', async () => {
    const key = await add(dana, made(), true);
    expect(key).toMatchObject({ currentVersion: null, lastFour: null });
    const jobs = await waitingJobs(test.database, 'inventory.make-secret');
    expect(jobs.map((each) => each.payload)).toContainEqual({ keyId: key.id });
    const told = () => desk.card('inventory.added:made', key.id, { person: dana.id });
    expect(saying(await told())).toContain('being made');
    await makeSecret(test.ports, { keyId: key.id });
    await makeSecret(test.ports, { keyId: key.id });
    const after = await keyById(key.id);
    const found = await test.ports.secrets.describe(key.secretId!);
    expect(found!.versions).toEqual([{ id: after.currentVersion, stages: ['AWSCURRENT'] }]);
    const value = await test.ports.secrets.read(key.secretId!, { stage: 'AWSCURRENT' });
    expect(after.lastFour).toBe(value!.lastFour);
    expect(saying(await told())).toContain('nobody has seen it');
    const { rows } = await test.ports.store.read((view) =>
      view.audit.list({ keyId: key.id, action: 'inventory.make-secret' }, 10),
    );
    expect(rows).toHaveLength(1);
  });

  it('is found again after a crash between making and writing it down', async () => {
    const key = await add(dana, made(), true);
    const dying = { ...test.ports, store: { ...test.ports.store, change: () => Promise.reject(new Error('killed')) } };
    await expect(makeSecret(dying, { keyId: key.id })).rejects.toThrow('killed');
    await makeSecret(test.ports, { keyId: key.id });
    expect((await keyById(key.id)).currentVersion).toBe(await firstTokenOf(key.id));
    const found = await test.ports.secrets.describe(key.secretId!);
    expect(found!.versions).toHaveLength(1);
  });

  it('never takes a secret of somebody else over, before or in the same moment', async () => {
    const place = await stored();
    await expect(add(dana, made({ secretId: place.secretId }), true)).rejects.toEqual(refused('conflict', 'secretId'));
    const key = await add(dana, made(), true);
    await test.ports.secrets.create(key.secretId!, randomUUID(), new Secret('somebody else was faster'), 'theirs');
    await makeSecret(test.ports, { keyId: key.id });
    expect(await keyById(key.id)).toMatchObject({ status: 'retired', currentVersion: null, lastFour: null });
    expect(saying(await desk.card('inventory.added:made', key.id, { person: dana.id }))).toContain('was not added');
  });

  it('refuses a name that AWS would mistake for an ARN', async () => {
    await expect(add(dana, made({ secretId: 'a/signing-secret' }), true)).rejects.toEqual(
      refused('invalid', 'secretId'),
    );
  });
});

describe('the form', () => {
  it('is prefilled from the command, and asks only what the place of the value needs', async () => {
    const names = (shown: unknown) =>
      [...JSON.stringify(shown).matchAll(/"block_id":"(\w+)"/g)].map(([, name]) => name);
    const opened = await desk.type(dana, 'add Order webhooks prod');
    expect(saying(opened)).toContain('Order webhooks');
    expect(JSON.stringify(opened)).toContain('"initial_option":{"value":"production"');
    expect(JSON.stringify(opened)).toContain(`"initial_user":"${dana.slackId}"`);
    const after = async (storage: string, typedSoFar = {}) =>
      desk.press(dana, 'storage', storage, { fields: { service: 'X', scope: 'Y', ...typedSoFar } });
    expect(names(await after('make'))).not.toContain('lastFour');
    expect(names(await after('secrets-manager'))).toEqual(expect.arrayContaining(['secretId', 'lastFour', 'issuer']));
    expect(names(await after('secrets-manager'))).not.toContain('length');
    expect(names(await after('secrets-manager', { issuer: 'self-made' }))).toContain('length');
    expect(names(await after('elsewhere'))).not.toContain('secretId');
    const kept = await after('elsewhere', { purpose: 'What I typed', flags: ['writes'], tags: 'a, b' });
    for (const each of ['What I typed', 'a, b']) expect(saying(kept)).toContain(each);
    expect(JSON.stringify(kept)).toContain('"initial_options":[{"value":"writes"');
  });

  it('adds what was entered, and says its risk and when it is due', async () => {
    const answer = await desk.send(dana, 'inventory.add', fields(dana, { flags: ['inChat'], tags: 'Pay, shop ,pay' }));
    expect(saying(answer)).toContain('Has been in e-mail or chat');
    const { rows } = await test.ports.store.read((view) =>
      view.keys.list({ service: 'Stripe', environment: 'test' }, 50),
    );
    const key = rows.find((each) => each.tags.length > 0)!;
    expect(key).toMatchObject({ tags: ['pay', 'shop'], risk: 'high', ownerId: dana.id, storage: 'elsewhere' });
  });

  it('makes a secret under a name of its own when none was given', async () => {
    await desk.send(dana, 'inventory.add', fields(dana, { storage: 'make', length: '64', purpose: 'Signing it all' }));
    const [key] = await test.ports.store.read((view) => view.keys.search('signing it all', 2));
    expect(key).toMatchObject({
      secretId: 'keysteward/test/stripe/signing-it-all',
      issuer: 'self-made',
      recipe: { length: 64, exclude: '', punctuation: false },
    });
  });

  it('refuses an owner whom nobody knows, and more than four characters of a key, under their fields', async () => {
    await expect(desk.send(dana, 'inventory.add', fields(dana, { owner: 'U0NOBODY' }))).rejects.toEqual(
      refused('invalid', 'owner'),
    );
    await expect(desk.send(dana, 'inventory.add', fields(dana, { owner: null }))).rejects.toEqual(
      refused('invalid', 'owner'),
    );
    const tooMuch = await desk
      .send(dana, 'inventory.add', fields(dana, { lastFour: 'abcde' }))
      .catch((e: unknown) => e);
    expect(tooMuch).toMatchObject({ issues: [{ path: ['lastFour'] }] });
  });
});
