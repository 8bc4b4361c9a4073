import { Webhook } from 'standardwebhooks';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ConsumerEntry, mostConsumers, whyNotTell } from '../../src/inventory/consumer-model.ts';
import { makeSigningSecret } from '../../src/inventory/make-signing-secret.ts';
import { addConsumer, changeConsumer } from '../../src/inventory/record-consumer.ts';
import { removeConsumer } from '../../src/inventory/remove-consumer.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import type { Person } from '../../src/people/model.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { workOff } from '../support/jobs.ts';
import { usePorts, waitingJobs } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, inventoryInSlack);
const [olivia, dana, ada, kim, gone] = [
  aPerson({ name: 'Olivia' }),
  aPerson({ name: 'Dana' }),
  aPerson({ name: 'Ada', tier: 'administrator' }),
  aPerson({ name: 'Kim', tier: 'contractor' }),
  aPerson({ name: 'Gone', status: 'left' }),
];
beforeAll(() => given(test.ports.store, { people: [olivia, dana, ada, kim, gone] }));

async function aStoredKey(facts = {}) {
  const key = aKey(olivia, facts);
  await given(test.ports.store, { keys: [key] });
  return key;
}
const reads: ConsumerEntry = { name: 'checkout service', kind: 'reads-store', url: null, personId: null };
const hook: ConsumerEntry = { ...reads, name: 'billing', kind: 'webhook', url: 'https://hooks.example.com/keysteward' };
const add = (who: Person, keyId: string, entry: ConsumerEntry) =>
  addConsumer(test.ports, who.id, keyId as never, entry);
const usersOf = (keyId: string) => test.ports.store.read((view) => view.consumers.ofKey(keyId));
const refused = (code: string, field?: string) => expect.objectContaining({ name: 'Refusal', code, field });

describe('who uses a key', () => {
  it('is recorded, corrected and removed by its owner in Slack, shown on its card, and all of it is in the log', async () => {
    const key = await aStoredKey();
    const card = async () => saying(await desk.type(olivia, `show ${key.id}`));
    expect(await card()).toContain('Nobody is recorded. A rotation ends the old value');

    expect(saying(await desk.press(olivia, 'inventory.add-consumer', key.id))).toContain('What uses it?');
    const drawn = await desk.press(olivia, 'consumerKind', 'person', {
      fields: { consumerName: 'reporting' },
      context: { keyId: key.id },
    });
    expect(saying(drawn)).toContain('Who moves it?');
    expect(saying(drawn)).toContain('reporting');
    // What is longer than Slack takes would be cut there.
    expect(saying(drawn)).not.toContain('…');
    const said = saying(
      await desk.send(olivia, 'inventory.add-consumer', {
        keyId: key.id,
        consumerName: '  reporting   sheet ',
        consumerKind: 'person',
        mover: dana.slackId,
      }),
    );
    expect(said).toContain('reporting sheet');
    const [made] = await usersOf(key.id);
    expect(made).toMatchObject({ name: 'reporting sheet', kind: 'person', personId: dana.id, addedBy: olivia.id });
    expect(await card()).toContain(`*reporting sheet*: <@${dana.slackId}> moves it`);

    await desk.send(olivia, 'inventory.change-consumer', {
      consumerId: made!.id,
      consumerName: 'reporting sheet',
      consumerKind: 'reads-store',
    });
    expect((await usersOf(key.id))[0]).toMatchObject({ kind: 'reads-store', personId: null });
    expect(saying(await desk.press(olivia, 'inventory.consumers', key.id))).toContain('reads Secrets Manager itself');
    await desk.press(olivia, 'inventory.remove-consumer', made!.id);
    expect(await usersOf(key.id)).toEqual([]);
    await expect(desk.press(olivia, 'inventory.change-consumer', made!.id)).rejects.toEqual(refused('conflict'));

    const { rows } = await test.ports.store.read((view) => view.audit.list({ keyId: key.id }, 10));
    const done = rows.filter((each) => each.outcome === 'done').map((each) => each.action);
    expect(done.slice(0, 3)).toEqual([
      'inventory.remove-consumer',
      'inventory.change-consumer',
      'inventory.add-consumer',
    ]);
    expect(rows.find((each) => each.action === 'inventory.change-consumer')!.facts).toMatchObject({
      before: { kind: 'person', personId: dana.id },
    });
  });

  it('is looked after by owners and administrators only, and a contractor does not learn of the key', async () => {
    const key = await aStoredKey();
    await expect(add(dana, key.id, reads)).rejects.toEqual(refused('not_allowed'));
    await expect(add(kim, key.id, reads)).rejects.toEqual(refused('not_found'));
    await expect(add(gone, key.id, reads)).rejects.toEqual(refused('not_allowed'));
    const one = await add(ada, key.id, reads);
    await expect(changeConsumer(test.ports, dana.id, one.id, hook)).rejects.toEqual(refused('not_allowed'));
    await expect(removeConsumer(test.ports, kim.id, one.id)).rejects.toEqual(refused('not_found'));
    expect(saying(await desk.type(dana, `show ${key.id}`))).not.toContain('Consumers…');
    expect(saying(await desk.type(olivia, `show ${key.id}`))).toContain('Consumers…');
  });

  it('is recorded once under a name, however often and at once it is sent, and never more than a message can show', async () => {
    const key = await aStoredKey();
    const twice = await Promise.allSettled([
      add(olivia, key.id, reads),
      add(ada, key.id, { ...reads, name: 'CHECKOUT service' }),
    ]);
    expect(twice.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    const [one] = await usersOf(key.id);
    const other = await add(olivia, key.id, { ...reads, name: 'other' });
    await expect(changeConsumer(test.ports, olivia.id, other.id, { ...reads, name: one!.name })).rejects.toEqual(
      refused('conflict', 'consumerName'),
    );
    for (let i = 2; i < mostConsumers; i++) await add(olivia, key.id, { ...reads, name: `Consumer ${i}` });
    await expect(add(olivia, key.id, { ...reads, name: 'one too many' })).rejects.toEqual(refused('conflict'));
    // The name of one that was removed is free again.
    await removeConsumer(test.ports, olivia.id, other.id);
    await add(olivia, key.id, { ...reads, name: 'other' });
    expect(
      saying(await desk.press(olivia, 'inventory.consumers', key.id)).match(/reads Secrets Manager itself/g),
    ).toHaveLength(mostConsumers);
  });

  it('names a person who is here, and no key that is retired', async () => {
    const key = await aStoredKey();
    const person: ConsumerEntry = { ...reads, kind: 'person' };
    await expect(add(olivia, key.id, person)).rejects.toEqual(refused('invalid', 'mover'));
    await expect(add(olivia, key.id, { ...person, personId: gone.id })).rejects.toEqual(refused('invalid', 'mover'));
    const retired = await aStoredKey({ status: 'retired' });
    await expect(add(olivia, retired.id, reads)).rejects.toEqual(refused('conflict'));
  });
});

describe('the IAM user or role that a consumer reads as', () => {
  const role = 'arn:aws:iam::123456789012:role/apps/checkout';
  const sent = { consumerName: 'checkout', consumerKind: 'reads-store' };

  it('is asked for where it reads by itself, kept through every change of the form, and shown; it can be left out', async () => {
    const key = await aStoredKey();
    const drawn = await desk.press(olivia, 'consumerKind', 'reads-store', {
      fields: { consumerName: 'checkout', readsAs: role },
      context: { keyId: key.id },
    });
    expect(saying(drawn)).toContain('As which IAM role or user does it read?');
    expect(saying(drawn)).toContain(role);
    const webhook = await desk.press(olivia, 'consumerKind', 'webhook', {
      fields: { consumerName: 'checkout', readsAs: role },
      context: { keyId: key.id },
    });
    expect(saying(webhook)).not.toContain('As which IAM role');

    await desk.send(olivia, 'inventory.add-consumer', { ...sent, keyId: key.id, readsAs: ` \u200b${role} ` });
    const [made] = await usersOf(key.id);
    expect(made).toMatchObject({ kind: 'reads-store', readsAs: role });
    expect(saying(await desk.type(olivia, `show ${key.id}`))).toContain(
      `*checkout*: reads Secrets Manager itself, as \`${role}\``,
    );
    expect(saying(await desk.press(olivia, 'inventory.change-consumer', made!.id))).toContain(role);

    await desk.send(olivia, 'inventory.change-consumer', { ...sent, consumerId: made!.id, readsAs: null });
    expect((await usersOf(key.id))[0]).toMatchObject({ readsAs: null });
    const { rows } = await test.ports.store.read((view) => view.audit.list({ keyId: key.id }, 10));
    expect(rows.find((each) => each.action === 'inventory.change-consumer')!.facts).toMatchObject({
      before: { readsAs: role },
      readsAs: null,
    });
    expect(rows.find((each) => each.action === 'inventory.add-consumer')!.facts).toMatchObject({ readsAs: role });
  });

  it('is of no one who is told or moved by a person, whatever is sent', async () => {
    const key = await aStoredKey();
    await desk.send(olivia, 'inventory.add-consumer', {
      ...{ ...sent, consumerKind: 'person', mover: dana.slackId },
      ...{ keyId: key.id, readsAs: role },
    });
    expect((await usersOf(key.id))[0]).toMatchObject({ kind: 'person', readsAs: null });
  });

  it.each([
    'checkout',
    '*',
    'arn:aws:iam::123456789012:root',
    'arn:aws:sts::123456789012:assumed-role/checkout/i-0abc',
    'arn:aws:iam::123456789012:role/*',
    'arn:aws:iam::1234:role/checkout',
    `arn:aws:iam::123456789012:role/${'x'.repeat(600)}`,
  ])('%s is refused under its field', async (readsAs) => {
    const key = await aStoredKey();
    const form = { ...sent, keyId: key.id, readsAs };
    await expect(desk.send(olivia, 'inventory.add-consumer', form)).rejects.toSatisfy((error: unknown) => {
      const { field, issues } = error as { field?: string; issues?: { path: string[] }[] };
      return field === 'readsAs' || issues?.[0]?.path[0] === 'readsAs';
    });
    expect(await usersOf(key.id)).toEqual([]);
  });

  it('is kept for later where nobody is asked who reads secrets, and the form says so', async () => {
    const key = await aStoredKey();
    const drawn = await desk.press(olivia, 'consumerKind', 'reads-store', { context: { keyId: key.id } });
    expect(saying(drawn)).toContain('Kept for later');
    const asking = { name: 'CloudTrail', lateMs: 0, of: async () => ({ reads: [], missing: null }) };
    const there = deskOf(() => ({ ...test.ports, readers: asking }), inventoryInSlack);
    expect(saying(await there.press(olivia, 'consumerKind', 'reads-store', { context: { keyId: key.id } }))).toContain(
      'waits until CloudTrail says that it has read the new value',
    );
  });
});

describe('the secret that signs what a consumer is told', () => {
  it('is made once, in Secrets Manager, also when its maker died in between; only its name is kept', async () => {
    const key = await aStoredKey();
    const { id } = await add(olivia, key.id, hook);
    expect(await waitingJobs(test.database, 'inventory.make-signing-secret')).toHaveLength(1);
    // As if the worker had died with the secret stored and nothing written down.
    const secretId = `keysteward/consumers/${id}`;
    await test.ports.secrets.create(
      secretId,
      crypto.randomUUID(),
      test.ports.hooks.freshSecret(),
      'by a worker that died',
    );
    await workOff(test.database, test.ports, { only: (name) => name === 'inventory.make-signing-secret' });
    const [made] = await usersOf(key.id);
    expect(made!.signedWith).toBe(secretId);
    const stored = (await test.ports.secrets.read(secretId, { stage: 'AWSCURRENT' }))!;
    expect(stored.value.reveal()).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(() => new Webhook(stored.value.reveal()).sign('msg_1', new Date(), '{}')).not.toThrow();
    expect(saying(await desk.type(olivia, `show ${key.id}`))).toContain(secretId);
    await makeSigningSecret(test.ports, { consumerId: id });
    expect((await test.ports.secrets.read(secretId, { stage: 'AWSCURRENT' }))!.versionId).toBe(stored.versionId);
    const { rows } = await test.ports.store.read((view) => view.audit.list({ keyId: key.id }, 10));
    expect(JSON.stringify(rows)).not.toContain(stored.value.reveal());
    expect(rows.filter((each) => each.action === 'inventory.make-signing-secret')).toHaveLength(1);
  });
});

describe('the address of a consumer', () => {
  it.each([
    'http://hooks.example.com/x',
    'https://127.0.0.1/x',
    'https://2130706433/x',
    'https://0x7f.1/x',
    'https://[::ffff:127.0.0.1]/x',
    'https://169.254.169.254/latest/meta-data',
    'https://[fd00::1]/x',
    'https://localhost/x',
    'https://metadata.google.internal/x',
    'https://deploy.internal./x',
    'https://user:word@hooks.example.com/x',
    'https://hooks.example.com/x?token=1',
    'https://hooks.example.com/x#y',
    'file:///etc/passwd',
    'gopher://hooks.example.com/',
    'javascript:alert(1)',
    'hooks.example.com',
    '',
  ])('%s is refused under its field', async (url) => {
    const key = await aStoredKey();
    await expect(add(olivia, key.id, { ...hook, url })).rejects.toEqual(refused('invalid', 'url'));
    expect(await usersOf(key.id)).toEqual([]);
  });

  it('is public and over TLS, or a host that the policy names', () => {
    expect(whyNotTell('https://hooks.example.com/keysteward', [])).toBeNull();
    expect(whyNotTell('https://hooks.example.com:8443/keysteward', [])).toBeNull();
    expect(whyNotTell('http://deploy.internal:8080/x', ['deploy.internal'])).toBeNull();
    expect(whyNotTell('http://127.0.0.1:8080/x', ['127.0.0.1'])).toBeNull();
    expect(whyNotTell('ftp://deploy.internal/x', ['deploy.internal'])).not.toBeNull();
    expect(whyNotTell('https://other.internal/x', ['deploy.internal'])?.sentence).toContain('consumers.privateHosts');
  });
});
