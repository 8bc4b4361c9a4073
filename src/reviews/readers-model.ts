import {
  isDead,
  isOurs,
  type PolicyDocument,
  parsePolicy,
  type Statement,
  withoutDead,
} from '../access/policy-document-model.ts';
import type { Consumer } from '../inventory/consumer-model.ts';
import type { Policy } from '../policy.ts';
import { isSamePrincipal } from '../rotation/deployment/reads-model.ts';

/** By these one learns that there is a secret, and nothing of its value. */
const harmless = /^secretsmanager:((describe|list)[\w*?]*|getresourcepolicy)$/i;
const listOf = (one: unknown): string[] => (Array.isArray(one) ? one : [one]).map(String);

/** Whether this statement, which others wrote, opens the secret or its policy to whom it names. */
const opens = (statement: Statement): boolean =>
  statement.Effect === 'Allow' &&
  !isOurs(statement) &&
  (statement.Action === undefined || listOf(statement.Action).some((each) => !harmless.test(each)));

type Named = [kind: string, principal: string];
const inWords = ([kind, principal]: Named) => (kind === '' || kind === 'AWS' ? principal : `${kind} ${principal}`);

/** What a condition can say of who everybody is, by how it is named here; the ARN of somebody stands for them. */
const narrowing = { 'aws:principalarn': 'AWS', 'aws:principalorgid': 'aws:PrincipalOrgID' };
const comparisons = ['ArnEquals', 'ArnLike', 'StringEquals', 'StringLike'];

/** The condition that says who of everybody is meant; undefined where none does. */
function narrowedTo({ Condition }: Statement) {
  const conditions = (Condition ?? {}) as Record<string, Record<string, unknown>>;
  const compared = comparisons.flatMap((operator) =>
    Object.entries(conditions[operator] ?? {}).map(([name, values]) => ({ operator, name, values: listOf(values) })),
  );
  return Object.entries(narrowing)
    .flatMap(([key, kind]) => compared.flatMap((each) => (each.name.toLowerCase() === key ? { ...each, kind } : [])))
    .at(0);
}

/** Whom a statement names, and the condition that names them, if it is one. One that says who is not meant names everybody else. */
function namedIn(statement: Statement): { named: Named[]; only?: ReturnType<typeof narrowedTo> } {
  const { Principal } = statement;
  if (Principal === undefined) return { named: [['', '*']] };
  const named =
    typeof Principal !== 'object' || Principal === null
      ? listOf(Principal).map((each): Named => ['', each])
      : Object.entries(Principal).flatMap(([kind, who]) => listOf(who).map((each): Named => [kind, each]));
  const only = named.every((each) => inWords(each) === '*') ? narrowedTo(statement) : undefined;
  return only ? { named: only.values.map((each) => [only.kind, each]), only } : { named };
}

/** The account that is meant as a whole, by its number or by its root; null for whoever is no account. */
const wholeAccount = (principal: string) =>
  /^(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?$/.exec(principal)?.[1] ?? null;
const isSame = (one: string, other: string) =>
  one === other ||
  isSamePrincipal(one, other) ||
  (wholeAccount(one) !== null && wholeAccount(one) === wholeAccount(other));

/** Who may read a key by its policy beside the grants: its consumers, and whom the company has said. */
export const knownReaders = (consumers: Pick<Consumer, 'readsAs'>[], { knownReaders }: Policy['reviews']): string[] => [
  ...consumers.flatMap(({ readsAs }) => readsAs ?? []),
  ...knownReaders,
];

/** Whom statements of others let in, but for those that are known, as users, roles or whatever a statement can name. */
export function strangersIn(policy: string | null, known: string[]): string[] {
  const named = parsePolicy(policy)
    .Statement.filter(opens)
    .flatMap((each) => namedIn(each).named.map(inWords));
  return [...new Set(named)].filter((each) => !isDead(each) && !known.some((one) => isSame(one, each))).sort();
}

/** Whether a statement of ours is in it. */
export const hasOurs = (policy: string | null): boolean => parsePolicy(policy).Statement.some(isOurs);

/** The policy without these and without the dead, everything else as it was; null where nothing is left to say. */
export function withoutStrangers(policy: string | null, strangers: string[]): string | null {
  const document: PolicyDocument = parsePolicy(policy);
  const statements = document.Statement.flatMap((each) => {
    const living = withoutDead(each);
    return (living && opens(living) ? without(living, strangers) : living) ?? [];
  });
  return statements.length > 0 ? JSON.stringify({ ...document, Statement: statements }) : null;
}

function without(statement: Statement, strangers: string[]): Statement | null {
  const { named, only } = namedIn(statement);
  const left = named.filter((each) => !strangers.includes(inWords(each)));
  if (left.length === named.length) return statement;
  if (left.length === 0) return null;
  if (only) {
    const Condition = statement.Condition as Record<string, object>;
    const compared = { ...Condition[only.operator], [only.name]: left.map(([, principal]) => principal) };
    return { ...statement, Condition: { ...Condition, [only.operator]: compared } };
  }
  const Principal: Record<string, string[]> = {};
  for (const [kind, principal] of left) Principal[kind] = [...(Principal[kind] ?? []), principal];
  return { ...statement, Principal };
}
