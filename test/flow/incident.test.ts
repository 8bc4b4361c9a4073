import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';

const database = useDatabase();
let house: House;
beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url });
});
afterAll(() => house.stop());

describe('a leak, through the whole house', () => {
  it('reported from a message by a contractor, is contained in seconds and worked on until it is closed', async () => {
    const { store } = house.program;
    const kim = house.as('U0KIM');
    const sam = house.as('U0SAM');
    const [key] = await store.read((view) => view.keys.search('order webhooks production', 2));
    const before = await house.bot.getSecretValue({ SecretId: key!.secretId! });

    await house.slack.control.act({ kind: 'say', as: 'U0KIM', channel: 'C0GENERAL', text: 'oops, pasted something' });
    const { ts } = kim.in('C0GENERAL').at(-1)!;
    await kim.shortcut('incidents.report-message', { channel: 'C0GENERAL', ts });
    await kim.modal();
    expect(await kim.submit({})).toHaveProperty('leakedKey');
    const offered = await kim.search('leakedKey', 'order prod');
    expect(offered.map((each) => each.value)).toEqual([key!.id, 'unlisted']);
    await kim.choose('leakedKey', key!.id);
    await kim.choose('leakHow', 'public');
    const fields = { leakedKey: key!.id, leakHow: 'public', what: 'It was on a slide of my talk' };
    expect(await kim.submit(fields)).toEqual({});

    const contained = (text: string) => /P1 incident, contained.*The new value works; the old one is dead/s.test(text);
    const mine = await until(
      () => kim.dm().find((each) => contained(`${each.text} ${JSON.stringify(each.blocks)}`)),
      'the card of a contained incident',
      60_000,
    );
    expect(JSON.stringify(mine.blocks)).not.toContain('incidents.tick');
    const card = await sam.sees('P1 incident, contained', 'C0INCIDENTS');
    expect(JSON.stringify(card.blocks)).toContain(`archives/C0GENERAL/p${ts.replace('.', '')}`);
    const { VersionIdsToStages } = await house.bot.describeSecret({ SecretId: key!.secretId! });
    expect(VersionIdsToStages?.[before.VersionId!] ?? []).toEqual([]);
    const now = await house.bot.getSecretValue({ SecretId: key!.secretId! });
    expect(JSON.stringify(sam.in('C0INCIDENTS'))).not.toContain(now.SecretString!);
    expect(JSON.stringify(card.blocks)).toContain('*nobody was paged*: no pager is connected');

    await sam.press('incidents.claim', { channel: 'C0INCIDENTS' });
    await sam.sees(/"\*Leads\*\\n<@U0SAM>"/, 'C0INCIDENTS');
    await sam.press('incidents.tick', { channel: 'C0INCIDENTS' });
    const done = { hour: ['S8.1-5', 'S8.1-6', 'S8.1-7', 'S8.1-8'], note: 'Logs and billing show nothing' };
    expect(await sam.submit(done)).toEqual({});
    await sam.type('/keys whoami');
    await sam.press('incidents.tick', { channel: 'C0INCIDENTS' });
    const rest = [9, 10, 11, 12, 13, 14, 15, 16].map((i) => `S8.1-${i}`);
    const skipped = { day: rest.slice(0, 4), week: rest.slice(4), verdict: 'skipped' };
    expect(await sam.submit({ ...skipped, note: 'no' })).toEqual({ note: expect.stringContaining('auditor') });
    expect(await sam.submit({ ...skipped, note: 'A key of the test bench, seen by nobody' })).toEqual({});
    await sam.sees('incidents.close', 'C0INCIDENTS');
    await sam.type('/keys whoami');
    await sam.press('incidents.close', { channel: 'C0INCIDENTS' });
    expect(await sam.submit({ lesson: 'Slides are scanned before a talk' })).toEqual({});
    const closed = await sam.sees('P1 incident, closed', 'C0INCIDENTS');
    expect(closed.ts).toBe(card.ts);
    expect(JSON.stringify(closed.blocks)).not.toContain('incidents.close');
    expect(house.logged.filter((each) => each.startsWith('error'))).toEqual([]);
  }, 120_000);

  it('starts from App Home and from the command alike', async () => {
    const priya = house.as('U0PRIYA');
    const home = await priya.home();
    expect(JSON.stringify(home[0])).toContain('Report a leaked key');
    await priya.press('incidents.declare');
    expect((await priya.modal()).view.callback_id).toBe('incidents.declare');
    await priya.type('/keys incident stripe payments');
    const { view } = await priya.modal();
    expect(JSON.stringify(view.blocks)).toContain('Stripe API Key - Production - Card payments');
    expect(await priya.submit({ leakHow: 'finding' })).toEqual({});
    await priya.sees('Nothing was changed by itself');
    await until(async () => JSON.stringify(await priya.home()).includes('Open incidents'), 'the incident at home');
  }, 60_000);
});
