import type { ApiKey } from '../../inventory/model.ts';
import { Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { Answer, Means } from './call.ts';
import { currentValue } from './current.ts';
import { type Dialect, provider } from './provider.ts';

type Document = Record<string, unknown>;

/** The JSON document that a secret holds, or null. The parser quotes what it could not read, so nothing of its error is kept. */
export function documentIn(value: Secret): Document | null {
  try {
    const parsed: unknown = JSON.parse(value.reveal());
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Document) : null;
  } catch {
    return null;
  }
}

/** In which form the store has the values of a provider that knows only a part of them. */
export interface Form<P> {
  /** What the provider knows of a stored value, or null where it has another form. */
  read(value: Secret): P | null;
  /** What to store for a new key. `before` is the document that the store has; null where it has none. */
  write(before: Document | null, made: { value: Secret; providerKeyId: string | null }): string;
  /** What a value of another form is. Completes "it is …" and "the secret holds …". */
  otherwise: string;
}
export interface FormDialect<P> extends Omit<Dialect, 'identify' | 'probe' | 'whyNotValue'> {
  identify(key: ApiKey, known: P): Promise<string | null>;
  probe(known: P): Promise<Answer>;
}

/**
 * A provider that knows only a part of what the store has: the rest of a document stays as it is, because whoever reads it
 * counts on that too.
 */
export function providerOfForm<P>(dialect: FormDialect<P>, form: Form<P>, { secrets }: Pick<Means, 'secrets'>): Issuer {
  const frame = provider({
    ...dialect,
    async identify(key, value) {
      const known = form.read(value);
      return known === null ? null : dialect.identify(key, known);
    },
    whyNotValue: async (value) => (form.read(value) === null ? `it is ${form.otherwise}` : null),
    probe: (_key, value) => dialect.probe(form.read(value)!),
  });
  return {
    ...frame,
    async create(key, label) {
      const before = await currentValue(secrets, key);
      if (before && form.read(before) === null) {
        return {
          refused: `The secret holds ${form.otherwise}, so whoever reads it would not understand the new value. Store the current one in that form, or name its fields under providers.${dialect.name} in policy.yml.`,
        };
      }
      const made = await frame.create(key, label);
      if ('refused' in made || 'notYet' in made) return made;
      return { ...made, value: new Secret(form.write(before && documentIn(before), made)) };
    },
  };
}
