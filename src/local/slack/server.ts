import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerResponseUrl } from './answers.ts';
import type { LocalApp } from './app.ts';
import { answerControl, type Control, controlled } from './control.ts';
import { sendJson, TooLarge } from './http.ts';
import { type Identity, openIdentity } from './identity.ts';
import { answerPageApi, answerPageFile } from './page-api.ts';
import { openSockets } from './socket.ts';
import { answerWebApi } from './web-api.ts';
import { openWorkspace, type WorkspaceSeed } from './workspace.ts';
import { type Speeds, slackSpeeds, type World } from './world.ts';

export { appFromManifest, type LocalApp } from './app.ts';
export type { Control } from './control.ts';
export type { WorkspaceSeed } from './workspace.ts';

export interface LocalSlackOptions {
  /** A free one when absent. */
  port?: number;
  workspace: WorkspaceSeed;
  app: LocalApp;
  /** Keeps users, channels and messages; in memory only when absent. */
  stateFile?: string;
  /** Milliseconds, for everything that expires. Default: the machine's clock. */
  now?: () => number;
  /** For tests. Default: Slack's own. */
  speeds?: Partial<Speeds>;
}

export interface LocalSlack {
  /** The page; the Web API is at `${url}/api/`. */
  url: string;
  port: number;
  control: Control;
  close(): Promise<void>;
}

/**
 * Starts a Slack workspace for a laptop: Slack's Web API and deliveries for one app, and a page to use it with. Anybody
 * who reaches it may act as anybody in it, so it listens on loopback only and answers no page of another origin.
 *
 * Throws an `Error` for people: in production, or when the state file is damaged.
 */
export async function startLocalSlack(options: LocalSlackOptions): Promise<LocalSlack> {
  if (process.env.NODE_ENV === 'production') {
    throw new Error(
      'The local Slack lets anybody act as anybody and is for laptops and tests. In production, set SLACK_BOT_TOKEN to use Slack.',
    );
  }
  const { app: given, workspace: seed, stateFile } = options;
  let offsetMs = 0;
  const now = () => (options.now ?? Date.now)() + offsetMs;
  const bot = { userId: given.botUserId, name: given.name };
  const world: World = {
    workspace: openWorkspace(seed, bot, stateFile, now),
    app: { ...given, scopes: [...given.scopes] },
    speeds: { ...slackSpeeds, ...options.speeds },
    now,
    url: '',
    triggers: new Map(),
    replies: new Map(),
    faults: [],
    calls: [],
    sent: [],
    copies: 1,
    appIsGone: false,
    closing: false,
    timers: new Set(),
    running: new Set(),
    sendBySocket: (envelope) => sockets.send(envelope),
    openSocketTicket: () => sockets.newTicket(),
  };
  const sockets = openSockets(world);
  const control = controlled(world, sockets, {
    advance(ms) {
      offsetMs += ms;
    },
    restart() {
      const fresh = openWorkspace(seed, bot, undefined, now);
      for (const name of ['users', 'channels', 'groups', 'messages', 'stacks', 'homes', 'read'] as const)
        (world.workspace[name] as Map<string, unknown>) = fresh[name];
      world.workspace.save();
    },
  });

  const identity = openIdentity(world);
  const server = http.createServer((request, response) => {
    answer(world, control, identity, request, response).catch((error: unknown) => {
      if (error instanceof TooLarge) return sendJson(response, { ok: false, error: 'request_too_large' }, 413);
      const message = error instanceof Error ? error.message : String(error);
      sendJson(response, { ok: false, error: 'internal_error', message }, 500);
    });
  });
  server.on('upgrade', (request, socket, head) => {
    if (isOurs(request)) sockets.upgrade(request, socket, head);
    else socket.destroy();
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await Promise.race([
    once(server, 'listening'),
    once(server, 'error').then(([error]) => Promise.reject(error as Error)),
  ]);
  const { port } = server.address() as AddressInfo;
  world.url = `http://127.0.0.1:${port}`;

  return {
    url: world.url,
    port,
    control,
    async close() {
      if (world.closing) return;
      world.closing = true;
      for (const end of world.timers) end();
      sockets.close();
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      world.workspace.flush();
    },
  };
}

/** Named by a loopback address: a page of another site can make a name of its own point here. */
function isForUs({ headers: { host = '' } }: IncomingMessage): boolean {
  return /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host);
}

/** Meant for us and, when a page sent it, by a page of ours. */
function isOurs(request: IncomingMessage): boolean {
  const { host = '', origin } = request.headers;
  if (!isForUs(request)) return false;
  if (origin !== undefined && origin !== `http://${host}`) return false;
  return !['cross-site', 'same-site'].includes(String(request.headers['sec-fetch-site'] ?? ''));
}

/** Where on the page a permalink leads: `/archives/<channel>/p<ts without its point>`. */
function placeOnPage(url: URL, [channel = '', message = '']: string[]): string {
  const [, seconds, micros] = /^p(\d+)(\d{6})$/.exec(message) ?? [];
  const thread = url.searchParams.get('thread_ts');
  const place = new URLSearchParams({
    at: channel,
    ...(seconds ? { message: `${seconds}.${micros}` } : {}),
    ...(thread ? { thread } : {}),
  });
  return `/?${place.toString()}`;
}

async function answer(
  world: World,
  control: Control,
  identity: Identity,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', world.url);
  const [, area = '', ...rest] = url.pathname.split('/');
  // A link to the page may be followed from anywhere, and people are sent here to sign in.
  const isPage = ['', 'page', 'archives', 'openid'].includes(area) && !(area === 'openid' && request.method === 'POST');
  if (isPage ? !isForUs(request) : !isOurs(request)) return sendJson(response, { ok: false, error: 'forbidden' }, 403);
  if (await identity.answered(url, request, response)) return;
  switch (area) {
    case 'api':
      return answerWebApi(world, rest.join('/'), url.searchParams, request, response);
    case 'response':
      return answerResponseUrl(world, rest[1] ?? '', request, response);
    case 'page-api':
    case 'control':
      // A form of another site cannot send this type without asking first.
      if (request.method === 'POST' && !request.headers['content-type']?.startsWith('application/json'))
        return sendJson(response, { ok: false, error: 'invalid_content_type' }, 415);
      return area === 'control'
        ? answerControl(control, rest.join('/'), request, response)
        : answerPageApi(world, url, request, response);
    case 'archives':
      // A permalink.
      response.writeHead(302, { location: placeOnPage(url, rest) }).end();
      return;
    case '':
    case 'page':
      return answerPageFile(url.pathname, response);
    default:
      return sendJson(response, { ok: false, error: 'not_found' }, 404);
  }
}
