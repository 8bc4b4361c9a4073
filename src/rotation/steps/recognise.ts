import { comparable, handedOutBefore, notNew, seenVersion, type Version } from '../../inventory/version-model.ts';
import type { Instant } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import { sameAtProvider } from '../issued-model.ts';
import { journal, type Outcome, type Read, type Run } from '../journal.ts';
import type { Rotation } from '../model.ts';
import { closed, rejected, stopped } from '../moves-model.ts';
import { readAt } from './look.ts';

/**
 * Compares the new value with all that the key has had, by their fingerprints. Answers how to keep what was seen of it
 * and of the old one; null when it is none that is new, and the rotation has gone back for another or stopped.
 */
export async function recognised(run: Run, staged: Read): Promise<Outcome['also'] | null> {
  const { ports, key, issuer } = run;
  const fresh = await seen(run, staged, false);
  const known = await ports.store.look((view) => view.versions.ofKey(key.id));
  const former = await replaced(run, known, fresh);
  const also: Outcome['also'] = async (tx) => {
    for (const each of [...former, fresh]) await tx.versions.save(each);
  };
  const before = handedOutBefore([...former, ...known], fresh.fingerprint, fresh.version);
  if (!before) return also;
  const facts = { version: fresh.version, same: before.version };
  await journal(run, (each, now) => noProgress(each, before, issuer, now), { facts, also });
  return null;
}

/** What the new value replaces. It is read only where the inventory cannot tell it from the new one without. */
async function replaced(run: Run, known: Version[], { fingerprint }: Version): Promise<Version[]> {
  const { oldVersion } = run.rotation;
  if (!oldVersion) return [];
  const old = known.find((each) => each.version === oldVersion);
  if (old?.fingerprint && (fingerprint === null || comparable(old.fingerprint, fingerprint)))
    return [{ ...old, currentAt: old.currentAt ?? run.now }];
  const read = await readAt(run, oldVersion);
  return read ? [await seen(run, read, true)] : [];
}

async function seen({ ports, key, now }: Run, read: Read, isCurrent: boolean): Promise<Version> {
  const { versionId: version, lastFour, value } = read;
  const fingerprint = await ports.fingerprints.of(value);
  return seenVersion(key.id, { version, lastFour, fingerprint }, isCurrent, now);
}

/** A value that the key had before replaces nothing. Where AWS rotates, its function has run and did not change it. */
function noProgress(rotation: Rotation, before: Version, issuer: Issuer, now: Instant): Rotation {
  const why = `${notNew(before)}.`;
  const kept = sameAtProvider(rotation, before.version);
  if (!issuer.can.rotatesItself) return rejected(kept, why, now);
  const said = `${why} AWS's rotation function ran and did not replace it: look at its log, then press Retry.`;
  return stopped(closed(kept, 'refused', said, now), said, 'both', now);
}
