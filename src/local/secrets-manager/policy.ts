import { ApiError } from './protocol.ts';

type OneOrMore<T> = T | T[];
export type Conditions = Record<string, Record<string, OneOrMore<string | number | boolean>>>;
export type Principals = '*' | Partial<Record<'AWS' | 'Service' | 'Federated' | 'CanonicalUser', OneOrMore<string>>>;
export type Statement = {
  Sid?: string;
  Effect: 'Allow' | 'Deny';
  Principal?: Principals;
  NotPrincipal?: Principals;
  Action?: OneOrMore<string>;
  NotAction?: OneOrMore<string>;
  Resource?: OneOrMore<string>;
  NotResource?: OneOrMore<string>;
  Condition?: Conditions;
};
/** A policy that has passed `parsedPolicy`. */
export type PolicyDocument = { Version?: string; Id?: string; Statement: Statement[] };

export const list = <T>(value: OneOrMore<T> | undefined): T[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

const malformed = (why: string) => new ApiError('MalformedPolicyDocumentException', why);
const invalidSyntax = (where: string) => malformed(`This resource policy contains a syntax error: ${where}.`);
const unsupportedPrincipal = () => malformed('This resource policy contains an unsupported principal.');

const operators = [
  ...['StringEquals', 'StringNotEquals', 'StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase'],
  ...['StringLike', 'StringNotLike', 'ArnEquals', 'ArnNotEquals', 'ArnLike', 'ArnNotLike'],
  ...['NumericEquals', 'NumericNotEquals', 'NumericLessThan', 'NumericLessThanEquals'],
  ...['NumericGreaterThan', 'NumericGreaterThanEquals'],
  ...['DateEquals', 'DateNotEquals', 'DateLessThan', 'DateLessThanEquals'],
  ...['DateGreaterThan', 'DateGreaterThanEquals', 'Bool', 'BinaryEquals', 'IpAddress', 'NotIpAddress'],
].map((name) => name.toLowerCase());

/** `ForAnyValue:StringEqualsIfExists` in its parts, or null when there is no such operator. */
export function operatorOf(text: string): { name: string; ifExists: boolean; every: boolean; some: boolean } | null {
  const found = /^(?:(forallvalues|foranyvalue):)?([a-z]+?)(ifexists)?$/.exec(text.toLowerCase());
  if (!found) return null;
  const [, set, name, ifExists] = found;
  if (!operators.includes(name!) && !(name === 'null' && !ifExists)) return null;
  return { name: name!, ifExists: Boolean(ifExists), every: set === 'forallvalues', some: set === 'foranyvalue' };
}

/** Milliseconds of a date in a policy: W3C profile of ISO 8601, or seconds since 1970. NaN for anything else. */
export function dateOf(value: string | number | boolean): number {
  if (typeof value === 'number' || /^\d{9,}$/.test(String(value))) return Number(value) * 1000;
  const text = String(value);
  return /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text)
    ? Date.parse(text)
    : Number.NaN;
}

/**
 * Reads a resource policy. MalformedPolicyDocumentException when it is not JSON, breaks the grammar
 * (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html) or names a principal that cannot
 * be, such as the `AIDA…` id that a deleted user leaves behind.
 */
export function parsedPolicy(text: string): PolicyDocument {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw malformed('This policy has invalid syntax.');
  }
  if (!isObject(document)) throw malformed('This policy has invalid syntax.');
  onlyKeys(document, ['Version', 'Id', 'Statement'], 'the policy');
  if (document.Version !== undefined && !['2012-10-17', '2008-10-17'].includes(document.Version as string)) {
    throw invalidSyntax('the Version must be 2012-10-17 or 2008-10-17');
  }
  const statements = list(document.Statement as unknown);
  if (statements.length === 0) throw invalidSyntax('there is no Statement');
  for (const statement of statements) checkStatement(statement);
  const sids = statements.map((statement) => (statement as Statement).Sid).filter((sid) => sid !== undefined);
  if (new Set(sids).size < sids.length) throw invalidSyntax('two statements have the same Sid');
  return { ...document, Statement: statements as Statement[] } as PolicyDocument;
}

/** A policy that was accepted before. What it names may be gone since, such as a deleted user: that opens nothing and refuses nothing. */
export function storedPolicy(text: string): PolicyDocument {
  const document = JSON.parse(text) as Omit<PolicyDocument, 'Statement'> & { Statement: OneOrMore<Statement> };
  return { ...document, Statement: list(document.Statement) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function onlyKeys(value: Record<string, unknown>, known: readonly string[], where: string): void {
  for (const key of Object.keys(value)) if (!known.includes(key)) throw invalidSyntax(`${where} has no member ${key}`);
}

/** Exactly one of a member and its opposite, such as Action and NotAction. */
function either(statement: Record<string, unknown>, name: string): unknown {
  const [plain, not] = [statement[name], statement[`Not${name}`]];
  if ((plain === undefined) === (not === undefined)) throw invalidSyntax(`a statement needs ${name} or Not${name}`);
  return plain ?? not;
}

function texts(value: unknown, where: string): string[] {
  const all = list(value as OneOrMore<unknown>);
  if (all.length === 0 || !all.every((item) => typeof item === 'string' && item !== '')) throw invalidSyntax(where);
  return all as string[];
}

const members = [
  'Sid',
  'Effect',
  'Condition',
  ...['Principal', 'Action', 'Resource'].flatMap((name) => [name, `Not${name}`]),
];

function checkStatement(statement: unknown): void {
  if (!isObject(statement)) throw invalidSyntax('a Statement is not an object');
  onlyKeys(statement, members, 'a statement');
  if (statement.Sid !== undefined && typeof statement.Sid !== 'string') throw invalidSyntax('a Sid is not text');
  if (statement.Effect !== 'Allow' && statement.Effect !== 'Deny') throw invalidSyntax('Effect must be Allow or Deny');
  for (const action of texts(either(statement, 'Action'), 'an Action is not text')) {
    if (action !== '*' && !/^[A-Za-z0-9-]+:[A-Za-z*?]+$/.test(action))
      throw invalidSyntax('an Action has no such form');
  }
  for (const resource of texts(either(statement, 'Resource'), 'a Resource is not text')) {
    if (resource !== '*' && !resource.startsWith('arn:')) throw invalidSyntax('a Resource is neither * nor an ARN');
  }
  checkPrincipals(either(statement, 'Principal'));
  if (statement.Condition !== undefined) checkConditions(statement.Condition);
}

const principalForms = [
  /^\*$/,
  /^\d{12}$/,
  /^arn:aws[a-z-]*:iam::\d{12}:(root|(user|role)\/[\w+=,.@/-]+)$/,
  /^arn:aws[a-z-]*:sts::\d{12}:(assumed-role\/[\w+=,.@-]+\/[\w+=,.@-]+|federated-user\/[\w+=,.@-]+)$/,
];

function checkPrincipals(principals: unknown): void {
  if (principals === '*') return;
  if (!isObject(principals) || Object.keys(principals).length === 0)
    throw invalidSyntax('a Principal is neither * nor an object');
  for (const [kind, value] of Object.entries(principals)) {
    const names = texts(value, 'a Principal is not text');
    if (!['AWS', 'Service', 'Federated', 'CanonicalUser'].includes(kind)) throw unsupportedPrincipal();
    if (kind === 'AWS' && !names.every((name) => principalForms.some((form) => form.test(name))))
      throw unsupportedPrincipal();
  }
}

function checkConditions(conditions: unknown): void {
  if (!isObject(conditions)) throw invalidSyntax('a Condition is not an object');
  for (const [text, keys] of Object.entries(conditions)) {
    const operator = operatorOf(text);
    if (!operator) throw invalidSyntax('a Condition has an unknown operator');
    if (!isObject(keys) || Object.keys(keys).length === 0) throw invalidSyntax('a Condition has no key');
    for (const [key, value] of Object.entries(keys)) {
      if (!/^[\w-]+:.+$/.test(key)) throw invalidSyntax('a Condition key has no prefix');
      const values = list(value as OneOrMore<unknown>);
      if (!values.every((item) => ['string', 'number', 'boolean'].includes(typeof item))) {
        throw invalidSyntax('a Condition value is neither text, number nor boolean');
      }
      if (operator.name.startsWith('date') && values.some((item) => Number.isNaN(dateOf(item as string)))) {
        throw invalidSyntax('a Condition has something that is no date');
      }
    }
  }
}

/** Condition keys that tie a wildcard principal to somebody known. A date does not: it only says when all may read. */
const narrowing = new Set([
  ...['aws:principalarn', 'aws:principalaccount', 'aws:principalorgid', 'aws:principalorgpaths', 'aws:userid'],
  ...['aws:sourcearn', 'aws:sourceaccount', 'aws:sourceorgid', 'aws:sourcevpc', 'aws:sourcevpce', 'aws:sourceip'],
]);
const narrowingOperators = new Set([
  'stringequals',
  'stringequalsignorecase',
  'stringlike',
  'arnequals',
  'arnlike',
  'ipaddress',
]);

/** Whether the policy gives somebody unnamed access; what `BlockPublicPolicy` refuses. */
export function isPublic(policy: PolicyDocument): boolean {
  return policy.Statement.some((statement) => {
    if (statement.Effect !== 'Allow') return false;
    if (statement.NotPrincipal !== undefined) return true;
    const anyone = statement.Principal === '*' || list((statement.Principal as { AWS?: string[] }).AWS).includes('*');
    return anyone && !isNarrowed(statement.Condition ?? {});
  });
}

function isNarrowed(conditions: Conditions): boolean {
  return Object.entries(conditions).some(([text, keys]) => {
    const operator = operatorOf(text)!;
    if (operator.ifExists || operator.every || !narrowingOperators.has(operator.name)) return false;
    return Object.entries(keys).some(
      ([key, value]) => narrowing.has(key.toLowerCase()) && list(value).every((item) => isFixed(String(item))),
    );
  });
}

function isFixed(value: string): boolean {
  if (value.endsWith('/0')) return false;
  // Of an ARN the account must be fixed; of anything else there may be no wildcard at all.
  const parts = value.split(':');
  return value.startsWith('arn:') ? /^\d{12}$/.test(parts[4] ?? '') : !/[*?]/.test(value);
}
