import { Registry } from 'prom-client';
import { afterAll, beforeAll } from 'vitest';
import { type HttpParts, httpServer } from '../../src/adapters/http/server.ts';
import type { HttpDoor } from '../../src/doors.ts';

/** Our own HTTP server, with no Slack behind it. */
export interface Web {
  door: HttpDoor;
  /** Where it listens, from the first `beforeAll` on. */
  home: string;
  /** What it has logged, each with its level before it. */
  logged: string[];
}

export function useWeb(perMinute?: HttpParts['perMinute']): Web {
  const logged: string[] = [];
  const server = httpServer({
    slack: null,
    ready: async () => ({}),
    metrics: new Registry(),
    log: (level, message) => void logged.push(`${level} ${message}`),
    ...(perMinute ? { perMinute } : {}),
  });
  const web: Web = { door: server.door, home: '', logged };
  beforeAll(async () => {
    web.home = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}`;
  });
  afterAll(() => server.close());
  return web;
}
