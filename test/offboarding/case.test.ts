import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { beforeEach, describe, expect, it } from 'vitest';
import { applyGrants } from '../../src/access/apply.ts';
import { decideRequest } from '../../src/access/decide.ts';
import { endGrant } from '../../src/access/end.ts';
import { requestAccess } from '../../src/access/request.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { addConsumer, changeConsumer } from '../../src/inventory/record-consumer.ts';
import { removeConsumer } from '../../src/inventory/remove-consumer.ts';
import { hour } from '../../src/kernel.ts';
import { problemsOfMessage, problemsOfView } from '../../src/local/slack/limits.ts';
import { sweepCases } from '../../src/offboarding/check.ts';
import { closeCase } from '../../src/offboarding/close.ts';
import { openCase, openForDeactivated } from '../../src/offboarding/open.ts';
import { tickLine } from '../../src/offboarding/tick.ts';
import { meetPerson } from '../../src/people/meet.ts';
import type { Person } from '../../src/people/model.ts';
import { setTier } from '../../src/people/set.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { aPerson, given } from '../support/company.ts';
import { saying } from '../support/desk.ts';
import { waitingJobs } from '../support/ports.ts';
import { left, useOffice } from './office.ts';

const office = useOffice();
const store = () => office.ports.store;
const personNow = (id: string) => store().read((view) => view.people.get(id));
const caseNow = (id: string) => store().read((view) => view.cases.get(id));
const caseOf = (personId: string) => store().read((view) => view.cases.latestOf(personId));
const card = async (id: string) => saying(await office.desk.card('offboarding.case', id, { channel: 'security' }));
async function somebody(facts: Partial<Person> = {}) {
  const person = aPerson(facts);
  await given(store(), { people: [person] });
  return person;
}
let identities = 0;
/** Somebody with an IAM identity, and how they would read a secret with it. */
async function reader() {
  const n = ++identities;
  const arn = `arn:aws:iam::123456789012:user/leaver${n}`;
  const accessKeyId = `AKIALEAVER${String(n).padStart(10, '0')}`;
  office.aws.server.control.setPrincipal(accessKeyId, arn);
  const { region, url: endpoint } = office.aws.server;
  const client = new SecretsManagerClient({ region, endpoint, credentials: { accessKeyId, secretAccessKey: 'local' } });
  const read = (key: ApiKey) =>
    client.send(new GetSecretValueCommand({ SecretId: key.secretId! })).then(
      (answer) => answer.SecretString ?? '',
      (error: Error) => error.name,
    );
  return { person: await somebody({ iamPrincipal: arn }), read };
}
const offboard = (person: Person, effectiveAt: Date | null = null) =>
  openCase(office.ports, office.admin.id, { personId: person.id, effectiveAt });
const ask = (asker: Person, key: ApiKey) =>
  requestAccess(office.ports, asker.id, {
    keyId: key.id,
    use: 'nightly job',
    hours: 8,
    reason: 'the nightly job needs it',
  });
const owns = (key: ApiKey, owner: Person) =>
  store().change(
    { actor: { kind: 'person', id: office.admin.id }, action: 'inventory.hand-over', subject: key.id, keyId: key.id },
    async (tx) => {
      const before = await tx.keys.get(key.id);
      await tx.keys.save({ ...before, ownerId: owner.id });
      tx.note({ from: before.ownerId, personId: owner.id });
    },
  );
const liveGrant = async (person: Person) => (await store().read((view) => view.grants.liveOfPerson(person.id)))[0]!;
const rotate = async (key: ApiKey) => {
  await startRotation(office.ports, office.admin, { keyId: key.id, reason: 'just because', emergency: false });
  await office.work();
};
// The limit of leavers a day is another file's subject.
beforeEach(async () => {
  await office.database.store.pool.query("update offboarding_case set opened_at = opened_at - interval '2 days'");
});

describe('what they move by hand when a value is replaced', () => {
  const moves = (person: Person, key: ApiKey, name: string) =>
    addConsumer(office.ports, office.admin.id, key.id, { name, kind: 'person', url: null, personId: person.id });

  it('is handed over in lines of its own: each turns green when somebody else moves it, or nothing does', async () => {
    const person = await somebody();
    const next = await somebody();
    const [first, second, third] = [await office.key(), await office.key(), await office.key()];
    const [job, page, gone] = [
      await moves(person, first, 'The nightly job'),
      await moves(person, second, 'The status page'),
      await moves(person, third, 'The old importer'),
    ];
    await removeConsumer(office.ports, office.admin.id, gone.id);
    const { id } = await offboard(person);
    const lineOf = (consumerId: string) => `consumer:${consumerId}`;
    expect(await office.lines(id)).toMatchObject({ [lineOf(job.id)]: 'open', [lineOf(page.id)]: 'open' });
    expect(await office.lines(id)).not.toHaveProperty([lineOf(gone.id)]);
    const shown = await card(id);
    expect(shown).toContain('The nightly job: needs another person who moves it');
    expect(shown).toContain(`inventory.change-consumer:${job.id}`);
    await expect(
      tickLine(office.ports, office.admin.id, { caseId: id, line: lineOf(job.id), note: 'Somebody will do it' }),
    ).rejects.toThrow(/turns green by itself/);

    await changeConsumer(office.ports, office.owner.id, job.id, {
      name: 'The nightly job',
      kind: 'person',
      url: null,
      personId: next.id,
    });
    expect((await waitingJobs(office.database, 'offboarding.sweep')).length).toBe(1);
    await removeConsumer(office.ports, office.owner.id, page.id);
    await office.work();
    expect(await office.lines(id)).toMatchObject({ [lineOf(job.id)]: 'done', [lineOf(page.id)]: 'done' });
    expect(await card(id)).toContain('The nightly job: somebody else moves it');
    expect(await card(id)).not.toContain('inventory.change-consumer');
  });

  it('is said before they are offboarded', async () => {
    const person = await somebody();
    await moves(person, await office.key(), 'The invoice run');
    const shown = await office.desk.type(office.admin, `offboard <@${person.slackId}|x>`);
    expect(saying(shown)).toMatch(/Moved by them by hand, to hand over\*\n1/);
  });
});

describe('a key that they could read and that cannot be rotated yet', () => {
  it('is looked at before anything is touched: the line says what is missing, and it begins by itself when that is there', async () => {
    const { person } = await reader();
    const key = await office.key();
    await owns(key, person);
    const { secretId } = key;
    await given(store(), { keys: [{ ...key, ownerId: person.id, secretId: `${secretId}-elsewhere` }] });
    const { id } = await offboard(person);
    await office.work();
    await sweepCases(office.ports);
    expect(await store().read((view) => view.rotations.ofKey(key.id, 5))).toEqual([]);
    expect((await office.lines(id))[`rotate:${key.id}`]).toBe('failed');
    expect(await card(id)).toContain('Not begun: The secret does not exist in Secrets Manager. Correct its name');
    const [blocked] = await store().read((view) => view.cards.of('rotation.blocked', key.id));
    expect(blocked).toMatchObject({ channel: 'security' });

    await store().change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.corrected', subject: key.id },
      async (tx) => tx.keys.save({ ...(await tx.keys.get(key.id)), secretId }),
    );
    await office.database.store.pool.query("update work set run_at = now() where name = 'rotation.start'");
    await office.work();
    const [rotation] = await store().read((view) => view.rotations.ofKey(key.id, 5));
    expect(rotation).toMatchObject({ cause: 'leaver', causeId: id, status: 'done' });
    expect((await store().read((view) => view.keys.get(key.id))).blocked).toBeNull();
    expect((await office.lines(id))[`rotate:${key.id}`]).toBe('done');
  });

  it('is let go of when somebody has rotated it by hand and said so', async () => {
    const { person } = await reader();
    const key = await office.key();
    await given(store(), { keys: [{ ...key, ownerId: person.id, secretId: `${key.secretId}-elsewhere` }] });
    const { id } = await offboard(person);
    await office.work();
    const line = `rotate:${key.id}`;
    await tickLine(office.ports, office.admin.id, { caseId: id, line, note: 'Made a new one in the Console' });
    await office.database.store.pool.query("update work set run_at = now() where name = 'rotation.start'");
    await office.work();
    expect((await store().read((view) => view.keys.get(key.id))).blocked).toBeNull();
    const waits = await waitingJobs(office.database, 'rotation.start');
    expect(waits.filter((each) => each.payload.keyId === key.id)).toEqual([]);
  });
});

describe('a case', () => {
  it('turns green line by line as things really happen, and can be closed only then', async () => {
    const { person, read } = await reader();
    const [held, owned] = [await office.key({ environment: 'production' }), await office.key()];
    await office.grant(person, held);
    await owns(owned, person);
    const asked = await ask(person, await office.key());
    expect(await read(held)).toBe('first');

    const { id } = await offboard(person);
    expect(await personNow(person.id)).toMatchObject({ status: 'left' });
    expect(await office.lines(id)).toEqual({
      grants: 'running',
      requests: 'running',
      [`hand-over:${owned.id}`]: 'open',
      [`rotate:${held.id}`]: 'running',
      [`rotate:${owned.id}`]: 'running',
      review: 'open',
      record: 'running',
    });
    const close = () => closeCase(office.ports, office.admin.id, { caseId: id });
    await expect(close()).rejects.toMatchObject({ code: 'conflict', sentence: expect.stringContaining('7 lines') });

    await office.work();
    expect(await read(held)).toBe('AccessDeniedException');
    expect(await office.ports.secrets.policy(held.secretId!)).toBeNull();
    expect((await store().read((view) => view.requests.get(asked.id))).status).toBe('withdrawn');
    for (const key of [held, owned]) {
      const [rotation] = await store().read((view) => view.rotations.ofKey(key.id, 5));
      expect(rotation).toMatchObject({ cause: 'leaver', causeId: id, status: 'done', condition: 'new' });
      const now = await office.ports.secrets.read(key.secretId!, { stage: 'AWSCURRENT' });
      expect(now?.versionId).toBe(rotation!.newVersion);
    }
    await sweepCases(office.ports);
    expect(await office.lines(id)).toEqual({
      grants: 'done',
      requests: 'done',
      [`hand-over:${owned.id}`]: 'open',
      [`rotate:${held.id}`]: 'done',
      [`rotate:${owned.id}`]: 'done',
      review: 'open',
      record: 'done',
    });
    expect(await card(id)).toContain(`inventory.hand-over:${owned.id}`);
    expect(await card(id)).not.toContain('offboarding.close');

    await owns(owned, office.owner);
    await expect(
      tickLine(office.ports, office.admin.id, { caseId: id, line: 'review', note: 'ok' }),
    ).rejects.toMatchObject({ field: 'note' });
    await expect(close()).rejects.toMatchObject({ sentence: expect.stringContaining('1 line') });
    await office.desk.send(office.admin, 'offboarding.tick', {
      caseId: id,
      line: 'review',
      note: 'CloudTrail: nothing unusual in 30 days',
    });
    await sweepCases(office.ports);
    expect(await card(id)).toContain('offboarding.close');
    await office.desk.press(office.admin, 'offboarding.close', id);
    expect(await caseNow(id)).toMatchObject({ status: 'closed', closedBy: office.admin.id });
    expect(await card(id)).toContain('all 7 lines are done');
    await expect(close()).rejects.toMatchObject({ code: 'conflict' });
    await expect(offboard(person)).rejects.toMatchObject({ sentence: expect.stringContaining('has left already') });
  });

  it('starts no rotation while they could still read the new value', async () => {
    const { person, read } = await reader();
    const key = await office.key();
    await office.grant(person, key);
    const { id } = await offboard(person);
    await office.work(['access.apply', 'access.apply-now', 'offboarding.check']);
    await sweepCases(office.ports);
    expect(await waitingJobs(office.database, 'rotation.start')).toEqual([]);
    expect(await read(key)).toBe('first');
    expect((await office.lines(id))[`rotate:${key.id}`]).toBe('running');
    await office.work();
    await sweepCases(office.ports);
    expect((await office.lines(id))[`rotate:${key.id}`]).toBe('done');
  });

  it('rotates what they could once read while it is still in use, and nothing else', async () => {
    const person = await somebody();
    const [stale, replaced, between, strangers] = [
      await office.key(),
      await office.key(),
      await office.key(),
      await office.key(),
    ];
    for (const key of [stale, replaced, between]) await office.grant(person, key);
    // A rotation that began while they had access: the new value could be read before it was handed out.
    await rotate(between);
    for (const { id, keyId } of await store().read((view) => view.grants.liveOfPerson(person.id))) {
      await endGrant(office.ports, person.id, id, 'no longer needed');
      await applyGrants(office.ports, { keyId });
    }
    await rotate(replaced);
    const { id } = await offboard(person);
    const lines = Object.keys(await office.lines(id));
    expect(lines).toContain(`rotate:${stale.id}`);
    expect(lines).toContain(`rotate:${between.id}`);
    expect(lines).not.toContain(`rotate:${replaced.id}`);
    expect(lines).not.toContain(`rotate:${strangers.id}`);
  });

  it('rotates what they had handed on before anybody said that they leave, and counts who is leaving', async () => {
    const person = await somebody();
    const [handed, replaced] = [await office.key({ ownerId: person.id }), await office.key({ ownerId: person.id })];
    for (const key of [handed, replaced]) await owns(key, office.owner);
    await rotate(replaced);
    const said = saying(await office.desk.type(office.admin, `offboard <@${person.slackId}>`));
    expect(said).toContain('*Keys to rotate*\n1');
    const { id } = await offboard(person);
    expect(await office.lines(id)).toMatchObject({
      [`rotate:${handed.id}`]: 'running',
      [`hand-over:${handed.id}`]: 'done',
    });
    expect(Object.keys(await office.lines(id))).not.toContain(`rotate:${replaced.id}`);
    expect(saying(await office.desk.type(office.admin, 'offboard'))).toContain(
      `<@${person.slackId}>: 2 of 6 lines to do`,
    );
  });

  it('leaves what only a person can rotate to a person, who says what they did', async () => {
    const person = await somebody();
    const key = await office.key({ issuer: 'person', storage: 'password-manager', secretId: null });
    await office.grant(person, key);
    const { id } = await offboard(person);
    const tick = () =>
      tickLine(office.ports, office.admin.id, {
        caseId: id,
        line: `rotate:${key.id}`,
        note: 'New key ends in 4f2a, old one revoked',
      });
    await expect(tick()).rejects.toMatchObject({ code: 'conflict' });
    await office.work();
    await sweepCases(office.ports);
    expect((await office.lines(id))[`rotate:${key.id}`]).toBe('open');
    expect(await card(id)).toContain(`offboarding.tick:${key.id}`);
    await expect(
      tickLine(office.ports, office.owner.id, { caseId: id, line: `rotate:${key.id}`, note: 'I am no administrator' }),
    ).rejects.toMatchObject({ code: 'not_allowed' });
    const opened = await office.desk.press(office.admin, 'offboarding.tick', `${id} rotate:${key.id}`);
    expect(saying(opened)).toContain(key.name);
    await tick();
    expect((await office.lines(id))[`rotate:${key.id}`]).toBe('done');
    await expect(tick()).rejects.toMatchObject({ code: 'conflict' });
    await expect(
      tickLine(office.ports, office.admin.id, { caseId: id, line: 'grants', note: 'they are all gone, believe me' }),
    ).rejects.toMatchObject({ code: 'conflict' });
  });

  it('says what went wrong with a rotation, and turns green when it was done after all', async () => {
    const person = await somebody();
    const key = await office.key();
    await office.grant(person, key);
    const secretId = key.secretId!;
    await store().change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.lose', subject: key.id },
      async (tx) => tx.keys.save({ ...(await tx.keys.get(key.id)), secretId: `${secretId}-gone` }),
    );
    const { id } = await offboard(person);
    await office.work();
    await sweepCases(office.ports);
    expect((await office.lines(id))[`rotate:${key.id}`]).toBe('failed');
    expect(await card(id)).toContain('does not exist in Secrets Manager');
    await store().change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.find', subject: key.id },
      async (tx) => tx.keys.save({ ...(await tx.keys.get(key.id)), secretId }),
    );
    await rotate(await store().read((view) => view.keys.get(key.id)));
    expect((await office.lines(id))[`rotate:${key.id}`]).toBe('done');
  });

  it('of somebody who leaves later changes nothing before that day, and follows when it is moved', async () => {
    const person = await somebody({ hrId: 'LATER-1' });
    const key = await office.key();
    await office.grant(person, key);
    const day = new Date(Date.now() + 48 * hour);
    const { id, status } = await offboard(person, day);
    expect(status).toBe('planned');
    expect(await waitingJobs(office.database, 'offboarding.start')).toMatchObject([
      { payload: { caseId: id }, runAt: day },
    ]);
    await sweepCases(office.ports);
    expect((await personNow(person.id)).status).toBe('active');
    expect((await liveGrant(person)).status).toBe('active');
    expect(await card(id)).toContain('Nothing has been ended yet');

    const sooner = new Date(Date.now() + 24 * hour);
    await office.post(office.signed(left('LATER-1', { effectiveAt: sooner.toISOString() })));
    expect((await caseNow(id)).effectiveAt).toEqual(sooner);
    await office.database.store.pool.query(
      "update offboarding_case set effective_at = now() - interval '1 s' where id = $1",
      [id],
    );
    // The job got lost: the sweep finds it.
    await sweepCases(office.ports);
    expect(await caseNow(id)).toMatchObject({ status: 'open' });
    expect((await personNow(person.id)).status).toBe('left');
  });

  it('takes the leaver every right at once: buttons that they still see do nothing', async () => {
    const [leaver, asker] = [await somebody({ tier: 'administrator' }), await somebody()];
    const key = await office.key();
    const request = await ask(asker, key);
    await offboard(leaver);
    const verdict = { requestId: request.id, verdict: 'approve', hours: null, reason: '' } as const;
    await expect(decideRequest(office.ports, leaver.id, verdict)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(ask(leaver, key)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(openCase(office.ports, leaver.id, { personId: asker.id, effectiveAt: null })).rejects.toMatchObject({
      code: 'not_allowed',
    });
  });

  it('opens for whoever Slack deactivates, who is no leaver for good', async () => {
    const person = await somebody();
    const key = await office.key();
    await office.grant(person, key);
    const entry = {
      slackId: person.slackId,
      teamId: 'T1',
      name: person.name,
      timeZone: 'UTC',
      isGuest: false,
      isBot: false,
    };
    await meetPerson(office.ports, { ...entry, deleted: true }, []);
    await office.work();
    const each = (await caseOf(person.id))!;
    expect(each).toMatchObject({ status: 'open', cause: { kind: 'slack' } });
    expect((await personNow(person.id)).status).toBe('deactivated');
    await sweepCases(office.ports);
    expect(await office.lines(each.id)).toMatchObject({ grants: 'done', [`rotate:${key.id}`]: 'done' });
    await meetPerson(office.ports, { ...entry, deleted: false }, []);
    expect((await personNow(person.id)).status).toBe('active');
    await office.grant(await personNow(person.id), key);
    expect(await office.lines(each.id)).toMatchObject({ grants: 'done', [`rotate:${key.id}`]: 'done' });
  });

  it('opens again for somebody who came back and leaves again', async () => {
    const person = await somebody();
    const first = await offboard(person);
    await office.work();
    await tickLine(office.ports, office.admin.id, { caseId: first.id, line: 'review', note: 'nothing unusual found' });
    await closeCase(office.ports, office.admin.id, { caseId: first.id });
    await setTier(office.ports, office.admin.id, { personId: person.id, tier: 'developer' });
    const second = await offboard(person);
    expect(second.id).not.toBe(first.id);
    expect(second.status).toBe('open');
  });

  it('of somebody who came back before it was closed and leaves again is taken over by another one', async () => {
    const person = await somebody();
    const [first, second] = [await office.key(), await office.key({ ownerId: person.id })];
    await office.grant(person, first);
    const before = await offboard(person);
    await office.work();
    await setTier(office.ports, office.admin.id, { personId: person.id, tier: 'developer' });
    await office.grant(await personNow(person.id), first);
    const again = await offboard(person);
    expect(again).toMatchObject({ status: 'open', ownedKeys: [second.id] });
    expect(await caseNow(before.id)).toMatchObject({ status: 'called-off' });
    expect(await card(before.id)).toContain('came back and leaves again');
    expect((await personNow(person.id)).status).toBe('left');
    await office.work();
    await sweepCases(office.ports);
    expect(await office.lines(again.id)).toMatchObject({ grants: 'done', [`rotate:${first.id}`]: 'running' });
    // Once more, for the new case; AWS asks for a pause between two.
    const asked = await waitingJobs(office.database, 'rotation.start');
    expect(asked.map((each) => each.payload)).toContainEqual(
      expect.objectContaining({ keyId: first.id, causeId: again.id, cause: 'leaver' }),
    );
  });

  it('of somebody whom Slack deactivates for the second time ends what they got in between', async () => {
    const person = await somebody();
    const key = await office.key();
    const entry = {
      slackId: person.slackId,
      teamId: 'T1',
      name: person.name,
      timeZone: 'UTC',
      isGuest: false,
      isBot: false,
    };
    const deactivate = async () => {
      await meetPerson(office.ports, { ...entry, deleted: true }, []);
      await office.work();
      return (await caseOf(person.id))!;
    };
    const first = await deactivate();
    await tickLine(office.ports, office.admin.id, { caseId: first.id, line: 'review', note: 'nothing unusual found' });
    await closeCase(office.ports, office.admin.id, { caseId: first.id });
    await openForDeactivated(office.ports, { personId: person.id });
    expect((await caseOf(person.id))!.id).toBe(first.id);
    await meetPerson(office.ports, { ...entry, deleted: false }, []);
    await office.grant(await personNow(person.id), key);
    const second = await deactivate();
    expect(second.id).not.toBe(first.id);
    await sweepCases(office.ports);
    expect(await office.lines(second.id)).toMatchObject({ grants: 'done', [`rotate:${key.id}`]: 'done' });
  });

  it('fits into one message, however much somebody held and owned', async () => {
    const person = await somebody();
    for (let i = 0; i < 30; i++)
      await office.key({ ownerId: person.id, purpose: `${'<!channel> & '.repeat(9)}${i}`, issuer: 'person' });
    const { id } = await offboard(person);
    const shown = await office.desk.card('offboarding.case', id, { channel: 'security' });
    expect(problemsOfMessage(shown!)).toEqual([]);
    expect(saying(shown)).toContain('and 18 more');
    for (const each of shown!.blocks) {
      if (each.type === 'section' && each.text) expect(each.text.text).not.toContain('<!channel>');
    }
    const modal = await office.desk.type(
      office.admin,
      `offboard <@${(await somebody({ name: '<!channel> & '.repeat(99) })).slackId}>`,
    );
    expect('open' in modal && problemsOfView(modal.open)).toEqual([]);
    const list = await office.desk.type(office.admin, 'offboard');
    expect('open' in list && problemsOfView(list.open)).toEqual([]);
    const tick = await office.desk.press(office.admin, 'offboarding.tick', `${id} review`);
    expect('open' in tick && problemsOfView(tick.open)).toEqual([]);
  });
});

describe('/keys offboard', () => {
  it('shows what will happen before it does, and does it', async () => {
    const person = await somebody();
    const key = await office.key({ ownerId: person.id });
    await office.grant(person, await office.key());
    const modal = await office.desk.type(office.admin, `offboard <@${person.slackId}|x>`);
    const said = saying(modal);
    expect(said).toContain('*Access that ends*\n1');
    expect(said).toContain('*Keys to hand over*\n1');
    expect(said).toContain('*Keys to rotate*\n2');
    expect((await personNow(person.id)).status).toBe('active');
    const answer = await office.desk.send(office.admin, 'offboarding.open', { personId: person.id, at: null });
    expect(saying(answer)).toContain('has lost all rights here');
    expect((await caseOf(person.id))!.ownedKeys).toEqual([key.id]);
    const cards = await store().read(async (view) => view.cards.of('offboarding.case', (await caseOf(person.id))!.id));
    expect(cards).toMatchObject([{ channel: 'security' }]);
  });

  it('is for administrators, and never for oneself', async () => {
    const [contractor, dev, victim] = [await somebody({ tier: 'contractor' }), await somebody(), await somebody()];
    for (const asker of [contractor, dev]) {
      await expect(office.desk.send(asker, 'offboarding.open', { personId: victim.id })).rejects.toMatchObject({
        code: 'not_allowed',
      });
      await expect(office.desk.type(asker, `offboard <@${victim.slackId}>`)).rejects.toMatchObject({
        code: 'not_allowed',
      });
    }
    await expect(
      office.desk.send(office.admin, 'offboarding.open', { personId: office.admin.id }),
    ).rejects.toMatchObject({
      sentence: 'Another administrator has to look after your own leaving.',
    });
    expect((await personNow(victim.id)).status).toBe('active');
    const { rows } = await store().read((view) =>
      view.audit.list({ action: 'offboarding.open', outcome: 'refused' }, 100),
    );
    expect(rows.map((each) => each.subject)).toContain(victim.id);
  });

  it('names the person by a mention, and a day that is not too far away', async () => {
    await expect(office.desk.type(office.admin, 'offboard dana')).rejects.toMatchObject({ code: 'invalid' });
    await expect(office.desk.type(office.admin, 'offboard <@U0NOBODY>')).rejects.toMatchObject({ code: 'not_found' });
    const at = Math.floor(Date.now() / 1000) + 400 * 24 * 3600;
    await expect(
      office.desk.send(office.admin, 'offboarding.open', { personId: (await somebody()).id, at }),
    ).rejects.toMatchObject({ code: 'invalid', field: 'at' });
  });
});
