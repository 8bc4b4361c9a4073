import type { KnownBlock, View } from '@slack/types';

/**
 * What the page (src/local/slack/page/) and the tests say to the local Slack server, beside Slack's own protocol.
 * All paths are on the same port as the Web API (`/api/<method>`). JSON in, JSON out; errors are
 * `{ ok: false, error: string }` with Slack's own error names where Slack has one.
 *
 * GET  /                                  the page; its files under /page/…
 * GET  /page-api/workspace                Workspace
 * GET  /page-api/state?as=U               PageState: what this person sees in the sidebar, their modals, their App Home
 * GET  /page-api/messages?as=U&channel=C[&thread=TS]   { ok, messages: PageMessage[] } oldest first; a thread's root comes first
 * GET  /page-api/stream?as=U              server-sent events, each `data:` a PageEvent
 * POST /page-api/act                      body: Act; answer: ActResult (waits until the app acknowledged, at most 3 s)
 * POST /control/…                         for tests: see control.ts
 */
export interface Workspace {
  team: { id: string; name: string; domain: string };
  app: { id: string; name: string; botUserId: string };
  /** Slash commands of the app, for autocompletion; `verbs` come from its usage hint in manifest.yml. */
  commands: { command: string; description: string; usageHint: string }[];
  shortcuts: { callbackId: string; name: string; description: string; type: 'global' | 'message' }[];
  users: PageUser[];
}

export interface PageUser {
  id: string;
  name: string;
  realName: string;
  title: string;
  tz: string;
  isBot: boolean;
  isGuest: boolean;
  deleted: boolean;
}

export interface PageState {
  ok: true;
  channels: PageChannel[];
  /** Open modals of this person, bottom first; at most 3. */
  views: OpenView[];
  home: OpenView | null;
}

export interface PageChannel {
  id: string;
  /** Channel name without '#', or for a DM the other side's display name. */
  name: string;
  kind: 'public' | 'private' | 'im';
  topic: string;
  isMember: boolean;
  unread: number;
  /** The app's bot user is the other side of this DM. */
  withApp: boolean;
  /** Only the app writes here. */
  readOnly: boolean;
}

export interface PageMessage {
  ts: string;
  channel: string;
  user: string;
  isApp: boolean;
  text: string;
  blocks: KnownBlock[];
  /** Seen only by this viewer; vanishes on reload of the server, like Slack's. */
  ephemeral: boolean;
  edited: boolean;
  threadTs?: string;
  replyCount: number;
  /** A system line such as "channel joined" or the failure text of an unacknowledged command. */
  subtype?: 'system' | 'error';
}

export interface OpenView {
  id: string;
  hash: string;
  view: View;
  /** Set by `response_action: errors`: block_id → text shown under the field. What was typed stays. */
  errors?: Record<string, string>;
}

export type PageEvent =
  | { type: 'messages'; channel: string }
  | { type: 'channels' }
  | { type: 'views' }
  | { type: 'home' }
  | { type: 'users' };

/** block_id → action_id → the value in Slack's own `state.values` form. */
export type StateValues = Record<string, Record<string, unknown>>;

export type Act =
  | { kind: 'say'; as: string; channel: string; text: string; thread?: string }
  /** A slash command as typed, e.g. "/keys request openai prod". */
  | { kind: 'command'; as: string; channel: string; text: string }
  /** A click or change of an element in a message (channel+ts) or in a view (view id). `action` is Slack's own action object, e.g. {type:'button', action_id, block_id, value}. */
  | {
      kind: 'action';
      as: string;
      from: { channel: string; ts: string; ephemeral?: boolean } | { view: string };
      action: Record<string, unknown> & { type: string; action_id: string; block_id: string };
      /** Current values of all inputs of the message or view. */
      state: StateValues;
    }
  | { kind: 'submit'; as: string; view: string; state: StateValues }
  | { kind: 'close'; as: string; view: string }
  | { kind: 'shortcut'; as: string; callbackId: string; message?: { channel: string; ts: string } }
  /** Options for an external select. */
  | {
      kind: 'suggest';
      as: string;
      from: { view: string } | { channel: string; ts: string };
      actionId: string;
      blockId: string;
      value: string;
    }
  | { kind: 'openHome'; as: string }
  | { kind: 'openDm'; as: string; with: string }
  | { kind: 'join'; as: string; channel: string }
  | { kind: 'read'; as: string; channel: string };

export type ActResult =
  | {
      ok: true;
      /** For 'submit': what the app answered. */
      errors?: Record<string, string>;
      /** For 'suggest'. */
      options?: unknown[];
      optionGroups?: unknown[];
      /** For 'openDm'. */
      channel?: string;
    }
  /** `app_timeout`: not acknowledged in 3 s; `app_unreachable`; `app_http_<status>`; `missing_required` with `errors`. */
  | { ok: false; error: string; errors?: Record<string, string> };
