import type { IncomingMessage, ServerResponse } from 'node:http';
import { App, type AppOptions, HTTPReceiver, type Receiver, type ReceiverEvent, SocketModeReceiver } from '@slack/bolt';
import { Refusal } from '../../kernel.ts';
import type { Inbox } from '../../ports.ts';
import { underField } from './door.ts';
import type { Ack } from './handle.ts';
import { containsSecret, pastedSentence } from './pasted.ts';
import { dedupeKeyOf, keptOf, type SlackBody, typedTexts, withoutTexts } from './payload.ts';
import { takingTurns } from './turns.ts';

/** Slack's requests may be this old (Bolt checks that); a clock may be this much ahead (Bolt does not). */
const futureToleranceSeconds = 60;
/** Stored deliveries that nobody finished in this time are handled again, by whoever finds them. */
const lostAfterMs = 30_000;
/** What has waited this long for its turn is left to be found, well before somebody else may begin with it. */
const patienceMs = 20_000;
/** These are answered in the acknowledgement itself; everything else is acknowledged first and handled in its turn. */
const answeredInAck = new Set(['view_submission', 'block_suggestion', 'view_closed']);

export interface Receive {
  /** HTTP mode: what to do with a request under `/slack/`; null in Socket Mode. */
  listener: ((request: IncomingMessage, response: ServerResponse) => void) | null;
  start(): Promise<void>;
  /** Takes no more and waits for what is being handled, at most so long. */
  stop(drainMs: number): Promise<void>;
  /** Handles again what a process that died left behind. Answers how many. */
  replayLost(): Promise<number>;
  inFlight(): number;
}

export interface ReceiveParts {
  mode: { kind: 'http'; signingSecret: string } | { kind: 'socket'; appToken: string };
  token: string;
  apiUrl: string | undefined;
  bot: { botId: string; botUserId: string };
  inbox: Inbox;
  handle: (body: SlackBody, ack: Ack) => Promise<void>;
  log: (level: 'info' | 'warn' | 'error', message: string, facts?: Record<string, unknown>) => void;
  onAck?: (kind: string, seconds: number) => void;
}

/** Bolt's console logger prints bodies at debug level; ours never does. */
function quietLogger(log: ReceiveParts['log']): NonNullable<AppOptions['logger']> {
  const text = (parts: unknown[]) =>
    parts
      .map((part) => (part instanceof Error ? part.message : String(part)))
      .join(' ')
      .slice(0, 500);
  return {
    debug() {},
    info() {},
    warn: (...parts: unknown[]) => log('warn', `slack: ${text(parts)}`),
    error: (...parts: unknown[]) => log('error', `slack: ${text(parts)}`),
    setLevel() {},
    getLevel: () => 'info' as never,
    setName() {},
  };
}

/** Slack over HTTP or Socket Mode: verified by Bolt, stored here, then acknowledged and handled. */
export function receiveSlack(parts: ReceiveParts): Receive {
  const { inbox, handle, log } = parts;
  const logger = quietLogger(log);
  const clientOptions = parts.apiUrl ? { slackApiUrl: parts.apiUrl } : {};
  const running = new Set<Promise<void>>();
  const turns = takingTurns({ wide: 64, narrow: 2 });
  const arrivals = new WeakMap<object, number>();
  let stopping = false;

  /** Until it is done, `stop` waits for it. */
  function track(work: Promise<void>): void {
    running.add(work);
    const forget = () => void running.delete(work);
    work.then(forget, forget);
  }

  /**
   * Runs before Bolt acknowledges anything. Of a delivery in which somebody pasted a key nothing is handled, and stored
   * only who did it and in which field; a delivery that is already stored is acknowledged and dropped.
   */
  async function admit(event: ReceiverEvent, go: () => Promise<void>): Promise<void> {
    const body = event.body as SlackBody;
    arrivals.set(body, performance.now());
    const dedupe = dedupeKeyOf(body);
    const pasted: string[] = [];
    for (const typed of typedTexts(body)) if (await containsSecret(typed.text)) pasted.push(typed.field);
    if (pasted.length > 0) {
      await refusePasted(event, body, pasted);
      if (dedupe) track(recordPasted(dedupe, body, pasted));
      return;
    }
    if (!dedupe) return go();
    let fresh: boolean;
    try {
      fresh = await inbox.store(dedupe.key, dedupe.kind, keptOf(body));
    } catch (error) {
      log('error', `cannot store what Slack sent: ${error instanceof Error ? error.message : String(error)}`);
      return sayUnavailable(event, body);
    }
    if (!fresh) return event.ack();
    await go();
  }

  /** On record once, however often it is delivered; the person has had their answer already. */
  async function recordPasted(dedupe: { key: string; kind: string }, body: SlackBody, fields: string[]): Promise<void> {
    try {
      const kept = withoutTexts(body, fields);
      if (!(await inbox.store(dedupe.key, dedupe.kind, kept))) return;
      await handle(kept, null);
      await inbox.handled(dedupe.key);
    } catch (error) {
      log('warn', `left for later: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async function refusePasted(event: ReceiverEvent, body: SlackBody, fields: string[]): Promise<void> {
    log('warn', 'somebody pasted what looks like a key; it was not kept', { fields, kind: body.command ?? body.type });
    if (body.type === 'block_suggestion') return event.ack({ options: [] } as never);
    if (body.type !== 'view_submission')
      return event.ack({ response_type: 'ephemeral', text: `:no_entry_sign: ${pastedSentence}` } as never);
    const blockOf = Object.entries(body.view?.state?.values ?? {}).filter(([, block]) =>
      fields.some((field) => field in block),
    );
    await event.ack({
      response_action: 'errors',
      errors: Object.fromEntries(blockOf.map(([blockId]) => [blockId, underField(pastedSentence)])),
    } as never);
  }

  /** Nothing can be promised while nothing can be stored. */
  async function sayUnavailable(event: ReceiverEvent, body: SlackBody): Promise<void> {
    const sentence = 'Keysteward cannot reach its database, so nothing was done. Try again in a minute.';
    if (body.command) return event.ack({ response_type: 'ephemeral', text: `:warning: ${sentence}` } as never);
    if (body.type === 'view_submission') {
      const [blockId] = Object.keys(body.view?.state?.values ?? {});
      if (blockId) return event.ack({ response_action: 'errors', errors: { [blockId]: sentence } } as never);
    }
    // An error status: Slack shows its own warning for a click, and delivers an event again.
    throw new Error(sentence);
  }

  /** A receiver that lets `admit` see every delivery before Bolt does. */
  function guarded(inner: Receiver): Receiver {
    return {
      init: (app) =>
        inner.init({
          processEvent: (event: ReceiverEvent) => {
            turns.waitingForAck(1);
            const work = admit(event, () => app.processEvent(event)).finally(() => turns.waitingForAck(-1));
            track(work);
            return work;
          },
        } as App),
      start: (...args) => inner.start(...args),
      stop: (...args) => inner.stop(...args),
    };
  }

  const http =
    parts.mode.kind === 'http'
      ? new HTTPReceiver({
          signingSecret: parts.mode.signingSecret,
          endpoints: ['/slack/events', '/slack/commands', '/slack/interactive', '/slack/options'],
          bodyLimit: '1mb',
          logger,
          // The wrapper above stores the event before Bolt acknowledges it; an outage becomes a 500, so that Slack repeats it.
          processEventErrorHandler: async ({ error, response }) => {
            log('error', `slack delivery failed: ${error instanceof Error ? error.message : String(error)}`);
            if (!response.headersSent) response.writeHead(500).end();
            return false;
          },
        })
      : null;
  const socket =
    parts.mode.kind === 'socket'
      ? new SocketModeReceiver({
          appToken: parts.mode.appToken,
          logger,
          // An options object of its own: the receiver writes its retry settings into it.
          installerOptions: {
            clientOptions: { ...clientOptions, retryConfig: { retries: 100, factor: 1.3, maxTimeout: 30_000 } },
          },
          clientPingTimeout: 2_000,
        } as ConstructorParameters<typeof SocketModeReceiver>[0])
      : null;

  const app = new App({
    receiver: guarded((http ?? socket)!),
    token: parts.token,
    botId: parts.bot.botId,
    botUserId: parts.bot.botUserId,
    clientOptions: { ...clientOptions, retryConfig: { retries: 0 } },
    logger,
    convoStore: false,
    deferInitialization: true,
    ignoreSelf: false,
    tokenVerificationEnabled: false,
  });

  async function finish(delivery: SlackBody, ack: NonNullable<Ack>): Promise<void> {
    const dedupe = dedupeKeyOf(delivery);
    try {
      await handle(delivery, ack);
      if (dedupe) await inbox.handled(dedupe.key);
    } catch (error) {
      log('warn', `left for later: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const alreadyAcknowledged = async () => {};
  /** Keeps nothing but the delivery: what waits here must not hold on to its request, thousands of them in a burst. */
  function inTurn(delivery: SlackBody, arrived: number): void {
    track(
      turns.take(async () => {
        if (performance.now() - arrived < patienceMs) await finish(delivery, alreadyAcknowledged);
        else log('warn', 'too much to do at once: left for later');
      }),
    );
  }

  // The one listener: areas are found by the names they registered, and every delivery is acknowledged in one place.
  app.use(async ({ body, ack }) => {
    const delivery = body as unknown as SlackBody;
    const dedupe = dedupeKeyOf(delivery);
    const arrived = arrivals.get(body) ?? performance.now();
    let acknowledged = false;
    const acknowledge = async (answer?: unknown) => {
      if (acknowledged) return;
      acknowledged = true;
      // Bolt acknowledges events itself and hands out no function for them.
      await (ack as unknown as ((answer?: unknown) => Promise<void>) | undefined)?.(answer);
      parts.onAck?.(dedupe?.kind.split(':')[0] ?? delivery.type ?? 'other', (performance.now() - arrived) / 1000);
    };
    if (answeredInAck.has(delivery.type ?? '')) {
      await finish(delivery, acknowledge);
      return acknowledge();
    }
    await acknowledge();
    inTurn(delivery, arrived);
  });
  app.error(async (error) => {
    log('error', `slack listener: ${error.message}`);
    throw error;
  });

  return {
    listener: http
      ? (request, response) => {
          const stamp = Number(request.headers['x-slack-request-timestamp']);
          if (stopping) {
            response.writeHead(503, { 'retry-after': '1' }).end();
            return;
          }
          if (stamp > Date.now() / 1000 + futureToleranceSeconds) {
            log('warn', 'refused a request from Slack with a timestamp in the future');
            response.writeHead(401).end();
            return;
          }
          try {
            http.requestListener(request, response);
          } catch {
            response.writeHead(404).end();
          }
        }
      : null,
    async start() {
      await app.init();
      if (socket) await app.start();
    },
    async stop(drainMs) {
      stopping = true;
      if (socket) await app.stop();
      const all = Promise.allSettled([...running]);
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, drainMs).unref())]);
    },
    async replayLost() {
      const batch = 20;
      for (let found = 0; ; ) {
        const lost = await inbox.claimLost(lostAfterMs, 3, batch);
        for (const { dedupeKey, payload } of lost) {
          try {
            await handle(payload as SlackBody, null);
            await inbox.handled(dedupeKey);
          } catch (error) {
            if (error instanceof Refusal) await inbox.handled(dedupeKey);
            log(
              'warn',
              `still cannot handle ${dedupeKey.split(':')[0]}: ${error instanceof Error ? error.message : String(error)}`,
            );
          }
        }
        found += lost.length;
        if (lost.length < batch || stopping) return found;
      }
    },
    inFlight: () => running.size,
  };
}
