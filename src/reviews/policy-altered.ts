import { after, type Id, minute } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { found, gone } from './model.ts';

/** One message is enough for what was altered in so short a time. */
const onceWithinMs = 10 * minute;

/**
 * What a policy said of the grants was altered by hand, and the area that writes it has put it right: a finding that is
 * gone when it is found, so that whoever answers for the key hears of it. Job `reviews.policy-altered`.
 */
export function notePolicyAltered(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  { keyId }: { keyId: Id<'key'> },
): Promise<void> {
  const actor = { kind: 'job', id: 'reviews.policy-altered' } as const;
  return store.change({ actor, action: 'reviews.policy-altered', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const before = (await tx.findings.ofKey(keyId, 20)).find((each) => each.kind === 'policy-altered');
    if (before && before.foundAt > after(tx.now, -onceWithinMs)) return;
    const sentence = 'What the policy of its secret says of the grants had been altered; it was put right at once.';
    const finding = gone(found(tx.newId('finding'), keyId, 'policy-altered', { sentence, facts: {} }, tx.now), tx.now);
    await tx.findings.save(finding);
    tx.record('reviews.find', finding.id, { kind: finding.kind, sentence }, keyId);
    const owner = await tx.people.find(key.ownerId);
    if (owner?.status === 'active')
      await tx.cards.show('reviews.findings', keyId, { person: owner.id }, { anew: true });
    await tx.cards.show('reviews.findings', keyId, { channel: policy.channels.security }, { anew: true });
    await tx.cards.touch(keyId);
  });
}
