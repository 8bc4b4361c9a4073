import type { Issuer, IssuerAbilities } from '../../ports.ts';

/** What can be had of a value where there is nobody to ask about it. */
export const cannot = {
  disable: false,
  revoke: false,
  confirmDead: false,
  list: false,
  lastUsed: false,
  usage: false,
  usageLagMinutes: 0,
  keyLimit: null,
} as const satisfies Partial<IssuerAbilities>;

/** An issuer's answers there. */
export const nobodyKnows = {
  credential: null,
  find: async () => [],
  identify: async () => null,
  list: async () => [],
  lastUsed: async () => null,
  usage: async () => null,
  revoke: async () => {},
} satisfies Partial<Issuer>;
