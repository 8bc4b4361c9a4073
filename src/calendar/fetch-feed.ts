import { liveGrant } from '../access/model.ts';
import type { ApiKey } from '../inventory/model.ts';
import { after, byId, day, type Instant, isId, sha256 } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { KeyFilter, Ports, View } from '../ports.ts';
import { waitingOf } from '../rotation/by-hand/model.ts';
import { companyRunbook } from '../runbooks/model.ts';
import {
  accessEntry,
  type CalendarEntry,
  type CalendarFeed,
  expiryEntry,
  rotationEntry,
  whyNotFetch,
} from './model.ts';

type FetchPorts = Pick<Ports, 'store' | 'policy' | 'issuers' | 'runbooks'>;

/** More keys than this are left out, the latest due ones first. */
const mostKeys = 5_000;
const batch = 500;

/**
 * What is in the calendar at this address, as its person may see it now; null where nothing is to be had, for whatever
 * reason. The first fetch in a day is on record: whoever looks can tell that an address is in use.
 */
export async function fetchFeed(
  ports: FetchPorts,
  secret: string,
): Promise<{ name: string; entries: CalendarEntry[] } | null> {
  const found = await ports.store.read(async (view) => {
    const feed = await view.calendars.byAddress(await sha256(secret));
    const person = feed && (await view.people.find(feed.personId));
    const team = feed && isId('team', feed.scope) ? await view.teams.find(feed.scope) : null;
    if (!person || whyNotFetch(feed, person, team)) return null;
    const name = `${team?.name ?? (feed.scope === 'own' ? 'My' : 'All')} API keys`;
    return { name, feed, entries: await entriesFor(ports, view, feed, person), now: view.now };
  });
  if (!found) return null;
  const { name, feed, entries, now } = found;
  if (!feed.fetchedAt || feed.fetchedAt <= after(now, -day)) await noteFetch(ports, feed, now);
  return { name, entries };
}

async function noteFetch({ store }: FetchPorts, { id, personId, scope }: CalendarFeed, now: Instant): Promise<void> {
  // Nobody can tell who holds an address; that it was used is all that is known.
  const actor = { kind: 'webhook', id: 'calendar' } as const;
  await store.change({ actor, action: 'calendar.fetch', subject: personId }, async (tx) => {
    const feed = await tx.calendars.get(id);
    tx.note({ calendarId: id, scope });
    if (!feed.fetchedAt || feed.fetchedAt <= after(now, -day)) await tx.calendars.save({ ...feed, fetchedAt: tx.now });
  });
}

async function entriesFor(
  { issuers, policy, runbooks }: FetchPorts,
  view: View,
  { scope }: CalendarFeed,
  person: Person,
): Promise<CalendarEntry[]> {
  const own = scope === 'own';
  const filter = own ? { ownerId: person.id } : scope === 'company' ? {} : { teamId: scope };
  const keys = (await keysOf(view, filter)).filter((key) => !whyNot(person, 'inventory.show', key));
  const grants = own
    ? (await view.grants.liveOfPerson(person.id)).filter((each) => liveGrant.includes(each.status))
    : [];
  const granted = byId(await view.keys.many(grants.map((each) => each.keyId)));
  const owners = byId(await view.people.many([...new Set(keys.map((each) => each.ownerId))]));
  const changedAt = await view.calendars.changesOf(
    keys.map((each) => each.id),
    grants.map((each) => each.id),
  );
  const ofKeys = keys.flatMap((key) => {
    const facts = {
      key,
      owner: owners.get(key.ownerId) ?? null,
      several: !own,
      waits: waitingOf(key, issuers.of(key.issuer), policy),
      runbook: companyRunbook(key.service, policy, runbooks.names()),
      changedAt: changedAt.get(key.id) ?? key.addedAt,
    };
    return [rotationEntry(facts, person.timeZone, policy, view.now), expiryEntry(facts, policy)];
  });
  const ofGrants = grants.map((grant) => {
    const key = granted.get(grant.keyId);
    return key ? accessEntry(grant, key, changedAt.get(grant.id) ?? grant.startsAt) : null;
  });
  return [...ofKeys, ...ofGrants].filter((each) => each !== null);
}

/** Active keys, soonest due first. */
async function keysOf(view: View, filter: KeyFilter): Promise<ApiKey[]> {
  const found: ApiKey[] = [];
  let at: string | null = null;
  do {
    const page: { rows: ApiKey[]; next: string | null } = await view.keys.list(filter, batch, at);
    found.push(...page.rows);
    at = page.next;
  } while (at && found.length < mostKeys);
  return found;
}
