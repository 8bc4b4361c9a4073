import { CronExpressionParser } from 'cron-parser';
import { DateTime } from 'luxon';
import { type ApiKey, pausedNow, snoozedNow, startsAt } from '../../inventory/model.ts';
import { after, day, type Instant, minute, Refusal } from '../../kernel.ts';
import { diesAtOnce, type Freeze, type MaintenanceWindow, type Policy } from '../../policy.ts';
import { compromised, type Rotation, type Step } from '../model.ts';

// ————— Occasions of a cron expression —————

/** From how many days before an occasion is looked for; the rarest, the 29th of February, is eight years away at most. */
const daysBack = [1, 8, 40, 400, 366 * 9];

/**
 * The last time at or before `now` at which the cron expression came round in this zone, and the first after it; null
 * when there was none in nine years. Counted forward from a noon well before: only then a time that the clock leaves out
 * in spring comes all the same, one that it repeats in autumn comes once, and midnight in zones that leave it out at all.
 */
export function occasionsAround(cron: string, zone: string, now: Instant): { last: Instant | null; next: Instant } {
  const noon = DateTime.fromJSDate(now, { zone }).set({ hour: 12, minute: 0, second: 0, millisecond: 0 });
  for (const [i, days] of daysBack.entries()) {
    const currentDate = noon.minus({ days }).toJSDate();
    let last: Instant | null = null;
    for (const next of occasionsFrom(cron, zone, currentDate)) {
      if (next > now) {
        if (last || i === daysBack.length - 1) return { last, next };
        break;
      }
      last = next;
    }
  }
  throw new Error('there is a last look');
}

/**
 * All occasions of a cron expression after this instant. cron-parser gives up before a change of the clock by half an hour
 * (Lord Howe Island); then it is asked again from ten minutes later, until it is over the change.
 */
function* occasionsFrom(cron: string, zone: string, from: Instant): Generator<Instant, never> {
  let at = from;
  for (let gaveUp = 0; ; at = after(at, 10 * minute)) {
    const occasions = CronExpressionParser.parse(cron, { currentDate: at, tz: zone });
    try {
      for (;;) {
        at = occasions.next().toDate();
        gaveUp = 0;
        yield at;
      }
    } catch (error) {
      if (++gaveUp > 6 * 48) throw error;
    }
  }
}
export const nextOccasion = (cron: string, zone: string, now: Instant): Instant =>
  occasionsFrom(cron, zone, now).next().value;

// ————— Windows and freezes —————

/** What keeps the schedule from a key now, and how long. */
export interface Hold {
  kind: 'pause' | 'freeze' | 'window';
  /** The pause's or the freeze's reason, or the window's name. */
  name: string;
  /** When it no longer does. */
  until: Instant;
}

type KeyFacts = Pick<ApiKey, 'environment' | 'service' | 'expiresAt' | 'pause'>;
type Scope = Pick<MaintenanceWindow, 'environments' | 'services'>;

function isAbout({ environments, services }: Scope, key: KeyFacts): boolean {
  const named = services?.map((each) => each.toLowerCase());
  return (environments?.includes(key.environment) ?? true) && (named?.includes(key.service.toLowerCase()) ?? true);
}

/** When this freeze ends, if it lasts now; else null. */
export function frozenUntil(freeze: Freeze, policy: Policy, now: Instant): Instant | null {
  const zone = freeze.timeZone ?? policy.company.timeZone;
  if (freeze.cron) {
    const { last } = occasionsAround(freeze.cron, zone, now);
    const until = last && after(last, freeze.minutes! * minute);
    return until && until > now ? until : null;
  }
  const first = DateTime.fromISO(freeze.from!, { zone }).startOf('day');
  const last = DateTime.fromISO(freeze.to!, { zone }).startOf('day');
  const thisYear = DateTime.fromJSDate(now, { zone }).year - first.year;
  // One that began last year may last still.
  const years = freeze.yearly ? [thisYear - 1, thisYear].filter((each) => each >= 0) : [0];
  for (const each of years) {
    const from = first.plus({ years: each });
    const until = last.plus({ years: each, days: 1 });
    if (from.toJSDate() <= now && now < until.toJSDate()) return until.toJSDate();
  }
  return null;
}

/** When this window closes, if it is open now; else when it opens. */
export function windowAt(
  window: MaintenanceWindow,
  policy: Policy,
  now: Instant,
): { open: true; closes: Instant } | { open: false; opens: Instant } {
  const { last, next } = occasionsAround(window.cron, window.timeZone ?? policy.company.timeZone, now);
  const closes = last && after(last, window.minutes * minute);
  return closes && closes > now ? { open: true, closes } : { open: false, opens: next };
}

/** What stands in the way of a planned change of this key at this moment: its pause, else the freeze that lasts longest, else its windows. */
function holdAt(key: KeyFacts, policy: Policy, now: Instant): Hold | null {
  const pause = pausedNow(key, now);
  if (pause) return { kind: 'pause', name: pause.reason, until: new Date(pause.until) };
  let hold: Hold | null = null;
  for (const freeze of policy.rotation.freezes.filter((each) => isAbout(each, key))) {
    const until = frozenUntil(freeze, policy, now);
    if (until && (!hold || until > hold.until)) hold = { kind: 'freeze', name: freeze.reason, until };
  }
  if (hold) return hold;
  for (const window of policy.rotation.windows.filter((each) => isAbout(each, key))) {
    const state = windowAt(window, policy, now);
    if (state.open) return null;
    if (!hold || state.opens < hold.until) hold = { kind: 'window', name: window.name, until: state.opens };
  }
  return hold;
}

export interface Opening {
  /** The first moment from now on that is in a window and in no freeze; null when none is to be seen. */
  at: Instant | null;
  /** What is waited for until then, in this order; empty when nothing is. */
  holds: Hold[];
  /** Nothing is waited for although there would be something: its provider would end the key before. */
  despite: Hold[];
}

/** How many windows and freezes are looked through before it is said that they leave no time. */
const patience = 200;
/** A key that its provider ends is replaced at least so long before. */
const beforeItEnds = day;

/** When a planned change of this key may happen. */
export function openingFor(key: KeyFacts, policy: Policy, now: Instant): Opening {
  const holds: Hold[] = [];
  let at: Instant | null = null;
  for (let from = now; holds.length < patience; from = holds.at(-1)!.until) {
    const hold = holdAt(key, policy, from);
    if (!hold) {
      at = from;
      break;
    }
    holds.push(hold);
  }
  const tooLate = key.expiresAt && (!at || at > after(key.expiresAt, -beforeItEnds));
  // A pause is somebody's decision about this very key.
  return tooLate && holds.length > 0 && holds[0]!.kind !== 'pause'
    ? { at: now, holds: [], despite: holds }
    : { at, holds, despite: [] };
}

// ————— Rotations that keep to them —————

/** What stops the old value or kills it. */
const endsTheOld: Step[] = ['disable', 'retire'];
/** What begins, what changes the value that is handed out, and what ends the old one. The way back waits for nothing. */
const keepsToWindows: Step[] = ['generate', 'promote', ...endsTheOld];

/**
 * What the step that a rotation is about to begin has to wait for, or null. Nothing waits in an emergency; a value that
 * may be in the wrong hands does not live on because of a window; and what has begun is finished.
 */
export function waitsFor(rotation: Rotation, key: KeyFacts, policy: Policy, now: Instant): Opening | null {
  const { step, attempt, emergency, status } = rotation;
  if (status !== 'running' || emergency || !keepsToWindows.includes(step)) return null;
  // The old value is dead, and until the new one is handed out nothing works.
  if (rotation.replacement) return null;
  if (endsTheOld.includes(step) && compromised(rotation)) return null;
  if (rotation.record.some((each) => each.step === step && each.attempt === attempt)) return null;
  const opening = openingFor(key, policy, now);
  return opening.holds.length > 0 ? opening : null;
}

/** What the end of a grace runs into, so that the old value lives on until that is over; or null. */
export function heldAfterGrace(rotation: Rotation, key: KeyFacts, policy: Policy): Opening | null {
  if (!rotation.continuesAt || rotation.emergency || compromised(rotation)) return null;
  const opening = openingFor(key, policy, rotation.continuesAt);
  return opening.holds.length > 0 ? opening : null;
}

/** When a rotation that waits looks again although no end of it is to be seen. */
const lookAgainMs = day;

/** The rotation while it waits: its next step is not before then. */
export function waiting(rotation: Rotation, opening: Opening, now: Instant): Rotation {
  return { ...rotation, continuesAt: opening.at ?? after(now, lookAgainMs), touchedAt: now };
}

/** "the end of the freeze “Year end”", "the maintenance window “Tuesday night”". */
export const holdInWords = ({ kind, name }: Hold): string =>
  kind === 'window' ? `the maintenance window “${name}”` : `the end of the ${kind} “${cut(name)}”`;
const cut = (text: string) => (text.length > 100 ? `${text.slice(0, 99).toWellFormed()}…` : text);

/** All that is waited for, one after the other. */
export const holdsInWords = (holds: Hold[]): string => [...new Set(holds.map(holdInWords))].join(', then ');

/** A moment for sentences that are kept, in the company's zone; for those that one person reads, in theirs. */
export function momentInWords(at: Instant, policy: Policy, zone = policy.company.timeZone): string {
  return `${DateTime.fromJSDate(at, { zone }).setLocale('en').toFormat('d LLLL yyyy, HH:mm')} (${zone})`;
}

/**
 * Why a person cannot have this key rotated now, or null. Outside of a window they can: it waits for it by itself, on its
 * card. In a freeze or a pause they are refused, so that nobody forgets over weeks what is going to happen.
 */
export function whyNotHeld(key: KeyFacts, policy: Policy, now: Instant): Refusal | null {
  const [first] = openingFor(key, policy, now).holds;
  if (!first || first.kind === 'window') return null;
  const until = momentInWords(first.until, policy);
  return new Refusal(
    'conflict',
    first.kind === 'pause'
      ? `Its rotation is paused until ${until}: “${cut(first.name)}”. Resume it first. An emergency does not wait.`
      : `Nothing is rotated until ${until}: the freeze “${first.name}” lasts until then. Schedule it for afterwards. An emergency does not wait.`,
  );
}

/** When the schedule starts the next rotation of this key, and what that moment has waited for; null where nothing is due ever, or nothing starts by itself. */
export function nextStartOf(
  key: KeyFacts & Pick<ApiKey, 'issuer' | 'nextRotationAt' | 'plannedAt' | 'snooze'>,
  policy: Policy,
  now: Instant,
): Opening | null {
  const due = startsAt(key);
  if (!due || diesAtOnce(key, policy)) return null;
  const snooze = snoozedNow(key, now);
  const from = Math.max(due.getTime(), now.getTime(), snooze ? Date.parse(snooze.until) : 0);
  return openingFor(key, policy, new Date(from));
}
