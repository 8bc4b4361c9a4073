import type { Dialect } from './server.ts';
import { type Asked, chance, type FakeKey, pageOf, type Reply, spansOf, type World } from './world.ts';

const wrong: Reply = {
  status: 401,
  body: { error: { message: 'Incorrect API key provided.', type: 'invalid_request_error', code: 'invalid_api_key' } },
};
const unknown: Reply = { status: 404, body: { error: { message: 'Not found', type: 'invalid_request_error' } } };
const bearer = (asked: Asked) => (asked.headers.authorization ?? '').replace(/^Bearer /, '');

const shown = (key: FakeKey) => ({
  object: 'organization.project.api_key',
  id: key.id,
  name: key.name,
  redacted_value: `${key.value.slice(0, 7)}...${key.value.slice(-4)}`,
  created_at: 1_790_000_000,
  last_used_at: key.usedAt ?? null,
  owner_project_access: 'active',
  owner: key.account
    ? { type: 'service_account', service_account: { id: key.account, name: key.name } }
    : { type: 'user', user: { id: 'user_1' } },
});

/** OpenAI's administration of one project. `keepsKeys`: deleting the key of a service account is an error there. */
export function openaiDialect({ keepsKeys = false } = {}): Dialect {
  return {
    console: { title: 'OpenAI, API keys', newValue: () => `sk-proj-${chance(48)}` },
    credentialOf: bearer,
    kindOf({ method, path }) {
      if (path === '/models') return 'probe';
      if (method === 'POST') return 'create';
      if (method === 'DELETE') return 'revoke';
      return path.endsWith('/api_keys') ? 'list' : 'other';
    },
    handle(asked, world) {
      if (asked.path === '/models') return world.accepts(bearer(asked)) ? { status: 200, body: { data: [] } } : wrong;
      if (bearer(asked) !== world.admin) return wrong;
      const [, counted] = /^\/organization\/usage\/(\w+)$/.exec(asked.path) ?? [];
      if (counted) return usage(asked, counted, world);
      const [, , collection, id] =
        /^\/organization\/projects\/([^/]+)\/(service_accounts|api_keys)\/?([^/]*)$/.exec(asked.path) ?? [];
      if (collection === 'service_accounts' && asked.method === 'POST') return made(asked, world);
      if (collection === 'service_accounts' && asked.method === 'DELETE') {
        const its = world.keys.filter((each) => each.account === id && !each.ended);
        for (const each of its) world.end(each.id);
        return its.length > 0 ? { status: 200, body: { id, deleted: true } } : unknown;
      }
      if (collection !== 'api_keys') return unknown;
      const key = world.keys.find((each) => each.id === id && !each.ended);
      if (id && !key) return unknown;
      if (asked.method === 'DELETE') {
        if (key!.account && keepsKeys)
          return { status: 400, body: { error: { message: 'Delete the service account.' } } };
        world.end(key!.id);
        return { status: 200, body: { id, deleted: true } };
      }
      if (key) return { status: 200, body: shown(key) };
      const all = world.listed();
      const after = asked.query.get('after');
      const page = pageOf(all, after ? all.findIndex((each) => each.id === after) + 1 : 0, world.pageSize);
      const data = page.rows.map(shown);
      const last = data.at(-1)?.id ?? null;
      return { status: 200, body: { object: 'list', data, last_id: last, has_more: page.next !== null } };
    },
  };
}

/** Calls by key and span of time. */
function usage({ query }: Asked, of: string, world: World): Reply {
  const invalid = { status: 400, body: { error: { message: 'start_time', type: 'invalid_request_error' } } };
  if (!/^\d+$/.test(query.get('start_time') ?? '')) return invalid;
  const isGrouped = query.getAll('group_by').includes('api_key_id');
  const { spans, next } = spansOf(world, {
    keyId: query.get('api_key_ids'),
    of,
    width: query.get('bucket_width') ?? '1d',
    fromMs: Number(query.get('start_time')) * 1000,
    untilMs: query.has('end_time') ? Number(query.get('end_time')) * 1000 : Number.POSITIVE_INFINITY,
    limit: Number(query.get('limit')),
    page: Number((query.get('page') ?? 'page_0').replace('page_', '')),
  });
  const data = spans.map(({ startMs, endMs, results }) => ({
    object: 'bucket',
    start_time: startMs / 1000,
    end_time: endMs / 1000,
    results: results.map(({ id, amount }) => ({
      object: `organization.usage.${of}.result`,
      input_tokens: amount * 1000,
      num_model_requests: amount,
      api_key_id: isGrouped ? id : null,
    })),
  }));
  const body = { object: 'page', data, has_more: next !== null, next_page: next === null ? null : `page_${next}` };
  return { status: 200, body };
}

function made(asked: Asked, world: World): Reply {
  const key = world.make(String(asked.body.name), `sk-svcacct-${chance()}`, { account: `svc_acct_${chance(4)}` });
  const api_key = { object: 'organization.project.service_account.api_key', id: key.id, value: key.value };
  return { status: 200, body: { id: key.account, name: key.name, role: 'member', api_key } };
}
