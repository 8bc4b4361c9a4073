import { z } from 'zod';

/** Credentials travel over it, so it is TLS, except to this machine itself. */
const baseUrl = z
  .string()
  .regex(
    /^https:\/\/[^\s?#@]+$|^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(\/[^\s?#@]*)?$/,
    'expected an https:// address',
  );
const pointer = z.string().regex(/^(\/([^~/]|~[01])*)*$/, 'expected a JSON pointer such as /data/id');
const status = z.number().int().min(100).max(599);
const each = <K extends string>(kind: K, address: string | null, seconds: number) => ({
  kind: z.literal(kind),
  /** The secret in Secrets Manager that holds the credential; read when it is used, and remembered for ten seconds. */
  credential: z.string().min(1),
  baseUrl: address === null ? baseUrl : baseUrl.default(address),
  /** Where people make and end its keys, for the link on cards, if that is not where everybody does. */
  console: baseUrl.optional(),
  /** How often rotations may ask this provider for something, over all keys. What it says by itself (429, Retry-After) counts as well. */
  callsPerMinute: z.number().int().min(1).default(240),
  /** How long a new key may take to work, or an ended one to stop. */
  propagationSeconds: z.number().int().min(0).max(900).default(seconds),
});
/** What the two parts of a value are called in its JSON document. */
const pairFields = (id: string, secret: string) => {
  const field = z.string().regex(/^\w+$/);
  return z
    .strictObject({ id: field.default(id), secret: field.default(secret) })
    .refine((fields) => fields.id !== fields.secret, 'expected two different names')
    .prefault({});
};
const auth = z.strictObject({ header: z.string().regex(/^[\w-]+$/), prefix: z.string().default('') });
const call = (method: 'GET' | 'POST' | 'DELETE') => ({
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']).default(method),
  /** Under the base URL; `{label}`, `{id}` or `{slot}` are filled in, here and in the body. */
  path: z.string().startsWith('/'),
  body: z.json().optional(),
});
const described = {
  /** How the credential, and where nothing else is said a key, is sent. */
  auth: auth.prefault({ header: 'authorization', prefix: 'Bearer ' }),
  headers: z.record(z.string().regex(/^[\w-]+$/), z.string()).default({}),
  /** Where calls want a token that the credential, a client's id and secret, is changed for (OAuth 2.0, client credentials). */
  token: z
    .strictObject({
      url: baseUrl,
      scope: z.string().min(1).optional(),
      fields: pairFields('client_id', 'client_secret'),
    })
    .optional(),
  /** A call that costs nothing and changes nothing, with the key itself; other statuses prove nothing. */
  test: z.strictObject({
    ...call('GET'),
    /** Where keys are used, if that is another place than where they are managed. */
    baseUrl: baseUrl.optional(),
    auth: auth.optional(),
    works: z.array(status).min(1).default([200]),
    dead: z.array(status).min(1).default([401]),
  }),
};
/** Who issues keys: what each kind of provider has to be told, with the provider's own address and pace as defaults. */
export const providerSchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...each('openai', 'https://api.openai.com/v1', 30), project: z.string().min(1) }),
  z.strictObject({
    ...each('openai-admin', 'https://api.openai.com/v1', 30),
    lifetimeDays: z.number().int().min(2).max(365).nullable().default(null),
  }),
  z.strictObject({
    ...each('sendgrid', 'https://api.sendgrid.com', 60),
    /** What new keys may do, e.g. mail.send. */
    scopes: z.array(z.string().min(1)).min(1),
  }),
  z
    .strictObject({
      ...each('gitlab', 'https://gitlab.com', 30),
      /** A new token beside the old one; or GitLab's own rotation, which ends the old one at the call. */
      method: z.enum(['create', 'rotate']).default('create'),
      of: z.enum(['project', 'group', 'personal']),
      /** Of the project or group. */
      id: z.string().min(1).optional(),
      /** What new tokens may do; a rotated one may do what it could before. */
      scopes: z.array(z.string().min(1)).min(1).optional(),
      /** 30 where nothing is said. */
      accessLevel: z
        .union([z.literal(10), z.literal(15), z.literal(20), z.literal(30), z.literal(40), z.literal(50)])
        .optional(),
      lifetimeDays: z.number().int().min(2).max(365).default(180),
    })
    .refine(({ of, method }) => of !== 'personal' || method === 'rotate', {
      message: 'personal tokens cannot be made by a program, only rotated: `method: rotate`',
      path: ['method'],
    })
    .refine(({ of, id }) => (of === 'personal') === (id === undefined), {
      message: 'expected the id of the project or group, and none for personal tokens',
      path: ['id'],
    })
    .refine(({ method, scopes }) => method === 'rotate' || scopes, {
      message: 'expected what new tokens may do',
      path: ['scopes'],
    })
    .refine(({ method, scopes, accessLevel }) => method === 'create' || (!scopes && !accessLevel), {
      message: 'a rotated token keeps its scopes and its access level, so neither can be set',
      path: ['scopes'],
    }),
  z.strictObject({
    ...each('cloudflare', 'https://api.cloudflare.com/client/v4', 60),
    /** The account whose tokens they are; null for tokens of the user behind the credential. */
    account: z.string().min(1).nullable().default(null),
    /** As Cloudflare's API takes them: what new tokens may do, and from where. */
    policies: z.array(z.record(z.string(), z.json())).min(1),
    condition: z.record(z.string(), z.json()).optional(),
    lifetimeDays: z.number().int().min(2).nullable().default(null),
  }),
  z.strictObject({
    ...each('anthropic', 'https://api.anthropic.com', 30),
    /** Null for all workspaces. */
    workspace: z.string().min(1).nullable().default(null),
    /** How late a use may show in the usage report; as a rule it is five minutes. */
    reportLagMinutes: z
      .number()
      .int()
      .min(0)
      .max(7 * 24 * 60)
      .default(240),
  }),
  z.strictObject(each('datadog', 'https://api.datadoghq.com', 60)),
  z.strictObject({
    ...each('mistral', 'https://api.mistral.ai', 30),
    workspace: z.string().min(1),
    /** Whose the new keys are. */
    user: z.string().min(1),
  }),
  z
    .strictObject({
      ...each('twilio', 'https://iam.twilio.com', 60),
      apiUrl: baseUrl.default('https://api.twilio.com'),
      account: z.string().regex(/^AC\w+$/, 'expected an account SID'),
      /** What restricted keys may do, as Twilio's API takes it; without it, keys are standard ones. */
      policy: z.record(z.string(), z.json()).optional(),
      /** Under `apiUrl`: a new key is tried by reading it. */
      testPath: z.string().startsWith('/').optional(),
      fields: pairFields('sid', 'secret'),
    })
    .refine((twilio) => !twilio.policy || twilio.testPath, {
      message: 'a restricted key needs the address of something that it may read',
      path: ['testPath'],
    }),
  z.strictObject({
    // Each company has an address of its own there.
    ...each('okta', null, 60),
    app: z.string().regex(/^\w+$/, 'expected the id of an application'),
    /** Null where it is the application's id, as Okta has it unless somebody chooses another. */
    clientId: z.string().min(1).nullable().default(null),
    /** How the application shows its secret, by the name that its settings at Okta have for it. */
    clientAuthentication: z.enum(['client_secret_basic', 'client_secret_post']).default('client_secret_basic'),
    /** Where the store has a JSON document. */
    fields: pairFields('client_id', 'client_secret'),
  }),
  z.strictObject({
    ...each('aws-iam', 'https://iam.amazonaws.com', 120),
    /** Null for Keysteward's own role. */
    credential: z.string().min(1).nullable().default(null),
    stsUrl: baseUrl.default('https://sts.amazonaws.com'),
    /** Where IAM and STS of this partition are signed for. */
    region: z.string().min(1).default('us-east-1'),
    user: z.string().regex(/^[\w+=,.@-]{1,64}$/, 'expected the name of an IAM user'),
    fields: pairFields('AccessKeyId', 'SecretAccessKey'),
  }),
  z.strictObject({
    ...each('github-deploy-key', 'https://api.github.com', 30),
    repository: z.string().regex(/^[\w-]+\/[\w.-]+$/, 'expected owner/name'),
    readOnly: z.boolean().default(true),
    /** Where a key is tried. Behind a firewall GitHub also answers at ssh.github.com, port 443. */
    sshHost: z
      .string()
      .regex(/^[\w.-]+$/)
      .default('github.com'),
    sshPort: z.number().int().min(1).max(65_535).default(22),
  }),
  // It needs no credential: GitHub revokes a token for whoever shows it.
  z.strictObject(each('github-token', 'https://api.github.com', 60)).omit({ credential: true }),
  // It needs no credential: AWS rotates, and Keysteward's role asks it to.
  z.strictObject({
    kind: z.literal('aws-managed'),
    callsPerMinute: z.number().int().min(1).default(240),
    /** After so long a rotation that AWS has not finished counts as failed. */
    waitMinutes: z
      .number()
      .int()
      .positive()
      .max(24 * 60)
      .default(30),
  }),
  z.strictObject({
    ...each('http', null, 30),
    ...described,
    create: z.strictObject({ ...call('POST'), value: pointer, id: pointer, expiresAt: pointer.optional() }),
    list: z.strictObject({
      ...call('GET'),
      items: pointer,
      id: pointer,
      label: pointer,
      /** Where an answer says how to go on, and the parameter that takes it. */
      next: z.strictObject({ from: pointer, query: z.string().min(1) }).optional(),
    }),
    revoke: z.strictObject(call('DELETE')),
    keyLimit: z.number().int().positive().nullable().default(null),
  }),
  z.strictObject({
    ...each('http-slots', null, 30),
    ...described,
    /** The two slots, and where each stands in an answer. */
    slots: z.record(z.string(), pointer).refine((slots) => Object.keys(slots).length === 2, 'expected two slots'),
    read: z.strictObject(call('POST')),
    regenerate: z.strictObject(call('POST')),
  }),
]);
/** What policy.yml says of one provider of this kind. */
export type ProviderSettings<K extends z.infer<typeof providerSchema>['kind']> = Extract<
  z.infer<typeof providerSchema>,
  { kind: K }
>;
/** Whether the old value of a key dies there in the very call that makes the new one. */
export const endsTheOldAtOnce = (settings: z.infer<typeof providerSchema>): boolean =>
  settings.kind === 'gitlab' && settings.method === 'rotate';
export type TemplateCall = Pick<ProviderSettings<'http'>['create'], 'method' | 'path' | 'body'>;
