import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { SecretsManager } from '@aws-sdk/client-secrets-manager';
import { postgresStore } from '../../dist/adapters/postgres/store.js';
import { issuers } from '../../dist/adapters/providers/index.js';
import { secretsManager } from '../../dist/adapters/secrets-manager.js';
import { policySchema } from '../../dist/policy.js';

process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

/** Runs something for each, so many at a time. */
export async function forEach(items, atOnce, run) {
  const left = [...items];
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await run(item);
    }),
  );
}

/**
 * A company with these keys: their secrets in Secrets Manager, their rows in the inventory, their providers in the policy.
 * Answers what the program's verbs need, and what one of its processes is started with.
 */
export async function moveIn(stage, { world, support, databaseUrl, keys, rotation, folder, callsPerMinute }) {
  const { aws } = world;
  const sdk = new SecretsManager({ region: aws.region, endpoint: aws.url, credentials: aws.credentials });
  stage.leave(() => sdk.destroy());
  const providers = Object.fromEntries(
    Object.entries(world.providers).map(([name, { settings }]) => [name, { ...settings, callsPerMinute }]),
  );
  const policy = { rotation, providers };
  // JSON is YAML.
  fs.writeFileSync(path.join(folder, 'policy.yml'), JSON.stringify(policy));
  const store = postgresStore(databaseUrl, { max: 8 });
  stage.leave(() => store.close().catch(() => {}));
  const secrets = secretsManager({ region: aws.region, endpoint: aws.url, credentials: aws.credentials });
  stage.leave(() => secrets.close());
  const parsed = policySchema.parse(policy);
  const ports = { store, policy: parsed, secrets, issuers: issuers(secrets, parsed.providers) };

  await forEach(Object.values(world.providers), 8, ({ credential, stored }) =>
    sdk.createSecret({ Name: credential, SecretString: stored }),
  );
  const people = world.people.map((each) =>
    support.aPerson({
      ...each,
      tier: world.slack.administrators.includes(each.slackId) ? 'administrator' : 'developer',
    }),
  );
  const owners = people.filter((each) => each.tier === 'developer');
  const made = [];
  await forEach(keys, 8, async ({ number, shape, provider }) => {
    const first = world.made[number] ?? { id: null, value: `old-value-${randomUUID()}` };
    const owner = owners[number % owners.length];
    const key = support.aKey(owner, {
      service: shape,
      purpose: `Chaos ${number}`,
      issuer: provider,
      secretId: `keysteward/chaos-${number}`,
      // Every other one was not made by us, so that its name has to be found first.
      providerKeyId: number % 2 ? first.id : null,
    });
    const { VersionId } = await sdk.createSecret({ Name: key.secretId, SecretString: first.value });
    made.push({ number, shape, provider, first, owner, key: { ...key, currentVersion: VersionId } });
  });
  made.sort((one, other) => one.number - other.number);
  await support.given(store, { people, keys: made.map((each) => each.key) });
  const env = {
    SLACK_API_URL: world.slack.apiUrl,
    SLACK_BOT_TOKEN: world.slack.botToken,
    SLACK_SIGNING_SECRET: world.slack.signingSecret,
    ADMIN_SLACK_USERS: world.slack.administrators.join(','),
    AWS_REGION: aws.region,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
    AWS_ACCESS_KEY_ID: aws.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: aws.credentials.secretAccessKey,
    POLICY_FILE: path.join(folder, 'policy.yml'),
    DATA_DIR: folder,
    PORT: '0',
    LOG_LEVEL: 'info',
  };
  return { ports, store, sdk, env, keys: made };
}
