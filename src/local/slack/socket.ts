import { randomBytes, randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Outcome, SocketSend, World } from './world.ts';

const mostConnections = 10;
const ticketMs = 30_000;
const pingMs = 10_000;

export interface Sockets {
  newTicket(): string;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  send: SocketSend;
  /** Asks every connection to come back, as Slack does now and then. */
  refresh(reason?: string): void;
  /** Cuts every connection without a word. */
  drop(): void;
  count(): number;
  close(): void;
}

type Waiting = { socket: WebSocket; settle: (outcome: Outcome) => void };

/** Socket Mode: tickets from `apps.connections.open`, one envelope to one of at most ten connections. */
export function openSockets(world: World): Sockets {
  const server = new WebSocketServer({ noServer: true });
  const open = new Set<WebSocket>();
  const tickets = new Map<string, number>();
  const waiting = new Map<string, Waiting>();
  let turn = 0;

  const debug = { host: 'applink-local', build_number: 1, approximate_connection_time: 18_060 };
  const say = (socket: WebSocket, message: object) => socket.send(JSON.stringify(message));

  function settle(envelopeId: string, outcome: Outcome): void {
    waiting.get(envelopeId)?.settle(outcome);
    waiting.delete(envelopeId);
  }

  function hear(data: RawData): void {
    try {
      const ack = JSON.parse((data as Buffer).toString('utf8')) as { envelope_id?: string; payload?: unknown };
      if (ack.envelope_id) settle(ack.envelope_id, { ok: true, body: answerOf(ack.payload) });
    } catch {
      // Slack ignores what it cannot read.
    }
  }

  function connected(socket: WebSocket): void {
    if (open.size >= mostConnections) {
      say(socket, { type: 'disconnect', reason: 'too_many_websockets', debug_info: debug });
      socket.close();
      return;
    }
    open.add(socket);
    socket.on('message', hear);
    socket.on('error', () => socket.terminate());
    const pings = setInterval(() => socket.ping(`Ping from ${debug.host}`), pingMs);
    socket.on('close', () => {
      clearInterval(pings);
      open.delete(socket);
      for (const [id, each] of waiting) if (each.socket === socket) settle(id, { ok: false, error: 'app_unreachable' });
    });
    say(socket, {
      type: 'hello',
      num_connections: open.size,
      debug_info: debug,
      connection_info: { app_id: world.app.id },
    });
  }

  return {
    newTicket() {
      const ticket = randomBytes(16).toString('hex');
      tickets.set(ticket, world.now());
      return ticket;
    },
    upgrade(request, socket, head) {
      const ticket = new URL(request.url ?? '/', 'ws://local').searchParams.get('ticket') ?? '';
      const madeAt = tickets.get(ticket);
      tickets.delete(ticket);
      if (madeAt === undefined || world.now() - madeAt > ticketMs) {
        socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
        return;
      }
      server.handleUpgrade(request, socket, head, connected);
    },
    send({ type, payload, acceptsResponse, retry }) {
      const ready = [...open].filter((each) => each.readyState === each.OPEN);
      const socket = ready[turn++ % Math.max(1, ready.length)];
      if (!socket) return null;
      const envelopeId = randomUUID();
      return new Promise<Outcome>((resolve) => {
        const timer = setTimeout(() => settle(envelopeId, { ok: false, error: 'app_timeout' }), world.speeds.ackMs);
        waiting.set(envelopeId, {
          socket,
          settle: (outcome) => {
            clearTimeout(timer);
            resolve(outcome);
          },
        });
        say(socket, {
          envelope_id: envelopeId,
          type,
          accepts_response_payload: acceptsResponse,
          payload,
          ...(retry ? { retry_attempt: retry.num, retry_reason: retry.reason.replace('http_', '') } : {}),
        });
      });
    },
    refresh(reason = 'refresh_requested') {
      for (const socket of open) {
        // From here on it gets nothing more; Slack closes it by itself when the client does not.
        open.delete(socket);
        say(socket, { type: 'disconnect', reason, debug_info: debug });
      }
    },
    drop() {
      for (const socket of open) socket.terminate();
    },
    count: () => open.size,
    close() {
      for (const socket of server.clients) socket.terminate();
      for (const id of [...waiting.keys()]) settle(id, { ok: false, error: 'app_unreachable' });
      server.close();
    },
  };
}

/** An acknowledgement without content is an empty object in Socket Mode. */
function answerOf(payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null) return payload ?? null;
  return Object.keys(payload).length === 0 ? null : payload;
}
