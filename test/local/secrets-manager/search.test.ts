import type { Filter } from '@aws-sdk/client-secrets-manager';
import { describe, expect, test } from 'vitest';
import { type Bench, bench } from './stand.ts';

type Made = { Name: string; Description?: string; Tags?: { Key: string; Value: string }[] };

async function filled(secrets: Made[]): Promise<Bench> {
  const stand = await bench();
  for (const secret of secrets) await stand.bot.createSecret({ SecretString: 's', ...secret });
  return stand;
}

const only = (Key: Filter['Key'], ...Values: string[]): Filter[] => [{ Key, Values }];

async function names({ bot }: Bench, Filters: Filter[]): Promise<string[]> {
  return (await bot.listSecrets({ Filters })).SecretList!.map(({ Name }) => Name!);
}

test('by name: a case-sensitive prefix, and its negation', async () => {
  const stand = await filled(
    ['testing1/one', '/testing2/two', 'testing3/three', '/testing4/four'].map((Name) => ({ Name })),
  );
  expect(await names(stand, only('name', '/'))).toEqual(['/testing2/two', '/testing4/four']);
  expect(await names(stand, only('name', '!/'))).toEqual(['testing1/one', 'testing3/three']);
  expect(await names(stand, only('name', 'Testing'))).toEqual([]);
  expect(await names(stand, only('name', 'testing1 one'))).toEqual([]);
  expect(await names(stand, only('name', 'testing1', 'testing3'))).toEqual(['testing1/one', 'testing3/three']);
});

test.each<[string, Filter[], string[]]>([
  ['words that begin so', only('description', 'a'), ['1', '2', '3']],
  ['no such word', only('description', '!a'), ['4']],
  ['every word asked for', only('description', 'a secret'), ['1', '2']],
  ['not case-sensitive', only('description', 'A SECRET'), ['1', '2']],
  ['nobody has it', only('description', '!c'), ['1', '2', '3', '4']],
  ['two filters: both', [...only('description', 'a'), ...only('name', '2')], ['2']],
  ['the same key twice: both', [...only('description', 'an'), ...only('description', 'secret')], ['2']],
])('by description: %s', async (_what, filters, expected) => {
  const texts = ['a secret', 'an secret', 'asecret', 'thesecret'];
  const stand = await filled(texts.map((Description, i) => ({ Name: String(i + 1), Description })));
  expect(await names(stand, filters)).toEqual(expected);
});

test('values of one filter are alternatives, a negated one too', async () => {
  const stand = await filled([
    { Name: 'foo', Description: 'one two' },
    { Name: 'bar', Description: 'one and two' },
    { Name: 'baz', Description: 'one' },
    { Name: 'qux', Description: 'two' },
    { Name: 'none', Description: 'unrelated' },
  ]);
  expect(await names(stand, only('description', 'o t'))).toEqual(['foo', 'bar']);
  expect(await names(stand, only('description', 't'))).toEqual(['foo', 'bar', 'qux']);
  expect(await names(stand, only('description', 'one', '!two'))).toEqual(['foo', 'bar', 'baz', 'none']);
});

test('by tags: prefixes, case-sensitive; negation means that no tag fits', async () => {
  const tagged = (Name: string, ...pairs: [string, string][]) => ({
    Name,
    Tags: pairs.map(([Key, Value]) => ({ Key, Value })),
  });
  const stand = await filled([
    tagged('a', ['team', 'red'], ['env', 'prod']),
    tagged('b', ['Team', 'blue']),
    tagged('c'),
  ]);
  expect(await names(stand, only('tag-key', 'te'))).toEqual(['a']);
  expect(await names(stand, only('tag-value', 'bl'))).toEqual(['b']);
  expect(await names(stand, only('tag-key', '!env'))).toEqual(['b', 'c']);
  expect(await names(stand, [...only('tag-key', 'team'), ...only('tag-value', 'prod')])).toEqual(['a']);
});

describe('by everything', () => {
  test.each<[string, string[]]>([
    ['SecretOne', ['SecretOne']],
    ['foo', ['SecretFTag', 'SecretFValue']],
    ['Secret', ['SecretOne', 'SecretTwo', 'SecretFTag', 'SecretFValue']],
    ['secret', ['SecretOne', 'SecretTwo', 'SecretFTag', 'SecretFValue']],
    ['sec', ['SecretOne', 'SecretTwo', 'SecretFTag', 'SecretFValue']],
    ['ret', []],
    ['SomeSecret', []],
    ['d', ['SecretTwo']],
    ['d t', ['SecretTwo']],
    ['t', ['SecretTwo', 'Thirdsecret', 'SecretFTag']],
  ])('%s', async (text, expected) => {
    const stand = await filled([
      { Name: 'SecretOne' },
      { Name: 'SecretTwo', Description: 'DescTwo' },
      { Name: 'Thirdsecret' },
      { Name: 'SecretFTag', Tags: [{ Key: '1', Value: 'foo' }] },
      { Name: 'SecretFValue', Tags: [{ Key: 'foo', Value: 'v' }] },
      { Name: 'none' },
    ]);
    expect(await names(stand, only('all', text))).toEqual(expected);
  });

  const separators = ['/', '_', '+', '=', '.', '@', '-'].map((c) => `prod${c}AppBeta${c}0f1e`);
  test.each<[string[], string[]]>([
    [['AppBeta'], separators],
    [['Beta'], separators],
    [['AppBeta', 'prod'], separators],
    [['+'], []],
    [['0f1e'], [...separators, 'uat/COMPANY/0f1e', 'uat/COMPANYthings/0f1e']],
    [['company'], ['uat/COMPANY/0f1e']],
    [['things'], []],
    [['Ythings'], ['uat/COMPANYthings/0f1e']],
    [['N'], []],
    [['pany'], []],
  ])('special characters and capitals separate words: %j', async (values, expected) => {
    const stand = await filled([...separators, 'uat/COMPANY/0f1e', 'uat/COMPANYthings/0f1e'].map((Name) => ({ Name })));
    expect(await names(stand, only('all', ...values))).toEqual(expected);
  });
});

test.each<[string, Filter[], string]>([
  ['an unknown key', [{ Key: 'invalid' as 'name', Values: ['x'] }], 'ValidationException'],
  ['no key', [{ Values: ['x'] }], 'InvalidParameterException'],
  ['no values', [{ Key: 'name' }], 'InvalidParameterException'],
  ['eleven filters', Array.from({ length: 11 }, () => only('name', 'x')[0]!), 'ValidationException'],
  ['eleven values', only('name', ...Array.from({ length: 11 }, String)), 'ValidationException'],
  ['a value of odd letters', only('name', 'a*b'), 'ValidationException'],
  ['a value of 513 letters', only('name', 'x'.repeat(513)), 'ValidationException'],
])('a filter with %s is refused', async (_what, Filters, name) => {
  const { bot } = await bench();
  await expect(bot.listSecrets({ Filters })).rejects.toMatchObject({ name });
});

test('an entry holds the metadata and the labels, and no value', async () => {
  const { bot } = await filled([{ Name: 's', Description: 'd', Tags: [{ Key: 'k', Value: 'v' }] }]);
  const [entry] = (await bot.listSecrets({})).SecretList!;
  expect(Object.keys(entry!).sort()).toEqual([
    'ARN',
    'CreatedDate',
    'Description',
    'LastChangedDate',
    'Name',
    'SecretVersionsToStages',
    'Tags',
  ]);
  expect(Object.values(entry!.SecretVersionsToStages!)).toEqual([['AWSCURRENT']]);
});

test.each(['name', 'created-date', 'last-changed-date', 'last-accessed-date'] as const)(
  'sorting by %s, both ways',
  async (SortBy) => {
    let ms = Date.parse('2026-01-01T00:00:00Z');
    const clock = () => {
      ms += 1000;
      return new Date(ms);
    };
    const { bot, control } = await bench({ clock });
    for (const Name of ['b', 'c', 'a']) await bot.createSecret({ Name, SecretString: 's' });
    for (const SecretId of ['c', 'a', 'b']) await bot.updateSecret({ SecretId, Description: 'd' });
    for (const SecretId of ['a', 'b', 'c']) {
      await bot.getSecretValue({ SecretId });
      control.advance(86_400_000);
    }
    const order = async (SortOrder?: 'asc' | 'desc') =>
      (await bot.listSecrets({ SortBy, SortOrder })).SecretList!.map(({ Name }) => Name).join('');
    const expected = { name: 'abc', 'created-date': 'bca', 'last-changed-date': 'cab', 'last-accessed-date': 'abc' }[
      SortBy
    ];
    expect(await order('asc')).toBe(expected);
    expect(await order()).toBe(expected);
    expect(await order('desc')).toBe(expected.split('').reverse().join(''));
  },
);

describe('pages', () => {
  async function all({ bot }: Bench, ask: object, between?: () => Promise<unknown>): Promise<string[][]> {
    const pages: string[][] = [];
    let NextToken: string | undefined;
    do {
      const page = await bot.listSecrets({ ...ask, NextToken });
      pages.push(page.SecretList!.map(({ Name }) => Name!));
      NextToken = page.NextToken;
      await between?.();
    } while (NextToken);
    return pages;
  }
  const five = ['a', 'b', 'c', 'd', 'e'].map((Name) => ({ Name }));

  test('every secret is shown once, and the last page has no token', async () => {
    const stand = await filled(five);
    expect(await all(stand, { MaxResults: 2 })).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
    expect(await all(stand, { MaxResults: 5 })).toEqual([['a', 'b', 'c', 'd', 'e']]);
  });

  test('a page may be empty and still have a token', async () => {
    const stand = await filled(five);
    stand.control.inject({ kind: 'empty-page' });
    expect(await all(stand, { MaxResults: 3 })).toEqual([[], ['a', 'b', 'c'], ['d', 'e']]);
  });

  test('a secret that goes in between hides no other', async () => {
    const stand = await filled(five);
    let gone = false;
    const pages = await all(stand, { MaxResults: 2 }, async () => {
      if (!gone) await stand.bot.deleteSecret({ SecretId: 'a', ForceDeleteWithoutRecovery: true });
      gone = true;
    });
    expect(pages.flat()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('a token is good for its own question only', async () => {
    const { bot } = await filled(five);
    const { NextToken } = await bot.listSecrets({ MaxResults: 2 });
    for (const ask of [
      { NextToken: 'x' },
      { NextToken, SortBy: 'name' as const },
      { NextToken: Buffer.from('[1]').toString('base64url') },
    ]) {
      await expect(bot.listSecrets(ask)).rejects.toMatchObject({ name: 'InvalidNextTokenException' });
    }
    await expect(bot.listSecretVersionIds({ SecretId: 'a', NextToken })).rejects.toMatchObject({
      name: 'InvalidNextTokenException',
    });
  });

  test.each([0, 101])('MaxResults %i is refused', async (MaxResults) => {
    const { bot } = await bench();
    await expect(bot.listSecrets({ MaxResults })).rejects.toMatchObject({ name: 'ValidationException' });
  });

  test('versions come in pages too', async () => {
    const { bot } = await filled([{ Name: 's' }]);
    await bot.putSecretValue({ SecretId: 's', SecretString: '2' });
    const first = await bot.listSecretVersionIds({ SecretId: 's', MaxResults: 1 });
    const second = await bot.listSecretVersionIds({ SecretId: 's', MaxResults: 1, NextToken: first.NextToken });
    expect([first, second].map(({ Versions }) => Versions!.map(({ VersionStages }) => VersionStages))).toEqual([
      [['AWSPREVIOUS']],
      [['AWSCURRENT']],
    ]);
    expect(second.NextToken).toBeUndefined();
  });
});
