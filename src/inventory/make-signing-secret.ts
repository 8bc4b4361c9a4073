import { failpoint, type Id, Later, Refusal, sha256 } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { isUnsigned, signingSecretOf } from './consumer-model.ts';

/**
 * Makes the secret that the webhooks of a consumer are signed with. Nobody sees it: the receiver reads it from Secrets
 * Manager. The name follows from the consumer's id, so a run after a crash finds what an earlier one has stored.
 * Job `inventory.make-signing-secret`.
 */
export async function makeSigningSecret(
  { store, secrets, hooks }: Pick<Ports, 'store' | 'secrets' | 'hooks'>,
  { consumerId }: { consumerId: Id<'consumer'> },
): Promise<void> {
  const consumer = await store.read((view) => view.consumers.find(consumerId));
  if (!consumer || !isUnsigned(consumer)) return;
  const secretId = signingSecretOf(consumer);
  if (!(await secrets.describe(secretId))) {
    failpoint('inventory.make-signing-secret:before');
    await secrets
      .create(secretId, await tokenOf(consumerId), hooks.freshSecret(), `Signs what Keysteward tells ${consumer.name}`)
      .catch((error: unknown) => {
        // Another run was faster, or the answer to an earlier one was lost: nobody else makes this name.
        if (!(error instanceof Refusal)) throw error;
      });
    failpoint('inventory.make-signing-secret:after');
    if (!(await secrets.describe(secretId))) throw new Later('the new secret is not visible yet', 1_000);
  }
  const change = { actor: { kind: 'job', id: 'inventory.make-signing-secret' } as const, subject: consumer.keyId };
  await store.change({ ...change, action: 'inventory.make-signing-secret', keyId: consumer.keyId }, async (tx) => {
    const now = await tx.consumers.get(consumerId);
    if (!isUnsigned(now)) return;
    await tx.consumers.save({ ...now, signedWith: secretId });
    await tx.cards.touch(now.keyId);
    tx.note({ consumerId, secretId });
  });
}

const tokenOf = (consumerId: Id<'consumer'>): Promise<string> => sha256(`consumer/v1:${consumerId}`);
