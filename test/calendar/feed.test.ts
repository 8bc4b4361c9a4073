import { readFileSync } from 'node:fs';
import ICAL from 'ical.js';
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Grant, granted, opened } from '../../src/access/model.ts';
import { closeFeed } from '../../src/calendar/close-feed.ts';
import { calendarOverHttp } from '../../src/calendar/http.ts';
import { isAddress, type Scope } from '../../src/calendar/model.ts';
import { openFeed } from '../../src/calendar/open-feed.ts';
import { handOver } from '../../src/inventory/hand-over.ts';
import { snoozeKey } from '../../src/inventory/snooze.ts';
import { day, newId } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { setTier } from '../../src/people/set.ts';
import { syncTeams } from '../../src/people/sync-teams.ts';
import type { Team } from '../../src/people/team-model.ts';
import { defaultPolicy as policy } from '../../src/policy.ts';
import type { TeamEntry } from '../../src/ports.ts';
import { aKey, aPerson, aTeam, given } from '../support/company.ts';
import { usePorts } from '../support/ports.ts';
import { useWeb } from '../support/web.ts';

const test = usePorts();
const ports = () => test.ports;
const query = async (text: string, values: unknown[] = []) => (await test.database.store.pool.query(text, values)).rows;
const web = useWeb();
let ada: Person;
let olu: Person;
beforeAll(() => calendarOverHttp(web.door, ports()));
beforeEach(async () => {
  [ada, olu] = [aPerson({ tier: 'administrator', name: 'Ada' }), aPerson({ name: 'Olu' })];
  await given(ports().store, { people: [ada, olu] });
});

const at = (address: string) => web.home + new URL(address).pathname;
const get = (address: string, headers: Record<string, string> = {}) => fetch(at(address), { headers });
async function eventsAt(address: string): Promise<Map<string, ICAL.Event>> {
  const answer = await get(address);
  expect(answer.status).toBe(200);
  const calendar = new ICAL.Component(ICAL.parse(await answer.text()) as unknown[]);
  const events = calendar.getAllSubcomponents('vevent').map((each) => new ICAL.Event(each));
  return new Map(events.map((each) => [each.uid, each]));
}
const open = (person: Person, scope: Scope = 'own') => openFeed(ports(), person.id, scope);
const soon = (days: number) => new Date(Date.now() + days * day);

async function grantTo(person: Person, keyId: string): Promise<Grant> {
  return ports().store.change(
    { actor: { kind: 'operator', id: 'test' }, action: 'test.grant', subject: 'test' },
    async (tx) => {
      const key = await tx.keys.get(keyId);
      const ask = { keyId: key.id, use: 'read', reason: 'to look', hours: 8 };
      const request = opened(tx.newId('request'), ask, key, person, [], policy, tx.now);
      await tx.requests.save(request);
      const grant = granted(tx.newId('grant'), request, person, key, tx.now);
      await tx.grants.save(grant);
      return grant;
    },
  );
}

describe('somebody’s own calendar', () => {
  it('shows what they answer for and what they hold, as it is for them', async () => {
    const byHand = aKey(olu, {
      issuer: 'person',
      nextRotationAt: new Date('2026-12-31T23:30:00Z'),
      expiresAt: new Date('2027-01-15T00:00:00Z'),
    });
    const itself = aKey(olu, { nextRotationAt: new Date('2026-12-24T10:00:00Z'), lastFour: 'wxyz' });
    const others = aKey(ada);
    const gone = aKey(olu, { status: 'retired', nextRotationAt: null });
    await given(ports().store, { people: [{ ...olu, timeZone: 'Asia/Tokyo' }], keys: [byHand, itself, others, gone] });
    const grant = await grantTo(olu, others.id);
    const address = await open(olu);
    const events = await eventsAt(address);
    expect([...events.keys()].sort()).toEqual(
      [`access-${grant.id}`, `expiry-${byHand.id}`, `rotation-${byHand.id}`, `rotation-${itself.id}`]
        .map((each) => `${each}@keysteward`)
        .sort(),
    );
    const due = events.get(`rotation-${byHand.id}@keysteward`)!;
    expect([due.startDate.isDate, due.startDate.toString(), due.summary]).toEqual([
      true,
      '2027-01-01',
      `Rotate ${byHand.name}`,
    ]);
    expect(due.component.getAllSubcomponents('valarm')).toHaveLength(3);
    const ends = events.get(`expiry-${byHand.id}@keysteward`)!;
    expect([ends.startDate.toString(), ends.summary]).toEqual(['2027-01-15', `${byHand.name} stops working`]);
    const starts = events.get(`rotation-${itself.id}@keysteward`)!;
    expect(starts.startDate.toJSDate()).toEqual(itself.nextRotationAt);
    expect(starts.summary).toBe(`Keysteward rotates ${itself.name}`);
    expect(starts.component.getAllSubcomponents('valarm')).toHaveLength(0);
    expect(events.get(`access-${grant.id}@keysteward`)!.startDate.toJSDate().getTime()).toBe(
      Math.floor(grant.endsAt.getTime() / 1000) * 1000,
    );
    expect(await (await get(address)).text()).not.toContain('wxyz');
  });

  it('follows every change: a new date moves the same event with a greater sequence, a new owner takes it along', async () => {
    const key = aKey(olu, { issuer: 'person', nextRotationAt: soon(3), addedAt: soon(-5) });
    await given(ports().store, { keys: [key] });
    const [mine, hers] = [await open(olu), await open(ada)];
    const uid = `rotation-${key.id}@keysteward`;
    const before = (await eventsAt(mine)).get(uid)!;
    await snoozeKey(ports(), olu.id, { keyId: key.id, until: soon(10), reason: 'the vendor is closed, really' });
    const after = (await eventsAt(mine)).get(uid)!;
    expect(after.sequence).toBeGreaterThan(before.sequence);
    expect(after.startDate.toJSDate() > before.startDate.toJSDate()).toBe(true);
    expect(after.description).toContain('the vendor is closed, really');
    await handOver(ports(), olu.id, { keyId: key.id, to: ada.id });
    expect((await eventsAt(mine)).has(uid)).toBe(false);
    expect((await eventsAt(hers)).get(uid)!.sequence).toBeGreaterThanOrEqual(after.sequence);
  });

  it('is sent once and then known to be the same, until something changes', async () => {
    const key = aKey(olu);
    await given(ports().store, { keys: [key] });
    const address = await open(olu);
    const first = await get(address);
    expect(Object.fromEntries(first.headers)).toMatchObject({
      'content-type': 'text/calendar; charset=utf-8',
      'cache-control': 'private, no-cache',
      'referrer-policy': 'no-referrer',
    });
    const etag = first.headers.get('etag')!;
    expect((await get(address, { 'If-None-Match': etag })).status).toBe(304);
    await snoozeKey(ports(), olu.id, { keyId: key.id, until: soon(3), reason: 'waiting for the vendor' });
    expect((await get(address, { 'If-None-Match': etag })).status).toBe(200);
  });

  it('is theirs to have whatever their tier, and holds nothing that they may not see', async () => {
    const contractor = aPerson({ tier: 'contractor' });
    const [held, other] = [aKey(olu), aKey(olu)];
    await given(ports().store, { people: [contractor], keys: [held, other] });
    const grant = await grantTo(contractor, held.id);
    const address = await open(contractor);
    expect([...(await eventsAt(address)).keys()]).toEqual([`access-${grant.id}@keysteward`]);
    expect(await (await get(address)).text()).not.toContain(other.id);
  });
});

describe('the calendar of all keys', () => {
  it('is for administrators, and nothing is to be had from the moment when somebody is none', async () => {
    const key = aKey(olu, { nextRotationAt: soon(9) });
    await given(ports().store, { keys: [key] });
    await expect(open(olu, 'company')).rejects.toMatchObject({ code: 'not_allowed' });
    const address = await open(ada, 'company');
    const event = (await eventsAt(address)).get(`rotation-${key.id}@keysteward`)!;
    expect(event.description).toContain('Owner: Olu');
    expect(event.summary).toBe(`Keysteward rotates ${key.name} (Olu)`);
    const other = aPerson({ tier: 'administrator' });
    await given(ports().store, { people: [other] });
    await setTier(ports(), other.id, { personId: ada.id, tier: 'developer' });
    expect((await get(address)).status).toBe(404);
    await closeFeed(ports(), ada.id, 'company');
  });

  it('goes on at its address from before there were teams, when it was called a team’s', async () => {
    const key = aKey(olu);
    await given(ports().store, { keys: [key] });
    const [all, own] = [await open(ada, 'company'), await open(ada)];
    await query(`alter table calendar_feed drop constraint calendar_feed_scope_check`);
    await query(`delete from calendar_feed where scope like 'tea%'`);
    await query(`update calendar_feed set scope = 'team' where scope = 'company'`);
    await query(`alter table calendar_feed add constraint calendar_feed_scope_check check (scope in ('own', 'team'))`);
    const migration = new URL('../../migrations/0030_team_calendars.sql', import.meta.url);
    for (const each of readFileSync(migration, 'utf8').split('--> statement-breakpoint')) await query(each);
    expect((await eventsAt(all)).has(`rotation-${key.id}@keysteward`)).toBe(true);
    expect((await eventsAt(own)).has(`rotation-${key.id}@keysteward`)).toBe(false);
    await expect(query(`update calendar_feed set scope = 'team'`)).rejects.toThrow('calendar_feed_scope_check');
  });
});

describe('the calendar of a team', () => {
  const slackSays = async (...list: TeamEntry[]) => {
    test.slackTeams.list = list;
    await syncTeams(ports());
  };
  const entryOf = ({ slackId, name, handle, members }: Team): TeamEntry => ({
    ...{ slackId, name, handle, members, disabled: false },
  });

  it('has the keys of everybody in it and no others, says whose each is, and bears the team’s name', async () => {
    const [mia, guest, gone, outsider] = [
      aPerson({ name: 'Mia' }),
      aPerson({ tier: 'contractor' }),
      aPerson({ status: 'left' }),
      aPerson(),
    ];
    const team = aTeam([olu, mia, guest, gone], { name: 'Payments' });
    const people = [mia, guest, gone, outsider];
    const keys = [aKey(olu), aKey(mia, { issuer: 'person', expiresAt: soon(20) })];
    const others = [guest, gone, outsider].map((each) => aKey(each));
    const retired = aKey(mia, { status: 'retired', nextRotationAt: null });
    await given(ports().store, { people, teams: [team], keys: [...keys, ...others, retired] });
    const held = await grantTo(olu, others[2]!.id);
    const [address, own] = [await open(olu, team.id), await open(olu)];
    const events = await eventsAt(address);
    expect([...events.values()].map((each) => each.summary).sort()).toEqual(
      [
        `${keys[1]!.name} stops working (Mia)`,
        `Keysteward rotates ${keys[0]!.name} (Olu)`,
        `Rotate ${keys[1]!.name} (Mia)`,
      ].sort(),
    );
    expect(events.has(`access-${held.id}@keysteward`)).toBe(false);
    expect(await (await get(address)).text()).toContain('X-WR-CALNAME:Payments API keys');
    // The same event as in one's own calendar.
    expect((await eventsAt(own)).has(`rotation-${keys[0]!.id}@keysteward`)).toBe(true);
  });

  it('is for those who are in it and for administrators, each at an address of their own', async () => {
    const [contractor, outsider] = [aPerson({ tier: 'contractor' }), aPerson()];
    const team = aTeam([olu, contractor], { handle: 'payments' });
    await given(ports().store, { people: [contractor, outsider], teams: [team] });
    await expect(open(outsider, team.id)).rejects.toMatchObject({
      code: 'not_allowed',
      sentence: expect.stringContaining('@payments'),
    });
    await expect(open(contractor, team.id)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(open(ada, newId('team'))).rejects.toMatchObject({ code: 'not_found' });
    const [his, hers] = [await open(olu, team.id), await open(ada, team.id)];
    expect([(await get(his)).status, (await get(hers)).status]).toEqual([200, 200]);
    const anew = await open(olu, team.id);
    expect([(await get(his)).status, (await get(anew)).status, (await get(hers)).status]).toEqual([404, 200, 200]);
    await closeFeed(ports(), olu.id, team.id);
    expect([(await get(anew)).status, (await get(hers)).status]).toEqual([404, 200]);
  });

  it('gives nothing from the moment when somebody is not in it, or not here, or the group is disabled', async () => {
    const team = aTeam([olu, ada]);
    await given(ports().store, { teams: [team] });
    const address = await open(olu, team.id);
    const status = async () => (await get(address)).status;
    const without = { ...entryOf(team), members: [ada.slackId] };
    await slackSays(without);
    expect(await status()).toBe(404);
    await expect(open(olu, team.id)).rejects.toMatchObject({ code: 'not_allowed' });
    await slackSays(entryOf(team));
    expect(await status()).toBe(200);
    await slackSays({ ...entryOf(team), disabled: true });
    expect(await status()).toBe(404);
    await expect(open(ada, team.id)).rejects.toMatchObject({ code: 'not_found' });
    await slackSays(entryOf(team));
    for (const [change, back] of [
      ["status = 'left'", "status = 'active'"],
      ["tier = 'contractor'", "tier = 'developer'"],
    ]) {
      await query(`update person set ${change} where id = $1`, [olu.id]);
      expect(await status(), change).toBe(404);
      await query(`update person set ${back} where id = $1`, [olu.id]);
    }
    expect(await status()).toBe(200);
    test.slackTeams.list = null;
    await syncTeams(ports());
    expect(await status()).toBe(404);
    await closeFeed(ports(), olu.id, team.id);
  });

  it('follows who joins and who leaves', async () => {
    const mia = aPerson();
    const team = aTeam([olu]);
    const key = aKey(mia);
    await given(ports().store, { people: [mia], teams: [team], keys: [key] });
    const address = await open(olu, team.id);
    const shown = async () => (await eventsAt(address)).has(`rotation-${key.id}@keysteward`);
    expect(await shown()).toBe(false);
    await slackSays({ ...entryOf(team), members: [olu.slackId, mia.slackId] });
    expect(await shown()).toBe(true);
    await slackSays({ ...entryOf(team), members: [olu.slackId] });
    expect(await shown()).toBe(false);
  });

  it('asks Slack nothing when it is fetched', async () => {
    const team = aTeam([olu]);
    await given(ports().store, { teams: [team] });
    const address = await open(olu, team.id);
    const asked = vi.spyOn(ports().directory, 'teams').mockRejectedValue(new Error('Slack is away'));
    onTestFinished(() => asked.mockRestore());
    expect((await get(address)).status).toBe(200);
    expect(asked).not.toHaveBeenCalled();
  });
});

describe('the address', () => {
  it('is kept as a hash alone, and is in no record and no log', async () => {
    const address = await open(olu);
    const secret = /calendar\/(.+)\.ics$/.exec(address)![1]!;
    expect(address).toBe(`https://keys.example.com/calendar/${secret}.ics`);
    expect(isAddress(secret)).toBe(true);
    await get(address);
    await test.database.store.pool.query('alter table calendar_feed rename to calendar_feed_away');
    expect((await get(address)).status).toBe(500);
    await test.database.store.pool.query('alter table calendar_feed_away rename to calendar_feed');
    expect(web.logged.join('\n')).toContain('/calendar/:file');
    expect(web.logged.join('\n')).not.toContain(secret);
    const { rows } = await test.database.store.pool.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'`,
    );
    for (const { name } of rows) {
      const [found] = await query(`select count(*)::int as n from "${name}" t where t::text like $1`, [`%${secret}%`]);
      expect([name, found.n]).toEqual([name, 0]);
    }
  });

  it('ends when a new one is made or the calendar is turned off, each on record with who did it', async () => {
    const first = await open(olu);
    const second = await open(olu);
    expect([(await get(first)).status, (await get(second)).status]).toEqual([404, 200]);
    await closeFeed(ports(), olu.id, 'own');
    expect((await get(second)).status).toBe(404);
    await expect(closeFeed(ports(), olu.id, 'own')).rejects.toMatchObject({ code: 'conflict' });
    const third = await open(olu);
    expect([(await get(second)).status, (await get(third)).status]).toEqual([404, 200]);
    expect(await query(`select id from calendar_feed where person_id = $1`, [olu.id])).toHaveLength(1);
    const done = await query(
      `select action, count(*)::int as n from audit_event where subject = $1 and outcome = 'done' group by action order by action`,
      [olu.id],
    );
    expect(done).toEqual([
      { action: 'calendar.close', n: 1 },
      { action: 'calendar.fetch', n: 2 },
      { action: 'calendar.open', n: 3 },
    ]);
  });

  it('made twice at once leaves one that works', async () => {
    const made = await Promise.all([open(olu), open(olu), open(olu)]);
    const statuses = await Promise.all(made.map(async (each) => (await get(each)).status));
    expect(statuses.sort()).toEqual([200, 404, 404]);
  });

  it('of somebody who left gives nothing at once, and stays dead when they are back', async () => {
    const address = await open(olu);
    for (const status of ['left', 'deactivated']) {
      await query('update person set status = $2, left_at = now() where id = $1', [olu.id, status]);
      expect((await get(address)).status, status).toBe(404);
      await expect(open(olu)).rejects.toMatchObject({ code: 'not_allowed' });
    }
    await query(`update person set status = 'left' where id = $1`, [olu.id]);
    await setTier(ports(), ada.id, { personId: olu.id, tier: 'developer' });
    expect((await get(address)).status).toBe(404);
    expect((await get(await open(olu))).status).toBe(200);
  });

  it('cannot be told from a wrong one by its answer', async () => {
    const dead = await open(olu);
    await open(olu);
    const wrong = `https://keys.example.com/calendar/${'A'.repeat(43)}.ics`;
    const answers = await Promise.all(
      [
        dead,
        wrong,
        'https://x.example/calendar/x.ics',
        `https://x.example/calendar/${newId('calendar')}.ics`,
        'https://x.example/calendar/%00.ics',
      ].map(async (each) => {
        const answer = await get(each);
        return [answer.status, await answer.text(), answer.headers.get('cache-control')].join();
      }),
    );
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain('404');
  });

  it('is noted as used once a day, not at every fetch', async () => {
    const address = await open(olu);
    for (let i = 0; i < 4; i++) await get(address);
    const fetches = () => query(`select 1 from audit_event where action = 'calendar.fetch' and subject = $1`, [olu.id]);
    expect(await fetches()).toHaveLength(1);
    await query(`update calendar_feed set fetched_at = now() - interval '25 hours' where person_id = $1`, [olu.id]);
    await get(address);
    expect(await fetches()).toHaveLength(2);
  });
});
