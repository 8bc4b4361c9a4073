import {
  type BackendFactory,
  createPostgresBackend,
  createRedisBackend,
  type IQueueBackend,
  Queue,
  type QueueOptions,
  runMigrations,
  Worker,
  type WorkerOptions,
} from 'bullmq';
import pg from 'pg';
import { type Lane, lanes } from '../../jobs.ts';

/** Where the queue lives: Redis when its address is given, else Postgres. Nothing else in the program knows which. */
export type QueueHome = { redisUrl: string } | { databaseUrl: string };

export interface Queues {
  kind: 'redis' | 'postgres';
  publish(jobs: { lane: Lane; queueId: string; workId: string }[]): Promise<void>;
  /**
   * Starts workers on every lane. A place in the lane is taken until what was handed over is `handled`; `over`, when it is
   * on record too, is waited for at the end.
   */
  work(
    run: (workId: string) => { handled: Promise<void>; over: Promise<void> },
    concurrency: Record<Lane, number>,
  ): Promise<void>;
  ping(): Promise<void>;
  /** Waits for running jobs, then closes. */
  close(): Promise<void>;
}

/** BullMQ's Worker type depends on the back end; this is what we need of either. */
interface RunningWorker {
  on(event: 'error', listener: (error: Error) => void): unknown;
  waitUntilReady(): Promise<unknown>;
  run(): Promise<void>;
  close(): Promise<void>;
}

type AnyQueue = Queue<unknown, unknown, string, unknown, unknown, string, IQueueBackend, unknown>;

/** BullMQ waits for a Redis that is away for as long as it takes; nobody here may wait that long. */
async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
const answerMs = 3_000;
/** How long running jobs are waited for. */
const closeMs = 20_000;

/**
 * BullMQ's own leases may be short: ours decide who works, and a job that is run twice is claimed once. They matter when a
 * connection breaks while a job is fetched, because then the queue believes that somebody has it.
 */
const impatience = { lockDuration: 10_000, stalledInterval: 5_000, runRetryDelay: 1_000 };

const queueName = (lane: Lane) => `keysteward-${lane}`;

/** Makes BullMQ's own tables, where it lives in Postgres. Needed at every start: BullMQ itself only checks its major version. */
export async function migrateQueues(home: QueueHome): Promise<void> {
  if ('redisUrl' in home) return;
  const client = new pg.Client({ connectionString: home.databaseUrl });
  await client.connect();
  try {
    await runMigrations(client);
  } finally {
    await client.end();
  }
}

/** `installation`: what tells this one from others that use the same Redis; each has queues of its own. */
export function openQueues(home: QueueHome, installation: string, onError: (error: Error) => void): Queues {
  const kind = 'redisUrl' in home ? 'redis' : 'postgres';
  const factory = (kind === 'redis' ? createRedisBackend : createPostgresBackend) as unknown as BackendFactory<
    IQueueBackend,
    unknown
  >;
  // One pool for all lanes: each worker keeps one connection for LISTEN, so it must be larger than their number.
  const pool =
    'databaseUrl' in home
      ? new pg.Pool({
          connectionString: home.databaseUrl,
          max: 8,
          keepAlive: true,
          application_name: 'keysteward queue',
          options: '-c search_path=public,bullmq -c enable_seqscan=off',
        })
      : null;
  pool?.on('error', onError);
  // A connection that breaks off while BullMQ uses it says so to nobody else, and what nobody hears ends the process.
  pool?.on('connect', (client) => void client.on('error', onError));
  pool?.setMaxListeners(0);
  // A queue fails at once when Redis is away (the work stays in Postgres); a worker waits for it.
  const forQueue: unknown =
    'redisUrl' in home
      ? { url: home.redisUrl, enableOfflineQueue: false, maxRetriesPerRequest: 1, connectTimeout: 2_000 }
      : pool;
  const forWorker: unknown = 'redisUrl' in home ? { url: home.redisUrl, maxRetriesPerRequest: null } : pool;
  // In braces, so that a Redis cluster keeps a queue in one place.
  const naming = 'redisUrl' in home ? { prefix: `{keysteward-${installation}}` } : {};

  const inFlight = new Set<Promise<void>>();
  const queues = new Map<Lane, AnyQueue>();
  const workers: RunningWorker[] = [];
  const queueOf = (lane: Lane) => {
    let queue = queues.get(lane);
    if (!queue) {
      queue = new Queue(
        queueName(lane),
        { connection: forQueue, ...naming } as QueueOptions<unknown>,
        factory,
      ) as unknown as AnyQueue;
      queue.on('error', onError);
      queues.set(lane, queue);
    }
    return queue;
  };

  return {
    kind,
    async publish(jobs) {
      for (const lane of lanes) {
        const mine = jobs.filter((job) => job.lane === lane);
        if (mine.length === 0) continue;
        const adding = queueOf(lane).addBulk(
          mine.map((job) => ({
            name: 'work',
            data: { workId: job.workId },
            opts: { jobId: job.queueId, removeOnComplete: true, removeOnFail: true },
          })),
        );
        // When it lands after all, the work is there twice, and claiming it lets one through.
        adding.catch(() => {});
        await within(answerMs, 'the queue', adding);
      }
    },
    async work(run, concurrency) {
      for (const lane of lanes) {
        const worker = new Worker(
          queueName(lane),
          async (job: { data: unknown }) => {
            const { handled, over } = run((job.data as { workId: string }).workId);
            inFlight.add(over);
            const gone = () => void inFlight.delete(over);
            over.then(gone, gone);
            await handled;
          },
          // Postgres counts crashes; BullMQ must never give up by itself.
          {
            connection: forWorker,
            ...naming,
            autorun: kind === 'redis',
            concurrency: concurrency[lane],
            maxStalledCount: 1_000,
            ...impatience,
            removeOnComplete: { count: 0 },
            removeOnFail: { count: 0 },
          } as WorkerOptions<unknown>,
          factory,
        ) as unknown as RunningWorker;
        worker.on('error', onError);
        workers.push(worker);
      }
      // Redis may be away; the workers connect when it comes. Over Postgres a worker never gets over a first connection
      // that broke off, and would ask without a pause; so none begins before all have theirs.
      if (kind === 'redis') return;
      await Promise.all(workers.map((worker) => worker.waitUntilReady()));
      for (const worker of workers) worker.run().catch(onError);
    },
    async ping() {
      await within(answerMs, 'the queue', queueOf('urgent').getJobCounts('waiting'));
    },
    async close() {
      const closing = (each: { close(): Promise<unknown> }) =>
        within(answerMs, 'closing the queue', each.close()).catch(onError);
      // From now on they take no more; what runs is waited for here, because a queue that is away cannot say so.
      const stopping = workers.map((worker) => worker.close());
      for (const each of stopping) each.catch(() => {});
      await within(closeMs, 'running jobs', Promise.allSettled(inFlight)).catch(onError);
      await Promise.all(stopping.map((each) => closing({ close: () => each })));
      await Promise.all([...queues.values()].map(closing));
      // A job that does not end keeps its connection.
      if (pool) await closing({ close: () => pool.end() });
    },
  };
}
