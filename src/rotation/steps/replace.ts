import { failpoint, Later, Refusal, type Secret } from '../../kernel.ts';
import { issuedOf, labelOf } from '../issued-model.ts';
import { journal, noteDown, type Run, settle } from '../journal.ts';
import type { Rotation } from '../model.ts';
import { givenUp } from '../moves-model.ts';
import { hasMoved, isLastAsked, lastOfChain, replaced, replacementAsked, unreplaced } from '../replacement-model.ts';
import { valueAt } from './look.ts';
import { unlessNotMade } from './make.ts';

/**
 * Has the value of `current` replaced where nothing overlaps: it dies by this call. The call is written down before it is
 * made, and what it answered before anything can happen to it. Null when there is no new value and the rotation has gone back.
 *
 * A call whose answer nobody has seen is never repeated: a provider that is asked to rotate a key which it has rotated ends
 * its successor too. When enough time has passed it is looked what is there, and that is replaced.
 */
export async function replaceValue(
  run: Run,
  token: string,
  current: string,
): Promise<{ run: Run; value: Secret } | null> {
  const { issuer, key, rotation } = run;
  const last = lastOfChain(rotation, current) ?? (await handedOut(run, current));
  const settled = (what: string) =>
    settle(
      run,
      `whether ${issuer.name} ${what} is not certain yet`,
      Math.max(run.ports.policy.rotation.settleSeconds, issuer.can.propagationSeconds),
    );
  if (last?.asked) await settled('has replaced the value');
  const found = last ? await issuer.replaceable!(key, last) : unknownTo(issuer);
  if ('refused' in found) {
    // What was made a moment ago is not known everywhere yet.
    if (!last?.asked) await settled('has ended the value that is handed out');
    return backOut(run, current, found.refused);
  }
  const { providerKeyId: of } = found;
  const isUntouched = last?.asked && issuedOf(rotation, current)?.providerKeyId === of;
  if (isUntouched) await neverArrived(run, current, of);
  const asked = await noteDown(run, 'rotation.replace', { providerKeyId: of, issuer: issuer.name }, (each, now) => {
    // Whoever has asked since has not been looked for.
    if (hasMoved(each, rotation)) throw notYet();
    return replacementAsked(each, of, current, now);
  });
  failpoint('rotation.generate:create-before');
  // A call of before that never arrived is none: two who each took one back to that would give way to each other for ever.
  const notMade = (why: string) => takenBack(asked, isUntouched ? unreplaced(rotation) : rotation, why);
  const rival = await lastToAsk(asked);
  if (rival) {
    const why = `another key has the same value, and ${issuer.name} is asked to replace it for that one`;
    await notMade(why);
    // Not at the same time as that.
    throw new Later(why, rotation.id < rival.id ? 2_000 : 20_000);
  }
  const made = await issuer
    .create({ ...key, currentVersion: current }, labelOf(rotation), of)
    .catch((error: unknown) => unlessNotMade(error, notMade));
  failpoint('rotation.generate:create-after');
  if ('notYet' in made) {
    await notMade(made.notYet);
    throw new Error(made.notYet);
  }
  if ('refused' in made) return backOut(asked, current, made.refused);
  const { value, providerKeyId, expiresAt } = made;
  if (!providerKeyId) throw new Error(`${issuer.name} does not say which key took the place of ${of}`);
  const known = { version: token, providerKeyId, expiresAt: expiresAt?.toISOString() ?? null };
  const facts = { providerKeyId, replaced: of, issuer: issuer.name };
  const noted = await noteDown(asked, 'rotation.create', facts, (each, now) => {
    if (!isLastAsked(each, asked.rotation.replacement!)) throw late();
    return replaced(each, known, now);
  });
  return { run: noted, value };
}

const unknownTo = ({ name }: Run['issuer']) => ({
  refused: `${name} does not accept the value that is handed out, so there is nothing to make a new one from. Make one there by hand, store it as the current value of the secret, then start again.`,
});

/**
 * Throws when the key that seems to live, although its replacement was asked for, is not taken any more: a copy of the
 * provider's data that lags shows neither its end nor its successor.
 */
async function neverArrived(run: Run, current: string, of: string): Promise<void> {
  const value = await valueAt(run, current);
  if (value && (await run.issuer.test(run.key, value, null)).verdict === 'works') return;
  throw new Error(
    `${run.issuer.name} shows ${of} as active and does not accept its value, so what it shows may be old`,
  );
}

/** What the provider calls the value that is handed out: its own word, and not what the inventory has of it. One of ours is known. */
async function handedOut(run: Run, current: string): Promise<{ providerKeyId: string; asked: null } | null> {
  const value = await valueAt(run, current);
  const ours = run.rotation.tried.includes(current) ? issuedOf(run.rotation, current) : null;
  const providerKeyId = (value && (await run.issuer.identify(run.key, value))) ?? ours?.providerKeyId ?? null;
  return providerKeyId ? { providerKeyId, asked: null } : null;
}

/**
 * Throws when another worker has looked and asked meanwhile: a call made now would end what that one has made. So would it
 * where another key has the same value, and its rotation has asked too: that one is answered. Of two who ask at the same time
 * at least one sees the other, because both have written it down before they look.
 */
async function lastToAsk({ ports, issuer, rotation: seen }: Run): Promise<Rotation | null> {
  const asking = await ports.store.look((view) => view.rotations.replacing(issuer.name, seen.replacement!.of));
  const mine = asking.find((each) => each.id === seen.id);
  if (mine?.fence !== seen.fence || !isLastAsked(mine, seen.replacement!)) throw notYet();
  return asking.find((each) => each.id !== seen.id) ?? null;
}

/** Nothing was asked for, or nothing done, for certain: all is as it was before. */
function takenBack(asked: Run, { replacement, condition }: Rotation, why: string): Promise<Run> {
  return noteDown(asked, 'rotation.not-made', { why }, (each) => {
    if (!isLastAsked(each, asked.rotation.replacement!)) throw late();
    return { ...each, replacement, condition };
  });
}

const isLate = 'Another worker has asked for the new value, so the one that came late did nothing.';
const late = () => new Refusal('conflict', isLate);
/** The same before the call. Who asked may be gone, and this one's job the only one: it looks anew. */
const notYet = () => new Later(isLate, 1_000);

/** There is no new value. What works then is asked of the provider, because a call may have been carried out. */
async function backOut(run: Run, current: string, why: string): Promise<null> {
  const value = await valueAt(run, current);
  const tried = value && (await run.issuer.test(run.key, value, null));
  if (tried?.verdict === 'unclear')
    throw new Error(`${run.issuer.name} could not say whether the value that is handed out works: ${tried.evidence}`);
  const works = tried?.verdict === 'works';
  await journal(run, (each, now) =>
    works ? givenUp(unreplaced(each), why, 'old', now) : givenUp(each, why, 'none', now),
  );
  return null;
}
