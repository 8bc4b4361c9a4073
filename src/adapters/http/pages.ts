import type { IncomingMessage, ServerResponse } from 'node:http';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { HttpDoor, PageAnswer, PageAsk, PageSpec } from '../../doors.ts';
import { Secret } from '../../kernel.ts';
import { bodyOf, headersOf } from './asked.ts';

const maxBodyBytes = 64_000;

/**
 * In this process, in a minute: one address, such as one calendar, and one caller, over all addresses. Behind a proxy
 * everybody is one caller, so that one is generous: it keeps a flood from the database, not somebody from guessing.
 */
const usualPerMinute = { address: 30, caller: 600 };

/** What every page says, unless it says otherwise. */
const careful = {
  'content-type': 'text/plain; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

interface Page {
  method: 'GET' | 'POST';
  path: string;
  pieces: string[];
  run: (ask: PageAsk) => Promise<PageAnswer>;
  spec: PageSpec;
}

export interface Pages {
  add: HttpDoor['page'];
  /** False when there is no such page. */
  answered(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  /** The path as it was registered: what may be logged. Null when there is no such page. */
  nameOf(path: string): string | null;
}

/** Pages that people, and their calendars, ask for. */
export function pages(onTrouble: (page: string, error: unknown) => void, perMinute = usualPerMinute): Pages {
  const known: Page[] = [];
  const limits = {
    address: new RateLimiterMemory({ points: perMinute.address, duration: 60 }),
    caller: new RateLimiterMemory({ points: perMinute.caller, duration: 60 }),
  };
  const at = (path: string) => known.filter((each) => paramsOf(each.pieces, path) !== null);

  function send(response: ServerResponse, { status, headers, body }: PageAnswer): void {
    response.writeHead(status, { ...careful, ...headers }).end(body);
  }

  /** Seconds to wait, or null. */
  async function tooMany(path: string, request: IncomingMessage): Promise<number | null> {
    try {
      await limits.caller.consume(request.socket.remoteAddress ?? '');
      await limits.address.consume(`${request.method} ${path}`);
      return null;
    } catch (over) {
      return Math.ceil((over as { msBeforeNext: number }).msBeforeNext / 1000);
    }
  }

  return {
    add: (method, path, run, spec = {}) => void known.push({ method, path, pieces: path.split('/'), run, spec }),
    nameOf: (path) => at(path)[0]?.path ?? null,
    async answered(path, request, response) {
      const there = at(path);
      if (there.length === 0) return false;
      const seconds = await tooMany(path, request);
      if (seconds !== null) {
        send(response, {
          status: 429,
          headers: { 'retry-after': String(seconds) },
          body: 'Too often. Come back later.\n',
        });
        return true;
      }
      const method = request.method === 'HEAD' ? 'GET' : request.method;
      const page = there.find((each) => each.method === method);
      if (!page) {
        const allow = there.flatMap((each) => (each.method === 'GET' ? ['GET', 'HEAD'] : [each.method])).join(', ');
        send(response, { status: 405, headers: { allow } });
        return true;
      }
      const rawBody = page.method === 'POST' ? await bodyOf(request, maxBodyBytes) : '';
      if (rawBody === null) {
        send(response, { status: 413, body: `More than ${maxBodyBytes} bytes.\n` });
        return true;
      }
      const headers = headersOf(request);
      const answer = await page.run({
        method: page.method,
        params: paramsOf(page.pieces, path)!,
        query: new URLSearchParams(request.url?.split('?')[1] ?? ''),
        headers,
        rawBody: page.spec.secrets ? '' : rawBody,
        ...formIn(rawBody, headers['content-type'] ?? '', page.spec.secrets ?? []),
      });
      if (answer.trouble) onTrouble(`${page.method} ${page.path}`, answer.trouble);
      const { 'content-type': _type, ...kept } = answer.headers ?? {};
      if (isKnown(answer, headers['if-none-match'])) send(response, { status: 304, headers: kept });
      else send(response, answer);
      return true;
    },
  };
}

/** The fields of a form; what is secret goes straight into `Secret`, and no other copy of it is kept. */
function formIn(body: string, type: string, hidden: readonly string[]): Pick<PageAsk, 'fields' | 'secrets'> {
  const fields: Record<string, string> = {};
  const secrets: Record<string, Secret> = {};
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) return { fields, secrets };
  for (const [name, value] of new URLSearchParams(body)) {
    if (hidden.includes(name)) secrets[name] ??= new Secret(value);
    else if (!Object.hasOwn(fields, name)) Object.defineProperty(fields, name, { value, enumerable: true });
  }
  return { fields, secrets };
}

/** What stands for each `:name`, or null when the path is another. */
function paramsOf(pieces: string[], path: string): Record<string, string> | null {
  const found = path.split('/');
  if (found.length !== pieces.length) return null;
  const params: Record<string, string> = {};
  for (const [i, piece] of pieces.entries()) {
    const text = found[i]!;
    if (!piece.startsWith(':')) {
      if (piece !== text) return null;
      continue;
    }
    try {
      params[piece.slice(1)] = decodeURIComponent(text);
    } catch {
      return null;
    }
    if (text === '') return null;
  }
  return params;
}

/** Whether the asker has exactly this already (RFC 9110, 13.1.2). */
function isKnown({ status, headers }: PageAnswer, ifNoneMatch: string | undefined): boolean {
  const etag = headers?.etag;
  if (status !== 200 || typeof etag !== 'string' || !ifNoneMatch) return false;
  const bare = (tag: string) => tag.trim().replace(/^W\//, '');
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || bare(tag) === bare(etag));
}
