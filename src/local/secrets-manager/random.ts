import { randomInt } from 'node:crypto';
import { invalidParameter } from './protocol.ts';
import type { Input } from './requests.ts';

const lower = 'abcdefghijklmnopqrstuvwxyz';
const upper = lower.toUpperCase();
const digits = '0123456789';
/** The list of the reference (API_GetRandomPassword, ExcludePunctuation). */
const punctuation = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';

const pick = (from: string) => from[randomInt(from.length)]!;

/** GetRandomPassword: 32 characters unless told, at least one of every kind not excluded unless told. */
export function randomPassword(ask: Input<'GetRandomPassword'>): string {
  const excluded = new Set(ask.ExcludeCharacters ?? '');
  const kinds = [
    ask.ExcludeLowercase ? '' : lower,
    ask.ExcludeUppercase ? '' : upper,
    ask.ExcludeNumbers ? '' : digits,
    ask.ExcludePunctuation ? '' : punctuation,
  ]
    .map((kind) =>
      Array.from(kind)
        .filter((character) => !excluded.has(character))
        .join(''),
    )
    .filter((kind) => kind !== '');
  const space = ask.IncludeSpace && !excluded.has(' ') ? ' ' : '';
  const all = kinds.join('') + space;
  const length = ask.PasswordLength ?? 32;
  const required = ask.RequireEachIncludedType === false ? [] : kinds;

  if (all === '') throw invalidParameter('The password has no characters left to choose from.');
  if (length < required.length) {
    throw invalidParameter('The password length is too short based on the required types.');
  }
  const characters = required.map(pick);
  while (characters.length < length) characters.push(pick(all));
  for (let i = characters.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [characters[i], characters[j]] = [characters[j]!, characters[i]!];
  }
  return characters.join('');
}

const suffixCharacters = lower + upper + digits;

/** The six characters at the end of an ARN; new ones each time a name is used, so that old grants do not carry over. */
export function arnSuffix(): string {
  return Array.from({ length: 6 }, () => pick(suffixCharacters)).join('');
}
