import { isPublic, parsedPolicy } from './policy.ts';
import { ApiError, invalidParameter, invalidRequest, seconds } from './protocol.ts';
import { arnSuffix } from './random.ts';
import { committed, replicated, replicationStatus } from './replication.ts';
import type { Input } from './requests.ts';
import {
  created,
  moved,
  put,
  type StoredSecret,
  sameValue,
  type Tag,
  tokenInUse,
  touched,
  type Value,
  versionOf,
  withTags,
} from './secrets.ts';
import { found, nameIn } from './store.ts';
import {
  type Answer,
  arnOf,
  authorise,
  type Call,
  changeable,
  identified,
  missingToken,
  named,
  type World,
} from './world.ts';

const dayMs = 86_400_000;

function givenValue(input: { SecretString?: string | undefined; SecretBinary?: string | undefined }): Value | null {
  const { SecretString: text, SecretBinary: binary } = input;
  if (text !== undefined && binary !== undefined) {
    throw invalidParameter(
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  if (text !== undefined) return { kind: 'string', data: text };
  return binary === undefined ? null : { kind: 'binary', data: binary };
}

const fullTags = (tags: Input<'TagResource'>['Tags']): Tag[] => tags.map(({ Key, Value = '' }) => ({ Key, Value }));

/** Same name, token and value: the same answer, and nothing is made. */
export function createSecret(world: World, call: Call, input: Input<'CreateSecret'>): Answer {
  const value = givenValue(input);
  const token = input.ClientRequestToken;
  if (value && !token) throw missingToken();
  const existing = world.store.find(call.region, input.Name, call.now);
  authorise(world, call, existing, input.Name);
  if (existing) return sameAgain(existing, token, value);

  const first = value && token ? { id: token, value } : null;
  const made = created(
    {
      region: call.region,
      name: input.Name,
      arn: `${arnOf(world, call.region, input.Name)}-${arnSuffix()}`,
      description: input.Description || undefined,
      kmsKeyId: input.KmsKeyId || undefined,
      type: input.Type || undefined,
      tags: fullTags(input.Tags ?? []),
    },
    first,
    call.now,
  );
  const regions = input.AddReplicaRegions ?? [];
  const overwrite = input.ForceOverwriteReplicaSecret ?? false;
  const secret = regions.length > 0 ? replicated(world, made, regions, overwrite, call.now) : made;
  committed(world, secret);
  const fresh = new Set(regions.map(({ Region }) => Region));
  return { ...identified(secret), ...(first ? { VersionId: first.id } : {}), ...replicationStatus(secret, fresh) };
}

function sameAgain(existing: StoredSecret, token: string | undefined, value: Value | null): Answer {
  if (existing.deleteAt !== undefined) {
    throw invalidRequest(
      "You can't create this secret because a secret with this name is already scheduled for deletion.",
    );
  }
  const version = token === undefined ? undefined : versionOf(existing, token);
  if (!version || !value) {
    throw new ApiError(
      'ResourceExistsException',
      `The operation failed because the secret ${existing.name} already exists.`,
    );
  }
  if (!version.value || !sameValue(version.value, value)) throw tokenInUse(version.id, existing.arn);
  return { ...identified(existing), VersionId: version.id };
}

export function putSecretValue(world: World, call: Call, input: Input<'PutSecretValue'>): Answer {
  const value = givenValue(input);
  const id = input.ClientRequestToken;
  if (!id) throw missingToken();
  const secret = changeable(world, call, input.SecretId);
  if (!value) throw invalidRequest('You must provide either SecretString or SecretBinary.');
  const next = put(secret, { id, value, stages: input.VersionStages }, call.now);
  changedByHand(world, call, secret, next);
  return { ...identified(next), VersionId: id, VersionStages: versionOf(next, id)!.stages };
}

/** Metadata alone makes no version, and the answer then has no VersionId. */
export function updateSecret(world: World, call: Call, input: Input<'UpdateSecret'>): Answer {
  const value = givenValue(input);
  const id = input.ClientRequestToken;
  if (value && !id) throw missingToken();
  const secret = changeable(world, call, input.SecretId);
  const change: Partial<StoredSecret> = {
    ...(input.Description === undefined ? {} : { description: input.Description || undefined }),
    ...(input.KmsKeyId === undefined ? {} : { kmsKeyId: input.KmsKeyId || undefined }),
    ...(input.Type === undefined ? {} : { type: input.Type || undefined }),
  };
  const described = value && Object.keys(change).length === 0 ? secret : touched(secret, change, call.now);
  if (!value) {
    committed(world, described);
    return identified(described);
  }
  const next = put(described, { id: id!, value }, call.now);
  changedByHand(world, call, secret, next);
  return { ...identified(next), VersionId: id };
}

/** A new version that is not the running rotation's own makes the service give that rotation up. */
function changedByHand(world: World, call: Call, before: StoredSecret, after: StoredSecret): void {
  if (after === before) return;
  committed(world, after);
  if (before.rotation?.running && !after.rotation?.running) world.trail.service('RotationAbandoned', after, call.now);
}

export function updateSecretVersionStage(world: World, call: Call, input: Input<'UpdateSecretVersionStage'>): Answer {
  const secret = changeable(world, call, input.SecretId);
  const ask = { label: input.VersionStage, from: input.RemoveFromVersionId, to: input.MoveToVersionId };
  committed(world, moved(secret, ask, call.now));
  return identified(secret);
}

/** 7 to 30 days, 30 unless told; or at once, which succeeds even for a name that never was. */
export function deleteSecret(world: World, call: Call, input: Input<'DeleteSecret'>): Answer {
  const { RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: force } = input;
  if (force && days !== undefined) {
    throw invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
  }
  if (days !== undefined && (days < 7 || days > 30)) {
    throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
  }
  const secret = world.store.find(call.region, input.SecretId, call.now);
  authorise(world, call, secret, input.SecretId);
  if (!secret && force) {
    const name = nameIn(input.SecretId);
    const arn = input.SecretId.startsWith('arn:')
      ? input.SecretId
      : `${arnOf(world, call.region, name)}-${arnSuffix()}`;
    return { ARN: arn, Name: name, DeletionDate: seconds(call.now) };
  }
  const doomed = found(secret);
  if (doomed.primaryRegion) {
    throw invalidParameter(
      "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
    );
  }
  if (doomed.replicas?.length) {
    const regions = doomed.replicas.map(({ region }) => region).join(', ');
    throw invalidParameter(`You can't delete secret ${doomed.name} that still has replica regions [${regions}]`);
  }
  if (force) {
    world.store.remove(doomed);
    return { ...identified(doomed), DeletionDate: seconds(call.now) };
  }
  if (doomed.deleteAt !== undefined) {
    throw invalidRequest("You tried to perform the operation on a secret that's currently marked deleted.");
  }
  const deleteAt = call.now + (days ?? 30) * dayMs;
  world.store.commit(touched(doomed, { deleteAt }, call.now));
  return { ...identified(doomed), DeletionDate: seconds(deleteAt) };
}

/** Keeps versions and labels. A secret that is not marked stays as it is. */
export function restoreSecret(world: World, call: Call, input: Input<'RestoreSecret'>): Answer {
  const secret = named(world, call, input.SecretId);
  if (secret.deleteAt !== undefined) world.store.commit(touched(secret, { deleteAt: undefined }, call.now));
  return identified(secret);
}

export function tagResource(world: World, call: Call, input: Input<'TagResource'>): Answer {
  const secret = changeable(world, call, input.SecretId);
  if (input.Tags.length > 0) {
    committed(world, touched(secret, { tags: withTags(secret.tags ?? [], fullTags(input.Tags)) }, call.now));
  }
  return {};
}

/** Removing a tag that is not there is fine. */
export function untagResource(world: World, call: Call, input: Input<'UntagResource'>): Answer {
  const secret = changeable(world, call, input.SecretId);
  const tags = secret.tags?.filter(({ Key }) => !input.TagKeys.includes(Key));
  if (tags && tags.length < secret.tags!.length) committed(world, touched(secret, { tags }, call.now));
  return {};
}

/** Replaces the whole document: the last writer wins, there is no ETag. */
export function putResourcePolicy(world: World, call: Call, input: Input<'PutResourcePolicy'>): Answer {
  const secret = changeable(world, call, input.SecretId);
  const policy = parsedPolicy(input.ResourcePolicy);
  if (input.BlockPublicPolicy && isPublic(policy)) throw new ApiError('PublicPolicyException', publicText);
  committed(world, touched(secret, { policy: input.ResourcePolicy }, call.now));
  return identified(secret);
}

const publicText = 'This resource policy grants broad access to your secret. Name the principals it is for.';

export function deleteResourcePolicy(world: World, call: Call, input: Input<'DeleteResourcePolicy'>): Answer {
  const secret = changeable(world, call, input.SecretId);
  if (secret.policy !== undefined) committed(world, touched(secret, { policy: undefined }, call.now));
  return identified(secret);
}

/** MalformedPolicyDocumentException for broken syntax; anything else it finds is in the answer. */
export function validateResourcePolicy(world: World, call: Call, input: Input<'ValidateResourcePolicy'>): Answer {
  if (input.SecretId === undefined) authorise(world, call, null);
  else named(world, call, input.SecretId);
  const errors = isPublic(parsedPolicy(input.ResourcePolicy))
    ? [{ CheckName: 'PUBLIC_ACCESS', ErrorMessage: publicText }]
    : [];
  return { PolicyValidationPassed: errors.length === 0, ValidationErrors: errors };
}
