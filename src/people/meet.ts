import { type Actor, type Id, type Instant, Refusal, storable } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import type { DirectoryEntry, Ports, Tx } from '../ports.ts';
import type { Person } from './model.ts';

type MeetPorts = Pick<Ports, 'store' | 'policy'>;

/** What Slack says of somebody, put beside what we know; the same object when nothing has changed. */
export function met(
  entry: DirectoryEntry,
  known: Person | null,
  newcomer: Id<'person'>,
  administrators: string[],
  policy: Policy,
  now: Instant,
): Person {
  const named = administrators.includes(entry.slackId);
  if (!known) {
    return {
      id: newcomer,
      slackId: entry.slackId,
      name: storable(entry.name),
      tier: entry.isGuest ? 'contractor' : named ? 'administrator' : policy.people.defaultTier,
      timeZone: entry.timeZone,
      status: entry.deleted ? 'deactivated' : 'active',
      iamPrincipal: null,
      hrId: null,
      joinedAt: now,
      leftAt: null,
    };
  }
  const status = entry.deleted && known.status === 'active' ? 'deactivated' : known.status;
  const back = !entry.deleted && known.status === 'deactivated';
  const next: Person = {
    ...known,
    name: storable(entry.name) || known.name,
    timeZone: entry.timeZone,
    // Slack knows who is a guest; every other tier is ours to say.
    tier: entry.isGuest ? 'contractor' : named ? 'administrator' : known.tier,
    status: back ? 'active' : status,
  };
  const changed = (['name', 'timeZone', 'tier', 'status'] as const).some((each) => next[each] !== known[each]);
  return changed ? next : known;
}

async function keep(tx: Tx, ports: MeetPorts, entry: DirectoryEntry, administrators: string[]): Promise<Person> {
  const known = await tx.people.bySlackId(entry.slackId);
  const person = met(entry, known, tx.newId('person'), administrators, ports.policy, tx.now);
  if (person === known) return person;
  await tx.people.save(person);
  const { tier, status } = person;
  tx.record(known ? 'people.change' : 'people.join', person.id, { tier, status, slackId: person.slackId });
  // Whoever Slack has shut out keeps no key, even when nobody tells us that they left.
  if (known?.status === 'active' && status === 'deactivated') {
    await tx.jobs.add('offboarding.person-deactivated', { personId: person.id });
  }
  return person;
}

const slackSays: Actor = { kind: 'job', id: 'people.sync' };

/** Somebody shows up: known, changed, or new. Bots and people of other workspaces are refused. */
export async function meetPerson(ports: MeetPorts, entry: DirectoryEntry, administrators: string[]): Promise<Person> {
  if (entry.isBot) throw new Refusal('not_allowed', 'Keysteward answers to people, not to bots.');
  const known = await ports.store.read((view) => view.people.bySlackId(entry.slackId));
  if (known && met(entry, known, known.id, administrators, ports.policy, new Date(0)) === known) return known;
  if (!known && entry.deleted) throw new Refusal('not_allowed', 'This Slack account is deactivated.');
  return ports.store.change({ actor: slackSays, action: 'people.meet', subject: entry.slackId }, (tx) =>
    keep(tx, ports, entry, administrators),
  );
}

/** Everybody in the workspace, compared with whom we know, a page at a time. Job `people.sync`. */
export async function syncPeople(ports: MeetPorts & Pick<Ports, 'directory'>, administrators: string[]): Promise<void> {
  for await (const page of ports.directory.everybody()) {
    const people = page.filter((each) => !each.isBot);
    const stale = await ports.store.read(async (view) => {
      const found: DirectoryEntry[] = [];
      for (const entry of people) {
        const known = await view.people.bySlackId(entry.slackId);
        if (!known && entry.deleted) continue;
        if (!known || met(entry, known, known.id, administrators, ports.policy, view.now) !== known) found.push(entry);
      }
      return found;
    });
    if (stale.length === 0) continue;
    await ports.store.change({ actor: slackSays, action: 'people.sync', subject: 'workspace' }, async (tx) => {
      for (const entry of stale) await keep(tx, ports, entry, administrators);
      tx.note({ people: stale.length });
    });
  }
}
