import { type Asked, type Dialect, type FakeKey, pageOf } from './server.ts';

const by = (asked: Asked) => asked.headers['x-api-key'] ?? '';
const failed = (status: number, type: string, message: string) => ({
  status,
  body: { type: 'error', error: { type, message } },
});

/** Anthropic's keys: a person makes them, an archived one is gone for good. */
export function anthropicDialect(): Dialect {
  const off = new Set<string>();
  const shown = (key: FakeKey) => ({
    type: 'api_key',
    id: key.id,
    name: key.name,
    partial_key_hint: `${key.value.slice(0, 7)}...${key.value.slice(-4)}`,
    status: key.ended ? 'archived' : off.has(key.id) ? 'inactive' : 'active',
  });
  return {
    credentialOf: by,
    kindOf({ method, path }) {
      return path === '/v1/models' ? 'probe' : method === 'POST' ? 'revoke' : 'list';
    },
    handle(asked, world) {
      if (!asked.headers['anthropic-version']) return failed(400, 'invalid_request_error', 'anthropic-version');
      const wrong = failed(401, 'authentication_error', 'invalid x-api-key');
      if (asked.path === '/v1/models') {
        const key = world.accepts(by(asked));
        return key && !off.has(key.id) ? { status: 200, body: { data: [] } } : wrong;
      }
      if (by(asked) !== world.admin) return wrong;
      const id = /^\/v1\/organizations\/api_keys\/(.+)$/.exec(asked.path)?.[1];
      if (id) {
        const key = world.keys.find((each) => each.id === id);
        if (!key) return failed(404, 'not_found_error', 'no such key');
        off.delete(id);
        if (asked.body.status === 'inactive') off.add(id);
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
