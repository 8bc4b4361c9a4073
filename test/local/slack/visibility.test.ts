import type { WebClient } from '@slack/web-api';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Act, PageEvent } from '../../../src/local/slack/contract.ts';
import type { LocalSlack } from '../../../src/local/slack/server.ts';
import { anApp, aSlack } from './world.ts';

let slack: LocalSlack;
let client: WebClient;
beforeEach(async () => {
  ({ slack, client } = await aSlack());
});
afterEach(() => slack.close());

const channelsOf = (as: string) => slack.control.state(as).channels;
const namesOf = (as: string) => channelsOf(as).map((each) => each.name);
const say = (as: string, channel: string, text = 'hello') => slack.control.act({ kind: 'say', as, channel, text });
const get = (path: string) => fetch(`${slack.url}/page-api/${path}`).then((response) => response.json());

test('a person sees public channels and their own private ones; a guest only what they were invited to', () => {
  expect(channelsOf('U0DANA').map((each) => [each.name, each.isMember])).toEqual([
    ['general', true],
    ['random', true],
  ]);
  expect(namesOf('U0OLIVIA')).toEqual(['general', 'random', 'security', 'hidden']);
  expect(namesOf('U0GUEST')).toEqual([]);
  slack.control.addMember('C0SECRET', 'U0GUEST');
  expect(namesOf('U0GUEST')).toEqual(['security']);
});

test('messages of private channels and other people’s DMs are not there for anybody else', async () => {
  await say('U0OLIVIA', 'C0SECRET', 'a secret');
  const opened = await slack.control.act({ kind: 'openDm', as: 'U0OLIVIA', with: 'U0GUEST' });
  const dm = (opened as { channel: string }).channel;
  await say('U0GUEST', dm, 'between us');
  expect(await get(`messages?as=U0OLIVIA&channel=${dm}`)).toMatchObject({ messages: [{ text: 'between us' }] });
  for (const channel of ['C0SECRET', dm]) {
    expect(await get(`messages?as=U0DANA&channel=${channel}`)).toEqual({ ok: false, error: 'channel_not_found' });
    expect(await say('U0DANA', channel)).toEqual({ ok: false, error: 'channel_not_found' });
  }
  expect(namesOf('U0DANA')).not.toContain('Gus Guest');
});

test('nobody speaks in a channel that they have not joined, and everybody may join a public one', async () => {
  expect(await say('U0OLIVIA', 'C0NOBOT')).toEqual({ ok: false, error: 'not_in_channel' });
  expect(await slack.control.act({ kind: 'join', as: 'U0OLIVIA', channel: 'C0NOBOT' })).toEqual({ ok: true });
  expect(await say('U0OLIVIA', 'C0NOBOT')).toEqual({ ok: true });
  expect(await slack.control.act({ kind: 'join', as: 'U0DANA', channel: 'C0SECRET' })).toEqual({
    ok: false,
    error: 'channel_not_found',
  });
});

test('nobody writes or types a command in a Messages tab that is read-only; everywhere else they do', async () => {
  for (const messagesReadOnly of [true, false]) {
    const other = await aSlack({ app: anApp({ messagesReadOnly }) });
    const { control } = other.slack;
    const { channel } = (await control.act({ kind: 'openDm', as: 'U0DANA', with: 'U0BOT' })) as { channel: string };
    await other.client.chat.postMessage({ channel, text: 'the app writes' });
    expect(control.state('U0DANA').channels.filter((each) => each.readOnly)).toHaveLength(messagesReadOnly ? 1 : 0);
    for (const [kind, text] of [
      ['say', 'hello'],
      ['command', '/keys'],
    ] as const) {
      const tried = await control.act({ kind, as: 'U0DANA', channel, text });
      const refused = !tried.ok && tried.error === 'restricted_action_read_only_channel';
      expect(refused).toBe(messagesReadOnly);
    }
    const written = control.messages('U0DANA', channel).filter((each) => each.user === 'U0DANA');
    expect(written).toHaveLength(messagesReadOnly ? 0 : 1);
    await other.slack.close();
  }
});

test('an ephemeral message is seen by one person, does not count as unread, and cannot be acted on by others', async () => {
  const { message_ts: ts } = await client.chat.postEphemeral({ channel: 'C0GENERAL', user: 'U0DANA', text: 'psst' });
  expect(slack.control.messages('U0DANA', 'C0GENERAL')).toMatchObject([{ ts, text: 'psst', ephemeral: true }]);
  expect(slack.control.messages('U0OLIVIA', 'C0GENERAL')).toEqual([]);
  expect(channelsOf('U0DANA')[0]!.unread).toBe(0);
  const message = { channel: 'C0GENERAL', ts: ts! };
  const report: Act = { kind: 'shortcut', as: 'U0DANA', callbackId: 'report-message', message };
  expect(await slack.control.act(report)).toEqual({ ok: false, error: 'message_not_found' });
});

test('unread counts what others said since one looked, not replies in threads', async () => {
  const { ts } = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'one' });
  await client.chat.postMessage({ channel: 'C0GENERAL', text: 'in the thread', thread_ts: ts! });
  await say('U0OLIVIA', 'C0GENERAL', 'two');
  expect(channelsOf('U0DANA')[0]!.unread).toBe(2);
  expect(channelsOf('U0OLIVIA')[0]!.unread).toBe(0);
  await slack.control.act({ kind: 'read', as: 'U0DANA', channel: 'C0GENERAL' });
  expect(channelsOf('U0DANA')[0]!.unread).toBe(0);
});

test('what people say is escaped, and mentions are resolved', async () => {
  await say(
    'U0DANA',
    'C0GENERAL',
    '@olivia & <!channel> <b> @here <@U0GUEST> see #random, https://example.com/?a=1&b=2',
  );
  expect(slack.control.messages('U0DANA', 'C0GENERAL')[0]!.text).toBe(
    '<@U0OLIVIA|olivia> &amp; &lt;!channel&gt; &lt;b&gt; <!here> <@U0GUEST> see <#C0NOBOT|random>, <https://example.com/?a=1&amp;b=2>',
  );
});

describe('somebody who was deactivated', () => {
  test('cannot act or look any more, and their modals are gone', async () => {
    await slack.control.deactivateUser('U0DANA');
    const acts: Act[] = [
      { kind: 'say', as: 'U0DANA', channel: 'C0GENERAL', text: 'x' },
      { kind: 'command', as: 'U0DANA', channel: 'C0GENERAL', text: '/keys' },
      { kind: 'openHome', as: 'U0DANA' },
      { kind: 'join', as: 'U0DANA', channel: 'C0NOBOT' },
    ];
    for (const act of acts) expect(await slack.control.act(act)).toEqual({ ok: false, error: 'account_inactive' });
    expect(await get('state?as=U0DANA')).toEqual({ ok: false, error: 'account_inactive' });
    expect(slack.control.sent('/keys')).toEqual([]);
    expect((await client.users.info({ user: 'U0DANA' })).user!.deleted).toBe(true);
  });

  test('can still be written to, like in Slack', async () => {
    await slack.control.deactivateUser('U0DANA');
    expect((await client.chat.postMessage({ channel: 'U0DANA', text: 'x' })).ok).toBe(true);
  });
});

test('nobody acts as the bot or as nobody', async () => {
  expect(await say('U0BOT', 'C0GENERAL')).toEqual({ ok: false, error: 'user_is_bot' });
  expect(await say('U0NOBODY', 'C0GENERAL')).toEqual({ ok: false, error: 'user_not_found' });
});

describe('the stream of changes', () => {
  async function listen(as: string): Promise<{ events: PageEvent[]; ended: () => boolean; stop: () => void }> {
    const events: PageEvent[] = [];
    const stopped = new AbortController();
    const response = await fetch(`${slack.url}/page-api/stream?as=${as}`, { signal: stopped.signal });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    let ended = false;
    const read = async () => {
      for await (const piece of response.body!.pipeThrough(new TextDecoderStream()))
        for (const [, data] of piece.matchAll(/^data: (.*)$/gm)) events.push(JSON.parse(data!) as PageEvent);
    };
    void read()
      .catch(() => {})
      .finally(() => {
        ended = true;
      });
    return { events, ended: () => ended, stop: () => stopped.abort() };
  }

  test('tells a person of what they may see, and of nothing else', async () => {
    const [dana, olivia] = [await listen('U0DANA'), await listen('U0OLIVIA')];
    await say('U0OLIVIA', 'C0SECRET', 'a secret');
    await client.views.publish({ user_id: 'U0OLIVIA', view: { type: 'home', blocks: [] } });
    await client.chat.postMessage({ channel: 'C0GENERAL', text: 'for all' });
    await vi.waitFor(() => expect(dana.events).toContainEqual({ type: 'messages', channel: 'C0GENERAL' }));
    await vi.waitFor(() => expect(olivia.events).toContainEqual({ type: 'messages', channel: 'C0GENERAL' }));
    expect(dana.events).not.toContainEqual({ type: 'messages', channel: 'C0SECRET' });
    expect(dana.events).not.toContainEqual({ type: 'home' });
    expect(olivia.events).toContainEqual({ type: 'messages', channel: 'C0SECRET' });
    expect(olivia.events).toContainEqual({ type: 'home' });
    for (const each of [dana, olivia]) each.stop();
  });

  test('ends for somebody who is deactivated', async () => {
    const dana = await listen('U0DANA');
    await slack.control.deactivateUser('U0DANA');
    await vi.waitFor(() => expect(dana.ended()).toBe(true));
  });
});
