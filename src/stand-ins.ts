import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Config } from './config.ts';
import { ConfigProblem } from './config.ts';
import { startLocalPostgres } from './local/postgres/server.ts';
import { startLocalProviders } from './local/providers/index.ts';
import { startLocalSecretsManager } from './local/secrets-manager/server.ts';
import { seedAdministrators, seedCompany, seedWorkspace } from './local/seed.ts';
import { appFromManifest, startLocalSlack } from './local/slack/server.ts';
import { type Policy, policySchema } from './policy.ts';
import type { Ports } from './ports.ts';

const manifestFile = fileURLToPath(new URL('../manifest.yml', import.meta.url));

/** Secrets that the stand-ins and the bot share; made once per data directory. */
interface LocalSecrets {
  botToken: string;
  appToken: string;
  signingSecret: string;
  hrWebhookSecret: string;
  clientId: string;
  clientSecret: string;
}

function localSecrets(dataDir: string): LocalSecrets {
  const file = path.join(dataDir, 'local-secrets.json');
  const random = (bytes: number) => randomBytes(bytes).toString('hex');
  const known = fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, 'utf8')) as Partial<LocalSecrets>) : {};
  const secrets: LocalSecrets = {
    botToken: `xoxb-local-${random(12)}`,
    appToken: `xapp-local-${random(12)}`,
    signingSecret: random(16),
    hrWebhookSecret: `whsec_${randomBytes(32).toString('base64')}`,
    clientId: '100000000000.200000000000',
    clientSecret: random(16),
    ...known,
  };
  // What an earlier edition has made lacks what came since.
  if (Object.keys(known).length < Object.keys(secrets).length)
    fs.writeFileSync(file, JSON.stringify(secrets, null, 2), { mode: 0o600 });
  return secrets;
}

export interface StandIns {
  databaseUrl: string;
  slack: {
    botToken: string;
    apiUrl: string;
    signingSecret: string;
    url: string;
    client: { id: string; secret: string };
  } | null;
  aws: { region: string; endpoint: string; credentials: { accessKeyId: string; secretAccessKey: string } } | null;
  /** For the policy, beside those that it has. */
  providers: Policy['providers'];
  hrWebhookSecrets: string[];
  /** Slack ids of those who administrate the local workspace; nobody where the real Slack is used. */
  administrators: string[];
  /** Fills an empty local workspace with a small company; does nothing where real services are used. */
  seed(ports: Ports, administrators: string[]): Promise<void>;
  /** What a newcomer reads last. */
  welcome: string[];
  stop(): Promise<void>;
}

/**
 * Starts a stand-in for every outside service that is not configured. `botUrl` is where the local Slack delivers to.
 * `say` hears a line for each.
 */
export async function startStandIns(config: Config, botUrl: string, say: (line: string) => void): Promise<StandIns> {
  const dataDir = path.resolve(config.DATA_DIR);
  const configured = config.AWS_REGION || config.AWS_ENDPOINT_URL_SECRETS_MANAGER;
  // Where everything is configured, nothing is kept on this machine: a container's disk may be read-only.
  if (!config.DATABASE_URL || !configured || !config.SLACK_BOT_TOKEN) {
    fs.mkdirSync(dataDir, { recursive: true, mode: 0o755 });
  }
  const secrets = config.SLACK_BOT_TOKEN ? null : localSecrets(dataDir);
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const each of stops.reverse()) await each();
  };
  try {
    let databaseUrl = config.DATABASE_URL;
    if (!databaseUrl) {
      const postgres = await startLocalPostgres({ dataDir: path.join(dataDir, 'postgres'), database: 'keysteward' });
      stops.push(() => postgres.stop());
      databaseUrl = postgres.url;
      say(`Postgres         embedded, port ${postgres.port} (DATABASE_URL is not set)`);
    }
    let aws: StandIns['aws'] = null;
    if (!configured) {
      const server = await startLocalSecretsManager({ dataDir: path.join(dataDir, 'secrets-manager') });
      stops.push(() => server.close());
      aws = { region: server.region, endpoint: server.url, credentials: server.credentials };
      say(`Secrets Manager  local stand-in, port ${server.port} (AWS_REGION is not set)`);
    }
    let slack: StandIns['slack'] = null;
    if (secrets) {
      const client = { id: secrets.clientId, secret: secrets.clientSecret };
      const server = await startLocalSlack({
        port: config.PORT + 1,
        workspace: seedWorkspace,
        app: appFromManifest(manifestFile, {
          botToken: secrets.botToken,
          appToken: secrets.appToken,
          signingSecret: secrets.signingSecret,
          requestUrl: `${botUrl}/slack/events`,
          client: { ...client, redirectUris: [signedInAt(config.PUBLIC_URL ?? botUrl)] },
        }),
        stateFile: path.join(dataDir, 'slack.json'),
      });
      stops.push(() => server.close());
      slack = {
        botToken: secrets.botToken,
        apiUrl: `${server.url}/api/`,
        signingSecret: secrets.signingSecret,
        url: server.url,
        client,
      };
      say(`Slack            local workspace, port ${server.port} (SLACK_BOT_TOKEN is not set)`);
    }
    // Real secrets are no business of a provider that stands in for another.
    const providers = slack && aws ? await startLocalProviders(dataDir) : null;
    if (providers) {
      stops.push(() => providers.close());
      const ports = Object.entries(providers.urls).map(([name, url]) => `${name} on port ${new URL(url).port}`);
      say(`Providers        local stand-ins, ${ports.join(', ')}`);
    }
    return {
      databaseUrl,
      providers: policySchema.parse({ providers: providers?.entries ?? {} }).providers,
      slack,
      aws,
      hrWebhookSecrets: secrets ? hrSecretsOf(config, secrets) : config.HR_WEBHOOK_SECRETS,
      administrators: slack ? seedAdministrators : [],
      seed: async (ports, administrators) => {
        if (slack && aws) await seedCompany(ports, administrators, providers);
      },
      welcome: slack
        ? [
            '',
            `  Open ${slack.url}`,
            '',
            '  Three things to try:',
            '    1. Choose Dana, a developer. Type /keys request openai staging in any channel.',
            '    2. At the top left become Olivia, who owns the key. Approve it in the messages of Keysteward.',
            '    3. As Olivia, type /keys rotate openai staging and watch each step.',
            '',
            '  Ctrl-C stops; everything is kept for the next start.',
          ]
        : [],
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const hrSecretsOf = (config: Config, secrets: LocalSecrets) =>
  config.HR_WEBHOOK_SECRETS.length > 0 ? config.HR_WEBHOOK_SECRETS : [secrets.hrWebhookSecret];

/** Where people come back to from Sign in with Slack. */
const signedInAt = (address: string) => `${address}/hand-in/signed-in`;

/** The secrets that a command beside a running program signs with. */
export function hrSecretsForCommands(config: Config): string[] {
  if (config.HR_WEBHOOK_SECRETS.length > 0) return config.HR_WEBHOOK_SECRETS;
  const dataDir = path.resolve(config.DATA_DIR);
  if (!fs.existsSync(path.join(dataDir, 'local-secrets.json'))) {
    throw new ConfigProblem(['HR_WEBHOOK_SECRETS: missing, and there is no local instance in DATA_DIR either']);
  }
  return hrSecretsOf(config, localSecrets(dataDir));
}

/** The configured database, or the embedded one, started when it does not run. */
export async function standInDatabase(config: Config): Promise<{ url: string; stop(): Promise<void> }> {
  if (config.DATABASE_URL) return { url: config.DATABASE_URL, stop: async () => {} };
  return startLocalPostgres({ dataDir: path.join(path.resolve(config.DATA_DIR), 'postgres'), database: 'keysteward' });
}

/** The local Slack by itself. `requestUrl` is where it delivers to; without one, an app connects by Socket Mode. */
export async function startLocalSlackAlone(
  config: Config,
  port: number,
  requestUrl: string | null,
): Promise<{ lines: string[]; stop(): Promise<void> }> {
  const dataDir = path.resolve(config.DATA_DIR);
  fs.mkdirSync(dataDir, { recursive: true });
  const secrets = localSecrets(dataDir);
  const { botToken, appToken, signingSecret, clientId, clientSecret } = secrets;
  const publicUrl = config.PUBLIC_URL ?? `http://127.0.0.1:${config.PORT}`;
  const server = await startLocalSlack({
    port,
    workspace: seedWorkspace,
    app: appFromManifest(manifestFile, {
      botToken,
      appToken,
      signingSecret,
      client: { id: clientId, secret: clientSecret, redirectUris: [signedInAt(publicUrl)] },
      ...(requestUrl ? { requestUrl } : {}),
    }),
  });
  return {
    lines: [
      `Page: ${server.url}`,
      `SLACK_API_URL=${server.url}/api/`,
      `SLACK_BOT_TOKEN=${botToken}`,
      `SLACK_APP_TOKEN=${appToken}`,
      `SLACK_SIGNING_SECRET=${signingSecret}`,
      `SLACK_CLIENT_ID=${clientId}`,
      `SLACK_CLIENT_SECRET=${clientSecret}`,
    ],
    stop: () => server.close(),
  };
}
