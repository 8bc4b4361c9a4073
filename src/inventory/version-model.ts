import type { Id, Instant } from '../kernel.ts';
import type { ApiKey } from './model.ts';

/**
 * One value that a key has or had, and never the value itself: known by its version id in the store, its last four
 * characters and its keyed fingerprint.
 */
export interface Version {
  keyId: Id<'key'>;
  version: string;
  lastFour: string | null;
  /** Equal for equal values, and nothing else can be learned from it; null while it is not known. */
  fingerprint: string | null;
  seenAt: Instant;
  /** When it was first seen to be the one that is handed out; null when it never was. */
  currentAt: Instant | null;
}

/** A value as it was seen in the store. */
export function seenVersion(
  keyId: Id<'key'>,
  seen: { version: string; lastFour: string | null; fingerprint: string | null },
  isCurrent: boolean,
  now: Instant,
): Version {
  const { version, lastFour, fingerprint } = seen;
  return { keyId, version, lastFour, fingerprint, seenAt: now, currentAt: isCurrent ? now : null };
}

/** The version under which a key has handed out this very value before; `but` is the version that it has now. */
export function handedOutBefore(versions: Version[], fingerprint: string | null, but: string | null): Version | null {
  if (fingerprint === null) return null;
  return (
    versions.find((each) => each.fingerprint === fingerprint && each.version !== but && each.currentAt !== null) ?? null
  );
}

/** Whether a fingerprint can be held against another one: only where both were taken under the same key can equal values be told. */
export const comparable = (fingerprint: string, other: string): boolean =>
  fingerprint.split('.')[0] === other.split('.')[0];

/** Whether one of these is the version that a key hands out now. */
export const isCurrentOf = (key: Pick<ApiKey, 'id' | 'currentVersion'>, versions: Version[]): boolean =>
  versions.some((each) => each.keyId === key.id && each.version === key.currentVersion);

/** Why a new value that the key had before is no new one, in words that hold nothing of it. */
export const notNew = ({ version, currentAt }: Version): string =>
  `This is not a new value: the key had it before, as version ${version.slice(0, 8)}${currentAt ? `, known since ${currentAt.toISOString().slice(0, 10)}` : ''}`;
