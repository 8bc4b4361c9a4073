import { WebClient } from '@slack/web-api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LocalSlack } from '../../../src/local/slack/server.ts';
import { aButton, aSlack, modal, noRetries, seed, textInput } from './world.ts';

let slack: LocalSlack;
let client: WebClient;
beforeEach(async () => {
  ({ slack, client } = await aSlack());
});
afterEach(() => slack.close());

const refusal = (call: Promise<unknown>) =>
  call.then(
    () => 'no refusal',
    (error: Error & { data?: { error: string } }) => error.data?.error ?? error.message,
  );

describe('a token', () => {
  test('is asked for, has to be known, and of the right kind', async () => {
    const as = (token?: string) => new WebClient(token, { slackApiUrl: `${slack.url}/api/`, ...noRetries });
    expect(await refusal(as().auth.test())).toBe('not_authed');
    expect(await refusal(as('xoxb-other').auth.test())).toBe('invalid_auth');
    expect(await refusal(as('xapp-test').auth.test())).toBe('not_allowed_token_type');
    expect(await refusal(client.apps.connections.open())).toBe('not_allowed_token_type');
    expect(await client.auth.test()).toMatchObject({ ok: true, team_id: 'T0TEST', user_id: 'U0BOT', bot_id: 'B0BOT' });
  });

  test('without the scope is refused with what is needed and what is there', async () => {
    slack.control.setScopes(['commands']);
    const call = client.chat.postMessage({ channel: 'C0GENERAL', text: 'x' });
    await expect(call).rejects.toMatchObject({
      data: { error: 'missing_scope', needed: 'chat:write', provided: 'commands' },
    });
    expect(await refusal(client.users.info({ user: 'U0DANA' }))).toBe('missing_scope');
    expect(await refusal(client.conversations.info({ channel: 'C0GENERAL' }))).toBe('missing_scope');
  });

  test('is told its scopes with every answer, and never shows up in the log of calls', async () => {
    const answer = await client.auth.test();
    expect(answer.response_metadata?.scopes).toEqual(['chat:write', 'commands', 'users:read', 'im:write']);
    const form = new URLSearchParams({ token: 'xoxb-test', channel: 'C0GENERAL', text: 'by form' });
    const response = await fetch(`${slack.url}/api/chat.postMessage`, { method: 'POST', body: form });
    expect(await response.json()).toMatchObject({ ok: true });
    expect(slack.control.calls().map((each) => [each.method, each.ok])).toEqual([
      ['auth.test', true],
      ['chat.postMessage', true],
    ]);
    expect(JSON.stringify(slack.control.calls())).not.toContain('xoxb');
  });
});

test('unknown methods and broken arguments are refused like Slack does', async () => {
  for (const method of ['keys.steal', 'toString', '__proto__'])
    expect(await refusal(client.apiCall(method))).toBe('unknown_method');
  const post = (body: string, type: string) =>
    fetch(`${slack.url}/api/chat.postMessage`, {
      method: 'POST',
      body,
      headers: { 'content-type': type, authorization: 'Bearer xoxb-test' },
    }).then((response) => response.json());
  expect(await post('{', 'application/json')).toEqual({ ok: false, error: 'invalid_json' });
  expect(await post('blocks=[&channel=C0GENERAL', 'application/x-www-form-urlencoded')).toEqual({
    ok: false,
    error: 'invalid_blocks_format',
  });
});

describe('posting', () => {
  const post = (channel: string) => client.chat.postMessage({ channel, text: 'hello' });

  test('reaches a channel by id or name, and a person by id', async () => {
    for (const channel of ['C0GENERAL', 'general', '#general']) expect((await post(channel)).channel).toBe('C0GENERAL');
    const direct = await post('U0DANA');
    expect(direct.channel).toMatch(/^D/);
    expect((await post('U0DANA')).channel).toBe(direct.channel);
    expect(slack.control.messages('U0DANA', direct.channel!)).toHaveLength(2);
    expect(slack.control.state('U0DANA').channels.find((each) => each.withApp)).toMatchObject({
      name: 'Testbot',
      unread: 2,
    });
  });

  test('is refused where the app is not, and where it cannot know that there is something', async () => {
    expect(await refusal(post('C0NOBOT'))).toBe('not_in_channel');
    expect(await refusal(post('#random'))).toBe('not_in_channel');
    expect(await refusal(post('C0HIDDEN'))).toBe('channel_not_found');
    expect(await refusal(post('#hidden'))).toBe('channel_not_found');
    expect(await refusal(post('C0NOWHERE'))).toBe('channel_not_found');
    expect((await post('C0SECRET')).ok).toBe(true);
    slack.control.archiveChannel('C0GENERAL');
    expect(await refusal(post('C0GENERAL'))).toBe('is_archived');
    slack.control.setScopes(['chat:write', 'chat:write.public']);
    expect((await post('C0NOBOT')).ok).toBe(true);
  });

  test('is refused with what Slack says about bad blocks', async () => {
    const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: 'x'.repeat(3001) } }] as never[];
    const call = client.chat.postMessage({ channel: 'C0GENERAL', text: 'x', blocks });
    await expect(call).rejects.toMatchObject({
      data: {
        error: 'invalid_blocks',
        response_metadata: {
          messages: ['[ERROR] must be less than 3001 characters [json-pointer:/blocks/0/text/text]'],
        },
      },
    });
    expect(await refusal(client.chat.postMessage({ channel: 'C0GENERAL', text: '' }))).toBe('no_text');
    expect(slack.control.messages('U0DANA', 'C0GENERAL')).toEqual([]);
  });

  test('gives every block and element an id, and keeps mentions and dates as they came', async () => {
    const text = '<@U0DANA> <!date^1392734382^{date}|then> &amp;';
    await client.chat.postMessage({
      channel: 'C0GENERAL',
      text,
      blocks: [
        { type: 'section', text: { type: 'mrkdwn', text } },
        { ...aButton('x'), block_id: undefined },
      ] as never[],
    });
    const [message] = slack.control.messages('U0DANA', 'C0GENERAL');
    expect(message!.text).toBe(text);
    expect(message!.blocks.map((each) => each.block_id)).toEqual([expect.any(String), expect.any(String)]);
  });
});

describe('a posted message', () => {
  test('is edited in place, by its author only', async () => {
    const { ts } = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'one', blocks: [aButton('x')] });
    await client.chat.update({ channel: 'C0GENERAL', ts: ts!, text: 'two' });
    expect(slack.control.messages('U0DANA', 'C0GENERAL')).toMatchObject([
      { ts, text: 'two', blocks: [], edited: true },
    ]);
    const blocks = [aButton('y')];
    await client.chat.update({ channel: 'C0GENERAL', ts: ts!, blocks });
    expect(slack.control.messages('U0DANA', 'C0GENERAL')).toMatchObject([{ text: 'two', blocks }]);
    await slack.control.act({ kind: 'say', as: 'U0DANA', channel: 'C0GENERAL', text: 'mine' });
    const mine = slack.control.messages('U0DANA', 'C0GENERAL')[1]!.ts;
    const update = (at: string, text = 'x', channel = 'C0GENERAL') =>
      refusal(client.chat.update({ channel, ts: at, text }));
    expect(await update(mine)).toBe('cant_update_message');
    expect(await update('1.000001')).toBe('message_not_found');
    expect(await update(ts!, 'x'.repeat(4001))).toBe('msg_too_long');
    expect(await update(ts!, 'x', 'general')).toBe('channel_not_found');
    expect(await refusal(client.chat.delete({ channel: 'C0GENERAL', ts: mine }))).toBe('cant_delete_message');
    await client.chat.delete({ channel: 'C0GENERAL', ts: ts! });
    expect(await update(ts!)).toBe('message_not_found');
    expect(slack.control.messages('U0DANA', 'C0GENERAL').map((each) => each.text)).toEqual(['mine']);
  });

  test('has a thread, which outlives it', async () => {
    const { ts } = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'root' });
    const reply = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'reply', thread_ts: ts! });
    await client.chat.postMessage({ channel: 'C0GENERAL', text: 'reply to the reply', thread_ts: reply.ts! });
    expect(slack.control.messages('U0DANA', 'C0GENERAL')).toMatchObject([{ text: 'root', replyCount: 2 }]);
    expect(await refusal(client.chat.postMessage({ channel: 'C0GENERAL', text: 'x', thread_ts: '1.2' }))).toBe(
      'thread_not_found',
    );
    await client.chat.delete({ channel: 'C0GENERAL', ts: ts! });
    expect(slack.control.messages('U0DANA', 'C0GENERAL', ts!).map((each) => each.text)).toEqual([
      'This message was deleted.',
      'reply',
      'reply to the reply',
    ]);
  });

  test('has a permalink', async () => {
    const { ts } = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'root' });
    const { permalink } = await client.chat.getPermalink({ channel: 'C0GENERAL', message_ts: ts! });
    expect(permalink).toBe(`${slack.url}/archives/C0GENERAL/p${ts!.replace('.', '')}`);
  });
});

test('an ephemeral message is for a member, and cannot be edited by the Web API', async () => {
  const post = (user: string) => client.chat.postEphemeral({ channel: 'C0GENERAL', user, text: 'psst' });
  const { message_ts: ts } = await post('U0DANA');
  expect(await refusal(post('U0GUEST'))).toBe('user_not_in_channel');
  expect(await refusal(client.chat.update({ channel: 'C0GENERAL', ts: ts!, text: 'x' }))).toBe('message_not_found');
});

describe('people', () => {
  test('are listed in pages', async () => {
    const ids: string[] = [];
    for await (const page of client.paginate('users.list', { limit: 3 }))
      ids.push(...(page as unknown as { members: { id: string }[] }).members.map((each) => each.id));
    expect(ids.sort()).toEqual([...seed.users.map((each) => each.id), 'U0BOT'].sort());
    expect(await refusal(client.users.list({ cursor: 'bad' }))).toBe('invalid_cursor');
  });

  test('show their e-mail address only to who may read it', async () => {
    expect((await client.users.info({ user: 'U0GUEST' })).user).toMatchObject({
      real_name: 'Gus Guest',
      is_restricted: true,
    });
    expect((await client.users.info({ user: 'U0DANA' })).user!.profile!.email).toBeUndefined();
    slack.control.setScopes(['users:read', 'users:read.email']);
    expect((await client.users.info({ user: 'U0DANA' })).user!.profile!.email).toBe('dana@example.com');
    expect(await refusal(client.users.info({ user: 'U0NOBODY' }))).toBe('user_not_found');
  });
});

describe('user groups', () => {
  test('are listed with who is in them only where that is asked for, and disabled ones too', async () => {
    slack.control.setScopes(['usergroups:read']);
    await slack.control.addGroup({ id: 'S0OLD', name: 'Old', handle: 'old', members: ['U0DANA'] });
    await slack.control.changeGroup('S0OLD', { disabled: true });
    const { usergroups } = await client.usergroups.list();
    expect(usergroups).toMatchObject([{ id: 'S0BACKEND', name: 'Backend', handle: 'backend', date_delete: 0 }]);
    expect([usergroups![0]!.users, usergroups![0]!.user_count]).toEqual([undefined, undefined]);
    const all = { include_users: true, include_count: true, include_disabled: true };
    const whole = (await client.usergroups.list(all)).usergroups!;
    expect(whole.map((each) => [each.id, each.users, each.user_count, each.date_delete! > 0])).toEqual([
      ['S0BACKEND', ['U0DANA', 'U0OLIVIA'], 2, false],
      ['S0OLD', ['U0DANA'], 1, true],
    ]);
    expect((await client.usergroups.users.list({ usergroup: 'S0BACKEND' })).users).toEqual(['U0DANA', 'U0OLIVIA']);
    expect(await refusal(client.usergroups.users.list({ usergroup: 'S0OLD' }))).toBe('no_such_subteam');
    expect((await client.usergroups.users.list({ usergroup: 'S0OLD', include_disabled: true })).users).toEqual([
      'U0DANA',
    ]);
    expect(await refusal(client.usergroups.users.list({ usergroup: 'S0NONE' }))).toBe('no_such_subteam');
    slack.control.setScopes(['users:read']);
    expect(await refusal(client.usergroups.list())).toBe('missing_scope');
    expect(await refusal(client.usergroups.users.list({ usergroup: 'S0BACKEND' }))).toBe('missing_scope');
  });
});

describe('conversations', () => {
  test('are listed as far as the app may know of them', async () => {
    slack.control.setScopes(['channels:read', 'groups:read']);
    const { channels } = await client.conversations.list({ types: 'public_channel,private_channel' });
    expect(channels!.map((each) => [each.name, each.is_member])).toEqual([
      ['general', true],
      ['random', false],
      ['security', true],
    ]);
    expect(await refusal(client.conversations.list({ types: 'im' }))).toBe('missing_scope');
    expect((await client.conversations.members({ channel: 'C0SECRET' })).members).toEqual(['U0OLIVIA', 'U0BOT']);
    expect(await refusal(client.conversations.members({ channel: 'C0HIDDEN' }))).toBe('channel_not_found');
  });

  test('are joined and opened', async () => {
    slack.control.setScopes(['channels:join', 'chat:write', 'im:write']);
    await client.conversations.join({ channel: 'C0NOBOT' });
    expect((await client.chat.postMessage({ channel: '#random', text: 'x' })).ok).toBe(true);
    const { channel } = await client.conversations.open({ users: 'U0DANA' });
    expect((await client.chat.postMessage({ channel: 'U0DANA', text: 'x' })).channel).toBe(channel!.id);
    await slack.control.deactivateUser('U0DANA');
    expect(await refusal(client.conversations.open({ users: 'U0DANA' }))).toBe('user_disabled');
  });
});

describe('the App Home', () => {
  const home = (blocks: object[]) => ({ type: 'home' as const, blocks: blocks as never[] });
  test('is published, and not over a newer one when a hash says so', async () => {
    const first = await client.views.publish({ user_id: 'U0DANA', view: home([{ type: 'divider' }]) });
    await client.views.publish({ user_id: 'U0DANA', view: home([]), hash: first.view!.hash! });
    const late = client.views.publish({ user_id: 'U0DANA', view: home([]), hash: first.view!.hash! });
    expect(await refusal(late)).toBe('hash_conflict');
    expect(await refusal(client.views.publish({ user_id: 'U0DANA', view: modal([]) as never }))).toBe(
      'invalid_arguments',
    );
  });
});

test('a bad view is refused with a pointer, and views without a live trigger are not opened', async () => {
  const open = (trigger_id: string, view = modal([textInput('a')])) => client.views.open({ trigger_id, view });
  expect(await refusal(open('1.2.3'))).toBe('invalid_trigger_id');
  const update = client.views.update({ view_id: 'V0', view: modal([textInput('a')], { submit: undefined }) });
  await expect(update).rejects.toMatchObject({
    data: {
      error: 'invalid_arguments',
      response_metadata: {
        messages: ['[ERROR] missing required field: submit (the view has inputs) [json-pointer:/view]'],
      },
    },
  });
  expect(await refusal(client.views.update({ view_id: 'V0', view: modal([]) }))).toBe('not_found');
});

describe('told to fail', () => {
  const post = (to = client) => to.chat.postMessage({ channel: 'C0GENERAL', text: 'x' });
  const shown = () => slack.control.messages('U0DANA', 'C0GENERAL').length;

  test('it answers 429 with Retry-After so many times, and nothing is done', async () => {
    slack.control.fail({ method: 'chat.postMessage', times: 2, status: 429, retryAfter: 7 });
    await expect(post()).rejects.toMatchObject({ retryAfter: 7 });
    await expect(post()).rejects.toMatchObject({ retryAfter: 7 });
    expect(shown()).toBe(0);
    expect((await post()).ok).toBe(true);
    expect(slack.control.calls('chat.postMessage').map((each) => each.error)).toEqual([
      'ratelimited',
      'ratelimited',
      undefined,
    ]);
  });

  test('it answers an error or a status', async () => {
    slack.control.fail({ method: '*', error: 'fatal_error' });
    expect(await refusal(post())).toBe('fatal_error');
    slack.control.fail({ method: 'chat.postMessage', status: 503 });
    await expect(post()).rejects.toMatchObject({ statusCode: 503 });
    expect(shown()).toBe(0);
  });

  test('it does not answer at all', async () => {
    const hurried = new WebClient('xoxb-test', { slackApiUrl: `${slack.url}/api/`, ...noRetries, timeout: 200 });
    slack.control.fail({ method: 'chat.postMessage', timeout: true });
    await expect(post(hurried)).rejects.toThrow(/time/i);
    expect(shown()).toBe(0);
  });

  test('it does the work and loses the answer', async () => {
    slack.control.fail({ method: 'chat.postMessage', loseResponse: true });
    await expect(post()).rejects.toThrow();
    expect(shown()).toBe(1);
  });
});
