import type { ApiKey } from '../inventory/model.ts';
import { after, day, hour, type Id, type Instant, Refusal } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { Policy } from '../policy.ts';

export type RequestStatus = 'pending' | 'approved' | 'denied' | 'expired' | 'withdrawn';
/** `granting` until the technical access is seen to work; `failed` says why and can be retried. */
export type GrantStatus = 'granting' | 'active' | 'failed' | 'ending' | 'ended';

export interface Decision {
  by: Id<'person'>;
  tier: Person['tier'];
  at: string;
  verdict: 'approve' | 'deny';
  /** What the approver allowed, when that is less than was asked. */
  hours: number;
  reason: string;
}

export interface AccessRequest {
  id: Id<'request'>;
  keyId: Id<'key'>;
  askedBy: Id<'person'>;
  use: string;
  reason: string;
  ticket: string | null;
  hours: number;
  /** A grant that this one extends. */
  extendsGrant: Id<'grant'> | null;
  status: RequestStatus;
  needs: number;
  needsAdministrator: boolean;
  /** Who was asked; administrators are added on escalation. */
  asked: Id<'person'>[];
  decisions: Decision[];
  nudges: number;
  escalatedAt: Instant | null;
  askedAt: Instant;
  expiresAt: Instant;
  closedAt: Instant | null;
}

export interface Grant {
  id: Id<'grant'>;
  requestId: Id<'request'>;
  keyId: Id<'key'>;
  personId: Id<'person'>;
  status: GrantStatus;
  /** The IAM principal that was written into the resource policy; null means recorded only. */
  principal: string | null;
  failure: string | null;
  startsAt: Instant;
  endsAt: Instant;
  endedAt: Instant | null;
  endedBy: string | null;
  endReason: string | null;
  /** Hours-before notices already sent. */
  noticed: number[];
}

/** Statuses in which a grant still opens the key, or soon will. */
export const liveGrant: readonly GrantStatus[] = ['granting', 'active', 'ending', 'failed'];

/** The longest grant of this key for this person, in hours (SOP 6.1: contractors are time-limited). */
export function maxHours(key: Pick<ApiKey, 'environment'>, person: Pick<Person, 'tier'>, policy: Policy): number {
  const { maxDays } = policy.access;
  const byKey = key.environment === 'production' ? maxDays.production : maxDays.other;
  return 24 * (person.tier === 'contractor' ? Math.min(byKey, maxDays.contractor) : byKey);
}

/** The durations to offer, shortest first. */
export function offeredHours(key: Pick<ApiKey, 'environment'>, person: Pick<Person, 'tier'>, policy: Policy): number[] {
  const longest = maxHours(key, person, policy);
  const offered = policy.access.leaseHours.filter((each) => each <= longest).sort((a, b) => a - b);
  return offered.length > 0 ? offered : [longest];
}

export interface Ask {
  keyId: Id<'key'>;
  use: string;
  hours: number;
  reason: string;
  ticket?: string | undefined;
  extendsGrant?: Id<'grant'> | undefined;
}

/** Why this person may not ask for this key, or null. */
export function whyNotAsk(
  key: ApiKey,
  asker: Person,
  ask: Ask,
  openRequest: AccessRequest | null,
  policy: Policy,
): Refusal | null {
  if (key.status !== 'active')
    return new Refusal('conflict', `${key.name} is retired, so nobody can be given access to it.`, 'keyId');
  if (openRequest) {
    return new Refusal(
      'conflict',
      'You already have an open request for this key. Withdraw it first if you need something else.',
      'keyId',
    );
  }
  const longest = maxHours(key, asker, policy);
  if (!Number.isInteger(ask.hours) || ask.hours < 1 || ask.hours > longest) {
    return new Refusal(
      'invalid',
      `The longest access to this key is ${inWords(longest)}. Choose a shorter time.`,
      'hours',
    );
  }
  return whyNot(asker, 'access.request', key);
}

/** The request as opened: who must approve follows from the key (SOP 6.2: approval for production). */
export function opened(
  id: Id<'request'>,
  ask: Ask,
  key: ApiKey,
  asker: Person,
  asked: Id<'person'>[],
  policy: Policy,
  now: Instant,
): AccessRequest {
  const production = key.environment === 'production';
  return {
    id,
    keyId: key.id,
    askedBy: asker.id,
    use: ask.use,
    reason: ask.reason,
    ticket: ask.ticket?.trim() || null,
    hours: ask.hours,
    extendsGrant: ask.extendsGrant ?? null,
    status: 'pending',
    needs: production ? policy.access.approvals.production : policy.access.approvals.other,
    needsAdministrator: production && key.flags.includes('customerData') && policy.access.administratorForCustomerData,
    asked,
    decisions: [],
    nudges: 0,
    escalatedAt: null,
    askedAt: now,
    expiresAt: after(now, policy.access.requestExpiresHours * hour),
    closedAt: null,
  };
}

/** Nobody decides their own request, not even an owner (SOP 6.2); nobody decides twice; nobody gives more than was asked. */
export function whyNotDecide(
  request: AccessRequest,
  key: ApiKey,
  decider: Person,
  verdict: { verdict: 'approve' | 'deny'; hours: number; reason: string },
  now: Instant,
): Refusal | null {
  if (request.status !== 'pending') return new Refusal('conflict', `This request is already ${request.status}.`);
  if (now >= request.expiresAt)
    return new Refusal('conflict', 'This request has expired. The requester can ask again.');
  if (decider.id === request.askedBy) return new Refusal('not_allowed', 'Someone else has to decide your request.');
  if (request.decisions.some((each) => each.by === decider.id)) {
    return new Refusal('conflict', 'You have already approved this. It waits for another approver.');
  }
  if (verdict.verdict === 'approve' && (verdict.hours < 1 || verdict.hours > request.hours)) {
    return new Refusal('invalid', `You can allow at most the ${inWords(request.hours)} that were asked for.`, 'hours');
  }
  if (verdict.verdict === 'deny' && verdict.reason.trim().length < 3) {
    return new Refusal('invalid', 'Say why, so that they know what to change.', 'reason');
  }
  return whyNot(decider, 'access.decide', key);
}

/** The request after a decision: denied at once, approved when enough people and the right ones agree. */
export function decided(request: AccessRequest, decision: Decision, now: Instant): AccessRequest {
  const decisions = [...request.decisions, decision];
  if (decision.verdict === 'deny') return { ...request, decisions, status: 'denied', closedAt: now };
  const approvals = decisions.filter((each) => each.verdict === 'approve');
  const enough = approvals.length >= request.needs;
  const ranked = !request.needsAdministrator || approvals.some((each) => each.tier === 'administrator');
  return enough && ranked ? { ...request, decisions, status: 'approved', closedAt: now } : { ...request, decisions };
}

/** What is still missing before a pending request is approved, in words. */
export function stillNeeds(request: AccessRequest): string {
  const approvals = request.decisions.filter((each) => each.verdict === 'approve');
  const left = Math.max(request.needs - approvals.length, 0);
  const admin = request.needsAdministrator && !approvals.some((each) => each.tier === 'administrator');
  const people = Math.max(left, admin ? 1 : 0);
  return `${people} more approval${people === 1 ? '' : 's'}${admin ? ', one from an administrator' : ''}`;
}

/** The shortest time that any approver allowed. */
export function allowedHours(request: AccessRequest): number {
  return Math.min(
    request.hours,
    ...request.decisions.filter((each) => each.verdict === 'approve').map((each) => each.hours),
  );
}

/** A fresh grant of an approved request. It extends a running grant without a gap. */
export function granted(id: Id<'grant'>, request: AccessRequest, person: Person, key: ApiKey, now: Instant): Grant {
  return {
    id,
    requestId: request.id,
    keyId: request.keyId,
    personId: request.askedBy,
    status: 'granting',
    principal: key.storage === 'secrets-manager' && key.secretId ? person.iamPrincipal : null,
    failure: null,
    startsAt: now,
    endsAt: after(now, allowedHours(request) * hour),
    endedAt: null,
    endedBy: null,
    endReason: null,
    noticed: [],
  };
}

export function whyNotEnd(grant: Grant, key: ApiKey, ender: Person): Refusal | null {
  if (grant.status === 'ended' || grant.status === 'ending')
    return new Refusal('conflict', 'This access has already ended.');
  if (ender.id === grant.personId && ender.status === 'active') return null;
  return whyNot(ender, 'access.end', key);
}

/** "1 hour", "3 days": a duration in hours, in words. */
export function inWords(hours: number): string {
  const [count, unit] = hours >= 48 && hours % 24 === 0 ? [hours / 24, 'day'] : [hours, 'hour'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** Days in a lease, for sentences such as "ends in 3 days". */
export function daysLeft(grant: Pick<Grant, 'endsAt'>, now: Instant): number {
  return Math.max(0, Math.ceil((grant.endsAt.getTime() - now.getTime()) / day));
}
