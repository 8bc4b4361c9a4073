import { describe, expect, test } from 'vitest';
import type { ApiKey } from '../../src/inventory/model.ts';
import { addConsumer, changeConsumer } from '../../src/inventory/record-consumer.ts';
import { removeConsumer } from '../../src/inventory/remove-consumer.ts';
import { AskedTooOften, newId, Secret } from '../../src/kernel.ts';
import type { Issuer, Ports } from '../../src/ports.ts';
import { conditionInWords, isProvenDead, openRecord, type Rotation } from '../../src/rotation/model.ts';
import { retryRotation } from '../../src/rotation/retry.ts';
import { rollBackRotation } from '../../src/rotation/roll-back.ts';
import { rotationInSlack } from '../../src/rotation/slack.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { findDue } from '../../src/rotation/timing/find-due.ts';
import { awsError, newAwsPair } from '../providers/fakes/aws-iam.ts';
import { fittingOf, twoSlots } from '../providers/fakes/index.ts';
import { chance } from '../providers/fakes/server.ts';
import { deskOf, saying } from '../support/desk.ts';
import { dying, type Scene, useProviderStage } from './provider-stage.ts';

const stage = useProviderStage();
const desk = deskOf(() => stage.ports, rotationInSlack);

const shapes = {
  openai: fittingOf('openai'),
  gitlab: fittingOf('gitlab'),
  acme: fittingOf('acme'),
  aws: fittingOf('aws'),
  okta: fittingOf('okta'),
  azure: twoSlots,
};
type Shape = keyof typeof shapes;

/** A key whose value the provider knows, though nobody has told us what it is called there. */
async function scene(shape: Shape, { graceMinutes = 0, settings = {} } = {}): Promise<Scene & { credential: string }> {
  const { fake, ports, credential } = await stage.connect(shapes[shape], shape, {
    settings: { callsPerMinute: 60_000, ...settings },
    rotation: { graceMinutes },
  });
  const pair = newAwsPair();
  const old = shape === 'aws' ? pair.value : shape === 'openai' ? `sk-svcacct-${chance()}` : chance();
  const ids: Partial<Record<Shape, string>> = { azure: 'Key1', gitlab: '7', aws: pair.id };
  fake.world.make(shape === 'azure' ? 'Key1' : 'made by hand', old, { id: ids[shape] ?? 'key_old' });
  if (shape === 'azure') fake.world.make('Key2', chance(), { id: 'Key2' });
  const { key } = await stage.key({ issuer: shape, lastRotatedAt: null }, old);
  return { ...stage.sceneOf({ fake, ports, key, old }), credential };
}
/** Where a worker can die. */
const mortal = {
  secrets: ['describe', 'stage', 'move', 'read'] as const,
  issuer: ['create', 'find', 'identify', 'test', 'revoke', 'confirmDead'] as const,
};
const keyOf = (id: string) => stage.database.store.read((view) => view.keys.get(id));
/** In a pair of slots each always holds something; what counts is that nobody has the value of the other. */
const worksElsewhere = ({ fake }: Scene, current: string) =>
  fake.world.live().filter((each) => each !== current && !fake.world.keys.some((key) => key.name.startsWith('Key')));

describe.each(['openai', 'gitlab', 'azure', 'aws', 'okta'] as const)('a rotation at a provider like %s', (shape) => {
  test('ends with one live key, which is the one handed out, and with the old one revoked and proven dead', async () => {
    const here = await scene(shape);
    here.fake.world.lag = shape === 'azure' ? { made: 0, ended: 1 } : { made: 2, ended: 2 };
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new', attempt: 1, failure: null });
    const now = await here.current();
    expect(now).not.toBe(here.old);
    expect(here.fake.world.live()).toContain(now);
    expect(here.fake.world.live()).not.toContain(here.old);
    expect(worksElsewhere(here, now)).toEqual([]);

    const after = await keyOf(here.key.id);
    const made = here.fake.world.keys.find((each) => each.value === now)!;
    expect(after).toMatchObject({ providerKeyId: made.id, currentVersion: done.newVersion });
    expect(after.expiresAt === null).toBe(shape !== 'gitlab');
    const trail = await stage.trail(id);
    expect(trail.map((each) => each.action)).toEqual(expect.arrayContaining(['rotation.create', 'rotation.revoke']));
    const evidence = done.record.findLast((each) => each.step === 'confirm')!.evidence!;
    expect(evidence).toContain(`${shape} no longer accepts the old value`);
    for (const secret of [now, here.old, here.fake.world.admin])
      expect(JSON.stringify([trail, done])).not.toContain(secret);

    await stage.database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [here.key.id]);
    const again = await here.rotate();
    await stage.work({ ports: here.ports });
    expect((await stage.rotation(again)).status).toBe('done');
    expect(here.fake.world.live()).not.toContain(now);
    expect(worksElsewhere(here, await here.current())).toEqual([]);
  });

  test.each(['generate', 'test', 'promote', 'verify', 'grace'])(
    'turned back at "%s" leaves the old key alive and nothing of the new one',
    async (step) => {
      const here = await scene(shape, { graceMinutes: 60 });
      const id = await here.rotate();
      if (step !== 'generate') await stage.work({ ports: here.ports, until: (each) => each.step === step });
      const tried = here.fake.world.live();
      await rollBackRotation(here.ports, stage.owner, id);
      await stage.skipTime(id);
      await stage.work({ ports: here.ports });
      expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
      expect(await here.current()).toBe(here.old);
      expect(here.fake.world.live()).toContain(here.old);
      expect(worksElsewhere(here, here.old)).toEqual([]);
      if (shape === 'azure' && step !== 'generate') expect(here.fake.world.live()).not.toEqual(tried);
    },
  );

  test('goes through although its own credential is replaced, and the former one withdrawn, at every step', async () => {
    const here = await scene(shape);
    const id = await here.rotate();
    const { name, stored = String } = shapes[shape];
    let replaced = 0;
    for (let left = 1; left > 0; ) {
      const { fence } = await stage.rotation(id);
      left = await stage.work({ ports: here.ports, until: (each) => each.fence !== fence });
      here.fake.world.admin = `${name}-credential-${++replaced}`;
      await stage.bot.putSecretValue({ SecretId: here.credential, SecretString: stored(here.fake.world.admin) });
    }
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new', attempt: 1, failure: null });
    expect(here.fake.world.live()).toContain(await here.current());
    expect(worksElsewhere(here, await here.current())).toEqual([]);
    const shown = here.fake.world.asked.flatMap((each) => (each.kind === 'probe' ? [] : [each.credential]));
    expect(new Set(shown).size).toBeGreaterThanOrEqual(2);
    const trail = await stage.trail(id);
    expect(trail.filter((each) => each.action === 'rotation.create' || each.action.includes('orphan'))).toHaveLength(1);
  });
});

describe.each(['openai', 'azure', 'aws', 'okta'] as const)('a worker at a provider like %s', (shape) => {
  test('that dies before or after any outside call ends the same: one current version, no orphan, the old one dead', async () => {
    let points = 0;
    for (const moment of ['before', 'after'] as const) {
      for (let at = 1; ; at++) {
        const here = await scene(shape);
        const { ports, calls } = dying(here.ports, mortal, at, moment);
        const id = await here.rotate();
        await stage.work({ ports });
        const done = await stage.rotation(id);
        const where = `${moment} call ${at}`;
        expect(done, where).toMatchObject({ status: 'done', condition: 'new', attempt: 1 });
        const now = await here.current();
        expect(await stage.stages(here.key), where).toEqual({ [done.newVersion!]: ['AWSCURRENT'] });
        expect(here.fake.world.live(), where).toContain(now);
        expect(here.fake.world.live(), where).not.toContain(here.old);
        expect(worksElsewhere(here, now), where).toEqual([]);
        const name = here.fake.world.keys.find((each) => each.value === now)!.id;
        expect((await keyOf(here.key.id)).providerKeyId, where).toBe(name);
        if (calls() < at) break;
        points++;
      }
    }
    expect(points).toBeGreaterThanOrEqual(16);
  }, 240_000);
});

describe.each(['aws', 'okta'] as const)('where keys bear no labels, as at %s', (shape) => {
  const byHand = ({ fake }: Scene, madeAt = new Date()) => {
    const { id, value } = shape === 'aws' ? newAwsPair() : { id: `ocs-${chance()}`, value: chance() };
    fake.world.make('', value, { id, madeAt });
    return value;
  };
  /** A rotation whose call was made, and whose answer nobody has seen, three days ago. */
  async function unanswered(here: Scene, lost: 'answer' | 'call'): Promise<Rotation['id']> {
    here.fake.world.faults = [
      lost === 'answer' ? { on: 'create', lose: true } : { on: 'create', reply: { status: 500, body: {} } },
    ];
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.unanswered.length > 0 });
    const { unanswered } = await stage.rotation(id);
    expect(unanswered).toHaveLength(1);
    const then = new Date(Date.parse(unanswered[0]!) - 3 * 24 * 60 * 60_000);
    const { pool } = stage.database.store;
    await pool.query('update rotation set unanswered = $2 where id = $1', [id, JSON.stringify([then.toISOString()])]);
    for (const made of here.fake.world.keys.filter((each) => each.value !== here.old)) made.madeAt = then;
    return id;
  }

  test('a key that a person makes after a rotation was refused, and before Retry, is never taken for left behind', async () => {
    const here = await scene(shape);
    const id = await here.rotate();
    byHand(here, new Date(0));
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'failed', condition: 'old', unanswered: [] });
    here.fake.world.keys = here.fake.world.keys.filter((each) => each.value === here.old);
    const theirs = byHand(here);
    await retryRotation(here.ports, stage.owner, id);
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old' });
    expect(failed.failure).toMatch(/already has 2 keys here and allows 2\. Remove one that nobody uses/);
    expect(here.fake.world.live()).toEqual([here.old, theirs]);
  });

  test('a key that a person makes days after a call that was not answered is left alone, and the rotation asks a person', async () => {
    const here = await scene(shape);
    const id = await unanswered(here, 'call');
    const theirs = byHand(here);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'failed', failure: expect.stringMatching(/Remove one/) });
    expect(here.fake.world.live()).toEqual([here.old, theirs]);
  });

  test('a key that a person makes while the provider does not list it yet is left alone', async () => {
    const here = await scene(shape);
    const id = await here.rotate();
    const theirs = byHand(here);
    // Once for each listing before the creation.
    here.fake.world.hidden = 2;
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'failed', unanswered: [] });
    expect(here.fake.world.live()).toEqual([here.old, theirs]);
    expect((await stage.trail(id)).map((each) => each.action)).toContain('rotation.not-made');
  });

  test('what an unanswered call made days ago is found all the same, also by a rotation that takes over', async () => {
    for (const takenOver of [false, true]) {
      const here = await scene(shape);
      const first = await unanswered(here, 'answer');
      expect(here.fake.world.live()).toHaveLength(2);
      const id = takenOver ? await here.rotate(true) : first;
      await stage.work({ ports: here.ports });
      expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
      expect(here.fake.world.keys).toHaveLength(3);
      expect(here.fake.world.live()).toEqual([await here.current()]);
    }
  });
});

describe('a rotation at a provider', () => {
  test('whose answer to the creation is lost has one live key in the end', async () => {
    const here = await scene('openai');
    here.fake.world.faults.push({ on: 'create', lose: true });
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', attempt: 1 });
    const trail = (await stage.trail(id)).map((each) => each.action);
    expect(trail.filter((each) => each.endsWith('-orphan'))).toEqual([
      'rotation.find-orphan',
      'rotation.remove-orphan',
    ]);
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test.each([
    ['okta', { status: 429, headers: { 'retry-after': '1' } }],
    ['okta', { status: 429 }],
    ['aws', awsError(400, 'Throttling', 'Rate exceeded')],
  ] as const)(
    'at %s, which says that it is asked too often, has made nothing: what a person makes then is left alone: %o',
    async (shape, reply) => {
      const here = await scene(shape);
      const id = await here.rotate();
      here.fake.world.faults.push({ on: 'create', reply });
      const isAsked = () => here.fake.world.asked.some((each) => each.kind === 'create');
      await stage.work({ ports: here.ports, until: isAsked });
      const byHand = here.fake.world.make('by hand', chance());
      await stage.work({ ports: here.ports });
      expect(here.fake.world.live()).toContain(byHand.value);
      expect(await stage.rotation(id)).toMatchObject({ status: 'failed', condition: 'old', unanswered: [] });
    },
  );

  test('at OpenAI leaves alone what a person has made in the account of the new key, and the new key with it', async () => {
    const here = await scene('openai', { graceMinutes: 60 });
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'grace' });
    const ours = here.fake.world.keys.find((each) => each.name.startsWith('keysteward-'))!;
    const byHand = here.fake.world.make(ours.name, `sk-svcacct-${chance()}`, { account: ours.account });
    await stage.skipTime(id);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(here.fake.world.live()).toEqual([await here.current(), byHand.value]);

    // When the new one is an old one, it goes alone.
    await stage.database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [here.key.id]);
    const next = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'grace' });
    await stage.skipTime(next);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(next)).toMatchObject({ status: 'done', condition: 'new' });
    expect(here.fake.world.live()).toEqual([byHand.value, await here.current()]);
  });

  test.each([
    ['after Retry has stopped', true],
    ['while Retry is about to', false],
  ])(
    'revokes nothing where its key has moved to another provider, which calls something else by the same name: %s',
    async (_when, hasStopped) => {
      const here = await scene('gitlab');
      await here.ports.issuers.of('gitlab')!.create(here.key, 'another');
      const first = await here.rotate();
      await stage.work({ ports: here.ports, until: (each) => each.step === 'test' });
      const { pool } = stage.database.store;
      const failed = `update rotation set status = 'failed', failure = 'It kept failing', ended_at = now() where id = $1`;
      await pool.query(failed, [first]);
      await pool.query("delete from work where payload ->> 'rotationId' = $1", [first]);
      expect((await stage.rotation(first)).issued).toMatchObject([{ providerKeyId: '102', ended: false }]);

      const there = await stage.connect(fittingOf('gitlab'), 'gitlab-elsewhere');
      const [old, foreign] = [chance(), chance()];
      there.fake.world.make('made by hand', old, { id: '7' });
      there.fake.world.make('of somebody else', foreign, { id: '102' });
      await stage.bot.putSecretValue({ SecretId: here.key.secretId!, SecretString: old });
      const move = "update api_key set issuer = 'gitlab-elsewhere', provider_key_id = null where id = $1";
      await pool.query(move, [here.key.id]);

      await retryRotation(there.ports, stage.owner, first);
      if (hasStopped) {
        await stage.work({ ports: there.ports });
        const again = await stage.rotation(first);
        expect(again).toMatchObject({ status: 'failed', failure: expect.stringMatching(/gitlab made its values/) });
      }
      expect(there.fake.world.live()).toEqual([old, foreign]);

      const { id } = await startRotation(there.ports, stage.owner, {
        keyId: here.key.id,
        reason: 'x',
        emergency: true,
      });
      await stage.work({ ports: there.ports });
      expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
      expect(there.fake.world.live()).toEqual([foreign, await here.current()]);
    },
  );

  test('finds an orphan that was not listed at first before it calls itself done', async () => {
    const here = await scene('openai');
    here.fake.world.faults.push({ on: 'create', lose: true });
    // Once for the listing before each of the two creations.
    here.fake.world.hidden = 2;
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', attempt: 1 });
    expect(here.fake.world.keys).toHaveLength(3);
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('whose new key never works takes each of them away again, and says that the old one works', async () => {
    const here = await scene('openai', { settings: { propagationSeconds: 0 } });
    here.fake.world.lag.made = 1_000;
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'failed', condition: 'old', attempt: 3 });
    expect(here.fake.world.keys).toHaveLength(4);
    expect(here.fake.world.live()).toEqual([here.old]);
    expect(await here.current()).toBe(here.old);
  });

  test('whose provider gives out the current key as a new one takes none of it for new, and does not revoke what is in use', async () => {
    const here = await scene('openai');
    const { of } = here.ports.issuers;
    const same = {
      ...of('openai')!,
      create: async () => ({ value: new Secret(here.old), providerKeyId: 'key_old', expiresAt: null }),
    };
    const ports: Ports = { ...here.ports, issuers: { ...here.ports.issuers, of: () => same } };
    const id = await here.rotate();
    await stage.work({ ports });
    const rotation = await stage.rotation(id);
    expect(rotation).toMatchObject({ status: 'failed', condition: 'old', attempt: 3 });
    expect(rotation.failure).toMatch(/^This is not a new value/);
    expect(here.fake.world.live()).toEqual([here.old]);
    expect(await here.current()).toBe(here.old);
  });

  test('that is refused a new key stops at once and says why in words', async () => {
    const here = await scene('acme');
    const id = await here.rotate();
    for (let i = 0; i < 7; i++) here.fake.world.make(`other ${i}`, chance());
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old' });
    expect(failed.failure).toMatch(/already has 8 keys here and allows 8/);
  });

  test('at a provider that is full waits for another one there to end its old key, and says so; an emergency does not', async () => {
    const here = await scene('acme', { graceMinutes: 60 });
    const { pool } = stage.database.store;
    const known = async (name: string) => {
      const { key } = await stage.key({ issuer: 'acme' });
      const value = chance();
      here.fake.world.make(name, value, { id: name });
      const { VersionId } = await stage.bot.putSecretValue({ SecretId: key.secretId!, SecretString: value });
      await pool.query('update api_key set current_version = $2, provider_key_id = $3 where id = $1', [
        key.id,
        VersionId,
        name,
      ]);
      return key;
    };
    await pool.query("update api_key set provider_key_id = 'key_old' where id = $1", [here.key.id]);
    const [second, third] = [await known('key_second'), await known('key_third')];
    for (let i = 0; i < 4; i++) here.fake.world.make(`other ${i}`, chance());
    const rotate = (key: ApiKey, emergency: boolean) =>
      startRotation(here.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency });
    const first = await here.rotate();
    const waits = (await rotate(second, false)).id;
    const urgent = (await rotate(third, true)).id;
    await pool.query("update work set run_at = now() + interval '1 hour' where payload ->> 'rotationId' = $1", [
      urgent,
    ]);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(first)).toMatchObject({ status: 'running', step: 'grace' });
    const waiting = await stage.rotation(waits);
    expect(waiting).toMatchObject({
      status: 'running',
      step: 'generate',
      condition: 'old',
      tried: [expect.any(String)],
    });
    expect(waiting.continuesAt!.getTime()).toBeGreaterThan(waiting.touchedAt.getTime());
    expect(openRecord(waiting)!.evidence).toMatch(/allows 8 keys and has them all; another rotation there/);
    expect((await stage.trail(waits)).map((each) => each.action)).toContain('rotation.wait');

    // Nobody knows how long a grace takes; a key that may be known to others cannot wait for it.
    await stage.skipTime(urgent);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(urgent)).toMatchObject({ status: 'failed', condition: 'old' });

    await stage.skipTime(first);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(first)).toMatchObject({ status: 'done', condition: 'new' });
    await stage.skipTime(waits);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(waits)).toMatchObject({ status: 'running', step: 'grace', condition: 'both' });
    expect(here.fake.world.live()).toHaveLength(8);
  });

  test('that takes another over and is refused a new key leaves nothing of the other: no label and no key', async () => {
    const here = await scene('acme');
    await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'test' });
    expect(Object.values(await stage.stages(here.key)).flat()).toContain('AWSPENDING');
    for (let i = 0; i < 7; i++) here.fake.world.make(`other ${i}`, chance());
    const id = await here.rotate(true);
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old' });
    expect(failed.failure).toMatch(/allows 8/);
    expect(Object.values(await stage.stages(here.key)).flat()).not.toContain('AWSPENDING');
    expect(here.fake.world.live()).toHaveLength(8);
    expect(await here.current()).toBe(here.old);
    here.fake.world.end(here.fake.world.keys.find((each) => each.name === 'other 0')!.id);
    await retryRotation(here.ports, stage.owner, id);
    await stage.work({ ports: here.ports, until: (each) => each.step === 'retire' });
    expect((await stage.rotation(id)).condition).toBe('both');
  });

  test('that cannot tell the old key from others stops with both alive; revoked by hand, Retry goes on from there', async () => {
    const here = await scene('acme');
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', step: 'retire', condition: 'both' });
    expect(failed.failure).toMatch(/does not say which of its keys the old value .* Revoke it there by hand/);
    expect(conditionInWords(failed)).toBe('The new value works. The old one may still work.');
    expect(here.fake.world.live()).toContain(here.old);
    here.fake.world.end('key_old');
    await retryRotation(here.ports, stage.owner, id);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(here.fake.world.live()).toEqual([await here.current()]);

    await stage.database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [here.key.id]);
    const next = await here.rotate();
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(next)).toMatchObject({ status: 'done', condition: 'new' });
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('that takes over from one whose switch does not show yet leaves alone the slot that is in use', async () => {
    const here = await scene('azure', { graceMinutes: 60 });
    const first = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'grace' });
    expect(await stage.rotation(first)).toMatchObject({ step: 'grace', condition: 'both' });
    const inUse = await here.current();
    for (const operation of ['DescribeSecret', 'GetSecretValue'])
      stage.aws.server.control.inject({ kind: 'stale-read', operation, secretId: here.key.secretId! });
    const { ports } = here;
    const id = await here.rotate(true);
    for (let turns = 0; turns < 5 && (await stage.rotation(id)).step === 'generate'; turns++) {
      await stage.skipTime(id);
      await stage.work({ ports, until: (each) => each.id === id && each.step === 'test' });
    }
    expect(await stage.rotation(id)).toMatchObject({ step: 'test' });
    expect(here.fake.world.live()).toContain(inUse);
    await stage.work({ ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(here.fake.world.live()).not.toContain(inUse);
    expect(here.fake.world.live()).toContain(await here.current());
  });

  test('looks twice before it says that the old key cannot be told from others', async () => {
    const here = await scene('openai');
    const issuer = here.ports.issuers.of('openai')!;
    let looks = 0;
    const identify: typeof issuer.identify = async (...asked) => (++looks === 1 ? null : issuer.identify(...asked));
    const ports: Ports = { ...here.ports, issuers: { ...here.ports.issuers, of: () => ({ ...issuer, identify }) } };
    const id = await here.rotate();
    for (let turns = 0; turns < 3; turns++) {
      await stage.work({ ports });
      await stage.skipTime(id);
    }
    expect(looks).toBeGreaterThan(1);
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('does not take the death of a key that was tried for that of the old one, which nobody could ask about', async () => {
    const here = await scene('acme', { settings: { propagationSeconds: 0 } });
    const old = here.key.currentVersion;
    const issuer = here.ports.issuers.of('acme')!;
    let tries = 0;
    const test: typeof issuer.test = async (...asked) =>
      ++tries === 1 ? { verdict: 'refused', evidence: 'not this one' } : issuer.test(...asked);
    const read: Ports['secrets']['read'] = async (secretId, which) => {
      const found = await here.ports.secrets.read(secretId, which);
      return found?.versionId === old ? null : found;
    };
    const ports: Ports = {
      ...here.ports,
      issuers: { ...here.ports.issuers, of: () => ({ ...issuer, test }) },
      secrets: { ...here.ports.secrets, read },
    };
    const id = await here.rotate();
    await stage.work({ ports });
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new', attempt: 2 });
    expect(done.issued.filter((each) => each.ended)).toHaveLength(1);
    expect(here.fake.world.live()).toContain(here.old);
    expect(isProvenDead(done)).toBe(false);
    expect(conditionInWords(done)).toContain('Whether its service still takes the old one, Keysteward cannot ask.');
  });

  test('does not call the old key dead while the provider accepts it, nor when it does not answer', async () => {
    const here = await scene('openai', { settings: { propagationSeconds: 0 } });
    here.fake.world.lag.ended = 1_000;
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', step: 'confirm', condition: 'both' });
    expect(failed.failure).toMatch(/still works at openai although it was revoked/);
    const unclear = await scene('openai');
    const other = await unclear.rotate();
    await stage.work({ ports: unclear.ports, until: (each) => each.step === 'confirm' });
    unclear.fake.world.faults.push({ on: 'probe', reply: { status: 503 }, times: 2 });
    await stage.work({ ports: unclear.ports, until: () => true });
    expect(await stage.rotation(other)).toMatchObject({ status: 'running', step: 'confirm' });
    await stage.work({ ports: unclear.ports });
    expect(await stage.rotation(other)).toMatchObject({ status: 'done', condition: 'new' });
  });

  test.each(['generate', 'test', 'promote', 'verify', 'retire', 'confirm'])(
    'that an emergency overtakes at "%s" leaves one live key',
    async (step) => {
      for (const shape of ['openai', 'azure', 'aws'] as const) {
        const here = await scene(shape);
        const first = await here.rotate();
        if (step !== 'generate') await stage.work({ ports: here.ports, until: (each) => each.step === step });
        const second = await here.rotate(true);
        await stage.work({ ports: here.ports });
        expect((await stage.rotation(first)).status).toBe('superseded');
        expect(await stage.rotation(second)).toMatchObject({ status: 'done', condition: 'new' });
        const now = await here.current();
        expect(here.fake.world.live(), shape).toContain(now);
        expect(here.fake.world.live(), shape).not.toContain(here.old);
        expect(worksElsewhere(here, now), shape).toEqual([]);
      }
    },
  );
});

describe('the old key of a provider that says when it was last used', () => {
  async function waiting() {
    const here = await scene('openai');
    await addConsumer(here.ports, stage.owner.id, here.key.id, {
      name: 'the sheet',
      kind: 'person',
      url: null,
      personId: stage.owner.id,
    });
    await addConsumer(here.ports, stage.owner.id, here.key.id, {
      name: 'checkout',
      kind: 'reads-store',
      url: null,
      personId: null,
    });
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'running', step: 'grace', condition: 'both' });
    const keyOfValue = (value: string) => here.fake.world.keys.find((each) => each.value === value)!;
    const used = async (value: string, hoursAgo: number) => {
      keyOfValue(value).usedAt = Math.floor(Date.now() / 1000) - hoursAgo * 3600;
    };
    const look = async (issuer: Partial<Issuer> = {}) => {
      const real = here.ports.issuers.of('openai')!;
      const of = () => ({ ...real, ...issuer, can: { ...real.can, ...issuer.can } });
      const ports: Ports = { ...here.ports, issuers: { ...here.ports.issuers, of } };
      await stage.skipTime(id);
      await stage.work({ ports, until: (each) => each.step !== 'grace' || each.status !== 'running' });
      return stage.rotation(id);
    };
    const switchedHoursAgo = (hours: number) => stage.endedEarlier(id, hours);
    return { here, id, used, look, switchedHoursAgo, keyOfValue };
  }

  test('lives on while it is used, and goes when it has been quiet for the whole window since the switch', async () => {
    const { here, id, used, look, switchedHoursAgo } = await waiting();
    // Quiet for long, but not since the switch.
    await used(here.old, 300);
    expect(await look()).toMatchObject({ step: 'grace', status: 'running' });
    await switchedHoursAgo(30);
    await used(here.old, 2);
    const waits = await look();
    expect(waits.extension!.why).toMatch(/^openai last saw the old key used .*; the sheet: nobody has said that /);
    expect(here.fake.world.live()).toContain(here.old);
    await used(here.old, 25);
    expect(await look()).toMatchObject({ step: 'retire' });
    await stage.work({ ports: here.ports });
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new' });
    expect(done.record.find((each) => each.step === 'grace')!.evidence).toMatch(
      /^openai has seen no use of the old key since \d{4}-/,
    );
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('lives on although nobody is recorded, while its provider sees it used: the card says that somebody has to find out by whom', async () => {
    const here = await scene('openai', { graceMinutes: 60 });
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    const used = (hoursAgo: number) => {
      const its = here.fake.world.keys.find((each) => each.value === here.old)!;
      its.usedAt = Math.floor(Date.now() / 1000) - hoursAgo * 3600;
    };
    const look = async (ports: Ports = here.ports) => {
      await stage.skipTime(id);
      await stage.work({ ports, until: (each) => each.step !== 'grace' || each.status !== 'running' });
      return stage.rotation(id);
    };
    await stage.endedEarlier(id, 2);
    used(1);
    const waits = await look();
    expect(waits).toMatchObject({ step: 'grace', status: 'running', deployments: [] });
    expect(waits.extension!.why).toMatch(/^somebody uses it who is not recorded; openai last saw the old key used /);
    const card = saying(await desk.card('rotation', id, { person: stage.owner.id }));
    for (const each of ['find out who that is', 'Whether the old value can be retired is looked at', 'Retire now…'])
      expect(card).toContain(each);
    const real = here.ports.issuers.of('openai')!;
    const away = { ...real, lastUsed: () => Promise.reject(new Error('away.')) };
    expect(await look({ ...here.ports, issuers: { ...here.ports.issuers, of: () => away } })).toMatchObject({
      step: 'grace',
      extension: { why: expect.stringMatching(/openai could not be asked/) },
    });
    expect(here.fake.world.live()).toContain(here.old);
    await stage.endedEarlier(id, 30);
    used(25);
    expect(await look()).toMatchObject({ step: 'retire', extension: null });
    await stage.work({ ports: here.ports });
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('lives on in the next rotation too, which looks after what one that failed has left, while it is used', async () => {
    const here = await scene('openai', { graceMinutes: 60 });
    const first = await here.rotate();
    await stage.work({ ports: here.ports });
    const used = (hoursAgo: number) => {
      const its = here.fake.world.keys.find((each) => each.value === here.old)!;
      its.usedAt = Math.floor(Date.now() / 1000) - hoursAgo * 3600;
    };
    const look = async (id: Rotation['id']) => {
      await stage.skipTime(id);
      await stage.work({ ports: here.ports, until: (each) => each.step !== 'grace' || each.status !== 'running' });
      return stage.rotation(id);
    };
    await stage.endedEarlier(first, 2);
    used(1);
    expect(await look(first)).toMatchObject({ step: 'grace', status: 'running' });
    await stage.database.store.pool.query(
      `update rotation set extension = jsonb_set(extension, '{since}', '"2020-01-01T00:00:00.000Z"') where id = $1`,
      [first],
    );
    expect(await look(first)).toMatchObject({ status: 'failed', condition: 'both' });
    const next = await here.rotate();
    await stage.work({ ports: here.ports });
    await stage.endedEarlier(next, 2);
    used(1);
    const waits = await look(next);
    expect(waits).toMatchObject({ step: 'grace', status: 'running' });
    expect(waits.extension!.why).toMatch(/^somebody uses it who is not recorded; openai last saw the old key used /);
    expect(here.fake.world.live()).toContain(here.old);
    await stage.endedEarlier(next, 30);
    used(25);
    expect(await look(next)).toMatchObject({ step: 'retire', extension: null });
    await stage.work({ ports: here.ports });
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('goes when its time is over where nobody is recorded and it was not used since the switch, or nobody can be asked', async () => {
    for (const asking of [true, false]) {
      const here = await scene('openai', { graceMinutes: 60 });
      const real = here.ports.issuers.of('openai')!;
      const away = { ...real, lastUsed: () => Promise.reject(new Error('away.')) };
      const ports = asking ? here.ports : { ...here.ports, issuers: { ...here.ports.issuers, of: () => away } };
      const id = await here.rotate();
      await stage.work({ ports });
      here.fake.world.keys.find((each) => each.value === here.old)!.usedAt = Math.floor(Date.now() / 1000) - 7_200;
      await stage.skipTime(id);
      await stage.work({ ports });
      const done = await stage.rotation(id);
      expect(done.record.find((each) => each.step === 'grace')!.evidence).toMatch(/nobody is recorded who uses it/);
      expect(done.status).toBe('done');
    }
  });

  test('is said to be used so much since the switch, for those who read why it lives on', async () => {
    const { here, id, used, look, switchedHoursAgo, keyOfValue } = await waiting();
    await switchedHoursAgo(3);
    await used(here.old, 1);
    const said = async () => (await look()).extension!.why;
    expect(await said()).toMatch(
      /^openai last saw the old key used .* UTC; openai has counted no calls of models with the old key since \d{4}-\d\d-\d\d \d\d:\d\d UTC; /,
    );
    const use = (hoursAgo: number, amount: number, of: string) => ({
      atMs: Date.now() - hoursAgo * 3_600_000,
      amount,
      of,
    });
    keyOfValue(here.old).uses = [use(4, 900, 'completions'), use(2, 1, 'embeddings')];
    expect(await said()).toMatch(/has counted 1 call of models with the old key since/);
    keyOfValue(here.old).uses!.push(use(1, 1_240, 'completions'));
    expect(await said()).toMatch(/has counted 1,241 calls of models with the old key since/);
    const events = (await stage.trail(id)).filter((each) => each.action === 'rotation.extend');
    expect(events.at(-1)!.facts).toMatchObject({ oldUse: { amount: 1_241, unit: 'calls' } });
  });

  test('lives on for as long as its use may not be reported yet, and says so', async () => {
    const { here, used, look, switchedHoursAgo } = await waiting();
    await switchedHoursAgo(30);
    const usageLagMinutes = 240;
    const late = { can: { usageLagMinutes } } as Partial<Issuer>;
    await used(here.old, 27);
    const waits = await look(late);
    expect(waits).toMatchObject({ step: 'grace', status: 'running' });
    expect(waits.extension!.why).toMatch(/; what is less than 4 hours old may not be counted yet; /);
    await used(here.old, 29);
    expect(await look(late)).toMatchObject({ step: 'retire' });
    await stage.work({ ports: here.ports });
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('goes its way although nobody can say how much it is used', async () => {
    const { here, used, look, switchedHoursAgo } = await waiting();
    await switchedHoursAgo(3);
    await used(here.old, 1);
    const refusing = { usage: () => Promise.reject(new Error('it does not let us')) };
    expect((await look(refusing)).extension!.why).toMatch(/^openai last saw the old key used .* UTC; the sheet: /);
    const tooOften = { usage: () => Promise.reject(new AskedTooOften('asked too often', 60_000)) };
    expect((await look(tooOften)).extension!.why).toMatch(/^openai last saw the old key used .* UTC; the sheet: /);
    await switchedHoursAgo(30);
    await used(here.old, 26);
    expect(await look(refusing)).toMatchObject({ step: 'retire' });
    await stage.work({ ports: here.ports });
    expect(here.fake.world.live()).toEqual([await here.current()]);
  });

  test('lives on while its provider cannot be asked, says so, and is asked about again soon', async () => {
    const { here, id, used, look, switchedHoursAgo } = await waiting();
    await used(here.old, 0);
    await switchedHoursAgo(3);
    for (const trouble of [new AskedTooOften('openai, look for a key: asked too often.', 60_000), new Error('away.')]) {
      const waits = await look({ lastUsed: () => Promise.reject(trouble) });
      expect(waits).toMatchObject({ step: 'grace', status: 'running', deployments: [{}, { confirmedAt: null }] });
      expect(waits.extension!.why).toMatch(
        /^openai could not be asked whether the old key is still used: (away|openai, look for a key: asked too often); the sheet: .*; checkout: /,
      );
      expect(waits.continuesAt!.getTime() - waits.touchedAt.getTime()).toBeLessThanOrEqual(10 * 60_000);
    }
    // Nobody else has to leave the provider alone for it.
    expect(await here.ports.pace.turn(newId('rotation'), [{ of: 'openai', calls: 1, perSecond: 4 }], false)).toBe(0);
    // That it has not answered once, long after the switch, is nothing.
    const away = { lastUsed: () => Promise.reject(new Error('away.')) };
    await switchedHoursAgo(30);
    expect(await look(away)).toMatchObject({ step: 'grace', deployments: [{}, { confirmedAt: null }] });
    const { pool } = stage.database.store;
    const silentSince = JSON.stringify(new Date(Date.now() - 25 * 3_600_000));
    const aDay = `update rotation set extension = jsonb_set(extension, '{silentSince}', $2::jsonb) where id = $1`;
    await pool.query(aDay, [id, silentSince]);
    await look();
    expect((await look(away)).deployments[1]).toMatchObject({ confirmedAt: null });
    await pool.query(aDay, [id, silentSince]);
    const given = await look(away);
    expect(given.deployments[1]!.evidence).toMatch(
      /; that it has fetched the new value was not seen, because openai could not be asked$/,
    );
    // But silence is no proof where nobody has listened.
    expect(given).toMatchObject({ id, step: 'grace', deployments: [{ confirmedAt: null }, {}] });
    expect(here.fake.world.live()).toContain(here.old);
  });

  test('lives on when its provider, which has seen it used all along, does not answer once', async () => {
    const { here, id, used, look, switchedHoursAgo } = await waiting();
    const sheet = (await stage.rotation(id)).deployments[0]!;
    await removeConsumer(here.ports, stage.owner.id, sheet.consumerId);
    await switchedHoursAgo(40);
    await used(here.old, 1);
    expect(await look()).toMatchObject({ step: 'grace', deployments: [{ name: 'checkout', confirmedAt: null }] });
    const away = { lastUsed: () => Promise.reject(new Error('away.')) };
    expect(await look(away)).toMatchObject({ step: 'grace', deployments: [{ name: 'checkout', confirmedAt: null }] });
    await stage.work({ ports: here.ports });
    expect(here.fake.world.live()).toContain(here.old);
  });

  test('lives on, and fails nothing, while its provider cannot even be asked which key it is', async () => {
    const here = await scene('openai');
    const sheet = { name: 'the sheet', kind: 'person', url: null, personId: stage.owner.id } as const;
    await addConsumer(here.ports, stage.owner.id, here.key.id, sheet);
    const id = await here.rotate();
    const identify = () => Promise.reject(new Error('away.'));
    const of: Ports['issuers']['of'] = (name) => ({ ...here.ports.issuers.of(name)!, identify });
    await stage.work({ ports: { ...here.ports, issuers: { ...here.ports.issuers, of } } });
    const waits = await stage.rotation(id);
    expect(waits).toMatchObject({ status: 'running', step: 'grace', failure: null });
    expect(waits.extension!.why).toMatch(
      /^openai could not be asked whether the old key is still used: away; the sheet: /,
    );
    await stage.skipTime(id);
    await stage.work({ ports: here.ports });
    expect((await stage.rotation(id)).extension!.why).toMatch(/^the sheet: |^openai last saw|^openai has counted/);
  });

  test('lives on for whoever was recorded while its provider was asked', async () => {
    const { here, id, used, look, switchedHoursAgo } = await waiting();
    const sheet = (await stage.rotation(id)).deployments[0]!;
    await removeConsumer(here.ports, stage.owner.id, sheet.consumerId);
    await switchedHoursAgo(3);
    await used(await here.current(), 0);
    const late = { name: 'billing', kind: 'person', url: null, personId: stage.owner.id, readsAs: null } as const;
    let asked = 0;
    const real = here.ports.issuers.of('openai')!;
    const waits = await look({
      async lastUsed(key, providerKeyId) {
        if (asked++ === 0) await addConsumer(here.ports, stage.owner.id, here.key.id, late);
        return real.lastUsed(key, providerKeyId);
      },
    });
    expect(waits).toMatchObject({ step: 'grace', status: 'running' });
    expect(waits.extension!.why).toMatch(/billing: nobody has said/);
    expect(here.fake.world.live()).toContain(here.old);
  });

  test('lives on for whom a person has to move by now, who is told of it, although it was said to read the store', async () => {
    const { here, id, used, look, switchedHoursAgo } = await waiting();
    const [sheet, checkout] = (await stage.rotation(id)).deployments;
    await removeConsumer(here.ports, stage.owner.id, sheet!.consumerId);
    await switchedHoursAgo(3);
    await used(await here.current(), 0);
    const moved = { name: 'checkout', kind: 'person', url: null, personId: stage.admin.id, readsAs: null } as const;
    let asked = 0;
    const real = here.ports.issuers.of('openai')!;
    const waits = await look({
      async lastUsed(key, providerKeyId) {
        if (asked++ === 0) await changeConsumer(here.ports, stage.owner.id, checkout!.consumerId, moved);
        return real.lastUsed(key, providerKeyId);
      },
    });
    expect(waits).toMatchObject({
      step: 'grace',
      status: 'running',
      deployments: [{ kind: 'person', confirmedAt: null }],
    });
    expect(here.fake.world.live()).toContain(here.old);
    const { rows } = await stage.database.store.pool.query(
      `select person_id from card where kind = 'rotation:move' and subject = $1`,
      [id],
    );
    expect(JSON.stringify(rows)).toContain(stage.admin.id);
  });

  test('shows that a reader of the store is on the new one: its use, and not a cache that should have run out', async () => {
    const { here, id, used, look, switchedHoursAgo } = await waiting();
    await switchedHoursAgo(3);
    const checkout = (rotation: Rotation) => rotation.deployments.find((each) => each.name === 'checkout')!;
    expect(checkout(await look()).confirmedAt).toBeNull();
    await used(await here.current(), 1);
    expect(checkout(await look()).evidence).toMatch(/has run out, and openai saw the new key used/);
    await rollBackRotation(here.ports, stage.owner, id);
    await stage.skipTime(id);
    await stage.work({ ports: here.ports });
    expect(here.fake.world.live()).toEqual([here.old]);
  });
});

describe('no rotation', () => {
  test('of a key whose provider is not connected: the refusal says what to configure', async () => {
    const { key } = await stage.key({ issuer: 'mistral' });
    const ask = { keyId: key.id, reason: null, emergency: false };
    await expect(startRotation(stage.ports, stage.owner, ask)).rejects.toThrow(/providers\.mistral in policy\.yml/);
  });

  test('of the credential that would have to do it', async () => {
    const here = await scene('openai');
    const { key } = await stage.key({ issuer: 'openai', nextRotationAt: new Date(0) });
    const arn = `arn:aws:secretsmanager:eu-central-1:123456789012:secret:${here.credential}-aB3dE6`;
    await stage.database.store.pool.query('update api_key set secret_id = $2 where id = $1', [key.id, arn]);
    const ask = { keyId: key.id, reason: null, emergency: true };
    await expect(startRotation(here.ports, stage.owner, ask)).rejects.toThrow(/Keysteward itself works with/);
    await findDue(here.ports);
    expect(await stage.database.store.read((view) => view.rotations.ofKey(key.id, 1))).toEqual([]);
  });
});

describe('in an emergency, a new value that dies after the switch', () => {
  /** Somebody has the other slot made new, as a second worker would that came late. */
  const spoil = ({ fake }: Scene) => {
    fake.world.end('Key2');
    fake.world.make('Key2', chance(), { id: 'Key2' });
  };

  test('at a pair of slots is followed by another in its slot, and not by a guess which of them is in use', async () => {
    const here = await scene('azure');
    const id = await here.rotate(true);
    await stage.work({ ports: here.ports, until: (each) => each.step === 'verify' });
    spoil(here);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new', attempt: 2, failure: null });
    const [one, other] = ['Key1', 'Key2'].map((name) => here.fake.world.keys.findLast((each) => each.name === name)!);
    expect([other!.value, other!.ended]).toEqual([await here.current(), false]);
    expect(one!.value).not.toBe(here.old);
  });

  test('is not called the old one, nor working, where no other can be made', async () => {
    const here = await scene('azure');
    const id = await here.rotate(true);
    await stage.work({ ports: here.ports, until: (each) => each.step === 'verify' });
    spoil(here);
    here.fake.world.faults = [{ on: 'create', reply: { status: 403 }, times: 9 }];
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'none' });
    expect(conditionInWords(failed)).toMatch(/^Neither value is known to work/);
  });
});
