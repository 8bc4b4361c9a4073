import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { cannot, nobodyKnows } from './nobody.ts';

/**
 * Secrets that AWS rotates itself, by a rotation function or as managed external secrets of a partner. Keysteward has it
 * done and watches; it never puts a value there, takes no label away, and knows nothing of what the value opens.
 * https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets.html
 */
export function awsManaged(name: string, settings: ProviderSettings<'aws-managed'>): Issuer {
  return {
    name,
    can: {
      create: false,
      rotatesItself: true,
      test: true,
      ...cannot,
      managesKeys: true,
      overlap: 'two',
      propagationSeconds: settings.waitMinutes * 60,
    },
    create: async () => ({ refused: `${name} is rotated by AWS, which makes the value.` }),
    ...nobodyKnows,
    confirmDead: async () => ({ verdict: 'unclear', evidence: 'only the rotation function knows what became of it' }),
    async test(_key, value, old) {
      if ((await old?.())?.reveal() === value.reveal()) {
        return { verdict: 'refused', evidence: 'the rotation function has left the value as it was' };
      }
      return { verdict: 'works', evidence: 'tested by the rotation function, and another value than before' };
    },
  };
}
