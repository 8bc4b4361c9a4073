import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { issuers } from '../../src/adapters/providers/index.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { addConsumer } from '../../src/inventory/record-consumer.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { AskedTooOften, Later } from '../../src/kernel.ts';
import { policySchema } from '../../src/policy.ts';
import type { Issuer, Ports } from '../../src/ports.ts';
import { askForCheck, checkAllForDrift, checkKey } from '../../src/reviews/check-drift.ts';
import { notePolicyAltered } from '../../src/reviews/policy-altered.ts';
import { askForRepair, repairFinding } from '../../src/reviews/repair.ts';
import { reviewsInSlack } from '../../src/reviews/slack.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { fittingOf } from '../providers/fakes/index.ts';
import { startFake } from '../providers/fakes/server.ts';
import { quick, useStage } from '../rotation/stage.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { workOff } from '../support/jobs.ts';
import { waitingJobs } from '../support/ports.ts';

const stage = useStage(quick);
const desk = deskOf(
  () => stage.ports,
  (door, ports) => {
    inventoryInSlack(door, ports);
    reviewsInSlack(door, ports);
  },
);
const check = (key: ApiKey, ports: Ports = stage.ports) => checkKey(ports, { keyId: key.id });
const findingsOf = (key: ApiKey) => stage.database.store.read((view) => view.findings.ofKey(key.id, 50));
const openOf = async (key: ApiKey) =>
  (await stage.database.store.read((view) => view.findings.openOfKey(key.id))).map((each) => each.kind);
const finding = async (key: ApiKey) => (await findingsOf(key))[0]!;
const keyNow = (key: ApiKey) => stage.database.store.read((view) => view.keys.get(key.id));
const card = async (key: ApiKey) => saying(await desk.card('reviews.findings', key.id, { channel: 'security' }));
const cardsShown = async (key: ApiKey) => {
  const { rows } = await stage.database.store.pool.query<{ channel: string | null; person_id: string | null }>(
    `select channel, person_id from card where subject = $1 and kind = 'reviews.findings'`,
    [key.id],
  );
  return rows.map((each) => each.channel ?? each.person_id).sort();
};
const repairJobs = async () => (await waitingJobs(stage.database, 'reviews.repair')).length;
/** Runs what was asked for, as the program does. */
const work = (ports: Ports = stage.ports) =>
  workOff(stage.database, ports, { only: (name) => name === 'reviews.repair' || name === 'reviews.check-key' });
/** Somebody stores another value by hand, in the console of AWS. */
const byHand = async (key: ApiKey, value = `by-hand-${randomUUID()}`) => {
  const { VersionId } = await stage.bot.putSecretValue({ SecretId: key.secretId!, SecretString: value });
  return { version: VersionId!, value };
};
/** A rotation has ended some time ago. */
const rotated = async (key: ApiKey) => {
  const ask = { keyId: key.id, reason: 'A test', emergency: false };
  const { id } = await startRotation(stage.ports, stage.owner, ask);
  await stage.work();
  await stage.database.store.pool.query(`update rotation set ended_at = now() - interval '1 hour' where id = $1`, [id]);
  return stage.rotation(id);
};
const roleOf = (name: string) => `arn:aws:iam::123456789012:role/${name}`;
const onlyFrom = (endpoint: string) => ({ StringEquals: { 'aws:SourceVpce': endpoint } });
const known = (...knownReaders: string[]) => ({ ...quick.reviews, knownReaders });
const whole = (statement: object) => ({
  Effect: 'Allow',
  Action: 'secretsmanager:GetSecretValue',
  Resource: '*',
  ...statement,
});
/** Somebody writes the policy of a secret by hand. */
const letIn = (key: ApiKey, ...statements: object[]) =>
  stage.bot.putResourcePolicy({
    SecretId: key.secretId!,
    ResourcePolicy: JSON.stringify({ Version: '2012-10-17', Statement: statements.map(whole) }),
  });
async function statementsOf(key: ApiKey): Promise<unknown[]> {
  const { ResourcePolicy } = await stage.bot.getResourcePolicy({ SecretId: key.secretId! });
  return ResourcePolicy ? (JSON.parse(ResourcePolicy) as { Statement: unknown[] }).Statement : [];
}
const recorded = (key: ApiKey, readsAs: string) =>
  addConsumer(stage.ports, stage.owner.id, key.id, {
    name: readsAs.slice(-20),
    kind: 'reads-store',
    url: null,
    personId: null,
    readsAs,
  });
/** Somebody outside who can say whether a value works. */
function vendor(says: Partial<Pick<Issuer, 'test' | 'identify'>>): Ports {
  const selfMade = stage.ports.issuers.of('self-made')!;
  const issuer: Issuer = {
    ...selfMade,
    name: 'vendor',
    can: { ...selfMade.can, confirmDead: true, revoke: true },
    test: async () => ({ verdict: 'works', evidence: 'vendor accepts it' }),
    identify: async () => null,
    ...says,
  };
  return { ...stage.ports, issuers: { ...stage.ports.issuers, of: () => issuer } };
}
const refuses = vendorSays('refused', 'vendor does not accept it (HTTP 401)');
function vendorSays(verdict: 'works' | 'refused' | 'unclear', evidence: string) {
  return () => vendor({ test: async () => ({ verdict, evidence }) });
}

describe('a key that is as the inventory says', () => {
  test('has no finding, nothing is written once its value is known, and nobody is told, before and after a rotation', async () => {
    const { key } = await stage.key();
    const events = () => stage.database.store.read((view) => view.audit.list({ keyId: key.id }, 100));
    await check(key);
    expect((await events()).rows.map((each) => each.facts)).toMatchObject([{ learned: key.currentVersion, found: [] }]);
    const before = (await events()).rows.length;
    await check(key);
    expect((await events()).rows.length).toBe(before);
    await rotated(key);
    await check(await keyNow(key));
    expect(await findingsOf(key)).toEqual([]);
    expect(await cardsShown(key)).toEqual([]);
  });
});

describe('a key that Keysteward itself works with', () => {
  test('is tried as that too: one that may not manage keys any more is a finding, even where nobody else can be asked', async () => {
    const fitting = fittingOf('anthropic');
    const fake = await startFake(fitting.dialect());
    const { key } = await stage.key({ issuer: 'person', recipe: null }, fake.world.admin);
    const { providers } = policySchema.parse({
      providers: { anthropic: fitting.settings(fake.url, key.secretId!, 0) },
    });
    const ports = { ...stage.ports, policy: { ...quick, providers }, issuers: issuers(stage.ports.secrets, providers) };
    await check(key, ports);
    expect(await openOf(key)).toEqual([]);
    const { admin } = fake.world;
    fake.world.admin = 'another';
    fake.world.faults = [{ on: 'list', reply: { status: 503 } }];
    await check(key, ports);
    expect(await openOf(key)).toEqual([]);
    await check(key, ports);
    expect(await openOf(key)).toEqual(['value-refused']);
    expect((await finding(key)).sentence).toBe(
      'Its current value does not work: Keysteward itself works with it, and it may not manage keys at anthropic.',
    );
    fake.world.admin = admin;
    await check(key, ports);
    expect(await openOf(key)).toEqual([]);
    await fake.close();
  });
});

describe('what somebody changed by hand', () => {
  test('in the value is found once, shown to the owner and the security channel, and taken over at a press', async () => {
    const { key } = await stage.key({ lastFour: 'abcd' });
    const { version, value } = await byHand(key);
    await Promise.all([check(key), check(key), check(key)]);
    await check(key);
    expect(await openOf(key)).toEqual(['other-current']);
    expect(await findingsOf(key)).toHaveLength(1);
    expect(await cardsShown(key)).toEqual(['security', stage.owner.id].sort());
    const shown = await card(key);
    expect(shown).toContain(
      `Somebody else has stored a version: ${version.slice(0, 8)} is AWSCURRENT, the inventory knows`,
    );
    expect(shown).toContain('reviews.repair');
    expect(shown).toContain('rotation.start');
    expect(saying(await desk.card('reviews.findings', key.id, { person: stage.owner.id }))).toContain(
      'you own this key',
    );
    expect(saying(await desk.card('reviews.findings', key.id, { channel: 'security' }))).toContain(
      'look after security',
    );
    expect(saying(await desk.press(stage.owner, 'inventory.show', key.id))).toContain('reviews.repair');

    await desk.press(stage.owner, 'reviews.repair', (await finding(key)).id);
    expect(await card(key)).toContain(`Being repaired for <@${stage.owner.slackId}>`);
    await work();
    expect(await keyNow(key)).toMatchObject({ currentVersion: version, lastFour: value.slice(-4), status: 'active' });
    expect(await openOf(key)).toEqual([]);
    expect(await card(key)).toMatch(new RegExp(`in order again[\\s\\S]*repaired by <@${stage.owner.slackId}>`));
    expect(saying(await desk.press(stage.owner, 'inventory.show', key.id))).not.toContain('reviews.repair');
    const { rows } = await stage.database.store.read((view) => view.audit.list({ keyId: key.id }, 100));
    const actions = rows.filter((each) => each.action.startsWith('reviews.')).map((each) => each.action);
    for (const action of ['reviews.find', 'reviews.repair', 'reviews.adopt', 'reviews.close'])
      expect(actions).toContain(action);
    expect(JSON.stringify([rows, shown, await findingsOf(key)])).not.toContain(value);
    // What was taken over can be rotated like any other.
    expect((await rotated(await keyNow(key))).status).toBe('done');
    await check(await keyNow(key));
    expect(await openOf(key)).toEqual([]);
  });

  test('in the value and back again: the finding closes by itself', async () => {
    const { key, version } = await stage.key();
    const other = await byHand(key);
    await check(key);
    expect(await openOf(key)).toEqual(['other-current']);
    await stage.bot.updateSecretVersionStage({
      SecretId: key.secretId!,
      VersionStage: 'AWSCURRENT',
      MoveToVersionId: version,
      RemoveFromVersionId: other.version,
    });
    await check(key);
    expect(await openOf(key)).toEqual([]);
    expect((await finding(key)).closedAt).not.toBeNull();
    expect(await card(key)).toContain('in order again');
    await byHand(key);
    await check(key);
    expect((await findingsOf(key)).map((each) => each.closedAt === null)).toEqual([true, false]);
  });

  test('to another value once more after it was found: the repair takes over nothing that nobody has seen', async () => {
    const { key, version } = await stage.key();
    await byHand(key);
    await check(key);
    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    const later = await byHand(key);
    await work();
    expect((await keyNow(key)).currentVersion).toBe(version);
    expect(await openOf(key)).toEqual(['other-current']);
    expect(await card(key)).toContain(later.version.slice(0, 8));
    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    await work();
    expect((await keyNow(key)).currentVersion).toBe(later.version);
  });

  test('to a value that was retired: it is not taken over, the key has to be rotated', async () => {
    const { key, version } = await stage.key();
    const { newVersion } = await rotated(key);
    await stage.bot.updateSecretVersionStage({
      SecretId: key.secretId!,
      VersionStage: 'AWSCURRENT',
      MoveToVersionId: version,
      RemoveFromVersionId: newVersion!,
    });
    await check(key);
    expect(await openOf(key)).toEqual(['retired-current']);
    expect(await card(key)).toContain('rotation.start');
    await expect(askForRepair(stage.ports, stage.owner, (await finding(key)).id)).rejects.toThrow(/cannot repair this/);
    expect((await keyNow(key)).currentVersion).toBe(newVersion);
  });

  test('to the value of a retired version, stored anew: it is recognised, and the key has to be rotated', async () => {
    const { key } = await stage.key();
    const { SecretString: retired } = await stage.bot.getSecretValue({ SecretId: key.secretId! });
    const { oldVersion } = await rotated(key);
    const { version } = await byHand(key, retired);
    await check(await keyNow(key));
    expect(await openOf(key)).toEqual(['retired-current']);
    expect((await finding(key)).sentence).toBe(
      `Version ${version.slice(0, 8)} holds the value of ${oldVersion!.slice(0, 8)} again, although a rotation has retired it.`,
    );
    // Also where somebody has let the inventory take it over.
    await given(stage.database.store, { keys: [{ ...(await keyNow(key)), currentVersion: version, lastFour: null }] });
    await check(await keyNow(key));
    expect(await openOf(key)).toEqual(['retired-current']);
    await given(stage.database.store, { keys: [{ ...(await keyNow(key)), lastRotatedAt: null }] });
    await rotated(await keyNow(key));
    await check(await keyNow(key));
    expect(await openOf(key)).toEqual([]);
  });

  test('to the same value under another version: the finding says so', async () => {
    const { key, version } = await stage.key();
    await check(key);
    const { SecretString: same } = await stage.bot.getSecretValue({ SecretId: key.secretId! });
    await byHand(key, same);
    await check(key);
    expect((await finding(key)).sentence).toContain(
      `the inventory knows ${version.slice(0, 8)}, which has the same value.`,
    );
  });

  test('to the value of another key: both have a finding, until one is rotated', async () => {
    const { key } = await stage.key();
    const { key: other } = await stage.key({ purpose: 'The other one' });
    const { SecretString: shared } = await stage.bot.getSecretValue({ SecretId: other.secretId! });
    await check(other);
    await byHand(key, shared);
    await check(key);
    await askForRepair(
      stage.ports,
      stage.owner,
      (await findingsOf(key)).find((each) => each.kind === 'other-current')!.id,
    );
    await work();
    expect(await openOf(key)).toEqual(['value-shared']);
    expect((await finding(key)).sentence).toBe(`Its current value is also that of ${other.name}.`);
    await check(other);
    expect(await openOf(other)).toEqual(['value-shared']);
    expect(await card(other)).toContain('rotation.start');
    await rotated(await keyNow(key));
    for (const each of [key, other]) await check(await keyNow(each));
    expect([await openOf(key), await openOf(other)]).toEqual([[], []]);
  });

  test('in the labels: a stray AWSPENDING and a retired value that can be read are found, and their labels taken off', async () => {
    const { key, version } = await stage.key();
    await rotated(key);
    await stage.bot.putSecretValue({
      SecretId: key.secretId!,
      SecretString: 'left-behind-by-somebody',
      VersionStages: ['AWSPENDING'],
    });
    await stage.bot.updateSecretVersionStage({
      SecretId: key.secretId!,
      VersionStage: 'AWSPREVIOUS',
      MoveToVersionId: version,
    });
    const before = await keyNow(key);
    await check(key);
    expect((await openOf(key)).sort()).toEqual(['retired-readable', 'stray-pending']);
    for (const each of await findingsOf(key)) await askForRepair(stage.ports, stage.admin, each.id);
    await work();
    expect(await openOf(key)).toEqual([]);
    const labels = Object.values(await stage.stages(key)).flat();
    expect(labels).toEqual(['AWSCURRENT']);
    expect(await keyNow(key)).toEqual(before);
  });

  test('away: a secret that is deleted or scheduled for it is found, and only people can repair that', async () => {
    const { key } = await stage.key();
    await stage.bot.deleteSecret({ SecretId: key.secretId!, RecoveryWindowInDays: 7 });
    await check(key);
    expect(await openOf(key)).toEqual(['secret-deleted']);
    expect(await card(key)).not.toContain('reviews.repair');
    await expect(askForRepair(stage.ports, stage.owner, (await finding(key)).id)).rejects.toThrow(/Restore it/);
    await stage.bot.restoreSecret({ SecretId: key.secretId! });
    await askForCheck(stage.ports, stage.owner, key.id);
    await work();
    expect(await openOf(key)).toEqual([]);
    const { key: lost } = await stage.key();
    await stage.bot.deleteSecret({ SecretId: lost.secretId!, ForceDeleteWithoutRecovery: true });
    await check(lost);
    expect(await openOf(lost)).toEqual(['secret-missing']);
  });

  test('while it is being rotated is no finding, nor what is seen while the key changes', async () => {
    const { key } = await stage.key();
    await byHand(key);
    await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency: false });
    await check(key);
    expect(await findingsOf(key)).toEqual([]);
    const { key: other } = await stage.key();
    const { version } = await byHand(other);
    const changing: Ports = {
      ...stage.ports,
      secrets: {
        ...stage.ports.secrets,
        async describe(secretId) {
          const found = await stage.ports.secrets.describe(secretId);
          await given(stage.database.store, { keys: [{ ...other, currentVersion: version }] });
          return found;
        },
      },
    };
    await check(other, changing);
    expect(await findingsOf(other)).toEqual([]);
  });

  test('right after a rotation waits until everything has settled', async () => {
    const { key } = await stage.key();
    await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency: false });
    await stage.work();
    await expect(check(key)).rejects.toBeInstanceOf(Later);
  });
});

describe('whom the policy of a secret lets in', () => {
  test('although nobody has granted that, is found; Repair takes out exactly those, whatever else it says', async () => {
    const { key } = await stage.key();
    await recorded(key, roleOf('shop'));
    const ports = { ...stage.ports, policy: { ...quick, reviews: known(roleOf('backup')) } };
    const granted = { Sid: 'keysteward-grt-1', Principal: { AWS: roleOf('dana') } };
    const denied = { Sid: 'Guard', Effect: 'Deny', Principal: '*', Condition: onlyFrom('vpce-1') };
    const described = { Principal: { AWS: roleOf('auditor') }, Action: ['secretsmanager:DescribeSecret'] };
    const expected = { Principal: { AWS: roleOf('backup') } };
    // A path is no part of who somebody is, and the session of a role is that role.
    const inOrder = [granted, denied, described, expected, { Principal: { AWS: [roleOf('apps/shop')] } }];
    await letIn(key, ...inOrder);
    await check(key, ports);
    expect(await openOf(key)).toEqual([]);

    const both = {
      Sid: 'Both',
      Principal: { AWS: [roleOf('shop'), roleOf('stranger')], Service: 'lambda.amazonaws.com' },
    };
    await letIn(key, ...inOrder, both, { Principal: { AWS: roleOf('other') }, Action: 'secretsmanager:*' });
    await check(key, ports);
    expect(await openOf(key)).toEqual(['strangers-let-in']);
    expect((await finding(key)).facts.principals).toEqual([
      'Service lambda.amazonaws.com',
      roleOf('other'),
      roleOf('stranger'),
    ]);
    expect(await cardsShown(key)).toEqual([stage.owner.id, 'security'].sort());
    const said = await card(key);
    for (const each of ['role/other', 'role/stranger', 'Service lambda.amazonaws.com', 'Consumers…', 'Repair'])
      expect(said).toContain(each);

    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    await work(ports);
    expect(await openOf(key)).toEqual([]);
    expect(await finding(key)).toMatchObject({ repair: { by: stage.owner.id, outcome: 'done' } });
    const kept = { ...both, Principal: { AWS: [roleOf('shop')] } };
    expect(await statementsOf(key)).toEqual([...inOrder, kept].map(whole));
    expect(await card(key)).toContain('in order again');
  });

  test.each([
    ['everybody, under a condition', { Principal: '*', Condition: onlyFrom('vpce-1') }, 'everybody'],
    ['another account', { Principal: { AWS: 'arn:aws:iam::999999999999:root' } }, 'arn:aws:iam::999999999999:root'],
    ['whoever may write it', { Principal: { AWS: roleOf('x') }, Action: 'secretsmanager:PutResourcePolicy' }, 'role/x'],
    [
      'whoever is meant by a part of a name',
      { Principal: { AWS: roleOf('x') }, Action: 'secretsmanager:Get*' },
      'role/x',
    ],
  ])('counts %s, and a policy of which nothing is left is taken away', async (_what, statement, who) => {
    const { key } = await stage.key();
    await letIn(key, statement);
    await check(key);
    expect((await finding(key)).sentence).toContain(who);
    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    await work();
    expect(await statementsOf(key)).toEqual([]);
    expect(await openOf(key)).toEqual([]);
  });

  test('closes by itself once it is recorded who that is, and is no finding while nobody says what the policy is', async () => {
    const { key } = await stage.key();
    await letIn(key, { Principal: { AWS: roleOf('shop') } });
    const away = { ...stage.ports.secrets, policy: () => Promise.reject(new Error('away')) };
    await check(key, { ...stage.ports, secrets: away });
    expect(await openOf(key)).toEqual([]);
    await check(key);
    expect(await openOf(key)).toEqual(['strangers-let-in']);
    await check(key, { ...stage.ports, secrets: away });
    expect(await openOf(key)).toEqual(['strangers-let-in']);
    await recorded(key, roleOf('shop'));
    await check(key);
    expect(await openOf(key)).toEqual([]);
    expect(await statementsOf(key)).toHaveLength(1);
  });

  test('is looked up again before anybody is taken out: who was recorded after it was found keeps what they have', async () => {
    const { key } = await stage.key();
    await letIn(key, { Principal: { AWS: [roleOf('shop'), roleOf('stranger')] } });
    await check(key);
    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    await recorded(key, roleOf('shop'));
    await work();
    expect(await statementsOf(key)).toEqual([whole({ Principal: { AWS: [roleOf('shop')] } })]);
    expect(await openOf(key)).toEqual([]);

    await letIn(key, { Principal: { AWS: roleOf('batch') } });
    await check(key);
    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    await recorded(key, roleOf('batch'));
    await work();
    expect(await statementsOf(key)).toEqual([whole({ Principal: { AWS: roleOf('batch') } })]);
    expect(await openOf(key)).toEqual([]);
    expect(await finding(key)).toMatchObject({
      repair: { outcome: 'refused', said: expect.stringContaining('known') },
    });
  });

  test('is whoever a condition on everybody names, and Repair leaves those of them who are known', async () => {
    const { key } = await stage.key();
    await recorded(key, roleOf('shop'));
    const everybody = (...condition: [operator: string, key: string, values: string | string[]][]) => ({
      Principal: '*',
      Condition: Object.fromEntries(condition.map(([operator, name, values]) => [operator, { [name]: values }])),
    });
    const company = everybody(['StringEquals', 'aws:PrincipalOrgID', 'o-company']);
    const shop = everybody(['ArnEquals', 'aws:principalarn', roleOf('shop')]);
    const ports = { ...stage.ports, policy: { ...quick, reviews: known('aws:PrincipalOrgID o-company') } };
    await letIn(key, company, shop);
    await check(key, ports);
    expect(await openOf(key)).toEqual([]);

    const other = everybody(['StringEquals', 'aws:PrincipalOrgID', 'o-other']);
    await letIn(key, company, everybody(['ArnLike', 'aws:PrincipalArn', [roleOf('shop'), roleOf('x*')]]), other);
    await check(key, ports);
    expect((await finding(key)).facts.principals).toEqual([roleOf('x*'), 'aws:PrincipalOrgID o-other'].sort());
    expect((await finding(key)).sentence).toContain('everybody with aws:PrincipalOrgID o-other');
    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    await work(ports);
    expect(await statementsOf(key)).toEqual(
      [company, everybody(['ArnLike', 'aws:PrincipalArn', [roleOf('shop')]])].map(whole),
    );
    expect(await openOf(key)).toEqual([]);
  });

  test('is nobody who only looks at what it is called, and no account that is known by its number', async () => {
    const { key } = await stage.key();
    const ports = { ...stage.ports, policy: { ...quick, reviews: known('999999999999') } };
    await letIn(
      key,
      { Principal: { AWS: roleOf('auditor') }, Action: ['secretsmanager:Describe*', 'secretsmanager:List*'] },
      { Principal: { AWS: 'arn:aws:iam::999999999999:root' } },
    );
    await check(key, ports);
    expect(await openOf(key)).toEqual([]);
  });

  test('is taken out of a policy that names somebody deleted as well, who is left out of it as AWS asks', async () => {
    const { key } = await stage.key();
    await recorded(key, roleOf('shop'));
    await letIn(
      key,
      { Principal: { AWS: [roleOf('gone'), roleOf('shop')] } },
      { Principal: { AWS: roleOf('stranger') } },
    );
    stage.aws.server.control.deletePrincipal(roleOf('gone'));
    await check(key);
    expect((await finding(key)).facts.principals).toEqual([roleOf('stranger')]);
    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    await work();
    expect(await finding(key)).toMatchObject({ repair: { outcome: 'done', said: null } });
    expect(await statementsOf(key)).toEqual([whole({ Principal: { AWS: [roleOf('shop')] } })]);
  });

  test('is told of for five keys and not for a thousand, where it is the same; all of them are in the list', async () => {
    const many = await Promise.all(Array.from({ length: 8 }, () => stage.key()));
    for (const { key } of many) {
      await letIn(key, { Principal: { AWS: [roleOf('backup-of-all'), roleOf('scanner-of-all')] } });
      await check(key);
    }
    const told = await Promise.all(many.map(({ key }) => cardsShown(key)));
    expect(told.filter((each) => each.length > 0)).toHaveLength(5);
    for (const { key } of many) expect(await openOf(key)).toEqual(['strangers-let-in']);
    expect(await card(many[0]!.key)).toContain('reviews.knownReaders');

    const { key } = await stage.key();
    await letIn(key, { Principal: { AWS: roleOf('one-more') } });
    await check(key);
    expect(await cardsShown(key)).toContain('security');
  });

  test('had altered what it says of grants: the card says so also where something else is wrong with the key', async () => {
    const { key } = await stage.key();
    await letIn(key, { Principal: { AWS: roleOf('stranger') } });
    await check(key);
    expect(await card(key)).not.toContain('had been altered');
    await notePolicyAltered(stage.ports, { keyId: key.id });
    expect(await card(key)).toMatch(/role\/stranger.*had been altered; it was put right at once/s);
  });

  test('of the grants, altered by hand, has been put right: whoever answers for the key hears of it once, also when the job comes twice', async () => {
    const { key } = await stage.key();
    for (let i = 0; i < 2; i++) await notePolicyAltered(stage.ports, { keyId: key.id });
    expect(await findingsOf(key)).toMatchObject([{ kind: 'policy-altered', closedAt: expect.any(Date) }]);
    expect(await openOf(key)).toEqual([]);
    expect(await cardsShown(key)).toEqual([stage.owner.id, 'security'].sort());
    expect(await card(key)).toMatch(/in order again.*had been altered; it was put right at once\. Gone/s);
  });

  test('can be shut out while the key is being rotated, and leaves alone who was let in after it was found', async () => {
    const { key } = await stage.key();
    await letIn(key, { Principal: { AWS: roleOf('one') } });
    await check(key);
    await letIn(key, { Principal: { AWS: roleOf('one') } }, { Principal: { AWS: roleOf('two') } });
    await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency: false });
    await askForRepair(stage.ports, stage.owner, (await finding(key)).id);
    await work();
    expect(await statementsOf(key)).toEqual([whole({ Principal: { AWS: roleOf('two') } })]);
    await stage.work();
  });
});

describe('what the provider says of the current value', () => {
  const sold = (facts: Partial<ApiKey> = {}) => stage.key({ issuer: 'vendor', ...facts });

  test('no: found when it is said twice, and the key has to be rotated', async () => {
    const { key } = await sold();
    await check(key, refuses());
    expect(await openOf(key)).toEqual(['value-refused']);
    expect(await card(key)).toMatch(/does not work: vendor does not accept it[\s\S]*rotation\.start/);
    let asked = 0;
    const { key: other } = await sold();
    const flickering = vendor({
      test: async () => ({ verdict: asked++ === 0 ? 'refused' : 'works', evidence: 'HTTP 401' }),
    });
    await check(other, flickering);
    expect(await findingsOf(other)).toEqual([]);
  });

  test.each([
    ['says neither yes nor no', vendorSays('unclear', 'HTTP 503')],
    [
      'does not answer',
      () =>
        vendor({
          test: async () => {
            throw new Error('no answer in time');
          },
        }),
    ],
  ])('when it %s, no finding begins and none ends', async (_name, ports) => {
    const { key } = await sold();
    await check(key, ports());
    expect(await findingsOf(key)).toEqual([]);
    await check(key, refuses());
    const { id } = await finding(key);
    await check(key, ports());
    expect(await finding(key)).toMatchObject({ id, closedAt: null });
    await check(key, vendor({}));
    expect(await openOf(key)).toEqual([]);
  });

  test('that its id is another: taken over at a press', async () => {
    const { key } = await sold({ providerKeyId: 'key-old' });
    const ports = vendor({ identify: async () => 'key-new' });
    await check(key, ports);
    expect(await openOf(key)).toEqual(['provider-id-differs']);
    await askForRepair(ports, stage.owner, (await finding(key)).id);
    await work(ports);
    expect((await keyNow(key)).providerKeyId).toBe('key-new');
    expect(await openOf(key)).toEqual([]);
  });

  test('no, of a value that somebody stored by hand: it is not taken over', async () => {
    const { key, version } = await sold();
    await byHand(key);
    await check(key, vendor({}));
    await askForRepair(refuses(), stage.owner, (await finding(key)).id);
    await work(refuses());
    expect((await keyNow(key)).currentVersion).toBe(version);
    expect(await card(key)).toContain('Not repaired: The provider does not accept it');
  });

  test('asks to be left alone: the check comes again later, and nobody asks until then', async () => {
    const { key } = await sold();
    const { key: other } = await sold();
    const { providers } = policySchema.parse({
      providers: { vendor: { kind: 'datadog', credential: 'vendor-admin' } },
    });
    const asks = vendor({
      test: async () => {
        throw new AskedTooOften('429', 60_000);
      },
    });
    const limited: Ports = { ...asks, policy: { ...asks.policy, providers } };
    await expect(check(key, limited)).rejects.toMatchObject({ retryInMs: 60_000 });
    const calm: Ports = { ...vendor({}), policy: limited.policy };
    const later = await check(other, calm).catch((error: unknown) => error);
    expect(later).toBeInstanceOf(Later);
    expect((later as Later).retryInMs).toBeGreaterThan(30_000);
    expect(await findingsOf(key)).toEqual([]);
  });
});

describe('when values cannot be fingerprinted', () => {
  test('nothing is learned and nothing is found for that reason; what was found by it stays', async () => {
    const { key } = await stage.key();
    const blind: Ports = { ...stage.ports, fingerprints: { ...stage.ports.fingerprints, of: async () => null } };
    await check(key, blind);
    expect(await findingsOf(key)).toEqual([]);
    const { key: other } = await stage.key();
    const { SecretString: shared } = await stage.bot.getSecretValue({ SecretId: key.secretId! });
    const { version } = await byHand(other, shared);
    await given(stage.database.store, { keys: [{ ...other, currentVersion: version }] });
    await check(key);
    await check(other);
    expect(await openOf(other)).toEqual(['value-shared']);
    await check(other, blind);
    expect(await openOf(other)).toEqual(['value-shared']);
  });
});

describe('when Secrets Manager does not answer', () => {
  test('no finding begins and none ends', async () => {
    const { key } = await stage.key();
    const away = async () => {
      throw new Error('Secrets Manager, DescribeSecret: TimeoutError');
    };
    const down: Ports = {
      ...stage.ports,
      secrets: { ...stage.ports.secrets, describe: away, read: away, policy: away },
    };
    await check(key, down);
    expect(await findingsOf(key)).toEqual([]);
    await byHand(key);
    await check(key);
    await check(key, down);
    expect(await openOf(key)).toEqual(['other-current']);
  });
});

describe('a repair', () => {
  const stray = async () => {
    const made = await stage.key();
    const { VersionId } = await stage.bot.putSecretValue({
      SecretId: made.key.secretId!,
      SecretString: 'left-behind',
      VersionStages: ['AWSPENDING'],
    });
    await check(made.key);
    return { ...made, pending: VersionId!, id: (await finding(made.key)).id };
  };

  test('clicked twice, also at once, is done once; after it there is nothing to repair', async () => {
    const { key, id } = await stray();
    const before = await repairJobs();
    const both = await Promise.allSettled([1, 2].map(() => askForRepair(stage.ports, stage.owner, id)));
    expect(both.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(askForRepair(stage.ports, stage.admin, id)).rejects.toThrow(/being repaired right now/);
    expect((await repairJobs()) - before).toBe(1);
    await work();
    await expect(askForRepair(stage.ports, stage.owner, id)).rejects.toThrow(/in order again/);
    expect(await openOf(key)).toEqual([]);
  });

  test('is for those who answer for the key; a contractor does not learn that it exists; a refusal is on record', async () => {
    const { key, id, pending } = await stray();
    const other = aPerson();
    const contractor = aPerson({ tier: 'contractor' });
    const gone = aPerson({ tier: 'administrator', status: 'left' });
    await given(stage.database.store, { people: [other, contractor, gone] });
    await expect(desk.press(other, 'reviews.repair', id)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(desk.press(contractor, 'reviews.repair', id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(desk.press(gone, 'reviews.repair', id)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(desk.press(other, 'reviews.check', key.id)).rejects.toMatchObject({ code: 'not_allowed' });
    expect((await stage.stages(key))[pending]).toEqual(['AWSPENDING']);
    const { rows } = await stage.database.store.read((view) =>
      view.audit.list({ keyId: key.id, outcome: 'refused' }, 100),
    );
    expect(rows.map((each) => each.action).sort()).toEqual([
      'reviews.check',
      'reviews.repair',
      'reviews.repair',
      'reviews.repair',
    ]);
  });

  test.each(['before', 'after'] as const)('whose worker dies %s the call is finished by the next', async (moment) => {
    const { key, id } = await stray();
    await askForRepair(stage.ports, stage.owner, id);
    const dying: Ports = {
      ...stage.ports,
      secrets: {
        ...stage.ports.secrets,
        async move(...how) {
          if (moment === 'after') await stage.ports.secrets.move(...how);
          throw new Error('the worker died here');
        },
      },
    };
    await expect(repairFinding(dying, { findingId: id })).rejects.toThrow('the worker died here');
    await work();
    expect(await openOf(key)).toEqual([]);
    expect(Object.values(await stage.stages(key)).flat()).toEqual(['AWSCURRENT']);
    expect((await finding(key)).repair).toMatchObject({ by: stage.owner.id, outcome: 'done' });
  });

  test('touches nothing when a rotation has started meanwhile', async () => {
    const { key, id, pending } = await stray();
    await askForRepair(stage.ports, stage.owner, id);
    await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency: false });
    await work();
    expect((await stage.stages(key))[pending]).toEqual(['AWSPENDING']);
    await expect(askForRepair(stage.ports, stage.owner, id)).rejects.toThrow(/A rotation of this key is running/);
  });

  test('that nobody heard of again can be asked for again', async () => {
    const { id } = await stray();
    await askForRepair(stage.ports, stage.owner, id);
    await stage.database.store.pool.query(
      `update finding set repair = repair || jsonb_build_object('askedAt', '2026-01-01T00:00:00.000Z') where id = $1`,
      [id],
    );
    await expect(askForRepair(stage.ports, stage.owner, id)).resolves.toBeDefined();
    await work();
  });
});

describe('the daily check', () => {
  test('looks at every active key in the store, each once however often it is run, and closes what a retired key had', async () => {
    const { key } = await stage.key();
    const elsewhere = aKey(stage.owner, { storage: 'elsewhere', secretId: null });
    await given(stage.database.store, { keys: [elsewhere] });
    await byHand(key);
    await checkAllForDrift(stage.ports);
    await checkAllForDrift(stage.ports);
    const jobs = await waitingJobs(stage.database, 'reviews.check-key');
    expect(jobs.filter((job) => job.payload.keyId === key.id)).toMatchObject([{ lane: 'bulk' }]);
    expect(jobs.filter((job) => job.payload.keyId === elsewhere.id)).toEqual([]);
    await check(key);
    expect(await openOf(key)).toEqual(['other-current']);
    await given(stage.database.store, { keys: [{ ...key, status: 'retired', nextRotationAt: null }] });
    await check(key);
    expect(await openOf(key)).toEqual([]);
  });

  test('has the area that writes policies look at one that is left over although nobody has access', async () => {
    const { key } = await stage.key();
    await check(key);
    const asked = async () =>
      (await waitingJobs(stage.database, 'access.apply')).filter((job) => job.payload.keyId === key.id).length;
    expect(await asked()).toBe(0);
    await letIn(key, { Sid: 'keysteward-grt-0', Principal: { AWS: roleOf('dana') } });
    await check(key);
    expect(await asked()).toBe(1);
    expect(await openOf(key)).toEqual([]);
  });
});
