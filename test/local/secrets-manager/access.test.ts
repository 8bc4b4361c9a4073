import { describe, expect, test } from 'vitest';
import { type Context, type Decision, decide, everything } from '../../../src/local/secrets-manager/access.ts';
import { isPublic, parsedPolicy, type Statement } from '../../../src/local/secrets-manager/policy.ts';
import { type Bench, bench, token } from './stand.ts';

const account = '123456789012';
const alice = `arn:aws:iam::${account}:user/alice`;
const role = `arn:aws:iam::${account}:role/team/reader`;
const session = `arn:aws:sts::${account}:assumed-role/reader/alice`;
const stranger = 'arn:aws:iam::999999999999:user/mallory';
const secretArn = `arn:aws:secretsmanager:us-east-1:${account}:secret:s-AbCdEf`;
const allow = (change: Partial<Statement> = {}): Statement => ({
  Effect: 'Allow',
  Principal: { AWS: alice },
  Action: 'secretsmanager:GetSecretValue',
  Resource: '*',
  ...change,
});
const deny = (change: Partial<Statement> = {}): Statement => allow({ Effect: 'Deny', ...change });
const text = (...Statement: Statement[]) => JSON.stringify({ Version: '2012-10-17', Statement });

const facts: Record<string, string[]> = {
  'aws:currenttime': ['2026-11-24T12:00:00.000Z'],
  'aws:epochtime': [String(Date.parse('2026-11-24T12:00:00Z') / 1000)],
  'aws:principalarn': [alice],
  'aws:username': ['alice'],
  'aws:sourceip': ['10.1.2.3'],
  'aws:securetransport': ['true'],
  'aws:resourcetag/env': ['prod'],
  'aws:tagkeys': ['a', 'b'],
};

function decided(
  statements: Statement[],
  change: { arn?: string; action?: string; identity?: Statement[]; context?: Record<string, string[]> } = {},
): Decision {
  const context: Context = new Map(Object.entries({ ...facts, ...change.context }));
  return decide({
    principal: { arn: change.arn ?? alice, policies: change.identity ? [{ Statement: change.identity }] : [] },
    action: change.action ?? 'secretsmanager:GetSecretValue',
    resource: secretArn,
    accountId: account,
    context,
    resourcePolicy: statements.length > 0 ? parsedPolicy(text(...statements)) : undefined,
  });
}

const identityAllow: Statement[] = [{ Effect: 'Allow', Action: 'secretsmanager:*', Resource: '*' }];
const identityDeny: Statement[] = [{ Effect: 'Deny', Action: '*', Resource: '*' }];

describe('who is allowed', () => {
  test.each<[string, Statement[], Parameters<typeof decided>[1], Decision]>([
    ['nobody without a policy', [], {}, 'implicit-deny'],
    ['whoever the policy of the secret names', [allow()], {}, 'allowed'],
    ['not another person', [allow()], { arn: `${alice}x` }, 'implicit-deny'],
    ['whoever an identity policy allows, without a policy on the secret', [], { identity: identityAllow }, 'allowed'],
    [
      'an Allow on either side is enough: a window does not limit who is allowed anyway',
      [allow({ Condition: { DateLessThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' } } })],
      { identity: identityAllow },
      'allowed',
    ],
    ['a Deny on the secret wins', [allow(), deny()], { identity: identityAllow }, 'explicit-deny'],
    ['a Deny of the identity wins', [allow()], { identity: identityDeny }, 'explicit-deny'],
    ['not another action', [allow()], { action: 'secretsmanager:DescribeSecret' }, 'implicit-deny'],
    ['actions are not case-sensitive', [allow({ Action: 'secretsmanager:getsecretvalue' })], {}, 'allowed'],
    ['a pattern of actions', [allow({ Action: 'secretsmanager:Get*' })], {}, 'allowed'],
    [
      'one of several actions',
      [allow({ Action: ['secretsmanager:DescribeSecret', 'secretsmanager:GetSecretValue'] })],
      {},
      'allowed',
    ],
    ['all actions but one', [allow({ NotAction: 'secretsmanager:GetSecretValue' })], {}, 'implicit-deny'],
    ['everybody', [allow({ Principal: '*' })], {}, 'allowed'],
    ['everybody, in the other form', [allow({ Principal: { AWS: '*' } })], {}, 'allowed'],
    [
      'the account as principal only delegates',
      [allow({ Principal: { AWS: `arn:aws:iam::${account}:root` } })],
      {},
      'implicit-deny',
    ],
    [
      'the account as principal, with an identity policy',
      [allow({ Principal: { AWS: account } })],
      { identity: identityAllow },
      'allowed',
    ],
    [
      'a Deny for the account hits everyone in it',
      [deny({ Principal: { AWS: account } })],
      { identity: identityAllow },
      'explicit-deny',
    ],
    [
      'a session of the role named, its path notwithstanding',
      [allow({ Principal: { AWS: role } })],
      { arn: session },
      'allowed',
    ],
    ['the session itself', [allow({ Principal: { AWS: session } })], { arn: session }, 'allowed'],
    [
      'not the session of another role',
      [allow({ Principal: { AWS: role.replace('reader', 'writer') } })],
      { arn: session },
      'implicit-deny',
    ],
    ['not a service', [allow({ Principal: { Service: 'lambda.amazonaws.com' } })], {}, 'implicit-deny'],
    ['a Deny for all but one spares that one', [allow(), deny({ NotPrincipal: { AWS: alice } })], {}, 'allowed'],
    [
      'a Deny for all but one hits the others',
      [deny({ NotPrincipal: { AWS: alice } })],
      { arn: session, identity: identityAllow },
      'explicit-deny',
    ],
    ['the ARN of this secret as resource', [allow({ Resource: secretArn })], {}, 'allowed'],
    [
      'a pattern of secrets',
      [allow({ Resource: `arn:aws:secretsmanager:*:${account}:secret:s-??????` })],
      {},
      'allowed',
    ],
    ['not another secret', [allow({ Resource: `${secretArn}x` })], {}, 'implicit-deny'],
    [
      'from another account both sides must allow: not the secret alone',
      [allow({ Principal: { AWS: stranger } })],
      { arn: stranger },
      'implicit-deny',
    ],
    [
      'from another account both sides must allow: not the identity alone',
      [],
      { arn: stranger, identity: identityAllow },
      'implicit-deny',
    ],
    [
      'from another account both sides must allow: both',
      [allow({ Principal: { AWS: stranger } })],
      { arn: stranger, identity: identityAllow },
      'allowed',
    ],
  ])('%s', (_what, statements, change, expected) => {
    const clean = statements.map((statement) => {
      const { NotAction, NotPrincipal } = statement as Statement;
      const copy = { ...statement };
      if (NotAction) delete copy.Action;
      if (NotPrincipal) delete copy.Principal;
      return copy;
    });
    expect(decided(clean, change)).toBe(expected);
  });
});

const before = '2026-11-24T11:59:59Z';
const exactly = '2026-11-24T12:00:00Z';
const after = '2026-11-24T12:00:01Z';

describe('conditions', () => {
  test.each<[string, Statement['Condition'], boolean]>([
    [
      'a window we are in',
      { DateGreaterThanEquals: { 'aws:CurrentTime': before }, DateLessThan: { 'aws:CurrentTime': after } },
      true,
    ],
    ['a window that begins now', { DateGreaterThanEquals: { 'aws:CurrentTime': exactly } }, true],
    ['a window that ends now', { DateLessThan: { 'aws:CurrentTime': exactly } }, false],
    ['a window that ends now, inclusive', { DateLessThanEquals: { 'aws:CurrentTime': exactly } }, true],
    ['after now', { DateGreaterThan: { 'aws:CurrentTime': exactly } }, false],
    ['a date as a day', { DateGreaterThan: { 'aws:CurrentTime': '2026-11-24' } }, true],
    ['a date with an offset', { DateEquals: { 'aws:CurrentTime': '2026-11-24T13:00:00+01:00' } }, true],
    ['a date in seconds', { DateLessThan: { 'aws:CurrentTime': String(Date.parse(after) / 1000) } }, true],
    ['the epoch key with a date', { DateLessThan: { 'aws:EpochTime': after } }, true],
    ['the epoch key with a number', { NumericGreaterThan: { 'aws:EpochTime': Date.parse(exactly) / 1000 } }, false],
    ['no such date', { DateNotEquals: { 'aws:CurrentTime': exactly } }, false],
    ['a key that was not passed', { StringEquals: { 'secretsmanager:VersionStage': 'AWSCURRENT' } }, false],
    [
      'a key that was not passed, if it exists',
      { StringEqualsIfExists: { 'secretsmanager:VersionStage': 'AWSCURRENT' } },
      true,
    ],
    [
      'a negated test of a key that was not passed',
      { StringNotEquals: { 'secretsmanager:VersionStage': 'AWSCURRENT' } },
      true,
    ],
    ['Null: the key was not passed', { Null: { 'secretsmanager:VersionStage': 'true' } }, true],
    ['Null: the key was passed', { Null: { 'aws:PrincipalArn': 'false' } }, true],
    ['one of several values', { StringEquals: { 'aws:ResourceTag/env': ['dev', 'prod'] } }, true],
    ['none of several values', { StringNotEquals: { 'aws:ResourceTag/env': ['dev', 'prod'] } }, false],
    ['text is case-sensitive', { StringEquals: { 'aws:ResourceTag/env': 'Prod' } }, false],
    ['or not', { StringEqualsIgnoreCase: { 'aws:ResourceTag/env': 'PROD' } }, true],
    ['keys are not case-sensitive', { StringEquals: { 'AWS:resourcetag/ENV': 'prod' } }, true],
    ['a pattern', { StringLike: { 'aws:ResourceTag/env': 'p?o*' } }, true],
    ['no pattern in StringEquals', { StringEquals: { 'aws:ResourceTag/env': 'p*' } }, false],
    ['a pattern of ARNs', { ArnLike: { 'aws:PrincipalArn': `arn:aws:iam::${account}:user/*` } }, true],
    ['an ARN pattern does not cross a colon', { ArnLike: { 'aws:PrincipalArn': 'arn:aws:*:user/alice' } }, false],
    ['no such ARN', { ArnNotEquals: { 'aws:PrincipalArn': alice } }, false],
    ['a boolean', { Bool: { 'aws:SecureTransport': true } }, true],
    ['an address in a range', { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, true],
    ['an address out of a range', { IpAddress: { 'aws:SourceIp': ['11.0.0.0/8', '2001:db8::/32'] } }, false],
    ['not in a range', { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, false],
    ['all conditions must hold', { StringEquals: { 'aws:ResourceTag/env': 'prod', 'aws:username': 'bob' } }, false],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how policies write a variable.
    ['a variable', { StringEquals: { 'aws:username': '${aws:username}' } }, true],
    ['every value', { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['a', 'b', 'c'] } }, true],
    ['not every value', { 'ForAllValues:StringEquals': { 'aws:TagKeys': ['a'] } }, false],
    ['some value', { 'ForAnyValue:StringEquals': { 'aws:TagKeys': ['b', 'z'] } }, true],
    ['some value of none', { 'ForAnyValue:StringEquals': { 'aws:RequestTag/x': 'y' } }, false],
    ['every value of none', { 'ForAllValues:StringEquals': { 'aws:RequestTag/x': 'y' } }, true],
  ])('%s', (_what, Condition, holds) => {
    expect(decided([allow({ Condition: Condition! })])).toBe(holds ? 'allowed' : 'implicit-deny');
    expect(decided([deny({ Condition: Condition! })], { identity: identityAllow })).toBe(
      holds ? 'explicit-deny' : 'allowed',
    );
  });
});

describe('a policy is refused', () => {
  const broken: [string, string][] = [
    ['that is no JSON', '{"Version":'],
    ['that is no object', '[]'],
    ['of another version', JSON.stringify({ Version: '2020-01-01', Statement: [allow()] })],
    ['without a statement', JSON.stringify({ Version: '2012-10-17', Statement: [] })],
    ['with an unknown member', JSON.stringify({ Version: '2012-10-17', Statement: [allow()], Extra: 1 })],
    ['with an unknown member of a statement', text({ ...allow(), Extra: 1 } as Statement)],
    ['without an effect', text({ ...allow(), Effect: undefined } as unknown as Statement)],
    ['with another effect', text({ ...allow(), Effect: 'allow' } as unknown as Statement)],
    ['without a principal', text({ ...allow(), Principal: undefined } as unknown as Statement)],
    ['without an action', text({ ...allow(), Action: undefined } as unknown as Statement)],
    ['without a resource', text({ ...allow(), Resource: undefined } as unknown as Statement)],
    ['with an unknown operator', text(allow({ Condition: { DateBefore: { 'aws:CurrentTime': after } } }))],
    ['with no date', text(allow({ Condition: { DateLessThan: { 'aws:CurrentTime': 'tomorrow' } } }))],
    ['with one Sid twice', text(allow({ Sid: 'a' }), allow({ Sid: 'a' }))],
    ['for a deleted user', text(allow({ Principal: { AWS: 'AIDAJQABLZS4A3QDU576Q' } }))],
    ['for a principal that cannot be', text(allow({ Principal: { AWS: 'arn:aws:iam::1:user/a' } }))],
  ];
  test.each(broken)('%s', async (_what, ResourcePolicy) => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    await expect(bot.putResourcePolicy({ SecretId: 's', ResourcePolicy })).rejects.toMatchObject({
      name: 'MalformedPolicyDocumentException',
    });
    await expect(bot.validateResourcePolicy({ ResourcePolicy })).rejects.toMatchObject({
      name: 'MalformedPolicyDocumentException',
    });
    expect(await bot.getResourcePolicy({ SecretId: 's' })).not.toHaveProperty('ResourcePolicy');
  });

  test('for a deleted user, in words that say so', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    await expect(bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: broken.at(-2)![1] })).rejects.toThrow(
      /unsupported principal/,
    );
  });

  test('longer than 20,480 characters', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    const ResourcePolicy = `${text(allow())}${' '.repeat(20_480)}`;
    await expect(bot.putResourcePolicy({ SecretId: 's', ResourcePolicy })).rejects.toMatchObject({
      name: 'ValidationException',
    });
  });
});

describe('public policies', () => {
  const cases: [string, Statement, boolean][] = [
    ['a named principal', allow(), false],
    ['everybody', allow({ Principal: '*' }), true],
    ['everybody among others', allow({ Principal: { AWS: [alice, '*'] } }), true],
    ['everybody denied', deny({ Principal: '*' }), false],
    [
      'everybody for a while',
      allow({ Principal: '*', Condition: { DateLessThan: { 'aws:CurrentTime': after } } }),
      true,
    ],
    [
      'everybody of one account',
      allow({ Principal: '*', Condition: { StringEquals: { 'aws:PrincipalAccount': account } } }),
      false,
    ],
    [
      'everybody of any account',
      allow({ Principal: '*', Condition: { StringLike: { 'aws:PrincipalAccount': '*' } } }),
      true,
    ],
    [
      'everybody, if it exists',
      allow({ Principal: '*', Condition: { StringEqualsIfExists: { 'aws:PrincipalAccount': account } } }),
      true,
    ],
    [
      'everybody from anywhere',
      allow({ Principal: '*', Condition: { IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } } }),
      true,
    ],
  ];
  test.each(cases)('%s', async (_what, statement, isBroad) => {
    expect(isPublic(parsedPolicy(text(statement)))).toBe(isBroad);
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    const ask = { SecretId: 's', ResourcePolicy: text(statement) };
    expect((await bot.validateResourcePolicy(ask)).PolicyValidationPassed).toBe(!isBroad);
    const put = bot.putResourcePolicy({ ...ask, BlockPublicPolicy: true });
    if (isBroad) await expect(put).rejects.toMatchObject({ name: 'PublicPolicyException' });
    else await put;
  });

  test('are allowed unless blocked', async () => {
    const { bot } = await bench();
    await bot.createSecret({ Name: 's' });
    await bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: text(allow({ Principal: '*' })) });
  });
});

describe('through the SDK', () => {
  async function withPeople(): Promise<Bench> {
    const stand = await bench({
      clock: () => new Date('2026-11-24T12:00:00Z'),
      principals: { ALICE: alice, READER: session, MALLORY: { arn: stranger, policies: [everything] } },
    });
    await stand.bot.createSecret({ Name: 's', SecretString: 'v' });
    return stand;
  }
  const window = (Sid: string, AWS: string, from: string, to: string) =>
    allow({
      Sid,
      Principal: { AWS },
      Action: ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'],
      Condition: { DateGreaterThanEquals: { 'aws:CurrentTime': from }, DateLessThan: { 'aws:CurrentTime': to } },
    });

  test('a grant begins, holds and ends by itself, and gives nothing else', async () => {
    const { bot, as, control } = await withPeople();
    const person = as({ accessKeyId: 'ALICE' });
    const policy = text(window('secbot-1', alice, '2026-11-24T13:00:00Z', '2026-11-24T14:00:00Z'));
    await bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: policy, BlockPublicPolicy: true });
    const denied = { name: 'AccessDeniedException', $metadata: { httpStatusCode: 400 } };

    await expect(person.getSecretValue({ SecretId: 's' })).rejects.toMatchObject(denied);
    control.advance(3_600_000);
    expect((await person.getSecretValue({ SecretId: 's' })).SecretString).toBe('v');
    expect(await person.describeSecret({ SecretId: 's' })).toMatchObject({ Name: 's' });
    for (const call of [
      () => person.putSecretValue({ SecretId: 's', SecretString: 'x' }),
      () => person.deleteSecret({ SecretId: 's' }),
      () => person.getResourcePolicy({ SecretId: 's' }),
      () => person.listSecrets({}),
      () => person.createSecret({ Name: 'mine' }),
      () => person.getRandomPassword({}),
    ]) {
      await expect(call()).rejects.toMatchObject(denied);
    }
    await expect(as({ accessKeyId: 'READER' }).getSecretValue({ SecretId: 's' })).rejects.toMatchObject(denied);
    control.advance(3_600_000);
    await expect(person.getSecretValue({ SecretId: 's' })).rejects.toMatchObject(denied);
    expect((await bot.getSecretValue({ SecretId: 's' })).SecretString).toBe('v');
  });

  test('whoever may not know that a secret exists is not told', async () => {
    const { as } = await withPeople();
    const person = as({ accessKeyId: 'ALICE' });
    const [there, nowhere] = await Promise.all(
      ['s', 'nowhere'].map((SecretId) => person.getSecretValue({ SecretId }).catch((error: Error) => error)),
    );
    const blind = (error: unknown) => (error as Error).message.replace(/nowhere|\bs\b/g, '…');
    expect(blind(there)).toBe(blind(nowhere));
  });

  test('put replaces, get returns what was put, delete removes and can be repeated', async () => {
    const { bot } = await withPeople();
    const [one, two] = [text(allow({ Sid: 'one' })), text(allow({ Sid: 'two' }))];
    await bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: one });
    await bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: two });
    expect((await bot.getResourcePolicy({ SecretId: 's' })).ResourcePolicy).toBe(two);
    await bot.deleteResourcePolicy({ SecretId: 's' });
    await bot.deleteResourcePolicy({ SecretId: 's' });
    expect(await bot.getResourcePolicy({ SecretId: 's' })).not.toHaveProperty('ResourcePolicy');
  });

  test('a condition on the version asks for what the caller passes', async () => {
    const { bot, as } = await withPeople();
    const person = as({ accessKeyId: 'ALICE' });
    const Condition = { StringEquals: { 'secretsmanager:VersionStage': 'AWSCURRENT' } };
    await bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: text(allow({ Condition })) });
    await expect(person.getSecretValue({ SecretId: 's' })).rejects.toMatchObject({ name: 'AccessDeniedException' });
    expect(await person.getSecretValue({ SecretId: 's', VersionStage: 'AWSCURRENT' })).toMatchObject({
      SecretString: 'v',
    });
  });

  test('a Deny that hits the bot hits the bot', async () => {
    const { bot } = await withPeople();
    await bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: text(deny({ Principal: '*' })) });
    await expect(bot.getSecretValue({ SecretId: 's' })).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('explicit deny') as string,
    });
    await bot.deleteResourcePolicy({ SecretId: 's' });
    expect((await bot.getSecretValue({ SecretId: 's' })).SecretString).toBe('v');
  });

  test('a deleted principal leaves an id in the policy: it reads still, but cannot be put back as it is', async () => {
    const { bot, as, control } = await withPeople();
    const statements = [allow({ Sid: 'gone' }), allow({ Sid: 'stays', Principal: { AWS: session } })];
    await bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: text(...statements) });
    control.deletePrincipal(alice);
    const { ResourcePolicy } = await bot.getResourcePolicy({ SecretId: 's' });
    expect(ResourcePolicy).not.toContain(alice);
    expect(ResourcePolicy).toMatch(/"AIDA[A-Z0-9]{17}"/);
    await expect(bot.putResourcePolicy({ SecretId: 's', ResourcePolicy })).rejects.toThrow(/unsupported principal/);
    await expect(as({ accessKeyId: 'ALICE' }).getSecretValue({ SecretId: 's' })).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
    expect(await as({ accessKeyId: 'READER' }).getSecretValue({ SecretId: 's' })).toMatchObject({ SecretString: 'v' });
  });

  test('a batch needs the permission for the batch and for each secret', async () => {
    const { bot, as, control } = await withPeople();
    control.setPrincipal('BATCHER', {
      arn: alice,
      policies: [{ Statement: [{ Effect: 'Allow', Action: 'secretsmanager:BatchGetSecretValue', Resource: '*' }] }],
    });
    await bot.createSecret({ Name: 'open', SecretString: 'o' });
    await bot.putResourcePolicy({ SecretId: 'open', ResourcePolicy: text(allow()) });
    await expect(as({ accessKeyId: 'ALICE' }).batchGetSecretValue({ SecretIdList: ['open'] })).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
    const { SecretValues, Errors } = await as({ accessKeyId: 'BATCHER' }).batchGetSecretValue({
      SecretIdList: ['open', 's'],
    });
    expect(SecretValues).toMatchObject([{ Name: 'open' }]);
    expect(Errors).toMatchObject([{ SecretId: 's', ErrorCode: 'AccessDeniedException' }]);
  });

  test('from another account a secret under the default key cannot be read', async () => {
    const { bot, as } = await withPeople();
    const other = as({ accessKeyId: 'MALLORY' });
    const { ARN: SecretId } = await bot.describeSecret({ SecretId: 's' });
    await bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: text(allow({ Principal: { AWS: stranger } })) });
    await expect(other.getSecretValue({ SecretId })).rejects.toMatchObject({ name: 'InvalidRequestException' });
    await bot.updateSecret({
      SecretId: 's',
      KmsKeyId: 'arn:aws:kms:us-east-1:123456789012:key/1',
      ClientRequestToken: token(),
    });
    expect((await other.getSecretValue({ SecretId })).SecretString).toBe('v');
  });
});
