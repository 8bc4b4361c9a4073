import fs from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { actor, isWithApp, perform, visibleChannel } from './acts.ts';
import type {
  Act,
  OpenView,
  PageChannel,
  PageEvent,
  PageMessage,
  PageState,
  PageUser,
  Workspace as PageWorkspace,
} from './contract.ts';
import { bodyText, sendJson } from './http.ts';
import { SlackError } from './slack-error.ts';
import {
  canSee,
  type LocalChannel,
  type LocalMessage,
  type LocalUser,
  type LocalView,
  visibleTo,
} from './workspace.ts';
import type { World } from './world.ts';

export function pageWorkspace({ workspace, app }: World): PageWorkspace {
  return {
    team: workspace.team,
    app: { id: app.id, name: app.name, botUserId: app.botUserId },
    commands: app.commands.map(({ command, description, usageHint }) => ({ command, description, usageHint })),
    shortcuts: app.shortcuts,
    users: [...workspace.users.values()].map(pageUser),
  };
}

/** Without the e-mail address, which a page has no use for. */
const pageUser = ({ id, name, realName, title, tz, isBot, isGuest, deleted }: LocalUser): PageUser => ({
  id,
  name,
  realName,
  title,
  tz,
  isBot,
  isGuest,
  deleted,
});

const openView = ({ id, hash, view, errors }: LocalView): OpenView => ({
  id,
  hash,
  view,
  ...(errors ? { errors } : {}),
});

/** What this person sees in the sidebar, their modals and their App Home. */
export function pageState(world: World, as: unknown): PageState {
  const user = actor(world, as);
  const { workspace } = world;
  const home = workspace.homes.get(user.id);
  const channels = [...workspace.channels.values()].filter(
    (each) => !each.archived && canSee(workspace, each, user.id),
  );
  return {
    ok: true,
    channels: channels.map((each) => pageChannel(world, each, user)),
    views: (workspace.stacks.get(user.id) ?? []).map(openView),
    home: home ? openView(home) : null,
  };
}

function pageChannel(world: World, channel: LocalChannel, user: LocalUser): PageChannel {
  const { workspace, app } = world;
  const isMember = channel.members.includes(user.id);
  const withApp = isWithApp(channel, app);
  const other = channel.members.find((each) => each !== user.id) ?? user.id;
  const seen = workspace.read.get(`${user.id} ${channel.id}`) ?? '';
  // Like Slack: replies in threads, one's own words and what is shown to one person alone do not mark a channel unread.
  const unread = visibleTo(workspace, channel.id, user.id).filter(
    (each) => each.ts > seen && each.user !== user.id && !each.onlyFor && (!each.threadTs || each.broadcast),
  );
  return {
    id: channel.id,
    name: channel.kind === 'im' ? (workspace.users.get(other)?.realName ?? other) : channel.name,
    kind: channel.kind,
    topic: channel.topic,
    isMember,
    unread: isMember ? unread.length : 0,
    withApp,
    readOnly: withApp && app.messagesReadOnly,
  };
}

/** Messages of a channel, or of one thread with its root first; oldest first. */
export function pageMessages(world: World, as: unknown, channelId: unknown, thread?: string | null): PageMessage[] {
  const user = actor(world, as);
  const channel = visibleChannel(world, user, channelId);
  const all = visibleTo(world.workspace, channel.id, user.id);
  const wanted = thread
    ? all.filter((each) => each.ts === thread || each.threadTs === thread)
    : all.filter((each) => !each.threadTs || each.broadcast);
  const replies = new Map<string, number>();
  for (const each of all)
    if (each.threadTs && !each.onlyFor) replies.set(each.threadTs, (replies.get(each.threadTs) ?? 0) + 1);
  return wanted.map((each) => pageMessage(each, replies.get(each.ts) ?? 0));
}

function pageMessage(message: LocalMessage, replyCount: number): PageMessage {
  const { ts, channel, user, isApp, text, blocks, edited, threadTs, subtype } = message;
  return {
    ts,
    channel,
    user,
    isApp,
    text,
    blocks,
    ephemeral: Boolean(message.onlyFor),
    edited,
    replyCount,
    ...(threadTs ? { threadTs } : {}),
    ...(subtype ? { subtype } : {}),
  };
}

const eventTypes: PageEvent['type'][] = ['messages', 'channels', 'views', 'home', 'users'];
const heartbeatMs = 15_000;

function stream(world: World, as: unknown, request: IncomingMessage, response: ServerResponse): void {
  const user = actor(world, as);
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'keep-alive',
  });
  response.write(': hello\n\n');
  const listener = (event: { type: string; channel?: string; user?: string }) => {
    if (!eventTypes.includes(event.type as PageEvent['type'])) return;
    if (world.workspace.users.get(user.id)?.deleted !== false) return void response.end();
    if (event.user && event.user !== user.id) return;
    const channel = event.channel ? world.workspace.channels.get(event.channel) : undefined;
    if (event.type === 'messages' && (!channel || !canSee(world.workspace, channel, user.id))) return;
    const shown = event.type === 'messages' ? { type: event.type, channel: event.channel } : { type: event.type };
    response.write(`data: ${JSON.stringify(shown)}\n\n`);
  };
  world.workspace.listeners.add(listener);
  const heartbeat = setInterval(() => response.write(': still here\n\n'), heartbeatMs);
  request.on('close', () => {
    clearInterval(heartbeat);
    world.workspace.listeners.delete(listener);
  });
}

/** Answers `/page-api/…`. */
export async function answerPageApi(
  world: World,
  url: URL,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const as = url.searchParams.get('as');
  const name = url.pathname.slice('/page-api/'.length);
  try {
    if (name === 'act' && request.method === 'POST')
      return sendJson(response, await perform(world, JSON.parse(await bodyText(request)) as Act));
    if (request.method !== 'GET') return sendJson(response, { ok: false, error: 'method_not_allowed' }, 405);
    if (name === 'workspace') return sendJson(response, pageWorkspace(world));
    if (name === 'state') return sendJson(response, pageState(world, as));
    if (name === 'stream') return stream(world, as, request, response);
    if (name === 'messages') {
      const messages = pageMessages(world, as, url.searchParams.get('channel'), url.searchParams.get('thread'));
      return sendJson(response, { ok: true, messages });
    }
    sendJson(response, { ok: false, error: 'not_found' }, 404);
  } catch (error) {
    if (error instanceof SyntaxError) return sendJson(response, { ok: false, error: 'invalid_json' }, 400);
    if (!(error instanceof SlackError)) throw error;
    sendJson(response, { ok: false, error: error.error });
  }
}

// The page is not compiled; from dist/ as from src/ it is read where it was written.
const pageFolder = fileURLToPath(new URL('../../../src/local/slack/page/', import.meta.url));
const contentTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
};

/** Answers `/` and `/page/…` with the page's files, and nothing outside its folder. */
export async function answerPageFile(pathname: string, response: ServerResponse): Promise<void> {
  let name = 'index.html';
  try {
    if (pathname !== '/') name = decodeURIComponent(pathname.replace(/^\/page\//, ''));
  } catch {
    name = '';
  }
  const file = path.resolve(pageFolder, name);
  const type = contentTypes[path.extname(file)];
  const content =
    file.startsWith(path.resolve(pageFolder) + path.sep) && type && !name.includes('\0')
      ? await fs.promises.readFile(file).catch(() => null)
      : null;
  if (!content) return void response.writeHead(404, { 'content-type': 'text/plain' }).end('There is nothing here.');
  response
    .writeHead(200, {
      'content-type': type,
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'content-security-policy':
        "default-src 'self'; img-src 'self' data: http: https:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    })
    .end(content);
}
