import type { ProviderSettings } from '../../policy.ts';
import type { Issuer } from '../../ports.ts';
import { expected, listAt, type Means, path, talkingTo, textAt } from './call.ts';
import { provider } from './provider.ts';

/**
 * SendGrid API keys. A key names its own id: `SG.<id>.<secret>`.
 * https://www.twilio.com/docs/sendgrid/api-reference/api-keys
 */
export function sendgrid(name: string, settings: ProviderSettings<'sendgrid'>, means: Means): Issuer {
  const { as, admin } = talkingTo(name, settings, means);

  return provider({
    name,
    settings,
    keyLimit: 100,
    // Without scopes SendGrid would make a key with full access.
    create: (_key, label) =>
      admin({ method: 'POST', path: '/v3/api_keys', body: { name: label, scopes: settings.scopes } }),
    made: ({ body }) => ({
      value: textAt(body, '/api_key'),
      providerKeyId: textAt(body, '/api_key_id'),
      expiresAt: null,
    }),
    async list() {
      // There are at most a hundred, so they come on one page.
      const { body } = expected(
        name,
        'list keys',
        await admin({ path: '/v3/api_keys', query: { limit: 1000 } }),
        [200],
      );
      return listAt(body, '/result').map((each) => ({
        providerKeyId: textAt(each, '/api_key_id') ?? '',
        label: textAt(each, '/name'),
        active: true,
      }));
    },
    identify: async (_key, value) => /^SG\.([\w-]+)\.[\w-]+$/.exec(value.reveal())?.[1] ?? null,
    probe: (_key, value) => as(value, { path: '/v3/scopes' }),
    async revoke(_key, id) {
      const answer = await admin({ method: 'DELETE', path: path`/v3/api_keys/${id}` });
      expected(name, 'delete a key', answer, [204, 404]);
    },
  });
}
