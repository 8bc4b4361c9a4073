import { describe, expect, test } from 'vitest';
import type { Policy } from '../../src/policy.ts';
import type { Issuer, Ports } from '../../src/ports.ts';
import { canTurnBack } from '../../src/rotation/campaigns/model.ts';
import { conditionInWords, nothingWorks, type Rotation, steps } from '../../src/rotation/model.ts';
import { reconcileRotations } from '../../src/rotation/reconcile.ts';
import { replacementAsked } from '../../src/rotation/replacement-model.ts';
import { retryRotation } from '../../src/rotation/retry.ts';
import { rollBackRotation } from '../../src/rotation/roll-back.ts';
import { rotationInSlack } from '../../src/rotation/slack.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { takeStep } from '../../src/rotation/step.ts';
import { gitlabDialect } from '../providers/fakes/gitlab.ts';
import { type Fitting, fittingOf } from '../providers/fakes/index.ts';
import { chance } from '../providers/fakes/server.ts';
import { deskOf, saying } from '../support/desk.ts';
import { dying, type Scene, useProviderStage } from './provider-stage.ts';

const stage = useProviderStage();
const desk = deskOf(() => stage.ports, rotationInSlack);
const rotates = fittingOf('gitlab-rotates');

interface TokenScene extends Scene {
  /** Ids of the tokens that live. */
  live(): string[];
  /** How often GitLab was asked to rotate which token. */
  asked(): string[];
}
async function scene(fitting: Fitting = rotates, rotation: Partial<Policy['rotation']> = {}): Promise<TokenScene> {
  const { fake, ports } = await stage.connect(fitting, 'gitlab', { settings: { callsPerMinute: 60_000 }, rotation });
  const old = `glpat-${chance()}`;
  fake.world.make('Deploys', old, { id: '7' });
  fake.world.make('Somebody else', chance(), { id: '8' });
  const { key } = await stage.key({ issuer: 'gitlab', service: 'GitLab', lastRotatedAt: null }, old);
  return {
    ...stage.sceneOf({ fake, ports, key, old }),
    live: () => fake.world.keys.filter((each) => !each.ended && each.id !== '8').map((each) => each.id),
    asked: () => fake.world.asked.flatMap(({ path }) => /(\d+)\/rotate$/.exec(path)?.[1] ?? []),
  };
}

/** Exactly one token lives, which the store hands out, and everything says so. */
async function expectWhole(here: TokenScene, id: Rotation['id'], where = ''): Promise<Rotation> {
  const done = await stage.rotation(id);
  expect(done, where).toMatchObject({ status: 'done', condition: 'new', failure: null });
  const now = await here.current();
  const its = here.fake.world.keys.find((each) => each.value === now);
  expect(here.live(), where).toEqual([its?.id]);
  expect(now, where).not.toBe(here.old);
  expect(await stage.stages(here.key), where).toEqual({ [done.newVersion!]: ['AWSCURRENT'] });
  const key = await stage.database.store.read((view) => view.keys.get(here.key.id));
  expect(key, where).toMatchObject({ providerKeyId: its!.id, currentVersion: done.newVersion });
  expect(conditionInWords(done), where).toBe('The new value works; the old one is dead.');
  // Nothing was asked for twice: that would have ended all of them.
  expect(new Set(here.asked()).size, where).toBe(here.asked().length);
  return done;
}
const mortal = {
  secrets: ['describe', 'stage', 'move', 'read'] as const,
  issuer: ['replaceable', 'create', 'find', 'identify', 'test', 'revoke', 'confirmDead'] as const,
};

describe.each(['gitlab-rotates', 'gitlab-personal'])(
  'a rotation at %s, where the old value dies at the call',
  (name) => {
    test('ends with one living token, which is handed out, and says at every step why nothing is waited for', async () => {
      const here = await scene(fittingOf(name), { graceMinutes: 60, screamTestHours: 24 });
      const id = await here.rotate();
      await stage.work({ ports: here.ports });
      const done = await expectWhole(here, id);
      expect(done.attempt).toBe(1);
      expect(here.asked()).toEqual(['7']);
      expect(here.fake.world.asked.filter((each) => each.kind === 'revoke')).toEqual([]);
      const evidence = (step: string) => done.record.findLast((each) => each.step === step)?.evidence;
      expect([...new Set(done.record.map((each) => each.step))]).toEqual([...steps]);
      expect(evidence('grace')).toBe('the old value ended when the new one was made');
      expect(evidence('retire')).toContain('7 ended at gitlab');
      expect(evidence('confirm')).toContain('gitlab no longer accepts the old value (HTTP 401)');
      const trail = await stage.trail(id);
      const actions = trail.map((each) => each.action);
      expect(actions.indexOf('rotation.replace')).toBeLessThan(actions.indexOf('rotation.create'));
      for (const secret of [await here.current(), here.old, here.fake.world.admin])
        expect(JSON.stringify([trail, done])).not.toContain(secret);
      const key = await stage.database.store.read((view) => view.keys.get(here.key.id));
      expect(key.expiresAt).not.toBeNull();

      await stage.database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [here.key.id]);
      const again = await here.rotate();
      await stage.work({ ports: here.ports });
      await expectWhole(here, again);
    });
  },
);

describe('a worker where the old value dies at the call', () => {
  test('that dies before or after any outside call ends the same: one living token, which is handed out', async () => {
    let points = 0;
    for (const moment of ['before', 'after'] as const) {
      for (let at = 1; ; at++) {
        const here = await scene();
        const { ports, calls } = dying(here.ports, mortal, at, moment);
        const id = await here.rotate();
        await stage.work({ ports });
        await expectWhole(here, id, `${moment} call ${at}`);
        if (calls() < at) break;
        points++;
      }
    }
    expect(points).toBeGreaterThanOrEqual(16);
  }, 240_000);
});

const before = 'before the call';
/** Carried out, and the worker does not hear of it. */
const lost = { on: 'create', lose: true } as const;

describe('where the old value dies at the call, a rotation', () => {
  test('whose answer is lost waits, looks, and goes on with what took the place of the old one; the card says so meanwhile', async () => {
    const here = await scene({ ...rotates, dialect: () => gitlabDialect(false, 2) });
    here.fake.world.faults = [lost];
    const id = await here.rotate();
    const said: string[] = [];
    await stage.work({
      ports: here.ports,
      until: (each) => {
        said.push(conditionInWords(each));
        return false;
      },
    });
    await expectWhole(here, id);
    expect(here.asked()).toEqual(['7', '101']);
    expect(said).toContain(
      'The old value may be dead already: its provider was asked to replace it, and the answer is looked for.',
    );
    expect(said.some((each) => /old value works/i.test(each))).toBe(false);
  });

  test('whose call never arrived asks once more, for the same token', async () => {
    const here = await scene();
    here.fake.world.faults = [{ on: 'create', reply: { status: 502 } }];
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', attempt: 1 });
    expect(here.asked()).toEqual(['7', '7']);
    expect(here.live()).toHaveLength(1);
  });

  test('that GitLab wants to wait, because it is asked too often, has asked for nothing: the old value works, and the card says so', async () => {
    const here = await scene();
    here.fake.world.faults = [{ on: 'create', reply: { status: 429, headers: { 'retry-after': '1' } } }];
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: () => here.asked().length > 0 });
    const waits = await stage.rotation(id);
    expect(waits).toMatchObject({ status: 'running', condition: 'old', replacement: null });
    expect(conditionInWords(waits)).toBe('The old value works; the new one is not in use.');
    await stage.work({ ports: here.ports });
    expect(here.asked()).toEqual(['7', '7']);
    await expectWholeAfterAll(here, id);
  });

  test('that GitLab answers with trouble of its own may have been carried out, whatever it says of waiting', async () => {
    const here = await scene();
    here.fake.world.faults = [{ on: 'create', reply: { status: 503, headers: { 'retry-after': '1' } } }];
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: () => here.asked().length > 0 });
    const waits = await stage.rotation(id);
    expect(waits).toMatchObject({ status: 'running', condition: 'none', replacement: { of: '7', by: null } });
    expect(conditionInWords(waits)).toMatch(/^The old value may be dead already/);
    await stage.work({ ports: here.ports });
    await expectWholeAfterAll(here, id);
  });

  test('that is refused before anything was done says that the old value works, and Retry goes on', async () => {
    const here = await scene();
    here.fake.world.faults = [{ on: 'create', reply: { status: 403, body: { message: '403 Forbidden' } } }];
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old', replacement: null });
    expect(failed.failure).toMatch(/does not let Keysteward's credential do this/);
    expect(here.live()).toEqual(['7']);
    await retryRotation(here.ports, stage.owner, id);
    await stage.work({ ports: here.ports });
    await expectWholeAfterAll(here, id);
  });

  test('whose new value is refused makes the next from it; when none works nothing does, somebody is paged, and Retry goes on', async () => {
    const here = await scene();
    here.fake.world.lag.made = 1_000;
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'none', attempt: 3 });
    expect(conditionInWords(failed)).toMatch(/^Nothing is known to work: the old value died when the new one was made/);
    expect(here.asked()).toEqual(['7', '101', '102']);
    expect(here.live()).toEqual(['103']);
    expect((await stage.trail(id)).map((each) => each.action)).toContain('rotation.page');
    expect(await rollBackRotation(here.ports, stage.owner, id).catch((error: Error) => error.message)).toMatch(
      /^The old value died when the new one was made, so there is no way back to it. Retry goes on/,
    );
    here.fake.world.lag.made = 0;
    await retryRotation(here.ports, stage.owner, id);
    await stage.work({ ports: here.ports });
    await expectWhole(here, id);
  });

  test('pages once while it still tries where nothing works and it keeps failing, and not again when it gives up', async () => {
    const here = await scene();
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'test' });
    here.fake.world.faults = Array.from({ length: 100 }, () => ({ on: 'probe', reply: { status: 502 } }) as const);
    const before = stage.pages.length;
    const failedBy = async (failures: number) => {
      await stage.work({ ports: here.ports });
      await stage.database.store.pool.query(
        `update work set status = 'waiting', ended_at = null, failures = $2, run_at = now() + interval '1 hour'
         where payload ->> 'rotationId' = $1 and status = 'dead'`,
        [id, failures],
      );
      for (let i = 0; i < 2; i++) await reconcileRotations(here.ports);
      await stage.work({ ports: here.ports });
    };
    await failedBy(2);
    expect(stage.pages.slice(before)).toEqual([]);
    await stage.skipTime(id);
    await failedBy(3);
    const running = await stage.rotation(id);
    expect(running).toMatchObject({ status: 'running', condition: 'none', pages: [{ by: null, outcome: 'paged' }] });
    expect(stage.pages.slice(before)).toEqual([
      {
        dedupKey: `rotation-${id}-${running.fence + 1}`,
        severity: 'critical',
        summary: `No value of ${here.key.name} is known to work, and its rotation keeps failing`,
        details: expect.objectContaining({ rotation: id, condition: 'none', failure: expect.stringContaining('502') }),
      },
    ]);
    const card = async () => saying(await desk.card('rotation', id, { person: stage.owner.id }));
    expect(await card()).toMatch(/On-call was paged[\s\S]*it stops, this card says what works, and whoever asked/);
    await stage.database.store.pool.query(
      `update work set status = 'dead', ended_at = now() where payload ->> 'rotationId' = $1 and status = 'waiting'`,
      [id],
    );
    await stage.database.store.pool.query(
      `update rotation set touched_at = now() - interval '2 min', continues_at = null where id = $1`,
      [id],
    );
    await reconcileRotations(here.ports);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'failed', condition: 'none', fence: running.fence + 1 });
    expect(stage.pages.slice(before)).toHaveLength(1);
    expect(await card()).toContain('On-call was paged');
    here.fake.world.faults = [];
    await retryRotation(here.ports, stage.owner, id);
    await stage.work({ ports: here.ports });
    await expectWhole(here, id);
  });

  test('whose new value is refused after the switch makes another from it, and leads back to nothing', async () => {
    const here = await scene();
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'deploy' });
    const first = here.fake.world.keys.find((each) => each.id === '101')!;
    first.lag = 1_000;
    first.ended = false;
    here.fake.world.keys = here.fake.world.keys.map((each) => (each === first ? { ...each, value: 'another' } : each));
    await stage.work({ ports: here.ports });
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new', attempt: 2 });
    expect(done.record.map((each) => each.step)).not.toContain('restore');
    expect(here.asked()).toEqual(['7', '101']);
    expect(here.fake.world.live()).toContain(await here.current());
    expect(here.live()).toHaveLength(1);
  });

  test.each(['test', 'promote', 'deploy', 'verify', 'retire', 'confirm'])(
    'cannot be rolled back at "%s", and says what works',
    async (step) => {
      const here = await scene();
      const id = await here.rotate();
      await stage.work({ ports: here.ports, until: (each) => each.step === step });
      const now = await stage.rotation(id);
      expect(now.step).toBe(step);
      await expect(rollBackRotation(here.ports, stage.owner, id)).rejects.toThrow(/no way back to it/);
      const handedOut = here.fake.world.live().includes(await here.current());
      expect(nothingWorks(now)).toBe(!handedOut);
      expect(conditionInWords(now)).toBe(
        handedOut
          ? 'The new value works; the old one is dead.'
          : 'The old value died when the new one was made. The new one is not handed out yet.',
      );
      await stage.work({ ports: here.ports });
      await expectWhole(here, id);
    },
  );

  test(`can be called off ${before}`, async () => {
    const here = await scene();
    const id = await here.rotate();
    await rollBackRotation(here.ports, stage.owner, id);
    await stage.skipTime(id);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect([here.live(), here.asked()]).toEqual([['7'], []]);
  });

  test.each([before, 'with its answer lost', 'test', 'promote', 'deploy', 'confirm'])(
    'is taken over by an emergency cleanly: %s',
    async (when) => {
      const here = await scene();
      if (when === 'with its answer lost') here.fake.world.faults = [lost];
      const first = await here.rotate();
      await stage.work({
        ports: here.ports,
        until: (each) =>
          when === before || (when === 'with its answer lost' ? each.replacement !== null : each.step === when),
      });
      const id = await here.rotate(true);
      const begun = await stage.rotation(id);
      const live = here.fake.world.live().includes(await here.current());
      expect(begun.condition).toBe(live ? 'old' : 'none');
      await stage.work({ ports: here.ports });
      expect((await stage.rotation(first)).status).toBe('superseded');
      await expectWhole(here, id);
    },
  );

  test('that failed while nothing worked is followed by a new one as well as by Retry', async () => {
    const here = await scene();
    here.fake.world.lag.made = 1_000;
    const first = await here.rotate();
    await stage.work({ ports: here.ports });
    here.fake.world.lag.made = 0;
    const id = await here.rotate();
    expect(await stage.rotation(id)).toMatchObject({ condition: 'none', replacement: { by: '103' } });
    await expect(rollBackRotation(here.ports, stage.owner, id)).rejects.toThrow(/no way back to it/);
    // Nor by a campaign that is stopped before it begins: what took the old one's place would be forgotten.
    expect(canTurnBack(await stage.rotation(id))).toBe(false);
    await stage.work({ ports: here.ports });
    expect((await stage.rotation(first)).status).toBe('failed');
    await expectWhole(here, id);
  });

  test('after which somebody has made a token by hand and stored it replaces that one, and leaves no orphan', async () => {
    const here = await scene();
    here.fake.world.lag.made = 1_000;
    await here.rotate();
    await stage.work({ ports: here.ports });
    here.fake.world.lag.made = 0;
    const byHand = here.fake.world.make('By hand', `glpat-${chance()}`, { id: '70' });
    await stage.bot.putSecretValue({ SecretId: here.key.secretId!, SecretString: byHand.value });
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    await expectWhole(here, id);
    expect(here.asked().at(-1)).toBe('70');
  });

  test('does not say that nothing works where somebody has stored a token by hand meanwhile', async () => {
    const here = await scene();
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'promote' });
    const byHand = here.fake.world.make('By hand', `glpat-${chance()}`, { id: '70' });
    await stage.bot.putSecretValue({ SecretId: here.key.secretId!, SecretString: byHand.value });
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'none' });
    expect(failed.failure).toMatch(/^Somebody else made version/);
    expect(conditionInWords(failed)).toBe(
      'Nothing is known to work: the old value died when the new one was made. Somebody must look now.',
    );
    expect(here.live()).toContain(byHand.id);
  });

  test('does not rotate the token that the inventory has in place of the one that is handed out', async () => {
    const here = await scene();
    here.fake.world.make('Of another system', chance(), { id: '9' });
    await stage.database.store.pool.query("update api_key set provider_key_id = '9' where id = $1", [here.key.id]);
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done' });
    expect(here.asked()).toEqual(['7']);
    expect(here.live()).toEqual(expect.arrayContaining(['9']));
  });

  test('does not give up where GitLab does not know yet what an earlier rotation has made there a moment ago', async () => {
    const here = await scene();
    const earlier = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'deploy' });
    here.fake.world.keys.find((each) => each.id === '101')!.lag = 1;
    const id = await here.rotate(true);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(earlier)).toMatchObject({ status: 'superseded' });
    await expectWholeAfterAll(here, id);
    expect(here.asked()).toEqual(['7', '101']);
  });

  test('stops in words where GitLab has ended the whole family, and says that nothing works', async () => {
    const here = await scene();
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'test' });
    for (const each of here.fake.world.keys) here.fake.world.end(each.id);
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'none' });
    expect(failed.failure).toMatch(/is not active at gitlab, so it cannot be rotated. Make a new one there by hand/);
  });

  test.each([429, 500, 503])('does not take a %i of GitLab for its word on what is handed out', async (status) => {
    const here = await scene();
    here.fake.world.faults = [{ on: 'probe', reply: { status } }];
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    await expectWhole(here, id);
  });

  test('does not rotate a token that a person has made, whom nobody told that its call never arrived', async () => {
    const here = await scene();
    here.fake.world.faults = [{ on: 'create', reply: { status: 502 } }];
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.replacement !== null });
    here.fake.world.end('7');
    const byHand = here.fake.world.make('Deploys', `glpat-${chance()}`, {
      ...{ id: '9', account: 'by hand', usedAt: Date.now() / 1000 },
    });
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'none' });
    expect(failed.failure).toMatch(
      /Token 7 has ended at gitlab, and no active token of its name was made by that call/,
    );
    expect(here.live()).toEqual([byHand.id]);
  });

  test('stops in words where GitLab does not accept what is handed out', async () => {
    const here = await scene();
    here.fake.world.end('7');
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'none' });
    expect(failed.failure).toMatch(/does not accept the value that is handed out/);
    expect(here.asked()).toEqual([]);
  });

  test('stops in words also where somebody has just stored by hand what GitLab does not accept', async () => {
    const here = await scene();
    here.fake.world.end('7');
    await stage.bot.putSecretValue({ SecretId: here.key.secretId!, SecretString: `glpat-${chance()}` });
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'none' });
    expect(failed.failure).toMatch(/does not accept the value that is handed out/);
  });

  test('is not held up by a maintenance window that closes after the old value has died', async () => {
    const here = await scene();
    const id = await here.rotate();
    await stage.work({ ports: here.ports, until: (each) => each.step === 'test' });
    const closed = { name: 'Never now', cron: '0 3 29 2 *', minutes: 60, environments: undefined, services: undefined };
    const policy = { ...here.ports.policy, rotation: { ...here.ports.policy.rotation, windows: [closed] } };
    await stage.work({ ports: { ...here.ports, policy: policy as Policy } });
    await expectWhole(here, id);
  });

  test('does nothing when its worker wakes up after another one has asked', async () => {
    const here = await scene();
    const id = await here.rotate();
    const { store } = here.ports;
    let woken = 0;
    const look: typeof store.look = async (fn) => {
      const now = await stage.rotation(id);
      if (now.replacement?.by === null && woken++ === 0) {
        // Meanwhile: its lease is over, and its job is another's.
        await stage.database.store.pool.query(
          "update work set status = 'waiting', run_at = now(), lease = lease + 1 where status = 'running'",
        );
        await stage.work({ ports: here.ports });
      }
      return store.look(fn);
    };
    await stage.work({ ports: { ...here.ports, store: { ...store, look, read: store.read, change: store.change } } });
    expect(woken).toBeGreaterThan(0);
    await expectWhole(here, id);
    expect(here.asked()).toEqual(['7']);
  });

  test('goes on when the worker that has asked meanwhile dies of it, without waiting to be found', async () => {
    const here = await scene();
    const id = await here.rotate();
    const { store } = here.ports;
    let asks = 0;
    const change: typeof store.change = async (what, fn) => {
      if (what.action === 'rotation.replace' && asks++ === 0) {
        // The other one has written it down, and is gone.
        await store.change(what, async (tx) => {
          const { rotation } = await tx.rotations.withKey(id);
          await tx.rotations.save(replacementAsked(rotation, '7', here.key.currentVersion!, tx.now));
        });
      }
      return store.change(what, fn);
    };
    await stage.work({ ports: { ...here.ports, store: { ...store, change, look: store.look, read: store.read } } });
    expect(asks).toBeGreaterThan(1);
    await expectWhole(here, id);
    expect(here.asked()).toEqual(['7']);
  });

  test('does not ask beside another worker that has looked at the same time and asks already', async () => {
    const here = await scene();
    const id = await here.rotate();
    const { fence } = await stage.rotation(id);
    const [asks, isOver] = [gate(), gate()];
    const portsWhere = (change: (issuer: Issuer) => Partial<Issuer>): Ports => ({
      ...here.ports,
      issuers: {
        ...here.ports.issuers,
        of(name) {
          const issuer = here.ports.issuers.of(name);
          return issuer && { ...issuer, ...change(issuer) };
        },
      },
    });
    const late = portsWhere((issuer) => ({
      async replaceable(key, last) {
        const found = await issuer.replaceable!(key, last);
        await asks.passed;
        return found;
      },
    }));
    const first = portsWhere((issuer) => ({
      async create(...asked) {
        const made = await issuer.create(...asked);
        asks.open();
        await isOver.passed;
        return made;
      },
    }));
    const [slow, quick] = [late, first].map((ports) => takeStep(ports, { rotationId: id, fence }));
    const said = await slow!.catch((error: Error) => error.message);
    isOver.open();
    await quick;
    expect(said).toMatch(/^Another worker has asked for the new value/);
    await stage.work({ ports: here.ports });
    await expectWhole(here, id);
    expect(here.asked()).toEqual(['7']);
  });
});

test('two keys that hold one token, rotated at the same time, do not ask for it twice: one at most has its new value, the other says why', async () => {
  const here = await scene();
  const { key: other } = await stage.key({ issuer: 'gitlab', service: 'GitLab', lastRotatedAt: null }, here.old);
  const ask = { reason: 'A test', emergency: true };
  const both = await Promise.all(
    [here.key, other].map(({ id: keyId }) => startRotation(here.ports, stage.owner, { ...ask, keyId })),
  );
  await Promise.allSettled(both.map(({ id, fence }) => takeStep(here.ports, { rotationId: id, fence })));
  const begun = await Promise.all(both.map(({ id }) => stage.rotation(id)));
  for (const each of begun) {
    if (each.step === 'generate')
      expect(conditionInWords(each)).toBe('The old value works; the new one is not in use.');
    await stage.skipTime(each.id);
    await stage.work({ ports: here.ports });
  }
  expect(here.asked()).toEqual(['7']);
  expect(here.live()).toEqual(['101']);
  const ends = (await Promise.all(both.map(({ id }) => stage.rotation(id)))).sort((one) =>
    one.status === 'done' ? -1 : 1,
  );
  expect(ends).toMatchObject([
    { status: 'done', condition: 'new' },
    {
      status: 'failed',
      condition: 'none',
      failure: expect.stringMatching(/does not accept the value that is handed out/),
    },
  ]);
});

test('two keys that hold one token, whose workers die when both have asked and none has called, do not give way to each other for ever', async () => {
  const here = await scene();
  const { key: other } = await stage.key({ issuer: 'gitlab', service: 'GitLab', lastRotatedAt: null }, here.old);
  const ask = { reason: 'A test', emergency: true };
  const both = await Promise.all(
    [here.key, other].map(({ id: keyId }) => startRotation(here.ports, stage.owner, { ...ask, keyId })),
  );
  const { store } = here.ports;
  for (const { id, fence } of both) {
    const look: typeof store.look = async (fn) => {
      if ((await stage.rotation(id)).replacement) throw new Error('died before it looked who else asks');
      return store.look(fn);
    };
    const dead = { ...here.ports, store: { ...store, look, read: store.read, change: store.change } };
    await expect(takeStep(dead, { rotationId: id, fence })).rejects.toThrow(/^died before/);
  }
  const asks = await Promise.all(both.map(({ id }) => stage.rotation(id)));
  expect(asks).toMatchObject([{ replacement: { of: '7', by: null } }, { replacement: { of: '7', by: null } }]);
  for (let i = 0; i < 3; i++) {
    await stage.work({ ports: here.ports });
    for (const { id } of both) await stage.skipTime(id);
  }
  const ends = (await Promise.all(both.map(({ id }) => stage.rotation(id)))).map(({ status }) => status);
  expect(ends.sort()).toEqual(['done', 'failed']);
  expect(here.asked()).toEqual(['7']);
  expect(here.live()).toEqual(['101']);
});

function gate(): { passed: Promise<void>; open(): void } {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

/** The same, where one token was asked for more than once because nothing was done. */
async function expectWholeAfterAll(here: TokenScene, id: Rotation['id']): Promise<void> {
  expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new', failure: null });
  const now = await here.current();
  expect(here.fake.world.keys.filter((each) => !each.ended && each.id !== '8').map((each) => each.value)).toEqual([
    now,
  ]);
}
