import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type Engine, engine, type Handlers } from '../../src/adapters/bullmq/engine.ts';
import { openQueues, type QueueHome } from '../../src/adapters/bullmq/queues.ts';
import { workLedger } from '../../src/adapters/postgres/work.ts';
import { type JobName, jobs } from '../../src/jobs.ts';
import { Later, newId } from '../../src/kernel.ts';
import { freePort } from '../../src/local/free-port.ts';
import { defaultPolicy, policySchema } from '../../src/policy.ts';
import type { Work } from '../../src/ports.ts';
import { useDatabase } from '../support/database.ts';
import { wireTo } from '../support/proxy.ts';
import { testRedisUrl } from '../support/redis.ts';

const database = useDatabase();
const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
  await database.store.pool.query('delete from work; delete from schedule');
});

/** A worker whose jobs of one kind are done by `run`; those that the schedule adds meanwhile it lets pass. */
async function worker(
  home: QueueHome,
  run: (work: Work) => Promise<void>,
  options: { leaseMs?: number; pollMs?: number; onDead?: (work: Work, error: string) => Promise<void> } = {},
): Promise<Engine> {
  const queues = openQueues(home, 'tests', () => {});
  const handlers = Object.fromEntries(
    (Object.keys(jobs) as JobName[]).map((name) => [
      name,
      (_payload: unknown, work: Work) => (name === 'access.notice' ? run(work) : undefined),
    ]),
  ) as unknown as Handlers;
  const made = engine({
    ledger: workLedger(database.store.pool, defaultPolicy),
    queues,
    handlers,
    leaseMs: options.leaseMs ?? 2_000,
    recoverMs: 500,
    pollMs: options.pollMs ?? 200,
    log: () => {},
    onDead: options.onDead ?? (async () => {}),
  });
  await made.start();
  stops.push(async () => {
    await made.stop();
    await queues.close();
  });
  return made;
}

const add = (count: number) =>
  database.store.change({ actor: { kind: 'operator', id: 't' }, action: 'test.add', subject: 't' }, async (tx) => {
    for (let i = 0; i < count; i++) await tx.jobs.add('access.notice', { grantId: newId('grant'), hours: i });
  });
const hoursOf = (work: Work) => (work.payload as { hours: number }).hours;
const statuses = async () =>
  (
    await database.store.pool.query<{ status: string; n: number }>(
      "select status, count(*)::int n from work where name = 'access.notice' group by 1",
    )
  ).rows;
const until = async (what: () => boolean | Promise<boolean>, ms = 20_000) => {
  const end = Date.now() + ms;
  while (!(await what())) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

async function ownRedis(port: number): Promise<() => Promise<void>> {
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'],
    { stdio: 'ignore' },
  );
  await until(async () => {
    const socket = net.connect(port, '127.0.0.1');
    const open = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return open;
  });
  return async () => {
    if (child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
}

const homes: [name: string, home: () => QueueHome, needsRedis: boolean][] = [
  ['Postgres', () => ({ databaseUrl: database.url }), false],
  ['Redis', () => ({ redisUrl: testRedisUrl! }), true],
];

for (const [name, home, needsRedis] of homes) {
  describe.skipIf(needsRedis && !testRedisUrl)(`work over ${name}`, () => {
    it('is done once each, also by three workers together', async () => {
      const ran: number[] = [];
      for (let i = 0; i < 3; i++) await worker(home(), async (work) => void ran.push(hoursOf(work)));
      await add(60);
      await until(async () => (await statuses()).every((each) => each.status === 'done') && ran.length >= 60);
      expect(ran.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    });

    it('that fails is tried again, and given up after its attempts with somebody told once', async () => {
      let tries = 0;
      const dead: string[] = [];
      await database.store.pool.query('select 1');
      await worker(
        home(),
        async () => {
          tries++;
          await database.store.pool.query("update work set run_at = now() where name = 'access.notice'");
          throw new Error('no luck');
        },
        { onDead: async (_work, error) => void dead.push(error) },
      );
      await add(1);
      await until(async () => {
        // Backoff is minutes in the end; the test does not wait for it.
        await database.store.pool.query(
          "update work set run_at = now() where name = 'access.notice' and status = 'waiting'",
        );
        return dead.length > 0;
      });
      expect(tries).toBe(jobs['access.notice'].attempts);
      expect(dead).toEqual(['Error: no luck']);
      expect(await statuses()).toEqual([{ status: 'dead', n: 1 }]);
    });

    it('that says "later" comes back without counting as a failure', async () => {
      let tries = 0;
      await worker(home(), async () => {
        if (++tries < 8) throw new Later('not yet', 10);
      });
      await add(1);
      await until(async () => (await statuses())[0]?.status === 'done');
      const { rows } = await database.store.pool.query<{ failures: number }>(
        "select failures from work where name = 'access.notice'",
      );
      expect(rows[0]!.failures).toBe(0);
    });

    it('that says "later" for a moment comes back after that moment, not at the next look for work', async () => {
      let tries = 0;
      await worker(
        home(),
        async () => {
          if (++tries < 5) throw new Later('not yet', 10);
        },
        { pollMs: 60_000 },
      );
      await add(1);
      await until(async () => (await statuses())[0]?.status === 'done');
      expect(tries).toBe(5);
    });

    it('that outlives its lease is taken over, and the late worker cannot finish it', async () => {
      let started = 0;
      let letGo = () => {};
      const stuck = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      const ledger = workLedger(database.store.pool, defaultPolicy);
      await add(1);
      const { rows } = await database.store.pool.query<{ id: string }>(
        "select id from work where name = 'access.notice'",
      );
      const zombie = (await ledger.claim(rows[0]!.id, 300))!;
      await worker(
        home(),
        async () => {
          started++;
          await stuck;
        },
        { leaseMs: 5_000 },
      );
      await until(() => started === 1);
      expect(await ledger.renew(zombie, 1_000)).toBe(false);
      await ledger.finish(zombie);
      expect((await statuses())[0]?.status).toBe('running');
      letGo();
      await until(async () => (await statuses())[0]?.status === 'done');
      expect(started).toBe(1);
    });

    it('stops by finishing what runs and taking nothing new', async () => {
      let running = 0;
      const done: number[] = [];
      await worker(home(), async (work) => {
        running++;
        await new Promise((resolve) => setTimeout(resolve, 400));
        done.push(hoursOf(work));
        running--;
      });
      await add(40);
      await until(() => running > 3);
      await stops.pop()!();
      expect(running).toBe(0);
      const left = Object.fromEntries((await statuses()).map((each) => [each.status, each.n]));
      expect(left.running ?? 0).toBe(0);
      expect(left.done).toBe(done.length);
      expect((left.done ?? 0) + (left.waiting ?? 0)).toBe(40);
    });
  });
}

describe('a job that is asked for again while it waits', () => {
  it('is not taken before the change that asked for it can be seen, and is there once', async () => {
    const ledger = workLedger(database.store.pool, defaultPolicy);
    const ask = (meanwhile?: () => Promise<unknown>) =>
      database.store.change({ actor: { kind: 'operator', id: 't' }, action: 'test.add', subject: 't' }, async (tx) => {
        await tx.jobs.add('access.notice', { grantId: newId('grant'), hours: 1 }, { once: 'same' });
        await meanwhile?.();
      });
    await ask();
    await ask();
    const { rows } = await database.store.pool.query<{ id: string }>(
      "select id from work where name = 'access.notice'",
    );
    const taking = () => ledger.claim(rows[0]!.id, 1_000);
    // The record of a change is the last that is written before it can be seen.
    const holder = await database.store.pool.connect();
    const whoWaits = async (start: string) =>
      (
        await database.store.pool.query(
          "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like $1",
          [`${start}%`],
        )
      ).rows.length;
    await holder.query('begin; lock table audit_event');
    let claimed: Promise<Work | null> | undefined;
    const asking = ask();
    try {
      await until(async () => (await whoWaits('insert into audit_event')) === 1);
      claimed = taking();
      await until(async () => (await whoWaits('update work set status')) === 1);
    } finally {
      await holder.query('commit');
      holder.release();
    }
    await asking;
    expect(await claimed).not.toBeNull();
    expect(await statuses()).toEqual([{ status: 'running', n: 1 }]);
    // From now on it runs on what it saw: asking again makes another one.
    await ask();
    expect((await statuses()).reduce((sum, each) => sum + each.n, 0)).toBe(2);
    // Also when it is taken while the change that asks for it is still being made.
    const { rows: waiting } = await database.store.pool.query<{ id: string }>(
      "select id from work where status = 'waiting'",
    );
    await ask(() => ledger.claim(waiting[0]!.id, 1_000));
    expect(await statuses()).toContainEqual({ status: 'waiting', n: 1 });
  });
});

describe('work that many take at once', () => {
  it('goes to one of those who ask for it; a row that somebody holds keeps nobody waiting for another', async () => {
    const ledger = workLedger(database.store.pool, defaultPolicy);
    await add(3);
    const { rows } = await database.store.pool.query<{ id: string }>('select id from work order by id');
    const [held, free, other] = rows.map((each) => each.id) as [string, string, string];
    const holder = await database.store.pool.connect();
    await holder.query('begin');
    await holder.query('select 1 from work where id = $1 for update', [held]);
    const asking = [ledger.claim(held, 5_000), ledger.claim(held, 5_000)];
    const taken = await Promise.all([ledger.claim(free, 5_000), ledger.claim(other, 1_000), ledger.claim(free, 5_000)]);
    expect(taken.map((each) => each?.id ?? null)).toEqual([free, other, null]);
    await holder.query('commit');
    holder.release();
    expect((await Promise.all(asking)).filter(Boolean)).toHaveLength(1);
    const { rows: leased } = await database.store.pool.query<{ seconds: number }>(
      'select extract(epoch from leased_until - clock_timestamp())::float seconds from work where id = any($1) order by id',
      [[free, other]],
    );
    expect(leased[0]!.seconds).toBeGreaterThan(1.5);
    expect(leased[1]!.seconds).toBeLessThan(1.5);

    const all = [...taken, ...(await Promise.all(asking))].filter((each) => each !== null);
    await Promise.all(all.map((each) => ledger.finish(each)));
    expect(await statuses()).toEqual([{ status: 'done', n: 3 }]);
  });

  it('is not done by whoever lost it, although it ends in one round with what is theirs', async () => {
    const ledger = workLedger(database.store.pool, defaultPolicy);
    await add(2);
    const { rows } = await database.store.pool.query<{ id: string }>('select id from work order by id');
    const [lost, mine] = (await Promise.all(rows.map((each) => ledger.claim(each.id, 5_000)))) as [Work, Work];
    await database.store.pool.query('update work set lease = lease + 1 where id = $1', [lost.id]);
    await Promise.all([ledger.finish(lost), ledger.finish(mine)]);
    const { rows: after } = await database.store.pool.query('select id, status from work order by id');
    expect(after).toEqual([
      { id: lost.id, status: 'running' },
      { id: mine.id, status: 'done' },
    ]);
  });
});

describe('the queue in Postgres', () => {
  it('whose connection breaks off while it starts says so at once, and neither dies of it nor asks without a pause', async () => {
    const loose: unknown[] = [];
    const onLoose = (error: unknown) => void loose.push(error);
    process.on('uncaughtException', onLoose);
    const wire = await wireTo(database.url, 5432);
    stops.push(() => wire.close());
    const ended: string[] = [];
    const heard: string[] = [];
    for (const afterMs of [0, 3, 6, 12, 25, 50, 100, 200]) {
      const queues = openQueues({ databaseUrl: wire.url }, 'tests', (error) => void heard.push(error.message));
      const starting = queues
        .work(() => ({ handled: Promise.resolve(), over: Promise.resolve() }), { urgent: 1, normal: 1, bulk: 1 })
        .then(
          () => 'started',
          (error: Error) => error.message,
        );
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      wire.cut();
      wire.mend();
      ended.push(await starting);
      // Turns of the event loop that nobody else takes.
      await new Promise((resolve) => setTimeout(resolve, 20));
      await queues.close();
    }
    process.off('uncaughtException', onLoose);
    expect(loose).toEqual([]);
    // In one of these moments it was connecting; how the break is called depends on the moment.
    expect(ended.filter((each) => each !== 'started')).not.toEqual([]);
    expect(heard.length).toBeLessThan(200);
  }, 60_000);
});

describe('schedules', () => {
  it('add each occasion once, however many workers ask, and a missed week counts as one', async () => {
    const ledgers = Array.from({ length: 4 }, () => workLedger(database.store.pool, defaultPolicy));
    await ledgers[0]!.runSchedules();
    await database.store.pool.query("update schedule set next_at = now() - interval '7 days'");
    await Promise.all(ledgers.flatMap((each) => [each.runSchedules(), each.runSchedules()]));
    const { rows } = await database.store.pool.query<{ name: string; n: number }>(
      'select name, count(*)::int n from work group by 1',
    );
    expect(rows.length).toBeGreaterThan(3);
    expect(rows.filter((each) => each.n !== 1)).toEqual([]);
    const { rows: next } = await database.store.pool.query<{ late: number }>(
      'select count(*)::int late from schedule where next_at <= now()',
    );
    expect(next[0]!.late).toBe(0);
  });

  it('are forgotten when the policy takes a job off them', async () => {
    const withDrills = policySchema.parse({ rotation: { drill: { cron: '0 10 1 * *' } } });
    const drills = async () =>
      (await database.store.pool.query("select 1 from schedule where name = 'rotation.drill'")).rowCount;
    await workLedger(database.store.pool, withDrills).runSchedules();
    expect(await drills()).toBe(1);
    await workLedger(database.store.pool, defaultPolicy).runSchedules();
    expect(await drills()).toBe(0);
  });
});

describe.skipIf(!testRedisUrl)('one Redis', () => {
  it('serves two installations, and neither takes the work of the other', async () => {
    const taken: Record<string, string[]> = {};
    const open = async (installation: string) => {
      const queues = openQueues({ redisUrl: testRedisUrl! }, installation, () => {});
      stops.push(() => queues.close());
      taken[installation] = [];
      await queues.work(
        (workId) => {
          taken[installation]!.push(workId);
          return { handled: Promise.resolve(), over: Promise.resolve() };
        },
        { urgent: 2, normal: 2, bulk: 2 },
      );
      return (workId: string) => queues.publish([{ lane: 'normal', workId, queueId: workId }]);
    };
    const staging = await open(`staging-${randomUUID()}`);
    const production = await open(`production-${randomUUID()}`);
    const ours = Array.from({ length: 20 }, () => randomUUID());
    const theirs = Array.from({ length: 20 }, () => randomUUID());
    for (const [i, id] of ours.entries()) await Promise.all([staging(id), production(theirs[i]!)]);
    await until(() => Object.values(taken).flat().length >= 40);
    expect(Object.values(taken).map((each) => each.toSorted())).toEqual([ours.toSorted(), theirs.toSorted()]);
  });
});

describe.skipIf(!testRedisUrl)('Redis may lose everything', () => {
  it('work that was queued is found again after a flush, within the minute, and done once', async () => {
    const port = await freePort();
    stops.push(await ownRedis(port));
    const redisUrl = `redis://127.0.0.1:${port}`;
    const publisher = openQueues({ redisUrl }, 'tests', () => {});
    stops.push(() => publisher.close());
    await add(50);
    await workLedger(database.store.pool, defaultPolicy).publishDue(100, (due) => publisher.publish(due));
    const { rows } = await database.store.pool.query<{ n: number }>(
      'select count(*)::int n from work where queued_at is not null',
    );
    expect(rows[0]!.n).toBe(50);
    const flush = net.connect(port, '127.0.0.1');
    flush.write('FLUSHALL\r\n');
    await once(flush, 'data');
    flush.destroy();
    const ran: number[] = [];
    const from = Date.now();
    await worker({ redisUrl }, async (work) => void ran.push(hoursOf(work)));
    await until(() => ran.length >= 50, 60_000);
    expect(Date.now() - from).toBeLessThan(60_000);
    await until(async () => (await statuses()).every((each) => each.status === 'done'));
    expect(ran.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it('Redis down at the start loses nothing: work waits in Postgres and is done when Redis comes', async () => {
    const port = await freePort();
    const ran: number[] = [];
    await worker({ redisUrl: `redis://127.0.0.1:${port}` }, async (work) => void ran.push(hoursOf(work)));
    await add(10);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(ran).toEqual([]);
    expect(await statuses()).toEqual([{ status: 'waiting', n: 10 }]);
    stops.unshift(await ownRedis(port));
    await until(() => ran.length >= 10, 40_000);
    await until(async () => (await statuses()).every((each) => each.status === 'done'));
    expect(ran).toHaveLength(10);
  });
});
