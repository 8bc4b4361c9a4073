import fc from 'fast-check';
import { DateTime } from 'luxon';
import { describe, expect, it } from 'vitest';
import { day, hour, minute, newId } from '../../../src/kernel.ts';
import { defaultPolicy, type Freeze, type MaintenanceWindow, type Policy, policySchema } from '../../../src/policy.ts';
import { backSteps, type Rotation, type Step, screamSteps, steps } from '../../../src/rotation/model.ts';
import { started } from '../../../src/rotation/moves-model.ts';
import {
  frozenUntil,
  nextOccasion,
  occasionsAround,
  openingFor,
  waitsFor,
  windowAt,
} from '../../../src/rotation/timing/windows-model.ts';
import { aKey, aPerson } from '../../support/company.ts';

const policyWith = (windows: MaintenanceWindow[], freezes: Freeze[] = []): Policy => ({
  ...defaultPolicy,
  rotation: { ...defaultPolicy.rotation, windows, freezes },
});
const at = (text: string) => new Date(text);
const key = { environment: 'production', service: 'Stripe', expiresAt: null, pause: null } as const;
const nightly: MaintenanceWindow = { name: 'Nightly', cron: '0 22 * * *', minutes: 240, timeZone: 'Europe/Berlin' };
const yearEnd: Freeze = { reason: 'Year end', from: '2026-12-18', to: '2027-01-03', timeZone: 'Europe/Berlin' };

/** Zones with every kind of trouble: half hours, a change at midnight, a change of half an hour, the far ends of the day. */
const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Santiago',
  'Africa/Cairo',
  'Asia/Beirut',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Auckland',
  'Pacific/Kiritimati',
];
const anyZone = fc.constantFrom(...zones);
const anyMoment = fc
  .integer({ min: Date.parse('2025-01-01T00:00:00Z'), max: Date.parse('2028-12-31T00:00:00Z') })
  .map((ms) => new Date(ms));
const anyTime = fc.record({ h: fc.integer({ min: 0, max: 23 }), m: fc.constantFrom(0, 15, 30, 59) });
const anyDays = fc.constantFrom('*', '1-5', '2', '6,7', '3#2');
const anyWindow: fc.Arbitrary<MaintenanceWindow> = fc
  .record({ time: anyTime, days: anyDays, minutes: fc.integer({ min: 30, max: 20 * 60 }), timeZone: anyZone })
  .map(({ time, days, ...rest }) => ({ name: 'Window', cron: `${time.m} ${time.h} * * ${days}`, ...rest }));
const anyFreeze: fc.Arbitrary<Freeze> = fc
  .record({
    from: anyMoment,
    days: fc.integer({ min: 0, max: 60 }),
    timeZone: anyZone,
    yearly: fc.boolean(),
  })
  .map(({ from, days, ...rest }) => ({
    reason: 'Freeze',
    from: from.toISOString().slice(0, 10),
    to: new Date(from.getTime() + days * day).toISOString().slice(0, 10),
    ...rest,
  }));

/** Written another way, from the wall clock: the days on which it could have begun, and how long that is ago. */
function isOpen(window: MaintenanceWindow, now: Date): boolean {
  const [m, h, , , days] = window.cron.split(' ') as [string, string, string, string, string];
  const local = DateTime.fromJSDate(now, { zone: window.timeZone! });
  return [0, 1, 2].some((back) => {
    const date = local.startOf('day').minus({ days: back });
    const begins = DateTime.fromObject(
      { year: date.year, month: date.month, day: date.day, hour: Number(h), minute: Number(m) },
      { zone: window.timeZone! },
    );
    const fits =
      days === '*' ||
      (days === '3#2' ? date.weekday === 3 && Math.ceil(date.day / 7) === 2 : false) ||
      (days === '1-5' ? date.weekday <= 5 : false) ||
      (days === '2' ? date.weekday === 2 : false) ||
      (days === '6,7' ? date.weekday >= 6 : false);
    const elapsed = now.getTime() - begins.toMillis();
    return fits && elapsed >= 0 && elapsed < window.minutes * minute;
  });
}
/** Whether the clock was changed nearby: what a wall-clock time means there is decided by the examples below. */
const clockChanged = (zone: string, now: Date) =>
  new Set([-60, -36, -12, 0, 12, 36].map((h) => DateTime.fromMillis(now.getTime() + h * hour, { zone }).offset)).size >
  1;

describe('a maintenance window', () => {
  it('is open exactly from its time on the wall for its length, in every zone', () => {
    fc.assert(
      fc.property(anyWindow, anyMoment, (window, now) => {
        fc.pre(!clockChanged(window.timeZone!, now));
        expect(windowAt(window, defaultPolicy, now).open).toBe(isOpen(window, now));
      }),
      { numRuns: 250 },
    );
  });

  it('opens when it says that it opens, not before, and closes when it says, over every change of the clock', () => {
    fc.assert(
      fc.property(anyWindow, anyMoment, fc.double({ min: 0, max: 1, noNaN: true }), (window, now, part) => {
        const state = windowAt(window, defaultPolicy, now);
        const then = state.open ? state.closes : state.opens;
        expect(then > now).toBe(true);
        const between = new Date(now.getTime() + Math.floor(part * (then.getTime() - now.getTime() - 1)));
        expect(windowAt(window, defaultPolicy, between).open).toBe(state.open);
        if (!state.open) expect(windowAt(window, defaultPolicy, then).open).toBe(true);
      }),
      { numRuns: 250 },
    );
  });

  it('opens where a change of the clock by half an hour is ahead', () => {
    const window = { name: 'Window', cron: '0 1 * * *', minutes: 30, timeZone: 'Australia/Lord_Howe' };
    expect(windowAt(window, defaultPolicy, at('2026-04-09T13:30Z'))).toEqual({
      open: false,
      opens: at('2026-04-09T14:30Z'),
    });
    // On the day of the change, and every hour of it.
    expect(nextOccasion('0 2 * * *', 'Australia/Lord_Howe', at('2026-04-04T13:00Z'))).toEqual(at('2026-04-04T15:30Z'));
    expect(nextOccasion('0 * * * *', 'Australia/Lord_Howe', at('2026-04-04T13:59:30Z')) > at('2026-04-04T13:59Z')).toBe(
      true,
    );
  });

  it('opens once for each day of the year at its time, whatever the clock does that day', () => {
    for (const timeZone of zones) {
      for (const cron of ['0 0 * * *', '30 2 * * *']) {
        const opened: string[] = [];
        let now = DateTime.fromISO('2026-01-01T12:00', { zone: timeZone }).toJSDate();
        for (let i = 0; i < 365; i++) {
          now = occasionsAround(cron, timeZone, now).next;
          opened.push(DateTime.fromJSDate(now, { zone: timeZone }).toISODate()!);
        }
        expect(new Set(opened).size, `${timeZone} ${cron}`).toBe(365);
      }
    }
  });

  it.each([
    [
      'that begins in the hour which spring leaves out opens an hour later',
      '30 2 * * *',
      60,
      '2026-03-29T01:30Z',
      '2026-03-29T02:30Z',
    ],
    ['over the change in spring is as long as ever', '0 22 * * *', 480, '2026-03-28T21:00Z', '2026-03-29T05:00Z'],
    ['over the change in autumn is as long as ever', '0 22 * * *', 480, '2026-10-24T20:00Z', '2026-10-25T04:00Z'],
    [
      'that begins in the hour which autumn repeats opens once, the first time',
      '30 2 * * *',
      30,
      '2026-10-25T00:30Z',
      '2026-10-25T01:00Z',
    ],
  ])('%s', (_what, cron, minutes, opens, closes) => {
    const window = { ...nightly, cron, minutes };
    const justBefore = new Date(at(opens).getTime() - 1);
    expect(windowAt(window, defaultPolicy, justBefore)).toEqual({ open: false, opens: at(opens) });
    expect(windowAt(window, defaultPolicy, at(opens))).toEqual({ open: true, closes: at(closes) });
    expect(windowAt(window, defaultPolicy, at(closes)).open).toBe(false);
  });

  it('that comes every fourth year is found, and one that has not come yet is closed', () => {
    const leap = { ...nightly, cron: '0 0 29 2 *', minutes: 60, timeZone: 'UTC' };
    expect(windowAt(leap, defaultPolicy, at('2026-06-01T00:00Z'))).toEqual({
      open: false,
      opens: at('2028-02-29T00:00Z'),
    });
  });
});

describe('a freeze', () => {
  it('lasts from the first midnight to the end of its last day where it is meant, in every zone', () => {
    fc.assert(
      fc.property(anyFreeze, anyMoment, (freeze, now) => {
        const today = DateTime.fromJSDate(now, { zone: freeze.timeZone! }).toISODate()!;
        const expected = freeze.yearly
          ? [0, 1, 2, 3, 4, 5].some((years) => {
              const shift = (date: string) => DateTime.fromISO(date).plus({ years }).toISODate()!;
              return shift(freeze.from!) <= today && today <= shift(freeze.to!);
            })
          : freeze.from! <= today && today <= freeze.to!;
        expect(frozenUntil(freeze, defaultPolicy, now) !== null).toBe(expected);
      }),
      { numRuns: 250 },
    );
  });

  it('ends at the moment that it says', () => {
    expect(frozenUntil(yearEnd, defaultPolicy, at('2026-12-17T22:59:59Z'))).toBeNull();
    expect(frozenUntil(yearEnd, defaultPolicy, at('2026-12-17T23:00:00Z'))).toEqual(at('2027-01-03T23:00:00Z'));
    expect(frozenUntil(yearEnd, defaultPolicy, at('2027-01-03T23:00:00Z'))).toBeNull();
    expect(frozenUntil(yearEnd, defaultPolicy, at('2028-01-02T00:00:00Z'))).toBeNull();
    const yearly = { ...yearEnd, yearly: true };
    expect(frozenUntil(yearly, defaultPolicy, at('2028-01-02T00:00:00Z'))).toEqual(at('2028-01-03T23:00:00Z'));
    expect(frozenUntil(yearly, defaultPolicy, at('2025-12-24T00:00:00Z'))).toBeNull();
  });

  it('can come again by a cron expression, such as the last two days of a month', () => {
    const payroll: Freeze = { reason: 'Payroll', cron: '0 0 L * *', minutes: 2880, timeZone: 'UTC' };
    expect(frozenUntil(payroll, defaultPolicy, at('2026-02-28T05:00Z'))).toEqual(at('2026-03-02T00:00Z'));
    expect(frozenUntil(payroll, defaultPolicy, at('2026-03-02T00:00Z'))).toBeNull();
  });
});

describe('the next opening of a key', () => {
  const anyRules = fc.record({
    windows: fc.array(anyWindow, { maxLength: 2 }),
    freezes: fc.array(anyFreeze, { maxLength: 2 }),
  });

  it('is in a window and in no freeze, and no moment before it is', () => {
    const part = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(anyRules, anyMoment, part, ({ windows, freezes }, now, part) => {
        const policy = policyWith(windows, freezes);
        const fits = (moment: Date) =>
          (windows.length === 0 || windows.some((each) => windowAt(each, policy, moment).open)) &&
          freezes.every((each) => frozenUntil(each, policy, moment) === null);
        const { at: opens, holds } = openingFor(key, policy, now);
        expect(opens).not.toBeNull();
        expect(fits(opens!)).toBe(true);
        expect(holds.length === 0).toBe(opens!.getTime() === now.getTime());
        const before = new Date(now.getTime() + Math.floor(part * Math.max(0, opens!.getTime() - now.getTime() - 1)));
        if (before < opens!) expect(fits(before)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it('is now where nothing is about the key: another environment, another service', () => {
    const now = at('2026-12-20T10:00Z');
    const elsewhere = policyWith([{ ...nightly, environments: ['staging'] }], [{ ...yearEnd, services: ['OpenAI'] }]);
    expect(openingFor(key, elsewhere, now)).toEqual({ at: now, holds: [], despite: [] });
    const here = policyWith([{ ...nightly, environments: ['production'], services: ['stripe'] }]);
    expect(openingFor(key, here, now).holds).toMatchObject([{ kind: 'window', until: at('2026-12-20T21:00Z') }]);
  });

  it('says what is waited for, one after the other', () => {
    expect(openingFor(key, policyWith([nightly], [yearEnd]), at('2026-12-20T10:00Z'))).toEqual({
      at: at('2027-01-03T23:00Z'),
      holds: [{ kind: 'freeze', name: 'Year end', until: at('2027-01-03T23:00Z') }],
      despite: [],
    });
    const late = { ...nightly, cron: '0 12 * * *' };
    expect(openingFor(key, policyWith([late], [yearEnd]), at('2026-12-20T10:00Z'))).toMatchObject({
      at: at('2027-01-04T11:00Z'),
      holds: [{ kind: 'freeze' }, { kind: 'window', name: 'Nightly' }],
    });
  });

  it('does not wait until the provider has ended the key', () => {
    const now = at('2026-12-20T10:00Z');
    const policy = policyWith([], [yearEnd]);
    const ending = { ...key, expiresAt: at('2027-01-02T00:00Z') };
    expect(openingFor(ending, policy, now)).toMatchObject({ at: now, holds: [], despite: [{ name: 'Year end' }] });
    const later = { ...key, expiresAt: at('2027-01-20T00:00Z') };
    expect(openingFor(later, policy, now)).toMatchObject({ at: at('2027-01-03T23:00Z'), despite: [] });
  });

  it('is nowhere when freezes leave no time, and that is found out soon', () => {
    const always: Freeze = { reason: 'Never', cron: '0 0 * * *', minutes: 2880, timeZone: 'UTC' };
    expect(openingFor(key, policyWith([nightly], [always]), at('2026-06-01T00:00Z')).at).toBeNull();
  });
});

describe('a rotation outside of its window', () => {
  const now = at('2026-06-01T10:00Z');
  const owner = aPerson();
  const rotation = (step: Step, facts: Partial<Rotation> = {}): Rotation => {
    const why = { cause: 'due', causeId: null, askedBy: null, reason: null, emergency: false } as const;
    return { ...started(newId('rotation'), aKey(owner), why, null, defaultPolicy, now), step, ...facts };
  };
  const waiting = (each: Rotation) => waitsFor(each, key, policyWith([nightly]), now) !== null;
  const all: Step[] = [...steps, ...backSteps, ...screamSteps];

  it('waits before each step that begins, hands out, or stops or kills the old value, and before no other', () => {
    expect(all.filter((step) => waiting(rotation(step)))).toEqual(['generate', 'promote', 'retire', 'disable']);
  });

  it('does not let a value live on that a leaver or an incident’s finder knows, and waits for nothing in an emergency', () => {
    for (const cause of ['leaver', 'incident'] as const) {
      expect(all.filter((step) => waiting(rotation(step, { cause })))).toEqual(['generate', 'promote']);
    }
    expect(all.filter((step) => waiting(rotation(step, { emergency: true })))).toEqual([]);
  });
});

describe('policy.yml', () => {
  const rotation = (rules: unknown) => policySchema.safeParse({ rotation: rules });
  it('takes the windows and freezes that its example shows', () => {
    const windows = [
      {
        name: 'Tuesday night',
        cron: '0 22 * * 2',
        minutes: 240,
        timeZone: 'Europe/Berlin',
        environments: ['production'],
        services: ['Stripe', 'OpenAI'],
      },
    ];
    const freezes = [
      { reason: 'Year end', from: '2026-12-18', to: '2027-01-03', yearly: true, timeZone: 'Europe/Berlin' },
      { reason: 'Payroll', cron: '0 0 L * *', minutes: 2880, services: ['Workday'], environments: ['production'] },
    ];
    expect(rotation({ windows, freezes }).success).toBe(true);
  });

  it.each([
    ['an hour that there is not', { windows: [{ name: 'x', cron: '0 25 * * *', minutes: 60 }] }],
    ['a day that never comes', { windows: [{ name: 'x', cron: '0 0 31 2 *', minutes: 60 }] }],
    ['an expression that means something else each time', { windows: [{ name: 'x', cron: 'H 3 * * *', minutes: 60 }] }],
    ['seconds', { windows: [{ name: 'x', cron: '0 0 22 * * 2', minutes: 60 }] }],
    ['a window between two looks', { windows: [{ name: 'x', cron: '0 22 * * 2', minutes: 5 }] }],
    ['a zone that there is not', { windows: [{ name: 'x', cron: '0 22 * * 2', minutes: 60, timeZone: 'Berlin' }] }],
    [
      'an environment that there is not',
      { windows: [{ name: 'x', cron: '0 22 * * 2', minutes: 60, environments: ['prod'] }] },
    ],
    ['a freeze without an end', { freezes: [{ reason: 'x', from: '2026-12-18' }] }],
    ['a freeze that ends before it begins', { freezes: [{ reason: 'x', from: '2026-12-18', to: '2026-12-17' }] }],
    ['a day that there is not', { freezes: [{ reason: 'x', from: '2026-02-30', to: '2026-03-01' }] }],
    [
      'both kinds of freeze at once',
      { freezes: [{ reason: 'x', from: '2026-12-18', to: '2026-12-20', cron: '0 0 * * 1', minutes: 60 }] },
    ],
    ['a freeze without a reason', { freezes: [{ from: '2026-12-18', to: '2026-12-20' }] }],
  ])('refuses %s', (_what, rules) => {
    expect(rotation(rules).success).toBe(false);
  });
});
