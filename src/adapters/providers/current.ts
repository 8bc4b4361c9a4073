import type { ApiKey } from '../../inventory/model.ts';
import type { Secret } from '../../kernel.ts';
import type { Secrets } from '../../ports.ts';

/**
 * The value that a key has, or null where it has none that is text. Read by its version, which never has another value: what
 * AWSCURRENT leads to may be shown late, and a slot must not be made new because an older value was read.
 */
export async function currentValue(
  secrets: Pick<Secrets, 'read'>,
  { secretId, currentVersion }: ApiKey,
): Promise<Secret | null> {
  if (!secretId) return null;
  const found = await secrets.read(secretId, currentVersion ? { versionId: currentVersion } : { stage: 'AWSCURRENT' });
  // A binary value cannot be read by its label either.
  if (!found && currentVersion && (await secrets.read(secretId, { stage: 'AWSCURRENT' })))
    throw new Error('the version that is current cannot be seen in Secrets Manager');
  return found?.value ?? null;
}
