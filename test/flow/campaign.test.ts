import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiKey } from '../../src/inventory/model.ts';
import { campaignFacts } from '../../src/rotation/campaigns/facts.ts';
import type { Rotation } from '../../src/rotation/model.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { aKey, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { type Child, environmentOf, never, startChild } from '../support/process.ts';

const database = useDatabase();
const writesPerSecond = 20;
const count = 60;
let house: House;
let env: Record<string, string>;
const workers: Child[] = [];

beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, roles: { bot: true, worker: false } });
  env = environmentOf(house, { rotation: { check: never, graceMinutes: 0, settleSeconds: 2, writesPerSecond } });
}, 120_000);
afterAll(async () => {
  for (const each of workers) each.process.kill('SIGKILL');
  await Promise.all(workers.map((each) => each.ended));
  await house.stop();
});
const worker = (failpoint?: string) => {
  const child = startChild(['worker'], { ...env, ...(failpoint ? { KEYSTEWARD_FAILPOINT: failpoint } : {}) });
  workers.push(child);
  return child;
};
const rotationOf = (id: string): Promise<Rotation> => house.program.store.read((view) => view.rotations.get(id));
const lines = async (id: string) => {
  const { store, ports } = house.program;
  return (await store.read(async (view) => campaignFacts(view, ports, await view.campaigns.get(id)))).lines;
};

describe('all keys of a service, by Slack and real workers', () => {
  const keys: ApiKey[] = [];
  let campaignId = '';
  let leaked: { id: string; other: string };

  beforeAll(async () => {
    const { program, bot, aws } = house;
    const olivia = (await program.store.read((view) => view.people.bySlackId('U0OLIVIA')))!;
    for (let i = 0; i < count; i++) keys.push(aKey(olivia, { service: 'Acme', purpose: `Robot ${i}` }));
    const elsewhere = aKey(olivia, { service: 'Other', purpose: 'Leaks in the middle' });
    for (const key of [...keys, elsewhere])
      await bot.createSecret({ Name: key.secretId!, SecretString: `old value of ${key.purpose}` });
    await given(program.store, { keys: [...keys, elsewhere] });
    for (const operation of ['PutSecretValue', 'UpdateSecretVersionStage'])
      aws.control.inject({ kind: 'throttle', operation, times: 20 });

    const dying = worker('rotation.promote:after');
    const [ada, second] = [house.as('U0ADA'), house.as('U0SAM')];
    await ada.type('/keys rotate-all acme');
    await ada.modal();
    await ada.submit({ bulkCause: 'provider', reason: 'Acme had a breach' });
    const preview = JSON.stringify(await ada.modal());
    expect(preview).toContain(`${count} keys, ${count} of them can be rotated now`);
    // The first loses its secret after everybody has looked, and will fail.
    await bot.deleteSecret({ SecretId: keys[0]!.secretId!, ForceDeleteWithoutRecovery: true });
    await ada.submit({});
    await ada.sees(/Needs a second person/, 'C0SECURITY');
    const { rows } = await database.store.pool.query<{ id: string }>('select id from rotation_campaign');
    campaignId = rows[0]!.id;

    await ada.press('rotation.confirm-campaign', { channel: 'C0SECURITY' });
    await until(async () => {
      const { rows: found } = await database.store.pool.query(
        "select 1 from audit_event where action = 'rotation.confirm-campaign' and outcome = 'refused'",
      );
      return found.length > 0;
    }, 'the asker to be refused');
    expect((await database.store.read((view) => view.campaigns.get(campaignId))).status).toBe('asked');
    const press = () => second.press('rotation.confirm-campaign', { channel: 'C0SECURITY' });
    await Promise.all([press(), press()]);

    expect(await dying.ended).toBe('SIGKILL');
    worker();
    worker();
    const done = async () => (await lines(campaignId)).filter((line) => line.state === 'done').length;
    await until(async () => (await done()) >= 8, 'some to be done', 120_000);
    const emergency = { reason: 'On a paste site', emergency: true };
    const waiting = (await lines(campaignId)).findLast((line) => ['waiting', 'running'].includes(line.state))!;
    const one = await startRotation(program.ports, olivia, { keyId: elsewhere.id, ...emergency });
    const two = await startRotation(program.ports, olivia, { keyId: waiting.key.id, ...emergency });
    leaked = { id: one.id, other: two.id };
    await until(
      async () => (await database.store.read((view) => view.campaigns.get(campaignId))).status === 'ended',
      'the campaign to end',
      200_000,
    );
  }, 500_000);

  it('an emergency in the middle begins within a second, or before others had a second of their own', async () => {
    for (const id of [leaked.id, leaked.other]) {
      const { startedAt, record, status } = await rotationOf(id);
      expect(status).toBe('done');
      const begun = Date.parse(record[0]!.startedAt);
      const { rows } = await database.store.pool.query<{ writes: number }>(
        `select count(*)::int as writes from rotation r, jsonb_array_elements(r.record) taken
         where r.cause_id = $1 and taken ->> 'step' in ('generate', 'promote')
           and (taken ->> 'startedAt')::timestamptz between $2 and $3`,
        [campaignId, startedAt, new Date(begun)],
      );
      const seconds = (begun - startedAt.getTime()) / 1000;
      expect(Math.min(seconds, rows[0]!.writes / writesPerSecond), `${seconds} s`).toBeLessThan(1);
    }
  });

  it('each is rotated once, with one current version and nothing left over, although workers were killed and throttled', async () => {
    const all = await lines(campaignId);
    expect(all.filter((line) => line.state === 'done')).toHaveLength(count - 1);
    for (const { key, rotation } of all.filter((line) => line.state === 'done')) {
      const { VersionIdsToStages } = await house.bot.describeSecret({ SecretId: key.secretId! });
      expect(VersionIdsToStages).toEqual({ [rotation!.newVersion!]: ['AWSCURRENT'] });
    }
    const { rows } = await database.store.pool.query<{ n: number }>(
      'select count(*)::int as n from rotation where cause_id = $1 group by key_id having count(*) > 1',
      [campaignId],
    );
    expect(rows).toEqual([]);
  });

  it('what has failed is named on the card, and what was taken over is followed', async () => {
    const all = await lines(campaignId);
    expect(all.filter((line) => line.state === 'failed').map((line) => line.key.id)).toEqual([keys[0]!.id]);
    expect(all.some((line) => line.rotation?.id === leaked.other && line.state === 'done')).toBe(true);
    const card = await house.as('U0SAM').sees(/Rotated, but not all/, 'C0SECURITY');
    const shown = JSON.stringify(card.blocks);
    expect(shown).toContain(`${count - 1} of ${count} keys`);
    expect(shown).toContain(keys[0]!.name);
    expect(shown).toContain('rotation.retry-campaign');
    expect(shown).not.toContain('rotation.confirm-campaign');
  });

  it('the owner has one message for all of them', async () => {
    const mine = house
      .as('U0OLIVIA')
      .dm()
      .filter((each) => JSON.stringify(each.blocks).includes(campaignId));
    expect(mine).toHaveLength(1);
  });
});
