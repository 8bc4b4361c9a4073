import { after, day, type Instant, minute } from '../../kernel.ts';
import type { Deployment, Reading, Rotation } from '../model.ts';
import { awaiting, momentInUtc, switchedAt, unconfirmed } from './model.ts';

/** What our own calls of Secrets Manager are named, so that they are told from those of whoever shares our role. */
export const ourAgent = { name: 'keysteward', version: '1' } as const;

/** One successful read of a secret's value, as it was asked for. */
export interface SecretRead {
  /** The IAM user or role, as its ARN; of a session, that of its role. */
  by: string;
  at: Instant;
  /** What was asked for; both null for the current value. */
  versionId: string | null;
  stage: string | null;
}

/** What is known of the reads of one secret. */
export interface ReadsFound {
  reads: SecretRead[];
  /** Why these may not be all of them, or null; `soon` where it is worth asking again in a while. */
  missing: { why: string; soon: boolean } | null;
}

/** The same, with who says so. */
export interface ReadsSeen extends ReadsFound {
  /** `CloudTrail` */
  said: string;
  /** How long a read may take to be written down. */
  lateMs: number;
  /** Of the secret. */
  account: string;
}

/** Two clocks may differ by so much: the database's, which has the switch, and that of AWS, which has the read. */
const clocksMs = 5_000;
/** After so long it is asked again, where somebody did not answer. */
const soonMs = 10 * minute;
/** Whoever has not answered for so long is not waited for any more: they may not be there at all. */
const silentMs = day;

/** The account that an ARN names. */
export const accountOf = (arn: string) => arn.split(':')[4] ?? '';

/** A user or a role by its account and name: unique there, whatever its path and the case of its letters. Null for anybody else. */
function identityOf(arn: string): string | null {
  const [, account, kind, rest] =
    /^arn:aws[a-z-]*:(?:iam|sts)::(\d{12}):(user|role|assumed-role)\/(.+)$/.exec(arn) ?? [];
  if (!account || !rest) return null;
  const parts = rest.split('/');
  const name = kind === 'assumed-role' ? parts[0]! : parts.at(-1)!;
  return `${account} ${kind === 'user' ? 'user' : 'role'} ${name.toLowerCase()}`;
}

/** Whether two ARNs mean one user or role; a session is its role. */
export function isSamePrincipal(one: string, other: string): boolean {
  return identityOf(one) !== null && identityOf(one) === identityOf(other);
}

/** From when on who reads what is current reads the new value: we have read it there ourselves, and nobody has objected since. */
export function readFrom(rotation: Rotation): Instant | null {
  const switched = switchedAt(rotation);
  if (!switched) return null;
  const verified = rotation.record.findLast((each) => each.step === 'verify' && each.verdict === 'done')?.endedAt;
  return after(new Date(Math.max(switched.getTime(), verified ? Date.parse(verified) : 0)), clocksMs);
}

/** Whose reads have to be looked for, and were not seen yet. */
export const unread = (rotation: Rotation): Deployment[] =>
  unconfirmed(rotation).filter((each) => each.kind === 'reads-store' && each.readsAs && !each.reading?.readAt);

const isOfNew = ({ versionId, stage }: SecretRead, { newVersion }: Rotation) =>
  versionId ? versionId === newVersion : stage === null || stage === 'AWSCURRENT';

/**
 * Who is known by the user or role that it reads the store as is waited for until it has read the new value, whatever its
 * cache. Where its reads are not known, or nobody has answered for a day, they prove nothing either way.
 */
export function readsTaken(rotation: Rotation, seen: ReadsSeen | null, now: Instant): Rotation {
  const from = readFrom(rotation);
  return unread(rotation).reduce((all, each) => {
    return awaiting(all, each.consumerId, seen && from ? looked(rotation, each, seen, from, now) : null);
  }, rotation);
}

function looked(
  rotation: Rotation,
  { readsAs, reading }: Deployment,
  { said, reads, missing, lateMs, account }: ReadsSeen,
  from: Instant,
  now: Instant,
): Reading {
  const mine = reads.filter((each) => isSamePrincipal(each.by, readsAs!) && each.at >= from && isOfNew(each, rotation));
  if (mine.length > 0) {
    const at = new Date(Math.min(...mine.map((each) => each.at.getTime())));
    const why = `read the new value from Secrets Manager at ${momentInUtc(at)} (${said})`;
    return { why, awaited: false, readAt: at.toISOString() };
  }
  if (accountOf(readsAs!) !== account) {
    return { why: `${said} does not say here who reads from another account`, awaited: false };
  }
  // Of whom it was known that they had not read it, one look that says nothing proves nothing.
  if (missing && !missing.soon && !reading?.awaited) return { why: missing.why, awaited: false };
  if (missing) {
    const silentSince = reading?.silentSince ?? now.toISOString();
    if (now < after(new Date(silentSince), silentMs)) {
      const why = `${said} could not be asked whether it has read the new value: ${missing.why}`;
      return { why, awaited: true, silentSince };
    }
    const why = `${said} has not answered since ${momentInUtc(new Date(silentSince))}: ${missing.why}`;
    return { why, awaited: false, silentSince };
  }
  const knownUntil = after(now, -lateMs);
  const why =
    knownUntil < from
      ? `its read of the new value is looked for in ${said}, which is up to ${lateMs / minute} minutes late`
      : `had not read the new value by ${momentInUtc(knownUntil)}, says ${said}`;
  return { why, awaited: true };
}

/**
 * When it is worth looking again, beside the usual times: soon, where somebody did not answer and is waited for; else each
 * time that what was not written down yet has been, until the last read that a cache allows.
 */
export function nextReadLooks(
  rotation: Rotation,
  seen: ReadsSeen | null,
  cacheMinutes: number,
  now: Instant,
): Instant[] {
  const from = readFrom(rotation);
  if (!seen || !from || unread(rotation).length === 0) return [];
  if (seen.missing?.soon) return unread(rotation).some((each) => each.reading?.awaited) ? [after(now, soonMs)] : [];
  const last = after(from, cacheMinutes * minute + seen.lateMs);
  const next = after(now, seen.lateMs);
  return [next < last ? next : last];
}
