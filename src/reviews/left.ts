import { whyNotTouch } from '../inventory/may-model.ts';
import type { ApiKey } from '../inventory/model.ts';
import { day, type Id, type Instant, Refusal, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports, Tx } from '../ports.ts';
import { type Finding, gone, repairAsked, repairSettled, seenAgain, whyNotConfirmGone } from './model.ts';

/** Whoever has not deleted it is reminded so often. */
const remindMs = 7 * day;

/**
 * Somebody has deleted by hand what was left at a service. Where its provider can be asked, it has to agree; else their
 * word is the evidence, and is kept as that.
 */
export async function confirmGone(
  ports: Pick<Ports, 'store' | 'secrets' | 'issuers'>,
  asker: Pick<Person, 'id'>,
  findingId: Id<'finding'>,
): Promise<Finding> {
  const { store } = ports;
  const { finding: seen, key: of } = await store.read(async (view) => {
    const finding = await view.findings.get(findingId);
    return { finding, key: await view.keys.get(finding.keyId) };
  });
  const { keyId } = seen;
  const alive = await whatLives(ports, of, seen);
  const actor = { kind: 'person', id: asker.id } as const;
  return store.change({ actor, action: 'reviews.confirm-deleted', subject: findingId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(asker.id), 'reviews.repair', key));
    const finding = await tx.findings.get(findingId);
    refuseIf(whyNotConfirmGone(finding));
    if (alive) throw new Refusal('conflict', alive);
    if ((finding.facts.left ?? []).length !== (seen.facts.left ?? []).length) {
      throw new Refusal('conflict', 'Another one has been left there meanwhile. Look again.');
    }
    const next = gone(repairSettled(repairAsked(finding, asker.id, tx.now), null, tx.now), tx.now);
    await tx.findings.save(next);
    tx.note({ kind: finding.kind, service: key.service, left: finding.facts.left });
    await touched(tx, next);
    return next;
  });
}

async function whatLives(
  { secrets, issuers }: Pick<Ports, 'secrets' | 'issuers'>,
  key: ApiKey,
  { facts, closedAt }: Finding,
): Promise<string | null> {
  const issuer = issuers.of(key.issuer);
  if (closedAt || !issuer?.can.confirmDead || !key.secretId) return null;
  for (const { version, lastFour } of facts.left ?? []) {
    const read = await secrets.read(key.secretId, { versionId: version }).catch(() => null);
    if (!read) continue;
    const said = await issuer.confirmDead(key, { providerKeyId: null, value: read.value }).catch(() => null);
    if (said?.verdict === 'alive') {
      const which = lastFour ? `The one that ends with …${lastFour}` : 'It';
      return `${which} still works at ${issuer.name}: ${said.evidence}. Delete it there; a provider may take a minute to forget it.`;
    }
  }
  return null;
}

/** What was left at a service stays there until somebody says that it is gone, so they are told of it again. */
export async function remindOfLeft(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  seen: Finding,
  now: Instant,
): Promise<void> {
  const { id, keyId } = seen;
  if (now.getTime() - seen.seenAt.getTime() < remindMs) return;
  const actor = { kind: 'job', id: 'reviews.check-key' } as const;
  await store.change({ actor, action: 'reviews.remind', subject: id, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const finding = await tx.findings.get(id);
    if (finding.closedAt || tx.now.getTime() - finding.seenAt.getTime() < remindMs) return;
    await tx.findings.save(seenAgain(finding, finding, tx.now));
    const owner = await tx.people.find(key.ownerId);
    if (owner?.status === 'active')
      await tx.cards.show('reviews.findings', keyId, { person: owner.id }, { anew: true });
    await tx.cards.show('reviews.findings', keyId, { channel: policy.channels.security }, { anew: true });
  });
}

async function touched(tx: Tx, { keyId, facts }: Finding): Promise<void> {
  await tx.cards.touch(keyId);
  for (const rotationId of new Set((facts.left ?? []).map((each) => each.rotationId))) await tx.cards.touch(rotationId);
}
