import { failpoint, Later } from '../../kernel.ts';
import { spread } from '../deployment/deploy.ts';
import { begin, journal, type Run, settle } from '../journal.ts';
import { conditionIn, switchOver } from '../labels-model.ts';
import { partDone, passed, stopped } from '../moves-model.ts';
import { withOldNamed } from './end.ts';
import { idsToDisable, idsToEnable, mayScream, switchedOff, toDisable } from './scream-model.ts';
import { moved, movedAway } from './test.ts';

/** Whether the old value is first stopped for a while, so that whoever still uses it is heard; the rotation has been written then. */
export async function disablesFirst(seen: Run): Promise<boolean> {
  const { issuer, ports } = seen;
  if (!issuer.can.disable || !issuer.enable || !mayScream(seen.rotation, ports.policy)) return false;
  const run = await withOldNamed(seen);
  if (idsToDisable(run.rotation).length === 0) return false;
  await journal(run, (each, now) => toDisable(each, now), { action: 'rotation.disable' });
  return true;
}

/** Stops the old keys at their provider, one a job. Each can be started again. */
export async function disableOld(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, key, secretId, issuer } = run;
  const found = await ports.secrets.describe(secretId);
  if (!found) throw new Error('the secret cannot be seen in Secrets Manager');
  // The old value must not be stopped while anything else than the tested new one is handed out.
  const over = switchOver(found.versions, rotation);
  if (over.is !== 'done') {
    await settle(run, 'AWSCURRENT is not on the new version');
    return journal(
      run,
      (each, now) => stopped(each, movedAway(over), conditionIn(found.versions, each), now),
      moved(over),
    );
  }
  const [next] = idsToDisable(rotation);
  if (next) {
    const { providerKeyId } = next;
    failpoint('rotation.disable:before');
    await issuer.enable!(key, providerKeyId, false);
    failpoint('rotation.disable:after');
    const evidence = `${providerKeyId} disabled at ${issuer.name}`;
    return journal(run, (each, now) => partDone(switchedOff(each, providerKeyId, true), evidence, now), {
      facts: { providerKeyId },
      action: 'rotation.disable-key',
    });
  }
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
  const { rotation, ports, now } = run;
  const left = (rotation.continuesAt?.getTime() ?? 0) - now.getTime();
  if (left > 0) throw new Later('the old value is disabled, and watched', left);
  await journal(run, (each, at) => passed(each, 'nobody has said that something broke', ports.policy, at));
}

/** Something broke: starts the old keys again, one a job, and asks everybody anew. */
export async function enableOld(seen: Run): Promise<void> {
  const left = (seen.rotation.continuesAt?.getTime() ?? 0) - seen.now.getTime();
  if (left > 0) throw new Later('a call that was under way may still land', left);
  const run = await begin(seen);
  const { ports, rotation, key, issuer } = run;
  const [next] = idsToEnable(rotation);
  if (next) {
    const { providerKeyId } = next;
    failpoint('rotation.enable:before');
    await issuer.enable!(key, providerKeyId, true);
    failpoint('rotation.enable:after');
    const evidence = `${providerKeyId} enabled again at ${issuer.name}`;
    return journal(run, (each, now) => partDone(switchedOff(each, providerKeyId, false), evidence, now), {
      facts: { providerKeyId },
      action: 'rotation.enable-key',
    });
  }
  await journal(
    run,
    (each, now) => passed(each, `the old value is enabled again at ${issuer.name}`, ports.policy, now),
    {
      also: (tx, next) => spread(tx, ports, next),
    },
  );
}
