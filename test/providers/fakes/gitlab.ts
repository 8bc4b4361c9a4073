import { type Asked, chance, type Dialect, type FakeKey, pageOf } from './server.ts';

const token = (asked: Asked) => asked.headers['private-token'] ?? '';
const shown = ({ id, name, ended }: FakeKey) => ({
  id: Number(id),
  name,
  revoked: ended,
  active: !ended,
  last_used_at: null,
});

export const gitlabDialect = (): Dialect => {
  let count = 100;
  return {
    credentialOf: token,
    kindOf({ method, path }) {
      if (path.endsWith('/personal_access_tokens/self')) return 'probe';
      return method === 'POST' ? 'create' : method === 'DELETE' ? 'revoke' : 'list';
    },
    handle(asked, world) {
      if (asked.path === '/api/v4/personal_access_tokens/self') {
        const key = world.accepts(token(asked));
        if (key) return { status: 200, body: shown({ ...key, ended: false }) };
        const error_description = 'Token was revoked. You have to re-authorize from the user.';
        return { status: 401, body: { error: 'invalid_token', error_description } };
      }
      if (token(asked) !== world.admin) return { status: 401, body: { message: '401 Unauthorized' } };
      const [, id] = /^\/api\/v4\/projects\/42\/access_tokens\/?(\d*)$/.exec(asked.path) ?? [];
      if (id === undefined) return { status: 404, body: { message: '404 Project Not Found' } };
      if (asked.method === 'DELETE') {
        return world.end(id) ? { status: 204 } : { status: 404, body: { message: '404 Not Found' } };
      }
      if (asked.method === 'POST') {
        if (!/^\d{4}-\d\d-\d\d$/.test(String(asked.body.expires_at)))
          return { status: 400, body: { message: 'expires_at' } };
        const key = world.make(String(asked.body.name), `glpat-${chance()}`, { id: String(++count) });
        return { status: 201, body: { ...shown(key), token: key.value, expires_at: asked.body.expires_at } };
      }
      // Revoked tokens stay in the list.
      const listed = world.listed();
      const rows = world.keys.filter((each) => each.ended || listed.includes(each));
      const from = (Number(asked.query.get('page') ?? '1') - 1) * world.pageSize;
      const page = pageOf(rows, from, world.pageSize);
      const next = page.next === null ? '' : String(page.next / world.pageSize + 1);
      return { status: 200, body: page.rows.map(shown), headers: { 'x-next-page': next } };
    },
  };
};
