import { day, minute } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { instantAt, listAt, type Means, path, talkingTo, textAt } from './call.ts';
import { allPages, listed, provider, theOneShown } from './provider.ts';

const perPage = 100;

/**
 * Mistral API keys of one workspace.
 * https://docs.mistral.ai/api/
 */
export function mistral(name: string, settings: ProviderSettings<'mistral'>, means: Means): Issuer {
  const { as, admin, must } = talkingTo(name, settings, means);
  const keys = () =>
    allPages<unknown>(name, async (from) => {
      const offset = Number(from ?? '0');
      const { body } = await must('list keys', { path: '/v1/admin/api-keys', query: { limit: perPage, offset } });
      const rows = listAt(body, '/keys');
      return { rows, next: rows.length > 0 ? String(offset + rows.length) : null };
    });

  return provider({
    name,
    settings,
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
    list: async () => (await keys()).map((each) => listed(each, '/key_id', '/name')),
    identify: async (_key, value) => theOneShown(await keys(), value, { shown: '/hidden_key', id: '/key_id' }),
    probe: (_key, value) => as(value, { path: '/v1/models' }),
    async revoke(_key, id) {
      await must('delete a key', { method: 'DELETE', path: path`/v1/admin/api-keys/${id}` }, [200, 204, 404]);
    },
    // It names the day alone, of which the beginning is read.
    usageLagMinutes: day / minute,
    async lastUsed(_key, id) {
      const found = (await keys()).find((each) => textAt(each, '/key_id') === id);
      return instantAt(found, '/last_used');
    },
  });
}
