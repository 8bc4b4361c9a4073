import { z } from 'zod';
import type { Id, Noun } from './kernel.ts';

/** `urgent` has workers of its own, so that an emergency never waits behind anything; `bulk` talks to Slack. */
export const lanes = ['urgent', 'normal', 'bulk'] as const;
export type Lane = (typeof lanes)[number];

interface Job<P extends z.ZodType> {
  payload: P;
  lane: Lane;
  /** Failures (not crashes) after which the job is given up and people are told. */
  attempts: number;
  /** When it runs by itself: a cron expression in the policy's company zone. */
  cron?: string;
}

const id = <N extends Noun>() => z.string() as unknown as z.ZodType<Id<N>>;
const job = <P extends z.ZodType>(payload: P, rest: Omit<Job<P>, 'payload'>): Job<P> => ({ payload, ...rest });
const nothing = z.strictObject({});

/** Every kind of work that waits or is retried. Payloads hold ids only; a job first asks whether it is already done. */
export const jobs = {
  'slack.card': job(z.strictObject({ cardId: id<'card'>() }), { lane: 'bulk', attempts: 12 }),
  'people.sync': job(nothing, { lane: 'normal', attempts: 5, cron: '17 * * * *' }),
  'people.sync-teams': job(nothing, { lane: 'normal', attempts: 5, cron: '19 * * * *' }),
  'people.sync-team': job(z.strictObject({ teamId: id<'team'>() }), { lane: 'normal', attempts: 5 }),
  'inventory.make-secret': job(z.strictObject({ keyId: id<'key'>() }), { lane: 'normal', attempts: 20 }),
  'inventory.make-signing-secret': job(z.strictObject({ consumerId: id<'consumer'>() }), {
    lane: 'normal',
    attempts: 20,
  }),
  'inventory.reassess': job(nothing, { lane: 'normal', attempts: 5, cron: '41 5 * * *' }),
  'access.announce': job(z.strictObject({ requestId: id<'request'>() }), { lane: 'normal', attempts: 10 }),
  'access.ask-new-owner': job(z.strictObject({ keyId: id<'key'>() }), { lane: 'normal', attempts: 10 }),
  'access.nudge': job(z.strictObject({ requestId: id<'request'>() }), { lane: 'normal', attempts: 5 }),
  'access.expire-request': job(z.strictObject({ requestId: id<'request'>() }), { lane: 'normal', attempts: 10 }),
  'access.apply': job(z.strictObject({ keyId: id<'key'>() }), { lane: 'normal', attempts: 20 }),
  'access.apply-now': job(z.strictObject({ keyId: id<'key'>() }), { lane: 'urgent', attempts: 20 }),
  'access.notice': job(z.strictObject({ grantId: id<'grant'>(), hours: z.number() }), { lane: 'normal', attempts: 5 }),
  'access.end': job(z.strictObject({ grantId: id<'grant'>() }), { lane: 'normal', attempts: 20 }),
  'access.end-all-of-key': job(z.strictObject({ keyId: id<'key'>(), causeId: z.string() }), {
    lane: 'urgent',
    attempts: 20,
  }),
  'access.end-all-of-person': job(z.strictObject({ personId: id<'person'>(), causeId: z.string() }), {
    lane: 'urgent',
    attempts: 20,
  }),
  'access.withdraw-all-of-person': job(z.strictObject({ personId: id<'person'>(), causeId: z.string() }), {
    lane: 'normal',
    attempts: 20,
  }),
  'access.follow-principal': job(z.strictObject({ personId: id<'person'>() }), { lane: 'normal', attempts: 20 }),
  'access.sweep': job(nothing, { lane: 'normal', attempts: 3, cron: '* * * * *' }),
  'access.check-drift': job(nothing, { lane: 'normal', attempts: 3, cron: '*/15 * * * *' }),
  'rotation.start': job(
    z.strictObject({
      keyId: id<'key'>(),
      cause: z.enum(['incident', 'leaver', 'expiry']),
      causeId: z.string(),
      emergency: z.boolean(),
    }),
    { lane: 'normal', attempts: 20 },
  ),
  'rotation.find-due': job(nothing, { lane: 'normal', attempts: 3, cron: '*/10 * * * *' }),
  'rotation.drill': job(nothing, { lane: 'normal', attempts: 5 }),
  'rotation.step': job(z.strictObject({ rotationId: id<'rotation'>(), fence: z.number() }), {
    lane: 'normal',
    attempts: 8,
  }),
  'rotation.step-now': job(z.strictObject({ rotationId: id<'rotation'>(), fence: z.number() }), {
    lane: 'urgent',
    attempts: 12,
  }),
  'rotation.escalate': job(nothing, { lane: 'normal', attempts: 3, cron: '27 * * * *' }),
  'rotation.end-pause': job(z.strictObject({ keyId: id<'key'>() }), { lane: 'normal', attempts: 10 }),
  'rotation.tell': job(z.strictObject({ rotationId: id<'rotation'>(), consumerId: id<'consumer'>() }), {
    lane: 'normal',
    attempts: 20,
  }),
  'rotation.remind': job(z.strictObject({ rotationId: id<'rotation'>() }), { lane: 'normal', attempts: 10 }),
  'rotation.page': job(z.strictObject({ rotationId: id<'rotation'>() }), { lane: 'urgent', attempts: 12 }),
  'rotation.run-campaign': job(z.strictObject({ campaignId: id<'campaign'>() }), { lane: 'normal', attempts: 20 }),
  'rotation.sweep-campaigns': job(nothing, { lane: 'normal', attempts: 3, cron: '* * * * *' }),
  'rotation.reconcile': job(nothing, { lane: 'normal', attempts: 3, cron: '* * * * *' }),
  'reviews.check-drift': job(nothing, { lane: 'normal', attempts: 3, cron: '23 4 * * *' }),
  'reviews.check-key': job(z.strictObject({ keyId: id<'key'>() }), { lane: 'bulk', attempts: 5 }),
  'reviews.policy-altered': job(z.strictObject({ keyId: id<'key'>() }), { lane: 'normal', attempts: 8 }),
  'reviews.repair': job(z.strictObject({ findingId: id<'finding'>() }), { lane: 'normal', attempts: 8 }),
  'offboarding.person-deactivated': job(z.strictObject({ personId: id<'person'>() }), { lane: 'urgent', attempts: 20 }),
  'offboarding.recall': job(z.strictObject({ personId: id<'person'>() }), { lane: 'urgent', attempts: 20 }),
  'offboarding.start': job(z.strictObject({ caseId: id<'case'>() }), { lane: 'urgent', attempts: 20 }),
  'offboarding.check': job(z.strictObject({ caseId: id<'case'>() }), { lane: 'normal', attempts: 20 }),
  'offboarding.sweep': job(nothing, { lane: 'normal', attempts: 3, cron: '* * * * *' }),
  'incidents.page': job(
    z.strictObject({
      incidentId: id<'incident'>(),
      occasion: z.enum(['declared', 'immediately', 'hour', 'day', 'week']),
    }),
    { lane: 'urgent', attempts: 12 },
  ),
  'incidents.watch': job(z.strictObject({ incidentId: id<'incident'>() }), { lane: 'normal', attempts: 5 }),
  'incidents.deadline': job(
    z.strictObject({ incidentId: id<'incident'>(), phase: z.enum(['immediately', 'hour', 'day', 'week']) }),
    { lane: 'urgent', attempts: 20 },
  ),
  'incidents.check': job(nothing, { lane: 'normal', attempts: 3, cron: '* * * * *' }),
  'calendar.remind': job(nothing, { lane: 'normal', attempts: 3, cron: '*/15 * * * *' }),
  'digest.plan': job(nothing, { lane: 'normal', attempts: 3, cron: '*/15 * * * *' }),
  'digest.refresh': job(nothing, { lane: 'bulk', attempts: 5, cron: '3 0 * * *' }),
} as const satisfies Record<string, Job<z.ZodType>>;

export type JobName = keyof typeof jobs;
export type JobPayload<N extends JobName> = z.infer<(typeof jobs)[N]['payload']>;
