import { setTimeout as sleep } from 'node:timers/promises';
import type * as Sdk from '@aws-sdk/client-cloudtrail';
import { hour, minute } from '../kernel.ts';
import type { Readers } from '../ports.ts';
import { ourAgent, type ReadsFound, type SecretRead } from '../rotation/deployment/reads-model.ts';

export interface CloudTrailOptions {
  /** Each of these defaults to the AWS SDK's own variables and files. */
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  /** From one call to the next. AWS allows two a second to all programs of an account in a region together. */
  everyMs?: number;
  /** The most that one look asks for, 50 reads each. */
  mostPages?: number;
  /** What was looked up so shortly ago is not asked for again. */
  freshMs?: number;
  /** Whoever did not answer, or lets nobody look, is left alone for so long. */
  restMs?: number;
  /** What comes later than usual is looked for so often. */
  againMs?: number;
  /** Who has waited for so long for the looks of others has none of their own: a job waits for it. */
  waitMs?: number;
}

/** AWS says that events usually show within 15 minutes. */
const lateMs = 15 * minute;
/** Usually: until so late they are looked for all the same. */
const latestMs = 2 * hour;
/** Looks go back to the full quarter of an hour, so that those for many secrets are the same look. */
const roundMs = 15 * minute;
/** More reads than these are not kept in memory. */
const mostKept = 50_000;
const callMs = 14_000;
/** No look begins another call after so long: a job waits for it. */
const lookMs = 20_000;
/** What was looked up so shortly ago says as much as a new look would: reads come later than that. */
const staleMs = 2 * minute;

type Missing = NonNullable<ReadsFound['missing']>;
interface Kept extends SecretRead {
  id: string;
  /** As whoever read it has typed it: its name, its ARN or a part of that. */
  secretId: string;
}
/** What was read from one instant to another: these reads and no other. Times in milliseconds. */
interface Span {
  from: number;
  until: number;
  reads: Map<string, Kept>;
}

/**
 * AWS CloudTrail, as far as it says who has read secrets. `LookupEvents` is slow to ask (two calls a second, 50 events
 * each, no filter for one secret that whoever reads could not write in another way) so one look serves all secrets: what it
 * has found is kept, and the next one asks for what is new, or older. The SDK is loaded at the first call.
 * https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
 */
export function cloudTrail(
  options: CloudTrailOptions = {},
  warn: (message: string) => void = () => {},
): Readers & { close(): Promise<void> } {
  const { everyMs = 600, mostPages = 20, freshMs = 20_000, restMs = minute, againMs = lateMs } = options;
  const { waitMs = lookMs } = options;
  let opening: Promise<{ sdk: typeof Sdk; client: Sdk.CloudTrailClient }> | undefined;
  let span: Span | null = null;
  /** What was written down by then has been found, however late it came. In milliseconds, as all times here. */
  let settledUntil = 0;
  /** What is gone through once more: it may take several looks, and comes from its end to its beginning. */
  let again: { from: number; to: number; until: number } | null = null;
  let resting: { until: number; missing: Missing } | null = null;
  /** Whether somebody has been told that it does not answer. */
  let isKnownSilent = false;
  let lastCall = 0;
  /** One look after the other: whoever comes second finds what the first has brought. */
  let turn: Promise<unknown> = Promise.resolve();

  async function open() {
    const sdk = await import('@aws-sdk/client-cloudtrail');
    const client = new sdk.CloudTrailClient({
      ...(options.region ? { region: options.region } : {}),
      ...(options.endpoint ? { endpoint: options.endpoint } : {}),
      ...(options.credentials ? { credentials: options.credentials } : {}),
      maxAttempts: 3,
      retryMode: 'standard',
      requestHandler: { connectionTimeout: 2_000, requestTimeout: 4_000, throwOnRequestTimeout: true },
    });
    return { sdk, client };
  }

  async function page(from: number, to: number | null, token: string | undefined): Promise<Sdk.LookupEventsResponse> {
    opening ??= open();
    const { sdk, client } = await opening;
    const wait = lastCall + everyMs - Date.now();
    if (wait > 0) await sleep(wait);
    lastCall = Date.now();
    const command = new sdk.LookupEventsCommand({
      LookupAttributes: [{ AttributeKey: 'EventName', AttributeValue: 'GetSecretValue' }],
      StartTime: new Date(from),
      ...(to === null ? {} : { EndTime: new Date(to) }),
      ...(token ? { NextToken: token } : {}),
    });
    return client.send(command, { abortSignal: AbortSignal.timeout(callMs) });
  }

  /** All reads from one instant to another, newest first; where there are too many or somebody stops answering, back to where it came. */
  async function pages(from: number, to: number | null, most: number): Promise<Span & { asked: number }> {
    const reads = new Map<string, Kept>();
    const begunAt = Date.now();
    const until = to ?? begunAt;
    // By AWS's clock, which may be ahead of ours.
    let oldest: number | null = null;
    let token: string | undefined;
    for (let asked = 1; asked <= most; asked++) {
      let found: Sdk.LookupEventsResponse;
      try {
        found = await page(from, to, token);
        isKnownSilent = false;
      } catch (error) {
        resting = { until: Date.now() + restMs, missing: troubleIn(error) };
        if (!isKnownSilent) warn(`CloudTrail does not say who has read secrets: ${resting.missing.why}`);
        isKnownSilent = true;
        return { from: oldest ?? until, until, reads, asked };
      }
      for (const event of found.Events ?? []) {
        // Of the second that it has come to there may be more on the next page.
        if (event.EventTime) oldest = Math.min(oldest ?? Infinity, event.EventTime.getTime() + 1_000);
        const read = readIn(event);
        if (read) reads.set(read.id, read);
      }
      token = found.NextToken;
      if (!token) return { from, until, reads, asked };
      if (Date.now() - begunAt > lookMs) break;
    }
    return { from: oldest ?? until, until, reads, asked: most };
  }

  /** Brings what is known up to date and back to `from`, as far as one look goes. */
  async function look(from: number): Promise<void> {
    if (resting && resting.until > Date.now()) return;
    resting = null;
    let left = mostPages;
    const begunAt = Date.now();
    const isDue = !span || Date.now() - span.until > freshMs;
    if (isDue) {
      // What comes late comes into a time that was looked at before.
      const back = span ? span.until - lateMs : from;
      const newer = await pages(back, null, left);
      left -= newer.asked;
      // Nothing is known, not even of this moment.
      if (!span && newer.from === newer.until) return;
      if (!span) settledUntil = newer.until;
      span = joined(span, newer, { isWhole: newer.from <= back, isSilent: resting !== null });
    }
    if (span && from < span.from && left > 0 && !resting) {
      const older = await pages(from, span.from, left);
      left -= older.asked;
      span = joined(older, span);
    }
    const hasTime = left > 0 && Date.now() - begunAt < lookMs / 2;
    if (span && isDue && hasTime && !resting) span = await lookedAgain(span, left);
  }

  /** Now and then goes through what is older than `lateMs`: each time would take too many of the few calls that there are. */
  async function lookedAgain(known: Span, most: number): Promise<Span> {
    if (!again && known.until - settledUntil < againMs) return known;
    const from = Math.max(known.from, settledUntil - latestMs);
    again ??= { from, to: known.until - lateMs, until: known.until };
    const missed = again.from < again.to ? await pages(again.from, again.to, most) : null;
    again.to = Math.min(again.to, missed?.from ?? again.from);
    if (again.to <= again.from) {
      settledUntil = again.until;
      again = null;
    }
    return missed ? joined(missed, known) : known;
  }

  return {
    name: 'CloudTrail',
    lateMs,
    async of(arn, since) {
      const from = Math.floor(since.getTime() / roundMs) * roundMs;
      const askedAt = Date.now();
      let isMyTurn = true;
      const mine = turn.then(() => {
        isMyTurn = Date.now() - askedAt <= waitMs;
        return isMyTurn ? look(from) : undefined;
      });
      turn = mine.catch(() => undefined);
      await mine;
      const names = namesOf(arn);
      const reads = [...(span?.reads.values() ?? [])].filter((each) => names.has(each.secretId) && each.at >= since);
      const isAll = span !== null && span.from <= since.getTime() && Date.now() - span.until < staleMs;
      const tooMany: Missing = { why: 'CloudTrail has more reads than Keysteward goes through', soon: false };
      const others: Missing = { why: 'it is asked for the reads of others at the moment', soon: true };
      return {
        reads: reads.map(({ by, at, versionId, stage }) => ({ by, at, versionId, stage })),
        missing: isAll ? null : (resting?.missing ?? (isMyTurn ? tooMany : others)),
      };
    },
    async close() {
      if (opening) (await opening).client.destroy();
    },
  };
}

/**
 * Two spans as one. Where the newer broke off in a time that the older had looked at, the rest of that is still to be asked
 * for. Where they do not meet, what was found stays, and the times are those of the newer, unless nobody answered.
 */
function joined(older: Span | null, newer: Span, { isWhole, isSilent } = { isWhole: true, isSilent: false }): Span {
  const reads = new Map([...(older?.reads ?? []), ...newer.reads]);
  const meets = older !== null && newer.from <= older.until;
  const { from, until } = meets
    ? { from: Math.min(older.from, newer.from), until: isWhole ? newer.until : older.until }
    : older && isSilent
      ? older
      : newer;
  return reads.size > mostKept ? cut({ from, until, reads }) : { from, until, reads };
}

/** Forgets the oldest half. */
function cut({ from, until, reads }: Span): Span {
  const newest = [...reads.values()].sort((one, other) => +other.at - +one.at).slice(0, mostKept / 2);
  // Of that second some may be among the forgotten.
  const oldest = newest.at(-1)!.at.getTime() + 1_000;
  return { from: Math.max(from, oldest), until, reads: new Map(newest.map((each) => [each.id, each])) };
}

/** Every way to name a secret of which this is the ARN: that, the same without the six characters at its end, and its name. */
function namesOf(arn: string): Set<string> {
  const partial = arn.replace(/-[A-Za-z0-9]{6}$/, '');
  return new Set([arn, partial, partial.split(':secret:')[1] ?? partial]);
}

/** A read that somebody else was let make, or null. */
function readIn({ EventId, EventTime, CloudTrailEvent }: Sdk.Event): Kept | null {
  const event = recordIn(CloudTrailEvent);
  if (!EventId || !EventTime || !event) return null;
  const { requestParameters: asked, userIdentity: who } = event;
  const by = who?.sessionContext?.sessionIssuer?.arn ?? who?.arn;
  const isOurs = event.userAgent?.includes(`${ourAgent.name}/${ourAgent.version}`);
  if (event.errorCode || event.eventSource !== 'secretsmanager.amazonaws.com' || isOurs || !asked?.secretId || !by) {
    return null;
  }
  return {
    id: EventId,
    secretId: asked.secretId,
    by,
    at: EventTime,
    versionId: asked.versionId ?? null,
    stage: asked.versionStage ?? null,
  };
}

/** As far as it matters here; https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html */
interface TrailRecord {
  eventSource?: string;
  userAgent?: string;
  errorCode?: string;
  userIdentity?: { arn?: string; sessionContext?: { sessionIssuer?: { arn?: string } } };
  requestParameters?: { secretId?: string; versionId?: string; versionStage?: string } | null;
}

function recordIn(text = ''): TrailRecord | null {
  try {
    return JSON.parse(text) as TrailRecord;
  } catch {
    return null;
  }
}

/** What went wrong, in words; of what AWS says only the name of the error is kept. */
function troubleIn(error: unknown): Missing {
  const name = error instanceof Error ? error.name : 'UnknownError';
  if (/^AccessDenied/.test(name)) {
    return { why: "Keysteward's role may not look into CloudTrail: it lacks cloudtrail:LookupEvents", soon: false };
  }
  const why = /Throttl|TooManyRequests|LimitExceeded/.test(name) ? 'it is asked too often at the moment' : name;
  return { why, soon: true };
}
