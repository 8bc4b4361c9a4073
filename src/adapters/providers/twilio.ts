import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { listAt, type Means, path, talkingTo, textAt } from './call.ts';
import { basic, credentialPair, providerOfPairs } from './pair.ts';
import { allPages, listed } from './provider.ts';

const perPage = 100;

/**
 * Twilio API keys, standard ones or, with a `policy`, restricted ones. The credential is a Main key (or the account's SID
 * and its token) as a JSON document with `sid` and `secret`: other keys may not manage keys.
 * https://www.twilio.com/docs/iam/api-keys
 */
export function twilio(name: string, settings: ProviderSettings<'twilio'>, means: Means): Issuer {
  const { ask, admin, must } = talkingTo(name, settings, means, (credential) =>
    basic(credentialPair(credential, settings.credential, { id: 'sid', secret: 'secret' })),
  );
  const account = path`/2010-04-01/Accounts/${settings.account}`;
  const tried = settings.testPath ?? `${account}/Messages.json?PageSize=1`;

  return providerOfPairs(
    {
      name,
      settings,
      create: (_key, label) =>
        admin({
          method: 'POST',
          path: '/v1/Keys',
          body: new URLSearchParams({
            AccountSid: settings.account,
            FriendlyName: label,
            ...(settings.policy ? { KeyType: 'restricted', Policy: JSON.stringify(settings.policy) } : {}),
          }),
        }),
      made: ({ body }) => ({
        value: textAt(body, '/secret'),
        providerKeyId: textAt(body, '/sid'),
        expiresAt: null,
      }),
      list: () =>
        allPages(name, async (next) => {
          // Of the address of the next page only its parameters are taken: the credential goes where we say.
          const paging = next ? Object.fromEntries(new URLSearchParams(next)) : {};
          const query = { ...paging, AccountSid: settings.account, PageSize: perPage };
          const { body } = await must('list keys', { path: '/v1/Keys', query });
          const rows = listAt(body, '/keys').map((each) => listed(each, '/sid', '/friendly_name'));
          return { rows, next: textAt(body, '/meta/next_page_url')?.split('?')[1] ?? null };
        }),
      probe: (pair) => ask({ path: settings.apiUrl.replace(/\/+$/, '') + tried, headers: basic(pair) }),
      async revoke(_key, id) {
        await must('delete a key', { method: 'DELETE', path: path`/v1/Keys/${id}` }, [204, 404]);
      },
    },
    settings.fields,
    means,
  );
}
