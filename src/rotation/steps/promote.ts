import { failpoint, type Instant } from '../../kernel.ts';
import type { Policy } from '../../policy.ts';
import type { Tx } from '../../ports.ts';
import { spread } from '../deployment/deploy.ts';
import { toldAnew } from '../deployment/model.ts';
import { begin, journal, type Run, settle, short, stillOurs } from '../journal.ts';
import { conditionIn, holderOf, switchOver } from '../labels-model.ts';
import type { Rotation } from '../model.ts';
import { givenUp, passed, stopped } from '../moves-model.ts';
import { secretNow } from './look.ts';

/** Step 3 of SOP 5.3: from now on the store hands out the new value. The old one stays readable as AWSPREVIOUS. */
export async function promoteValue(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, secretId } = run;
  const version = rotation.newVersion!;
  const found = await secretNow(run);
  const over = switchOver(found.versions, rotation);
  const current = { version, lastFour: rotation.newLastFour };
  if (over.is === 'done') {
    const evidence = `AWSCURRENT is on version ${short(version)}`;
    return journal(run, (each, now) => passed(each, evidence, ports.policy, now), { current, facts: { version } });
  }
  if (over.is === 'foreign') {
    await settle(run, 'AWSCURRENT is not where it was');
    const why = `Somebody else made version ${short(over.holder)} current while this rotation ran, so it stopped and switched nothing.`;
    return journal(run, (each, now) => givenUp(each, why, conditionIn(found.versions, each), now), {
      ...(over.holder ? { current: { version: over.holder, lastFour: null } } : {}),
      facts: { holder: over.holder },
    });
  }
  await stillOurs(run);
  failpoint('rotation.promote:before');
  const did = await ports.secrets.move(secretId, 'AWSCURRENT', over.from, version);
  failpoint('rotation.promote:after');
  if (!did) {
    // An earlier call may have switched over and its answer be lost, however long ago this step began.
    const now = await secretNow(run);
    if (switchOver(now.versions, rotation).is !== 'done') {
      await settle(run, 'AWSCURRENT moved while it was looked at');
      const why = `Secrets Manager does not make version ${short(version)} current; it may have been removed.`;
      return journal(run, (each, at) => givenUp(each, why, conditionIn(now.versions, each), at));
    }
  }
  const evidence = `AWSCURRENT moved from version ${short(over.from)} to ${short(version)}`;
  await journal(run, (each, now) => passed(each, evidence, ports.policy, now), {
    current,
    facts: { from: over.from, version },
  });
}

/** The way back: the store hands out the old value again. */
export async function restoreValue(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, secretId } = run;
  const old = rotation.oldVersion!;
  // Whoever was told of the new value is told that it is no longer handed out.
  const also = (tx: Tx, next: Rotation) => spread(tx, ports, next);
  const found = await secretNow(run);
  const holder = holderOf(found.versions, 'AWSCURRENT');
  const current = { version: old, lastFour: rotation.oldLastFour };
  if (holder === old) {
    const evidence = `AWSCURRENT is on version ${short(old)}`;
    return journal(run, (each, now) => restored(each, evidence, ports.policy, now), {
      current,
      facts: { version: old },
      also,
    });
  }
  if (!holder || !rotation.tried.includes(holder)) {
    await settle(run, 'AWSCURRENT is not where it was');
    const why = `Somebody else made version ${short(holder)} current, so Keysteward did not switch back.`;
    return journal(run, (each, now) => stopped(each, why, conditionIn(found.versions, each), now), {
      ...(holder ? { current: { version: holder, lastFour: null } } : {}),
    });
  }
  await stillOurs(run);
  failpoint('rotation.restore:before');
  const did = await ports.secrets.move(secretId, 'AWSCURRENT', holder, old);
  failpoint('rotation.restore:after');
  if (!did) {
    await settle(run, 'AWSCURRENT moved while it was looked at');
    throw new Error(`Secrets Manager does not make version ${short(old)} current again`);
  }
  const evidence = `AWSCURRENT moved back from version ${short(holder)} to ${short(old)}`;
  await journal(run, (each, now) => restored(each, evidence, ports.policy, now), {
    current,
    facts: { from: holder, version: old },
    also,
  });
}

const restored = (rotation: Rotation, evidence: string, policy: Policy, now: Instant) =>
  passed(toldAnew(rotation, 'restored'), evidence, policy, now);
