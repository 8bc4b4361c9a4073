import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { standardWebhooks } from '../../src/adapters/webhooks/standard.ts';
import { offboardingInCli } from '../../src/offboarding/cli.ts';
import { aKey, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, type Somebody, until } from '../support/house.ts';

const database = useDatabase();
let house: House;
beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url });
});
afterAll(() => house.stop());

const security = 'C0SECURITY';

/** `keysteward hr send …`, as typed. */
async function hrSend(...args: string[]): Promise<string> {
  const lines: string[] = [];
  const commands = new Map<string, (args: string[], out: (line: string) => void) => Promise<number>>();
  const url = `http://127.0.0.1:${house.program.port}`;
  const webhooks = standardWebhooks(house.settings.hrWebhookSecrets);
  offboardingInCli({ command: (path, _spec, run) => void commands.set(path, run) }, () => ({ url, webhooks }));
  const code = await commands.get('hr send')!(args, (line) => lines.push(line));
  return `${code}: ${lines.join('\n')}`;
}
const personOf = (slackId: string) => house.program.store.read((view) => view.people.bySlackId(slackId));

/** Presses a button on a card, and fills in the modal that it opens. */
async function pressAndFill(
  who: Somebody,
  action: string,
  value: string,
  asks: string,
  fields: Record<string, string>,
) {
  await who.press(action, { channel: security, value });
  await until(
    async () => JSON.stringify((await who.modal()).view.blocks).includes(asks),
    `the modal that asks ${asks}`,
  );
  expect(await who.submit(fields)).toEqual({});
}

describe('somebody leaves, through the whole house', { timeout: 90_000 }, () => {
  it('one line of the terminal opens a case whose card turns green by itself, and shuts them out of Secrets Manager', async () => {
    const priya = house.as('U0PRIYA');
    await priya.type('/keys request order webhooks staging');
    await priya.modal();
    expect(
      await priya.submit({ use: 'Looking at the sync', reason: 'The nightly sync has been failing since Monday' }),
    ).toEqual({});
    const [key] = await house.program.store.read((view) => view.keys.search('order webhooks staging', 2));
    const owner = await house.program.store.read((view) => view.people.get(key!.ownerId));
    await house.as(owner.slackId).press('access.approve');
    await priya.sees('Access active');
    const before = await house.bot.getSecretValue({ SecretId: key!.secretId! });

    expect(await hrSend('--hr-id', 'HR-PRIYA')).toMatch(/^0: 202 /);
    const ada = house.as('U0ADA');
    const opened = await ada.sees('has left', security);
    // The same message, edited in place.
    await until(() => {
      const shown = ada.in(security).find((each) => each.ts === opened.ts);
      return shown && JSON.stringify(shown.blocks).includes(`${key!.name}: Rotated: no value that they could read`)
        ? shown
        : undefined;
    }, 'the card that says the key was rotated');
    expect(await personOf('U0PRIYA')).toMatchObject({ status: 'left' });
    const { ResourcePolicy } = await house.bot.getResourcePolicy({ SecretId: key!.secretId! });
    expect(ResourcePolicy ?? '').not.toContain('role/people/priya');
    const { VersionIdsToStages } = await house.bot.describeSecret({ SecretId: key!.secretId! });
    expect(VersionIdsToStages?.[before.VersionId!] ?? []).toEqual([]);

    // What they still see does nothing any more.
    await priya.type('/keys grants');
    await priya.sees('no longer active here', 'C0PLATFORM');

    const { id } = (await house.program.store.read(async (view) =>
      view.cases.latestOf((await personOf('U0PRIYA'))!.id),
    ))!;
    const note = 'Looked through CloudTrail of 30 days: nothing unusual';
    await pressAndFill(ada, 'offboarding.tick', `${id} review`, 'what did you find?', { note });
    await until(async () => {
      const seen = ada.in(security).find((each) => each.ts === opened.ts);
      return seen && JSON.stringify(seen.blocks).includes('Looked through CloudTrail');
    }, 'the note on the card');
  });

  it('an owner leaves: their keys are handed over from the card, and then the case can be closed', async () => {
    const ada = house.as('U0ADA');
    const nora = (await personOf('U0NORA'))!;
    const key = aKey(nora, { purpose: 'Left behind', issuer: 'person', storage: 'elsewhere', secretId: null });
    await given(house.program.store, { keys: [key] });
    expect(await hrSend('--hr-id', 'HR-NORA')).toMatch(/^0: 202 /);
    const { ts } = await ada.sees('Hand over OpenAI API Key - Staging - Left behind', security);
    const owned = await house.program.store.read((view) => view.keys.list({ ownerId: nora.id }, 50));
    for (const { id } of owned.rows) {
      await pressAndFill(ada, 'inventory.hand-over', id, 'New owner', { owner: 'U0OLIVIA' });
    }
    const id = (await house.program.store.read((view) => view.cases.latestOf(nora.id)))!.id;
    const [rotated, reviewed] = ['Made a new one at the service, revoked the old one', 'Nothing unusual in 30 days'];
    await pressAndFill(ada, 'offboarding.tick', `${id} rotate:${key.id}`, 'What proves it?', { note: rotated });
    await pressAndFill(ada, 'offboarding.tick', `${id} review`, 'what did you find?', { note: reviewed });
    await ada.press('offboarding.close', { channel: security, value: id });
    const closed = await until(() => {
      const card = ada.in(security).find((each) => each.ts === ts);
      return card && JSON.stringify(card.blocks).includes('lines are done.*') ? card : undefined;
    }, 'the closed case');
    expect(JSON.stringify(closed.blocks)).not.toContain('"action_id"');
  });

  it('an administrator offboards by a modal that says before what will happen, and hears of everybody who leaves', async () => {
    const sam = house.as('U0SAM');
    await sam.type('/keys offboard <@U0KIM|kim>');
    expect(JSON.stringify((await sam.modal()).view.blocks)).toContain('Access that ends');
    expect(await sam.submit({})).toEqual({});
    await sam.sees('Kim Tran', security);
    await until(async () => (await personOf('U0KIM'))?.status === 'left', 'Kim has left');
    await sam.type('/keys offboard');
    expect(JSON.stringify((await sam.modal()).view.blocks)).toContain('U0KIM');
  });

  it('what HR says of somebody whom nobody knows is told in the security channel', async () => {
    expect(await hrSend('--hr-id', 'HR-GHOST')).toMatch(/^1: 404 /);
    await house.as('U0ADA').sees('HR-GHOST', security);
  });
});
