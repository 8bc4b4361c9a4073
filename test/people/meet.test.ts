import { describe, expect, it } from 'vitest';
import { applyGrants } from '../../src/access/apply.ts';
import { decideRequest } from '../../src/access/decide.ts';
import { followPrincipal } from '../../src/access/principal.ts';
import { requestAccess } from '../../src/access/request.ts';
import { accessInSlack } from '../../src/access/slack.ts';
import { meetPerson, syncPeople } from '../../src/people/meet.ts';
import { setPrincipal, setTier } from '../../src/people/set.ts';
import { peopleInSlack } from '../../src/people/slack.ts';
import type { DirectoryEntry } from '../../src/ports.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts, waitingJobs } from '../support/ports.ts';

const test = usePorts();
const entry = (slackId: string, facts: Partial<DirectoryEntry> = {}): DirectoryEntry => ({
  slackId,
  teamId: 'T1',
  name: `Name of ${slackId}`,
  timeZone: 'Europe/Berlin',
  isGuest: false,
  isBot: false,
  deleted: false,
  ...facts,
});
const refusal = (code: string) => expect.objectContaining({ name: 'Refusal', code });
const known = (slackId: string) => test.ports.store.read((view) => view.people.bySlackId(slackId));

describe('meeting people', () => {
  it('a member starts with the tier of the policy, a guest as a contractor, a named administrator as one', async () => {
    expect((await meetPerson(test.ports, entry('UMEMBER'), ['UADMIN'])).tier).toBe('developer');
    expect((await meetPerson(test.ports, entry('UGUEST', { isGuest: true }), ['UGUEST'])).tier).toBe('contractor');
    expect((await meetPerson(test.ports, entry('UADMIN'), ['UADMIN'])).tier).toBe('administrator');
  });

  it('bots and deactivated strangers are refused', async () => {
    await expect(meetPerson(test.ports, entry('UBOT1', { isBot: true }), [])).rejects.toEqual(refusal('not_allowed'));
    await expect(meetPerson(test.ports, entry('UOLD', { deleted: true }), [])).rejects.toEqual(refusal('not_allowed'));
    expect(await known('UBOT1')).toBeNull();
  });

  it('ten first clicks at once make one person', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => meetPerson(test.ports, entry('UTEN'), [])),
    );
    const { rows } = await test.database.store.pool.query("select 1 from person where slack_id = 'UTEN'");
    expect(rows).toHaveLength(1);
    for (const each of outcomes) if (each.status === 'rejected') expect(each.reason).toEqual(refusal('conflict'));
  });

  it('whoever Slack deactivates loses all access, and is back when Slack says so', async () => {
    await meetPerson(test.ports, entry('UOFF'), []);
    test.slackUsers.splice(0, 99, entry('UOFF', { deleted: true }), entry('UBOT2', { isBot: true }), entry('UNEW'));
    await syncPeople(test.ports, []);
    const gone = (await known('UOFF'))!;
    expect(gone.status).toBe('deactivated');
    expect(await known('UBOT2')).toBeNull();
    expect((await known('UNEW'))?.status).toBe('active');
    const jobs = await waitingJobs(test.database, 'offboarding.person-deactivated');
    expect(jobs.map((each) => each.payload.personId)).toContain(gone.id);
    test.slackUsers.splice(0, 99, entry('UOFF'));
    await syncPeople(test.ports, []);
    expect((await known('UOFF'))?.status).toBe('active');
  });

  it('a sync that finds nothing new writes nothing', async () => {
    test.slackUsers.splice(0, 99, entry('USAME'));
    await syncPeople(test.ports, []);
    const count = async () =>
      (await test.database.store.pool.query('select count(*)::int n from audit_event')).rows[0].n;
    const before = await count();
    await syncPeople(test.ports, []);
    expect(await count()).toBe(before);
  });
});

describe('what administrators say of people', () => {
  it('only an administrator sets a tier, and there is always one left', async () => {
    const [admin, dev] = [aPerson({ tier: 'administrator' }), aPerson()];
    await given(test.ports.store, { people: [admin, dev] });
    await expect(setTier(test.ports, dev.id, { personId: dev.id, tier: 'administrator' })).rejects.toEqual(
      refusal('not_allowed'),
    );
    expect((await setTier(test.ports, admin.id, { personId: dev.id, tier: 'administrator' })).tier).toBe(
      'administrator',
    );
    await test.ports.store.change(
      { actor: { kind: 'operator', id: 't' }, action: 'test.given', subject: 't' },
      async (tx) => {
        for (const each of await tx.people.withTier('administrator')) {
          if (each.id !== admin.id) await tx.people.save({ ...each, tier: 'developer' });
        }
      },
    );
    await expect(setTier(test.ports, admin.id, { personId: admin.id, tier: 'developer' })).rejects.toEqual(
      refusal('conflict'),
    );
  });

  it('an access that was only recorded opens in AWS once the IAM identity is known', async () => {
    const [admin, owner, dev] = [aPerson({ tier: 'administrator' }), aPerson(), aPerson()];
    const key = aKey(owner);
    await given(test.ports.store, { people: [admin, owner, dev], keys: [key] });
    await test.aws.secrets.create(
      key.secretId!,
      crypto.randomUUID(),
      await test.aws.secrets.random({ length: 20, exclude: '', punctuation: false }),
      '',
    );
    const asked = await requestAccess(test.ports, dev.id, {
      keyId: key.id,
      use: 'job',
      hours: 8,
      reason: 'needed for the job',
    });
    await decideRequest(test.ports, owner.id, { requestId: asked.id, verdict: 'approve', hours: null, reason: '' });
    await applyGrants(test.ports, { keyId: key.id });
    expect(await test.aws.secrets.policy(key.secretId!)).toBeNull();
    const principal = 'arn:aws:iam::123456789012:role/dev';
    await setPrincipal(test.ports, admin.id, { personId: dev.id, principal });
    await followPrincipal(test.ports, { personId: dev.id });
    await applyGrants(test.ports, { keyId: key.id });
    expect(await test.aws.secrets.policy(key.secretId!)).toContain(principal);
    const [grant] = await test.ports.store.read((view) => view.grants.liveOfPerson(dev.id));
    expect(grant).toMatchObject({ status: 'active', principal });
  });

  it.each([
    '*',
    'arn:aws:iam::123456789012:root',
    'arn:aws:iam::1:user/a',
    'arn:aws:s3:::bucket',
    'arn:aws:iam::123456789012:user/*',
  ])('%s is no principal', async (principal) => {
    const admin = aPerson({ tier: 'administrator' });
    await given(test.ports.store, { people: [admin] });
    await expect(setPrincipal(test.ports, admin.id, { personId: admin.id, principal })).rejects.toEqual(
      refusal('invalid'),
    );
  });
});

describe('in Slack', () => {
  const desk = deskOf(
    () => test.ports,
    (door, ports) => {
      peopleInSlack(door, ports);
      accessInSlack(door, ports);
    },
  );

  it('whoami says the tier, the rights and what is missing for technical access', async () => {
    const dev = aPerson({ name: 'Dana' });
    await given(test.ports.store, { people: [dev] });
    const said = saying(await desk.type(dev, 'whoami'));
    expect(said).toContain('developer');
    expect(said).toContain('ask for access to any key');
    expect(said).toContain('/keys principal');
    expect(said).not.toContain('audit log');
  });

  it('whom to ask for technical access is named, in whoami and on the card of an access, and never oneself', async () => {
    const [owner, dev] = [aPerson(), aPerson()];
    const [ada, sam] = [aPerson({ tier: 'administrator' }), aPerson({ tier: 'administrator' })];
    await test.database.store.pool.query("update person set tier = 'developer' where tier = 'administrator'");
    const key = aKey(owner);
    await given(test.ports.store, { people: [owner, dev], keys: [key] });
    expect(saying(await desk.type(dev, 'whoami'))).toContain('Ask an administrator to run `/keys principal`');
    await given(test.ports.store, { people: [ada, sam] });
    const ask = { keyId: key.id, use: 'job', hours: 8, reason: 'needed for the job' };
    const asked = await requestAccess(test.ports, dev.id, ask);
    await decideRequest(test.ports, owner.id, { requestId: asked.id, verdict: 'approve', hours: null, reason: '' });
    await test.database.store.pool.query("update access_grant set status = 'active' where request_id = $1", [asked.id]);
    const both = new RegExp(`Ask <@(${ada.slackId}|${sam.slackId})> or <@(${ada.slackId}|${sam.slackId})> to run`);
    const mine = { person: dev.id };
    for (const shown of [
      await desk.type(dev, 'whoami'),
      await desk.type(dev, 'grants'),
      await desk.card('access.mine', asked.id, mine),
      await desk.card('access.told:active', asked.id, mine),
    ])
      expect(saying(shown)).toMatch(both);
    expect(saying(await desk.type(ada, 'whoami'))).toContain(`Ask <@${sam.slackId}> to run`);
    // Those who decided are not the ones who lack it, and nobody reads that an access is active which does not open.
    const theirs = saying(await desk.card('access.request', asked.id, { person: owner.id }));
    expect(theirs).toContain(`which IAM user or role <@${dev.slackId}> is, is not known`);
    expect(theirs).not.toMatch(/your IAM identity|Access active/);
    expect(saying(await desk.card('access.mine', asked.id, mine))).not.toContain('Access active');
  });

  it('tier and principal name the person by an @mention', async () => {
    const [admin, dev] = [aPerson({ tier: 'administrator' }), aPerson()];
    await given(test.ports.store, { people: [admin, dev] });
    await desk.type(admin, `tier <@${dev.slackId}|dana> contractor`);
    expect((await known(dev.slackId))?.tier).toBe('contractor');
    await desk.type(admin, `principal <@${dev.slackId}> arn:aws:iam::123456789012:user/dana`);
    expect((await known(dev.slackId))?.iamPrincipal).toBe('arn:aws:iam::123456789012:user/dana');
    await expect(desk.type(admin, 'tier dana contractor')).rejects.toEqual(refusal('not_found'));
    await expect(desk.type(admin, `tier <@${dev.slackId}> king`)).rejects.toEqual(refusal('invalid'));
  });
});
