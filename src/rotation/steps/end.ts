import { failpoint, type Secret } from '../../kernel.ts';
import { dying, ended, idsToEnd, idsToKeep, issuedOf, unansweredOf } from '../issued-model.ts';
import { journal, type Run, settle, settleBriefly, short } from '../journal.ts';
import { type Issued, unique } from '../model.ts';
import { aliveAgain, mayReviveAgain, partDone, stopped } from '../moves-model.ts';
import { valueAt, withName } from './look.ts';

/**
 * Step 6 of SOP 5.3 at the provider: ends what was there before, one key a job, and before the store forgets it. False
 * when something was done, or when it cannot be done without a person; the rotation has been written then.
 */
export async function allEndedAtProvider(run: Run, versions: string[]): Promise<boolean> {
  if (!run.issuer.can.revoke) return true;
  const known = await withNames(run, versions);
  if (!known) return false;
  return allGone(known, versions);
}

/** The way back, at the provider: what was made for nothing is removed there too. */
export async function allThrownAwayAtProvider(run: Run, versions: string[]): Promise<boolean> {
  return run.issuer.can.revoke ? allGone(run, versions) : true;
}

/** Looks for what the provider calls values that it has not made for us. Null when one lives and has no name. */
async function withNames(run: Run, versions: string[]): Promise<Run | null> {
  let known = run;
  for (const version of versions) {
    known = await withName(known, version);
    const value = issuedOf(known.rotation, version) ? null : await valueAt(run, version);
    if (value && (await verdictOn(run, { providerKeyId: null, value })).verdict !== 'dead') {
      const why = `${run.issuer.name} does not say which of its keys the old value (version ${short(version)}) is, so it was not revoked. Revoke it there by hand, then press Retry.`;
      await settleBriefly(known, `${run.issuer.name} does not list the old value`);
      await journal(known, (each, now) => stopped(each, why, 'both', now));
      return null;
    }
  }
  return known;
}

/** Learns what the provider calls the old value, where nobody has told and it says; its use can be looked up then. */
export async function withOldNamed(run: Run): Promise<Run> {
  return run.rotation.oldVersion ? withName(run, run.rotation.oldVersion) : run;
}

async function allGone(run: Run, versions: string[]): Promise<boolean> {
  const { rotation, key, issuer } = run;
  const [next] = idsToEnd(rotation, versions);
  if (next) {
    await end(run, next);
    return false;
  }
  // Whatever bears one of our labels and is no value that stays was made by a try whose answer came too late.
  // One that was ended a moment ago may still be listed.
  const keep = idsToKeep(rotation, versions);
  const gone = rotation.issued.filter((each) => each.ended && !each.ending).map((each) => each.providerKeyId);
  const left = rotation.labels.length > 0 ? await issuer.find(key, rotation.labels, unansweredOf(rotation)) : [];
  const stray = left.find(({ providerKeyId }) => !keep.includes(providerKeyId) && !gone.includes(providerKeyId));
  if (!stray) return true;
  await end(run, { version: '', providerKeyId: stray.providerKeyId });
  return false;
}

async function end(run: Run, { version, providerKeyId }: Pick<Issued, 'version' | 'providerKeyId'>): Promise<void> {
  const { rotation, key, issuer } = run;
  const value = version ? () => valueAt(run, version) : null;
  failpoint(`rotation.${rotation.step}:revoke-before`);
  await issuer.revoke(key, { providerKeyId, value });
  failpoint(`rotation.${rotation.step}:revoke-after`);
  const evidence = `${providerKeyId} revoked at ${issuer.name}`;
  await journal(run, (each, now) => partDone(ended(each, providerKeyId), evidence, now), {
    facts: { providerKeyId, ...(version ? { version } : {}) },
    action: 'rotation.revoke',
  });
}

/** What of these versions was ended at the provider, for the card's line of this step. */
export function endedInWords({ rotation, issuer }: Run, versions: string[]): string {
  const ids = rotation.issued.filter((each) => each.ended && versions.includes(each.version));
  const how = rotation.replacement ? 'ended' : 'revoked';
  return ids.length > 0 ? `${ids.map((each) => each.providerKeyId).join(', ')} ${how} at ${issuer.name}; ` : '';
}

/**
 * Step 8 of SOP 5.3 at the provider: tries what was ended, as somebody who holds it would. The evidence, empty where
 * nobody could be asked about an old value, or null when the rotation goes back or stops. What is neither dead nor alive
 * is an outage, and is tried again.
 */
export async function deadAtProvider(run: Run): Promise<string | null> {
  const { rotation, issuer } = run;
  if (!issuer.can.confirmDead) return '';
  const said: string[] = [];
  const unasked: string[] = [];
  for (const version of dying(rotation)) {
    const providerKeyId = issuedOf(rotation, version)?.providerKeyId ?? null;
    const value = await valueAt(run, version);
    if (!providerKeyId && !value) {
      unasked.push(version);
      continue;
    }
    const { verdict, evidence } = await verdictOn(run, { providerKeyId, value });
    if (verdict === 'unclear')
      throw new Error(`${issuer.name} could not say whether the old value is dead: ${evidence}`);
    if (verdict === 'alive') {
      await settle(
        run,
        `the end of the old value may not have reached all of ${issuer.name}`,
        issuer.can.propagationSeconds,
      );
      const why = `The old value still works at ${issuer.name} although it was revoked there. Revoke it by hand, then press Retry.`;
      await journal(run, (each, now) =>
        mayReviveAgain(each) ? aliveAgain(each, `still alive: ${evidence}`, now) : stopped(each, why, 'both', now),
      );
      return null;
    }
    said.push(evidence);
  }
  // The death of others says nothing of these.
  return said.length > 0 && !(await wereMade(run, unasked)) ? `${said[0]}; ` : '';
}

/** Whether any of these versions ever had a value that somebody may have: what a worker meant to make and did not has none. */
async function wereMade({ ports, rotation }: Run, versions: string[]): Promise<boolean> {
  const others = versions.filter((each) => !rotation.tried.includes(each));
  if (others.length === 0 || others.includes(rotation.oldVersion ?? '')) return others.length > 0;
  const all = await ports.store.look((view) => view.rotations.ofKey(rotation.keyId, 50));
  return all.some(({ oldVersion, newVersion, tried, record }) => {
    const stored = record.some((each) => each.step === 'generate' && each.verdict === 'done');
    return unique([oldVersion, newVersion, ...(stored ? tried : [])]).some((each) => others.includes(each));
  });
}

/** A slot of which the new value has taken possession says nothing about the old one by its name. */
function verdictOn(run: Run, ending: { providerKeyId: string | null; value: Secret | null }) {
  const inUse = issuedOf(run.rotation, run.rotation.newVersion)?.providerKeyId;
  const providerKeyId = ending.providerKeyId === inUse ? null : ending.providerKeyId;
  return run.issuer.confirmDead(run.key, { ...ending, providerKeyId });
}
