import { type ApiKey, pausedNow, snoozedNow } from '../inventory/model.ts';
import { after, day, type Id, type Instant } from '../kernel.ts';
import { atWork, workBeginning, zoneOf } from '../people/hours-model.ts';
import type { Person } from '../people/model.ts';
import type { Policy } from '../policy.ts';

/** The last reminder of a key: whom it reminded, and of which due date. */
export interface Reminder {
  id: Id<'key'>;
  personId: Id<'person'>;
  dueAt: Instant;
  /** One of `rotation.remindDays`. */
  days: number;
  sentAt: Instant;
}

/**
 * How many days ahead this owner is to be reminded of now, or null. Reminders come within working hours; one that would
 * fall on a weekend comes before it. However many were missed, it is one.
 */
export function reminderOwed(
  key: Pick<ApiKey, 'status' | 'ownerId' | 'nextRotationAt' | 'plannedAt' | 'snooze' | 'pause'>,
  owner: Pick<Person, 'timeZone'>,
  last: Reminder | null,
  policy: Policy,
  now: Instant,
): number | null {
  const due = key.nextRotationAt;
  if (key.status !== 'active' || !due || due <= now || snoozedNow(key, now) || pausedNow(key, now)) return null;
  const zone = zoneOf(owner.timeZone, policy);
  const reached = policy.rotation.remindDays.filter(
    (days) => workBeginning(after(due, -days * day), zone, policy) <= now,
  );
  const days = Math.min(...reached);
  if (reached.length === 0 || (isAbout(last, key) && last!.days <= days)) return null;
  return atWork(zone, policy, now) ? days : null;
}

/** Whether a reminder was for whoever answers for the key now, and of the date on which it is due now. */
export const isAbout = (reminder: Reminder | null, key: Pick<ApiKey, 'ownerId' | 'nextRotationAt'>): boolean =>
  reminder?.personId === key.ownerId && reminder.dueAt.getTime() === key.nextRotationAt?.getTime();

/**
 * Whether the weekly digest says the same today already. The last reminder before the due date comes all the same.
 */
export function saidByDigest(days: number, digestSentAt: Instant | null, policy: Policy, now: Instant): boolean {
  const last = days === Math.min(...policy.rotation.remindDays);
  return !last && days <= policy.digest.aheadDays && digestSentAt !== null && digestSentAt > after(now, -day);
}
