import { Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { Answer, Means } from './call.ts';
import { currentValue } from './current.ts';
import { type Dialect, provider } from './provider.ts';

/** A value in two parts: what the provider calls the key, and the secret that goes with it. */
export interface Pair {
  id: string;
  secret: string;
}
/** What the two parts are called in the JSON document that the store has. */
export type PairFields = Pair;

/** The JSON document that a secret holds, or null. The parser quotes what it could not read, so nothing of its error is kept. */
function documentIn(value: Secret): Record<string, unknown> | null {
  try {
    const parsed: unknown = JSON.parse(value.reveal());
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
      ? (parsed as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
export function pairIn(value: Secret, fields: PairFields): Pair | null {
  const document = documentIn(value) ?? {};
  const [id, secret] = [document[fields.id], document[fields.secret]];
  return typeof id === 'string' && id !== '' && typeof secret === 'string' && secret !== '' ? { id, secret } : null;
}
/** The credential, where it has two parts as well. */
export function credentialPair(credential: Secret, secretId: string, fields: PairFields): Pair {
  const pair = pairIn(credential, fields);
  if (pair) return pair;
  throw new Error(`${secretId} is no JSON document with ${fields.id} and ${fields.secret}.`);
}

/** For a dialect whose `made` gives the secret part as the value; the id is the other part. */
export interface PairDialect extends Omit<Dialect, 'identify' | 'probe'> {
  probe(pair: Pair): Promise<Answer>;
}

/**
 * A provider whose keys have two parts. The store has both in one JSON document, so that they change together; what else
 * the document holds stays as it is, because whoever reads it counts on that too.
 */
export function providerOfPairs(dialect: PairDialect, fields: PairFields, { secrets }: Pick<Means, 'secrets'>): Issuer {
  const noPair = `no JSON document with ${fields.id} and ${fields.secret}`;
  const frame = provider({
    ...dialect,
    async identify(key, value) {
      const id = pairIn(value, fields)?.id;
      return (await dialect.list!(key)).some((each) => each.providerKeyId === id) ? id! : null;
    },
    whyNotValue: async (value) => (pairIn(value, fields) ? null : `it is ${noPair}`),
    probe: (_key, value) => dialect.probe(pairIn(value, fields)!),
  });
  return {
    ...frame,
    async create(key, label) {
      const before = await currentValue(secrets, key);
      if (before && !pairIn(before, fields)) {
        return {
          refused: `The secret holds ${noPair}, so whoever reads it would not understand the new value. Store the current one in that form, or name its fields under providers.${dialect.name} in policy.yml.`,
        };
      }
      const made = await frame.create(key, label);
      if ('refused' in made) return made;
      const parts = { [fields.id]: made.providerKeyId, [fields.secret]: made.value.reveal() };
      const rest = before ? documentIn(before) : {};
      return { ...made, value: new Secret(JSON.stringify({ ...rest, ...parts })) };
    },
  };
}
