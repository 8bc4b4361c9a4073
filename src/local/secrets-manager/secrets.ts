import { ApiError, invalidParameter, invalidRequest, limitExceeded } from './protocol.ts';

/** `data` is the text itself, or base64 for a binary value. */
export type Value = { kind: 'string' | 'binary'; data: string };
export type Tag = { Key: string; Value: string };

/** One version. Times are milliseconds; a version that native rotation has only announced has no value. */
export type Version = {
  id: string;
  createdAt: number;
  stages: readonly string[];
  value?: Value | undefined;
  /** Midnight UTC of the day it was last read: the service keeps no finer time. */
  accessedDay?: number | undefined;
};

export type RotationRules = {
  AutomaticallyAfterDays?: number | undefined;
  Duration?: string | undefined;
  ScheduleExpression?: string | undefined;
};

export type Rotation = {
  enabled: boolean;
  functionArn?: string | undefined;
  rules?: RotationRules | undefined;
  lastAt?: number | undefined;
  nextAt?: number | undefined;
  externalMetadata?: { Key?: string | undefined; Value?: string | undefined }[] | undefined;
  externalRoleArn?: string | undefined;
  /** The version that a rotation under way is filling. */
  running?: { versionId: string; testOnly: boolean } | undefined;
};

export type Replica = {
  region: string;
  kmsKeyId?: string | undefined;
  status: 'InProgress' | 'InSync' | 'Failed';
  message?: string | undefined;
};

export type StoredSecret = {
  region: string;
  name: string;
  arn: string;
  createdAt: number;
  changedAt: number;
  /** Oldest first. */
  versions: readonly Version[];
  description?: string | undefined;
  kmsKeyId?: string | undefined;
  /** The partner that holds an external secret. */
  type?: string | undefined;
  accessedDay?: number | undefined;
  deleteAt?: number | undefined;
  /** Absent until the secret first had a tag, and `[]` after the last one went (recorded). */
  tags?: readonly Tag[] | undefined;
  policy?: string | undefined;
  rotation?: Rotation | undefined;
  replicas?: readonly Replica[] | undefined;
  /** Set on a replica: the region of its primary. */
  primaryRegion?: string | undefined;
};

export const current = 'AWSCURRENT';
export const previous = 'AWSPREVIOUS';
export const pending = 'AWSPENDING';

const dayMs = 86_400_000;
const maxLabels = 20;
const maxTags = 50;
const keptVersions = 100;
/** The reference names no number; far above what one put in ten minutes makes in a day. */
const maxVersions = 500;

export function holderOf(secret: StoredSecret, label: string): Version | undefined {
  return secret.versions.find((version) => version.stages.includes(label));
}

export function versionOf(secret: StoredSecret, id: string): Version | undefined {
  return secret.versions.find((version) => version.id === id);
}

/** The secret as changed now. Two changes never share a time: callers order them by it. */
export function touched(secret: StoredSecret, change: Partial<StoredSecret>, now: number): StoredSecret {
  return { ...secret, ...change, changedAt: Math.max(now, secret.changedAt + 1) };
}

export function whyNotChange(secret: StoredSecret): ApiError | null {
  if (secret.deleteAt !== undefined) return markedForDeletion();
  if (secret.primaryRegion) {
    return invalidParameter(
      "Operation not permitted on a replica secret. Call must be made in primary secret's region.",
    );
  }
  return null;
}

export const markedForDeletion = () =>
  invalidRequest("You can't perform this operation on the secret because it was marked for deletion.");

/** A new secret; with a value it gets a first version that is current. `tags` of length 0 count as none. */
export function created(
  of: Pick<StoredSecret, 'region' | 'name' | 'arn' | 'description' | 'kmsKeyId' | 'type'> & { tags: readonly Tag[] },
  first: { id: string; value: Value } | null,
  now: number,
): StoredSecret {
  const { tags, ...rest } = of;
  const empty: StoredSecret = { ...rest, createdAt: now, changedAt: now, versions: [] };
  if (tags.length > 0) empty.tags = withTags([], tags);
  if (!first) return empty;
  return { ...empty, versions: [{ id: first.id, createdAt: now, stages: [current], value: first.value }] };
}

export function sameValue(a: Value, b: Value): boolean {
  return a.kind === b.kind && a.data === b.data;
}

export function tokenInUse(token: string, arn: string): ApiError {
  return new ApiError(
    'ResourceExistsException',
    `You can't use ClientRequestToken ${token} because that value is already in use for a version of secret ${arn}.`,
  );
}

/** Takes a label away from whoever has it, and gives it to one version. */
function labelled(versions: readonly Version[], label: string, to: string): readonly Version[] {
  return versions.map((version) => {
    if (version.id === to) {
      return version.stages.includes(label) ? version : { ...version, stages: [...version.stages, label].sort() };
    }
    return unlabelled(version, label);
  });
}

function unlabelled(version: Version, label: string): Version {
  if (!version.stages.includes(label)) return version;
  return { ...version, stages: version.stages.filter((stage) => stage !== label) };
}

/** Moves AWSCURRENT; the version it leaves becomes AWSPREVIOUS and whoever was that is no longer. */
function promoted(versions: readonly Version[], to: string): readonly Version[] {
  const from = versions.find((version) => version.stages.includes(current));
  const moved = labelled(versions, current, to);
  return from && from.id !== to ? labelled(moved, previous, from.id) : moved;
}

function whyTooManyLabels(versions: readonly Version[]): ApiError | null {
  const count = versions.reduce((sum, version) => sum + version.stages.length, 0);
  return count > maxLabels
    ? limitExceeded(`You have exceeded the limit of ${maxLabels} staging labels attached to the versions of a secret.`)
    : null;
}

/**
 * Adds a version, as PutSecretValue and UpdateSecret do.
 * - A token already used: nothing happens when the value is the same, labels included; ResourceExistsException else.
 * - No stages given: AWSCURRENT. The first version of an empty secret always gets AWSCURRENT too.
 * - A version that loses AWSCURRENT here loses AWSPENDING with it (recorded), and keeps the caller's own labels.
 * - A rotation under way for another version is abandoned: AWSPENDING is removed from it.
 */
export function put(
  secret: StoredSecret,
  { id, value, stages }: { id: string; value: Value; stages?: readonly string[] | undefined },
  now: number,
): StoredSecret {
  const known = versionOf(secret, id);
  if (known?.value) {
    if (!sameValue(known.value, value)) throw tokenInUse(id, secret.arn);
    return secret;
  }
  const base = withoutForeignRotation(secret, id);
  const wanted = new Set(stages ?? [current]);
  if (base.versions.length === 0) wanted.add(current);

  let versions: readonly Version[] = known
    ? base.versions.map((version) => (version.id === id ? { ...version, value } : version))
    : [...base.versions, { id, createdAt: now, stages: [], value }];
  if (wanted.has(current)) {
    const leaving = holderOf(base, current);
    versions = versions.map((version) => (version.id === leaving?.id ? unlabelled(version, pending) : version));
    versions = promoted(versions, id);
  }
  for (const label of wanted) if (label !== current) versions = labelled(versions, label, id);

  const refusal = whyTooManyLabels(versions);
  if (refusal) throw refusal;
  const kept = pruned(versions, now);
  if (kept.length > maxVersions) {
    throw limitExceeded('The request failed because it would exceed the quota of versions of a secret.');
  }
  const rotation = base.rotation && wanted.has(current) ? afterManualChange(base.rotation, id, now) : base.rotation;
  return touched(base, { versions: kept, ...(rotation ? { rotation } : {}) }, now);
}

/** A put by hand counts as a rotation for the schedule. */
function afterManualChange(rotation: Rotation, id: string, now: number): Rotation {
  if (rotation.running?.versionId === id || !rotation.enabled) return rotation;
  return { ...rotation, nextAt: nextRotation(rotation.rules, now) };
}

/** Whether a version for this token would make the service give up the rotation under way. */
function withoutForeignRotation(secret: StoredSecret, id: string): StoredSecret {
  const running = secret.rotation?.running;
  if (!running || running.versionId === id) return secret;
  return withoutPending({ ...secret, rotation: { ...secret.rotation!, running: undefined } }, running.versionId);
}

/** Takes AWSPENDING off a version; a version that then has neither value nor label was only announced, and goes. */
export function withoutPending(secret: StoredSecret, versionId: string): StoredSecret {
  const versions = secret.versions
    .map((version) => (version.id === versionId ? unlabelled(version, pending) : version))
    .filter((version) => version.id !== versionId || version.value || version.stages.length > 0);
  return { ...secret, versions };
}

/** Versions without a label go when there are more than 100, oldest first, none younger than a day. */
function pruned(versions: readonly Version[], now: number): readonly Version[] {
  let surplus = versions.length - keptVersions;
  return versions.filter((version) => {
    if (surplus <= 0 || version.stages.length > 0 || now - version.createdAt < dayMs) return true;
    surplus--;
    return false;
  });
}

/**
 * UpdateSecretVersionStage. `from` is a compare-and-swap: it must name the version that has the label now. A move that
 * has been made already is therefore refused (InvalidParameterException); callers describe first.
 */
export function moved(
  secret: StoredSecret,
  { label, from, to }: { label: string; from?: string | undefined; to?: string | undefined },
  now: number,
): StoredSecret {
  const holder = holderOf(secret, label);
  for (const id of [from, to]) {
    if (id && !versionOf(secret, id)) throw invalidParameter(`Version ${id} was not found in the secret.`);
  }
  if (holder && !from) {
    throw invalidParameter(
      `The parameter RemoveFromVersionId can't be empty. Staging label ${label} is currently attached to version ` +
        `${holder.id}, so you must explicitly reference that version in RemoveFromVersionId.`,
    );
  }
  if (from && holder?.id !== from) {
    throw invalidParameter(`Staging label ${label} is not attached to the version in RemoveFromVersionId.`);
  }
  if (!to) {
    if (!from) throw invalidParameter('You must provide RemoveFromVersionId, MoveToVersionId, or both.');
    // Every secret with a value has a current one: the label can be moved, never dropped.
    if (label === current)
      throw invalidParameter(`You can't remove the staging label ${current}; you can only move it.`);
    const versions = secret.versions.map((version) => unlabelled(version, label));
    return touched(secret, { versions }, now);
  }
  const versions = label === current ? promoted(secret.versions, to) : labelled(secret.versions, label, to);
  const refusal = whyTooManyLabels(versions);
  if (refusal) throw refusal;
  return touched(secret, { versions }, now);
}

/** Notes that a version was read. The same secret comes back when today is already noted. */
export function accessed(secret: StoredSecret, versionId: string, now: number): StoredSecret {
  const day = Math.floor(now / dayMs) * dayMs;
  if (secret.accessedDay === day && versionOf(secret, versionId)?.accessedDay === day) return secret;
  return {
    ...secret,
    accessedDay: day,
    versions: secret.versions.map((version) => (version.id === versionId ? { ...version, accessedDay: day } : version)),
  };
}

/** Adds tags; one with a key that is there replaces it in its place. */
export function withTags(tags: readonly Tag[], added: readonly Tag[]): readonly Tag[] {
  const all = new Map(tags.map((tag) => [tag.Key, tag]));
  for (const tag of added) {
    if (/^aws:/i.test(tag.Key)) throw invalidParameter('Tag keys that start with aws: are reserved.');
    all.set(tag.Key, tag);
  }
  if (all.size > maxTags) throw invalidParameter(`A secret can have at most ${maxTags} tags.`);
  return [...all.values()];
}

/** When the service would rotate next, in milliseconds: the end of the UTC day. Unknown for cron expressions. */
export function nextRotation(rules: RotationRules | undefined, now: number): number | undefined {
  const rate = /^rate\((\d+) (hour|day)s?\)$/.exec(rules?.ScheduleExpression ?? '');
  const days = rate ? Number(rate[1]) / (rate[2] === 'hour' ? 24 : 1) : rules?.AutomaticallyAfterDays;
  if (days === undefined) return undefined;
  if (days < 1) return now + days * dayMs;
  return (Math.floor((now + days * dayMs) / dayMs) + 1) * dayMs - 1000;
}
