import { afterAll, beforeAll } from 'vitest';
import { secretsManager } from '../../src/adapters/secrets-manager.ts';
import { type LocalSecretsManager, startLocalSecretsManager } from '../../src/local/secrets-manager/server.ts';
import type { Secrets } from '../../src/ports.ts';

export interface TestSecrets {
  server: LocalSecretsManager;
  /** The real adapter over the real SDK. */
  secrets: Secrets;
}

/** The Secrets Manager stand-in, in memory, for this test file. */
export function useSecrets(): TestSecrets {
  const parts = {} as TestSecrets;
  let close: () => Promise<void>;
  beforeAll(async () => {
    parts.server = await startLocalSecretsManager();
    const adapter = secretsManager({
      region: parts.server.region,
      endpoint: parts.server.url,
      credentials: parts.server.credentials,
    });
    parts.secrets = adapter;
    close = async () => {
      await adapter.close();
      await parts.server.close();
    };
  });
  afterAll(() => close());
  return parts;
}
