import { randomUUID } from 'node:crypto';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll } from 'vitest';
import type { ApiKey } from '../../src/inventory/model.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy, type Policy } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import { conditionIn } from '../../src/rotation/labels-model.ts';
import { type Condition, openRecord, type Rotation } from '../../src/rotation/model.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { workOff } from '../support/jobs.ts';
import { type TestPorts, usePorts } from '../support/ports.ts';

/** Everything that a rotation touches, real but for the pager. */
export interface Stage extends TestPorts {
  /** The store as another AWS user sees it. */
  bot: SecretsManager;
  admin: Person;
  owner: Person;
  /** A key in the inventory whose secret exists, with the version that is current. */
  key(facts?: Partial<ApiKey>, value?: string): Promise<{ key: ApiKey; version: string }>;
  /** Runs rotation jobs that are due, one after the other, until there are none or `until` says so. Answers how many. */
  /** The steps that this rotation has behind it ended so many hours earlier, the switch among them. */
  endedEarlier(id: string, hours: number): Promise<void>;
  work(options?: { until?: (rotation: Rotation) => boolean; ports?: Ports }): Promise<number>;
  rotation(id: string): Promise<Rotation>;
  /** Moves the end of a grace, and whatever waits for it, into the past. */
  skipTime(rotationId: string): Promise<void>;
  stages(key: ApiKey): Promise<Record<string, string[]>>;
  /** What the audit log has of a rotation, oldest first. */
  trail(rotationId: string): Promise<{ action: string; outcome: string; facts: Record<string, unknown> }[]>;
}

export const quick: Policy = {
  ...defaultPolicy,
  rotation: { ...defaultPolicy.rotation, graceMinutes: 0, screamTestHours: 0, settleSeconds: 1, minMinutesBetween: 1 },
};

export function useStage(policy: Policy = quick): Stage {
  const stage = usePorts(policy) as Stage;
  beforeAll(async () => {
    const { url, region, credentials } = stage.aws.server;
    stage.bot = new SecretsManager({ endpoint: url, region, credentials });
    stage.admin = aPerson({ tier: 'administrator', name: 'Ada' });
    stage.owner = aPerson({ name: 'Olu' });
    await given(stage.database.store, { people: [stage.admin, stage.owner] });
  });
  afterAll(() => stage.bot.destroy());

  stage.key = async (facts = {}, value = `old-${randomUUID()}`) => {
    const made = aKey(stage.owner, facts);
    const token = randomUUID();
    await stage.bot.createSecret({ Name: made.secretId!, ClientRequestToken: token, SecretString: value });
    const key = { ...made, currentVersion: token };
    await given(stage.database.store, { keys: [key] });
    return { key, version: token };
  };
  stage.rotation = (id) => stage.database.store.read((view) => view.rotations.get(id));
  stage.skipTime = async (id) => {
    await stage.database.store.pool.query(`update rotation set continues_at = now() - interval '1 s' where id = $1`, [
      id,
    ]);
    await stage.database.store.pool.query(
      `update work set run_at = now() - interval '1 s' where status = 'waiting' and payload ->> 'rotationId' = $1`,
      [id],
    );
  };
  stage.endedEarlier = async (id, hours) => {
    await stage.database.store.pool.query(
      `update rotation set record = (select jsonb_agg(each || jsonb_build_object('endedAt',
         to_char((each ->> 'endedAt')::timestamptz at time zone 'utc' - $2 * interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')))
         from jsonb_array_elements(record) each where each ->> 'endedAt' is not null)
         || (select coalesce(jsonb_agg(each), '[]') from jsonb_array_elements(record) each where each ->> 'endedAt' is null)
         where id = $1`,
      [id, hours],
    );
  };
  stage.work = ({ until, ports = stage.ports } = {}) =>
    workOff(stage.database, ports, {
      only: (name) => name.startsWith('rotation.'),
      failures: 'count',
      limit: 100,
      until: async ({ payload }) => {
        const { rotationId } = payload as { rotationId?: string };
        return rotationId ? (until?.(await stage.rotation(rotationId)) ?? false) : false;
      },
    });
  stage.stages = async (key) => {
    const { VersionIdsToStages = {} } = await stage.bot.describeSecret({ SecretId: key.secretId! });
    return Object.fromEntries(Object.entries(VersionIdsToStages).map(([id, labels]) => [id, [...labels].sort()]));
  };
  stage.trail = async (id) => {
    const page = await stage.database.store.read((view) => view.audit.list({ action: 'rotation.' }, 1000));
    return page.rows.filter((each) => each.subject === id).reverse();
  };
  return stage;
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
