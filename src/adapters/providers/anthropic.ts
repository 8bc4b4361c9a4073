import { after, hour, minute, type Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { at, type Means, path, talkingTo, textAt } from './call.ts';
import { allPages, listed, pageByLastId, provider, theOneShown } from './provider.ts';
import { countOf, lastUsedSpan, latestSpans, pageOfReport, type Spans, spansSince } from './usage-report.ts';

const version = { 'anthropic-version': '2023-06-01' };
const tokens = [
  '/uncached_input_tokens',
  '/cache_read_input_tokens',
  '/cache_creation/ephemeral_1h_input_tokens',
  '/cache_creation/ephemeral_5m_input_tokens',
  '/output_tokens',
];

/**
 * Anthropic API keys. Nobody but a person can create one, in the Console; the rest goes by the Admin API. What use it sees is
 * what costs tokens: who only lists models, counts tokens or keeps files shows in no report. A report is late, by five minutes
 * as a rule and now and then by more.
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

  function report(id: string, { width, limit, from }: Spans, until?: Date): Promise<unknown[]> {
    return allPages<unknown>(name, async (page) => {
      const query = {
        starting_at: from.toISOString(),
        ending_at: until?.toISOString(),
        bucket_width: width,
        limit,
        'api_key_ids[]': id,
        'group_by[]': 'api_key_id',
        page: page ?? undefined,
      };
      const { body } = await must('read the usage report', { path: '/v1/organizations/usage_report/messages', query });
      return pageOfReport(body);
    });
  }

  return provider({
    name,
    settings,
    usageLagMinutes: settings.reportLagMinutes,
    usageIsPartial: true,
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
    async lastUsed(_key, id) {
      const usedIn = async (spans: Spans, until?: Date) =>
        lastUsedSpan(await report(id, spans, until), (each) => countOf(each, id, tokens) > 0);
      // A day that is not over may not be reported yet, an hour is no later than what may be late anyway.
      const found = (await usedIn(latestSpans('1h'))) ?? (await usedIn(latestSpans('1d')));
      if (!found) return null;
      const { startsAt, endsAt } = found;
      const isHour = endsAt.getTime() - startsAt.getTime() <= hour;
      const minutes = { ...latestSpans('1m'), from: startsAt };
      const to = isHour ? ((await usedIn(minutes, after(endsAt, minute)))?.endsAt ?? endsAt) : endsAt;
      return new Date(Math.min(to.getTime(), Date.now()));
    },
    async usage(_key, id, since) {
      const spans = spansSince(since);
      if (!spans) return null;
      const all = await report(id, spans);
      const amount = all.reduce<number>((sum, each) => sum + countOf(each, id, tokens), 0);
      return { amount, unit: 'tokens', since: spans.from };
    },
  });
}
