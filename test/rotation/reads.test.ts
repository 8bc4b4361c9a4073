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
  const { describe, read, stage: store, move } = connected.secrets;
  const written: string[] = [];
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
    stage: (...all) => {
      written.push('store');
      return store(...all);
    },
    move: (...all) => {
      written.push('move');
      return move(...all);
    },
  };
  /** What was changed outside since the last time. */
  const did = () => {
    const calls = fake.world.asked.splice(0).map(({ kind }) => kind);
    return [...calls.filter((kind) => kind === 'create' || kind === 'revoke'), ...written.splice(0)];
  };
  const ports: Ports = { ...connected, secrets };
  return { key, ports, credential, did, read: () => asked.splice(0), forget: () => (asked = []) };
}
type Scene = Awaited<ReturnType<typeof scene>>;

/** One rotation, and what each of its jobs asked for of the key's secret and changed outside, by the step that it was for. */
async function rotated({ key, ports, read, forget, did }: Scene) {
  await stage.database.store.pool.query('update api_key set last_rotated_at = null where id = $1', [key.id]);
  const { id } = await startRotation(ports, stage.owner, { keyId: key.id, reason: 'A test', emergency: false });
  forget();
  did();
  const jobs: [string, string[]][] = [];
  const effects: [string, string][] = [];
  for (let ran = 1; ran > 0; ) {
    const { step } = await stage.rotation(id);
    ran = await stage.work({ ports, until: () => true });
    const asked = read().flatMap((each) => (each.of === key.secretId ? [each.what] : []));
    if (asked.length > 0) jobs.push([step, asked]);
    const done = did();
    if (done.length > 0) effects.push([step, done.join(' ')]);
  }
  return { done: await stage.rotation(id), jobs, effects };
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

describe.each([
  ['openai', 'revoke'],
  ['aws', 'revoke'],
  // A slot is ended by making it new.
  ['azure', 'create'],
] as const)('a job at a provider like %s', (shape, ending) => {
  test('changes one thing outside at most, and then it is written down; a new value alone is made and stored in one', async () => {
    const { effects } = await rotated(await scene(shape));
    expect(effects).toEqual([
      ['generate', 'create store'],
      ['promote', 'move'],
      ['retire', ending],
      ['retire', 'move'],
      ['retire', 'move'],
    ]);
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
