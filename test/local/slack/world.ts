import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { App, HTTPReceiver, type Logger, LogLevel, SocketModeReceiver } from '@slack/bolt';
import { WebClient } from '@slack/web-api';
import { expect, vi } from 'vitest';
import {
  type LocalApp,
  type LocalSlack,
  type LocalSlackOptions,
  startLocalSlack,
} from '../../../src/local/slack/server.ts';

export const seed = {
  team: { id: 'T0TEST', name: 'Test Company', domain: 'test' },
  users: [
    { id: 'U0DANA', name: 'dana', realName: 'Dana Developer' },
    { id: 'U0OLIVIA', name: 'olivia', realName: 'Olivia Owner' },
    { id: 'U0GUEST', name: 'gus', realName: 'Gus Guest', isGuest: true },
  ],
  channels: [
    { id: 'C0GENERAL', name: 'general', members: ['U0DANA', 'U0OLIVIA', 'U0BOT'] },
    { id: 'C0NOBOT', name: 'random', members: ['U0DANA'] },
    { id: 'C0SECRET', name: 'security', private: true, members: ['U0OLIVIA', 'U0BOT'] },
    { id: 'C0HIDDEN', name: 'hidden', private: true, members: ['U0OLIVIA'] },
  ],
  groups: [{ id: 'S0BACKEND', name: 'Backend', handle: 'backend', members: ['U0DANA', 'U0OLIVIA'] }],
};

export const anApp = (facts: Partial<LocalApp> = {}): LocalApp => ({
  id: 'A0TEST',
  name: 'Testbot',
  botId: 'B0BOT',
  botUserId: 'U0BOT',
  botToken: 'xoxb-test',
  appToken: 'xapp-test',
  signingSecret: 'signing-secret',
  messagesReadOnly: false,
  scopes: ['chat:write', 'commands', 'users:read', 'im:write'],
  events: [
    'app_home_opened',
    'team_join',
    'user_change',
    'subteam_created',
    'subteam_updated',
    'subteam_members_changed',
  ],
  commands: [{ command: '/keys', description: 'Keys', usageHint: '[help | list]', shouldEscape: true }],
  shortcuts: [
    { callbackId: 'report', name: 'Report', description: '', type: 'global' },
    { callbackId: 'report-message', name: 'Report this', description: '', type: 'message' },
  ],
  ...facts,
});

const silent: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  setLevel() {},
  getLevel: () => LogLevel.ERROR,
  setName() {},
};
export const noRetries = { retryConfig: { retries: 0 }, rejectRateLimitedCalls: true, logger: silent };

/** A local Slack and its Web API client; the app's side is nobody unless `requestUrl` says otherwise. */
export async function aSlack(
  options: Partial<LocalSlackOptions> = {},
): Promise<{ slack: LocalSlack; client: WebClient }> {
  const slack = await startLocalSlack({ workspace: seed, app: anApp(), ...options });
  const client = new WebClient(options.app?.botToken ?? 'xoxb-test', {
    slackApiUrl: `${slack.url}/api/`,
    ...noRetries,
  });
  return { slack, client };
}

export interface WithBolt {
  slack: LocalSlack;
  app: App;
  close(): Promise<void>;
}

/** A local Slack with a real Bolt app on the other side, over signed HTTP or Socket Mode. */
export async function withBolt(
  mode: 'http' | 'socket',
  listen: (app: App) => void,
  options: Partial<LocalSlackOptions> = {},
): Promise<WithBolt> {
  const paths = ['/slack/events', '/slack/commands', '/slack/interactive', '/slack/options'];
  let server: Server | undefined;
  let receiver: HTTPReceiver | undefined;
  let requestUrl: string | undefined;
  if (mode === 'http') {
    receiver = new HTTPReceiver({ signingSecret: 'signing-secret', endpoints: paths, logger: silent });
    server = createServer((request, response) => receiver!.requestListener(request, response));
    await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
    requestUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`;
  }
  const slack = await startLocalSlack({
    workspace: seed,
    app: anApp(requestUrl ? { requestUrl } : {}),
    ...options,
  });
  const clientOptions = { slackApiUrl: `${slack.url}/api/`, retryConfig: { retries: 0 } };
  const app = new App({
    token: 'xoxb-test',
    logger: silent,
    clientOptions,
    receiver:
      receiver ??
      new SocketModeReceiver({
        appToken: 'xapp-test',
        logger: silent,
        installerOptions: { clientOptions: { ...clientOptions } },
      }),
  });
  listen(app);
  if (mode === 'socket') await app.start();
  return {
    slack,
    app,
    async close() {
      await app.stop().catch(() => {});
      await vi.waitFor(() => expect(slack.control.openSockets()).toBe(0), 5_000);
      await slack.close();
      server?.closeAllConnections();
      server?.close();
    },
  };
}

export const modal = (blocks: object[], more: object = {}) => ({
  type: 'modal' as const,
  callback_id: 'form',
  title: { type: 'plain_text' as const, text: 'A form' },
  submit: { type: 'plain_text' as const, text: 'Send' },
  blocks: blocks as never[],
  ...more,
});
export const textInput = (name: string, more: object = {}, block: object = {}) => ({
  type: 'input',
  block_id: name,
  label: { type: 'plain_text', text: name },
  element: { type: 'plain_text_input', action_id: name, ...more },
  ...block,
});
export const aButton = (actionId: string, value = 'v') => ({
  type: 'actions' as const,
  block_id: 'buttons',
  elements: [
    { type: 'button' as const, action_id: actionId, value, text: { type: 'plain_text' as const, text: 'Press' } },
  ],
});
