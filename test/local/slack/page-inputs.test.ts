import type { BlockAction, ViewOutput } from '@slack/bolt';
import { describe, expect, test, vi } from 'vitest';
import { chromiumPath } from '../../support/chromium.ts';
import { dialog, focused, mrkdwn, plain, send, usePages } from './page-world.ts';
import { modal } from './world.ts';

const { pageAs, world } = usePages();

const option = (value: string, text: string) => ({ value, text: { ...plain(text), emoji: true } });
const field = (name: string, element: object, more: object = {}) => ({
  type: 'input',
  block_id: name,
  label: plain(name),
  element: { action_id: name, ...element },
  ...more,
});
const choices = [option('a', 'Apple'), option('b', 'Banana'), option('c', 'Cherry')];
const groups = [
  { label: plain('Red'), options: [option('a', 'Apple'), option('c', 'Cherry')] },
  { label: plain('Yellow'), options: [option('b', 'Banana')] },
];

describe.skipIf(!chromiumPath)('inputs in the page of the local Slack (in Chromium)', () => {
  test('every kind of input gives its value in the form that Slack gives it', async () => {
    const taken: ViewOutput['state']['values'][] = [];
    const { slack } = await world((app) => {
      app.command('/keys', async ({ ack, client, body }) => {
        await ack();
        const view = modal([
          field('line', { type: 'plain_text_input', max_length: 20 }),
          field('lines', { type: 'plain_text_input', multiline: true, initial_value: 'as proposed' }),
          field('nothing', { type: 'plain_text_input' }, { optional: true }),
          field('number', { type: 'number_input', is_decimal_allowed: false, min_value: '1', max_value: '9' }),
          field('static', { type: 'static_select', options: choices }),
          field('grouped', { type: 'static_select', option_groups: groups, initial_option: choices[1] }),
          field('external', { type: 'external_select', min_query_length: 2 }),
          field('several', { type: 'multi_static_select', options: choices, max_selected_items: 2 }),
          field('person', { type: 'users_select' }),
          field('people', { type: 'multi_users_select', initial_users: ['U0DANA'] }),
          field('channel', { type: 'channels_select' }, { optional: true }),
          field('radio', { type: 'radio_buttons', options: choices, initial_option: choices[0] }),
          field('boxes', { type: 'checkboxes', options: choices, initial_options: [choices[0]] }),
          field('date', { type: 'datepicker', initial_date: '2026-12-24' }),
          field('time', { type: 'timepicker' }),
          field('moment', { type: 'datetimepicker' }),
          field('cleared', { type: 'static_select', options: choices, initial_option: choices[0] }, { optional: true }),
        ]);
        await client.views.open({ trigger_id: body.trigger_id, view });
      });
      app.options('external', ({ ack, options }) => ack({ options: [option('x', `Found ${options.value}`)] }));
      app.view('form', async ({ ack, view }) => {
        taken.push(view.state.values);
        await ack();
      });
    });
    const page = await pageAs(slack, 'U0DANA');
    await send(page, '/keys');
    const form = dialog(page);
    const at = (name: string) => form.locator(`[data-action-id=${name}]`);
    const choose = async (name: string, text: string) => {
      await at(name).click();
      await page.getByRole('option', { name: text }).click();
    };
    await form.getByLabel('line', { exact: true }).fill('one line');
    await form.getByLabel('number').fill('12');
    await choose('static', 'Cherry');
    await at('grouped').click();
    expect(await page.getByRole('group', { name: 'Red' }).getByRole('option').count()).toBe(2);
    await page.keyboard.press('Escape');
    expect(await form.isVisible()).toBe(true);
    await at('external').fill('z');
    await page.getByRole('listbox').getByText('Type at least 2 characters to search').waitFor();
    await at('external').fill('zz');
    await page.getByRole('option', { name: 'Found zz' }).click();
    await choose('several', 'Banana');
    await choose('several', 'Apple');
    await at('several').click();
    await page.getByRole('option', { name: 'Cherry' }).click();
    await page.getByRole('listbox').getByText('You can choose up to 2.').waitFor();
    await page.keyboard.press('Escape');
    await at('person').fill('oliv');
    await page.keyboard.press('Enter');
    await choose('people', 'Olivia Owner');
    // A slow press, which takes the focus from the field and its open list long before it is a click.
    await form.getByRole('button', { name: 'Remove Dana Developer' }).click({ delay: 100 });
    await form.getByRole('button', { name: 'Remove Dana Developer' }).waitFor({ state: 'hidden' });
    await form.getByRole('radiogroup', { name: 'radio' }).getByLabel('Banana').check();
    await form.getByRole('group', { name: 'boxes' }).getByLabel('Cherry').check();
    await form.getByRole('group', { name: 'boxes' }).getByLabel('Apple').uncheck();
    await at('time').fill('14:30');
    await at('moment').fill('2026-12-24T18:00');
    await at('cleared').fill('');
    await at('line').focus();
    await form.getByRole('button', { name: 'Send' }).click();
    expect(await form.getByTestId('field-error').allInnerTexts()).toEqual(['Must be at most 9.']);
    await form.getByLabel('number').fill('7');
    await form.getByRole('button', { name: 'Send' }).click();
    await form.waitFor({ state: 'hidden' });
    expect(taken).toEqual([
      {
        line: { line: { type: 'plain_text_input', value: 'one line' } },
        lines: { lines: { type: 'plain_text_input', value: 'as proposed' } },
        nothing: { nothing: { type: 'plain_text_input', value: null } },
        number: { number: { type: 'number_input', value: '7' } },
        static: { static: { type: 'static_select', selected_option: choices[2] } },
        grouped: { grouped: { type: 'static_select', selected_option: choices[1] } },
        external: { external: { type: 'external_select', selected_option: option('x', 'Found zz') } },
        several: { several: { type: 'multi_static_select', selected_options: [choices[1], choices[0]] } },
        person: { person: { type: 'users_select', selected_user: 'U0OLIVIA' } },
        people: { people: { type: 'multi_users_select', selected_users: ['U0OLIVIA'] } },
        channel: { channel: { type: 'channels_select', selected_channel: null } },
        radio: { radio: { type: 'radio_buttons', selected_option: choices[1] } },
        boxes: { boxes: { type: 'checkboxes', selected_options: [choices[2]] } },
        date: { date: { type: 'datepicker', selected_date: '2026-12-24' } },
        time: { time: { type: 'timepicker', selected_time: '14:30' } },
        // People of the seed live in UTC.
        moment: { moment: { type: 'datetimepicker', selected_date_time: Date.UTC(2026, 11, 24, 18) / 1000 } },
        cleared: { cleared: { type: 'static_select', selected_option: null } },
      },
    ]);
  });

  test('elements in a message tell the app at once, and keep what was chosen when the message is edited', async () => {
    const heard: unknown[] = [];
    const card = (title: string) => [
      {
        type: 'section' as const,
        block_id: 'head',
        text: mrkdwn(title),
        accessory: {
          type: 'overflow' as const,
          action_id: 'more',
          options: [option('snooze', 'Snooze…'), option('hand', 'Hand over…')],
        },
      },
      {
        type: 'actions' as const,
        block_id: 'choose',
        elements: [
          { type: 'static_select' as const, action_id: 'hours', placeholder: plain('How long'), options: choices },
          { type: 'button' as const, action_id: 'go', text: plain('Go'), value: '1' },
        ],
      },
    ];
    const { slack } = await world((app) => {
      app.command('/keys', async ({ ack, client, body }) => {
        await ack();
        await client.chat.postMessage({ channel: body.channel_id, text: 'Card', blocks: card('*Before*') });
      });
      app.action<BlockAction>(/.*/, async ({ ack, client, body, action }) => {
        await ack();
        heard.push({ ...action, state: body.state?.values });
        if (action.action_id === 'hours')
          await client.chat.update({
            channel: body.channel!.id,
            ts: body.message!.ts,
            text: 'Card',
            blocks: card('*After*'),
          });
      });
    });
    const page = await pageAs(slack, 'U0DANA');
    await send(page, '/keys');
    const message = page.getByTestId('message');
    const select = message.getByRole('combobox', { name: 'How long' });
    await select.click();
    await page.getByRole('option', { name: 'Banana' }).click();
    await message.getByText('After').waitFor();
    expect(await select.inputValue()).toBe('Banana');
    expect(await focused(page).getAttribute('data-action-id')).toBe('hours');
    await message.getByRole('button', { name: 'Go' }).click();
    await message
      .getByRole('button', { name: /After|More/ })
      .first()
      .click();
    await page.getByRole('menuitem', { name: 'Hand over…' }).click();
    const state = { choose: { hours: { type: 'static_select', selected_option: choices[1] } } };
    await vi.waitFor(
      () =>
        expect(heard).toMatchObject([
          { type: 'static_select', action_id: 'hours', block_id: 'choose', selected_option: choices[1], state },
          { type: 'button', action_id: 'go', value: '1', state },
          { type: 'overflow', action_id: 'more', selected_option: option('hand', 'Hand over…'), state },
        ]),
      10_000,
    );
  });
});
