import { randomBytes } from 'node:crypto';
import { lookup as resolve } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { Agent, request } from 'undici';
import { whyNotTell } from '../../inventory/consumer-model.ts';
import { Secret } from '../../kernel.ts';
import type { HookAnswer, Hooks } from '../../ports.ts';
import { standardWebhooks } from './standard.ts';

const connectMs = 5_000;
const answerMs = 15_000;
/** More of an answer than this is not read. */
const answerBytes = 16_384;

/** Whether an address is one of the public internet: not private, not of this machine, its links, or a way around that. */
export function isPublic(address: string): boolean {
  // An IPv4 address in IPv6 clothes counts as what it is.
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';
}

/** Looks a name up once, and hands out what it leads to only if all of that is public: the connection goes exactly there. */
function publicOnly(privateHosts: string[], lookup: typeof resolve): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [], 0);
      const inside = privateHosts.includes(hostname) ? undefined : found.find(({ address }) => !isPublic(address));
      if (inside || found.length === 0) {
        return callback(new Error(`${hostname} leads to an address that is not public`), [], 0);
      }
      if (options.all) return callback(null, found);
      callback(null, found[0]!.address, found[0]!.family);
    });
  };
}

/**
 * Webhooks to consumers of keys: each has a signing secret of its own, which lies in the store beside the keys. Where they
 * go is said by whoever looks after a key, so nothing inside the network can be reached by them (OWASP ASVS 1.3.6).
 */
export function consumerHooks(privateHosts: string[] = [], lookup: typeof resolve = resolve): Hooks {
  const dispatcher = new Agent({
    connect: { lookup: publicOnly(privateHosts, lookup), timeout: connectMs },
    headersTimeout: answerMs,
    bodyTimeout: answerMs,
    maxResponseSize: answerBytes,
    keepAliveTimeout: 1,
  });
  return {
    freshSecret: () => new Secret(`whsec_${randomBytes(32).toString('base64')}`),
    verify: (secret, headers, rawBody) => standardWebhooks([secret.reveal()]).verify(headers, rawBody),
    async post(url, secret, { id, at, body }) {
      const whyNot = whyNotTell(url, privateHosts);
      if (whyNot) return { trouble: whyNot.sentence, status: null };
      try {
        const signed = standardWebhooks([secret.reveal()]).sign(id, at, body);
        // Redirects are not followed: undici does so only when told to.
        const answer = await request(url, {
          method: 'POST',
          dispatcher,
          headers: { ...signed, 'content-type': 'application/json', 'user-agent': 'Keysteward' },
          body,
          signal: AbortSignal.timeout(answerMs),
        });
        return said(answer.statusCode, await answer.body.text());
      } catch (error) {
        return { trouble: `it could not be reached (${inShort(error)})`, status: null };
      }
    },
  };
}

/** A 2xx is an answer; `{"status":"deployed"}` or `{"status":"failed"}` in it says how it went. */
function said(status: number, text: string): HookAnswer {
  if (status === 410) return { said: 'gone', status };
  if (status < 200 || status > 299) return { trouble: `it answered HTTP ${status}`, status };
  const word = statusIn(text);
  return { said: word === 'deployed' || word === 'failed' ? word : 'accepted', status };
}

function statusIn(text: string): unknown {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && 'status' in body ? body.status : null;
  } catch {
    return null;
  }
}

/** Never what the other side sent: it would be shown to people. */
function inShort(error: unknown): string {
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  if (name === 'TimeoutError') return `no answer within ${answerMs / 1000} s`;
  if (message?.endsWith('leads to an address that is not public')) return message;
  return typeof code === 'string' && /^[A-Z_\d]+$/.test(code) ? code : 'no connection';
}
