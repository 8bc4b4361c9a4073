import { z } from 'zod';

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected HH:MM');
const days = z.number().int().positive();
const minutes = z.number().int().positive();
const cron = z.string().min(9);

/**
 * The company's rules as data. Every number of the SOP is here with the SOP's value as default; `policy.yml` overrides
 * what it names, and an unknown name is refused.
 */
export const policySchema = z.strictObject({
  company: z
    .strictObject({
      name: z.string().default('Your company'),
      /** IANA zone for schedules that belong to nobody in particular. */
      timeZone: z.string().default('UTC'),
    })
    .prefault({}),
  channels: z
    .strictObject({
      /** Summaries, offboarding cases, jobs that gave up. A channel's id or its name without `#`. */
      security: z.string().default('security'),
      /** Where a leak is called out. */
      incidents: z.string().default('incidents'),
      /** Where approval cards go beside the owners' DMs; null for DMs only. */
      approvals: z.string().nullable().default(null),
    })
    .prefault({}),
  people: z
    .strictObject({
      /** The tier of a full member of the workspace who is seen for the first time (SOP 6.1). Guests are contractors. */
      defaultTier: z.enum(['administrator', 'developer', 'contractor']).default('developer'),
      /** Reminders are sent within these hours in the person's own zone. */
      workingHours: z
        .strictObject({
          from: clock.default('09:00'),
          to: clock.default('17:00'),
          days: z.array(z.number().int().min(1).max(7)).default([1, 2, 3, 4, 5]),
        })
        .prefault({}),
    })
    .prefault({}),
  risk: z
    .strictObject({
      /** SOP 1.3: never rotated for longer than this makes a key high risk. */
      neverRotatedDays: days.default(90),
      /** SOP 5.1: what the environment alone makes of a key without any dangerous attribute. */
      byEnvironment: z
        .strictObject({
          production: z.enum(['high', 'medium', 'low']).default('medium'),
          staging: z.enum(['high', 'medium', 'low']).default('medium'),
          development: z.enum(['high', 'medium', 'low']).default('medium'),
          test: z.enum(['high', 'medium', 'low']).default('low'),
          sandbox: z.enum(['high', 'medium', 'low']).default('low'),
          demo: z.enum(['high', 'medium', 'low']).default('low'),
        })
        .prefault({}),
    })
    .prefault({}),
  rotation: z
    .strictObject({
      /** SOP 5.1. */
      everyDays: z
        .strictObject({ high: days.default(30), medium: days.default(90), low: days.default(180) })
        .prefault({}),
      /** SOP 5.4: due this long before the provider ends the key. */
      beforeExpiryDays: days.default(14),
      /** How often due keys are looked for. */
      check: cron.default('*/10 * * * *'),
      /** How long after it is due an owner may plan a rotation for; administrators may choose any time. */
      planMarginDays: days.default(7),
      /** AWS asks for no more than one new version per secret in this time, emergencies excepted. */
      minMinutesBetween: minutes.default(10),
      /** Values tried in one rotation before it stops and asks. */
      attempts: z.number().int().min(1).max(3).default(3),
      /** How long a new value may take to become readable. */
      settleSeconds: z.number().int().positive().default(60),
      /** After a failed or rolled back rotation the schedule leaves the key alone for so long; people can start one at any time. */
      failedPauseHours: z.number().int().positive().default(24),
      /** How long the old version stays readable after the switch, in a rotation that is not an emergency. */
      graceMinutes: z.number().int().nonnegative().default(60),
    })
    .prefault({}),
  access: z
    .strictObject({
      /** The durations offered, in hours, shortest first. There is no permanent grant. */
      leaseHours: z.array(z.number().int().positive()).min(1).default([1, 4, 8, 24, 72, 168, 720, 2160]),
      /** The longest grant, in days. */
      maxDays: z
        .strictObject({ production: days.default(30), other: days.default(90), contractor: days.default(30) })
        .prefault({}),
      /** How many people must approve. */
      approvals: z
        .strictObject({ production: z.number().int().min(1).default(2), other: z.number().int().min(1).default(1) })
        .prefault({}),
      /** For production keys that reach customer data, one of them must be an administrator. */
      administratorForCustomerData: z.boolean().default(true),
      requestExpiresHours: z.number().int().positive().default(72),
      /** Minutes of the approvers' working time after which they are reminded, one number per reminder. */
      nudgeMinutes: z.array(minutes).default([15, 45, 120]),
      /** Minutes after which administrators are asked too. */
      escalateMinutes: minutes.default(240),
      /** Hours before the end at which the holder is told. */
      noticeHours: z.array(z.number().positive()).default([24, 1]),
      /** How often the resource policies are compared with the grants. */
      driftCheck: cron.default('*/15 * * * *'),
    })
    .prefault({}),
  offboarding: z
    .strictObject({
      /** More leavers than this within a day wait for a person: HR feeds have said that everybody left. */
      maxLeaversPerDay: z.number().int().positive().default(10),
    })
    .prefault({}),
  incidents: z
    .strictObject({
      /** Call `@channel` in the incident channel for these severities. Off unless the company chooses it. */
      mentionChannelFor: z.array(z.enum(['P0', 'P1', 'P2', 'P3'])).default([]),
      pageFor: z.array(z.enum(['P0', 'P1', 'P2', 'P3'])).default(['P0', 'P1']),
      /** SOP 8.1: minutes until each part of the checklist has to be done. */
      clocks: z
        .strictObject({
          immediately: minutes.default(5),
          hour: minutes.default(60),
          day: minutes.default(24 * 60),
          week: minutes.default(7 * 24 * 60),
        })
        .prefault({}),
      /** SOP 8.2: minutes to the first response. P3 is the next business day. */
      responseMinutes: z
        .strictObject({
          P0: minutes.default(5),
          P1: minutes.default(60),
          P2: minutes.default(24 * 60),
          P3: minutes.default(24 * 60),
        })
        .prefault({}),
      /** SOP 8.3: who to call, shown on every incident card. */
      contacts: z.array(z.strictObject({ role: z.string(), who: z.string() })).default([]),
    })
    .prefault({}),
  digest: z
    .strictObject({
      /** In the owner's own zone. */
      cron: cron.default('0 9 * * 1'),
      /** Keys due within so many days are in it (SOP 10.1). */
      aheadDays: days.default(30),
      /** The longest snooze. */
      maxSnoozeDays: days.default(30),
    })
    .prefault({}),
  audit: z
    .strictObject({
      /** SOP 7.4: at least 90, a year where compliance asks. */ retainDays: z.number().int().min(90).default(365),
    })
    .prefault({}),
});
export type Policy = z.infer<typeof policySchema>;

/** The SOP's own values. */
export const defaultPolicy: Policy = policySchema.parse({});
