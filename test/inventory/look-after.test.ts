import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { requestAccess } from '../../src/access/request.ts';
import { changeKey } from '../../src/inventory/change.ts';
import { handOver } from '../../src/inventory/hand-over.ts';
import { type ApiKey, editionOf, type KeyEntry } from '../../src/inventory/model.ts';
import { reassessKeys } from '../../src/inventory/reassess.ts';
import { retireKey } from '../../src/inventory/retire.ts';
import { setRisk } from '../../src/inventory/set-risk.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { day, newId, Secret } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts, waitingJobs } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, inventoryInSlack);
const [dana, olivia, ada, kim, gone] = [
  aPerson({ name: 'Dana' }),
  aPerson({ name: 'Olivia' }),
  aPerson({ name: 'Ada', tier: 'administrator' }),
  aPerson({ name: 'Kim', tier: 'contractor' }),
  aPerson({ name: 'Gone', status: 'left' }),
];
beforeAll(() => given(test.ports.store, { people: [dana, olivia, ada, kim, gone] }));

async function aStored(facts: Partial<ApiKey> = {}): Promise<ApiKey> {
  const key = aKey(olivia, facts);
  await given(test.ports.store, { keys: [key] });
  return test.ports.store.read((view) => view.keys.get(key.id));
}
const current = (key: ApiKey) => test.ports.store.read((view) => view.keys.get(key.id));
const refused = (code: string, field?: string) => expect.objectContaining({ name: 'Refusal', code, field });
const edit = (by: Person, key: ApiKey, more: Partial<KeyEntry>, reason = '', edition = editionOf(key)) =>
  changeKey(test.ports, by.id, { keyId: key.id, edition, reason }, (before) => ({ ...before, ...more }));
const lastEvent = async (key: ApiKey) =>
  (await test.ports.store.read((view) => view.audit.list({ keyId: key.id }, 1))).rows[0]!;
async function aSecret(value = `value-${randomUUID()}`) {
  const secretId = `company/${randomUUID()}/it`;
  await test.ports.secrets.create(secretId, randomUUID(), new Secret(value), 'test');
  return { secretId, lastFour: value.slice(-4) };
}
async function grant(key: ApiKey, person: Person): Promise<void> {
  const ask = { keyId: key.id, use: 'job', hours: 8, reason: 'for the nightly job' };
  const request = await requestAccess(test.ports, person.id, ask);
  const actor = { kind: 'operator', id: 'test' } as const;
  await test.ports.store.change({ actor, action: 'test.given', subject: key.id }, async (tx) => {
    await tx.requests.save({ ...request, status: 'approved', closedAt: tx.now });
    await tx.grants.save({
      id: newId('grant'),
      requestId: request.id,
      keyId: key.id,
      personId: person.id,
      status: 'active',
      principal: null,
      failure: null,
      startsAt: tx.now,
      endsAt: new Date(tx.now.getTime() + day),
      endedAt: null,
      endedBy: null,
      endReason: null,
      noticed: [],
    });
  });
}

describe('changing a key', () => {
  it('renames it, computes its risk and date again, and records from what to what', async () => {
    const key = await aStored({ lastRotatedAt: new Date(Date.now() - 10 * day) });
    const purpose = `Reworded ${randomUUID()}`;
    const after = await edit(olivia, key, { purpose, flags: ['shared'] });
    expect(await current(key)).toEqual(after);
    expect(after).toMatchObject({ name: `OpenAI API Key - Staging - ${purpose}`, risk: 'high', ownerId: olivia.id });
    expect(after.nextRotationAt!.getTime()).toBe(key.lastRotatedAt!.getTime() + 30 * day);
    expect(await lastEvent(key)).toMatchObject({
      action: 'inventory.change',
      facts: { from: { purpose: key.purpose, risk: 'medium' }, to: { purpose, risk: 'high' } },
    });
  });

  it('is for its owner and administrators, and not for a form that is out of date', async () => {
    const key = await aStored();
    await expect(edit(dana, key, { scope: 'all' })).rejects.toEqual(refused('not_allowed'));
    await expect(edit(kim, key, { scope: 'all' })).rejects.toEqual(refused('not_found'));
    const edition = editionOf(key);
    await edit(ada, key, { scope: 'Read only' });
    await expect(edit(olivia, key, { scope: 'all' }, '', edition)).rejects.toEqual(refused('conflict'));
    expect((await current(key)).scope).toBe('Read only');
    const seen = await current(key);
    const race = await Promise.allSettled(['a', 'b', 'c'].map((scope) => edit(olivia, seen, { scope })));
    expect(race.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
  });

  it('does not let an owner take approvers away, nor anybody a danger without a reason', async () => {
    const key = await aStored({ environment: 'production', flags: ['customerData', 'writes'], risk: 'high' });
    const why = 'it was entered wrongly';
    await expect(edit(olivia, key, { environment: 'staging' }, why)).rejects.toEqual(refused('not_allowed'));
    await expect(edit(olivia, key, { flags: ['writes'] }, why)).rejects.toEqual(refused('not_allowed'));
    await expect(edit(olivia, key, { flags: ['customerData'] })).rejects.toEqual(refused('invalid', 'reason'));
    await edit(ada, key, { environment: 'staging' }, why);
    expect(await lastEvent(key)).toMatchObject({ facts: { reason: why } });
  });

  it('moves a key into Secrets Manager, after which what was granted on paper opens (SOP 3)', async () => {
    const key = await aStored({ storage: 'password-manager', secretId: null, issuer: 'person', recipe: null });
    await grant(key, dana);
    const place = await aSecret();
    const moved = { storage: 'secrets-manager' as const, issuer: 'self-made' };
    await expect(edit(olivia, key, { ...moved, secretId: place.secretId, lastFour: null })).rejects.toEqual(
      refused('invalid', 'lastFour'),
    );
    const after = await edit(olivia, key, { ...moved, ...place });
    const found = await test.ports.secrets.describe(place.secretId);
    expect(after).toMatchObject({ ...place, currentVersion: found!.versions[0]!.id });
    const jobs = await waitingJobs(test.database, 'access.follow-principal');
    expect(jobs.map((each) => each.payload)).toContainEqual({ personId: dana.id });
  });

  it('does not move a key away from a secret that people can still read', async () => {
    const key = await aStored(await aSecret());
    await grant(key, dana);
    const there = await aSecret();
    await expect(edit(olivia, key, there)).rejects.toEqual(refused('conflict', 'secretId'));
    const elsewhere = { storage: 'elsewhere' as const, secretId: null, issuer: 'person', recipe: null };
    await expect(edit(olivia, key, elsewhere)).rejects.toEqual(refused('conflict', 'secretId'));
    await edit(olivia, key, { scope: 'Something else' });
  });

  it('takes over what a person has rotated by hand: the date, and the version that is there now', async () => {
    const place = await aSecret();
    const key = await aStored({ ...place, issuer: 'person', recipe: null, currentVersion: 'old', risk: 'medium' });
    const lastRotatedAt = new Date(Math.floor(Date.now() / day) * day);
    const after = await edit(olivia, key, { lastRotatedAt });
    const found = await test.ports.secrets.describe(place.secretId);
    expect(after.currentVersion).toBe(found!.versions[0]!.id);
    expect(after.nextRotationAt).toEqual(new Date(lastRotatedAt.getTime() + 90 * day));
  });

  it('keeps a date that somebody chose, and drops a leniency that was meant for a less dangerous key', async () => {
    const chosen = new Date(Date.now() + 3 * day);
    const key = await aStored({ nextRotationAt: chosen });
    expect((await edit(olivia, key, { tags: ['x'] })).nextRotationAt).toEqual(chosen);
    const lenient = await aStored({ riskSet: { risk: 'low', reason: 'only test data', by: ada.id }, risk: 'low' });
    expect((await edit(olivia, lenient, { scope: 'same' })).risk).toBe('low');
    const worse = await edit(olivia, await current(lenient), { flags: ['customerData'] });
    expect(worse).toMatchObject({ risk: 'high', riskSet: null });
  });

  it('opens with what the key says, and saves through the form without losing the time of a date', async () => {
    const lastRotatedAt = new Date(Date.now() - 3 * day);
    const key = await aStored({
      ...(await aSecret()),
      lastRotatedAt,
      tags: ['a', 'b'],
      flags: ['writes'],
      risk: 'high',
    });
    const opened = await desk.press(olivia, 'inventory.change', key.id);
    for (const each of [key.purpose, key.secretId!, 'a, b', lastRotatedAt.toISOString().slice(0, 10)]) {
      expect(saying(opened)).toContain(each);
    }
    const { open } = opened as { open: { private_metadata: string } };
    const answer = await desk.send(olivia, 'inventory.change', {
      ...(JSON.parse(open.private_metadata) as object),
      service: key.service,
      environment: key.environment,
      purpose: key.purpose,
      storage: 'secrets-manager',
      secretId: key.secretId,
      issuer: 'self-made',
      length: '40',
      lastFour: key.lastFour,
      scope: 'Less than before',
      flags: ['writes'],
      tags: 'a',
      lastRotatedAt: lastRotatedAt.toISOString().slice(0, 10),
    });
    expect(saying(answer)).toContain('is changed');
    const { currentVersion, ...rest } = key;
    expect(await current(key)).toMatchObject({ ...rest, scope: 'Less than before', tags: ['a'], lastRotatedAt });
    expect(currentVersion).toBeNull();
  });

  it('shows a day that was chosen as that day to people in other zones, and today as no later than now', async () => {
    const zones = [
      'Pacific/Honolulu',
      'America/New_York',
      'Europe/Berlin',
      'Asia/Tokyo',
      'Pacific/Auckland',
      'Pacific/Apia',
    ];
    const key = await aStored({ lastRotatedAt: null, createdOn: null });
    const edit = async (dates: object) => {
      const { open } = (await desk.press(olivia, 'inventory.change', key.id)) as { open: { private_metadata: string } };
      const { service, environment, purpose, lastFour } = key;
      await desk.send(olivia, 'inventory.change', {
        ...(JSON.parse(open.private_metadata) as object),
        ...{ service, environment, purpose, lastFour, storage: 'elsewhere', scope: 'As before', flags: [], tags: '' },
        ...dates,
      });
      return current(key);
    };
    const set = await edit({ createdOn: '2026-02-01', lastRotatedAt: '2026-03-01', expiresAt: '2087-12-31' });
    const days = ([set.createdOn, set.lastRotatedAt, set.expiresAt] as Date[]).map((at) =>
      zones.map((timeZone) => at.toLocaleDateString('en-CA', { timeZone })),
    );
    expect(days).toEqual(['2026-02-01', '2026-03-01', '2087-12-31'].map((each) => zones.map(() => each)));
    const today = new Date().toISOString().slice(0, 10);
    const { lastRotatedAt } = await edit({ lastRotatedAt: today });
    expect(lastRotatedAt!.getTime()).toBeLessThanOrEqual(Date.now());
    // Where it is tomorrow already.
    const tomorrow = new Date(Date.now() + day).toISOString().slice(0, 10);
    const ahead = await edit({ lastRotatedAt: tomorrow });
    expect(ahead.lastRotatedAt!.getTime()).toBeLessThanOrEqual(Date.now());
    // One day was kept by its midnight before; a key may be rotated on the day on which it is made.
    await test.database.store.pool.query('update api_key set last_rotated_at = $2 where id = $1', [
      key.id,
      '2026-03-01T00:00Z',
    ]);
    const sameDay = await edit({ createdOn: '2026-03-01', lastRotatedAt: '2026-03-01' });
    expect(sameDay.createdOn!.toISOString().slice(0, 10)).toBe('2026-03-01');
  });
});

describe('handing a key over', () => {
  it('tells both, and looks again at the cards of the key and of the one who gave it away', async () => {
    const key = await aStored();
    await handOver(test.ports, olivia.id, { keyId: key.id, to: dana.id });
    expect((await current(key)).ownerId).toBe(dana.id);
    const kind = (
      await test.database.store.pool.query<{ kind: string }>('select distinct kind from card where subject = $1', [
        key.id,
      ])
    ).rows[0]!.kind;
    expect(saying(await desk.card(kind, key.id, { person: dana.id }))).toContain('You answer for');
    const told = saying(await desk.card(kind, key.id, { person: olivia.id }));
    expect(told).toContain('You no longer answer for');
    expect(told).toContain(dana.slackId);
    expect(await lastEvent(key)).toMatchObject({
      action: 'inventory.hand-over',
      facts: { from: olivia.id, personId: dana.id },
    });
  });

  it('goes to active staff only, from the owner or an administrator, and from somebody who has left', async () => {
    const key = await aStored();
    const to = (by: Person, person: Person) => handOver(test.ports, by.id, { keyId: key.id, to: person.id });
    await expect(to(olivia, kim)).rejects.toEqual(refused('invalid', 'owner'));
    await expect(to(olivia, gone)).rejects.toEqual(refused('invalid', 'owner'));
    await expect(to(olivia, olivia)).rejects.toEqual(refused('conflict', 'owner'));
    await expect(to(dana, dana)).rejects.toEqual(refused('not_allowed'));
    await expect(to(kim, dana)).rejects.toEqual(refused('not_found'));
    expect((await current(key)).ownerId).toBe(olivia.id);
    const left = aKey(gone);
    await given(test.ports.store, { keys: [left] });
    expect(await handOver(test.ports, ada.id, { keyId: left.id, to: dana.id })).toMatchObject({ ownerId: dana.id });
    const cards = await test.database.store.pool.query('select person_id from card where subject = $1', [left.id]);
    expect(cards.rows).toEqual([{ person_id: dana.id }]);
  });

  it('is asked with a form that refuses somebody unknown under its field', async () => {
    const key = await aStored();
    expect(saying(await desk.press(olivia, 'inventory.hand-over', key.id))).toContain(key.name);
    // Offboarding shows several of these buttons in one card.
    await desk.press(ada, `inventory.hand-over:${key.id}`, key.id);
    const send = (owner: string | undefined) => desk.send(olivia, 'inventory.hand-over', { keyId: key.id, owner });
    await expect(send('U0NOBODY')).rejects.toEqual(refused('invalid', 'owner'));
    expect(saying(await send(dana.slackId))).toContain(dana.slackId);
    await expect(desk.press(olivia, 'inventory.hand-over', key.id)).rejects.toEqual(refused('not_allowed'));
  });
});

describe('setting the risk', () => {
  it('is for administrators: higher at will, lower with a reason; the rotation follows and the owner is told', async () => {
    const key = await aStored({ lastRotatedAt: new Date(Date.now() - 5 * day) });
    const set = (by: Person, risk: 'high' | 'medium' | 'low', reason = '') =>
      setRisk(test.ports, by.id, { keyId: key.id, risk, reason });
    const due = (days: number) => new Date(key.lastRotatedAt!.getTime() + days * day);
    await expect(set(olivia, 'high')).rejects.toEqual(refused('not_allowed'));
    expect(await set(ada, 'high')).toMatchObject({ risk: 'high', nextRotationAt: due(30) });
    expect(saying(await desk.card('inventory.risk', key.id, { person: olivia.id }))).toContain('high');
    await expect(set(ada, 'low', 'because')).rejects.toEqual(refused('invalid', 'reason'));
    const reason = 'reaches nothing but a mock';
    expect(await set(ada, 'low', reason)).toMatchObject({
      risk: 'low',
      nextRotationAt: due(180),
      riskSet: { risk: 'low', reason, by: ada.id },
    });
    expect(await lastEvent(key)).toMatchObject({ facts: { from: 'high', to: 'low', computed: 'medium', reason } });
    expect(await set(ada, 'medium')).toMatchObject({ risk: 'medium', riskSet: null, nextRotationAt: due(90) });
  });

  it('shows what the facts say', async () => {
    const key = await aStored({ flags: ['regulated'], risk: 'high' });
    expect(saying(await desk.press(ada, 'inventory.set-risk', key.id))).toContain('HIPAA');
    await expect(desk.press(olivia, 'inventory.set-risk', key.id)).rejects.toEqual(refused('not_allowed'));
    const answer = await desk.send(ada, 'inventory.set-risk', {
      keyId: key.id,
      risk: 'medium',
      reason: 'the auditor agreed to it',
    });
    expect(saying(answer)).toContain('medium');
  });
});

it('a key that was never rotated in more than 90 days becomes high risk by itself, once, and its owner is told', async () => {
  const createdOn = new Date(Date.now() - 91 * day);
  const never = await aStored({ environment: 'test', risk: 'low', createdOn });
  const young = await aStored({ environment: 'test', risk: 'low', createdOn: new Date(Date.now() - 80 * day) });
  const judged = await aStored({
    environment: 'test',
    risk: 'low',
    createdOn,
    riskSet: { risk: 'low', reason: 'only a mock', by: ada.id },
  });
  await reassessKeys(test.ports);
  await reassessKeys(test.ports);
  expect(await current(never)).toMatchObject({
    risk: 'high',
    nextRotationAt: new Date(createdOn.getTime() + 30 * day),
  });
  expect((await current(young)).risk).toBe('low');
  expect((await current(judged)).risk).toBe('low');
  expect(saying(await desk.card('inventory.risk', never.id, { person: olivia.id }))).toContain('Never rotated');
  const { rows } = await test.ports.store.read((view) => view.audit.list({ action: 'inventory.reassess' }, 10));
  expect(rows.map((each) => each.subject)).toEqual([never.id]);
});

describe('retiring a key', () => {
  it('waits until nobody has or wants access; then nothing can be done with it, and its name is free', async () => {
    const key = await aStored();
    const retire = (by: Person) => retireKey(test.ports, by.id, { keyId: key.id, reason: 'no longer used' });
    await expect(retire(dana)).rejects.toEqual(refused('not_allowed'));
    await grant(key, dana);
    await expect(retire(olivia)).rejects.toEqual(refused('conflict'));
    await test.database.store.pool.query(`update access_grant set status = 'ended' where key_id = $1`, [key.id]);
    expect(await retire(olivia)).toMatchObject({ status: 'retired', nextRotationAt: null });
    await expect(retire(olivia)).rejects.toEqual(refused('conflict'));
    await expect(edit(olivia, await current(key), { scope: 'x' })).rejects.toEqual(refused('conflict'));
    await expect(handOver(test.ports, ada.id, { keyId: key.id, to: dana.id })).rejects.toEqual(refused('conflict'));
    const card = saying(await desk.type(ada, `show ${key.id}`));
    expect(card).toContain('(retired)');
    expect(card).not.toContain('access.request');
    await given(test.ports.store, { keys: [{ ...aKey(olivia), name: key.name }] });
    expect(saying(await desk.type(ada, 'list retired'))).toContain(key.id);
  });

  it('of a production key is for administrators (SOP 6.1)', async () => {
    const key = await aStored({ environment: 'production' });
    await expect(desk.press(olivia, 'inventory.retire', key.id)).rejects.toEqual(refused('not_allowed'));
    expect(saying(await desk.press(ada, 'inventory.retire', key.id))).toContain('at the service');
    const answer = await desk.send(ada, 'inventory.retire', { keyId: key.id, reason: 'replaced by another' });
    expect(saying(answer)).toContain('is retired');
  });
});
