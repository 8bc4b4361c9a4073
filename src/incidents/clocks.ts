import { DateTime } from 'luxon';
import { after, type Instant, minute } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import { type Phase, phases } from './checklist-model.ts';
import type { Severity } from './severity-model.ts';

/**
 * When each part of the checklist has to be done (SOP 8.1), counted from the declaration. Nothing is due before the
 * severity's own time to respond (SOP 8.2): what is P2 wakes nobody after five minutes.
 */
export function deadlinesOf(severity: Severity, from: Instant, policy: Policy): Record<Phase, string> {
  const response = after(from, policy.incidents.responseMinutes[severity] * minute);
  const first = severity === 'P3' ? later(response, endOfNextBusinessDay(from, policy)) : response;
  const entries = phases.map((phase) => [
    phase,
    later(after(from, policy.incidents.clocks[phase] * minute), first).toISOString(),
  ]);
  return Object.fromEntries(entries) as Record<Phase, string>;
}

const later = (a: Instant, b: Instant) => (a > b ? a : b);

/** In the company's zone, by its working days. */
export function endOfNextBusinessDay(from: Instant, policy: Policy): Instant {
  const { days, to } = policy.people.workingHours;
  let at: DateTime = DateTime.fromJSDate(from, { zone: policy.company.timeZone }).plus({ days: 1 });
  for (let i = 0; i < 7 && !days.includes(at.weekday); i++) at = at.plus({ days: 1 });
  return at.set({ hour: Number(to.slice(0, 2)), minute: Number(to.slice(3)), second: 0, millisecond: 0 }).toJSDate();
}
