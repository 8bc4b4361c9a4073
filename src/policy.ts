import { CronExpressionParser } from 'cron-parser';
import { z } from 'zod';
import { endsTheOldAtOnce, providerSchema } from './provider-settings.ts';

const clock = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected HH:MM');
const days = z.number().int().positive();
const minutes = z.number().int().positive();
const cron = z.string().min(9);

/** Half a sentence of the company's. */
const guidance = z.string().trim().min(1).max(200).nullable();

// ————— When the schedule may touch what people work with —————

const timeZone = z.string().refine((zone) => {
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: zone }));
  } catch {
    return false;
  }
}, 'expected a zone such as Europe/Berlin');
/** Five fields, and an expression that means the same whenever it is read. */
const recurring = z.string().refine((text) => {
  const fields = text.trim().split(/\s+/);
  if (fields.length !== 5 || fields.some((field) => /^h/i.test(field))) return false;
  try {
    return Boolean(CronExpressionParser.parse(text).next());
  } catch {
    return false;
  }
}, 'expected five cron fields such as 0 22 * * 2');
const upToWeeks = (weeks: number) => minutes.max(weeks * 7 * 24 * 60);
const whichKeys = {
  /** Company zone where nothing is said. */
  timeZone: timeZone.optional(),
  /** Of which keys; all, where nothing is said. */
  environments: z
    .array(z.enum(['production', 'staging', 'development', 'test', 'sandbox', 'demo']))
    .min(1)
    .optional(),
  services: z.array(z.string().min(1)).min(1).optional(),
};
const windowSchema = z.strictObject({
  name: z.string().min(1).max(80),
  /** When it opens. */
  cron: recurring,
  /** How long it stays open. A shorter one could pass between two looks of the schedule. */
  minutes: upToWeeks(1).min(30),
  ...whichKeys,
});
const freezeSchema = z
  .strictObject({
    reason: z.string().min(1).max(80),
    /** First and last day, both included. */
    from: z.iso.date().optional(),
    to: z.iso.date().optional(),
    /** Again every year. */
    yearly: z.boolean().optional(),
    /** Instead of days: when it begins, and for how long. */
    cron: recurring.optional(),
    minutes: upToWeeks(6).optional(),
    ...whichKeys,
  })
  .superRefine(({ from, to, yearly, cron, minutes }, context) => {
    const days = from !== undefined && to !== undefined && !cron && !minutes;
    const again = cron !== undefined && minutes !== undefined && !from && !to && yearly === undefined;
    if (!days && !again) context.addIssue('expected either from and to, or cron and minutes');
    if (from && to && from > to) context.addIssue('it ends before it begins');
  });

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
  inventory: z
    .strictObject({
      /** The secret that holds the key under which values are fingerprinted; made when it is first needed. */
      fingerprintSecret: z
        .string()
        .regex(/^[\w/+=.@-]{1,512}$/, 'expected the name of a secret')
        .default('keysteward/fingerprint-key'),
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
      /** Days before the due date at which whoever has to act is reminded, in Slack and by their calendar. */
      remindDays: z.array(days).max(5).default([14, 7, 1]),
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
      /** Days after which an overdue key is brought before its owner, the security channel and the administrators; null for never. */
      escalateOverdueDays: z
        .strictObject({
          owner: days.nullable().default(1),
          security: days.nullable().default(3),
          administrators: days.nullable().default(7),
        })
        .prefault({}),
      /** Drills: a low-risk key outside of production is replaced as if it had leaked, to see how long it takes. */
      drill: z
        .strictObject({
          /** When one takes place by surprise; null for never. */
          cron: recurring.nullable().default(null),
          /** A key that was in a drill is taken by surprise no sooner than after so many days. */
          restDays: days.default(90),
        })
        .prefault({}),
      /** How long a rotation can be paused at most: by its owner, counted over all pauses since the last one, and by an administrator. */
      maxPauseDays: z.strictObject({ owner: days.default(14), administrator: days.default(90) }).prefault({}),
      /** All keys of a service at once. */
      bulk: z
        .strictObject({
          /** A second administrator confirms a campaign that rotates more keys than this. */
          confirmAbove: z.number().int().min(0).default(5),
          /** Hours after which what nobody has confirmed expires. */
          confirmHours: z.number().int().positive().max(72).default(4),
        })
        .prefault({}),
      /**
       * How often rotations may write to Secrets Manager. AWS allows 50 a second to all programs of an account in a
       * region together; a quarter of what is set here is kept for emergencies.
       */
      writesPerSecond: z.number().min(1).max(1_000).default(48),
      /** Where a provider can stop a key and start it again, the old one is stopped for so long before it is deleted; 0 for not at all. */
      screamTestHours: z.number().int().nonnegative().default(24),
      /** When the old value may go: once everybody who is recorded is on the new one, or its provider sees no more use of it. */
      evidence: z
        .strictObject({
          /** Who reads the store itself has the new value after so long. */
          cacheMinutes: minutes.default(60),
          /** No use of the old key at its provider for so long, all of it after the switch, is evidence too. */
          quietHours: z.number().int().positive().default(24),
          /**
           * Who says whether somebody who reads the store has read the new value. Null: nobody, but CloudTrail where the
           * local Secrets Manager stands in for AWS. AWS's own asks for a permission, and limits how often it may be asked.
           */
          readsFrom: z.enum(['cloudtrail', 'none']).nullable().default(null),
          /** How often it is looked again. */
          lookEveryMinutes: minutes.default(240),
          /** Whoever has to move something is reminded so often, in their working hours. */
          remindHours: z.number().int().positive().default(24),
          /** Its owner and the security channel are told after so many days without evidence. */
          escalateAfterDays: days.default(3),
          /** Then it stops and asks; nothing is ever retired by a timer alone. */
          maxGraceDays: days.default(14),
        })
        .prefault({}),
      /** Maintenance windows: only within one of them a rotation begins, hands out and retires; any time, where a key has none. */
      windows: z.array(windowSchema).default([]),
      /** Freezes: the same does not happen while one lasts. Emergencies keep to neither. */
      freezes: z.array(freezeSchema).default([]),
      /** Keys that only a person can make at their service, or end there. */
      byHand: z
        .strictObject({
          /** How long there is for it, unless the provider ends the key before; in minutes in an emergency. */
          dueDays: days.default(7),
          urgentDueMinutes: minutes.default(60),
          /** Hours after which somebody is reminded, in their working time; one number per reminder, later ones once a day. */
          nudgeHours: z.array(z.number().positive()).default([8, 24, 48]),
          /** Hours after which administrators are asked too. */
          escalateHours: z.number().positive().default(72),
          /** The same in an emergency, at any time of the day. */
          urgentNudgeMinutes: z.array(minutes).default([10, 20]),
          urgentEscalateMinutes: minutes.default(30),
        })
        .prefault({}),
    })
    .prefault({}),
  consumers: z
    .strictObject({
      /** Hosts inside the network that webhooks may be sent to, by name or address; everywhere else only public addresses. */
      privateHosts: z.array(z.string().min(1)).default([]),
    })
    .prefault({}),
  /** Who issues keys, by the name that a key's "New values" gets. `self-made` and `person` are there without it. */
  providers: z
    .record(
      z.string().regex(/^(?!self-made$|person$)[a-z0-9][a-z0-9-]{0,40}$/, 'expected a short name in lower case'),
      providerSchema,
    )
    .default({}),
  /** The company's own steps for people who rotate a key, by the service: `openai`, `order-webhooks`. Shown before ours. */
  runbooks: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9-]{0,60}$/, 'expected a service in lower case, with dashes'),
      z.string().regex(/^https:\/\/[^\s<>|]{1,2000}$/, 'expected an https:// address'),
    )
    .default({}),
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
  /** What keys may do at their services (SOP 4). */
  permissions: z
    .strictObject({
      /** A key whose permissions nobody has reviewed for so long is listed, and counted in its owner's digest. */
      reviewDays: days.default(180),
      /** SOP 4.3: how keys of each environment should be, as the end of "Production: …"; null for nothing to say. */
      guidance: z
        .strictObject({
          production: guidance.default('full limits, carefully monitored'),
          staging: guidance.default('medium limits, safe to reset'),
          development: guidance.default('lower rate limits, test data only'),
          test: guidance.default('low limits, test data only'),
          sandbox: guidance.default('low limits, nothing that is real within reach'),
          demo: guidance.default('low limits, made-up data only'),
        })
        .prefault({}),
    })
    .prefault({}),
  reviews: z
    .strictObject({
      /** How often every key is compared with Secrets Manager and its provider. */
      driftCheck: cron.default('23 4 * * *'),
      /** Whom the company itself lets read secrets by their policies, beside grants and consumers: ARNs, or what else a policy can name. */
      knownReaders: z.array(z.string().min(1)).default([]),
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
      /** How often an owner can snooze a key between two rotations; administrators can once more each time. */
      maxSnoozes: z.number().int().nonnegative().default(1),
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
export type MaintenanceWindow = z.infer<typeof windowSchema>;
export type Freeze = z.infer<typeof freezeSchema>;

/**
 * Whether the old value of a key of this issuer dies in the very call that makes the new one. Then its rotation is an outage
 * for whoever has not read the new value, and is started by a person or an emergency, never by the schedule.
 */
export function diesAtOnce({ issuer }: { issuer: string }, { providers }: Pick<Policy, 'providers'>): boolean {
  const settings = providers[issuer];
  return settings !== undefined && endsTheOldAtOnce(settings);
}

/** Whether two names mean one secret; an ARN ends with the name, a dash and six characters. */
export function isSameSecret(one: string, other: string): boolean {
  const nameOf = (id: string) => (id.startsWith('arn:') ? (id.split(':secret:')[1] ?? id).replace(/-\w{6}$/, '') : id);
  return one === other || nameOf(one) === nameOf(other);
}

/** The entries under `providers` in policy.yml that Keysteward works at with this very key; none for all but a few keys. */
export function entriesBy({ secretId }: { secretId: string | null }, providers: Policy['providers']): string[] {
  if (!secretId) return [];
  return Object.entries(providers).flatMap(([name, settings]) =>
    'credential' in settings && settings.credential && isSameSecret(settings.credential, secretId) ? [name] : [],
  );
}
