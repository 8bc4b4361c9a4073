import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type CloudTrailOptions, cloudTrail } from '../../../src/adapters/cloudtrail.ts';
import { type Consumer, recorded } from '../../../src/inventory/consumer-model.ts';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { addConsumer } from '../../../src/inventory/record-consumer.ts';
import { after, hour, minute, newId } from '../../../src/kernel.ts';
import { everything } from '../../../src/local/secrets-manager/access.ts';
import type { Ports } from '../../../src/ports.ts';
import { deploymentOf, lackOf, listed, readersConfirmed, type Usage } from '../../../src/rotation/deployment/model.ts';
import {
  isSamePrincipal,
  nextReadLooks,
  type ReadsSeen,
  readsTaken,
  type SecretRead,
} from '../../../src/rotation/deployment/reads-model.ts';
import type { Rotation, Step } from '../../../src/rotation/model.ts';
import { started } from '../../../src/rotation/moves-model.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { aKey, aPerson } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { quick, useStage } from '../stage.ts';

const role = 'arn:aws:iam::123456789012:role/apps/checkout';

describe('two ARNs', () => {
  test.each([
    ['arn:aws:iam::123456789012:role/checkout', 'arn:aws:sts::123456789012:assumed-role/checkout/i-0abc', true],
    ['arn:aws:iam::123456789012:role/apps/eu/checkout', 'arn:aws:sts::123456789012:assumed-role/checkout/a/b', true],
    ['arn:aws:iam::123456789012:role/apps/checkout', 'arn:aws:iam::123456789012:role/Checkout', true],
    ['arn:aws:iam::123456789012:user/ci/deploy', 'arn:aws:iam::123456789012:user/deploy', true],
    ['arn:aws:iam::123456789012:role/checkout', 'arn:aws:iam::123456789012:user/checkout', false],
    ['arn:aws:iam::123456789012:role/checkout', 'arn:aws:iam::210987654321:role/checkout', false],
    ['arn:aws:iam::123456789012:role/checkout', 'arn:aws:sts::123456789012:assumed-role/checkout2/x', false],
    ['arn:aws:iam::123456789012:role/checkout', 'arn:aws:sts::123456789012:assumed-role/other/checkout', false],
    ['arn:aws:iam::123456789012:root', 'arn:aws:iam::123456789012:root', false],
    ['', '', false],
  ])('%s and %s mean one user or role: %s', (one, other, same) => {
    expect([isSamePrincipal(one, other), isSamePrincipal(other, one)]).toEqual([same, same]);
  });
});

describe('the rule', () => {
  const switched = new Date('2026-11-26T10:00:00Z');
  const owner = aPerson();
  const key = aKey(owner);
  const policy = { ...quick, rotation: { ...quick.rotation, graceMinutes: 60 } };
  const consumer = (name: string, readsAs: string | null): Consumer => {
    const entry = { name, kind: 'reads-store', url: null, personId: null, readsAs } as const;
    return recorded(newId('consumer'), key.id, entry, owner.id, switched);
  };
  const checkout = consumer('checkout', role);
  const other = consumer('other', null);
  const done = (step: Step, ms: number) => ({
    ...{ step, attempt: 1, verdict: 'done' as const, evidence: null },
    ...{ startedAt: after(switched, ms).toISOString(), endedAt: after(switched, ms).toISOString() },
  });
  const why = { cause: 'asked', causeId: null, askedBy: owner.id, reason: null, emergency: false } as const;
  const rotation: Rotation = {
    ...listed(started(newId('rotation'), key, why, null, policy, switched), [checkout, other]),
    ...{ step: 'grace', oldVersion: 'v1', newVersion: 'v2', condition: 'both' },
    record: [done('promote', 0), done('verify', 2_000)],
  };
  const read = (facts: Partial<SecretRead> = {}): SecretRead => ({
    ...{ by: role, versionId: null, stage: null },
    at: after(switched, 14 * minute),
    ...facts,
  });
  const seen = (reads: SecretRead[], missing: ReadsSeen['missing'] = null): ReadsSeen => ({
    ...{ said: 'CloudTrail', lateMs: 15 * minute, account: '123456789012' },
    ...{ reads, missing },
  });
  const at = (minutes: number) => after(switched, minutes * minute);
  const looked = (found: ReadsSeen | null, now: Date, usage: Usage | null = null, of = rotation) => {
    const next = readersConfirmed(readsTaken(of, found, now), usage, policy, now);
    return { checkout: deploymentOf(next, checkout.id)!, other: deploymentOf(next, other.id)!, rotation: next };
  };
  const usage: Usage = {
    ...{
      provider: 'acme',
      oldUsedAt: null,
      newUsedAt: null,
      knowsOld: true,
      knowsNew: true,
      lagMs: 0,
      oldUse: null,
      isPartial: false,
      trouble: null,
    },
  };

  test('takes a consumer for moved by its own read, but not while another machine that shares its role may have the old value cached', () => {
    const early = looked(seen([read(), read({ at: at(20) })]), at(59));
    expect(early.checkout).toMatchObject({ confirmedAt: null, reading: { readAt: at(14).toISOString() } });
    expect(lackOf(early.checkout)).toBe(
      'read the new value from Secrets Manager at 2026-11-26 10:14 UTC (CloudTrail); others that read as the same user or role may have the old one cached',
    );
    // What was seen once is not asked for again, and stays seen when nobody can be asked any more.
    const found = looked(null, at(60), usage, early.rotation);
    expect(found.checkout).toMatchObject({
      confirmedAt: at(60).toISOString(),
      evidence:
        'read the new value from Secrets Manager at 2026-11-26 10:14 UTC (CloudTrail), and its cache of 60 minutes has run out',
      trouble: null,
    });
    // Nobody has said who the other one is.
    expect(found.other.confirmedAt).toBeNull();
  });

  test.each<[string, Partial<SecretRead>, boolean]>([
    ['of what is current, by its label', { stage: 'AWSCURRENT' }, true],
    ['of the new version by its id', { versionId: 'v2' }, true],
    ['of the new version by its id and a label', { versionId: 'v2', stage: 'AWSCURRENT' }, true],
    ['of the old version by its id', { versionId: 'v1' }, false],
    ['of the version before', { stage: 'AWSPREVIOUS' }, false],
    ['of what is staged', { stage: 'AWSPENDING' }, false],
    ['before the switch', { at: after(switched, -1_000) }, false],
    ['so soon after it that the clocks may differ', { at: after(switched, 6_000) }, false],
    ['by a session of its role', { by: 'arn:aws:sts::123456789012:assumed-role/checkout/i-0' }, true],
    ['by somebody else', { by: 'arn:aws:iam::123456789012:role/billing' }, false],
  ])('a read %s: %o counts: %s', (_what, facts, counts) => {
    expect(looked(seen([read(facts)]), at(90)).checkout.confirmedAt !== null).toBe(counts);
  });

  test('waits for its read when the cache has run out, and says since when it is known to be missing', () => {
    const early = looked(seen([]), at(10));
    expect(lackOf(early.checkout)).toBe(
      'its read of the new value is looked for in CloudTrail, which is up to 15 minutes late',
    );
    expect(lackOf(early.other)).toBe('may still use what it has in its cache');
    const late = looked(seen([]), at(90));
    expect(late.checkout.confirmedAt).toBeNull();
    expect(lackOf(late.checkout)).toBe('had not read the new value by 2026-11-26 11:15 UTC, says CloudTrail');
    expect(late.other.evidence).toBe(
      'its cache of 60 minutes has run out; that it has fetched the new value was not seen',
    );
    // And when it comes, late as it is, it counts.
    const came = looked(seen([read({ at: at(95) })]), at(120), null, late.rotation);
    expect(came.checkout.evidence).toContain('at 2026-11-26 11:35 UTC (CloudTrail)');
  });

  test('does not take what the provider saw for the read of this consumer, nor the silence of the provider for its silence', () => {
    const used = { ...usage, newUsedAt: at(50) };
    const others = looked(seen([]), at(90), used);
    expect(others.checkout.confirmedAt).toBeNull();
    expect(others.other.evidence).toContain('acme saw the new key used');
    const own = looked(seen([read()]), at(90), usage);
    expect(own.checkout.confirmedAt).not.toBeNull();
    expect(own.other.confirmedAt).toBeNull();
  });

  test('counts a read before something broke for nothing', () => {
    const broken: Rotation = { ...rotation, record: [...rotation.record, done('enable', 40 * minute)] };
    expect(looked(seen([read()]), at(110), null, broken).checkout.confirmedAt).toBeNull();
    expect(looked(seen([read({ at: at(45) })]), at(110), null, broken).checkout.confirmedAt).not.toBeNull();
  });

  test.each<[string, ReadsSeen | null, Usage | null, RegExp]>([
    ['nobody is asked', null, null, /^its cache of 60 minutes has run out; that .* was not seen$/],
    ['there are too many', seen([], { why: 'too many', soon: false }), null, /was not seen \(too many\)$/],
    ['there are too many', seen([], { why: 'too many', soon: false }), { ...usage, newUsedAt: at(50) }, /acme saw/],
    ['it is of another account', { ...seen([]), account: '210987654321' }, null, /does not say here who reads from/],
  ])('leaves everything as it is without CloudTrail where %s', (_why, found, provider, evidence) => {
    expect(looked(found, at(30), provider).checkout.confirmedAt).toBeNull();
    expect(lackOf(looked(found, at(30), provider).checkout)).toBe('may still use what it has in its cache');
    expect(looked(found, at(90), provider).checkout.evidence).toMatch(evidence);
    expect(looked(found, at(90), usage).checkout.confirmedAt).toBe(null);
  });

  test.each(['too many', "Keysteward's role may not look into CloudTrail"])(
    'waits on where CloudTrail has said that it has not read it, and can say no more: %s',
    (why) => {
      const known = looked(seen([]), at(90)).rotation;
      const missing = { why, soon: false };
      const since = looked(seen([], missing), at(120), null, known);
      expect(since.checkout).toMatchObject({ confirmedAt: null, reading: { awaited: true } });
      expect(
        looked(seen([], missing), after(at(120 + 24 * 60), -1), null, since.rotation).checkout.confirmedAt,
      ).toBeNull();
      const given = looked(seen([], missing), at(120 + 24 * 60), null, since.rotation).checkout;
      expect(given.evidence).toContain(`CloudTrail has not answered since 2026-11-26 12:00 UTC: ${why}`);
    },
  );

  test('takes one read for enough, also where the rest is not known', () => {
    for (const soon of [true, false]) {
      expect(looked(seen([read()], { why: 'x', soon }), at(90)).checkout.evidence).toContain('10:14 UTC');
    }
  });

  test('looks again as often as CloudTrail may have come to show it, until the last read that a cache allows', () => {
    const next = (minutes: number, of = rotation) => nextReadLooks(of, seen([]), 60, at(minutes));
    expect(next(10)).toEqual([at(25)]);
    expect(next(59)).toEqual([at(74)]);
    // The clocks, the cache, and 15 minutes.
    const last = after(switched, 75 * minute + 7_000);
    expect(next(61)).toEqual([last]);
    expect(next(90)).toEqual([last]);
    expect(next(10, looked(seen([read()]), at(10)).rotation)).toEqual([]);
    expect(nextReadLooks(rotation, null, 60, at(10))).toEqual([]);
  });

  test('waits for no read by an ARN that was wrong: emptied, the cache counts again, and another one is looked for anew', () => {
    const wrong = looked(seen([]), at(90)).rotation;
    expect(deploymentOf(wrong, checkout.id)!.reading).toMatchObject({ awaited: true });
    expect(deploymentOf(listed(wrong, [checkout, other]), checkout.id)!.reading).toMatchObject({ awaited: true });

    const emptied = listed(wrong, [{ ...checkout, readsAs: null }, other]);
    expect(lackOf(deploymentOf(emptied, checkout.id)!)).toBe('may still use what it has in its cache');
    expect(looked(seen([]), at(90), null, emptied).checkout.evidence).toMatch(/^its cache of 60 minutes has run out;/);

    const readsAs = 'arn:aws:iam::123456789012:role/till';
    const changed = listed(wrong, [{ ...checkout, readsAs }, other]);
    expect(deploymentOf(changed, checkout.id)).toMatchObject({ readsAs, reading: null });
    expect(looked(seen([read()]), at(90), null, changed).checkout.confirmedAt).toBeNull();
    expect(looked(seen([read({ by: readsAs })]), at(90), null, changed).checkout.confirmedAt).not.toBeNull();
  });

  test('does not take it for moved because CloudTrail did not answer, and asks again soon', () => {
    const busy = seen([], { why: 'it is asked too often at the moment', soon: true });
    const found = looked(busy, at(90));
    expect(found.checkout.confirmedAt).toBeNull();
    expect(lackOf(found.checkout)).toBe(
      'CloudTrail could not be asked whether it has read the new value: it is asked too often at the moment',
    );
    expect(nextReadLooks(found.rotation, busy, 60, at(90))).toEqual([at(100)]);
  });

  test('goes by the cache when CloudTrail has not answered for a day without a break, and says so', () => {
    const gone = seen([], { why: 'CredentialsProviderError', soon: true });
    const since = looked(gone, at(90)).rotation;
    const dayLater = at(90 + 24 * 60);
    const almost = looked(gone, after(dayLater, -1), null, since);
    expect(almost.checkout).toMatchObject({ confirmedAt: null, reading: { awaited: true } });
    expect(looked(gone, dayLater, null, almost.rotation).checkout.evidence).toBe(
      'its cache of 60 minutes has run out; that it has fetched the new value was not seen (CloudTrail has not answered since 2026-11-26 11:30 UTC: CredentialsProviderError)',
    );
    // Where the provider is waited for, CloudTrail is not asked more often for it than at the usual times.
    const waiting = looked(gone, dayLater, usage, almost.rotation);
    expect(waiting.checkout.confirmedAt).toBeNull();
    expect(nextReadLooks(waiting.rotation, gone, 60, dayLater)).toEqual([]);
    // One answer in between, and the day begins anew.
    const answered = looked(seen([]), after(dayLater, -1), null, since);
    expect(looked(gone, dayLater, null, answered.rotation).checkout.confirmedAt).toBeNull();
  });
});

describe('a rotation', () => {
  const stage = useStage();
  const desk = deskOf(() => ports, rotationInSlack);
  let ports: Ports;
  let reader: SecretsManager;
  const open = (options: CloudTrailOptions = {}): Ports => {
    const { region, url, credentials } = stage.aws.server;
    const readers = cloudTrail({ region, endpoint: url, credentials, everyMs: 0, freshMs: 0, restMs: 0, ...options });
    onTestFinished(() => readers.close());
    return { ...stage.ports, readers };
  };
  beforeAll(() => {
    const { url, region, control } = stage.aws.server;
    const arn = 'arn:aws:sts::123456789012:assumed-role/checkout/i-0abc';
    control.setPrincipal('READER', { arn, policies: [everything] });
    reader = new SecretsManager({
      endpoint: url,
      region,
      credentials: { accessKeyId: 'READER', secretAccessKey: 'x' },
    });
  });
  afterAll(() => reader.destroy());
  beforeEach(() => {
    ports = open();
  });

  async function aReader(key: ApiKey, readsAs: string | null = role): Promise<Consumer> {
    const entry = { name: 'checkout', kind: 'reads-store', url: null, personId: null, readsAs } as const;
    return addConsumer(ports, stage.owner.id, key.id, entry);
  }
  const work = () => stage.work({ ports });
  async function begin(key: ApiKey, emergency = false): Promise<Rotation['id']> {
    const { id } = await startRotation(ports, stage.owner, { keyId: key.id, reason: 'A test', emergency });
    await work();
    return id;
  }
  /** Everything that happened to it, and what was waited for, lies so much further back. */
  async function age(id: Rotation['id'], ms: number): Promise<void> {
    const back = (iso: string | null) => (iso ? new Date(Date.parse(iso) - ms).toISOString() : null);
    const change = { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: id } as const;
    await stage.database.store.change(change, async (tx) => {
      const rotation = await tx.rotations.get(id);
      const record = rotation.record.map((each) => ({
        ...each,
        startedAt: back(each.startedAt)!,
        endedAt: back(each.endedAt),
      }));
      await tx.rotations.save({ ...rotation, record });
    });
    await stage.skipTime(id);
  }
  const card = async (id: string) => saying(await desk.card('rotation', id, { person: stage.owner.id }));

  test('ends its grace on the read of its consumer, once nobody who shares the role can have the old value cached', async () => {
    const { key, version: old } = await stage.key();
    const checkout = await aReader(key);
    const id = await begin(key);
    expect(await stage.rotation(id)).toMatchObject({
      step: 'grace',
      extension: {
        why: 'checkout: its read of the new value is looked for in CloudTrail, which is up to 15 minutes late',
      },
    });
    expect(await card(id)).toContain('its read of the new value is looked for in CloudTrail');
    await age(id, 10 * minute);
    await reader.getSecretValue({ SecretId: key.secretId! });
    await stage.skipTime(id);
    await work();
    const waiting = await stage.rotation(id);
    expect(waiting).toMatchObject({ status: 'running', step: 'grace' });
    expect(await card(id)).toMatch(/read the new value .*; others that read as the same user or role may have/);
    // It is looked again when the cache has run out: an hour after the switch.
    const cached = Date.parse(waiting.record.find((each) => each.step === 'promote')!.endedAt!) + hour;
    expect(waiting.continuesAt!.getTime()).toBe(cached);
    await age(id, hour);
    await work();
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new' });
    expect(deploymentOf(done, checkout.id)!.evidence).toMatch(
      /^read the new value from Secrets Manager at 20\d\d-\d\d-\d\d \d\d:\d\d UTC \(CloudTrail\), and its cache of 60 minutes/,
    );
    expect(await card(id)).toContain('read the new value from Secrets Manager at');
    expect((await stage.stages(key))[old]).toBeUndefined();
    const trail = await stage.trail(id);
    expect(trail.find((each) => each.action === 'rotation.grace')!.facts).toMatchObject({
      evidence: 'checkout is on the new value',
    });
  });

  test('waits on when the cache has run out and it has read nothing but the old value, and says so', async () => {
    const { key, version: old } = await stage.key();
    const checkout = await aReader(key);
    const id = await begin(key);
    await age(id, 2 * hour);
    await reader.getSecretValue({ SecretId: key.secretId!, VersionId: old });
    await work();
    const waiting = await stage.rotation(id);
    expect(waiting).toMatchObject({ status: 'running', step: 'grace', condition: 'both' });
    expect(waiting.extension!.why).toMatch(/^checkout: had not read the new value by .* UTC, says CloudTrail$/);
    expect(deploymentOf(waiting, checkout.id)!.confirmedAt).toBeNull();
    expect((await stage.stages(key))[old]).toEqual(['AWSPREVIOUS']);
    expect(await card(id)).toMatch(/The old value lives on.*had not read the new value by .*, says CloudTrail/s);

    await reader.getSecretValue({ SecretId: key.secretId! });
    await stage.skipTime(id);
    await work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
  });

  test('is not held up for good, nor failed, by a CloudTrail that does not answer: it looks again soon', async () => {
    const { key } = await stage.key();
    await aReader(key);
    const id = await begin(key);
    await age(id, 2 * hour);
    stage.aws.server.control.inject({ kind: 'throttle', operation: 'LookupEvents', times: 3 });
    await work();
    const waiting = await stage.rotation(id);
    expect(waiting).toMatchObject({ status: 'running', step: 'grace', failure: null });
    expect(waiting.extension!.why).toContain('CloudTrail could not be asked whether it has read the new value');
    expect(waiting.continuesAt!.getTime()).toBeLessThan(Date.now() + 11 * minute);
    await reader.getSecretValue({ SecretId: key.secretId! });
    await stage.skipTime(id);
    await work();
    expect((await stage.rotation(id)).status).toBe('done');
  });

  test('goes by the cache where CloudTrail may not be asked, and its card says which permission is missing', async () => {
    const { key } = await stage.key();
    const checkout = await aReader(key);
    ports = open({ restMs: minute });
    stage.aws.server.control.inject({ kind: 'error', name: 'AccessDeniedException', operation: 'LookupEvents' });
    const id = await begin(key);
    await age(id, 2 * hour);
    await work();
    const done = await stage.rotation(id);
    expect(done.status).toBe('done');
    expect(deploymentOf(done, checkout.id)!.evidence).toMatch(
      /cache of 60 minutes has run out.*lacks cloudtrail:LookupEvents/,
    );
    expect(await card(id)).toContain('lacks cloudtrail:LookupEvents');
  });

  test('of which nobody’s reads have to be known asks nobody: without a principal, and in an emergency', async () => {
    let asked = 0;
    stage.aws.server.control.limit((operation) => {
      if (operation === 'LookupEvents') asked++;
      return true;
    });
    onTestFinished(() => stage.aws.server.control.limit(() => true));
    const { key } = await stage.key();
    await aReader(key, null);
    const id = await begin(key);
    await age(id, 2 * hour);
    await work();
    expect((await stage.rotation(id)).status).toBe('done');

    const { key: leaked } = await stage.key();
    await aReader(leaked);
    expect(await stage.rotation(await begin(leaked, true))).toMatchObject({ status: 'done', condition: 'new' });
    expect(asked).toBe(0);
  });

  test('tells whoever is about to start it that the read will be looked for', async () => {
    const { key } = await stage.key();
    await aReader(key);
    expect(saying(await desk.type(stage.owner, `rotate ${key.name}`))).toContain(
      'Updates itself, and its read is looked for in CloudTrail: checkout.',
    );
  });
});
