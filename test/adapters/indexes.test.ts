import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listeningSession, makeKeys, questions, searches, waysInto } from '../../scripts/bench/many-keys.mjs';
import { keyRows, rotationRows } from '../../src/adapters/postgres/reads.ts';
import { useDatabase } from '../support/database.ts';

// How long they take is measured by `npm run bench`; here only that no question reads the whole inventory.
const database = useDatabase();
let client: pg.Client;
let asked: ReturnType<typeof listeningSession>['asked'];
let all: Record<string, () => Promise<unknown>>;
beforeAll(async () => {
  client = new pg.Client(database.url);
  await client.connect();
  await makeKeys(client, 50_000);
  const listening = listeningSession(client);
  asked = listening.asked;
  const reads = { keys: keyRows(listening.session), rotations: rotationRows(listening.session) };
  all = { ...questions(reads), ...searches(reads) };
}, 120_000);
afterAll(() => client.end());

describe('over 50,000 keys', () => {
  it('no way of listing or searching them, and no look for due ones, reads them all', async () => {
    const found: Record<string, string[]> = {};
    for (const [name, ask] of Object.entries(all)) {
      asked.length = 0;
      await ask();
      const touching: string[] = [];
      for (const each of asked) touching.push(...(await waysInto(client, 'api_key', each)));
      expect(touching, name).not.toEqual([]);
      found[name] = touching.filter((way) => way === 'Seq Scan');
    }
    expect(found).toEqual(Object.fromEntries(Object.keys(all).map((name) => [name, []])));
  });
  it('the check would notice: a question without an index does read them all', async () => {
    expect(
      await waysInto(client, 'api_key', { sql: "select 1 from api_key where scope = 'Writes'", params: [] }),
    ).toEqual(['Seq Scan']);
  });
});
