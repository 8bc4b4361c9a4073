import { type Id, type Instead, Refusal } from '../kernel.ts';

/** SOP 6.1. */
export const tiers = ['administrator', 'developer', 'contractor'] as const;
export type Tier = (typeof tiers)[number];

export interface Person {
  id: Id<'person'>;
  slackId: string;
  name: string;
  tier: Tier;
  /** IANA zone, from Slack. */
  timeZone: string;
  /** `left` is final for access; somebody who comes back joins again. */
  status: 'active' | 'left' | 'deactivated';
  /** The exact IAM user or role ARN that reads secrets as this person; null when unknown. */
  iamPrincipal: string | null;
  /** The HR system's id. */
  hrId: string | null;
  joinedAt: Date;
  leftAt: Date | null;
}

/** What to say of somebody in Slack whom nobody here has heard of. */
export const notMetYet =
  'Keysteward has not met this person yet. They are known once they have used it, or within the hour.';

/** What somebody is to a key. */
export type Relation = 'owner' | 'other';

type Who = readonly ('administrator' | 'developer' | 'contractor' | 'owner')[];
interface Rule {
  /** Who may, for keys that are not in production, or where no key is concerned. */
  may: Who;
  /** Who may for production keys, when that differs. */
  inProduction?: Who;
}

const everybody = ['administrator', 'developer', 'contractor', 'owner'] as const;
const staff = ['administrator', 'developer', 'owner'] as const;
const answering = ['administrator', 'owner'] as const;
const administrators = ['administrator'] as const;

/**
 * Who may do what (SOP 6.1). `owner` is the key's owner whatever their tier. What is not listed here does not compile;
 * what is listed is checked at the click and again at the submit.
 */
export const permissions = {
  'help.read': { may: everybody },
  'people.whoami': { may: everybody },
  'people.set-tier': { may: administrators },
  'people.set-principal': { may: administrators },
  'people.set-hr-id': { may: administrators },
  'inventory.list': { may: staff },
  'inventory.show': { may: staff },
  /** A key that one holds or held. */
  'inventory.show-held': { may: everybody },
  'inventory.add': { may: staff },
  'inventory.change': { may: answering },
  'inventory.set-risk': { may: administrators },
  'inventory.hand-over': { may: answering },
  /** SOP 6.1: developers do not end production keys. */
  'inventory.retire': { may: answering, inProduction: administrators },
  'inventory.snooze': { may: answering },
  'inventory.schedule': { may: answering },
  'inventory.keep-consumers': { may: answering },
  'access.request': { may: everybody },
  'access.decide': { may: answering },
  'access.withdraw': { may: everybody },
  'access.list': { may: everybody },
  'access.end': { may: answering },
  'rotation.start': { may: answering },
  /** For an audit or unusual usage, say: what only those who see all keys can judge. */
  'rotation.start-for-cause': { may: administrators },
  /** All keys of a service. */
  'rotation.campaign': { may: administrators },
  /** Never one's own. */
  'rotation.confirm-campaign': { may: administrators },
  'rotation.retry': { may: answering },
  'rotation.roll-back': { may: answering },
  'rotation.evidence': { may: staff },
  'rotation.show': { may: staff },
  'rotation.drill': { may: administrators },
  'rotation.pause': { may: answering },
  'rotation.resume': { may: answering },
  /** What only a person can do for a rotation: whoever makes a key knows it, so it is theirs who answer for it. */
  'rotation.take': { may: answering },
  'rotation.hand-back': { may: answering },
  'rotation.hand-in': { may: answering },
  'rotation.confirm-deleted': { may: answering },
  /** For those who were asked to move something; they themselves may without being in this table. */
  'rotation.confirm-move': { may: answering },
  'rotation.retire-now': { may: answering },
  /** Whoever's thing broke must not have to look for somebody first. */
  'rotation.re-enable': { may: staff },
  /** Also whoever asked for the rotation. */
  'rotation.page': { may: answering },
  /** What is wrong with one's own keys. */
  'reviews.list': { may: staff },
  'reviews.list-all': { may: administrators },
  'reviews.repair': { may: answering },
  'reviews.check': { may: answering },
  /** What a key may do, and what of it is too much. */
  'reviews.review-permissions': { may: answering },
  'offboarding.open': { may: administrators },
  'offboarding.close': { may: administrators },
  'incidents.declare': { may: everybody },
  'incidents.work': { may: staff },
  'incidents.skip': { may: administrators },
  'incidents.change-severity': { may: administrators },
  'incidents.close': { may: administrators },
  'digest.read': { may: everybody },
  'digest.summarise': { may: administrators },
  'runbooks.show': { may: staff },
  'calendar.subscribe': { may: everybody },
  /** Of a team that one is in. */
  'calendar.subscribe-team': { may: staff },
  'calendar.subscribe-any-team': { may: administrators },
  'calendar.subscribe-company': { may: administrators },
  'audit.read': { may: administrators },
  'work.retry': { may: administrators },
} as const satisfies Record<string, Rule>;
export type Action = keyof typeof permissions;

/** Why this person may not do this (to this key), or null when they may. Default deny. */
export function whyNot(
  person: Person,
  action: Action,
  key?: { ownerId: Id<'person'>; environment: string },
): Refusal | null {
  if (person.status !== 'active') {
    return new Refusal(
      'not_allowed',
      'Your account is no longer active here, so nothing was done. An administrator can help.',
    );
  }
  const rule: Rule = permissions[action];
  const who = key?.environment === 'production' && rule.inProduction ? rule.inProduction : rule.may;
  if (who.includes(person.tier)) return null;
  if (key && key.ownerId === person.id && who.includes('owner')) return null;
  return new Refusal(
    'not_allowed',
    `${whoMay(who.filter((each) => key || each !== 'owner'))} can do this; you are here as ${aTier[person.tier]}.`,
    undefined,
    insteadOf(person, who, key),
  );
}

/** An IAM user or role, exactly: a resource policy with a wild card or another service's principal would open too much. */
export function whyNotPrincipal(principal: string): Refusal | null {
  if (/^arn:aws[a-z-]*:iam::\d{12}:(user|role)\/[\w+=,.@/-]{1,512}$/.test(principal)) return null;
  return new Refusal(
    'invalid',
    'This is no IAM user or role. It looks like arn:aws:iam::123456789012:role/name or arn:aws:iam::123456789012:user/name.',
  );
}

/** An id of the HR system, compared to the letter: without spaces and look-alikes of other alphabets. */
export function whyNotHrId(hrId: string): Refusal | null {
  if (/^[\x21-\x7e]{1,100}$/.test(hrId)) return null;
  return new Refusal('invalid', 'This is no HR id: expected 1 to 100 letters, digits and signs without spaces.');
}

export const aTier: Record<Tier, string> = {
  administrator: 'an administrator',
  developer: 'a developer',
  contractor: 'a contractor',
};

/** Whose a key is, is not told to contractors. */
function insteadOf(person: Person, who: Who, key?: { ownerId: Id<'person'> }): Instead[] {
  return [
    ...(key && who.includes('owner') && person.tier !== 'contractor' ? [{ id: key.ownerId, as: 'the owner' }] : []),
    ...(who.includes('administrator') ? (['administrators'] as const) : []),
  ];
}

function whoMay(who: Who): string {
  const names = who.map((each) => (each === 'owner' ? "the key's owner" : `${each}s`));
  const sentence = names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names.join('');
  return `Only ${sentence}`;
}
