import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { settingsOf } from '../src/command-line.ts';
import { configFrom } from '../src/config.ts';

const folder = mkdtempSync(join(tmpdir(), 'keysteward-'));
const standIn = {
  region: 'us-east-1',
  endpoint: 'http://127.0.0.1:4001',
  credentials: { accessKeyId: 'AKIALOCAL', secretAccessKey: 'local' },
};
/** What the program is started with, by the policy's word on who is asked and the environment. */
function cloudTrail(readsFrom: string | null, env: Record<string, string>, aws: typeof standIn | null) {
  const POLICY_FILE = join(folder, `${readsFrom}.yml`);
  writeFileSync(POLICY_FILE, JSON.stringify({ rotation: { evidence: { readsFrom } } }));
  const config = configFrom({ SLACK_BOT_TOKEN: 'xoxb-1', SLACK_SIGNING_SECRET: 'one', POLICY_FILE, ...env });
  const standIns = {
    databaseUrl: 'postgres://x',
    slack: null,
    providers: {},
    aws,
    hrWebhookSecrets: [],
    administrators: [],
  };
  return settingsOf(config, standIns, { bot: true, worker: true }, () => {}).cloudTrail;
}
const real = {
  AWS_REGION: 'eu-central-1',
  AWS_ENDPOINT_URL_SECRETS_MANAGER: 'https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com',
};

describe('who is asked who reads secrets', () => {
  it('is the local stand-in, which is both, unless the policy says nobody', () => {
    expect(cloudTrail(null, {}, standIn)).toEqual(standIn);
    expect(cloudTrail('cloudtrail', {}, standIn)).toEqual(standIn);
    expect(cloudTrail('none', {}, standIn)).toBeNull();
  });

  it('is nobody at AWS, where it needs a permission, unless the policy says CloudTrail; at its own address then', () => {
    expect(cloudTrail(null, real, null)).toBeNull();
    expect(cloudTrail('none', real, null)).toBeNull();
    expect(cloudTrail('cloudtrail', real, null)).toEqual({ region: 'eu-central-1' });
    const AWS_ENDPOINT_URL_CLOUDTRAIL = 'https://vpce-2.cloudtrail.eu-central-1.vpce.amazonaws.com';
    expect(cloudTrail('cloudtrail', { ...real, AWS_ENDPOINT_URL_CLOUDTRAIL }, null)).toEqual({
      region: 'eu-central-1',
      endpoint: AWS_ENDPOINT_URL_CLOUDTRAIL,
    });
  });
});
