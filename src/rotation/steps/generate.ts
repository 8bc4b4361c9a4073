import { failpoint, Later } from '../../kernel.ts';
import { doneByHand, madeByHand } from '../by-hand/model.ts';
import { waitForPerson } from '../by-hand/wait.ts';
import { issuedOf } from '../issued-model.ts';
import { begin, journal, type Run, settle, settleBriefly, short, tokenOf } from '../journal.ts';
import { conditionIn, holderOf } from '../labels-model.ts';
import { nothingWorks, unseenSwitch } from '../model.ts';
import { givenUp, passed, stopped } from '../moves-model.ts';
import { whyNotStage } from '../preflight-model.ts';
import { asksOf, awaitTurn } from '../timing/pace.ts';
import { withName } from './look.ts';
import { makeValue, orphanRemoved, refuseGivenUp, roomMade } from './make.ts';
import { workingWith } from './own.ts';
import { replaceValue } from './replace.ts';

/** Step 1 of SOP 5.3: a new value, stored beside the current one under AWSPENDING. Nobody uses it yet. */
export async function generateValue(seen: Run): Promise<void> {
  const token = await tokenOf(seen.rotation.id, seen.rotation.attempt);
  let run = await begin(seen, token);
  const { ports, rotation, secretId } = run;
  const found = await ports.secrets.describe(secretId);
  const whyNot = whyNotStage(found);
  if (!found || whyNot) {
    // A secret that was made a moment ago may not be visible yet.
    if (!found) await settle(run, 'the secret is not visible');
    return journal(run, (each, now) =>
      stopped(each, (whyNot ?? []).join(' '), nothingWorks(each) ? 'none' : 'old', now),
    );
  }
  const holder = holderOf(found.versions, 'AWSCURRENT')!;
  const known = [rotation.oldVersion, ...rotation.cleanup, ...rotation.tried];
  if (rotation.oldVersion && !known.includes(holder)) {
    await settle(run, 'the current version is not the one that was there before');
    const why = `Somebody else made version ${short(holder)} current while this rotation ran, so it stopped.`;
    return journal(run, (each, now) => givenUp(each, why, conditionIn(found.versions, each), now), {
      current: { version: holder, lastFour: null },
    });
  }
  if (!rotation.oldVersion) await settledOn(run, holder);
  run = await workingWith(run, holder);
  // Its turn was not taken for mere looking.
  await awaitTurn(run, asksOf(run));
  const pending = holderOf(found.versions, 'AWSPENDING');
  const stray = pending && pending !== token && pending !== holder ? pending : null;
  const replaces = run.issuer.can.overlap === 'none';
  const isStored = found.versions.some((version) => version.id === token) || (replaces && (await isThere(run, token)));
  const byHand = madeByHand(run.issuer.can);
  if (byHand && !isStored) return waitForPerson(run, 'hand-in');
  // What the provider calls it is learned where it says so: then it can be ended there too.
  if (byHand) run = await withName(run, token);
  else if (!replaces && (await orphanRemoved(run, token, isStored))) return;
  if (!isStored) {
    if (await roomMade(run, found.versions)) return;
    const made = await (replaces ? replaceValue : makeValue)(run, token, holder);
    if (!made) return;
    run = made.run;
    failpoint('rotation.generate:before');
    await ports.secrets.stage(secretId, token, made.value);
    failpoint('rotation.generate:after');
  }
  const by = byHand ? await handedInBy(run) : '';
  const evidence = stray
    ? `${by}stored as version ${short(token)}; took AWSPENDING over from version ${short(stray)}, which nobody had finished`
    : `${by}stored as version ${short(token)}`;
  await journal(
    run,
    (each, now) => {
      refuseGivenUp(each, token, issuedOf(each, token)?.providerKeyId);
      return passed({ ...each, oldVersion: each.oldVersion ?? holder }, evidence, ports.policy, now);
    },
    {
      facts: { version: token, old: rotation.oldVersion ?? holder, ...(stray ? { stray } : {}) },
    },
  );
}

/**
 * Waits until it is certain that this version is current. Whoever believes an older look has what is in use made new, at a
 * provider that knows keys by their slots, or ended: to make room, or because it was another's that has been taken over.
 */
async function settledOn(run: Run, holder: string): Promise<void> {
  const { rotation, key, issuer, ports, now } = run;
  const { overlap, keyLimit, revoke } = issuer.can;
  const mayEnd = revoke && (overlap !== 'many' || keyLimit !== null);
  const earlier =
    mayEnd || rotation.cleanup.length > 0
      ? await ports.store.look((view) => view.rotations.ofKey(rotation.keyId, 5))
      : [];
  const lastDone = earlier.findIndex((each) => each.status === 'done');
  const unseen = earlier
    .slice(0, lastDone < 0 ? undefined : lastDone)
    .flatMap((each) => (each.id === rotation.id ? [] : (unseenSwitch(each, holder, now) ?? [])));
  const waitMs = Math.max(0, ...unseen.map(({ landedAt }) => landedAt.getTime() - now.getTime()));
  if (waitMs > 0) throw new Later('the switch of an earlier rotation may still land', waitMs);
  const isOther = key.currentVersion !== null && holder !== key.currentVersion;
  if (isOther || unseen.length > 0) await settleBriefly(run, 'which version is current is not certain yet');
}

/** A version that a list does not show yet may be there already; another value would be made for it in vain. */
const isThere = async ({ ports, secretId, rotation }: Run, token: string): Promise<boolean> =>
  issuedOf(rotation, token) !== null && (await ports.secrets.read(secretId, { versionId: token })) !== null;

async function handedInBy({ ports, rotation }: Run): Promise<string> {
  const done = doneByHand(rotation, 'hand-in');
  const person = done && (await ports.store.read((view) => view.people.find(done.by)));
  return person ? `handed in by ${person.name}, ` : 'handed in, ';
}
