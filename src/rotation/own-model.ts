import type { ApiKey } from '../inventory/model.ts';
import { Refusal } from '../kernel.ts';
import { entriesBy, type Policy } from '../policy.ts';

/** So long after it was read a credential is used again without another read, and so long one that was replaced still is. */
export const rememberedMs = 10_000;

/** Whether it is a credential that Keysteward itself works with at a provider. */
export const isOwn = (key: Pick<ApiKey, 'secretId'>, { providers }: Pick<Policy, 'providers'>): boolean =>
  entriesBy(key, providers).length > 0;

/** Whether rotations of the other key are made with this one. A key that makes its own values is no other. */
export const worksWith = (
  other: Pick<ApiKey, 'id' | 'issuer'>,
  key: Pick<ApiKey, 'id' | 'secretId'>,
  { providers }: Pick<Policy, 'providers'>,
): boolean => other.id !== key.id && entriesBy(key, providers).includes(other.issuer);

/** "openai", "mail and openai". */
export const namesInWords = (names: string[]): string =>
  names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : (names[0] ?? '');

/** What that means for its rotation; null for all other keys. An emergency does not wait for others. */
export function ownInWords(key: Pick<ApiKey, 'secretId'>, emergency: boolean, policy: Policy): string | null {
  const entries = entriesBy(key, policy.providers);
  if (entries.length === 0) return null;
  const turn = emergency ? '' : 'It goes last: ';
  const terms = `${turn ? 'the' : 'The'} new one is tried for the same rights before the old one ends.`;
  return `Keysteward works with this key at ${namesInWords(entries)}. ${turn}${terms}`;
}

/** What somebody who makes the new one by hand has to know; null for all other keys. */
export function askedOfMaker(key: Pick<ApiKey, 'secretId'>, { providers }: Pick<Policy, 'providers'>): string | null {
  const entries = entriesBy(key, providers);
  return entries.length === 0
    ? null
    : `It has to be one that may manage keys, as Keysteward itself works with it at ${namesInWords(entries)}.`;
}

/** What makes the values of a key, as far as it matters for such a one. */
export interface Maker {
  name: string;
  can: { overlap: 'many' | 'two' | 'none'; managesKeys?: boolean };
}

/**
 * Why this maker cannot replace a credential that Keysteward works with at these entries, or null. The new one has to be
 * tried while the old one works, and the old one ended by means of the new one.
 */
export function whyNotReplace(key: Pick<ApiKey, 'name'>, { name, can }: Maker, entries: string[]): Refusal | null {
  const at = `${key.name} is what Keysteward itself works with at ${namesInWords(entries)}`;
  const toPerson = 'Choose "A person" under "Who makes new values?", and hand in a new one.';
  if (can.overlap === 'none') {
    return new Refusal(
      'conflict',
      `${at}. ${name} ends the old value when it makes a new one, before anybody can try that, and Keysteward would be locked out if it did not work. ${toPerson}`,
    );
  }
  if (!can.managesKeys) {
    return new Refusal(
      'conflict',
      `${at}, and the values that ${name} makes may not manage keys, so none of them could take its place. ${toPerson}`,
    );
  }
  return null;
}
