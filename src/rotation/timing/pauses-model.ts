import { type ApiKey, type Pause, pausedNow } from '../../inventory/model.ts';
import { after, day, type Id, type Instant, Refusal } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Policy } from '../../policy.ts';

export interface PauseAsk {
  until: Instant;
  reason: string;
}

/** The latest end that this person can give a pause of this key. An owner's pauses count together until it is rotated. */
export function latestEnd(
  key: Pick<ApiKey, 'pause'>,
  pauser: Pick<Person, 'tier'>,
  policy: Policy,
  now: Instant,
): Instant {
  const { owner, administrator } = policy.rotation.maxPauseDays;
  if (pauser.tier === 'administrator') return after(now, administrator * day);
  return after(key.pause ? new Date(key.pause.since) : now, owner * day);
}

/** Why this person cannot pause the rotation of this key until then, or null. */
export function whyNotPause(
  key: ApiKey,
  leaked: boolean,
  pauser: Pick<Person, 'tier'>,
  { until, reason }: PauseAsk,
  policy: Policy,
  now: Instant,
): Refusal | null {
  if (key.status !== 'active') return new Refusal('conflict', `${key.name} is retired, so nothing rotates it.`);
  if (leaked)
    return new Refusal('conflict', 'This key is part of a running incident, so nothing can pause its rotation.');
  const latest = latestEnd(key, pauser, policy, now);
  if (latest <= now) {
    return new Refusal(
      'not_allowed',
      `Its rotation has been paused for ${policy.rotation.maxPauseDays.owner} days already. Rotate it; or an administrator can pause it for longer.`,
      undefined,
      ['administrators'],
    );
  }
  if (reason.trim().length < 10) {
    return new Refusal(
      'invalid',
      'Say why, in at least ten characters: everybody who looks at this key sees it.',
      'reason',
    );
  }
  if (until <= now) return new Refusal('invalid', 'Choose a day that lies in the future.', 'until');
  if (until > latest) {
    const days = Math.floor((latest.getTime() - now.getTime()) / day);
    const { owner, administrator } = policy.rotation.maxPauseDays;
    const sentence =
      pauser.tier === 'administrator'
        ? `The longest pause is ${administrator} days.`
        : `An owner can pause it for ${owner} days between two rotations; ${days} are left. An administrator can pause it for longer.`;
    return new Refusal('invalid', sentence, 'until', pauser.tier === 'administrator' ? [] : ['administrators']);
  }
  if (key.expiresAt && until > after(key.expiresAt, -day)) {
    return new Refusal(
      'invalid',
      'Its provider ends this key before that. Choose a day at least one day before it.',
      'until',
    );
  }
  return null;
}

export function paused(key: ApiKey, by: Id<'person'>, { until, reason }: PauseAsk, now: Instant): ApiKey {
  const since = key.pause?.since ?? now.toISOString();
  const pause: Pause = { since, until: until.toISOString(), reason: reason.trim(), by, endedAt: null };
  return { ...key, pause };
}

export function whyNotResume(key: ApiKey, now: Instant): Refusal | null {
  return pausedNow(key, now) ? null : new Refusal('conflict', 'Its rotation is not paused.');
}

export function resumed(key: ApiKey, now: Instant): ApiKey {
  return { ...key, pause: key.pause && { ...key.pause, endedAt: now.toISOString() } };
}
