import { day, type Id, type Instant, Refusal } from '../kernel.ts';
import type { Policy } from '../policy.ts';

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
  lastRotatedAt: Instant | null;
  /** When the next rotation is due; null when the key is retired. */
  nextRotationAt: Instant | null;
  /** Reminders are silent until then. */
  snooze: { until: string; reason: string; by: Id<'person'> } | null;
  addedBy: Id<'person'>;
  addedAt: Instant;
}

/** SOP 2: structured naming. */
export function nameOf(facts: Pick<ApiKeyFacts, 'service' | 'environment' | 'purpose'>): string {
  const environment = facts.environment[0]!.toUpperCase() + facts.environment.slice(1);
  return `${facts.service} API Key - ${environment} - ${facts.purpose}`;
}

/** Risk by SOP 5.1 and 1.3, with the reasons in words. The highest reason wins. */
export function computedRisk(
  facts: Pick<ApiKeyFacts, 'environment' | 'flags'> & { lastRotatedAt?: Instant | null; createdOn: Instant | null },
  policy: Policy,
  now: Instant,
): { risk: Risk; reasons: string[] } {
  const high: string[] = facts.flags.map((flag) => riskFlags[flag]);
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
