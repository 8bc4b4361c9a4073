import { createHash } from 'node:crypto';
import { type AccessRequest, type Ask, decided, granted, opened } from '../access/model.ts';
import { type ApiKey, type ApiKeyFacts, computedRisk, nameOf, nextRotation, type Recipe } from '../inventory/model.ts';
import { type Actor, after, day, hour, type Id, type Instant, Refusal, Secret } from '../kernel.ts';
import type { Person, Tier } from '../people/model.ts';
import type { Ports, Tx } from '../ports.ts';
import type { LocalProviders } from './providers/index.ts';
import type { WorkspaceSeed } from './slack/workspace.ts';

interface Employee {
  slackId: string;
  name: string;
  realName: string;
  title: string;
  tz: string;
  tier: Tier;
  /** Has an IAM role of their own, so that what they are granted really opens. */
  principal?: boolean;
}

/** The page opens as the first of them. */
const staff: Employee[] = [
  person('U0DANA', 'Dana Keller', 'Backend developer', 'Europe/Berlin', 'developer', true),
  person('U0OLIVIA', 'Olivia Brandt', 'Lead, customer platform', 'Europe/Berlin', 'developer', true),
  person('U0ADA', 'Ada Moreau', 'Head of platform', 'Europe/Paris', 'administrator', true),
  person('U0SAM', 'Sam Okafor', 'Security engineer', 'Europe/London', 'administrator', true),
  person('U0PRIYA', 'Priya Raman', 'Site reliability engineer', 'Asia/Kolkata', 'developer', true),
  person('U0MARCUS', 'Marcus Lindqvist', 'Lead, payments', 'Europe/Stockholm', 'developer'),
  person('U0BEN', 'Ben Castillo', 'Backend developer', 'America/New_York', 'developer', true),
  person('U0NORA', 'Nora Fitzgerald', 'Data analyst', 'Europe/Dublin', 'developer'),
  person('U0KIM', 'Kim Tran', 'Contractor, robot firmware', 'Asia/Ho_Chi_Minh', 'contractor', true),
];

function person(slackId: string, realName: string, title: string, tz: string, tier: Tier, principal = false): Employee {
  return { slackId, name: realName.split(' ')[0]!.toLowerCase(), realName, title, tz, tier, principal };
}

/** The bot's own user in the local Slack. */
const bot = 'U0LOCALAPP';
const everybody = [...staff.map((each) => each.slackId), bot];
const employees = everybody.filter((each) => each !== 'U0KIM');

/** A small robot maker in the local Slack. */
export const seedWorkspace: WorkspaceSeed = {
  team: { id: 'T0LARKFIELD', name: 'Larkfield Robotics', domain: 'larkfield' },
  users: staff.map(({ slackId, name, realName, title, tz, tier }) => ({
    id: slackId,
    name,
    realName,
    title,
    tz,
    email: `${name}@larkfield.example`,
    isGuest: tier === 'contractor',
  })),
  channels: [
    { id: 'C0GENERAL', name: 'general', topic: 'Company-wide news', members: everybody },
    { id: 'C0PLATFORM', name: 'platform', topic: 'What the products run on', members: employees },
    { id: 'C0INCIDENTS', name: 'incidents', topic: 'Something is wrong right now', members: employees },
    {
      id: 'C0SECURITY',
      name: 'security',
      topic: 'Keys, findings, people who leave',
      private: true,
      members: ['U0ADA', 'U0SAM', bot],
    },
  ],
  groups: [
    {
      id: 'S0PAYMENTS',
      name: 'Payments',
      handle: 'payments',
      description: 'Everything that has to do with money',
      members: ['U0MARCUS', 'U0OLIVIA', 'U0BEN'],
    },
    {
      id: 'S0PLATFORM',
      name: 'Platform',
      handle: 'platform-team',
      description: 'What the products run on',
      members: ['U0ADA', 'U0PRIYA', 'U0DANA', 'U0BEN'],
    },
  ],
};

/** Who is an administrator of the local company from the first start. */
export const seedAdministrators: string[] = staff
  .filter((each) => each.tier === 'administrator')
  .map((each) => each.slackId);

interface SeedKey extends Pick<ApiKeyFacts, 'service' | 'environment' | 'purpose' | 'scope' | 'flags'> {
  owner: string;
  /** Name in Secrets Manager, or where it is kept instead. */
  secret: string | { storage: ApiKeyFacts['storage']; lastFour: string };
  /** Who makes its new values; a person where nothing is said, or where no such provider runs on this machine. */
  issuer?: 'self-made' | 'openai' | 'anthropic';
  madeDaysAgo: number;
  /** Null: never. */
  rotatedDaysAgo: number | null;
  expiresInDays?: number;
  tags: string[];
}

const recipe: Recipe = { length: 40, exclude: '', punctuation: false };

const inventory: SeedKey[] = [
  {
    service: 'OpenAI',
    environment: 'production',
    purpose: 'Support assistant',
    owner: 'U0OLIVIA',
    secret: 'larkfield/production/openai/support-assistant',
    issuer: 'openai',
    scope: 'Responses and embeddings in the project support-prod; 200 USD a day',
    flags: ['customerData'],
    madeDaysAgo: 210,
    rotatedDaysAgo: 24,
    tags: ['ai', 'support'],
  },
  {
    service: 'OpenAI',
    environment: 'staging',
    purpose: 'Support assistant',
    owner: 'U0OLIVIA',
    secret: 'larkfield/staging/openai/support-assistant',
    issuer: 'openai',
    scope: 'Responses and embeddings in the project support-staging; 10 USD a day',
    flags: [],
    madeDaysAgo: 210,
    rotatedDaysAgo: 51,
    tags: ['ai', 'support'],
  },
  {
    service: 'Anthropic',
    environment: 'development',
    purpose: 'Code review bot',
    owner: 'U0DANA',
    secret: 'larkfield/development/anthropic/code-review',
    issuer: 'anthropic',
    scope: 'Messages in the workspace engineering; 5 USD a day',
    flags: [],
    madeDaysAgo: 75,
    rotatedDaysAgo: null,
    tags: ['ai', 'tooling'],
  },
  {
    service: 'Stripe',
    environment: 'production',
    purpose: 'Card payments',
    owner: 'U0MARCUS',
    secret: 'larkfield/production/stripe/card-payments',
    scope: 'Restricted key: charges and refunds, read and write',
    flags: ['customerData', 'writes', 'regulated'],
    madeDaysAgo: 400,
    rotatedDaysAgo: 41,
    tags: ['payments'],
  },
  {
    service: 'GitHub',
    environment: 'production',
    purpose: 'Release automation',
    owner: 'U0PRIYA',
    secret: { storage: 'password-manager', lastFour: 'k7Qd' },
    scope: 'Fine-grained token: contents and releases of 14 repositories, write',
    flags: ['writes', 'shared'],
    madeDaysAgo: 160,
    rotatedDaysAgo: 18,
    expiresInDays: 40,
    tags: ['ci'],
  },
  {
    service: 'Datadog',
    environment: 'production',
    purpose: 'Service metrics',
    owner: 'U0PRIYA',
    secret: 'larkfield/production/datadog/service-metrics',
    scope: 'Read metrics and monitors',
    flags: [],
    madeDaysAgo: 300,
    rotatedDaysAgo: 80,
    tags: ['observability'],
  },
  {
    service: 'SendGrid',
    environment: 'production',
    purpose: 'Receipts and password resets',
    owner: 'U0OLIVIA',
    secret: { storage: 'environment-file', lastFour: 'x0Zr' },
    scope: 'Mail send only',
    flags: ['writes', 'inChat'],
    madeDaysAgo: 500,
    rotatedDaysAgo: 27,
    tags: ['mail'],
  },
  {
    service: 'Order webhooks',
    environment: 'production',
    purpose: 'Signing secret',
    owner: 'U0OLIVIA',
    secret: 'larkfield/production/order-webhooks/signing-secret',
    issuer: 'self-made',
    scope: 'Signs order events for the shop and the warehouse',
    flags: ['writes'],
    madeDaysAgo: 260,
    rotatedDaysAgo: 28,
    tags: ['internal', 'webhooks'],
  },
  {
    service: 'Order webhooks',
    environment: 'staging',
    purpose: 'Signing secret',
    owner: 'U0OLIVIA',
    secret: 'larkfield/staging/order-webhooks/signing-secret',
    issuer: 'self-made',
    scope: 'Signs order events of the staging shop',
    flags: [],
    madeDaysAgo: 260,
    rotatedDaysAgo: 33,
    tags: ['internal', 'webhooks'],
  },
  {
    service: 'Telemetry gateway',
    environment: 'sandbox',
    purpose: 'Robot enrolment',
    owner: 'U0PRIYA',
    secret: 'larkfield/sandbox/telemetry-gateway/robot-enrolment',
    issuer: 'self-made',
    scope: 'Enrols test robots; reaches nothing else',
    flags: [],
    madeDaysAgo: 120,
    rotatedDaysAgo: 60,
    tags: ['internal', 'firmware'],
  },
  // One service with several keys, so that `/keys rotate-all` has something to do.
  ...(['Updates', 'Logs', 'Map', 'Charging stations', 'Simulator', 'Diagnostics'] as const).map(
    (purpose, i): SeedKey => ({
      service: 'Robot fleet',
      environment: i < 3 ? 'staging' : 'development',
      purpose,
      owner: i % 2 ? 'U0DANA' : 'U0PRIYA',
      secret: `larkfield/${i < 3 ? 'staging' : 'development'}/robot-fleet/${purpose.toLowerCase().replace(' ', '-')}`,
      issuer: 'self-made',
      scope: 'Talks to test robots; reaches nothing else',
      flags: [],
      madeDaysAgo: 100,
      rotatedDaysAgo: 20 + i,
      tags: ['internal', 'firmware'],
    }),
  ),
];

interface SeedRequest {
  asker: string;
  /** Secret of the key that is asked for. */
  secret: string;
  ask: Pick<Ask, 'use' | 'hours' | 'reason' | 'ticket'>;
  /** Null: still waiting. */
  approver: string | null;
}

const requests: SeedRequest[] = [
  {
    asker: 'U0BEN',
    secret: 'larkfield/staging/order-webhooks/signing-secret',
    ask: {
      use: 'Replaying last week’s orders against the new shop',
      hours: 72,
      reason: 'The replay has to sign its events like the shop does',
      ticket: 'SHOP-418',
    },
    approver: 'U0OLIVIA',
  },
  {
    asker: 'U0KIM',
    secret: 'larkfield/sandbox/telemetry-gateway/robot-enrolment',
    ask: {
      use: 'Enrolling the three prototypes on my bench',
      hours: 168,
      reason: 'Firmware 4.2 changes enrolment and needs a test with real robots',
      ticket: 'FW-97',
    },
    approver: 'U0PRIYA',
  },
  {
    asker: 'U0KIM',
    secret: 'larkfield/development/anthropic/code-review',
    ask: {
      use: 'Trying the review bot on the firmware repository',
      hours: 24,
      reason: 'We want to know whether it understands our C before we pay for it',
      ticket: undefined,
    },
    approver: null,
  },
];

const actor: Actor = { kind: 'operator', id: 'seed' };

/**
 * Fills an empty inventory with a small company: its people, sixteen keys, two grants that are open and a request that
 * waits. Those of OpenAI and Anthropic live at the providers on this machine, where those run. May be killed anywhere: the
 * next start goes on, and a start with keys in the inventory changes nothing.
 */
export async function seedCompany(
  ports: Ports,
  administrators: string[],
  providers: LocalProviders | null = null,
): Promise<void> {
  for (const { secretId, value } of providers?.credentials ?? [])
    await storeSecret(ports, secretId, 'What Keysteward works with', async () => new Secret(value));
  const inhabited = await ports.store.read(async (view) => {
    const [active, retired] = [await view.keys.count({}), await view.keys.count({ status: 'retired' })];
    return active + retired > 0;
  });
  if (inhabited) return;
  await settlePeople(ports, administrators);
  const stored = new Map<string, Stored>();
  const isConnected = (issuer: string) => providers?.isLocal(issuer, ports.policy.providers) ?? false;
  for (const { secret, purpose, issuer } of inventory) {
    if (typeof secret !== 'string') continue;
    const make = async () =>
      providers && issuer && isConnected(issuer)
        ? new Secret(providers.makeKey(issuer, purpose))
        : ports.secrets.random(recipe);
    stored.set(secret, await storeSecret(ports, secret, purpose, make));
  }
  await fillInventory(ports, stored, isConnected);
}

/** People may have been met already, by a click or by the sync; then they get what the seed knows of them. */
async function settlePeople(ports: Ports, administrators: string[], tries = 3): Promise<void> {
  const settle = async (tx: Tx) => {
    for (const each of staff) {
      const known = await tx.people.bySlackId(each.slackId);
      const tier = administrators.includes(each.slackId) ? 'administrator' : each.tier;
      const entry: Person = {
        id: tx.newId('person'),
        slackId: each.slackId,
        name: each.realName,
        timeZone: each.tz,
        status: 'active',
        joinedAt: tx.now,
        leftAt: null,
        ...known,
        hrId: known?.hrId ?? `HR-${each.slackId.slice(2)}`,
        tier,
        iamPrincipal: each.principal ? `arn:aws:iam::123456789012:role/people/${each.name}` : null,
      };
      await tx.people.save(entry);
      const { slackId, status } = entry;
      tx.record(known ? 'people.change' : 'people.join', entry.id, { tier, status, slackId });
    }
    tx.note({ people: staff.length });
  };
  try {
    await ports.store.change({ actor, action: 'people.seed', subject: 'company' }, settle);
  } catch (error) {
    // Somebody was met in the same moment.
    if (!(error instanceof Refusal) || tries === 1) throw error;
    await settlePeople(ports, administrators, tries - 1);
  }
}

interface Stored {
  versionId: string;
  lastFour: string | null;
}

async function storeSecret(
  { secrets }: Ports,
  secretId: string,
  purpose: string,
  make: () => Promise<Secret>,
): Promise<Stored> {
  const current = () => secrets.read(secretId, { stage: 'AWSCURRENT' });
  const found = await current();
  if (found) return found;
  const token = createHash('sha256').update(`seed/v1:${secretId}`).digest('hex');
  await secrets
    .create(secretId, token, await make(), `${purpose} (sample)`)
    // Somebody stored it in the same moment, with a value of their own.
    .catch((error: unknown) => {
      if (!(error instanceof Refusal)) throw error;
    });
  const made = await current();
  if (!made) throw new Error(`Secrets Manager does not show ${secretId} yet`);
  return made;
}

function fillInventory(
  ports: Ports,
  stored: Map<string, Stored>,
  isConnected: (issuer: string) => boolean,
): Promise<void> {
  return ports.store.change({ actor, action: 'inventory.seed', subject: 'company' }, async (tx) => {
    const people = new Map<string, Person>();
    // Reading locks them: two programs that start at once fill one inventory once.
    for (const { slackId } of staff) {
      const met = await tx.people.bySlackId(slackId);
      if (met) people.set(slackId, await tx.people.get(met.id));
    }
    if ((await tx.keys.count({})) > 0) return;
    const bySecret = new Map<string, ApiKey>();
    for (const each of inventory) {
      const owner = people.get(each.owner)!;
      const issuer = each.issuer === 'self-made' || (each.issuer && isConnected(each.issuer)) ? each.issuer : 'person';
      const key = keyOf({ ...each, issuer }, tx.newId('key'), owner, stored, ports, tx.now);
      await tx.keys.save(key);
      if (key.secretId) bySecret.set(key.secretId, key);
      const { name, risk, storage, secretId } = key;
      tx.record('inventory.add', key.id, { name, risk, storage, secretId, ownerId: owner.id }, key.id);
    }
    for (const each of requests) {
      const approver = each.approver === null ? null : people.get(each.approver)!;
      await openAccess(tx, ports, each.ask, bySecret.get(each.secret)!, people.get(each.asker)!, approver);
    }
    await tx.jobs.add('people.sync-teams', {}, { once: 'all' });
    tx.note({ keys: inventory.length, requests: requests.length });
  });
}

function keyOf(
  seed: Omit<SeedKey, 'issuer'> & { issuer: string },
  id: Id<'key'>,
  owner: Person,
  stored: Map<string, Stored>,
  { policy }: Ports,
  now: Instant,
): ApiKey {
  const { service, environment, purpose, scope, flags, tags } = seed;
  const ago = (days: number) => after(now, -days * day);
  const place =
    typeof seed.secret === 'string'
      ? { storage: 'secrets-manager' as const, secretId: seed.secret, lastFour: stored.get(seed.secret)!.lastFour }
      : { ...seed.secret, secretId: null };
  const dates = {
    createdOn: ago(seed.madeDaysAgo),
    lastRotatedAt: seed.rotatedDaysAgo === null ? null : ago(seed.rotatedDaysAgo),
    expiresAt: seed.expiresInDays === undefined ? null : after(now, seed.expiresInDays * day),
  };
  const { risk } = computedRisk({ environment, flags, ...dates }, policy, now);
  return {
    id,
    name: nameOf(seed),
    service,
    environment,
    purpose,
    ownerId: owner.id,
    ...place,
    scope,
    flags,
    tags,
    ...dates,
    issuer: seed.issuer,
    recipe: seed.issuer === 'self-made' ? recipe : null,
    risk,
    riskSet: null,
    status: 'active',
    currentVersion: typeof seed.secret === 'string' ? stored.get(seed.secret)!.versionId : null,
    providerKeyId: null,
    nextRotationAt: nextRotation({ risk, ...dates }, policy, now),
    plannedAt: null,
    snooze: null,
    pause: null,
    overdue: null,
    blocked: null,
    addedBy: owner.id,
    addedAt: now,
  };
}

/** A request, decided already when there is an approver; what follows is done by the same jobs as for everybody else. */
async function openAccess(
  tx: Tx,
  { policy }: Ports,
  asked: SeedRequest['ask'],
  key: ApiKey,
  asker: Person,
  approver: Person | null,
): Promise<void> {
  const ask: Ask = { keyId: key.id, ...asked };
  const fresh = opened(tx.newId('request'), ask, key, asker, [key.ownerId], policy, after(tx.now, -hour));
  const request: AccessRequest = approver
    ? decided(
        fresh,
        {
          by: approver.id,
          tier: approver.tier,
          at: after(tx.now, -hour / 2).toISOString(),
          verdict: 'approve',
          hours: ask.hours,
          reason: '',
        },
        tx.now,
      )
    : fresh;
  await tx.requests.save(request);
  await tx.jobs.add('access.announce', { requestId: request.id });
  tx.record('access.request', key.id, { requestId: request.id, by: asker.id, hours: ask.hours, use: ask.use }, key.id);
  if (!approver) {
    await tx.jobs.add('access.expire-request', { requestId: request.id }, { at: request.expiresAt });
    return;
  }
  const grant = granted(tx.newId('grant'), request, asker, key, tx.now);
  await tx.grants.save(grant);
  await tx.jobs.add('access.apply', { keyId: key.id });
  await tx.jobs.add('access.end', { grantId: grant.id }, { at: grant.endsAt });
  for (const hours of policy.access.noticeHours.filter((each) => each < ask.hours)) {
    await tx.jobs.add('access.notice', { grantId: grant.id, hours }, { at: after(grant.endsAt, -hours * hour) });
  }
  const { endsAt, principal } = grant;
  const facts = { requestId: request.id, personId: asker.id, approvedBy: approver.id, endsAt, principal };
  tx.record('access.grant', grant.id, facts, key.id);
}
