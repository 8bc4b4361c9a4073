import type { Dialect } from './server.ts';
import { type Asked, chance, type FakeKey, pageOf, type Reply, spansOf, type World } from './world.ts';

const by = (asked: Asked) => asked.headers['x-api-key'] ?? '';
const failed = (status: number, type: string, message: string) => ({
  status,
  body: { type: 'error', error: { type, message } },
});

/** Tokens by key and span of time; a third of them are read from a cache, and one is written to it. */
function usageReport({ query }: Asked, world: World): Reply {
  if (!query.get('starting_at')) return failed(400, 'invalid_request_error', 'starting_at');
  const isGrouped = query.getAll('group_by[]').includes('api_key_id');
  const { spans, next } = spansOf(world, {
    keyId: query.get('api_key_ids[]'),
    width: query.get('bucket_width') ?? '1d',
    fromMs: Date.parse(query.get('starting_at')!),
    untilMs: query.has('ending_at') ? Date.parse(query.get('ending_at')!) : Number.POSITIVE_INFINITY,
    limit: Number(query.get('limit')),
    page: Number((query.get('page') ?? 'page_0').replace('page_', '')),
  });
  const results = (each: { id: string; amount: number }) => ({
    api_key_id: isGrouped ? each.id : null,
    uncached_input_tokens: each.amount - Math.floor(each.amount / 3) - 1,
    cache_read_input_tokens: Math.floor(each.amount / 3),
    cache_creation: { ephemeral_1h_input_tokens: 0, ephemeral_5m_input_tokens: 1 },
    output_tokens: 0,
    server_tool_use: { web_search_requests: 7 },
  });
  const data = spans.map(({ startMs, endMs, results: its }) => ({
    starting_at: new Date(startMs).toISOString(),
    ending_at: new Date(endMs).toISOString(),
    results: its.map(results),
  }));
  return { status: 200, body: { data, has_more: next !== null, next_page: next === null ? null : `page_${next}` } };
}

/** Anthropic's keys: a person makes them, an archived one is gone for good. */
export function anthropicDialect(): Dialect {
  const shown = (key: FakeKey) => ({
    type: 'api_key',
    id: key.id,
    name: key.name,
    partial_key_hint: `${key.value.slice(0, 7)}...${key.value.slice(-4)}`,
    status: key.ended ? 'archived' : key.disabled ? 'inactive' : 'active',
  });
  return {
    console: { title: 'Claude Console', newValue: () => `sk-ant-api03-${chance(48)}` },
    credentialOf: by,
    kindOf({ method, path }) {
      if (path.includes('/usage_report/')) return 'other';
      return path === '/v1/models' ? 'probe' : method === 'POST' ? 'revoke' : 'list';
    },
    handle(asked, world) {
      if (!asked.headers['anthropic-version']) return failed(400, 'invalid_request_error', 'anthropic-version');
      const wrong = failed(401, 'authentication_error', 'invalid x-api-key');
      if (asked.path === '/v1/models') {
        const key = world.accepts(by(asked));
        return key && !key.disabled ? { status: 200, body: { data: [] } } : wrong;
      }
      if (by(asked) !== world.admin) return wrong;
      if (asked.path === '/v1/organizations/usage_report/messages') return usageReport(asked, world);
      const id = /^\/v1\/organizations\/api_keys\/(.+)$/.exec(asked.path)?.[1];
      if (id) {
        const key = world.keys.find((each) => each.id === id);
        if (!key) return failed(404, 'not_found_error', 'no such key');
        key.disabled = asked.body.status === 'inactive';
        if (asked.body.status === 'archived') world.end(id);
        return { status: 200, body: shown(key) };
      }
      // Archived keys stay in the list.
      const after = asked.query.get('after_id');
      const page = pageOf(
        world.keys,
        after ? world.keys.findIndex((each) => each.id === after) + 1 : 0,
        world.pageSize,
      );
      return {
        status: 200,
        body: { data: page.rows.map(shown), last_id: page.rows.at(-1)?.id ?? null, has_more: page.next !== null },
      };
    },
  };
}
