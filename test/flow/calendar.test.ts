import ICAL from 'ical.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { remindOwners } from '../../src/calendar/remind.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import type { Person } from '../../src/people/model.ts';
import { policySchema } from '../../src/policy.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, type Somebody, until } from '../support/house.ts';

const database = useDatabase();
const policy = policySchema.parse({
  people: { workingHours: { from: '00:00', to: '23:59', days: [1, 2, 3, 4, 5, 6, 7] } },
});
let house: House;
let key: ApiKey;
let owner: Person;
let me: Somebody;
beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, settings: { policy } });
  ({ key, owner } = await house.program.store.read(async (view) => {
    const { rows } = await view.keys.list({}, 50);
    const manual = rows.find((each) => each.issuer === 'person')!;
    return { key: manual, owner: await view.people.get(manual.ownerId) };
  }));
  me = house.as(owner.slackId);
  await house.program.store.pool.query(
    `update api_key set next_rotation_at = now() + interval '6 days' where id = $1`,
    [key.id],
  );
});
afterAll(() => house.stop());

async function addressShown(to = me): Promise<string> {
  const view = await until(
    () => to.modal().then((shown) => (JSON.stringify(shown).includes('Copy the address') ? shown : null)),
    'the address',
  );
  const [address] = /http:[^`"\\]+\.ics/.exec(JSON.stringify(view.view.blocks))!;
  return address;
}
const titlesAt = async (address: string) => {
  const answer = await fetch(address);
  if (answer.status !== 200) return answer.status;
  const calendar = new ICAL.Component(ICAL.parse(await answer.text()) as unknown[]);
  return calendar.getAllSubcomponents('vevent').map((each) => String(each.getFirstPropertyValue('summary')));
};

describe('what is ahead, through the whole house', { timeout: 90_000 }, () => {
  it('somebody asks for their calendar, subscribes to it, and replaces the address', async () => {
    await me.type('/keys calendar');
    await me.press('calendar.address', { value: 'own' });
    const first = await addressShown();
    expect(first).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${house.program.port}/calendar/`));
    expect(await titlesAt(first)).toContain(`Rotate ${key.name}`);

    await me.type('/keys calendar');
    expect(JSON.stringify((await me.modal()).view.blocks)).toContain('Last fetched');
    await me.press('calendar.address', { value: 'own' });
    const second = await addressShown();
    expect(second).not.toBe(first);
    expect([await titlesAt(first), await titlesAt(second)]).toEqual([
      404,
      expect.arrayContaining([`Rotate ${key.name}`]),
    ]);

    const secrets = [first, second].map((each) => /calendar\/(.+)\.ics/.exec(each)![1]!);
    const inbox = await house.program.store.pool.query('select payload::text as text from inbox');
    const kept = [...inbox.rows.map((each: { text: string }) => each.text), ...house.logged].join('\n');
    for (const secret of secrets) expect(kept).not.toContain(secret);
  });

  it('somebody takes the calendar of their team, and has nothing of it any more once Slack has them in it no longer', async () => {
    const { control } = house.slack;
    const [marcus, ada] = [house.as('U0MARCUS'), house.as('U0ADA')];
    const teamIn = async (name: string) => {
      const teams = await house.program.store.look((view) => view.teams.search(name, 1));
      return teams[0];
    };
    const payments = await until(() => teamIn('payments'), 'the first comparison with Slack');
    await marcus.type('/keys calendar');
    await marcus.press('calendar.address', { value: payments.id });
    const address = await addressShown(marcus);
    const titles = await titlesAt(address);
    expect(titles).toContainEqual(expect.stringMatching(/^Rotate Stripe .* \(Marcus Lindqvist\)$/));
    expect(titles).toContainEqual(expect.stringMatching(/\(Olivia Brandt\)$/));
    expect(titles).not.toContainEqual(expect.stringMatching(/\(Priya Raman\)$/));

    await control.changeGroup('S0PAYMENTS', { members: ['U0OLIVIA'] });
    await until(async () => (await titlesAt(address)) === 404, 'the address to give nothing');
    await marcus.type('/keys calendar');
    expect(JSON.stringify((await marcus.modal()).view.blocks)).toContain('gives nothing any more');
    await marcus.press('calendar.close', { value: payments.id });
    expect(house.slack.control.calls('usergroups.users.list').at(-1)).toMatchObject({ ok: true });

    const made = await control.addGroup({ name: 'On call', handle: 'on-call', members: ['U0PRIYA'] });
    const onCall = await until(() => teamIn('on call'), 'the new team');
    await ada.type('/keys calendar');
    expect(await ada.search('calendar.choose-team', 'on-c')).toEqual([{ value: onCall.id, text: 'On call' }]);
    await ada.pick('calendar.choose-team', { value: onCall.id, text: 'On call' });
    await ada.press('calendar.address', { value: onCall.id });
    const hers = await addressShown(ada);
    expect(await titlesAt(hers)).toContainEqual(expect.stringMatching(/\(Priya Raman\)$/));
    await control.changeGroup(made.id, { disabled: true });
    await until(async () => (await titlesAt(hers)) === 404, 'the address of a disabled group to give nothing');
  });

  it('the owner is reminded in their messages, follows the steps, and the message says when it was put off', async () => {
    await remindOwners(house.program.ports);
    const posted = await me.sees('has to be rotated by');
    expect(JSON.stringify(posted.blocks)).toContain(key.name);
    await me.type('/keys whoami');
    await me.press('runbooks.show', { value: key.id });
    const steps = JSON.stringify((await me.modal()).view.blocks);
    for (const part of ['Make the new key', 'Hand it in', 'End the old key']) expect(steps).toContain(part);

    await me.type('/keys whoami');
    await me.press('inventory.snooze', { value: key.id });
    const day = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
    expect(await me.submit({ until: day, reason: 'the vendor changes its login this week' })).toEqual({});
    await until(() => {
      const shown = me.dm().find((each) => each.ts === posted.ts);
      return shown && JSON.stringify(shown.blocks).includes('is snoozed until') ? shown : undefined;
    }, 'the snooze in the same message');
  });
});
