import { createHash } from 'node:crypto';
import { ApiError, invalidParameter } from './protocol.ts';
import type { Input } from './requests.ts';
import type { StoredSecret } from './secrets.ts';

type Filters = NonNullable<Input<'ListSecrets'>['Filters']>;

/**
 * Words as the service's search sees them (recorded): special characters separate, and so does a capital that begins a
 * word: `prod/AppBeta` is prod, App, Beta; `COMPANYthings` is COMPAN, Ythings. Not case-sensitive.
 */
function words(text: string): string[] {
  return text
    .split(/[^A-Za-z0-9]+/)
    .flatMap((part) => part.split(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/))
    .filter((word) => word !== '')
    .map((word) => word.toLowerCase());
}

/** Every word asked for begins some word of the texts. A search without any word finds nothing. */
function hasWords(texts: readonly string[], asked: string): boolean {
  const wanted = words(asked);
  const present = texts.flatMap(words);
  return wanted.length > 0 && wanted.every((word) => present.some((candidate) => candidate.startsWith(word)));
}

function textsOf(secret: StoredSecret, key: string): string[] {
  const keys = secret.tags?.map((tag) => tag.Key) ?? [];
  const values = secret.tags?.map((tag) => tag.Value) ?? [];
  switch (key) {
    case 'name':
      return [secret.name];
    case 'description':
      return [secret.description ?? ''];
    case 'tag-key':
      return keys;
    case 'tag-value':
      return values;
    case 'primary-region':
      return [secret.primaryRegion ?? secret.region];
    case 'all':
      return [secret.name, secret.description ?? '', ...keys, ...values];
    default:
      return []; // owning-service: no other service makes secrets here.
  }
}

function matches(secret: StoredSecret, key: string, asked: string): boolean {
  const negated = asked.startsWith('!');
  const value = negated ? asked.slice(1) : asked;
  const texts = textsOf(secret, key);
  const found =
    key === 'description' || key === 'all' ? hasWords(texts, value) : texts.some((text) => text.startsWith(value));
  return found !== negated;
}

/** Keeps the secrets that pass every filter; the values of one filter are alternatives. */
export function filtered(secrets: readonly StoredSecret[], filters: Filters = []): StoredSecret[] {
  for (const { Key, Values } of filters) {
    if (!Key) throw invalidParameter('Invalid filter key');
    if (!Values?.length) throw invalidParameter(`Invalid filter values for key: ${Key}`);
  }
  return secrets.filter((secret) =>
    filters.every(({ Key, Values }) => Values!.some((value) => matches(secret, Key!, value))),
  );
}

type Sorting = Pick<Input<'ListSecrets'>, 'SortBy' | 'SortOrder'>;

/** Creation order unless asked otherwise, and among equals; those that came in the same millisecond keep theirs. */
export function sorted(secrets: readonly StoredSecret[], { SortBy, SortOrder }: Sorting = {}): StoredSecret[] {
  const rank = (secret: StoredSecret): string | number => {
    if (SortBy === 'name') return secret.name;
    if (SortBy === 'last-changed-date') return secret.changedAt;
    if (SortBy === 'last-accessed-date') return secret.accessedDay ?? 0;
    return secret.createdAt;
  };
  const ascending = [...secrets].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x === y ? 0 : x < y ? -1 : 1;
  });
  return SortOrder === 'desc' ? ascending.reverse() : ascending;
}

export type Page<T> = { items: T[]; nextToken?: string };

/**
 * One page. The token names the last item shown, so items that come and go in between neither repeat nor hide others,
 * and it is good only for the same question. InvalidNextTokenException for any other text.
 */
export function page<T>(
  items: readonly T[],
  ask: { question: unknown; max: number; token?: string | undefined; nothing?: boolean },
  idOf: (item: T) => string,
): Page<T> {
  const asked = createHash('sha256').update(JSON.stringify(ask.question)).digest('base64url').slice(0, 16);
  let from = 0;
  if (ask.token !== undefined) {
    const [question, index, last] = parsedToken(ask.token);
    if (question !== asked) throw invalidNextToken();
    const shown = items.findIndex((item) => idOf(item) === last);
    from = shown < 0 ? Math.min(index, items.length) : shown + 1;
  }
  const shown = ask.nothing ? [] : items.slice(from, from + ask.max);
  const end = from + shown.length;
  if (end >= items.length) return { items: shown };
  const last = end > 0 ? idOf(items[end - 1]!) : '';
  return { items: shown, nextToken: Buffer.from(JSON.stringify([asked, end, last])).toString('base64url') };
}

const invalidNextToken = () => new ApiError('InvalidNextTokenException', 'The NextToken value is invalid.');

function parsedToken(token: string): [question: string, index: number, last: string] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (!Array.isArray(parts) || parts.length !== 3) throw invalidNextToken();
    const [question, index, last] = parts as unknown[];
    if (typeof question === 'string' && typeof index === 'number' && index >= 0 && typeof last === 'string') {
      return [question, index, last];
    }
  } catch {
    // Not ours.
  }
  throw invalidNextToken();
}
