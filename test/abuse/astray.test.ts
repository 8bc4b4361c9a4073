import { afterAll, beforeAll, expect, it } from 'vitest';
import { defaultPolicy } from '../../src/policy.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';

const database = useDatabase();
let house: House;
beforeAll(async () => {
  house = await openHouse({
    databaseUrl: database.url,
    settings: {
      policy: {
        ...defaultPolicy,
        channels: { security: 'no-such-channel', incidents: 'incidents', approvals: 'general' },
      },
    },
  });
});
afterAll(() => house.stop());

it('a channel of the policy that the bot cannot post into is named in the log at the start, others are not', async () => {
  const warned = () => house.logged.filter((each) => each.includes('policy.channels.')).join('\n');
  await until(() => warned() !== '', 'the warning');
  await house.as('U0SAM').home();
  expect(warned()).toMatch(/policy\.channels\.security: cannot post into no-such-channel \(channel_not_found\); check/);
  expect(warned()).not.toMatch(/channels\.(incidents|approvals)/);
});

it('a leak that cannot be called out in its channel reaches every administrator, and the channel once the bot is invited', async () => {
  const [key] = await house.program.store.read((view) => view.keys.search('order webhooks staging', 2));
  const dana = house.as('U0DANA');
  house.slack.control.removeMember('C0INCIDENTS', 'U0LOCALAPP');
  await dana.type('/keys incident order webhooks staging');
  await dana.submit({ leakHow: 'exposed', what: 'Seen in a build log' });
  for (const administrator of ['U0ADA', 'U0SAM']) {
    const card = await house.as(administrator).sees('belongs into incidents');
    expect(JSON.stringify(card.blocks)).toContain('invite the bot to the channel');
    expect(JSON.stringify(card.blocks)).toContain(key!.name.slice(0, 20));
    expect(
      house
        .as(administrator)
        .dm()
        .some((each) => each.ts === card.ts),
    ).toBe(true);
  }
  const { rows } = await database.store.pool.query("select 1 from work where name = 'slack.card' and status = 'dead'");
  expect(rows).toEqual([]);

  house.slack.control.addMember('C0INCIDENTS', 'U0LOCALAPP');
  await house.program.store.change(
    { actor: { kind: 'operator', id: 'test' }, action: 'test.touch', subject: 'test' },
    async (tx) => {
      const [open] = await tx.incidents.open(1);
      await tx.cards.touch(open!.id);
    },
  );
  await database.store.pool.query("update work set run_at = now() where name = 'slack.card' and status = 'waiting'");
  await dana.sees(/Order webhooks/, 'C0INCIDENTS');
  await until(
    () => !JSON.stringify(house.as('U0SAM').dm()).includes('belongs into incidents'),
    'the line that says why is gone',
  );
});
