import { whyNotTouch } from '../inventory/may-model.ts';
import type { ApiKey } from '../inventory/model.ts';
import { type Id, refuseIf } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import { type Finding, gone } from './model.ts';
import {
  overPermissioned,
  type PermissionReview,
  type Reviewing,
  reviewed,
  whyNotReview,
} from './permissions-model.ts';

export interface Reviewed {
  key: ApiKey;
  review: PermissionReview;
  /** What is open about it now. */
  finding: Finding | null;
}

/**
 * Somebody who answers for a key has looked at what it may do, what it needs, and what of it is too much (SOP 4.1). What
 * is too much is a finding until a later review says that nothing is.
 */
export function reviewPermissions(
  { store }: Pick<Ports, 'store'>,
  reviewerId: Id<'person'>,
  keyId: Id<'key'>,
  said: Reviewing,
): Promise<Reviewed> {
  const actor = { kind: 'person', id: reviewerId } as const;
  return store.change({ actor, action: 'reviews.review-permissions', subject: keyId, keyId }, async (tx) => {
    const before = await tx.keys.get(keyId);
    const last = await tx.permissionReviews.find(keyId);
    refuseIf(whyNotTouch(await tx.people.get(reviewerId), 'reviews.review-permissions', before));
    refuseIf(whyNotReview(before, last, said));
    const review = reviewed(before, last, said, reviewerId, tx.now);
    await tx.permissionReviews.save(review);
    const key: ApiKey = { ...before, scope: review.scope };
    const changes = before.scope !== key.scope;
    if (changes) await tx.keys.save(key);
    const finding = await conclude(tx, key, review);
    const { needs, excess, restrictions } = review;
    tx.note({ needs, excess, restrictions, scope: changes ? { from: before.scope, to: key.scope } : key.scope });
    await tx.cards.touch(keyId);
    await tx.cards.touch(key.ownerId);
    return { key, review, finding };
  });
}

/** At most one is open. The key is locked. */
async function conclude(tx: Tx, key: ApiKey, review: PermissionReview): Promise<Finding | null> {
  const open = (await tx.findings.openOfKey(key.id)).find((each) => each.kind === 'over-permissioned') ?? null;
  const { excess } = review;
  if (excess === null) {
    if (!open) return null;
    await tx.findings.save(gone(open, tx.now));
    tx.record('reviews.close', open.id, { kind: open.kind }, key.id);
    return null;
  }
  const finding = overPermissioned(open, tx.newId('finding'), { ...review, excess }, tx.now);
  await tx.findings.save(finding);
  if (open) return finding;
  tx.record('reviews.find', finding.id, { kind: finding.kind, sentence: finding.sentence }, key.id);
  const owner = await tx.people.find(key.ownerId);
  // Whoever has just said so knows it.
  if (owner?.status === 'active' && owner.id !== review.reviewedBy) {
    await tx.cards.show('reviews.findings', key.id, { person: owner.id }, { anew: true });
  }
  return finding;
}
