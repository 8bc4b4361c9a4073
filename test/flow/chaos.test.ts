import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { build } from '../support/process.ts';
import { redisDatabase } from '../support/redis.ts';

const redisUrl = redisDatabase(8);

/** On an embedded Postgres of its own, which is restarted and crashed beside everything else. */
async function chaos(...args: string[]): Promise<{ code: number | null; said: string }> {
  build();
  const child = spawn(process.execPath, ['scripts/chaos.mjs', '--embedded', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const each of [child.stdout, child.stderr]) each.on('data', (piece: Buffer) => (said += piece.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}

it('rotations lose nothing and do nothing twice while workers are killed, connections cut and Postgres crashes', async () => {
  const { code, said } = await chaos('--rotations', '25', '--seed', '2026');
  expect(said).toContain('nothing lost, nothing done twice, every card true');
  expect(said).toMatch(/crash Postgres/);
  expect(code, said).toBe(0);
}, 300_000);

it.skipIf(!redisUrl)(
  'and while Redis, which carries the work, is emptied and cut off',
  async () => {
    const { code, said } = await chaos('--rotations', '10', '--seed', '2027', '--redis', redisUrl!);
    expect(said).toContain('nothing lost, nothing done twice, every card true');
    expect(said).toMatch(/flush Redis/);
    expect(code, said).toBe(0);
  },
  300_000,
);
