import type { Instant } from '../kernel.ts';
import { ended, named, unnamed } from './issued-model.ts';
import type { Issued, Replacement, Rotation } from './model.ts';
import { lookedAnew } from './moves-model.ts';

// At a provider where nothing overlaps: the call that makes the new value ends the old one, and its answer has the only copy.

/**
 * What is to be replaced while `current` is handed out, where that has died or may have: what took its place. `asked` is from
 * the first call to the last where nobody has seen an answer yet. Null where it lives.
 */
export function lastOfChain(
  { replacement }: Pick<Rotation, 'replacement'>,
  current: string,
): { providerKeyId: string; asked: { from: Instant; to: Instant } | null } | null {
  if (replacement?.version !== current) return null;
  const { of, by, since, askedAt } = replacement;
  return by === null
    ? { providerKeyId: of, asked: { from: new Date(since), to: new Date(askedAt) } }
    : { providerKeyId: by, asked: null };
}

/**
 * The intent, written before the call: from here on the value of `current` may be dead. What took its place unseen is
 * replaced in turn, and what it had replaced is known to have ended.
 */
export function replacementAsked(rotation: Rotation, of: string, current: string, now: Instant): Rotation {
  const before = rotation.replacement?.version === current ? rotation.replacement : null;
  const over = before
    ? before.by === null && before.of !== of
      ? ended(rotation, before.of)
      : rotation
    : named(unnamed(rotation, current), { version: current, providerKeyId: of, expiresAt: null });
  const since = before?.by === null && before.of === of ? before.since : now.toISOString();
  // A look that has settled says nothing of what this call does.
  const record = over.record.map((each) => (each.endedAt === null ? lookedAnew(each) : each));
  return {
    ...over,
    record,
    oldVersion: rotation.oldVersion ?? current,
    replacement: { of, version: current, since, askedAt: now.toISOString(), by: null },
    condition: 'none',
    touchedAt: now,
  };
}

/** Whether somebody has asked for a replacement, or heard of one, since this was seen. What was looked at then says nothing any more. */
export const hasMoved = ({ replacement }: Rotation, { replacement: seen }: Rotation): boolean =>
  replacement?.askedAt !== seen?.askedAt || replacement?.by !== seen?.by;

/** Whether nobody has asked for a replacement since. */
export const isLastAsked = ({ replacement }: Rotation, { askedAt }: Pick<Replacement, 'askedAt'>): boolean =>
  replacement?.askedAt === askedAt && replacement.by === null;

/** The answer is there: the old key has ended, and the new one is that of the version that is about to be stored. */
export function replaced(rotation: Rotation, known: Omit<Issued, 'ended'>, now: Instant): Rotation {
  const replacement = { ...rotation.replacement!, by: known.providerKeyId };
  // What was made for this version before, and never stored, is what was replaced.
  const free = unnamed(rotation, known.version);
  return { ...named(ended(free, replacement.of), known), replacement, touchedAt: now };
}

/** It was refused, and the value that is handed out works: nothing has happened. */
export const unreplaced = (rotation: Rotation): Rotation => ({ ...rotation, replacement: null, condition: 'old' });
