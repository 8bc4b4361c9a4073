import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { applyGrants } from '../../src/access/apply.ts';
import { issuers } from '../../src/adapters/providers/index.ts';
import { day, type Id } from '../../src/kernel.ts';
import { startLocalProviders } from '../../src/local/providers/index.ts';
import { seedAdministrators, seedCompany, seedWorkspace } from '../../src/local/seed.ts';
import { policySchema } from '../../src/policy.ts';
import { checkKey } from '../../src/reviews/check-drift.ts';
import { usePorts, waitingJobs } from '../support/ports.ts';

const test = usePorts();

const company = () =>
  test.ports.store.read(async (view) => ({
    now: view.now,
    keys: (await view.keys.list({}, 100)).rows,
    people: [
      ...(await view.people.withTier('administrator')),
      ...(await view.people.withTier('developer')),
      ...(await view.people.withTier('contractor')),
    ],
  }));

it('opens as a developer, with the bot wherever cards go', () => {
  expect(seedWorkspace.users[0]).toMatchObject({ realName: 'Dana Keller', isGuest: false });
  for (const channel of seedWorkspace.channels) expect(channel.members).toContain('U0LOCALAPP');
  const known = new Set([...seedWorkspace.users.map((each) => each.id), 'U0LOCALAPP']);
  for (const channel of seedWorkspace.channels) for (const each of channel.members) expect(known).toContain(each);
  expect(seedAdministrators).toEqual(['U0ADA', 'U0SAM']);
});

it('goes on where it was killed, fills an empty inventory once, and then changes nothing', async () => {
  // Dies after its fourth secret.
  let made = 0;
  const dying = {
    ...test.ports,
    secrets: {
      ...test.ports.secrets,
      create: async (...args: Parameters<typeof test.ports.secrets.create>) => {
        if (made++ === 4) throw new Error('killed');
        return test.ports.secrets.create(...args);
      },
    },
  };
  await expect(seedCompany(dying, seedAdministrators)).rejects.toThrow('killed');
  expect((await company()).keys).toEqual([]);

  await Promise.all([seedCompany(test.ports, seedAdministrators), seedCompany(test.ports, seedAdministrators)]);
  const first = await company();
  expect(first.keys).toHaveLength(16);
  expect(first.people).toHaveLength(9);
  await seedCompany(test.ports, seedAdministrators);
  const again = await company();
  expect(again.keys).toEqual(first.keys);
  expect(again.people).toEqual(first.people);
});

it('is a company with something overdue, something due soon, and every secret really there', async () => {
  const { keys, people, now } = await company();
  const late = keys.filter((key) => key.nextRotationAt! < now);
  expect(late.map((key) => key.name)).toEqual(['Stripe API Key - Production - Card payments']);
  const soon = keys.filter(
    (key) => key.nextRotationAt! > now && key.nextRotationAt!.getTime() < now.getTime() + 7 * day,
  );
  expect(soon.length).toBeGreaterThanOrEqual(3);
  expect(new Set(people.map((each) => each.tier))).toEqual(new Set(['administrator', 'developer', 'contractor']));
  expect(new Set(keys.map((key) => key.environment)).size).toBeGreaterThanOrEqual(4);
  expect(new Set(keys.map((key) => key.storage)).size).toBeGreaterThanOrEqual(3);
  for (const key of keys) {
    expect(key.lastFour).toMatch(/^[A-Za-z0-9]{4}$/);
    if (key.storage !== 'secrets-manager') continue;
    const found = await test.ports.secrets.describe(key.secretId!);
    expect(found?.versions).toEqual([{ id: key.currentVersion, stages: ['AWSCURRENT'] }]);
  }
  const olivia = people.find((each) => each.name.startsWith('Olivia'))!;
  const openai = await test.ports.store.read((view) => view.keys.search('openai staging', 5));
  expect(openai).toMatchObject([{ ownerId: olivia.id, environment: 'staging', storage: 'secrets-manager' }]);
  expect(keys.filter((key) => key.ownerId === olivia.id && key.issuer === 'self-made')).toHaveLength(2);
});

it('is as its inventory says: the daily comparison finds nothing', async () => {
  for (const { id } of (await company()).keys) {
    await checkKey(test.ports, { keyId: id });
    expect(await test.ports.store.read((view) => view.findings.ofKey(id, 9))).toEqual([]);
  }
});

it('leaves the jobs that open its grants and show its waiting request, and the grants then open', async () => {
  const jobs = await waitingJobs(test.database, 'access.');
  expect(jobs.filter((each) => each.name === 'access.announce')).toHaveLength(3);
  const applies = jobs.filter((each) => each.name === 'access.apply');
  expect(applies).toHaveLength(2);
  for (const { payload } of applies) {
    await applyGrants(test.ports, payload as { keyId: Id<'key'> });
    const [grant] = await test.ports.store.read((view) => view.grants.liveOfKey(payload.keyId as string));
    expect(grant).toMatchObject({ status: 'active', failure: null });
    const key = await test.ports.store.read((view) => view.keys.get(grant!.keyId));
    expect(await test.ports.secrets.policy(key.secretId!)).toContain(grant!.principal);
  }
  const dana = await test.ports.store.read((view) => view.people.bySlackId('U0DANA'));
  const waiting = await test.ports.store.read((view) => view.requests.waitingFor(dana!.id));
  expect(waiting).toMatchObject([{ status: 'pending', needs: 1 }]);
});

describe('with providers on this machine', () => {
  const other = usePorts();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-seed-'));

  it('has keys that are alive there, and that Keysteward can rotate with what it finds in the store', async () => {
    const providers = await startLocalProviders(folder);
    try {
      const policy = {
        ...other.ports.policy,
        providers: policySchema.parse({ providers: providers.entries }).providers,
      };
      const ports = { ...other.ports, policy, issuers: issuers(other.ports.secrets, policy.providers) };
      await seedCompany(ports, seedAdministrators, providers);
      await seedCompany(ports, seedAdministrators, providers);
      const { rows } = await ports.store.read((view) => view.keys.list({}, 100));
      const theirs = rows.filter((each) => each.issuer in providers.urls);
      expect(theirs.map((each) => each.issuer).sort()).toEqual(['anthropic', 'openai', 'openai']);
      for (const key of theirs) {
        const issuer = ports.issuers.of(key.issuer)!;
        const { value } = (await ports.secrets.read(key.secretId!, { stage: 'AWSCURRENT' }))!;
        expect(await issuer.test(key, value, null)).toMatchObject({ verdict: 'works' });
        expect(await issuer.identify(key, value)).toMatch(/^key_/);
      }
    } finally {
      await providers.close();
    }
  });
});
