import { hour, type Instant } from '../kernel.ts';
import { atWork, zoneOf } from '../people/hours-model.ts';
import type { Policy } from '../policy.ts';
import { occasionsAround } from '../rotation/timing/windows-model.ts';

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
