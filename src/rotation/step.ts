import type { Id } from '../kernel.ts';
import { tellConsumers } from './deployment/deploy.ts';
import { isElsewhere } from './issued-model.ts';
import { journal, type RotationPorts, type Run } from './journal.ts';
import { openRecord, type Step } from './model.ts';
import { stopped } from './moves-model.ts';
import { disableOld, enableOld, endWatch } from './steps/disable.ts';
import { generateValue } from './steps/generate.ts';
import { endGrace } from './steps/grace.ts';
import { managedSteps } from './steps/managed.ts';
import { workingWith } from './steps/own.ts';
import { promoteValue, restoreValue } from './steps/promote.ts';
import { confirmDead, discardNew, retireOld } from './steps/retire.ts';
import { testValue, verifyValue } from './steps/test.ts';
import { holdBack } from './timing/hold.ts';
import { awaitOthers } from './timing/last.ts';
import { asksOf, awaitTurn, respectingLimits } from './timing/pace.ts';
import { waitsFor } from './timing/windows-model.ts';

const take: Record<Step, (run: Run) => Promise<void>> = {
  generate: generateValue,
  test: testValue,
  promote: promoteValue,
  deploy: tellConsumers,
  verify: verifyValue,
  grace: endGrace,
  disable: disableOld,
  watch: endWatch,
  enable: enableOld,
  retire: retireOld,
  confirm: confirmDead,
  restore: restoreValue,
  discard: discardNew,
};

/** What is done to the old value, by means of the new one. */
const endsTheOld: ReadonlySet<Step> = new Set(['disable', 'enable', 'retire', 'confirm']);

/**
 * Takes the one step that this job is for: intent, at most one change of the outside world, outcome. The fence is the
 * job's ticket: it fits exactly one step of one rotation, so a repeated, late or lost job does no harm.
 * Jobs `rotation.step` and `rotation.step-now`.
 */
export async function takeStep(
  ports: RotationPorts,
  { rotationId, fence }: { rotationId: Id<'rotation'>; fence: number },
): Promise<void> {
  const { rotation, key, now } = await ports.store.look((view) => view.rotations.withKey(rotationId));
  if (rotation.status !== 'running' || rotation.fence !== fence) return;
  const issuer = ports.issuers.of(key.issuer);
  const run = {
    rotation,
    key,
    now,
    ports,
    secretId: key.secretId ?? '',
    issuer: issuer!,
    values: new Map(),
    turn: { writes: 0, calls: 0 },
  };
  if (!issuer || !key.secretId) {
    const why = issuer
      ? 'The inventory no longer says which secret holds this key.'
      : `Keysteward no longer knows how ${key.issuer} makes values.`;
    return journal(run, (each, now) => stopped(each, why, each.condition, now));
  }
  if (isElsewhere(rotation, key)) {
    const why = `${rotation.issuer} made its values when this rotation began, and ${key.issuer} does by now. Start a new rotation.`;
    return journal(run, (each, now) => stopped(each, why, each.condition, now));
  }
  await awaitOthers(run);
  const opening = waitsFor(rotation, key, ports.policy, now);
  if (opening) return holdBack(run, opening);
  const managed = issuer.can.rotatesItself ? managedSteps[rotation.step] : undefined;
  // A rotation that AWS runs is looked at again and again, and asked for once; what is being made sure of is only looked at.
  const open = openRecord(rotation);
  const onlyLooks = managed ? open : rotation.step === 'generate' && open?.unsettledSince;
  if (!onlyLooks) await awaitTurn(run, asksOf(run));
  const able = endsTheOld.has(rotation.step) ? await workingWith(run, rotation.newVersion) : run;
  await respectingLimits(able, managed ?? take[rotation.step]);
}
