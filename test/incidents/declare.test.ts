import { describe, expect, it } from 'vitest';
import { accessFirstSeconds } from '../../src/incidents/contain.ts';
import { openLines, type Report, tickOf } from '../../src/incidents/model.ts';
import { Refusal } from '../../src/kernel.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { aPerson, given } from '../support/company.ts';
import { saying } from '../support/desk.ts';
import { waitingJobs } from '../support/ports.ts';
import { useStage } from './stage.ts';

const stage = useStage();
const card = async (id: string, audience = { channel: stage.ports.policy.channels.incidents }) =>
  saying(await stage.desk.card('incidents.card', id, audience));
const rotationsOf = (keyId: string) => stage.database.store.read((view) => view.rotations.ofKey(keyId, 10));
const jobsOf = async (name: string, id: string) =>
  (await waitingJobs(stage.database, name)).filter((each) => JSON.stringify(each.payload).includes(id));
const refusal = (code: string) => expect.objectContaining({ name: 'Refusal', code });

describe('a reported leak', { timeout: 90_000 }, () => {
  it('ends all access, overtakes a running rotation, kills the old value, and its lines are ticked by what is seen', async () => {
    const { key } = await stage.key({ environment: 'production', flags: ['customerData'] });
    const grants = [await stage.holder(key), await stage.holder(key)];
    expect(grants.map((each) => each.status)).toEqual(['active', 'active']);
    const policy = () => stage.ports.secrets.policy(key.secretId!);
    for (const grant of grants) expect(await policy()).toContain(grant.principal);
    const scheduled = await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'due', emergency: false });
    await stage.work({
      until: async () => (await rotationsOf(key.id))[0]!.step === 'verify',
      only: 'rotation.',
    });

    const { id } = await stage.declare(stage.dev, { keyId: key.id, how: 'exposed', what: 'In a support ticket' });
    const early = await stage.incident(id);
    expect(early).toMatchObject({ severity: 'P0', status: 'open', byHand: null, containment: { holders: 2 } });
    const [planned] = await jobsOf('rotation.start', id);
    expect(planned).toMatchObject({ lane: 'urgent', payload: { emergency: true } });
    expect(planned!.runAt.getTime() - early.declaredAt.getTime()).toBe(accessFirstSeconds * 1000);
    expect((await jobsOf('access.end-all-of-key', id))[0]).toMatchObject({ lane: 'urgent' });
    expect(await card(id)).toContain('The emergency rotation is about to take over.');
    await stage.work();

    const [emergency, overtaken] = await rotationsOf(key.id);
    expect(emergency).toMatchObject({
      cause: 'incident',
      causeId: id,
      emergency: true,
      status: 'done',
      condition: 'new',
    });
    expect(overtaken).toMatchObject({ id: scheduled.id, status: 'superseded', supersededBy: emergency!.id });
    expect(await stage.stages(key)).toEqual({ [emergency!.newVersion!]: ['AWSCURRENT'] });
    const previous = stage.bot.getSecretValue({ SecretId: key.secretId!, VersionStage: 'AWSPREVIOUS' });
    await expect(previous).rejects.toThrow();
    for (const grant of grants) {
      expect((await policy()) ?? '').not.toContain(grant.principal);
      const ended = await stage.database.store.read((view) => view.grants.get(grant.id));
      expect(ended).toMatchObject({ status: 'ended', endedBy: id });
      // Nobody who had access could read the new value.
      expect(ended.endedAt!.getTime()).toBeLessThanOrEqual(emergency!.startedAt.getTime());
    }

    const incident = await stage.incident(id);
    expect(incident.status).toBe('contained');
    expect(openLines(incident, 'immediately')).toEqual([]);
    for (const line of ['S8.1-1', 'S8.1-2', 'S8.1-3', 'S8.1-4'] as const) {
      expect(tickOf(incident, line)).toMatchObject({ by: null, verdict: 'done' });
    }
    expect(tickOf(incident, 'S8.1-1')!.note).toContain(`(${emergency!.id}); access of 2 people ended`);
    expect(await card(id)).toContain('The new value works; the old one is dead.');

    const told = incident.timeline.filter((each) => !each.by).map((each) => each.text);
    expect(told).toContain('Access of 2 people has ended');
    expect(told).toContain(`Rotation ${emergency!.id} is done. The new value works; the old one is dead.`);

    expect(stage.pages.filter((each) => each.dedupKey === id)).toEqual([
      expect.objectContaining({ severity: 'critical', summary: expect.stringContaining(`P0: ${key.name}`) }),
    ]);
    expect(incident.pages).toMatchObject([{ occasion: 'declared', outcome: 'paged' }]);
    const posts = stage.slack.of('chat.postMessage').map((each) => each.args.channel);
    expect(posts).toEqual(expect.arrayContaining(['incidents', stage.owner.slackId, stage.dev.slackId]));

    expect(await stage.trail(id)).toEqual([
      { action: 'incidents.open', outcome: 'done' },
      ...(await stage.trail(id)).slice(1),
    ]);
    expect((await stage.trail(id)).map((each) => each.action)).toEqual(
      expect.arrayContaining(['incidents.open', 'incidents.page', 'incidents.check']),
    );
    expect((await stage.trail(key.id)).map((each) => each.action)).toEqual(
      expect.arrayContaining(['incidents.declare', 'access.end-all', 'rotation.start']),
    );
  });

  it('is one incident and one page, however many report it at the same instant', async () => {
    const { key } = await stage.key({ environment: 'production', flags: ['customerData'] });
    const reporters = [stage.dev, stage.admin, stage.owner, stage.contractor, stage.dev];
    const found = await Promise.all(
      reporters.map((each, i) => stage.declare(each, { keyId: key.id, what: `Report ${i}` })),
    );
    expect(new Set(found.map((each) => each.id)).size).toBe(1);
    const { id } = found[0]!;
    expect(await jobsOf('incidents.page', id)).toHaveLength(1);
    expect(await jobsOf('rotation.start', id)).toHaveLength(1);
    await stage.work();
    expect(stage.pages.filter((each) => each.dedupKey === id)).toHaveLength(1);
    const { timeline } = await stage.incident(id);
    expect(timeline.filter((each) => each.text.startsWith('Reported again'))).toHaveLength(4);
    expect((await stage.trail(id)).filter((each) => each.action === 'incidents.join')).toHaveLength(4);
    expect(await rotationsOf(key.id)).toHaveLength(1);
    for (const reporter of [stage.dev, stage.admin, stage.contractor]) {
      const cards = await stage.database.store.read((view) => view.cards.of('incidents.card', id));
      expect(cards.map((each) => each.personId)).toContain(reporter.id);
    }
    await stage.declare(stage.dev, { keyId: key.id });
    await stage.work();
    expect(stage.pages.filter((each) => each.dedupKey === id)).toHaveLength(1);
  });

  it('can come from a contractor, and not from somebody who has left', async () => {
    const { key } = await stage.key();
    const gone = aPerson({ status: 'left' });
    await given(stage.database.store, { people: [gone] });
    await expect(stage.declare(gone, { keyId: key.id })).rejects.toEqual(refusal('not_allowed'));
    expect(await stage.trail(key.id)).toEqual([{ action: 'incidents.declare', outcome: 'refused' }]);
    expect(await jobsOf('rotation.', key.id)).toEqual([]);
    const answer = await stage.desk.send(stage.contractor, 'incidents.declare', {
      leakedKey: key.id,
      leakHow: 'public',
      what: 'On our web page',
    });
    expect(saying(answer)).toContain('P1');
    const incident = await stage.database.store.read((view) => view.incidents.openOfKey(key.id));
    expect(incident).toMatchObject({ declaredBy: stage.contractor.id, severity: 'P1' });
    await stage.work();
    expect((await stage.incident(incident!.id)).status).toBe('contained');
  });

  it('of a key that Keysteward cannot replace stays open, says what to do and whom to call, and starts no rotation', async () => {
    for (const facts of [
      { storage: 'environment-file', secretId: null, issuer: 'person', lastFour: 'a1b2' } as const,
      { storage: 'password-manager', secretId: null } as const,
      { issuer: 'nobody-knows' },
    ]) {
      const { key } = await stage.key(facts);
      const { id, byHand } = await stage.declare(stage.dev, { keyId: key.id });
      expect(byHand).toBeTruthy();
      expect(await jobsOf('rotation.start', id)).toEqual([]);
      expect(await jobsOf('access.end-all-of-key', id)).toHaveLength(1);
      await stage.work();
      const incident = await stage.incident(id);
      expect(incident.status).toBe('open');
      expect(openLines(incident, 'immediately')).toEqual(['S8.1-1', 'S8.1-2', 'S8.1-3']);
      expect(await rotationsOf(key.id)).toEqual([]);
      const shown = await card(id);
      expect(shown).toContain('*The old value still works.*');
      expect(shown).toContain(byHand!.replace(/\u200b/g, '').slice(0, 20));
      expect(shown).toContain('do it at OpenAI');
      expect(shown).toContain('Service provider support: support@provider.example');
      expect(shown).toContain('<@U0LEGAL>');
    }
  });

  it('never looks like success when its rotation is refused after all, and does not ask for it again and again', async () => {
    const { key } = await stage.key();
    const { id } = await stage.declare(stage.dev, { keyId: key.id });
    await given(stage.database.store, { keys: [{ ...key, issuer: 'nobody-knows' }] });
    await stage.work();
    await stage.work();
    const incident = await stage.incident(id);
    expect(incident).toMatchObject({ status: 'open', byHand: expect.stringContaining('does not know how') });
    expect(openLines(incident, 'immediately')).toEqual(['S8.1-1', 'S8.1-2', 'S8.1-3']);
    expect(await card(id)).toContain('*The old value still works.*');
    const starts = (await stage.trail(key.id)).filter((each) => each.action === 'rotation.start');
    expect(starts).toEqual([{ action: 'rotation.start', outcome: 'refused' }]);
    expect(await jobsOf('rotation.', key.id)).toEqual([]);
    expect(incident.timeline.filter((each) => each.text.startsWith('No rotation by itself'))).toHaveLength(1);
  });

  it('whose rotation fails wakes somebody, says which values work, and the line that says "revoked" stays open', async () => {
    const { key } = await stage.key();
    await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
    const { id } = await stage.declare(stage.dev, { keyId: key.id });
    await stage.work();
    const [rotation] = await rotationsOf(key.id);
    expect(rotation).toMatchObject({ status: 'failed', causeId: id });
    expect(stage.pages.filter((each) => each.details.rotation === rotation!.id)).toMatchObject([
      { severity: 'critical', details: { key: key.name, failure: rotation!.failure } },
    ]);
    const incident = await stage.incident(id);
    expect(incident.status).toBe('open');
    expect(openLines(incident, 'immediately')).toEqual(['S8.1-1', 'S8.1-2', 'S8.1-3']);
    expect(await card(id)).not.toContain('is dead');
  });

  it('is rotated all the same when the access cannot be ended, and its line says that access is left', async () => {
    const { key } = await stage.key();
    await stage.holder(key);
    const { id } = await stage.declare(stage.dev, { keyId: key.id });
    await stage.database.store.pool.query(
      `update work set run_at = run_at + interval '1 hour' where name = 'access.end-all-of-key' and status = 'waiting'`,
    );
    await stage.work({ only: 'incidents.watch', until: async () => true });
    expect(await rotationsOf(key.id)).toEqual([]);
    expect(await card(id)).toContain('replaced as soon as the access has ended');
    await stage.database.store.pool.query(
      `update work set run_at = run_at - interval '16 seconds' where name = 'rotation.start' and status = 'waiting'`,
    );
    await stage.work({ only: 'rotation.' });
    await stage.work({ until: async () => (await stage.incident(id)).ticks.length >= 3 });
    expect(await rotationsOf(key.id)).toMatchObject([{ status: 'done', causeId: id }]);
    const incident = await stage.incident(id);
    expect(incident.status).toBe('open');
    expect(openLines(incident, 'immediately')).toEqual(['S8.1-1']);
    expect(await card(id)).toContain('access of 1 still has to end');
    await stage.database.store.pool.query(
      `update work set run_at = now() where name = 'access.end-all-of-key' and status = 'waiting'`,
    );
    await stage.work();
    expect((await stage.incident(id)).status).toBe('contained');
    expect(await rotationsOf(key.id)).toHaveLength(1);
  });

  it('of a key outside the inventory has to say which, and a second report of the same message joins it', async () => {
    const seen = { channel: 'C0GENERAL', ts: '1764000000.000100' };
    await expect(stage.declare(stage.dev, { seen })).rejects.toEqual(refusal('invalid'));
    const which = 'Mailgun, sending, production I think';
    const found = await Promise.all(
      [stage.dev, stage.admin].map((each) =>
        stage.declare(each, { seen, which }).catch((error: unknown) => {
          // At the very same instant one of the two is asked to try again, and then joins.
          expect(error).toEqual(refusal('conflict'));
          return stage.declare(each, { seen, which });
        }),
      ),
    );
    expect(found[0]!.id).toBe(found[1]!.id);
    await stage.work();
    const { id } = found[0]!;
    expect(await stage.incident(id)).toMatchObject({ keyId: null, severity: 'P1', containment: null, status: 'open' });
    const shown = await card(id);
    expect(shown).toContain('Mailgun');
    expect(shown).toContain('*it still works* until somebody revokes it where it was made');
    expect(shown).toContain('<https://slack.com/archives/C0GENERAL/p1764000000000100|in this message>');
    expect(await stage.declare(stage.dev, { which, how: 'exposed', reach: 'customerData' })).toMatchObject({
      severity: 'P0',
    });
    await stage.work();
  });

  it('that is none changes nothing by itself, until a worse report of the same key joins it', async () => {
    const { key, version } = await stage.key({ environment: 'production' });
    const grant = await stage.holder(key);
    const { id } = await stage.declare(stage.dev, { keyId: key.id, how: 'finding' });
    await stage.work();
    expect(await stage.incident(id)).toMatchObject({ severity: 'P3', containment: null, pages: [] });
    expect((await stage.stages(key))[version]).toEqual(['AWSCURRENT']);
    expect(stage.pages.filter((each) => each.dedupKey.startsWith(id))).toEqual([]);
    expect(await card(id)).toContain('Nothing was changed by itself');

    const worse: Partial<Report> = { keyId: key.id, how: 'public', what: 'It is on GitHub' };
    expect((await stage.declare(stage.contractor, worse)).id).toBe(id);
    await stage.work();
    const incident = await stage.incident(id);
    expect(incident).toMatchObject({ severity: 'P1', how: 'public', status: 'contained' });
    expect(await stage.stages(key)).not.toHaveProperty(version);
    expect((await stage.database.store.read((view) => view.grants.get(grant.id))).status).toBe('ended');
    expect(stage.pages.filter((each) => each.dedupKey === id)).toHaveLength(1);
  });

  it('of the value that was made to contain it starts everything once more, and pages once more', async () => {
    const { key } = await stage.key();
    const { id } = await stage.declare(stage.dev, { keyId: key.id });
    // Before it is contained there is no new value that could have leaked.
    await stage.declare(stage.admin, { keyId: key.id, again: true });
    await stage.work();
    const first = await stage.incident(id);
    expect(first).toMatchObject({ status: 'contained', containment: { round: 1 } });
    expect(await rotationsOf(key.id)).toHaveLength(1);
    const second = (await rotationsOf(key.id))[0]!.newVersion!;
    const grant = await stage.holder(key);

    const again = { leakedKey: key.id, leakHow: 'exposed', leakedAgain: ['again'] };
    await stage.desk.send(stage.contractor, 'incidents.declare', again);
    const open = await stage.incident(id);
    expect(open).toMatchObject({ status: 'open', leakedVersion: second, containment: { round: 2, holders: 1 } });
    expect(openLines(open, 'immediately')).toEqual(['S8.1-1', 'S8.1-2', 'S8.1-3']);
    await stage.work();
    expect((await stage.incident(id)).status).toBe('contained');
    expect((await rotationsOf(key.id)).map((each) => each.causeId)).toEqual([`${id}-2`, id]);
    expect(await stage.stages(key)).not.toHaveProperty(second);
    expect((await stage.database.store.read((view) => view.grants.get(grant.id))).status).toBe('ended');
    const pages = stage.pages.filter((each) => each.dedupKey.startsWith(id)).map((each) => each.dedupKey);
    expect(pages).toEqual([id, `${id}-2`]);

    await stage.declare(stage.admin, { keyId: key.id });
    await stage.work();
    expect(await rotationsOf(key.id)).toHaveLength(2);
    expect(stage.pages.filter((each) => each.dedupKey.startsWith(id))).toHaveLength(2);
  });

  it('says on its card and timeline that nobody was paged when no pager is connected, or when it refuses', async () => {
    const pagers = {
      'no pager is connected': async () => false,
      'the pager refused it': async () => {
        throw new Refusal('invalid', 'PagerDuty refused the page: check the routing key.');
      },
    };
    for (const [said, page] of Object.entries(pagers)) {
      const { key } = await stage.key();
      const { id } = await stage.declare(stage.dev, { keyId: key.id });
      await stage.work({ ports: { ...stage.ports, pager: { page } } });
      const { timeline, pages } = await stage.incident(id);
      expect(pages).toHaveLength(1);
      expect(await card(id)).toContain('*nobody was paged*');
      expect(timeline.map((each) => each.text).join('\n')).toContain(`Nobody was paged: ${said}`);
    }
  });

  it('is paged again by the job when the pager was away, and only then counted as paged', async () => {
    const { key } = await stage.key();
    const { id } = await stage.declare(stage.dev, { keyId: key.id });
    const away = { ...stage.ports, pager: { page: () => Promise.reject(new Error('PagerDuty answered 503')) } };
    await expect(stage.work({ ports: away, only: 'incidents.page' })).rejects.toThrow('503');
    expect((await stage.incident(id)).pages).toEqual([]);
    await stage.database.store.pool.query(`update work set status = 'waiting' where status = 'running'`);
    await stage.work();
    expect((await stage.incident(id)).pages).toMatchObject([{ outcome: 'paged' }]);
  });
});
