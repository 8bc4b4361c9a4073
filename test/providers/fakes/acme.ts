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
/**
 * The same as Azure has it: who manages the slots shows a token that a client's secret was changed for, and the keys
 * themselves are used at another address.
 */
export function azureDialect(): Dialect {
  const slots = slotsDialect();
  const by = 'token-of-';
  return {
    ...slots,
    credentialOf: (asked) => (asked.body.client_secret as string | undefined) ?? slots.credentialOf(asked),
    kindOf: (asked) => (asked.path === '/tenant/oauth2/v2.0/token' ? 'other' : slots.kindOf(asked)),
    handle(asked, world) {
      if (asked.path === '/tenant/oauth2/v2.0/token') {
        const { grant_type, client_id, client_secret, scope } = asked.body as Record<string, string>;
        const isMeant = grant_type === 'client_credentials' && client_id === 'client' && scope === 'manage/.default';
        if (!isMeant) return { status: 400, body: { error: 'invalid_request' } };
        if (!world.admits(client_secret!))
          return { status: 401, body: { error: 'invalid_client', quoted: client_secret } };
        return { status: 200, body: { access_token: by + client_secret, token_type: 'Bearer', expires_in: 3599 } };
      }
      if (asked.path === '/use' || !asked.headers.authorization) return slots.handle(asked, world);
      if (asked.query.get('api-version') !== '2025-09-01') return { status: 400 };
      const shown = asked.headers.authorization.replace(/^Bearer /, '');
      const authorization = `Bearer ${shown.startsWith(by) ? shown.slice(by.length) : 'no token'}`;
      return slots.handle({ ...asked, headers: { ...asked.headers, authorization } }, world);
    },
  };
}
export const azureSettings = (baseUrl: string, credential: string, dataUrl: string) => {
  const slots = slotsSettings(baseUrl, credential);
  const version = '?api-version=2025-09-01';
  return {
    ...slots,
    token: { url: `${baseUrl}/tenant/oauth2/v2.0/token`, scope: 'manage/.default' },
    read: { path: slots.read.path + version },
    regenerate: { ...slots.regenerate, path: slots.regenerate.path + version },
    test: { ...slots.test, baseUrl: dataUrl },
  };
};
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
