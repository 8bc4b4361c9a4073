import {
  batchGetSecretValue,
  describeSecret,
  getRandomPassword,
  getResourcePolicy,
  getSecretValue,
  listSecrets,
  listSecretVersionIds,
} from './reading.ts';
import { removeRegionsFromReplication, replicateSecretToRegions, stopReplicationToReplica } from './replication.ts';
import { type Input, type Operation, validated } from './requests.ts';
import { cancelRotateSecret, rotateSecret } from './rotation.ts';
import type { Answer, Call, World } from './world.ts';
import {
  createSecret,
  deleteResourcePolicy,
  deleteSecret,
  putResourcePolicy,
  putSecretValue,
  restoreSecret,
  tagResource,
  untagResource,
  updateSecret,
  updateSecretVersionStage,
  validateResourcePolicy,
} from './writing.ts';

type Handlers = { [O in Operation]: (world: World, call: Call, input: Input<O>) => Answer };

const handlers: Handlers = {
  BatchGetSecretValue: batchGetSecretValue,
  CancelRotateSecret: cancelRotateSecret,
  CreateSecret: createSecret,
  DeleteResourcePolicy: deleteResourcePolicy,
  DeleteSecret: deleteSecret,
  DescribeSecret: describeSecret,
  GetRandomPassword: getRandomPassword,
  GetResourcePolicy: getResourcePolicy,
  GetSecretValue: getSecretValue,
  ListSecretVersionIds: listSecretVersionIds,
  ListSecrets: listSecrets,
  PutResourcePolicy: putResourcePolicy,
  PutSecretValue: putSecretValue,
  RemoveRegionsFromReplication: removeRegionsFromReplication,
  ReplicateSecretToRegions: replicateSecretToRegions,
  RestoreSecret: restoreSecret,
  RotateSecret: rotateSecret,
  StopReplicationToReplica: stopReplicationToReplica,
  TagResource: tagResource,
  UntagResource: untagResource,
  UpdateSecret: updateSecret,
  UpdateSecretVersionStage: updateSecretVersionStage,
  ValidateResourcePolicy: validateResourcePolicy,
};

/**
 * Does one operation, whole or not at all: no other request comes in between, and what it answers is on the disk.
 * Throws ApiError for every refusal.
 */
export function perform<O extends Operation>(world: World, call: Call, operation: O): Answer {
  return handlers[operation](world, call, validated(operation, call.input));
}
