import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issuers } from '../../src/adapters/providers/index.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { policySchema } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import type { Rotation } from '../../src/rotation/model.ts';
import { reEnableOld } from '../../src/rotation/re-enable.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { fittingOf } from '../providers/fakes/index.ts';
import { type Fake, startFake } from '../providers/fakes/server.ts';
import { aKey, given } from '../support/company.ts';
import { useCrew } from '../support/crew.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { environmentOf, never } from '../support/process.ts';

const database = useDatabase();
const fitting = fittingOf('cloudflare');
let house: House;
let fake: Fake;
let ports: Ports;
let env: Record<string, string>;
let owner: { id: ApiKey['ownerId'] };

beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, roles: { bot: true, worker: false } });
  fake = await startFake(fitting.dialect());
  owner = (await house.program.store.read((view) => view.people.bySlackId('U0OLIVIA')))!;
  await house.bot.createSecret({ Name: 'keysteward/credential', SecretString: fake.world.admin });
  const rules = {
    providers: { cloudflare: fitting.settings(fake.url, 'keysteward/credential', 0) },
    rotation: { check: never, graceMinutes: 0, screamTestHours: 24, settleSeconds: 2 },
  };
  env = environmentOf(house, rules);
  const policy = policySchema.parse(rules);
  ports = { ...house.program.ports, policy, issuers: issuers(house.program.ports.secrets, policy.providers) };
}, 120_000);
afterAll(async () => {
  await fake.close();
  await house.stop();
});
const crew = useCrew(database, () => env);

const rotationOf = (id: string): Promise<Rotation> => house.program.store.read((view) => view.rotations.get(id));
const comesTo = (id: string, step: Rotation['step']) =>
  until(async () => {
    const rotation = await rotationOf(id);
    return rotation.step === step && rotation.record.at(-1)?.step === step ? rotation : null;
  }, `the rotation to come to ${step}`);
async function says(value: string): Promise<string> {
  const answer = await fetch(`${fake.url}/accounts/acc1/tokens/verify`, {
    headers: { authorization: `Bearer ${value}` },
  });
  return answer.status === 401 ? 'dead' : ((await answer.json()) as { result: { status: string } }).result.status;
}
let number = 0;
async function begun(): Promise<{ id: Rotation['id']; old: string }> {
  const key = aKey(owner, { issuer: 'cloudflare', purpose: `Scream ${++number}` });
  const made = (await ports.issuers.of('cloudflare')!.create(key, `before-${number}`)) as {
    value: { reveal(): string };
  };
  const old = made.value.reveal();
  const { VersionId } = await house.bot.createSecret({ Name: key.secretId!, SecretString: old });
  await given(house.program.store, { keys: [{ ...key, currentVersion: VersionId! }] });
  const { id } = await startRotation(ports, owner, { keyId: key.id, reason: 'A test', emergency: false });
  return { id, old };
}
const places = (step: string) =>
  ['begun', 'before', 'after', 'journaling', 'journaled'].map((each) => `rotation.${step}:${each}`);

describe('a worker killed with SIGKILL while the old key is stopped or started again', () => {
  it.each(places('disable'))(
    'at %s: it is disabled, once it is said so, and not deleted',
    async (place) => {
      const { id, old } = await begun();
      await crew.dieAt(place);
      crew.start();
      const watched = await comesTo(id, 'watch');
      expect(watched).toMatchObject({ status: 'running', condition: 'new', attempt: 1 });
      expect(await says(old)).toBe('disabled');
      expect(watched.record.filter((each) => each.step === 'disable' && each.verdict === 'done')).toHaveLength(2);
    },
    120_000,
  );

  it.each(places('enable'))(
    'at %s: it works again, and its grace goes on',
    async (place) => {
      const { id, old } = await begun();
      crew.start();
      await comesTo(id, 'watch');
      await crew.stop();
      await reEnableOld(ports, owner, id);
      await crew.dieAt(place);
      crew.start();
      const back = await comesTo(id, 'grace');
      expect(back).toMatchObject({ status: 'running', condition: 'both', attempt: 1 });
      expect(await says(old)).toBe('active');
    },
    120_000,
  );

  it('at the end of the watch: the old key is deleted, and exactly one is left', async () => {
    const { id, old } = await begun();
    crew.start();
    const { keyId } = await comesTo(id, 'watch');
    await crew.stop();
    await database.store.pool.query(`update rotation set continues_at = now() where id = $1`, [id]);
    await database.store.pool.query(
      `update work set run_at = now() where status = 'waiting' and payload ->> 'rotationId' = $1`,
      [id],
    );
    await crew.dieAt('rotation.watch:journaled');
    crew.start();
    const done = await until(async () => {
      const rotation = await rotationOf(id);
      return rotation.status === 'done' ? rotation : null;
    }, 'the rotation to end');
    expect(done).toMatchObject({ condition: 'new', attempt: 1 });
    expect(await says(old)).toBe('dead');
    const { secretId } = await house.program.store.read((view) => view.keys.get(keyId));
    const { SecretString } = await house.bot.getSecretValue({ SecretId: secretId! });
    expect(await says(SecretString!)).toBe('active');
  }, 120_000);
});
