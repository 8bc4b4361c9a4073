import { type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { whyNotTouch } from './may-model.ts';
import { type ApiKey, computedRisk, type Risk, reassessed, whyNotSetRisk } from './model.ts';

/** An administrator judges a key: higher than its facts say at will, lower only with a reason (SOP 5.1). */
export function setRisk(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  setterId: Id<'person'>,
  { keyId, risk, reason }: { keyId: Id<'key'>; risk: Risk; reason: string },
): Promise<ApiKey> {
  const actor = { kind: 'person', id: setterId } as const;
  return store.change({ actor, action: 'inventory.set-risk', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(setterId), 'inventory.set-risk', key));
    if (key.status !== 'active') throw new Refusal('conflict', `${key.name} is retired.`);
    const computed = computedRisk(key, policy, tx.now).risk;
    refuseIf(whyNotSetRisk(computed, risk, reason));
    // Agreeing with the facts leaves it to them from now on.
    const riskSet = risk === computed ? null : { risk, reason: reason.trim(), by: setterId };
    const next = reassessed(key, { ...key, riskSet }, policy, tx.now);
    await tx.keys.save(next);
    if (next.risk !== key.risk && key.ownerId !== setterId) {
      await tx.cards.show('inventory.risk', key.id, { person: key.ownerId });
    }
    await tx.cards.touch(key.id);
    await tx.cards.touch(key.ownerId);
    tx.note({ from: key.risk, to: next.risk, computed, reason: reason.trim() || null });
    return next;
  });
}
