import type { Secret } from '../../kernel.ts';
import type { ProviderSettings } from '../../policy.ts';
import type { Issuer } from '../../ports.ts';
import { at, expected, listAt, type Means, path, talkingTo, textAt } from './call.ts';
import { allPages, provider, theOneShown } from './provider.ts';

const version = { 'anthropic-version': '2023-06-01' };

/**
 * Anthropic API keys. Nobody but a person can create one, in the Console; the rest goes by the Admin API.
 * https://docs.claude.com/en/api/administration-api
 */
export function anthropic(name: string, settings: ProviderSettings<'anthropic'>, means: Means): Issuer {
  const by = (value: Secret) => ({ ...version, 'x-api-key': value.reveal() });
  const { as, admin } = talkingTo(name, settings, means, by);
  const keys = '/v1/organizations/api_keys';
  const all = () =>
    allPages<unknown>(name, async (after) => {
      const query = { limit: 100, after_id: after ?? undefined, workspace_id: settings.workspace ?? undefined };
      const { body } = expected(name, 'list keys', await admin({ path: keys, query }), [200]);
      return { rows: listAt(body, '/data'), next: at(body, '/has_more') === true ? textAt(body, '/last_id') : null };
    });
  const set = async (id: string, status: 'active' | 'inactive' | 'archived', statuses: number[]) =>
    void expected(
      name,
      `make a key ${status}`,
      await admin({ method: 'POST', path: keys + path`/${id}`, body: { status } }),
      statuses,
    );

  return provider({
    name,
    settings,
    list: async () =>
      (await all()).map((each) => ({
        providerKeyId: textAt(each, '/id') ?? '',
        label: textAt(each, '/name'),
        active: at(each, '/status') === 'active',
      })),
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
