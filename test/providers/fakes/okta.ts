import { createHash } from 'node:crypto';
import { type Asked, chance, type Dialect, type FakeKey, type Reply, type World } from './server.ts';

export const oktaApp = '0oa1nkheCuDn82XVI0g4';
/** The sentence in which Okta says what it does not do. */
const invalid = (summary: string): Reply => ({
  status: 400,
  body: {
    errorCode: 'E0000001',
    errorSummary: 'Api validation failed: OAuth2ClientSecretMediated',
    errorCauses: [{ errorSummary: summary }],
  },
});
const failed = (status: number, errorCode: string, errorSummary: string): Reply => ({
  status,
  body: { errorCode, errorSummary, errorLink: errorCode, errorCauses: [] },
});
export const oktaRefuses = (error_description: string): Reply => ({
  status: 401,
  body: { error: 'invalid_client', error_description },
});

const token = (asked: Asked) => (asked.headers.authorization ?? '').replace(/^SSWS /, '');
/** By HTTP Basic or in the body; both at once is one too many. */
function client({ headers, text }: Asked): [id: string, secret: string] | 'none' | 'both' {
  const [, coded] = /^Basic (.+)$/.exec(headers.authorization ?? '') ?? [];
  const [id, secret] = Buffer.from(coded ?? '', 'base64')
    .toString()
    .split(':');
  const form = new URLSearchParams(text);
  const shown = form.get('client_secret');
  if (coded && shown !== null) return 'both';
  if (coded) return [id ?? '', secret ?? ''];
  return shown === null ? 'none' : [form.get('client_id') ?? '', shown];
}

/**
 * Okta's client secrets of one application: two at most, none of them with a name, deleted only when they are inactive, and
 * one has to stay active.
 */
export function oktaDialect({ clientId = oktaApp } = {}): Dialect {
  const secrets = `/api/v1/apps/${oktaApp}/credentials/secrets`;
  const deleted = new Set<string>();
  // Inactive counts as ended, as its value is refused from then on.
  const there = (world: World) => world.keys.filter((each) => !deleted.has(each.id));
  const shown = (key: FakeKey) => {
    return {
      id: key.id,
      status: key.ended ? 'INACTIVE' : 'ACTIVE',
      client_secret: `***${key.value.slice(-4)}`,
      secret_hash: createHash('sha256').update(key.value).digest().subarray(0, 16).toString('base64url'),
      created: key.madeAt.toISOString(),
      lastUpdated: key.madeAt.toISOString(),
    };
  };

  function introspect(asked: Asked, world: World): Reply {
    const by = client(asked);
    if (by === 'none') return oktaRefuses('No client credentials found.');
    if (by === 'both') return { status: 400, body: { error: 'invalid_request' } };
    if (by[0] !== clientId) return oktaRefuses("Invalid value for 'client_id' parameter.");
    if (!world.accepts(by[1])) return oktaRefuses('The client secret supplied for a confidential client is invalid.');
    if (!asked.body.token) return { status: 400, body: { error: 'invalid_request' } };
    return { status: 200, body: { active: false } };
  }
  function turned(key: FakeKey, on: boolean, world: World): Reply {
    // What Okta answers then is written nowhere, so nobody may count on it.
    if (on === !key.ended) return invalid(`The secret is ${key.ended ? 'INACTIVE' : 'ACTIVE'} already.`);
    if (!on && world.live().length === 1) return invalid("You can't deactivate the only active client secret.");
    if (on) Object.assign(key, { ended: false, lag: 0 });
    else world.end(key.id);
    return { status: 200, body: shown(key) };
  }

  return {
    credentialOf: token,
    kindOf({ method, path }) {
      if (path === '/oauth2/v1/introspect') return 'probe';
      if (path === secrets) return method === 'POST' ? 'create' : 'list';
      // What makes a value die is that it is deactivated.
      return path.endsWith('/deactivate') ? 'revoke' : 'other';
    },
    handle(asked, world) {
      if (asked.path === '/oauth2/v1/introspect') return introspect(asked, world);
      if (token(asked) !== world.admin) return failed(401, 'E0000011', 'Invalid token provided');
      if (!asked.path.startsWith(secrets)) return failed(404, 'E0000007', 'Not found: Resource not found');
      const [, id, doing] =
        /^\/([^/]+)(?:\/lifecycle\/(activate|deactivate))?$/.exec(asked.path.slice(secrets.length)) ?? [];
      if (id) {
        const key = there(world).find((each) => each.id === id);
        if (!key) return failed(404, 'E0000007', `Not found: Resource not found: ${id} (OAuth2ClientSecretMediated)`);
        if (doing) return turned(key, doing === 'activate', world);
        if (!key.ended) {
          return invalid("You can't delete an active client secret. Deactivate the secret before deleting it.");
        }
        deleted.add(id);
        return { status: 204 };
      }
      if (asked.method === 'POST') {
        if (there(world).length >= 2) return invalid("You've reached the maximum number of client secrets per client.");
        const key = world.make('', chance(20));
        return { status: 201, body: { ...shown(key), client_secret: key.value } };
      }
      const all = there(world);
      const hides = world.hidden > 0;
      if (hides) world.hidden--;
      return { status: 200, body: (hides ? all.slice(0, -1) : all).map(shown) };
    },
  };
}
