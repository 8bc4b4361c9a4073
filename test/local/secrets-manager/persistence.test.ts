import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bench, stages, token } from './stand.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-sm-'));
});
afterEach(() => fs.rmSync(dataDir, { recursive: true, force: true }));

const filesIn = (dir: string): string[] =>
  fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(dir, entry.name);
    return entry.isDirectory() ? filesIn(full) : [full];
  });
const sealedFiles = () => filesIn(dataDir).filter((file) => file.endsWith('.sealed'));

test('everything outlives a restart: values, labels, tags, policy, dates, replicas, the marks of deletion', async () => {
  const first = await bench({ dataDir });
  const [a, b] = [token(), token()];
  const { ARN } = await first.bot.createSecret({
    Name: 's',
    SecretString: '1',
    ClientRequestToken: a,
    Tags: [{ Key: 'k', Value: 'v' }],
  });
  await first.bot.putSecretValue({ SecretId: 's', SecretBinary: Buffer.from([0, 255]), ClientRequestToken: b });
  await first.bot.getSecretValue({ SecretId: 's' });
  const policy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/a"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`;
  await first.bot.putResourcePolicy({ SecretId: 's', ResourcePolicy: policy });
  await first.bot.replicateSecretToRegions({ SecretId: 's', AddReplicaRegions: [{ Region: 'eu-west-1' }] });
  await first.bot.createSecret({ Name: 'marked', SecretString: 'm' });
  await first.bot.deleteSecret({ SecretId: 'marked' });
  await first.bot.createSecret({ Name: 'gone', SecretString: 'g' });
  await first.bot.deleteSecret({ SecretId: 'gone', ForceDeleteWithoutRecovery: true });
  const { $metadata: _, ...before } = await first.bot.describeSecret({ SecretId: 's' });
  await first.close();

  const second = await bench({ dataDir });
  const { $metadata: __, ...after } = await second.bot.describeSecret({ SecretId: 's' });
  expect(after).toEqual(before);
  expect(after.ARN).toBe(ARN);
  expect(await stages(second.bot, 's')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT'] });
  expect(Buffer.from((await second.bot.getSecretValue({ SecretId: 's' })).SecretBinary!)).toEqual(
    Buffer.from([0, 255]),
  );
  expect((await second.bot.getSecretValue({ SecretId: 's', VersionId: a })).SecretString).toBe('1');
  expect((await second.bot.getResourcePolicy({ SecretId: 's' })).ResourcePolicy).toBe(policy);
  expect(await second.as({ region: 'eu-west-1' }).describeSecret({ SecretId: 's' })).toMatchObject({
    PrimaryRegion: 'us-east-1',
  });
  await second.bot.restoreSecret({ SecretId: 'marked' });
  await expect(second.bot.describeSecret({ SecretId: 'gone' })).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
});

test('neither a value nor a name can be found in any file, in any encoding', async () => {
  const { bot, close } = await bench({ dataDir });
  const canary = 'canary-7f3d9b21c8e4';
  await bot.createSecret({ Name: `name-${canary}`, SecretString: `text-${canary}`, Description: `words-${canary}` });
  await bot.putSecretValue({ SecretId: `name-${canary}`, SecretBinary: Buffer.from(`bytes-${canary}`) });
  await bot.getSecretValue({ SecretId: `name-${canary}` });
  await close();
  const files = filesIn(dataDir);
  expect(files.length).toBeGreaterThan(1);
  for (const file of files) {
    const bytes = fs.readFileSync(file);
    for (const encoding of ['utf8', 'base64', 'hex', 'utf16le'] as const) {
      for (const text of [
        canary,
        Buffer.from(canary).toString('base64').slice(2, -4),
        Buffer.from(canary).toString('hex'),
      ]) {
        expect(bytes.toString(encoding).includes(text), `${path.basename(file)} as ${encoding}`).toBe(false);
      }
    }
    expect(path.basename(file)).not.toContain(canary);
  }
});

test.skipIf(process.platform === 'win32')('key and files are for their owner only', async () => {
  const { bot } = await bench({ dataDir });
  await bot.createSecret({ Name: 's', SecretString: 'v' });
  expect(fs.statSync(path.join(dataDir, 'key')).mode & 0o777).toBe(0o600);
  for (const file of sealedFiles()) expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  expect(fs.statSync(path.join(dataDir, 'secrets')).mode & 0o777).toBe(0o700);
});

describe('a directory that is not as it was left', () => {
  async function two(): Promise<string[]> {
    const { bot, close } = await bench({ dataDir });
    await bot.createSecret({ Name: 'a', SecretString: 'canary-of-a' });
    await bot.createSecret({ Name: 'b', SecretString: 'canary-of-b' });
    await close();
    return sealedFiles();
  }

  test.each<[string, (file: string) => void]>([
    [
      'one bit of a file is turned',
      (file) => {
        const bytes = fs.readFileSync(file);
        bytes[bytes.length - 5]! ^= 1;
        fs.writeFileSync(file, bytes);
      },
    ],
    ['a file is cut short', (file) => fs.truncateSync(file, 20)],
    ['a file is empty', (file) => fs.truncateSync(file, 0)],
    ['a file is something else', (file) => fs.writeFileSync(file, '{}')],
  ])('%s: it does not start, names the file, and changes nothing', async (_what, damage) => {
    const [file] = await two();
    damage(file!);
    const before = sealedFiles().map((each) => fs.readFileSync(each).toString('hex'));
    const failure = await bench({ dataDir }).catch((error: Error) => error);
    expect(failure).toBeInstanceOf(Error);
    expect((failure as Error).message).toContain(file);
    expect((failure as Error).message).not.toContain('canary');
    expect(sealedFiles().map((each) => fs.readFileSync(each).toString('hex'))).toEqual(before);

    fs.rmSync(file!);
    const { bot } = await bench({ dataDir });
    expect((await bot.listSecrets({})).SecretList).toHaveLength(1);
  });

  test('two files have changed places: it does not start', async () => {
    const [one, other] = await two();
    fs.renameSync(one!, `${one}.x`);
    fs.renameSync(other!, one!);
    fs.renameSync(`${one}.x`, other!);
    await expect(bench({ dataDir })).rejects.toThrow(/damaged, or was written with another key/);
  });

  test('the key is lost, or another: it does not start, least of all empty', async () => {
    await two();
    const key = path.join(dataDir, 'key');
    const bytes = fs.readFileSync(key);
    fs.rmSync(key);
    await expect(bench({ dataDir })).rejects.toThrow(/cannot find its key .*key/);
    expect(fs.existsSync(key)).toBe(false);
    fs.writeFileSync(key, Buffer.alloc(32, 1).toString('base64'));
    await expect(bench({ dataDir })).rejects.toThrow(/another key/);
    fs.writeFileSync(key, 'short');
    await expect(bench({ dataDir })).rejects.toThrow(/key.*damaged/);
    fs.writeFileSync(key, bytes);
    expect((await (await bench({ dataDir })).bot.listSecrets({})).SecretList).toHaveLength(2);
  });
});

test('two cannot use one directory at once; after a close it is free', async () => {
  const first = await bench({ dataDir });
  await expect(bench({ dataDir })).rejects.toThrow(new RegExp(`in use by process ${process.pid}`));
  await first.close();
  await bench({ dataDir });
});

test('a lock left by a process that is gone does not stop a start', async () => {
  fs.writeFileSync(path.join(dataDir, 'lock'), `${process.pid} 1@another-boot x\n`);
  if (process.platform === 'linux') await bench({ dataDir });
});

test('a rotation that the end of the process cut short is gone on with', async () => {
  const arn = 'arn:aws:lambda:us-east-1:123456789012:function:f';
  let stopped = () => {};
  const reached = new Promise<void>((resolve) => (stopped = resolve));
  const hang = () => {
    stopped();
    return new Promise(() => {});
  };
  const first = await bench({ dataDir, rotationFunctions: { [arn]: hang } });
  const [a, b] = [token(), token()];
  await first.bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
  await first.bot.rotateSecret({ SecretId: 's', RotationLambdaARN: arn, ClientRequestToken: b });
  await reached;
  await first.close();

  const second = await bench({
    dataDir,
    rotationFunctions: {
      [arn]: async ({ Step, SecretId, ClientRequestToken: id }) => {
        if (Step === 'createSecret')
          await second.bot.putSecretValue({ SecretId, SecretString: '2', ClientRequestToken: id });
      },
    },
  });
  await second.control.settled();
  expect(await stages(second.bot, 's')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT'] });
});

describe('kill -9 in the middle of writes', () => {
  let bundle: string;
  beforeEach(async () => {
    const { build } = await import('esbuild');
    bundle = path.join(dataDir, '..', `${path.basename(dataDir)}.mjs`);
    const entryPoints = ['src/local/secrets-manager/server.ts'];
    await build({ entryPoints, outfile: bundle, bundle: true, platform: 'node', format: 'esm' });
  });
  afterEach(() => fs.rmSync(bundle, { force: true }));

  test.each([1, 2, 3, 4, 5, 6])('nothing that was answered is lost, and nothing is half (%i)', async (round) => {
    const script = `const { startLocalSecretsManager } = await import(${JSON.stringify(pathToFileURL(bundle).href)});
      console.log((await startLocalSecretsManager({ dataDir: ${JSON.stringify(dataDir)} })).url);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const credentials = { accessKeyId: 'x', secretAccessKey: 'x' };
    const client = new SecretsManager({
      endpoint: line.toString().trim(),
      region: 'us-east-1',
      credentials,
      maxAttempts: 1,
    });

    const answered = new Map<string, string>();
    const asked = new Map<string, string>();
    const write = async (Name: string) => {
      const put = async (value: string, call: () => Promise<unknown>) => {
        asked.set(Name, value);
        await call();
        answered.set(Name, value);
      };
      await put('0', () => client.createSecret({ Name, SecretString: '0'.repeat(20_000) }));
      for (let i = 1; ; i++) {
        const value = String(i);
        await put(value, () =>
          client.putSecretValue({ SecretId: Name, SecretString: value.repeat(20_000 / value.length) }),
        );
        if (answered.size === 3 && i === 5 + round * 3) child.kill('SIGKILL');
      }
    };
    await Promise.allSettled(['a', 'b', 'c'].map(write));
    await exited;
    client.destroy();

    const { bot } = await bench({ dataDir });
    expect(fs.readdirSync(path.join(dataDir, 'secrets')).filter((name) => !name.endsWith('.sealed'))).toEqual([]);
    expect(answered.size).toBe(3);
    for (const [SecretId, last] of answered) {
      const { SecretString } = await bot.getSecretValue({ SecretId });
      const possible = [last, asked.get(SecretId)!].map((value) => value.repeat(20_000 / value.length));
      expect(
        possible.includes(SecretString!),
        `${SecretId} reads ${SecretString!.slice(0, 4)}…, answered was ${last}`,
      ).toBe(true);
    }
  });
});
