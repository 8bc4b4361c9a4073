import { type Id, newId, Refusal, refuseIf } from '../kernel.ts';
import { whyNot } from '../people/model.ts';
import type { Ports, Tx } from '../ports.ts';
import { type FoundSecret, findSecret, recorded, refuseTaken } from './find-secret.ts';
import { type ApiKey, entered, type KeyEntry, notLater, standardRecipe, whyNotFacts, whyNotOwn } from './model.ts';
import { seenVersion } from './version-model.ts';

type AddPorts = Pick<Ports, 'store' | 'secrets' | 'fingerprints' | 'issuers' | 'policy'>;

/**
 * Somebody enters a key (SOP 1.2). With `make`, the value does not exist yet: the key and the job that makes it come
 * into being together, so that a crash leaves neither a secret without a key nor a key that waits for ever.
 */
export async function addKey(ports: AddPorts, adderId: Id<'person'>, entry: KeyEntry, make: boolean): Promise<ApiKey> {
  const keyId = newId('key');
  const actor = { kind: 'person', id: adderId } as const;
  const change = { actor, action: 'inventory.add', subject: keyId, keyId };
  const found = await recorded(ports.store, change, async () => {
    const { adder, now } = await ports.store.read(async (view) => ({
      adder: await view.people.get(adderId),
      now: view.now,
    }));
    refuseIf(whyNot(adder, 'inventory.add'));
    refuseIf(whyNotFacts(entry, null, now));
    if (make) await refuseTaken(ports, entry.secretId!);
    else if (entry.storage === 'secrets-manager') {
      const secret = await findSecret(ports, adder, { secretId: entry.secretId!, lastFour: entry.lastFour });
      refuseIf(whyNotIssuer(ports, entry.issuer, secret));
      return secret;
    }
    return null;
  });
  return ports.store.change(change, async (tx) => {
    refuseIf(whyNot(await tx.people.get(adderId), 'inventory.add'));
    const owner = await tx.people.get(entry.ownerId);
    refuseIf(whyNotOwn(owner));
    const known: KeyEntry = {
      ...notLater(entry, tx.now),
      service: await asSpelled(tx, entry.service),
      ...(found ? { secretId: found.secretId, lastFour: found.lastFour ?? entry.lastFour } : {}),
      ...(make ? { lastFour: null, createdOn: tx.now, lastRotatedAt: null } : {}),
      recipe: entry.issuer === 'self-made' ? (entry.recipe ?? standardRecipe) : null,
    };
    const key = entered(keyId, known, found?.versionId ?? null, adderId, ports.policy, tx.now);
    await tx.keys.save(key);
    if (found) await tx.versions.save(seenVersion(keyId, { ...found, version: found.versionId }, true, tx.now));
    const card = make ? 'inventory.added:made' : 'inventory.added';
    if (make) await tx.jobs.add('inventory.make-secret', { keyId });
    if (make) await tx.cards.show(card, keyId, { person: adderId });
    if (owner.id !== adderId) await tx.cards.show(card, keyId, { person: owner.id });
    await tx.cards.touch(owner.id);
    const { name, environment, storage, secretId, issuer, risk, flags } = key;
    tx.note({ name, environment, storage, secretId, issuer, risk, flags, ownerId: owner.id, make });
    return key;
  });
}

/** Why nobody here can be the one who makes new values of a key, or null. */
export function whyNotIssuer(
  { issuers }: Pick<Ports, 'issuers'>,
  issuer: string,
  secret: Pick<FoundSecret, 'rotationEnabled'>,
): Refusal | null {
  if (issuer === 'person') return null;
  const found = issuers.of(issuer);
  if (!found) return new Refusal('invalid', `Keysteward cannot make values at ${issuer}.`, 'issuer');
  const byAws = Boolean(found.can.rotatesItself);
  if (byAws === secret.rotationEnabled) return null;
  const why = byAws
    ? 'AWS does not rotate this secret. Set up its rotation in Secrets Manager first.'
    : `AWS rotates this secret itself, and two that rotate one secret break it. Switch that off, or choose ${rotatedByAws({ issuers })}.`;
  return new Refusal('invalid', why, 'issuer');
}

function rotatedByAws({ issuers }: Pick<Ports, 'issuers'>): string {
  const names = issuers.names().filter((name) => issuers.of(name)?.can.rotatesItself);
  return [...names, 'A person'].map((name) => `"${name}"`).join(' or ');
}

/** The service as the inventory spells it already, so that OpenAI and openai are listed together. */
export async function asSpelled(tx: Tx, service: string): Promise<string> {
  const { rows } = await tx.keys.list({ service }, 1);
  return rows[0]?.service ?? service;
}
