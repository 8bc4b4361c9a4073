import { describe, expect, test } from 'vitest';
import { bench, token } from './stand.ts';

const invalidName =
  'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!';

describe('the protocol', () => {
  test('modelled errors carry Message, the others message; both carry __type, and all are 400', async () => {
    const { raw } = await bench();
    expect(await raw('GetSecretValue', { SecretId: 'nowhere' })).toEqual({
      status: 400,
      body: { __type: 'ResourceNotFoundException', Message: "Secrets Manager can't find the specified secret." },
    });
    expect(await raw('GetSecretValue', { SecretId: 'not a name' })).toEqual({
      status: 400,
      body: { __type: 'ValidationException', message: invalidName },
    });
  });

  test('a binary value is base64 on the wire and bytes in the SDK', async () => {
    const { bot, raw } = await bench();
    await bot.createSecret({ Name: 's', SecretBinary: Buffer.from('footest') });
    expect((await raw('GetSecretValue', { SecretId: 's' })).body).toMatchObject({ SecretBinary: 'Zm9vdGVzdA==' });
    expect(Buffer.from((await bot.getSecretValue({ SecretId: 's' })).SecretBinary!).toString()).toBe('footest');
  });

  test('an unknown operation, a body that is no object, and a missing signature are refused as the service does', async () => {
    const { raw } = await bench();
    expect(await raw('Nonsense', {})).toMatchObject({ status: 400, body: { __type: 'UnknownOperationException' } });
    for (const body of ['{"a":', '[]', '"text"', 'null']) {
      expect(await raw('ListSecrets', body)).toMatchObject({ status: 400, body: { __type: 'SerializationException' } });
    }
    expect(await raw('GetSecretValue', { SecretId: 7 })).toMatchObject({ body: { __type: 'SerializationException' } });
    expect(await raw('ListSecrets', {}, { authorization: 'Basic x' })).toMatchObject({
      status: 400,
      body: { __type: 'MissingAuthenticationTokenException' },
    });
  });

  test('members that the model does not know are ignored, and null is not given', async () => {
    const { raw } = await bench();
    const made = await raw('CreateSecret', {
      Name: 's',
      SecretString: 'v',
      ClientRequestToken: token(),
      Description: null,
      Odd: 1,
    });
    expect(made.status).toBe(200);
  });

  test('several faults of a request are told together', async () => {
    const { bot } = await bench();
    await expect(bot.listSecrets({ MaxResults: 101, SortBy: 'colour' as 'name' })).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(/^2 validation errors detected: .*maxResults.*; .*sortBy/) as string,
    });
  });

  test.each(['Inv Name', ' Inv Name', ' Inv*Name? ', ' Inv *?!]Name\\-'])('%j is a name nowhere', async (name) => {
    const { bot } = await bench();
    const id = { SecretId: name };
    const policy = '{"Version":"2012-10-17","Statement":[]}';
    const calls = [
      () => bot.createSecret({ Name: name, SecretString: 'x' }),
      () => bot.deleteSecret({ ...id, ForceDeleteWithoutRecovery: true }),
      () => bot.describeSecret(id),
      () => bot.getSecretValue(id),
      () => bot.listSecretVersionIds({ ...id, IncludeDeprecated: true }),
      () => bot.putSecretValue({ ...id, SecretString: 'x' }),
      () => bot.tagResource({ ...id, Tags: [{ Key: 'a', Value: 'b' }] }),
      () => bot.untagResource({ ...id, TagKeys: ['a'] }),
      () => bot.updateSecret({ ...id, Description: 'd' }),
      () => bot.validateResourcePolicy({ ...id, ResourcePolicy: policy }),
    ];
    for (const call of calls)
      await expect(call()).rejects.toMatchObject({ name: 'ValidationException', message: invalidName });
  });

  test.each([
    ['name of 512 letters', 'x'.repeat(512), true],
    ['name of 513 letters', 'x'.repeat(513), false],
    ['name of every letter allowed', 'Az09/_+=.@-', true],
  ])('a %s', async (_what, Name, fits) => {
    const { bot } = await bench();
    const made = bot.createSecret({ Name });
    if (fits) expect(await made).toMatchObject({ Name });
    else await expect(made).rejects.toMatchObject({ name: 'ValidationException' });
  });
});

describe('naming a secret', () => {
  test.each(['Valid/_+=.@-Name', 'Valid/_+=.@-Name-a1b2', 'Valid/_+=.@-Name-a1b2c3-'])(
    '%s is found by name, ARN and ARN without its end',
    async (Name) => {
      const { bot } = await bench();
      const { ARN } = await bot.createSecret({ Name, SecretString: 'v' });
      for (const SecretId of [Name, ARN!, ARN!.slice(0, -7)]) {
        expect(await bot.getSecretValue({ SecretId })).toMatchObject({ ARN, Name, SecretString: 'v' });
      }
    },
  );

  test('a name that ends like an ARN is not found by the ARN without its end', async () => {
    const { bot } = await bench();
    const { ARN } = await bot.createSecret({ Name: 'name-a1b2c3', SecretString: 'v' });
    expect(await bot.getSecretValue({ SecretId: ARN })).toMatchObject({ SecretString: 'v' });
    await expect(bot.getSecretValue({ SecretId: ARN!.slice(0, -7) })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  test('a secret of another region is not there', async () => {
    const { bot, as } = await bench();
    const { ARN } = await bot.createSecret({ Name: 's', SecretString: 'v' });
    const elsewhere = as({ region: 'eu-central-1' });
    for (const SecretId of ['s', ARN!]) {
      await expect(elsewhere.getSecretValue({ SecretId })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    }
    expect((await elsewhere.createSecret({ Name: 's' })).ARN).toMatch(/^arn:aws:secretsmanager:eu-central-1:/);
  });
});

describe('reading a value', () => {
  test('by version, by label, and by both when they agree', async () => {
    const { bot } = await bench();
    const [a, b] = [token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await bot.putSecretValue({ SecretId: 's', SecretString: '2', ClientRequestToken: b });
    const read = async (of: object) => (await bot.getSecretValue({ SecretId: 's', ...of })).SecretString;
    expect(await read({})).toBe('2');
    expect(await read({ VersionStage: 'AWSPREVIOUS' })).toBe('1');
    expect(await read({ VersionId: a })).toBe('1');
    expect(await read({ VersionId: a, VersionStage: 'AWSPREVIOUS' })).toBe('1');
  });

  test('what is missing is named, and a label on another version is another error', async () => {
    const { bot } = await bench();
    const [a, none] = [token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    const missing = "Secrets Manager can't find the specified secret value for ";
    await expect(bot.getSecretValue({ SecretId: 's', VersionStage: 'AWSPREVIOUS' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: `${missing}staging label: AWSPREVIOUS`,
    });
    await expect(bot.getSecretValue({ SecretId: 's', VersionId: none })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: `${missing}VersionId: ${none}`,
    });
    await expect(
      bot.getSecretValue({ SecretId: 's', VersionId: a, VersionStage: 'AWSPREVIOUS' }),
    ).rejects.toMatchObject({
      name: 'InvalidRequestException',
      message: 'You provided a VersionStage that is not associated to the provided VersionId.',
    });
  });

  test('notes the day, of the secret and of the version, and no finer time', async () => {
    let now = new Date('2026-11-24T17:45:10.123Z');
    const { bot } = await bench({ clock: () => now });
    const [a, b] = [token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await bot.putSecretValue({
      SecretId: 's',
      SecretString: '2',
      ClientRequestToken: b,
      VersionStages: ['AWSPENDING'],
    });
    const changed = (await bot.describeSecret({ SecretId: 's' })).LastChangedDate;
    await bot.getSecretValue({ SecretId: 's' });
    now = new Date('2026-11-24T23:00:00Z');
    await bot.getSecretValue({ SecretId: 's' });
    expect(await bot.describeSecret({ SecretId: 's' })).toMatchObject({
      LastAccessedDate: new Date('2026-11-24T00:00:00Z'),
      LastChangedDate: changed,
    });
    const { Versions } = await bot.listSecretVersionIds({ SecretId: 's' });
    expect(Versions?.map(({ VersionId, LastAccessedDate }) => [VersionId, LastAccessedDate])).toEqual([
      [a, new Date('2026-11-24T00:00:00Z')],
      [b, undefined],
    ]);
  });

  test('times are to the millisecond', async () => {
    const at = new Date('2026-11-24T17:45:10.123Z');
    const { bot } = await bench({ clock: () => at });
    await bot.createSecret({ Name: 's', SecretString: '1' });
    expect((await bot.getSecretValue({ SecretId: 's' })).CreatedDate).toEqual(at);
  });
});

describe('reading many values', () => {
  test('one that cannot be read does not spoil the others', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 'a', SecretString: '1' });
    await bot.createSecret({ Name: 'empty' });
    await bot.createSecret({ Name: 'gone', SecretString: '1' });
    await bot.deleteSecret({ SecretId: 'gone' });
    const { SecretValues, Errors } = await bot.batchGetSecretValue({ SecretIdList: ['nowhere', 'a', 'empty', 'gone'] });
    expect(SecretValues).toMatchObject([{ Name: 'a', SecretString: '1', VersionStages: ['AWSCURRENT'] }]);
    expect(Errors?.map(({ SecretId, ErrorCode }) => [SecretId, ErrorCode])).toEqual([
      ['nowhere', 'ResourceNotFoundException'],
      ['empty', 'ResourceNotFoundException'],
      ['gone', 'InvalidRequestException'],
    ]);
  });

  test('by filters, in pages', async () => {
    const { bot } = await bench();
    for (const Name of ['x/1', 'x/2', 'x/3', 'y/1']) await bot.createSecret({ Name, SecretString: Name });
    const ask = { Filters: [{ Key: 'name' as const, Values: ['x/'] }], MaxResults: 2 };
    const first = await bot.batchGetSecretValue(ask);
    const second = await bot.batchGetSecretValue({ ...ask, NextToken: first.NextToken });
    expect([...first.SecretValues!, ...second.SecretValues!].map(({ SecretString }) => SecretString)).toEqual([
      'x/1',
      'x/2',
      'x/3',
    ]);
    expect(second.NextToken).toBeUndefined();
  });

  test.each([
    [
      'ids and filters',
      { SecretIdList: ['a'], Filters: [{ Key: 'name' as const, Values: ['a'] }] },
      'InvalidParameterException',
    ],
    ['neither', {}, 'InvalidParameterException'],
    ['MaxResults without filters', { SecretIdList: ['a'], MaxResults: 2 }, 'InvalidParameterException'],
    ['21 ids', { SecretIdList: Array.from({ length: 21 }, (_, i) => `s${i}`) }, 'ValidationException'],
    [
      'a token that is none',
      { Filters: [{ Key: 'name' as const, Values: ['a'] }], NextToken: 'x' },
      'InvalidNextTokenException',
    ],
  ])('%s is refused', async (_what, ask, name) => {
    const { bot } = await bench();
    await expect(bot.batchGetSecretValue(ask)).rejects.toMatchObject({ name });
  });
});

describe('a random password', () => {
  const kinds = { lower: /[a-z]/, upper: /[A-Z]/, digit: /[0-9]/, punctuation: /[!-/:-@[-`{-~]/, space: / / };
  const kindsIn = (text: string) =>
    Object.entries(kinds)
      .filter(([, pattern]) => pattern.test(text))
      .map(([kind]) => kind);

  test.each([
    ['32 of all kinds but spaces', {}, 32, ['lower', 'upper', 'digit', 'punctuation']],
    ['4, one of each kind', { PasswordLength: 4 }, 4, ['lower', 'upper', 'digit', 'punctuation']],
    ['digits only', { ExcludeLowercase: true, ExcludeUppercase: true, ExcludePunctuation: true }, 32, ['digit']],
    [
      'with spaces',
      { IncludeSpace: true, PasswordLength: 4096 },
      4096,
      ['lower', 'upper', 'digit', 'punctuation', 'space'],
    ],
  ])('%s', async (_what, ask, length, expected) => {
    const { bot } = await bench();
    for (let i = 0; i < 20; i++) {
      const { RandomPassword } = await bot.getRandomPassword(ask);
      expect(RandomPassword).toHaveLength(length);
      expect(kindsIn(RandomPassword!)).toEqual(expected);
    }
  });

  test('keeps out what is excluded, and never repeats', async () => {
    const { bot } = await bench();
    const ask = { PasswordLength: 120, ExcludeCharacters: 'xyzDje@?!.' };
    const [one, two] = [await bot.getRandomPassword(ask), await bot.getRandomPassword(ask)];
    expect(one.RandomPassword).not.toMatch(/[xyzDje@?!.]/);
    expect(two.RandomPassword).not.toBe(one.RandomPassword);
  });

  test.each([
    [{ PasswordLength: 3 }, 'InvalidParameterException'],
    [{ PasswordLength: 4097 }, 'ValidationException'],
    [{ PasswordLength: 0 }, 'ValidationException'],
    [
      { ExcludeLowercase: true, ExcludeUppercase: true, ExcludePunctuation: true, ExcludeNumbers: true },
      'InvalidParameterException',
    ],
  ])('%j is refused', async (ask, name) => {
    const { bot } = await bench();
    await expect(bot.getRandomPassword(ask)).rejects.toMatchObject({ name });
  });

  test('may leave out a kind when not every kind is required', async () => {
    const { bot } = await bench();
    expect(
      (await bot.getRandomPassword({ PasswordLength: 1, RequireEachIncludedType: false })).RandomPassword,
    ).toHaveLength(1);
  });
});
