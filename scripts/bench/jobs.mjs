import { createRedisBackend, Queue, Worker } from 'bullmq';
import { engine } from '../../dist/adapters/bullmq/engine.js';
import { openQueues } from '../../dist/adapters/bullmq/queues.js';
import { cardLedger } from '../../dist/adapters/postgres/slack.js';
import { openPool } from '../../dist/adapters/postgres/store.js';
import { workLedger } from '../../dist/adapters/postgres/work.js';
import { jobs } from '../../dist/jobs.js';
import { newId } from '../../dist/kernel.js';
import { defaultPolicy } from '../../dist/policy.js';
import { onStage, postgresFor } from './stage.mjs';
import { median } from './verdict.mjs';

const redisUrl = process.env.TEST_REDIS_URL ?? process.env.REDIS_URL;
const name = 'slack.card';

/** Calls `done` for each job; `through` resolves when so many are done. */
function countdown() {
  let left = 0;
  let finished;
  return {
    done() {
      if (--left === 0) finished();
    },
    through(count) {
      left = count;
      return new Promise((resolve) => {
        finished = resolve;
      });
    },
  };
}

async function perSecond(count, run) {
  const began = performance.now();
  await run();
  return count / ((performance.now() - began) / 1000);
}

/** Jobs a second of BullMQ alone, which do nothing: from being added to being done, and when they are added already. */
async function bare(connection, count) {
  const queue = new Queue('keysteward-bench-bare', { connection }, createRedisBackend);
  const { done, through } = countdown();
  const worker = new Worker(
    'keysteward-bench-bare',
    async () => done(),
    { connection: { ...connection, maxRetriesPerRequest: null }, concurrency: 32, removeOnComplete: { count: 0 } },
    createRedisBackend,
  );
  worker.on('error', () => {});
  async function add(number) {
    const jobs = Array.from({ length: number }, (_, i) => ({
      name: 'work',
      data: { workId: `w${i}` },
      opts: { removeOnComplete: true, removeOnFail: true },
    }));
    // As many at once as we hand over.
    while (jobs.length > 0) await queue.addBulk(jobs.splice(0, 200));
  }
  async function whole(number) {
    const all = through(number);
    await add(number);
    await all;
  }
  await whole(50);
  const rate = await perSecond(count, () => whole(count));
  await worker.pause();
  const all = through(count);
  await add(count);
  const processed = await perSecond(count, async () => {
    worker.resume();
    await all;
  });
  await worker.close();
  await queue.obliterate({ force: true });
  await queue.close();
  return { whole: rate, processed };
}

/**
 * Jobs a second of ours: each is a row that waits, goes through the queue, is taken, writes two checkpoints, is done. It is
 * the job that there is most of, a card that is brought up to date, without Slack: the card is held, and let go of.
 */
async function durable(pool, count) {
  await pool.query('truncate work, card');
  const cards = cardLedger(pool);
  const { done, through } = countdown();
  const handlers = Object.fromEntries(
    Object.keys(jobs).map((each) => [
      each,
      async ({ cardId }, work) => {
        if (work.name !== name) return;
        const card = await cards.hold(cardId, 30_000);
        await cards.release(card, { channel: 'C1', ts: '1', shown: 'ab', anew: false });
      },
    ]),
  );
  const queues = openQueues({ redisUrl }, 'bench', () => {});
  const running = engine({
    ledger: workLedger(pool, defaultPolicy),
    queues,
    handlers,
    concurrency: { urgent: 8, normal: 4, bulk: 32 },
    log: () => {},
    onDead: async () => {},
    onRun: (job) => {
      if (job === name) done();
    },
  });
  await running.start();
  async function whole(number) {
    const all = through(number);
    await pool.query(
      `with asked as (select each ->> 0 as work, each ->> 1 as card from jsonb_array_elements($1::jsonb) each),
          card as (insert into card (id, kind, subject, channel, created_at) select card, 'bench', card, 'C1', now() from asked)
       insert into work (id, name, payload, lane, run_at, created_at)
       select work, $2, jsonb_build_object('cardId', card), 'bulk', now(), now() from asked`,
      [JSON.stringify(Array.from({ length: number }, () => [newId('work'), newId('card')])), name],
    );
    await all;
  }
  // Until everybody is connected.
  await whole(50);
  const rate = await perSecond(count, () => whole(count));
  await running.stop();
  await queues.close();
  const { rows: kept } = await pool.query(
    "select (select count(*)::int from work where name = $1 and status = 'done') done, (select count(*)::int from card where ts = '1' and held_by is null) written",
    [name],
  );
  if (kept[0].done !== count + 50 || kept[0].written !== count + 50)
    throw new Error(`lost or doubled: ${JSON.stringify(kept[0])}`);
  return rate;
}

/** A durable job against a job of BullMQ that does nothing, on the same Redis, in turns. */
export async function durableJobs({ quick, say }) {
  if (!redisUrl) throw new Error('the queue of this bench is in Redis: set TEST_REDIS_URL or REDIS_URL');
  return onStage(async (stage) => {
    const postgres = await postgresFor(stage, { inMemory: true });
    const pool = openPool(postgres.url, { max: 12 });
    stage.leave(() => pool.end());
    const url = new URL(redisUrl);
    const connection = { host: url.hostname, port: Number(url.port || 6379), db: Number(url.pathname.slice(1) || 0) };
    say(`Postgres lies in ${postgres.liesIn}, as Redis does in memory`);
    const pairs = [];
    for (let i = 0; i < (quick ? 3 : 7); i++) {
      const control = await bare(connection, quick ? 2_000 : 10_000);
      const measured = await durable(pool, quick ? 2_000 : 6_000);
      pairs.push({ ...control, measured, ratio: measured / control.whole, ofProcessed: measured / control.processed });
      say(
        `bare ${Math.round(control.whole)}/s (${Math.round(control.processed)}/s once added), durable ${Math.round(measured)}/s`,
      );
    }
    const middle = (what) => median(pairs.map((each) => each[what]));
    return [
      {
        name: 'a durable job with two checkpoints, against a job of BullMQ that does nothing',
        ...{ measured: middle('measured'), control: middle('whole'), ratio: middle('ratio'), unit: '/s' },
        target: { atLeast: 0.25 },
      },
      {
        name: '… against one that is in the queue already',
        ...{ measured: middle('measured'), control: middle('processed'), ratio: middle('ofProcessed'), unit: '/s' },
      },
    ];
  });
}
