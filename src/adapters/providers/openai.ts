import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { type Answer, at, instantAt, type Means, path, talkingTo, textAt } from './call.ts';
import { allPages, pageByLastId, provider, theOneShown, type Verdict } from './provider.ts';
import { countOf, pageOfReport, spansSince } from './usage-report.ts';

/** Accounts of this name are made by Keysteward for one value each, and go with it, unless somebody has made another key in one. */
const ours = /^keysteward-rot_/;

/** What calls are counted of, each in a report of its own. */
const counted = ['completions', 'embeddings', 'moderations', 'images', 'audio_speeches', 'audio_transcriptions'];

/**
 * OpenAI, keys of service accounts in one project: each value has an account of its own, named by its label.
 * https://platform.openai.com/docs/api-reference/administration
 */
export function openai(name: string, settings: ProviderSettings<'openai'>, means: Means): Issuer {
  const { as, admin, must } = talkingTo(name, settings, means);
  const project = path`/organization/projects/${settings.project}`;
  const keysIn = () =>
    allPages<unknown>(name, async (after) => {
      const { body } = await must('list keys', {
        path: `${project}/api_keys`,
        query: { limit: 100, after: after ?? undefined },
      });
      return pageByLastId(body);
    });
  async function removeAccount(id: string): Promise<void> {
    await must(
      'delete a service account',
      { method: 'DELETE', path: project + path`/service_accounts/${id}` },
      [200, 404],
    );
  }

  return provider({
    name,
    settings,
    create: (_key, label) => admin({ method: 'POST', path: `${project}/service_accounts`, body: { name: label } }),
    made: ({ body }) => ({
      value: textAt(body, '/api_key/value'),
      providerKeyId: textAt(body, '/api_key/id'),
      expiresAt: instantAt(body, '/api_key/expires_at'),
    }),
    async list() {
      const all = await keysIn();
      return all.map((each) => ({
        providerKeyId: textAt(each, '/id') ?? '',
        label: labelOf(each, all),
        active: at(each, '/owner_project_access') !== 'inactive',
      }));
    },
    identify: async (_key, value) => theOneShown(await keysIn(), value, { shown: '/redacted_value', id: '/id' }),
    probe: (_key, value) => as(value, { path: '/models' }),
    judge,
    async revoke(_key, id) {
      const one = project + path`/api_keys/${id}`;
      const found = await must('look for a key', { path: one }, [200, 404]);
      if (found.status === 404) return;
      const account = accountOf(found.body);
      const siblings = account ? (await keysIn()).filter((each) => accountOf(each) === account) : [];
      const isOurs = ours.test(textAt(found.body, '/owner/service_account/name') ?? '');
      if (account && isOurs && siblings.every((each) => textAt(each, '/id') === id)) return removeAccount(account);
      const gone = await must('delete a key', { method: 'DELETE', path: one }, [200, 400, 404]);
      if (gone.status !== 400) return;
      // Some versions of this API end the key of a service account only together with the account.
      if (!account || siblings.length !== 1) {
        throw new Error(`${name} does not delete this key, and its service account has others. Delete it by hand.`);
      }
      await removeAccount(account);
    },
    async lastUsed(_key, id) {
      const found = await must('look for a key', { path: project + path`/api_keys/${id}` }, [200, 404]);
      return instantAt(found.body, '/last_used_at');
    },
    async usage(_key, id, since) {
      const spans = spansSince(since);
      if (!spans) return null;
      const query = {
        start_time: spans.from.getTime() / 1000,
        bucket_width: spans.width,
        limit: spans.limit,
        api_key_ids: id,
        group_by: 'api_key_id',
      };
      const reports = counted.map((each) =>
        allPages<unknown>(name, async (page) => {
          const report = `/organization/usage/${each}`;
          return pageOfReport(
            (await must('count calls', { path: report, query: { ...query, page: page ?? undefined } })).body,
          );
        }),
      );
      const all = (await Promise.all(reports)).flat();
      const amount = all.reduce<number>((sum, each) => sum + countOf(each, id, ['/num_model_requests']), 0);
      return { amount, unit: 'calls', since: spans.from };
    },
  });
}

const accountOf = (key: unknown) => textAt(key, '/owner/service_account/id');

/** The name of the account. Where that has several keys, it is not known which of them was made with it. */
function labelOf(key: unknown, all: unknown[]): string | null {
  const account = accountOf(key);
  if (!account) return textAt(key, '/name');
  const isAlone = all.filter((each) => accountOf(each) === account).length === 1;
  return isAlone ? textAt(key, '/owner/service_account/name') : null;
}

/** 401 also comes for an address that is not allowed, which says nothing of the key. */
export function judge({ status, body }: Answer): Verdict {
  if (status === 200) return 'works';
  return status === 401 && !/\bIP\b/.test(textAt(body, '/error/message') ?? '') ? 'refused' : 'unclear';
}
