import type { Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import { cannot, nobodyKnows } from './nobody.ts';

/**
 * A person makes and ends the values, at a service that we do not talk to. What can be said of a value then is only
 * whether it looks like a whole one.
 */
export const person: Issuer = {
  name: 'person',
  can: {
    create: false,
    test: false,
    ...cannot,
    managesKeys: true,
    overlap: 'many',
    propagationSeconds: 0,
  },
  ...nobodyKnows,
  create: async () => ({ refused: 'A person makes the values of this key.' }),
  confirmDead: async () => ({ verdict: 'unclear', evidence: 'its service cannot be asked' }),
  async test(_key, value, old) {
    const before = await old?.();
    const wrong = whyImplausible(value, before ? [before] : []);
    if (wrong) return { verdict: 'refused', evidence: wrong };
    return {
      verdict: 'works',
      evidence: 'it looks like a whole new value; its service cannot be asked whether it works',
    };
  },
};

/** How services and people show a value without showing it. */
const masked = /\*{3}|•|…|\.{3}|^<.*>$|x{6}/i;
const placeholder = /^(your|my|the|new|insert|paste|example|changeme|password|secret|api|test)\b/i;
const longestBytes = 16_000;

/**
 * Why this can hardly be a whole new value, in words that hold nothing of it, or null. `known` are values that it must
 * not be; the first is what it replaces, and says what such a value looks like.
 */
export function whyImplausible(value: Secret, known: Secret[]): string | null {
  const text = value.reveal();
  const old = known[0]?.reveal() ?? null;
  if (text.trim() === '') return 'The field was empty.';
  if (text !== text.trim()) return 'It begins or ends with a space or a line break. Copy it without.';
  if (known.some((each) => each.reveal() === text)) {
    return 'This is a value that the key has already, or had. Hand in the new one.';
  }
  if (Buffer.byteLength(text) > longestBytes) return `It is longer than ${longestBytes} bytes.`;
  const shape = isDocument(text);
  if (old !== null && isDocument(old) && !shape) {
    return 'The secret holds a JSON document. Hand in the whole document with the new value in it, on one line.';
  }
  if (shape) return null;
  if (/\s/.test(text)) return 'It has a space or a line break in its middle. Copy the value alone.';
  if (/[^\x21-\x7e]/.test(text)) return 'It has a character that no key has. Copy it again.';
  if (masked.test(text)) return 'It looks like the masked form that is shown in lists. Copy the whole value.';
  if (text.length < 8) return 'It is too short for a key. Copy the whole value.';
  if (placeholder.test(text)) return 'It does not look like a key.';
  if (old !== null && old.length >= 16 && text.length < old.length / 2) {
    return 'It is less than half as long as the current value. It may have been cut off when it was copied.';
  }
  return null;
}

/** Whether a value is a JSON document, as many secrets are. */
export function isDocument(text: string): boolean {
  if (!/^\s*[{[]/.test(text)) return false;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
