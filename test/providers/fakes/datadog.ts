import { type Asked, chance, type Dialect, usedAtOf } from './server.ts';

const forbidden = { status: 403, body: { errors: ['Forbidden'] } };
const credential = (asked: Asked) => asked.headers['dd-api-key'] ?? '';

export const datadogDialect = (): Dialect => ({
  credentialOf: credential,
  kindOf({ method, path }) {
    if (path === '/api/v1/validate') return 'probe';
    return method === 'POST' ? 'create' : method === 'DELETE' ? 'revoke' : 'list';
  },
  handle(asked, world) {
    if (asked.path === '/api/v1/validate') {
      return world.accepts(credential(asked)) ? { status: 200, body: { valid: true } } : forbidden;
    }
    if (credential(asked) !== world.admin || asked.headers['dd-application-key'] !== `app-${world.admin}`) {
      return forbidden;
    }
    const id = /^\/api\/v2\/api_keys\/(.+)$/.exec(asked.path)?.[1];
    if (asked.method === 'DELETE') {
      return world.end(id ?? '') ? { status: 204 } : { status: 404, body: { errors: ['API key not found'] } };
    }
    if (asked.method === 'POST') {
      const { name } = (asked.body.data as { attributes: { name: string } }).attributes;
      const key = world.make(name, chance());
      const attributes = { name, key: key.value, last4: key.value.slice(-4) };
      return { status: 201, body: { data: { id: key.id, type: 'api_keys', attributes } } };
    }
    const one = world.keys.find((each) => each.id === id && !each.ended);
    if (id && !one) return { status: 404, body: { errors: ['API key not found'] } };
    if (one) {
      const attributes = { name: one.name, last4: one.value.slice(-4), date_last_used: usedAtOf(one) };
      return { status: 200, body: { data: { id, type: 'api_keys', attributes } } };
    }
    // The page size that was asked for counts; a test with smaller pages says so by the total.
    const all = world.listed();
    const size = Number(asked.query.get('page[size]'));
    const rows = all.slice(Number(asked.query.get('page[number]')) * size).slice(0, size);
    const data = rows.map(({ id, name, value }) => ({
      id,
      type: 'api_keys',
      attributes: { name, last4: value.slice(-4) },
    }));
    return { status: 200, body: { data, meta: { page: { total_filtered_count: all.length } } } };
  },
});
