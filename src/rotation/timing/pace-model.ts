/** So much of what others allow is left to emergencies: the rest never uses it up. */
const emergencyShare = 0.25;

/** What one step is about to ask of somebody who limits it. */
export interface Need {
  /** Whose limit it is, e.g. `secrets-manager`. */
  of: string;
  calls: number;
  perSecond: number;
}

/** How often an issuer may be asked for something, over all keys and workers; null where nobody limits it. */
export function limitAt(
  providers: Record<string, { callsPerMinute: number }>,
  issuer: string,
): Pick<Need, 'of' | 'perSecond'> | null {
  const settings = Object.hasOwn(providers, issuer) ? providers[issuer] : undefined;
  return settings ? { of: `provider ${issuer}`, perSecond: settings.callsPerMinute / 60 } : null;
}

/**
 * What may be asked of somebody at this moment, shared by all workers: a token bucket that holds the calls of one second,
 * and beside it how far the queues of those reach who are waiting. Instants in milliseconds.
 */
export interface Bucket {
  tokens: number;
  at: number;
  /** When the last of those who wait has its turn. */
  queueEnds: number;
  /** The same for emergencies, which go first. */
  urgentEnds: number;
}

export const full = (perSecond: number, now: number): Bucket => ({
  tokens: perSecond,
  at: now,
  queueEnds: now,
  urgentEnds: now,
});

export type Turn = { bucket: Bucket; waitMs: 0 } | { bucket: Bucket; waitMs: number; turnAt: number };

/**
 * Whether it is somebody's turn. `promised` is the instant that they were told when they asked before, or null. Over any
 * time of s seconds no more than (1 + s) × perSecond calls are let through, whoever asks, and never more than one turn
 * is ahead of the tokens.
 */
export function turnIn(before: Bucket, need: Need, urgent: boolean, promised: number | null, now: number): Turn {
  const { calls, perSecond } = need;
  const bucket = refilled(before, perSecond, now);
  if (promised !== null && promised > now) return { bucket, waitMs: promised - now, turnAt: promised };
  // Nobody has asked for a while: whoever is said to wait has gone.
  const isIdle = bucket.tokens >= perSecond * 0.95;
  const isQueued = bucket.urgentEnds > now || (!urgent && bucket.queueEnds > now);
  const goesFirst = promised !== null && (urgent || bucket.urgentEnds <= now);
  // Those who were promised their turn come a moment too early or late for each other. Who finds the other's token used up
  // takes one of the share, rather than lose a place in the queue that nobody else has.
  const kept = urgent ? 0 : perSecond * emergencyShare * (goesFirst ? 0.5 : 1);
  const missing = Math.min(calls, perSecond - kept) + kept - bucket.tokens;
  if (missing <= 1e-9 && (!isQueued || goesFirst || isIdle)) {
    const queues = isIdle ? { queueEnds: now, urgentEnds: now } : {};
    return { bucket: { ...bucket, ...queues, tokens: bucket.tokens - calls }, waitMs: 0 };
  }
  const ahead = urgent ? bucket.urgentEnds : Math.max(bucket.queueEnds, bucket.urgentEnds);
  const turnAt = Math.max(ahead, now + (Math.max(missing, 0) / perSecond) * 1000);
  const ends = turnAt + (calls / perSecond) * 1000;
  return {
    bucket: { ...bucket, ...(urgent ? { urgentEnds: ends } : { queueEnds: ends }) },
    waitMs: Math.max(1, turnAt - now),
    turnAt,
  };
}

/** They want to be left alone for so long: until then it is nobody's turn, not even an emergency's. */
export function leftAlone(before: Bucket, perSecond: number, ms: number, now: number): Bucket {
  const bucket = refilled(before, perSecond, now);
  return { ...bucket, tokens: Math.min(bucket.tokens, 1 - (perSecond * ms) / 1000) };
}

/** A clock that goes back adds nothing. */
function refilled(bucket: Bucket, perSecond: number, now: number): Bucket {
  const at = Math.max(bucket.at, now);
  return { ...bucket, at, tokens: Math.min(perSecond, bucket.tokens + ((at - bucket.at) / 1000) * perSecond) };
}
