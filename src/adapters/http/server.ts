import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import type { HttpDoor, WebhookAsk } from '../../doors.ts';
import { bodyOf, headersOf } from './asked.ts';
import { pages } from './pages.ts';

const maxBodyBytes = 1_000_000;

export interface HttpParts {
  /** What handles `/slack/…`; null in Socket Mode and in a worker. */
  slack: ((request: IncomingMessage, response: ServerResponse) => void) | null;
  /** Each dependency's state; `required` ones decide about readiness. */
  ready: () => Promise<Record<string, { ok: boolean; required: boolean; detail?: string }>>;
  metrics: Registry;
  log: (level: 'warn' | 'error', message: string) => void;
  /** How often pages are given out, to one address and to one caller; for tests. */
  perMinute?: { address: number; caller: number };
}

export interface HttpServer {
  door: HttpDoor;
  listen(port: number, host: string): Promise<number>;
  /** From now on `/readyz` says no. */
  drain(): void;
  close(): Promise<void>;
}

/** The program's own server: health, metrics, webhooks and pages, with Slack mounted beside them. */
export function httpServer(parts: HttpParts): HttpServer {
  const webhooks = new Map<string, (ask: WebhookAsk) => Promise<{ status: number; body: Record<string, unknown> }>>();
  const failed = (where: string, error: unknown) =>
    parts.log('error', `${where} failed: ${error instanceof Error ? error.message : String(error)}`);
  const shown = pages(failed, parts.perMinute);
  let draining = false;

  const json = (response: ServerResponse, status: number, body: unknown) => {
    response
      .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      .end(`${JSON.stringify(body)}\n`);
  };

  async function webhook(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const run = webhooks.get(name);
    if (!run) return json(response, 404, { error: 'no such webhook' });
    if (request.method !== 'POST') return json(response, 405, { error: 'send a POST' });
    const rawBody = await bodyOf(request, maxBodyBytes);
    if (rawBody === null) return json(response, 413, { error: `the body is larger than ${maxBodyBytes} bytes` });
    const { status, body } = await run({ headers: headersOf(request), rawBody });
    json(response, status, body);
  }

  async function own(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (path === '/livez') return json(response, 200, { ok: true });
    if (path === '/readyz') {
      const checks = await parts.ready();
      const ok = !draining && Object.values(checks).every((check) => check.ok || !check.required);
      return json(response, ok ? 200 : 503, { ok, draining, checks });
    }
    if (path === '/metrics') {
      response.writeHead(200, { 'content-type': parts.metrics.contentType }).end(await parts.metrics.metrics());
      return;
    }
    if (path.startsWith('/webhooks/')) return webhook(path.slice('/webhooks/'.length), request, response);
    if (await shown.answered(path, request, response)) return;
    json(response, 404, { error: 'not found' });
  }

  const server: Server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    const path = (request.url ?? '/').split('?')[0]!;
    if (parts.slack && path.startsWith('/slack/')) return parts.slack(request, response);
    own(path, request, response).catch((error: unknown) => {
      failed(`${request.method} ${shown.nameOf(path) ?? path}`, error);
      if (!response.headersSent)
        json(response, 500, { error: 'something went wrong on our side; nothing was finished, try again' });
    });
  });

  return {
    door: { webhook: (name, run) => void webhooks.set(name, run), page: shown.add },
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          const address = server.address();
          resolve(typeof address === 'object' && address ? address.port : port);
        });
      }),
    drain() {
      draining = true;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const forced = setTimeout(() => server.closeAllConnections(), 2_000);
      await closed;
      clearTimeout(forced);
    },
  };
}
