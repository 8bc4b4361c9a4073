import { type Asked, chance, type Dialect, pageOf } from './server.ts';

const key = (asked: Asked) => asked.headers['x-api-key'] ?? '';
const refused = { status: 401, body: { error: 'unauthorized' } };

/** A provider that nobody has heard of, for the template. */
export const acmeDialect = (): Dialect => ({
  credentialOf: key,
  kindOf({ method, path }) {
    if (path === '/whoami') return 'probe';
    return method === 'POST' ? 'create' : method === 'DELETE' ? 'revoke' : 'list';
  },
  handle(asked, world) {
    if (asked.path === '/whoami') return world.accepts(key(asked)) ? { status: 200, body: {} } : refused;
    if (!world.admits(key(asked))) return refused;
    const id = /^\/tokens\/(.+)$/.exec(asked.path)?.[1];
    if (asked.method === 'DELETE') return world.end(id ?? '') ? { status: 204 } : { status: 404, body: {} };
    if (asked.method === 'POST') {
      const made = world.make(String((asked.body.token as { title: string }).title), `acme_${chance()}`);
      return { status: 201, body: { data: { token: { id: made.id, secret: made.value } } } };
    }
    const page = pageOf(world.listed(), Number(asked.query.get('cursor') ?? '0'), world.pageSize);
    const items = page.rows.map((each) => ({ id: each.id, title: each.name }));
    return { status: 200, body: { items, next: page.next === null ? null : String(page.next) } };
  },
});
export const acmeSettings = (baseUrl: string, credential: string) => ({
  kind: 'http',
  baseUrl,
  credential,
  propagationSeconds: 2,
  auth: { header: 'x-api-key' },
  keyLimit: 8,
  create: {
    path: '/tokens',
    body: { token: { title: '{label}' } },
    value: '/data/token/secret',
    id: '/data/token/id',
  },
  list: { path: '/tokens', items: '/items', id: '/id', label: '/title', next: { from: '/next', query: 'cursor' } },
  revoke: { path: '/tokens/{id}' },
  test: { path: '/whoami' },
});

/** Two slots that always hold something, as at Azure. */
export const slotsDialect = (): Dialect => ({
  credentialOf: (asked) => asked.headers.authorization?.replace(/^Bearer /, '') ?? '',
  kindOf({ path }) {
    return path === '/use' ? 'probe' : path === '/regenerateKey' ? 'create' : path === '/listKeys' ? 'list' : 'other';
  },
  handle(asked, world) {
    if (world.keys.length === 0) for (const id of ['Key1', 'Key2']) world.make(id, chance(), { id, lag: 0 });
    if (asked.path === '/use') return world.accepts(asked.headers['api-key'] ?? '') ? { status: 200 } : refused;
    if (!world.admits(asked.headers.authorization?.replace(/^Bearer /, '') ?? '')) return refused;
    if (asked.path === '/regenerateKey') {
      const slot = String(asked.body.keyName);
      const old = world.keys.find((each) => each.name === slot && !each.ended);
      if (!old) return { status: 400, body: { error: { code: 'InvalidKeyName' } } };
      old.ended = true;
      old.lag = world.lag.ended;
      world.make(slot, chance(), { id: slot });
    }
    const held = (slot: string) => world.keys.find((each) => each.name === slot && !each.ended)?.value;
    return { status: 200, body: { key1: held('Key1'), key2: held('Key2') } };
  },
});
export const slotsSettings = (baseUrl: string, credential: string) => ({
  kind: 'http-slots',
  baseUrl,
  credential,
  propagationSeconds: 2,
  slots: { Key1: '/key1', Key2: '/key2' },
  read: { path: '/listKeys' },
  regenerate: { path: '/regenerateKey', body: { keyName: '{slot}' } },
  test: { path: '/use', auth: { header: 'api-key' } },
});
