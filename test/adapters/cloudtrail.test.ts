import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type CloudTrailOptions, cloudTrail } from '../../src/adapters/cloudtrail.ts';
import { secretsManager } from '../../src/adapters/secrets-manager.ts';
import { everything } from '../../src/local/secrets-manager/access.ts';
import type { ReadsFound } from '../../src/rotation/deployment/reads-model.ts';
import { type Bench, bench } from '../local/secrets-manager/stand.ts';

const account = 'arn:aws:iam::123456789012';
const principals = {
  CHECKOUT: { arn: 'arn:aws:sts::123456789012:assumed-role/checkout/i-0abc', policies: [everything] },
  STRANGER: `${account}:user/stranger`,
};

/** The stand-in with what its CloudTrail was asked, and our adapter over it. */
async function scene(options: CloudTrailOptions = {}) {
  const stand = await bench({ principals });
  const asked: string[] = [];
  stand.control.limit((operation) => {
    if (operation === 'LookupEvents') asked.push(operation);
    return true;
  });
  const at = { region: stand.region, endpoint: stand.url, credentials: stand.credentials };
  const log = cloudTrail({ ...at, everyMs: 0, freshMs: 0, ...options });
  onTestFinished(() => log.close());
  const { ARN } = await stand.bot.createSecret({ Name: 'prod/stripe', SecretString: 'v' });
  return { stand, log, at, arn: ARN!, asked, checkout: stand.as({ accessKeyId: 'CHECKOUT' }) };
}
const role = `${account}:role/checkout`;
const aMinuteAgo = () => new Date(Date.now() - 60_000);
const who = ({ reads }: ReadsFound) => reads.map((each) => each.by);
async function readBy({ as }: Bench, SecretId: string, times: number): Promise<void> {
  const client = as({ accessKeyId: 'CHECKOUT' });
  await Promise.all(Array.from({ length: times }, () => client.getSecretValue({ SecretId })));
}

describe('who has read a secret', () => {
  test('is known however they named it, one by one or in a batch, and a session by its role', async () => {
    const { log, arn, checkout, stand } = await scene();
    const { VersionId } = await checkout.getSecretValue({ SecretId: 'prod/stripe' });
    await checkout.getSecretValue({ SecretId: arn, VersionStage: 'AWSCURRENT' });
    await checkout.getSecretValue({ SecretId: arn.slice(0, -7), VersionId });
    await checkout.batchGetSecretValue({ SecretIdList: ['prod/stripe'] });
    await stand.bot.getSecretValue({ SecretId: 'prod/stripe' });
    const found = await log.of(arn, aMinuteAgo());
    expect(found.missing).toBeNull();
    const asked = found.reads.map(({ by, versionId, stage }) => ({ by, versionId, stage }));
    expect(asked).toHaveLength(5);
    expect(asked.slice(0, 1)).toEqual([{ by: `${account}:user/keysteward`, versionId: null, stage: null }]);
    expect(asked.slice(1).every((each) => each.by === role)).toBe(true);
    expect(asked).toContainEqual({ by: role, versionId: VersionId, stage: null });
    expect(asked).toContainEqual({ by: role, versionId: null, stage: 'AWSCURRENT' });
  });

  test('is nobody who was denied, who read another secret or an earlier time, and not Keysteward itself', async () => {
    const { log, arn, at, checkout, stand } = await scene();
    await stand.bot.createSecret({ Name: 'prod', SecretString: 'v' });
    const { ARN: other } = await stand.bot.createSecret({ Name: 'prod/stripe-AbCdEf', SecretString: 'v' });
    // Its name ends as an ARN does: without these six characters it would be ours.
    await checkout.getSecretValue({ SecretId: other! });
    await checkout.getSecretValue({ SecretId: 'prod/stripe-AbCdEf' });
    await checkout.getSecretValue({ SecretId: 'prod' });
    await expect(stand.as({ accessKeyId: 'STRANGER' }).getSecretValue({ SecretId: arn })).rejects.toThrow();
    await expect(checkout.getSecretValue({ SecretId: arn, VersionStage: 'NONE' })).rejects.toThrow();
    const ours = secretsManager(at);
    onTestFinished(() => ours.close());
    await ours.read('prod/stripe', { stage: 'AWSCURRENT' });
    expect(await log.of(arn, aMinuteAgo())).toEqual({ reads: [], missing: null });

    await checkout.getSecretValue({ SecretId: arn });
    expect(who(await log.of(arn, aMinuteAgo()))).toEqual([role]);
    expect(await log.of(arn, new Date(Date.now() + 60_000))).toEqual({ reads: [], missing: null });
  });

  test('is found over all pages, and for many secrets at once with one look', async () => {
    const { log, arn, stand, asked } = await scene({ freshMs: 20_000 });
    await readBy(stand, arn, 120);
    const [first, ...others] = await Promise.all(Array.from({ length: 40 }, () => log.of(arn, aMinuteAgo())));
    expect(first).toMatchObject({ missing: null });
    expect(first!.reads).toHaveLength(120);
    for (const each of others) expect(each).toEqual(first);
    // Three pages; the quarter of an hour may have turned between two of the looks.
    expect(asked.length).toBeLessThanOrEqual(4);
  });

  test('is not all known where there is too much: the newest count, what is missing is said, and later looks go further back', async () => {
    const { log, arn, stand, asked } = await scene({ mostPages: 2 });
    await stand.bot.getSecretValue({ SecretId: arn });
    // CloudTrail has whole seconds, and a look that was cut asks once more for the last one.
    for (let i = 0; i < 3; i++) {
      stand.control.advance(3_000);
      await readBy(stand, arn, 40);
    }
    const cut = await log.of(arn, aMinuteAgo());
    expect(cut.missing).toEqual({ why: 'CloudTrail has more reads than Keysteward goes through', soon: false });
    expect(cut.reads).toHaveLength(100);
    expect(asked).toHaveLength(2);
    for (let i = 0; i < 3; i++) await log.of(arn, aMinuteAgo());
    // What is behind is not reached while each look needs all its pages for what is new.
    expect((await log.of(arn, aMinuteAgo())).missing).not.toBeNull();

    const thorough = cloudTrail({
      ...{ region: stand.region, endpoint: stand.url, credentials: stand.credentials },
      ...{ everyMs: 0, freshMs: 60_000, mostPages: 2 },
    });
    onTestFinished(() => thorough.close());
    expect((await thorough.of(arn, aMinuteAgo())).reads).toHaveLength(100);
    const all = await thorough.of(arn, aMinuteAgo());
    expect(all).toMatchObject({ missing: null });
    expect(all.reads).toHaveLength(121);
  });
});

test('whoever has waited long for the looks of others is told so, and holds up nobody with a look of their own', async () => {
  const { log, arn, stand, asked } = await scene({ mostPages: 2, everyMs: 40, waitMs: 60 });
  for (let i = 0; i < 8; i++) {
    stand.control.advance(3_000);
    await readBy(stand, arn, 50);
  }
  const all = await Promise.all(Array.from({ length: 12 }, () => log.of(arn, aMinuteAgo())));
  expect(asked.length).toBeLessThanOrEqual(6);
  // What it may find when it is asked again is no reason to go without it.
  expect(all.at(-1)!.missing).toEqual({ why: 'it is asked for the reads of others at the moment', soon: true });
});

describe('a read that CloudTrail shows late', () => {
  test('is found by a later look, although the time that it lies in was looked at before', async () => {
    const { log, arn, stand, checkout } = await scene();
    stand.control.delayEvents(10 * 60_000);
    await checkout.getSecretValue({ SecretId: arn });
    expect(await log.of(arn, aMinuteAgo())).toEqual({ reads: [], missing: null });
    stand.control.delayEvents(0);
    expect(who(await log.of(arn, aMinuteAgo()))).toEqual([role]);
    // And once only, however often it is seen.
    expect(who(await log.of(arn, aMinuteAgo()))).toEqual([role]);
    expect(log.lateMs).toBe(15 * 60_000);
  });

  /** A clock that stands until it is set, for the adapter and for the stand-in alike. */
  function clock(): { minutes(since: number): void } {
    const start = Math.floor(Date.now() / 1_000) * 1_000;
    vi.useFakeTimers({ toFake: ['Date'], now: start });
    onTestFinished(() => void vi.useRealTimers());
    return { minutes: (since) => void vi.setSystemTime(start + since * 60_000) };
  }

  test('much later than usual is found too, however many there are: looks for it go on where the last ones ended', async () => {
    const at = clock();
    const { log, arn, stand, asked } = await scene({ mostPages: 2 });
    const since = aMinuteAgo();
    stand.control.delayEvents(100 * 60_000);
    for (const each of [0, 1, 2]) {
      at.minutes(each);
      await readBy(stand, arn, 40);
    }
    for (const each of [3, 30, 60, 90]) {
      at.minutes(each);
      expect(await log.of(arn, since)).toEqual({ reads: [], missing: null });
    }
    const found: number[] = [];
    for (const each of [106, 107, 108, 109]) {
      at.minutes(each);
      found.push((await log.of(arn, since)).reads.length);
    }
    // One page of each look is for what is new, and the last second of a page is asked for once more.
    expect(found).toEqual([50, 90, 120, 120]);
    // And when all is found, only what is new is asked for.
    const calls = asked.length;
    at.minutes(110);
    await log.of(arn, since);
    expect(asked).toHaveLength(calls + 1);
  });

  test('is asked for again when the look that would have shown it broke off before it came to it', async () => {
    const at = clock();
    const { log, arn, stand, checkout } = await scene({ restMs: 0, againMs: 24 * 60 * 60_000 });
    const since = aMinuteAgo();
    stand.control.delayEvents(20 * 60_000);
    await checkout.getSecretValue({ SecretId: arn });
    at.minutes(4);
    await readBy(stand, arn, 60);
    at.minutes(5);
    expect(await log.of(arn, since)).toEqual({ reads: [], missing: null });
    stand.control.delayEvents(0);
    at.minutes(16);
    let calls = 0;
    stand.control.limit((operation) => operation !== 'LookupEvents' || ++calls === 1);
    const cut = await log.of(arn, since);
    expect(cut.reads).toHaveLength(50);
    expect(cut.missing).toMatchObject({ soon: true });
    stand.control.limit(() => true);
    at.minutes(17);
    const all = await log.of(arn, since);
    expect(all.reads).toHaveLength(61);
    expect(all.missing).toBeNull();
  });
});

describe('a CloudTrail that does not answer', () => {
  test('when it is asked too often: is left alone for a while, and what is known stays known', async () => {
    const { log, arn, stand, checkout, asked } = await scene({ restMs: 60_000 });
    await checkout.getSecretValue({ SecretId: arn });
    stand.control.inject({ kind: 'throttle', operation: 'LookupEvents', times: 3 });
    const busy = { why: 'it is asked too often at the moment', soon: true };
    expect(await log.of(arn, aMinuteAgo())).toEqual({ reads: [], missing: busy });
    const calls = asked.length;
    expect(await log.of(arn, aMinuteAgo())).toEqual({ reads: [], missing: busy });
    expect(asked).toHaveLength(calls);

    const calm = cloudTrail({
      ...{ region: stand.region, endpoint: stand.url, credentials: stand.credentials },
      ...{ everyMs: 0, freshMs: 0, restMs: 0 },
    });
    onTestFinished(() => calm.close());
    expect(who(await calm.of(arn, aMinuteAgo()))).toEqual([role]);
    await checkout.getSecretValue({ SecretId: arn });
    stand.control.inject({ kind: 'throttle', operation: 'LookupEvents', times: 3 });
    expect(who(await calm.of(arn, aMinuteAgo()))).toEqual([role]);
    expect(who(await calm.of(arn, aMinuteAgo()))).toEqual([role, role]);
  });

  test('in the middle of a look: what it has found by then counts, the rest is not known', async () => {
    const { log, arn, stand } = await scene({ restMs: 0 });
    await readBy(stand, arn, 60);
    let calls = 0;
    stand.control.limit((operation) => operation !== 'LookupEvents' || ++calls === 1);
    const found = await log.of(arn, aMinuteAgo());
    expect(found.reads).toHaveLength(50);
    expect(found.missing).toMatchObject({ soon: true });
    stand.control.limit(() => true);
    const all = await log.of(arn, aMinuteAgo());
    expect(all.reads).toHaveLength(60);
    expect(all.missing).toBeNull();
  });

  test('because our role may not look: says which permission is missing, and is not asked for it again at once', async () => {
    const { log, arn, stand } = await scene();
    stand.control.inject({ kind: 'error', name: 'AccessDeniedException', operation: 'LookupEvents' });
    const denied = {
      why: "Keysteward's role may not look into CloudTrail: it lacks cloudtrail:LookupEvents",
      soon: false,
    };
    // Also of a time that is still to come, as right after a switch.
    expect(await log.of(arn, new Date(Date.now() + 5_000))).toEqual({ reads: [], missing: denied });
    expect(await log.of(arn, aMinuteAgo())).toEqual({ reads: [], missing: denied });
  });

  test('at all: is no error, and nothing that was sent is quoted', async () => {
    const { arn, at } = await scene();
    const warned: string[] = [];
    const nowhere = cloudTrail({ ...at, endpoint: 'http://127.0.0.1:9', everyMs: 0, restMs: 0 }, (message) =>
      warned.push(message),
    );
    onTestFinished(() => nowhere.close());
    const found = await nowhere.of(arn, aMinuteAgo());
    expect(found).toMatchObject({ reads: [], missing: { soon: true } });
    expect(found.missing!.why).toMatch(/^\w+$/);
    // However often it is asked, whoever reads the log is told once.
    await nowhere.of(arn, aMinuteAgo());
    expect(warned).toEqual([`CloudTrail does not say who has read secrets: ${found.missing!.why}`]);
  });

  test('is told of anew when it has answered in between', async () => {
    const { arn, at, stand } = await scene();
    const warned: string[] = [];
    // Two looks may be in one millisecond.
    const log = cloudTrail({ ...at, everyMs: 0, freshMs: -1, restMs: 0 }, (message) => warned.push(message));
    onTestFinished(() => log.close());
    for (const isOut of [true, true, false, true]) {
      if (isOut) stand.control.inject({ kind: 'error', name: 'AccessDeniedException', operation: 'LookupEvents' });
      await log.of(arn, aMinuteAgo());
    }
    expect(warned).toHaveLength(2);
    expect(warned[1]).toContain('cloudtrail:LookupEvents');
  });
});

test('CloudTrail is never asked more than twice a second', async () => {
  const { log, arn, stand } = await scene({ everyMs: undefined as never });
  await readBy(stand, arn, 160);
  let tokens = 2;
  let at = Date.now();
  let throttled = 0;
  stand.control.limit((operation) => {
    if (operation !== 'LookupEvents') return true;
    tokens = Math.min(2, tokens + ((Date.now() - at) / 1000) * 2);
    at = Date.now();
    if (tokens < 1) throttled++;
    else tokens--;
    return tokens >= 0;
  });
  expect((await log.of(arn, aMinuteAgo())).reads).toHaveLength(160);
  expect(throttled).toBe(0);
});
