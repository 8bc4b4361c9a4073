import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type LocalSlack, startLocalSlack } from '../../../src/local/slack/server.ts';
import { aButton, anApp, modal, seed, textInput, type WithBolt, withBolt } from './world.ts';

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** The app's side by hand: what arrived, and what to answer next. */
let received: Received[];
let answer: (request: Received) => { status?: number; headers?: Record<string, string>; body?: unknown } | 'silence';
let server: Server;
let slack: LocalSlack;
beforeEach(async () => {
  received = [];
  answer = () => ({});
  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const piece of request) body += piece;
    const one = { path: request.url!, headers: request.headers, body };
    received.push(one);
    const said = answer(one);
    if (said === 'silence') return;
    const text = said.body === undefined ? '' : typeof said.body === 'string' ? said.body : JSON.stringify(said.body);
    const type = typeof said.body === 'object' ? 'application/json' : 'text/plain';
    response.writeHead(said.status ?? 200, { 'content-type': type, ...said.headers }).end(text);
  }
  server = createServer((request, response) => void take(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const requestUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`;
  slack = await startLocalSlack({
    workspace: seed,
    app: anApp({ requestUrl }),
    speeds: { ackMs: 300, redeliverMs: [0, 20, 40] },
  });
});
afterEach(async () => {
  await slack.close();
  server.closeAllConnections();
  server.close();
});

const command = (text = '/keys help', as = 'U0DANA') =>
  slack.control.act({ kind: 'command', as, channel: 'C0GENERAL', text });
const shownTo = (as: string) => slack.control.messages(as, 'C0GENERAL').map((each) => each.text);
const fieldsOf = ({ body }: Received) => Object.fromEntries(new URLSearchParams(body));
const payloadOf = (one: Received) => JSON.parse(fieldsOf(one).payload!) as Record<string, unknown>;
const api = (method: string, args: object) =>
  fetch(`${slack.url}/api/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer xoxb-test' },
    body: JSON.stringify(args),
  }).then((response) => response.json() as Promise<Record<string, unknown>>);
const respond = (url: string, body: object) =>
  fetch(url, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });

describe('a command', () => {
  test('arrives signed, as a form with all fields of Slack', async () => {
    await command('/keys request "R&D" for @olivia in #general');
    const [one] = received;
    const stamp = String(one!.headers['x-slack-request-timestamp']);
    const mac = createHmac('sha256', 'signing-secret').update(`v0:${stamp}:${one!.body}`).digest('hex');
    expect(one!.headers['x-slack-signature']).toBe(`v0=${mac}`);
    expect(one!.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(one!.path).toBe('/slack/commands');
    expect(fieldsOf(one!)).toMatchObject({
      command: '/keys',
      text: 'request "R&amp;D" for <@U0OLIVIA|olivia> in <#C0GENERAL|general>',
      user_id: 'U0DANA',
      user_name: 'dana',
      channel_id: 'C0GENERAL',
      channel_name: 'general',
      team_id: 'T0TEST',
      team_domain: 'test',
      api_app_id: 'A0TEST',
      is_enterprise_install: 'false',
      trigger_id: expect.stringMatching(/^\d+\.\d+\.[0-9a-f]+$/),
      response_url: expect.stringContaining(`${slack.url}/response/T0TEST/`),
    });
  });

  test('names a user group by its id, as far as it is in use', async () => {
    await command('/keys list @backend, @frontend');
    await slack.control.changeGroup('S0BACKEND', { disabled: true });
    await command('/keys list @backend');
    const texts = received.filter((each) => each.path === '/slack/commands').map((each) => fieldsOf(each).text);
    expect(texts).toEqual(['list <!subteam^S0BACKEND|@backend>, @frontend', 'list @backend']);
  });

  test('that is not acknowledged in time says so to the person alone', async () => {
    answer = () => 'silence';
    expect(await command()).toEqual({ ok: false, error: 'app_timeout' });
    expect(shownTo('U0DANA')).toEqual(['/keys failed because the app did not respond.']);
    expect(shownTo('U0OLIVIA')).toEqual([]);
  });

  test('that fails says so', async () => {
    answer = () => ({ status: 500 });
    expect(await command()).toEqual({ ok: false, error: 'app_http_500' });
    slack.control.dropApp();
    expect(await command()).toEqual({ ok: false, error: 'app_unreachable' });
    expect(await command('/nothing')).toEqual({ ok: false, error: 'invalid_command' });
    expect(shownTo('U0DANA')).toEqual([
      '/keys failed with the error "dispatch_failed".',
      '/keys failed because the app did not respond.',
      '/nothing is not a valid command.',
    ]);
  });

  test('is answered with plain text, or to the whole channel when the app says so', async () => {
    answer = () => ({ body: 'just text' });
    await command();
    answer = () => ({ body: { response_type: 'in_channel', text: 'for all' } });
    await command();
    expect(shownTo('U0DANA')).toEqual(['just text', 'for all']);
    expect(shownTo('U0OLIVIA')).toEqual(['for all']);
  });
});

describe('a response_url', () => {
  test('works five times, and for thirty minutes', async () => {
    await command();
    const url = fieldsOf(received[0]!).response_url!;
    const statuses: number[] = [];
    for (let i = 0; i < 5; i++) statuses.push((await respond(url, { text: `answer ${i}` })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200]);
    const sixth = await respond(url, { text: 'answer 6' });
    expect([sixth.status, await sixth.json()]).toEqual([404, { ok: false, error: 'used_url' }]);
    expect(shownTo('U0DANA')).toHaveLength(5);

    await command();
    slack.control.advance(30 * 60_000 + 1);
    const late = await respond(fieldsOf(received[1]!).response_url!, { text: 'late' });
    expect([late.status, await late.json()]).toEqual([404, { ok: false, error: 'expired_url' }]);
    expect((await respond(`${slack.url}/response/T0TEST/made-up`, { text: 'x' })).status).toBe(404);
  });

  test('of a click adds, replaces or deletes', async () => {
    const { ts } = await api('chat.postMessage', { channel: 'C0GENERAL', text: 'card', blocks: [aButton('x')] });
    const action = { type: 'button', action_id: 'x', block_id: 'buttons' };
    const from = { channel: 'C0GENERAL', ts: String(ts) };
    await slack.control.act({ kind: 'action', as: 'U0DANA', from, action, state: {} });
    const payload = payloadOf(received[0]!);
    const url = String(payload.response_url);
    await respond(url, { text: 'psst' });
    expect(shownTo('U0DANA')).toEqual(['card', 'psst']);
    expect(shownTo('U0OLIVIA')).toEqual(['card']);
    await respond(url, { replace_original: true, text: 'done' });
    expect(shownTo('U0OLIVIA')).toEqual(['done']);
    const bad = await respond(url, { text: 'x', blocks: [{ type: 'nothing' }] });
    expect([bad.status, await bad.json()]).toEqual([400, { ok: false, error: 'invalid_blocks' }]);
    await respond(url, { delete_original: true });
    expect(shownTo('U0OLIVIA')).toEqual([]);
  });

  test('fails when it is told to', async () => {
    await command();
    const url = fieldsOf(received[0]!).response_url!;
    slack.control.fail({ method: 'response_url', status: 429, retryAfter: 3 });
    const limited = await respond(url, { text: 'x' });
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '3']);
    slack.control.fail({ method: 'response_url', loseResponse: true });
    await expect(respond(url, { text: 'shown all the same' })).rejects.toThrow();
    expect(shownTo('U0DANA')).toEqual(['shown all the same']);
  });

  test('replaces an ephemeral message for its reader', async () => {
    answer = () => ({ body: { text: 'choose', blocks: [aButton('x')] } });
    await command();
    answer = () => ({});
    const { ts } = slack.control.messages('U0DANA', 'C0GENERAL')[0]!;
    const action = { type: 'button', action_id: 'x', block_id: 'buttons' };
    const from = { channel: 'C0GENERAL', ts };
    expect(await slack.control.act({ kind: 'action', as: 'U0OLIVIA', from, action, state: {} })).toEqual({
      ok: false,
      error: 'message_not_found',
    });
    await slack.control.act({ kind: 'action', as: 'U0DANA', from, action, state: {} });
    const payload = payloadOf(received.at(-1)!);
    expect(payload.container).toEqual({ type: 'message', message_ts: ts, channel_id: 'C0GENERAL', is_ephemeral: true });
    expect(payload.message).toBeUndefined();
    await respond(String(payload.response_url), { replace_original: true, text: 'chosen' });
    expect(shownTo('U0DANA')).toEqual(['chosen']);
  });
});

describe('a click', () => {
  test('in a message carries the message, the place and the state of its inputs', async () => {
    const pick = {
      type: 'static_select',
      action_id: 'pick',
      options: ['a', 'b'].map((value) => ({ value, text: { type: 'plain_text', text: value } })),
    };
    const { elements } = aButton('go', 'req_1');
    const { ts } = await api('chat.postMessage', {
      channel: 'C0GENERAL',
      text: 'card',
      blocks: [{ type: 'actions', block_id: 'buttons', elements: [...elements, pick] }],
    });
    const selected_option = { value: 'b', text: { type: 'plain_text', text: 'b' } };
    const state = { buttons: { pick: { type: 'static_select', selected_option } } };
    const from = { channel: 'C0GENERAL', ts: String(ts) };
    const click = (action: { type: string; action_id: string; block_id: string }) =>
      slack.control.act({ kind: 'action', as: 'U0DANA', from, action, state });
    await click({ type: 'button', action_id: 'go', block_id: 'buttons' });
    expect(received[0]!.path).toBe('/slack/interactive');
    expect(payloadOf(received[0]!)).toMatchObject({
      type: 'block_actions',
      user: { id: 'U0DANA', username: 'dana', name: 'dana', team_id: 'T0TEST' },
      team: { id: 'T0TEST', domain: 'test' },
      channel: { id: 'C0GENERAL', name: 'general' },
      container: { type: 'message', message_ts: ts, channel_id: 'C0GENERAL', is_ephemeral: false },
      message: { ts, text: 'card', bot_id: 'B0BOT', app_id: 'A0TEST' },
      state: { values: state },
      actions: [
        { type: 'button', action_id: 'go', block_id: 'buttons', value: 'req_1', action_ts: expect.any(String) },
      ],
    });
    expect(await click({ type: 'button', action_id: 'gone', block_id: 'buttons' })).toEqual({
      ok: false,
      error: 'no_such_action',
    });
    const foreign = { ...selected_option, value: 'z' };
    const forged = { type: 'static_select', action_id: 'pick', block_id: 'buttons', selected_option: foreign };
    expect(await click(forged)).toEqual({ ok: false, error: 'no_such_option' });
    expect(received).toHaveLength(1);
  });

  test('in the App Home carries the view, and no channel or response_url', async () => {
    await api('views.publish', { user_id: 'U0DANA', view: { type: 'home', blocks: [aButton('x')] } });
    const { id } = slack.control.state('U0DANA').home!;
    const action = { type: 'button', action_id: 'x', block_id: 'buttons' };
    await slack.control.act({ kind: 'action', as: 'U0DANA', from: { view: id }, action, state: {} });
    const payload = payloadOf(received[0]!);
    expect(payload).toMatchObject({ container: { type: 'view', view_id: id }, view: { id, type: 'home' } });
    expect([payload.channel, payload.response_url]).toEqual([undefined, undefined]);
    expect(await slack.control.act({ kind: 'action', as: 'U0OLIVIA', from: { view: id }, action, state: {} })).toEqual({
      ok: false,
      error: 'not_found',
    });
  });
});

describe('a trigger', () => {
  const open = (trigger_id: string, view: object = modal([textInput('a')])) => api('views.open', { trigger_id, view });
  async function trigger(): Promise<string> {
    await command();
    return fieldsOf(received.at(-1)!).trigger_id!;
  }

  test('opens one modal, within three seconds', async () => {
    const first = await trigger();
    expect(await open(first)).toMatchObject({
      ok: true,
      view: { type: 'modal', state: { values: { a: { a: { value: null } } } } },
    });
    expect(await open(first)).toMatchObject({ error: 'exchanged_trigger_id' });
    const late = await trigger();
    slack.control.advance(3001);
    expect(await open(late)).toMatchObject({ error: 'expired_trigger_id' });
    const ended = await trigger();
    slack.control.expireTriggers();
    expect(await open(ended)).toMatchObject({ error: 'expired_trigger_id' });
  });

  test('of a command has nothing to push onto', async () => {
    expect(await api('views.push', { trigger_id: await trigger(), view: modal([]) })).toMatchObject({
      error: 'invalid_trigger_id',
    });
  });

  test('is not used up by a view that Slack refuses', async () => {
    const one = await trigger();
    expect(await open(one, modal([{ type: 'nothing' }]))).toMatchObject({ error: 'invalid_arguments' });
    expect(await open(one)).toMatchObject({ ok: true });
  });
});

describe('a modal', () => {
  async function opened(view: object): Promise<{ id: string; hash: string }> {
    await command();
    const { trigger_id } = fieldsOf(received.at(-1)!);
    const answer = (await api('views.open', { trigger_id, view })) as { view: { id: string; hash: string } };
    return answer.view;
  }
  const submit = (view: string, state = {}) => slack.control.act({ kind: 'submit', as: 'U0DANA', view, state });
  const typed = (name: string, value: string) => ({ [name]: { [name]: { type: 'plain_text_input', value } } });

  test('is not sent while its inputs are not right', async () => {
    const { id } = await opened(
      modal([
        textInput('short', { min_length: 3, max_length: 5 }),
        textInput('free', {}, { optional: true }),
        { ...textInput('mail'), element: { type: 'email_text_input', action_id: 'mail' } },
        {
          ...textInput('count'),
          element: { type: 'number_input', action_id: 'count', is_decimal_allowed: false, max_value: '9' },
        },
      ]),
    );
    const state = { ...typed('short', 'ab'), ...typed('mail', 'nobody'), ...typed('count', '10') };
    expect(await submit(id, state)).toEqual({
      ok: false,
      error: 'missing_required',
      errors: {
        short: 'This must be at least 3 characters.',
        mail: 'Enter a valid email address.',
        count: 'This must be at most 9.',
      },
    });
    expect(received).toHaveLength(1);
    expect(
      await submit(id, { ...typed('short', 'abc'), ...typed('mail', 'a@b.example'), ...typed('count', '9') }),
    ).toEqual({ ok: true });
    expect(payloadOf(received[1]!)).toMatchObject({ type: 'view_submission', view: { id, callback_id: 'form' } });
  });

  test('is updated and pushed onto by the answer, keeps what was typed, and is cleared', async () => {
    const { id } = await opened(modal([textInput('a'), textInput('b', { initial_value: 'first' })]));
    answer = () => ({
      body: { response_action: 'update', view: modal([textInput('a'), textInput('c', { initial_value: 'new' })]) },
    });
    await submit(id, typed('a', 'typed'));
    answer = () => ({
      body: { response_action: 'push', view: modal([], { submit: { type: 'plain_text', text: 'Go' } }) },
    });
    await submit(id);
    expect(payloadOf(received.at(-1)!)).toMatchObject({
      view: { state: { values: { a: { a: { value: 'typed' } }, c: { c: { value: 'new' } } } } },
    });
    const stack = slack.control.state('U0DANA').views;
    expect(stack).toHaveLength(2);
    expect(await submit(id)).toEqual({ ok: false, error: 'not_found' });
    answer = () => ({ body: { response_action: 'clear' } });
    await submit(stack[1]!.id);
    expect(payloadOf(received.at(-1)!)).toMatchObject({ view: { previous_view_id: id, root_view_id: id } });
    expect(slack.control.state('U0DANA').views).toEqual([]);
  });

  test('stays open when the app does not answer, or answers what Slack does not understand', async () => {
    const { id } = await opened(modal([textInput('a', { initial_value: 'x' })]));
    answer = () => 'silence';
    expect(await submit(id)).toEqual({ ok: false, error: 'app_timeout' });
    answer = () => ({ body: { response_action: 'errors', errors: { elsewhere: 'x' } } });
    expect(await submit(id)).toEqual({ ok: false, error: 'invalid_response_action' });
    answer = () => ({ body: { response_action: 'update', view: modal([{ type: 'nothing' }]) } });
    expect(await submit(id)).toEqual({ ok: false, error: 'invalid_arguments' });
    expect(slack.control.state('U0DANA').views).toHaveLength(1);
  });

  test('tells that it was closed when the app asked for that, and is then gone for views.update', async () => {
    const { id, hash } = await opened(modal([], { notify_on_close: true, private_metadata: 'mine' }));
    const changed = (await api('views.update', { view_id: id, hash, view: modal([], { notify_on_close: true }) })) as {
      ok: boolean;
    };
    expect(changed.ok).toBe(true);
    expect(await api('views.update', { view_id: id, hash, view: modal([]) })).toMatchObject({ error: 'hash_conflict' });
    await slack.control.act({ kind: 'close', as: 'U0DANA', view: id });
    expect(payloadOf(received.at(-1)!)).toMatchObject({ type: 'view_closed', is_cleared: false, view: { id } });
    expect(await api('views.update', { view_id: id, view: modal([]) })).toMatchObject({ error: 'not_found' });
  });
});

describe('an event', () => {
  const eventsOf = (list: Received[]) => list.map((each) => JSON.parse(each.body) as Record<string, unknown>);

  test('is delivered as JSON with its envelope, only when the app subscribed', async () => {
    await slack.control.addUser({ id: 'U0NEW', name: 'new', realName: 'New Person' });
    await slack.control.sendEvent({ type: 'reaction_added' });
    await slack.control.deactivateUser('U0NEW');
    expect(received.map((each) => each.path)).toEqual(['/slack/events', '/slack/events']);
    expect(eventsOf(received)).toMatchObject([
      {
        type: 'event_callback',
        team_id: 'T0TEST',
        event_id: expect.stringMatching(/^Ev/),
        event: { type: 'team_join', user: { id: 'U0NEW', team_id: 'T0TEST', deleted: false } },
        authorizations: [{ user_id: 'U0BOT', is_bot: true }],
      },
      { event: { type: 'user_change', user: { id: 'U0NEW', deleted: true } } },
    ]);
  });

  test('of a user group says what is new: the group as a whole, or who came and went', async () => {
    await slack.control.addGroup({ id: 'S0NEW', name: 'New', handle: 'new', members: ['U0DANA'] });
    await slack.control.changeGroup('S0NEW', { name: 'Newer' });
    await slack.control.changeGroup('S0NEW', { members: ['U0OLIVIA'] });
    await slack.control.changeGroup('S0NEW', { disabled: true });
    expect(eventsOf(received).map(({ event }) => event)).toMatchObject([
      { type: 'subteam_created', subteam: { id: 'S0NEW', name: 'New', users: ['U0DANA'], date_delete: 0 } },
      { type: 'subteam_updated', subteam: { id: 'S0NEW', name: 'Newer', user_count: 1 } },
      { type: 'subteam_members_changed', subteam_id: 'S0NEW', added_users: ['U0OLIVIA'], removed_users: ['U0DANA'] },
      { type: 'subteam_updated', subteam: { id: 'S0NEW', date_delete: expect.toSatisfy((at) => Number(at) > 0) } },
    ]);
  });

  test('that failed comes again three times with the same id, numbered and with the reason', async () => {
    answer = () => ({ status: 500 });
    await slack.control.addUser({ name: 'new', realName: 'New Person' });
    await slack.control.settled();
    expect(received.map((each) => each.headers['x-slack-retry-num'])).toEqual([undefined, '1', '2', '3']);
    expect(received[1]!.headers['x-slack-retry-reason']).toBe('http_error');
    expect(new Set(eventsOf(received).map((each) => each.event_id)).size).toBe(1);
  });

  test('stops coming when it was taken, or when the app asks for no repetition', async () => {
    answer = ({ headers }) => (headers['x-slack-retry-num'] === '1' ? {} : { status: 503 });
    await slack.control.addUser({ name: 'one', realName: 'One' });
    await slack.control.settled();
    expect(received).toHaveLength(2);
    answer = () => ({ status: 503, headers: { 'x-slack-no-retry': '1' } });
    await slack.control.addUser({ name: 'two', realName: 'Two' });
    await slack.control.settled();
    expect(received).toHaveLength(3);
  });

  test('that nobody answers is a timeout', async () => {
    answer = () => 'silence';
    await slack.control.addUser({ name: 'new', realName: 'New Person' });
    await vi.waitFor(() => expect(received.length).toBeGreaterThan(1));
    expect(received[1]!.headers['x-slack-retry-reason']).toBe('http_timeout');
  });
});

test('every delivery can be made to arrive several times, with the same ids', async () => {
  slack.control.duplicateDeliveries(3);
  answer = () => ({ body: 'once' });
  await command();
  expect(received).toHaveLength(3);
  expect(new Set(received.map((each) => fieldsOf(each).trigger_id)).size).toBe(1);
  expect(shownTo('U0DANA')).toEqual(['once']);
  expect(slack.control.sent('/keys')).toHaveLength(3);
});

describe('Socket Mode', () => {
  let bolt: WithBolt;
  afterEach(() => bolt.close());

  test('an app that is asked to reconnect does, and hears what comes then', async () => {
    bolt = await withBolt('socket', (app) => app.command('/keys', async ({ ack }) => ack('here')));
    const { control } = bolt.slack;
    control.refreshSockets();
    await vi.waitFor(() => expect(control.openSockets()).toBe(1), 10_000);
    expect(await control.act({ kind: 'command', as: 'U0DANA', channel: 'C0GENERAL', text: '/keys' })).toEqual({
      ok: true,
    });
    control.dropSockets();
    expect(await control.act({ kind: 'command', as: 'U0DANA', channel: 'C0GENERAL', text: '/keys' })).toEqual({
      ok: false,
      error: 'app_unreachable',
    });
    await vi.waitFor(() => expect(control.openSockets()).toBe(1), 10_000);
  });

  test('an event that was not acknowledged comes again, numbered', async () => {
    let tries = 0;
    bolt = await withBolt(
      'socket',
      (app) => {
        app.use(async ({ context, next }) => {
          tries = Math.max(tries, context.retryNum ?? 0);
          await next();
        });
        app.event('team_join', async () => {});
      },
      { speeds: { ackMs: 300, redeliverMs: [0, 20, 20] } },
    );
    const { control } = bolt.slack;
    control.dropApp();
    await control.addUser({ name: 'new', realName: 'New Person' });
    control.dropApp(false);
    await control.settled();
    expect(tries).toBeGreaterThan(0);
    expect(control.sent('team_join').at(-1)!.outcome).toMatchObject({ ok: true });
  });

  test('a ticket opens one connection, once', async () => {
    bolt = await withBolt('socket', () => {});
    const response = await fetch(`${bolt.slack.url}/api/apps.connections.open`, {
      method: 'POST',
      headers: { authorization: 'Bearer xapp-test' },
    });
    const { url } = (await response.json()) as { url: string };
    const first = new WebSocket(url);
    const [hello] = (await once(first, 'message')) as [Buffer];
    expect(JSON.parse(hello.toString())).toMatchObject({
      type: 'hello',
      num_connections: 2,
      connection_info: { app_id: 'A0TEST' },
    });
    const again = new WebSocket(url);
    await once(again, 'error');
    first.close();
    await vi.waitFor(() => expect(bolt.slack.control.openSockets()).toBe(1), 5_000);
  });
});
