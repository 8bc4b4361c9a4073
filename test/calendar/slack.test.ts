import { beforeEach, describe, expect, it } from 'vitest';
import { openFeed } from '../../src/calendar/open-feed.ts';
import { calendarInSlack } from '../../src/calendar/slack.ts';
import { problemsOfView } from '../../src/local/slack/limits.ts';
import type { Person } from '../../src/people/model.ts';
import { aKey, aPerson, aTeam, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, calendarInSlack);
let ada: Person;
let olu: Person;
beforeEach(async () => {
  [ada, olu] = [aPerson({ tier: 'administrator' }), aPerson()];
  await given(test.ports.store, { people: [ada, olu] });
});

describe('/keys calendar', () => {
  it('offers what one may have, gives the address once, and nothing in that window can be pressed', async () => {
    const offered = await desk.type(olu, 'calendar');
    expect('open' in offered && problemsOfView(offered.open)).toEqual([]);
    expect(saying(offered)).toContain('Not in use');
    expect(saying(offered)).not.toContain('All keys');
    expect(saying(await desk.type(ada, 'calendar'))).toContain('All keys');

    const given_ = await desk.press(olu, 'calendar.address', 'own');
    expect(saying(given_)).toMatch(/`https:\/\/keys\.example\.com\/calendar\/[\w-]{43}\.ics`/);
    expect('update' in given_ && problemsOfView(given_.update)).toEqual([]);
    // Slack sends a window back with every click in it, and what Slack sends is stored.
    const kinds = 'update' in given_ ? given_.update.blocks.map((each) => each.type) : [];
    expect(kinds).toEqual(['section', 'section', 'context']);
    const again = saying(await desk.type(olu, 'calendar'));
    expect(again).toContain('has not been fetched yet');
    expect(again).not.toMatch(/calendar\/[\w-]{43}/);
    expect(again).toContain('New address');
  });

  it('lets whoever is no administrator any more see that theirs gives nothing, and turn it off', async () => {
    await openFeed(test.ports, ada.id, 'company');
    const former: Person = { ...ada, tier: 'developer' };
    await given(test.ports.store, { people: [former] });
    expect(saying(await desk.type(former, 'calendar'))).toContain('gives nothing any more');
    await expect(desk.press(former, 'calendar.address', 'company')).rejects.toMatchObject({ code: 'not_allowed' });
    expect(saying(await desk.press(former, 'calendar.close', 'company'))).not.toContain('All keys');
  });

  it('offers each team that one is in, under its name, with how many keys are in it, and on or off', async () => {
    const [payments, platform, closed] = [
      aTeam([olu, ada], { name: 'Payments', handle: 'payments' }),
      aTeam([ada], { name: 'Platform' }),
      aTeam([olu], { name: 'Closed', closedAt: new Date() }),
    ];
    await given(test.ports.store, { teams: [payments, platform, closed], keys: [aKey(ada), aKey(olu)] });
    const offered = await desk.type(olu, 'calendar');
    expect('open' in offered && problemsOfView(offered.open)).toEqual([]);
    const said = saying(offered);
    expect(said).toContain('*Payments*\nWhen each key of those in @payments');
    expect(said).toContain('They own 2 keys now.');
    for (const other of ['Platform', 'Closed', 'calendar.choose-team', 'user group of Slack'])
      expect(said).not.toContain(other);
    expect(saying(await desk.press(olu, 'calendar.address', payments.id))).toMatch(/calendar\/[\w-]{43}\.ics/);
    const on = saying(await desk.type(olu, 'calendar'));
    expect(on).toContain('has not been fetched yet');
    expect(on).toContain('New address');
    expect(saying(await desk.press(olu, 'calendar.close', payments.id))).not.toContain('New address');
  });

  it('shows whoever left a team that its address gives nothing, to turn it off', async () => {
    const team = aTeam([olu], { name: 'Payments' });
    await given(test.ports.store, { teams: [team] });
    await openFeed(test.ports, olu.id, team.id);
    await given(test.ports.store, { teams: [{ ...team, members: [] }] });
    const left = saying(await desk.type(olu, 'calendar'));
    expect(left).toContain('Its address gives nothing any more');
    expect(left).not.toContain('New address');
    await expect(desk.press(olu, 'calendar.address', team.id)).rejects.toMatchObject({ code: 'not_allowed' });
    await given(test.ports.store, { teams: [{ ...team, closedAt: new Date() }] });
    expect(saying(await desk.type(olu, 'calendar'))).toContain('its user group in Slack is disabled');
    expect(saying(await desk.press(olu, 'calendar.close', team.id))).not.toContain('Payments');
  });

  it('lets administrators choose any team, and others among theirs where they are many; nobody else’s is offered', async () => {
    const many = Array.from({ length: 7 }, (_, i) => aTeam([olu], { name: `Squad ${i}`, handle: `squad-${i}` }));
    const theirs = aTeam([], { name: 'Security', handle: 'sec' });
    const closed = aTeam([olu], { name: 'Squad closed', closedAt: new Date() });
    await given(test.ports.store, { teams: [...many, theirs, closed] });
    const suggested = async (person: Person, query: string) =>
      (await desk.registry.suggestions.get('calendar.choose-team')!({ person, query })).map((each) => each.value);
    const offered = saying(await desk.type(olu, 'calendar'));
    expect(offered).toContain('calendar.choose-team');
    expect(offered.match(/\*Squad \d\*/g)).toHaveLength(5);
    expect(await suggested(olu, '')).toEqual(many.map((each) => each.id));
    expect(await suggested(olu, '@SQUAD-6')).toEqual([many[6]!.id]);
    expect(await suggested(olu, 'sec')).toEqual([]);
    expect(await suggested(ada, ' SEC')).toEqual([theirs.id]);
    await expect(desk.press(olu, 'calendar.choose-team', theirs.id)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(desk.press(ada, 'calendar.choose-team', 'nothing')).rejects.toMatchObject({ code: 'not_found' });
    const chosen = await desk.press(ada, 'calendar.choose-team', theirs.id);
    expect('update' in chosen && problemsOfView(chosen.update)).toEqual([]);
    expect(saying(chosen)).toContain('*Security*');
    expect(saying(chosen)).not.toContain('*Your keys*');
    expect(saying(chosen)).toContain('None of them owns a key now.');
    expect(saying(chosen)).toContain('Get the address of Security');
  });

  it('says what a team is to whoever is in none, and to nobody where Slack has no groups', async () => {
    await test.database.store.pool.query('delete from team');
    for (const person of [olu, ada]) expect(saying(await desk.type(person, 'calendar'))).not.toMatch(/team/i);
    await given(test.ports.store, { teams: [aTeam([])] });
    expect(saying(await desk.type(olu, 'calendar'))).toContain('You are in none');
    const guest = aPerson({ tier: 'contractor' });
    await given(test.ports.store, { people: [guest] });
    expect(saying(await desk.type(guest, 'calendar'))).not.toMatch(/team/i);
  });

  it('refuses a value that no button of ours has', async () => {
    await expect(desk.press(olu, 'calendar.address', 'team')).rejects.toMatchObject({ code: 'not_found' });
  });
});
