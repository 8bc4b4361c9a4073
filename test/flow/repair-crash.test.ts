import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiKey } from '../../src/inventory/model.ts';
import type { Person } from '../../src/people/model.ts';
import { checkKey } from '../../src/reviews/check-drift.ts';
import { askForRepair } from '../../src/reviews/repair.ts';
import { aKey, given } from '../support/company.ts';
import { useCrew } from '../support/crew.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { environmentOf, never } from '../support/process.ts';

const database = useDatabase();
let house: House;
let owner: Person;
let env: Record<string, string>;
beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, roles: { bot: true, worker: false } });
  owner = (await house.program.store.read((view) => view.people.bySlackId('U0OLIVIA')))!;
  env = environmentOf(house, {
    // Nothing falls due, and no drill comes, but those that are asked for.
    rotation: { check: never, drill: { cron: never }, graceMinutes: 0, settleSeconds: 2 },
    reviews: { driftCheck: never },
  });
  // The surprise has one key to choose from: the one that each test makes.
  await database.store.pool.query("update api_key set risk = 'medium' where risk = 'low'");
}, 120_000);
afterAll(() => house.stop());
const crew = useCrew(database, () => env);

let number = 0;
async function freshKey(facts: Partial<ApiKey> = {}): Promise<ApiKey> {
  const made = aKey(owner, { purpose: `Crash ${++number}`, ...facts });
  const { VersionId } = await house.bot.createSecret({ Name: made.secretId!, SecretString: `old-${randomUUID()}` });
  const key = { ...made, currentVersion: VersionId! };
  await given(house.program.store, { keys: [key] });
  return key;
}
const labelsOf = async (key: ApiKey) =>
  Object.entries((await house.bot.describeSecret({ SecretId: key.secretId! })).VersionIdsToStages ?? {});
const keyNow = (key: ApiKey) => house.program.store.read((view) => view.keys.get(key.id));
const findingsOf = (key: ApiKey) => house.program.store.read((view) => view.findings.ofKey(key.id, 20));
const eventsOf = async (key: ApiKey, action: string) =>
  (await house.program.store.read((view) => view.audit.list({ keyId: key.id, action, outcome: 'done' }, 100))).rows;
const saysOf = (key: ApiKey, channel?: string) =>
  (channel ? house.as('U0SAM').in(channel) : house.as('U0OLIVIA').dm())
    .map((each) => JSON.stringify(each.blocks))
    .filter((each) => new RegExp(`${key.purpose}\\b`).test(each));
/** The last message of this fact; a copy that a dying worker left is owned up to. */
function lastOf(all: string[]): string {
  const [latest = '', ...others] = all.toReversed();
  if (others.length > 0) expect(latest).toContain('If you see this message twice');
  return latest;
}
const nothingWaits = () =>
  until(
    async () => {
      const { rows } = await database.store.pool.query(
        `select 1 from work where status in ('waiting', 'running') and (name like 'reviews.%' or name = 'slack.card' or name like 'rotation.drill'
           or name like 'rotation.step%') and run_at < now() + interval '1 hour'
         union all select 1 from rotation where status = 'running'`,
      );
      return rows.length === 0;
    },
    'everything to be done',
    120_000,
  );

describe('a worker killed with SIGKILL in the middle of a repair', () => {
  const places = {
    unlabel: [
      'work.reviews.repair:claimed',
      'reviews.repair:before',
      'reviews.repair:after',
      'reviews.check-key:looked',
      'work.reviews.repair:did',
    ],
    adopt: ['reviews.adopt:before', 'reviews.adopt:after'],
    'shut-out': ['reviews.shut-out:before', 'reviews.shut-out:after'],
  };
  async function stored(key: ApiKey, value: string, remedy: 'unlabel' | 'adopt'): Promise<string> {
    const { VersionId } = await house.bot.putSecretValue({
      SecretId: key.secretId!,
      SecretString: value,
      VersionStages: [remedy === 'unlabel' ? 'AWSPENDING' : 'AWSCURRENT'],
    });
    return VersionId!;
  }
  async function strangerLetIn(key: ApiKey): Promise<string> {
    const stranger = { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam::123456789012:role/stranger' } };
    const Statement = [{ ...stranger, Action: 'secretsmanager:GetSecretValue', Resource: '*' }];
    const ResourcePolicy = JSON.stringify({ Version: '2012-10-17', Statement });
    await house.bot.putResourcePolicy({ SecretId: key.secretId!, ResourcePolicy });
    return key.currentVersion!;
  }
  const repaired = new Map<string, { key: ApiKey; version: string; value: string }>();

  beforeAll(async () => {
    for (const remedy of ['unlabel', 'adopt', 'shut-out'] as const) {
      for (const place of places[remedy]) {
        const key = await freshKey();
        const value = `by-hand-${randomUUID()}`;
        const version = remedy === 'shut-out' ? await strangerLetIn(key) : await stored(key, value, remedy);
        await checkKey(house.program.ports, { keyId: key.id });
        const [finding] = await findingsOf(key);
        await askForRepair(house.program.ports, owner, finding!.id);
        repaired.set(place, { key, version, value });
        await crew.dieAt(place);
      }
    }
    crew.start();
    await nothingWaits();
  }, 600_000);

  it.each(places.unlabel)(
    'at %s: the label is off, the value in use as it was, and the card says by whom',
    async (place) => {
      const { key } = repaired.get(place)!;
      expect(await labelsOf(key)).toEqual([[key.currentVersion, ['AWSCURRENT']]]);
      expect(await keyNow(key)).toMatchObject({ currentVersion: key.currentVersion, status: 'active' });
      const [finding, ...others] = await findingsOf(key);
      expect(others).toEqual([]);
      expect(finding).toMatchObject({ closedAt: expect.any(Date), repair: { by: owner.id, outcome: 'done' } });
      expect(await eventsOf(key, 'reviews.close')).toHaveLength(1);
      expect(lastOf(saysOf(key))).toMatch(/in order again.*repaired by <@U0OLIVIA>/);
    },
  );

  it.each(places['shut-out'])('at %s: nobody is let in by the policy, and the card says by whom', async (place) => {
    const { key } = repaired.get(place)!;
    const { ResourcePolicy } = await house.bot.getResourcePolicy({ SecretId: key.secretId! });
    expect(ResourcePolicy).toBeUndefined();
    const [finding, ...others] = await findingsOf(key);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ closedAt: expect.any(Date), repair: { by: owner.id, outcome: 'done' } });
    expect(lastOf(saysOf(key))).toMatch(/in order again.*repaired by <@U0OLIVIA>/);
  });

  it.each(places.adopt)(
    'at %s: the inventory says once what the store says, and no value was written',
    async (place) => {
      const { key, version, value } = repaired.get(place)!;
      expect(await keyNow(key)).toMatchObject({ currentVersion: version, lastFour: value.slice(-4) });
      expect((await house.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(value);
      const adopted = (await eventsOf(key, 'reviews.adopt')).filter((each) => each.facts.adopted === true);
      expect(adopted).toHaveLength(1);
      const [finding, ...others] = await findingsOf(key);
      expect(others).toEqual([]);
      expect(finding).toMatchObject({ closedAt: expect.any(Date), repair: { by: owner.id, outcome: 'done' } });
      expect(lastOf(saysOf(key))).toMatch(/in order again.*repaired by <@U0OLIVIA>/);
    },
  );
});

describe('a worker killed with SIGKILL at the start of a drill', () => {
  const places = [
    'work.rotation.drill:claimed',
    'rotation.drill:before',
    'rotation.drill:after',
    'work.rotation.drill:did',
    'work.rotation.step-now:claimed',
    'rotation.generate:begun',
    'rotation.generate:after',
    'rotation.promote:after',
  ];
  const drilled = new Map<string, ApiKey>();

  beforeAll(async () => {
    for (const place of places) {
      const key = await freshKey({ environment: 'sandbox', risk: 'low' });
      drilled.set(place, key);
      await house.program.store.change(
        { actor: { kind: 'operator', id: 'test' }, action: 'test.surprise', subject: key.id },
        (tx) => tx.jobs.add('rotation.drill', {}),
      );
      await crew.dieAt(place);
      // To its end before the next begins, so that each worker dies for the drill that is meant.
      crew.start();
      await until(async () => (await drillOf(key))?.status === 'done', `the drill of ${key.purpose} to end`, 60_000);
      await nothingWaits();
      await crew.stop();
    }
  }, 600_000);
  const drillOf = async (key: ApiKey) =>
    (await house.program.store.read((view) => view.rotations.ofKey(key.id, 5)))[0] ?? null;

  it.each(places)('at %s: one drill, over to its end, with one current version and one result', async (place) => {
    const key = drilled.get(place)!;
    const rotations = await house.program.store.read((view) => view.rotations.ofKey(key.id, 5));
    expect(rotations).toMatchObject([
      { cause: 'drill', emergency: true, status: 'done', condition: 'new', attempt: 1 },
    ]);
    const [rotation] = rotations;
    const ofOccasion = await house.program.store.read((view) => view.rotations.ofCause(rotation!.causeId!));
    expect(ofOccasion.map((each) => each.id)).toEqual([rotation!.id]);
    const labelled = (await labelsOf(key)).filter(([, stages]) => stages.length > 0);
    expect(labelled).toEqual([[rotation!.newVersion, ['AWSCURRENT']]]);
    expect(await keyNow(key)).toMatchObject({ currentVersion: rotation!.newVersion });
    expect(await eventsOf(key, 'rotation.drill')).toHaveLength(1);
    const results = saysOf(key, 'C0SECURITY').filter((each) => /old value dead after/.test(each));
    expect(results.length).toBeGreaterThan(0);
  });

  it('nobody was paged, and no occasion is said to have found no key', async () => {
    const { rows } = await database.store.pool.query(
      "select 1 from card where kind = 'rotation.drill-missed' union all select 1 from work where name = 'rotation.page'",
    );
    expect(rows).toEqual([]);
  });
});
