import { type ApiKey, daysOverdue, type Risk, snoozedNow } from '../inventory/model.ts';
import type { Id, Instant } from '../kernel.ts';

/** The one for the security channel. Every other digest has the id of the person who reads it. */
export const summaryId = 'summary';

/** When somebody was last shown what is due of their keys. */
export interface Digest {
  id: Id<'person'> | typeof summaryId;
  sentAt: Instant;
}

/** Somebody who answers for keys; nothing before `since` is owed to them. */
export interface Reader {
  id: Id<'person'>;
  timeZone: string;
  since: Instant;
}

/** A key is counted once: as snoozed, else as overdue, else as due. */
export interface Counts {
  overdue: number;
  due: number;
  snoozed: number;
}

/** How all keys of the company stand. */
export interface Standing {
  byRisk: Record<Risk, Counts>;
  /** Owners of overdue keys, worst first; the first few of `ownersInAll`. */
  owners: { ownerId: Id<'person'>; overdue: number; high: number; oldest: Instant }[];
  ownersInAll: number;
  /** Soonest end first. */
  snoozes: Pick<ApiKey, 'id' | 'name' | 'risk' | 'snooze'>[];
  /** Soonest end first; the first few of `pausesInAll`. A paused key stays in every count. */
  pauses: Pick<ApiKey, 'id' | 'name' | 'risk' | 'pause'>[];
  pausesInAll: number;
  /** Keys whose owner is no longer active, most dangerous first. */
  ownerless: Pick<ApiKey, 'id' | 'name' | 'risk' | 'ownerId'>[];
  ownerlessInAll: number;
}

/** What an owner is shown of their keys: those that are due, soonest first, apart from those that are snoozed. */
export function sorted(keys: ApiKey[], now: Instant): { open: ApiKey[]; snoozed: ApiKey[] } {
  const byDue = [...keys].sort((a, b) => (a.nextRotationAt?.getTime() ?? 0) - (b.nextRotationAt?.getTime() ?? 0));
  return {
    open: byDue.filter((key) => !snoozedNow(key, now)),
    snoozed: byDue.filter((key) => snoozedNow(key, now)),
  };
}

/** "in 3 days", "17 days overdue": how late or early a key is, in words. */
export function howLate(key: Pick<ApiKey, 'nextRotationAt'>, now: Instant): string {
  const late = daysOverdue(key, now);
  const days = (count: number) => `${count} day${count === 1 ? '' : 's'}`;
  if (late > 0) return `${days(late)} overdue`;
  if (late === 0) return 'Due today';
  return `Due in ${days(-late)}`;
}
