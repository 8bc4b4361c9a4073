import { after, type Instant, minute } from '../../kernel.ts';

/** Slack lets an app edit about fifty messages a minute, whatever channels they are in: https://docs.slack.dev/apis/web-api/rate-limits */
const everyMs = 1_200;
/** So long a card may show how far something was, when too many others are waiting. */
const longestMs = 2 * minute;

/** When a card is brought up to date that shows how far something has come: within `withinMs`, as far as there is room. */
export type ProgressPace = (subject: string, now: Instant, withinMs: number) => Instant;

/**
 * Each process lets through what Slack does, first come, first served, and asks nobody: a card that two of them plan is
 * shown at the earlier time, and what Slack refuses comes again. What a card says at the end of things does not wait here.
 */
export function progressPace(): ProgressPace {
  const planned = new Map<string, number>();
  let free = 0;
  return (subject, now, withinMs) => {
    const at = now.getTime();
    const before = planned.get(subject);
    if (before !== undefined && before > at) return new Date(Math.min(before, at + longestMs));
    const latest = at + longestMs;
    free = Math.min(Math.max(free, at), latest);
    const when = Math.min(Math.max(free, at + withinMs), latest);
    free += everyMs;
    // A plan that is forgotten is made again; the earlier time holds.
    if (planned.size >= 5_000) planned.clear();
    planned.set(subject, when);
    return after(now, when - at);
  };
}
