import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createEmulator, type Emulator } from 'emulate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalSlack } from '../../../src/local/slack/server.ts';
import { scopesOfMethods } from '../../../src/local/slack/web-api.ts';
import { aSlack } from './world.ts';

/**
 * An imitation of Slack shares its author's misreadings. Here another program that imitates it, by other people, says
 * which scope each method needs.
 */
const everything = [
  ...new Set([...scopesOfMethods.values()].flatMap((each) => (typeof each === 'function' ? [] : each))),
].concat(['channels:read', 'groups:read', 'im:read', 'channels:join', 'users:read.email']);
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

let other: Emulator;
let slack: LocalSlack;
beforeAll(async () => {
  const bot = { user_id: 'U0BOT', app_id: 'A0TEST', bot_id: 'B0BOT', bot_user_id: 'U0BOT' };
  const app = {
    ...bot,
    client_id: '1.1',
    client_secret: 's',
    name: 'bot',
    bot_name: 'bot',
    redirect_uris: [],
    scopes: everything,
  };
  const scopeSets = ['', ...everything];
  other = await createEmulator({
    service: 'slack' as const,
    port: await freePort(),
    seed: {
      slack: {
        strict_scopes: true,
        users: [{ name: 'dana', email: 'dana@example.com' }],
        channels: [{ name: 'general' }],
        oauth_apps: [app],
        tokens: scopeSets.map((missing) => ({
          token: `without:${missing}`,
          type: 'bot',
          ...bot,
          scopes: everything.filter((each) => each !== missing),
        })),
      },
    },
  });
  ({ slack } = await aSlack());
  danaThere = (await call(other.url, 'users.lookupByEmail', 'without:')).user!.id;
});
afterAll(async () => {
  await other.close();
  await slack.close();
});

/** emulate makes its ids by itself. */
let danaThere = '';
/** Arguments that each side can make sense of: the methods look before they judge. */
function argsFor(url: string, method: string): Record<string, string> {
  const id = url === slack.url ? 'U0DANA' : danaThere;
  const dana = { user: id, users: id, user_id: id, email: 'dana@example.com' };
  return method === 'conversations.open' ? dana : { ...dana, channel: 'C000000001', text: 'x' };
}
interface Answer {
  error?: string;
  user?: { id: string };
}
async function call(url: string, method: string, token: string): Promise<Answer> {
  const response = await fetch(`${url}/api/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: new URLSearchParams(argsFor(url, method)),
  });
  return (await response.json()) as Answer;
}

/** What emulate does not have. */
const unknownToIt = ['api.test', 'apps.connections.open', 'blocks.validate'];

describe.each([...scopesOfMethods.keys()].filter((each) => !unknownToIt.includes(each)))('%s', (method) => {
  test('needs the same scope here as in emulate', async () => {
    const mine: string[] = [];
    const theirs: string[] = [];
    for (const scope of everything) {
      const said = await call(other.url, method, `without:${scope}`);
      if (said.error === 'missing_scope') theirs.push(scope);
      slack.control.setScopes(everything.filter((each) => each !== scope));
      const ours = await call(slack.url, method, 'xoxb-test');
      if (ours.error === 'missing_scope') mine.push(scope);
    }
    expect(mine).toEqual(theirs);
  });
});
