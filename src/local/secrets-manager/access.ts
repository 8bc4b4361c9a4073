import { isIP } from 'node:net';
import {
  type Conditions,
  dateOf,
  list,
  operatorOf,
  type PolicyDocument,
  type Principals,
  type Statement,
} from './policy.ts';

/** Who calls. What its own (identity) policies allow counts besides the policy of the secret. */
export type Principal = {
  /** A user, a role, or a session of a role (`arn:aws:sts::…:assumed-role/Role/session`). */
  arn: string;
  /** Identity policies. None means: only what a secret's own policy grants. */
  policies?: readonly PolicyDocument[] | undefined;
  tags?: Readonly<Record<string, string>> | undefined;
};

/** May do everything, unless a secret's policy denies it: the bot, and whoever runs the demo. */
export const everything: PolicyDocument = { Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] };

export type Decision = 'allowed' | 'explicit-deny' | 'implicit-deny';

/** Condition keys in lower case, each with its values. A key that the caller did not pass is absent. */
export type Context = Pick<ReadonlyMap<string, readonly string[]>, 'get'>;

export type Question = {
  principal: Principal;
  /** Such as `secretsmanager:GetSecretValue`. */
  action: string;
  resource: string;
  /** The account the secret belongs to. */
  accountId: string;
  context: Context;
  resourcePolicy?: PolicyDocument | undefined;
};

/**
 * Evaluates like IAM: a Deny anywhere wins; in the same account an Allow on either side is enough, across accounts both
 * sides must allow. An account (`…:root`) as principal of an Allow only delegates to that account's identity policies
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
 */
export function decide(question: Question): Decision {
  const identity = (question.principal.policies ?? []).flatMap((policy) => policy.Statement);
  const own = identity.filter((statement) => applies(statement, question));
  const resource = (question.resourcePolicy?.Statement ?? [])
    .filter((statement) => applies(statement, question))
    .map((statement) => ({ statement, named: named(statement, question.principal) }))
    .filter(({ named }) => named !== 'no');

  const denied = [...own, ...resource.map(({ statement }) => statement)].some(({ Effect }) => Effect === 'Deny');
  if (denied) return 'explicit-deny';
  const byIdentity = own.length > 0;
  const byResource = resource.length > 0;
  const byName = resource.some(({ named }) => named === 'itself');
  if (accountOf(question.principal.arn) === question.accountId) {
    return byIdentity || byName ? 'allowed' : 'implicit-deny';
  }
  return byIdentity && byResource ? 'allowed' : 'implicit-deny';
}

export function accountOf(arn: string): string {
  return arn.split(':')[4] ?? '';
}

/** The role behind a session, as `aws:PrincipalArn` shows it; any other principal unchanged. */
export function lastingArn(arn: string): string {
  const session = /^arn:(aws[a-z-]*):sts::(\d{12}):assumed-role\/([^/]+)\//.exec(arn);
  return session ? `arn:${session[1]}:iam::${session[2]}:role/${session[3]}` : arn;
}

function applies(statement: Statement, { action, resource, context }: Question): boolean {
  const actionFits = statement.Action
    ? list(statement.Action).some((pattern) => like(action.toLowerCase(), pattern.toLowerCase()))
    : !list(statement.NotAction).some((pattern) => like(action.toLowerCase(), pattern.toLowerCase()));
  const resourceFits = statement.Resource
    ? list(statement.Resource).some((pattern) => like(resource, filledIn(pattern, context)))
    : !list(statement.NotResource).some((pattern) => like(resource, filledIn(pattern, context)));
  return actionFits && resourceFits && holds(statement.Condition ?? {}, context);
}

type Named = 'itself' | 'account' | 'no';

function named(statement: Statement, principal: Principal): Named {
  if (statement.NotPrincipal !== undefined) return among(statement.NotPrincipal, principal) === 'no' ? 'itself' : 'no';
  return statement.Principal === undefined ? 'no' : among(statement.Principal, principal);
}

function among(principals: Principals, principal: Principal): Named {
  if (principals === '*') return 'itself';
  const account = accountOf(principal.arn);
  let result: Named = 'no';
  for (const name of list(principals.AWS)) {
    if (name === '*' || name === principal.arn || sameRole(name, principal.arn)) return 'itself';
    if (name === account || new RegExp(`^arn:aws[a-z-]*:iam::${account}:root$`).test(name)) result = 'account';
  }
  return result;
}

/** A session's ARN leaves out the path of its role. */
function sameRole(role: string, caller: string): boolean {
  const lasting = lastingArn(caller);
  if (lasting === caller) return false;
  return (
    role === lasting ||
    (accountOf(role) === accountOf(lasting) &&
      /:role\/.+\//.test(role) &&
      role.split('/').at(-1) === lasting.split('/').at(-1))
  );
}

/** `*` and `?` in a pattern match any characters, one character. */
function like(text: string, pattern: string): boolean {
  if (pattern === '*') return true;
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^]*')
    .replaceAll('?', '[^]');
  return new RegExp(`^${source}$`).test(text);
}

/** ARNs match part by part: a wildcard does not cross a colon, except in the last part. */
function arnLike(text: string, pattern: string): boolean {
  const split = (arn: string) => {
    const parts = arn.split(':');
    return [...parts.slice(0, 5), parts.slice(5).join(':')];
  };
  const [texts, patterns] = [split(text), split(pattern)];
  return texts.length === patterns.length && patterns.every((part, i) => like(texts[i]!, part));
}

/** Puts `${aws:username}` and its like into a pattern; one that is not known matches nothing. */
function filledIn(pattern: string, context: Context): string {
  return pattern.replace(/\$\{([^}]+)\}/g, (whole, key: string) => context.get(key.toLowerCase())?.[0] ?? whole);
}

function holds(conditions: Conditions, context: Context): boolean {
  return Object.entries(conditions).every(([text, keys]) =>
    Object.entries(keys).every(([key, wanted]) => {
      const operator = operatorOf(text);
      if (!operator) return false;
      const actual = context.get(key.toLowerCase());
      const values = list(wanted);
      if (operator.name === 'null') return values.some((value) => String(value) === String(actual === undefined));
      if (actual === undefined)
        return operator.ifExists || operator.every || (isNegated(operator.name) && !operator.some);
      const fits = (one: string) => compares(operator.name, one, values, context);
      return operator.every ? actual.every(fits) : actual.some(fits);
    }),
  );
}

function isNegated(name: string): boolean {
  return name.includes('not');
}

/** A positive operator wants one of the values to match; a negated one wants none to. */
function compares(
  name: string,
  actual: string,
  wanted: readonly (string | number | boolean)[],
  context: Context,
): boolean {
  const positive = name.replace('not', '');
  const found = wanted.some((value) => matchesOne(positive, actual, value, context));
  return found !== isNegated(name);
}

function matchesOne(name: string, actual: string, wanted: string | number | boolean, context: Context): boolean {
  const text = filledIn(String(wanted), context);
  if (name.startsWith('date')) return ordered(name.slice('date'.length), dateOf(actual), dateOf(wanted));
  if (name.startsWith('numeric')) return ordered(name.slice('numeric'.length), Number(actual), Number(wanted));
  switch (name) {
    case 'stringequals':
    case 'binaryequals':
      return actual === text;
    case 'stringequalsignorecase':
    case 'bool':
      return actual.toLowerCase() === text.toLowerCase();
    case 'stringlike':
      return like(actual, text);
    case 'arnequals':
    case 'arnlike':
      return arnLike(actual, text);
    case 'ipaddress':
      return inRange(actual, text);
    default:
      return false;
  }
}

function ordered(relation: string, a: number, b: number): boolean {
  if (Number.isNaN(a) || Number.isNaN(b)) return false;
  switch (relation) {
    case 'equals':
      return a === b;
    case 'lessthan':
      return a < b;
    case 'lessthanequals':
      return a <= b;
    case 'greaterthan':
      return a > b;
    default:
      return a >= b;
  }
}

function bitsOf(address: string): string | null {
  if (isIP(address) === 4)
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('');
  if (isIP(address) !== 6) return null;
  const [head = '', tail = ''] = address.split('::');
  const groups = (half: string) => (half === '' ? [] : half.split(':'));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = address.includes('::') ? [...groups(head), ...Array(missing).fill('0'), ...groups(tail)] : groups(head);
  return all.map((group: string) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('');
}

function inRange(address: string, range: string): boolean {
  const [base = '', length] = range.split('/');
  const [a, b] = [bitsOf(address), bitsOf(base)];
  if (!a || !b || a.length !== b.length) return false;
  const bits = length === undefined ? a.length : Number(length);
  return a.slice(0, bits) === b.slice(0, bits);
}
