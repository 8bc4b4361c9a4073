import { describe, expect, it } from 'vitest';
import { askNewOwner } from '../../src/access/announce.ts';
import { decideRequest, expireRequest, withdrawRequest } from '../../src/access/decide.ts';
import { requestAccess } from '../../src/access/request.ts';
import { handOver } from '../../src/inventory/hand-over.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { Refusal } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';

const database = useDatabase();
const ports = () => ({ store: database.store, policy: defaultPolicy });

async function company(facts: Partial<ApiKey> = {}) {
  const [owner, asker, admin, admin2] = [
    aPerson(),
    aPerson(),
    aPerson({ tier: 'administrator' }),
    aPerson({ tier: 'administrator' }),
  ];
  const key = aKey(owner, facts);
  await given(database.store, { people: [owner, asker, admin, admin2], keys: [key] });
  return { owner, asker, admin, admin2, key };
}
const ask = (asker: Person, key: ApiKey, hours = 8) =>
  requestAccess(ports(), asker.id, { keyId: key.id, use: 'nightly job', hours, reason: 'the nightly job needs it' });
const approve = (by: Person, requestId: string, hours: number | null = null) =>
  decideRequest(ports(), by.id, { requestId: requestId as never, verdict: 'approve', hours, reason: '' });
const refusal = (code: string) => expect.objectContaining({ name: 'Refusal', code });

const auditOf = (subject: string) =>
  database.store.pool
    .query<{ action: string; outcome: string }>(
      'select action, outcome from audit_event where subject = $1 order by id',
      [subject],
    )
    .then(({ rows }) => rows);

describe('deciding a request', () => {
  it('one approval by the owner opens a grant for a staging key, in the same transaction as its audit events', async () => {
    const { owner, asker, key } = await company();
    const request = await ask(asker, key);
    const decided = await approve(owner, request.id);
    expect(decided.status).toBe('approved');
    const grants = await database.store.read((view) => view.grants.liveOfKey(key.id));
    expect(grants).toHaveLength(1);
    expect(grants[0]).toMatchObject({ personId: asker.id, status: 'granting', principal: null });
    expect(grants[0]!.endsAt.getTime() - grants[0]!.startsAt.getTime()).toBe(8 * 3_600_000);
    expect(await auditOf(request.id)).toEqual([{ action: 'access.approve', outcome: 'done' }]);
    expect(await auditOf(grants[0]!.id)).toEqual([{ action: 'access.grant', outcome: 'done' }]);
  });

  it('nobody can approve their own request, owners and administrators included, and the attempt is on record', async () => {
    const { owner, admin, key } = await company();
    for (const person of [owner, admin]) {
      const request = await ask(person, key);
      await expect(approve(person, request.id)).rejects.toEqual(refusal('not_allowed'));
      expect(await auditOf(request.id)).toEqual([{ action: 'access.approve', outcome: 'refused' }]);
      await withdrawRequest(ports(), person, request.id);
    }
  });

  it('a production key needs two people, one of them an administrator when it reaches customer data', async () => {
    const { owner, asker, admin, key } = await company({ environment: 'production', flags: ['customerData'] });
    const request = await ask(asker, key);
    expect(request).toMatchObject({ needs: 2, needsAdministrator: true });
    expect((await approve(owner, request.id)).status).toBe('pending');
    await expect(approve(owner, request.id)).rejects.toEqual(refusal('conflict'));
    expect(await database.store.read((view) => view.grants.liveOfKey(key.id))).toHaveLength(0);
    expect((await approve(admin, request.id, 4)).status).toBe('approved');
    const [grant] = await database.store.read((view) => view.grants.liveOfKey(key.id));
    expect(grant!.endsAt.getTime() - grant!.startsAt.getTime()).toBe(4 * 3_600_000);
  });

  it('two approvals at the same instant make one grant, and the loser hears who decided', async () => {
    const { owner, asker, admin, key } = await company();
    const request = await ask(asker, key);
    const outcomes = await Promise.allSettled([approve(owner, request.id), approve(admin, request.id)]);
    expect(outcomes.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    const lost = outcomes.find((each) => each.status === 'rejected');
    expect(lost?.reason).toBeInstanceOf(Refusal);
    expect(lost?.reason.sentence).toBe('This request is already approved.');
    expect(await database.store.read((view) => view.grants.liveOfKey(key.id))).toHaveLength(1);
  });

  it('a developer who does not own the key cannot decide', async () => {
    const { asker, key } = await company();
    const stranger = aPerson();
    await given(database.store, { people: [stranger] });
    const request = await ask(asker, key);
    await expect(approve(stranger, request.id)).rejects.toEqual(refusal('not_allowed'));
  });

  it('nothing can be decided after it expired, was denied or withdrawn', async () => {
    const { owner, asker, key } = await company();
    const first = await ask(asker, key);
    await decideRequest(ports(), owner.id, {
      requestId: first.id,
      verdict: 'deny',
      hours: null,
      reason: 'use the other key',
    });
    await expect(approve(owner, first.id)).rejects.toEqual(refusal('conflict'));
    const second = await ask(asker, key);
    await withdrawRequest(ports(), asker, second.id);
    await expect(approve(owner, second.id)).rejects.toEqual(refusal('conflict'));
    const third = await ask(asker, key);
    await database.store.pool.query(
      "update access_request set expires_at = now() - interval '1 second' where id = $1",
      [third.id],
    );
    await expect(approve(owner, third.id)).rejects.toEqual(refusal('conflict'));
    await expireRequest(ports(), { requestId: third.id });
    await expireRequest(ports(), { requestId: third.id });
    expect((await database.store.read((view) => view.requests.get(third.id))).status).toBe('expired');
  });

  it('an approver can allow less time, never more', async () => {
    const { owner, asker, key } = await company();
    const request = await ask(asker, key, 8);
    await expect(approve(owner, request.id, 9)).rejects.toEqual(refusal('invalid'));
    await approve(owner, request.id, 1);
    const [grant] = await database.store.read((view) => view.grants.liveOfKey(key.id));
    expect(grant!.endsAt.getTime() - grant!.startsAt.getTime()).toBe(3_600_000);
  });

  it('a leaver gets no grant from a request that is approved afterwards', async () => {
    const { owner, asker, key } = await company();
    const request = await ask(asker, key);
    await given(database.store, { people: [{ ...asker, status: 'left' }] });
    await expect(approve(owner, request.id)).rejects.toEqual(refusal('conflict'));
    expect((await database.store.read((view) => view.requests.get(request.id))).status).toBe('pending');
  });

  it('a person has one open request per key, also when they click twice at once', async () => {
    const { asker, key } = await company();
    const outcomes = await Promise.allSettled([ask(asker, key), ask(asker, key), ask(asker, key)]);
    expect(outcomes.filter((each) => each.status === 'fulfilled')).toHaveLength(1);
    for (const lost of outcomes.filter((each) => each.status === 'rejected'))
      expect(lost.reason).toEqual(refusal('conflict'));
  });

  it('the time asked for is bounded by the key and by the tier', async () => {
    const { key } = await company({ environment: 'production' });
    const contractor = aPerson({ tier: 'contractor' });
    await given(database.store, { people: [contractor] });
    await expect(ask(contractor, key, 24 * 31)).rejects.toEqual(refusal('invalid'));
    await expect(ask(contractor, key, 0)).rejects.toEqual(refusal('invalid'));
    await expect(ask(contractor, key, 1.5)).rejects.toEqual(refusal('invalid'));
  });
});

describe('a key that changes hands', () => {
  it('its new owner is asked about what waits and can decide; the previous one no longer can', async () => {
    const { owner, asker, key } = await company();
    const heir = aPerson();
    await given(database.store, { people: [heir] });
    const request = await ask(asker, key);
    await handOver({ store: database.store }, owner.id, { keyId: key.id, to: heir.id });
    await askNewOwner(ports(), { keyId: key.id });
    await askNewOwner(ports(), { keyId: key.id });
    const { asked } = await database.store.read((view) => view.requests.get(request.id));
    expect(asked.filter((each) => each === heir.id)).toHaveLength(1);
    const cards = await database.store.read((view) => view.cards.of('access.request', request.id));
    expect(cards.map((each) => each.personId)).toContain(heir.id);
    await expect(approve(owner, request.id)).rejects.toEqual(refusal('not_allowed'));
    expect((await approve(heir, request.id)).status).toBe('approved');
  });
});
