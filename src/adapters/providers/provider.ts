import type { ApiKey } from '../../inventory/model.ts';
import { Secret } from '../../kernel.ts';
import type { Ending, IssuedKey, Issuer, IssuerAbilities, LaterValue } from '../../ports.ts';
import type { Use } from '../../rotation/deployment/model.ts';
import { type Answer, at, expected, inWords, isFinal, listAt, textAt, waitMs } from './call.ts';

export type Verdict = 'works' | 'refused' | 'unclear';

/** What differs from provider to provider; the rest is the same for all and lies in `provider`. */
export interface Dialect {
  name: string;
  settings: { credential: string | null; propagationSeconds: number };
  /** Whether the keys that are made here may manage keys themselves; no where nothing is said. */
  managesKeys?: boolean;
  /** Whether its keys bear no names; no where nothing is said. */
  unlabelled?: boolean;
  /** `many` where nothing else is said. */
  overlap?: IssuerAbilities['overlap'];
  /** How many keys there can be at most, where that is known. */
  keyLimit?: number | null;
  /** Asks the provider for a key of this name, or for one in place of another. Without it only a person makes keys there, as with the other abilities. */
  create?(key: ApiKey, label: string, replaces?: string): Promise<Answer | { notYet: string }>;
  /** What it answered: the value once, its name for it, and its end. */
  made?(answer: Answer): { value: string | null; providerKeyId: string | null; expiresAt: Date | null };
  /** All keys, over all pages. */
  list?(key: ApiKey): Promise<IssuedKey[]>;
  identify(key: ApiKey, value: Secret): Promise<string | null>;
  /** What is wrong with the form of a value, so that it need not be tried, or null. */
  whyNotValue?(value: Secret): Promise<string | null>;
  /** Tries a value at an address that costs nothing and changes nothing. */
  probe(key: ApiKey, value: Secret): Promise<Answer>;
  /** What that says of the value: by 200 and 401 where nothing else is said. Everything that is not the provider's own word on it is `unclear`. */
  judge?(answer: Answer): Verdict;
  /** Ends a key; one that is gone already is no trouble. */
  revoke(key: ApiKey, providerKeyId: string, value: LaterValue | null): Promise<void>;
  enable?(key: ApiKey, providerKeyId: string, on: boolean): Promise<void>;
  lastUsed?(key: ApiKey, providerKeyId: string): Promise<Date | null>;
  usage?(key: ApiKey, providerKeyId: string, since: Date): Promise<Use | null>;
  /** How late that may be; not at all where nothing is said. */
  usageLagMinutes?: number;
  usageIsPartial?: boolean;
}

const byStatus = ({ status }: Answer): Verdict => (status === 200 ? 'works' : status === 401 ? 'refused' : 'unclear');

/** An issuer over HTTP, from what is special about it. */
export function provider(dialect: Dialect): Issuer {
  const { name, settings, keyLimit = null, judge = byStatus } = dialect;
  const probed = async (key: ApiKey, value: Secret) => {
    const answer = await dialect.probe(key, value);
    return { verdict: judge(answer), said: answer.said ?? `HTTP ${answer.status}` };
  };
  const whyNotValue = async (value: Secret) => (await dialect.whyNotValue?.(value)) ?? null;
  const list = async (key: ApiKey) => (await dialect.list?.(key)) ?? [];
  return {
    name,
    can: {
      create: Boolean(dialect.create),
      test: true,
      disable: Boolean(dialect.enable),
      revoke: true,
      confirmDead: true,
      list: Boolean(dialect.list),
      lastUsed: Boolean(dialect.lastUsed),
      usage: Boolean(dialect.usage),
      usageLagMinutes: dialect.usageLagMinutes ?? 0,
      usageIsPartial: dialect.usageIsPartial ?? false,
      managesKeys: dialect.managesKeys ?? false,
      unlabelled: dialect.unlabelled ?? false,
      overlap: dialect.overlap ?? 'many',
      keyLimit,
      propagationSeconds: settings.propagationSeconds,
    },
    credential: settings.credential,
    list,
    identify: dialect.identify,
    ...(dialect.enable ? { enable: dialect.enable } : {}),
    lastUsed: async (key, id) => (await dialect.lastUsed?.(key, id)) ?? null,
    usage: async (key, id, since) => (await dialect.usage?.(key, id, since)) ?? null,

    async create(key, label, replaces) {
      if (!dialect.create || !dialect.made) return { refused: `${name} makes no keys for programs; a person has to.` };
      if (keyLimit !== null) {
        const there = (await list(key)).length;
        if (there >= keyLimit) {
          return {
            refused: `${name} already has ${there} keys here and allows ${keyLimit}. Remove one that nobody uses, then press Retry.`,
          };
        }
      }
      const answer = await dialect.create(key, label, replaces);
      if ('notYet' in answer) return answer;
      // Who is too busy has not done it; of who has trouble that is not certain, whatever it says of waiting.
      if (answer.status === 429 && waitMs(answer) === null) return { notYet: inWords(name, 'create a key', answer) };
      if (answer.status === 503) throw new Error(inWords(name, 'create a key', answer));
      if (isFinal(answer.status) && waitMs(answer) === null) return { refused: inWords(name, 'create a key', answer) };
      expected(name, 'create a key', answer, [200, 201]);
      const { value, providerKeyId, expiresAt } = dialect.made(answer);
      // The value is lost, and what was made is found by its label.
      if (!value || !providerKeyId) throw new Error(`${name} made a key and did not show its value`);
      return { value: new Secret(value), providerKeyId, expiresAt };
    },

    async find(key, labels) {
      return (await list(key)).filter((each) => each.active && each.label !== null && labels.includes(each.label));
    },

    async test(key, value) {
      const whyNot = await whyNotValue(value);
      if (whyNot) return { verdict: 'refused', evidence: whyNot };
      const { verdict, said } = await probed(key, value);
      const does = { works: 'accepts it', refused: 'does not accept it', unclear: 'says neither yes nor no' }[verdict];
      return { verdict, evidence: `${name} ${does} (${said})` };
    },

    async revoke(key, { providerKeyId, value }) {
      if (providerKeyId) await dialect.revoke(key, providerKeyId, value);
    },

    async confirmDead(key, ending: Ending) {
      // What cannot be tried has to be seen in the list.
      if (ending.value && !(await whyNotValue(ending.value))) {
        const { verdict, said } = await probed(key, ending.value);
        return {
          refused: { verdict: 'dead' as const, evidence: `${name} no longer accepts the old value (${said})` },
          works: { verdict: 'alive' as const, evidence: `${name} accepts the old value (${said})` },
          unclear: { verdict: 'unclear' as const, evidence: `${name} says neither yes nor no (${said})` },
        }[verdict];
      }
      if (!ending.providerKeyId || !dialect.list)
        return { verdict: 'unclear', evidence: 'there is nothing to ask for' };
      const listed = (await list(key)).find((each) => each.providerKeyId === ending.providerKeyId);
      return listed?.active
        ? { verdict: 'alive', evidence: `${name} lists ${ending.providerKeyId} as active` }
        : { verdict: 'dead', evidence: `${name} no longer lists ${ending.providerKeyId} as active` };
    },
  };
}

/** Goes through the pages of a listing; ends where the provider says so, and at the latest after as many as nobody has. */
export async function allPages<N>(
  name: string,
  next: (from: string | null) => Promise<{ rows: N[]; next: string | null }>,
): Promise<N[]> {
  const rows: N[] = [];
  let from: string | null = null;
  for (let pages = 0; pages < 500; pages++) {
    const page: { rows: N[]; next: string | null } = await next(from);
    rows.push(...page.rows);
    if (page.next === null || page.next === from) return rows;
    from = page.next;
  }
  throw new Error(`${name} lists pages without an end`);
}

/** A page of a listing that says whether there is more, and of which key on. */
export const pageByLastId = (body: unknown): { rows: unknown[]; next: string | null } => ({
  rows: listAt(body, '/data'),
  next: at(body, '/has_more') === true ? textAt(body, '/last_id') : null,
});

/** A key as a listing has it, by the JSON pointers of its id and of the name that it was made under. */
export const listed = (row: unknown, id: string, label: string, active = true): IssuedKey => ({
  providerKeyId: textAt(row, id) ?? '',
  label: textAt(row, label),
  active,
});

/** The id of the only one of these keys whose value is this, by what the provider shows of it; `shown` and `id` are JSON pointers. */
export function theOneShown(rows: unknown[], value: Secret, where: { shown: string; id: string }): string | null {
  const fits = rows.filter((each) => matchesRedacted(value, textAt(each, where.shown)));
  return fits.length === 1 ? textAt(fits[0], where.id) : null;
}

/** Whether a value is the one that a provider shows as `sk-ab...wxyz`. Too little shown is no proof. */
function matchesRedacted(value: Secret, redacted: string | null): boolean {
  const [, head, tail] = /^([^.*…]*)(?:\.{3,}|\*+|…)([^.*…]*)$/.exec(redacted ?? '') ?? [];
  if (head === undefined || tail === undefined || tail.length < 4) return false;
  const text = value.reveal();
  return text.length > head.length + tail.length && text.startsWith(head) && text.endsWith(tail);
}
