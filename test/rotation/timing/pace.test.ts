import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { postgresPace } from '../../../src/adapters/postgres/pace.ts';
import { openPool } from '../../../src/adapters/postgres/store.ts';
import { AskedTooOften, newId } from '../../../src/kernel.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { takeStep } from '../../../src/rotation/step.ts';
import { type Bucket, full, leftAlone, turnIn } from '../../../src/rotation/timing/pace-model.ts';
import { quick, useStage } from '../stage.ts';

interface Asker {
  at: number;
  urgent: boolean;
  calls: number;
  /** How much later than it was told it comes. */
  lateMs: number;
}
interface Went extends Asker {
  wentAt: number;
}

/** Everybody asks, stays away for as long as they were told, and asks again, until all had their turn. */
function play(askers: Asker[], perSecond: number, tired: (at: number) => number = () => 0): Went[] {
  let bucket: Bucket = full(perSecond, 0);
  const went: Went[] = [];
  const due = askers.map((asker) => ({ asker, at: asker.at, promised: null as number | null }));
  for (let round = 0; due.length > 0; round++) {
    if (round > 100_000) throw new Error('somebody never has their turn');
    due.sort((one, other) => one.at - other.at);
    const next = due.shift()!;
    const now = next.at + tired(next.at);
    const turn = turnIn(bucket, { of: 'x', calls: next.asker.calls, perSecond }, next.asker.urgent, next.promised, now);
    bucket = turn.bucket;
    if (turn.waitMs === 0) went.push({ ...next.asker, wentAt: now });
    else
      due.push({ ...next, at: now + turn.waitMs + next.asker.lateMs, promised: (turn as { turnAt: number }).turnAt });
  }
  return went.sort((one, other) => one.wentAt - other.wentAt);
}

/** The most by which any window has more calls than a bucket of one second and its refill allow. */
function excess(went: Pick<Went, 'wentAt' | 'calls'>[], perSecond: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let from = 0; from < went.length; from++) {
    let calls = 0;
    for (let to = from; to < went.length; to++) {
      calls += went[to]!.calls;
      most = Math.max(most, calls - perSecond * (1 + (went[to]!.wentAt - went[from]!.wentAt) / 1000));
    }
  }
  return most;
}

const aRate = fc.integer({ min: 1, max: 60 });
const crowd = (calls: fc.Arbitrary<number>) =>
  fc.array(
    fc.record({
      at: fc.integer({ min: 0, max: 5_000 }),
      urgent: fc.boolean(),
      calls,
      lateMs: fc.integer({ min: 0, max: 300 }),
    }),
    { minLength: 1, maxLength: 120 },
  );

describe('the pace', () => {
  test('lets no more through in any window than the limit, whoever asks when, and everybody has their turn', () => {
    fc.assert(
      fc.property(aRate, crowd(fc.constant(1)), (perSecond, askers) => {
        const went = play(askers, perSecond);
        expect(went).toHaveLength(askers.length);
        expect(excess(went, perSecond)).toBeLessThan(0.001);
      }),
      { numRuns: 300 },
    );
  });

  test('lets whoever needs more at once than the bucket holds go one turn ahead of it, and no further', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), crowd(fc.integer({ min: 1, max: 8 })), (perSecond, askers) => {
        const went = play(askers, perSecond);
        expect(went).toHaveLength(askers.length);
        expect(excess(went, perSecond)).toBeLessThan(8);
      }),
      { numRuns: 200 },
    );
  });

  test('uses what is allowed: a crowd is through in the time that the limit asks for, in the order in which it came', () => {
    const askers = Array.from({ length: 500 }, (_, at) => ({ at: at / 100, urgent: false, calls: 1, lateMs: 0 }));
    const went = play(askers, 48);
    const bound = (500 - 36) / 48;
    expect(went.at(-1)!.wentAt / 1000).toBeGreaterThan(bound - 0.5);
    expect(went.at(-1)!.wentAt / 1000).toBeLessThan(bound * 1.05);
    expect(went.map((each) => each.at)).toEqual([...went.map((each) => each.at)].sort((a, b) => a - b));
  });

  test('lets an emergency go at once in the middle of a crowd, and many of them before all others', () => {
    const askers = Array.from({ length: 400 }, () => ({ at: 0, urgent: false, calls: 1, lateMs: 0 }));
    const one = { at: 3_000, urgent: true, calls: 1, lateMs: 0 };
    expect(play([...askers, one], 48).find((each) => each.urgent)?.wentAt).toBe(3_000);

    const many = Array.from({ length: 100 }, () => one);
    const went = play([...askers, ...many], 48);
    const urgent = went.filter((each) => each.urgent);
    expect(urgent.at(-1)!.wentAt).toBeLessThan(3_000 + ((100 - 12) / 48) * 1000 + 100);
    const between = went.filter((each) => !each.urgent && each.wentAt > 3_050 && each.wentAt < urgent.at(-1)!.wentAt);
    expect(between).toEqual([]);
    expect(excess(went, 48)).toBeLessThan(0.001);
  });

  test('after everybody was away for a while, lets no more through at once than the bucket holds', () => {
    const askers = Array.from({ length: 300 }, () => ({ at: 0, urgent: false, calls: 1, lateMs: 0 }));
    // All workers are down from the second second to the tenth.
    const went = play(askers, 48, (at) => (at > 2_000 && at < 10_000 ? 10_000 - at : 0));
    expect(went.filter((each) => each.wentAt === 10_000).length).toBeLessThanOrEqual(48);
    expect(excess(went, 48)).toBeLessThan(0.001);
  });

  test('does not wait for those who were called off: when nobody has asked for a while, the queue is over', () => {
    let bucket = full(10, 0);
    for (let i = 0; i < 500; i++) bucket = turnIn(bucket, { of: 'x', calls: 1, perSecond: 10 }, false, null, 0).bucket;
    expect(bucket.queueEnds).toBeGreaterThan(40_000);
    expect(turnIn(bucket, { of: 'x', calls: 1, perSecond: 10 }, false, null, 2_000)).toMatchObject({ waitMs: 0 });
  });

  test('leaves alone whoever asks for it, for so long, in emergencies too', () => {
    const bucket = leftAlone(full(10, 0), 10, 30_000, 0);
    const need = { of: 'x', calls: 1, perSecond: 10 };
    const turn = turnIn(bucket, need, true, null, 100);
    expect(turn.waitMs).toBeGreaterThan(29_000);
    expect(turn.waitMs).toBeLessThanOrEqual(30_000);
    expect(turnIn(turn.bucket, need, true, 100 + turn.waitMs, 100 + turn.waitMs).waitMs).toBe(0);
  });
});

const stage = useStage();

describe('the pace in Postgres', () => {
  test('is one for all workers, however many ask at once', async () => {
    const need = { of: `test ${randomUUID()}`, calls: 1, perSecond: 40 };
    const pools = [1, 2, 3].map(() => openPool(stage.database.url, { max: 4 }));
    const paces = pools.map(postgresPace);
    const began = performance.now();
    const went: { wentAt: number; calls: number }[] = [];
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const holder = `holder ${i}`;
        for (;;) {
          const waitMs = await paces[i % 3]!.turn(holder, [need], false);
          if (waitMs === 0) break;
          await sleep(waitMs);
        }
        went.push({ wentAt: performance.now() - began, calls: 1 });
      }),
    );
    await Promise.all(pools.map((pool) => pool.end()));
    const seconds = (performance.now() - began) / 1000;
    expect(seconds).toBeGreaterThan((100 - 40) / 40);
    // Answers come a little later than the turns that they give.
    expect(excess(went, 40)).toBeLessThan(6);
    const { rows } = await stage.database.store.pool.query('select 1 from turn where of = $1', [need.of]);
    expect(rows).toEqual([]);
  });

  test('gives all that a step needs or nothing: what waits for a slow provider uses up no writes', async () => {
    const pace = postgresPace(stage.database.store.pool);
    const writes = { of: `writes ${randomUUID()}`, calls: 1, perSecond: 40 };
    const slow = { of: `slow ${randomUUID()}`, calls: 1, perSecond: 1 };
    const waits = [];
    for (let i = 0; i < 20; i++) waits.push(await pace.turn(`holder ${i}`, [slow, writes], false));
    expect(waits[0]).toBe(0);
    expect(waits.slice(1).every((each) => each > 0)).toBe(true);
    const { rows } = await stage.database.store.pool.query<{ tokens: number }>(
      'select tokens from pace where of = $1',
      [writes.of],
    );
    expect(rows[0]!.tokens).toBe(39);
    expect(await pace.turn('somebody else', [writes], false)).toBe(0);
  });

  test('gives a place ahead of time where there is a queue, and uses up nothing where there is none', async () => {
    const { pool } = stage.database.store;
    const pace = postgresPace(pool);
    const need = { of: `writes ${randomUUID()}`, calls: 1, perSecond: 20 };
    const left = async () =>
      (await pool.query<{ tokens: number }>('select tokens from pace where of = $1', [need.of])).rows[0]!.tokens;
    expect(await pace.reserve('early', [need], false)).toBe(0);
    expect(await left()).toBe(20);
    // Three quarters of the bucket are for whoever is in no hurry; then there is a queue.
    let went = 0;
    while ((await pace.turn(`crowd ${went}`, [need], false)) === 0) went++;
    expect(went).toBeGreaterThanOrEqual(15);
    const place = await pace.reserve('early', [need], false);
    expect(place).toBeGreaterThan(0);
    const later = await pace.turn('later', [need], false);
    expect(later).toBeGreaterThan(place);
    expect(await pace.reserve('early', [need], false)).toBeLessThanOrEqual(place);
    await sleep(place);
    expect(await pace.turn('early', [need], false)).toBeLessThanOrEqual(50);
  });

  test('keeps what was promised of one while another is granted', async () => {
    const { pool } = stage.database.store;
    const pace = postgresPace(pool);
    const writes = { of: `writes ${randomUUID()}`, calls: 1, perSecond: 4 };
    const calls = { of: `calls ${randomUUID()}`, calls: 1, perSecond: 40 };
    for (let i = 0; i < 3; i++) expect(await pace.turn(`before ${i}`, [writes], false)).toBe(0);
    expect(await pace.turn('holder', [writes], false)).toBeGreaterThan(0);
    const promised = async () => (await pool.query('select of from turn where holder = $1', ['holder'])).rows;
    expect(await promised()).toEqual([{ of: writes.of }]);
    expect(await pace.turn('holder', [calls], false)).toBe(0);
    expect(await promised()).toEqual([{ of: writes.of }]);
  });
});

describe('a rotation', () => {
  test('whose turn has not come has begun nothing, comes back as a job and goes on; an emergency does not wait for it', async () => {
    const { pool } = stage.database.store;
    const [bulk, leaked] = [await stage.key(), await stage.key()];
    const ask = { reason: 'A test', emergency: false };
    const waiting = await startRotation(stage.ports, stage.owner, { keyId: bulk.key.id, ...ask });
    const emergency = await startRotation(stage.ports, stage.owner, { keyId: leaked.key.id, ...ask, emergency: true });
    // Only what is kept for emergencies is left, and a bucket whose time is still to come is not filled again.
    await pool.query('delete from pace');
    await pool.query(
      `insert into pace values ('secrets-manager', 1, extract(epoch from now()) * 1000 + 3600000, 0, 0)`,
    );
    const step = () => takeStep(stage.ports, { rotationId: waiting.id, fence: waiting.fence });
    await expect(step()).rejects.toMatchObject({
      name: 'Later',
      message: 'its turn with secrets-manager comes',
      retryInMs: 250,
    });
    expect(await stage.rotation(waiting.id)).toEqual(waiting);
    expect(Object.keys(await stage.stages(bulk.key))).toHaveLength(1);

    await takeStep(stage.ports, { rotationId: emergency.id, fence: emergency.fence });
    expect(await stage.rotation(emergency.id)).toMatchObject({ step: 'test' });

    await pool.query('delete from pace');
    await stage.work();
    for (const { id } of [waiting, emergency]) {
      expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new', attempt: 1 });
    }
  });

  test('that would only come to wait for its next write stays away until then, and an emergency does not', async () => {
    const { pool } = stage.database.store;
    const jobOf = async ({ id }: { id: string }) =>
      (
        await pool.query<{ inMs: number }>(
          `select extract(epoch from run_at - created_at)::float * 1000 as "inMs" from work
           where status = 'waiting' and payload ->> 'rotationId' = $1`,
          [id],
        )
      ).rows[0]!.inMs;
    const ahead: number[] = [];
    for (const [emergency, queueMs] of [
      [false, 10_000],
      [true, 10_000],
      // To be put off for so little may come as much later.
      [false, 500],
    ] as const) {
      const { key } = await stage.key();
      const its = await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency });
      await pool.query('delete from pace');
      await stage.work({ until: (each) => each.step === 'test' });
      // A crowd that is through in ten seconds.
      await pool.query(
        `update pace set tokens = 0, queue_ends = extract(epoch from now()) * 1000 + $1::int where of = 'secrets-manager'`,
        [queueMs],
      );
      await stage.work({ until: (each) => each.step === 'promote' });
      expect(await stage.rotation(its.id)).toMatchObject({ step: 'promote' });
      ahead.push(await jobOf(its));
      await pool.query('delete from pace');
      await pool.query('delete from turn');
      await stage.skipTime(its.id);
      await stage.work();
      expect(await stage.rotation(its.id)).toMatchObject({ status: 'done', condition: 'new' });
    }
    expect(ahead[0]).toBeGreaterThan(8_000);
    expect(ahead[1]).toBeLessThan(2_000);
    expect(ahead[2]).toBeLessThanOrEqual(1);
  });

  test('of a provider that is asked too often makes all others of that provider stay away, and nobody else', async () => {
    const settings = { kind: 'openai', callsPerMinute: 6_000, credential: 'x', project: 'p' } as const;
    const policy = { ...quick, providers: { openai: settings as never } };
    const angry = { create: 0 };
    const issuer = {
      ...stage.ports.issuers.of('self-made')!,
      name: 'openai',
      find: async () => [],
      create: async () => {
        angry.create++;
        throw new AskedTooOften('it is asked too often', 60_000);
      },
    };
    const of = (name: string) => (name === 'openai' ? issuer : stage.ports.issuers.of(name));
    const ports = { ...stage.ports, policy, issuers: { ...stage.ports.issuers, of } };
    await stage.database.store.pool.query('delete from pace');
    const start = async (facts = {}) => {
      const { key } = await stage.key(facts);
      const { id, fence } = await startRotation(ports, stage.owner, { keyId: key.id, reason: 'x', emergency: true });
      return takeStep(ports, { rotationId: id, fence });
    };
    await expect(start({ issuer: 'openai' })).rejects.toMatchObject({ name: 'Later', retryInMs: 60_000 });
    const other = await start({ issuer: 'openai' }).catch((error: unknown) => error);
    expect(other).toMatchObject({ name: 'Later' });
    expect((other as { retryInMs: number }).retryInMs).toBeGreaterThan(50_000);
    expect(angry.create).toBe(1);
    await start();
  });
});

test('a place in the queue of whoever never came back is forgotten', async () => {
  const pace = postgresPace(stage.database.store.pool);
  const of = `test ${randomUUID()}`;
  const gone = newId('rotation');
  await stage.database.store.pool.query('insert into turn (holder, of, at) values ($1, $2, 1000)', [gone, of]);
  const need = { of, calls: 1, perSecond: 1 };
  await pace.turn('a', [need], false);
  expect(await pace.turn('b', [need], false)).toBeGreaterThan(0);
  const { rows } = await stage.database.store.pool.query('select 1 from turn where holder = $1', [gone]);
  expect(rows).toEqual([]);
});
