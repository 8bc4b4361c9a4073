import type { ApiKey } from '../inventory/model.ts';
import { AskedTooOften, Later, type Secret } from '../kernel.ts';
import type { Ports, Tried } from '../ports.ts';
import { isOwn } from '../rotation/own-model.ts';
import { limitAt } from '../rotation/timing/pace-model.ts';
import type { SeenOutside, SeenValue } from './drift-model.ts';

type LookPorts = Pick<Ports, 'secrets' | 'fingerprints' | 'issuers' | 'pace' | 'policy'>;

/**
 * What Secrets Manager and the provider say of a key. Changes nothing there; whoever does not answer is `unknown`.
 * @throws Later when it is not its turn with the provider yet
 */
export async function lookAt(ports: LookPorts, key: ApiKey & { secretId: string }): Promise<SeenOutside> {
  const secret = await ports.secrets.describe(key.secretId).catch(() => 'unknown' as const);
  const readable = secret !== 'unknown' && secret !== null && !secret.deletedAt;
  if (!readable) return { secret, current: 'unknown', policy: 'unknown' };
  const policy = await ports.secrets.policy(key.secretId).then(
    (text) => ({ text }),
    () => 'unknown' as const,
  );
  return { secret, current: await currentValue(ports, key), policy };
}

async function currentValue(ports: LookPorts, key: ApiKey & { secretId: string }): Promise<SeenValue | 'unknown'> {
  const issuer = ports.issuers.of(key.issuer);
  // Who cannot tell a live value from a dead one only judges its form.
  const asked = issuer?.can.test && issuer.can.confirmDead ? issuer : null;
  const own = isOwn(key, ports.policy);
  if (asked) await awaitTurn(ports, key);
  const read = await ports.secrets.read(key.secretId, { stage: 'AWSCURRENT' }).catch(() => null);
  if (!read) return 'unknown';
  const { versionId: version, value, lastFour } = read;
  const fingerprint = await ports.fingerprints.of(value);
  const asCredential = own ? await twice(() => triedAsCredential(ports, key, value)) : null;
  if (!asked) {
    return { version, lastFour, fingerprint, named: { providerKeyId: null }, ...(asCredential ?? unclear) };
  }
  const itself = await twice(() => respecting(ports, key, () => asked.test(key, value, null), unclear));
  const judged = asCredential && itself.verdict === 'works' ? asCredential : itself;
  const isAsked = judged.verdict === 'works' && key.providerKeyId !== null;
  const identify = async () => ({ providerKeyId: await asked.identify(key, value) });
  const named = isAsked ? await respecting(ports, key, identify, 'unknown' as const) : 'unknown';
  return { version, lastFour, fingerprint, named, ...judged };
}

const unclear: Tried = { verdict: 'unclear', evidence: '' };

/** A "no" counts when it is said twice. */
async function twice(ask: () => Promise<Tried>): Promise<Tried> {
  const first = await ask();
  if (first.verdict !== 'refused') return first;
  const second = await ask();
  return second.verdict === 'refused' ? second : unclear;
}

/** Whether Keysteward, which works with this key, can do so. */
async function triedAsCredential({ issuers }: LookPorts, key: ApiKey, value: Secret): Promise<Tried> {
  const { verdict, evidence } = await issuers.tryAsCredential(key, value);
  return { verdict, evidence: `Keysteward itself works with it, and ${evidence}` };
}

async function awaitTurn({ pace, policy }: LookPorts, key: ApiKey): Promise<void> {
  const limit = limitAt(policy.providers, key.issuer);
  if (!limit) return;
  const waitMs = await pace.turn(`drift-${key.id}`, [{ ...limit, calls: 3 }], false);
  if (waitMs > 0) throw new Later(`its turn with ${limit.of} comes`, waitMs);
}

/** An outage proves nothing; whoever wants to be left alone is. */
async function respecting<T, O>(
  { pace, policy }: LookPorts,
  key: ApiKey,
  ask: () => Promise<T>,
  otherwise: O,
): Promise<T | O> {
  try {
    return await ask();
  } catch (error) {
    const limit = error instanceof AskedTooOften ? limitAt(policy.providers, key.issuer) : null;
    if (limit) await pace.leaveAlone(limit, (error as AskedTooOften).retryInMs);
    if (error instanceof Later) throw error;
    return otherwise;
  }
}
