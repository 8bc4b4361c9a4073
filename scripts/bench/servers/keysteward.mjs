process.on('SIGTERM', () => process.exit(0));

// The program itself, role bot, told everything by its parent.
import { startProgram } from '../../../dist/app.js';
import { defaultPolicy } from '../../../dist/policy.js';
import { benchUser, signingSecret } from '../load.mjs';

const { databaseUrl, redisUrl, apiUrl } = JSON.parse(process.env.BENCH_SETTINGS);
const program = await startProgram({
  roles: { bot: true, worker: false },
  databaseUrl,
  queueHome: redisUrl ? { redisUrl } : { databaseUrl },
  slack: { botToken: 'xoxb-bench', apiUrl, mode: { kind: 'http', signingSecret } },
  aws: {
    region: 'eu-central-1',
    endpoint: 'http://127.0.0.1:9',
    credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' },
  },
  hrWebhookSecrets: [],
  pager: { url: 'http://127.0.0.1:9' },
  administrators: [benchUser],
  policy: defaultPolicy,
  port: 0,
  host: '127.0.0.1',
  leaseMs: 60_000,
  log: (level, message) => {
    if (level === 'error') process.stderr.write(`${message}\n`);
  },
});
process.send({ port: program.port });
