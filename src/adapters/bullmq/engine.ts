import { setTimeout as sleep } from 'node:timers/promises';
import { type JobName, type JobPayload, jobs, type Lane, lanes } from '../../jobs.ts';
import { failpoint, Later, Refusal } from '../../kernel.ts';
import type { Work, WorkLedger } from '../../ports.ts';
import type { Queues } from './queues.ts';

export type Handlers = { [N in JobName]: (payload: JobPayload<N>, work: Work) => Promise<void> };

export interface EngineOptions {
  ledger: WorkLedger;
  queues: Queues;
  handlers: Handlers;
  /** How long a worker may be silent before its work is given to another. */
  leaseMs?: number;
  /** How often lost and orphaned work is looked for. */
  recoverMs?: number;
  pollMs?: number;
  /** How many jobs of each lane at once. */
  concurrency?: Record<Lane, number>;
  log: (level: 'info' | 'warn' | 'error', message: string, facts?: Record<string, unknown>) => void;
  /** A job was given up: people have to hear of it. */
  onDead: (work: Work, error: string) => Promise<void>;
  /** For metrics: one call per run of a job. */
  onRun?: (name: JobName, outcome: 'done' | 'failed' | 'dead', seconds: number) => void;
}

export interface Engine {
  start(): Promise<void>;
  /** Takes no more, waits for what runs. */
  stop(): Promise<void>;
}

/** So long after the first piece of work the relay waits for more, and then hands all of it over at once. */
const gatherMs = 5;

/** Milliseconds until a failed job is tried again: 1 s, 2 s, 4 s … up to five minutes, with jitter. */
function backoff(failures: number): number {
  const base = Math.min(1_000 * 2 ** failures, 300_000);
  return Math.round(base * (0.75 + Math.random() / 2));
}

/** Carries work from Postgres through the queue to its handler, and finds again what was lost on the way. */
export function engine(options: EngineOptions): Engine {
  const { ledger, queues, handlers, log, leaseMs = 60_000, pollMs = 1_000 } = options;
  const { concurrency = { urgent: 8, normal: 10, bulk: 4 } } = options;
  const { recoverMs = Math.min(leaseMs, 15_000) } = options;
  let stopping = false;
  let dirty = false;
  let wake = () => {};
  let unlisten: (() => Promise<void>) | undefined;
  const loops: Promise<void>[] = [];

  const reported = (work: Work, outcome: 'done' | 'failed' | 'dead', started: number) =>
    options.onRun?.(work.name, outcome, (performance.now() - started) / 1000);

  async function failed(work: Work, started: number, error: unknown): Promise<void> {
    if (error instanceof Later) {
      await ledger.postpone(work, error.retryInMs);
      return lookIn(error.retryInMs);
    }
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const givesUp = work.failures + 1 >= jobs[work.name].attempts;
    log(givesUp ? 'error' : 'warn', `${work.name} failed${givesUp ? ' for good' : ''}: ${said}`, {
      workId: work.id,
      failures: work.failures + 1,
    });
    await ledger.fail(work, said, givesUp ? null : backoff(work.failures));
    reported(work, givesUp ? 'dead' : 'failed', started);
    if (givesUp) await options.onDead(work, said);
  }

  async function handle(work: Work): Promise<void> {
    failpoint(`work.${work.name}:claimed`);
    const handler = handlers[work.name] as (payload: unknown, work: Work) => Promise<void>;
    try {
      await handler(jobs[work.name].payload.parse(work.payload), work);
    } catch (error) {
      // A refusal is final and was recorded by the store; there is nothing to try again.
      if (!(error instanceof Refusal)) throw error;
      log('info', `${work.name} was refused: ${error.sentence}`, { workId: work.id });
    }
    failpoint(`work.${work.name}:did`);
  }

  /**
   * Takes a piece of work and does it. That it is done is written down while its place in the lane is given to the next:
   * where that is lost, it is like a crash right after the work was done, and the work looks for itself whether it is done.
   */
  function run(workId: string): { handled: Promise<void>; over: Promise<void> } {
    let handled = () => {};
    const over = (async () => {
      const work = await ledger.claim(workId, leaseMs);
      if (!work) return;
      if (!Object.hasOwn(jobs, work.name)) return ledger.fail(work, `no job is called ${work.name}`, null);
      const started = performance.now();
      const renewing = setInterval(() => void ledger.renew(work, leaseMs).catch(() => {}), leaseMs / 3);
      try {
        await handle(work);
        handled();
        await ledger.finish(work);
        reported(work, 'done', started);
      } catch (error) {
        await failed(work, started, error);
      } finally {
        clearInterval(renewing);
      }
    })();
    const places = new Promise<void>((resolve, reject) => {
      handled = resolve;
      over.then(resolve, reject);
    });
    return { handled: places, over };
  }

  const pause = async (ms: number) => {
    if (stopping || dirty) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  };

  /** What was put back for less than the time between two looks is looked for when it is due, not at the next look. */
  const lookIn = (ms: number) => {
    if (ms >= pollMs) return;
    // A timer may come a millisecond early, and the database rounds to one.
    setTimeout(() => {
      dirty = true;
      wake();
    }, ms + 5).unref();
  };

  /** Says each trouble once until it is over, however often the loop comes by. */
  function complain(about: string) {
    let quiet = false;
    return {
      failed(error: unknown) {
        if (!quiet) log('warn', `${about}: ${error instanceof Error ? error.message : String(error)}`);
        quiet = true;
      },
      fine() {
        if (quiet) log('info', `${about}: works again`);
        quiet = false;
      },
    };
  }

  async function relay(): Promise<void> {
    const trouble = complain('handing work to the queue');
    while (!stopping) {
      dirty = false;
      let handed = 0;
      try {
        unlisten ??= await ledger.onNew(
          () => {
            dirty = true;
            wake();
          },
          () => {
            unlisten = undefined;
          },
        );
        handed = await ledger.publishDue(200, (due) => queues.publish(due));
        trouble.fine();
      } catch (error) {
        trouble.failed(error);
        await sleep(500);
      }
      if (handed < 200) await pause(pollMs);
      // What comes together goes together.
      if (dirty) await sleep(gatherMs);
    }
  }

  async function upkeep(): Promise<void> {
    const trouble = complain('looking after schedules and lost work');
    for (let round = 0; !stopping; round++) {
      try {
        await ledger.runSchedules();
        if (round % Math.max(1, Math.round(recoverMs / pollMs)) === 0) {
          await ledger.recover(recoverMs * 2);
          await ledger.forget(24 * 3_600_000);
        }
        trouble.fine();
      } catch (error) {
        trouble.failed(error);
      }
      for (let waited = 0; waited < pollMs && !stopping; waited += 100) await sleep(100);
    }
  }

  return {
    async start() {
      await queues.work(run, concurrency);
      loops.push(relay(), upkeep());
      log('info', `working on ${lanes.join(', ')} lanes over ${queues.kind}`);
    },
    async stop() {
      stopping = true;
      wake();
      await Promise.all(loops);
      await unlisten?.();
    },
  };
}
