import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { selfMade } from '../../src/adapters/providers/self-made.ts';
import type { Id } from '../../src/kernel.ts';
import type { Issuer, Ports } from '../../src/ports.ts';
import { conditionInWords, isProvenDead } from '../../src/rotation/model.ts';
import { partDone, unsettled } from '../../src/rotation/moves-model.ts';
import { reEnableOld } from '../../src/rotation/re-enable.ts';
import { reconcileRotations } from '../../src/rotation/reconcile.ts';
import { retryRotation } from '../../src/rotation/retry.ts';
import { rollBackRotation } from '../../src/rotation/roll-back.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { takeStep } from '../../src/rotation/step.ts';
import { newAwsPair } from '../providers/fakes/aws-iam.ts';
import { fittingOf, twoSlots } from '../providers/fakes/index.ts';
import { chance } from '../providers/fakes/server.ts';
import { useProviderStage } from './provider-stage.ts';

const stage = useProviderStage();
type RotationId = Id<'rotation'>;
const rotate = async (ports: Ports, keyId: Id<'key'>, emergency = false): Promise<RotationId> =>
  (await startRotation(ports, stage.owner, { keyId, reason: 'A test', emergency })).id;
const until = (ports: Ports, id: RotationId, step: string) =>
  stage.work({ ports, until: (each) => each.id === id && each.step === step });
/** Works until the rotation waits for nothing any more, however long it was to wait. */
async function throughout(ports: Ports, id: RotationId): Promise<void> {
  for (let turns = 0; turns < 8 && (await stage.rotation(id)).status === 'running'; turns++) {
    await stage.skipTime(id);
    await stage.work({ ports });
  }
}

/** Something that stands still in a call until it may go on. */
function gate() {
  let open = () => {};
  let arrived = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const reached = new Promise<void>((resolve) => (arrived = resolve));
  const pass = () => {
    arrived();
    return opened;
  };
  return { pass, reached, open };
}
type Secrets = Ports['secrets'];
const withSecrets = (ports: Ports, changed: Partial<Secrets>): Ports => ({
  ...ports,
  secrets: { ...ports.secrets, ...changed },
});
const withIssuer = (ports: Ports, change: (issuer: Issuer) => Partial<Issuer>): Ports => ({
  ...ports,
  issuers: {
    ...ports.issuers,
    of(name) {
      const issuer = ports.issuers.of(name);
      return issuer && { ...issuer, ...change(issuer) };
    },
  },
});
/** Takes the step that is due, in a worker that stands still where it looks at the secret or switches it. */
async function standingStill(ports: Ports, id: RotationId, call: 'describe' | 'move') {
  const at = gate();
  const still = withSecrets(ports, {
    describe: async (secretId) => {
      const found = await ports.secrets.describe(secretId);
      if (call === 'describe') await at.pass();
      return found;
    },
    move: async (...asked) => {
      if (call === 'move') await at.pass();
      return ports.secrets.move(...asked);
    },
  });
  const { fence } = await stage.rotation(id);
  const over = takeStep(still, { rotationId: id, fence }).then(
    () => 'went through',
    (error: Error) => error.message,
  );
  await at.reached;
  return {
    goOn() {
      at.open();
      return over;
    },
  };
}

async function slots(rotation: object = {}) {
  const { fake, ports } = await stage.connect(twoSlots, 'azure', {
    settings: { callsPerMinute: 60_000 },
    rotation: { graceMinutes: 60, ...rotation },
  });
  const old = chance();
  fake.world.make('Key1', old, { id: 'Key1' });
  fake.world.make('Key2', chance(), { id: 'Key2' });
  const { key, version } = await stage.key({ issuer: 'azure', lastRotatedAt: null }, old);
  const inUse = async () => (await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString!;
  return { ports, key, version, inUse, lives: async () => fake.world.live().includes(await inUse()) };
}
/** What the store showed before the switch of this rotation. */
async function before(ports: Ports, version: string, id: RotationId): Promise<Secrets['describe']> {
  const { newVersion } = await stage.rotation(id);
  return async (secretId) => {
    const found = await ports.secrets.describe(secretId);
    const stages = (each: string) =>
      each === version ? ['AWSCURRENT'] : each === newVersion ? ['AWSPENDING'] : undefined;
    return (
      found && {
        ...found,
        versions: found.versions.map((each) => ({ ...each, stages: stages(each.id) ?? each.stages })),
      }
    );
  };
}

describe.each(['openai', 'okta'])(
  'of two workers at %s, one of which takes the key of the other for left behind,',
  (name) => {
    /** The first has made a key and stands still with its value; the second stands still at `call`, about to remove that key. */
    async function twoWorkers(call: 'look again' | 'revoke') {
      const { fake, ports } = await stage.connect(fittingOf(name), name, { settings: { callsPerMinute: 60_000 } });
      const old = chance();
      fake.world.make('made by hand', old, { id: 'key_old' });
      const { key } = await stage.key({ issuer: name, lastRotatedAt: null, providerKeyId: 'key_old' }, old);
      const id = await rotate(ports, key.id);
      const { fence } = await stage.rotation(id);
      const said = (run: Promise<void>) =>
        run.then(
          () => 'went through',
          (error: Error) => error.message,
        );
      const [making, removing] = [gate(), gate()];
      const creating = withIssuer(ports, (issuer) => ({
        async create(...asked) {
          const answer = await issuer.create(...asked);
          await making.pass();
          return answer;
        },
      }));
      const first = said(takeStep(creating, { rotationId: id, fence }));
      await making.reached;
      const change: Ports['store']['change'] = async (what, fn) => {
        const result = await ports.store.change(what, fn);
        if (call === 'look again' && what.action === 'rotation.find-orphan') await removing.pass();
        return result;
      };
      const revoking = withIssuer({ ...ports, store: { ...ports.store, change } }, (issuer) => ({
        async revoke(...asked) {
          if (call === 'revoke') await removing.pass();
          return issuer.revoke(...asked);
        },
      }));
      const second = said(takeStep(revoking, { rotationId: id, fence }));
      await removing.reached;
      const current = async () => (await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString;
      return { ports, id, fake, current, first, second, making, removing };
    }

    test.each(['look again', 'revoke'] as const)(
      'the first does not go on with it, wherever the second stands: %s',
      async (call) => {
        const { ports, id, fake, current, first, second, making, removing } = await twoWorkers(call);
        making.open();
        expect(await first).toMatch(/another worker/i);
        await throughout(ports, id);
        removing.open();
        await second;
        expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
        expect(fake.world.live()).toEqual([await current()]);
      },
    );
  },
);

describe('a worker that stood still before its call, while somebody turned back, does nothing any more', () => {
  test('before the switch: the old value stays current', async () => {
    const { key, version } = await stage.key();
    const id = await rotate(stage.ports, key.id);
    await until(stage.ports, id, 'promote');
    const late = await standingStill(stage.ports, id, 'describe');
    await rollBackRotation(stage.ports, stage.owner, id);
    await throughout(stage.ports, id);
    expect(await late.goOn()).toMatch(/has moved on/);
    expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect(await stage.stages(key)).toEqual({ [version]: ['AWSCURRENT'] });
  });

  test('before it disables: the old key stays enabled', async () => {
    const { fake, ports } = await stage.connect(fittingOf('aws'), 'aws', {
      settings: { callsPerMinute: 60_000 },
      rotation: { graceMinutes: 0, screamTestHours: 24 },
    });
    const pair = newAwsPair();
    fake.world.make('made by hand', pair.value, { id: pair.id });
    const { key } = await stage.key({ issuer: 'aws', lastRotatedAt: null }, pair.value);
    const id = await rotate(ports, key.id);
    await until(ports, id, 'disable');
    const late = await standingStill(ports, id, 'describe');
    await reEnableOld(ports, stage.owner, id);
    await stage.skipTime(id);
    await until(ports, id, 'grace');
    expect(await late.goOn()).toMatch(/has moved on/);
    const listed = await ports.issuers.of('aws')!.list!(key);
    expect(listed.find((each) => each.providerKeyId === pair.id)).toMatchObject({ active: true });
  });
});

describe('Roll back after Retry', () => {
  test('of what an earlier attempt had switched and switched back has nothing to restore, and pages nobody', async () => {
    const { key, version } = await stage.key();
    let id: RotationId | null = null;
    let works = false;
    const { of } = stage.ports.issuers;
    const picky = (name: string) => {
      const issuer = of(name)!;
      const judged: typeof issuer.test = async (...asked) =>
        works || (await stage.rotation(id!)).step !== 'verify'
          ? issuer.test(...asked)
          : { verdict: 'refused', evidence: 'it does not work' };
      return { ...issuer, test: judged };
    };
    const ports: Ports = { ...stage.ports, issuers: { ...stage.ports.issuers, of: picky } };
    id = await rotate(ports, key.id);
    await stage.work({ ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'failed', condition: 'old' });
    const pages = stage.pages.length;
    works = true;
    await retryRotation(ports, stage.owner, id);
    await rollBackRotation(ports, stage.owner, id);
    await throughout(ports, id);
    expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect(await stage.stages(key)).toEqual({ [version]: ['AWSCURRENT'] });
    expect(stage.pages).toHaveLength(pages);
  });
});

describe('a slot that is in use is not made new', () => {
  test('by an emergency after Roll back of a switch that is under way', async () => {
    const here = await slots();
    const first = await rotate(here.ports, here.key.id);
    await until(here.ports, first, 'promote');
    const late = await standingStill(here.ports, first, 'move');
    await rollBackRotation(here.ports, stage.owner, first);
    const id = await rotate(here.ports, here.key.id, true);
    await until(here.ports, id, 'test');
    expect(await stage.rotation(id)).toMatchObject({ step: 'generate' });
    await late.goOn();
    expect(await here.lives()).toBe(true);
    await stage.skipTime(id);
    await stage.database.store.pool.query(
      `update rotation set record = (select jsonb_agg(each || '{"endedAt": "2026-01-01T00:00:00.000Z"}') from jsonb_array_elements(record) each) where id = $1`,
      [first],
    );
    await throughout(here.ports, id);
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(await here.lives()).toBe(true);
  });

  test('by a rotation that follows one that failed without having seen its own switch', async () => {
    const here = await slots({ settleSeconds: 3 });
    const first = await rotate(here.ports, here.key.id);
    await until(here.ports, first, 'promote');
    const stale = await before(here.ports, here.version, first);
    const move: Secrets['move'] = async (...asked) => {
      await here.ports.secrets.move(...asked);
      throw new Error('no answer');
    };
    await stage.work({ ports: withSecrets(here.ports, { describe: stale, move }) });
    await stage.database.store.pool.query(
      `update rotation set touched_at = now() - interval '2 min' where id = $1 and status = 'running'`,
      [first],
    );
    await reconcileRotations(here.ports);
    expect(await stage.rotation(first)).toMatchObject({ status: 'failed', step: 'promote' });
    // So long ago that nothing of it is under way.
    await stage.database.store.pool.query(`update rotation set ended_at = now() - interval '40 s' where id = $1`, [
      first,
    ]);
    await stage.database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [here.key.id]);
    const inUse = await here.inUse();
    const id = await rotate(here.ports, here.key.id, true);
    let looks = 0;
    const describe: Secrets['describe'] = (secretId) => (looks++ === 0 ? stale : here.ports.secrets.describe)(secretId);
    for (let turns = 0; turns < 5 && (await stage.rotation(id)).step === 'generate'; turns++) {
      await until(withSecrets(here.ports, { describe }), id, 'test');
      await sleep(1_000);
    }
    expect(await stage.rotation(id)).toMatchObject({ step: 'test' });
    expect(await here.inUse()).toBe(inUse);
    expect(await here.lives()).toBe(true);
    await throughout(here.ports, id);
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(await here.lives()).toBe(true);
  });

  test('because the answer to a stale look came so late that the time to look again was over', async () => {
    const here = await slots({ settleSeconds: 3 });
    const first = await rotate(here.ports, here.key.id);
    await until(here.ports, first, 'grace');
    const stale = await before(here.ports, here.version, first);
    let looks = 0;
    const describe: Secrets['describe'] = async (secretId) => {
      const found = await (looks < 2 ? stale : here.ports.secrets.describe)(secretId);
      if (++looks === 1) await sleep(3_200);
      return found;
    };
    const id = await rotate(here.ports, here.key.id, true);
    for (let turns = 0; turns < 4 && (await stage.rotation(id)).step === 'generate'; turns++) {
      await until(withSecrets(here.ports, { describe }), id, 'test');
      await stage.skipTime(id);
    }
    expect(looks).toBeGreaterThan(2);
    expect(await here.lives()).toBe(true);
  });
});

test('what was made sure of before one part of "generate" need not be made sure of before the next', async () => {
  const { key } = await stage.key();
  const id = await rotate(stage.ports, key.id);
  const now = new Date();
  const sure = unsettled(await stage.rotation(id), 'which version is current', now);
  const next = partDone(sure, 'an orphan was removed', now).record.at(-1)!;
  expect(next).toMatchObject({ step: 'generate', endedAt: null, unsettledWhy: 'which version is current' });
  const other = partDone(unsettled({ ...sure, step: 'discard', record: [] }, 'a label', now), 'a label', now);
  expect(other.record.at(-1)).not.toHaveProperty('unsettledSince');
  await rollBackRotation(stage.ports, stage.owner, id);
});

describe('an emergency', () => {
  test('does not call a leaked value dead that nobody was asked about, because another one is', async () => {
    const { fake, ports: at } = await stage.connect(fittingOf('acme'), 'acme', {
      settings: { callsPerMinute: 60_000, propagationSeconds: 0 },
      rotation: { graceMinutes: 60 },
    });
    const old = chance();
    fake.world.make('made by hand', old, { id: 'key_old' });
    const { key, version } = await stage.key({ issuer: 'acme', lastRotatedAt: null }, old);
    // AWS throws a version away as soon as no label leads to it.
    const read: Secrets['read'] = async (secretId, which) => {
      const found = await at.secrets.read(secretId, which);
      if (found?.versionId !== version) return found;
      const known = await at.secrets.describe(secretId);
      return known!.versions.some((each) => each.id === version && each.stages.length > 0) ? found : null;
    };
    const ports = withSecrets(at, { read });
    const first = await rotate(ports, key.id);
    await until(ports, first, 'grace');
    const id = await rotate(ports, key.id, true);
    await throughout(ports, id);
    const done = await stage.rotation(id);
    expect(fake.world.live()).toContain(old);
    if (done.status === 'done') {
      expect(isProvenDead(done)).toBe(false);
      expect(conditionInWords(done)).toContain('Keysteward cannot ask');
    } else expect(done).toMatchObject({ status: 'failed', condition: 'both' });
  });

  test('that takes over a switch that has been seen does not wait for it', async () => {
    const here = await slots({ settleSeconds: 60 });
    const first = await rotate(here.ports, here.key.id);
    await until(here.ports, first, 'promote');
    const move: Secrets['move'] = async (...asked) => {
      await here.ports.secrets.move(...asked);
      throw new Error('no answer');
    };
    await stage.work({ ports: withSecrets(here.ports, { move }), until: () => true });
    expect(await stage.rotation(first)).toMatchObject({ step: 'promote' });
    await stage.database.store.pool.query('update api_key set current_version = $2 where id = $1', [
      here.key.id,
      (await stage.rotation(first)).newVersion,
    ]);
    const id = await rotate(here.ports, here.key.id, true);
    await until(here.ports, id, 'test');
    expect(await stage.rotation(id)).toMatchObject({ step: 'test' });
    expect(await here.lives()).toBe(true);
  });

  test('does not take a document that does not show yet for none, and replace all of it by one value', async () => {
    const { key } = await stage.key({}, JSON.stringify({ password: chance(), host: 'db' }));
    let reads = 0;
    const read: Secrets['read'] = async (secretId, which) =>
      'versionId' in which && reads++ === 0 ? null : stage.ports.secrets.read(secretId, which);
    const issuer = selfMade({ ...stage.ports.secrets, read });
    await expect(issuer.create(key, 'a label')).rejects.toThrow(/cannot be seen/);
    expect(await issuer.create(key, 'a label')).toMatchObject({ refused: expect.stringContaining('JSON document') });
  });

  test('replaces a value that is stored as binary', async () => {
    const { key } = await stage.key();
    await stage.bot.putSecretValue({ SecretId: key.secretId!, SecretBinary: Buffer.from('eight bytes') });
    const id = await rotate(stage.ports, key.id, true);
    await throughout(stage.ports, id);
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
  });
});
