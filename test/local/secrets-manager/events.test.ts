import { describe, expect, test } from 'vitest';
import { type Bench, bench, token } from './stand.ts';

const alice = 'arn:aws:iam::123456789012:user/alice';
const session = 'arn:aws:sts::123456789012:assumed-role/reader/bob';
const clock = () => new Date('2026-11-24T12:00:00.500Z');

test('a read is recorded as CloudTrail records it, with the id as the caller typed it', async () => {
  const { bot, control } = await bench({ clock });
  const { ARN } = await bot.createSecret({ Name: 's', SecretString: 'v' });
  await bot.getSecretValue({ SecretId: ARN!.slice(0, -7), VersionStage: 'AWSCURRENT' });
  expect(control.events().at(-1)).toMatchObject({
    eventVersion: '1.09',
    eventTime: '2026-11-24T12:00:00Z',
    eventSource: 'secretsmanager.amazonaws.com',
    eventName: 'GetSecretValue',
    eventType: 'AwsApiCall',
    eventCategory: 'Management',
    managementEvent: true,
    readOnly: true,
    awsRegion: 'us-east-1',
    recipientAccountId: '123456789012',
    sourceIPAddress: '127.0.0.1',
    requestParameters: { secretId: ARN!.slice(0, -7), versionStage: 'AWSCURRENT' },
    responseElements: null,
    userIdentity: { type: 'IAMUser', accountId: '123456789012' },
  });
});

test('a refusal is recorded with its error, a denial as AccessDenied', async () => {
  const { bot, as, control } = await bench({ principals: { ALICE: alice, BOB: session } });
  await bot.createSecret({ Name: 's', SecretString: 'v' });
  await bot.getSecretValue({ SecretId: 'nowhere' }).catch(() => {});
  await as({ accessKeyId: 'ALICE' })
    .getSecretValue({ SecretId: 's' })
    .catch(() => {});
  await as({ accessKeyId: 'BOB' })
    .getSecretValue({ SecretId: 's' })
    .catch(() => {});
  const [missing, denied, session2] = control.events().slice(-3);
  expect(missing).toMatchObject({ errorCode: 'ResourceNotFoundException', requestParameters: { secretId: 'nowhere' } });
  expect(denied).toMatchObject({
    errorCode: 'AccessDenied',
    userIdentity: { type: 'IAMUser', arn: alice, userName: 'alice', accessKeyId: 'ALICE' },
  });
  expect(session2).toMatchObject({
    userIdentity: {
      type: 'AssumedRole',
      arn: session,
      sessionContext: { sessionIssuer: { arn: 'arn:aws:iam::123456789012:role/reader', userName: 'reader' } },
    },
  });
});

test('no event holds a value, whatever was called and however it went', async () => {
  const { bot, control, raw } = await bench();
  const canary = 'canary-51c0ffee';
  const id = token();
  await bot.createSecret({ Name: 's', SecretString: canary, ClientRequestToken: id });
  await bot.putSecretValue({ SecretId: 's', SecretBinary: Buffer.from(canary) });
  await bot.updateSecret({ SecretId: 's', SecretString: canary });
  await bot.putSecretValue({ SecretId: 's', SecretString: `${canary}2`, ClientRequestToken: id }).catch(() => {});
  await bot
    .putSecretValue({ SecretId: 'nowhere', SecretString: canary, RotationToken: canary.padEnd(40, 'x') })
    .catch(() => {});
  await bot.createSecret({ Name: 't', SecretString: canary.repeat(5000) }).catch(() => {});
  await raw('PutSecretValue', { SecretId: 's', secretstring: canary, SecretString: [canary] });
  await bot.getSecretValue({ SecretId: 's' });
  await bot.batchGetSecretValue({ SecretIdList: ['s'] });
  const text = JSON.stringify(control.events());
  expect(text).not.toContain(canary);
  expect(text).not.toContain(Buffer.from(canary).toString('base64').slice(0, -4));
  expect(control.events().length).toBeGreaterThanOrEqual(10);
});

test('a batch is recorded as one read per secret besides itself', async () => {
  const { bot, control } = await bench();
  await bot.createSecret({ Name: 's', SecretString: 'v' });
  await bot.batchGetSecretValue({ SecretIdList: ['s', 'nowhere'] });
  expect(
    control
      .events()
      .slice(1)
      .map(({ eventName, requestParameters, errorCode }) => [eventName, requestParameters?.secretId, errorCode]),
  ).toEqual([
    ['GetSecretValue', 's', undefined],
    ['GetSecretValue', 'nowhere', 'ResourceNotFoundException'],
    ['BatchGetSecretValue', undefined, undefined],
  ]);
});

describe('LookupEvents', () => {
  const target = 'com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents';
  type Found = {
    Events: { EventName: string; EventTime: number; CloudTrailEvent: string; Resources: object[] }[];
    NextToken?: string;
  };
  const lookup = async ({ raw }: Bench, ask: object) => (await raw(target, ask)).body as Found;

  test('finds by one attribute and by time, newest first, with the whole record', async () => {
    const stand = await bench({ clock });
    await stand.bot.createSecret({ Name: 'a', SecretString: 'v' });
    await stand.bot.getSecretValue({ SecretId: 'a' });
    stand.control.advance(3_600_000);
    await stand.bot.describeSecret({ SecretId: 'a' });
    expect((await lookup(stand, {})).Events.map(({ EventName }) => EventName)).toEqual([
      'DescribeSecret',
      'GetSecretValue',
      'CreateSecret',
    ]);
    const [event] = (
      await lookup(stand, { LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'GetSecretValue' }] })
    ).Events;
    expect(JSON.parse(event!.CloudTrailEvent)).toMatchObject({
      eventName: 'GetSecretValue',
      requestParameters: { secretId: 'a' },
    });
    expect(event).toMatchObject({
      EventTime: Date.parse('2026-11-24T12:00:00Z') / 1000,
      ReadOnly: 'true',
      Resources: [{ ResourceType: 'AWS::SecretsManager::Secret', ResourceName: 'a' }],
    });
    expect((await lookup(stand, { StartTime: Date.parse('2026-11-24T12:30:00Z') / 1000 })).Events).toHaveLength(1);
    const byName = await lookup(stand, { LookupAttributes: [{ AttributeKey: 'ResourceName', AttributeValue: 'a' }] });
    expect(byName.Events).toHaveLength(2);
  });

  test('is understood under either name that SDKs give it, and shows an event only when it has come through', async () => {
    const stand = await bench({ clock });
    const { control } = stand;
    await stand.bot.createSecret({ Name: 'a', SecretString: 'v' });
    expect((await stand.raw('CloudTrail_20131101.LookupEvents', {})).body).toEqual(await lookup(stand, {}));
    control.delayEvents(900_000);
    expect((await lookup(stand, {})).Events).toEqual([]);
    control.advance(900_000);
    expect((await lookup(stand, {})).Events).toHaveLength(1);
    control.inject({ kind: 'throttle', operation: 'LookupEvents' });
    expect((await lookup(stand, {})).Events).toBeUndefined();
    expect((await lookup(stand, {})).Events).toHaveLength(1);
  });

  test('in pages of at most 50', async () => {
    const stand = await bench();
    for (let i = 0; i < 60; i++) await stand.bot.getRandomPassword({});
    const first = await lookup(stand, {});
    const second = await lookup(stand, { NextToken: first.NextToken });
    expect([first.Events.length, second.Events.length, second.NextToken]).toEqual([50, 10, undefined]);
    expect((await stand.raw(target, { MaxResults: 51 })).body).toMatchObject({ __type: 'InvalidMaxResultsException' });
    expect((await stand.raw(target, { LookupAttributes: [{}, {}] })).body).toMatchObject({
      __type: 'InvalidLookupAttributesException',
    });
  });
});
