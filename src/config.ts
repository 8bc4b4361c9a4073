import { z } from 'zod';

/**
 * Every variable of the environment that the program reads. `.env.example` documents them, and a test compares the two.
 * The AWS SDK reads its own beside these.
 */
const optional = z
  .string()
  .optional()
  .transform((value) => (value?.trim() ? value.trim() : undefined));
const url = (schemes: string[], expected: string) =>
  optional.refine((value) => {
    if (value === undefined) return true;
    try {
      return schemes.includes(new URL(value).protocol);
    } catch {
      return false;
    }
  }, `expected ${expected}`);
const startsWith = (prefix: string, what: string) =>
  optional.refine(
    (value) => value === undefined || value.startsWith(prefix),
    `expected ${what}, which starts with ${prefix}`,
  );

const whole = (min: number, max: number, fallback: number) =>
  optional.transform((value, context) => {
    const found = value === undefined ? fallback : Number(value);
    if (Number.isInteger(found) && found >= min && found <= max) return found;
    context.addIssue({ code: 'custom', message: `expected a whole number from ${min} to ${max}` });
    return z.NEVER;
  });

/** Where the company's rules are unless something else is said. */
export const usualPolicyFile = 'policy.yml';

export const variables = {
  NODE_ENV: optional,
  DATABASE_URL: url(['postgres:', 'postgresql:'], 'an address such as postgres://user:password@host:5432/keysteward'),
  REDIS_URL: url(['redis:', 'rediss:'], 'an address such as redis://host:6379'),
  SLACK_BOT_TOKEN: startsWith('xoxb-', "the bot user's OAuth token"),
  SLACK_SIGNING_SECRET: optional,
  SLACK_APP_TOKEN: startsWith('xapp-', 'an app-level token'),
  SLACK_CLIENT_ID: optional.refine(
    (value) => value === undefined || /^\d+\.\d+$/.test(value),
    'expected the Client ID of the app, two numbers with a point between them',
  ),
  SLACK_CLIENT_SECRET: optional,
  SLACK_API_URL: url(['http:', 'https:'], 'an address such as https://slack.com/api/'),
  AWS_REGION: optional,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: url(
    ['http:', 'https:'],
    'an address such as https://secretsmanager.eu-central-1.amazonaws.com',
  ),
  AWS_ENDPOINT_URL_CLOUDTRAIL: url(
    ['http:', 'https:'],
    'an address such as https://cloudtrail.eu-central-1.amazonaws.com',
  ),
  PORT: whole(0, 65_535, 3000),
  HOST: optional.default('127.0.0.1'),
  PUBLIC_URL: url(['http:', 'https:'], 'an address such as https://keysteward.example.com').transform((value) =>
    value?.replace(/\/+$/, ''),
  ),
  DATA_DIR: optional.default('.keysteward'),
  POLICY_FILE: optional.default(usualPolicyFile),
  ADMIN_SLACK_USERS: optional
    .transform((value) => (value ? value.split(/[\s,]+/).filter(Boolean) : []))
    .refine(
      (ids) => ids.every((id) => /^[UW][A-Z0-9]+$/.test(id)),
      'expected Slack user ids such as U012AB3CD, separated by commas',
    ),
  HR_WEBHOOK_SECRETS: optional
    .transform((value) => (value ? value.split(/[\s,]+/).filter(Boolean) : []))
    .refine(
      (list) => list.every((each) => /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(each)),
      'expected secrets that start with whsec_, newest first, separated by commas',
    ),
  PAGERDUTY_ROUTING_KEY: optional,
  PAGERDUTY_URL: url(['http:', 'https:'], 'an address').default('https://events.pagerduty.com'),
  WORK_LEASE_MS: whole(500, 600_000, 60_000),
  LOG_LEVEL: optional.pipe(z.enum(['debug', 'info', 'warn', 'error']).optional()).default('info'),
} as const;

const schema = z.object(variables);
export type Config = z.infer<typeof schema>;

/** What may not be missing in production, and why. */
const requiredInProduction: Partial<Record<keyof Config, string>> = {
  DATABASE_URL: 'the inventory and the audit log live there; the embedded Postgres is for laptops',
  SLACK_BOT_TOKEN: 'the local Slack is for laptops',
  AWS_REGION: 'the secrets live in AWS Secrets Manager; the local stand-in is for laptops',
};
const secretVariables = new Set<string>([
  'DATABASE_URL',
  'REDIS_URL',
  'SLACK_BOT_TOKEN',
  'SLACK_SIGNING_SECRET',
  'SLACK_APP_TOKEN',
  'SLACK_CLIENT_SECRET',
  'HR_WEBHOOK_SECRETS',
  'PAGERDUTY_ROUTING_KEY',
]);

/** A configuration that the program will not start with; each line names a variable, what was found and what is expected. */
export class ConfigProblem extends Error {
  constructor(lines: string[]) {
    super(`Keysteward does not start with this configuration:\n${lines.map((line) => `  ${line}`).join('\n')}`);
    this.name = 'ConfigProblem';
  }
}

/** @throws ConfigProblem */
export function configFrom(env: Record<string, string | undefined>): Config {
  const parsed = schema.safeParse(env);
  if (!parsed.success) {
    throw new ConfigProblem(
      parsed.error.issues.map((issue) => {
        const name = String(issue.path[0]);
        const found = secretVariables.has(name) ? 'a value that does not fit' : JSON.stringify(env[name]);
        return `${name}: found ${found}, ${issue.message}`;
      }),
    );
  }
  const config = parsed.data;
  const lines: string[] = [];
  if (config.NODE_ENV === 'production') {
    for (const [name, why] of Object.entries(requiredInProduction)) {
      if (!config[name as keyof Config]) lines.push(`${name}: missing; ${why}`);
    }
  }
  if (config.SLACK_BOT_TOKEN && !config.SLACK_SIGNING_SECRET && !config.SLACK_APP_TOKEN) {
    lines.push(
      'SLACK_SIGNING_SECRET or SLACK_APP_TOKEN: one is needed beside SLACK_BOT_TOKEN, for HTTP mode or for Socket Mode',
    );
  }
  if (Boolean(config.SLACK_CLIENT_ID) !== Boolean(config.SLACK_CLIENT_SECRET)) {
    lines.push('SLACK_CLIENT_ID and SLACK_CLIENT_SECRET: for Sign in with Slack both are needed, and one is missing');
  }
  if (config.NODE_ENV === 'production' && config.PUBLIC_URL?.startsWith('http:')) {
    lines.push('PUBLIC_URL: found an http: address, expected https: new values of keys are handed in there');
  }
  if (!config.SLACK_BOT_TOKEN && (config.SLACK_SIGNING_SECRET || config.SLACK_APP_TOKEN))
    lines.push('SLACK_BOT_TOKEN: missing, although another Slack variable is set');
  if (lines.length > 0) throw new ConfigProblem(lines);
  return config;
}
