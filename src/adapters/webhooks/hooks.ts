import { randomBytes } from 'node:crypto';
import { Secret } from '../../kernel.ts';
import type { Hooks } from '../../ports.ts';

/** Webhooks to consumers of keys: each has a signing secret of its own, which lies in the store beside the keys. */
export function consumerHooks(): Hooks {
  return {
    freshSecret: () => new Secret(`whsec_${randomBytes(32).toString('base64')}`),
  };
}
