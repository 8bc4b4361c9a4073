import { beforeAll } from 'vitest';
import { fingerprints } from '../../src/adapters/fingerprints.ts';
import { postgresLeases } from '../../src/adapters/postgres/leases.ts';
import { postgresPace } from '../../src/adapters/postgres/pace.ts';
import { issuers } from '../../src/adapters/providers/index.ts';
import { shippedRunbooks } from '../../src/adapters/runbooks.ts';
import { slackSignIn } from '../../src/adapters/sign-in.ts';
import { consumerHooks } from '../../src/adapters/webhooks/hooks.ts';
import { defaultPolicy, type Policy } from '../../src/policy.ts';
import type { DirectoryEntry, Pager, Ports, TeamEntry } from '../../src/ports.ts';
import { type TestDatabase, useDatabase } from './database.ts';
import { type TestSecrets, useSecrets } from './secrets.ts';

export interface TestPorts {
  ports: Ports;
  database: TestDatabase;
  aws: TestSecrets;
  /** Every page that went out. */
  pages: Parameters<Pager['page']>[0][];
  /** Whom Slack knows; tests add to it. */
  slackUsers: DirectoryEntry[];
  /** The user groups that Slack tells of; null where it does not tell. */
  slackTeams: { list: TeamEntry[] | null };
}

/** All ports for one test file: Postgres, leases, Secrets Manager and issuers are real, pager and directory remember. */
export function usePorts(policy: Policy = defaultPolicy): TestPorts {
  const test = {
    database: useDatabase(),
    aws: useSecrets(),
    pages: [],
    slackUsers: [],
    slackTeams: { list: [] },
  } as unknown as TestPorts;
  beforeAll(() => {
    const { store } = test.database;
    test.ports = {
      store,
      policy,
      secrets: test.aws.secrets,
      readers: null,
      fingerprints: fingerprints(test.aws.secrets, policy.inventory.fingerprintSecret),
      issuers: issuers(test.aws.secrets),
      leases: postgresLeases(store.pool),
      runbooks: shippedRunbooks(),
      pace: postgresPace(store.pool),
      address: (path) => `https://keys.example.com${path}`,
      signIn: slackSignIn(null),
      hooks: consumerHooks(policy.consumers.privateHosts),
      pager: {
        async page(alert) {
          test.pages.push(alert);
          return true;
        },
      },
      directory: {
        person: async (slackId) => test.slackUsers.find((each) => each.slackId === slackId) ?? null,
        async *everybody() {
          yield test.slackUsers;
        },
        teams: async () => test.slackTeams.list,
        membersOf: async (slackId) => test.slackTeams.list?.find((each) => each.slackId === slackId)?.members ?? null,
      },
    };
  });
  return test;
}

/** The jobs that a change left behind and that wait, oldest first. */
export async function waitingJobs(
  database: TestDatabase,
  prefix = '',
): Promise<{ name: string; payload: Record<string, unknown>; runAt: Date; lane: string }[]> {
  const { rows } = await database.store.pool.query<{
    name: string;
    payload: Record<string, unknown>;
    run_at: Date;
    lane: string;
  }>(
    `select name, payload, run_at, lane from work where status = 'waiting' and name like $1 order by created_at, run_at, id`,
    [`${prefix}%`],
  );
  return rows.map(({ run_at, ...rest }) => ({ ...rest, runAt: run_at }));
}
