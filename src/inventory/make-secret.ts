import { failpoint, type Id, Later, Refusal, sha256 } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { isUnmade } from './model.ts';
import { seenVersion } from './version-model.ts';

/**
 * Makes and stores the first value of a key that was entered without one. Nobody sees it. The version's id follows from
 * the key's, so that a run after a crash finds what an earlier one has stored. Job `inventory.make-secret`.
 */
export async function makeSecret(
  { store, secrets, fingerprints }: Pick<Ports, 'store' | 'secrets' | 'fingerprints'>,
  { keyId }: { keyId: Id<'key'> },
): Promise<void> {
  const key = await store.read((view) => view.keys.find(keyId));
  if (!key || !isUnmade(key)) return;
  const { secretId, recipe, name } = key;
  const token = await firstTokenOf(keyId);
  const before = await secrets.describe(secretId);
  if (!before) {
    const value = await secrets.random(recipe);
    failpoint('inventory.make-secret:before');
    await secrets.create(secretId, token, value, name).catch((error: unknown) => {
      // Somebody was faster with this name, an earlier run of ours perhaps; what is there says who.
      if (!(error instanceof Refusal)) throw error;
    });
    failpoint('inventory.make-secret:after');
  }
  const found = before ?? (await secrets.describe(secretId));
  const ours = found?.versions.some((version) => version.id === token) ?? false;
  const made = ours ? await secrets.read(secretId, { versionId: token }) : null;
  if (!found || (ours && !made)) throw new Later('the new secret is not visible yet', 1_000);
  const fingerprint = made && (await fingerprints.of(made.value));

  const change = { actor: { kind: 'job', id: 'inventory.make-secret' } as const, action: 'inventory.make-secret' };
  await store.change({ ...change, subject: keyId, keyId }, async (tx) => {
    const now = await tx.keys.get(keyId);
    if (!isUnmade(now)) return;
    if (made) {
      await tx.keys.save({ ...now, currentVersion: token, lastFour: made.lastFour });
      const seen = { version: token, lastFour: made.lastFour, fingerprint };
      await tx.versions.save(seenVersion(keyId, seen, true, tx.now));
      tx.note({ secretId, version: token });
      // Whoever was quicker with an approval than we with the secret.
      if ((await tx.grants.countLive(keyId)) > 0) await tx.jobs.add('access.apply', { keyId });
    } else {
      // A secret of somebody else must not become ours: the entry goes, and its card says why.
      await tx.keys.save({ ...now, status: 'retired', nextRotationAt: null });
      tx.note({ secretId, refused: 'Somebody else made a secret with this name in the meantime.' });
    }
    await tx.cards.touch(keyId);
  });
}

/** The id of a key's first version, sent as its idempotency token; never made from a value. */
export const firstTokenOf = (keyId: Id<'key'>): Promise<string> => sha256(`inventory/v1:${keyId}`);
