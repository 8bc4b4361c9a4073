import type { ApiKey, Recipe } from '../../inventory/model.ts';
import type { Issuer, Secrets } from '../../ports.ts';
import { currentValue } from './current.ts';
import { cannot, nobodyKnows } from './nobody.ts';
import { isDocument } from './person.ts';

const standard: Recipe = { length: 40, exclude: '', punctuation: false };

/**
 * Values that we make ourselves, for secrets that no provider issues: signing keys, webhook secrets, passwords between
 * our own systems. Whoever reads the secret gets the new value, so there is nothing to ask or to revoke elsewhere: a
 * value is dead when no label of the store leads to it.
 */
export function selfMade(secrets: Pick<Secrets, 'random' | 'read'>): Issuer {
  return {
    name: 'self-made',
    can: {
      create: true,
      test: true,
      ...cannot,
      overlap: 'two',
      propagationSeconds: 0,
    },
    ...nobodyKnows,
    confirmDead: async () => ({ verdict: 'unclear', evidence: 'nobody else knows this value' }),
    async create(key) {
      const current = await currentValue(secrets, key);
      if (current && isDocument(current.reveal())) {
        return {
          refused:
            'The secret holds a JSON document, and a single new value would replace all of it. Store the value in a secret of its own, or have it rotated by a person.',
        };
      }
      return { value: await secrets.random(recipeOf(key)), providerKeyId: null, expiresAt: null };
    },
    async test(key, value, old) {
      const recipe = recipeOf(key);
      const text = value.reveal();
      if (text.length !== recipe.length) return refused(`is not ${recipe.length} characters long`);
      if (recipe.exclude.split('').some((character) => text.includes(character))) {
        return refused('has an excluded character');
      }
      if (!/^[\x21-\x7e]+$/.test(text)) return refused('has a character that cannot be typed');
      if (!recipe.punctuation && !/^[A-Za-z0-9]+$/.test(text)) return refused('has punctuation');
      if ((await old?.())?.reveal() === text) return refused('is the same as the old one');
      return {
        verdict: 'works',
        evidence: `read back: ${recipe.length} characters of the right kind, not the old value`,
      };
    },
  };
}

const refused = (why: string) => ({ verdict: 'refused' as const, evidence: `the value ${why}` });
const recipeOf = (key: ApiKey) => key.recipe ?? standard;
