import { failpoint } from '../../kernel.ts';
import { spread } from '../deployment/deploy.ts';
import { begin, journal, notBeforeItsTime, type Run, stillOurs } from '../journal.ts';
import { partDone, passed } from '../moves-model.ts';
import { withOldNamed } from './end.ts';
import { stillSwitched } from './look.ts';
import { idsToDisable, idsToEnable, mayScream, switchedOff, toDisable } from './scream-model.ts';

/**
 * Has the old value first stopped for a while, so that whoever still uses it is heard: null, and the rotation has been
 * written then. Otherwise the run that goes on to end it, with what was learned.
 */
export async function unlessDisabledFirst(seen: Run): Promise<Run | null> {
  const { issuer, ports } = seen;
  if (!issuer.can.disable || !issuer.enable || !mayScream(seen.rotation, ports.policy)) return seen;
  const run = await withOldNamed(seen);
  if (idsToDisable(run.rotation).length === 0) return run;
  await journal(run, (each, now) => toDisable(each, now), { action: 'rotation.disable' });
  return null;
}

/** Stops the old keys at their provider, one a job. Each can be started again. */
export async function disableOld(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, issuer } = run;
  if (!(await stillSwitched(run))) return;
  const [next] = idsToDisable(rotation);
  if (next) return turned(run, next.providerKeyId, 'disabled');
  const ids = idsToEnable(rotation).map((each) => each.providerKeyId);
  const evidence = `${ids.join(', ')} disabled at ${issuer.name}, which can enable it again`;
  await journal(run, (each, now) => passed(each, evidence, ports.policy, now), {
    facts: { providerKeyIds: ids },
    also: async (tx, next) => {
      // Whoever moved something is the first to notice.
      const movers = new Set(next.deployments.flatMap((each) => each.claimedBy ?? each.personId ?? []));
      for (const person of movers) await tx.cards.show('rotation:move', next.id, { person });
    },
  });
}

/** Nobody has objected for long enough: the old value may die for good. */
export async function endWatch(run: Run): Promise<void> {
  notBeforeItsTime(run, 'the old value is disabled, and watched');
  await journal(run, (each, now) => passed(each, 'nobody has said that something broke', run.ports.policy, now));
}

/** Something broke: starts the old keys again, one a job, and asks everybody anew. */
export async function enableOld(seen: Run): Promise<void> {
  notBeforeItsTime(seen, 'a call that was under way may still land');
  const run = await begin(seen);
  const { ports, rotation, issuer } = run;
  const [next] = idsToEnable(rotation);
  if (next) return turned(run, next.providerKeyId, 'enabled again');
  await journal(
    run,
    (each, now) => passed(each, `the old value is enabled again at ${issuer.name}`, ports.policy, now),
    {
      also: (tx, next) => spread(tx, ports, next),
    },
  );
}

async function turned(run: Run, providerKeyId: string, how: 'disabled' | 'enabled again'): Promise<void> {
  const { rotation, key, issuer } = run;
  const off = how === 'disabled';
  await stillOurs(run);
  failpoint(`rotation.${rotation.step}:before`);
  await issuer.enable!(key, providerKeyId, !off);
  failpoint(`rotation.${rotation.step}:after`);
  const evidence = `${providerKeyId} ${how} at ${issuer.name}`;
  await journal(run, (each, now) => partDone(switchedOff(each, providerKeyId, off), evidence, now), {
    facts: { providerKeyId },
    action: off ? 'rotation.disable-key' : 'rotation.enable-key',
  });
}
