import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configFrom } from '../src/config.ts';
import { startStandIns } from '../src/stand-ins.ts';

describe('with every service configured', () => {
  it('nothing is kept on this machine, and no webhook secret is made up', async () => {
    const dataDir = join(mkdtempSync(join(tmpdir(), 'keysteward-')), 'data');
    const said: string[] = [];
    const config = configFrom({
      NODE_ENV: 'production',
      DATABASE_URL: 'postgres://keysteward@db.example/keysteward',
      SLACK_BOT_TOKEN: 'xoxb-1',
      SLACK_SIGNING_SECRET: 'one',
      AWS_REGION: 'eu-central-1',
      DATA_DIR: dataDir,
    });
    const standIns = await startStandIns(config, 'http://127.0.0.1:1', (line) => said.push(line));
    expect(standIns).toMatchObject({ databaseUrl: config.DATABASE_URL, slack: null, aws: null, hrWebhookSecrets: [] });
    expect(standIns).toMatchObject({ administrators: [], welcome: [] });
    expect(said).toEqual([]);
    expect(existsSync(dataDir)).toBe(false);
    await standIns.stop();
  });
});
