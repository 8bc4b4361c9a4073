import { randomUUID } from 'node:crypto';
import { accountOf, lastingArn, type Principal } from './access.ts';
import { ApiError, invalidParameter, seconds } from './protocol.ts';
import { isMember } from './requests.ts';
import { page } from './search.ts';

/** One record as CloudTrail writes it (https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html). */
export type TrailEvent = {
  eventVersion: string;
  /** ISO 8601, to the second. */
  eventTime: string;
  eventID: string;
  requestID?: string;
  eventSource: 'secretsmanager.amazonaws.com';
  eventName: string;
  eventType: 'AwsApiCall' | 'AwsServiceEvent';
  eventCategory: 'Management';
  managementEvent: true;
  readOnly: boolean;
  awsRegion: string;
  recipientAccountId: string;
  sourceIPAddress: string;
  userAgent: string;
  userIdentity: Record<string, unknown>;
  requestParameters: Record<string, unknown> | null;
  responseElements: Record<string, unknown> | null;
  additionalEventData?: Record<string, unknown>;
  errorCode?: string;
  errorMessage?: string;
  tlsDetails?: Record<string, string>;
};

/** The newest events of this run, oldest first. They end with the process. */
export type Trail = {
  all(): TrailEvent[];
  call(of: CallFacts, now: number): void;
  /** What the service does by itself: RotationStarted, RotationSucceeded, RotationFailed, RotationAbandoned… */
  service(name: string, of: { region: string; arn: string }, now: number): void;
};

export type CallFacts = {
  operation: string;
  region: string;
  requestId: string;
  ip: string;
  userAgent: string;
  accessKeyId: string;
  principal: Principal;
  input: Record<string, unknown>;
  output?: Record<string, unknown>;
  error?: ApiError;
};

const keptEvents = 10_000;
const readOnly = /^(Get|List|Describe|BatchGet|Validate)/;
/** Never written down, whatever the operation. */
const sensitive = new Set(['SecretString', 'SecretBinary', 'RotationToken']);

const lowered = (key: string) => `${key[0]!.toLowerCase()}${key.slice(1)}`;
const isoSeconds = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

export function openTrail(accountId: string): Trail {
  const events: TrailEvent[] = [];
  const keep = (event: TrailEvent) => {
    events.push(event);
    if (events.length > keptEvents) events.shift();
  };
  const common = (region: string, now: number) => ({
    eventVersion: '1.09',
    eventTime: isoSeconds(now),
    eventID: randomUUID(),
    eventSource: 'secretsmanager.amazonaws.com' as const,
    eventCategory: 'Management' as const,
    managementEvent: true as const,
    awsRegion: region,
    recipientAccountId: accountId,
  });
  return {
    all: () => structuredClone(events),
    call: (of, now) =>
      keep({
        ...common(of.region, now),
        requestID: of.requestId,
        eventName: of.operation,
        eventType: 'AwsApiCall',
        readOnly: readOnly.test(of.operation),
        sourceIPAddress: of.ip,
        userAgent: of.userAgent,
        userIdentity: identityOf(of.principal, of.accessKeyId, now),
        requestParameters: parametersOf(of.input),
        responseElements: readOnly.test(of.operation) || of.error ? null : elementsOf(of.output ?? {}),
        ...(of.error ? { errorCode: codeOf(of.error), errorMessage: of.error.message } : {}),
        tlsDetails: { tlsVersion: 'none', clientProvidedHostHeader: `secretsmanager.${of.region}.amazonaws.com` },
      }),
    service: (name, of, now) =>
      keep({
        ...common(of.region, now),
        eventName: name,
        eventType: 'AwsServiceEvent',
        readOnly: false,
        sourceIPAddress: 'secretsmanager.amazonaws.com',
        userAgent: 'secretsmanager.amazonaws.com',
        userIdentity: { accountId, invokedBy: 'secretsmanager.amazonaws.com' },
        requestParameters: null,
        responseElements: null,
        additionalEventData: { SecretId: of.arn },
      }),
  };
}

function codeOf(error: ApiError): string {
  return error.name === 'AccessDeniedException' ? 'AccessDenied' : error.name;
}

function parametersOf(input: Record<string, unknown>): Record<string, unknown> | null {
  const shown = Object.entries(input).filter(([key]) => isMember(key) && !sensitive.has(key));
  return shown.length === 0 ? null : Object.fromEntries(shown.map(([key, value]) => [lowered(key), value]));
}

function elementsOf(output: Record<string, unknown>): Record<string, unknown> | null {
  const shown = ['ARN', 'Name', 'VersionId', 'DeletionDate'].filter((key) => output[key] !== undefined);
  if (shown.length === 0) return null;
  return Object.fromEntries(shown.map((key) => [key === 'ARN' ? 'arn' : lowered(key), output[key]]));
}

function identityOf(principal: Principal, accessKeyId: string, now: number): Record<string, unknown> {
  const { arn } = principal;
  const base = { arn, accountId: accountOf(arn), accessKeyId };
  const name = arn.split('/').at(-1)!;
  if (!arn.includes(':assumed-role/')) return { type: 'IAMUser', principalId: idOf(arn), userName: name, ...base };
  const role = lastingArn(arn);
  return {
    type: 'AssumedRole',
    principalId: `${idOf(role)}:${name}`,
    ...base,
    sessionContext: {
      sessionIssuer: { type: 'Role', arn: role, accountId: accountOf(arn), userName: role.split('/').at(-1) },
      attributes: { mfaAuthenticated: 'false', creationDate: isoSeconds(now) },
    },
  };
}

const ids = new Map<string, string>();

/** The unique id of a principal: AIDA… for a user, AROA… for a role. Always the same for one ARN. */
export function idOf(arn: string): string {
  const known = ids.get(arn);
  if (known) return known;
  const id = computedId(arn);
  ids.set(arn, id);
  return id;
}

function computedId(arn: string): string {
  let number = 0n;
  for (const character of arn) number = (number * 131n + BigInt(character.codePointAt(0)!)) % 32n ** 17n;
  const letters = number.toString(32).toUpperCase().padStart(17, '0');
  return `${arn.includes(':role/') ? 'AROA' : 'AIDA'}${letters}`;
}

const attributes = [
  'EventId',
  'EventName',
  'ReadOnly',
  'Username',
  'ResourceType',
  'ResourceName',
  'EventSource',
  'AccessKeyId',
];
const lookupMax = 50;

/**
 * CloudTrail's LookupEvents over these events: newest first, 50 a page, one attribute per call
 * (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html). Times are epoch seconds.
 * What came after `shownUntil`, in milliseconds, does not show yet.
 */
export function lookedUp(
  trail: Trail,
  region: string,
  ask: Record<string, unknown>,
  shownUntil: number,
): Record<string, unknown> {
  const wanted = (ask.LookupAttributes ?? []) as { AttributeKey?: unknown; AttributeValue?: unknown }[];
  const max = typeof ask.MaxResults === 'number' ? ask.MaxResults : lookupMax;
  if (
    !Array.isArray(wanted) ||
    wanted.length > 1 ||
    wanted.some(({ AttributeKey }) => !attributes.includes(AttributeKey as string))
  ) {
    throw new ApiError('InvalidLookupAttributesException', 'One lookup attribute of a known key is allowed.');
  }
  if (!Number.isInteger(max) || max < 1 || max > lookupMax)
    throw new ApiError('InvalidMaxResultsException', 'MaxResults is 1 to 50.');
  if (ask.NextToken !== undefined && typeof ask.NextToken !== 'string') throw invalidParameter('NextToken is text.');
  const from = typeof ask.StartTime === 'number' ? ask.StartTime : -Infinity;
  const to = typeof ask.EndTime === 'number' ? ask.EndTime : Infinity;

  const entries = trail
    .all()
    .reverse()
    .filter((event) => event.awsRegion === region && Date.parse(event.eventTime) <= shownUntil)
    .map(entryOf)
    .filter((entry) => entry.EventTime >= from && entry.EventTime <= to)
    .filter((entry) =>
      wanted.every(({ AttributeKey, AttributeValue }) =>
        attributeOf(entry, AttributeKey as string).includes(String(AttributeValue)),
      ),
    );
  const shown = page(
    entries,
    { question: ['LookupEvents', region, wanted, from, to], max, token: ask.NextToken as string | undefined },
    (entry) => entry.EventId,
  );
  return { Events: shown.items, ...(shown.nextToken ? { NextToken: shown.nextToken } : {}) };
}

type Entry = ReturnType<typeof entryOf>;

function entryOf(event: TrailEvent) {
  const secretId =
    event.requestParameters?.secretId ?? event.additionalEventData?.SecretId ?? event.responseElements?.arn;
  const identity = event.userIdentity as { userName?: string; principalId?: string; accessKeyId?: string };
  return {
    EventId: event.eventID,
    EventName: event.eventName,
    ReadOnly: String(event.readOnly),
    EventTime: seconds(Date.parse(event.eventTime)),
    EventSource: event.eventSource,
    Username: identity.userName ?? identity.principalId?.split(':')[1] ?? '',
    ...(identity.accessKeyId ? { AccessKeyId: identity.accessKeyId } : {}),
    Resources:
      typeof secretId === 'string' ? [{ ResourceType: 'AWS::SecretsManager::Secret', ResourceName: secretId }] : [],
    CloudTrailEvent: JSON.stringify(event),
  };
}

function attributeOf(entry: Entry, key: string): string[] {
  if (key === 'ResourceName') return entry.Resources.map((resource) => resource.ResourceName);
  if (key === 'ResourceType') return entry.Resources.map((resource) => resource.ResourceType);
  const value = entry[key as 'EventName' | 'EventId' | 'AccessKeyId' | 'Username' | 'ReadOnly' | 'EventSource'];
  return value === undefined ? [] : [value];
}
