import fc from 'fast-check';
import ICAL from 'ical.js';
import { describe, expect, it } from 'vitest';
import { calendarDocument } from '../../src/calendar/calendar-document.ts';
import type { CalendarEntry } from '../../src/calendar/model.ts';
import { defaultPolicy as policy } from '../../src/policy.ts';

const entry = (facts: Partial<CalendarEntry> = {}): CalendarEntry => ({
  uid: 'rotation-key_1@keysteward',
  title: 'Rotate OpenAI API Key - Production - Chat',
  lines: ['One', 'Two'],
  at: { day: '2026-11-30' },
  remindDays: [],
  link: null,
  changedAt: new Date('2026-10-01T08:00:00Z'),
  ...facts,
});
/** What another library makes of it. */
const readBack = (text: string) =>
  new ICAL.Component(ICAL.parse(text) as unknown[]).getAllSubcomponents('vevent').map((each) => new ICAL.Event(each));
const eventOf = (facts: Partial<CalendarEntry>) =>
  readBack(calendarDocument('My API keys', [entry(facts)], policy))[0]!;

/** Texts as people type them, and as nobody should. */
const odd = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 200 }),
  fc.string({ unit: 'binary', maxLength: 120 }),
  fc
    .array(
      fc.constantFrom(
        'a;b',
        'c,d',
        '\\',
        '\\n',
        '\n',
        '\r\n',
        '\r',
        '"',
        ':',
        '😀',
        '👩‍👩‍👧',
        'é',
        '\u0000',
        '\u202e',
        '\ud800',
        ' ',
        'END:VEVENT',
        'x'.repeat(90),
      ),
      { maxLength: 30 },
    )
    .map((some) => some.join('')),
);
const seen = (text: string) =>
  text
    .toWellFormed()
    .replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
    .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/g, ' ');

describe('a calendar', () => {
  it('says what was meant, whatever keys are called: read back by another library, in lines of at most 75 octets', () => {
    fc.assert(
      fc.property(odd, fc.array(odd, { maxLength: 4 }), (title, lines) => {
        const text = calendarDocument(
          'My API keys',
          [entry({ title, lines }), entry({ uid: 'other@keysteward' })],
          policy,
        );
        expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
        for (const line of text.split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThanOrEqual(75);
        const [first, second, ...none] = readBack(text);
        expect(none).toEqual([]);
        expect(first!.summary ?? '').toBe(seen(title).replaceAll('\n', ' '));
        expect(first!.description ?? '').toBe(lines.map(seen).join('\n'));
        expect(second!.summary).toBe('Rotate OpenAI API Key - Production - Chat');
      }),
      { numRuns: 400 },
    );
  });

  it('has a whole day as a day, in no zone, and a moment in UTC', () => {
    const day = eventOf({ at: { day: '2026-03-29' } });
    expect([day.startDate.isDate, day.startDate.toString(), day.endDate.toString()]).toEqual([
      true,
      '2026-03-29',
      '2026-03-30',
    ]);
    const from = new Date('2026-03-29T00:59:59Z');
    const moment = eventOf({ at: { from, to: new Date('2026-03-29T01:15:00Z') } });
    expect([moment.startDate.isDate, moment.startDate.zone.tzid, moment.startDate.toJSDate()]).toEqual([
      false,
      'UTC',
      from,
    ]);
  });

  it('reminds of a day when people start to work, so many days before, and of a moment to the second', () => {
    const triggers = (facts: Partial<CalendarEntry>) =>
      eventOf(facts)
        .component.getAllSubcomponents('valarm')
        .map((alarm) => {
          expect(alarm.getFirstPropertyValue('action')).toBe('DISPLAY');
          expect(alarm.getFirstPropertyValue('description')).toContain('Rotate');
          expect(alarm.getFirstProperty('trigger')!.getParameter('related')).toBeUndefined();
          return (alarm.getFirstPropertyValue('trigger') as unknown as ICAL.Duration).toSeconds() / 3600;
        });
    expect(triggers({ remindDays: [14, 7, 1] })).toEqual([-14 * 24 + 9, -7 * 24 + 9, -24 + 9]);
    const from = new Date('2026-12-01T10:00:00Z');
    expect(triggers({ at: { from, to: from }, remindDays: [2] })).toEqual([-48]);
    expect(triggers({})).toEqual([]);
  });

  it('tells a later state by a greater sequence, and the same state by the same text', () => {
    const later = { changedAt: new Date('2026-10-01T08:00:01Z'), at: { day: '2027-01-01' } };
    expect(eventOf(later).sequence).toBeGreaterThan(eventOf({}).sequence);
    expect(eventOf(later).uid).toBe(eventOf({}).uid);
    expect(eventOf({ changedAt: new Date('2087-01-01T00:00:00Z') }).sequence).toBeLessThan(2 ** 31);
    expect(eventOf({ changedAt: new Date(0) }).sequence).toBe(0);
    expect(calendarDocument('My API keys', [entry()], policy)).toBe(calendarDocument('My API keys', [entry()], policy));
    const stamps = ['dtstamp', 'last-modified'].map((name) =>
      String(eventOf({}).component.getFirstPropertyValue(name)),
    );
    expect(stamps).toEqual(['2026-10-01T08:00:00Z', '2026-10-01T08:00:00Z']);
  });

  it('blocks nobody’s time, and leads to the runbook by an address that is still one', () => {
    const event = eventOf({ link: 'https://wiki.example.com/a,b;c?d=é' });
    expect(event.component.getFirstPropertyValue('transp')).toBe('TRANSPARENT');
    expect(event.component.getFirstPropertyValue('url')).toBe('https://wiki.example.com/a%2Cb%3Bc?d=%C3%A9');
  });

  it('says when to come again, and is a calendar although nothing is in it', () => {
    const empty = new ICAL.Component(
      ICAL.parse(calendarDocument('Pay;ments,\n\u202eöre API keys', [], policy)) as unknown[],
    );
    expect(empty.getFirstPropertyValue('version')).toBe('2.0');
    expect(empty.getFirstPropertyValue('prodid')).toContain('Keysteward');
    expect(empty.getFirstPropertyValue('x-wr-calname')).toBe('Pay;ments,  öre API keys');
    expect(String(empty.getFirstPropertyValue('refresh-interval'))).toBe('PT1H');
    expect(empty.getAllSubcomponents('vevent')).toEqual([]);
  });
});
