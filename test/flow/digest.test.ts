import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiKey } from '../../src/inventory/model.ts';
import { day } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, type Somebody, until } from '../support/house.ts';

const database = useDatabase();
let house: House;
let owner: Person;
let key: ApiKey;
let me: Somebody;
beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url });
  const found = await house.program.store.read(async (view) => {
    const { rows } = await view.keys.list({}, 50);
    // A person has to rotate it, so that nothing happens to it by itself.
    const manual = rows.find((each) => each.issuer === 'person')!;
    return { key: manual, owner: await view.people.get(manual.ownerId) };
  });
  ({ key, owner } = found);
  me = house.as(owner.slackId);
  await house.program.store.pool.query(
    `update api_key set next_rotation_at = now() - interval '9 days 1 hour' where id = $1`,
    [key.id],
  );
});
afterAll(() => house.stop());

describe('the weekly digest, through the whole house', { timeout: 90_000 }, () => {
  it('comes on demand to the direct messages, and a snooze edits that same message', async () => {
    await me.type('/keys digest');
    await me.sees('in our direct messages', 'C0PLATFORM');
    const posted = await me.sees('9 days overdue');
    expect(JSON.stringify(posted.blocks)).toContain(key.name);

    await me.press('inventory.snooze', { value: key.id });
    const day_ = new Date(Date.now() + 5 * day).toISOString().slice(0, 10);
    expect(await me.submit({ until: day_, reason: 'short' })).toEqual({
      reason: expect.stringContaining('at least ten'),
    });
    expect(await me.submit({ until: day_, reason: 'the vendor changes its login this week' })).toEqual({});
    await until(() => {
      const shown = me.dm().find((each) => each.ts === posted.ts);
      return shown && JSON.stringify(shown.blocks).includes('“the vendor changes its login this week”')
        ? shown
        : undefined;
    }, 'the snooze in the same message');
  });

  it('is one message, posted afresh in place of the last each time', async () => {
    const digests = () =>
      me.dm().filter((each) => JSON.stringify(each.blocks).includes('You get this because you own these keys'));
    const [before] = digests();
    await me.type('/keys digest');
    const after = await until(() => {
      const [first, ...others] = digests();
      return first && others.length === 0 && first.ts !== before!.ts ? first : undefined;
    }, 'the next digest');
    expect(JSON.stringify(after.blocks)).toContain('snoozed');
  });

  it('has a summary in the security channel, for administrators to ask for', async () => {
    const ada = house.as('U0ADA');
    await ada.type('/keys digest summary');
    const summary = await ada.sees('the vendor changes its login this week', 'C0SECURITY');
    expect(JSON.stringify(summary.blocks)).toContain(owner.name);
  });
});
