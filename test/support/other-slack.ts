import { createEmulator } from 'emulate';
import { freePort } from '../../src/local/free-port.ts';

export interface SlackAnswer {
  ok: boolean;
  error?: string;
  user?: { id: string };
  channels?: { id: string; name: string }[];
  ts?: string;
}

export interface OtherSlack {
  /** The member and the channel that it has, and that know each other. */
  dana: string;
  channel: string;
  call(method: string, token: string, args: Record<string, string>): Promise<SlackAnswer>;
  close(): Promise<void>;
}

/** Another program that imitates Slack, by other people: it judges by scopes of its own knowledge, one set for each token. */
export async function startOtherSlack(tokens: Record<string, string[]>): Promise<OtherSlack> {
  const bot = { user_id: 'U0BOT', app_id: 'A0TEST', bot_id: 'B0BOT', bot_user_id: 'U0BOT' };
  const scopes = [...new Set(Object.values(tokens).flat())];
  const names = { client_id: '1.1', client_secret: 's', name: 'bot', bot_name: 'bot', redirect_uris: [] };
  const server = await createEmulator({
    service: 'slack' as const,
    port: await freePort(),
    seed: {
      slack: {
        strict_scopes: true,
        users: [{ name: 'dana', email: 'dana@example.com' }],
        channels: [{ name: 'work' }],
        oauth_apps: [{ ...bot, ...names, scopes }],
        tokens: [
          ...Object.entries(tokens),
          ['finder', ['users:read', 'users:read.email', 'channels:read']] as const,
        ].map(([token, own]) => ({ token, type: 'bot', ...bot, scopes: [...own] })),
      },
    },
  });
  const call: OtherSlack['call'] = async (method, token, args) => {
    const response = await fetch(`${server.url}/api/${method}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: new URLSearchParams(args),
    });
    return (await response.json()) as SlackAnswer;
  };
  // It makes its ids by itself.
  const found = await call('users.lookupByEmail', 'finder', { email: 'dana@example.com' });
  const { channels } = await call('conversations.list', 'finder', {});
  const work = channels?.find((each) => each.name === 'work');
  if (!found.user || !work)
    throw new Error(`emulate does not know its own member and channel: ${JSON.stringify(found)}`);
  return { dana: found.user.id, channel: work.id, call, close: () => server.close() };
}
