import type { ApiKey } from '../../inventory/model.ts';
import type { Issuer, Ports } from '../../ports.ts';
import { credentialOf, keysAt } from '../preflight.ts';
import { missingOutside, type Outside, sentencesOf } from '../preflight-model.ts';
import type { Seen } from './model.ts';

type LookPorts = Pick<Ports, 'store' | 'issuers' | 'secrets'>;

/** So many secrets are looked at side by side. */
const atOnce = 10;

/**
 * What the store and the providers say to the rotation of each of these keys. A provider is asked once for all of its
 * keys; once the store has not answered, it is not asked any more.
 */
export async function lookAtAll(ports: LookPorts, keys: ApiKey[]): Promise<Map<string, Seen>> {
  const { store, issuers, secrets } = ports;
  const able = keys.filter((key) => key.status === 'active' && key.secretId !== null && issuers.of(key.issuer));
  const previous = await store.read(async (view) => {
    const last = new Map<string, Awaited<ReturnType<typeof view.rotations.ofKey>>[number] | null>();
    // Only what a full provider has to make room for.
    const limited = able.filter((key) => issuers.of(key.issuer)!.can.keyLimit !== null);
    for (const { id } of limited) last.set(id, (await view.rotations.ofKey(id, 1))[0] ?? null);
    return last;
  });
  const providers = new Map<string, Promise<Pick<Outside, 'credential' | 'keys'>>>();
  const providerOf = (issuer: Issuer, key: ApiKey) => {
    const known = providers.get(issuer.name) ?? provider(secrets, issuer, key);
    providers.set(issuer.name, known);
    return known;
  };
  let answers = true;
  const secretOf = async (secretId: string): Promise<Outside['secret']> => {
    const found = answers ? await secrets.describe(secretId).catch(() => 'unknown' as const) : 'unknown';
    if (found === 'unknown') answers = false;
    return found;
  };
  const seen = new Map<string, Seen>();
  for (let from = 0; from < able.length; from += atOnce) {
    await Promise.all(
      able.slice(from, from + atOnce).map(async (key) => {
        const issuer = issuers.of(key.issuer)!;
        const outside = { secret: await secretOf(key.secretId!), ...(await providerOf(issuer, key)) };
        const inside = { key, issuer, previous: previous.get(key.id) ?? null, roomComes: false };
        const unsure = [outside.secret, outside.credential, outside.keys].includes('unknown');
        seen.set(key.id, { missing: sentencesOf(missingOutside(inside, outside)), unsure });
      }),
    );
  }
  return seen;
}

async function provider(
  secrets: Ports['secrets'],
  issuer: Issuer,
  key: ApiKey,
): Promise<Pick<Outside, 'credential' | 'keys'>> {
  const credential = await credentialOf(secrets, issuer);
  return { credential, keys: credential === 'missing' ? null : await keysAt(issuer, key) };
}
