import { type Asked, chance, type Dialect } from './server.ts';

const bearer = (asked: Asked) => (asked.headers.authorization ?? '').replace(/^Bearer /, '');
const unauthorized = { status: 401, body: { detail: 'Unauthorized' } };

export const mistralDialect = (): Dialect => ({
  credentialOf: bearer,
  kindOf({ method, path }) {
    if (path === '/v1/models') return 'probe';
    return method === 'POST' ? 'create' : method === 'DELETE' ? 'revoke' : 'list';
  },
  handle(asked, world) {
    if (asked.path === '/v1/models') return world.accepts(bearer(asked)) ? { status: 200, body: {} } : unauthorized;
    if (bearer(asked) !== world.admin) return unauthorized;
    const id = /^\/v1\/admin\/api-keys\/(.+)$/.exec(asked.path)?.[1];
    if (asked.method === 'DELETE') {
      return world.end(id ?? '')
        ? { status: 200, body: { detail: 'deleted' } }
        : { status: 404, body: { detail: '?' } };
    }
    if (asked.method === 'POST') {
      const key = world.make(String(asked.body.name), chance());
      return { status: 200, body: { key_id: key.id, key: key.value, name: key.name, expiration_date: null } };
    }
    const offset = Number(asked.query.get('offset'));
    const keys = world.listed().slice(offset, offset + Math.min(world.pageSize, Number(asked.query.get('limit'))));
    const dayOf = (usedAt: number) => new Date(usedAt * 1000).toISOString().slice(0, 10);
    const hidden = (value: string) => `${value.slice(0, 3)}***${value.slice(-4)}`;
    return {
      status: 200,
      body: {
        keys: keys.map(({ id: key_id, name, value, usedAt }) => ({
          key_id,
          name,
          hidden_key: hidden(value),
          last_used: usedAt ? dayOf(usedAt) : null,
        })),
      },
    };
  },
});
