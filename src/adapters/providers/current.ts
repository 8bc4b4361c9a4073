import type { ApiKey } from '../../inventory/model.ts';
import type { Secret } from '../../kernel.ts';
import type { Secrets } from '../../ports.ts';

/**
 * The value that a key has, or null where it has none, none that is text, or none that can be seen yet. Read by its version, which never has another value: what
 * AWSCURRENT leads to may be shown late, and a slot must not be made new because an older value was read.
 */
export async function currentValue(
  secrets: Pick<Secrets, 'read'>,
  { secretId, currentVersion }: ApiKey,
): Promise<Secret | null> {
  if (!secretId) return null;
  const found = await secrets.read(secretId, currentVersion ? { versionId: currentVersion } : { stage: 'AWSCURRENT' });
  return found?.value ?? null;
}
