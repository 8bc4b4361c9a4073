import { randomUUID } from 'node:crypto';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { afterEach } from 'vitest';
import {
  type LocalSecretsManager,
  type LocalSecretsManagerOptions,
  startLocalSecretsManager,
} from '../../../src/local/secrets-manager/server.ts';

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

export type Bench = LocalSecretsManager & {
  /** The bot's client, which may do everything. */
  bot: SecretsManager;
  /** A client with another access key, region or number of attempts. */
  as: (of: { accessKeyId?: string; region?: string; maxAttempts?: number }) => SecretsManager;
  /** A request as no SDK would send it. */
  raw: (
    operation: string,
    body: unknown,
    headers?: Record<string, string>,
  ) => Promise<{ status: number; body: unknown }>;
};

/** The stand-in, spoken to by the real SDK. Closed after the test. */
export async function bench(options: LocalSecretsManagerOptions = {}): Promise<Bench> {
  const stand = await startLocalSecretsManager(options);
  open.push(() => stand.close());
  const as: Bench['as'] = ({ accessKeyId, region, maxAttempts }) => {
    const client = new SecretsManager({
      endpoint: stand.url,
      region: region ?? stand.region,
      credentials: accessKeyId ? { accessKeyId, secretAccessKey: 'x' } : stand.credentials,
      ...(maxAttempts ? { maxAttempts } : {}),
    });
    open.push(async () => client.destroy());
    return client;
  };
  const raw: Bench['raw'] = async (operation, body, headers = {}) => {
    const response = await fetch(stand.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': operation.includes('.') ? operation : `secretsmanager.${operation}`,
        authorization: `AWS4-HMAC-SHA256 Credential=${stand.credentials.accessKeyId}/20261124/${stand.region}/secretsmanager/aws4_request, SignedHeaders=host, Signature=0`,
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, body: await response.json() };
  };
  return { ...stand, bot: as({}), as, raw };
}

/** A token, so that a test knows the id of the version it makes. */
export const token = (): string => randomUUID();

/** Labels by version id, as DescribeSecret shows them. */
export async function stages(bot: SecretsManager, SecretId: string): Promise<Record<string, string[]>> {
  const { VersionIdsToStages = {} } = await bot.describeSecret({ SecretId });
  return Object.fromEntries(Object.entries(VersionIdsToStages).map(([id, labels]) => [id, [...labels].sort()]));
}
