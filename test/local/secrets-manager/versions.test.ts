import { describe, expect, test } from 'vitest';
import { bench, stages, token } from './stand.ts';

const inUse = (id: string, arn: string) =>
  `You can't use ClientRequestToken ${id} because that value is already in use for a version of secret ${arn}.`;

describe('creating', () => {
  test('the token becomes the version id, and the first version is current', async () => {
    const { bot } = await bench();
    const id = token();
    const made = await bot.createSecret({ Name: 'a', SecretString: 'one', ClientRequestToken: id });
    expect(made).toMatchObject({ Name: 'a', VersionId: id });
    expect(made.ARN).toMatch(/^arn:aws:secretsmanager:us-east-1:123456789012:secret:a-[A-Za-z0-9]{6}$/);
    expect(await stages(bot, 'a')).toEqual({ [id]: ['AWSCURRENT'] });
  });

  test('without a value there is no version, and the answers do not mention one', async () => {
    const { bot } = await bench();
    const made = await bot.createSecret({ Name: 'a', Description: '' });
    expect(made).not.toHaveProperty('VersionId');
    const described = await bot.describeSecret({ SecretId: 'a' });
    for (const absent of [
      'VersionIdsToStages',
      'Description',
      'Tags',
      'RotationEnabled',
      'RotationRules',
      'LastAccessedDate',
      'KmsKeyId',
      'DeletedDate',
    ]) {
      expect(described).not.toHaveProperty(absent);
    }
    await expect(bot.getSecretValue({ SecretId: 'a' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
    });
  });

  test('same name, token and value: the same answer, and nothing is made', async () => {
    const { bot } = await bench();
    const ask = { Name: 'a', SecretString: 'one', ClientRequestToken: token() };
    const { $metadata: _, ...first } = await bot.createSecret(ask);
    const { $metadata: __, ...second } = await bot.createSecret(ask);
    expect(second).toEqual(first);
    expect(Object.keys(await stages(bot, 'a'))).toHaveLength(1);
  });

  test('same name and token with another value is refused, and so is another token', async () => {
    const { bot } = await bench();
    const id = token();
    const { ARN } = await bot.createSecret({ Name: 'a', SecretString: 'one', ClientRequestToken: id });
    await expect(bot.createSecret({ Name: 'a', SecretString: 'two', ClientRequestToken: id })).rejects.toMatchObject({
      name: 'ResourceExistsException',
      message: inUse(id, ARN!),
    });
    await expect(bot.createSecret({ Name: 'a', SecretString: 'one' })).rejects.toMatchObject({
      name: 'ResourceExistsException',
      message: 'The operation failed because the secret a already exists.',
      $metadata: { httpStatusCode: 400 },
    });
  });

  test('a name used again after a deletion has another ARN', async () => {
    const { bot } = await bench();
    const first = await bot.createSecret({ Name: 'a', SecretString: 'one' });
    await bot.deleteSecret({ SecretId: 'a', ForceDeleteWithoutRecovery: true });
    const second = await bot.createSecret({ Name: 'a', SecretString: 'one' });
    expect(second.ARN).not.toBe(first.ARN);
    await expect(bot.getSecretValue({ SecretId: first.ARN })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  test('both kinds of value at once are refused, with or without the secret there', async () => {
    const { bot } = await bench();
    const both = { SecretString: 'a', SecretBinary: Buffer.from('a') };
    await expect(bot.createSecret({ Name: 'a', ...both })).rejects.toMatchObject({ name: 'InvalidParameterException' });
    await bot.createSecret({ Name: 'a' });
    await expect(bot.putSecretValue({ SecretId: 'a', ...both })).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
    await expect(bot.updateSecret({ SecretId: 'a', ...both })).rejects.toMatchObject({
      name: 'InvalidParameterException',
    });
  });
});

describe('a raw call without a token', () => {
  test.each([
    ['CreateSecret', 'Name', 'InvalidRequestException'],
    ['PutSecretValue', 'SecretId', 'InvalidRequestException'],
    ['UpdateSecret', 'SecretId', 'InvalidRequestException'],
    ['RotateSecret', 'SecretId', 'InvalidParameterException'],
  ])('%s is refused before anything else is looked at', async (operation, key, name) => {
    const { raw } = await bench();
    expect(await raw(operation, { [key]: 'nowhere', SecretString: 's', Description: 'd' })).toEqual({
      status: 400,
      body: {
        __type: name,
        Message: 'You must provide a ClientRequestToken value. We recommend a UUID-type value.',
      },
    });
  });
});

describe('putting a value', () => {
  test('without labels it moves AWSCURRENT; the third oldest version loses its last label', async () => {
    const { bot } = await bench();
    const [a, b, c] = [token(), token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    const put = await bot.putSecretValue({ SecretId: 's', SecretString: '2', ClientRequestToken: b });
    expect(put).toMatchObject({ Name: 's', VersionId: b, VersionStages: ['AWSCURRENT'] });
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT'] });
    await bot.putSecretValue({ SecretId: 's', SecretString: '3', ClientRequestToken: c });
    expect(await stages(bot, 's')).toEqual({ [b]: ['AWSPREVIOUS'], [c]: ['AWSCURRENT'] });

    const shown = await bot.listSecretVersionIds({ SecretId: 's' });
    expect(shown.Versions?.map(({ VersionId }) => VersionId)).toEqual([b, c]);
    const all = await bot.listSecretVersionIds({ SecretId: 's', IncludeDeprecated: true });
    expect(all.Versions?.map(({ VersionId, VersionStages }) => [VersionId, VersionStages])).toEqual([
      [a, undefined],
      [b, ['AWSPREVIOUS']],
      [c, ['AWSCURRENT']],
    ]);
    expect(all.Versions?.[0]?.KmsKeyIds).toEqual(['DefaultEncryptionKey']);
  });

  test('with labels it moves exactly those, and AWSCURRENT stays', async () => {
    const { bot } = await bench();
    const [a, b, c] = [token(), token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await bot.putSecretValue({
      SecretId: 's',
      SecretString: '2',
      ClientRequestToken: b,
      VersionStages: ['one', 'two', 'three'],
    });
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSCURRENT'], [b]: ['one', 'three', 'two'] });
    await bot.putSecretValue({
      SecretId: 's',
      SecretString: '3',
      ClientRequestToken: c,
      VersionStages: ['one', 'two', 'four'],
    });
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSCURRENT'], [b]: ['three'], [c]: ['four', 'one', 'two'] });
  });

  test('AWSCURRENT among the labels moves AWSPREVIOUS too', async () => {
    const { bot } = await bench();
    const [a, b] = [token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await bot.putSecretValue({
      SecretId: 's',
      SecretString: '2',
      ClientRequestToken: b,
      VersionStages: ['AWSCURRENT', 'PUT0'],
    });
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT', 'PUT0'] });
  });

  test('the first version of an empty secret is current whatever labels were asked for', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    const put = await bot.putSecretValue({ SecretId: 's', SecretString: '1', VersionStages: ['AWSPENDING'] });
    expect([...put.VersionStages!].sort()).toEqual(['AWSCURRENT', 'AWSPENDING']);
  });

  test('same token and value succeeds and moves nothing, not even back', async () => {
    const { bot } = await bench();
    const [a, b] = [token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await bot.putSecretValue({ SecretId: 's', SecretString: '2', ClientRequestToken: b });
    const again = await bot.putSecretValue({
      SecretId: 's',
      SecretString: '1',
      ClientRequestToken: a,
      VersionStages: ['AWSCURRENT', 'x'],
    });
    expect(again).toMatchObject({ VersionId: a, VersionStages: ['AWSPREVIOUS'] });
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT'] });
  });

  test('a replayed AWSPENDING put after its promotion changes nothing', async () => {
    const { bot } = await bench();
    const [a, b] = [token(), token()];
    const put = { SecretId: 's', SecretString: '2', ClientRequestToken: b, VersionStages: ['AWSPENDING'] };
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await bot.putSecretValue(put);
    await bot.updateSecretVersionStage({
      SecretId: 's',
      VersionStage: 'AWSCURRENT',
      RemoveFromVersionId: a,
      MoveToVersionId: b,
    });
    await bot.putSecretValue(put);
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT', 'AWSPENDING'] });
    expect((await bot.getSecretValue({ SecretId: 's' })).SecretString).toBe('2');
  });

  test('same token with another value or another kind of value is refused', async () => {
    const { bot } = await bench();
    const id = token();
    const { ARN } = await bot.createSecret({ Name: 's', SecretString: 'Zm9v', ClientRequestToken: id });
    const expected = { name: 'ResourceExistsException', message: inUse(id, ARN!) };
    await expect(
      bot.putSecretValue({ SecretId: 's', SecretString: '2', ClientRequestToken: id }),
    ).rejects.toMatchObject(expected);
    await expect(
      bot.putSecretValue({ SecretId: 's', SecretBinary: Buffer.from('foo'), ClientRequestToken: id }),
    ).rejects.toMatchObject(expected);
    await expect(bot.updateSecret({ SecretId: 's', SecretString: '2', ClientRequestToken: id })).rejects.toMatchObject(
      expected,
    );
  });

  test('a default put over a version that is current and pending leaves it previous only', async () => {
    const { bot } = await bench();
    const [a, b, c] = [token(), token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await bot.putSecretValue({
      SecretId: 's',
      SecretString: '2',
      ClientRequestToken: b,
      VersionStages: ['AWSPENDING', 'mine'],
    });
    await bot.updateSecretVersionStage({
      SecretId: 's',
      VersionStage: 'AWSCURRENT',
      RemoveFromVersionId: a,
      MoveToVersionId: b,
    });
    await bot.putSecretValue({ SecretId: 's', SecretString: '3', ClientRequestToken: c });
    expect(await stages(bot, 's')).toEqual({ [b]: ['AWSPREVIOUS', 'mine'], [c]: ['AWSCURRENT'] });
  });

  test('without a value it is refused, and so is a missing secret', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    await expect(bot.putSecretValue({ SecretId: 's' })).rejects.toMatchObject({ name: 'InvalidRequestException' });
    await expect(bot.putSecretValue({ SecretId: 'other', SecretString: 'x' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });
});

describe('updating', () => {
  test('metadata alone makes no version, and the answer names none', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's', SecretString: '1' });
    const before = await stages(bot, 's');
    expect(await bot.updateSecret({ SecretId: 's', Description: 'd', KmsKeyId: 'alias/mine' })).not.toHaveProperty(
      'VersionId',
    );
    expect(await stages(bot, 's')).toEqual(before);
    expect(await bot.describeSecret({ SecretId: 's' })).toMatchObject({ Description: 'd', KmsKeyId: 'alias/mine' });
  });

  test('with a value it is a default put, and LastChangedDate moves on every time', async () => {
    const { bot } = await bench();
    const [a, b] = [token(), token()];
    const { ARN } = await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    const changed: number[] = [];
    const note = async () => changed.push((await bot.describeSecret({ SecretId: 's' })).LastChangedDate!.getTime());
    await note();
    expect(await bot.updateSecret({ SecretId: ARN, SecretString: '1', ClientRequestToken: b })).toMatchObject({
      VersionId: b,
    });
    await note();
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT'] });
    await bot.updateSecret({ SecretId: 's', SecretString: '1' });
    await note();
    expect(changed[0]).toBeLessThan(changed[1]!);
    expect(changed[1]).toBeLessThan(changed[2]!);
  });

  test('same token and same value succeeds, against the letter of the reference', async () => {
    const { bot } = await bench();
    const id = token();
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: id });
    expect(await bot.updateSecret({ SecretId: 's', SecretString: '1', ClientRequestToken: id })).toMatchObject({
      VersionId: id,
    });
  });
});

describe('moving a label', () => {
  async function pair() {
    const stand = await bench();
    const [a, b] = [token(), token()];
    await stand.bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await stand.bot.putSecretValue({
      SecretId: 's',
      SecretString: '2',
      ClientRequestToken: b,
      VersionStages: ['AWSPENDING', 'mine'],
    });
    const move = (VersionStage: string, RemoveFromVersionId?: string, MoveToVersionId?: string) =>
      stand.bot.updateSecretVersionStage({ SecretId: 's', VersionStage, RemoveFromVersionId, MoveToVersionId });
    return { ...stand, a, b, move, now: () => stages(stand.bot, 's') };
  }

  test('AWSCURRENT leaves AWSPREVIOUS behind; the target keeps its other labels, and a default read follows', async () => {
    const { bot, a, b, move, now } = await pair();
    expect(await move('AWSCURRENT', a, b)).toMatchObject({ Name: 's' });
    expect(await now()).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT', 'AWSPENDING', 'mine'] });
    expect((await bot.getSecretValue({ SecretId: 's' })).SecretString).toBe('2');
  });

  test('back again: the labels change places', async () => {
    const { a, b, move, now } = await pair();
    await move('AWSCURRENT', a, b);
    await move('AWSCURRENT', b, a);
    expect(await now()).toEqual({ [a]: ['AWSCURRENT'], [b]: ['AWSPENDING', 'AWSPREVIOUS', 'mine'] });
  });

  test('a put takes AWSPENDING from the version that is current', async () => {
    const { bot, a, b, move, now } = await pair();
    const c = token();
    await move('AWSCURRENT', a, b);
    await bot.putSecretValue({
      SecretId: 's',
      SecretString: '3',
      ClientRequestToken: c,
      VersionStages: ['AWSPENDING'],
    });
    expect(await now()).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT', 'mine'], [c]: ['AWSPENDING'] });
  });

  test('it is a compare-and-swap: the holder must be named, and rightly', async () => {
    const { a, b, move, now } = await pair();
    const before = await now();
    await expect(move('AWSCURRENT', undefined, b)).rejects.toMatchObject({
      name: 'InvalidParameterException',
      message: `The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version ${a}, so you must explicitly reference that version in RemoveFromVersionId.`,
    });
    await expect(move('AWSCURRENT', b, a)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    await expect(move('AWSPENDING', undefined, a)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    await expect(move('nobody', a, b)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    expect(await now()).toEqual(before);
  });

  test('a move that has been made cannot be repeated', async () => {
    const { a, b, move, now } = await pair();
    await move('AWSCURRENT', a, b);
    const after = await now();
    await expect(move('AWSCURRENT', a, b)).rejects.toMatchObject({ name: 'InvalidParameterException' });
    expect(await now()).toEqual(after);
  });

  test('to an unknown version is refused, and AWSCURRENT is not lost', async () => {
    const { a, move, now } = await pair();
    const before = await now();
    await expect(move('AWSCURRENT', a, token())).rejects.toMatchObject({ name: 'InvalidParameterException' });
    expect(await now()).toEqual(before);
  });

  test('without a target the label is removed; a new label is attached without a holder', async () => {
    const { a, b, move, now } = await pair();
    await move('AWSPENDING', b);
    await move('fresh', undefined, a);
    expect(await now()).toEqual({ [a]: ['AWSCURRENT', 'fresh'], [b]: ['mine'] });
    await expect(move('AWSPENDING', b)).rejects.toMatchObject({ name: 'InvalidParameterException' });
  });

  test('AWSPREVIOUS is left alone when another label moves', async () => {
    const { bot, a, b, move, now } = await pair();
    const c = token();
    await bot.putSecretValue({ SecretId: 's', SecretString: '3', ClientRequestToken: c });
    await move('mine', b, c);
    expect(await now()).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSPENDING'], [c]: ['AWSCURRENT', 'mine'] });
  });
});

describe('quotas', () => {
  test('20 labels on all versions of a secret, and 20 in one call', async () => {
    const { bot } = await bench();
    const labels = (n: number) => Array.from({ length: n }, (_, i) => `label${i}`);
    const [a, b] = [token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    await expect(
      bot.putSecretValue({ SecretId: 's', SecretString: '2', VersionStages: labels(21) }),
    ).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(
      bot.putSecretValue({ SecretId: 's', SecretString: '2', VersionStages: labels(20) }),
    ).rejects.toMatchObject({ name: 'LimitExceededException' });
    await bot.putSecretValue({ SecretId: 's', SecretString: '2', ClientRequestToken: b, VersionStages: labels(19) });
    await expect(
      bot.updateSecretVersionStage({ SecretId: 's', VersionStage: 'one more', MoveToVersionId: a }),
    ).rejects.toMatchObject({ name: 'LimitExceededException' });
    await bot.updateSecretVersionStage({
      SecretId: 's',
      VersionStage: 'label0',
      RemoveFromVersionId: b,
      MoveToVersionId: a,
    });
    expect((await stages(bot, 's'))[a]).toEqual(['AWSCURRENT', 'label0']);
  });

  test('over 100 versions the unlabelled ones older than a day go, the oldest first', async () => {
    const { bot, control } = await bench();
    const ids = Array.from({ length: 105 }, token);
    await bot.createSecret({ Name: 's', SecretString: 'v', ClientRequestToken: ids[0] });
    await bot.updateSecretVersionStage({ SecretId: 's', VersionStage: 'keep', MoveToVersionId: ids[0] });
    for (const ClientRequestToken of ids.slice(1))
      await bot.putSecretValue({ SecretId: 's', SecretString: 'v', ClientRequestToken });
    const count = async () => {
      const seen: string[] = [];
      let NextToken: string | undefined;
      do {
        const page = await bot.listSecretVersionIds({ SecretId: 's', IncludeDeprecated: true, NextToken });
        seen.push(...page.Versions!.map(({ VersionId }) => VersionId!));
        NextToken = page.NextToken;
      } while (NextToken);
      return seen;
    };
    expect(await count()).toEqual(ids);

    control.advance(25 * 3_600_000);
    const last = token();
    await bot.putSecretValue({ SecretId: 's', SecretString: 'v', ClientRequestToken: last });
    expect(await count()).toEqual([ids[0], ...ids.slice(7), last]);
  });

  test.each([
    ['a text of 65,536 bytes', 'x'.repeat(65_536), true],
    ['a text of 65,537 bytes', 'x'.repeat(65_537), false],
    ['65,536 characters that are more bytes', 'é'.repeat(65_536), false],
    ['control characters that are long in JSON', '\u0001'.repeat(65_536), true],
  ])('a value of %s', async (_what, SecretString, fits) => {
    const { bot } = await bench();
    const made = bot.createSecret({ Name: 's', SecretString });
    if (fits) {
      await made;
      expect((await bot.getSecretValue({ SecretId: 's' })).SecretString).toBe(SecretString);
    } else {
      await expect(made).rejects.toMatchObject({ name: 'ValidationException' });
      await expect(made).rejects.toThrow(/^1 validation error detected: Value at 'secretString'/);
    }
  });

  test('a binary value of 65,536 bytes, and none of one more', async () => {
    const { bot } = await bench();
    const SecretBinary = new Uint8Array(65_536).fill(255);
    await bot.createSecret({ Name: 's', SecretBinary });
    expect(Buffer.from((await bot.getSecretValue({ SecretId: 's' })).SecretBinary!)).toEqual(Buffer.from(SecretBinary));
    await expect(bot.putSecretValue({ SecretId: 's', SecretBinary: new Uint8Array(65_537) })).rejects.toMatchObject({
      name: 'ValidationException',
    });
  });

  test.each(['short', 'x'.repeat(31), 'x'.repeat(65)])(
    'a token of the wrong length is refused',
    async (ClientRequestToken) => {
      const { bot } = await bench();
      await expect(bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken })).rejects.toMatchObject({
        name: 'ValidationException',
      });
    },
  );

  test('a sha-256 in hexadecimal is a good token', async () => {
    const { bot } = await bench();
    expect(await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: 'a1'.repeat(32) })).toMatchObject(
      { VersionId: 'a1'.repeat(32) },
    );
  });
});
