import { type Context, decide, lastingArn, type Principal } from './access.ts';
import { idOf, type Trail } from './events.ts';
import type { Strike } from './faults.ts';
import { storedPolicy } from './policy.ts';
import { accessDenied, invalidRequest, notFound } from './protocol.ts';
import type { Operation } from './requests.ts';
import { type StoredSecret, whyNotChange } from './secrets.ts';
import { nameIn, type Store } from './store.ts';

/** What the service passes to a rotation function, once per step and in this order. */
export type RotationEvent = {
  Step: 'createSecret' | 'setSecret' | 'testSecret' | 'finishSecret';
  /** The ARN. */
  SecretId: string;
  /** The id of the version to fill, test and make current. */
  ClientRequestToken: string;
  RotationToken: string;
};
/** Stands for a Lambda function. It works on the secret through the SDK, as a real one does; throwing fails the rotation. */
export type RotationFunction = (event: RotationEvent) => unknown;

/** Everything the operations work on. */
export type World = {
  accountId: string;
  store: Store;
  trail: Trail;
  /** By ARN; for external secrets by their `Type`. */
  functions: ReadonlyMap<string, RotationFunction>;
  /** Milliseconds. */
  now(): number;
  /** Runs after the answer has been sent; `close` waits for it. */
  inBackground(work: () => Promise<void>): void;
};

/** One request, as far as every operation needs it. `now` is taken once. */
export type Call = {
  operation: Operation;
  region: string;
  now: number;
  principal: Principal;
  accessKeyId: string;
  requestId: string;
  ip: string;
  userAgent: string;
  input: Record<string, unknown>;
  strike: Strike;
};

export type Answer = Record<string, unknown>;

export function arnOf(world: World, region: string, name: string): string {
  return `arn:aws:secretsmanager:${region}:${world.accountId}:secret:${name}`;
}

/** AccessDeniedException unless the caller may do this. `secret` null: an action on no secret, or on one that is not there. */
export function authorise(
  world: World,
  call: Call,
  secret: StoredSecret | null,
  secretId?: string,
  action: Operation = call.operation,
): void {
  const resource = secret?.arn ?? (secretId === undefined ? '*' : arnOf(world, call.region, nameIn(secretId)));
  const decision = decide({
    principal: call.principal,
    action: `secretsmanager:${action}`,
    resource,
    accountId: world.accountId,
    context: onceAsked(() => contextOf(call, secret)),
    resourcePolicy: secret?.policy === undefined ? undefined : storedPolicy(secret.policy),
  });
  if (decision === 'allowed') return;
  const because =
    decision === 'explicit-deny'
      ? 'with an explicit deny in a policy'
      : `because no identity-based policy allows the secretsmanager:${action} action`;
  throw accessDenied(
    `User: ${call.principal.arn} is not authorized to perform: secretsmanager:${action} on resource: ` +
      `${secretId ?? resource} ${because}`,
  );
}

/** Parameters of a request that a policy may ask about, as `secretsmanager:<name>`. */
const askable = [
  ...['SecretId', 'VersionId', 'VersionStage', 'Name', 'Description', 'KmsKeyId', 'RecoveryWindowInDays'],
  ...['ForceDeleteWithoutRecovery', 'RotationLambdaARN', 'RotateImmediately', 'BlockPublicPolicy', 'Type'],
];

/** Few policies have conditions: what they could ask about is put together when one does. */
function onceAsked(make: () => Context): Context {
  let made: Context | undefined;
  return {
    get(key) {
      made ??= make();
      return made.get(key);
    },
  };
}

function contextOf(call: Call, secret: StoredSecret | null): Map<string, readonly string[]> {
  const { principal, input, now } = call;
  const session = lastingArn(principal.arn) !== principal.arn;
  const lastName = principal.arn.split('/').at(-1) ?? '';
  const context = new Map<string, readonly string[]>();
  const set = (key: string, ...values: string[]) => context.set(key.toLowerCase(), values);

  set('aws:CurrentTime', new Date(now).toISOString());
  set('aws:EpochTime', String(Math.floor(now / 1000)));
  set('aws:PrincipalArn', lastingArn(principal.arn));
  set('aws:PrincipalAccount', principal.arn.split(':')[4] ?? '');
  set('aws:PrincipalType', session ? 'AssumedRole' : 'User');
  set('aws:userid', session ? `${idOf(lastingArn(principal.arn))}:${lastName}` : idOf(principal.arn));
  if (!session) set('aws:username', lastName);
  set('aws:SourceIp', call.ip);
  set('aws:UserAgent', call.userAgent);
  set('aws:RequestedRegion', call.region);
  // The real endpoint is reached over TLS only; a policy that insists on it must hold here too.
  set('aws:SecureTransport', 'true');
  set('aws:ViaAWSService', 'false');
  for (const [key, value] of Object.entries(principal.tags ?? {})) set(`aws:PrincipalTag/${key}`, value);
  for (const { Key, Value } of secret?.tags ?? []) {
    set(`aws:ResourceTag/${Key}`, Value);
    set(`secretsmanager:ResourceTag/${Key}`, Value);
  }
  if (secret) set('secretsmanager:SecretPrimaryRegion', secret.primaryRegion ?? secret.region);
  for (const key of askable) {
    const value = input[key];
    if (['string', 'number', 'boolean'].includes(typeof value)) set(`secretsmanager:${key}`, String(value as string));
  }
  const tags = (input.Tags ?? []) as { Key: string; Value?: string }[];
  for (const { Key, Value } of tags) set(`aws:RequestTag/${Key}`, Value ?? '');
  const tagKeys = (input.TagKeys as string[] | undefined) ?? tags.map(({ Key }) => Key);
  if (tagKeys.length > 0) set('aws:TagKeys', ...tagKeys);
  return context;
}

/** The secret a request names, if the caller may do this to it. Nobody learns of a secret's absence without permission. */
export function named(world: World, call: Call, secretId: string): StoredSecret {
  const { store } = world;
  const secret = call.strike.stale
    ? store.findStale(call.region, secretId, call.now)
    : store.find(call.region, secretId, call.now);
  authorise(world, call, secret, secretId);
  if (!secret) throw notFound();
  return secret;
}

/** The same, if it can be changed: it is not marked for deletion, and no replica. */
export function changeable(world: World, call: Call, secretId: string): StoredSecret {
  const secret = named(world, call, secretId);
  const refusal = whyNotChange(secret);
  if (refusal) throw refusal;
  return secret;
}

export const identified = ({ arn, name }: StoredSecret): Answer => ({ ARN: arn, Name: name });

export const missingToken = () =>
  invalidRequest('You must provide a ClientRequestToken value. We recommend a UUID-type value.');
