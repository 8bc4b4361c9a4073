import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postgresInbox } from '../../src/adapters/postgres/slack.ts';
import { openPool } from '../../src/adapters/postgres/store.ts';
import type { Inbox } from '../../src/ports.ts';
import { useDatabase } from '../support/database.ts';

const database = useDatabase();
let inbox: Inbox;
let close: () => Promise<void>;
beforeAll(() => {
  const pool = openPool(database.url, { max: 2, patienceMs: 5_000 });
  inbox = postgresInbox(pool);
  close = () => pool.end();
});
afterAll(() => close());

const stored = async (prefix: string) =>
  (
    await database.store.pool.query<{ key: string; payload: unknown; handled: boolean }>(
      'select dedupe_key as key, payload, handled_at is not null as handled from inbox where dedupe_key like $1 order by 1',
      [`${prefix}%`],
    )
  ).rows;

describe('deliveries that come together', () => {
  it('are all stored as they are, and each learns whether it was the first of its kind', async () => {
    await inbox.store('a:0', 'command', { text: 'it’s "0" \\ {}' });
    const fresh = await Promise.all([0, 1, 2, 1, 0, 2].map((n) => inbox.store(`a:${n}`, 'command', { text: `${n}` })));
    expect(fresh).toEqual([false, true, true, false, false, false]);
    expect(await stored('a:')).toEqual([
      { key: 'a:0', payload: { text: 'it’s "0" \\ {}' }, handled: false },
      { key: 'a:1', payload: { text: '1' }, handled: false },
      { key: 'a:2', payload: { text: '2' }, handled: false },
    ]);
  });
  it('do not suffer from one that cannot be stored', async () => {
    const results = await Promise.allSettled([
      inbox.store('b:first', 'command', {}),
      inbox.store('b:good', 'command', { text: 'fine' }),
      inbox.store('b:bad', 'command', { text: 'nul \u0000' }),
      inbox.store('b:better', 'command', { text: 'fine too' }),
    ]);
    expect(results.map((each) => (each.status === 'fulfilled' ? each.value : 'failed'))).toEqual([
      true,
      true,
      'failed',
      true,
    ]);
    expect((await stored('b:')).map((each) => each.key)).toEqual(['b:better', 'b:first', 'b:good']);
  });
  it('are marked as handled one by one', async () => {
    await Promise.all(['c:1', 'c:2', 'c:3'].map((key) => inbox.store(key, 'command', {})));
    await Promise.all([inbox.handled('c:1'), inbox.handled('c:3')]);
    expect((await stored('c:')).map((each) => each.handled)).toEqual([true, false, true]);
  });
  it('beyond one round are stored too', async () => {
    const fresh = await Promise.all(Array.from({ length: 1_000 }, (_, n) => inbox.store(`d:${n}`, 'command', { n })));
    expect(fresh.every(Boolean)).toBe(true);
    expect(await stored('d:')).toHaveLength(1_000);
  });
});
