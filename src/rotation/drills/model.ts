import { type ApiKey, atOnceInWords } from '../../inventory/model.ts';
import { day, type Instant, Refusal } from '../../kernel.ts';
import { diesAtOnce, type Policy } from '../../policy.ts';
import { isProvenDead, type Rotation, type Step, whyNotIssue, whyNotRotate, whyNotSoonAgain } from '../model.ts';
import { isOwn, type Maker } from '../own-model.ts';
import { openingFor, whyNotHeld } from '../timing/windows-model.ts';

/** What has to be known before a key is chosen for a drill. */
export interface DrillFacts {
  key: ApiKey;
  running: Rotation | null;
  /** The one before. */
  previous: Rotation | null;
  leaked: boolean;
  issuer: (Maker & { can: { create: boolean } }) | null;
}

/**
 * Why there can be no drill with this key now, or null. A drill takes the path of an emergency, but it is none: it
 * keeps to pauses, freezes and windows, and to keys whose trouble nobody would notice.
 */
export function whyNotDrill(facts: DrillFacts, policy: Policy, now: Instant): Refusal | null {
  const { key, running, previous, leaked, issuer } = facts;
  const refusal =
    whyNotOfDrills(key, policy) ??
    whyNotRotate(key, running, false, policy, now) ??
    whyNotSoonAgain(previous, policy, now) ??
    whyNotIssue(key, issuer, policy);
  if (refusal) return refusal;
  if (!issuer?.can.create) return no(`Keysteward does not make new values of ${key.name}, so no drill can measure it.`);
  if (diesAtOnce(key, policy)) return no(`${atOnceInWords(key)} That is no drill.`);
  if (leaked) return no('An incident of this key is open: that is no drill.');
  if (previous?.status === 'failed') return no('The last rotation of this key failed. See to that first.');
  const held = whyNotHeld(key, policy, now);
  if (held) return held;
  const [hold] = openingFor(key, policy, now).holds;
  return hold ? no(`The maintenance window “${hold.name}” is not open, and a drill keeps to it.`) : null;
}

const no = (sentence: string) => new Refusal('conflict', sentence);

/** Why no drill is ever with such a key, or null. */
export function whyNotOfDrills(
  key: Pick<ApiKey, 'name' | 'environment' | 'risk' | 'secretId'>,
  policy: Policy,
): Refusal | null {
  if (key.environment === 'production')
    return no(`Drills are for keys that are not in production, and ${key.name} is.`);
  if (key.risk !== 'low') return no(`Drills are for keys of low risk; the risk of ${key.name} is ${key.risk}.`);
  if (isOwn(key, policy)) return no(`Keysteward itself works with ${key.name}, and tries out nothing with such a key.`);
  return null;
}

/** Since when keys have been in a drill too lately to be taken by surprise again. */
export const restsSince = (policy: Policy, now: Instant): Instant =>
  new Date(now.getTime() - policy.rotation.drill.restDays * day);

export interface Measured {
  /** Until the new value was handed out and verified; null when that did not come. */
  rotatedSeconds: number | null;
  /** Until the old value was known to be dead. */
  deadSeconds: number | null;
}

/** How long a drill took, by what was recorded at the time. What was turned back counts as never done. */
export function measured(rotation: Rotation): Measured {
  const secondsTo = (step: Step): number | null => {
    const done = rotation.record.findLast((each) => each.step === step);
    if (rotation.status === 'rolled-back' || done?.verdict !== 'done' || !done.endedAt) return null;
    return Math.round((Date.parse(done.endedAt) - rotation.startedAt.getTime()) / 1000);
  };
  return {
    rotatedSeconds: secondsTo('verify'),
    deadSeconds: isProvenDead(rotation) ? secondsTo('confirm') : null,
  };
}
