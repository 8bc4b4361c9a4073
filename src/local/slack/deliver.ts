import { createHmac } from 'node:crypto';
import { type Delivery, type DeliveryKind, later, type Outcome, remember, type World } from './world.ts';

/** Where each kind of delivery goes, beside the events' address, and how Socket Mode calls it. */
const routes: Record<DeliveryKind, { path: string; envelope: string; acceptsResponse: boolean }> = {
  command: { path: 'commands', envelope: 'slash_commands', acceptsResponse: true },
  interactive: { path: 'interactive', envelope: 'interactive', acceptsResponse: true },
  options: { path: 'options', envelope: 'interactive', acceptsResponse: true },
  event: { path: 'events', envelope: 'events_api', acceptsResponse: false },
};

type Retry = { num: number; reason: string };

/** Delivers to the app and waits for what it answers, at most three seconds. With `copies`, every copy carries the same ids. */
export async function deliver(
  world: World,
  kind: DeliveryKind,
  name: string,
  payload: Record<string, unknown>,
  retry?: Retry,
): Promise<Outcome> {
  const copies = Array.from({ length: world.copies }, () => deliverOnce(world, kind, name, payload, retry));
  const outcomes = Promise.all(copies);
  const watched = outcomes.finally(() => world.running.delete(watched));
  world.running.add(watched);
  return (await watched)[0]!;
}

async function deliverOnce(
  world: World,
  kind: DeliveryKind,
  name: string,
  payload: Record<string, unknown>,
  retry: Retry | undefined,
): Promise<Outcome> {
  const route = routes[kind];
  const entry: Delivery = remember(world.sent, {
    kind,
    name,
    via: world.appIsGone ? 'none' : world.app.requestUrl ? 'http' : 'socket',
    payload,
    at: world.now(),
    ...(retry ? { retry } : {}),
  });
  const started = performance.now();
  let outcome: Outcome;
  if (world.appIsGone) outcome = { ok: false, error: 'app_unreachable' };
  else if (world.app.requestUrl) outcome = await byHttp(world, kind, payload, retry);
  else {
    outcome = (await world.sendBySocket({
      type: route.envelope,
      payload,
      acceptsResponse: route.acceptsResponse,
      ...(retry ? { retry } : {}),
    })) ?? { ok: false, error: 'app_unreachable' };
  }
  entry.outcome = outcome;
  entry.tookMs = Math.round(performance.now() - started);
  return outcome;
}

function signed(world: World, body: string): Record<string, string> {
  const stamp = String(Math.floor(world.now() / 1000));
  const mac = createHmac('sha256', world.app.signingSecret).update(`v0:${stamp}:${body}`).digest('hex');
  return { 'x-slack-request-timestamp': stamp, 'x-slack-signature': `v0=${mac}` };
}

function bodyOf(kind: DeliveryKind, payload: Record<string, unknown>): { body: string; type: string } {
  if (kind === 'event') return { body: JSON.stringify(payload), type: 'application/json' };
  const fields = kind === 'command' ? (payload as Record<string, string>) : { payload: JSON.stringify(payload) };
  return { body: new URLSearchParams(fields).toString(), type: 'application/x-www-form-urlencoded' };
}

async function byHttp(
  world: World,
  kind: DeliveryKind,
  payload: Record<string, unknown>,
  retry: Retry | undefined,
): Promise<Outcome> {
  const { body, type } = bodyOf(kind, payload);
  const events = world.app.requestUrl!;
  const target = kind === 'event' ? events : new URL(routes[kind].path, events).toString();
  try {
    const response = await fetch(target, {
      method: 'POST',
      body,
      redirect: 'manual',
      headers: {
        'content-type': type,
        accept: 'application/json,*/*',
        'user-agent': 'Slackbot 1.0 (+https://api.slack.com/robots)',
        ...signed(world, body),
        ...(retry ? { 'x-slack-retry-num': String(retry.num), 'x-slack-retry-reason': retry.reason } : {}),
      },
      signal: AbortSignal.timeout(world.speeds.ackMs),
    });
    const text = await response.text();
    const noRetry = response.headers.get('x-slack-no-retry') === '1' ? { noRetry: true } : {};
    if (!response.ok) return { ok: false, error: `app_http_${response.status}`, ...noRetry };
    return { ok: true, body: answerOf(text, response.headers.get('content-type') ?? ''), ...noRetry };
  } catch (error) {
    return { ok: false, error: (error as Error).name === 'TimeoutError' ? 'app_timeout' : 'app_unreachable' };
  }
}

/** JSON where it is JSON; other text as it is; null when there is none. */
function answerOf(text: string, type: string): unknown {
  if (text.trim() === '') return null;
  if (type.includes('json') || text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return text;
    }
  }
  return text;
}

const retryReasons: Record<string, string> = { app_timeout: 'http_timeout', app_unreachable: 'connection_failed' };

/** Tells the app of an event, if it subscribed, and again as often as Slack would. Answers the first outcome. */
export async function deliverEvent(
  world: World,
  event: { type: string } & Record<string, unknown>,
): Promise<Outcome | null> {
  if (!world.app.events.includes(subscriptionOf(event))) return null;
  const { workspace, app } = world;
  const at = Math.floor(world.now() / 1000);
  const envelope = {
    token: 'local-verification-token',
    team_id: workspace.team.id,
    context_team_id: workspace.team.id,
    context_enterprise_id: null,
    api_app_id: app.id,
    event: { event_ts: `${at}.000000`, ...event },
    type: 'event_callback',
    event_id: workspace.newId('Ev'),
    event_time: at,
    authorizations: [
      {
        enterprise_id: null,
        team_id: workspace.team.id,
        user_id: app.botUserId,
        is_bot: true,
        is_enterprise_install: false,
      },
    ],
    is_ext_shared_channel: false,
    event_context: `4-${workspace.newId('')}`,
  };
  const first = await deliver(world, 'event', event.type, envelope);
  if (!first.ok) {
    const again = redeliver(world, event.type, envelope, first).finally(() => world.running.delete(again));
    world.running.add(again);
  }
  return first;
}

async function redeliver(world: World, name: string, envelope: Record<string, unknown>, first: Outcome): Promise<void> {
  let last = first;
  for (const [i, ms] of world.speeds.redeliverMs.entries()) {
    if (last.ok || last.noRetry) return;
    if (!(await later(world, ms))) return;
    last = await deliver(world, 'event', name, envelope, {
      num: i + 1,
      reason: retryReasons[last.error] ?? 'http_error',
    });
  }
}

/** The name that a manifest subscribes by: messages by where they were said. */
function subscriptionOf(event: { type: string } & Record<string, unknown>): string {
  if (event.type !== 'message') return event.type;
  const kinds: Record<string, string> = { channel: 'channels', group: 'groups', im: 'im' };
  return `message.${kinds[String(event.channel_type)]}`;
}
