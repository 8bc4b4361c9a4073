import { type Asked, chance, type Dialect, type FakeKey, pageOf, type World } from './server.ts';

const token = (asked: Asked) => asked.headers['private-token'] ?? '';
const wasRevoked = {
  status: 401,
  body: {
    error: 'invalid_token',
    error_description: 'Token was revoked. You have to re-authorize from the user.',
  },
};

/**
 * Tokens of project 42, or of user 7. `replicaLag`: so many reads after a rotation are answered by a replica that has not
 * heard of it. A token's `account` is its family: what it was rotated from and to.
 */
export const gitlabDialect = (personal = false, replicaLag = 0): Dialect => {
  const base = personal ? '/api/v4/personal_access_tokens' : '/api/v4/projects/42/access_tokens';
  const madeAt = new Map<string, string>();
  let count = 100;
  let stale: { reads: number; old: string; fresh: string } | null = null;

  const shown = ({ id, name, ended, account, madeAt: byHandAt, usedAt }: FakeKey) => ({
    id: /^\d+$/.test(id) ? Number(id) : id,
    name,
    user_id: 7,
    revoked: ended,
    active: !ended,
    created_at: madeAt.get(id) ?? (account ? byHandAt.toISOString() : '2020-01-01T00:00:00.000Z'),
    last_used_at: usedAt ? new Date(usedAt * 1000).toISOString() : null,
  });
  /** The tokens as whoever answers this read has them. */
  function seen(world: World): FakeKey[] {
    // Revoked tokens stay in the list.
    const listed = world.listed();
    const rows = world.keys.filter((each) => each.ended || listed.includes(each));
    if (!stale || stale.reads-- <= 0) return rows;
    const { old, fresh } = stale;
    return rows.filter((each) => each.id !== fresh).map((each) => (each.id === old ? { ...each, ended: false } : each));
  }
  function make(world: World, name: string, expires: unknown, family?: string) {
    if (!/^\d{4}-\d\d-\d\d$/.test(String(expires))) return { status: 400, body: { message: 'expires_at' } };
    const id = String(++count);
    madeAt.set(id, new Date().toISOString());
    const key = world.make(name, `glpat-${chance()}`, { id, account: family ?? id });
    return { status: family ? 200 : 201, body: { ...shown(key), token: key.value, expires_at: expires } };
  }
  function rotate(world: World, id: string, expires: unknown) {
    const key = world.keys.find((each) => each.id === id);
    if (!key) return { status: 404, body: { message: '404 Not Found' } };
    key.account ||= key.id;
    if (key.ended) {
      // Reuse detection: somebody has a token that was rotated, so that all that came of it ends.
      for (const each of world.keys) if (each.account === key.account) world.end(each.id);
      return { status: 400, body: { message: '400 Bad request - Token already revoked' } };
    }
    world.end(key.id);
    const answer = make(world, key.name, expires, key.account);
    stale = { reads: replicaLag, old: key.id, fresh: String(count) };
    return answer;
  }

  return {
    credentialOf: token,
    kindOf({ method, path }) {
      if (path.endsWith('/personal_access_tokens/self')) return 'probe';
      return method === 'POST' ? 'create' : method === 'DELETE' ? 'revoke' : 'list';
    },
    handle(asked, world) {
      if (asked.path === '/api/v4/personal_access_tokens/self') {
        const key = world.accepts(token(asked));
        return key ? { status: 200, body: shown({ ...key, ended: false }) } : wasRevoked;
      }
      if (token(asked) !== world.admin) return { status: 401, body: { message: '401 Unauthorized' } };
      const [, id = '', verb] = new RegExp(`^${base}(?:/(\\w+)(/rotate)?)?$`).exec(asked.path) ?? [undefined, null];
      if (id === null) return { status: 404, body: { message: '404 Project Not Found' } };
      if (asked.method === 'POST' && verb) return rotate(world, id, asked.body.expires_at);
      if (asked.method === 'DELETE') {
        return world.end(id) ? { status: 204 } : { status: 404, body: { message: '404 Not Found' } };
      }
      if (asked.method === 'POST') {
        // Only an administrator makes personal tokens, at another address.
        if (personal) return { status: 405, body: { error: '405 Method Not Allowed' } };
        return make(world, String(asked.body.name), asked.body.expires_at);
      }
      if (id) {
        const its = seen(world).find((each) => each.id === id);
        return its ? { status: 200, body: shown(its) } : { status: 404, body: { message: '404 Not Found' } };
      }
      const { state, search, user_id: user } = Object.fromEntries(asked.query);
      const rows = seen(world).filter(
        (each) =>
          (state !== 'active' || !each.ended) && (!search || each.name.includes(search)) && (!user || user === '7'),
      );
      const from = (Number(asked.query.get('page') ?? '1') - 1) * world.pageSize;
      const page = pageOf(rows, from, world.pageSize);
      const next = page.next === null ? '' : String(page.next / world.pageSize + 1);
      return { status: 200, body: page.rows.map(shown), headers: { 'x-next-page': next } };
    },
  };
};
