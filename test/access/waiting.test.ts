import { describe, expect, it } from 'vitest';
import { announceRequest, nudge } from '../../src/access/announce.ts';
import { applyGrants, checkDrift, noticeEnd } from '../../src/access/apply.ts';
import { decideRequest, expireRequest } from '../../src/access/decide.ts';
import { endGrant, endWhenDue, sweepGrants } from '../../src/access/end.ts';
import { requestAccess } from '../../src/access/request.ts';
import { accessInSlack } from '../../src/access/slack.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { inWorkingHours } from '../../src/people/hours-model.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts, waitingJobs } from '../support/ports.ts';

const test = usePorts();
const refusal = (code: string) => expect.objectContaining({ name: 'Refusal', code });
const always = { ...defaultPolicy.people, workingHours: { from: '00:00', to: '23:59', days: [1, 2, 3, 4, 5, 6, 7] } };
const ports = () => ({ ...test.ports, policy: { ...defaultPolicy, people: always } });

async function asked(facts: Partial<ApiKey> = {}, hours = 48) {
  const [owner, dev, admin] = [
    aPerson(),
    aPerson({ iamPrincipal: `arn:aws:iam::123456789012:role/dev-${crypto.randomUUID().slice(0, 8)}` }),
    aPerson({ tier: 'administrator' }),
  ];
  const key = aKey(owner, facts);
  await given(test.ports.store, { people: [owner, dev, admin], keys: [key] });
  await test.aws.secrets.create(
    key.secretId!,
    crypto.randomUUID(),
    await test.aws.secrets.random({ length: 20, exclude: '', punctuation: false }),
    '',
  );
  const request = await requestAccess(ports(), dev.id, {
    keyId: key.id,
    use: 'the nightly job',
    hours,
    reason: 'the nightly job needs it',
  });
  return { owner, dev, admin, key, request };
}
const grantOf = async (requestId: string) => (await test.ports.store.read((view) => view.grants.ofRequest(requestId)))!;
const requestOf = (id: string) => test.ports.store.read((view) => view.requests.get(id));
const cardsOf = (kind: string, subject: string) => test.ports.store.read((view) => view.cards.of(kind, subject));
async function granted(facts: Partial<ApiKey> = {}, hours = 48) {
  const all = await asked(facts, hours);
  await decideRequest(ports(), all.owner.id, {
    requestId: all.request.id,
    verdict: 'approve',
    hours: null,
    reason: '',
  });
  await applyGrants(ports(), { keyId: all.key.id });
  return { ...all, grant: await grantOf(all.request.id) };
}
const sql = (text: string, ...values: unknown[]) => test.database.store.pool.query(text, values);

describe('a request that nobody answers', () => {
  it('is shown to the owner alone, and its asker has one message that follows it', async () => {
    const { owner, dev, admin, request } = await asked();
    await announceRequest(ports(), { requestId: request.id });
    await announceRequest(ports(), { requestId: request.id });
    expect((await cardsOf('access.request', request.id)).map((each) => each.personId)).toEqual([owner.id]);
    expect((await cardsOf('access.mine', request.id)).map((each) => each.personId)).toEqual([dev.id]);
    expect(request.asked).not.toContain(admin.id);
  });

  it('is reminded of at growing intervals, then administrators are asked, and then there is silence', async () => {
    const { owner, admin, request } = await asked();
    await announceRequest(ports(), { requestId: request.id });
    const waits: number[] = [];
    for (let round = 0; round < 8; round++) {
      const jobs = (await waitingJobs(test.database, 'access.nudge')).filter(
        (each) => each.payload.requestId === request.id,
      );
      if (jobs.length === 0) break;
      expect(jobs).toHaveLength(1);
      waits.push(Math.round((jobs[0]!.runAt.getTime() - Date.now()) / 60_000));
      await sql("delete from work where name = 'access.nudge' and payload ->> 'requestId' = $1", request.id);
      // As if the time until then had passed.
      if (waits.length === 4)
        await sql("update access_request set asked_at = asked_at - interval '5 hours' where id = $1", request.id);
      await nudge(ports(), { requestId: request.id });
    }
    expect(waits.slice(0, 3)).toEqual(defaultPolicy.access.nudgeMinutes);
    expect(waits).toHaveLength(4);
    const after = await requestOf(request.id);
    expect(after.escalatedAt).not.toBeNull();
    expect(after.asked).toEqual(expect.arrayContaining([owner.id, admin.id]));
    expect((await cardsOf('access.request', request.id)).map((each) => each.personId)).toContain(admin.id);
  });

  it('expires once, tells its asker what to do, and cannot be approved afterwards', async () => {
    const { owner, dev, request } = await asked();
    await expireRequest(ports(), { requestId: request.id });
    await expireRequest(ports(), { requestId: request.id });
    expect((await requestOf(request.id)).status).toBe('expired');
    expect((await cardsOf('access.told:expired', request.id)).map((each) => each.personId)).toEqual([dev.id]);
    await expect(
      decideRequest(ports(), owner.id, { requestId: request.id, verdict: 'approve', hours: null, reason: '' }),
    ).rejects.toEqual(refusal('conflict'));
  });

  it('a reminder goes away when there is nothing left to remind of', async () => {
    const { owner, request } = await asked();
    const desk = deskOf(ports, accessInSlack);
    expect(saying(await desk.card('access.nudge:1', request.id, { person: owner.id }))).toContain('still waits');
    await decideRequest(ports(), owner.id, {
      requestId: request.id,
      verdict: 'deny',
      hours: null,
      reason: 'use staging',
    });
    expect(await desk.card('access.nudge:1', request.id, { person: owner.id })).toBeNull();
  });
});

describe('working hours', () => {
  const nine = (zone: string, iso: string) => inWorkingHours(new Date(iso), zone, defaultPolicy).toISOString();
  it.each([
    [
      'on a Friday evening it waits for Monday morning',
      'Europe/Berlin',
      '2026-11-27T18:30:00Z',
      '2026-11-30T08:00:00.000Z',
    ],
    ['before nine it waits for nine', 'America/New_York', '2026-11-25T10:00:00Z', '2026-11-25T14:00:00.000Z'],
    ['within them it is now', 'Asia/Kolkata', '2026-11-25T06:00:00Z', '2026-11-25T06:00:00.000Z'],
    [
      'over a change of the clock nine is still nine',
      'America/New_York',
      '2026-10-31T20:00:00Z',
      '2026-11-02T14:00:00.000Z',
    ],
    ['a zone that nobody knows counts as UTC', 'Mars/Olympus', '2026-11-25T03:00:00Z', '2026-11-25T09:00:00.000Z'],
  ])('%s', (_name, zone, from, to) => {
    expect(nine(zone, from)).toBe(to);
  });
});

describe('the end of an access', () => {
  it('is announced a day and an hour before, each once, and only where the access is longer than that', async () => {
    const { request, grant, dev } = await granted({}, 48);
    const notices = (await waitingJobs(test.database, 'access.notice')).filter(
      (each) => each.payload.grantId === grant.id,
    );
    expect(
      notices.map((each) => [
        each.payload.hours,
        Math.round((grant.endsAt.getTime() - each.runAt.getTime()) / 3_600_000),
      ]),
    ).toEqual([
      [24, 24],
      [1, 1],
    ]);
    await noticeEnd(ports(), { grantId: grant.id, hours: 1 });
    await noticeEnd(ports(), { grantId: grant.id, hours: 1 });
    expect((await cardsOf('access.ending:1', grant.id)).map((each) => each.personId)).toEqual([dev.id]);
    expect((await grantOf(request.id)).noticed).toEqual([1]);
    const short = await granted({}, 1);
    expect(
      (await waitingJobs(test.database, 'access.notice')).filter((each) => each.payload.grantId === short.grant.id),
    ).toEqual([]);
  });

  it('comes by itself, in Secrets Manager too, even when its job was lost', async () => {
    const { key, grant, dev } = await granted({}, 4);
    expect(await test.aws.secrets.policy(key.secretId!)).toContain(dev.iamPrincipal!);
    await sql("update access_grant set ends_at = now() - interval '1 second' where id = $1", grant.id);
    await sweepGrants(ports());
    await applyGrants(ports(), { keyId: key.id });
    const ended = await test.ports.store.read((view) => view.grants.get(grant.id));
    expect(ended).toMatchObject({ status: 'ended', endReason: 'Its time was over' });
    expect((await test.aws.secrets.policy(key.secretId!)) ?? '').not.toContain(dev.iamPrincipal!);
    expect((await cardsOf('access.told:ended', grant.id)).map((each) => each.personId)).toEqual([dev.id]);
  });

  it('does not come early, however often its job runs', async () => {
    const { grant } = await granted({}, 4);
    await endWhenDue(ports(), { grantId: grant.id });
    expect((await test.ports.store.read((view) => view.grants.get(grant.id))).status).toBe('active');
  });

  it('may be brought forward by its holder, the owner and administrators, and by nobody else', async () => {
    const people: [string, (all: { owner: Person; dev: Person; admin: Person }) => Person, boolean][] = [
      ['holder', (all) => all.dev, true],
      ['owner', (all) => all.owner, true],
      ['administrator', (all) => all.admin, true],
    ];
    for (const [, who, may] of people) {
      const all = await granted();
      const ended = endGrant(ports(), who(all).id, all.grant.id, 'no longer needed');
      if (may) expect((await ended).status).toBe('ending');
      await expect(endGrant(ports(), who(all).id, all.grant.id, 'again')).rejects.toEqual(refusal('conflict'));
    }
    const all = await granted();
    const stranger = aPerson();
    await given(test.ports.store, { people: [stranger] });
    await expect(endGrant(ports(), stranger.id, all.grant.id, 'why not')).rejects.toEqual(refusal('not_allowed'));
  });

  it('extending is a new request, prefilled; once approved it takes over without a gap', async () => {
    const { key, dev, owner, grant } = await granted({}, 4);
    const desk = deskOf(ports, accessInSlack);
    expect(saying(await desk.press(dev, 'access.extend', grant.id))).toContain('the nightly job');
    await expect(desk.press(owner, 'access.extend', grant.id)).rejects.toEqual(refusal('not_allowed'));
    const more = await requestAccess(ports(), dev.id, {
      keyId: key.id,
      use: 'the nightly job',
      hours: 24,
      reason: 'it needs one more night',
      extendsGrant: grant.id,
    });
    await decideRequest(ports(), owner.id, { requestId: more.id, verdict: 'approve', hours: null, reason: '' });
    expect(await test.aws.secrets.policy(key.secretId!)).toContain(dev.iamPrincipal!);
    await applyGrants(ports(), { keyId: key.id });
    const policy = (await test.aws.secrets.policy(key.secretId!))!;
    expect(policy.split(dev.iamPrincipal!)).toHaveLength(2);
    const live = await test.ports.store.read((view) => view.grants.liveOfKey(key.id));
    expect(live.map((each) => each.requestId)).toEqual([more.id]);
  });
});

describe('drift', () => {
  it('a policy that somebody changed by hand is written again, and the log says so', async () => {
    const { key, dev } = await granted();
    const foreign = {
      Sid: 'audit-team',
      Effect: 'Allow',
      Principal: { AWS: 'arn:aws:iam::123456789012:role/audit' },
      Action: 'secretsmanager:GetSecretValue',
      Resource: '*',
    };
    await test.aws.secrets.setPolicy(key.secretId!, JSON.stringify({ Version: '2012-10-17', Statement: [foreign] }));
    await checkDrift(ports());
    const repaired = (await test.aws.secrets.policy(key.secretId!))!;
    expect(repaired).toContain(dev.iamPrincipal!);
    // What others wrote stays.
    expect(repaired).toContain('audit-team');
    const { rows } = await sql("select 1 from audit_event where action = 'access.repair' and subject = $1", key.id);
    expect(rows).toHaveLength(1);
    await checkDrift(ports());
    expect(
      (await sql("select 1 from audit_event where action = 'access.repair' and subject = $1", key.id)).rows,
    ).toHaveLength(1);
  });
});

describe('who sees which key in a search', () => {
  it('a contractor has to know what they ask for; staff may look around', async () => {
    const contractor = aPerson({ tier: 'contractor' });
    const { owner } = await asked({ service: 'Zephyr' });
    await given(test.ports.store, { people: [contractor] });
    const desk = deskOf(ports, accessInSlack);
    const suggest = desk.registry.suggestions.get('keyId')!;
    expect(await suggest({ person: contractor, query: '' })).toEqual([]);
    expect(await suggest({ person: contractor, query: 'zep' })).toEqual([]);
    expect(await suggest({ person: contractor, query: 'zephyr' })).toHaveLength(1);
    expect((await suggest({ person: owner, query: '' })).length).toBeGreaterThan(1);
  });
});
