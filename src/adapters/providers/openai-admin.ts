import { day } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { instantAt, type Means, path, talkingTo, textAt } from './call.ts';
import { judge } from './openai.ts';
import { allPages, listed, pageByLastId, provider, theOneShown } from './provider.ts';

const keys = '/organization/admin_api_keys';

/**
 * OpenAI, admin keys of the organization. The one that Keysteward itself works with may be one of those that it rotates.
 * https://platform.openai.com/docs/api-reference/admin-api-keys
 */
export function openaiAdmin(name: string, settings: ProviderSettings<'openai-admin'>, means: Means): Issuer {
  const { as, admin, must } = talkingTo(name, settings, means);
  const all = () =>
    allPages<unknown>(name, async (after) => {
      const { body } = await must('list admin keys', {
        path: keys,
        query: { limit: 100, order: 'asc', after: after ?? undefined },
      });
      return pageByLastId(body);
    });

  return provider({
    name,
    settings,
    managesKeys: true,
    create: (_key, label) =>
      admin({
        method: 'POST',
        path: keys,
        body: {
          name: label,
          ...(settings.lifetimeDays === null ? {} : { expires_in_seconds: (settings.lifetimeDays * day) / 1000 }),
        },
      }),
    made: ({ body }) => ({
      value: textAt(body, '/value'),
      providerKeyId: textAt(body, '/id'),
      expiresAt: instantAt(body, '/expires_at'),
    }),
    list: async () => (await all()).map((each) => listed(each, '/id', '/name')),
    identify: async (_key, value) => theOneShown(await all(), value, { shown: '/redacted_value', id: '/id' }),
    // Admin keys open nothing outside of the administration.
    probe: (_key, value) => as(value, { path: '/organization/projects', query: { limit: 1 } }),
    judge,
    async revoke(_key, id) {
      await must('delete an admin key', { method: 'DELETE', path: keys + path`/${id}` }, [200, 404]);
    },
    async lastUsed(_key, id) {
      const { body } = await must('look for an admin key', { path: keys + path`/${id}` }, [200, 404]);
      return instantAt(body, '/last_used_at');
    },
  });
}
