import type pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { postgresLeases } from '../../src/adapters/postgres/leases.ts';
import { cardLedger } from '../../src/adapters/postgres/slack.ts';
import { openPool } from '../../src/adapters/postgres/store.ts';
import { workLedger } from '../../src/adapters/postgres/work.ts';
import { newId } from '../../src/kernel.ts';
import { defaultPolicy } from '../../src/policy.ts';
import type { Work } from '../../src/ports.ts';
import { useDatabase } from '../support/database.ts';
import { type Wire, wireTo } from '../support/proxy.ts';

const database = useDatabase();
beforeEach(() => database.store.pool.query('delete from work; delete from lease'));

/** A pool whose next answers are lost: what was asked for is done, and the connection breaks before anybody hears of it. */
function losing(answers: number, after = 0): pg.Pool {
  let asked = 0;
  return new Proxy(database.store.pool, {
    get(pool, name) {
      if (name !== 'query') return Reflect.get(pool, name) as unknown;
      return async (text: string, values?: unknown[]) => {
        const result = await pool.query(text, values);
        const nth = asked++;
        if (nth >= after && nth < after + answers) throw new Error('Connection terminated unexpectedly');
        return result;
      };
    },
  });
}

describe('a lease, when the connection breaks', () => {
  it('is held by whoever took it although they were not told, and by nobody else', async () => {
    const release = await postgresLeases(losing(2)).take('policy', 45_000);
    expect(release).not.toBeNull();
    expect(await postgresLeases(database.store.pool).take('policy', 45_000)).toBeNull();
    await release!();
    expect(await postgresLeases(database.store.pool).take('policy', 45_000)).not.toBeNull();
  });

  it('is let go of at once, not when its time is over', async () => {
    const release = (await postgresLeases(losing(3, 1)).take('policy', 45_000))!;
    await release();
    expect(await postgresLeases(database.store.pool).take('policy', 45_000)).not.toBeNull();
  });

  it('that somebody else holds is not taken however often it is tried', async () => {
    await postgresLeases(database.store.pool).take('policy', 45_000);
    expect(await postgresLeases(losing(3)).take('policy', 45_000)).toBeNull();
  });
});

describe('work, when the connection breaks as it ends', () => {
  const claimed = async (): Promise<Work> => {
    const id = newId('work');
    await database.store.pool.query(
      "insert into work (id, name, payload, lane, run_at, created_at) values ($1, 'people.sync', '{}', 'normal', now(), now())",
      [id],
    );
    return (await workLedger(database.store.pool, defaultPolicy).claim(id, 60_000))!;
  };
  const found = async (id: string) =>
    (
      await database.store.pool.query<{ status: string; failures: number; lease: number }>(
        'select status, failures, lease from work where id = $1',
        [id],
      )
    ).rows[0];

  it('is done', async () => {
    const work = await claimed();
    await workLedger(losing(2), defaultPolicy).finish(work);
    expect(await found(work.id)).toMatchObject({ status: 'done' });
  });

  it('is put back once', async () => {
    const work = await claimed();
    await workLedger(losing(2), defaultPolicy).postpone(work, 1_000);
    expect(await found(work.id)).toEqual({ status: 'waiting', failures: 0, lease: work.lease + 1 });
  });

  it('has failed once', async () => {
    const work = await claimed();
    await workLedger(losing(2), defaultPolicy).fail(work, 'no luck', 1_000);
    expect(await found(work.id)).toMatchObject({ status: 'waiting', failures: 1 });
  });

  it('does not stay marked as handed over when the queue did not take it', async () => {
    const work = await claimed();
    await workLedger(database.store.pool, defaultPolicy).postpone(work, 0);
    const publish = () => Promise.reject(new Error('no queue'));
    await expect(workLedger(database.store.pool, defaultPolicy).publishDue(10, publish)).rejects.toThrow('no queue');
    const handed: string[] = [];
    await workLedger(database.store.pool, defaultPolicy).publishDue(10, async (due) => {
      handed.push(...due.map((each) => each.workId));
    });
    expect(handed).toEqual([work.id]);
  });
});

it('what the database refuses is not tried again', async () => {
  let asked = 0;
  const pool = new Proxy(database.store.pool, {
    get(real, name) {
      if (name !== 'query') return Reflect.get(real, name) as unknown;
      return (text: string, values?: unknown[]) => {
        asked++;
        return real.query(text, values);
      };
    },
  });
  await expect(postgresLeases(pool).take('policy\0', 45_000)).rejects.toThrow();
  expect(asked).toBe(1);
});

it('work that is handed over again later has another name in the queue', async () => {
  const { pool } = database.store;
  const id = newId('work');
  await pool.query(
    "insert into work (id, name, payload, lane, run_at, created_at) values ($1, 'people.sync', '{}', 'normal', now(), now())",
    [id],
  );
  const ledger = workLedger(pool, defaultPolicy);
  const names: string[] = [];
  const publish = async (due: { queueId: string }[]) => void names.push(...due.map((each) => each.queueId));
  await ledger.publishDue(10, publish);
  await pool.query("update work set queued_at = queued_at - interval '60 s'");
  expect(await ledger.recover(30_000)).toBe(1);
  // Ten seconds at most lie between two names.
  const end = Date.now() + 15_000;
  while (new Set(names).size < 2 && Date.now() < end) {
    await ledger.publishDue(10, publish);
    await pool.query('update work set queued_at = null');
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(new Set(names).size).toBe(2);
});

describe('over a wire that breaks after the database has done what was asked', () => {
  let wire: Wire;
  let far: pg.Pool;
  const here = () => database.store.pool;
  beforeAll(async () => {
    wire = await wireTo(database.url, 5432);
    far = openPool(wire.url, { max: 2 });
  });
  afterAll(async () => {
    await far.end();
    await wire.close();
  });
  /** With a connection that is open already: what gets lost is the answer to the statement itself. */
  async function unheard<T>(run: () => Promise<T>): Promise<T> {
    await far.query('select 1');
    wire.loseAnswer();
    return run();
  }
  const aCard = async () => {
    const id = newId('card');
    await here().query(
      "insert into card (id, kind, subject, channel, created_at) values ($1, 'access.request', $1, 'C1', now())",
      [id],
    );
    return id;
  };
  const cardRow = async (id: string) =>
    (
      await here().query<{ ts: string | null; held: boolean; copied: boolean }>(
        'select ts, held_until is not null as held, copied from card where id = $1',
        [id],
      )
    ).rows[0];

  it('a lease belongs to whoever took it, and is free as soon as they let go', async () => {
    const release = await unheard(() => postgresLeases(far).take('wire', 45_000));
    expect(release).not.toBeNull();
    expect(await postgresLeases(here()).take('wire', 45_000)).toBeNull();
    await unheard(() => release!());
    expect(await postgresLeases(here()).take('wire', 45_000)).not.toBeNull();
  });

  it('a card belongs to whoever took it and to nobody else, and is free as soon as they let go', async () => {
    const id = await aCard();
    const held = await unheard(() => cardLedger(far).hold(id, 30_000));
    expect(held).toMatchObject({ id, copied: false });
    expect(await cardLedger(here()).hold(id, 30_000)).toBe('busy');
    await unheard(() => cardLedger(far).release(held as never, { channel: 'C1', ts: '1.1', shown: 'ab', anew: false }));
    expect(await cardRow(id)).toEqual({ ts: '1.1', held: false, copied: false });
    expect(await cardLedger(here()).hold(id, 30_000)).toMatchObject({ id, ts: '1.1' });
  });

  it('a card that another has by now is not let go of, nor said to show what it does not', async () => {
    const id = await aCard();
    const late = await cardLedger(here()).hold(id, -1_000);
    const now = await cardLedger(here()).hold(id, 30_000);
    expect(now).toMatchObject({ id });
    await cardLedger(far).release(late as never, { channel: 'C1', ts: '9.9', shown: 'ab', anew: false });
    expect(await cardRow(id)).toMatchObject({ ts: null, held: true });
    await cardLedger(far).release(now as never, null);
    expect(await cardRow(id)).toMatchObject({ held: false });
  });

  it('of many cards that are taken and let go of at once, one that is asked for twice is had once', async () => {
    const ids = await Promise.all([aCard(), aCard(), aCard()]);
    const ledger = cardLedger(here());
    const taken = await Promise.all([...ids, ids[0]!].map((id) => ledger.hold(id, 30_000)));
    const had = taken.filter((each) => each !== 'busy' && each !== null);
    expect(had.map((each) => each.id).sort()).toEqual([...ids].sort());
    expect(taken.filter((each) => each === 'busy')).toHaveLength(1);
    expect(await ledger.hold(newId('card'), 30_000)).toBeNull();
    const posted = (i: number) => ({ channel: 'C1', ts: `1.${i}`, shown: 'ab', anew: false });
    await Promise.all(had.map((card, i) => ledger.release(card, i < 2 ? posted(i) : null)));
    const rows = await Promise.all(had.map((card) => cardRow(card.id)));
    expect(rows).toEqual(['1.0', '1.1', null].map((ts) => ({ ts, held: false, copied: false })));
  });

  it('a wire that stays cut is given up after some seconds', async () => {
    const held = await cardLedger(far).hold(await aCard(), 30_000);
    wire.cut();
    const started = performance.now();
    await expect(cardLedger(far).release(held as never, null)).rejects.toThrow();
    expect(performance.now() - started).toBeLessThan(15_000);
    wire.mend();
    await cardLedger(far).release(held as never, null);
    expect(await cardRow((held as { id: string }).id)).toMatchObject({ held: false });
  }, 30_000);
});
