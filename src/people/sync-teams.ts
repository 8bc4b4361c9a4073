import { type Actor, type Id, type Instant, Later, storable } from '../kernel.ts';
import type { Ports, TeamEntry, Tx } from '../ports.ts';
import type { Team } from './team-model.ts';

type SyncPorts = Pick<Ports, 'store' | 'directory' | 'leases'>;

const slackSays: Actor = { kind: 'job', id: 'people.sync-teams' };
/** Longer than what is asked of Slack may take. */
const leaseMs = 60_000;
/** So many people are named in the record of one change. */
const mostNamed = 100;

/** What Slack says of a user group, put beside what we know; the same object when nothing has changed. */
function compared(entry: TeamEntry, known: Team | null, newcomer: Id<'team'>, now: Instant): Team {
  const next: Team = {
    id: known?.id ?? newcomer,
    slackId: entry.slackId,
    name: storable(entry.name) || entry.slackId,
    handle: storable(entry.handle),
    members: entry.members ? [...new Set(entry.members)].sort() : (known?.members ?? []),
    closedAt: entry.disabled ? (known?.closedAt ?? now) : null,
  };
  return known && same(known, next) ? known : next;
}
const same = (a: Team, b: Team): boolean =>
  (['name', 'handle'] as const).every((each) => a[each] === b[each]) &&
  a.closedAt?.getTime() === b.closedAt?.getTime() &&
  a.members.join() === b.members.join();

/** Whoever held the lease too long may find a later answer saved; that one counts. */
const stillAs = (team: Team | null, seen: Team | null): boolean => (team && seen ? same(team, seen) : team === seen);

async function keep(tx: Tx, known: Team | null, next: Team): Promise<void> {
  await tx.teams.save(next);
  const before = known?.members ?? [];
  const added = next.members.filter((each) => !before.includes(each));
  const removed = before.filter((each) => !next.members.includes(each));
  const { name, handle, closedAt, members } = next;
  tx.record(known ? 'people.change-team' : 'people.add-team', next.id, {
    ...{ name, handle, closedAt, members: members.length },
    ...{ added: added.slice(0, mostNamed), removed: removed.slice(0, mostNamed) },
  });
}

/** What was asked of Slack last is what counts: nobody saves an answer after somebody has saved a later one. */
async function alone<T>({ leases }: Pick<Ports, 'leases'>, run: () => Promise<T>): Promise<T> {
  const release = await leases.take('people.teams', leaseMs);
  if (!release) throw new Later('teams are being compared with Slack already', 1_000);
  try {
    return await run();
  } finally {
    await release();
  }
}

/**
 * Every user group, compared with the teams that we know. What Slack does not list, or does not tell, is closed: nobody
 * could say any more who is in it. Job `people.sync-teams`.
 */
export function syncTeams(ports: SyncPorts): Promise<void> {
  return alone(ports, async () => {
    // Read first: what somebody saves while Slack is asked is a later answer.
    const { known, now } = await ports.store.read(async (view) => ({ known: await view.teams.all(), now: view.now }));
    const listed = (await ports.directory.teams()) ?? [];
    const bySlackId = new Map(known.map((each) => [each.slackId, each]));
    const names = new Set(listed.map((each) => each.slackId));
    const entries = [...listed, ...known.filter((each) => !names.has(each.slackId)).map(asGone)];
    const stale = entries.filter((entry) => {
      const team = bySlackId.get(entry.slackId) ?? null;
      if (entry.disabled) return team !== null && compared(entry, team, team.id, now) !== team;
      return entry.members === null || !team || compared(entry, team, team.id, now) !== team;
    });
    if (stale.length === 0) return;
    await ports.store.change({ actor: slackSays, action: 'people.sync-teams', subject: 'workspace' }, async (tx) => {
      for (const entry of stale) {
        const team = await tx.teams.bySlackId(entry.slackId);
        if (!stillAs(team, bySlackId.get(entry.slackId) ?? null)) continue;
        const next = compared(entry, team, tx.newId('team'), tx.now);
        if (next !== team) await keep(tx, team, next);
        if (entry.members === null && !entry.disabled)
          await tx.jobs.add('people.sync-team', { teamId: next.id }, { once: next.id });
      }
      tx.note({ teams: stale.length });
    });
  });
}
const asGone = ({ slackId, name, handle }: Team): TeamEntry => ({
  slackId,
  name,
  handle,
  disabled: true,
  members: null,
});

/** Who is in one team. Job `people.sync-team`. */
export function syncTeam(ports: SyncPorts, { teamId }: { teamId: Id<'team'> }): Promise<void> {
  return alone(ports, async () => {
    const known = await ports.store.look((view) => view.teams.find(teamId));
    if (!known) return;
    const members = await ports.directory.membersOf(known.slackId);
    const entry: TeamEntry = { ...known, disabled: members === null || known.closedAt !== null, members };
    if (compared(entry, known, known.id, new Date(0)) === known) return;
    await ports.store.change({ actor: slackSays, action: 'people.sync-teams', subject: teamId }, async (tx) => {
      const team = await tx.teams.get(teamId);
      if (stillAs(team, known)) await keep(tx, team, compared(entry, team, team.id, tx.now));
    });
  });
}

/**
 * Slack says that something about a user group is new. What it is, Slack is asked: news may come late, twice, or not
 * name everybody.
 */
export async function hearOfTeam(
  { store }: Pick<Ports, 'store'>,
  { slackId, membersOnly }: { slackId: string; membersOnly: boolean },
): Promise<void> {
  await store.change({ actor: slackSays, action: 'people.hear-of-team', subject: slackId }, async (tx) => {
    const known = membersOnly ? await tx.teams.bySlackId(slackId) : null;
    if (known) await tx.jobs.add('people.sync-team', { teamId: known.id }, { once: known.id });
    else await tx.jobs.add('people.sync-teams', {}, { once: 'all' });
  });
}
