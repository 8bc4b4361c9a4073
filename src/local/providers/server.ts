import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { answerConsole, type Console } from './console.ts';
import { type Asked, type Kind, type Reply, World } from './world.ts';

export interface Dialect {
  kindOf(asked: Asked): Kind;
  /** How the caller shows who they are. */
  credentialOf(asked: Asked): string;
  handle(asked: Asked, world: World): Reply;
  /** Where people make keys. */
  console?: Console;
  /** A server of another kind over the same world. */
  beside?(world: World): Promise<Beside>;
}
export interface Beside {
  port: number;
  close(): Promise<void>;
}
export interface LocalProvider {
  url: string;
  world: World;
  /** Where the other server listens; 0 when there is none. */
  port: number;
  close(): Promise<void>;
}

/**
 * A provider in this process, over real HTTP on loopback; at its root, in a browser, the page where people make keys. With a
 * file it is as it was at the next start.
 */
export async function startLocalProvider(dialect: Dialect, file?: string): Promise<LocalProvider> {
  const world = new World();
  if (file) world.keptIn(file);
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const asked = askedBy(request, Buffer.concat(chunks).toString());
      if (!asked) return void response.writeHead(400).end();
      const page = dialect.console && answerConsole(dialect.console, asked, world);
      if (page) return void response.writeHead(page.status, page.headers).end(page.body);
      const kind = dialect.kindOf(asked);
      // Nobody looks into it where it goes on for days.
      if (!file)
        world.asked.push({ kind, method: asked.method, path: asked.path, credential: dialect.credentialOf(asked) });
      const fault = world.faultOn(kind);
      const reply = fault?.reply ?? dialect.handle(asked, world);
      world.keep();
      if (fault?.lose) return void request.socket.destroy();
      response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers });
      response.end(
        typeof reply.body === 'string' ? reply.body : reply.body === undefined ? '' : JSON.stringify(reply.body),
      );
    });
  });
  // Links to its page hold beyond a start, unless somebody else has come in between.
  world.port = await listening(server, world.port).catch(() => listening(server));
  world.keep();
  const beside = await dialect.beside?.(world);
  return {
    url: `http://127.0.0.1:${world.port}`,
    world,
    port: beside?.port ?? 0,
    async close() {
      await beside?.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Null for what is no request that anybody could answer. */
function askedBy({ method = 'GET', url = '/', headers }: IncomingMessage, text: string): Asked | null {
  try {
    const { pathname, searchParams } = new URL(url, 'http://local');
    return {
      method,
      path: decodeURIComponent(pathname),
      query: searchParams,
      headers: headers as Record<string, string>,
      text,
      body: text.startsWith('{')
        ? (JSON.parse(text) as Record<string, unknown>)
        : Object.fromEntries(new URLSearchParams(text)),
    };
  } catch {
    return null;
  }
}

/** The port that a server got: this one, if one is given. @throws when it is taken */
export async function listening(server: Server, port = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}
