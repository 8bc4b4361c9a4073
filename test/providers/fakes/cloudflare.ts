import { type Asked, chance, type Dialect, type FakeKey, usedAtOf, type World } from './server.ts';

const bearer = (asked: Asked) => (asked.headers.authorization ?? '').replace(/^Bearer /, '');
const failed = (status: number, code: number, message: string) => ({
  status,
  body: { success: false, errors: [{ code, message }], messages: [], result: null },
});
const good = (result: unknown, more: Record<string, unknown> = {}) => ({
  status: 200,
  body: { success: true, errors: [], messages: [], result, ...more },
});

/** Cloudflare's tokens of one account, with their policies and whether they are switched off. */
export function cloudflareDialect(): Dialect {
  const facts = new Map<string, Record<string, unknown>>();
  const off = (id: string) => facts.get(id)?.status === 'disabled';
  const shown = (key: FakeKey) => ({
    status: 'active',
    ...facts.get(key.id),
    id: key.id,
    name: key.name,
    last_used_on: usedAtOf(key),
  });
  const handle = (asked: Asked, world: World) => {
    if (asked.path === '/accounts/acc1/tokens/verify') {
      const key = world.accepts(bearer(asked));
      return key
        ? good({ id: key.id, status: off(key.id) ? 'disabled' : 'active' })
        : failed(401, 1000, 'Invalid API Token');
    }
    if (bearer(asked) !== world.admin) return failed(401, 10000, 'Authentication error');
    const [, id] = /^\/accounts\/acc1\/tokens\/?(.*)$/.exec(asked.path) ?? [];
    if (id === undefined) return failed(404, 7003, 'Could not route');
    const key = world.keys.find((each) => each.id === id && !each.ended);
    if (id && !key) return failed(404, 1001, 'Token not found');
    switch (asked.method) {
      case 'DELETE':
        world.end(id);
        return good({ id });
      case 'PUT':
        if (!Array.isArray(asked.body.policies)) return failed(400, 1002, 'policies are required');
        facts.set(id, asked.body);
        return good(shown(key!));
      case 'POST': {
        if (world.listed().length >= world.limit) return failed(400, 1003, 'Too many tokens');
        const made = world.make(String(asked.body.name), `cfat_${chance()}`, { id: chance() });
        facts.set(made.id, { policies: asked.body.policies, condition: asked.body.condition });
        return good({ ...shown(made), value: made.value });
      }
    }
    if (key) return good(shown(key));
    const page = Number(asked.query.get('page'));
    const all = world.listed();
    const rows = all.slice((page - 1) * world.pageSize, page * world.pageSize);
    return good(rows.map(shown), { result_info: { page, per_page: world.pageSize, total_count: all.length } });
  };
  return {
    credentialOf: bearer,
    kindOf({ method, path }) {
      if (path.endsWith('/verify')) return 'probe';
      if (method === 'POST') return 'create';
      if (method === 'DELETE') return 'revoke';
      return path.endsWith('/tokens') ? 'list' : 'other';
    },
    handle,
  };
}
