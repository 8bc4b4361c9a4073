import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { House } from './house.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

let built = false;
/** The program as users run it; compiled once per test file, so that nobody tests yesterday's. */
export function build(): string {
  if (!built)
    execFileSync(process.execPath, [
      path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      '-p',
      path.join(root, 'tsconfig.build.json'),
    ]);
  built = true;
  return path.join(root, 'dist', 'main.js');
}

/** For `rotation.check`: so that no key of the company falls due in the middle of a test, and its worker dies for that one. */
export const never = '0 0 1 1 *';

export interface Child {
  process: ChildProcess;
  output(): string;
  /** Resolves with how it ended: an exit code or the signal that killed it. */
  ended: Promise<number | NodeJS.Signals>;
}

export function startChild(args: string[], env: Record<string, string>): Child {
  const child = spawn(process.execPath, ['--disable-proto=delete', build(), ...args], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
  child.stderr.on('data', (piece: Buffer) => (output += piece.toString()));
  return {
    process: child,
    output: () => output,
    ended: once(child, 'exit').then(([code, signal]) => (signal ?? code) as number | NodeJS.Signals),
  };
}

/** The environment of a process that works in this house. */
export function environmentOf(house: House, policy: object = {}): Record<string, string> {
  const { slack, aws, settings } = house;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-house-'));
  // JSON is YAML.
  fs.writeFileSync(path.join(folder, 'policy.yml'), JSON.stringify(policy));
  return {
    DATABASE_URL: settings.databaseUrl,
    ...('redisUrl' in settings.queueHome ? { REDIS_URL: settings.queueHome.redisUrl } : {}),
    SLACK_API_URL: `${slack.url}/api/`,
    SLACK_BOT_TOKEN: settings.slack.botToken,
    SLACK_SIGNING_SECRET: 'house-signing-secret',
    AWS_REGION: aws.region,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
    AWS_ACCESS_KEY_ID: aws.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: aws.credentials.secretAccessKey,
    POLICY_FILE: path.join(folder, 'policy.yml'),
    DATA_DIR: folder,
    ADMIN_SLACK_USERS: settings.administrators.join(','),
    PORT: '0',
    WORK_LEASE_MS: '1000',
    LOG_LEVEL: 'info',
  };
}
