import { type ApiKey, computedRisk, nextRotation, pausedNow } from '../inventory/model.ts';
import { after, hour, type Id, type Instant, minute } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import { isElsewhere, issuedAlready, issuedOf, labelOf, takenOver } from './issued-model.ts';
import {
  type Condition,
  compromised,
  openRecord,
  type Rotation,
  type RotationCause,
  reached,
  type StepRecord,
  unique,
} from './model.ts';

export interface Beginning {
  cause: RotationCause;
  causeId: string | null;
  askedBy: Id<'person'> | null;
  reason: string | null;
  emergency: boolean;
}

/** A fresh rotation. It takes over what a superseded one would have had to clean up. */
export function started(
  id: Id<'rotation'>,
  key: ApiKey,
  why: Beginning,
  superseded: Rotation | null,
  policy: Policy,
  now: Instant,
): Rotation {
  // What it has made lies elsewhere where its key has moved to another provider since.
  const before = superseded && !isElsewhere(superseded, key) ? superseded : null;
  return {
    id,
    keyId: key.id,
    ...why,
    status: 'running',
    step: 'generate',
    ...takenOver(before),
    attempt: 1,
    lastAttempt: policy.rotation.attempts,
    fence: superseded ? superseded.fence + 2 : 1,
    oldVersion: null,
    newVersion: null,
    oldLastFour: key.lastFour,
    newLastFour: null,
    tried: [],
    cleanup: superseded ? unique([superseded.oldVersion, ...superseded.tried, ...superseded.cleanup]) : [],
    issuer: key.issuer,
    labels: before?.labels ?? [],
    unanswered: before?.unanswered ?? [],
    issued: before?.issued ?? issuedAlready(key),
    deployments: [],
    extension: null,
    forced: null,
    ending: null,
    record: [],
    failure: null,
    supersededBy: null,
    pages: [],
    waits: null,
    taken: null,
    startedAt: now,
    continuesAt: null,
    touchedAt: now,
    endedAt: null,
  };
}

/** The intent to take the step that it is in; `version` is what it is about to store, and made under a label unless by hand. */
export function begun(rotation: Rotation, now: Instant, version?: string, byHand = false): Rotation {
  if (openRecord(rotation)) return rotation;
  const record: StepRecord = {
    step: rotation.step,
    attempt: rotation.attempt,
    startedAt: now.toISOString(),
    endedAt: null,
    verdict: null,
    evidence: null,
  };
  return {
    ...rotation,
    record: [...rotation.record, record],
    tried: version ? unique([...rotation.tried, version]) : rotation.tried,
    labels: version && !byHand ? unique([...rotation.labels, labelOf(rotation)]) : rotation.labels,
    touchedAt: now,
  };
}

/** What should be there was looked for in vain. */
export function unsettled(rotation: Rotation, why: string, now: Instant): Rotation {
  const open = begun(rotation, now);
  const last = open.record.at(-1)!;
  const { unsettledSince, unsettledWhy, unsettledBefore } = last;
  const before = unsettledSince && unsettledWhy ? { ...unsettledBefore, [unsettledWhy]: unsettledSince } : undefined;
  const next = { ...last, unsettledSince: now.toISOString(), unsettledWhy: why };
  return {
    ...open,
    record: [...open.record.slice(0, -1), { ...next, ...(before ? { unsettledBefore: before } : {}) }],
  };
}

/** Since when this has been looked for in vain in the step that it is in. */
export function unsettledSinceOf(rotation: Rotation, why: string): string | undefined {
  const open = openRecord(rotation);
  return open?.unsettledWhy === why ? open.unsettledSince : open?.unsettledBefore?.[why];
}

/** A record of which all is looked for anew. */
export function lookedAnew({
  unsettledSince: _since,
  unsettledWhy: _why,
  unsettledBefore: _before,
  ...rest
}: StepRecord): StepRecord {
  return rest;
}

/** The step that it is in keeps failing, and is tried again. Which attempt at which step that is stays as it was. */
export function troubled(rotation: Rotation, why: string): Rotation {
  const open = openRecord(rotation);
  const trouble = { why, fence: rotation.fence };
  return open ? { ...rotation, record: [...rotation.record.slice(0, -1), { ...open, trouble }] } : rotation;
}

/** It waits at the same step and fails no more. */
export function untroubled(rotation: Rotation): Rotation {
  const record = rotation.record.map(({ trouble: _over, ...each }) => each);
  return { ...rotation, record };
}

/** The step that it is in cannot be taken before something else is over: it says why, and comes again then. */
export function heldUp(rotation: Rotation, why: string, until: Instant, now: Instant): Rotation {
  const open = begun(rotation, now);
  const last = open.record.at(-1)!;
  return untroubled({
    ...open,
    record: [...open.record.slice(0, -1), { ...last, evidence: why }],
    continuesAt: until,
    touchedAt: now,
  });
}

export function closed(rotation: Rotation, verdict: StepRecord['verdict'], evidence: string, now: Instant): Rotation {
  const open = begun(rotation, now);
  const last = open.record.at(-1)!;
  return {
    ...open,
    record: [...open.record.slice(0, -1), { ...last, endedAt: now.toISOString(), verdict, evidence }],
    fence: rotation.fence + 1,
    continuesAt: null,
    touchedAt: now,
  };
}

/**
 * The step was done; on to the next. After an emergency, and where the policy says so, the old value has no grace. What only
 * looks has begun with that: there is nothing that it could do twice. The grace is never shorter than `leastGraceMs`, but in an
 * emergency.
 */
export function passed(rotation: Rotation, evidence: string, policy: Policy, now: Instant, leastGraceMs = 0): Rotation {
  const done = closed(rotation, 'done', evidence, now);
  switch (rotation.step) {
    case 'generate':
      return begun({ ...done, step: 'test' }, now);
    case 'test':
      return { ...done, step: 'promote', newVersion: rotation.tried.at(-1) ?? null };
    case 'promote':
      return { ...done, step: 'deploy', condition: rotation.replacement ? 'new' : 'both' };
    case 'deploy':
      return begun({ ...done, step: 'verify' }, now);
    case 'verify': {
      const grace: Rotation = { ...done, step: 'grace' };
      if (rotation.replacement) return ungraced(grace, 'the old value ended when the new one was made', now);
      if (rotation.emergency) return ungraced(grace, 'no grace in an emergency', now);
      const graceMs = Math.max(policy.rotation.graceMinutes * minute, leastGraceMs);
      // Whoever is recorded is waited for also where a mere grace is not wanted.
      if (graceMs === 0 && rotation.deployments.length === 0) return ungraced(grace, 'no grace by policy', now);
      return { ...begun(grace, now), continuesAt: after(now, graceMs) };
    }
    case 'grace':
      return { ...done, step: 'retire', extension: null };
    case 'disable':
      return {
        ...begun({ ...done, step: 'watch', condition: 'new' }, now),
        continuesAt: after(now, policy.rotation.screamTestHours * hour),
      };
    case 'watch':
      return { ...done, step: 'retire' };
    case 'enable':
      return {
        ...begun({ ...done, step: 'grace', condition: 'both' }, now),
        continuesAt: after(now, policy.rotation.graceMinutes * minute),
      };
    case 'retire':
      return begun({ ...done, step: 'confirm' }, now);
    case 'confirm':
      return { ...done, status: 'done', condition: 'new', endedAt: now };
    case 'restore':
      return { ...done, step: 'discard', condition: 'old' };
    case 'discard':
      return done.ending
        ? { ...done, status: done.ending.status, failure: done.ending.why, endedAt: now }
        : { ...done, step: 'generate', attempt: done.attempt + 1, newVersion: null, newLastFour: null };
  }
}

function ungraced(rotation: Rotation, why: string, now: Instant): Rotation {
  return { ...closed(rotation, 'skipped', why, now), step: 'retire' };
}

/**
 * The new value does not work. Before the switch it is thrown away; after it the old one is handed out again. Where the
 * old value may be in the wrong hands, or is dead, nothing leads back: the next attempt replaces both. But `worksWithIt`:
 * without the old value Keysteward could make no other one, nor end either.
 */
export function rejected(rotation: Rotation, why: string, now: Instant, worksWithIt = false): Rotation {
  const refused = closed(rotation, 'refused', why, now);
  const more = rotation.attempt < rotation.lastAttempt;
  const ending = { status: 'failed' as const, why };
  if (rotation.step !== 'verify') return { ...refused, step: 'discard', ending: more ? null : ending };
  if (!rotation.replacement && (worksWithIt || !compromised(rotation))) return { ...refused, step: 'restore', ending };
  const condition = rotation.replacement ? 'none' : rotation.condition;
  return more
    ? { ...refused, step: 'generate', condition, attempt: rotation.attempt + 1, newVersion: null, newLastFour: null }
    : stopped(refused, why, 'none', now);
}

/** Something outside forbids to go on: what was tried is taken away, and it ends saying why and what works. */
export function givenUp(rotation: Rotation, why: string, condition: Condition, now: Instant): Rotation {
  return { ...closed(rotation, 'refused', why, now), step: 'discard', condition, ending: { status: 'failed', why } };
}

/** One part of the step was done, such as a label taken off or a key ended; there may be more, so the step has begun again. */
export function partDone(rotation: Rotation, evidence: string, now: Instant): Rotation {
  const { unsettledSince, unsettledWhy, unsettledBefore } = openRecord(rotation) ?? {};
  const next = begun(closed(rotation, 'done', evidence, now), now);
  if (rotation.step !== 'generate' || !unsettledSince || !unsettledWhy) return next;
  // Which version is current was made sure of, and need not be again.
  const kept = { unsettledSince, unsettledWhy, ...(unsettledBefore ? { unsettledBefore } : {}) };
  return { ...next, record: [...next.record.slice(0, -1), { ...next.record.at(-1)!, ...kept }] };
}

/** The old value turned out not to be dead yet, so all of it is ended once more. */
export function aliveAgain(rotation: Rotation, evidence: string, now: Instant): Rotation {
  // What never was a value of ours is found again by its label, if it lives.
  const issued = rotation.issued.filter((each) => each.version !== '').map((each) => ({ ...each, ended: false }));
  return { ...closed(rotation, 'refused', evidence, now), step: 'retire', issued };
}

/** What became of the old value cannot be asked after the step that was recorded last. */
export function unproven(rotation: Rotation): Rotation {
  const last = rotation.record.at(-1)!;
  return { ...rotation, record: [...rotation.record.slice(0, -1), { ...last, unproven: true }] };
}

/** How often an old value that is found alive is ended once more before somebody has to look. */
const maxRevivals = 3;

export const mayReviveAgain = (rotation: Rotation) =>
  rotation.record.filter((each) => each.step === 'confirm' && each.verdict === 'refused').length < maxRevivals;

/** It ends here and now, saying why and what works. */
export function stopped(rotation: Rotation, why: string, condition: Condition, now: Instant): Rotation {
  return {
    ...rotation,
    status: 'failed',
    failure: why,
    condition,
    ending: null,
    fence: rotation.fence + 1,
    continuesAt: null,
    touchedAt: now,
    endedAt: now,
  };
}

export function superseded(rotation: Rotation, by: Id<'rotation'>, now: Instant): Rotation {
  return {
    ...rotation,
    status: 'superseded',
    supersededBy: by,
    fence: rotation.fence + 1,
    continuesAt: null,
    touchedAt: now,
    endedAt: now,
  };
}

/**
 * Goes on from the step that failed. A value that was refused is never tried again: another one is made, to replace
 * whatever is current by then.
 */
export function retried(rotation: Rotation, policy: Policy, now: Instant): Rotation {
  const refused = rotation.record.at(-1)?.verdict === 'refused';
  const afresh =
    rotation.step === 'discard' ||
    (refused && ['generate', 'test', 'promote', 'verify', 'restore'].includes(rotation.step));
  const attempt = afresh && rotation.tried.length >= rotation.attempt ? rotation.attempt + 1 : rotation.attempt;
  // What was looked for in vain before is looked for anew.
  const record = rotation.record.map(lookedAnew);
  return {
    ...rotation,
    record,
    status: 'running',
    attempt,
    lastAttempt: attempt + policy.rotation.attempts - 1,
    ...(afresh
      ? {
          step: 'generate',
          oldVersion: null,
          newVersion: null,
          newLastFour: null,
          cleanup: unique([...rotation.cleanup, rotation.oldVersion]),
        }
      : {}),
    ending:
      rotation.step === 'restore' && !afresh
        ? { status: 'failed', why: rotation.failure ?? 'the new value did not work' }
        : null,
    failure: null,
    extension: null,
    fence: rotation.fence + 1,
    touchedAt: now,
    endedAt: null,
  };
}

/** Turned back: what was switched over is switched back, what was tried is taken away. */
export function turnedBack(rotation: Rotation, why: string, now: Instant, notBefore: Instant | null): Rotation {
  const turned =
    rotation.status === 'running' && openRecord(rotation) ? closed(rotation, 'skipped', why, now) : rotation;
  return {
    ...turned,
    status: 'running',
    // After Retry nothing of this attempt may be there yet, whatever an earlier one has done.
    step: rotation.oldVersion && reached(rotation, 'promote') ? 'restore' : 'discard',
    ending: { status: 'rolled-back', why },
    failure: null,
    fence: rotation.fence + 1,
    continuesAt: notBefore,
    touchedAt: now,
    endedAt: null,
  };
}

/** The key once its new version is current, so that the inventory never says otherwise. */
export function keySwitched(
  key: ApiKey,
  rotation: Rotation,
  { version, lastFour }: { version: string; lastFour: string | null },
): ApiKey {
  const providerKeyId = issuedOf(rotation, version)?.providerKeyId ?? null;
  return { ...key, currentVersion: version, lastFour, providerKeyId };
}

/** The key after its rotation: due again by its risk, which not having been rotated may have raised (SOP 1.3, 5.1). */
export function keyRotated(key: ApiKey, rotation: Rotation, policy: Policy, now: Instant): ApiKey {
  // The end that the provider had set before was the old value's.
  const end = issuedOf(rotation, rotation.newVersion)?.expiresAt;
  const expiresAt = end ? new Date(end) : null;
  const fresh = {
    ...key,
    lastRotatedAt: now,
    expiresAt,
    plannedAt: null,
    snooze: null,
    pause: pauseAfter(key, now),
    overdue: null,
    blocked: null,
  };
  const risk = key.riskSet?.risk ?? computedRisk(fresh, policy, now).risk;
  return { ...fresh, risk, nextRotationAt: nextRotation({ ...fresh, risk }, policy, now) };
}

/** A pause that an emergency has overtaken goes on, and counts from then; one that is over is forgotten. */
const pauseAfter = (key: ApiKey, now: Instant): ApiKey['pause'] => {
  const pause = pausedNow(key, now);
  return pause && { ...pause, since: now.toISOString() };
};
