import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  registry: Registry;
  acked(kind: string, seconds: number): void;
  ran(job: string, outcome: 'done' | 'failed' | 'dead', seconds: number): void;
}

/** What `/metrics` shows. `backlog` is asked at every scrape. No ids or names as labels. */
export function metrics(backlog: () => Promise<{ waiting: number; dead: number; oldestDueSeconds: number }>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'keysteward_' });
  const ack = new Histogram({
    name: 'keysteward_slack_ack_seconds',
    help: 'From the delivery to its acknowledgement',
    labelNames: ['kind'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3],
    registers: [registry],
  });
  const runs = new Counter({
    name: 'keysteward_job_runs_total',
    help: 'Runs of jobs',
    labelNames: ['job', 'outcome'],
    registers: [registry],
  });
  const took = new Histogram({
    name: 'keysteward_job_duration_seconds',
    help: 'How long a run of a job took',
    labelNames: ['job'],
    buckets: [0.01, 0.05, 0.25, 1, 5, 15, 60],
    registers: [registry],
  });
  const gauge = (name: string, help: string, of: 'waiting' | 'dead' | 'oldestDueSeconds') =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set((await backlog())[of]);
      },
    });
  gauge('keysteward_work_waiting', 'Jobs that wait, due or not', 'waiting');
  gauge('keysteward_work_dead', 'Jobs that were given up', 'dead');
  gauge('keysteward_work_oldest_due_seconds', 'Age of the oldest job that should have run', 'oldestDueSeconds');
  return {
    registry,
    acked: (kind, seconds) => ack.observe({ kind }, seconds),
    ran(job, outcome, seconds) {
      runs.inc({ job, outcome });
      took.observe({ job }, seconds);
    },
  };
}
