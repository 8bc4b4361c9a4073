import path from 'node:path';
import { parseArgs } from 'node:util';
import { openLog } from './adapters/log.ts';
import { postgresStore } from './adapters/postgres/store.ts';
import { loadPolicy, migrate, openCli, type Program, type Settings, startProgram, type UseStore } from './app.ts';
import { type Config, ConfigProblem, configFrom } from './config.ts';
import type { CliDoor } from './doors.ts';
import { freePort } from './local/free-port.ts';
import { startLocalPostgres } from './local/postgres/server.ts';
import { startLocalSecretsManager } from './local/secrets-manager/server.ts';
import {
  hrSecretsForCommands,
  type StandIns,
  standInDatabase,
  startLocalSlackAlone,
  startStandIns,
} from './stand-ins.ts';

export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Resolves when the process is asked to stop. */
  untilStopped(): Promise<void>;
}

type Command = { usage: string; help: string; run: (args: string[], out: (line: string) => void) => Promise<number> };

/** In the list of commands, what is longer has its explanation on a line of its own. */
const helpColumn = 36;

/** `--name value` and `--name=value`. Whatever else is there makes it a wrong call. */
function optionsOf(args: string[], names: string[] = []): Record<string, string | undefined> {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  return parseArgs({ args, options }).values as Record<string, string | undefined>;
}

class WrongCall extends Error {}

/** What is wrong with how a command was called, or null. Commands have their options parsed by Node, which says it. */
function wrongIn(error: unknown): string | null {
  if (error instanceof WrongCall) return error.message;
  const { code, message } = error as { code?: string; message?: string };
  return code?.startsWith('ERR_PARSE_ARGS_') ? `${message!.split(/\.?(?:\s*\n|\. |$)/)[0]!}.` : null;
}

/** Undefined where none is said. */
function portIn(said: string | undefined): number | undefined {
  if (said === undefined) return undefined;
  const port = said.trim() === '' ? Number.NaN : Number(said);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new WrongCall(`--port is ${said.slice(0, 50) || 'empty'}; expected a whole number from 0 to 65535.`);
}

/** Runs one command and answers the exit code: 0 done, 1 it failed, 2 it was called wrongly. */
export async function commandLine(args: string[], env: NodeJS.ProcessEnv, terminal: Terminal): Promise<number> {
  const commands = new Map<string, Command>();
  const door: CliDoor = { command: (name, spec, run) => void commands.set(name, { ...spec, run }) };
  programCommands(door, env, terminal);
  const lend: UseStore = async (use) => {
    const config = configFrom(env);
    const database = await standInDatabase(config);
    const store = postgresStore(database.url, { max: 2 });
    try {
      return await use({ store, policy: loadPolicy(config.POLICY_FILE) });
    } finally {
      await store.close();
      await database.stop();
    }
  };
  openCli(door, lend, () => {
    const config = configFrom(env);
    const here = config.PORT === 0 ? null : `http://127.0.0.1:${config.PORT}`;
    return { url: config.PUBLIC_URL ?? here, hrSecrets: hrSecretsForCommands(config) };
  });

  const words = args.length === 0 ? ['help'] : args;
  for (let count = Math.min(3, words.length); count > 0; count--) {
    const command = commands.get(words.slice(0, count).join(' '));
    if (!command) continue;
    try {
      return await command.run(words.slice(count), terminal.out);
    } catch (error) {
      const wrong = wrongIn(error);
      if (wrong !== null) {
        terminal.err(wrong);
        terminal.err(`usage: keysteward ${command.usage}`);
        return 2;
      }
      terminal.err(plainly(error));
      return 1;
    }
  }
  const lines = [
    "keysteward: the whole life of a company's API keys, in Slack",
    '',
    ...[...commands.values()].flatMap(({ usage, help }) =>
      usage.length > helpColumn
        ? [`  keysteward ${usage}`, `${' '.repeat(15 + helpColumn)}${help}`]
        : [`  keysteward ${usage.padEnd(helpColumn)}  ${help}`],
    ),
  ];
  const asked = words[0] === 'help' || words[0] === '--help';
  if (!asked) terminal.err(`There is no command "${words.join(' ')}".\n`);
  for (const line of lines) (asked ? terminal.out : terminal.err)(line);
  return asked ? 0 : 2;
}

/** What went wrong, for a person at a terminal: our own sentences as they are, an outage with what to look at. */
function plainly(error: unknown): string {
  if (error instanceof ConfigProblem) return error.message;
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND' || code === 'ETIMEDOUT')
    return `Keysteward cannot reach a service that it needs (${message ?? code}). Look at DATABASE_URL, and whether the server runs.`;
  if (code === 'EADDRINUSE')
    return `The port is taken (${message ?? code}). Stop the program that has it, or set PORT to another; the local Slack uses the one after it.`;
  if (code === '28P01' || code === '3D000')
    return `Postgres does not let Keysteward in (${message}). Look at DATABASE_URL.`;
  return error instanceof Error ? error.message || error.name : String(error);
}

function programCommands(cli: CliDoor, env: NodeJS.ProcessEnv, terminal: Terminal): void {
  const role = (name: 'all' | 'bot' | 'worker', help: string) =>
    cli.command(name, { usage: name, help }, async (args) => {
      optionsOf(args);
      const config = configFrom(env);
      await (name === 'all' ? runAll(config, terminal) : runRole(config, name, terminal));
      return 0;
    });
  role('all', 'Everything in one process; what is not configured runs as a local stand-in');
  role('bot', 'What talks to Slack');
  role('worker', 'What waits and retries');

  cli.command('migrate', { usage: 'migrate', help: 'Bring the database up to date' }, async (args, out) => {
    optionsOf(args);
    const config = configFrom(env);
    const database = await standInDatabase(config);
    try {
      await migrate({ databaseUrl: database.url, queueHome: queueHomeOf(config, database.url) });
      out('The database is up to date.');
    } finally {
      await database.stop();
    }
    return 0;
  });

  cli.command(
    'local slack',
    { usage: 'local slack [--port N]', help: 'The local Slack alone, for the tests of other programs' },
    async (args, out) => {
      const options = optionsOf(args, ['port', 'request-url']);
      const port = portIn(options.port) ?? 0;
      const config = configFrom(env);
      const slack = await startLocalSlackAlone(config, port, options['request-url'] ?? null);
      for (const line of slack.lines) out(line);
      await terminal.untilStopped();
      await slack.stop();
      return 0;
    },
  );
  cli.command(
    'local secrets-manager',
    { usage: 'local secrets-manager [--port N]', help: 'The Secrets Manager stand-in alone' },
    async (args, out) => {
      const port = portIn(optionsOf(args, ['port']).port) ?? 0;
      const config = configFrom(env);
      const server = await startLocalSecretsManager({
        port,
        dataDir: path.join(path.resolve(config.DATA_DIR), 'secrets-manager'),
      });
      out(
        `AWS_ENDPOINT_URL_SECRETS_MANAGER=${server.url} AWS_REGION=${server.region} AWS_ACCESS_KEY_ID=${server.credentials.accessKeyId} AWS_SECRET_ACCESS_KEY=local`,
      );
      await terminal.untilStopped();
      await server.close();
      return 0;
    },
  );
  cli.command(
    'local postgres',
    { usage: 'local postgres [--port N]', help: 'The embedded Postgres alone' },
    async (args, out) => {
      const port = portIn(optionsOf(args, ['port']).port);
      const config = configFrom(env);
      const server = await startLocalPostgres({
        dataDir: path.join(path.resolve(config.DATA_DIR), 'postgres'),
        database: 'keysteward',
        ...(port ? { port } : {}),
      });
      out(`DATABASE_URL=${server.url}`);
      await terminal.untilStopped();
      await server.stop();
      return 0;
    },
  );
}

const queueHomeOf = (config: Config, databaseUrl: string): Settings['queueHome'] =>
  config.REDIS_URL ? { redisUrl: config.REDIS_URL } : { databaseUrl };

/** What the environment and the stand-ins together say. */
export function settingsOf(
  config: Config,
  standIns: Pick<StandIns, 'databaseUrl' | 'slack' | 'aws' | 'providers' | 'hrWebhookSecrets' | 'administrators'>,
  roles: Settings['roles'],
  log: Settings['log'],
): Settings {
  const slack = standIns.slack;
  if (!slack && !config.SLACK_BOT_TOKEN)
    throw new ConfigProblem([
      'SLACK_BOT_TOKEN: missing; `keysteward all` starts a local Slack, a single role does not',
    ]);
  const mode: Settings['slack']['mode'] = slack
    ? { kind: 'http', signingSecret: slack.signingSecret }
    : config.SLACK_SIGNING_SECRET
      ? { kind: 'http', signingSecret: config.SLACK_SIGNING_SECRET }
      : { kind: 'socket', appToken: config.SLACK_APP_TOKEN! };
  const apiUrl = slack?.apiUrl ?? config.SLACK_API_URL;
  const { SLACK_CLIENT_ID: id, SLACK_CLIENT_SECRET: secret } = config;
  const client = slack?.client ?? (id && secret ? { id, secret } : undefined);
  const loaded = loadPolicy(config.POLICY_FILE);
  const policy = { ...loaded, providers: { ...standIns.providers, ...loaded.providers } };
  const aws = (endpoint: string | undefined): Settings['aws'] => ({
    ...((standIns.aws?.region ?? config.AWS_REGION) ? { region: standIns.aws?.region ?? config.AWS_REGION! } : {}),
    ...(endpoint ? { endpoint } : {}),
    ...(standIns.aws ? { credentials: standIns.aws.credentials } : {}),
  });
  return {
    roles,
    databaseUrl: standIns.databaseUrl,
    queueHome: queueHomeOf(config, standIns.databaseUrl),
    slack: {
      botToken: slack?.botToken ?? config.SLACK_BOT_TOKEN!,
      mode,
      ...(apiUrl ? { apiUrl } : {}),
      ...(client ? { client } : {}),
    },
    aws: aws(standIns.aws?.endpoint ?? config.AWS_ENDPOINT_URL_SECRETS_MANAGER),
    // The local stand-in is both.
    cloudTrail:
      (policy.rotation.evidence.readsFrom ?? (standIns.aws ? 'cloudtrail' : 'none')) === 'cloudtrail'
        ? aws(standIns.aws?.endpoint ?? config.AWS_ENDPOINT_URL_CLOUDTRAIL)
        : null,
    hrWebhookSecrets: standIns.hrWebhookSecrets,
    pager: {
      url: config.PAGERDUTY_URL,
      ...(config.PAGERDUTY_ROUTING_KEY ? { routingKey: config.PAGERDUTY_ROUTING_KEY } : {}),
    },
    administrators: config.ADMIN_SLACK_USERS.length > 0 ? config.ADMIN_SLACK_USERS : standIns.administrators,
    policy,
    port: config.PORT,
    host: config.HOST,
    publicUrl: config.PUBLIC_URL ?? null,
    leaseMs: config.WORK_LEASE_MS,
    log,
  };
}

async function runRole(config: Config, role: 'bot' | 'worker', terminal: Terminal): Promise<void> {
  if (!config.DATABASE_URL)
    throw new ConfigProblem([`DATABASE_URL: missing; \`keysteward ${role}\` shares a database with the others`]);
  const log = openLog(config.LOG_LEVEL, 'json', (line) => terminal.out(line.trimEnd()));
  const settings = settingsOf(
    config,
    {
      databaseUrl: config.DATABASE_URL,
      slack: null,
      aws: null,
      providers: {},
      hrWebhookSecrets: config.HR_WEBHOOK_SECRETS,
      administrators: [],
    },
    { bot: role === 'bot', worker: role === 'worker' },
    log,
  );
  const program = await startProgram(settings);
  log('info', `${role} ready`, { port: program.port });
  await terminal.untilStopped();
  log('info', `${role} stopping`);
  await program.stop();
}

async function runAll(configured: Config, terminal: Terminal): Promise<void> {
  // The local Slack has to know the bot's port before the bot listens.
  const config = { ...configured, PORT: configured.PORT || (await freePort()) };
  const started = performance.now();
  const log = openLog(config.LOG_LEVEL, config.NODE_ENV === 'production' ? 'json' : 'lines', (line) =>
    terminal.out(line.trimEnd()),
  );
  const say = (line: string) => log('info', line);
  const botUrl = `http://127.0.0.1:${config.PORT}`;
  const standIns = await startStandIns(config, botUrl, say);
  let program: Program | undefined;
  try {
    const settings = settingsOf(config, standIns, { bot: true, worker: true }, log);
    say(`Queue            BullMQ on ${config.REDIS_URL ? 'Redis' : 'Postgres (REDIS_URL is not set)'}`);
    await migrate(settings);
    say('Database         up to date');
    program = await startProgram(settings);
    await standIns.seed(program.ports, settings.administrators);
    say(`Bot and worker   port ${program.port}, ready in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    for (const line of standIns.welcome) terminal.out(line);
    await terminal.untilStopped();
    terminal.out('');
    say('Stopping…');
  } finally {
    await program?.stop();
    await standIns.stop();
  }
  say('Stopped. Everything is kept for the next start.');
}
