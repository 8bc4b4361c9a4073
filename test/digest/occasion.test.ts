import { describe, expect, it } from 'vitest';
import { owes } from '../../src/digest/occasion.ts';
import { zoneOf } from '../../src/people/hours-model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { occasionsAround } from '../../src/rotation/timing/windows-model.ts';

const monday = defaultPolicy.digest.cron;
const at = (text: string) => new Date(text);
const last = (zone: string, now: string) => occasionsAround(monday, zone, at(now)).last!.toISOString().slice(0, 16);

describe('a Monday at nine', () => {
  it.each([
    // Auckland leaves summer time on 5 April 2026 (+13 → +12) and enters it on 27 September (+12 → +13).
    ['Pacific/Auckland', '2026-04-04T00:00:00Z', '2026-03-29T20:00'],
    ['Pacific/Auckland', '2026-04-05T20:59:59.999Z', '2026-03-29T20:00'],
    ['Pacific/Auckland', '2026-04-05T21:00:00Z', '2026-04-05T21:00'],
    ['Pacific/Auckland', '2026-09-27T19:59:59Z', '2026-09-20T21:00'],
    ['Pacific/Auckland', '2026-09-27T20:00:00.001Z', '2026-09-27T20:00'],
    // New York enters summer time on 8 March 2026 (−5 → −4) and leaves it on 1 November.
    ['America/New_York', '2026-03-08T12:00:00Z', '2026-03-02T14:00'],
    ['America/New_York', '2026-03-09T12:59:59Z', '2026-03-02T14:00'],
    ['America/New_York', '2026-03-09T13:00:00Z', '2026-03-09T13:00'],
    ['America/New_York', '2026-11-02T13:59:59Z', '2026-10-26T13:00'],
    ['America/New_York', '2026-11-02T14:00:00Z', '2026-11-02T14:00'],
    ['Asia/Kathmandu', '2026-06-01T03:15:00Z', '2026-06-01T03:15'],
    ['Pacific/Kiritimati', '2026-05-31T19:00:00Z', '2026-05-31T19:00'],
    ['UTC', '2026-06-01T09:00:00Z', '2026-06-01T09:00'],
  ])('is nine on the wall in %s, at %s and over changes of the clock', (zone, now, expected) => {
    expect(last(zone, now)).toBe(expected);
  });

  it('comes once in every week of a year, in every zone', () => {
    for (const zone of ['Pacific/Auckland', 'America/New_York', 'Europe/London']) {
      const seen = new Set<string>();
      for (
        let now = Date.parse('2026-01-06T23:00:00Z');
        now < Date.parse('2027-01-03T00:00:00Z');
        now += 5 * 86_400_000
      ) {
        seen.add(last(zone, new Date(now).toISOString()));
      }
      expect(seen.size).toBe(52);
      for (const each of seen) {
        const local = new Intl.DateTimeFormat('en-GB', {
          timeZone: zone,
          weekday: 'short',
          hour: '2-digit',
          minute: '2-digit',
        });
        expect(local.format(at(`${each}:00Z`))).toMatch(/^Mon,? 09:00$/);
      }
    }
  });
});

describe('a time that the clock', () => {
  const sunday = (cron: string, now: string) =>
    occasionsAround(cron, 'America/New_York', at(now)).last!.toISOString().slice(0, 16);

  it('leaves out in spring comes an hour later by the wall', () => {
    expect(sunday('30 2 * * 0', '2026-03-08T12:00:00Z')).toBe('2026-03-08T07:30');
    expect(sunday('30 2 * * 0', '2026-03-08T07:29:59Z')).toBe('2026-03-01T07:30');
  });

  it('leaves out at midnight is no reason to stop', () => {
    const last = (now: string) =>
      occasionsAround('0 0 * * *', 'Africa/Cairo', at(now)).last!.toISOString().slice(0, 16);
    // Cairo goes from midnight to one on 24 April 2026.
    expect(last('2026-04-24T10:00:00Z')).toBe('2026-04-23T22:00');
    expect(last('2026-04-25T10:00:00Z')).toBe('2026-04-24T21:00');
  });

  it('repeats in autumn comes once', () => {
    for (const now of ['2026-11-01T05:30:00Z', '2026-11-01T06:29:00Z', '2026-11-01T06:31:00Z', '2026-11-05T00:00:00Z'])
      expect(sunday('30 1 * * 0', now)).toBe('2026-11-01T05:30');
  });
});

describe('a digest', () => {
  const owed = (since: string, now: string) =>
    owes(defaultPolicy, at(now))({ timeZone: 'America/New_York', since: at(since) });

  it('is owed from its occasion on, until it was sent', () => {
    expect(owed('2026-06-01T13:00:01Z', '2026-06-08T12:59:59Z')).toBe(false);
    expect(owed('2026-06-01T13:00:01Z', '2026-06-08T13:00:00Z')).toBe(true);
    expect(owed('2026-06-08T13:00:05Z', '2026-06-08T13:15:00Z')).toBe(false);
  });

  it('that comes late waits for working hours', () => {
    expect(owed('2026-06-01T13:00:01Z', '2026-06-09T05:00:00Z')).toBe(false);
    expect(owed('2026-06-01T13:00:01Z', '2026-06-09T13:00:00Z')).toBe(true);
    expect(owed('2026-06-01T13:00:01Z', '2026-06-13T15:00:00Z')).toBe(false);
  });

  it("is reckoned in the company's zone for somebody whose zone nobody knows", () => {
    const policy = { ...defaultPolicy, company: { ...defaultPolicy.company, timeZone: 'Europe/Berlin' } };
    expect(zoneOf('Mars/Olympus', policy)).toBe('Europe/Berlin');
    expect(zoneOf('Asia/Tokyo', policy)).toBe('Asia/Tokyo');
  });
});
