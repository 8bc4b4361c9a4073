import { describe, expect, test } from 'vitest';
import type { RotationEvent, RotationFunction } from '../../../src/local/secrets-manager/world.ts';
import { type Bench, bench, stages, token } from './stand.ts';

const RotationLambdaARN = 'arn:aws:lambda:us-east-1:123456789012:function:rotate';
const rules = { AutomaticallyAfterDays: 1 };

/** A function as people write it: it works through the SDK, and leaves AWSPENDING where it is. */
function usual(stand: () => Bench, seen: RotationEvent[] = []): RotationFunction {
  return async (event) => {
    seen.push(event);
    const { bot } = stand();
    const { SecretId, ClientRequestToken: id } = event;
    if (event.Step === 'createSecret') {
      await bot.putSecretValue({
        SecretId,
        SecretString: `new of ${id}`,
        ClientRequestToken: id,
        VersionStages: ['AWSPENDING'],
      });
    }
    if (event.Step === 'finishSecret') {
      const now = await stages(bot, SecretId);
      const RemoveFromVersionId = Object.keys(now).find((version) => now[version]!.includes('AWSCURRENT'));
      await bot.updateSecretVersionStage({
        SecretId,
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: id,
        RemoveFromVersionId,
      });
    }
  };
}

async function rotating(change: (stand: () => Bench, seen: RotationEvent[]) => RotationFunction = usual) {
  const seen: RotationEvent[] = [];
  const first = token();
  const stand: Bench = await bench({ rotationFunctions: { [RotationLambdaARN]: change(() => stand, seen) } });
  await stand.bot.createSecret({ Name: 's', SecretString: 'old', ClientRequestToken: first });
  const service = () =>
    stand.control
      .events()
      .filter(({ eventType }) => eventType === 'AwsServiceEvent')
      .map(({ eventName }) => eventName);
  return { ...stand, first, seen, service, id: { SecretId: 's' } };
}

describe('rotating', () => {
  test('answers at once, then runs the four steps, and takes AWSPENDING off itself', async () => {
    const { bot, control, first, seen, service, id } = await rotating();
    const next = token();
    const answer = await bot.rotateSecret({ ...id, RotationLambdaARN, RotationRules: rules, ClientRequestToken: next });
    expect(answer).toMatchObject({ Name: 's', VersionId: next });
    await control.settled();
    expect(seen.map(({ Step }) => Step)).toEqual(['createSecret', 'setSecret', 'testSecret', 'finishSecret']);
    expect(
      seen.every(({ SecretId, ClientRequestToken }) => SecretId === answer.ARN && ClientRequestToken === next),
    ).toBe(true);
    expect(await stages(bot, 's')).toEqual({ [first]: ['AWSPREVIOUS'], [next]: ['AWSCURRENT'] });
    expect(await bot.describeSecret(id)).toMatchObject({
      RotationEnabled: true,
      RotationLambdaARN,
      RotationRules: rules,
      LastRotatedDate: expect.any(Date) as Date,
      NextRotationDate: expect.any(Date) as Date,
    });
    expect(service()).toEqual(['RotationStarted', 'RotationSucceeded']);
    await bot.rotateSecret(id);
    await control.settled();
    expect(Object.keys(await stages(bot, 's'))[0]).toBe(next);
  });

  test('begins with a version that has no value, and that reads as not there', async () => {
    const found: unknown[] = [];
    const { bot, control, id } = await rotating((stand, seen) => async (event) => {
      if (event.Step === 'createSecret') {
        const ask = { SecretId: event.SecretId, VersionId: event.ClientRequestToken, VersionStage: 'AWSPENDING' };
        found.push(
          await stand()
            .bot.getSecretValue(ask)
            .catch((error: Error) => error.name),
        );
        found.push((await stages(stand().bot, event.SecretId))[event.ClientRequestToken]);
      }
      await usual(stand, seen)(event);
    });
    await bot.rotateSecret({ ...id, RotationLambdaARN });
    await control.settled();
    expect(found).toEqual(['ResourceNotFoundException', ['AWSPENDING']]);
  });

  test('repeated with its token it gets the same answer and starts nothing', async () => {
    const { bot, control, seen, id } = await rotating();
    const ask = { ...id, RotationLambdaARN, ClientRequestToken: token() };
    const [one, two] = [await bot.rotateSecret(ask), await bot.rotateSecret(ask)];
    await control.settled();
    const three = await bot.rotateSecret(ask);
    await control.settled();
    expect([one, two, three].map(({ VersionId }) => VersionId)).toEqual(Array(3).fill(ask.ClientRequestToken));
    expect(seen).toHaveLength(4);
  });

  test('not immediately: only tests the function, on the value that is current, and leaves no trace', async () => {
    const read: unknown[] = [];
    const { bot, control, first, id } = await rotating((stand) => async ({ Step, SecretId }) => {
      const { SecretString, VersionId, VersionStages } = await stand().bot.getSecretValue({
        SecretId,
        VersionStage: 'AWSPENDING',
      });
      read.push([Step, SecretString, VersionId === first, VersionStages]);
    });
    await bot.rotateSecret({ ...id, RotationLambdaARN, RotationRules: rules, RotateImmediately: false });
    await control.settled();
    expect(read).toEqual([['testSecret', 'old', false, ['AWSPENDING']]]);
    expect(await stages(bot, 's')).toEqual({ [first]: ['AWSCURRENT'] });
    expect(await bot.describeSecret(id)).toMatchObject({
      RotationEnabled: true,
      NextRotationDate: expect.any(Date) as Date,
    });
  });

  test('makes the first value of a secret that had none', async () => {
    const { bot, control } = await rotating();
    await bot.createSecret({ Name: 'empty' });
    const next = token();
    await bot.rotateSecret({ SecretId: 'empty', RotationLambdaARN, ClientRequestToken: next });
    await control.settled();
    expect(await stages(bot, 'empty')).toEqual({ [next]: ['AWSCURRENT'] });
  });

  test('by the schedule when it is due', async () => {
    const { bot, control, seen, id } = await rotating();
    await bot.rotateSecret({ ...id, RotationLambdaARN, RotationRules: { ScheduleExpression: 'rate(4 hours)' } });
    await control.settled();
    control.advance(3.9 * 3_600_000);
    await control.runDueRotations();
    expect(seen).toHaveLength(4);
    control.advance(0.2 * 3_600_000);
    await control.runDueRotations();
    expect(seen).toHaveLength(8);
  });
});

describe('a rotation is refused', () => {
  test('without any function', async () => {
    const { bot, id } = await rotating();
    await expect(bot.rotateSecret({ ...id, RotationRules: rules })).rejects.toMatchObject({
      name: 'InvalidRequestException',
      message: 'No Lambda rotation function ARN is associated with this secret.',
    });
  });

  test('when the function cannot be invoked, and nothing has changed', async () => {
    const { bot, first, id } = await rotating();
    await expect(
      bot.rotateSecret({ ...id, RotationLambdaARN: `${RotationLambdaARN}2`, RotationRules: rules }),
    ).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message:
        'Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal secretsmanager.amazonaws.com.',
    });
    const described = await bot.describeSecret(id);
    for (const absent of ['RotationEnabled', 'RotationRules', 'RotationLambdaARN'])
      expect(described).not.toHaveProperty(absent);
    expect(described.VersionIdsToStages).toEqual({ [first]: ['AWSCURRENT'] });
  });

  test('while AWSPENDING is on another version than the current one', async () => {
    const { bot, control, id } = await rotating();
    const VersionId = token();
    await bot.putSecretValue({
      ...id,
      SecretString: 'x',
      ClientRequestToken: VersionId,
      VersionStages: ['AWSPENDING'],
    });
    await expect(bot.rotateSecret({ ...id, RotationLambdaARN })).rejects.toMatchObject({
      name: 'InvalidRequestException',
    });
    await bot.updateSecretVersionStage({ ...id, VersionStage: 'AWSPENDING', RemoveFromVersionId: VersionId });
    await bot.rotateSecret({ ...id, RotationLambdaARN });
    await control.settled();
  });

  test.each([
    [{ AutomaticallyAfterDays: 0 }, 'ValidationException'],
    [{ AutomaticallyAfterDays: 1001 }, 'ValidationException'],
    [{ AutomaticallyAfterDays: 1, ScheduleExpression: 'rate(1 day)' }, 'InvalidParameterException'],
    [{ ScheduleExpression: 'rate(3 hours)' }, 'InvalidParameterException'],
    [{ ScheduleExpression: 'daily' }, 'InvalidParameterException'],
  ])('by rules like %j', async (RotationRules, name) => {
    const { bot, id } = await rotating();
    await expect(bot.rotateSecret({ ...id, RotationLambdaARN, RotationRules })).rejects.toMatchObject({ name });
  });
});

describe('a rotation that does not end well', () => {
  test('a function that throws leaves AWSPENDING and the old value, and blocks until it is tried again', async () => {
    let broken = true;
    const { bot, control, first, service, id } = await rotating((stand, seen) => (event) => {
      if (broken && event.Step === 'setSecret') throw new Error('the database is away');
      return usual(stand, seen)(event);
    });
    const next = token();
    await bot.rotateSecret({ ...id, RotationLambdaARN, ClientRequestToken: next });
    await control.settled();
    expect(await stages(bot, 's')).toEqual({ [first]: ['AWSCURRENT'], [next]: ['AWSPENDING'] });
    await expect(bot.rotateSecret(id)).rejects.toMatchObject({
      name: 'InvalidRequestException',
      message: "A previous rotation isn't complete. That rotation will be reattempted.",
    });
    broken = false;
    await control.runDueRotations();
    expect(await stages(bot, 's')).toEqual({ [first]: ['AWSPREVIOUS'], [next]: ['AWSCURRENT'] });
    expect(service()).toEqual(['RotationStarted', 'RotationFailed', 'RotationStarted', 'RotationSucceeded']);
  });

  test.each<[string, (stand: Bench) => Promise<unknown>]>([
    ['put', ({ bot }) => bot.putSecretValue({ SecretId: 's', SecretString: 'by hand' })],
    ['update', ({ bot }) => bot.updateSecret({ SecretId: 's', SecretString: 'by hand' })],
  ])('a %s by hand meanwhile makes the service give it up', async (_what, change) => {
    const { bot, control, first, service, id } = await rotating((stand, seen) => async (event) => {
      await usual(stand, seen)(event);
      if (event.Step === 'createSecret') await change(stand());
    });
    await bot.rotateSecret({ ...id, RotationLambdaARN });
    await control.settled();
    expect(service()).toEqual(['RotationStarted', 'RotationAbandoned']);
    expect((await bot.getSecretValue(id)).SecretString).toBe('by hand');
    expect(
      Object.values(await stages(bot, 's'))
        .flat()
        .sort(),
    ).toEqual(['AWSCURRENT', 'AWSPREVIOUS']);
    expect((await stages(bot, 's'))[first]).toEqual(['AWSPREVIOUS']);
  });

  test('cancelling turns rotation off, names the version it leaves behind, and stops the function', async () => {
    const { bot, control, seen, id } = await rotating((stand, seen) => async (event) => {
      await usual(stand, seen)(event);
      if (event.Step === 'createSecret') cancelled = await stand().bot.cancelRotateSecret({ SecretId: 's' });
    });
    let cancelled: { VersionId?: string | undefined } = {};
    const next = token();
    await bot.rotateSecret({ ...id, RotationLambdaARN, RotationRules: rules, ClientRequestToken: next });
    await control.settled();
    expect(cancelled.VersionId).toBe(next);
    expect(seen.map(({ Step }) => Step)).toEqual(['createSecret']);
    expect((await stages(bot, 's'))[next]).toEqual(['AWSPENDING']);
    const described = await bot.describeSecret(id);
    expect(described).toMatchObject({ RotationEnabled: false, RotationRules: rules });
    expect(described).not.toHaveProperty('NextRotationDate');
  });
});

test('an external secret rotates through its partner, without a Lambda', async () => {
  const { bot, control } = await rotating();
  control.setRotationFunction('Datadog', async ({ Step, SecretId, ClientRequestToken: id }) => {
    if (Step === 'createSecret')
      await bot.putSecretValue({
        SecretId,
        SecretString: 'new',
        ClientRequestToken: id,
        VersionStages: ['AWSCURRENT'],
      });
  });
  await bot.createSecret({ Name: 'dd', Type: 'Datadog', SecretString: 'old' });
  await bot.rotateSecret({
    SecretId: 'dd',
    ExternalSecretRotationRoleArn: 'arn:aws:iam::123456789012:role/partner',
    ExternalSecretRotationMetadata: [{ Key: 'keyId', Value: '1' }],
  });
  await control.settled();
  expect((await bot.getSecretValue({ SecretId: 'dd' })).SecretString).toBe('new');
  expect(await bot.describeSecret({ SecretId: 'dd' })).toMatchObject({
    Type: 'Datadog',
    ExternalSecretRotationMetadata: [{ Key: 'keyId', Value: '1' }],
  });
});
