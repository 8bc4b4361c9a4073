import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { Refusal, Secret } from '../kernel.ts';
import type { Fingerprints, Secrets } from '../ports.ts';

/** Its version id tells fingerprints of one key from those of another. */
interface HmacKey {
  name: string;
  bytes: Buffer;
}

/** After a failure the key is not looked for again for so long: what needs a fingerprint goes on without one. */
const restMs = 60_000;
const leastBytes = 32;

/**
 * Keyed fingerprints: HMAC-SHA-256, cut to 128 bits. The key is a secret in the store and nowhere else; it is made when
 * it is first needed and read once. When it is gone a new one is made, and what was known under the old one is not
 * recognised any more. Who cannot get at it has no fingerprints, and nothing else stops.
 */
export function fingerprints(
  secrets: Pick<Secrets, 'create' | 'read'>,
  secretId: string,
  warn: (message: string) => void = () => {},
): Fingerprints {
  let known: HmacKey | undefined;
  let looking: Promise<HmacKey | undefined> | undefined;
  let restsUntil = 0;

  async function stored(): Promise<HmacKey | undefined> {
    const found = await secrets.read(secretId, { stage: 'AWSCURRENT' });
    if (!found) return undefined;
    const bytes = Buffer.from(found.value.reveal(), 'utf8');
    if (bytes.length < leastBytes)
      throw new Error(`${secretId} is shorter than ${leastBytes} characters, so it is no key`);
    return { name: found.versionId.slice(0, 8), bytes };
  }

  async function storedOrMade(): Promise<HmacKey | undefined> {
    const before = await stored();
    if (before) return before;
    const value = new Secret(randomBytes(leastBytes).toString('base64url'));
    const description = 'The key under which Keysteward fingerprints values. Nobody else needs it.';
    await secrets.create(secretId, randomUUID(), value, description).catch((error: unknown) => {
      // Another worker was faster, and its key is the one that counts.
      if (!(error instanceof Refusal)) throw error;
    });
    return stored();
  }

  function look(): Promise<HmacKey | undefined> {
    if (known) return Promise.resolve(known);
    if (performance.now() < restsUntil) return Promise.resolve(undefined);
    looking ??= storedOrMade()
      .catch((error: unknown) => {
        warn(`values cannot be fingerprinted: ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      })
      .then((found) => {
        known = found;
        looking = undefined;
        if (!found) restsUntil = performance.now() + restMs;
        return found;
      });
    return looking;
  }

  return {
    keptIn: secretId,
    async of(value) {
      const key = await look();
      if (!key) return null;
      const digest = createHmac('sha256', key.bytes)
        .update('keysteward/value/v1\0')
        .update(value.reveal())
        .digest('hex');
      return `${key.name}.${digest.slice(0, 32)}`;
    },
  };
}
