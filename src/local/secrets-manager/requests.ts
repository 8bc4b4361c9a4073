import { ApiError, validation } from './protocol.ts';

/**
 * The shape of every request, with the constraints of the service model
 * (https://docs.aws.amazon.com/secretsmanager/latest/apireference). All faults of a request are reported together, in
 * the service's own words.
 */
type Faults = string[];
type Check<T> = (value: unknown, path: string, faults: Faults) => T;
type Checks = Record<string, Check<unknown>>;
type Shaped<R extends Checks, O extends Checks> = { [K in keyof R]: ReturnType<R[K]> } & {
  [K in keyof O]?: ReturnType<O[K]> | undefined;
};

const wrongType = (path: string) =>
  new ApiError('SerializationException', `The value at '${path}' has the wrong type.`);

type TextLimits = { min?: number; max?: number; pattern?: RegExp; oneOf?: readonly string[]; sensitive?: boolean };

function text(limits: TextLimits = {}): Check<string> {
  return (value, path, faults) => {
    if (typeof value !== 'string') throw wrongType(path);
    const fault = (constraint: string) =>
      faults.push(
        `Value ${limits.sensitive ? '' : `'${value.slice(0, 256)}' `}at '${path}' failed to satisfy constraint: ${constraint}`,
      );
    if (value.length < (limits.min ?? 0)) fault(`Member must have length greater than or equal to ${limits.min}`);
    if (value.length > (limits.max ?? Infinity)) fault(`Member must have length less than or equal to ${limits.max}`);
    if (limits.pattern && !limits.pattern.test(value)) {
      fault(`Member must satisfy regular expression pattern: ${limits.pattern.source}`);
    }
    if (limits.oneOf && !limits.oneOf.includes(value)) {
      fault(`Member must satisfy enum value set: [${limits.oneOf.join(', ')}]`);
    }
    return value;
  };
}

function whole(min = -Infinity, max = Infinity): Check<number> {
  return (value, path, faults) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) throw wrongType(path);
    const fault = (constraint: string) =>
      faults.push(`Value '${value}' at '${path}' failed to satisfy constraint: ${constraint}`);
    if (value < min) fault(`Member must have value greater than or equal to ${min}`);
    if (value > max) fault(`Member must have value less than or equal to ${max}`);
    return value;
  };
}

const flag: Check<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw wrongType(path);
  return value;
};

/** Sizes count bytes, not characters: the quota is 65,536 bytes for text too. */
const maxValueBytes = 65_536;

const secretString: Check<string> = (value, path, faults) => {
  const checked = text({ min: 1, sensitive: true })(value, path, faults);
  if (Buffer.byteLength(checked) > maxValueBytes) faults.push(tooLong(path));
  return checked;
};

const secretBinary: Check<string> = (value, path, faults) => {
  if (typeof value !== 'string') throw wrongType(path);
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
    throw new ApiError('SerializationException', `The value at '${path}' is not base64.`);
  }
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length < 1) {
    faults.push(`Value at '${path}' failed to satisfy constraint: Member must have length greater than or equal to 1`);
  }
  if (bytes.length > maxValueBytes) faults.push(tooLong(path));
  return bytes.toString('base64');
};

const tooLong = (path: string) =>
  `Value at '${path}' failed to satisfy constraint: Member must have length less than or equal to ${maxValueBytes}`;

function list<T>(member: Check<T>, limits: { min?: number; max?: number } = {}): Check<T[]> {
  return (value, path, faults) => {
    if (!Array.isArray(value)) throw wrongType(path);
    const fault = (constraint: string) =>
      faults.push(`Value at '${path}' failed to satisfy constraint: Member must have length ${constraint}`);
    if (value.length < (limits.min ?? 0)) fault(`greater than or equal to ${limits.min}`);
    if (value.length > (limits.max ?? Infinity)) fault(`less than or equal to ${limits.max}`);
    return value.map((item, i) => member(item, `${path}.${i + 1}.member`, faults));
  };
}

const members = new Set<string>();

/** Whether any request has a member of this name; what is unknown is not to be recorded, it could be anything. */
export function isMember(key: string): boolean {
  return members.has(key);
}

function shape<R extends Checks, O extends Checks>(required: R, optional: O): Check<Shaped<R, O>> {
  for (const key of [...Object.keys(required), ...Object.keys(optional)]) members.add(key);
  return (value, path, faults) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(path || 'request');
    const given = value as Record<string, unknown>;
    const out: Record<string, unknown> = {};
    const at = (key: string) => `${path && `${path}.`}${key[0]!.toLowerCase()}${key.slice(1)}`;
    for (const [key, check] of Object.entries(required)) {
      if (given[key] === undefined || given[key] === null) {
        faults.push(`Value null at '${at(key)}' failed to satisfy constraint: Member must not be null`);
      } else {
        out[key] = check(given[key], at(key), faults);
      }
    }
    for (const [key, check] of Object.entries(optional)) {
      // An explicit null means "not given" in this protocol. Members that are not in the model are ignored.
      if (given[key] !== undefined && given[key] !== null) out[key] = check(given[key], at(key), faults);
    }
    return out as Shaped<R, O>;
  };
}

/** Letters that a name may have; the service's own text also lists `!`, which only names that AWS itself makes have. */
const namePattern = /^[A-Za-z0-9/_+=.@-]+$/;
const invalidName = () =>
  validation(
    'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
  );

const secretId: Check<string> = (value, path, faults) => {
  const id = text({ min: 1, max: 2048 })(value, path, faults);
  if (id !== '' && !id.startsWith('arn:') && !/^[A-Za-z0-9/_+=.@!-]+$/.test(id)) throw invalidName();
  return id;
};
const name: Check<string> = (value, path, faults) => {
  const given = text({ min: 1, max: 512 })(value, path, faults);
  if (given !== '' && !namePattern.test(given)) throw invalidName();
  return given;
};

const token = text({ min: 32, max: 64 });
const stage = text({ min: 1, max: 256 });
const description = text({ max: 2048 });
const kmsKeyId = text({ max: 2048 });
const region = text({ min: 1, max: 128, pattern: /^([a-z]+-)+\d+$/ });
const tag = shape({ Key: text({ min: 1, max: 128 }) }, { Value: text({ max: 256 }) });
const replicaRegions = list(shape({ Region: region }, { KmsKeyId: kmsKeyId }), { min: 1 });
const policy = text({ min: 1, max: 20_480 });
const nextToken = text({ min: 1, max: 4096 });
const filterKeys = ['description', 'name', 'tag-key', 'tag-value', 'primary-region', 'owning-service', 'all'] as const;
/** Both members are optional here: the service has its own answers when one is missing. */
const filters = list(
  shape(
    {},
    {
      Key: text({ oneOf: filterKeys }),
      Values: list(text({ max: 512, pattern: /^!?[a-zA-Z0-9 :_@/+=.!-]*$/ }), { max: 10 }),
    },
  ),
  { max: 10 },
);
const rotationRules = shape(
  {},
  {
    AutomaticallyAfterDays: whole(1, 1000),
    Duration: text({ min: 2, max: 3, pattern: /^[0-9]+h$/ }),
    ScheduleExpression: text({ min: 1, max: 256, pattern: /^[0-9A-Za-z()#?*\-/, ]+$/ }),
  },
);
const externalMetadata = list(shape({}, { Key: text({ min: 1, max: 256 }), Value: text({ min: 1, max: 2048 }) }));
const value = { SecretString: secretString, SecretBinary: secretBinary };
const id = { SecretId: secretId };

/** All 23 operations of the service. */
export const requests = {
  BatchGetSecretValue: shape(
    {},
    {
      SecretIdList: list(secretId, { min: 1, max: 20 }),
      Filters: filters,
      MaxResults: whole(1, 20),
      NextToken: nextToken,
    },
  ),
  CancelRotateSecret: shape(id, {}),
  CreateSecret: shape(
    { Name: name },
    {
      ...value,
      ClientRequestToken: token,
      Description: description,
      KmsKeyId: kmsKeyId,
      Tags: list(tag),
      AddReplicaRegions: replicaRegions,
      ForceOverwriteReplicaSecret: flag,
      Type: text({ max: 256 }),
    },
  ),
  DeleteResourcePolicy: shape(id, {}),
  DeleteSecret: shape(id, { RecoveryWindowInDays: whole(), ForceDeleteWithoutRecovery: flag }),
  DescribeSecret: shape(id, {}),
  GetRandomPassword: shape(
    {},
    {
      PasswordLength: whole(1, 4096),
      ExcludeCharacters: text({ max: 4096 }),
      ExcludeNumbers: flag,
      ExcludePunctuation: flag,
      ExcludeUppercase: flag,
      ExcludeLowercase: flag,
      IncludeSpace: flag,
      RequireEachIncludedType: flag,
    },
  ),
  GetResourcePolicy: shape(id, {}),
  GetSecretValue: shape(id, { VersionId: token, VersionStage: stage }),
  ListSecretVersionIds: shape(id, { MaxResults: whole(1, 100), NextToken: nextToken, IncludeDeprecated: flag }),
  ListSecrets: shape(
    {},
    {
      IncludePlannedDeletion: flag,
      MaxResults: whole(1, 100),
      NextToken: nextToken,
      Filters: filters,
      SortOrder: text({ oneOf: ['asc', 'desc'] }),
      SortBy: text({ oneOf: ['created-date', 'last-accessed-date', 'last-changed-date', 'name'] }),
    },
  ),
  PutResourcePolicy: shape({ ...id, ResourcePolicy: policy }, { BlockPublicPolicy: flag }),
  PutSecretValue: shape(id, {
    ...value,
    ClientRequestToken: token,
    VersionStages: list(stage, { min: 1, max: 20 }),
    RotationToken: text({ min: 36, max: 256, pattern: /^[a-zA-Z0-9-]+$/, sensitive: true }),
  }),
  RemoveRegionsFromReplication: shape({ ...id, RemoveReplicaRegions: list(region, { min: 1 }) }, {}),
  ReplicateSecretToRegions: shape({ ...id, AddReplicaRegions: replicaRegions }, { ForceOverwriteReplicaSecret: flag }),
  RestoreSecret: shape(id, {}),
  RotateSecret: shape(id, {
    ClientRequestToken: token,
    RotationLambdaARN: text({ max: 2048 }),
    RotationRules: rotationRules,
    RotateImmediately: flag,
    ExternalSecretRotationMetadata: externalMetadata,
    ExternalSecretRotationRoleArn: text({ min: 20, max: 2048 }),
  }),
  StopReplicationToReplica: shape(id, {}),
  TagResource: shape({ ...id, Tags: list(tag) }, {}),
  UntagResource: shape({ ...id, TagKeys: list(text({ min: 1, max: 128 })) }, {}),
  UpdateSecret: shape(id, {
    ...value,
    ClientRequestToken: token,
    Description: description,
    KmsKeyId: kmsKeyId,
    Type: text({ max: 256 }),
  }),
  UpdateSecretVersionStage: shape(
    { ...id, VersionStage: stage },
    { RemoveFromVersionId: token, MoveToVersionId: token },
  ),
  ValidateResourcePolicy: shape({ ResourcePolicy: policy }, id),
} satisfies Record<string, Check<unknown>>;

export type Operation = keyof typeof requests;
export type Input<O extends Operation> = ReturnType<(typeof requests)[O]>;

export function isOperation(text: string): text is Operation {
  return Object.hasOwn(requests, text);
}

/** The request as its operation wants it, or ValidationException / SerializationException. */
export function validated<O extends Operation>(operation: O, body: Record<string, unknown>): Input<O> {
  const faults: Faults = [];
  const input = requests[operation](body, '', faults) as Input<O>;
  if (faults.length === 0) return input;
  throw validation(`${faults.length} validation error${faults.length > 1 ? 's' : ''} detected: ${faults.join('; ')}`);
}
