import type { Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { Means } from './call.ts';
import { documentIn, type FormDialect, providerOfForm } from './document.ts';

/** A value in two parts: what the provider calls the key, and the secret that goes with it. */
export interface Pair {
  id: string;
  secret: string;
}
/** What the two parts are called in the JSON document that the store has. */
export type PairFields = Pair;

export function pairIn(value: Secret, fields: PairFields): Pair | null {
  const document = documentIn(value) ?? {};
  const [id, secret] = [document[fields.id], document[fields.secret]];
  return typeof id === 'string' && id !== '' && typeof secret === 'string' && secret !== '' ? { id, secret } : null;
}
/** A credential without the two parts that it should have. The store has to be told so; trying again is of no use. */
export class UnfitCredential extends Error {}
/** The credential, where it has two parts as well. */
export function credentialPair(credential: Secret, secretId: string, fields: PairFields): Pair {
  const pair = pairIn(credential, fields);
  if (pair) return pair;
  throw new UnfitCredential(`${secretId} is no JSON document with ${fields.id} and ${fields.secret}.`);
}
/** How a pair is shown by HTTP Basic. */
export const basic = ({ id, secret }: Pair): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
});

/**
 * A provider whose keys have two parts. The store has both in one JSON document, so that they change together. `made` gives
 * the secret part as the value; the id is the other part.
 */
export function providerOfPairs(
  dialect: Omit<FormDialect<Pair>, 'identify'>,
  fields: PairFields,
  means: Pick<Means, 'secrets'>,
): Issuer {
  return providerOfForm(
    {
      ...dialect,
      async identify(key, { id }) {
        return (await dialect.list!(key)).some((each) => each.providerKeyId === id) ? id : null;
      },
    },
    {
      read: (value) => pairIn(value, fields),
      write: (before, { value, providerKeyId }) =>
        JSON.stringify({ ...before, [fields.id]: providerKeyId, [fields.secret]: value.reveal() }),
      otherwise: `no JSON document with ${fields.id} and ${fields.secret}`,
    },
    means,
  );
}
