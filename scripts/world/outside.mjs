// Everything outside of Keysteward, in a process that nobody kills: Secrets Manager, Slack and the providers. Its parent
// talks to it over the channel that Node gives a forked process.
import { fileURLToPath } from 'node:url';
import { startLocalSecretsManager } from '../../dist/local/secrets-manager/server.js';
import { seedAdministrators, seedWorkspace } from '../../dist/local/seed.js';
import { appFromManifest, startLocalSlack } from '../../dist/local/slack/server.js';
import { openBucket } from './bucket.mjs';
import { chanceFrom } from './chance.mjs';
import { testSupport } from './support.mjs';

const { chance: unique, fittings, newAwsPair, startFake, twoSlots } = await testSupport();
const fittingOf = (shape) => (shape === 'azure' ? twoSlots : fittings.find((each) => each.name === shape));
const slackApp = { botToken: 'xoxb-outside', appToken: 'xapp-outside', signingSecret: 'outside-signing-secret' };

let aws;
let bucketOfAws = null;
let slack;
let calming = () => {};
const providers = new Map();
const struck = {};
const count = (what) => {
  struck[what] = (struck[what] ?? 0) + 1;
};

/** Values that the provider knows before anybody rotates: those of our keys and of others. */
function fill(world, { shape, keys, others }) {
  world.pageSize = 100;
  const made = {};
  for (const number of keys) {
    if (shape === 'aws') {
      const { id, value } = newAwsPair();
      world.make('', value, { id });
      made[number] = { id, value };
      continue;
    }
    const value = shape === 'openai' ? `sk-svcacct-${unique()}` : unique();
    const id = { azure: 'Key1', 'gitlab-rotates': '7' }[shape] ?? `key_old_${number}`;
    if (shape === 'sendgrid') made[number] = { id, value: `SG.${id}.${value}` };
    else made[number] = { id, value };
    world.make(shape === 'azure' ? 'Key1' : 'made by hand', made[number].value, { id, lag: 0 });
  }
  if (shape === 'azure') world.make('Key2', unique(), { id: 'Key2', lag: 0 });
  for (let i = 1; i <= others; i++) world.make(`other ${i}`, unique(), { id: `other_${i}`, lag: 0 });
  return made;
}

/** What the outside world does now and then: an answer is lost, it is overloaded, it is asked too often, it lags. */
function troubleAt(world, shape, kind, chance) {
  if (kind === 'create' && chance.next() < 0.02) world.hidden = 1;
  if (chance.next() > 0.04) return;
  const what = chance.weighed({ lose: 4, overloaded: 3, 'asked too often': 1 });
  count(`${what} at a provider`);
  if (what === 'lose') world.faults.push({ on: kind, lose: true });
  else if (what === 'overloaded') world.faults.push({ on: kind, reply: { status: 503 } });
  else if (shape === 'aws') world.faults.push({ on: kind, reply: { status: 503, body: '' } });
  else world.faults.push({ on: kind, reply: { status: 429, headers: { 'retry-after': '1' } } });
}

function troubleAtOthers(chance) {
  // On a slow machine there are few calls, and not every one of them may go wrong.
  if (aws.control.faultsLeft().length > 0) return;
  const write = chance.of(['PutSecretValue', 'UpdateSecretVersionStage']);
  const fault = {
    lose: { kind: 'lose-response', operation: write },
    throttle: { kind: 'throttle' },
    error: { kind: 'error', name: 'InternalServiceError' },
    delay: { kind: 'delay', delayMs: Math.round(chance.between(50, 1_500)) },
    stale: { kind: 'stale-read' },
  };
  const what = chance.weighed({ lose: 3, throttle: 2, error: 2, delay: 2, stale: 2 });
  count(`${what} at Secrets Manager`);
  aws.control.inject(fault[what]);
  if (chance.next() > 0.3) return;
  const said = chance.weighed({ lose: 2, limit: 1, broken: 1 });
  const method = chance.of(['chat.postMessage', 'chat.update']);
  count(`${said} at Slack`);
  slack.control.fail({
    method,
    ...{ lose: { loseResponse: true }, limit: { status: 429, retryAfter: 1 }, broken: { status: 500 } }[said],
  });
}

const does = {
  async start({ groups, trouble, limits }) {
    aws = await startLocalSecretsManager();
    if (limits?.secretsManager) {
      bucketOfAws = openBucket(limits.secretsManager);
      aws.control.limit(bucketOfAws.take);
    }
    slack = await startLocalSlack({
      workspace: seedWorkspace,
      app: appFromManifest(fileURLToPath(new URL('../../manifest.yml', import.meta.url)), slackApp),
    });
    const chance = trouble ? chanceFrom(trouble.seed) : null;
    const made = {};
    for (const group of groups) {
      const fitting = fittingOf(group.shape);
      const dialect = fitting.dialect();
      const its = limits?.provider ? openBucket(limits.provider) : null;
      let world;
      const fake = await startFake({
        ...dialect,
        kindOf(asked) {
          const kind = dialect.kindOf(asked);
          if (chance && does.troubled) troubleAt(world, group.shape, kind, chance);
          if (its && !its.take(kind)) world.faults.unshift({ on: kind, reply: its.refusal(group.shape) });
          return kind;
        },
      });
      world = fake.world;
      if (group.shape === 'sendgrid') world.limit = 100;
      Object.assign(made, fill(world, group));
      if (chance) world.lag = { made: group.shape === 'azure' ? 0 : 1, ended: 1 };
      const credential = `keysteward/credential-${group.name}`;
      const stored = fitting.stored?.(world.admin) ?? world.admin;
      providers.set(group.name, { fake, its, credential, stored, settings: fitting.settings(fake.url, credential) });
    }
    does.troubled = Boolean(chance);
    if (chance) {
      const round = setInterval(() => troubleAtOthers(chance), 250);
      calming = () => {
        clearInterval(round);
        does.troubled = false;
        aws.control.clearFaults();
        slack.control.clearFaults();
        for (const { fake } of providers.values()) Object.assign(fake.world, { faults: [], hidden: 0 });
      };
    }
    return {
      made,
      aws: { url: aws.url, region: aws.region, credentials: aws.credentials },
      slack: { apiUrl: `${slack.url}/api/`, ...slackApp, administrators: seedAdministrators },
      people: seedWorkspace.users.map(({ id, realName }) => ({ slackId: id, name: realName })),
      providers: Object.fromEntries(
        [...providers].map(([name, { credential, stored, settings }]) => [name, { credential, stored, settings }]),
      ),
    };
  },
  calm: () => calming(),
  /** Every provider as its own database has it, every message as somebody sees it, and what was done to whom. */
  report() {
    const messages = new Map();
    for (const { id } of seedWorkspace.users) {
      for (const channel of slack.control.state(id).channels)
        for (const { ts, text, blocks } of slack.control.messages(id, channel.id))
          messages.set(`${channel.id} ${ts}`, { channel: channel.id, ts, text, blocks: JSON.stringify(blocks) });
    }
    return {
      providers: Object.fromEntries(
        [...providers].map(([name, { fake }]) => [
          name,
          { keys: fake.world.keys.map(({ id, name: its, value, ended }) => ({ id, name: its, value, ended })) },
        ]),
      ),
      messages: [...messages.values()],
      struck,
      limits: limitsSeen(),
    };
  },
};

function limitsSeen() {
  const all = [...providers.values()].flatMap(({ its }) => (its ? [its.seen()] : []));
  return { secretsManager: bucketOfAws?.seen() ?? null, providers: all };
}

process.on('message', async ({ id, what, args }) => {
  try {
    process.send({ id, result: await does[what](args) });
  } catch (error) {
    process.send({ id, error: error.stack });
  }
});
process.on('disconnect', () => process.exit());
