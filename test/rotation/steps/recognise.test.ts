import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fingerprints } from '../../../src/adapters/fingerprints.ts';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { Secret } from '../../../src/kernel.ts';
import type { Issuer, Made, Ports } from '../../../src/ports.ts';
import type { Rotation } from '../../../src/rotation/model.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { fittingOf } from '../../providers/fakes/index.ts';
import { chance } from '../../providers/fakes/server.ts';
import { useProviderStage } from '../provider-stage.ts';

const stage = useProviderStage();

interface Scene {
  key: ApiKey;
  ports: Ports;
  /** The step at which which version of the key was read, by its id or stage. */
  read: string[];
  rotate(by?: Ports): Promise<Rotation>;
  /** The same ports, with this value as the next one that is made. */
  making(value: string, by?: Ports): Ports;
  current(): Promise<{ value: string; version: string }>;
}

async function scene(issuer: 'openai' | 'self-made'): Promise<Scene> {
  const { fake, ports: connected } = await stage.connect(fittingOf('openai'), 'openai', {
    settings: { callsPerMinute: 60_000, propagationSeconds: 0 },
  });
  const old = chance(20);
  fake.world.make('made by hand', old, { id: 'key_old' });
  const { key } = await stage.key({ issuer, lastRotatedAt: null }, old);
  const read: string[] = [];
  let step = '';
  const ports: Ports = {
    ...connected,
    secrets: {
      ...connected.secrets,
      read: (secretId, version) => {
        if (secretId === key.secretId) read.push(`${step} ${'stage' in version ? version.stage : version.versionId}`);
        return connected.secrets.read(secretId, version);
      },
    },
  };
  const current = async () => {
    const { SecretString, VersionId } = await stage.bot.getSecretValue({ SecretId: key.secretId! });
    return { value: SecretString!, version: VersionId! };
  };
  let last: string | null = null;
  return {
    key,
    ports,
    read,
    current,
    async rotate(by = ports) {
      await stage.database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [key.id]);
      if (last) await stage.endedEarlier(last, 1);
      const { id } = await startRotation(by, stage.owner, { keyId: key.id, reason: 'A test', emergency: false });
      last = id;
      read.length = 0;
      for (;;) {
        step = (await stage.rotation(id)).step;
        const ran = await stage.work({ ports: by, until: (each) => each.step !== step });
        if (ran === 0 || (await stage.rotation(id)).status !== 'running') return stage.rotation(id);
      }
    },
    making(value, by = ports) {
      const of = (name: string): Issuer | null => {
        const real = by.issuers.of(name);
        const made: Made = { value: new Secret(value), providerKeyId: 'key_again', expiresAt: null };
        return real && { ...real, create: async () => made };
      };
      return { ...by, issuers: { ...by.issuers, of } };
    },
  };
}
/** At which steps a version was read. */
const readAt = ({ read }: Scene, version: string) =>
  read.filter((each) => each.endsWith(version)).map((each) => each.split(' ')[0]);

describe('the old value', () => {
  test('is read to be recognised later, and never again once its fingerprint is known', async () => {
    const here = await scene('openai');
    const first = await here.rotate();
    expect(first).toMatchObject({ status: 'done', attempt: 1 });
    expect(readAt(here, first.oldVersion!).filter((step) => step === 'test' || step === 'verify')).toEqual(['test']);
    const second = await here.rotate();
    expect(second).toMatchObject({ status: 'done', attempt: 1, oldVersion: first.newVersion });
    expect(readAt(here, second.oldVersion!).filter((step) => step === 'test' || step === 'verify')).toEqual([]);
  });

  test('is refused as a new one without being read, also where it was never seen to be handed out', async () => {
    for (const forget of [false, true]) {
      const here = await scene('openai');
      await here.rotate();
      const { value, version } = await here.current();
      if (forget)
        await stage.database.store.pool.query('update key_version set current_at = null where version = $1', [version]);
      const again = await here.rotate(here.making(value));
      expect(again).toMatchObject({ status: 'failed', condition: 'old', attempt: 3 });
      expect(again.failure).toMatch(/^This is not a new value: the key had it before/);
      expect(readAt(here, version).filter((step) => step === 'test')).toEqual([]);
      expect((await here.current()).version).toBe(version);
    }
  });

  test('is read anew once there is another key for fingerprints, and refused as a new one', async () => {
    const here = await scene('openai');
    await here.rotate();
    const { value, version } = await here.current();
    const others: Ports = { ...here.ports, fingerprints: fingerprints(stage.aws.secrets, `other/${randomUUID()}`) };
    const again = await here.rotate(here.making(value, others));
    expect(again).toMatchObject({ status: 'failed', condition: 'old' });
    expect(again.failure).toMatch(/^This is not a new value/);
    expect(readAt(here, version)).toContain('test');
    // Having been seen once more, it is known under that key.
    expect(await here.rotate(others)).toMatchObject({ status: 'done' });
    expect(readAt(here, version).filter((step) => step === 'test')).toEqual([]);
  });

  test('is compared by whoever compares, though nothing can be fingerprinted', async () => {
    const here = await scene('self-made');
    await here.rotate();
    const { value, version } = await here.current();
    const blind: Ports = { ...here.ports, fingerprints: { ...here.ports.fingerprints, of: async () => null } };
    const again = await here.rotate(here.making(value, blind));
    expect(again).toMatchObject({
      status: 'failed',
      condition: 'old',
      failure: 'the value is the same as the old one',
    });
    expect((await here.current()).version).toBe(version);
  });
});
