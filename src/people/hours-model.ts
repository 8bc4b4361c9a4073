import { DateTime } from 'luxon';
import type { Instant } from '../kernel.ts';
import type { Policy } from '../policy.ts';

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
export function atWork(zone: string, policy: Policy, now: Instant): boolean {
  const format = { timeZone: zone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const;
  const parts = new Intl.DateTimeFormat('en', format).formatToParts(now);
  const part = (type: string) => parts.find((each) => each.type === type)?.value ?? '';
  const clock = `${part('hour')}:${part('minute')}`;
  const { from, to, days } = policy.people.workingHours;
  return days.includes(weekdays.indexOf(part('weekday')) + 1) && from <= clock && clock < to;
}

const clockOn = (moment: DateTime, clock: string): DateTime =>
  moment.set({ hour: Number(clock.slice(0, 2)), minute: Number(clock.slice(3)), second: 0, millisecond: 0 });

/** The next moment at or after `from` that lies in this person's working hours. */
export function inWorkingHours(from: Instant, zone: string, policy: Policy): Instant {
  const { from: opens, to: closes, days } = policy.people.workingHours;
  let moment: DateTime = DateTime.fromJSDate(from, { zone: zoneOf(zone, policy) });
  for (let tries = 0; tries < 9; tries++) {
    if (days.includes(moment.weekday)) {
      if (moment < clockOn(moment, opens)) return clockOn(moment, opens).toJSDate();
      if (moment < clockOn(moment, closes)) return moment.toJSDate();
    }
    moment = clockOn(moment.plus({ days: 1 }), opens);
  }
  return from;
}

/** When work last began in this zone, at or before `at`: what is meant for a weekend comes on the Friday before. */
export function workBeginning(at: Instant, zone: string, policy: Policy): Instant {
  const { from: opens, days } = policy.people.workingHours;
  const there = DateTime.fromJSDate(at, { zone: zoneOf(zone, policy) });
  const beginnings = Array.from({ length: 8 }, (_, back) => clockOn(there.minus({ days: back }), opens));
  const found = beginnings.find((each) => days.includes(each.weekday) && each <= there);
  return found ? found.toJSDate() : at;
}
