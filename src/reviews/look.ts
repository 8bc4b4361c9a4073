import type { ApiKey } from '../inventory/model.ts';
import { AskedTooOften, Later } from '../kernel.ts';
import type { Issuer, Ports } from '../ports.ts';
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
  return { secret, current: readable ? await currentValue(ports, key) : 'unknown' };
}

async function currentValue(ports: LookPorts, key: ApiKey & { secretId: string }): Promise<SeenValue | 'unknown'> {
  const issuer = ports.issuers.of(key.issuer);
  // Who cannot tell a live value from a dead one only judges its form.
  const asked = issuer?.can.test && issuer.can.confirmDead ? issuer : null;
  if (asked) await awaitTurn(ports, key);
  const read = await ports.secrets.read(key.secretId, { stage: 'AWSCURRENT' }).catch(() => null);
  if (!read) return 'unknown';
  const { versionId: version, value, lastFour } = read;
  const fingerprint = await ports.fingerprints.of(value);
  if (!asked)
    return { version, lastFour, fingerprint, named: { providerKeyId: null }, verdict: 'unclear', evidence: '' };
  const judged = await judge(ports, asked, key, value);
  const isAsked = judged.verdict === 'works' && key.providerKeyId !== null;
  const identify = async () => ({ providerKeyId: await asked.identify(key, value) });
  const named = isAsked ? await respecting(ports, key, identify, 'unknown' as const) : 'unknown';
  return { version, lastFour, fingerprint, named, ...judged };
}

/** A "no" counts when it is said twice. */
async function judge(
  ports: LookPorts,
  issuer: Issuer,
  key: ApiKey,
  value: Parameters<Issuer['test']>[1],
): Promise<Pick<SeenValue, 'verdict' | 'evidence'>> {
  const unclear = { verdict: 'unclear' as const, evidence: '' };
  const ask = () => respecting(ports, key, () => issuer.test(key, value, null), unclear);
  const first = await ask();
  if (first.verdict !== 'refused') return first;
  const second = await ask();
  return second.verdict === 'refused' ? second : unclear;
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
