import type { Instant } from '../kernel.ts';
import type { Grant } from './model.ts';

/** A Secrets Manager resource policy, as far as it is read here. */
export interface PolicyDocument {
  Version: string;
  Statement: Statement[];
}
export interface Statement {
  Sid?: string;
  Effect: string;
  Principal?: unknown;
  [part: string]: unknown;
}

/** Held by whoever writes a secret's policy: AWS keeps what is written last. Longer than its outside calls may take together. */
export const leaseOn = (keyId: string) => ({ name: `policy:${keyId}`, holdMs: 45_000 });

/** AWS: at most 20,480 characters. */
export const maxPolicyLength = 20_480;
const sidPrefix = 'keysteward-';

export function parsePolicy(text: string | null): PolicyDocument {
  if (!text) return { Version: '2012-10-17', Statement: [] };
  const parsed = JSON.parse(text) as Partial<PolicyDocument>;
  const statements = parsed.Statement ?? [];
  return { Version: parsed.Version ?? '2012-10-17', Statement: Array.isArray(statements) ? statements : [statements] };
}

/** An Allow for exactly this principal, until exactly this instant, evaluated by AWS at every request. */
export function statementOf(grant: Pick<Grant, 'id' | 'principal' | 'startsAt' | 'endsAt'>): Statement {
  const seconds = (at: Instant) => `${at.toISOString().slice(0, 19)}Z`;
  return {
    Sid: `${sidPrefix}${grant.id.replace('_', '-')}`,
    Effect: 'Allow',
    Principal: { AWS: grant.principal },
    Action: ['secretsmanager:GetSecretValue', 'secretsmanager:DescribeSecret'],
    Resource: '*',
    Condition: { DateLessThan: { 'aws:CurrentTime': seconds(grant.endsAt) } },
  };
}

/** Whether it follows a grant; whatever else there is, others wrote. */
export const isOurs = (statement: Statement) => statement.Sid?.startsWith(sidPrefix) ?? false;
/** What AWS leaves of a deleted user or role; putting it back is refused, and it can open nothing. */
export const isDead = (principal: unknown): boolean =>
  typeof principal === 'string' && /^A(IDA|ROA)[A-Z0-9]{12,}$/.test(principal);

/** The statement for those in it who are still there; null where nobody is. */
export function withoutDead(statement: Statement): Statement | null {
  const { Principal } = statement;
  if (typeof Principal !== 'object' || Principal === null || !JSON.stringify(Principal).match(/"A(IDA|ROA)/))
    return statement;
  const left = Object.entries(Principal).flatMap(([kind, who]) => {
    const living = (Array.isArray(who) ? who : [who]).filter((each) => !isDead(each));
    return living.length > 0 ? [[kind, Array.isArray(who) ? living : who]] : [];
  });
  return left.length > 0 ? { ...statement, Principal: Object.fromEntries(left) as unknown } : null;
}

/**
 * The whole policy for a key: what others wrote stays, ours is exactly the grants given, earliest first, as many as fit
 * (`left` are those that do not). Null when there is nothing left to say.
 */
export function policyFor(
  current: string | null,
  grants: Pick<Grant, 'id' | 'principal' | 'startsAt' | 'endsAt'>[],
): { text: string | null; left: string[] } {
  const before = parsePolicy(current);
  const foreign = before.Statement.flatMap((each) => (isOurs(each) ? [] : (withoutDead(each) ?? [])));
  const statements = [...foreign];
  const left: string[] = [];
  let length = JSON.stringify({ Version: before.Version, Statement: statements }).length;
  for (const grant of grants) {
    const statement = statementOf(grant);
    const more = JSON.stringify(statement).length + 1;
    if (length + more > maxPolicyLength) left.push(grant.id);
    else {
      statements.push(statement);
      length += more;
    }
  }
  return {
    text: statements.length > 0 ? JSON.stringify({ Version: before.Version, Statement: statements }) : null,
    left,
  };
}

/** Whether somebody changed what a policy says of grants. That AWS puts an id for whoever is deleted is no such change. */
export function isAltered(seen: string | null, wanted: string | null): boolean {
  const ours = (text: string | null) => parsePolicy(text).Statement.filter(isOurs);
  const [is, shouldBe] = [ours(seen), ours(wanted)];
  const same = (one: Statement) => {
    const other = is.find((each) => each.Sid === one.Sid);
    return (
      other && samePolicy(JSON.stringify({ Statement: withoutDead(other) ?? one }), JSON.stringify({ Statement: one }))
    );
  };
  return is.length !== shouldBe.length || !shouldBe.every(same);
}

/** Whether two policies say the same, however they are spaced and ordered. */
export function samePolicy(a: string | null, b: string | null): boolean {
  const canonical = (value: unknown): unknown => {
    if (Array.isArray(value))
      return value
        .map(canonical)
        .map((each) => JSON.stringify(each))
        .sort();
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value)
          .sort(([x], [y]) => (x < y ? -1 : 1))
          .map(([name, each]) => [name, canonical(each)]),
      );
    }
    return value;
  };
  return JSON.stringify(canonical(parsePolicy(a).Statement)) === JSON.stringify(canonical(parsePolicy(b).Statement));
}
