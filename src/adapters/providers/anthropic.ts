import type { Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { at, type Means, path, talkingTo, textAt } from './call.ts';
import { allPages, listed, pageByLastId, provider, theOneShown } from './provider.ts';

const version = { 'anthropic-version': '2023-06-01' };

/**
 * Anthropic API keys. Nobody but a person can create one, in the Console; the rest goes by the Admin API.
 * https://docs.claude.com/en/api/administration-api
 */
export function anthropic(name: string, settings: ProviderSettings<'anthropic'>, means: Means): Issuer {
  const by = (value: Secret) => ({ ...version, 'x-api-key': value.reveal() });
  const { as, must } = talkingTo(name, settings, means, by);
  const keys = '/v1/organizations/api_keys';
  const all = () =>
    allPages<unknown>(name, async (after) => {
      const query = { limit: 100, after_id: after ?? undefined, workspace_id: settings.workspace ?? undefined };
      const { body } = await must('list keys', { path: keys, query });
      return pageByLastId(body);
    });
  async function set(id: string, status: 'active' | 'inactive' | 'archived', statuses: number[]): Promise<void> {
    await must(`make a key ${status}`, { method: 'POST', path: keys + path`/${id}`, body: { status } }, statuses);
  }

  return provider({
    name,
    settings,
    list: async () => (await all()).map((each) => listed(each, '/id', '/name', at(each, '/status') === 'active')),
    identify: async (_key, value) => theOneShown(await all(), value, { shown: '/partial_key_hint', id: '/id' }),
    probe: (_key, value) => as(value, { path: '/v1/models' }),
    // 401 in the provider's own words; its browser rules use the status for something else.
    judge({ status, body }) {
      if (status === 200) return 'works';
      return status === 401 &&
        textAt(body, '/error/type') === 'authentication_error' &&
        !/\bCORS\b/i.test(textAt(body, '/error/message') ?? '')
        ? 'refused'
        : 'unclear';
    },
    revoke: (_key, id) => set(id, 'archived', [200, 404]),
    enable: (_key, id, on) => set(id, on ? 'active' : 'inactive', [200]),
  });
}
