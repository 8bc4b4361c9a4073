import { type Instant, Refusal } from '../../kernel.ts';
import type { Policy } from '../../policy.ts';
import { toldAnew } from '../deployment/model.ts';
import { dying, idsToEnd } from '../issued-model.ts';
import { compromised, type Issued, openRecord, type Rotation } from '../model.ts';
import { closed } from '../moves-model.ts';

/** The old keys that are not stopped yet. */
export const idsToDisable = (rotation: Rotation): Issued[] =>
  idsToEnd(rotation, dying(rotation)).filter((each) => !each.disabled);
/** The old keys that may be stopped. */
export const idsToEnable = (rotation: Rotation): Issued[] =>
  idsToEnd(rotation, dying(rotation)).filter((each) => each.disabled);

/** A key was stopped at its provider, or started again. */
export function switchedOff(rotation: Rotation, providerKeyId: string, disabled: boolean): Rotation {
  const issued = rotation.issued.map((each) => (each.providerKeyId === providerKeyId ? { ...each, disabled } : each));
  return { ...rotation, issued };
}

/** Whether the old value was stopped for its time, and nobody has objected since. */
function screamed(rotation: Rotation): boolean {
  const last = (step: string) =>
    rotation.record.findLastIndex(
      (each) => each.step === step && each.verdict === 'done' && each.attempt === rotation.attempt,
    );
  return last('watch') > last('enable');
}

/**
 * Whether the old value is stopped for a while before it dies for good. Not where it may be in the wrong hands: nothing must
 * lead back to it then, which a drill imitates. What has begun to die is not stopped first.
 */
export function mayScream(rotation: Rotation, policy: Policy): boolean {
  const begun = rotation.record.some((each) => each.step === 'retire' && each.attempt === rotation.attempt);
  const atOnce = rotation.emergency || compromised(rotation);
  return policy.rotation.screamTestHours > 0 && !atOnce && !begun && !screamed(rotation);
}

/** On to stopping it, instead of ending it at once. */
export const toDisable = (rotation: Rotation, now: Instant): Rotation => ({
  ...rotation,
  step: 'disable',
  fence: rotation.fence + 1,
  continuesAt: null,
  touchedAt: now,
});

/** Why the old value cannot be enabled again, or null. `newer` is a later rotation of the same key. */
export function whyNotReEnable(rotation: Rotation, newer: Rotation | null): Refusal | null {
  if (newer) return new Refusal('conflict', 'A newer rotation of this key has started since. Look at that one.');
  const over = rotation.status !== 'running' && rotation.status !== 'failed';
  if (!over && rotation.step === 'enable')
    return new Refusal('conflict', 'The old value is being enabled again already.');
  if (over || (rotation.step !== 'disable' && rotation.step !== 'watch')) {
    return new Refusal('conflict', 'The old value is not disabled, or is being deleted already.');
  }
  return null;
}

/**
 * Something broke: the old value is started again, whichever of its keys were stopped. What everybody has said before counts
 * no more. A call that is under way has landed by `notBefore`.
 */
export function reEnabled(rotation: Rotation, who: string, now: Instant, notBefore: Instant | null): Rotation {
  const asked = idsToEnd(rotation, dying(rotation)).map((each) => each.providerKeyId);
  const issued = rotation.issued.map((each) =>
    asked.includes(each.providerKeyId) ? { ...each, disabled: true } : each,
  );
  const was = openRecord(rotation) ? closed(rotation, 'refused', `${who}: something broke`, now) : rotation;
  return {
    ...toldAnew({ ...was, issued }, 'rotated'),
    status: 'running',
    step: 'enable',
    failure: null,
    extension: null,
    fence: rotation.fence + 1,
    continuesAt: notBefore,
    touchedAt: now,
    endedAt: null,
  };
}
