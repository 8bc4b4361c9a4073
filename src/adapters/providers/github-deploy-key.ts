import type * as Ssh from 'ssh2';
import { Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import {
  type Answer,
  answerMs,
  at,
  expected,
  instantAt,
  listAt,
  type Means,
  segment,
  talkingTo,
  textAt,
  unreachable,
} from './call.ts';
import { byToken, inGithubsWords } from './github.ts';
import { allPages, listed, provider } from './provider.ts';

type Library = typeof Ssh;
type KeyPair = Record<'private' | 'public', string>;

/**
 * Deploy keys of one repository at GitHub: an SSH key pair that is made here, of which GitHub gets the public half and the
 * store the private one. It is tried as git would use it, by logging in over SSH.
 * https://docs.github.com/en/rest/deploy-keys/deploy-keys
 */
export function githubDeployKey(name: string, settings: ProviderSettings<'github-deploy-key'>, means: Means): Issuer {
  const { ask, admin, must } = talkingTo(name, settings, means, byToken);
  const keys = `/repos/${settings.repository.split('/').map(segment).join('/')}/keys`;
  const all = () =>
    allPages<unknown>(name, async (from) => {
      const page = Number(from ?? '1');
      const { body, headers } = await must('list deploy keys', { path: keys, query: { per_page: 100, page } });
      const hasMore = /\brel="next"/.test(headers.get('link') ?? '');
      return { rows: listAt(body, ''), next: hasMore ? String(page + 1) : null };
    });
  /** The servers say who they are, and GitHub says over TLS what they have to say. */
  async function hostKeys(): Promise<string[]> {
    const { body } = expected(
      name,
      'ask for its host keys',
      await ask({ path: '/meta', headers: inGithubsWords }),
      [200],
    );
    return listAt(body, '/ssh_keys').map((each) => halfOf(String(each)));
  }

  return provider({
    name,
    settings,
    async create(_key, label) {
      const ssh = await library();
      const pair = soundPair(ssh, () => ssh.utils.generateKeyPairSync('ed25519', { comment: label }));
      const body = { title: label, key: halfOf(pair.public), read_only: settings.readOnly };
      const answer = await admin({ method: 'POST', path: keys, body });
      // Whoever writes it into a file counts on the line's end: ssh takes a key without it for broken.
      return { ...answer, body: { made: answer.body, value: `${pair.private.trim()}\n` } };
    },
    made: ({ body }) => ({
      value: textAt(body, '/value'),
      providerKeyId: textAt(body, '/made/id'),
      expiresAt: null,
    }),
    list: async () => (await all()).map((each) => listed(each, '/id', '/title', at(each, '/enabled') !== false)),
    async identify(_key, value) {
      const half = publicHalf(await library(), value);
      const found = half && (await all()).find((each) => halfOf(textAt(each, '/key') ?? '') === half);
      return found ? textAt(found, '/id') : null;
    },
    whyNotValue: async (value) =>
      publicHalf(await library(), value) ? null : 'it is no private SSH key without a passphrase',
    probe: async (_key, value) => loggedIn(name, settings, await library(), value, await hostKeys()),
    async revoke(_key, id) {
      await must('delete a deploy key', { method: 'DELETE', path: `${keys}/${segment(id)}` }, [204, 404]);
    },
    async lastUsed(_key, id) {
      const { body } = await must('look for a deploy key', { path: `${keys}/${segment(id)}` }, [200, 404]);
      return instantAt(body, '/last_used');
    },
  });
}

/** Loaded at the first call, as whoever has no deploy keys needs none of it. */
const library = async (): Promise<Library> => (await import('ssh2')).default as unknown as Library;

/** One pair in 256 comes out a byte too short, because ssh2 1.17 drops zeros in front of the public half: that is no key. */
export function soundPair(ssh: Pick<Library, 'utils'>, make: () => KeyPair): KeyPair {
  for (let tries = 0; tries < 20; tries++) {
    const pair = make();
    if (publicHalf(ssh, new Secret(pair.private)) === halfOf(pair.public)) return pair;
  }
  throw new Error('no sound SSH key could be made');
}

/** The kind and the key, without the comment behind them. */
const halfOf = (line: string) => line.trim().split(/\s+/).slice(0, 2).join(' ');

function publicHalf({ utils }: Pick<Library, 'utils'>, value: Secret): string | null {
  const parsed = utils.parseKey(value.reveal());
  if (parsed instanceof Error) return null;
  // More than one key may be in there.
  const key = Array.isArray(parsed) ? (parsed as Ssh.ParsedKey[])[0] : parsed;
  return key?.isPrivateKey() ? `${key.type} ${key.getPublicSSH().toString('base64')}` : null;
}

/** Logs in and out. 200 and 401 stand for what SSH says without a number; everything else says nothing about the key. */
function loggedIn(
  name: string,
  { sshHost, sshPort }: { sshHost: string; sshPort: number },
  { Client, utils }: Library,
  value: Secret,
  hostKeys: string[],
): Promise<Answer> {
  const answer = (status: number, said: string): Answer => ({ status, said, body: null, headers: new Headers() });
  const client = new Client();
  return new Promise<Answer>((resolve, reject) => {
    let isStranger = false;
    client
      .once('ready', () => resolve(answer(200, 'SSH login')))
      .once('close', () => reject(unreachable(name, false)))
      .on('error', (error: Error & { level?: string }) => {
        if (isStranger)
          return reject(new Error(`${name}: the SSH server at ${sshHost} is not the one that it should be`));
        if (error.level === 'client-authentication') return resolve(answer(401, 'SSH: permission denied'));
        return reject(unreachable(name, error.level === 'client-timeout'));
      })
      .connect({
        host: sshHost,
        port: sshPort,
        username: 'git',
        privateKey: value.reveal(),
        readyTimeout: answerMs,
        hostVerifier: (hostKey: Buffer) => {
          const parsed = utils.parseKey(hostKey);
          const type = parsed instanceof Error ? '' : parsed.type;
          isStranger = !hostKeys.includes(`${type} ${hostKey.toString('base64')}`);
          return !isStranger;
        },
      });
  }).finally(() => client.destroy());
}
