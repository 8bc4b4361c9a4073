import type { Issuer, Issuers, Secrets } from '../../ports.ts';
import { selfMade } from './self-made.ts';

/** Everyone who makes values for keys, by the name that a key's `issuer` has. */
export function issuers(secrets: Secrets): Issuers {
  const all = new Map<string, Issuer>([selfMade(secrets)].map((issuer) => [issuer.name, issuer]));
  return { of: (name) => all.get(name) ?? null, names: () => [...all.keys()] };
}
