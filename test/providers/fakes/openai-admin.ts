import { type Asked, chance, type Dialect, type FakeKey, pageOf } from './server.ts';

const bearer = (asked: Asked) => (asked.headers.authorization ?? '').replace(/^Bearer /, '');
const failed = (status: number, code: string) => ({ status, body: { error: { message: code, code } } });
const shown = (key: FakeKey) => ({
  object: 'organization.admin_api_key',
  id: key.id,
  name: key.name,
  redacted_value: `${key.value.slice(0, 9)}...${key.value.slice(-4)}`,
  created_at: 1_790_000_000,
  expires_at: null,
  last_used_at: key.usedAt ?? null,
  owner: { type: 'user', role: 'owner' },
});

/** OpenAI's admin keys. */
export const openaiAdminDialect = (): Dialect => ({
  credentialOf: bearer,
  kindOf({ method, path }) {
    if (path === '/organization/projects') return 'probe';
    if (method !== 'GET') return method === 'POST' ? 'create' : 'revoke';
    return path.endsWith('/admin_api_keys') ? 'list' : 'other';
  },
  handle(asked, world) {
    const wrong = failed(401, 'invalid_api_key');
    if (asked.path === '/organization/projects') {
      return world.accepts(bearer(asked)) ? { status: 200, body: { object: 'list', data: [] } } : wrong;
    }
    if (!world.admits(bearer(asked))) return wrong;
    const [, id] = /^\/organization\/admin_api_keys\/?(.*)$/.exec(asked.path) ?? [];
    if (asked.method === 'POST') {
      const key = world.make(String(asked.body.name), `sk-admin-${chance()}`);
      return { status: 200, body: { ...shown(key), value: key.value } };
    }
    if (id) {
      const key = world.keys.find((each) => each.id === id && !each.ended);
      if (!key) return failed(404, 'not_found');
      if (asked.method === 'GET') return { status: 200, body: shown(key) };
      world.end(id);
      return { status: 200, body: { object: 'organization.admin_api_key.deleted', id, deleted: true } };
    }
    const all = world.listed();
    const after = asked.query.get('after');
    const page = pageOf(all, after ? all.findIndex((each) => each.id === after) + 1 : 0, world.pageSize);
    const data = page.rows.map(shown);
    return {
      status: 200,
      body: { object: 'list', data, last_id: data.at(-1)?.id ?? null, has_more: page.next !== null },
    };
  },
});
