import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { listAt, type Means, path, talkingTo, textAt } from './call.ts';
import { listed, provider } from './provider.ts';

/** What a key has to be allowed so that Keysteward can work with it. */
const manages = ['api_keys.create', 'api_keys.read', 'api_keys.delete'];

/**
 * SendGrid API keys. A key names its own id: `SG.<id>.<secret>`.
 * https://www.twilio.com/docs/sendgrid/api-reference/api-keys
 */
export function sendgrid(name: string, settings: ProviderSettings<'sendgrid'>, means: Means): Issuer {
  const { as, admin, must } = talkingTo(name, settings, means);

  return provider({
    name,
    settings,
    managesKeys: manages.every((scope) => settings.scopes.includes(scope)),
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
      const { body } = await must('list keys', { path: '/v3/api_keys', query: { limit: 1000 } });
      return listAt(body, '/result').map((each) => listed(each, '/api_key_id', '/name'));
    },
    identify: async (_key, value) => /^SG\.([\w-]+)\.[\w-]+$/.exec(value.reveal())?.[1] ?? null,
    probe: (_key, value) => as(value, { path: '/v3/scopes' }),
    async revoke(_key, id) {
      await must('delete a key', { method: 'DELETE', path: path`/v3/api_keys/${id}` }, [204, 404]);
    },
  });
}
