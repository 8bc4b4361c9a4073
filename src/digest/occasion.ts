import { hour, type Instant } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import { occasionsAround } from '../rotation/windows-model.ts';

/** A zone that can be reckoned with: Slack's, else the company's. */
export function zoneOf(zone: string, policy: Policy): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return zone;
  } catch {
    return policy.company.timeZone;
  }
}

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];

/** Whether people in this zone are at work. */
function atWork(zone: string, policy: Policy, now: Instant): boolean {
  const format = { timeZone: zone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  const parts = new Intl.DateTimeFormat('en', format).formatToParts(now);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '';
  const clock = `${part('hour')}:${part('minute')}`;
  const { from, to, days } = policy.people.workingHours;
  return days.includes(weekdays.indexOf(part('weekday')) + 1) && from <= clock && clock < to;
}

/**
 * Whether a digest is owed to somebody in this zone who had the last one `since`. However many occasions were missed, it
 * is one; what comes late waits for working hours, because it would have come in the morning.
 */
export function owes(policy: Policy, now: Instant): (reader: { timeZone: string; since: Instant }) => boolean {
  const occasions = new Map<string, Instant>();
  return ({ timeZone, since }) => {
    const zone = zoneOf(timeZone, policy);
    const occasion = occasions.get(zone) ?? occasionsAround(policy.digest.cron, zone, now).last;
    if (!occasion) return false;
    occasions.set(zone, occasion);
    if (occasion <= since) return false;
    return now.getTime() - occasion.getTime() < 2 * hour || atWork(zone, policy, now);
  };
}
