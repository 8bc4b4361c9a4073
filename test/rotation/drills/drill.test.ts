import { describe, expect, test } from 'vitest';
import { deadlinesOf } from '../../../src/incidents/clocks.ts';
import { declared } from '../../../src/incidents/model.ts';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { newId } from '../../../src/kernel.ts';
import { defaultPolicy, policySchema } from '../../../src/policy.ts';
import type { Ports } from '../../../src/ports.ts';
import { measured } from '../../../src/rotation/drills/model.ts';
import { drillByChance, startDrill } from '../../../src/rotation/drills/start.ts';
import { compromised } from '../../../src/rotation/model.ts';
import { rollBackRotation } from '../../../src/rotation/roll-back.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startForCause, startRotation } from '../../../src/rotation/start.ts';
import { mayScream } from '../../../src/rotation/steps/scream-model.ts';
import { pauseRotation } from '../../../src/rotation/timing/pause.ts';
import { aPerson, given } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { waitingJobs } from '../../support/ports.ts';
import { quick, truth, useStage } from '../stage.ts';

const stage = useStage({
  ...quick,
  rotation: { ...quick.rotation, graceMinutes: 60, drill: { cron: '0 10 8 * *', restDays: 90 } },
});
const desk = deskOf(() => stage.ports, rotationInSlack);
const harmless = (facts: Partial<ApiKey> = {}) => stage.key({ environment: 'sandbox', risk: 'low', ...facts });
const drill = (key: ApiKey, ports: Ports = stage.ports) => startDrill(ports, stage.admin, key.id);
const drillsOf = async (key: ApiKey) =>
  (await stage.database.store.read((view) => view.rotations.ofKey(key.id, 9))).filter((each) => each.cause === 'drill');
const cardOf = async (id: string, kind = 'rotation') => saying(await desk.card(kind, id, { channel: 'security' }));
const cardsShown = async (subject: string) => {
  const { rows } = await stage.database.store.pool.query<{ kind: string; channel: string | null; person_id: string }>(
    'select kind, channel, person_id from card where subject = $1 order by kind, channel',
    [subject],
  );
  return rows.map(({ kind, channel, person_id }) => `${kind} ${channel ?? person_id}`).sort();
};
/** Nothing that other tests have left is taken by surprise. */
const onlyThese = async (...keys: ApiKey[]) => {
  await stage.database.store.pool.query(`update api_key set risk = 'medium' where not (id = any($1))`, [
    keys.map((each) => each.id),
  ]);
};

describe('a drill', () => {
  test('takes the path of an emergency: urgent, without grace, to the death of the old value; and wakes nobody', async () => {
    const { key, version } = await harmless();
    const { id } = await drill(key);
    const [job] = await waitingJobs(stage.database, 'rotation.step');
    expect(job).toMatchObject({ name: 'rotation.step-now', lane: 'urgent', payload: { rotationId: id } });
    const before = stage.pages.length;
    await stage.work();
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ cause: 'drill', emergency: true, status: 'done', condition: 'new' });
    expect(done.record.find((each) => each.step === 'grace')).toMatchObject({ verdict: 'skipped' });
    expect(await truth(stage, key, done)).toBe('new');
    expect((await stage.stages(key))[version] ?? []).toEqual([]);
    expect(stage.pages.length).toBe(before);
    expect(await cardsShown(id)).toEqual(
      [
        `rotation security`,
        ...[stage.owner.id, stage.admin.id].sort().map((each) => `rotation ${each}`),
        'rotation.drill security',
      ].sort(),
    );
  });

  test('is measured by what was recorded, and says so on its card, in the summary and among the results', async () => {
    const { key } = await harmless();
    const { id } = await drill(key);
    expect(measured(await stage.rotation(id))).toEqual({ rotatedSeconds: null, deadSeconds: null });
    await stage.work();
    const lasting = '([1-9]\\d* seconds?|less than a second)';
    expect(await cardOf(id)).toMatch(new RegExp(`new value in use after ${lasting}, old value dead after ${lasting}`));
    expect(await cardOf(id)).toContain(`. Asked for by <@${stage.admin.slackId}>`);
    await stage.database.store.pool.query(
      `update rotation set started_at = started_at - interval '3 minutes' where id = $1`,
      [id],
    );
    const times = measured(await stage.rotation(id));
    expect(times.rotatedSeconds).toBeGreaterThanOrEqual(180);
    expect(times.deadSeconds).toBeGreaterThanOrEqual(times.rotatedSeconds!);
    expect(times.deadSeconds).toBeLessThan(300);
    const said = `new value in use after ${Math.round(times.rotatedSeconds! / 6) / 10} minutes`;
    expect(await cardOf(id)).toContain(said);
    expect(await cardOf(id)).toMatch(/\*Drill\.\* No value has leaked/);
    expect(await cardOf(id)).not.toContain('*Emergency.*');
    const summary = await cardOf(id, 'rotation.drill');
    expect(summary).toContain(said);
    expect(summary).toContain(`<@${stage.admin.slackId}>`);
    const results = saying(await desk.type(stage.admin, 'drill results'));
    expect(results).toContain(key.name);
    expect(results).toContain(said);
    expect((await stage.trail(id)).map((each) => each.action)).toContain('rotation.confirm');
    const { rows } = await stage.database.store.read((view) => view.audit.list({ action: 'rotation.drill' }, 500));
    expect(rows.find((each) => each.subject === key.id)).toMatchObject({
      outcome: 'done',
      facts: { rotationId: id, cause: 'drill' },
    });
  });

  test('that fails says that it was a drill and what works, offers what can be done, and wakes nobody', async () => {
    const { key } = await harmless();
    const { id } = await drill(key);
    await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
    const before = stage.pages.length;
    await stage.work();
    expect((await stage.rotation(id)).status).toBe('failed');
    expect(stage.pages.length).toBe(before);
    for (const kind of ['rotation', 'rotation:failed']) {
      const card = await cardOf(id, kind);
      expect(card).toMatch(/\*Drill\.\* No value has leaked/);
      expect(card).toContain('The old value works');
      expect(card).toContain('rotation.retry');
      expect(card).toContain('rotation.page');
    }
    expect(await cardOf(id, 'rotation.drill')).toContain('Failed');
  });

  test('whose new value does not work hands the old one out again, which has not leaked', async () => {
    const { key, version } = await harmless();
    const { id } = await drill(key);
    await stage.work({ until: ({ step, status }) => status === 'running' && step === 'verify' });
    const broken: Ports = {
      ...stage.ports,
      issuers: {
        ...stage.ports.issuers,
        of: (name) => ({
          ...stage.ports.issuers.of(name)!,
          test: async () => ({ verdict: 'refused', evidence: 'the value is not accepted' }),
        }),
      },
    };
    await stage.work({ ports: broken });
    const failed = await stage.rotation(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old' });
    expect((await stage.stages(key))[version]).toContain('AWSCURRENT');
  });

  test('does not stop the old value for a day first, as a rotation in peace does', async () => {
    const { key } = await harmless();
    const peaceful = await harmless();
    const { id } = await drill(key);
    const ask = { keyId: peaceful.key.id, reason: 'A test', emergency: false };
    const other = await startRotation(stage.ports, stage.owner, ask);
    expect(mayScream(await stage.rotation(id), defaultPolicy)).toBe(false);
    expect(mayScream(other, defaultPolicy)).toBe(true);
  });

  test('can be rolled back until the old value begins to die', async () => {
    const { key, version } = await harmless();
    const { id } = await drill(key);
    await stage.work({ until: ({ step }) => step === 'verify' });
    await rollBackRotation(stage.ports, stage.admin, id);
    await stage.skipTime(id);
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back' });
    expect((await stage.stages(key))[version]).toContain('AWSCURRENT');
    expect(measured(await stage.rotation(id))).toEqual({ rotatedSeconds: null, deadSeconds: null });
    expect(await cardOf(id, 'rotation.drill')).toContain('Rolled back');
  });

  test('gives way to a real emergency, asked for or by an incident, in its middle', async () => {
    for (const take of [
      (key: ApiKey) => startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'Leaked', emergency: true }),
      (key: ApiKey) =>
        startForCause(stage.ports, { keyId: key.id, cause: 'incident', causeId: newId('incident'), emergency: true }),
    ]) {
      const { key } = await harmless();
      const { id } = await drill(key);
      await stage.work({ until: ({ step }) => step === 'verify' });
      await take(key);
      expect((await stage.rotation(id)).status).toBe('superseded');
      await stage.work();
      const [real] = await stage.database.store.read((view) => view.rotations.ofKey(key.id, 1));
      expect(real).toMatchObject({ status: 'done', condition: 'new' });
      expect(compromised(real!)).toBe(true);
      expect(await truth(stage, key, real!)).toBe('new');
      expect(await cardOf(id, 'rotation.drill')).toContain('An emergency took over');
    }
  });
});

describe('a key is in no drill', () => {
  const refusing: [string, Partial<ApiKey>, RegExp][] = [
    ['in production', { environment: 'production' }, /not in production/],
    ['of another risk', { risk: 'high' }, /of low risk; the risk of .* is high/],
    ['that a person has to make', { issuer: 'person' }, /does not make new values/],
    ['that is retired', { status: 'retired', nextRotationAt: null }, /is retired/],
    ['that is kept elsewhere', { storage: 'elsewhere' }, /not in Secrets Manager/],
    ['that was just rotated', { lastRotatedAt: new Date() }, /wait until/],
  ];
  test.each(refusing)('%s: it is refused and nothing is touched', async (_name, facts, why) => {
    const { key, version } = await harmless(facts);
    await expect(drill(key)).rejects.toThrow(why);
    expect(await drillsOf(key)).toEqual([]);
    expect((await stage.stages(key))[version]).toEqual(['AWSCURRENT']);
  });

  test('while it is paused, rotating, part of an incident, or after its rotation has failed', async () => {
    const { key: still } = await harmless();
    const until = new Date(Date.now() + 3 * 86_400_000);
    await pauseRotation(stage.ports, stage.owner.id, { keyId: still.id, until, reason: 'The vendor moves' });
    await expect(drill(still)).rejects.toThrow(/is paused/);

    const { key: busy } = await harmless();
    await startRotation(stage.ports, stage.owner, { keyId: busy.id, reason: 'A test', emergency: false });
    await expect(drill(busy)).rejects.toThrow(/already running/);

    const { key: leaked } = await harmless();
    await stage.database.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' },
      async (tx) => {
        const report = {
          keyId: leaked.id,
          which: null,
          reach: 'unknown',
          how: 'exposed',
          what: '',
          seen: null,
        } as const;
        const deadlines = deadlinesOf('P1', tx.now, defaultPolicy);
        await tx.incidents.save(
          declared(newId('incident'), { ...report, again: false }, leaked, stage.owner.id, deadlines, tx.now),
        );
      },
    );
    await expect(drill(leaked)).rejects.toThrow(/no drill/);

    const { key: broken } = await harmless();
    await drill(broken);
    await stage.bot.deleteSecret({ SecretId: broken.secretId!, ForceDeleteWithoutRecovery: true });
    await stage.work();
    await expect(drill(broken)).rejects.toThrow(/failed. See to that first|does not exist/);
  });

  test('in a freeze, or outside of its maintenance window: unlike an emergency, a drill waits for nothing and starts not', async () => {
    const { key } = await harmless();
    const withRule = (rule: Partial<Ports['policy']['rotation']>): Ports => ({
      ...stage.ports,
      policy: { ...stage.ports.policy, rotation: { ...stage.ports.policy.rotation, ...rule } },
    });
    const frozen = withRule({ freezes: [{ reason: 'Year end', from: '2020-01-01', to: '2100-01-01' }] });
    await expect(drill(key, frozen)).rejects.toThrow(/Year end/);
    const hourLater = (new Date().getUTCHours() + 2) % 24;
    const shut = withRule({ windows: [{ name: 'Later', cron: `0 ${hourLater} * * *`, minutes: 30 }] });
    await expect(drill(key, shut)).rejects.toThrow(/“Later” is not open/);
    expect(await drillsOf(key)).toEqual([]);
  });

  test('when its secret is not there: the refusal says what is missing', async () => {
    const { key } = await harmless();
    await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
    await expect(drill(key)).rejects.toThrow(/does not exist in Secrets Manager/);
  });

  test('twice: the second click is refused', async () => {
    const { key } = await harmless();
    const both = await Promise.allSettled([drill(key), drill(key)]);
    expect(both.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(await drillsOf(key)).toHaveLength(1);
  });
});

describe('a drill by surprise', () => {
  const occasion = () => newId('work');

  test('takes one fitting key, once per occasion, however often and however many at once the job is run', async () => {
    const keys = [await harmless(), await harmless(), await harmless()].map(({ key }) => key);
    const { key: live } = await stage.key({ environment: 'production', risk: 'low' });
    await onlyThese(...keys, live);
    const at = occasion();
    const all = await Promise.all([1, 2, 3, 4].map(() => drillByChance(stage.ports, at)));
    expect(new Set(all.map((each) => each?.id)).size).toBe(1);
    expect(await drillByChance(stage.ports, at)).toMatchObject({ id: all[0]!.id });
    const begun = (await Promise.all([...keys, live].map(drillsOf))).flat();
    expect(begun).toMatchObject([{ causeId: at, askedBy: null, emergency: true }]);
    expect(keys.map((each) => each.id)).toContain(begun[0]!.keyId);
  });

  test('is not tried with another key when the first worker died after it had begun one', async () => {
    const keys = [await harmless(), await harmless()].map(({ key }) => key);
    await onlyThese(...keys);
    const at = occasion();
    const dying: Ports = {
      ...stage.ports,
      store: {
        ...stage.ports.store,
        async change(change, fn) {
          await stage.ports.store.change(change, fn);
          throw new Error('the worker died here');
        },
      },
    };
    await expect(drillByChance(dying, at)).rejects.toThrow('the worker died here');
    await drillByChance(stage.ports, at);
    expect((await Promise.all(keys.map(drillsOf))).flat()).toHaveLength(1);
  });

  test('is one also when two workers have another key in mind', async () => {
    const keys = [await harmless(), await harmless({ issuer: 'other' })].map(({ key }) => key);
    await onlyThese(...keys);
    const { of } = stage.ports.issuers;
    const knowing = (only: string): Ports => ({
      ...stage.ports,
      issuers: { ...stage.ports.issuers, of: (name) => (name === only ? of('self-made') : null) },
    });
    const at = occasion();
    await Promise.all([drillByChance(knowing('self-made'), at), drillByChance(knowing('other'), at)]);
    expect((await Promise.all(keys.map(drillsOf))).flat()).toHaveLength(1);
    const twice = (id: string) =>
      stage.database.store.pool.query(
        `insert into rotation select (jsonb_populate_record(r, jsonb_build_object('id', $2::text, 'key_id', $3::text))).*
         from rotation r where cause_id = $1`,
        [at, id, keys.find((key) => key.id !== keys[0]!.id)!.id],
      );
    await expect(twice(newId('rotation'))).rejects.toThrow(/rotation_drill|rotation_running/);
  });

  test('leaves alone who was in one lately or is snoozed; without a fitting key it says so once', async () => {
    const { key } = await harmless();
    await onlyThese(key);
    expect(await drillByChance(stage.ports, occasion())).toMatchObject({ keyId: key.id });
    await stage.work();
    await stage.database.store.pool.query(
      `update api_key set last_rotated_at = now() - interval '1 day' where id = $1`,
      [key.id],
    );
    const at = occasion();
    expect(await drillByChance(stage.ports, at)).toBeNull();
    expect(await cardsShown(at)).toEqual(['rotation.drill-missed security']);
    expect(await cardOf(at, 'rotation.drill-missed')).toMatch(/no key fits/);
    await stage.database.store.pool.query(
      `update rotation set started_at = now() - interval '91 days' where key_id = $1`,
      [key.id],
    );
    const until = new Date(Date.now() + 86_400_000).toISOString();
    const snooze = { until, reason: 'The vendor is closed', by: stage.owner.id };
    await given(stage.database.store, {
      keys: [{ ...key, lastRotatedAt: new Date(Date.now() - 86_400_000), snooze }],
    });
    expect(await drillByChance(stage.ports, occasion())).toBeNull();
    await given(stage.database.store, { keys: [{ ...key, lastRotatedAt: new Date(Date.now() - 86_400_000) }] });
    expect(await drillByChance(stage.ports, occasion())).toMatchObject({ keyId: key.id });
  });

  test('does not happen where the policy has none, even when its schedule is left over', async () => {
    const { key } = await harmless();
    await onlyThese(key);
    expect(policySchema.parse({}).rotation.drill.cron).toBeNull();
    const off: Ports = { ...stage.ports, policy: { ...quick } };
    expect(await drillByChance(off, occasion())).toBeNull();
    expect(await drillsOf(key)).toEqual([]);
  });
});

describe('/keys drill', () => {
  test('says what will happen to whom before anything does, and begins at the second form alone', async () => {
    const { key } = await harmless({ purpose: 'Canary of the drills' });
    const asked = await desk.type(stage.admin, 'drill canary drills');
    const said = saying(asked);
    expect(said).toContain('path of a real emergency');
    expect(said).toContain(`<@${stage.owner.slackId}>`);
    expect(said).toContain('the old one stops working at the switch');
    expect(said).toContain('Nobody is paged');
    expect(await drillsOf(key)).toEqual([]);
    const chosen = await desk.send(stage.admin, 'rotation.drill', { chosenKey: key.id });
    expect(saying(chosen)).toContain('path of a real emergency');
    expect(await drillsOf(key)).toEqual([]);
    await desk.send(stage.admin, 'rotation.drill', { keyId: key.id });
    expect(await drillsOf(key)).toHaveLength(1);
  });

  test('is for administrators; who owns the key is refused, a contractor does not learn that it exists', async () => {
    const { key } = await harmless();
    const contractor = aPerson({ tier: 'contractor' });
    await given(stage.database.store, { people: [contractor] });
    for (const field of ['keyId', 'chosenKey']) {
      await expect(desk.send(stage.owner, 'rotation.drill', { [field]: key.id })).rejects.toMatchObject({
        code: 'not_allowed',
      });
      await expect(desk.send(contractor, 'rotation.drill', { [field]: key.id })).rejects.toMatchObject({
        code: 'not_found',
      });
    }
    expect(await drillsOf(key)).toEqual([]);
  });

  test('says why a key cannot be in a drill, and that nothing was touched', async () => {
    const { key } = await harmless();
    await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
    const said = saying(await desk.send(stage.admin, 'rotation.drill', { chosenKey: key.id }));
    expect(said).toContain('does not exist in Secrets Manager');
    expect(said).toContain('Nothing was touched');
    await stage.key({ environment: 'production', risk: 'low', purpose: 'Vermilion gate' });
    await stage.key({ environment: 'staging', risk: 'high', purpose: 'Vermilion wall' });
    const refused = (words: string) => expect(desk.type(stage.admin, `drill ${words}`)).rejects;
    await refused('vermilion gate').toThrow(
      /^Drills are for keys that are not in production, and .*Vermilion gate is\.$/,
    );
    await refused('vermilion wall').toThrow(
      /^Drills are for keys of low risk; the risk of .*Vermilion wall is high\.$/,
    );
    await refused('vermilion').toThrow(/^None of the 2 keys that match "vermilion" is of low risk and outside of prod/);
    await expect(desk.type(stage.admin, 'drill nothing-like-that')).rejects.toMatchObject({ code: 'not_found' });
  });
});
