import type { BlockAction, MessageShortcut } from '@slack/bolt';
import { WebClient } from '@slack/web-api';
import type { Page } from 'playwright-core';
import { describe, expect, test, vi } from 'vitest';
import { startLocalSlack } from '../../../src/local/slack/server.ts';
import { chromiumPath } from '../../support/chromium.ts';
import { dialog, focused, fromEnd, keysApp, mrkdwn, plain, send, usePages } from './page-world.ts';
import { aSlack, modal, seed, textInput } from './world.ts';

const { closing, newPage, pageAs, world } = usePages();

describe.skipIf(!chromiumPath)('the page of the local Slack (in Chromium)', () => {
  test('lets a request be asked for and approved with the keyboard alone', async () => {
    const card = (lines: string, buttons: boolean) => [
      { type: 'section' as const, text: mrkdwn(lines) },
      ...(buttons
        ? [
            {
              type: 'actions' as const,
              elements: [
                {
                  type: 'button' as const,
                  action_id: 'approve',
                  style: 'primary' as const,
                  text: plain('Approve'),
                  value: 'req_1',
                  confirm: {
                    title: plain('Production key'),
                    text: plain('Really?'),
                    confirm: plain('Approve it'),
                    deny: plain('Cancel'),
                  },
                },
              ],
            },
          ]
        : []),
    ];
    const { slack } = await world((app) => {
      const form = (asked: string | null) =>
        modal([
          {
            type: 'input',
            block_id: 'key',
            dispatch_action: true,
            label: plain('Key'),
            element: { type: 'external_select', action_id: 'key', min_query_length: 0 },
          },
          textInput('use'),
          {
            type: 'input',
            block_id: 'hours',
            label: plain('For how long?'),
            element: {
              type: 'static_select',
              action_id: 'hours',
              options: ['1 hour', '8 hours', '1 day'].map((each, i) => ({ value: String(i), text: plain(each) })),
              initial_option: { value: '0', text: plain('1 hour') },
            },
          },
          ...(asked ? [{ type: 'context', elements: [mrkdwn(`${asked} will be asked`)] }] : []),
        ]);
      app.command('/keys', async ({ ack, client, body }) => {
        await ack();
        const loading = modal([{ type: 'section', text: plain('One moment…') }]);
        const { view } = await client.views.open({ trigger_id: body.trigger_id, view: loading });
        await client.views.update({ view_id: view!.id!, view: form(null) });
      });
      app.options('key', ({ ack, options }) =>
        ack({
          options: ['OpenAI - Production', 'OpenAI - Staging', 'Stripe - Production']
            .filter((each) => each.toLowerCase().includes(options.value.toLowerCase()))
            .map((each) => ({ value: each, text: plain(each) })),
        }),
      );
      app.action<BlockAction>('key', async ({ ack, client, body }) => {
        await ack();
        await client.views.update({ view_id: body.view!.id, view: form('Olivia') });
      });
      app.view('form', async ({ ack, view, client }) => {
        await ack();
        const { key, use, hours } = view.state.values;
        const lines = [key!.key!.selected_option!.value, use!.use!.value, hours!.hours!.selected_option!.text.text];
        await client.chat.postMessage({
          channel: 'U0OLIVIA',
          text: 'Access request',
          blocks: card(lines.join('\n'), true),
        });
      });
      app.action<BlockAction>('approve', async ({ ack, client, body }) => {
        await ack();
        await client.chat.update({
          channel: body.channel!.id,
          ts: body.message!.ts,
          text: 'Approved',
          blocks: card('Approved', false),
        });
      });
    });

    const page = await newPage();
    await page.goto(slack.url);
    await page.getByRole('heading', { name: 'Who do you want to be?' }).waitFor();
    const press = async (...keys: string[]) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    // Choose who one is: the first in the list is Dana.
    await press('Tab');
    expect(await focused(page).innerText()).toContain('Dana Developer');
    await press('Enter');
    await page.getByTestId('composer').waitFor();
    await expect.poll(() => focused(page).getAttribute('data-testid')).toBe('composer');
    // A command by its completion: "/" offers /keys, then its verbs.
    await page.keyboard.type('/');
    await page.getByRole('option', { name: '/keys' }).waitFor();
    await press('Enter');
    await page.getByRole('option', { name: '/keys list' }).waitFor();
    await page.keyboard.type('req');
    await expect.poll(() => page.getByRole('option').count()).toBe(1);
    await press('Enter');
    expect(await page.getByTestId('composer').inputValue()).toBe('/keys request ');
    await press('Enter');
    // The form comes in place of the loading view, with its first field focused.
    await expect.poll(() => focused(page).getAttribute('data-action-id')).toBe('key');
    await page.keyboard.type('openai');
    await expect.poll(() => page.getByRole('option').count()).toBe(2);
    await press('ArrowDown', 'Enter');
    await page.getByText('Olivia will be asked').waitFor();
    expect(await focused(page).getAttribute('data-action-id')).toBe('key');
    expect(await focused(page).inputValue()).toBe('OpenAI - Staging');
    await press('Tab');
    await page.keyboard.type('Nightly job');
    await press('Tab', 'ArrowDown', 'ArrowDown', 'Enter', 'Shift+Tab');
    expect(await focused(page).inputValue()).toBe('Nightly job');
    await press('Enter');
    await dialog(page).waitFor({ state: 'hidden' });
    // Back where it began, with the command gone from the field.
    expect(await focused(page).getAttribute('data-testid')).toBe('composer');
    expect(await page.getByTestId('composer').inputValue()).toBe('');

    // Become Olivia through the quick switcher; what is new opens by itself.
    await press('Control+k');
    await page.keyboard.type('be olivia');
    await press('Enter');
    await page.getByRole('button', { name: 'You are Olivia Owner' }).waitFor();
    await page.getByRole('button', { name: 'Approve' }).waitFor();
    await expect
      .poll(() => page.getByTestId('message').innerText())
      .toContain('OpenAI - Staging\nNightly job\n8 hours');
    for (let i = 0; i < 12 && (await focused(page).getAttribute('data-action-id')) !== 'approve'; i++)
      await press('Shift+Tab');
    await press('Enter');
    await page.getByRole('dialog', { name: 'Production key' }).waitFor();
    await press('Escape');
    expect(await focused(page).getAttribute('data-action-id')).toBe('approve');
    await press('Enter', 'Enter');
    await page.getByText('Approved').waitFor();
    expect(await page.getByTestId('message').count()).toBe(1);
    expect(await focused(page).getAttribute('data-testid')).toBe('message');
  });

  test('keeps what was typed in a modal when the app finds it wrong, updates it or pushes another', async () => {
    const sent: unknown[] = [];
    const { slack } = await world((app) => {
      const form = (more: object[] = []) =>
        modal([
          textInput('use', { min_length: 3, initial_value: 'as proposed' }),
          textInput('reason', { multiline: true }, { hint: plain('Kept in the log') }),
          textInput('ticket', {}, { optional: true }),
          ...more,
          {
            type: 'actions',
            block_id: 'more',
            elements: [
              { type: 'button', action_id: 'update', text: plain('More fields') },
              { type: 'button', action_id: 'push', text: plain('Explain') },
            ],
          },
        ]);
      app.shortcut('report', async ({ ack, client, body }) => {
        await ack();
        await client.views.open({ trigger_id: body.trigger_id, view: form() });
      });
      app.action<BlockAction>('update', async ({ ack, client, body }) => {
        await ack();
        await client.views.update({
          view_id: body.view!.id,
          view: form([textInput('extra', { initial_value: 'new' })]),
        });
      });
      app.action<BlockAction>('push', async ({ ack, client, body }) => {
        await ack();
        const view = { ...modal([textInput('use')]), title: plain('Explanation'), submit: plain('Back to it') };
        await client.views.push({ trigger_id: body.trigger_id, view });
      });
      app.view('form', async ({ ack, view }) => {
        if (view.title.text === 'Explanation') return ack();
        const { reason } = view.state.values;
        if (reason!.reason!.value === 'bad')
          return ack({ response_action: 'errors', errors: { reason: '<b>Say more</b>' } });
        sent.push(view.state.values);
        await ack();
      });
    });
    const page = await pageAs(slack, 'U0DANA');
    await page.getByRole('button', { name: 'Shortcuts' }).click();
    await page.getByRole('menuitem', { name: 'Report' }).click();
    const form = page.getByRole('dialog', { name: 'A form' });
    const [use, reason, ticket] = ['use', 'reason', 'ticket'].map((name) =>
      form.getByLabel(name, { exact: name !== 'ticket' }),
    ) as [ReturnType<Page['getByLabel']>, ReturnType<Page['getByLabel']>, ReturnType<Page['getByLabel']>];
    await expect.poll(() => use.inputValue()).toBe('as proposed');
    expect(await form.getByText('(optional)').count()).toBe(1);

    // Required and too short: said here, the app is not asked.
    await use.fill('a');
    await form.getByRole('button', { name: 'Send' }).click();
    expect(await form.getByTestId('field-error').allInnerTexts()).toEqual([
      'Must be at least 3 characters long.',
      'Please complete this required field.',
    ]);
    expect(await focused(page).getAttribute('data-action-id')).toBe('use');
    expect(slack.control.sent('view_submission')).toEqual([]);

    // Far too long: what is left over stands beside what was typed, not on it.
    await ticket.fill('t'.repeat(3_100));
    const counted = form.getByText('-100', { exact: true });
    const [box, padding] = await Promise.all([
      ticket.boundingBox(),
      page.evaluate<string>(`getComputedStyle(document.querySelector('[data-action-id=ticket]')).paddingRight`),
    ]);
    expect((await counted.boundingBox())!.x).toBeGreaterThanOrEqual(box!.x + box!.width - Number.parseFloat(padding));

    // Wrong for the app: its sentence under the field, read out with it, and everything still there.
    await use.fill('long enough');
    await reason.fill('bad');
    await ticket.fill('PLAT-1');
    await form.getByRole('button', { name: 'Send' }).click();
    await expect.poll(() => form.getByTestId('field-error').allInnerTexts()).toEqual(['<b>Say more</b>']);
    expect(await reason.getAttribute('aria-invalid')).toBe('true');
    expect(await reason.getAttribute('aria-describedby')).toMatch(/-hint .*-error$/);
    expect([await use.inputValue(), await reason.inputValue(), await ticket.inputValue()]).toEqual([
      'long enough',
      'bad',
      'PLAT-1',
    ]);

    // Updated by the app, twice over.
    await form.getByRole('button', { name: 'More fields' }).click();
    await expect.poll(() => form.getByLabel('extra').inputValue()).toBe('new');
    expect([await use.inputValue(), await reason.inputValue(), await ticket.inputValue()]).toEqual([
      'long enough',
      'bad',
      'PLAT-1',
    ]);

    // Pushed over and back: a field of the same name above is another field.
    await form.getByRole('button', { name: 'Explain' }).click();
    const explanation = page.getByRole('dialog', { name: 'Explanation' });
    await explanation.getByLabel('use').fill('another');
    await explanation.getByRole('button', { name: 'Back', exact: true }).click();
    await expect.poll(() => use.inputValue()).toBe('long enough');

    await reason.fill('good <i>&amp;</i>');
    await reason.press('Control+Enter');
    await dialog(page).waitFor({ state: 'hidden' });
    expect(sent).toMatchObject([
      {
        use: { use: { value: 'long enough' } },
        reason: { reason: { value: 'good <i>&amp;</i>' } },
        ticket: { ticket: { value: 'PLAT-1' } },
        extra: { extra: { value: 'new' } },
      },
    ]);
    expect(await focused(page).getAttribute('aria-label')).toBe('Shortcuts');
  });

  test('shows ephemeral messages and private channels to those who may see them, as they come', async () => {
    const { slack } = await world((app) => {
      app.command('/keys', async ({ ack, respond }) => {
        await ack({ text: 'only for the asker' });
        await respond({ text: 'for all to see', response_type: 'in_channel' });
      });
    });
    const dana = await pageAs(slack, 'U0DANA');
    const olivia = await pageAs(slack, 'U0OLIVIA');
    await send(dana, '/keys help');
    await dana.getByText('only for the asker').waitFor();
    await olivia.getByText('for all to see').waitFor();
    expect(await dana.getByText('Only visible to you').count()).toBe(1);
    expect(await olivia.getByText('only for the asker').count()).toBe(0);
    const names = (page: Page) => page.getByTestId('channel').allInnerTexts();
    expect(await names(dana)).not.toContain('security');
    expect(await names(olivia)).toContain('security');
    // Unread marks: where Dana is not looking, and gone when she looks.
    await dana.getByTestId('channel').filter({ hasText: 'random' }).click();
    await send(olivia, 'anybody here?');
    await dana.getByRole('button', { name: 'general 1 unread' }).click();
    await dana.getByText('anybody here?').waitFor();
    await expect.poll(() => dana.getByRole('button', { name: 'general 1 unread' }).count()).toBe(0);
    // A member from now on.
    slack.control.addMember('C0SECRET', 'U0DANA');
    await dana.getByTestId('channel').filter({ hasText: 'security' }).waitFor();
    slack.control.removeMember('C0SECRET', 'U0DANA');
    await dana.getByTestId('channel').filter({ hasText: 'security' }).waitFor({ state: 'detached' });
  });

  test('shows no older answer over a newer one, in a channel or in a thread', async () => {
    const { slack } = await world(() => {});
    const say = (text: string, thread?: string) =>
      slack.control.act({ kind: 'say', as: 'U0DANA', channel: 'C0GENERAL', text, ...(thread ? { thread } : {}) });
    await say('root');
    const root = slack.control.messages('U0DANA', 'C0GENERAL')[0]!.ts;
    for (const [place, thread] of [
      ['', undefined],
      [`&thread=${root}`, root],
    ] as const) {
      const page = await newPage();
      const inThread = (url: string) => new URL(url).searchParams.has('thread') === Boolean(thread);
      let letGo: (() => Promise<void>) | undefined;
      // The first answer is held back until it is let go; those after it are not.
      await page.route(/page-api\/messages/, async (route) => {
        if (letGo || !inThread(route.request().url())) return route.continue();
        const response = await route.fetch();
        letGo = () => route.fulfill({ response });
      });
      await page.goto(`${slack.url}/?as=U0OLIVIA&at=C0GENERAL${place}`);
      await expect.poll(() => letGo).toBeDefined();
      const text = `said meanwhile ${place}`;
      await say(text, thread);
      await page.getByText(text).waitFor();
      const arrived = page.waitForEvent('requestfinished', (each) => inThread(each.url()));
      await letGo!();
      await arrived;
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
      expect(await page.getByText(text).count()).toBe(1);
    }
  });

  test('goes on in a seventh tab, and in one that nobody has looked at for a while', async () => {
    const { slack } = await world(() => {});
    const first = await newPage();
    const look = (page: Page, hidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${hidden} });
        document.dispatchEvent(new Event('visibilitychange'));`);
    const open = async (page: Page) => {
      await page.goto(`${slack.url}/?as=U0OLIVIA&at=C0GENERAL`);
      await page.getByTestId('composer').waitFor();
      return page;
    };
    await open(first);
    await look(first, true);
    for (let tabs = 1; tabs < 6; tabs++) await look(await open(await first.context().newPage()), true);
    const last = await open(await first.context().newPage());
    await send(last, 'does anybody hear me?');
    await last.getByText('does anybody hear me?').waitFor();
    expect(await first.getByText('does anybody hear me?').count()).toBe(0);
    await look(first, false);
    await first.getByText('does anybody hear me?').waitFor();
  });

  test('says when the app does not respond, and keeps the command and the buttons', async () => {
    const { slack } = await world(
      (app) => {
        app.command('/keys', async () => {});
        app.action('approve', async () => {});
      },
      { speeds: { ackMs: 300 } },
    );
    const page = await pageAs(slack, 'U0DANA');
    await send(page, '/keys request openai prod');
    await page.getByText('/keys failed because the app did not respond.').waitFor();
    expect(await page.getByTestId('composer').inputValue()).toBe('/keys request openai prod');
    await slack.control.act({ kind: 'say', as: 'U0DANA', channel: 'C0GENERAL', text: 'x' });
    await new WebClient('xoxb-test', { slackApiUrl: `${slack.url}/api/` }).chat.postMessage({
      channel: 'C0GENERAL',
      text: 'Decide',
      blocks: [
        { type: 'actions', elements: [{ type: 'button', action_id: 'approve', text: plain('Approve'), value: '1' }] },
      ],
    });
    const button = page.getByRole('button', { name: 'Approve' });
    await button.click();
    await page.getByRole('alert').filter({ hasText: 'Testbot did not respond' }).waitFor();
    expect(await button.getAttribute('aria-busy')).toBeNull();
    await page.getByTestId('composer').fill('');
    await page.getByTestId('composer').press('ArrowUp');
    expect(await page.getByTestId('composer').inputValue()).toBe('/keys request openai prod');
  });

  test('offers App Home, threads and what can be done with a message', async () => {
    const { slack } = await world((app) => {
      app.event('app_home_opened', async ({ event, client }) => {
        await client.views.publish({
          user_id: event.user,
          view: {
            type: 'home',
            blocks: [
              { type: 'header', text: plain('Waiting for you') },
              {
                type: 'actions',
                elements: [{ type: 'button', action_id: 'start', text: plain('Request access'), value: 'home' }],
              },
            ],
          },
        });
      });
      app.action<BlockAction>('start', async ({ ack, client, body }) => {
        await ack();
        await client.views.open({ trigger_id: body.trigger_id, view: modal([textInput('use')]) });
      });
      app.shortcut<MessageShortcut>('report-message', async ({ ack, client, shortcut }) => {
        await ack();
        const text = mrkdwn(`About: ${shortcut.message.text}`);
        await client.views.open({ trigger_id: shortcut.trigger_id, view: modal([{ type: 'section', text }]) });
      });
    });
    const page = await pageAs(slack, 'U0DANA');
    await send(page, 'my key is in this message');
    const message = page.getByTestId('messages').getByTestId('message');
    await message.hover();
    await message.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: 'Report this' }).click();
    await dialog(page).getByText('About: my key is in this message').waitFor();
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'hidden' });
    await message.focus();
    await page.keyboard.press('Enter');
    await page.getByTestId('thread-composer').fill('which one?');
    await page.getByTestId('thread-composer').press('Enter');
    await page.getByTestId('thread').getByText('which one?').waitFor();
    await page.getByRole('button', { name: '1 reply' }).waitFor();
    await page.getByRole('button', { name: 'Close thread' }).click();

    await page.getByTestId('channel').filter({ hasText: 'Testbot' }).click();
    const home = page.getByTestId('app-home');
    await home.getByRole('heading', { name: 'Waiting for you' }).waitFor();
    await home.getByRole('button', { name: 'Request access' }).click();
    await dialog(page).getByLabel('use').waitFor();
    await dialog(page).getByRole('button', { name: 'Close' }).click();
    await dialog(page).waitFor({ state: 'hidden' });
    await expect.poll(() => focused(page).getAttribute('data-action-id')).toBe('start');
    await page.getByRole('tab', { name: 'Messages' }).click();
    await page
      .getByRole('textbox', { name: 'Message Testbot' })
      .or(page.getByRole('combobox', { name: 'Message Testbot' }))
      .waitFor();
  });

  test('keeps its place while messages above change, and follows new ones at the end', async () => {
    const { slack, client } = await aSlack();
    closing(slack);
    const first = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'the first' });
    for (let i = 0; i < 60; i++) await client.chat.postMessage({ channel: 'C0GENERAL', text: `line ${i}` });
    const page = await pageAs(slack, 'U0DANA');
    await page.getByText('line 0', { exact: true }).waitFor();
    const place = () => page.locator('.scroller').evaluate(fromEnd);
    // What was unread is longer than the page: it opens where reading starts.
    await expect.poll(() => page.getByText('New', { exact: true }).isVisible()).toBe(true);
    await page.locator('.scroller').evaluate((node: { scrollTop: number; scrollHeight: number }) => {
      node.scrollTop = node.scrollHeight;
    });
    await expect.poll(place).toBeLessThan(2);
    await client.chat.postMessage({ channel: 'C0GENERAL', text: 'at the end' });
    await page.getByText('at the end').waitFor();
    await expect.poll(place).toBeLessThan(2);
    await page
      .getByText('line 30')
      .evaluate((node: { scrollIntoView(at: object): void }) => node.scrollIntoView({ block: 'start' }));
    const top = () =>
      page
        .getByText('line 30')
        .evaluate((node: { getBoundingClientRect(): { top: number } }) => node.getBoundingClientRect().top);
    const before = await top();
    await client.chat.update({ channel: 'C0GENERAL', ts: first.ts!, text: 'the first\nis longer\nnow' });
    await expect.poll(() => page.getByText('is longer').count()).toBe(1);
    await client.chat.postMessage({ channel: 'C0GENERAL', text: 'unseen' });
    await page.getByRole('button', { name: 'New messages' }).waitFor();
    expect(Math.abs((await top()) - before)).toBeLessThan(2);
    await page.getByRole('button', { name: 'New messages' }).click();
    await expect.poll(place).toBeLessThan(2);
  });

  test('has no place to write where only the app writes, and says so', async () => {
    const { slack, client } = await aSlack({ app: { ...keysApp, messagesReadOnly: true } });
    closing(slack);
    const { message, channel } = await client.chat.postMessage({ channel: 'U0DANA', text: 'a card' });
    await client.chat.postMessage({ channel: channel!, text: 'more of it', thread_ts: message!.ts! });
    const page = await pageAs(slack, 'U0DANA');
    await page.getByTestId('channel').filter({ hasText: 'Testbot' }).click();
    await page.getByText('Sending messages to Testbot is turned off. Type its commands in any channel.').waitFor();
    expect(await page.getByTestId('composer').count()).toBe(0);
    await page.getByText('a card').hover();
    await page.getByRole('button', { name: 'More actions' }).waitFor();
    expect(await page.getByRole('button', { name: 'Reply in thread' }).count()).toBe(0);
    await page.getByText('View thread').click();
    await page.getByTestId('thread').getByText('more of it').waitFor();
    expect(await page.getByTestId('thread').getByTestId('read-only').count()).toBe(1);
    expect(await page.getByTestId('thread-composer').count()).toBe(0);
    await page.getByTestId('channel').filter({ hasText: 'general' }).click();
    await page.getByTestId('composer').waitFor();
    expect(await page.getByTestId('read-only').count()).toBe(0);
  });

  test('follows permalinks to their message, in the page and from outside', async () => {
    const { slack, client } = await aSlack();
    closing(slack);
    const old = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'the old one' });
    const reply = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'its reply', thread_ts: old.ts! });
    for (let i = 0; i < 250; i++)
      await slack.control.act({ kind: 'say', as: 'U0OLIVIA', channel: 'C0GENERAL', text: `line ${i}` });
    const [toMessage, toReply] = await Promise.all(
      [old, reply].map(async (each) => {
        const { permalink } = await client.chat.getPermalink({ channel: 'C0GENERAL', message_ts: each.ts! });
        return permalink!;
      }),
    );
    await slack.control.act({ kind: 'say', as: 'U0DANA', channel: 'C0NOBOT', text: `look: ${toReply}` });
    const page = await pageAs(slack, 'U0DANA', 'C0NOBOT');
    await page.getByRole('link', { name: toReply! }).click();
    await page.getByTestId('thread').getByText('its reply').waitFor();
    await expect.poll(() => page.getByTestId('messages').getByText('the old one').isVisible()).toBe(true);
    expect(page.url()).toContain('at=C0GENERAL');
    await page.goto(toMessage!);
    await expect.poll(() => page.getByText('the old one').isVisible()).toBe(true);
    await page.getByRole('button', { name: 'You are Dana Developer' }).waitFor();
  });

  test('comes back by itself when the local Slack was away', async () => {
    const { slack } = await aSlack();
    const page = await pageAs(slack, 'U0DANA');
    await send(page, 'before');
    await page.getByTestId('messages').getByText('before').waitFor();
    await slack.close();
    await page.getByRole('status').filter({ hasText: 'does not answer' }).waitFor();
    const again = await vi.waitFor(() => startLocalSlack({ workspace: seed, app: keysApp, port: slack.port }), 10_000);
    closing(again);
    await page.getByRole('status').filter({ hasText: 'does not answer' }).waitFor({ state: 'hidden', timeout: 15_000 });
    await again.control.act({ kind: 'say', as: 'U0OLIVIA', channel: 'C0GENERAL', text: 'after' });
    await page.getByText('after').waitFor();
  });
});
