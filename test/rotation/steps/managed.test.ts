import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { issuers } from '../../../src/adapters/providers/index.ts';
import { slackDoor } from '../../../src/adapters/slack/door.ts';
import { changeKey } from '../../../src/inventory/change.ts';
import { type ApiKey, editionOf } from '../../../src/inventory/model.ts';
import type { RotationEvent } from '../../../src/local/secrets-manager/world.ts';
import { policySchema } from '../../../src/policy.ts';
import type { Issuer, Ports, Secrets } from '../../../src/ports.ts';
import { conditionInWords, type Rotation } from '../../../src/rotation/model.ts';
import { retryRotation } from '../../../src/rotation/retry.ts';
import { rollBackRotation } from '../../../src/rotation/roll-back.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { aKey, given } from '../../support/company.ts';
import { quick, useStage } from '../stage.ts';

const stage = useStage();
const { providers } = policySchema.parse({ providers: { 'aws-rotation': { kind: 'aws-managed' } } });

interface Scene {
  key: ApiKey;
  first: string;
  ports: Ports;
  /** The steps that the function was called for, in turn. */
  seen: RotationEvent['Step'][];
  /** The function throws at this step, waits until it is let go on, or stores the value again that was there. */
  at: { fails: RotationEvent['Step'] | null; waits: Promise<void> | null; keeps: boolean };
  rotate(emergency?: boolean): Promise<Rotation['id']>;
  work(id: Rotation['id'], until?: (rotation: Rotation) => boolean, ports?: Ports): Promise<Rotation>;
  settled(): Promise<void>;
}

/** A key whose secret AWS rotates, with a function as people write them. */
async function scene({ isSetUp = true, waitSeconds = 60, secrets = (each: Secrets) => each } = {}): Promise<Scene> {
  const { control } = stage.aws.server;
  const arn = `arn:aws:lambda:us-east-1:123456789012:function:rotate-${randomUUID()}`;
  const seen: Scene['seen'] = [];
  const at: Scene['at'] = { fails: null, waits: null, keeps: false };
  const { key, version } = await stage.key({ issuer: 'aws-rotation' });
  control.setRotationFunction(arn, async ({ Step, SecretId, ClientRequestToken: id }) => {
    seen.push(Step);
    if (at.waits) await at.waits;
    if (at.fails === Step) throw new Error('the database is away');
    if (Step === 'createSecret') {
      const SecretString = at.keeps ? await value(key) : `made-by-aws-${randomUUID()}`;
      await stage.bot.putSecretValue({ SecretId, SecretString, ClientRequestToken: id, VersionStages: ['AWSPENDING'] });
    }
    if (Step === 'finishSecret') {
      const { VersionIdsToStages = {} } = await stage.bot.describeSecret({ SecretId });
      const [RemoveFromVersionId] = Object.entries(VersionIdsToStages).find(([, each]) => each.includes('AWSCURRENT'))!;
      const move = { SecretId, VersionStage: 'AWSCURRENT', MoveToVersionId: id, RemoveFromVersionId };
      await stage.bot.updateSecretVersionStage(move);
    }
  });
  if (isSetUp) {
    const RotationRules = { AutomaticallyAfterDays: 30 };
    const SecretId = key.secretId!;
    await stage.bot.rotateSecret({ SecretId, RotationLambdaARN: arn, RotationRules, RotateImmediately: false });
    await control.settled();
    seen.length = 0;
  }
  const all = issuers(stage.ports.secrets, providers);
  const of = (name: string): Issuer | null => {
    const issuer = all.of(name);
    return issuer && { ...issuer, can: { ...issuer.can, propagationSeconds: waitSeconds } };
  };
  const policy = { ...quick, providers };
  const ports = { ...stage.ports, policy, secrets: secrets(stage.ports.secrets), issuers: { ...all, of } };
  return {
    key,
    first: version,
    ports,
    seen,
    at,
    settled: () => control.settled(),
    async rotate(emergency = false) {
      return (await startRotation(ports, stage.owner, { keyId: key.id, reason: 'A test', emergency })).id;
    },
    // AWS is looked at every five seconds, which no test waits for.
    async work(id, until = () => false, by = ports) {
      for (let turn = 0; turn < 60; turn++) {
        await stage.work({ ports: by, until });
        const rotation = await stage.rotation(id);
        if (rotation.status !== 'running' || until(rotation)) return rotation;
        if (!at.waits) await control.settled();
        await new Promise((resolve) => setTimeout(resolve, 50));
        await stage.database.store.pool.query("update work set run_at = now() where status = 'waiting'");
      }
      throw new Error('a rotation without an end');
    },
  };
}
const value = async (key: ApiKey) => (await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString!;
const whole: Scene['seen'] = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];

describe('a secret that AWS rotates', () => {
  test('is rotated by AWS alone, once, and its old value is left to AWS and not called dead', async () => {
    const here = await scene();
    const old = await value(here.key);
    const id = await here.rotate();
    const done = await here.work(id);
    expect(done).toMatchObject({
      status: 'done',
      condition: 'both',
      attempt: 1,
      failure: null,
      oldVersion: here.first,
    });
    expect(here.seen).toEqual(whole);
    expect(await stage.stages(here.key)).toEqual({ [here.first]: ['AWSPREVIOUS'], [done.newVersion!]: ['AWSCURRENT'] });
    const key = await stage.database.store.read((view) => view.keys.get(here.key.id));
    expect(key).toMatchObject({ currentVersion: done.newVersion, lastRotatedAt: done.endedAt });
    expect(conditionInWords(done)).toMatch(/Whether the old one still works is up to the rotation that AWS runs/);
    const trail = JSON.stringify([await stage.trail(id), done]);
    for (const secret of [old, await value(here.key)]) expect(trail).not.toContain(secret);
  });

  test('as a managed external secret of a partner is rotated by its partner alone, once', async () => {
    const here = await scene();
    const { control } = stage.aws.server;
    const SecretId = `keys/${randomUUID()}`;
    const steps: RotationEvent['Step'][] = [];
    control.setRotationFunction('Datadog', async ({ Step, ClientRequestToken }) => {
      steps.push(Step);
      const SecretString = `made-by-the-partner-${randomUUID()}`;
      const VersionStages = ['AWSCURRENT'];
      if (Step === 'createSecret')
        await stage.bot.putSecretValue({ SecretId, SecretString, ClientRequestToken, VersionStages });
    });
    const { VersionId } = await stage.bot.createSecret({ Name: SecretId, Type: 'Datadog', SecretString: 'old-value' });
    await stage.bot.rotateSecret({
      SecretId,
      RotationRules: { AutomaticallyAfterDays: 30 },
      RotateImmediately: false,
      ExternalSecretRotationRoleArn: 'arn:aws:iam::123456789012:role/partner',
      ExternalSecretRotationMetadata: [{ Key: 'keyId', Value: '1' }],
    });
    await control.settled();
    steps.length = 0;
    const key = aKey(stage.owner, { issuer: 'aws-rotation', secretId: SecretId, currentVersion: VersionId! });
    await given(stage.database.store, { keys: [key] });
    const ask = { keyId: key.id, reason: 'A test', emergency: false };
    const { id } = await startRotation(here.ports, stage.owner, ask);
    const done = await here.work(id);
    expect(done).toMatchObject({ status: 'done', condition: 'both', attempt: 1, oldVersion: VersionId });
    expect(steps.filter((each) => each === 'createSecret')).toHaveLength(1);
    expect(await stage.stages(key)).toMatchObject({ [done.newVersion!]: ['AWSCURRENT'] });
    expect(await value(key)).toMatch(/^made-by-the-partner/);
  });

  test('by a function that changes nothing is not called rotated: the value is recognised, and the reason said', async () => {
    const here = await scene();
    here.at.keeps = true;
    const done = await here.work(await here.rotate());
    expect(done).toMatchObject({ status: 'failed', condition: 'both', attempt: 1 });
    expect(done.failure).toMatch(/^This is not a new value: the key had it before, as version .*did not replace it/);
    expect(conditionInWords(done)).not.toMatch(/new value is handed out|both/i);
    here.at.keeps = false;
    await retryRotation(here.ports, stage.owner, done.id);
    expect(await here.work(done.id)).toMatchObject({ status: 'done', attempt: 2 });
  });

  test('is rotated once, whichever call its worker dies before or after', async () => {
    const failed: string[] = [];
    for (const moment of ['before', 'after'] as const) {
      for (let at = 1; ; at++) {
        let calls = 0;
        const here = await scene({
          secrets: (of) =>
            new Proxy(of, {
              get(target, name, receiver) {
                const method: unknown = Reflect.get(target, name, receiver);
                if (typeof method !== 'function' || !['describe', 'rotate', 'read', 'move'].includes(String(name)))
                  return method;
                return async (...args: unknown[]) => {
                  const mine = ++calls;
                  const dies = mine === at;
                  if (dies) failed.push(`${moment} ${String(name)}`);
                  if (dies && moment === 'before') throw new Error('died');
                  const answer: unknown = await (method as (...all: unknown[]) => Promise<unknown>).apply(target, args);
                  if (dies) throw new Error('died');
                  return answer;
                };
              },
            }),
        });
        const done = await here.work(await here.rotate());
        expect(done, `${moment} call ${at}`).toMatchObject({ status: 'done', condition: 'both', attempt: 1 });
        expect(here.seen, `${moment} call ${at}`).toEqual(whole);
        expect(Object.values(await stage.stages(here.key))).toEqual([['AWSPREVIOUS'], ['AWSCURRENT']]);
        if (calls < at) break;
      }
    }
    expect(failed).toEqual(expect.arrayContaining(['before rotate', 'after rotate']));
  }, 120_000);

  test('whose function fails is said to have failed when its time is over; Retry watches what AWS tries again', async () => {
    const here = await scene({ waitSeconds: 1 });
    here.at.fails = 'setSecret';
    const id = await here.rotate();
    const failed = await here.work(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old' });
    expect(failed.failure).toMatch(/AWS has not finished within .* the secret's rotation function/);
    expect(here.seen).toEqual(['createSecret', 'setSecret']);

    here.at.fails = null;
    await retryRotation(here.ports, stage.owner, id);
    await stage.work({ ports: here.ports, until: () => true });
    expect((await stage.rotation(id)).status, 'Retry watches for its whole time again').toBe('running');
    expect(await here.work(id)).toMatchObject({ status: 'failed', condition: 'old' });
    const [token] = failed.tried;
    const move = { SecretId: here.key.secretId!, VersionStage: 'AWSCURRENT', RemoveFromVersionId: here.first };
    await stage.bot.updateSecretVersionStage({ ...move, MoveToVersionId: token! });
    await stage.bot.updateSecretVersionStage({
      SecretId: here.key.secretId!,
      VersionStage: 'AWSPENDING',
      RemoveFromVersionId: token!,
    });
    await retryRotation(here.ports, stage.owner, id);
    expect(await here.work(id)).toMatchObject({ status: 'done', condition: 'both', newVersion: token, attempt: 1 });
    expect(here.seen).toHaveLength(2);
  });

  test('that AWS does not rotate after all is refused in words, at the start or on the way, and nothing changes', async () => {
    const without = await scene({ isSetUp: false });
    await expect(without.rotate()).rejects.toThrow(/AWS does not rotate this secret\. Set up its rotation/);
    const here = await scene();
    const id = await here.rotate();
    await stage.bot.cancelRotateSecret({ SecretId: here.key.secretId! });
    const failed = await here.work(id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'old' });
    expect(failed.failure).toMatch(/AWS does not rotate this secret/);
    expect(await stage.stages(here.key)).toEqual({ [here.first]: ['AWSCURRENT'] });
    expect(here.seen).toEqual([]);
  });

  test('that an earlier rotation still holds is asked for again when that is over, also in an emergency', async () => {
    const here = await scene();
    let goOn = () => {};
    here.at.waits = new Promise((resolve) => {
      goOn = resolve;
    });
    const first = await here.rotate();
    await stage.work({ ports: here.ports });
    const second = await here.rotate(true);
    await stage.work({ ports: here.ports });
    expect((await stage.rotation(first)).status).toBe('superseded');
    expect(conditionInWords(await stage.rotation(first))).toContain('has taken over');
    expect((await stage.rotation(second)).status).toBe('running');
    goOn();
    here.at.waits = null;
    const done = await here.work(second);
    expect(done).toMatchObject({ status: 'done', condition: 'both' });
    expect(here.seen).toEqual([...whole, ...whole]);
    expect(Object.entries(await stage.stages(here.key))).toContainEqual([done.newVersion, ['AWSCURRENT']]);
  });

  test('is turned back only before AWS has been asked; afterwards the card says why it is not', async () => {
    const early = await scene();
    const id = await early.rotate();
    await rollBackRotation(early.ports, stage.owner, id);
    expect(await early.work(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect(early.seen).toEqual([]);

    const late = await scene();
    const other = await late.rotate();
    await late.work(other, (each) => each.step === 'verify');
    await expect(rollBackRotation(late.ports, stage.owner, other)).rejects.toThrow(/there is no way back from here/);
    expect(await late.work(other)).toMatchObject({ status: 'done', condition: 'both' });
  });

  test('whose new value turns out not to work says why nothing leads back, offers no Roll back, and Retry has another made', async () => {
    const here = await scene({ waitSeconds: 1 });
    const issuer = here.ports.issuers.of('aws-rotation')!;
    const picky: Issuer = {
      ...issuer,
      async test(key, value, old) {
        const asked = (await stage.database.store.read((view) => view.rotations.runningOf(key.id)))!;
        return asked.step === 'verify' && asked.attempt === 1
          ? { verdict: 'refused', evidence: 'the database does not let it in' }
          : issuer.test(key, value, old);
      },
    };
    const ports: Ports = { ...here.ports, issuers: { ...here.ports.issuers, of: () => picky } };
    const id = await here.rotate();
    const failed = await here.work(id, () => false, ports);
    expect(failed).toMatchObject({ status: 'failed', condition: 'both' });
    expect(failed.failure).toMatch(/^the database does not let it in\. AWS rotates this secret, and only its/);
    // Nobody but AWS's function knows whether the old one does.
    expect(conditionInWords(failed)).not.toMatch(/both/i);
    expect(conditionInWords(failed)).toMatch(/Whether the old one still works is up to the rotation that AWS runs/);
    const card = async () => {
      const made = slackDoor();
      rotationInSlack(made.door, ports);
      const shown = made.registry.cards.get('rotation')!;
      return JSON.stringify(await stage.database.store.read((view) => shown(view, id, { channel: 'security' }, null)));
    };
    expect(await card()).toContain('there is no way back from here');
    expect(await card()).not.toContain('rotation.roll-back');
    expect(await card()).toContain('rotation.retry');
    await retryRotation(ports, stage.owner, id);
    const done = await here.work(id, () => false, ports);
    expect(done).toMatchObject({ status: 'done', condition: 'both', attempt: 2 });
    expect(here.seen).toEqual([...whole, ...whole]);
  });

  test('that somebody stops on the way can be tried again', async () => {
    const here = await scene({ waitSeconds: 1 });
    here.at.fails = 'setSecret';
    const id = await here.rotate();
    await stage.work({ ports: here.ports });
    await here.settled();
    const [token] = (await stage.rotation(id)).tried;
    await stage.bot.updateSecretVersionStage({
      SecretId: here.key.secretId!,
      VersionStage: 'AWSPENDING',
      RemoveFromVersionId: token!,
    });
    const stopped = await here.work(id);
    expect(stopped).toMatchObject({ status: 'failed', condition: 'old' });
    expect(stopped.failure).toMatch(/somebody stopped it/);
    here.at.fails = null;
    await retryRotation(here.ports, stage.owner, id);
    expect(await here.work(id)).toMatchObject({ status: 'done', condition: 'both', attempt: 2 });
  });

  test('whose function has changed nothing does not count as rotated', async () => {
    const here = await scene({ waitSeconds: 1 });
    const old = await value(here.key);
    const id = await here.rotate();
    await here.work(id, (each) => each.step === 'test');
    const { tried } = await stage.rotation(id);
    const same: Secrets = {
      ...here.ports.secrets,
      async read(secretId, version) {
        const read = await here.ports.secrets.read(secretId, version);
        return 'versionId' in version && version.versionId === tried[0]
          ? here.ports.secrets.read(secretId, { versionId: here.first })
          : read;
      },
    };
    await stage.work({ ports: { ...here.ports, secrets: same } });
    const refused = await here.work(id);
    expect(refused.record.find((each) => each.step === 'test')).toMatchObject({ verdict: 'refused' });
    expect(refused).toMatchObject({ status: 'failed', condition: 'both' });
    expect(await value(here.key)).not.toBe(old);
  });
});

describe('the inventory', () => {
  test('lets AWS be the one who makes new values exactly where AWS does', async () => {
    const here = await scene();
    const plain = await stage.key();
    const change = ({ id }: ApiKey, issuer: string) => {
      const edit = (before: ApiKey) => ({ edition: editionOf(before), keyId: id, reason: 'a better way' });
      const entry = (before: ApiKey) => ({ ...before, issuer });
      return stage.database.store
        .read((view) => view.keys.get(id))
        .then((before) => changeKey(here.ports, stage.owner.id, edit(before), entry));
    };
    await expect(change(here.key, 'self-made')).rejects.toThrow(
      /Switch that off, or choose "aws-rotation" or "A person"/,
    );
    await expect(change(plain.key, 'aws-rotation')).rejects.toThrow(/AWS does not rotate this secret/);
    expect(await change(here.key, 'person')).toMatchObject({ issuer: 'person' });
    expect(await change(here.key, 'aws-rotation')).toMatchObject({ issuer: 'aws-rotation' });
  });
});
