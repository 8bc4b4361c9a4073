import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decideRequest } from '../../src/access/decide.ts';
import { endGrant } from '../../src/access/end.ts';
import { requestAccess } from '../../src/access/request.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { addConsumer } from '../../src/inventory/record-consumer.ts';
import { steps } from '../../src/rotation/model.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { aKey, given } from '../support/company.ts';
import { useCrew } from '../support/crew.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { environmentOf, never } from '../support/process.ts';

const database = useDatabase();
const policy = {
  rotation: { check: never, graceMinutes: 0, settleSeconds: 2 },
  consumers: { privateHosts: ['127.0.0.1'] },
};
let house: House;
let env: Record<string, string>;

beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, roles: { bot: true, worker: false } });
  env = environmentOf(house, policy);
}, 120_000);
afterAll(() => house.stop());
const crew = useCrew(database, () => env);

/** A deployment system that counts what it was told, by the message's id. */
const deployer = { url: '', told: new Map<string, number>() };
const server = createServer((request, response) => {
  const id = String(request.headers['webhook-id']);
  deployer.told.set(id, (deployer.told.get(id) ?? 0) + 1);
  request.resume().on('end', () => response.writeHead(200).end('{"status":"deployed"}'));
});
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  deployer.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => void server.close());

let number = 0;
async function freshKey(): Promise<{ key: ApiKey; ownerId: ApiKey['ownerId'] }> {
  const owner = (await house.program.store.read((view) => view.people.bySlackId('U0OLIVIA')))!;
  const key = aKey(owner, { purpose: `Crash ${++number}` });
  await house.bot.createSecret({ Name: key.secretId!, SecretString: `old-value-${number}` });
  await given(house.program.store, { keys: [key] });
  const hook = { name: 'The deployer', kind: 'webhook' as const, url: deployer.url, personId: null };
  const { ports } = house.program;
  await addConsumer({ ...ports, policy: { ...ports.policy, ...policy } as never }, owner.id, key.id, hook);
  return { key, ownerId: owner.id };
}
// Every place in a rotation where a worker can die: around each intent, each outside call and each outcome.
const places = [...steps].flatMap((step) => {
  const around = [`rotation.${step}:begun`, `rotation.${step}:journaling`, `rotation.${step}:journaled`];
  const effects =
    step === 'generate' || step === 'promote' ? [`rotation.${step}:before`, `rotation.${step}:after`] : [];
  // The grace begins with the end of the step before it; deploying itself asks nobody outside, others do the telling.
  return [...around.slice(step === 'grace' || step === 'deploy' ? 1 : 0, 1), ...effects, ...around.slice(1)];
});
// Each key has a system that is told by webhook.
places.push(
  ...['begun', 'before', 'after', 'journaled'].map((each) => `rotation.tell:${each}`),
  'inventory.make-signing-secret:before',
  'inventory.make-signing-secret:after',
);
// Retiring takes one label off a job.
places.push('rotation.retire:before', 'rotation.retire:after', 'work.rotation.step:claimed', 'work.rotation.step:did');

interface Told {
  key: ApiKey;
  id: string;
}

describe('a worker killed with SIGKILL in the middle of a rotation', () => {
  const rotations = new Map<string, Told & { number: number }>();
  // One fresh rotation for each place; every worker dies, and the next finds what is left of all before it.
  beforeAll(async () => {
    for (const place of places) {
      const { key, ownerId } = await freshKey();
      const ask = { keyId: key.id, reason: place, emergency: false };
      const { id } = await startRotation(house.program.ports, { id: ownerId }, ask);
      rotations.set(place, { key, id, number });
      await crew.dieAt(place);
    }
    const last = crew.start();
    await until(
      async () => {
        const { rows } = await database.store.pool.query("select 1 from rotation where status = 'running'");
        const { rows: cards } = await database.store.pool.query(
          "select 1 from work where status in ('waiting', 'running') and name = 'slack.card'",
        );
        return rows.length === 0 && cards.length === 0;
      },
      'all rotations to end',
      120_000,
    );
    last.process.kill('SIGTERM');
    expect(await last.ended).toBe(0);
  }, 600_000);

  it.each(places)(
    'at %s: exactly one current version, the old one dead, nothing left over, and a card that says so',
    async (place) => {
      const { key, id, number: mine } = rotations.get(place)!;
      const rotation = await house.program.store.read((view) => view.rotations.get(id));
      expect(rotation).toMatchObject({ status: 'done', condition: 'new', attempt: 1 });
      const { VersionIdsToStages = {} } = await house.bot.describeSecret({ SecretId: key.secretId! });
      const labelled = Object.entries(VersionIdsToStages).filter(([, stages]) => stages.length > 0);
      expect(labelled).toEqual([[rotation.newVersion, ['AWSCURRENT']]]);
      const after = await house.program.store.read((view) => view.keys.get(key.id));
      expect(after.currentVersion).toBe(rotation.newVersion);
      // One message for the fact, and it tells the truth. A worker that died between posting and writing down where
      // leaves a copy; then the message says so.
      const copies = house
        .as('U0OLIVIA')
        .dm()
        .filter((each) => JSON.stringify(each.blocks).includes(id.split('_')[1]!));
      const [latest, ...others] = copies.toReversed();
      if (others.length > 0) expect(JSON.stringify(latest)).toContain('If you see this message twice');
      const { rows: jobs } = await database.store.pool.query(
        `select work.*, to_jsonb(card) as card from work join card on card.id = work.payload ->> 'cardId' where card.subject = $1 order by work.created_at`,
        [id],
      );
      expect(JSON.stringify(latest), `jobs of its cards: ${JSON.stringify(jobs)}`).toMatch(
        new RegExp(`Rotated: .*Crash ${mine}\\b.*The new value works; the old one is dead`, 's'),
      );
      const { rows } = await database.store.pool.query<{ n: number }>(
        "select count(*)::int n from audit_event where subject = $1 and action = 'rotation.confirm' and outcome = 'done'",
        [id],
      );
      expect(rows[0]!.n).toBe(1);
      // Told of this value, under one id however often.
      expect([...deployer.told.keys()].filter((message) => message.startsWith(`msg_${id}_`))).toHaveLength(1);
      expect(rotation.deployments).toMatchObject([{ name: 'The deployer', confirmedAt: expect.any(String) }]);
    },
  );

  it('that could not write down what a webhook answered tells it again, under the same id', () => {
    expect([...deployer.told.values()].filter((times) => times > 1)).not.toEqual([]);
  });
});

describe('a worker killed with SIGKILL in the middle of a grant', () => {
  const asking = ['work.access.announce:claimed', 'work.access.announce:did'];
  const granting = [
    'work.access.apply:claimed',
    'access.apply:before',
    'access.apply:after',
    'access.apply:journaled',
    'work.access.apply:did',
  ];
  const ending = ['work.access.apply-now:claimed', 'access.apply:before', 'access.apply:after'];

  const told = new Map<string, Told>();
  const dana = async () => (await house.program.store.read((view) => view.people.bySlackId('U0DANA')))!;
  const approve = (requestId: string, by: ApiKey['ownerId']) =>
    decideRequest(house.program.ports, by, {
      requestId: requestId as never,
      verdict: 'approve',
      hours: null,
      reason: '',
    });
  const grantOf = (requestId: string) => house.program.store.read((view) => view.grants.ofRequest(requestId));
  const settled = (status: string) =>
    until(
      async () => {
        const all = await Promise.all([...told.values()].map(({ id }) => grantOf(id)));
        return all.every((each) => each?.status === status);
      },
      `every grant to be ${status}`,
      120_000,
    );

  beforeAll(async () => {
    for (const place of [...asking, ...granting]) {
      const { key, ownerId } = await freshKey();
      const ask = { keyId: key.id, use: 'the crash test', hours: 4, reason: 'to see what a crash leaves' };
      const { id } = await requestAccess(house.program.ports, (await dana()).id, ask);
      told.set(place, { key, id });
      if (asking.includes(place)) await crew.dieAt(place);
      await approve(id, ownerId);
      if (granting.includes(place)) await crew.dieAt(place);
    }
    crew.start();
    await settled('active');
  }, 600_000);

  it.each([...asking, ...granting])('at %s: one grant, active, one statement in the policy', async (place) => {
    const { key } = told.get(place)!;
    const { ResourcePolicy = '' } = await house.bot.getResourcePolicy({ SecretId: key.secretId! });
    expect(ResourcePolicy.split('role/people/dana')).toHaveLength(2);
    expect(await house.program.store.read((view) => view.grants.liveOfKey(key.id))).toHaveLength(1);
  });

  it('at every place of its end: the access is gone all the same', async () => {
    const ends = [...told.values()];
    for (const [i, place] of ending.entries()) {
      const grant = (await grantOf(ends[i]!.id))!;
      await endGrant(house.program.ports, (await dana()).id, grant.id, 'done with it');
      await crew.dieAt(place);
    }
    for (const { id } of ends.slice(ending.length)) {
      await endGrant(house.program.ports, (await dana()).id, (await grantOf(id))!.id, 'done with it');
    }
    crew.start();
    await settled('ended');
    for (const { key } of ends) {
      const { ResourcePolicy } = await house.bot.getResourcePolicy({ SecretId: key.secretId! });
      expect(ResourcePolicy ?? '').not.toContain('role/people/dana');
    }
  }, 300_000);
});
