import { type Asked, chance, type Dialect } from './server.ts';

const bearer = (asked: Asked) => (asked.headers.authorization ?? '').replace(/^Bearer /, '');
const errors = (message: string) => ({ errors: [{ message, field: null }] });

export const sendgridDialect = (): Dialect => ({
  credentialOf: bearer,
  kindOf({ method, path }) {
    if (path === '/v3/scopes') return 'probe';
    return method === 'POST' ? 'create' : method === 'DELETE' ? 'revoke' : 'list';
  },
  handle(asked, world) {
    if (asked.path === '/v3/scopes') {
      return world.accepts(bearer(asked))
        ? { status: 200, body: { scopes: ['mail.send'] } }
        : { status: 401, body: errors('authorization required') };
    }
    if (bearer(asked) !== world.admin) return { status: 401, body: errors('authorization required') };
    const id = /^\/v3\/api_keys\/(.+)$/.exec(asked.path)?.[1];
    if (asked.method === 'DELETE') {
      return world.end(id ?? '') ? { status: 204 } : { status: 404, body: errors('unable to find API Key') };
    }
    if (asked.method === 'POST') {
      if (world.listed().length >= world.limit)
        return { status: 403, body: errors('Cannot create more than 100 keys') };
      const made = chance(8);
      const key = world.make(String(asked.body.name), `SG.${made}.${chance()}`, { id: made });
      return {
        status: 201,
        body: { api_key: key.value, api_key_id: key.id, name: key.name, scopes: asked.body.scopes },
      };
    }
    return { status: 200, body: { result: world.listed().map(({ id: api_key_id, name }) => ({ api_key_id, name })) } };
  },
});
