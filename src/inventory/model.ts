import { day, type Id, type Instant, Refusal } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { diesAtOnce, entriesBy, type Policy } from '../policy.ts';

export const environments = ['production', 'staging', 'development', 'test', 'sandbox', 'demo'] as const;
export type Environment = (typeof environments)[number];
export const risks = ['high', 'medium', 'low'] as const;
export type Risk = (typeof risks)[number];

/** What makes a key dangerous (SOP 1.3, 5.1) in the order in which it is asked for. */
export const riskFlags = {
  customerData: 'Reaches customer or production data',
  writes: 'May write or change things',
  shared: 'Used by several people',
  regulated: 'For a system under HIPAA, PCI or the like',
  fullAccount: 'Full account access instead of a limited scope',
  inVersionControl: 'Has been in version control',
  inDocuments: 'Has been in a shared document',
  inChat: 'Has been in e-mail or chat',
} as const;
export type RiskFlag = keyof typeof riskFlags;

/** Where a key's value lives. Only what is in the store can be granted and rotated by us. */
export const storages = {
  'secrets-manager': 'AWS Secrets Manager',
  'password-manager': 'Password manager',
  'environment-file': '.env file',
  elsewhere: 'Somewhere else',
} as const;
export type Storage = keyof typeof storages;

/** How values for a secret that we make ourselves look. */
export interface Recipe {
  length: number;
  /** Characters never used (Secrets Manager's ExcludeCharacters). */
  exclude: string;
  punctuation: boolean;
}

/** The facts about a key that people enter. */
export interface ApiKeyFacts {
  service: string;
  environment: Environment;
  purpose: string;
  ownerId: Id<'person'>;
  storage: Storage;
  /** Name or ARN in Secrets Manager; null when it is stored elsewhere. */
  secretId: string | null;
  /** The last four characters, never more (SOP 1.2). */
  lastFour: string | null;
  /** What the key may do at its service, in words. */
  scope: string;
  flags: RiskFlag[];
  /** Free labels (SOP 4.4). */
  tags: string[];
  /** When the credential was made at its service, if known. */
  createdOn: Instant | null;
  /** When the provider ends it, if it does. */
  expiresAt: Instant | null;
  /** Who makes new values: the name of an Issuer, or `person` when nobody but a human can. */
  issuer: string;
  recipe: Recipe | null;
}

/** Whom an overdue key is brought before, one after the other. */
export const overdueStages = ['owner', 'security', 'administrators'] as const;
export type OverdueStage = (typeof overdueStages)[number];

/** Somebody has stopped the rotation of a key for a while. */
export interface Pause {
  /** Of the first one since its last rotation. */
  since: string;
  until: string;
  reason: string;
  by: Id<'person'>;
  /** When it was over: somebody resumed it, or its time had come. */
  endedAt: string | null;
}

/** An inventory entry for one credential at one service in one environment; never the value. */
export interface ApiKey extends ApiKeyFacts {
  id: Id<'key'>;
  /** `[Service] API Key - [Environment] - [Purpose]` (SOP 2). */
  name: string;
  risk: Risk;
  /** An administrator's judgement over the computed risk. */
  riskSet: { risk: Risk; reason: string; by: Id<'person'> } | null;
  status: 'active' | 'retired';
  /** Secrets Manager version id of the current value. */
  currentVersion: string | null;
  /** What the provider calls the current value; null when it has not issued it through us. Never a secret. */
  providerKeyId: string | null;
  lastRotatedAt: Instant | null;
  /** When the next rotation is due; null when the key is retired. */
  nextRotationAt: Instant | null;
  /** When somebody has planned the next rotation for; it starts then, snoozed or not. */
  plannedAt: Instant | null;
  /** Reminders are silent until then, and the schedule leaves the key alone. */
  snooze: {
    until: string;
    reason: string;
    by: Id<'person'> /** The how many-th since its last rotation. */;
    times?: number;
  } | null;
  /** Its rotation stands still until then, reminders or not. Kept when it is over, so that one cannot follow the other for ever. */
  pause: Pause | null;
  /** Who has been told that it is overdue, and since which due date. */
  overdue: { dueAt: string; told: OverdueStage[] } | null;
  /** Its rotation could not be started because of this: it is due, or somebody has left and could read it. */
  blocked: { since: string; missing: string[] /** The case that asked for it. */; causeId?: string } | null;
  addedBy: Id<'person'>;
  addedAt: Instant;
}

/** How values look when nobody says otherwise. */
export const standardRecipe: Recipe = { length: 40, exclude: '', punctuation: false };

/** What somebody enters about a key. */
export interface KeyEntry extends ApiKeyFacts {
  lastRotatedAt: Instant | null;
}

/** A fresh key in the inventory. `currentVersion` is what Secrets Manager holds, where it holds something already. */
export function entered(
  id: Id<'key'>,
  entry: KeyEntry,
  currentVersion: string | null,
  addedBy: Id<'person'>,
  policy: Policy,
  now: Instant,
): ApiKey {
  const { risk } = computedRisk(entry, policy, now);
  return {
    ...entry,
    id,
    name: nameOf(entry),
    risk,
    riskSet: null,
    status: 'active',
    currentVersion,
    providerKeyId: null,
    nextRotationAt: nextRotation({ ...entry, risk }, policy, now),
    plannedAt: null,
    snooze: null,
    pause: null,
    overdue: null,
    blocked: null,
    addedBy,
    addedAt: now,
  };
}

type Unmade = ApiKey & { secretId: string; recipe: Recipe };

/** Whether this key's first value is still to be made by us. */
export function isUnmade(key: ApiKey): key is Unmade {
  const ourTask = key.storage === 'secrets-manager' && key.secretId !== null && key.recipe !== null;
  return key.status === 'active' && key.currentVersion === null && ourTask;
}

/** Where a value that we make goes, unless somebody names another place. */
export function secretNameFor(facts: Pick<ApiKeyFacts, 'service' | 'environment' | 'purpose'>): string {
  const plain = (text: string) =>
    text
      .normalize('NFKD')
      .toLowerCase()
      .replace(/[^a-z\d]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 80) || 'key';
  const name = `keysteward/${facts.environment}/${plain(facts.service)}/${plain(facts.purpose)}`;
  // A dash and six characters at the end are how AWS ends an ARN.
  return /-[a-z\d]{6}$/.test(name) ? `${name}-value` : name;
}

/** SOP 2: structured naming. */
export function nameOf(facts: Pick<ApiKeyFacts, 'service' | 'environment' | 'purpose'>): string {
  const environment = facts.environment[0]!.toUpperCase() + facts.environment.slice(1);
  return `${facts.service} API Key - ${environment} - ${facts.purpose}`;
}

/** A service as the inventory writes it: "OpenAI API key" is OpenAI, because every name says API Key already (SOP 2). */
export function serviceOf(text: string): string {
  const words = text.replace(/\s+/g, ' ').trim();
  return words.replace(/ api( keys?)?$/i, '') || words;
}

const shortForms = new Map([
  ['prod', 'production'],
  ['prd', 'production'],
  ['live', 'production'],
  ['stg', 'staging'],
  ['stage', 'staging'],
  ['dev', 'development'],
]);

/** What people type, in the inventory's own words: `prod` means production. */
export function inFull(words: string): string {
  return words
    .split(/\s+/)
    .map((word) => shortForms.get(word.toLowerCase()) ?? word)
    .join(' ');
}

/** The environment that a word means, or null. */
export function environmentOf(word: string): Environment | null {
  const full = inFull(word.trim()).toLowerCase();
  return environments.find((each) => each === full) ?? null;
}

/** How a key is offered in a choice: its id, its name, and what tells it from its neighbours. */
export function asChoice(
  key: Pick<ApiKey, 'id' | 'name' | 'risk' | 'scope'>,
): [id: string, name: string, hint: string] {
  return [key.id, key.name, `${key.risk} risk, ${key.scope || 'no scope noted'}`];
}

/** Risk by SOP 5.1 and 1.3, with the reasons in words. The highest reason wins. */
export function computedRisk(
  facts: Pick<ApiKeyFacts, 'environment' | 'flags' | 'createdOn'> &
    Partial<Pick<ApiKeyFacts, 'secretId'> & Pick<ApiKey, 'lastRotatedAt'>>,
  policy: Policy,
  now: Instant,
): { risk: Risk; reasons: string[] } {
  const high: string[] = facts.flags.map((flag) => riskFlags[flag]);
  const own = entriesBy({ secretId: facts.secretId ?? null }, policy.providers);
  if (own.length > 0) high.push(`Keysteward itself manages keys with it at ${own.join(' and ')}`);
  const rotated = facts.lastRotatedAt ?? facts.createdOn;
  if (rotated && !facts.lastRotatedAt && now.getTime() - rotated.getTime() > policy.risk.neverRotatedDays * day) {
    high.push(`Never rotated in more than ${policy.risk.neverRotatedDays} days`);
  }
  if (high.length > 0) return { risk: 'high', reasons: high };
  const level = policy.risk.byEnvironment[facts.environment];
  const why: Record<Risk, string> = {
    high: `${facts.environment} counts as high by policy`,
    medium: facts.environment === 'production' ? 'Read-only with a limited scope' : `A ${facts.environment} key`,
    low: `A ${facts.environment} key`,
  };
  return { risk: level, reasons: [why[level]] };
}

/** When a key with this risk is due again (SOP 5.1), counted from its last rotation, else its creation, else now. */
export function nextRotation(
  key: Pick<ApiKey, 'risk' | 'lastRotatedAt' | 'createdOn' | 'expiresAt'>,
  policy: Policy,
  now: Instant,
): Instant {
  const from = key.lastRotatedAt ?? key.createdOn ?? now;
  const due = new Date(from.getTime() + policy.rotation.everyDays[key.risk] * day);
  const beforeEnd = key.expiresAt && new Date(key.expiresAt.getTime() - policy.rotation.beforeExpiryDays * day);
  return beforeEnd && beforeEnd < due ? beforeEnd : due;
}

/** Whether this key's rotation is overdue, and by how many whole days. */
export function daysOverdue(key: Pick<ApiKey, 'nextRotationAt'>, now: Instant): number {
  return key.nextRotationAt ? Math.floor((now.getTime() - key.nextRotationAt.getTime()) / day) : 0;
}

/** When the schedule starts this key's next rotation, if it can: when it is due, or when somebody planned it for. */
export function startsAt(key: Pick<ApiKey, 'nextRotationAt' | 'plannedAt'>): Instant | null {
  return key.plannedAt ?? key.nextRotationAt;
}

/** The snooze that silences this key now, or null. A plan that somebody made since counts more. */
export function snoozedNow(key: Pick<ApiKey, 'snooze' | 'plannedAt'>, now: Instant): ApiKey['snooze'] {
  return key.snooze && !key.plannedAt && new Date(key.snooze.until) > now ? key.snooze : null;
}

/** The pause that holds this key's rotation now, or null. It ends by itself. */
export function pausedNow(key: Pick<ApiKey, 'pause'>, now: Instant): Pause | null {
  return key.pause && !key.pause.endedAt && new Date(key.pause.until) > now ? key.pause : null;
}

/** What keeps the rotation that is owed to this key from being started. */
export function blockedNow(
  key: Pick<ApiKey, 'status' | 'blocked' | 'plannedAt' | 'nextRotationAt'>,
  now: Instant,
): ApiKey['blocked'] {
  const due = startsAt(key);
  return key.blocked && (key.blocked.causeId || (due && due <= now)) ? key.blocked : null;
}

/** Whether a rotation of this key runs here, by itself or with a person who makes the new value. */
export function rotatesHere(key: Pick<ApiKey, 'storage' | 'secretId'>): boolean {
  return key.storage === 'secrets-manager' && key.secretId !== null;
}

/** What a rotation means where the old value dies at once. */
export const atOnceInWords = ({ issuer }: Pick<ApiKey, 'issuer'>): string =>
  `At ${issuer} the old value stops working the moment the new one is made; whoever uses it fails until it has read the new one.`;

/** How often a key was snoozed since its last rotation. */
export const snoozesOf = ({ snooze }: Pick<ApiKey, 'snooze'>): number => (snooze ? (snooze.times ?? 1) : 0);

/** Reminders can be silenced for a while and for a reason, by the policy once; the next time somebody else has to look. */
export function whyNotSnooze(
  key: ApiKey,
  leaked: boolean,
  snoozer: Pick<Person, 'tier'>,
  ask: { until: Instant; reason: string },
  policy: Policy,
  now: Instant,
): Refusal | null {
  if (key.status !== 'active') return new Refusal('conflict', `${key.name} is retired, so nothing reminds of it.`);
  if (leaked) return new Refusal('conflict', 'This key is part of a running incident, so it cannot be snoozed.');
  if (ask.reason.trim().length < 10) {
    return new Refusal(
      'invalid',
      'Say why, in at least ten characters: everybody who looks at this key sees it.',
      'reason',
    );
  }
  if (ask.until <= now) return new Refusal('invalid', 'Choose a day that lies in the future.', 'until');
  const { maxSnoozeDays } = policy.digest;
  if (ask.until.getTime() > now.getTime() + maxSnoozeDays * day) {
    return new Refusal('invalid', `The longest snooze is ${maxSnoozeDays} days.`, 'until');
  }
  const { maxSnoozes } = policy.digest;
  if (snoozesOf(key) >= maxSnoozes && snoozer.tier !== 'administrator') {
    const often = maxSnoozes === 1 ? '' : ` ${maxSnoozes} times`;
    return new Refusal(
      'not_allowed',
      `This key has been snoozed${often} since its last rotation already. Rotate it; or an administrator can snooze it once more.`,
      undefined,
      ['administrators'],
    );
  }
  return null;
}

/** A rotation can be planned by its owner until shortly after it is due, and not be put off again and again. */
export function whyNotSchedule(
  key: ApiKey,
  scheduler: Pick<Person, 'tier'>,
  at: Instant,
  policy: Policy,
  now: Instant,
): Refusal | null {
  if (key.status !== 'active') return new Refusal('conflict', `${key.name} is retired.`);
  if (!rotatesHere(key)) {
    return new Refusal('conflict', 'A person has to rotate this key, so there is nothing that could start by itself.');
  }
  if (diesAtOnce(key, policy)) {
    return new Refusal(
      'conflict',
      `${atOnceInWords(key)} So its rotation never starts by itself: press Rotate when they are ready.`,
    );
  }
  if (at <= now) return new Refusal('invalid', 'Choose a time that lies in the future, or rotate it now.', 'at');
  if (scheduler.tier === 'administrator') return null;
  const { planMarginDays } = policy.rotation;
  const due = key.nextRotationAt && key.nextRotationAt > now ? key.nextRotationAt : now;
  if (at.getTime() > due.getTime() + planMarginDays * day) {
    return new Refusal(
      'invalid',
      `You can plan it until ${planMarginDays} days after it is due. An administrator can choose any time.`,
      'at',
      ['administrators'],
    );
  }
  if (key.plannedAt && at > key.plannedAt && key.nextRotationAt && key.nextRotationAt <= now) {
    return new Refusal(
      'not_allowed',
      'It is overdue and has been planned already. An administrator can put it off once more.',
      undefined,
      ['administrators'],
    );
  }
  return null;
}

/** Lowering the risk below what the facts say needs a reason; raising it does not (SOP 5.1). */
export function whyNotSetRisk(computed: Risk, wanted: Risk, reason: string): Refusal | null {
  if (risks.indexOf(wanted) > risks.indexOf(computed) && reason.trim().length < 10) {
    return new Refusal(
      'invalid',
      `The facts say ${computed}. To lower it, give a reason that an auditor would accept.`,
      'reason',
    );
  }
  return null;
}

type RiskFacts = Pick<ApiKey, 'environment' | 'flags' | 'secretId' | 'lastRotatedAt' | 'createdOn' | 'riskSet'>;

/** The risk that counts, with its reasons: what an administrator set, else what the facts say. */
export function assessed(key: RiskFacts, policy: Policy, now: Instant): { risk: Risk; reasons: string[] } {
  const computed = computedRisk(key, policy, now);
  if (!key.riskSet || key.riskSet.risk === computed.risk) return computed;
  const { risk, reason } = key.riskSet;
  return { risk, reasons: [reason ? `Set by an administrator: ${reason}` : 'Set by an administrator'] };
}

/**
 * The key with its risk and its next rotation as its facts now say. A date that somebody chose stays as long as nothing
 * that it follows from has changed.
 */
export function reassessed(before: ApiKey, after: ApiKey, policy: Policy, now: Instant): ApiKey {
  const { risk } = assessed(after, policy, now);
  const same =
    risk === before.risk &&
    (['lastRotatedAt', 'createdOn', 'expiresAt'] as const).every(
      (each) => before[each]?.getTime() === after[each]?.getTime(),
    );
  if (after.status !== 'active') return { ...after, risk, nextRotationAt: null };
  if (same && before.nextRotationAt) return { ...after, risk, nextRotationAt: before.nextRotationAt };
  return { ...after, risk, nextRotationAt: nextRotation({ ...after, risk }, policy, now) };
}

/** Why nobody can make this person answer for a key. */
export function whyNotOwn(owner: Person): Refusal | null {
  if (owner.status !== 'active') {
    return new Refusal('invalid', `${owner.name} is no longer active here. Choose somebody else.`, 'owner');
  }
  if (owner.tier === 'contractor') {
    return new Refusal('invalid', `${owner.name} is a contractor; a key needs an owner who stays.`, 'owner');
  }
  return null;
}

/** What was done on a day that is not over yet was done by now. */
export function notLater<F extends Pick<ApiKey, 'createdOn' | 'lastRotatedAt'>>(facts: F, now: Instant): F {
  const earlier = (at: Instant | null) => (at && at > now ? now : at);
  return { ...facts, createdOn: earlier(facts.createdOn), lastRotatedAt: earlier(facts.lastRotatedAt) };
}

const dayOf = (at: Instant): number => Math.floor(at.getTime() / day);

/** What about these facts cannot be, whoever enters them. */
export function whyNotFacts(
  facts: Pick<ApiKey, 'storage' | 'secretId' | 'issuer' | 'createdOn' | 'lastRotatedAt' | 'expiresAt'>,
  before: Pick<ApiKey, 'expiresAt'> | null,
  now: Instant,
): Refusal | null {
  const { createdOn, lastRotatedAt, expiresAt } = facts;
  // A day that was chosen in somebody's own zone, where tomorrow may have begun.
  const tomorrow = new Date(now.getTime() + 1.5 * day);
  if (createdOn && createdOn > tomorrow) return new Refusal('invalid', 'This lies in the future.', 'createdOn');
  if (lastRotatedAt && lastRotatedAt > tomorrow) {
    return new Refusal('invalid', 'This lies in the future.', 'lastRotatedAt');
  }
  // Days are kept by different times of theirs; on one and the same day both may be.
  if (createdOn && lastRotatedAt && dayOf(lastRotatedAt) < dayOf(createdOn)) {
    return new Refusal('invalid', 'A key cannot have been rotated before it was made.', 'lastRotatedAt');
  }
  const newEnd = expiresAt?.getTime() !== before?.expiresAt?.getTime();
  if (expiresAt && newEnd && expiresAt < new Date(now.getTime() - day)) {
    return new Refusal('invalid', 'This date has passed. A key that has ended need not be kept here.', 'expiresAt');
  }
  if (facts.storage === 'secrets-manager' && !facts.secretId) {
    return new Refusal('invalid', "Give the secret's name or ARN in Secrets Manager.", 'secretId');
  }
  if (facts.storage !== 'secrets-manager' && facts.issuer !== 'person') {
    return new Refusal('invalid', 'Only what is in Secrets Manager can be replaced without a person.', 'issuer');
  }
  return null;
}

/**
 * A key that becomes harmless on paper needs a reason; where fewer people would have to approve access, an
 * administrator has to do it: an owner could otherwise open a production key alone.
 */
export function whyNotSoften(before: ApiKey, after: ApiKey, changer: Person, reason: string): Refusal | null {
  const dropped = before.flags.filter((flag) => !after.flags.includes(flag));
  const leftProduction = before.environment === 'production' && after.environment !== 'production';
  const fewerApprovers = leftProduction || (before.environment === 'production' && dropped.includes('customerData'));
  if (fewerApprovers && changer.tier !== 'administrator') {
    return new Refusal(
      'not_allowed',
      'Fewer people would have to approve access to this key then, so an administrator has to make this change.',
      undefined,
      ['administrators'],
    );
  }
  if ((dropped.length > 0 || leftProduction) && reason.trim().length < 10) {
    return new Refusal('invalid', 'The key becomes less dangerous on paper. Say why, for the audit log.', 'reason');
  }
  return null;
}

/** The facts as somebody saw them, as a short text: two people who edit at once do not overwrite each other. */
export function editionOf(key: ApiKey): string {
  const aside = { plannedAt: null, snooze: null, pause: null, overdue: null, blocked: null, nextRotationAt: null };
  return inShort(JSON.stringify({ ...key, ...aside }));
}

/** A text in few characters, which differ where it differs. */
export function inShort(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(36);
}
