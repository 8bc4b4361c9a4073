import type { Secret } from '../../kernel.ts';
import type { ProviderSettings } from '../../policy.ts';
import type { Issuer } from '../../ports.ts';
import { asking, credentialOf, expected, instantAt, listAt, type Means, path, textAt } from './call.ts';
import { allPages, matchesRedacted, provider } from './provider.ts';

const perPage = 100;

/**
 * Mistral API keys of one workspace.
 * https://docs.mistral.ai/api/
 */
export function mistral(name: string, settings: ProviderSettings<'mistral'>, means: Means): Issuer {
  const ask = asking(name, settings.baseUrl, means.send);
  const bearer = (value: Secret) => ({ authorization: `Bearer ${value.reveal()}` });
  const admin = async (call: Parameters<typeof ask>[0]) =>
    ask({ ...call, headers: bearer(await credentialOf(means, name, settings.credential)) });
  const keys = () =>
    allPages<unknown>(name, async (from) => {
      const offset = Number(from ?? '0');
      const answer = await admin({ path: '/v1/admin/api-keys', query: { limit: perPage, offset } });
      const rows = listAt(expected(name, 'list keys', answer, [200]).body, '/keys');
      return { rows, next: rows.length > 0 ? String(offset + rows.length) : null };
    });

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
      lastUsed: true,
      overlap: 'many',
      keyLimit: null,
      propagationSeconds: settings.propagationSeconds,
    },
    create: (_key, label) =>
      admin({
        method: 'POST',
        path: '/v1/admin/api-keys',
        body: { name: label, workspace_uuid: settings.workspace, user_id: settings.user },
      }),
    made: ({ body }) => ({
      value: textAt(body, '/key'),
      providerKeyId: textAt(body, '/key_id'),
      expiresAt: instantAt(body, '/expiration_date'),
    }),
    list: async () =>
      (await keys()).map((each) => ({
        providerKeyId: textAt(each, '/key_id') ?? '',
        label: textAt(each, '/name'),
        active: true,
      })),
    async identify(_key, value) {
      const fits = (await keys()).filter((each) => matchesRedacted(value, textAt(each, '/hidden_key')));
      return fits.length === 1 ? textAt(fits[0], '/key_id') : null;
    },
    probe: (_key, value) => ask({ path: '/v1/models', headers: bearer(value) }),
    judge: ({ status }) => (status === 200 ? 'works' : status === 401 ? 'refused' : 'unclear'),
    async revoke(_key, id) {
      const answer = await admin({ method: 'DELETE', path: path`/v1/admin/api-keys/${id}` });
      expected(name, 'delete a key', answer, [200, 204, 404]);
    },
    async lastUsed(_key, id) {
      const found = (await keys()).find((each) => textAt(each, '/key_id') === id);
      return instantAt(found, '/last_used');
    },
  });
}
