import { beforeEach, describe, expect, it } from 'vitest';
import { standardWebhooks } from '../../src/adapters/webhooks/standard.ts';
import { hour, minute } from '../../src/kernel.ts';
import { setHrId } from '../../src/people/set.ts';
import { aPerson, given } from '../support/company.ts';
import { saying } from '../support/desk.ts';
import { waitingJobs } from '../support/ports.ts';
import { left, olderSecret, secret, useOffice } from './office.ts';

const office = useOffice();
let counter = 0;
const newHrId = () => `E-${++counter}`;
const store = () => office.ports.store;
const personNow = (id: string) => store().read((view) => view.people.get(id));
const caseOf = (personId: string) => store().read((view) => view.cases.latestOf(personId));
const refusals = async () =>
  (await store().read((view) => view.audit.list({ outcome: 'refused' }, 500))).rows.map((each) => each.reason);
const cases = async () => (await office.database.store.pool.query('select 1 from offboarding_case')).rows.length;
async function somebody(facts: Parameters<typeof aPerson>[0] = {}) {
  const person = aPerson({ hrId: newHrId(), ...facts });
  await given(store(), { people: [person] });
  return person;
}
// The limit of leavers a day is another file's subject.
beforeEach(async () => {
  await office.database.store.pool.query("update offboarding_case set opened_at = opened_at - interval '2 days'");
});

describe('the HR webhook', () => {
  it('believes a signature of the published scheme, and opens a case at once', async () => {
    expect(standardWebhooks([secret]).sign('msg_1', new Date(1_700_000_000_000), '{"a":1}')).toEqual({
      'webhook-id': 'msg_1',
      'webhook-timestamp': '1700000000',
      'webhook-signature': 'v1,rkwp5YuvdrMkcu0ZhuMsXoTg44mHAr1Q0+FFgFpXsjY=',
    });

    const person = await somebody();
    const answer = await office.post(office.signed(left(person.hrId!)));
    expect(answer).toMatchObject({ status: 202, body: { caseId: expect.stringMatching(/^cas_/) } });
    expect(await personNow(person.id)).toMatchObject({ status: 'left', leftAt: expect.any(Date) });
    expect(await caseOf(person.id)).toMatchObject({ status: 'open', cause: { kind: 'hr' } });
    const jobs = await waitingJobs(office.database);
    for (const name of ['access.end-all-of-person', 'access.withdraw-all-of-person']) {
      expect(jobs.find((job) => job.name === name && job.payload.personId === person.id)).toBeDefined();
    }
    expect(jobs.find((job) => job.name === 'access.end-all-of-person')?.lane).toBe('urgent');
  });

  it('the same message five times at once and once more makes one case', async () => {
    const person = await somebody();
    const ask = office.signed(left(person.hrId!));
    const answers = await Promise.all(Array.from({ length: 5 }, () => office.post(ask)));
    expect(answers.map((each) => each.status).sort()).toEqual([200, 200, 200, 200, 202]);
    expect((await office.post(ask)).status).toBe(200);
    const { rows } = await office.database.store.pool.query('select 1 from offboarding_case where person_id = $1', [
      person.id,
    ]);
    expect(rows).toHaveLength(1);
  });

  it('different messages about one person at once make one case', async () => {
    const person = await somebody();
    const answers = await Promise.all(Array.from({ length: 5 }, () => office.post(office.signed(left(person.hrId!)))));
    expect(answers.map((each) => each.status)).toEqual([202, 202, 202, 202, 202]);
    expect(new Set(answers.map((each) => each.body.caseId)).size).toBe(1);
  });

  it('refuses what was not signed by us, was altered, is old or from the future, and records each try', async () => {
    const person = await somebody();
    const body = left(person.hrId!);
    const good = office.signed(body);
    const forged: [string, Parameters<typeof office.post>[0]][] = [
      ['no headers', { headers: {}, rawBody: good.rawBody }],
      ['no signature', { ...good, headers: { ...good.headers, 'webhook-signature': '' } }],
      ['a signature of nothing', { ...good, headers: { ...good.headers, 'webhook-signature': 'v1,AAAA' } }],
      ['no version', { ...good, headers: { ...good.headers, 'webhook-signature': 'v1' } }],
      ['another id', { ...good, headers: { ...good.headers, 'webhook-id': 'msg_other' } }],
      ['an endless id', office.signed(body, { id: 'x'.repeat(5_000) })],
      ['another secret', office.signed(body, { secret: olderSecret })],
      ['written again', { ...good, rawBody: JSON.stringify(body, null, 1) }],
      ['six minutes old', office.signed(body, { at: new Date(Date.now() - 6 * minute) })],
      ['from the future', office.signed(body, { at: new Date(Date.now() + 6 * minute) })],
    ];
    const [casesBefore, refusalsBefore] = [await cases(), (await refusals()).length];
    for (const [what, ask] of forged) expect([what, (await office.post(ask)).status]).toEqual([what, 401]);
    expect((await refusals()).length).toBe(refusalsBefore + forged.length);
    expect(await cases()).toBe(casesBefore);
    expect((await personNow(person.id)).status).toBe('active');
  });

  it('believes each of several secrets while they are being replaced', async () => {
    for (const by of [secret, olderSecret]) {
      const person = await somebody();
      expect((await office.post(office.signed(left(person.hrId!), { secret: by }), [secret, olderSecret])).status).toBe(
        202,
      );
    }
  });

  it('without a secret nothing is believed, and the answer says what is missing', async () => {
    const person = await somebody();
    const answer = await office.post(office.signed(left(person.hrId!)), []);
    expect(answer).toMatchObject({ status: 503, body: { error: expect.stringContaining('HR_WEBHOOK_SECRETS') } });
    expect((await personNow(person.id)).status).toBe('active');
  });

  it('says in words what is wrong with a body, and takes nothing that it did not ask for', async () => {
    const person = await somebody();
    const good = left(person.hrId!);
    const wrong: [unknown, string][] = [
      ['', 'body'],
      ['not json', 'body'],
      ['[]', 'body'],
      ['null', 'body'],
      [{ ...good, event: 'joined' }, 'event'],
      [{ ...good, effectiveAt: '30.11.2026' }, 'effectiveAt'],
      [{ ...good, effectiveAt: '2026-11-30' }, 'effectiveAt'],
      [{ ...good, effectiveAt: '2199-01-01T00:00:00Z' }, 'days ahead'],
      [{ ...good, person: { hrId: 7 } }, 'person.hrId'],
      [{ ...good, person: { hrId: 'Ε-1' } }, 'person.hrId'],
      [{ ...good, person: { hrId: 'x'.repeat(101) } }, 'person.hrId'],
      [{ ...good, person: { hrId: person.hrId, slackUserId: '<!channel>' } }, 'person.slackUserId'],
      [{ ...good, person: { email: 'a@example.com' } }, 'person'],
      [{ ...good, tier: 'administrator' }, 'tier'],
      [`{"__proto__":{"isAdmin":true},${JSON.stringify(good).slice(1)}`, '__proto__'],
      [`{"constructor":{"prototype":{"x":1}},${JSON.stringify(good).slice(1)}`, 'constructor'],
    ];
    for (const [body, names] of wrong) {
      const answer = await office.post(office.signed(body));
      expect([body, answer.status]).toEqual([body, 400]);
      expect(String(answer.body.error)).toContain(names);
    }
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    expect((await personNow(person.id)).status).toBe('active');
  });

  it('keeps what it cannot place, tells the security channel, and takes it up when the HR id becomes known', async () => {
    const hrId = newHrId();
    const namesake = await somebody({ hrId: null, name: hrId });
    const ask = office.signed(left(hrId), { id: `msg_${hrId}` });
    expect((await office.post(ask)).status).toBe(404);
    expect((await office.post(ask)).status).toBe(200);
    expect((await personNow(namesake.id)).status).toBe('active');
    const card = () => office.desk.card('offboarding.unmatched', `msg_${hrId}`, { channel: 'security' });
    expect(saying(await card())).toContain(`/keys hr-id @person ${hrId}`);
    expect(await store().read((view) => view.cards.of('offboarding.unmatched', `msg_${hrId}`))).toHaveLength(1);

    await setHrId(office.ports, office.admin.id, { personId: namesake.id, hrId });
    await office.work();
    expect((await personNow(namesake.id)).status).toBe('left');
    expect(saying(await card())).toContain('it is known now who');
  });

  it('learns the HR id that comes with a Slack id, and then needs the Slack id no more', async () => {
    const person = await somebody({ hrId: null });
    const hrId = newHrId();
    const later = new Date(Date.now() + 24 * hour).toISOString();
    await office.post(office.signed(left(hrId, { slackUserId: person.slackId, effectiveAt: later })));
    expect(await personNow(person.id)).toMatchObject({ hrId, status: 'active' });
    expect((await office.post(office.signed(left(hrId)))).status).toBe(202);
    expect((await personNow(person.id)).status).toBe('left');
  });

  it('does nothing when HR id and Slack id belong to different people, records the refusal and tells the channel', async () => {
    const [one, other, unnamed] = [await somebody(), await somebody(), await somebody({ hrId: null })];
    for (const slackUserId of [other.slackId, unnamed.slackId, 'U0NOBODY']) {
      const ask = office.signed(left(one.hrId!, { slackUserId }));
      expect((await office.post(ask)).status).toBe(409);
      const id = ask.headers['webhook-id']!;
      expect(saying(await office.desk.card('offboarding.unmatched', id, { channel: 'security' }))).toContain(
        'different people',
      );
    }
    expect((await office.post(office.signed(left(newHrId(), { slackUserId: other.slackId })))).status).toBe(409);
    for (const person of [one, other, unnamed]) expect((await personNow(person.id)).status).toBe('active');
    expect(await refusals()).toContain('The HR id and the Slack id belong to different people, so nothing was done.');
  });

  it('only an administrator says what somebody is called by HR, and no two people have one id', async () => {
    const [one, other] = [await somebody(), await somebody()];
    await expect(setHrId(office.ports, office.owner.id, { personId: other.id, hrId: 'X' })).rejects.toMatchObject({
      code: 'not_allowed',
    });
    await expect(setHrId(office.ports, office.admin.id, { personId: other.id, hrId: one.hrId })).rejects.toMatchObject({
      code: 'conflict',
    });
    await expect(setHrId(office.ports, office.admin.id, { personId: other.id, hrId: 'a b' })).rejects.toMatchObject({
      code: 'invalid',
    });
    expect((await setHrId(office.ports, office.admin.id, { personId: other.id, hrId: null })).hrId).toBeNull();
  });
});
