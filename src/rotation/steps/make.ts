import { AskedTooOften, after, failpoint, type Instant, minute, Refusal, type Secret } from '../../kernel.ts';
import {
  answered,
  asked,
  ended,
  givenUpOn,
  isGivenUp,
  issuedOf,
  labelOf,
  makesRoom,
  mayMakeRoom,
  named,
  strangers,
  unansweredOf,
  unnamed,
} from '../issued-model.ts';
import { journal, noteDown, type Run, stillOurs } from '../journal.ts';
import type { Stages } from '../labels-model.ts';
import type { Rotation } from '../model.ts';
import { givenUp, heldUp, partDone } from '../moves-model.ts';
import { allEndedAtProvider } from './end.ts';

/**
 * What an earlier try of this attempt left at the provider, and nobody can use: its answer was lost, or the worker died
 * with the value. One is removed in one job; true when one was.
 */
export async function orphanRemoved(run: Run, token: string, isStored: boolean): Promise<boolean> {
  const { rotation, key, issuer } = run;
  if (isStored || !issuer.can.revoke) return false;
  const label = labelOf(rotation);
  const [found] = strangers(await issuer.find(key, [label], unansweredOf(rotation)), rotation, token);
  const target = found?.providerKeyId ?? issuedOf(rotation, token)?.providerKeyId;
  if (!target) return false;
  // Whoever dies right after the call leaves nothing to find, so the log says beforehand what is about to go.
  const noted = await noteDown(
    run,
    'rotation.find-orphan',
    { providerKeyId: target, label, issuer: issuer.name },
    (each) => givenUpOn(each, target),
  );
  failpoint('rotation.generate:remove-before');
  await issuer.revoke(key, { providerKeyId: target, value: null });
  failpoint('rotation.generate:remove-after');
  const evidence = `${target} at ${issuer.name}, left behind by an earlier try, was removed`;
  await journal(noted, (each, now) => partDone(unnamed(ended(each, target), token), evidence, now), {
    facts: { providerKeyId: target, label },
    action: 'rotation.remove-orphan',
  });
  return true;
}

/**
 * A provider that allows so many keys and no more may be full of what an earlier rotation made and did not get rid of.
 * That goes first, one key in one job; true when one went, or when only a person can see to it.
 */
export async function roomMade(run: Run, stages: Stages): Promise<boolean> {
  const { rotation, key, issuer } = run;
  const { keyLimit } = issuer.can;
  const going = mayMakeRoom(stages, rotation);
  if (keyLimit === null || going.length === 0 || (await issuer.list(key)).length < keyLimit) return false;
  return !(await allEndedAtProvider(run, going));
}

/**
 * When to look again at a provider that is full: other rotations there have made their new keys and will end the old ones.
 * An emergency waits only for such as have no grace either. Null when nobody makes room.
 */
async function roomComes({ ports, rotation, key, issuer, now }: Run): Promise<Instant | null> {
  const { keyLimit } = issuer.can;
  if (keyLimit === null || (await issuer.list(key)).length < keyLimit) return null;
  const others = await ports.store.read((view) => view.rotations.runningAt(issuer.name));
  const making = others.filter(
    (each) => each.id !== rotation.id && makesRoom(each) && (each.emergency || !rotation.emergency),
  );
  if (making.length === 0) return null;
  // One that is at work is over in a moment; one in its grace is not before that ends.
  const soonest = Math.min(...making.map((each) => each.continuesAt?.getTime() ?? 0));
  const waitMs = rotation.emergency ? 5_000 : Math.min(Math.max(soonest - now.getTime(), 10_000), 5 * minute);
  return after(now, waitMs);
}

/**
 * Has a value made beside the one of `current`, and writes down what its maker calls it before anything can happen to it.
 * Null when it is refused.
 */
export async function makeValue(
  seen: Run,
  token: string,
  current: string,
): Promise<{ run: Run; value: Secret } | null> {
  // Looking for orphans takes its time; who turned back meanwhile counts on nothing being made from now on.
  if (seen.issuer.can.revoke) await stillOurs(seen);
  const { run, at } = await askedFor(seen);
  const { rotation, key, issuer } = run;
  failpoint('rotation.generate:create-before');
  // After a switch to a value of ours that died, the old one is what must stay: it works, and nobody else is to have its place.
  const switched = rotation.tried.includes(current);
  const staying = switched ? (rotation.oldVersion ?? current) : current;
  const notMade = (why: string) =>
    at ? noteDown(run, 'rotation.not-made', { why }, (each) => answered(each, at)) : Promise.resolve(run);
  const made = await issuer
    .create({ ...key, currentVersion: staying }, labelOf(rotation))
    .catch((error: unknown) => unlessNotMade(error, notMade));
  failpoint('rotation.generate:create-after');
  if ('refused' in made) {
    const until = await roomComes(run);
    if (until) {
      const why = `${issuer.name} allows ${issuer.can.keyLimit} keys and has them all; another rotation there is about to end one`;
      await journal(run, (each, now) => heldUp(answered(each, at), why, until, now), {
        action: 'rotation.wait',
        facts: { why, until },
      });
      return null;
    }
    // What it has taken over from another rotation is not left lying about.
    await journal(run, (each, now) => givenUp(answered(each, at), made.refused, switched ? 'none' : 'old', now));
    return null;
  }
  if ('notYet' in made) {
    await notMade(made.notYet);
    throw new Error(made.notYet);
  }
  const { value, providerKeyId, expiresAt } = made;
  if (!providerKeyId) return { run, value };
  const known = { version: token, providerKeyId, expiresAt: expiresAt?.toISOString() ?? null };
  const noted = await noteDown(run, 'rotation.create', { providerKeyId, issuer: issuer.name }, (each) => {
    refuseGivenUp(each, token, providerKeyId);
    const next = named(each, known);
    // The other worker's is the one that counts; ours is found by when it was made.
    return issuedOf(next, token)?.providerKeyId === providerKeyId ? answered(next, at) : next;
  });
  if (issuedOf(noted.rotation, token)?.providerKeyId !== providerKeyId) {
    // Two workers at once: the other's is the one that counts, and this one is found by its label.
    throw new Error(`another worker has made ${issuedOf(noted.rotation, token)?.providerKeyId} meanwhile`);
  }
  return { run: noted, value };
}

/** Throws where another worker has taken this key for left behind: it is about to end, and another one is made. */
export function refuseGivenUp(rotation: Rotation, token: string, providerKeyId: string | undefined): void {
  if (providerKeyId === undefined || !isGivenUp(rotation, token, providerKeyId)) return;
  throw new Refusal('conflict', `Another worker took ${providerKeyId} for left behind, and makes another one.`);
}

/** Throws what went wrong, after it was noted that nothing was made, where that is certain. */
export async function unlessNotMade(error: unknown, notMade: (why: string) => Promise<unknown>): Promise<never> {
  if (error instanceof AskedTooOften) await notMade(error.message);
  throw error;
}

/** Where keys bear no labels, the moment of the call is written down before it is made, and stands until its answer is seen. */
async function askedFor(run: Run): Promise<{ run: Run; at: string | undefined }> {
  if (!run.issuer.can.unlabelled) return { run, at: undefined };
  const noted = await noteDown(run, 'rotation.ask', { issuer: run.issuer.name }, asked);
  return { run: noted, at: noted.rotation.unanswered.at(-1) };
}
