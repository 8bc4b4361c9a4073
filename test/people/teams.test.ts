import { beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/kernel.ts';
import { type Tier, tiers } from '../../src/people/model.ts';
import { hearOfTeam, syncTeam, syncTeams } from '../../src/people/sync-teams.ts';
import { isIn, type Team } from '../../src/people/team-model.ts';
import type { TeamEntry } from '../../src/ports.ts';
import { aKey, aPerson, aTeam, given } from '../support/company.ts';
import { usePorts, waitingJobs } from '../support/ports.ts';

const test = usePorts();
const query = async (text: string, values: unknown[] = []) => (await test.database.store.pool.query(text, values)).rows;
const group = (slackId: string, facts: Partial<TeamEntry> = {}): TeamEntry => ({
  slackId,
  name: `Name of ${slackId}`,
  handle: slackId.toLowerCase(),
  disabled: false,
  members: [],
  ...facts,
});
const slackHas = (...list: TeamEntry[]) => {
  test.slackTeams.list = list;
};
const sync = () => syncTeams(test.ports);
const team = (slackId: string) => test.ports.store.look((view) => view.teams.bySlackId(slackId));
const events = async () => (await query('select count(*)::int as n from audit_event'))[0].n as number;
beforeEach(async () => {
  await query('delete from team');
  await query("delete from work where name like 'people.%'");
});

describe('teams are Slack’s user groups', () => {
  it('taken in, renamed, with others in them: each change on record with who came and who went', async () => {
    slackHas(group('S1', { name: 'Payments', handle: 'payments', members: ['UB', 'UA', 'UA'] }));
    await sync();
    const first = (await team('S1'))!;
    expect(first).toMatchObject({ name: 'Payments', handle: 'payments', members: ['UA', 'UB'], closedAt: null });
    slackHas(group('S1', { name: 'Money', handle: 'money', members: ['UB', 'UC'] }));
    await sync();
    expect(await team('S1')).toEqual({ ...first, name: 'Money', handle: 'money', members: ['UB', 'UC'] });
    const recorded = await query(
      `select action, convert_from(canonical, 'UTF8')::jsonb -> 'facts' as facts from audit_event where subject = $1 order by occurred_at`,
      [first.id],
    );
    expect(recorded).toMatchObject([
      { action: 'people.add-team', facts: { members: 2, added: ['UA', 'UB'], removed: [] } },
      { action: 'people.change-team', facts: { name: 'Money', members: 2, added: ['UC'], removed: ['UA'] } },
    ]);
  });

  it('closed when Slack has them disabled, or not at all, and open again when it does', async () => {
    slackHas(group('S1', { members: ['UA'] }), group('S2', { members: ['UA'] }), group('S3', { members: ['UA'] }));
    await sync();
    slackHas(group('S1', { members: ['UA'] }), group('S2', { disabled: true }));
    await sync();
    const closed = await Promise.all(['S1', 'S2', 'S3'].map(async (each) => (await team(each))!.closedAt !== null));
    expect(closed).toEqual([false, true, true]);
    expect(await test.ports.store.look((view) => view.teams.ofMember('UA'))).toMatchObject([{ slackId: 'S1' }]);
    expect(await test.ports.store.look((view) => view.teams.search('s', 9))).toMatchObject([{ slackId: 'S1' }]);
    const since = (await team('S2'))!.closedAt;
    await sync();
    expect((await team('S2'))!.closedAt).toEqual(since);
    slackHas(group('S2', { members: ['UB'] }));
    await sync();
    expect(await team('S2')).toMatchObject({ closedAt: null, members: ['UB'] });
  });

  it('all closed where Slack does not tell: nobody could say any more who is in them', async () => {
    slackHas(group('S1', { members: ['UA'] }));
    await sync();
    test.slackTeams.list = null;
    await sync();
    expect((await team('S1'))!.closedAt).not.toBeNull();
    const before = await events();
    await sync();
    expect(await events()).toBe(before);
  });

  it('a comparison that finds nothing new writes nothing, nor does a group that was disabled before anybody knew it', async () => {
    slackHas(group('S1', { members: ['UB', 'UA'] }));
    await sync();
    const before = await events();
    slackHas(group('S1', { members: ['UA', 'UB'] }), group('SOLD', { disabled: true, members: null }));
    await sync();
    await syncTeam(test.ports, { teamId: (await team('S1'))!.id });
    await syncTeam(test.ports, { teamId: newId('team') });
    expect([await events(), await team('SOLD')]).toEqual([before, null]);
  });

  it('whose members the list does not name are asked for one by one, and nobody is thrown out before', async () => {
    slackHas(group('S1', { members: ['UA'] }));
    await sync();
    const { id } = (await team('S1'))!;
    slackHas(group('S1', { members: null, name: 'Large' }), group('S2', { members: null }));
    await sync();
    await sync();
    expect(await team('S1')).toMatchObject({ name: 'Large', members: ['UA'] });
    const jobs = await waitingJobs(test.database, 'people.sync-team');
    expect(jobs.map((each) => each.payload.teamId).sort()).toEqual([id, (await team('S2'))!.id].sort());
    slackHas(group('S1', { members: ['UB', 'UC'] }));
    await syncTeam(test.ports, { teamId: id });
    expect((await team('S1'))!.members).toEqual(['UB', 'UC']);
    slackHas();
    await syncTeam(test.ports, { teamId: id });
    expect((await team('S1'))!.closedAt).not.toBeNull();
  });

  it('an answer of Slack that was overtaken by a later one is not saved: one asks at a time, the other comes again', async () => {
    slackHas(group('S1', { members: ['UA'] }));
    let answer = () => {};
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const slow = { ...test.ports.directory, teams: () => asked.then(() => test.slackTeams.list) };
    const first = syncTeams({ ...test.ports, directory: slow });
    await expect.poll(async () => (await query("select 1 from lease where name = 'people.teams'")).length).toBe(1);
    await expect(sync()).rejects.toMatchObject({ name: 'Later' });
    answer();
    await first;
    await sync();
    expect((await team('S1'))!.members).toEqual(['UA']);
  });
});

describe('news of a user group', () => {
  it('an answer that comes after a later one was saved, because its lease ran out, is not saved over it', async () => {
    slackHas(group('S1', { members: ['UA'] }));
    await sync();
    const { id } = (await team('S1'))!;
    const membersOf = async () => {
      await query(`update team set members = '["UB"]' where id = $1`, [id]);
      return ['UA', 'UC'];
    };
    const slow = { ...test.ports, directory: { ...test.ports.directory, membersOf } };
    await syncTeam(slow, { teamId: id });
    expect((await team('S1'))!.members).toEqual(['UB']);

    const teams = async () => {
      await query(`update team set members = '["UD"]' where id = $1`, [id]);
      return test.slackTeams.list;
    };
    await syncTeams({ ...test.ports, directory: { ...test.ports.directory, teams } });
    expect((await team('S1'))!.members).toEqual(['UD']);
  });

  it('only rings: of a team that is known its members are asked for, else for all groups, and once for many', async () => {
    slackHas(group('S1', { members: ['UA'] }));
    await sync();
    const { id } = (await team('S1'))!;
    for (let i = 0; i < 3; i++) {
      await hearOfTeam(test.ports, { slackId: 'S1', membersOnly: true });
      await hearOfTeam(test.ports, { slackId: 'S1', membersOnly: false });
      await hearOfTeam(test.ports, { slackId: 'SNEW', membersOnly: true });
    }
    const jobs = await waitingJobs(test.database, 'people.sync-team');
    expect(jobs.map(({ name, payload }) => [name, payload]).sort()).toEqual([
      ['people.sync-team', { teamId: id }],
      ['people.sync-teams', {}],
    ]);
  });
});

describe('who is in a team', () => {
  const statuses = ['active', 'left', 'deactivated'] as const;
  const cases = tiers.flatMap((tier: Tier) => statuses.map((status) => ({ tier, status })));

  it('is whom Slack names, but for guests, contractors and whoever has left; and their keys are the team’s', async () => {
    const people = [true, false].flatMap((named) => cases.map((each) => ({ named, person: aPerson(each) })));
    const keys = people.map(({ person }) => aKey(person));
    const members = people.flatMap(({ named, person }) => (named ? [person] : []));
    const open = aTeam([...members, { slackId: 'UBOT' }, { slackId: 'UUNKNOWN' }]);
    const closed = aTeam(members, { closedAt: new Date() });
    await given(test.ports.store, { people: people.map((each) => each.person), teams: [open, closed], keys });
    const counted = people.filter(
      ({ named, person }) => named && person.status === 'active' && person.tier !== 'contractor',
    );
    expect(people.filter(({ person }) => isIn(open, person))).toEqual(counted);
    expect(people.filter(({ person }) => isIn(closed, person))).toEqual([]);
    const keysOf = async (teamId: Team['id']) =>
      (await test.ports.store.read((view) => view.keys.list({ teamId }, 100))).rows.map((key) => key.ownerId).sort();
    expect(await keysOf(open.id)).toEqual(counted.map(({ person }) => person.id).sort());
    expect(await keysOf(closed.id)).toEqual([]);
  });
});
