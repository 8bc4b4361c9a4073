import ical, { ICalAlarmType, ICalEventTransparency } from 'ical-generator';
import { DateTime } from 'luxon';
import { day, type Instant } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import type { CalendarEntry } from './model.ts';

/** How often a calendar should come again (RFC 7986, 5.7). */
const everySeconds = 3600;

/**
 * Entries as iCalendar (RFC 5545). The same entries always give the same text: what a calendar already has is
 * recognised by its hash, so nothing in it says when it was written.
 */
export function calendarDocument(name: string, entries: CalendarEntry[], policy: Policy): string {
  const calendar = ical({
    name: onOneLine(name),
    prodId: { company: 'Keysteward', product: 'Keysteward', language: 'EN' },
    ttl: everySeconds,
  });
  for (const entry of entries) {
    const title = onOneLine(entry.title);
    calendar.createEvent({
      id: entry.uid,
      sequence: revision(entry.changedAt),
      stamp: entry.changedAt,
      lastModified: entry.changedAt,
      ...placed(entry),
      summary: title,
      description: entry.lines.map(printable).join('\n'),
      // Nobody is busy because a key is due.
      transparency: ICalEventTransparency.TRANSPARENT,
      alarms: entry.remindDays.map((days) => ({
        type: ICalAlarmType.display,
        trigger: secondsBefore(entry, days, policy),
        description: title,
      })),
      ...(entry.link ? { url: uri(entry.link) } : {}),
    });
  }
  return calendar.toString();
}

function placed({ at }: CalendarEntry) {
  if ('from' in at) return { start: at.from, end: at.to };
  const start = DateTime.fromISO(at.day, { zone: 'utc' });
  return { start, end: start.plus({ days: 1 }), allDay: true };
}

/** A day begins at midnight; its reminders come when people start to work. */
function secondsBefore({ at }: CalendarEntry, days: number, policy: Policy): number {
  const whole = (days * day) / 1000;
  if ('from' in at) return whole;
  const [hours, minutes] = policy.people.workingHours.from.split(':').map(Number) as [number, number];
  return whole - (hours * 60 + minutes) * 60;
}

const era = Date.UTC(2020, 0, 1);
/** Grows with every change (RFC 5545, 3.8.7.4), without anybody counting: seconds, which fit until 2088. */
const revision = (changedAt: Instant) => Math.max(0, Math.floor((changedAt.getTime() - era) / 1000));

/** Without what no calendar shows but some choke on: control characters, marks that turn text around, half characters. */
function printable(text: string): string {
  return (
    text
      .toWellFormed()
      .replace(/\r\n?|[\u0085\u2028\u2029]/g, '\n')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is for
      .replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufeff]/g, ' ')
  );
}

const onOneLine = (text: string) => printable(text).replaceAll('\n', ' ');

/** The library escapes commas and semicolons as in a text, which a URI must not be (RFC 5545, 3.3.13). */
const uri = (link: string) => new URL(link).href.replace(/[,;\\]/g, encodeURIComponent);
