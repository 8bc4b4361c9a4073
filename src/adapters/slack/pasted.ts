import { lintSource } from '@secretlint/core';
import { creator as recommended } from '@secretlint/secretlint-rule-preset-recommend';
import { idPrefixes } from '../../kernel.ts';

const config = { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: recommended, options: {} }] };

/** Words that could be keys: long, without spaces, of more than one kind of character. Addresses and our own ids are none. */
const candidate = /[A-Za-z0-9_\-.+/=~]{16,}/g;
const harmless = [
  new RegExp(`^(${Object.values(idPrefixes).join('|')})_[0-9a-z]{26}$`),
  /^arn:/,
  /^https?:/,
  /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
];

/** How keys of well-known services begin, and what follows in one piece. Some have by chance no digit, and look like no random word. */
const beginnings = new RegExp(
  `(?<![A-Za-z0-9])(?:${[
    ['sk-', '[A-Za-z0-9]{32,}'],
    ['sk-(?:proj|svcacct|admin|ant-[a-z0-9]+|or-v1)-', '[\\w-]{32,}'],
    ['(?:sk|rk)_(?:live|test)_', '[A-Za-z0-9]{20,}'],
    ['(?:gh[pousr]|github_pat)_', '[A-Za-z0-9]{22,}'],
    ['glpat-', '[\\w-]{20,}'],
    ['(?:whsec|npm|hf|shpat|dop_v1)_', '[A-Za-z0-9]{32,}'],
    ['AIza', '[\\w-]{35}'],
  ]
    .map((each) => each.join(''))
    .join('|')})`,
);

/** Shannon entropy in bits per character. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  return [...counts.values()].reduce((sum, count) => sum - (count / text.length) * Math.log2(count / text.length), 0);
}

/** Looks made by a machine: digits among letters, and no path or words joined by dashes that a person would write. */
function looksRandom(word: string): boolean {
  if (harmless.some((form) => form.test(word))) return false;
  const longest = word.split(/[-_./=+~]/).reduce((a, b) => (b.length > a.length ? b : a), '');
  if (longest.length < 16) return false;
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/].filter((kind) => kind.test(longest)).length;
  return (
    (kinds === 3 && entropy(longest) > 3.3) ||
    (kinds === 2 && /[0-9]/.test(longest) && longest.length >= 24 && entropy(longest) > 3.2)
  );
}

const kindsOfCharacter = [/[a-z]/, /[A-Z]/, /[0-9]/, /[!-/:-@[-`{-~]/];

/** A password with punctuation, as machines make them: the kind of character changes at every other step, as in no word. */
function looksLikePassword(word: string): boolean {
  if (word.length < 16 || harmless.some((form) => form.test(word))) return false;
  const kinds = Array.from(word, (character) => kindsOfCharacter.findIndex((kind) => kind.test(character)));
  if (kinds.includes(-1) || new Set(kinds).size < 4) return false;
  const changes = kinds.filter((kind, i) => i > 0 && kind !== kinds[i - 1]).length;
  return changes / (kinds.length - 1) > 0.5 && entropy(word) > 3.3;
}

/** Whether a text that somebody typed contains what looks like a whole key, token or password of a service. */
export async function containsSecret(text: string): Promise<boolean> {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return true;
  if (beginnings.test(text)) return true;
  const withoutAddresses = text.replace(/https?:\/\/[^\s@]+(?=\s|$)/g, ' ');
  if (withoutAddresses.split(/\s+/).some(looksLikePassword)) return true;
  const words = (withoutAddresses.match(candidate) ?? []).filter((word) => !harmless.some((form) => form.test(word)));
  if (words.length === 0 && !/:\/\/[^\s/]+:[^\s/]+@/.test(text)) return false;
  if (words.some(looksRandom)) return true;
  const { messages } = await lintSource({
    source: { filePath: 'typed.txt', content: text, contentType: 'text', ext: '.txt' },
    options: { config: config as never, noPhysicFilePath: true, maskSecrets: true },
  });
  return messages.length > 0;
}

export const pastedSentence =
  'This looks like a whole key, so Keysteward did not keep it. Never put a key into Slack: store it in AWS Secrets Manager, and give only its last four characters here. If anybody could have seen it, run `/keys incident`.';
