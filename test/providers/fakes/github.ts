import { createServer, type Socket } from 'node:net';
import ssh2, { type ParsedKey } from 'ssh2';
import { soundPair } from '../../../src/adapters/providers/github-deploy-key.ts';
import {
  type Asked,
  type Beside,
  type Dialect,
  type FakeKey,
  listening,
  pageOf,
  type Reply,
  usedAtOf,
  type World,
} from './server.ts';

const bearer = (asked: Asked) => (asked.headers.authorization ?? '').replace(/^(Bearer|token) /, '');
const failed = (status: number, message: string): Reply => ({
  status,
  body: { message, documentation_url: 'https://docs.github.com/rest', status: String(status) },
});
const badCredentials = failed(401, 'Bad credentials');
const parsed = (key: string | Buffer) => ssh2.utils.parseKey(key) as ParsedKey;
const half = (key: ParsedKey) => `${key.type} ${key.getPublicSSH().toString('base64')}`;
/** What GitHub has of a deploy key. */
export const publicHalfOf = (value: string) => half(parsed(value));

/** GitHub's deploy keys of one repository, and the SSH server where they open something. */
export function deployKeyDialect(): Dialect {
  const host = soundPair(ssh2, () => ssh2.utils.generateKeyPairSync('ed25519'));
  let count = 100;
  const shown = (key: FakeKey) => ({
    id: Number(key.id),
    title: key.name,
    key: key.value,
    verified: true,
    enabled: true,
    read_only: true,
    last_used: usedAtOf(key),
  });
  return {
    credentialOf: bearer,
    kindOf({ method, path }) {
      if (method !== 'GET') return method === 'POST' ? 'create' : 'revoke';
      return path.endsWith('/keys') ? 'list' : 'other';
    },
    beside: (world) => sshServer(world, host.private),
    handle(asked, world) {
      if (asked.headers['x-github-api-version'] !== '2022-11-28') return failed(400, 'version');
      if (asked.path === '/meta') return { status: 200, body: { ssh_keys: [`${half(parsed(host.public))}`] } };
      if (bearer(asked) !== world.admin) return badCredentials;
      const [, id] = /^\/repos\/acme\/shop\.js\/keys\/?(\d*)$/.exec(asked.path) ?? [];
      if (id === undefined) return failed(404, 'Not Found');
      if (asked.method === 'DELETE') return world.end(id) ? { status: 204 } : failed(404, 'Not Found');
      if (asked.method === 'POST') {
        const key = String(asked.body.key);
        if (parsed(key) instanceof Error || world.keys.some((each) => each.value === key && !each.ended)) {
          return failed(422, 'key is invalid, or is already in use');
        }
        return { status: 201, body: shown(world.make(String(asked.body.title), key, { id: String(++count) })) };
      }
      if (id) {
        const key = world.keys.find((each) => each.id === id && !each.ended);
        return key ? { status: 200, body: shown(key) } : failed(404, 'Not Found');
      }
      const from = (Number(asked.query.get('page') ?? '1') - 1) * world.pageSize;
      const page = pageOf(world.listed(), from, world.pageSize);
      const link = `<https://elsewhere.example/keys?page=${from / world.pageSize + 2}>; rel="next", <https://elsewhere.example/keys?page=99>; rel="last"`;
      return { status: 200, body: page.rows.map(shown), headers: page.next === null ? {} : { link } };
    },
  };
}

/** Lets in who holds the private half of a key that is there. */
async function sshServer(world: World, hostKey: string): Promise<Beside> {
  const sockets = new Map<string, Socket>();
  const ssh = new ssh2.Server({ hostKeys: [hostKey] }, (connection, { port }) => {
    let isIn: boolean | null = null;
    connection.on('error', () => {});
    connection.on('authentication', (ask) => {
      if (ask.method !== 'publickey') return ask.reject(['publickey']);
      const key = parsed(Buffer.from(ask.key.data));
      if (isIn === null) {
        world.asked.push({ kind: 'probe', method: 'SSH', path: '', credential: half(key) });
        const fault = world.faultOn('probe');
        isIn = world.accepts(half(key)) !== null;
        if (fault) return void sockets.get(String(port))?.destroy();
      }
      const proves = !ask.signature || key.verify(ask.blob!, ask.signature, ask.hashAlgo) === true;
      return isIn && proves && ask.username === 'git' ? ask.accept() : ask.reject(['publickey']);
    });
  });
  const server = createServer((socket) => {
    sockets.set(String(socket.remotePort), socket);
    socket.on('error', () => {});
    ssh.injectSocket(socket);
  });
  const port = await listening(server);
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.values()) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Tokens of people: tried by whoever holds them, and revoked for whoever shows them without any credential. */
export const tokenDialect = (): Dialect => ({
  credentialOf: bearer,
  kindOf: ({ path }) => (path === '/user' ? 'probe' : path === '/credentials/revoke' ? 'revoke' : 'other'),
  handle(asked, world) {
    if (asked.path === '/user') {
      return world.accepts(bearer(asked)) ? { status: 200, body: { login: 'mona' } } : badCredentials;
    }
    if (asked.path !== '/credentials/revoke' || asked.method !== 'POST') return failed(404, 'Not Found');
    if (asked.headers.authorization) return failed(403, 'This endpoint has to be called without authentication');
    const { credentials } = asked.body as { credentials?: string[] };
    if (!Array.isArray(credentials) || credentials.length === 0) return failed(422, 'credentials');
    // It does not say whether it knew them.
    for (const each of world.keys.filter(({ value }) => credentials.includes(value))) world.end(each.id);
    return { status: 202, body: {} };
  },
});
