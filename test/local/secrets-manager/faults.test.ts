import { describe, expect, test, vi } from 'vitest';
import { startLocalSecretsManager } from '../../../src/local/secrets-manager/server.ts';
import { bench, stages, token } from './stand.ts';

describe('injected faults', () => {
  test('throttling: the SDK tries again by itself, and a client with one attempt is told', async () => {
    const { bot, as, control } = await bench();
    await bot.createSecret({ Name: 's', SecretString: 'v' });
    control.inject({ kind: 'throttle', operation: 'GetSecretValue', times: 2 });
    expect((await bot.getSecretValue({ SecretId: 's' })).SecretString).toBe('v');
    expect(control.faultsLeft()).toEqual([]);
    control.inject({ kind: 'throttle' });
    await expect(as({ maxAttempts: 1 }).getSecretValue({ SecretId: 's' })).rejects.toMatchObject({
      name: 'ThrottlingException',
      $metadata: { httpStatusCode: 400 },
    });
  });

  test('a lost response: the work is done, and the SDK finds it done when it tries again', async () => {
    const { bot, as, control } = await bench();
    const [a, b] = [token(), token()];
    await bot.createSecret({ Name: 's', SecretString: '1', ClientRequestToken: a });
    control.inject({ kind: 'lose-response', operation: 'PutSecretValue' });
    await bot.putSecretValue({ SecretId: 's', SecretString: '2', ClientRequestToken: b });
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSPREVIOUS'], [b]: ['AWSCURRENT'] });

    control.inject({ kind: 'lose-response', operation: 'UpdateSecretVersionStage' });
    const move = { SecretId: 's', VersionStage: 'AWSCURRENT', RemoveFromVersionId: b, MoveToVersionId: a };
    const once = as({ maxAttempts: 1 });
    await expect(once.updateSecretVersionStage(move)).rejects.toThrow();
    expect(await stages(bot, 's')).toEqual({ [a]: ['AWSCURRENT'], [b]: ['AWSPREVIOUS'] });
    await expect(once.updateSecretVersionStage(move)).rejects.toMatchObject({ name: 'InvalidParameterException' });
  });

  test('an error by name, for one secret only, before anything is done', async () => {
    const { bot, as, control } = await bench();
    await bot.createSecret({ Name: 's', SecretString: '1' });
    await bot.createSecret({ Name: 't', SecretString: '1' });
    const before = await stages(bot, 's');
    control.inject(
      { kind: 'error', name: 'DecryptionFailure', secretId: 's' },
      { kind: 'error', name: 'InternalServiceError', secretId: 't' },
    );
    await expect(bot.putSecretValue({ SecretId: 's', SecretString: '2' })).rejects.toMatchObject({
      name: 'DecryptionFailure',
    });
    expect(await stages(bot, 's')).toEqual(before);
    await expect(as({ maxAttempts: 1 }).getSecretValue({ SecretId: 't' })).rejects.toMatchObject({
      name: 'InternalServiceError',
      $metadata: { httpStatusCode: 500 },
    });
  });

  test('a stale read: as it was before the last change, once', async () => {
    const { bot, control } = await bench();
    control.inject({ kind: 'stale-read', operation: 'DescribeSecret' });
    await bot.createSecret({ Name: 's', SecretString: '1' });
    await expect(bot.describeSecret({ SecretId: 's' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect(await bot.describeSecret({ SecretId: 's' })).toMatchObject({ Name: 's' });

    await bot.putSecretValue({ SecretId: 's', SecretString: '2', VersionStages: ['AWSPENDING'] });
    control.inject({ kind: 'stale-read', operation: 'GetSecretValue' });
    const pending = () => bot.getSecretValue({ SecretId: 's', VersionStage: 'AWSPENDING' });
    await expect(pending()).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect((await pending()).SecretString).toBe('2');
    await bot.createSecret({ Name: 't' });
    control.inject({ kind: 'stale-read', operation: 'ListSecrets' });
    const listed = async () => (await bot.listSecrets({})).SecretList!.map(({ Name }) => Name);
    expect([await listed(), await listed()]).toEqual([['s'], ['s', 't']]);
  });

  test('a delay holds the call up, and other calls go on', async () => {
    const { bot, control } = await bench();
    await bot.createSecret({ Name: 's', SecretString: '1' });
    control.inject({ kind: 'delay', delayMs: 300, operation: 'GetSecretValue' });
    const order: string[] = [];
    await Promise.all([
      bot.getSecretValue({ SecretId: 's' }).then(() => order.push('slow')),
      bot.describeSecret({ SecretId: 's' }).then(() => order.push('quick')),
    ]);
    expect(order).toEqual(['quick', 'slow']);
  });

  test('a limit is asked before every operation: what it refuses is throttled, does nothing and uses up no fault', async () => {
    const { bot, as, control } = await bench();
    const once = as({ maxAttempts: 1 });
    await bot.createSecret({ Name: 's', SecretString: '1' });
    const before = await stages(bot, 's');
    const asked: string[] = [];
    control.limit((operation) => asked.push(operation) > 1);
    control.clearFaults();
    control.inject({ kind: 'error', name: 'DecryptionFailure', operation: 'PutSecretValue' });
    const put = () => once.putSecretValue({ SecretId: 's', SecretString: '2' });
    await expect(put()).rejects.toMatchObject({
      ...{ name: 'ThrottlingException', message: 'Rate exceeded' },
      $metadata: { httpStatusCode: 400 },
    });
    expect(await stages(once, 's')).toEqual(before);
    await expect(put()).rejects.toMatchObject({ name: 'DecryptionFailure' });
    await put();
    expect(Object.keys(await stages(once, 's'))).toHaveLength(2);
    expect(asked).toEqual(['PutSecretValue', 'DescribeSecret', ...Array(2).fill('PutSecretValue'), 'DescribeSecret']);
  });

  test('those given at the start strike too, and can be cleared', async () => {
    const { as, control } = await bench({ faults: [{ kind: 'throttle', times: 100 }] });
    const once = as({ maxAttempts: 1 });
    await expect(once.listSecrets({})).rejects.toMatchObject({ name: 'ThrottlingException' });
    control.clearFaults();
    await once.listSecrets({});
  });
});

describe('the control over HTTP', () => {
  test('injects faults, moves the clock, names principals and shows events', async () => {
    const { url, bot, as } = await bench();
    const control = async (method: string, route: string, body?: unknown) => {
      const init =
        body === undefined
          ? { method }
          : { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
      const response = await fetch(`${url}/control/${route}`, init);
      return { status: response.status, body: (await response.json()) as Record<string, unknown[]> };
    };
    expect((await control('GET', 'health')).status).toBe(200);
    await bot.createSecret({ Name: 's', SecretString: 'v' });
    await control('POST', 'faults', { faults: [{ kind: 'throttle', operation: 'DescribeSecret' }] });
    await expect(as({ maxAttempts: 1 }).describeSecret({ SecretId: 's' })).rejects.toMatchObject({
      name: 'ThrottlingException',
    });
    await control('POST', 'faults', { kind: 'throttle', times: 5 });
    expect((await control('GET', 'faults')).body.faults).toHaveLength(1);
    await control('DELETE', 'faults');
    const reader = { accessKeyId: 'READER', arn: 'arn:aws:iam::123456789012:role/reader' };
    await control('POST', 'principals', reader);
    await expect(as(reader).getSecretValue({ SecretId: 's' })).rejects.toMatchObject({ name: 'AccessDeniedException' });
    await control('POST', 'principals', { ...reader, mayDoEverything: true });
    await as(reader).getSecretValue({ SecretId: 's' });
    expect((await control('POST', 'events', { delayMs: '1' })).status).toBe(400);
    await control('POST', 'events', { delayMs: 3_600_000 });
    await control('POST', 'principals', { accessKeyId: 'EVE', arn: 'arn:aws:iam::123456789012:user/eve' });
    await expect(as({ accessKeyId: 'EVE' }).getSecretValue({ SecretId: 's' })).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
    await bot.deleteSecret({ SecretId: 's', RecoveryWindowInDays: 7 });
    await control('POST', 'clock', { advanceMs: 8 * 86_400_000 });
    await expect(bot.describeSecret({ SecretId: 's' })).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
    expect((await control('GET', 'events')).body.events!.length).toBeGreaterThan(3);
  });

  test.each([
    [{ kind: 'nonsense' }, /kind/],
    [{ kind: 'delay' }, /delayMs/],
    [{ kind: 'error' }, /name/],
    [{ kind: 'throttle', times: 0 }, /times/],
  ])('refuses the fault %j with a reason', async (body, reason) => {
    const { url } = await bench();
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(`${url}/control/faults`, init);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: string }).error).toMatch(reason);
  });

  test('is not for web pages: neither by their origin, nor by a name, nor by a form', async () => {
    const { url, port, raw, control } = await bench();
    const { request } = await import('node:http');
    const status = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request(
          { port, host: '127.0.0.1', path: '/control/faults', method: 'POST', headers },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        );
        sent.on('error', reject);
        sent.end('{"kind":"throttle"}');
      });
    const json = { 'content-type': 'application/json' };
    expect(await status({ ...json, host: 'rebound.example' })).toBe(403);
    expect(await status({ ...json, origin: 'http://evil.example' })).toBe(403);
    expect(await status({ ...json, origin: url })).toBe(403);
    expect(await status({ ...json, 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await status({ 'content-type': 'text/plain' })).toBe(415);
    expect(control.faultsLeft()).toEqual([]);
    expect(await status({ ...json, host: `localhost:${port}` })).toBe(200);
    control.clearFaults();
    expect((await raw('ListSecrets', {}, { origin: 'null' })).status).toBe(403);
  });
});

describe('starting', () => {
  test('is refused in production', async () => {
    vi.stubEnv('NODE_ENV', 'production');
    await expect(startLocalSecretsManager()).rejects.toThrow(/In production/);
    vi.unstubAllEnvs();
  });

  test('is refused on any host but loopback', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.2']) {
      await expect(startLocalSecretsManager({ host: host as '127.0.0.1' })).rejects.toThrow(/loopback only/);
    }
  });

  test('on a port that is taken says so', async () => {
    const { port } = await bench();
    await expect(startLocalSecretsManager({ port })).rejects.toThrow(new RegExp(`Port ${port} is taken`));
  });

  test('serves a client that is configured by the environment alone', async () => {
    const { url, credentials } = await bench();
    vi.stubEnv('AWS_ENDPOINT_URL_SECRETS_MANAGER', url);
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', credentials.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', credentials.secretAccessKey);
    const { SecretsManager } = await import('@aws-sdk/client-secrets-manager');
    const client = new SecretsManager();
    expect((await client.createSecret({ Name: 's' })).ARN).toContain(':eu-central-1:');
    client.destroy();
    vi.unstubAllEnvs();
  });

  test('closing twice is fine, and cuts connections that are kept alive', async () => {
    const { bot, close } = await bench();
    await bot.listSecrets({});
    await close();
    await close();
    await expect(bot.listSecrets({})).rejects.toThrow();
  });
});
