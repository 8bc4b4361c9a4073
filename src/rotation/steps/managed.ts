import { failpoint } from '../../kernel.ts';
import type { SecretDescription } from '../../ports.ts';
import { begin, journal, type Run, settle, short, tokenOf } from '../journal.ts';
import { holderOf } from '../labels-model.ts';
import { noWayBackInWords, type Step } from '../model.ts';
import { closed, givenUp, passed, stopped, unproven } from '../moves-model.ts';
import { whyNotStage } from '../preflight-model.ts';

/** How often a rotation that AWS runs is looked at. */
const everyMs = 5_000;

/**
 * Steps 1 and 3 of SOP 5.3 where AWS rotates the secret itself: has it done under our token, and watches until the new
 * version is current. It is not known to have failed unless its time is over: AWS says nothing, and tries again.
 */
export async function haveRotated(seen: Run): Promise<void> {
  const token = await tokenOf(seen.rotation.id, seen.rotation.attempt);
  const run = await begin(seen, token);
  const { ports, rotation, secretId, issuer } = run;
  const found = await ports.secrets.describe(secretId);
  const whyNot = whyNotStage(found, true);
  if (!found || whyNot) {
    // A secret that was made a moment ago may not be visible yet.
    if (!found) await settle(run, 'the secret is not visible');
    return journal(run, (each, now) => stopped(each, whyNot?.join(' ') ?? '', 'old', now));
  }
  const version = found.versions.find((each) => each.id === token);
  const old = rotation.oldVersion ?? holderOf(found.versions, token === holder(found) ? 'AWSPREVIOUS' : 'AWSCURRENT');
  if (version?.stages.includes('AWSCURRENT') && !version.stages.includes('AWSPENDING')) {
    const evidence = `AWS has rotated the secret to version ${short(token)}`;
    return journal(
      run,
      // The value is handed out already, whatever else there is to see to.
      (each, now) => ({
        ...passed(unproven({ ...each, oldVersion: old }), evidence, ports.policy, now),
        condition: 'both',
      }),
      { facts: { version: token, old } },
    );
  }
  let asked: Awaited<ReturnType<typeof ports.secrets.rotate>> = 'started';
  if (!version) {
    failpoint('rotation.generate:before');
    asked = await ports.secrets.rotate(secretId, token);
    failpoint('rotation.generate:after');
  }
  if (typeof asked !== 'string') {
    const { refused } = asked;
    return journal(run, (each, now) => stopped(each, refused, 'old', now));
  }
  await settle(run, 'AWS is rotating the secret', issuer.can.propagationSeconds, everyMs);
  const time = `within ${issuer.can.propagationSeconds / 60} minutes`;
  if (asked === 'started' && !version?.stages.includes('AWSPENDING')) {
    // Our version has lost its label, and AWS does not come back to it: Retry begins another.
    const why = `AWS has not finished ${time}, and works on it no more: somebody stopped it, or started another rotation.`;
    return journal(run, (each, now) => givenUp(each, why, 'old', now));
  }
  const why =
    asked === 'busy'
      ? `AWS has not finished an earlier rotation of this secret ${time}. Look at the log of its rotation function, then press Retry.`
      : `AWS has not finished ${time}. Look at the log of the secret's rotation function; AWS tries again by itself. Press Retry to go on watching.`;
  return journal(run, (each, now) => stopped(each, why, 'old', now));
}

const holder = (found: SecretDescription) => holderOf(found.versions, 'AWSCURRENT');

/** Steps 6 and 8: what becomes of the old value is the rotation function's business, and it is not said to be dead. */
export async function leaveToAws(seen: Run): Promise<void> {
  const run = await begin(seen);
  const evidence =
    run.rotation.step === 'retire'
      ? 'left to AWS: a function that alternates between two users keeps the old value alive until the next rotation'
      : 'left to AWS: nobody here can try the old value';
  await journal(run, (each, now) => ({ ...passed(each, evidence, run.ports.policy, now), condition: 'both' }));
}

/** The way back ends here, unless AWS has not been asked yet: only its function knows whether the old value would work. */
export async function stayWithAws(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, secretId } = run;
  const versions = (await ports.secrets.describe(secretId))?.versions ?? [];
  const begun = versions.find((each) => rotation.tried.includes(each.id) && each.stages.length > 0);
  if (!begun) return journal(run, (each, now) => passed(each, 'AWS was not asked', ports.policy, now));
  const isCurrent = begun.stages.includes('AWSCURRENT');
  if (!isCurrent) {
    const why = 'AWS is rotating this secret already and goes on by itself, so Keysteward cannot turn back.';
    return journal(run, (each, now) => stopped(each, why, 'old', now));
  }
  // Refused, so that Retry has AWS make another value instead of turning back in vain once more.
  const why = `${(rotation.ending?.why ?? 'the new value was turned down').replace(/\.?$/, '.')} ${noWayBackInWords} Retry has AWS rotate it once more.`;
  return journal(run, (each, now) => stopped(closed(each, 'refused', why, now), why, 'both', now));
}

/** What differs where AWS rotates a secret itself. */
export const managedSteps: Partial<Record<Step, (run: Run) => Promise<void>>> = {
  generate: haveRotated,
  retire: leaveToAws,
  confirm: leaveToAws,
  restore: stayWithAws,
  discard: stayWithAws,
};
