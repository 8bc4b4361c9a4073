import { AskedTooOften, type Secret } from '../../kernel.ts';
import type { Ports } from '../../ports.ts';
import type { Credentials } from './credentials.ts';

/** Well below the time for which a rotation that is turned back waits for stragglers. */
export const answerMs = 8_000;
const longestAnswer = 5_000_000;
/** Longer than this nobody is told to wait at once. */
const longestWaitMs = 10 * 60_000;

export interface Call {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute, or under the provider's base URL. Parts that are not constant must be encoded: see `path`. */
  path: string;
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  /** Sent as JSON; a URLSearchParams as a form. */
  body?: unknown;
  /** For how long an answer is waited for, in milliseconds. */
  withinMs?: number;
}
export interface Answer {
  status: number;
  /** Parsed JSON; null when there is none. */
  body: unknown;
  headers: Headers;
  /** What to quote as evidence where a status means nothing. Our own words. */
  said?: string;
}

/** What every provider's adapter is made with. */
export interface Means {
  secrets: Pick<Ports['secrets'], 'read' | 'random'>;
  credentials: Credentials;
}

/** One part of a path. A dot or two would lead to another place, however they are encoded. */
export function segment(value: string | number): string {
  if (/^\.{0,2}$/.test(String(value))) throw new Error('a part of a path is empty or made of dots');
  return encodeURIComponent(value);
}
/** A path with its changing parts encoded. */
export const path = (parts: TemplateStringsArray, ...values: (string | number)[]): string =>
  String.raw({ raw: parts }, ...values.map(segment));

/**
 * Calls one provider. Redirects are refused, so that a credential goes nowhere else; an answer has to come in time; and
 * what is thrown holds our own words only, because providers quote keys in their errors.
 */
function asking(provider: string, baseUrl: string): (call: Call) => Promise<Answer> {
  return async ({ method = 'GET', path: where, query = {}, headers = {}, body, withinMs = answerMs }) => {
    const url = new URL(where.startsWith('/') ? baseUrl.replace(/\/+$/, '') + where : where);
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(name, String(value));
    const isForm = body instanceof URLSearchParams;
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(url, {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(withinMs),
        headers: {
          accept: 'application/json',
          ...(body === undefined
            ? {}
            : { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: isForm ? body.toString() : JSON.stringify(body) }),
      });
      text = await answer.text();
    } catch (error) {
      throw unreachable(provider, error instanceof Error && error.name === 'TimeoutError', withinMs);
    }
    if (text.length > longestAnswer) throw new Error(`${provider} answered with more than anybody can read`);
    return { status: answer.status, body: parsed(text), headers: answer.headers };
  };
}

export const unreachable = (provider: string, isLate: boolean, withinMs = answerMs): Error =>
  new Error(
    `${provider} ${isLate ? `did not answer within ${withinMs / 1000} seconds` : 'could not be reached, or broke off'}`,
  );

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

const meanings: Record<number, string> = {
  400: 'does not accept what was asked for; check the settings of this provider',
  401: "does not accept Keysteward's credential",
  403: "does not let Keysteward's credential do this, or a limit is reached",
  404: 'does not know what was asked for; check the settings of this provider',
  409: 'says that this conflicts with what is there',
  422: 'does not accept what was asked for; check the settings of this provider',
  429: 'is asked too often at the moment',
};

/** What a status means, in our own words. */
export function inWords(provider: string, doing: string, { status }: Pick<Answer, 'status'>): string {
  const meaning = meanings[status] ?? (status >= 500 ? 'has trouble of its own' : 'answered in an unknown way');
  return `${provider}, ${doing}: it ${meaning} (HTTP ${status}).`;
}

/** The answer, when its status is one of those hoped for. @throws AskedTooOften when the provider says how long to wait */
export function expected(provider: string, doing: string, answer: Answer, statuses: number[]): Answer {
  if (statuses.includes(answer.status)) return answer;
  const wait = waitMs(answer);
  if (wait !== null) throw new AskedTooOften(inWords(provider, doing, answer), wait);
  throw new Error(inWords(provider, doing, answer));
}

/** The answer to the question which key a value is, unless the provider has trouble of its own: that is no word on the value. */
export const ofWhichKey = (provider: string, answer: Answer): Answer =>
  expected(provider, 'see which key a value is', answer, [200, 400, 401, 403, 404]);

/** How long a provider that is asked too often wants to be left alone, in milliseconds. GitHub says so by 403 as well. */
export function waitMs({ status, headers }: Answer): number | null {
  // GitHub's words, and Okta's. Where too much is asked at one time, Okta's window ends at 0, which says nothing.
  const limit = ['x-ratelimit', 'x-rate-limit'].find((each) => headers.get(`${each}-remaining`) === '0');
  const spent = limit ? Number(headers.get(`${limit}-reset`)) : 0;
  const after = headers.get('retry-after') ?? (spent > 0 ? new Date(spent * 1000).toUTCString() : null);
  if (![403, 429, 503].includes(status) || !after) return null;
  const seconds = /^\d+$/.test(after) ? Number(after) : (Date.parse(after) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds * 1000, 1_000), longestWaitMs) : null;
}

/** Whether a request to create something was refused for good, so that repeating it is of no use. */
export const isFinal = (status: number) => status >= 400 && status < 500 && status !== 408 && status !== 429;

/**
 * Whether it may be the credential that was turned down: Datadog and AWS say 403 for one that they do not know. Nothing was
 * done then.
 */
export const isTurnedDown = ({ status }: Pick<Answer, 'status'>) => status === 401 || status === 403;

/** How a value is shown to a provider that wants it as a bearer token. */
export const bearer = (value: Secret): Record<string, string> => ({ authorization: `Bearer ${value.reveal()}` });

export interface Talk {
  /** A call as nobody in particular, or with headers of its own. */
  ask(call: Call): Promise<Answer>;
  /** A call with a key, as whoever holds it would make it. */
  as(value: Secret, call: Call): Promise<Answer>;
  /** A call with Keysteward's credential. */
  admin(call: Call): Promise<Answer>;
  /** The same, where it has to end in one of these ways: 200 where nothing else is said. `doing` is for the error. */
  must(doing: string, call: Call, statuses?: number[]): Promise<Answer>;
}
/**
 * How one provider is talked to. `headersOf` is how a value is shown to it; the credential may be shown in another way.
 * `turnsDownBy` are further statuses by which it may turn a credential down.
 */
export function talkingTo(
  name: string,
  {
    baseUrl,
    credential: secretId,
    turnsDownBy = [],
  }: { baseUrl: string; credential: string | null; turnsDownBy?: number[] },
  means: Means,
  headersOf: (value: Secret) => Record<string, string> = bearer,
  credentialHeadersOf = headersOf,
): Talk {
  const ask = asking(name, baseUrl);
  async function admin(call: Call): Promise<Answer> {
    if (secretId === null) throw new Error(`${name} is connected without a credential`);
    return means.credentials.using(
      { provider: name, secretId },
      (credential) => ask({ ...call, headers: { ...call.headers, ...credentialHeadersOf(credential) } }),
      (answer) => isTurnedDown(answer) || turnsDownBy.includes(answer.status),
    );
  }
  return {
    ask,
    as: (value, call) => ask({ ...call, headers: { ...call.headers, ...headersOf(value) } }),
    admin,
    must: async (doing, call, statuses = [200]) => expected(name, doing, await admin(call), statuses),
  };
}

/** A field of an answer, by JSON pointer (RFC 6901); undefined when it is not there. */
export function at(body: unknown, pointer: string): unknown {
  if (pointer === '') return body;
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>(
      (value, token) =>
        typeof value === 'object' && value !== null && Object.hasOwn(value, token)
          ? (value as Record<string, unknown>)[token]
          : undefined,
      body,
    );
}
/** The same, when it is a text or a number that can serve as one. */
export function textAt(body: unknown, pointer: string): string | null {
  const value = at(body, pointer);
  return typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null;
}
export function listAt(body: unknown, pointer: string): unknown[] {
  const value = at(body, pointer);
  return Array.isArray(value) ? value : [];
}
export const instantAt = (body: unknown, pointer: string): Date | null => {
  const value = at(body, pointer);
  const read = typeof value === 'number' ? new Date(value * 1000) : typeof value === 'string' ? new Date(value) : null;
  return read && !Number.isNaN(read.getTime()) ? read : null;
};
