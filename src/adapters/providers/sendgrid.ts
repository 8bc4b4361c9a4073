import type { Secret } from '../../kernel.ts';
import type { ProviderSettings } from '../../policy.ts';
import type { Issuer } from '../../ports.ts';
import { asking, credentialOf, expected, listAt, type Means, path, textAt } from './call.ts';
import { provider } from './provider.ts';

/**
 * SendGrid API keys. A key names its own id: `SG.<id>.<secret>`.
 * https://www.twilio.com/docs/sendgrid/api-reference/api-keys
 */
export function sendgrid(name: string, settings: ProviderSettings<'sendgrid'>, means: Means): Issuer {
  const ask = asking(name, settings.baseUrl, means.send);
  const bearer = (value: Secret) => ({ authorization: `Bearer ${value.reveal()}` });
  const admin = async (call: Parameters<typeof ask>[0]) =>
    ask({ ...call, headers: bearer(await credentialOf(means, name, settings.credential)) });

  return provider({
    name,
    credential: settings.credential,
    can: {
      create: true,
      test: true,
      disable: false,
      revoke: true,
      confirmDead: true,
      list: true,
      lastUsed: false,
      overlap: 'many',
      keyLimit: 100,
      propagationSeconds: settings.propagationSeconds,
    },
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
    probe: (_key, value) => ask({ path: '/v3/scopes', headers: bearer(value) }),
    judge: ({ status }) => (status === 200 ? 'works' : status === 401 ? 'refused' : 'unclear'),
    async revoke(_key, id) {
      const answer = await admin({ method: 'DELETE', path: path`/v3/api_keys/${id}` });
      expected(name, 'delete a key', answer, [204, 404]);
    },
  });
}
