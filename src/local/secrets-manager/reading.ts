import { accountOf } from './access.ts';
import { ApiError, invalidParameter, invalidRequest, seconds } from './protocol.ts';
import { randomPassword } from './random.ts';
import { replicationStatus } from './replication.ts';
import type { Input } from './requests.ts';
import { filtered, page, sorted } from './search.ts';
import {
  accessed,
  current,
  holderOf,
  markedForDeletion,
  type StoredSecret,
  type Version,
  versionOf,
} from './secrets.ts';
import { type Answer, authorise, type Call, identified, named, type World } from './world.ts';

const defaultKey = 'alias/aws/secretsmanager';
const pageMax = 100;
const batchMax = 20;

export function getSecretValue(world: World, call: Call, input: Input<'GetSecretValue'>): Answer {
  const secret = named(world, call, input.SecretId);
  return readValue(world, call, secret, input);
}

/** The value and what goes with it; notes that it was read. */
function readValue(
  world: World,
  call: Call,
  secret: StoredSecret,
  { VersionId: id, VersionStage: stage }: { VersionId?: string | undefined; VersionStage?: string | undefined },
): Answer {
  if (secret.deleteAt !== undefined) throw markedForDeletion();
  if (accountOf(call.principal.arn) !== world.accountId && !secret.kmsKeyId) {
    throw invalidRequest(
      "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
    );
  }
  const version = id ? versionOf(secret, id) : holderOf(secret, stage ?? current);
  if (!version?.value) {
    const which = id ? `VersionId: ${id}` : `staging label: ${stage ?? current}`;
    throw new ApiError(
      'ResourceNotFoundException',
      `Secrets Manager can't find the specified secret value for ${which}`,
    );
  }
  if (stage && !version.stages.includes(stage)) {
    throw invalidRequest('You provided a VersionStage that is not associated to the provided VersionId.');
  }
  if (!call.strike.stale) {
    const read = accessed(secret, version.id, call.now);
    if (read !== secret) world.store.commit(read);
  }
  return {
    ...identified(secret),
    VersionId: version.id,
    [version.value.kind === 'string' ? 'SecretString' : 'SecretBinary']: version.value.data,
    VersionStages: version.stages,
    CreatedDate: seconds(version.createdAt),
  };
}

/** One secret that cannot be read does not spoil the others. Each is recorded as a GetSecretValue of its own. */
export function batchGetSecretValue(world: World, call: Call, input: Input<'BatchGetSecretValue'>): Answer {
  const { SecretIdList: ids, Filters: filters, MaxResults: max, NextToken: token } = input;
  if ((ids === undefined) === (filters === undefined)) {
    throw invalidParameter("Either 'SecretIdList' or 'Filters' must be provided, but not both.");
  }
  if (max !== undefined && !filters)
    throw invalidParameter("'Filters' not specified. 'Filters' must also be specified when 'MaxResults' is provided.");
  authorise(world, call, null);
  if (filters) authorise(world, call, null, undefined, 'ListSecrets');

  const all = filters ? listed(world, call, { Filters: filters }).map((secret) => secret.arn) : ids!;
  const shown = page(
    all,
    { question: [call.operation, filters, ids], max: max ?? batchMax, token, nothing: call.strike.emptyPage },
    (secretId) => secretId,
  );
  const values: Answer[] = [];
  const errors: Answer[] = [];
  for (const secretId of shown.items) {
    const one: Call = { ...call, operation: 'GetSecretValue', input: { SecretId: secretId } };
    try {
      values.push(getSecretValue(world, one, { SecretId: secretId }));
      world.trail.call(one, call.now);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      errors.push({ SecretId: secretId, ErrorCode: error.name, Message: error.message });
      world.trail.call({ ...one, error }, call.now);
    }
  }
  return { SecretValues: values, Errors: errors, ...(shown.nextToken ? { NextToken: shown.nextToken } : {}) };
}

export function describeSecret(world: World, call: Call, input: Input<'DescribeSecret'>): Answer {
  const secret = named(world, call, input.SecretId);
  return { ...metadata(secret), ...replicationStatus(secret), ...stagesAs('VersionIdsToStages', secret) };
}

/** Without values. What never was set is absent, as in the service's answers. */
function metadata(secret: StoredSecret): Answer {
  const { rotation } = secret;
  return {
    ...identified(secret),
    Type: secret.type || undefined,
    Description: secret.description || undefined,
    KmsKeyId: secret.kmsKeyId && secret.kmsKeyId !== defaultKey ? secret.kmsKeyId : undefined,
    ...(rotation
      ? {
          RotationEnabled: rotation.enabled,
          RotationLambdaARN: rotation.functionArn,
          RotationRules: rotation.rules,
          LastRotatedDate: seconds(rotation.lastAt),
          NextRotationDate: rotation.enabled ? seconds(rotation.nextAt) : undefined,
          ExternalSecretRotationMetadata: rotation.externalMetadata,
          ExternalSecretRotationRoleArn: rotation.externalRoleArn,
        }
      : {}),
    LastChangedDate: seconds(secret.changedAt),
    LastAccessedDate: seconds(secret.accessedDay),
    DeletedDate: seconds(secret.deleteAt),
    Tags: secret.tags,
    CreatedDate: seconds(secret.createdAt),
    PrimaryRegion: secret.primaryRegion ?? (secret.replicas ? secret.region : undefined),
  };
}

/** Versions without a label are not shown; without any version the whole member is absent. */
function stagesAs(member: string, secret: StoredSecret): Answer {
  const labelled = secret.versions.filter((version) => version.stages.length > 0);
  if (labelled.length === 0) return {};
  return { [member]: Object.fromEntries(labelled.map((version) => [version.id, version.stages])) };
}

export function listSecretVersionIds(world: World, call: Call, input: Input<'ListSecretVersionIds'>): Answer {
  const secret = named(world, call, input.SecretId);
  const versions = secret.versions.filter((version) => input.IncludeDeprecated || version.stages.length > 0);
  const shown = page(
    versions,
    {
      question: [call.operation, secret.arn, input.IncludeDeprecated ?? false],
      max: input.MaxResults ?? pageMax,
      token: input.NextToken,
      nothing: call.strike.emptyPage,
    },
    (version) => version.id,
  );
  return {
    ...identified(secret),
    Versions: shown.items.map((version) => versionEntry(secret, version)),
    ...(shown.nextToken ? { NextToken: shown.nextToken } : {}),
  };
}

function versionEntry(secret: StoredSecret, version: Version): Answer {
  return {
    VersionId: version.id,
    ...(version.stages.length > 0 ? { VersionStages: version.stages } : {}),
    CreatedDate: seconds(version.createdAt),
    LastAccessedDate: seconds(version.accessedDay),
    KmsKeyIds: [secret.kmsKeyId && secret.kmsKeyId !== defaultKey ? secret.kmsKeyId : 'DefaultEncryptionKey'],
  };
}

export function listSecrets(world: World, call: Call, input: Input<'ListSecrets'>): Answer {
  authorise(world, call, null);
  const { NextToken: token, MaxResults: max, ...question } = input;
  const shown = page(
    listed(world, call, input),
    { question: [call.operation, question], max: max ?? pageMax, token, nothing: call.strike.emptyPage },
    (secret) => secret.arn,
  );
  return {
    SecretList: shown.items.map((secret) => ({ ...metadata(secret), ...stagesAs('SecretVersionsToStages', secret) })),
    ...(shown.nextToken ? { NextToken: shown.nextToken } : {}),
  };
}

function listed(world: World, call: Call, input: Input<'ListSecrets'>): StoredSecret[] {
  const { store } = world;
  const all = call.strike.stale ? store.allStale(call.region, call.now) : store.all(call.region, call.now);
  const alive = all.filter((secret) => input.IncludePlannedDeletion || secret.deleteAt === undefined);
  return sorted(filtered(alive, input.Filters), input);
}

export function getRandomPassword(world: World, call: Call, input: Input<'GetRandomPassword'>): Answer {
  authorise(world, call, null);
  return { RandomPassword: randomPassword(input) };
}

export function getResourcePolicy(world: World, call: Call, input: Input<'GetResourcePolicy'>): Answer {
  const secret = named(world, call, input.SecretId);
  if (secret.deleteAt !== undefined) throw markedForDeletion();
  return { ...identified(secret), ResourcePolicy: secret.policy };
}
