import { isOurs, type PolicyDocument, parsePolicy, type Statement } from '../access/policy-document-model.ts';
import { isSamePrincipal } from '../rotation/deployment/reads-model.ts';

/** Who learns that there is a secret, and nothing of its value. */
const harmless = [
  'secretsmanager:describesecret',
  'secretsmanager:listsecretversionids',
  'secretsmanager:getresourcepolicy',
];
const listOf = (one: unknown): string[] => (Array.isArray(one) ? one : [one]).map(String);

/** Whether this statement, which others wrote, opens the secret or its policy to whom it names. */
const opens = (statement: Statement): boolean =>
  statement.Effect === 'Allow' &&
  !isOurs(statement) &&
  (statement.Action === undefined || listOf(statement.Action).some((each) => !harmless.includes(each.toLowerCase())));

/** What AWS leaves of a user or role that was deleted; it can open nothing. */
const isDead = (principal: string) => /^A(IDA|ROA)[A-Z0-9]{12,}$/.test(principal);

type Named = [kind: string, principal: string];
/** Whom a statement names. One that says who is not meant names everybody else. */
function namedIn({ Principal }: Statement): Named[] {
  if (Principal === undefined) return [['', '*']];
  if (typeof Principal !== 'object' || Principal === null) return listOf(Principal).map((each): Named => ['', each]);
  return Object.entries(Principal).flatMap(([kind, who]) => listOf(who).map((each): Named => [kind, each]));
}
const inWords = ([kind, principal]: Named) => (kind === '' || kind === 'AWS' ? principal : `${kind} ${principal}`);

/** Whom statements of others let in, but for those that are known, as users, roles or whatever a statement can name. */
export function strangersIn(policy: string | null, known: string[]): string[] {
  const isKnown = (principal: string) =>
    known.some((each) => each === principal || isSamePrincipal(each, principal)) || isDead(principal);
  const named = parsePolicy(policy).Statement.filter(opens).flatMap(namedIn).map(inWords);
  return [...new Set(named)].filter((each) => !isKnown(each)).sort();
}

/** Whether a statement of ours is in it. */
export const hasOurs = (policy: string | null): boolean => parsePolicy(policy).Statement.some(isOurs);

/** The policy without these, everything else as it was; null where nothing is left to say. */
export function withoutStrangers(policy: string | null, strangers: string[]): string | null {
  const document: PolicyDocument = parsePolicy(policy);
  const statements = document.Statement.flatMap((each) => (opens(each) ? (without(each, strangers) ?? []) : each));
  return statements.length > 0 ? JSON.stringify({ ...document, Statement: statements }) : null;
}

function without(statement: Statement, strangers: string[]): Statement | null {
  const named = namedIn(statement);
  const left = named.filter((each) => !strangers.includes(inWords(each)));
  if (left.length === named.length) return statement;
  if (left.length === 0) return null;
  const Principal: Record<string, string[]> = {};
  for (const [kind, principal] of left) Principal[kind] = [...(Principal[kind] ?? []), principal];
  return { ...statement, Principal };
}
