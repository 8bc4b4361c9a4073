import { invalidParameter, invalidRequest } from './protocol.ts';
import type { Input } from './requests.ts';
import { type Replica, type StoredSecret, touched } from './secrets.ts';
import { type Answer, type Call, changeable, named, type World } from './world.ts';

type Regions = Input<'ReplicateSecretToRegions'>['AddReplicaRegions'];

/** Stores a secret, and its copies in the regions it is replicated to. */
export function committed(world: World, secret: StoredSecret): void {
  const copies = (secret.replicas ?? [])
    .filter((replica) => replica.status === 'InSync')
    .map((replica) => copyOf(world, secret, replica));
  world.store.commit(secret, ...copies);
}

/** The replica's ARN is the primary's with the other region; when it was read is the replica's own. */
function copyOf(world: World, primary: StoredSecret, replica: Replica): StoredSecret {
  const { replicas: _, rotation, ...rest } = primary;
  const there = world.store.find(replica.region, primary.name, world.now());
  return {
    ...rest,
    region: replica.region,
    arn: replicaArn(primary, replica.region),
    kmsKeyId: replica.kmsKeyId,
    primaryRegion: primary.region,
    accessedDay: there?.accessedDay,
    ...(rotation ? { rotation: { ...rotation, running: undefined } } : {}),
  };
}

function replicaArn(primary: StoredSecret, region: string): string {
  return primary.arn.replace(`:secretsmanager:${primary.region}:`, `:secretsmanager:${region}:`);
}

/** Adds replicas. A name that is taken over there makes that replica Failed, unless it may be overwritten. */
export function replicated(
  world: World,
  secret: StoredSecret,
  regions: Regions,
  overwrite: boolean,
  now: number,
): StoredSecret {
  const replicas = new Map((secret.replicas ?? []).map((replica) => [replica.region, replica]));
  for (const { Region: region, KmsKeyId: kmsKeyId } of regions) {
    if (region === secret.region) throw invalidParameter('Invalid replica region.');
    if (replicas.get(region)?.status === 'InSync') continue;
    const there = world.store.find(region, secret.name, now);
    const taken = there !== null && there.arn !== replicaArn(secret, region) && !overwrite;
    replicas.set(
      region,
      taken
        ? { region, kmsKeyId, status: 'Failed', message: 'Secret with this name already exists in this region' }
        : { region, kmsKeyId, status: 'InSync', message: 'Replication succeeded' },
    );
  }
  return touched(secret, { replicas: [...replicas.values()] }, now);
}

/** For a primary; nothing for a secret that was never replicated. */
export function replicationStatus(secret: StoredSecret, fresh: ReadonlySet<string> = new Set()): Answer {
  if (!secret.replicas || secret.primaryRegion) return {};
  return {
    ReplicationStatus: secret.replicas.map(({ region, kmsKeyId, status, message }) => ({
      Region: region,
      KmsKeyId: kmsKeyId ?? 'alias/aws/secretsmanager',
      // The first answer comes before the copy is there.
      Status: fresh.has(region) && status === 'InSync' ? 'InProgress' : status,
      ...(message && !(fresh.has(region) && status === 'InSync') ? { StatusMessage: message } : {}),
    })),
  };
}

export function replicateSecretToRegions(world: World, call: Call, input: Input<'ReplicateSecretToRegions'>): Answer {
  const secret = changeable(world, call, input.SecretId);
  const next = replicated(world, secret, input.AddReplicaRegions, input.ForceOverwriteReplicaSecret ?? false, call.now);
  committed(world, next);
  const fresh = new Set(input.AddReplicaRegions.map(({ Region }) => Region));
  return { ARN: next.arn, ...replicationStatus(next, fresh) };
}

export function removeRegionsFromReplication(
  world: World,
  call: Call,
  input: Input<'RemoveRegionsFromReplication'>,
): Answer {
  const secret = changeable(world, call, input.SecretId);
  const gone = new Set(input.RemoveReplicaRegions);
  for (const region of gone) {
    if (!secret.replicas?.some((replica) => replica.region === region)) {
      throw invalidParameter(`Region ${region} is not a replica region of this secret.`);
    }
  }
  const next = touched(secret, { replicas: secret.replicas!.filter(({ region }) => !gone.has(region)) }, call.now);
  committed(world, next);
  for (const region of gone) {
    const copy = world.store.find(region, secret.name, call.now);
    if (copy?.arn === replicaArn(secret, region)) world.store.remove(copy);
  }
  return { ARN: next.arn, ...replicationStatus(next) };
}

/** Called in the replica's region: the replica becomes a secret of its own. */
export function stopReplicationToReplica(world: World, call: Call, input: Input<'StopReplicationToReplica'>): Answer {
  const replica = named(world, call, input.SecretId);
  if (!replica.primaryRegion) throw invalidRequest('The secret is not a replica.');
  const primary = world.store.find(replica.primaryRegion, replica.name, call.now);
  world.store.commit(touched(replica, { primaryRegion: undefined, rotation: undefined }, call.now));
  if (primary?.replicas) {
    const replicas = primary.replicas.filter(({ region }) => region !== replica.region);
    world.store.commit(touched(primary, { replicas }, call.now));
  }
  return { ARN: replica.arn };
}
