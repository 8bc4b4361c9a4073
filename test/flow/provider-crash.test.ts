import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issuers } from '../../src/adapters/providers/index.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { policySchema } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import { type Rotation, steps } from '../../src/rotation/model.ts';
import { rollBackRotation } from '../../src/rotation/roll-back.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { newAwsPair } from '../providers/fakes/aws-iam.ts';
import { type Fitting, fittingOf, twoSlots } from '../providers/fakes/index.ts';
import { chance, type Fake, type FakeKey, type Kind, startFake } from '../providers/fakes/server.ts';
import { aKey, given } from '../support/company.ts';
import { useCrew } from '../support/crew.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { environmentOf, never } from '../support/process.ts';

/** A place to die at, and how often the provider has been asked for this by then, since the last death. */
type Place = [place: string, asked: Kind, times: number];
interface Shape {
  fitting: Fitting;
  /** The key is what Keysteward itself works with there. */
  own?: true;
  /** What the provider has before anything is rotated; the first is ours. */
  has(): (Pick<FakeKey, 'name' | 'value'> & Partial<FakeKey>)[];
  /** In turn, on the way to a new value. */
  forth: Place[];
  /** In turn, once somebody has turned back; null where there is no way back. */
  back: Place[] | null;
  /** How often an answer with a new value was seen; once where nothing else is said. */
  creations?: number;
}
const searching = {
  forth: [
    ['rotation.generate:create-before', 'create', 0],
    ['rotation.generate:create-after', 'create', 1],
    ['rotation.generate:remove-before', 'revoke', 0],
    ['rotation.generate:remove-after', 'revoke', 1],
    ['rotation.retire:revoke-before', 'revoke', 0],
    ['rotation.retire:revoke-after', 'revoke', 1],
  ],
  back: [
    ['rotation.discard:revoke-before', 'revoke', 0],
    ['rotation.discard:revoke-after', 'revoke', 1],
  ],
} satisfies Pick<Shape, 'forth' | 'back'>;
const shapes: Record<string, Shape> = {
  'many keys with labels': {
    fitting: fittingOf('openai'),
    has: () => [{ name: 'made by hand', value: `sk-svcacct-${chance()}` }],
    ...searching,
  },
  'many keys with labels, for the one that Keysteward itself works with': {
    fitting: fittingOf('openai-admin'),
    own: true,
    has: () => [{ name: 'made by hand', value: `sk-admin-${chance()}` }],
    forth: [
      ['rotation.generate:create-after', 'create', 1],
      ['rotation.generate:remove-after', 'revoke', 1],
      ['rotation.promote:before', 'create', 1],
      ['rotation.promote:after', 'create', 0],
      ['rotation.retire:revoke-before', 'revoke', 0],
      ['rotation.retire:revoke-after', 'revoke', 1],
    ],
    back: [['rotation.discard:revoke-after', 'revoke', 1]],
  },
  'two keys at most and no labels': {
    fitting: fittingOf('aws'),
    has: () => [{ name: '', ...newAwsPair() }],
    ...searching,
  },
  'two secrets at most, no labels, and none deleted before it is deactivated': {
    fitting: fittingOf('okta'),
    has: () => [{ name: '', value: chance() }],
    ...searching,
  },
  // A slot is ended by making it new, and what a dead worker has made is not looked for but made new once more.
  'two slots': {
    fitting: twoSlots,
    has: () => ['Key1', 'Key2'].map((id) => ({ id, name: id, value: chance() })),
    forth: [
      ['rotation.generate:create-before', 'create', 0],
      ['rotation.generate:create-after', 'create', 1],
      ['rotation.retire:revoke-before', 'create', 1],
      ['rotation.retire:revoke-after', 'create', 1],
    ],
    back: [
      ['rotation.discard:revoke-before', 'create', 0],
      ['rotation.discard:revoke-after', 'create', 1],
    ],
  },
  // The old value dies by the call, so what a dead worker has made is not removed but replaced in turn.
  'one key at a time': {
    fitting: fittingOf('gitlab-rotates'),
    has: () => [{ id: '7', name: 'made by hand', value: `glpat-${chance()}` }],
    forth: [
      ['rotation.generate:create-before', 'create', 0],
      ['rotation.generate:create-after', 'create', 1],
      ['rotation.generate:before', 'create', 1],
      ['rotation.generate:after', 'create', 1],
      ['rotation.promote:before', 'create', 0],
      ['rotation.promote:after', 'create', 0],
      ['rotation.retire:before', 'create', 0],
      ['rotation.retire:after', 'create', 0],
    ],
    back: null,
    creations: 2,
  },
};

const database = useDatabase();
let house: House;
let ports: Ports;
let env: Record<string, string>;
const fakes: Fake[] = [];
interface Scene {
  shape: Shape;
  fake: Fake;
  issuer: string;
  key: ApiKey;
  old: string;
  id: Rotation['id'];
}
/** For each shape a rotation that is carried through, and one that somebody turns back. */
const scenes = new Map<string, { forth: Scene; back: Scene }>();

/** A worker that dies here, working on this rotation and no other. */
async function dieAt({ id, fake, issuer }: Scene, [place, kind, times]: Place): Promise<void> {
  const asked = () => fake.world.asked.filter((each) => each.kind === kind).length;
  const before = asked();
  await crew.dieAt(place);
  const where = `${place} for ${issuer}`;
  const { step, status } = await house.program.store.read((view) => view.rotations.get(id));
  expect([where, status, step, asked() - before]).toEqual([where, 'running', /\.(\w+):/.exec(place)![1], times]);
}

beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, roles: { bot: true, worker: false } });
  const providers: Record<string, unknown> = {};
  const owner = (await house.program.store.read((view) => view.people.bySlackId('U0OLIVIA')))!;
  const prepared: [string, 'forth' | 'back', Omit<Scene, 'id'>][] = [];
  for (const [name, shape] of Object.entries(shapes)) {
    for (const way of ['forth', 'back'] as const) {
      if (!shape[way]) continue;
      const fake = await startFake(shape.fitting.dialect());
      fakes.push(fake);
      const issuer = `${shape.fitting.name}-${way}`;
      const made = aKey(owner, { issuer, purpose: `Crash at ${issuer}` });
      const credential = shape.own ? made.secretId! : `keysteward/credential-${issuer}`;
      const { admin } = fake.world;
      if (shape.own) Object.assign(fake.world, { admin: chance(), manages: () => true });
      else await house.bot.createSecret({ Name: credential, SecretString: shape.fitting.stored?.(admin) ?? admin });
      providers[issuer] = shape.fitting.settings(fake.url, credential, fake.port);
      const [ours] = shape.has().map(({ name: called, value, ...facts }) => fake.world.make(called, value, facts));
      const { VersionId } = await house.bot.createSecret({ Name: made.secretId!, SecretString: ours!.value });
      const key = { ...made, currentVersion: VersionId! };
      await given(house.program.store, { keys: [key] });
      prepared.push([name, way, { shape, fake, issuer, key, old: ours!.value }]);
    }
  }
  const rules = { providers, rotation: { check: never, graceMinutes: 0, screamTestHours: 0, settleSeconds: 2 } };
  env = environmentOf(house, rules);
  const policy = policySchema.parse(rules);
  ports = { ...house.program.ports, policy, issuers: issuers(house.program.ports.secrets, policy.providers) };

  // One rotation after the other, so that each worker dies for the one that is meant; the last is ended by the next's.
  for (const [name, way, rest] of prepared) {
    const ask = { keyId: rest.key.id, reason: 'to see what a crash leaves', emergency: false };
    const scene: Scene = { ...rest, id: (await startRotation(ports, owner, ask)).id };
    scenes.set(name, { ...(scenes.get(name) as { forth: Scene; back: Scene }), [way]: scene });
    if (way === 'forth') {
      for (const place of rest.shape.forth) await dieAt(scene, place);
    } else {
      await crew.dieAt('rotation.generate:journaled');
      await rollBackRotation(ports, owner, scene.id);
      for (const place of rest.shape.back ?? []) await dieAt(scene, place);
    }
  }
  const last = crew.start();
  let left: unknown[] = [];
  await until(
    async () => {
      const { rows } = await database.store.pool.query(
        `select to_jsonb(rotation) as left from rotation where status = 'running'
         union all select to_jsonb(work) from work where status in ('waiting', 'running') and name = 'slack.card'`,
      );
      left = rows;
      return rows.length === 0;
    },
    () => `all rotations to end: ${JSON.stringify(left)}`,
    60_000,
  );
  last.process.kill('SIGTERM');
  expect(await last.ended).toBe(0);
}, 600_000);
afterAll(async () => {
  for (const each of fakes) await each.close();
  await house.stop();
});
const crew = useCrew(database, () => env);

async function outcome({ id, key, fake, shape, old }: Scene) {
  const rotation = await house.program.store.read((view) => view.rotations.get(id));
  const { VersionIdsToStages = {} } = await house.bot.describeSecret({ SecretId: key.secretId! });
  const { SecretString: current } = await house.bot.getSecretValue({ SecretId: key.secretId! });
  const trail = await database.store.pool.query<{ action: string }>(
    "select action from audit_event where subject = $1 and outcome = 'done' order by occurred_at, id",
    [id],
  );
  return {
    rotation,
    stages: Object.entries(VersionIdsToStages).filter(([, stages]) => stages.length > 0),
    current: current!,
    // Each of two slots always holds something; what nobody was ever given harms nobody.
    live: fake.world.live().filter((value) => shape.fitting !== twoSlots || value === current || value === old),
    key: await house.program.store.read((view) => view.keys.get(key.id)),
    trail: trail.rows.map((each) => each.action),
    cards: house
      .as('U0OLIVIA')
      .dm()
      .filter((each) => JSON.stringify(each.blocks).includes(id.split('_')[1]!))
      .map((each) => JSON.stringify(each.blocks)),
  };
}
describe.each(Object.keys(shapes))('a worker killed with SIGKILL around every call to a provider of %s', (name) => {
  it('the rotation goes on: one live key, one current version, no orphan, no lost step, and a card that tells the truth', async () => {
    const { forth } = scenes.get(name)!;
    const { rotation, stages, current, live, key, trail, cards } = await outcome(forth);
    expect(rotation).toMatchObject({ status: 'done', condition: 'new', attempt: 1, failure: null });
    expect(stages).toEqual([[rotation.newVersion, ['AWSCURRENT']]]);
    expect(current).not.toBe(forth.old);
    expect(live).toEqual([current]);
    const its = forth.fake.world.keys.find((each) => each.value === current)!;
    expect(key).toMatchObject({ currentVersion: rotation.newVersion, providerKeyId: its.id });
    const passed = rotation.record.filter((each) => each.verdict !== null).map((each) => each.step);
    expect(steps.filter((step) => !passed.includes(step))).toEqual([]);
    for (const once of ['rotation.create', 'rotation.confirm', 'rotation.retire', 'rotation.promote']) {
      const times = once === 'rotation.create' ? (forth.shape.creations ?? 1) : 1;
      expect([once, trail.filter((each) => each === once).length]).toEqual([once, times]);
    }
    // Also where the worker died with the answer: what went is on record all the same.
    const removes = forth.shape.forth.some(([place]) => place.endsWith(':remove-after'));
    expect(trail.includes('rotation.find-orphan')).toBe(removes);
    expect(cards.at(-1)).toMatch(/Rotated: .*The new value works; the old one is dead/s);
  });

  const whereThereIsAWayBack = shapes[name]!.back ? it : () => {};
  whereThereIsAWayBack(
    'the way back goes on: the old key alone lives and is handed out, and the card says so',
    async () => {
      const { back } = scenes.get(name)!;
      const { rotation, stages, current, live, key, trail, cards } = await outcome(back);
      expect(rotation).toMatchObject({ status: 'rolled-back', condition: 'old' });
      expect(stages).toEqual([[back.key.currentVersion, ['AWSCURRENT']]]);
      expect(current).toBe(back.old);
      expect(live).toEqual([back.old]);
      expect(key.currentVersion).toBe(back.key.currentVersion);
      expect(trail.filter((each) => each === 'rotation.revoke')).toHaveLength(1);
      expect(cards.at(-1)).toMatch(/Rolled back.*The old value works/s);
    },
  );
});
