import type { ApiKey } from '../inventory/model.ts';
import type { Actor, Id } from '../kernel.ts';
import type { Issuer, Ports, View } from '../ports.ts';
import { makesRoom } from './issued-model.ts';
import { type Check, checksFor, type Inside, missingOutside, type Outside, sentencesOf } from './preflight-model.ts';

type LookPorts = Pick<Ports, 'issuers' | 'secrets'>;

/** What a rotation of this key would mean, and what is missing for it, before anything is touched. */
export async function preflight(
  ports: LookPorts & Pick<Ports, 'store' | 'policy' | 'readers'>,
  keyId: Id<'key'>,
): Promise<Check[]> {
  const { inside, now } = await ports.store.read(async (view) => ({
    inside: await insideOf(view, ports, await view.keys.get(keyId)),
    now: view.now,
  }));
  const readers = ports.readers?.name ?? null;
  return checksFor({ ...inside, readers }, await lookOutside(ports, inside.key), ports.policy, now);
}

/** What the inventory knows. */
export async function insideOf(
  view: View,
  { issuers }: Pick<Ports, 'issuers'>,
  key: ApiKey,
): Promise<Omit<Inside, 'readers'>> {
  const [previous] = await view.rotations.ofKey(key.id, 1);
  return {
    key,
    owner: await view.people.find(key.ownerId),
    running: await view.rotations.runningOf(key.id),
    previous: previous ?? null,
    roomComes: await roomComesFor(view, issuers, key),
    holders: await view.grants.countHolders(key.id),
    consumers: await view.consumers.ofKey(key.id),
    issuer: issuers.of(key.issuer),
  };
}

/** Whether rotations of other keys at its provider are about to end a key there. */
export async function roomComesFor(view: View, issuers: Ports['issuers'], key: ApiKey): Promise<boolean> {
  if ((issuers.of(key.issuer)?.can.keyLimit ?? null) === null) return false;
  const others = await view.rotations.runningAt(key.issuer);
  return others.some((each) => each.keyId !== key.id && makesRoom(each));
}

/** What Secrets Manager and the provider say. Changes nothing there; whoever does not answer is `unknown`. */
export async function lookOutside({ issuers, secrets }: LookPorts, key: ApiKey): Promise<Outside> {
  const issuer = issuers.of(key.issuer);
  if (!issuer || key.storage !== 'secrets-manager' || !key.secretId)
    return { secret: null, credential: null, keys: null };
  const [secret, credential] = await Promise.all([
    secrets.describe(key.secretId).catch(() => 'unknown' as const),
    credentialOf(secrets, issuer),
  ]);
  return { secret, credential, keys: credential === 'missing' ? null : await keysAt(issuer, key) };
}

export async function credentialOf(secrets: Ports['secrets'], { credential }: Issuer): Promise<Outside['credential']> {
  if (!credential) return null;
  const found = await secrets.describe(credential).catch(() => 'unknown' as const);
  if (found === 'unknown') return 'unknown';
  return found && !found.deletedAt ? 'there' : 'missing';
}

export async function keysAt(issuer: Issuer, key: ApiKey): Promise<Outside['keys']> {
  if (issuer.can.keyLimit === null || !issuer.can.list) return null;
  return issuer.list(key).then(
    (all) => all.length,
    () => 'unknown' as const,
  );
}

/** What is missing outside, in words and with what to do. */
export async function missingFor(ports: LookPorts & Pick<Ports, 'store'>, key: ApiKey): Promise<string[]> {
  const known = await ports.store.read(async (view) => ({
    previous: (await view.rotations.ofKey(key.id, 1))[0] ?? null,
    roomComes: await roomComesFor(view, ports.issuers, key),
  }));
  const inside = { key, issuer: ports.issuers.of(key.issuer), ...known };
  return sentencesOf(missingOutside(inside, await lookOutside(ports, key)));
}

/**
 * A rotation that is owed to a key cannot be started: its owner is told of what is missing, once, in a message that
 * follows what is found.
 */
export async function block(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  actor: Actor,
  seen: ApiKey,
  found: { missing: string[]; causeId?: string },
): Promise<void> {
  const { missing, causeId = seen.blocked?.causeId } = found;
  const told = seen.blocked;
  if (told && told.causeId === causeId && JSON.stringify(told.missing) === JSON.stringify(missing)) return;
  await store.change({ actor, action: 'rotation.block', subject: seen.id, keyId: seen.id }, async (tx) => {
    const key = await tx.keys.get(seen.id);
    const since = key.blocked?.since ?? tx.now.toISOString();
    await tx.keys.save({ ...key, blocked: { since, missing, ...(causeId ? { causeId } : {}) } });
    tx.note({ missing, since, ...(causeId ? { causeId } : {}) });
    const owner = await tx.people.find(key.ownerId);
    const to = owner?.status === 'active' ? { person: owner.id } : { channel: policy.channels.security };
    await tx.cards.show('rotation.blocked', key.id, to, { anew: key.blocked === null });
    await tx.cards.touch(key.id);
    if (causeId) await tx.cards.touch(causeId);
  });
}
