import { randomUUID } from 'node:crypto';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll } from 'vitest';
import { applyGrants } from '../../src/access/apply.ts';
import type { Grant } from '../../src/access/model.ts';
import { cardLedger } from '../../src/adapters/postgres/slack.ts';
import { cardSync } from '../../src/adapters/slack/cards.ts';
import { slackClients } from '../../src/adapters/slack/clients.ts';
import { openSlack } from '../../src/app.ts';
import { declareIncident } from '../../src/incidents/declare.ts';
import type { Incident, Report } from '../../src/incidents/model.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { newId } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy, type Policy } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { type Desk, deskOf } from '../support/desk.ts';
import { workOff } from '../support/jobs.ts';
import { type TestPorts, usePorts } from '../support/ports.ts';
import { type StubSlack, startStubSlack } from '../support/stub-slack.ts';

/** Rotations without waiting, and somebody to call. */
export const quick: Policy = {
  ...defaultPolicy,
  rotation: { ...defaultPolicy.rotation, graceMinutes: 0, settleSeconds: 1, minMinutesBetween: 1 },
  incidents: {
    ...defaultPolicy.incidents,
    contacts: [
      { role: 'Service provider support', who: 'support@provider.example' },
      { role: 'Legal', who: '<@U0LEGAL>' },
    ],
  },
};

export interface Stage extends TestPorts {
  desk: Desk;
  slack: StubSlack;
  bot: SecretsManager;
  admin: Person;
  owner: Person;
  dev: Person;
  contractor: Person;
  key(facts?: Partial<ApiKey>): Promise<{ key: ApiKey; version: string }>;
  /** Active access of a new person with an IAM user of their own; after `work` it is in the secret's policy. */
  holder(key: ApiKey): Promise<Grant>;
  declare(reporter: Person, report: Partial<Report>, ports?: Ports): Promise<Incident>;
  /** Runs every job that is due, urgent ones first; then what the schedule would find. Cards go to the stub of Slack. */
  work(options?: { until?: () => Promise<boolean>; ports?: Ports; only?: string }): Promise<void>;
  incident(id: string): Promise<Incident>;
  stages(key: ApiKey): Promise<Record<string, string[]>>;
  trail(subject: string): Promise<{ action: string; outcome: string }[]>;
  /** Moves a clock of the checklist, and its job, into the past. */
  runOut(incidentId: string, phase: string): Promise<void>;
}

export function useStage(policy: Policy = quick): Stage {
  const stage = usePorts(policy) as Stage;
  stage.desk = deskOf(() => stage.ports, openSlack);
  beforeAll(async () => {
    stage.slack = await startStubSlack();
    const { url, region, credentials } = stage.aws.server;
    stage.bot = new SecretsManager({ endpoint: url, region, credentials });
    stage.admin = aPerson({ tier: 'administrator', name: 'Ada' });
    stage.owner = aPerson({ name: 'Olu' });
    stage.dev = aPerson({ name: 'Dev' });
    stage.contractor = aPerson({ tier: 'contractor', name: 'Con' });
    const people = [stage.admin, stage.owner, stage.dev, stage.contractor];
    await given(stage.database.store, { people });
  });
  afterAll(async () => {
    stage.bot.destroy();
    await stage.slack.close();
  });

  const pool = {
    query: (text: string, values: unknown[] = []) =>
      stage.database.store.pool.query<Record<string, unknown>>(text, values),
  };

  stage.key = async (facts = {}) => {
    const made = aKey(stage.owner, facts);
    const token = randomUUID();
    if (made.secretId) {
      await stage.bot.createSecret({ Name: made.secretId, ClientRequestToken: token, SecretString: `old-${token}` });
    }
    const key = { ...made, currentVersion: made.secretId ? token : null };
    await given(stage.database.store, { keys: [key] });
    return { key, version: token };
  };
  stage.holder = async (key) => {
    const person = aPerson();
    const iamPrincipal = `arn:aws:iam::123456789012:user/${person.slackId}`;
    await given(stage.database.store, { people: [{ ...person, iamPrincipal }] });
    const now = new Date(Date.now() - 60_000);
    const grant: Grant = {
      id: newId('grant'),
      requestId: newId('request'),
      keyId: key.id,
      personId: person.id,
      status: 'granting',
      principal: iamPrincipal,
      failure: null,
      startsAt: now,
      endsAt: new Date(Date.now() + 86_400_000),
      endedAt: null,
      endedBy: null,
      endReason: null,
      noticed: [],
    };
    const change = { actor: { kind: 'operator', id: 'test' } as const, action: 'test.given', subject: grant.id };
    await stage.database.store.change(change, async (tx) => {
      await tx.requests.save({
        id: grant.requestId,
        keyId: key.id,
        askedBy: person.id,
        use: 'a test',
        reason: 'a test needs it',
        ticket: null,
        hours: 24,
        extendsGrant: null,
        status: 'approved',
        needs: 1,
        needsAdministrator: false,
        asked: [],
        decisions: [],
        nudges: 0,
        escalatedAt: null,
        askedAt: now,
        expiresAt: grant.endsAt,
        closedAt: now,
      });
      await tx.grants.save(grant);
    });
    await applyGrants(stage.ports, { keyId: key.id });
    return stage.database.store.read((view) => view.grants.get(grant.id));
  };
  stage.declare = async (reporter, report, ports = stage.ports) => {
    const whole = {
      keyId: null,
      which: null,
      reach: 'unknown',
      how: 'exposed',
      what: '',
      seen: null,
      again: false,
      ...report,
    } as const;
    return (await declareIncident(ports, reporter.id, whole)).incident;
  };
  stage.work = async ({ until, ports = stage.ports, only = '' } = {}) => {
    const card = cardSync({
      store: ports.store,
      ledger: cardLedger(stage.database.store.pool),
      clients: slackClients('xoxb-test', stage.slack.apiUrl),
      renderers: stage.desk.registry.cards,
      warn: () => {},
    });
    await workOff(stage.database, ports, {
      card,
      until,
      only: (name) => name.startsWith(only),
      scheduled: only ? undefined : 'incidents.check',
    });
  };
  stage.incident = (id) => stage.database.store.read((view) => view.incidents.get(id));
  stage.stages = async (key) => {
    const { VersionIdsToStages = {} } = await stage.bot.describeSecret({ SecretId: key.secretId! });
    return Object.fromEntries(Object.entries(VersionIdsToStages).map(([id, labels]) => [id, [...labels].sort()]));
  };
  stage.trail = async (subject) => {
    const { rows } = await pool.query('select action, outcome from audit_event where subject = $1 order by id', [
      subject,
    ]);
    return rows as unknown as { action: string; outcome: string }[];
  };
  stage.runOut = async (incidentId, phase) => {
    const past = new Date(Date.now() - 1_000).toISOString();
    await pool.query(
      `update incident set deadlines = jsonb_set(deadlines, array[$2], to_jsonb($3::text)) where id = $1`,
      [incidentId, phase, past],
    );
    await pool.query(
      `update work set run_at = now() where name = 'incidents.deadline' and status = 'waiting'
         and payload ->> 'incidentId' = $1 and payload ->> 'phase' = $2`,
      [incidentId, phase],
    );
  };
  return stage;
}
