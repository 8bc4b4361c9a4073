import { createRedisBackend, Queue, Worker } from 'bullmq';
import { engine } from '../../dist/adapters/bullmq/engine.js';
import { openQueues } from '../../dist/adapters/bullmq/queues.js';
import { openPool } from '../../dist/adapters/postgres/store.js';
import { workLedger } from '../../dist/adapters/postgres/work.js';
import { jobs } from '../../dist/jobs.js';
import { newId } from '../../dist/kernel.js';
import { defaultPolicy } from '../../dist/policy.js';
import { onStage, postgresFor } from './stage.mjs';
import { median } from './verdict.mjs';

const redisUrl = process.env.TEST_REDIS_URL ?? process.env.REDIS_URL;
const name = 'access.notice';

/** Jobs a second of BullMQ alone, doing nothing. */
async function bare(connection, count) {
  const queue = new Queue('keysteward-bench-bare', { connection }, createRedisBackend);
  await queue.addBulk(
    Array.from({ length: count }, (_, i) => ({
      name: 'work',
      data: { workId: `w${i}` },
      opts: { removeOnComplete: true, removeOnFail: true },
    })),
  );
  let done = 0;
  const began = performance.now();
  let worker;
  await new Promise((resolve, reject) => {
    worker = new Worker(
      'keysteward-bench-bare',
      async () => {
        if (++done === count) resolve();
      },
      { connection: { ...connection, maxRetriesPerRequest: null }, concurrency: 32, removeOnComplete: { count: 0 } },
      createRedisBackend,
    );
    worker.on('error', reject);
  });
  const perSecond = count / ((performance.now() - began) / 1000);
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
  return perSecond;
}

/** Jobs a second of ours: each is a row that waits, goes through the queue, is taken, writes two checkpoints, is done. */
async function durable(pool, count) {
  await pool.query('truncate work, checkpoint');
  let left = 0;
  let finished;
  const handlers = Object.fromEntries(
    Object.keys(jobs).map((each) => [
      each,
      async (_payload, work) => {
        if (work.name !== name) return;
        for (const n of [1, 2])
          await pool.query({
            name: 'checkpoint',
            text: 'insert into checkpoint values ($1, $2)',
            values: [work.id, n],
          });
      },
    ]),
  );
  const queues = openQueues({ redisUrl }, () => {});
  const running = engine({
    ledger: workLedger(pool, defaultPolicy),
    queues,
    handlers,
    concurrency: { urgent: 8, normal: 32, bulk: 4 },
    log: () => {},
    onDead: async () => {},
    onRun: (job) => {
      if (job === name && --left === 0) finished();
    },
  });
  await running.start();
  async function through(number) {
    left = number;
    const all = new Promise((resolve) => {
      finished = resolve;
    });
    await pool.query(
      `insert into work (id, name, payload, lane, run_at, created_at)
       select each ->> 0, $2, jsonb_build_object('grantId', each ->> 1, 'hours', 1), 'normal', now(), now() from jsonb_array_elements($1::jsonb) each`,
      [JSON.stringify(Array.from({ length: number }, () => [newId('work'), newId('grant')])), name],
    );
    await all;
  }
  // Until everybody is connected.
  await through(50);
  const began = performance.now();
  await through(count);
  const perSecond = count / ((performance.now() - began) / 1000);
  await running.stop();
  await queues.close();
  const { rows: kept } = await pool.query(
    "select (select count(*)::int from work where name = $1 and status = 'done') done, (select count(*)::int from checkpoint) written",
    [name],
  );
  if (kept[0].done !== count + 50 || kept[0].written !== 2 * (count + 50))
    throw new Error(`lost or doubled: ${JSON.stringify(kept[0])}`);
  return perSecond;
}

/** A durable job against a job of BullMQ that does nothing, on the same Redis, in turns. */
export async function durableJobs({ quick, say }) {
  if (!redisUrl) throw new Error('the queue of this bench is in Redis: set TEST_REDIS_URL or REDIS_URL');
  return onStage(async (stage) => {
    const postgres = await postgresFor(stage, { inMemory: true });
    const pool = openPool(postgres.url, { max: 12 });
    stage.leave(() => pool.end());
    await pool.query('create table checkpoint (work_id text not null, n int not null, primary key (work_id, n))');
    const url = new URL(redisUrl);
    const connection = { host: url.hostname, port: Number(url.port || 6379), db: Number(url.pathname.slice(1) || 0) };
    const pairs = [];
    for (let i = 0; i < (quick ? 3 : 7); i++) {
      const control = await bare(connection, quick ? 2_000 : 10_000);
      const measured = await durable(pool, quick ? 2_000 : 6_000);
      pairs.push({ control, measured, ratio: measured / control });
      say(`bare ${Math.round(control)}/s, durable ${Math.round(measured)}/s`);
    }
    const middle = (what) => median(pairs.map((each) => each[what]));
    return [
      {
        name: 'a durable job with two checkpoints, against a job of BullMQ that does nothing',
        ...{ measured: middle('measured'), control: middle('control'), ratio: middle('ratio'), unit: '/s' },
        target: { atLeast: 0.25 },
      },
    ];
  });
}
