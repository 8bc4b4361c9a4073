import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { issuers } from '../../src/adapters/providers/index.ts';
import { openSlack } from '../../src/app.ts';
import { whyByHand } from '../../src/incidents/contain.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { entriesBy, type Policy, policySchema } from '../../src/policy.ts';
import type { Ports, Secrets } from '../../src/ports.ts';
import { whyNotOfDrills } from '../../src/rotation/drills/model.ts';
import { type Rotation, whyNotIssue } from '../../src/rotation/model.ts';
import { isOwn, type Maker } from '../../src/rotation/own-model.ts';
import { preflight } from '../../src/rotation/preflight.ts';
import { reEnableOld } from '../../src/rotation/re-enable.ts';
import { retryRotation } from '../../src/rotation/retry.ts';
import { rollBackRotation } from '../../src/rotation/roll-back.ts';
import { startForCause, startRotation } from '../../src/rotation/start.ts';
import { findDue } from '../../src/rotation/timing/find-due.ts';
import { type Fitting, fittingOf, twoSlots } from '../providers/fakes/index.ts';
import { chance } from '../providers/fakes/server.ts';
import { aKey, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { dying, type Scene, useProviderStage } from './provider-stage.ts';
import { quick, truth } from './stage.ts';

const stage = useProviderStage();
const slow = { rotation: { graceMinutes: 60 } };

/** Providers at which a key can make another one of its kind. */
const shapes: Record<string, Fitting> = {
  'openai-admin': fittingOf('openai-admin'),
  aws: fittingOf('aws'),
  acme: fittingOf('acme'),
  azure: twoSlots,
};
interface OwnScene extends Scene {
  /** Works on, over the time for which the old value is let live at least. */
  workOn(id: Rotation['id'], ports?: Ports): Promise<Rotation>;
}

/** A key of the inventory with which Keysteward itself works at its provider, and nothing else is accepted there. */
async function scene(shape: string, more: { rotation?: Partial<Policy['rotation']> } = {}): Promise<OwnScene> {
  const fitting = shapes[shape]!;
  const { fake, ports, credential } = await stage.connect(fitting, shape, {
    settings: { callsPerMinute: 60_000 },
    ...more,
  });
  const { world } = fake;
  const old = (fitting.stored ?? String)(world.admin);
  const id = { aws: world.admin, azure: 'Key1' }[shape];
  const first = world.make(id === 'Key1' ? id : 'made by hand', old, id ? { id } : {});
  if (shape === 'azure') world.make('Key2', chance(), { id: 'Key2' });
  world.admin = `nobody has ${randomUUID()}`;
  world.manages = () => true;
  const { VersionIdsToStages } = await stage.bot.describeSecret({ SecretId: credential });
  const key = aKey(stage.owner, {
    issuer: shape,
    secretId: credential,
    currentVersion: Object.keys(VersionIdsToStages!)[0]!,
    providerKeyId: first.id,
  });
  await given(stage.database.store, { keys: [key] });
  const here: OwnScene = {
    ...stage.sceneOf({ fake, ports, key, old }),
    async workOn(id, by = here.ports) {
      await stage.work({ ports: by });
      if ((await stage.rotation(id)).step === 'grace') {
        await stage.skipTime(id);
        await stage.work({ ports: by });
      }
      return stage.rotation(id);
    },
  };
  return here;
}
/** Two slots always hold something; that of the other one nobody was ever given. */
const living = ({ fake, key, old }: OwnScene, current: string) =>
  fake.world.live().filter((value) => key.issuer !== 'azure' || value === current || value === old);
/** How a value shows itself to its provider. */
const shownAs = (value: string) =>
  value.startsWith('{') ? (JSON.parse(value) as { AccessKeyId: string }).AccessKeyId : value;
/** Calls that make a key or end one, with whose credential they were made; a slot is ended by making it new. */
const changes = ({ fake }: OwnScene) =>
  fake.world.asked.filter(({ kind }) => kind === 'create' || kind === 'revoke').map((each) => each.credential);
const say = async (here: OwnScene, id: string, kind = 'rotation') =>
  saying(await deskOf(() => here.ports, openSlack).card(kind, id, { person: stage.owner.id }));
/** Keysteward can go on working there: it lists keys, makes one and ends it. */
async function canWork({ ports, key }: OwnScene): Promise<boolean> {
  const issuer = ports.issuers.of(key.issuer)!;
  const now = await stage.database.store.read((view) => view.keys.get(key.id));
  await issuer.list(now);
  const made = await issuer.create(now, `keysteward-test-${randomUUID()}`);
  if (!('value' in made)) return false;
  await issuer.revoke(now, { providerKeyId: made.providerKeyId, value: async () => made.value });
  return true;
}

describe.each(Object.keys(shapes))('what Keysteward itself works with at a provider like %s', (shape) => {
  test.each([
    ['when it is due', false],
    ['in an emergency', true],
  ])(
    'is made new %s by the old one, tried for the same rights, and the old one is ended by means of the new one',
    async (_, emergency) => {
      const here = await scene(shape);
      const id = await here.rotate(emergency);
      const done = await here.workOn(id);
      expect(done).toMatchObject({ status: 'done', condition: 'new', attempt: 1, failure: null });
      const now = await here.current();
      expect(now).not.toBe(here.old);
      expect(living(here, now)).toEqual([now]);
      expect(changes(here)).toEqual([shownAs(here.old), shownAs(now)]);
      for (const step of ['test', 'verify'] as const) {
        const { evidence } = done.record.find((each) => each.step === step)!;
        expect(evidence).toContain(`it may manage keys at ${shape}`);
      }
      expect(await canWork(here)).toBe(true);
      for (const value of [now, here.old]) expect(JSON.stringify([done, await stage.trail(id)])).not.toContain(value);
      // An emergency ends it at once; else those who remember it have their ten seconds.
      expect(done.record.find((each) => each.step === 'grace')!.verdict).toBe(emergency ? 'skipped' : 'done');
    },
  );

  test('without the right to manage keys is thrown away, once, and the card says so and that the old one works', async () => {
    const here = await scene(shape);
    here.fake.world.manages = (each) => each.value === here.old;
    const id = await here.rotate();
    // Until it could have arrived everywhere.
    await stage.work({ ports: here.ports, until: (each) => each.status !== 'running' });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old', attempt: 1 });
    expect(failed.failure).toContain(`cannot with the new value: it may not manage keys at ${shape}`);
    expect(await here.current()).toBe(here.old);
    expect(living(here, here.old)).toEqual([here.old]);
    expect(await truth(stage, here.key, failed)).toBe('old');
    const card = await say(here, id);
    expect(card).toContain('The old value works; the new one is not in use.');
    expect(card).toContain(`may not manage keys at ${shape}`);
    // It is said that the provider has ended it too, and not only that the store does not lead to it.
    expect(failed.record.at(-1)).toMatchObject({
      step: 'discard',
      evidence: expect.stringMatching(/ revoked at .*; no label/),
    });

    here.fake.world.manages = () => true;
    await retryRotation(here.ports, stage.owner, id);
    expect(await here.workOn(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(await canWork(here)).toBe(true);
  });

  test('is rolled back by the old one, which ends the new one', async () => {
    const here = await scene(shape, slow);
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ step: 'grace', condition: 'both' });
    // What is remembered is the new one by now.
    await here.ports.issuers.of(shape)!.list(here.key);
    await rollBackRotation(here.ports, stage.owner, id);
    await stage.skipTime(id);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect(await here.current()).toBe(here.old);
    expect(living(here, here.old)).toEqual([here.old]);
    expect(changes(here)).toEqual([shownAs(here.old), shownAs(here.old)]);
    expect(await canWork(here)).toBe(true);
  });
});

describe('a credential that goes wrong after the switch', () => {
  test('in an emergency is turned back all the same: nobody else could end the old one, or the new one', async () => {
    const here = await scene('openai-admin');
    const id = await here.rotate(true);
    await stage.work({ ports: here.ports, until: (each) => each.step === 'verify' });
    here.fake.world.manages = (each) => each.value === here.old;
    await stage.work({ ports: here.ports, until: (each) => each.status !== 'running' });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old', step: 'discard' });
    expect(failed.failure).toContain('may not manage keys');
    expect(await here.current()).toBe(here.old);
    expect(here.fake.world.live()).toEqual([here.old]);
    expect(await canWork(here)).toBe(true);
  });

  test('is not locked out by a store that shows late what is current: it works with the version that it means', async () => {
    const here = await scene('openai-admin', { rotation: { settleSeconds: 0 } });
    const past = { value: (await here.ports.secrets.read(here.key.secretId!, { stage: 'AWSCURRENT' }))! };
    // To whoever works with the credential the old one is current still.
    const late: Secrets = {
      ...here.ports.secrets,
      read: async (secretId, which) =>
        'stage' in which && secretId === here.key.secretId ? past.value : here.ports.secrets.read(secretId, which),
    };
    const ports = { ...here.ports, issuers: issuers(late, here.ports.policy.providers) };
    const id = await here.rotate();
    const done = await here.workOn(id, ports);
    expect(done).toMatchObject({ status: 'done', condition: 'new' });
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('whose provider does not answer is no refusal: it is tried again, and goes on', async () => {
    const here = await scene('openai-admin');
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'test' });
    here.fake.world.faults = [{ on: 'list', reply: { status: 503 }, times: 2 }];
    expect(await here.workOn(id)).toMatchObject({ status: 'done', condition: 'new', attempt: 1 });
  });
});

describe('a worker that dies', () => {
  const mortal = {
    secrets: ['stage', 'move'] as const,
    issuer: ['create', 'find', 'test', 'revoke', 'confirmDead', 'enable'] as const,
  };
  test.each(['openai-admin', 'aws'])(
    'before or after any call for a credential at %s leaves one key that works, and Keysteward able to work',
    async (shape) => {
      for (let at = 1, all = 1; at <= all; at++) {
        for (const moment of ['before', 'after'] as const) {
          const here = await scene(shape);
          const { ports, calls } = dying(here.ports, mortal, at, moment);
          const id = await here.rotate(at % 2 === 0);
          const done = await here.workOn(id, ports);
          all = Math.max(all, Math.min(calls(), 40));
          const where = `${moment} call ${at}`;
          expect([where, done.status, done.condition]).toEqual([where, 'done', 'new']);
          expect([where, here.fake.world.live()]).toEqual([where, [await here.current()]]);
          expect([where, await canWork(here)]).toEqual([where, true]);
        }
      }
    },
    120_000,
  );
});

describe('where a provider can stop a key, the old credential', () => {
  test('is stopped, started again and ended by means of the new one', async () => {
    const here = await scene('aws', { rotation: { screamTestHours: 24 } });
    const off = async () =>
      (await here.ports.issuers.of('aws')!.list(here.key))
        .filter((each) => !each.active)
        .map((each) => each.providerKeyId);
    const id = await here.rotate();
    expect(await here.workOn(id)).toMatchObject({ step: 'watch', condition: 'new' });
    expect(await off()).toEqual([shownAs(here.old)]);
    await reEnableOld(here.ports, stage.owner, id);
    await stage.skipTime(id);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ step: 'grace', condition: 'both' });
    expect(await off()).toEqual([]);
    await rollBackRotation(here.ports, stage.owner, id);
    await stage.skipTime(id);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect(here.fake.world.live()).toEqual([here.old]);
    expect(await canWork(here)).toBe(true);
  });
});

describe('an emergency that takes over the rotation of a credential', () => {
  test.each(['test', 'verify', 'grace', 'retire'])(
    'at "%s" leaves one key, and Keysteward able to work',
    async (step) => {
      const here = await scene('aws', slow);
      const first = await here.rotate();
      await stage.work({ ports: here.ports, until: (each) => each.step === step });
      if (step === 'retire') {
        await stage.skipTime(first);
        await stage.work({ ports: here.ports, until: (each) => each.step === 'retire' });
      }
      const id = await here.rotate(true);
      // It makes sure of what is current first.
      for (let i = 0; i < 30 && (await stage.rotation(id)).status === 'running'; i++) {
        await stage.skipTime(id);
        await stage.work({ ports: here.ports });
      }
      expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
      expect((await stage.rotation(first)).status).toBe('superseded');
      expect(here.fake.world.live()).toEqual([await here.current()]);
      expect(await canWork(here)).toBe(true);
    },
    60_000,
  );
});

describe('which key is such a credential, and who may replace it', () => {
  const providers = policySchema.parse({
    providers: {
      openai: { kind: 'openai', credential: 'keysteward/openai', project: 'p' },
      admin: {
        kind: 'openai-admin',
        credential: 'arn:aws:secretsmanager:eu-central-1:1:secret:keysteward/openai-AbCdEf',
      },
      aws: { kind: 'aws-iam', user: 'deployer' },
      git: { kind: 'github-token' },
      managed: { kind: 'aws-managed' },
    },
  }).providers;
  const policy = { ...quick, providers };
  const own = aKey(stage.owner ?? { id: 'usr_1' }, { secretId: 'keysteward/openai', issuer: 'admin', risk: 'low' });
  const maker = (can: Maker['can']): Maker => ({ name: 'acme', can });

  test('is the key whose secret any entry of the policy works with, by its name or its ARN, and no other', () => {
    expect(entriesBy(own, providers)).toEqual(['openai', 'admin']);
    expect(isOwn({ secretId: 'keysteward/openai-2' }, policy)).toBe(false);
    expect(isOwn({ secretId: null }, policy)).toBe(false);
  });

  test('is replaced by whoever makes keys that may manage keys and lets both live; who cannot says why and what to do', () => {
    const why = (can: Maker['can']) => whyNotIssue(own, maker(can), policy)?.sentence;
    expect(why({ overlap: 'many', managesKeys: true })).toBeUndefined();
    expect(why({ overlap: 'two', managesKeys: true })).toBeUndefined();
    expect(why({ overlap: 'none', managesKeys: true })).toMatch(/works with at openai and admin.*locked out.*A person/);
    expect(why({ overlap: 'many' })).toMatch(/acme makes may not manage keys.*"A person" under/);
    const { of } = stage.ports.issuers;
    expect(whyNotIssue(own, of('person'), policy)).toBeNull();
    expect(whyNotIssue(own, of('self-made'), policy)?.sentence).toMatch(/self-made makes may not manage keys/);
    expect(whyNotIssue(aKey(stage.owner), maker({ overlap: 'none' }), policy)).toBeNull();
    const scopes = ['api_keys.create', 'api_keys.read', 'api_keys.delete'];
    const mail = (granted: string[]) => {
      const { providers: all } = policySchema.parse({
        providers: { mail: { kind: 'sendgrid', credential: 'x', scopes: granted } },
      });
      return issuers(stage.ports.secrets, all).of('mail')!.can.managesKeys;
    };
    expect([mail(scopes), mail(scopes.slice(1)), mail(['mail.send'])]).toEqual([true, false, false]);
  });

  test('is never taken for a drill; a leaked one is replaced at once', () => {
    expect(whyNotOfDrills(own, policy)?.sentence).toMatch(/Keysteward itself works with/);
    expect(whyNotOfDrills(own, quick)).toBeNull();
    const able = { ...stage.ports.issuers, of: () => ({ ...stage.ports.issuers.of('person')!, name: 'admin' }) };
    expect(whyByHand(own, { policy, issuers: able }, new Date())).toBeNull();
  });
});

describe('the turn of a credential', () => {
  const past = new Date(Date.now() - 3_600_000);
  const rotationsOf = (key: ApiKey) => stage.database.store.read((view) => view.rotations.ofKey(key.id, 5));
  /** Another key of the same provider. */
  async function other(here: OwnScene, facts: Partial<ApiKey> = {}): Promise<ApiKey> {
    const value = `sk-admin-${chance()}`;
    const { id } = here.fake.world.make('another', value);
    const { key } = await stage.key({ issuer: here.key.issuer, providerKeyId: id, ...facts }, value);
    return key;
  }
  const due = (key: ApiKey) =>
    stage.database.store.pool.query('update api_key set next_rotation_at = $2 where id = $1', [key.id, past]);

  test('by the schedule comes when nothing else that works with it is being rotated, whatever is found first', async () => {
    const here = await scene('openai-admin', slow);
    const busy = await other(here, { nextRotationAt: past });
    await due(here.key);
    expect(await findDue(here.ports)).toBe(1);
    expect(await findDue(here.ports)).toBe(0);
    expect(await rotationsOf(here.key)).toEqual([]);
    await stage.work({ ports: here.ports });
    const [first] = await rotationsOf(busy);
    expect(first).toMatchObject({ step: 'grace' });
    expect(await findDue(here.ports)).toBe(0);
    await stage.skipTime(first!.id);
    await stage.work({ ports: here.ports });
    expect(await findDue(here.ports)).toBe(1);
    await stage.work({ ports: here.ports });
    const [own] = await rotationsOf(here.key);
    expect(own).toMatchObject({ cause: 'due', step: 'grace', condition: 'both' });

    // Both work now, so others begin.
    const late = await other(here, { nextRotationAt: past });
    expect(await findDue(here.ports)).toBe(1);
    await stage.work({ ports: here.ports });
    expect((await rotationsOf(late))[0]).toMatchObject({ step: 'grace' });
    await stage.skipTime(own!.id);
    await stage.work({ ports: here.ports });
    expect((await rotationsOf(here.key))[0]).toMatchObject({ status: 'done' });
    // What is remembered is turned down, and the new one is taken up.
    await stage.skipTime((await rotationsOf(late))[0]!.id);
    await stage.work({ ports: here.ports });
    expect((await rotationsOf(late))[0]).toMatchObject({ status: 'done', condition: 'new' });
  });

  test('comes after a day also where others rest in their grace, as at a busy provider there is always one', async () => {
    const here = await scene('openai-admin', slow);
    const busy = await other(here, { nextRotationAt: past });
    await findDue(here.ports);
    await stage.work({ ports: here.ports });
    await due(here.key);
    expect(await findDue(here.ports)).toBe(0);
    await stage.database.store.pool.query(
      "update api_key set next_rotation_at = now() - interval '25 hours' where id = $1",
      [here.key.id],
    );
    expect(await findDue(here.ports)).toBe(1);
    expect((await rotationsOf(busy))[0]).toMatchObject({ status: 'running' });
    await stage.work({ ports: here.ports });
    expect((await rotationsOf(here.key))[0]).toMatchObject({ step: 'grace' });
  });

  test('that was asked for, or is owed to a leaver, waits at its first step while others are at work; an emergency does not', async () => {
    const here = await scene('openai-admin', slow);
    const busy = await other(here);
    const ask = { keyId: busy.id, reason: 'A test', emergency: false };
    const first = await startRotation(here.ports, stage.owner, ask);
    await stage.work({ ports: here.ports, until: (each) => each.step === 'test' });
    await stage.database.store.pool.query(
      "update work set run_at = now() + interval '1 hour' where payload ->> 'rotationId' = $1",
      [first.id],
    );
    await startForCause(here.ports, { keyId: here.key.id, cause: 'leaver', causeId: 'somebody', emergency: false });
    const [own] = await rotationsOf(here.key);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(own!.id)).toMatchObject({ status: 'running', step: 'generate', record: [] });
    const card = await say(here, own!.id);
    expect(card).toContain('Keysteward works with this key at openai-admin. It goes last: the new one is tried');
    const urgent = await here.rotate(true);
    await stage.work({ ports: here.ports, until: (each) => each.id === urgent && each.status === 'done' });
    expect(await stage.rotation(urgent)).toMatchObject({ status: 'done', condition: 'new' });
    expect(await stage.rotation(first.id)).toMatchObject({ step: 'test' });
    await stage.skipTime(first.id);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(first.id)).toMatchObject({ step: 'grace', condition: 'both' });
    expect(await say(here, own!.id)).not.toContain('It goes last');
  });

  test('is said before anything is touched, and on the card of the key', async () => {
    const here = await scene('openai-admin');
    const desk = deskOf(() => here.ports, openSlack);
    const card = async (id: string) => saying(await desk.press(stage.owner, 'inventory.show', id));
    expect(await card(here.key.id)).toMatch(
      /Used by\*\nKeysteward works with this key at openai-admin.*\nNobody else is/,
    );
    const said = (await preflight(here.ports, here.key.id)).map((each) => `${each.level}: ${each.sentence}`);
    expect(said).toContain(
      'ok: Keysteward works with this key at openai-admin. It goes last: the new one is tried for the same rights before the old one ends.',
    );
    const others = (await preflight(here.ports, (await other(here)).id)).map((each) => each.sentence).join(' ');
    expect(others).not.toContain('works with this key');
    expect(await card((await other(here)).id)).toMatch(/Used by\*\nNobody is recorded/);
  });
});
