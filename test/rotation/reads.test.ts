import { describe, expect, test } from 'vitest';
import type { Ports } from '../../src/ports.ts';
import type { Rotation } from '../../src/rotation/model.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { newAwsPair } from '../providers/fakes/aws-iam.ts';
import { fittingOf, twoSlots } from '../providers/fakes/index.ts';
import { chance } from '../providers/fakes/server.ts';
import { useProviderStage } from './provider-stage.ts';

const stage = useProviderStage();
const shapes = { openai: fittingOf('openai'), aws: fittingOf('aws'), azure: twoSlots };

/** A key whose value the provider knows, and what each job of its rotations reads of Secrets Manager. */
async function scene(shape: keyof typeof shapes) {
  const {
    fake,
    ports: connected,
    credential,
  } = await stage.connect(shapes[shape], shape, {
    settings: { callsPerMinute: 60_000 },
  });
  const pair = newAwsPair();
  const old = shape === 'aws' ? pair.value : chance(20);
  const id = { openai: 'key_old', aws: pair.id, azure: 'Key1' }[shape];
  fake.world.make(shape === 'azure' ? id : 'made by hand', old, { id });
  if (shape === 'azure') fake.world.make('Key2', chance(), { id: 'Key2' });
  const { key } = await stage.key({ issuer: shape, lastRotatedAt: null }, old);
  let asked: { of: string; what: string }[] = [];
  const { describe, read } = connected.secrets;
  const secrets: Ports['secrets'] = {
    ...connected.secrets,
    describe: (of) => {
      asked.push({ of, what: 'labels' });
      return describe(of);
    },
    read: (of, version) => {
      asked.push({ of, what: 'stage' in version ? version.stage : version.versionId });
      return read(of, version);
    },
  };
  const ports: Ports = { ...connected, secrets };
  return { key, ports, credential, read: () => asked.splice(0), forget: () => (asked = []) };
}
type Scene = Awaited<ReturnType<typeof scene>>;

/** One rotation, and what each of its jobs asked for of the key's secret, by the step that it was for. */
async function rotated({ key, ports, read, forget }: Scene): Promise<{ done: Rotation; jobs: [string, string[]][] }> {
  await stage.database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [key.id]);
  const { id } = await startRotation(ports, stage.owner, { keyId: key.id, reason: 'A test', emergency: false });
  forget();
  const jobs: [string, string[]][] = [];
  for (let ran = 1; ran > 0; ) {
    const { step } = await stage.rotation(id);
    ran = await stage.work({ ports, until: () => true });
    const asked = read().flatMap((each) => (each.of === key.secretId ? [each.what] : []));
    if (asked.length > 0) jobs.push([step, asked]);
  }
  return { done: await stage.rotation(id), jobs };
}
const named = ({ oldVersion, newVersion }: Rotation, what: string) =>
  ({ [oldVersion!]: 'old', [newVersion!]: 'new' })[what] ?? what;

describe.each(['openai', 'aws', 'azure'] as const)('a rotation at a provider like %s', (shape) => {
  test('asks the store for nothing twice in one job', async () => {
    const here = await scene(shape);
    for (let i = 0; i < 2; i++) {
      const { done, jobs } = await rotated(here);
      expect(done).toMatchObject({ status: 'done', attempt: 1 });
      for (const [step, asked] of jobs) expect(asked, step).toEqual([...new Set(asked)]);
    }
  });
});

describe('a rotation of a key that is known', () => {
  test('reads of its secret what each step has to see with its own eyes, and no more', async () => {
    const here = await scene('openai');
    await rotated(here);
    const { done, jobs } = await rotated(here);
    expect(jobs.map(([step, asked]) => [step, asked.map((each) => named(done, each))])).toEqual([
      ['generate', ['labels']],
      ['test', ['new']],
      ['promote', ['labels']],
      ['verify', ['AWSCURRENT']],
      // It is revoked; two labels are taken off, one a job.
      ['retire', ['labels']],
      ['retire', ['labels']],
      ['retire', ['labels']],
      ['confirm', ['labels', 'AWSPREVIOUS', 'old']],
    ]);
  });
});
