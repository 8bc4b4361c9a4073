import { randomUUID } from 'node:crypto';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll } from 'vitest';
import { workLedger } from '../../src/adapters/postgres/work.ts';
import { issuers } from '../../src/adapters/providers/index.ts';
import { secretsManager } from '../../src/adapters/secrets-manager.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { type JobName, jobs } from '../../src/jobs.ts';
import { Later, Refusal } from '../../src/kernel.ts';
import { type LocalSecretsManager, startLocalSecretsManager } from '../../src/local/secrets-manager/server.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy, type Policy } from '../../src/policy.ts';
import type { Pager, Ports } from '../../src/ports.ts';
import { findDue } from '../../src/rotation/find-due.ts';
import { type Condition, conditionIn, openRecord, type Rotation } from '../../src/rotation/model.ts';
import { pageForRotation, reconcileRotations } from '../../src/rotation/reconcile.ts';
import { startForCause } from '../../src/rotation/start.ts';
import { takeStep } from '../../src/rotation/step.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { type TestDatabase, useDatabase } from '../support/database.ts';

export type RotationPorts = Pick<Ports, 'store' | 'secrets' | 'issuers' | 'policy' | 'pager'>;

/** Everything that a rotation touches, real but for the pager. */
export interface Stage {
  database: TestDatabase;
  aws: LocalSecretsManager;
  /** The store as another AWS user sees it. */
  bot: SecretsManager;
  ports: RotationPorts;
  paged: string[];
  admin: Person;
  owner: Person;
  /** A key in the inventory whose secret exists, with the version that is current. */
  key(facts?: Partial<ApiKey>): Promise<{ key: ApiKey; version: string }>;
  /** Runs rotation jobs that are due, one after the other, until there are none or `until` says so. Answers how many. */
  work(options?: { until?: (rotation: Rotation) => boolean; ports?: RotationPorts; limit?: number }): Promise<number>;
  rotation(id: string): Promise<Rotation>;
  /** Moves the end of a grace, and whatever waits for it, into the past. */
  skipTime(rotationId: string): Promise<void>;
  stages(key: ApiKey): Promise<Record<string, string[]>>;
  /** What the audit log has of a rotation, oldest first. */
  trail(rotationId: string): Promise<{ action: string; outcome: string; facts: Record<string, unknown> }[]>;
}

export const quick: Policy = {
  ...defaultPolicy,
  rotation: { ...defaultPolicy.rotation, graceMinutes: 0, settleSeconds: 1, minMinutesBetween: 1 },
};

export function useStage(policy: Policy = quick): Stage {
  const database = useDatabase();
  const paged: string[] = [];
  const pager: Pager = {
    async page(alert) {
      paged.push(alert.dedupKey);
      return true;
    },
  };
  const stage = { database, paged } as Stage;
  let close = async () => {};
  beforeAll(async () => {
    const aws = await startLocalSecretsManager();
    const options = { endpoint: aws.url, region: aws.region, credentials: aws.credentials };
    const secrets = secretsManager(options);
    const bot = new SecretsManager(options);
    close = async () => {
      bot.destroy();
      await secrets.close();
      await aws.close();
    };
    const admin = aPerson({ tier: 'administrator', name: 'Ada' });
    const owner = aPerson({ name: 'Olu' });
    await given(database.store, { people: [admin, owner] });
    const ports: RotationPorts = { store: database.store, secrets, issuers: issuers(secrets), policy, pager };
    Object.assign(stage, { aws, bot, ports, admin, owner });
  });
  afterAll(() => close());

  stage.key = async (facts = {}) => {
    const made = aKey(stage.owner, facts);
    const token = randomUUID();
    await stage.bot.createSecret({
      Name: made.secretId!,
      ClientRequestToken: token,
      SecretString: `old-${randomUUID()}`,
    });
    const key = { ...made, currentVersion: token };
    await given(database.store, { keys: [key] });
    return { key, version: token };
  };
  stage.rotation = (id) => database.store.read((view) => view.rotations.get(id));
  stage.skipTime = async (id) => {
    await database.store.pool.query(`update rotation set continues_at = now() - interval '1 s' where id = $1`, [id]);
    await database.store.pool.query(
      `update work set run_at = now() - interval '1 s' where status = 'waiting' and payload ->> 'rotationId' = $1`,
      [id],
    );
  };
  stage.work = async ({ until, ports = stage.ports, limit = 100 } = {}) => {
    const ledger = workLedger(database.store.pool, policy);
    for (let ran = 0; ran < limit; ran++) {
      const { rows } = await database.store.pool.query<{ id: string }>(
        `select id from work where status = 'waiting' and name like 'rotation.%' and run_at <= clock_timestamp() + interval '2 s'
         order by lane = 'urgent' desc, run_at limit 1`,
      );
      if (!rows[0]) return ran;
      await database.store.pool.query('update work set run_at = least(run_at, now()) where id = $1', [rows[0].id]);
      const work = (await ledger.claim(rows[0].id, 60_000))!;
      const id = (work.payload as { rotationId?: string }).rotationId;
      try {
        await handle(ports, work.name, work.payload);
        await ledger.finish(work);
      } catch (error) {
        if (error instanceof Refusal) await ledger.finish(work);
        else if (error instanceof Later) {
          await ledger.postpone(work, error.retryInMs);
          if (error.retryInMs <= 1_000) await new Promise((resolve) => setTimeout(resolve, 100));
        } else {
          const givesUp = work.failures + 1 >= jobs[work.name].attempts;
          await ledger.fail(work, (error as Error).message, givesUp ? null : 1);
        }
      }
      if (id && until?.(await stage.rotation(id))) return ran + 1;
    }
    throw new Error(`${limit} jobs and no end`);
  };
  stage.stages = async (key) => {
    const { VersionIdsToStages = {} } = await stage.bot.describeSecret({ SecretId: key.secretId! });
    return Object.fromEntries(Object.entries(VersionIdsToStages).map(([id, labels]) => [id, [...labels].sort()]));
  };
  stage.trail = async (id) => {
    const page = await database.store.read((view) => view.audit.list({ action: 'rotation.' }, 1000));
    return page.rows.filter((each) => each.subject === id).reverse();
  };
  return stage;
}

export async function handle(ports: RotationPorts, name: JobName, payload: unknown): Promise<void> {
  switch (name) {
    case 'rotation.step':
    case 'rotation.step-now':
      return takeStep(ports, jobs[name].payload.parse(payload));
    case 'rotation.start':
      return startForCause(ports, jobs[name].payload.parse(payload));
    case 'rotation.find-due':
      return void (await findDue(ports));
    case 'rotation.reconcile':
      return reconcileRotations(ports);
    case 'rotation.page':
      return pageForRotation(ports, jobs[name].payload.parse(payload));
    default:
      throw new Error(`${name} is no job of rotations`);
  }
}

/** What the store itself says works, asked past our own adapter. */
export async function truth(stage: Stage, key: ApiKey, rotation: Rotation): Promise<Condition> {
  const { VersionIdsToStages = {} } = await stage.bot.describeSecret({ SecretId: key.secretId! });
  const versions = Object.entries(VersionIdsToStages).map(([id, stages]) => ({ id, stages }));
  return conditionIn(versions, {
    oldVersion: rotation.oldVersion ?? key.currentVersion,
    newVersion: rotation.newVersion ?? rotation.tried.at(-1) ?? null,
  });
}

/** What may be true while a step is under way; otherwise the condition says exactly what is true. */
export function mayBe(rotation: Rotation): Condition[] {
  const open = rotation.status === 'running' || openRecord(rotation) !== null;
  if (open && rotation.step === 'promote') return ['old', 'both'];
  if (open && rotation.step === 'restore') return ['both', 'old'];
  if (open && (rotation.step === 'retire' || rotation.step === 'confirm')) return ['both', 'new'];
  return [rotation.condition];
}
