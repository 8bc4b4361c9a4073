import { DateTime } from 'luxon';
import type { Grant } from '../access/model.ts';
import { type ApiKey, atOnceInWords, snoozedNow, startsAt } from '../inventory/model.ts';
import { after, type Id, type Instant, minute, Refusal } from '../kernel.ts';
import { zoneOf } from '../people/hours-model.ts';
import { type Person, whyNot } from '../people/model.ts';
import { isIn, type Team } from '../people/team-model.ts';
import type { Policy } from '../policy.ts';
import type { Waiting } from '../rotation/by-hand/model.ts';
import { holdsInWords, nextStartOf } from '../rotation/timing/windows-model.ts';

/** Somebody's own keys and access, every key of the company, or the keys of everybody in this team. */
export type Scope = 'own' | 'company' | Id<'team'>;

/** A calendar that a person's calendar program fetches by a private address. */
export interface CalendarFeed {
  id: Id<'calendar'>;
  personId: Id<'person'>;
  scope: Scope;
  /** Of the secret part of the address, which is kept nowhere; null while the calendar is turned off. */
  addressHash: string | null;
  /** When the address was made. */
  madeAt: Instant;
  /** When it was last fetched, to the day: not every fetch is written down. */
  fetchedAt: Instant | null;
}

/** Why this person may not have such a calendar. `team` is the one that the scope names, if it is there. */
export function whyNotSubscribe(person: Person, scope: Scope, team: Team | null): Refusal | null {
  if (scope === 'own') return whyNot(person, 'calendar.subscribe');
  if (scope === 'company') return whyNot(person, 'calendar.subscribe-company');
  const byTier = whyNot(person, 'calendar.subscribe-team');
  if (byTier) return byTier;
  if (team?.id !== scope || team.closedAt) {
    return new Refusal('not_found', 'There is no such team, or not any more: its user group in Slack is disabled.');
  }
  if (isIn(team, person) || !whyNot(person, 'calendar.subscribe-any-team')) return null;
  return new Refusal(
    'not_allowed',
    `This calendar is for those who are in @${team.handle}, and for administrators. Whoever looks after this user group in Slack can add you.`,
  );
}

/** Whether a text can be the secret part of an address. */
export const isAddress = (text: string | undefined): text is string => /^[\w-]{43}$/.test(text ?? '');

/**
 * Why nothing is to be had at this address now. It is asked at every fetch: whoever left or may no longer see all keys
 * gets nothing from that moment on, nor does who is not in the team any more. An address from before somebody left stays
 * dead when they come back.
 */
export function whyNotFetch(feed: CalendarFeed, person: Person, team: Team | null): Refusal | null {
  if (feed.addressHash === null || feed.madeAt < person.joinedAt) {
    return new Refusal('not_found', 'There is no such calendar.');
  }
  return whyNotSubscribe(person, feed.scope, team);
}

/** One thing in a calendar. */
export interface CalendarEntry {
  /** Stays the same for as long as it is about the same thing. */
  uid: string;
  title: string;
  lines: string[];
  /** A day as people call it where they are (`2026-11-30`), or a moment. */
  at: { day: string } | { from: Instant; to: Instant };
  /** Days before it at which the calendar should remind. */
  remindDays: number[];
  link: string | null;
  changedAt: Instant;
}

/** What an entry about a key is written from. */
export interface KeyFacts {
  key: ApiKey;
  owner: Pick<Person, 'name'> | null;
  /** The keys of several people are in one calendar: whose one is shows in its title. */
  several: boolean;
  /** What it waits for when it is due. */
  waits: Waiting;
  /** The company's own steps for this service. */
  runbook: string | null;
  changedAt: Instant;
}

/** When a key is next rotated: a day where a person does it, the moment where Keysteward starts it. Null for a retired key. */
export function rotationEntry(facts: KeyFacts, zone: string, policy: Policy, now: Instant): CalendarEntry | null {
  const { key, waits } = facts;
  const byHand = waits !== 'nothing';
  const due = startsAt(key);
  if (!due || key.status !== 'active') return null;
  const snooze = snoozedNow(key, now);
  const asleep = snooze && new Date(snooze.until) > due ? new Date(snooze.until) : due;
  // Windows and freezes are for what starts by itself.
  const opening = byHand ? null : nextStartOf(key, policy, now);
  const until = (opening?.holds.length ? opening.at : null) ?? asleep;
  return {
    uid: `rotation-${key.id}@keysteward`,
    title: titled(byHand ? `Rotate ${key.name}` : `Keysteward rotates ${key.name}`, facts),
    lines: [
      byHand
        ? waits === 'a start'
          ? `A person has to start it: /keys rotate ${key.id}. ${atOnceInWords(key)}`
          : `A person has to do it: make a new key at ${key.service}, store it, end the old one. /keys show ${key.id} has the steps.`
        : 'It happens by itself; there is nothing to do. Whoever keeps a copy of the value has to fetch the new one.',
      ...(key.plannedAt ? ['Somebody planned it for then.'] : []),
      ...(opening?.holds.length ? [`It waits for ${holdsInWords(opening.holds)}.`] : []),
      ...(snooze ? [`Snoozed until then: ${snooze.reason}`] : []),
      ...about(facts),
    ],
    at: byHand ? { day: dayIn(zoneOf(zone, policy), until) } : { from: until, to: after(until, 15 * minute) },
    remindDays: byHand ? policy.rotation.remindDays : [],
    link: facts.runbook,
    changedAt: facts.changedAt,
  };
}

/** The day on which the provider ends a key, or null. People enter a day, which is kept as its midnight in UTC. */
export function expiryEntry(facts: KeyFacts, policy: Policy): CalendarEntry | null {
  const { key, waits } = facts;
  const byHand = waits !== 'nothing';
  if (!key.expiresAt || key.status !== 'active') return null;
  return {
    uid: `expiry-${key.id}@keysteward`,
    title: titled(`${key.name} stops working`, facts),
    lines: [
      byHand
        ? `${key.service} ends it then, whether or not it was rotated. Rotate it before.`
        : `${key.service} ends it then. Keysteward rotates it before.`,
      ...about(facts),
    ],
    at: { day: dayIn('utc', key.expiresAt) },
    remindDays: byHand ? policy.rotation.remindDays : [],
    link: facts.runbook,
    changedAt: facts.changedAt,
  };
}

const titled = (title: string, { owner, several }: KeyFacts): string =>
  several ? `${title} (${owner?.name ?? 'nobody'})` : title;

const about = ({ key, owner }: KeyFacts): string[] => [
  `Owner: ${owner?.name ?? 'nobody'}`,
  `Risk: ${key.risk}`,
  `In Slack: /keys show ${key.id}`,
];

/** When somebody's own access to a key ends. */
export function accessEntry(grant: Grant, key: Pick<ApiKey, 'id' | 'name'>, changedAt: Instant): CalendarEntry {
  return {
    uid: `access-${grant.id}@keysteward`,
    title: `Your access to ${key.name} ends`,
    lines: ['It ends by itself. If you still need it, ask again before: /keys grants'],
    at: { from: grant.endsAt, to: after(grant.endsAt, 15 * minute) },
    remindDays: [],
    link: null,
    changedAt,
  };
}

const dayIn = (zone: string, at: Instant): string => DateTime.fromJSDate(at, { zone }).toISODate()!;
