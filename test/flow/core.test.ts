import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { useDatabase, useServerDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { redisDatabase } from '../support/redis.ts';

interface Ground {
  database: { url: string };
  redisUrl?: string;
  mode: 'http' | 'socket';
}
const onServers = process.env.TEST_DATABASE_URL !== undefined && redisDatabase(10) !== undefined;
const grounds: [string, boolean, () => Ground][] = [
  ['embedded Postgres alone, Slack by HTTP', true, () => ({ database: embedded, mode: 'http' })],
  [
    'a server Postgres and Redis, Slack by Socket Mode',
    onServers,
    () => ({ database: server!, redisUrl: redisDatabase(10)!, mode: 'socket' }),
  ],
];
const embedded = useDatabase();
const server = onServers ? useServerDatabase() : null;

describe.for(grounds)('the main job done, on %s', ([, runs, ground]) => {
  if (!runs) {
    it.skip('needs TEST_DATABASE_URL and TEST_REDIS_URL');
    return;
  }
  let house: House;
  beforeAll(async () => {
    const { database, redisUrl, mode } = ground();
    house = await openHouse({ databaseUrl: database.url, mode, ...(redisUrl ? { redisUrl } : {}) });
  });
  afterAll(() => house.stop());

  const keyNamed = async (words: string) => {
    const [key] = await house.program.store.read((view) => view.keys.search(words, 2));
    return key!;
  };

  it('a developer asks, the owner approves, the access is really there in Secrets Manager, and really ends', async () => {
    const dana = house.as('U0DANA');
    const key = await keyNamed('order webhooks staging');
    await dana.type('/keys request order webhooks staging');
    await dana.modal();
    expect(
      await dana.submit({ use: 'Local debugging of the sync', reason: 'Ticket PLAT-7 needs a look at live payloads' }),
    ).toEqual({});
    await dana.sees('Waiting for');
    const owner = await house.program.store.read((view) => view.people.get(key.ownerId));
    const decider = house.as(owner.slackId);
    await decider.sees('Local debugging of the sync');
    await decider.press('access.approve');
    await dana.sees('Access active');
    const { ResourcePolicy } = await house.bot.getResourcePolicy({ SecretId: key.secretId! });
    expect(ResourcePolicy).toContain('role/people/dana');
    expect(ResourcePolicy).toContain('aws:CurrentTime');
    // No dead buttons: the copy that was decided on shows who and when.
    const decided = await decider.sees('Approved by');
    expect(JSON.stringify(decided.blocks)).not.toContain('access.approve');

    await dana.press('access.end');
    await dana.sees('has ended');
    const after = await house.bot.getResourcePolicy({ SecretId: key.secretId! });
    expect(after.ResourcePolicy ?? '').not.toContain('role/people/dana');
  });

  it('an owner rotates a key and sees every step on one card; the old value is dead and the new one current', async () => {
    const key = await keyNamed('order webhooks staging');
    const owner = await house.program.store.read((view) => view.people.get(key.ownerId));
    const me = house.as(owner.slackId);
    const before = await house.bot.getSecretValue({ SecretId: key.secretId! });
    await me.type('/keys rotate order webhooks staging');
    expect(await me.submit({ reason: 'trying it out' })).toEqual({});
    const card = await me.sees(/Rotated: .*The new value works; the old one is dead/s);
    // One card, edited in place: there is no second message about this rotation.
    const cards = me.dm().filter((each) => /(Rotated|Rotating): Order webhooks API Key - Staging/.test(each.text));
    expect(cards).toHaveLength(1);
    const now = await house.bot.getSecretValue({ SecretId: key.secretId! });
    expect(now.SecretString).not.toBe(before.SecretString);
    const { VersionIdsToStages } = await house.bot.describeSecret({ SecretId: key.secretId! });
    expect(VersionIdsToStages?.[before.VersionId!] ?? []).toEqual([]);
    expect(JSON.stringify(card.blocks)).not.toContain(now.SecretString!);
  });

  it('everything that happened is in the audit log, with who and what', async () => {
    const actions = await house.program.store.read(async (view) =>
      (await view.audit.list({}, 500)).rows.map((each) => each.action),
    );
    for (const action of [
      'access.request',
      'access.approve',
      'access.grant',
      'access.apply',
      'access.end',
      'rotation.start',
      'rotation.promote',
      'rotation.confirm',
    ]) {
      expect(actions).toContain(action);
    }
  });

  it('five deliveries of one command, and two clicks on one button, have one effect', async () => {
    const lee = house.as('U0DANA');
    const key = await keyNamed('order webhooks staging');
    house.slack.control.duplicateDeliveries(5);
    await lee.type('/keys request order webhooks staging');
    await lee.submit({ use: 'Local debugging again', reason: 'The second look at live payloads' });
    house.slack.control.duplicateDeliveries(1);
    const open = await until(
      () =>
        house.program.store.read(async (view) =>
          view.requests.openFor(key.id).then((all) => (all.length > 0 ? all : undefined)),
        ),
      'the request',
    );
    expect(open).toHaveLength(1);
    await house.slack.control.settled();
    expect(await house.program.store.read((view) => view.requests.openFor(key.id))).toHaveLength(1);
  });
});
