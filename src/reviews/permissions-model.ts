import { type ApiKey, type Environment, inShort, rotatesHere } from '../inventory/model.ts';
import { after, day, type Id, type Instant, Refusal } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import { type Finding, found, seenAgain, whatToDo } from './model.ts';

/** How a key can be held to the least at its service (SOP 4.5), in the order in which it is asked. */
export const restrictions = {
  readOnly: {
    label: 'It can only read',
    asks: 'Can it be read-only? Make it read-only.',
    note: 'Only read: by which role or setting?',
    example: 'Role viewer',
    inWords: 'read-only',
  },
  addresses: {
    label: 'It works only from certain addresses',
    asks: 'Can its use be limited to IP ranges? Add them.',
    note: 'From which addresses?',
    example: '203.0.113.0/24',
    inWords: 'only from certain addresses',
  },
  rate: {
    label: 'Its rate or spending is limited',
    asks: 'Can its limits be lowered? Set conservative ones.',
    note: 'Which limits?',
    example: '60 requests a minute, 10 USD a day',
    inWords: 'with a limit',
  },
  ends: {
    label: 'Its service ends it by itself',
    asks: 'Can it be limited in time? Set an end.',
    note: 'Ends when?',
    example: '90 days after it was made',
    inWords: 'with an end',
  },
} as const;
export type Restriction = keyof typeof restrictions;
export const restrictionKinds = Object.keys(restrictions) as Restriction[];

/** What somebody said who looked at what a key may do. There is one for each key, the last. */
export interface PermissionReview {
  /** The key's. */
  id: Id<'key'>;
  /** What it might do when it was looked at. */
  scope: string;
  /** What it really has to do. */
  needs: string;
  /** What of it is too much; null when nothing is. */
  excess: string | null;
  /** Since when something is, over all reviews that have said so. */
  excessSince: Instant | null;
  /** How it is restricted at its service, each perhaps with a note. */
  restrictions: { kind: Restriction; note: string | null }[];
  reviewedBy: Id<'person'>;
  reviewedAt: Instant;
}

/** What somebody says in a review. */
export interface Reviewing extends Pick<PermissionReview, 'scope' | 'needs' | 'excess' | 'restrictions'> {
  /** What they saw when they began (`seenBy`). */
  seen: string;
}

/** What a review begins with: two people who look at once do not overwrite each other, and nobody says the same twice. */
export const seenBy = (key: Pick<ApiKey, 'scope'>, before: Pick<PermissionReview, 'reviewedAt'> | null): string =>
  `${before?.reviewedAt.getTime() ?? 0} ${inShort(key.scope)}`;

export function whyNotReview(
  key: Pick<ApiKey, 'name' | 'status' | 'scope'>,
  before: PermissionReview | null,
  { seen }: Pick<Reviewing, 'seen'>,
): Refusal | null {
  if (key.status !== 'active') return new Refusal('conflict', `${key.name} is retired.`);
  if (seen === seenBy(key, before)) return null;
  return new Refusal(
    'conflict',
    'This key was reviewed, or what it may do was changed, after you opened this form. Close it and look at its card.',
  );
}

export function reviewed(
  key: Pick<ApiKey, 'id'>,
  before: PermissionReview | null,
  { scope, needs, excess, restrictions }: Reviewing,
  reviewedBy: Id<'person'>,
  now: Instant,
): PermissionReview {
  const excessSince = excess === null ? null : (before?.excessSince ?? now);
  return { id: key.id, scope, needs, excess, excessSince, restrictions, reviewedBy, reviewedAt: now };
}

/** Why the permissions of a key have to be reviewed, or null when they do not (yet). */
export function whyReview(
  key: Pick<ApiKey, 'scope' | 'lastRotatedAt'>,
  review: PermissionReview | null,
  policy: Policy,
  now: Instant,
): string | null {
  if (!review) return 'never reviewed';
  if (review.scope !== key.scope) return 'changed since its last review';
  if (isRotatedSince(key, review)) return 'rotated since its last review';
  const { reviewDays } = policy.permissions;
  return review.reviewedAt <= reviewsCountFrom(policy, now) ? `last reviewed more than ${reviewDays} days ago` : null;
}
/** A review from before then does not count any more. */
export const reviewsCountFrom = (policy: Policy, now: Instant): Instant =>
  after(now, -policy.permissions.reviewDays * day);

/** Whether a key that was too wide has a new value, of which nobody has said yet whether it is narrower. */
const isRotatedSince = (
  { lastRotatedAt }: Pick<ApiKey, 'lastRotatedAt'>,
  review: Pick<PermissionReview, 'excess' | 'reviewedAt'>,
): boolean => review.excess !== null && lastRotatedAt !== null && lastRotatedAt > review.reviewedAt;

/** What is open about a key that may do too much; `before` is what was open already. */
export function overPermissioned(
  before: Finding | null,
  id: Id<'finding'>,
  { id: keyId, needs, excess }: Pick<PermissionReview, 'id' | 'needs'> & { excess: string },
  now: Instant,
): Finding {
  const sentence = `It may do more than it needs. Too much: ${ended(excess)} It needs: ${ended(needs)}`;
  const verdict = { sentence, facts: { needs } };
  return before ? seenAgain(before, verdict, now) : found(id, keyId, 'over-permissioned', verdict, now);
}
const ended = (text: string): string => (/[.!?…]$/.test(text) ? text : `${text}.`);

/** How a key is made narrower, which depends on who makes it, and where that begins. */
export function narrowing(
  key: Pick<ApiKey, 'storage' | 'secretId' | 'issuer' | 'service' | 'lastRotatedAt'>,
  { seenAt }: Pick<Finding, 'seenAt'>,
  isRotating = false,
): { sentence: string; by: 'review' | 'rotation' | 'steps' } {
  if (key.lastRotatedAt && key.lastRotatedAt > seenAt) {
    return { by: 'review', sentence: 'It was rotated since: look what the new one may do, and review it again.' };
  }
  if (isRotating) {
    return {
      by: 'review',
      sentence: 'It is being rotated: when the new one is there, look what that may do and review it again.',
    };
  }
  if (!rotatesHere(key)) {
    return {
      by: 'steps',
      sentence: `Make a narrower one at ${key.service}, change over, end this one; then review it again.`,
    };
  }
  if (key.issuer === 'person') {
    return {
      by: 'rotation',
      sentence: 'Rotate it to a narrower one: whoever makes the new one is told what it needs. Then review it again.',
    };
  }
  if (key.issuer === 'self-made') {
    return { by: 'review', sentence: `Take from it at ${key.service} what is too much; then review it again.` };
  }
  return {
    by: 'rotation',
    sentence: `Rotate it to a narrower one, or narrow it at ${key.service}; then review it again. A new one that nobody makes by hand may do what providers.${key.issuer} in the policy says, and as much as this one where that says nothing: have that narrowed first.`,
  };
}

/** What to do about a finding of this key. */
export const whatToDoFor = (finding: Finding, key: Parameters<typeof narrowing>[0], isRotating: boolean): string =>
  finding.kind === 'over-permissioned' ? narrowing(key, finding, isRotating).sentence : whatToDo(finding);

/** What a new value of a key should be allowed to do, for whoever makes it. */
export function rightsFor(
  key: Pick<ApiKey, 'scope'>,
  review: PermissionReview | null,
): { rights: string; less: boolean } {
  const counts = review !== null && review.scope === key.scope;
  const less = counts && review.excess !== null;
  const limits = counts ? restrictionsInWords(review) : '';
  return { rights: [less ? review.needs : key.scope, limits].filter(Boolean).join('; '), less };
}

/** `read-only (role viewer); only from certain addresses (203.0.113.0/24)` */
export const restrictionsInWords = ({ restrictions: held }: Pick<PermissionReview, 'restrictions'>): string =>
  held.map(({ kind, note }) => restrictions[kind].inWords + (note ? ` (${note})` : '')).join('; ');

/** SOP 4.3, in the company's words: `Production: full limits, carefully monitored.` */
export function guidanceFor(environment: Environment, policy: Policy): string | null {
  const said = policy.permissions.guidance[environment];
  return said === null ? null : `${environment[0]!.toUpperCase()}${environment.slice(1)}: ${ended(said)}`;
}
