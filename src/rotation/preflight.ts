import type { ApiKey } from '../inventory/model.ts';
import type { Id } from '../kernel.ts';
import type { Issuer, Ports, View } from '../ports.ts';
import { type Check, checksFor, type Inside, type Outside } from './preflight-model.ts';

type LookPorts = Pick<Ports, 'issuers' | 'secrets'>;

/** What a rotation of this key would mean, and what is missing for it, before anything is touched. */
export async function preflight(
  ports: LookPorts & Pick<Ports, 'store' | 'policy'>,
  keyId: Id<'key'>,
): Promise<Check[]> {
  const { inside, now } = await ports.store.read(async (view) => ({
    inside: await insideOf(view, ports, await view.keys.get(keyId)),
    now: view.now,
  }));
  return checksFor(inside, await lookOutside(ports, inside.key), ports.policy, now);
}

/** What the inventory knows. */
export async function insideOf(view: View, { issuers }: Pick<Ports, 'issuers'>, key: ApiKey): Promise<Inside> {
  const [previous] = await view.rotations.ofKey(key.id, 1);
  return {
    key,
    owner: await view.people.find(key.ownerId),
    running: await view.rotations.runningOf(key.id),
    previous: previous ?? null,
    holders: new Set((await view.grants.liveOfKey(key.id)).map((each) => each.personId)).size,
    consumers: await view.consumers.ofKey(key.id),
    issuer: issuers.of(key.issuer),
  };
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

async function credentialOf(secrets: Ports['secrets'], { credential }: Issuer): Promise<Outside['credential']> {
  if (!credential) return null;
  const found = await secrets.describe(credential).catch(() => 'unknown' as const);
  if (found === 'unknown') return 'unknown';
  return found && !found.deletedAt ? 'there' : 'missing';
}

async function keysAt(issuer: Issuer, key: ApiKey): Promise<Outside['keys']> {
  if (issuer.can.keyLimit === null || !issuer.can.list) return null;
  return issuer.list(key).then(
    (all) => all.length,
    () => 'unknown' as const,
  );
}
