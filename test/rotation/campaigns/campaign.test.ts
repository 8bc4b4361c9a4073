import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { issuers } from '../../../src/adapters/providers/index.ts';
import { openSlack } from '../../../src/app.ts';
import type { ApiKey } from '../../../src/inventory/model.ts';
import type { Id } from '../../../src/kernel.ts';
import type { Person } from '../../../src/people/model.ts';
import { policySchema } from '../../../src/policy.ts';
import type { Issuer, Ports } from '../../../src/ports.ts';
import { previewBlocks } from '../../../src/rotation/campaigns/cards.ts';
import { decideCampaign, sweepCampaigns, withdrawCampaign } from '../../../src/rotation/campaigns/decide.ts';
import { campaignFacts } from '../../../src/rotation/campaigns/facts.ts';
import { type Campaign, maxUnbegun } from '../../../src/rotation/campaigns/model.ts';
import { askForCampaign, planCampaign } from '../../../src/rotation/campaigns/plan.ts';
import { runCampaign } from '../../../src/rotation/campaigns/run.ts';
import { retryCampaign, stopCampaign } from '../../../src/rotation/campaigns/stop.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { fittingOf } from '../../providers/fakes/index.ts';
import { chance, type Fake, startFake } from '../../providers/fakes/server.ts';
import { aKey, aPerson, given } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { workOff } from '../../support/jobs.ts';
import { quick, useStage } from '../stage.ts';

const stage = useStage();
const desk = deskOf(() => stage.ports, openSlack);
const provider = { environment: null, cause: 'provider', reason: 'They had a breach', emergency: true } as const;

async function administrator(): Promise<Person> {
  const person = aPerson({ tier: 'administrator' });
  await given(stage.database.store, { people: [person] });
  return person;
}
let number = 0;
/** A service of its own, with so many keys. */
async function service(count: number, facts: Partial<ApiKey> = {}): Promise<{ name: string; keys: ApiKey[] }> {
  const name = `Service ${++number}`;
  const keys = [];
  for (let i = 0; i < count; i++) keys.push((await stage.key({ service: name, ...facts })).key);
  return { name, keys };
}
const campaignOf = (id: string) => stage.database.store.read((view) => view.campaigns.get(id));
const facts = (id: string) =>
  stage.database.store.read(async (view) => campaignFacts(view, stage.ports, await view.campaigns.get(id)));
async function states(id: string): Promise<Record<string, number>> {
  const { lines } = await facts(id);
  const counted: Record<string, number> = {};
  for (const { state } of lines) counted[state] = (counted[state] ?? 0) + 1;
  return counted;
}
const cardOf = async (id: string) => saying(await desk.card('campaign', id, { channel: 'security' }));
/** Works until nothing is left of it, or so many jobs were done. */
async function work(id: string, { jobs = Number.POSITIVE_INFINITY, ports = stage.ports as Ports } = {}): Promise<void> {
  let ran = 0;
  await workOff(stage.database, ports, {
    only: (name) => name.startsWith('rotation.'),
    failures: 'count',
    // A campaign looks again after ten seconds at most.
    aheadMs: 11_000,
    limit: 3_000,
    until: async ({ name }) =>
      ++ran >= jobs || (name === 'rotation.run-campaign' && (await campaignOf(id)).status !== 'running'),
  });
}
async function asked(asker: Person, name: string, more: Partial<Campaign> = {}): Promise<Campaign> {
  const campaign = await planCampaign(stage.ports, asker, { service: name, ...provider, ...more });
  return askForCampaign(stage.ports, asker, campaign.id);
}
const refused = (code: string, sentence: RegExp) => ({ code, sentence: expect.stringMatching(sentence) });

describe('all keys of a service', () => {
  test('are shown before anything is touched: which, whose, for how long, and which need a person and why', async () => {
    const { name } = await service(3);
    const { keys } = await service(1, { service: name, environment: 'production' });
    const { keys: byHand } = await service(1, { service: name, issuer: 'person' });
    const elsewhere = aKey(stage.owner, { service: name, storage: 'elsewhere', secretId: null });
    await given(stage.database.store, { keys: [elsewhere] });
    const { keys: unconnected } = await service(1, { service: name, issuer: 'acme' });
    const answer = await desk.send(stage.admin, 'rotation.plan-campaign', {
      bulkService: keys[0]!.id,
      bulkCause: 'provider',
      reason: 'They had a breach',
    });
    const shown = saying(answer);
    expect(shown).toContain('7 keys, 5 of them can be rotated now');
    expect(shown).toContain('production: 1 key');
    expect(shown).toContain(keys[0]!.purpose);
    expect(shown).toMatch(new RegExp(`A person makes the new value[\\s\\S]*${byHand[0]!.name}`));
    expect(shown).toMatch(new RegExp(`${unconnected[0]!.name}.*not connected`));
    expect(shown).toContain('About a minute');
    expect(shown).toContain(`<@${stage.owner.slackId}>`);
    const { rows } = await stage.database.store.pool.query(
      'select 1 from rotation r join api_key k on k.id = r.key_id where k.service = $1',
      [name],
    );
    expect(rows).toEqual([]);
  });

  test('up to the policy’s number begin at once; one card for all, one for each owner, and none for each key', async () => {
    const { name, keys } = await service(5);
    const campaign = await asked(stage.admin, name);
    expect(campaign).toMatchObject({ status: 'running', decidedBy: null });
    await work(campaign.id);
    expect(await campaignOf(campaign.id)).toMatchObject({ status: 'ended', unsettled: false });
    expect(await states(campaign.id)).toEqual({ done: 5 });
    for (const key of keys) expect(Object.values(await stage.stages(key))).toEqual([['AWSCURRENT']]);
    expect(await cardOf(campaign.id)).toMatch(/Rotated: all keys[\s\S]*5 of 5 keys\* rotated/);

    const { rows: cards } = await stage.database.store.pool.query<{ kind: string; subject: string }>(
      `select kind, subject from card where subject = $1 or subject in (select id from rotation where cause_id = $1)`,
      [campaign.id],
    );
    expect(cards.map((each) => each.kind).sort()).toEqual(['campaign', 'campaign', 'campaign:owner']);
    const mine = saying(await desk.card('campaign:owner', campaign.id, { person: stage.owner.id }));
    for (const key of keys) expect(mine).toContain(key.name);
  });

  test('are not said to have dead old values where nobody could be asked, and where AWS alone knows', async () => {
    const { name, keys } = await service(3);
    const campaign = await asked(stage.admin, name);
    await work(campaign.id);
    expect(await cardOf(campaign.id)).toContain('the new value works and the old one is dead');
    const { pool } = stage.database.store;
    await pool.query(`update rotation set condition = 'both' where key_id = $1`, [keys[0]!.id]);
    await pool.query(
      `update rotation set record = jsonb_set(record, array[(jsonb_array_length(record) - 1)::text, 'unproven'], 'true') where key_id = $1`,
      [keys[1]!.id],
    );
    const shown = await cardOf(campaign.id);
    expect(shown).not.toContain('is dead');
    expect(shown).toContain('of 1 key the service cannot be asked whether it still takes the old one');
    expect(shown).toContain('of 1 key AWS alone knows what became of the old one');
  });

  test('show on their card within seconds when one ends that others had begun, however many cards show progress', async () => {
    const { name, keys } = await service(1);
    await startRotation(stage.ports, stage.owner, { keyId: keys[0]!.id, reason: 'Due', emergency: false });
    const { store } = stage.database;
    for (let i = 0; i < 150; i++) {
      await store.change(
        { actor: { kind: 'job', id: 'rotation.step' }, action: 'rotation.begin', subject: `rot_other_${i}` },
        (tx) => tx.cards.touch(`rot_other_${i}`, { withinMs: 2_000 }),
      );
    }
    const campaign = await asked(stage.admin, name, { emergency: false });
    const shownInSeconds = async () => {
      const { rows } = await store.pool.query<{ seconds: number }>(
        `select extract(epoch from work.run_at - work.created_at)::float seconds
         from work join card on card.id = work.once_key
         where work.name = 'slack.card' and work.status = 'waiting' and card.subject = $1 and card.kind = 'campaign'`,
        [campaign.id],
      );
      return rows.map((each) => each.seconds);
    };
    const until = async (done: (state: Record<string, number>) => boolean) => {
      for (let turns = 0; turns < 200 && !done(await states(campaign.id)); turns++) {
        await store.pool.query(`delete from work where name = 'slack.card' and status = 'waiting'`);
        await work(campaign.id, { jobs: 1 });
      }
    };
    await until((state) => state.done === 1);
    const ended = await shownInSeconds();
    expect(ended.length).toBeGreaterThan(0);
    for (const seconds of ended) expect(seconds).toBeLessThan(5);
  });

  test('can be turned back one by one: the cards say until when, and lead to each rotation’s own', async () => {
    const ports: Ports = { ...stage.ports, policy: { ...quick, rotation: { ...quick.rotation, graceMinutes: 60 } } };
    const slow = deskOf(() => ports, openSlack);
    const { name, keys } = await service(2);
    const campaign = await planCampaign(ports, stage.admin, { service: name, ...provider, emergency: false });
    await askForCampaign(ports, stage.admin, campaign.id);
    await work(campaign.id, { ports, jobs: 60 });
    expect(await states(campaign.id)).toEqual({ grace: 2 });
    const shown = saying(await slow.card('campaign', campaign.id, { channel: 'security' }));
    expect(shown).toMatch(/2 handed out, the last of the old values is retired <!date/);
    for (const key of keys) expect(shown).toContain(key.purpose);
    const mine = saying(await slow.card('campaign:owner', campaign.id, { person: stage.owner.id }));
    expect(mine).toMatch(/are being rotated[\s\S]*handed out, the old value is retired <!date/);
    expect(mine).toContain('rotation.show');

    const bystander = aPerson();
    await given(stage.database.store, { people: [bystander] });
    const { rotation } = (await facts(campaign.id)).lines[0]!;
    await slow.press(stage.owner, 'rotation.show', rotation!.id);
    await slow.press(bystander, 'rotation.show', rotation!.id);
    const cards = await stage.database.store.read((view) => view.cards.of('rotation', rotation!.id));
    expect(cards.map((each) => each.personId).sort()).toEqual([stage.owner.id, bystander.id].sort());
    const card = saying(await slow.card('rotation', rotation!.id, { person: stage.owner.id }));
    expect(card).toContain('rotation.roll-back');
    await slow.press(stage.owner, 'rotation.roll-back', rotation!.id);
    await work(campaign.id, { ports, jobs: 20 });
    expect(await states(campaign.id)).toEqual({ grace: 1, 'rolled-back': 1 });
    const after = saying(await slow.card('campaign:owner', campaign.id, { person: stage.owner.id }));
    expect(after).toContain('What was rolled back has its old value');
    expect(after).not.toContain('a person has to rotate');
  });

  test('leave evidence for the auditor: who asked, who confirmed, and what became of each key', async () => {
    const { name, keys } = await service(6);
    const second = await administrator();
    const campaign = await asked(stage.admin, name);
    await decideCampaign(stage.ports, second, campaign.id, 'confirmed');
    await work(campaign.id);
    const { rows } = await stage.database.store.read((view) =>
      view.audit.list({ action: 'rotation.end-campaign' }, 50),
    );
    const event = rows.find((each) => each.subject === campaign.id);
    expect(event!.facts).toMatchObject({ askedBy: stage.admin.id, confirmedBy: second.id, done: 6, failed: 0 });
    expect((event!.facts.keys as { key: string }[]).map((each) => each.key).sort()).toEqual(
      keys.map((key) => key.id).sort(),
    );
  });

  test('are rotated once each by two workers, whatever dies in between', async () => {
    const { name, keys } = await service(12);
    const campaign = await asked(stage.admin, name);
    await decideCampaign(stage.ports, await administrator(), campaign.id, 'confirmed');
    let calls = 0;
    const dying: Ports = {
      ...stage.ports,
      secrets: {
        ...stage.ports.secrets,
        stage: async (...args) => {
          await stage.ports.secrets.stage(...args);
          if (++calls % 3 === 0) throw new Error('the connection broke after the work was done');
        },
      },
    };
    await Promise.all([work(campaign.id, { ports: dying }), work(campaign.id, { ports: dying })]);
    await Promise.all([runCampaign(stage.ports, { campaignId: campaign.id }).catch(() => {}), work(campaign.id)]);
    await work(campaign.id);
    expect(await states(campaign.id)).toEqual({ done: 12 });
    const { rows } = await stage.database.store.pool.query('select key_id from rotation where cause_id = $1', [
      campaign.id,
    ]);
    expect(rows).toHaveLength(12);
    for (const key of keys) expect(Object.values(await stage.stages(key))).toEqual([['AWSCURRENT']]);
  });

  test('of which one fails, one is retired meanwhile and one is taken over by an emergency: the card says so, and Retry mends it', async () => {
    const { name, keys } = await service(5);
    const broken = keys[0]!;
    const campaign = await asked(stage.admin, name, { emergency: false });
    await stage.bot.deleteSecret({ SecretId: broken.secretId! });
    await stage.database.store.pool.query(
      `update api_key set status = 'retired', next_rotation_at = null where id = $1`,
      [keys[1]!.id],
    );
    await runCampaign(stage.ports, { campaignId: campaign.id }).catch(() => {});
    const leaked = await startRotation(stage.ports, stage.admin, {
      keyId: keys[2]!.id,
      reason: 'Leak',
      emergency: true,
    });
    await work(campaign.id);
    expect(await states(campaign.id)).toEqual({ done: 3, failed: 1, 'left-out': 1 });
    const { lines } = await facts(campaign.id);
    expect(lines.find((line) => line.key.id === keys[2]!.id)?.rotation).toMatchObject({
      id: leaked.id,
      status: 'done',
    });
    expect(await campaignOf(campaign.id)).toMatchObject({ status: 'ended', unsettled: true });
    const shown = await cardOf(campaign.id);
    expect(shown).toMatch(/Rotated, but not all[\s\S]*3 of 5 keys/);
    expect(shown).toContain(broken.name);
    expect(shown).toContain('scheduled for deletion');
    expect(shown).toContain('rotation.retry-campaign');

    await stage.bot.restoreSecret({ SecretId: broken.secretId! });
    expect(await retryCampaign(stage.ports, stage.admin, campaign.id)).toBe(1);
    await work(campaign.id);
    await work(campaign.id);
    expect(await states(campaign.id)).toEqual({ done: 4, 'left-out': 1 });
    expect(await campaignOf(campaign.id)).toMatchObject({ status: 'ended', unsettled: false });
    await expect(retryCampaign(stage.ports, stage.admin, campaign.id)).rejects.toMatchObject(
      refused('conflict', /Nothing/),
    );
  });

  test('that are being rotated already are followed, and in an emergency taken over', async () => {
    for (const emergency of [false, true]) {
      const { name, keys } = await service(2);
      const before = await startRotation(stage.ports, stage.owner, {
        keyId: keys[0]!.id,
        reason: 'Due',
        emergency: false,
      });
      const campaign = await asked(stage.admin, name, { emergency });
      await work(campaign.id);
      const { lines } = await facts(campaign.id);
      const line = lines.find((each) => each.key.id === keys[0]!.id)!;
      expect(line.state).toBe('done');
      expect(line.rotation!.id === before.id).toBe(!emergency);
      expect((await stage.rotation(before.id)).status).toBe(emergency ? 'superseded' : 'done');
    }
  });

  test('that were never begun keep their values when it is stopped, and what had begun is finished', async () => {
    const { name, keys } = await service(maxUnbegun + 5);
    const campaign = await asked(stage.admin, name, { emergency: false });
    await decideCampaign(stage.ports, await administrator(), campaign.id, 'confirmed');
    await work(campaign.id, { jobs: 3 });
    await stopCampaign(stage.ports, stage.admin, campaign.id);
    await expect(stopCampaign(stage.ports, stage.admin, campaign.id)).rejects.toMatchObject(
      refused('conflict', /already/),
    );
    await work(campaign.id);
    const counted = await states(campaign.id);
    expect(counted.done).toBeGreaterThan(0);
    expect(counted.stopped).toBeGreaterThan(5);
    expect(counted.done! + counted.stopped!).toBe(keys.length);
    expect(await campaignOf(campaign.id)).toMatchObject({
      status: 'ended',
      stoppedBy: stage.admin.id,
      unsettled: false,
    });
    const { lines } = await facts(campaign.id);
    for (const { key, state } of lines) {
      const versions = Object.keys(await stage.stages(key));
      const old = keys.find((each) => each.id === key.id)!.currentVersion!;
      expect([state, versions.includes(old)]).toEqual([state, state === 'stopped']);
    }
    expect(await cardOf(campaign.id)).toContain('Stopped: all keys');
  });
});

describe('above the policy’s number', () => {
  test('another administrator confirms, once however often it is pressed, and never who asked', async () => {
    const { name } = await service(6);
    const campaign = await asked(stage.admin, name);
    expect(campaign.status).toBe('asked');
    const decide = (person: Pick<Person, 'id'>) => decideCampaign(stage.ports, person, campaign.id, 'confirmed');
    await expect(decide(stage.admin)).rejects.toMatchObject(refused('not_allowed', /Another administrator/));
    await expect(decide(stage.owner)).rejects.toMatchObject(refused('not_allowed', /administrators/));
    expect(await states(campaign.id)).toEqual({ waiting: 6 });
    const second = await administrator();
    const both = await Promise.allSettled([decide(second), decide(await administrator())]);
    expect(both.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(decide(second)).rejects.toMatchObject(refused('conflict', /confirmed already/));
    const { rows } = await stage.database.store.pool.query(
      `select 1 from work where name = 'rotation.run-campaign' and payload ->> 'campaignId' = $1`,
      [campaign.id],
    );
    expect(rows).toHaveLength(1);
  });

  test('nothing begins before, and its card says who is asked what and until when', async () => {
    const { name } = await service(6);
    const campaign = await asked(stage.admin, name);
    await runCampaign(stage.ports, { campaignId: campaign.id });
    expect(await states(campaign.id)).toEqual({ waiting: 6 });
    const shown = await cardOf(campaign.id);
    for (const part of [
      'Needs a second person',
      '6 keys would be rotated',
      'Nobody confirms their own',
      'It expires'.slice(3),
    ])
      expect(shown).toContain(part);
  });

  test('who asked can withdraw, nobody else; another administrator can refuse; then nothing can be confirmed', async () => {
    const second = await administrator();
    const one = await asked(stage.admin, (await service(6)).name);
    await expect(withdrawCampaign(stage.ports, second, one.id)).rejects.toMatchObject(
      refused('not_allowed', /who asked/),
    );
    await withdrawCampaign(stage.ports, stage.admin, one.id);
    const two = await asked(stage.admin, (await service(6)).name);
    await expect(decideCampaign(stage.ports, stage.admin, two.id, 'refused')).rejects.toMatchObject({
      code: 'not_allowed',
    });
    await decideCampaign(stage.ports, second, two.id, 'refused');
    for (const { id } of [one, two]) {
      await expect(decideCampaign(stage.ports, second, id, 'confirmed')).rejects.toMatchObject({ code: 'conflict' });
      expect(await cardOf(id)).toContain('Nothing was rotated');
      expect(await cardOf(id)).not.toContain('rotation.confirm-campaign');
    }
  });

  test('it expires, and so does what somebody asked for who has left', async () => {
    const second = await administrator();
    const asker = await administrator();
    const late = await asked(stage.admin, (await service(6)).name);
    const orphan = await asked(asker, (await service(6)).name);
    const { pool } = stage.database.store;
    await pool.query(`update rotation_campaign set expires_at = now() where id = $1`, [late.id]);
    await pool.query(`update person set status = 'left' where id = $1`, [asker.id]);
    const decide = (id: Id<'campaign'>) => decideCampaign(stage.ports, second, id, 'confirmed');
    await expect(decide(late.id)).rejects.toMatchObject(refused('conflict', /in time/));
    await expect(decide(orphan.id)).rejects.toMatchObject(refused('conflict', /may no longer/));
    const fresh = await asked(stage.admin, (await service(6)).name);
    await sweepCampaigns(stage.ports);
    expect([late, orphan, fresh].map(({ id }) => id)).toHaveLength(3);
    const found = await Promise.all([late, orphan, fresh].map(async ({ id }) => (await campaignOf(id)).status));
    expect(found).toEqual(['expired', 'expired', 'asked']);
  });

  test('what was shown is what is asked for, once, by whoever saw it', async () => {
    const draft = await planCampaign(stage.ports, stage.admin, { service: (await service(6)).name, ...provider });
    await expect(askForCampaign(stage.ports, await administrator(), draft.id)).rejects.toMatchObject({
      code: 'not_found',
    });
    await askForCampaign(stage.ports, stage.admin, draft.id);
    const typed = await planCampaign(stage.ports, stage.admin, { ...provider, service: draft.service.toUpperCase() });
    expect(typed).toMatchObject({ service: draft.service, lines: draft.lines });
    await expect(askForCampaign(stage.ports, stage.admin, draft.id)).rejects.toMatchObject(
      refused('conflict', /already/),
    );
    await expect(planCampaign(stage.ports, stage.owner, { service: 'Service 1', ...provider })).rejects.toMatchObject({
      code: 'not_allowed',
    });
    await expect(planCampaign(stage.ports, stage.admin, { service: 'Nowhere', ...provider })).rejects.toMatchObject(
      refused('not_found', /no key of Nowhere/),
    );
  });
});

describe('what is missing', () => {
  /** A service with three keys: of one the secret is gone, of one the provider is full, of one the credential is missing. */
  async function lacking() {
    const { name, keys } = await service(1);
    const gone = (await service(1, { service: name })).keys[0]!;
    const full = (await service(1, { service: name, issuer: 'full' })).keys[0]!;
    const poor = (await service(1, { service: name, issuer: 'poor' })).keys[0]!;
    await stage.bot.deleteSecret({ SecretId: gone.secretId!, RecoveryWindowInDays: 7 });
    const selfMade = stage.ports.issuers.of('self-made')!;
    const asked: string[] = [];
    const crowd: Issuer = {
      ...selfMade,
      name: 'full',
      can: { ...selfMade.can, keyLimit: 2, list: true },
      async list() {
        asked.push('list');
        return ['a', 'b'].map((providerKeyId) => ({ providerKeyId, label: null, active: true }));
      },
    };
    const of = (issuer: string) =>
      issuer === 'full'
        ? crowd
        : issuer === 'poor'
          ? { ...selfMade, name: 'poor', credential: 'keysteward/no-such-credential' }
          : stage.ports.issuers.of(issuer);
    const ports: Ports = { ...stage.ports, issuers: { ...stage.ports.issuers, of } };
    return { name, fine: keys[0]!, gone, full, poor, ports, asked };
  }
  const preview = async (ports: Ports, key: ApiKey, emergency: boolean) =>
    saying(
      await deskOf(() => ports, openSlack).send(stage.admin, 'rotation.plan-campaign', {
        bulkService: key.id,
        bulkCause: 'provider',
        reason: 'They had a breach',
        ...(emergency ? { emergency: ['emergency'] } : {}),
      }),
    );

  test('at the store or a provider is named for each key before anything starts, and a provider is asked once for all', async () => {
    const { name, fine, gone, full, poor, ports, asked } = await lacking();
    await service(2, { service: name, issuer: 'full' });
    const shown = await preview(ports, fine, false);
    expect(shown).toContain('6 keys, 1 of them can be rotated now');
    expect(shown).toContain('Would not begin as things are');
    for (const [key, why] of [
      [gone, 'The secret is scheduled for deletion'],
      [full, 'full has 2 keys here and allows 2. Remove one there'],
      [poor, 'Store it under keysteward/no-such-credential'],
    ] as const)
      expect(shown).toMatch(new RegExp(`${key.name}: .*${why}`));
    expect(asked).toEqual(['list']);
    const { rows } = await stage.database.store.pool.query(
      'select 1 from rotation r join api_key k on k.id = r.key_id where k.service = $1',
      [name],
    );
    expect(rows).toEqual([]);
  });

  test('and is there at its turn begins; what is still missing then is left to a person, not begun', async () => {
    const { name, fine, gone, full, poor, ports } = await lacking();
    const campaign = await planCampaign(ports, stage.admin, { service: name, ...provider, emergency: false });
    await askForCampaign(ports, stage.admin, campaign.id);
    await stage.bot.restoreSecret({ SecretId: gone.secretId! });
    await work(campaign.id, { ports });
    const { lines } = await stage.database.store.read(async (view) =>
      campaignFacts(view, ports, await view.campaigns.get(campaign.id)),
    );
    const stateOf = (key: ApiKey) => lines.find((line) => line.key.id === key.id)!;
    expect([fine, gone, full, poor].map((key) => stateOf(key).state)).toEqual(['done', 'done', 'person', 'person']);
    expect(stateOf(poor).why).toContain('keysteward/no-such-credential');
    expect(stateOf(full).rotation).toBeNull();
    const card = saying(await deskOf(() => ports, openSlack).card('campaign', campaign.id, { channel: 'security' }));
    expect(card).toMatch(new RegExp(`Somebody has to look[\\s\\S]*${full.name}.*Remove one there`));
    expect(card).toContain('rotation.retry-campaign');

    // Somebody has seen to it: those two have their turn, and nothing else is rotated again.
    await stage.bot.createSecret({ Name: 'keysteward/no-such-credential', SecretString: 'here-it-is' });
    expect(await retryCampaign(ports, stage.admin, campaign.id)).toBe(2);
    await work(campaign.id, { ports });
    expect(await campaignOf(campaign.id)).toMatchObject({ status: 'ended' });
    const again = await stage.database.store.read(async (view) =>
      campaignFacts(view, ports, await view.campaigns.get(campaign.id)),
    );
    expect(Object.fromEntries(again.lines.map(({ key, state }) => [key.id, state]))).toEqual({
      [fine.id]: 'done',
      [gone.id]: 'done',
      [poor.id]: 'done',
      [full.id]: 'person',
    });
    const { rows } = await stage.database.store.pool.query('select 1 from rotation where cause_id = $1', [campaign.id]);
    expect(rows).toHaveLength(3);
  });

  test('is tried all the same in an emergency, and said to be likely to fail', async () => {
    const { fine, gone, ports } = await lacking();
    const shown = await preview(ports, fine, true);
    expect(shown).toContain('4 keys, 4 of them can be rotated now');
    expect(shown).toMatch(new RegExp(`Tried, and likely to fail[\\s\\S]*${gone.name}: `));
  });

  test('for each key begins nothing: there is nothing to ask for', async () => {
    const { name, keys } = await service(2);
    for (const key of keys) await stage.bot.deleteSecret({ SecretId: key.secretId!, RecoveryWindowInDays: 7 });
    const shown = await preview(stage.ports, keys[0]!, false);
    expect(shown).toContain('See to what is missing first');
    // Where nothing is done nobody is told, and it takes no time.
    expect(shown).not.toMatch(/How long|Who is told/);
    const campaign = await planCampaign(stage.ports, stage.admin, { service: name, ...provider, emergency: false });
    await expect(askForCampaign(stage.ports, stage.admin, campaign.id)).rejects.toMatchObject(
      refused('conflict', /Something is missing for each/),
    );
  });

  test('is not guessed while nobody answers: the keys are named as not looked at, and the store is not asked for each', async () => {
    const { keys } = await service(25);
    let asked = 0;
    const down: Ports = {
      ...stage.ports,
      secrets: {
        ...stage.ports.secrets,
        describe: async () => {
          asked++;
          throw new Error('Secrets Manager, DescribeSecret: TimeoutError');
        },
      },
    };
    const shown = await preview(down, keys[0]!, false);
    expect(shown).toContain('25 keys, 25 of them can be rotated now');
    expect(shown).toContain('25 keys could not be looked at everywhere');
    expect(asked).toBeLessThanOrEqual(10);
  });
});

test('a campaign whose job was lost is taken up again', async () => {
  const campaign = await asked(stage.admin, (await service(1)).name);
  await stage.database.store.pool.query(`delete from work where name = 'rotation.run-campaign'`);
  await sweepCampaigns(stage.ports);
  await work(campaign.id);
  expect(await states(campaign.id)).toEqual({ done: 1 });
});

test('a key that was rotated a moment ago waits until AWS allows another version, and holds up no other', async () => {
  const { name, keys } = await service(3);
  await stage.database.store.pool.query('update api_key set last_rotated_at = now() where id = $1', [keys[0]!.id]);
  const campaign = await asked(stage.admin, name, { emergency: false });
  await work(campaign.id, { jobs: 60 });
  expect(await states(campaign.id)).toEqual({ done: 2, waiting: 1 });
  await stage.database.store.pool.query(
    `update api_key set last_rotated_at = now() - interval '2 minutes' where id = $1`,
    [keys[0]!.id],
  );
  await stage.database.store.pool.query(`update work set run_at = now() where name = 'rotation.run-campaign'`);
  await work(campaign.id);
  expect(await states(campaign.id)).toEqual({ done: 3 });
});

test('keys of which a new value was stored a moment ago in vain wait as well, and hold up no other', async () => {
  const { name, keys } = await service(maxUnbegun);
  for (const { id: keyId } of keys) {
    await startRotation(stage.ports, stage.admin, { keyId, reason: 'A test', emergency: false });
  }
  const storedEach = `update rotation set status = 'failed', ended_at = now(), condition = 'old', record = jsonb_build_array(
    jsonb_build_object('step', 'generate', 'attempt', 1, 'startedAt', now(), 'endedAt', now(), 'verdict', 'done'))
    where key_id = any($1)`;
  await stage.database.store.pool.query(storedEach, [keys.map((each) => each.id)]);
  await stage.database.store.pool.query(`delete from work where name like 'rotation.step%'`);
  const { keys: others } = await service(1, { service: name });
  const campaign = await asked(stage.admin, name, { emergency: false });
  await decideCampaign(stage.ports, await administrator(), campaign.id, 'confirmed');
  await work(campaign.id, { jobs: 60 });
  expect(await states(campaign.id)).toEqual({ waiting: keys.length, done: 1 });
  const done = (await facts(campaign.id)).lines.find((each) => each.state === 'done');
  expect(done!.key.id).toBe(others[0]!.id);
  // Nor are they looked at every second.
  const { rows } = await stage.database.store.pool.query(
    `select run_at - now() > interval '5 s' as later from work
     where name = 'rotation.run-campaign' and status = 'waiting' and payload ->> 'campaignId' = $1`,
    [campaign.id],
  );
  expect(rows).toEqual([{ later: true }]);
  await stage.database.store.pool.query(
    `update rotation set record = jsonb_set(record, '{0,endedAt}', to_jsonb(now() - interval '2 minutes')) where key_id = any($1) and status = 'failed'`,
    [keys.map((each) => each.id)],
  );
  await stage.database.store.pool.query(`update work set run_at = now() where name = 'rotation.run-campaign'`);
  await work(campaign.id);
  expect(await states(campaign.id)).toEqual({ done: keys.length + 1 });
});

test('one that fails for all its keys wakes on-call once', async () => {
  const { name, keys } = await service(3);
  for (const key of keys) await stage.bot.deleteSecret({ SecretId: key.secretId! });
  const campaign = await asked(stage.admin, name);
  await work(campaign.id);
  await stage.work();
  expect(await states(campaign.id)).toEqual({ failed: 3 });
  const about = stage.pages.filter((page) => page.dedupKey.includes(campaign.id));
  expect(about).toHaveLength(3);
  expect(new Set(about.map((page) => page.dedupKey)).size).toBe(1);
});

describe('one key', () => {
  test('is rotated for an audit or unusual usage by administrators, and its card says so', async () => {
    for (const [cause, words] of [
      ['audit', 'An audit asks for it'],
      ['unusual', 'It was used in an unusual way'],
    ] as const) {
      const { key } = await stage.key();
      const ask = { keyId: key.id, reason: 'A test', emergency: false, cause };
      await expect(startRotation(stage.ports, stage.owner, ask)).rejects.toMatchObject({ code: 'not_allowed' });
      const { id } = await startRotation(stage.ports, stage.admin, ask);
      expect(saying(await desk.card('rotation', id, { person: stage.admin.id }))).toContain(words);
    }
    const { key } = await stage.key();
    expect(saying(await desk.type(stage.admin, `rotate ${key.id}`))).toContain('An audit asks for it');
    expect(saying(await desk.type(stage.owner, `rotate ${key.id}`))).not.toContain('An audit asks for it');
  });
});

test('a campaign keeps to a freeze unless it is an emergency', async () => {
  const freeze = { reason: 'Year end', from: '2020-01-01', to: '2099-01-01' };
  const policy = { ...quick, rotation: { ...quick.rotation, freezes: [freeze] } };
  const ports = { ...stage.ports, policy };
  const { name } = await service(1);
  const planned = await planCampaign(ports, stage.admin, { service: name, ...provider, emergency: false });
  expect(planned.lines[0]!.why).toContain('Year end');
  await expect(askForCampaign(ports, stage.admin, planned.id)).rejects.toMatchObject({ code: 'conflict' });
  const urgent = await planCampaign(ports, stage.admin, { service: name, ...provider });
  expect(urgent.lines[0]!.why).toBeNull();
});

test('a key whose values a person makes waits for them on a card of its own; it is named until then, and stopping takes it back', async () => {
  const { name, keys } = await service(1);
  const { keys: byHand } = await service(1, { service: name, issuer: 'person' });
  const campaign = await asked(stage.admin, name, { emergency: false });
  await work(campaign.id, { jobs: 40 });
  expect(await states(campaign.id)).toEqual({ done: 1, 'by-hand': 1 });
  expect(await campaignOf(campaign.id)).toMatchObject({ status: 'running' });
  const shown = await cardOf(campaign.id);
  expect(shown).toMatch(/Somebody has to look[\s\S]*waiting for what a person has to do/);
  expect(shown).toContain(byHand[0]!.name);
  expect(shown).not.toContain(`*${keys[0]!.name}*`);
  const { lines } = await facts(campaign.id);
  const { rotation } = lines.find((line) => line.key.id === byHand[0]!.id)!;
  const { rows } = await stage.database.store.pool.query('select 1 from card where kind = $1 and subject = $2', [
    'rotation:person',
    rotation!.id,
  ]);
  expect(rows).toHaveLength(1);

  await stopCampaign(stage.ports, stage.admin, campaign.id);
  await stage.database.store.pool.query(`update work set run_at = now() where status = 'waiting'`);
  await work(campaign.id);
  expect(await states(campaign.id)).toEqual({ done: 1, stopped: 1 });
});

describe('what Keysteward itself works with', () => {
  /** Two entries of the policy, each with the credential that the other one makes, or with one that is in no campaign. */
  async function connectedTo(secretIds: { one: string; two: string }): Promise<Ports> {
    const fitting = fittingOf('openai-admin');
    const entry = (secretId: string) => ({ ...fitting.settings(fake.url, secretId, 0), callsPerMinute: 60_000 });
    const { providers } = policySchema.parse({ providers: { one: entry(secretIds.one), two: entry(secretIds.two) } });
    const policy = { ...quick, providers };
    return { ...stage.ports, policy, issuers: issuers(stage.ports.secrets, providers) };
  }
  let fake: Fake;
  beforeAll(async () => {
    fake = await startFake(fittingOf('openai-admin').dialect());
    fake.world.manages = () => true;
  });
  afterAll(() => fake.close());
  async function keyAt(name: string, issuer: string): Promise<ApiKey> {
    const value = `sk-admin-${chance()}`;
    const { id } = fake.world.make('by hand', value);
    return (await stage.key({ service: name, issuer, providerKeyId: id }, value)).key;
  }
  const startsOf = async (campaignId: string) => {
    const { rows } = await stage.database.store.pool.query<{ key_id: string; started_at: Date; ended_at: Date }>(
      'select key_id, started_at, ended_at from rotation where cause_id = $1 order by started_at',
      [campaignId],
    );
    return rows;
  };

  test.each([true, false])(
    'has its turn when all that work with it are over, which the preview and the card say (emergency: %s)',
    async (emergency) => {
      const name = `Service ${++number}`;
      const own = await keyAt(name, 'one');
      const others = [await keyAt(name, 'one'), await keyAt(name, 'one')];
      const ports = await connectedTo({ one: own.secretId!, two: 'keysteward/nobody' });
      const there = deskOf(() => ports, openSlack);
      const ask = { service: name, ...provider, emergency };
      const draft = await planCampaign(ports, stage.admin, ask);
      const shown = saying(previewBlocks(await factsBy(ports, draft.id), ports.policy));
      expect(shown).toContain(`*Last, because Keysteward works with it*\n${own.name}`);
      const campaign = await askForCampaign(ports, stage.admin, draft.id);
      await runCampaign(ports, { campaignId: campaign.id }).catch(() => {});
      expect((await startsOf(campaign.id)).map((each) => each.key_id).sort()).toEqual(
        others.map((each) => each.id).sort(),
      );
      const card = saying(await there.card('campaign', campaign.id, { channel: 'security' }));
      expect(card).toContain('Last, because Keysteward works with it');
      await finish(ports, campaign.id);
      const began = await startsOf(campaign.id);
      expect(began.map((each) => each.key_id).at(-1)).toBe(own.id);
      const lastEnd = Math.max(...began.slice(0, -1).map((each) => each.ended_at.getTime()));
      expect(began.at(-1)!.started_at.getTime()).toBeGreaterThanOrEqual(lastEnd);
      expect((await factsBy(ports, campaign.id)).lines.map((each) => each.state)).toEqual(['done', 'done', 'done']);
      expect(saying(await there.card('campaign', campaign.id, { channel: 'security' }))).not.toContain('Last, because');
    },
  );

  test('waits for nobody for ever: of two that make one another, one begins', async () => {
    const name = `Service ${++number}`;
    const pair = [await keyAt(name, 'two'), await keyAt(name, 'one')];
    const ports = await connectedTo({ one: pair[0]!.secretId!, two: pair[1]!.secretId! });
    const draft = await planCampaign(ports, stage.admin, { service: name, ...provider });
    const campaign = await askForCampaign(ports, stage.admin, draft.id);
    await runCampaign(ports, { campaignId: campaign.id }).catch(() => {});
    expect(await startsOf(campaign.id)).toHaveLength(1);
    await finish(ports, campaign.id);
    expect((await factsBy(ports, campaign.id)).lines.map((each) => each.state)).toEqual(['done', 'done']);
    for (const { secretId } of pair) {
      const { SecretString } = await stage.bot.getSecretValue({ SecretId: secretId! });
      expect(fake.world.live()).toContain(SecretString);
    }
  });

  const factsBy = (ports: Ports, id: string) =>
    stage.database.store.read(async (view) => campaignFacts(view, ports, await view.campaigns.get(id)));
  /** To its end, over each grace. */
  async function finish(ports: Ports, id: string): Promise<void> {
    for (let i = 0; i < 20 && (await campaignOf(id)).status === 'running'; i++) {
      for (const { rotation } of (await factsBy(ports, id)).lines) if (rotation) await stage.skipTime(rotation.id);
      await work(id, { ports, jobs: 40 });
    }
    expect((await campaignOf(id)).status).toBe('ended');
  }
});
