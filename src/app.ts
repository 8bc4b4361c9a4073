import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { announceRequest, askNewOwner, nudge } from './access/announce.ts';
import { applyGrants, checkDrift, noticeEnd } from './access/apply.ts';
import { expireRequest, withdrawAllOfPerson } from './access/decide.ts';
import { endAllOfKey, endAllOfPerson, endWhenDue, sweepGrants } from './access/end.ts';
import { followPrincipal } from './access/principal.ts';
import { accessInSlack } from './access/slack.ts';
import { engine, type Handlers } from './adapters/bullmq/engine.ts';
import { migrateQueues, openQueues, type QueueHome, type Queues } from './adapters/bullmq/queues.ts';
import { cloudTrail } from './adapters/cloudtrail.ts';
import { fingerprints } from './adapters/fingerprints.ts';
import { metrics } from './adapters/http/metrics.ts';
import { httpServer } from './adapters/http/server.ts';
import type { Log } from './adapters/log.ts';
import { pagerDuty } from './adapters/pager.ts';
import { postgresLeases } from './adapters/postgres/leases.ts';
import { installationOf, migrateUp, missingMigrations } from './adapters/postgres/migrate.ts';
import { postgresPace } from './adapters/postgres/pace.ts';
import { cardLedger, postgresInbox } from './adapters/postgres/slack.ts';
import { openPool, type PostgresStore, postgresStore } from './adapters/postgres/store.ts';
import { workLedger } from './adapters/postgres/work.ts';
import { issuers } from './adapters/providers/index.ts';
import { shippedRunbooks } from './adapters/runbooks.ts';
import { secretsManager } from './adapters/secrets-manager.ts';
import { slackSignIn } from './adapters/sign-in.ts';
import { cardSync } from './adapters/slack/cards.ts';
import { unreachableChannels } from './adapters/slack/channels.ts';
import { type SlackClients, slackClients, slackError } from './adapters/slack/clients.ts';
import { slackDirectory } from './adapters/slack/directory.ts';
import { slackDoor } from './adapters/slack/door.ts';
import { handler } from './adapters/slack/handle.ts';
import { type Receive, receiveSlack } from './adapters/slack/receive.ts';
import { consumerHooks } from './adapters/webhooks/hooks.ts';
import { standardWebhooks } from './adapters/webhooks/standard.ts';
import { auditInTerminal } from './audit/cli.ts';
import { auditInSlack } from './audit/slack.ts';
import { calendarOverHttp } from './calendar/http.ts';
import { remindOwners } from './calendar/remind.ts';
import { calendarInSlack } from './calendar/slack.ts';
import { ConfigProblem, usualPolicyFile } from './config.ts';
import { planDigests } from './digest/plan.ts';
import { refreshDigests } from './digest/refresh.ts';
import { digestInSlack } from './digest/slack.ts';
import type { CliDoor, HttpDoor, SlackDoor } from './doors.ts';
import { checkIncidents, watchIncident } from './incidents/check.ts';
import { tellOverdue } from './incidents/deadline.ts';
import { pageForIncident } from './incidents/page.ts';
import { incidentsInSlack } from './incidents/slack.ts';
import { remindersInSlack } from './inventory/home.ts';
import { makeSecret } from './inventory/make-secret.ts';
import { makeSigningSecret } from './inventory/make-signing-secret.ts';
import { reassessKeys } from './inventory/reassess.ts';
import { inventoryInSlack } from './inventory/slack.ts';
import { Refusal } from './kernel.ts';
import { checkCase, sweepCases } from './offboarding/check.ts';
import { offboardingInCli } from './offboarding/cli.ts';
import { recallLeaver } from './offboarding/hear.ts';
import { offboardingOverHttp } from './offboarding/http.ts';
import { openForDeactivated, startCase } from './offboarding/open.ts';
import { offboardingInSlack } from './offboarding/slack.ts';
import { meetPerson, syncPeople } from './people/meet.ts';
import type { Person } from './people/model.ts';
import { peopleInSlack } from './people/slack.ts';
import { hearOfTeam, syncTeam, syncTeams } from './people/sync-teams.ts';
import { defaultPolicy, type Policy, policySchema } from './policy.ts';
import type { Ports, Work } from './ports.ts';
import { checkAllForDrift, checkKey } from './reviews/check-drift.ts';
import { notePolicyAltered } from './reviews/policy-altered.ts';
import { repairFinding } from './reviews/repair.ts';
import { reviewsInSlack } from './reviews/slack.ts';
import { handInOverHttp } from './rotation/by-hand/http.ts';
import { sweepCampaigns } from './rotation/campaigns/decide.ts';
import { runCampaign } from './rotation/campaigns/run.ts';
import { campaignsInSlack } from './rotation/campaigns/slack.ts';
import { deploymentOverHttp } from './rotation/deployment/http.ts';
import { remindMovers } from './rotation/deployment/remind.ts';
import { tellConsumer } from './rotation/deployment/tell.ts';
import { drillByChance } from './rotation/drills/start.ts';
import { evidenceInSlack } from './rotation/evidence-slack.ts';
import { pageForRotation } from './rotation/page.ts';
import { reconcileRotations } from './rotation/reconcile.ts';
import { rotationInSlack } from './rotation/slack.ts';
import { startForCause } from './rotation/start.ts';
import { takeStep } from './rotation/step.ts';
import { escalateOverdue } from './rotation/timing/escalate.ts';
import { findDue } from './rotation/timing/find-due.ts';
import { endPause } from './rotation/timing/pause.ts';
import { runbooksInSlack } from './runbooks/slack.ts';

/** Everything that the program has to be told; where it came from (environment, stand-ins, a test) does not matter here. */
export interface Settings {
  roles: { bot: boolean; worker: boolean };
  databaseUrl: string;
  queueHome: QueueHome;
  slack: {
    botToken: string;
    apiUrl?: string;
    mode: { kind: 'http'; signingSecret: string } | { kind: 'socket'; appToken: string };
    commandName?: string;
    /** For Sign in with Slack, which the pages for people need. */
    client?: { id: string; secret: string };
  };
  aws: AwsSettings;
  /** How CloudTrail is reached that says who reads secrets; null where nobody asks it. */
  cloudTrail: AwsSettings | null;
  hrWebhookSecrets: string[];
  pager: { routingKey?: string; url: string };
  administrators: string[];
  policy: Policy;
  port: number;
  host: string;
  /** Where others reach this server; null when nobody has said it, so that only this machine does. */
  publicUrl: string | null;
  leaseMs: number;
  log: Log;
}

interface AwsSettings {
  region?: string;
  endpoint?: string;
  credentials?: { accessKeyId: string; secretAccessKey: string };
}

export interface Program {
  port: number;
  ports: Ports;
  store: PostgresStore;
  /** Takes no more work, finishes what runs, closes everything. */
  stop(): Promise<void>;
}

/** `policy.yml`, or the SOP's own values when there is none. @throws ConfigProblem naming each wrong entry */
export function loadPolicy(file: string): Policy {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    // Without one the SOP's own values hold; one that is named and not there is a mistake.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && file === usualPolicyFile) return defaultPolicy;
    throw new ConfigProblem([`POLICY_FILE: cannot read ${file}: ${(error as Error).message}`]);
  }
  const parsed = policySchema.safeParse(parse(text) ?? {});
  if (parsed.success) return parsed.data;
  throw new ConfigProblem(
    parsed.error.issues.map((issue) => `${file}: ${issue.path.join('.') || 'top level'}: ${issue.message}`),
  );
}

/** Brings the database up to date: our own tables and, where BullMQ lives in Postgres, its. */
export async function migrate(settings: Pick<Settings, 'databaseUrl' | 'queueHome'>): Promise<void> {
  await migrateUp(settings.databaseUrl);
  await migrateQueues(settings.queueHome);
}

/** Every area's doors into Slack, in the order in which App Home shows them. */
export function openSlack(door: SlackDoor, ports: Ports): void {
  // First in App Home: whoever comes because of a leak must not search.
  incidentsInSlack(door, ports);
  accessInSlack(door, ports);
  inventoryInSlack(door, ports);
  rotationInSlack(door, ports);
  evidenceInSlack(door, ports);
  campaignsInSlack(door, ports);
  peopleInSlack(door, ports);
  remindersInSlack(door, ports);
  digestInSlack(door, ports);
  calendarInSlack(door, ports);
  runbooksInSlack(door, ports);
  reviewsInSlack(door, ports);
  auditInSlack(door, ports);
  offboardingInSlack(door, ports);
}

/** Every area's webhooks and pages. */
export function openHttp(door: HttpDoor, ports: Ports, settings: Pick<Settings, 'hrWebhookSecrets'>): void {
  offboardingOverHttp(door, ports, standardWebhooks(settings.hrWebhookSecrets));
  deploymentOverHttp(door, ports);
  calendarOverHttp(door, ports);
  handInOverHttp(door, ports);
}

/** Every area's commands of the terminal; `use` lends them the store, `running` says how a running program is spoken to. */
export function openCli(door: CliDoor, use: UseStore, running: () => Running): void {
  auditInTerminal(door, use);
  offboardingInCli(door, () => {
    const { url, hrSecrets } = running();
    return { url, webhooks: standardWebhooks(hrSecrets) };
  });
}
/** `url` is null where the configuration leaves the port to the system. */
export type Running = { url: string | null; hrSecrets: string[] };
export type UseStore = <T>(run: (ports: Pick<Ports, 'store' | 'policy'>) => Promise<T>) => Promise<T>;

/** Builds the program, starts its roles, and answers how to stop it. */
export async function startProgram(settings: Settings): Promise<Program> {
  const { log, policy, roles } = settings;
  const onError = (error: Error) => log('warn', `Postgres: ${error.message}`);
  const store = postgresStore(settings.databaseUrl, { max: 12, onError });
  const closing: (() => Promise<unknown>)[] = [() => store.close()];
  const close = async () => {
    for (const each of closing.reverse())
      await each().catch((error: unknown) => log('warn', `while stopping: ${String(error)}`));
  };
  try {
    const missing = await missingMigrations(store.pool);
    if (missing.length > 0)
      throw new ConfigProblem([
        `DATABASE_URL: the database lacks ${missing.join(', ')}; run \`keysteward migrate\` first`,
      ]);

    const clients = slackClients(settings.slack.botToken, settings.slack.apiUrl);
    const me = await whoAmI(clients);
    const secrets = secretsManager(settings.aws);
    closing.push(() => secrets.close());
    const readers = settings.cloudTrail ? cloudTrail(settings.cloudTrail, (message) => log('warn', message)) : null;
    if (readers) closing.push(() => readers.close());
    let listening = settings.port;
    const { client, apiUrl = 'https://slack.com/api/' } = settings.slack;
    const ports: Ports = {
      store,
      policy,
      secrets,
      readers,
      fingerprints: fingerprints(secrets, policy.inventory.fingerprintSecret, (message) => log('warn', message)),
      issuers: issuers(secrets, policy.providers),
      hooks: consumerHooks(policy.consumers.privateHosts),
      pager: pagerDuty(settings.pager),
      directory: slackDirectory(clients, me.teamId, (message) => log('warn', message)),
      leases: postgresLeases(store.pool),
      runbooks: shippedRunbooks(),
      pace: postgresPace(store.pool),
      address: (path) => `${(settings.publicUrl ?? `http://127.0.0.1:${listening}`).replace(/\/+$/, '')}${path}`,
      signIn: slackSignIn(
        client
          ? { issuer: new URL(apiUrl).origin, clientId: client.id, clientSecret: client.secret, teamId: me.teamId }
          : null,
      ),
    };
    const admins = settings.administrators;
    const ledger = workLedger(store.pool, policy);
    const gauges = metrics(() => ledger.backlog());
    const { door, registry } = slackDoor();
    openSlack(door, ports);

    const personOf = async (slackId: string): Promise<Person> => {
      const known = await store.read((view) => view.people.bySlackId(slackId));
      if (known) return known;
      const entry = await ports.directory.person(slackId);
      if (!entry) throw new Refusal('not_allowed', 'Slack does not know you as a member of this workspace.');
      return meetPerson(ports, entry, admins).catch(async (error: unknown) => {
        // Two first clicks at once: the other one was faster.
        const met =
          error instanceof Refusal && error.code === 'conflict'
            ? await store.read((view) => view.people.bySlackId(slackId))
            : null;
        if (!met) throw error;
        return met;
      });
    };

    const queues = openQueues(settings.queueHome, await installationOf(store.pool), (error) =>
      log('warn', `queue: ${error.message}`),
    );
    closing.push(() => queues.close());
    if (roles.worker) {
      const running = engine({
        ledger,
        queues,
        handlers: handlersOf(ports, admins, {
          card: cardSync({
            store,
            ledger: cardLedger(store.pool),
            clients,
            renderers: registry.cards,
            warn: (message, facts) => log('warn', message, facts),
          }),
        }),
        leaseMs: settings.leaseMs,
        log,
        onDead: (work, error) => tellOfDeadWork(ports, work, error),
        onRun: gauges.ran,
      });
      // Also when the start fails further on: a connection that still listens would keep the pool from ending.
      closing.push(() => running.stop());
      await running.start();
    }

    let slack: Receive | undefined;
    if (roles.bot) {
      // Of its own, and impatient: what cannot be stored in time has to be said within Slack's three seconds.
      const intake = openPool(settings.databaseUrl, { max: 4, patienceMs: 2_000, onError });
      closing.push(() => intake.end());
      slack = receiveSlack({
        mode: settings.slack.mode,
        token: settings.slack.botToken,
        apiUrl: settings.slack.apiUrl,
        bot: { botId: me.botId, botUserId: me.userId },
        inbox: postgresInbox(intake),
        handle: handler({
          registry,
          store,
          clients,
          teamId: me.teamId,
          personOf,
          meet: (entry) => meetPerson(ports, entry, admins),
          teamChanged: (news) => hearOfTeam(ports, news),
          commandName: settings.slack.commandName ?? '/keys',
          log,
        }),
        log,
        onAck: gauges.acked,
      });
    }

    const http = httpServer({
      slack: slack?.listener ?? null,
      metrics: gauges.registry,
      log,
      ready: () => readiness(store, queues, roles.worker),
    });
    openHttp(http.door, ports, settings);
    const port = await http.listen(settings.port, settings.host);
    listening = port;
    await slack?.start();
    if (roles.worker) void warnOfChannels(clients, me.userId, policy, log);
    const stopReplay = slack ? every(10_000, () => slack.replayLost(), log) : () => {};

    return {
      port,
      ports,
      store,
      async stop() {
        http.drain();
        stopReplay();
        await slack?.stop(10_000);
        await http.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A channel that the bot cannot post into is a mistake that somebody should hear of before a leak is called out there. */
async function warnOfChannels(clients: SlackClients, me: string, policy: Policy, log: Log): Promise<void> {
  for (const each of await unreachableChannels(clients, me, policy.channels))
    log('warn', `${each}. Until then administrators get what belongs there.`);
}

/** Repeats something until told to stop; a failure is logged and the next round comes all the same. */
function every(ms: number, run: () => Promise<unknown>, log: Log): () => void {
  let timer: NodeJS.Timeout;
  const round = () => {
    timer = setTimeout(() => {
      run()
        .catch((error: unknown) => log('warn', `looking after lost deliveries: ${String(error)}`))
        .finally(() => {
          if (!stopped) round();
        });
    }, ms);
  };
  let stopped = false;
  round();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

async function readiness(
  store: PostgresStore,
  queues: Queues,
  worker: boolean,
): Promise<Record<string, { ok: boolean; required: boolean; detail?: string }>> {
  const within = <T>(ms: number, promise: Promise<T>) =>
    Promise.race([
      promise,
      new Promise<never>((_, reject) => setTimeout(() => reject(new Error(`no answer in ${ms} ms`)), ms).unref()),
    ]);
  const check = async (required: boolean, run: () => Promise<unknown>) => {
    try {
      await within(2_000, run());
      return { ok: true, required };
    } catch (error) {
      return { ok: false, required, detail: error instanceof Error ? error.message : String(error) };
    }
  };
  return {
    postgres: await check(true, () => store.pool.query('select 1')),
    // Without the queue, work waits in Postgres; nothing is lost, so a process without it is degraded, not unready.
    ...(worker ? { queue: await check(false, () => queues.ping()) } : {}),
  };
}

/** @throws ConfigProblem when Slack refuses the token or cannot be reached */
async function whoAmI(clients: SlackClients): Promise<{ teamId: string; userId: string; botId: string }> {
  for (let attempt = 1; ; attempt++) {
    try {
      const me = await clients.bulk.auth.test();
      return { teamId: me.team_id!, userId: me.user_id!, botId: me.bot_id ?? me.user_id! };
    } catch (error) {
      const said = slackError(error);
      if (said)
        throw new ConfigProblem([`SLACK_BOT_TOKEN: Slack answered ${said}; expected the token of an installed app`]);
      if (attempt === 5)
        throw new ConfigProblem([
          `SLACK_API_URL: Slack cannot be reached (${error instanceof Error ? error.message : String(error)})`,
        ]);
      await new Promise((resolve) => setTimeout(resolve, attempt * 500));
    }
  }
}

/** Somebody has to hear of work that was given up, in the channel where things are looked after. */
export async function tellOfDeadWork(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  work: Pick<Work, 'id' | 'name' | 'payload' | 'failures'>,
  error: string,
): Promise<void> {
  // A card that cannot be shown must not be told of by a card.
  if (work.name === 'slack.card') return;
  await store.change(
    { actor: { kind: 'job', id: work.name }, action: 'work.given-up', subject: work.id },
    async (tx) => {
      tx.note({ job: work.name, about: work.payload, failures: work.failures + 1, error: error.slice(0, 500) });
      // A rotation ends with it, and its own card says so, with what works and a Retry that does something.
      if (work.name === 'rotation.step' || work.name === 'rotation.step-now') return;
      await tx.cards.show('work.given-up', work.id, { channel: policy.channels.security });
    },
  );
}

/** Which verb does which job. A job without one does not compile. */
export function handlersOf(ports: Ports, admins: string[], adapters: { card: Handlers['slack.card'] }): Handlers {
  return {
    'slack.card': adapters.card,
    'people.sync': () => syncPeople(ports, admins),
    'people.sync-teams': () => syncTeams(ports),
    'people.sync-team': (job) => syncTeam(ports, job),
    'inventory.make-secret': (job) => makeSecret(ports, job),
    'inventory.make-signing-secret': (job) => makeSigningSecret(ports, job),
    'inventory.reassess': () => reassessKeys(ports),
    'access.announce': (job) => announceRequest(ports, job),
    'access.ask-new-owner': (job) => askNewOwner(ports, job),
    'access.nudge': (job) => nudge(ports, job),
    'access.expire-request': (job) => expireRequest(ports, job),
    'access.apply': async (job) => void (await applyGrants(ports, job)),
    'access.apply-now': async (job) => void (await applyGrants(ports, job)),
    'access.notice': (job) => noticeEnd(ports, job),
    'access.end': (job) => endWhenDue(ports, job),
    'access.end-all-of-key': (job) => endAllOfKey(ports, job),
    'access.end-all-of-person': (job) => endAllOfPerson(ports, job),
    'access.withdraw-all-of-person': (job) => withdrawAllOfPerson(ports, job),
    'access.follow-principal': (job) => followPrincipal(ports, job),
    'access.sweep': () => sweepGrants(ports),
    'access.check-drift': () => checkDrift(ports),
    'reviews.check-drift': () => checkAllForDrift(ports),
    'reviews.check-key': (job) => checkKey(ports, job),
    'reviews.policy-altered': (job) => notePolicyAltered(ports, job),
    'reviews.repair': (job) => repairFinding(ports, job),
    'offboarding.person-deactivated': (job) => openForDeactivated(ports, job),
    'offboarding.recall': (job) => recallLeaver(ports, job),
    'offboarding.start': (job) => startCase(ports, job),
    'offboarding.check': (job) => checkCase(ports, job),
    'offboarding.sweep': () => sweepCases(ports),
    'rotation.start': (job) => startForCause(ports, job),
    'rotation.find-due': async () => void (await findDue(ports)),
    'rotation.drill': async (_job, work) => void (await drillByChance(ports, work.id)),
    'rotation.step': (job) => takeStep(ports, job),
    'rotation.step-now': (job) => takeStep(ports, job),
    'rotation.escalate': async () => void (await escalateOverdue(ports)),
    'rotation.end-pause': (job) => endPause(ports, job),
    'rotation.tell': (job) => tellConsumer(ports, job),
    'rotation.remind': (job) => remindMovers(ports, job),
    'rotation.page': (job) => pageForRotation(ports, job),
    'rotation.run-campaign': (job) => runCampaign(ports, job),
    'rotation.sweep-campaigns': () => sweepCampaigns(ports),
    'rotation.reconcile': () => reconcileRotations(ports),
    'incidents.page': (job) => pageForIncident(ports, job),
    'incidents.watch': (job) => watchIncident(ports, job),
    'incidents.deadline': (job) => tellOverdue(ports, job),
    'incidents.check': () => checkIncidents(ports),
    'calendar.remind': async () => void (await remindOwners(ports)),
    'digest.plan': async () => void (await planDigests(ports)),
    'digest.refresh': () => refreshDigests(ports),
  };
}
