import type { Disk } from './disk.ts';
import { invalidParameter, notFound } from './protocol.ts';
import type { StoredSecret } from './secrets.ts';

/** All secrets of all regions. What `commit` was given is on the disk before anyone can see it. */
export type Store = {
  /** By name, ARN, or ARN without its suffix; in one region. Null when there is none, or its deletion is due. */
  find(region: string, secretId: string, now: number): StoredSecret | null;
  /** The same, as it was before its last change: what a lagging replica of the service may still answer. */
  findStale(region: string, secretId: string, now: number): StoredSecret | null;
  all(region: string, now: number): StoredSecret[];
  allRegions(now: number): StoredSecret[];
  allStale(region: string, now: number): StoredSecret[];
  commit(...changed: StoredSecret[]): void;
  remove(secret: StoredSecret): void;
};

const arnPattern = /^arn:aws[a-z-]*:secretsmanager:([a-z0-9-]*):(\d*):secret:(.+)$/;
const keyOf = ({ region, name }: Pick<StoredSecret, 'region' | 'name'>) => `${region}\0${name}`;

/** The name in a SecretId: of an ARN, without its suffix. InvalidParameterException for the ARN of anything else. */
export function nameIn(secretId: string): string {
  if (!secretId.startsWith('arn:')) return secretId;
  const found = arnPattern.exec(secretId);
  if (!found) throw invalidParameter('The secret ARN is not valid.');
  return found[3]!.replace(/-[A-Za-z0-9]{6}$/, '');
}

export function openStore(disk: Disk): Store {
  const secrets = new Map(disk.load().map((secret) => [keyOf(secret), secret]));
  const before = new Map<string, StoredSecret | null>();

  /** A name, or an ARN by which exactly one secret is meant. */
  function resolved(from: ReadonlyMap<string, StoredSecret>, region: string, secretId: string): StoredSecret | null {
    if (!secretId.startsWith('arn:')) return from.get(keyOf({ region, name: secretId })) ?? null;
    const found = arnPattern.exec(secretId);
    if (!found) throw invalidParameter('The secret ARN is not valid.');
    const rest = found[3]!;
    if (found[1] !== region) return null;
    const exact = from.get(keyOf({ region, name: nameIn(secretId) }));
    if (exact?.arn === secretId) return exact;
    // What looks like a whole ARN is taken for one, even if a secret of that very name exists (recorded).
    if (/-[A-Za-z0-9]{6}$/.test(rest)) return null;
    const byName = from.get(keyOf({ region, name: rest }));
    return byName?.arn.startsWith(`${secretId}-`) ? byName : null;
  }

  const store: Store = {
    find(region, secretId, now) {
      const secret = resolved(secrets, region, secretId);
      if (secret?.deleteAt === undefined || secret.deleteAt > now) return secret;
      store.remove(secret);
      return null;
    },
    findStale(region, secretId, now) {
      const secret = store.find(region, secretId, now);
      const key = keyOf(secret ?? { region, name: nameIn(secretId) });
      return before.has(key) ? before.get(key)! : secret;
    },
    all: (region, now) => store.allRegions(now).filter((secret) => secret.region === region),
    allRegions: (now) => [...secrets.values()].filter(({ deleteAt }) => deleteAt === undefined || deleteAt > now),
    allStale: (region, now) =>
      store
        .all(region, now)
        .map((secret) => (before.has(keyOf(secret)) ? before.get(keyOf(secret))! : secret))
        .filter((secret) => secret !== null),
    commit(...changed) {
      for (const secret of changed) {
        const key = keyOf(secret);
        disk.write(secret);
        // Reading a secret notes the day; that is no change a reader could miss.
        if (secrets.get(key)?.changedAt !== secret.changedAt) before.set(key, secrets.get(key) ?? null);
        secrets.set(key, secret);
      }
    },
    remove(secret) {
      disk.remove(secret);
      before.set(keyOf(secret), secret);
      secrets.delete(keyOf(secret));
    },
  };
  return store;
}

export function found(secret: StoredSecret | null): StoredSecret {
  if (!secret) throw notFound();
  return secret;
}
