import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { describe, expect, it } from 'vitest';
import { applyGrants, checkDrift } from '../../src/access/apply.ts';
import { decideRequest } from '../../src/access/decide.ts';
import { endGrant, sweepGrants } from '../../src/access/end.ts';
import { requestAccess } from '../../src/access/request.ts';
import { postgresLeases } from '../../src/adapters/postgres/leases.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { newId, Secret } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { waitingJobs } from '../support/ports.ts';
import { useSecrets } from '../support/secrets.ts';

const database = useDatabase();
const world = useSecrets();
const ports = () => ({
  store: database.store,
  policy: defaultPolicy,
  secrets: world.secrets,
  leases: postgresLeases(database.store.pool),
});

let people = 0;
/** Somebody with an IAM identity, and how they would read a secret with it. */
function withIdentity(name = `person${++people}`) {
  const arn = `arn:aws:iam::123456789012:user/${name}`;
  const accessKeyId = `AKIA${name.toUpperCase().padEnd(16, 'X').slice(0, 16)}`;
  world.server.control.setPrincipal(accessKeyId, arn);
  const client = new SecretsManagerClient({
    region: world.server.region,
    endpoint: world.server.url,
    credentials: { accessKeyId, secretAccessKey: 'local' },
  });
  const read = async (secretId: string) => {
    try {
      return (await client.send(new GetSecretValueCommand({ SecretId: secretId }))).SecretString ?? '';
    } catch (error) {
      return (error as Error).name;
    }
  };
  return { person: aPerson({ iamPrincipal: arn }), read };
}

async function approved(person: Person, key: ApiKey, owner: Person, hours = 8) {
  const ask = { keyId: key.id, use: 'job', hours, reason: 'needed for the job' };
  const request = await requestAccess(ports(), person.id, ask);
  await decideRequest(ports(), owner.id, { requestId: request.id, verdict: 'approve', hours: null, reason: '' });
  return request;
}
async function grantedKey(holders = 1) {
  const owner = aPerson();
  const key = aKey(owner);
  const readers = Array.from({ length: holders }, () => withIdentity());
  await given(database.store, { people: [owner, ...readers.map((each) => each.person)], keys: [key] });
  await world.secrets.create(key.secretId!, newId('rotation').padEnd(32, '0'), new Secret('the-value'), key.name);
  const grants = [];
  for (const { person } of readers) {
    const request = await approved(person, key, owner);
    grants.push((await database.store.read((view) => view.grants.ofRequest(request.id)))!);
  }
  return { owner, key, readers, grants };
}
const grantNow = (id: string) => database.store.read((view) => view.grants.get(id));

describe('a grant in Secrets Manager', () => {
  it('opens the secret to exactly the holder, and is called active only after that', async () => {
    const { key, readers, grants } = await grantedKey();
    const stranger = withIdentity();
    expect(await readers[0]!.read(key.secretId!)).toBe('AccessDeniedException');
    expect((await grantNow(grants[0]!.id)).status).toBe('granting');
    await applyGrants(ports(), { keyId: key.id });
    expect((await grantNow(grants[0]!.id)).status).toBe('active');
    expect(await readers[0]!.read(key.secretId!)).toBe('the-value');
    expect(await stranger.read(key.secretId!)).toBe('AccessDeniedException');
  });

  it('ends at AWS when its time is over even while every worker is down, and in the inventory when one is back', async () => {
    const { key, readers, grants } = await grantedKey();
    await applyGrants(ports(), { keyId: key.id });
    await database.store.pool.query("update access_grant set ends_at = now() - interval '1 minute' where id = $1", [
      grants[0]!.id,
    ]);
    world.server.control.advance(9 * 3_600_000);
    expect(await readers[0]!.read(key.secretId!)).toBe('AccessDeniedException');
    world.server.control.advance(-9 * 3_600_000);
    await sweepGrants(ports());
    await applyGrants(ports(), { keyId: key.id });
    expect(await grantNow(grants[0]!.id)).toMatchObject({ status: 'ended', endReason: 'Its time was over' });
    expect(await world.secrets.policy(key.secretId!)).toBeNull();
  });

  it('ends for one without touching the others, and keeps what somebody else wrote into the policy', async () => {
    const { key, owner, readers, grants } = await grantedKey(3);
    const foreign = {
      Sid: 'backup',
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::123456789012:role/backup' },
      Action: 'secretsmanager:GetSecretValue',
      Resource: '*',
    };
    await world.secrets.setPolicy(key.secretId!, JSON.stringify({ Version: '2012-10-17', Statement: [foreign] }));
    await applyGrants(ports(), { keyId: key.id });
    await endGrant(ports(), owner.id, grants[1]!.id, 'no longer needed');
    await applyGrants(ports(), { keyId: key.id });
    expect(await Promise.all(readers.map((each) => each.read(key.secretId!)))).toEqual([
      'the-value',
      'AccessDeniedException',
      'the-value',
    ]);
    expect(JSON.parse((await world.secrets.policy(key.secretId!))!).Statement).toContainEqual(foreign);
    expect((await Promise.all(grants.map((each) => grantNow(each.id)))).map((each) => each.status)).toEqual([
      'active',
      'ended',
      'active',
    ]);
  });

  it('repairs a policy that was changed by hand, says so in the log, and has those told who answer for the key', async () => {
    const { key, readers } = await grantedKey();
    await applyGrants(ports(), { keyId: key.id });
    await world.secrets.setPolicy(key.secretId!, null);
    expect(await readers[0]!.read(key.secretId!)).toBe('AccessDeniedException');
    await checkDrift(ports());
    expect(await readers[0]!.read(key.secretId!)).toBe('the-value');
    const { rows } = await database.store.pool.query(
      "select 1 from audit_event where action = 'access.repair' and key_id = $1",
      [key.id],
    );
    expect(rows).toHaveLength(1);
    const told = await waitingJobs(database, 'reviews.policy-altered');
    expect(told.filter((job) => job.payload.keyId === key.id)).toHaveLength(1);
  });

  it('is no alarm where AWS itself has turned somebody deleted into an id, nor where a grant has just been decided', async () => {
    const { key, owner, readers } = await grantedKey(2);
    const foreign = (...AWS: string[]) => ({
      ...{ Sid: 'systems', Effect: 'Allow', Principal: { AWS } },
      ...{ Action: 'secretsmanager:GetSecretValue', Resource: '*' },
    });
    const role = (name: string) => `arn:aws:iam::123456789012:role/${name}`;
    const document = { Version: '2012-10-17', Statement: [foreign(role('old'), role('shop'))] };
    await world.secrets.setPolicy(key.secretId!, JSON.stringify(document));
    await applyGrants(ports(), { keyId: key.id });
    const alarms = async () =>
      (await waitingJobs(database, 'reviews.policy-altered')).filter((job) => job.payload.keyId === key.id).length;

    world.server.control.deletePrincipal(role('old'));
    await checkDrift(ports());
    // Who is left in a statement with somebody deleted keeps what others have given them.
    expect(JSON.parse((await world.secrets.policy(key.secretId!))!).Statement).toContainEqual(foreign(role('shop')));
    expect(await alarms()).toBe(0);

    world.server.control.deletePrincipal(readers[0]!.person.iamPrincipal!);
    await checkDrift(ports());
    expect(await alarms()).toBe(0);

    const late = withIdentity();
    await given(database.store, { people: [late.person] });
    const { secrets } = world;
    let decided = false;
    const slow = {
      ...ports(),
      leases: {
        take: async (name: string, ms: number) => {
          if (name === `policy:${key.id}` && !decided) {
            decided = true;
            await approved(late.person, key, owner);
          }
          return ports().leases.take(name, ms);
        },
      },
      secrets,
    };
    await database.store.pool.query(
      "update access_grant set status = 'ended', ended_at = now() where status = 'failed'",
    );
    await checkDrift(slow);
    expect(decided).toBe(true);
    expect(await late.read(key.secretId!)).toBe('the-value');
    expect(await alarms()).toBe(0);
  });

  it('survives a lost answer, throttling, and being done twice at once', async () => {
    const { key, readers, grants } = await grantedKey();
    world.server.control.inject({ kind: 'lose-response', operation: 'PutResourcePolicy', times: 1 } as never);
    const twice = () =>
      Promise.allSettled([applyGrants(ports(), { keyId: key.id }), applyGrants(ports(), { keyId: key.id })]);
    await twice();
    await applyGrants(ports(), { keyId: key.id });
    expect((await grantNow(grants[0]!.id)).status).toBe('active');
    expect(await readers[0]!.read(key.secretId!)).toBe('the-value');
    const { Statement } = JSON.parse((await world.secrets.policy(key.secretId!))!);
    expect(Statement).toHaveLength(1);
  });

  it('without a known IAM identity is recorded, and no policy is written', async () => {
    const [owner, asker] = [aPerson(), aPerson()];
    const key = aKey(owner);
    await given(database.store, { people: [owner, asker], keys: [key] });
    await world.secrets.create(key.secretId!, 'a'.repeat(32), new Secret('v'), key.name);
    const request = await approved(asker, key, owner, 1);
    await applyGrants(ports(), { keyId: key.id });
    expect(await database.store.read((view) => view.grants.ofRequest(request.id))).toMatchObject({
      status: 'active',
      principal: null,
    });
    expect(await world.secrets.policy(key.secretId!)).toBeNull();
  });

  it('of more people than a policy can hold opens it to those who fit and tells the others', async () => {
    const owner = aPerson();
    const key = aKey(owner);
    const holders = Array.from({ length: 90 }, () => withIdentity());
    await given(database.store, { people: [owner, ...holders.map((each) => each.person)], keys: [key] });
    await world.secrets.create(key.secretId!, 'b'.repeat(32), new Secret('v'), key.name);
    for (const { person } of holders) {
      await approved(person, key, owner);
    }
    await applyGrants(ports(), { keyId: key.id });
    const grants = await database.store.read((view) => view.grants.liveOfKey(key.id));
    const active = grants.filter((each) => each.status === 'active').length;
    expect(active).toBeGreaterThan(40);
    expect(grants.filter((each) => each.status === 'failed')).toHaveLength(90 - active);
    expect(grants.find((each) => each.status === 'failed')?.failure).toContain('full');
  });
});
