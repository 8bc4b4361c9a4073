import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { issuers } from '../../src/adapters/providers/index.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import type { Person } from '../../src/people/model.ts';
import { policySchema } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import type { Rotation } from '../../src/rotation/model.ts';
import { rollBackRotation } from '../../src/rotation/roll-back.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { aKey, given } from '../support/company.ts';
import { useCrew } from '../support/crew.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { environmentOf, never } from '../support/process.ts';

const database = useDatabase();
const rules = {
  providers: { 'aws-rotation': { kind: 'aws-managed' } },
  rotation: { check: never, graceMinutes: 0, settleSeconds: 2 },
};
let house: House;
let ports: Ports;
let owner: Person;
let env: Record<string, string>;
beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, roles: { bot: true, worker: false } });
  env = environmentOf(house, rules);
  owner = (await house.program.store.read((view) => view.people.bySlackId('U0OLIVIA')))!;
  const policy = policySchema.parse(rules);
  ports = { ...house.program.ports, policy, issuers: issuers(house.program.ports.secrets, policy.providers) };
}, 120_000);
afterAll(() => house.stop());
const crew = useCrew(database, () => env);

let number = 0;
async function begun(issuer: string, prepare: (key: ApiKey) => Promise<unknown> = async () => {}) {
  const made = aKey(owner, { issuer, purpose: `Switch ${++number}` });
  const value = `old-value-${number}`;
  const { VersionId } = await house.bot.createSecret({ Name: made.secretId!, SecretString: value });
  const key = { ...made, currentVersion: VersionId! };
  await given(house.program.store, { keys: [key] });
  await prepare(key);
  const { id } = await startRotation(ports, owner, { keyId: key.id, reason: 'A test', emergency: false });
  return { key, id, value };
}
const rotationOf = (id: string): Promise<Rotation> => house.program.store.read((view) => view.rotations.get(id));
async function ended(id: string): Promise<Rotation> {
  const last = crew.start();
  const over = await until(async () => {
    const rotation = await rotationOf(id);
    const { rows } = await database.store.pool.query(
      "select 1 from work where status in ('waiting', 'running') and name = 'slack.card'",
    );
    return rotation.status !== 'running' && rows.length === 0 ? rotation : null;
  }, 'the rotation to end');
  last.process.kill('SIGTERM');
  expect(await last.ended).toBe(0);
  return over;
}
const stagesOf = async (key: ApiKey) =>
  Object.entries((await house.bot.describeSecret({ SecretId: key.secretId! })).VersionIdsToStages ?? {});
const cardOf = (id: string) =>
  house
    .as('U0OLIVIA')
    .dm()
    .filter((each) => JSON.stringify(each.blocks).includes(id.split('_')[1]!))
    .map((each) => JSON.stringify(each.blocks))
    .at(-1);
const times = async (id: string, action: string) => {
  const { rows } = await database.store.pool.query(
    "select 1 from audit_event where subject = $1 and action = $2 and outcome = 'done'",
    [id, action],
  );
  return rows.length;
};

describe('a worker killed with SIGKILL while AWS is asked to rotate a secret itself', { timeout: 120_000 }, () => {
  it('before and after the call: AWS rotates it once, and the card says that what became of the old one is up to AWS', async () => {
    const seen: string[] = [];
    const { key, id, value } = await begun('aws-rotation', async ({ secretId }) => {
      const RotationLambdaARN = `arn:aws:lambda:us-east-1:123456789012:function:rotate-${randomUUID()}`;
      house.aws.control.setRotationFunction(RotationLambdaARN, async ({ Step, SecretId, ClientRequestToken }) => {
        seen.push(Step);
        const VersionStages = ['AWSPENDING'];
        if (Step === 'createSecret') {
          const SecretString = `made-by-aws-${randomUUID()}`;
          await house.bot.putSecretValue({ SecretId, SecretString, ClientRequestToken, VersionStages });
        }
        if (Step === 'finishSecret') {
          const [from] = (await stagesOf(key)).find(([, each]) => each.includes('AWSCURRENT'))!;
          const move = { SecretId, VersionStage: 'AWSCURRENT', MoveToVersionId: ClientRequestToken };
          await house.bot.updateSecretVersionStage({ ...move, RemoveFromVersionId: from });
        }
      });
      const how = { RotationRules: { AutomaticallyAfterDays: 30 }, RotateImmediately: false };
      await house.bot.rotateSecret({ SecretId: secretId!, RotationLambdaARN, ...how });
      await house.aws.control.settled();
      seen.length = 0;
    });
    for (const [place, calls] of [
      ['rotation.generate:begun', 0],
      ['rotation.generate:before', 0],
      ['rotation.generate:after', 4],
    ] as const) {
      await crew.dieAt(place);
      await house.aws.control.settled();
      expect([place, (await rotationOf(id)).step, seen.length]).toEqual([place, 'generate', calls]);
    }
    const rotation = await ended(id);
    expect(rotation).toMatchObject({ status: 'done', condition: 'both', attempt: 1 });
    expect(seen).toEqual(['createSecret', 'setSecret', 'testSecret', 'finishSecret']);
    const stages = Object.fromEntries(await stagesOf(key));
    expect(stages).toEqual({ [rotation.newVersion!]: ['AWSCURRENT'], [key.currentVersion!]: ['AWSPREVIOUS'] });
    expect((await house.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).not.toBe(value);
    expect(await times(id, 'rotation.generate')).toBe(1);
    expect(cardOf(id)).toMatch(/Rotated: .*left to AWS/s);
  });
});

describe('a worker killed with SIGKILL while the old value is handed out again', { timeout: 120_000 }, () => {
  it('around the switch back and around each label that is taken off: the old value alone is there, and the card says so', async () => {
    const { key, id, value } = await begun('self-made');
    await crew.dieAt('rotation.promote:journaled');
    await rollBackRotation(ports, owner, id);
    const holder = async () => (await stagesOf(key)).find(([, each]) => each.includes('AWSCURRENT'))![0];
    const tried = (await rotationOf(id)).newVersion!;
    for (const [place, step, current] of [
      ['rotation.restore:begun', 'restore', tried],
      ['rotation.restore:before', 'restore', tried],
      ['rotation.restore:after', 'restore', key.currentVersion],
      ['rotation.restore:journaling', 'restore', key.currentVersion],
      ['rotation.restore:journaled', 'discard', key.currentVersion],
      ['rotation.discard:before', 'discard', key.currentVersion],
      ['rotation.discard:after', 'discard', key.currentVersion],
      ['rotation.discard:journaling', 'discard', key.currentVersion],
    ] as const) {
      await crew.dieAt(place);
      expect([place, (await rotationOf(id)).step, await holder()]).toEqual([place, step, current]);
    }
    expect(await ended(id)).toMatchObject({ status: 'rolled-back', condition: 'old', attempt: 1 });
    expect((await stagesOf(key)).filter(([, each]) => each.length > 0)).toEqual([[key.currentVersion, ['AWSCURRENT']]]);
    expect((await house.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(value);
    expect(await house.program.store.read((view) => view.keys.get(key.id))).toMatchObject({
      currentVersion: key.currentVersion,
    });
    expect(await times(id, 'rotation.restore')).toBe(1);
    expect(cardOf(id)).toMatch(/Rolled back.*The old value works/s);
  });
});
