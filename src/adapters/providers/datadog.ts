import type { Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { at, instantAt, listAt, type Means, path, talkingTo, textAt } from './call.ts';
import { credentialPair } from './pair.ts';
import { allPages, listed, provider } from './provider.ts';

const perPage = 100;

/**
 * Datadog API keys. The credential is a JSON document with `apiKey` and `applicationKey`.
 * https://docs.datadoghq.com/api/latest/key-management/
 */
export function datadog(name: string, settings: ProviderSettings<'datadog'>, means: Means): Issuer {
  const byKey = (value: Secret) => ({ 'dd-api-key': value.reveal() });
  const { as, admin, must } = talkingTo(name, settings, means, byKey, (credential) => {
    const pair = credentialPair(credential, settings.credential, { id: 'apiKey', secret: 'applicationKey' });
    return { 'dd-api-key': pair.id, 'dd-application-key': pair.secret };
  });
  const keys = () =>
    allPages<unknown>(name, async (from) => {
      const number = Number(from ?? '0');
      const query = { 'page[size]': perPage, 'page[number]': number };
      const { body } = await must('list keys', { path: '/api/v2/api_keys', query });
      const rows = listAt(body, '/data');
      const total = at(body, '/meta/page/total_filtered_count');
      const more = typeof total === 'number' ? number * perPage + rows.length < total : rows.length === perPage;
      return { rows, next: more && rows.length > 0 ? String(number + 1) : null };
    });

  return provider({
    name,
    settings,
    create: (_key, label) =>
      admin({
        method: 'POST',
        path: '/api/v2/api_keys',
        body: { data: { type: 'api_keys', attributes: { name: label } } },
      }),
    made: ({ body }) => ({
      value: textAt(body, '/data/attributes/key'),
      providerKeyId: textAt(body, '/data/id'),
      expiresAt: null,
    }),
    list: async () => (await keys()).map((each) => listed(each, '/id', '/attributes/name')),
    // Only the last four of a key are shown, which is too little to end one by.
    identify: async () => null,
    probe: (_key, value) => as(value, { path: '/api/v1/validate' }),
    judge({ status, body }) {
      if (status === 200 && at(body, '/valid') === true) return 'works';
      return status === 403 ? 'refused' : 'unclear';
    },
    async revoke(_key, id) {
      await must('delete a key', { method: 'DELETE', path: path`/api/v2/api_keys/${id}` }, [204, 404]);
    },
    async lastUsed(_key, id) {
      const { body } = await must('look for a key', { path: path`/api/v2/api_keys/${id}` }, [200, 404]);
      return instantAt(body, '/data/attributes/date_last_used');
    },
  });
}
