import { day, type Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { at, instantAt, listAt, type Means, path, talkingTo, textAt } from './call.ts';
import { allPages, listed, provider } from './provider.ts';

/**
 * GitLab access tokens of one project or group: a new one is made and the old one revoked. GitLab's own rotation is not
 * used, because it ends the old token at the call, and a repeated call ends the new one too.
 * https://docs.gitlab.com/api/project_access_tokens/
 */
export function gitlab(name: string, settings: ProviderSettings<'gitlab'>, means: Means): Issuer {
  const api = { ...settings, baseUrl: `${settings.baseUrl.replace(/\/+$/, '')}/api/v4` };
  const { as, admin, must } = talkingTo(name, api, means, (value) => ({ 'private-token': value.reveal() }));
  const tokens = path`/${`${settings.of}s`}/${settings.id}/access_tokens`;
  const self = (value: Secret) => as(value, { path: '/personal_access_tokens/self' });

  return provider({
    name,
    settings,
    create: (_key, label) =>
      admin({
        method: 'POST',
        path: tokens,
        body: {
          name: label,
          scopes: settings.scopes,
          access_level: settings.accessLevel,
          expires_at: new Date(Date.now() + settings.lifetimeDays * day).toISOString().slice(0, 10),
        },
      }),
    made: ({ body }) => ({
      value: textAt(body, '/token'),
      providerKeyId: textAt(body, '/id'),
      expiresAt: instantAt(body, '/expires_at'),
    }),
    list: () =>
      allPages(name, async (page) => {
        const { body, headers } = await must('list tokens', {
          path: tokens,
          query: { per_page: 100, page: page ?? '1' },
        });
        return {
          rows: listAt(body, '').map((each) =>
            listed(each, '/id', '/name', at(each, '/active') === true && at(each, '/revoked') !== true),
          ),
          next: headers.get('x-next-page') || null,
        };
      }),
    async identify(_key, value) {
      const { status, body } = await self(value);
      return status === 200 ? textAt(body, '/id') : null;
    },
    probe: (_key, value) => self(value),
    judge({ status, body }) {
      if (status === 200) return 'works';
      if (status === 401) return 'refused';
      // GitLab knows the token, and would say 401 if it did not.
      return status === 403 && textAt(body, '/error') === 'insufficient_scope' ? 'works' : 'unclear';
    },
    async revoke(_key, id) {
      await must('revoke a token', { method: 'DELETE', path: tokens + path`/${id}` }, [204, 404]);
    },
    async lastUsed(_key, id) {
      const { body } = await must('look for a token', { path: tokens + path`/${id}` }, [200, 404]);
      return instantAt(body, '/last_used_at');
    },
  });
}
