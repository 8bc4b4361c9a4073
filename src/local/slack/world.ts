import { randomBytes } from 'node:crypto';
import type { LocalApp } from './app.ts';
import type { Workspace } from './workspace.ts';

/** How fast Slack is. The defaults are Slack's own numbers. */
export interface Speeds {
  /** How long Slack waits for an acknowledgement. */
  ackMs: number;
  triggerMs: number;
  /** When an event that was not acknowledged is delivered again. */
  redeliverMs: number[];
  responseUrlMs: number;
  responseUrlUses: number;
}
export const slackSpeeds: Speeds = {
  ackMs: 3_000,
  triggerMs: 3_000,
  redeliverMs: [0, 60_000, 300_000],
  responseUrlMs: 30 * 60_000,
  responseUrlUses: 5,
};

/** A call of the Web API that fails the way Slack fails. */
export interface Fault {
  /** Such as `chat.postMessage`; `response_url` for what is answered that way; `*` for any. */
  method: string;
  /** How many calls; 1 when absent. */
  times?: number;
  /** `ok: false` with this error. */
  error?: string;
  /** An HTTP status; 429 comes with Retry-After. */
  status?: number;
  /** Seconds; 1 when absent. */
  retryAfter?: number;
  /** Never answers. */
  timeout?: boolean;
  /** Does what was asked, then drops the connection before the answer. */
  loseResponse?: boolean;
  /** Answers late by so much. */
  delayMs?: number;
}

export interface ApiCall {
  method: string;
  /** Without the token. */
  args: Record<string, unknown>;
  at: number;
  ok: boolean;
  error?: string;
}

export type DeliveryKind = 'command' | 'interactive' | 'options' | 'event';
export interface Delivery {
  kind: DeliveryKind;
  /** `block_actions`, `view_submission`, the event's type, the command's name … */
  name: string;
  via: 'http' | 'socket' | 'none';
  payload: Record<string, unknown>;
  retry?: { num: number; reason: string };
  at: number;
  /** How long the app took to answer. */
  tookMs?: number;
  outcome?: Outcome;
}
/** What came back for a delivery. */
export type Outcome = { ok: true; body: unknown; noRetry?: boolean } | { ok: false; error: string; noRetry?: boolean };

export interface Trigger {
  user: string;
  /** The modal that it came from. */
  view?: string;
  at: number;
  used: boolean;
}
export interface ReplyTarget {
  user: string;
  channel: string;
  /** The message that the interaction came from. */
  message?: { ts: string; ephemeral: boolean };
  threadTs?: string;
  at: number;
  uses: number;
}

/** Sends one envelope to one of the app's sockets; null when none is open. */
export type SocketSend = (envelope: {
  type: string;
  payload: Record<string, unknown>;
  acceptsResponse: boolean;
  retry?: { num: number; reason: string };
}) => Promise<Outcome> | null;

/** Everything that the parts of the local Slack share. */
export interface World {
  workspace: Workspace;
  app: LocalApp;
  speeds: Speeds;
  /** Milliseconds. */
  now: () => number;
  /** Of this server, without a slash at the end; known once it listens. */
  url: string;
  triggers: Map<string, Trigger>;
  replies: Map<string, ReplyTarget>;
  faults: Fault[];
  calls: ApiCall[];
  sent: Delivery[];
  /** Every delivery is sent so many times. */
  copies: number;
  /** Nothing reaches the app. */
  appIsGone: boolean;
  closing: boolean;
  /** Ends what waits for a later time, when the server closes. */
  timers: Set<() => void>;
  /** Deliveries under way, retries that wait included. */
  running: Set<Promise<unknown>>;
  sendBySocket: SocketSend;
  openSocketTicket: () => string;
}

const mostRemembered = 5_000;
/** Logs are for tests; a long-running workspace forgets the oldest. */
export function remember<T>(list: T[], item: T): T {
  list.push(item);
  if (list.length > mostRemembered) list.shift();
  return item;
}

/** The failure that somebody ordered for this call, used up. */
export function takeFault(world: World, method: string): Fault | undefined {
  const fault = world.faults.find((each) => each.method === method || each.method === '*');
  if (!fault) return undefined;
  fault.times = (fault.times ?? 1) - 1;
  if (fault.times <= 0) world.faults.splice(world.faults.indexOf(fault), 1);
  return fault;
}

/** A way for the app to open a modal for this person, once and within three seconds. */
export function newTrigger(world: World, user: string, view?: string): string {
  const now = world.now();
  for (const [id, trigger] of world.triggers) if (now - trigger.at > 600_000) world.triggers.delete(id);
  const id = `${Math.floor(now)}.${Math.floor(now / 7)}.${randomBytes(16).toString('hex')}`;
  world.triggers.set(id, { user, at: now, used: false, ...(view ? { view } : {}) });
  return id;
}

/** An address for answers without a token. */
export function newResponseUrl(world: World, target: Omit<ReplyTarget, 'at' | 'uses'>): string {
  const now = world.now();
  for (const [token, each] of world.replies)
    if (now - each.at > 2 * world.speeds.responseUrlMs) world.replies.delete(token);
  const token = randomBytes(18).toString('base64url');
  world.replies.set(token, { ...target, at: now, uses: 0 });
  return `${world.url}/response/${world.workspace.team.id}/${token}`;
}

/** Runs later, unless the server closes first. */
export function later(world: World, ms: number): Promise<boolean> {
  if (world.closing) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      world.timers.delete(end);
      resolve(!world.closing);
    };
    const timer = setTimeout(end, ms);
    world.timers.add(end);
  });
}
