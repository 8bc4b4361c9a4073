import { day, type Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { at, instantAt, listAt, type Means, ofWhichKey, path, talkingTo, textAt } from './call.ts';
import { allPages, listed, provider } from './provider.ts';

/**
 * Cloudflare API tokens, of one account or of the user whose token is the credential. A new one is made beside the old;
 * Cloudflare's own roll is not used, because it ends the old value at the call.
 * https://developers.cloudflare.com/fundamentals/api/get-started/create-token/
 */
export function cloudflare(name: string, settings: ProviderSettings<'cloudflare'>, means: Means): Issuer {
  const { as, admin, must } = talkingTo(name, settings, means);
  // Each of the two verifies its own tokens only.
  const tokens = settings.account === null ? '/user/tokens' : path`/accounts/${settings.account}/tokens`;
  const verify = (value: Secret) => as(value, { path: `${tokens}/verify` });
  const one = async (id: string) => must('look for a token', { path: tokens + path`/${id}` }, [200, 404]);

  return provider({
    name,
    settings,
    managesKeys: true,
    keyLimit: settings.account === null ? 50 : 500,
    create: (_key, label) =>
      admin({
        method: 'POST',
        path: tokens,
        body: {
          name: label,
          policies: settings.policies,
          ...(settings.condition ? { condition: settings.condition } : {}),
          ...(settings.lifetimeDays === null
            ? {}
            : { expires_on: `${new Date(Date.now() + settings.lifetimeDays * day).toISOString().slice(0, 19)}Z` }),
        },
      }),
    made: ({ body }) => ({
      value: textAt(body, '/result/value'),
      providerKeyId: textAt(body, '/result/id'),
      expiresAt: instantAt(body, '/result/expires_on'),
    }),
    list: () =>
      allPages(name, async (from) => {
        const page = Number(from ?? '1');
        const { body } = await must('list tokens', { path: tokens, query: { page, per_page: 50 } });
        const rows = listAt(body, '/result').map((each) =>
          listed(each, '/id', '/name', at(each, '/status') === 'active'),
        );
        const seen = (page - 1) * Number(textAt(body, '/result_info/per_page') ?? 50) + rows.length;
        const more = rows.length > 0 && seen < Number(textAt(body, '/result_info/total_count') ?? 0);
        return { rows, next: more ? String(page + 1) : null };
      }),
    async identify(_key, value) {
      const { status, body } = ofWhichKey(name, await verify(value));
      return status === 200 ? textAt(body, '/result/id') : null;
    },
    probe: (_key, value) => verify(value),
    judge({ status, body }) {
      const is = textAt(body, '/result/status');
      if (status === 200 && is === 'active') return 'works';
      return status === 401 || (status === 200 && (is === 'disabled' || is === 'expired')) ? 'refused' : 'unclear';
    },
    async revoke(_key, id) {
      await must('delete a token', { method: 'DELETE', path: tokens + path`/${id}` }, [200, 404]);
    },
    async enable(_key, id, on) {
      // The whole token has to be sent back, or what it may do would change.
      const { body } = await must('look for a token', { path: tokens + path`/${id}` });
      const kept = Object.fromEntries(
        ['name', 'policies', 'condition', 'not_before', 'expires_on']
          .map((field) => [field, at(body, `/result/${field}`)] as const)
          .filter(([, value]) => value !== undefined && value !== null),
      );
      const changed = { ...kept, status: on ? 'active' : 'disabled' };
      const doing = on ? 'enable a token' : 'disable a token';
      await must(doing, { method: 'PUT', path: tokens + path`/${id}`, body: changed });
    },
    lastUsed: async (_key, id) => instantAt((await one(id)).body, '/result/last_used_on'),
  });
}
