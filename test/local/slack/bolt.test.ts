import { afterEach, describe, expect, test, vi } from 'vitest';
import { aButton, modal, textInput, type WithBolt, withBolt } from './world.ts';

let running: WithBolt | undefined;
afterEach(async () => {
  await running?.close();
  running = undefined;
});

describe.each(['http', 'socket'] as const)('a Bolt app over %s', (mode) => {
  test('answers a command to the person alone, at once and by response_url', async () => {
    running = await withBolt(mode, (app) => {
      app.command('/keys', async ({ ack, respond, command }) => {
        await ack({ text: `you said ${command.text}` });
        await respond({ text: 'and later', response_type: 'in_channel' });
      });
    });
    const { control } = running.slack;
    const done = await control.act({
      kind: 'command',
      as: 'U0DANA',
      channel: 'C0GENERAL',
      text: '/keys hello @olivia',
    });
    expect(done).toEqual({ ok: true });
    await vi.waitFor(() => expect(control.messages('U0DANA', 'C0GENERAL')).toHaveLength(2));
    expect(control.messages('U0DANA', 'C0GENERAL')).toMatchObject([
      { text: 'you said hello <@U0OLIVIA|olivia>', ephemeral: true, isApp: true },
      { text: 'and later', ephemeral: false },
    ]);
    expect(control.messages('U0OLIVIA', 'C0GENERAL').map((each) => each.text)).toEqual(['and later']);
  });

  test('opens a form, refuses what is wrong in it, and takes it', async () => {
    const got: unknown[] = [];
    running = await withBolt(mode, (app) => {
      app.command('/keys', async ({ ack, client, body }) => {
        await ack();
        await client.views.open({
          trigger_id: body.trigger_id,
          view: modal([textInput('reason'), textInput('more', { initial_value: 'as before' }, { optional: true })]),
        });
      });
      app.view('form', async ({ ack, view }) => {
        if (view.state.values.reason!.reason!.value === 'bad')
          return ack({ response_action: 'errors', errors: { reason: 'Say more' } });
        got.push(view.state.values);
        await ack();
      });
    });
    const { control } = running.slack;
    await control.act({ kind: 'command', as: 'U0DANA', channel: 'C0GENERAL', text: '/keys' });
    await vi.waitFor(() => expect(control.state('U0DANA').views).toHaveLength(1));
    expect(control.state('U0OLIVIA').views).toEqual([]);
    const view = control.state('U0DANA').views[0]!.id;
    const reason = (value: string) => ({ reason: { reason: { type: 'plain_text_input', value } } });
    expect(await control.act({ kind: 'submit', as: 'U0DANA', view, state: {} })).toEqual({
      ok: false,
      error: 'missing_required',
      errors: { reason: 'Please complete this required field.' },
    });
    expect(await control.act({ kind: 'submit', as: 'U0DANA', view, state: reason('bad') })).toEqual({
      ok: true,
      errors: { reason: 'Say more' },
    });
    expect(control.state('U0DANA').views[0]!.errors).toEqual({ reason: 'Say more' });
    expect(await control.act({ kind: 'submit', as: 'U0DANA', view, state: reason('good') })).toEqual({ ok: true });
    expect(control.state('U0DANA').views).toEqual([]);
    expect(got).toEqual([
      {
        reason: { reason: { type: 'plain_text_input', value: 'good' } },
        more: { more: { type: 'plain_text_input', value: 'as before' } },
      },
    ]);
  });

  test('hears a click in a message and edits the message in place', async () => {
    running = await withBolt(mode, (app) => {
      app.action('approve', async ({ ack, respond, action }) => {
        await ack();
        await respond({ text: `approved ${(action as { value: string }).value}`, replace_original: true });
      });
    });
    const { control } = running.slack;
    const posted = await running.app.client.chat.postMessage({
      channel: '#general',
      text: 'Approve?',
      blocks: [aButton('approve', 'req_1')],
    });
    const click = { type: 'button', action_id: 'approve', block_id: 'buttons', value: 'forged' };
    const from = { channel: 'C0GENERAL', ts: posted.ts! };
    expect(await control.act({ kind: 'action', as: 'U0OLIVIA', from, action: click, state: {} })).toEqual({ ok: true });
    await vi.waitFor(() =>
      expect(control.messages('U0DANA', 'C0GENERAL')).toMatchObject([
        { text: 'approved req_1', blocks: [], edited: true },
      ]),
    );
  });

  test('publishes the App Home when it is opened', async () => {
    running = await withBolt(mode, (app) => {
      app.event('app_home_opened', async ({ event, client }) => {
        await client.views.publish({
          user_id: event.user,
          view: { type: 'home', blocks: [{ type: 'divider' }, aButton('x')] },
        });
      });
    });
    const { control } = running.slack;
    expect(await control.act({ kind: 'openHome', as: 'U0DANA' })).toEqual({ ok: true });
    await vi.waitFor(() => expect(control.state('U0DANA').home?.view.blocks).toHaveLength(2));
    expect(control.state('U0OLIVIA').home).toBeNull();
  });

  test('suggests options, hears both kinds of shortcut, and stacks three views at most', async () => {
    const heard: string[] = [];
    const search = {
      type: 'input',
      block_id: 'key',
      label: { type: 'plain_text', text: 'Key' },
      element: { type: 'external_select', action_id: 'key', min_query_length: 0 },
    };
    running = await withBolt(mode, (app) => {
      app.shortcut('report', async ({ ack, client, body }) => {
        await ack();
        heard.push(body.type);
        await client.views.open({ trigger_id: body.trigger_id, view: modal([search, aButton('deeper')]) });
      });
      app.shortcut('report-message', async ({ ack, body }) => {
        await ack();
        heard.push(`${body.type} ${(body as { message: { text: string } }).message.text}`);
      });
      app.options('key', async ({ ack, payload }) => {
        await ack({ options: [{ text: { type: 'plain_text', text: `found ${payload.value}` }, value: 'key_1' }] });
      });
      app.action('deeper', async ({ ack, client, body }) => {
        await ack();
        await client.views
          .push({ trigger_id: (body as { trigger_id: string }).trigger_id, view: modal([aButton('deeper')]) })
          .catch((error: { data: { error: string } }) => heard.push(error.data.error));
      });
    });
    const { control } = running.slack;
    expect(await control.act({ kind: 'shortcut', as: 'U0DANA', callbackId: 'report' })).toEqual({ ok: true });
    await vi.waitFor(() => expect(control.state('U0DANA').views).toHaveLength(1));
    const first = control.state('U0DANA').views[0]!.id;
    const asked = { kind: 'suggest', as: 'U0DANA', from: { view: first }, blockId: 'key', actionId: 'key' } as const;
    expect(await control.act({ ...asked, value: 'open' })).toEqual({
      ok: true,
      options: [{ text: { type: 'plain_text', text: 'found open' }, value: 'key_1' }],
    });
    const press = { type: 'button', action_id: 'deeper', block_id: 'buttons' };
    for (const height of [2, 3]) {
      const view = control.state('U0DANA').views.at(-1)!.id;
      await control.act({ kind: 'action', as: 'U0DANA', from: { view }, action: press, state: {} });
      await vi.waitFor(() => expect(control.state('U0DANA').views).toHaveLength(height));
    }
    const top = control.state('U0DANA').views.at(-1)!.id;
    await control.act({ kind: 'action', as: 'U0DANA', from: { view: top }, action: press, state: {} });
    await vi.waitFor(() => expect(heard).toContain('push_limit_reached'));

    await control.act({ kind: 'say', as: 'U0DANA', channel: 'C0GENERAL', text: 'sk-live & more' });
    const { ts } = control.messages('U0DANA', 'C0GENERAL')[0]!;
    const message = { channel: 'C0GENERAL', ts };
    expect(await control.act({ kind: 'shortcut', as: 'U0OLIVIA', callbackId: 'report-message', message })).toEqual({
      ok: true,
    });
    expect(heard).toEqual(['shortcut', 'push_limit_reached', 'message_action sk-live &amp; more']);
  });
});
