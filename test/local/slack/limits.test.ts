import type { KnownBlock } from '@slack/types';
import { describe, expect, test } from 'vitest';
import {
  problemsOfBlocks,
  problemsOfMessage,
  problemsOfOptions,
  problemsOfView,
} from '../../../src/local/slack/limits.ts';
import { modal, textInput } from './world.ts';

const long = (length: number) => 'x'.repeat(length);
const plain = (length: number) => ({ type: 'plain_text', text: long(length) });
const mrkdwn = (length: number) => ({ type: 'mrkdwn', text: long(length) });
const some = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const option = (i: number, more: object = {}) => ({ text: plain(3), value: `v${i}`, ...more });
const button = (more: object = {}) => ({ type: 'button', text: plain(3), ...more });
const actions = (...elements: object[]) => ({ type: 'actions', elements });
const select = (more: object) => actions({ type: 'static_select', action_id: 'a', ...more });
const input = (element: object, more: object = {}) => ({ type: 'input', label: plain(3), element, ...more });
const section = (more: object) => ({ type: 'section', ...more });
const confirm = (more: object) => button({ confirm: { text: mrkdwn(3), ...more } });
const table = (rows: number, columns: number, text = 'x') => ({
  type: 'table',
  rows: some(rows, () => some(columns, () => ({ type: 'raw_text', text }))),
});

/** What just fits, what does not any more, and where that is said. */
const limits: [
  what: string,
  fits: object[],
  breaks: object[],
  pointer: string,
  surface?: 'message' | 'modal' | 'home',
][] = [
  ['blocks in a message', some(50, () => ({ type: 'divider' })), some(51, () => ({ type: 'divider' })), '/blocks'],
  [
    'blocks in a modal',
    some(100, () => ({ type: 'divider' })),
    some(101, () => ({ type: 'divider' })),
    '/blocks',
    'modal',
  ],
  [
    'blocks in the Home',
    some(100, () => ({ type: 'divider' })),
    some(101, () => ({ type: 'divider' })),
    '/blocks',
    'home',
  ],
  ['text of a section', [section({ text: mrkdwn(3000) })], [section({ text: mrkdwn(3001) })], '/blocks/0/text/text'],
  ['empty text', [section({ text: mrkdwn(1) })], [section({ text: mrkdwn(0) })], '/blocks/0/text/text'],
  [
    'fields of a section',
    [section({ fields: some(10, () => mrkdwn(2000)) })],
    [section({ fields: some(11, () => mrkdwn(1)) })],
    '/blocks/0/fields',
  ],
  [
    'text of a field',
    [section({ fields: [mrkdwn(2000)] })],
    [section({ fields: [mrkdwn(2001)] })],
    '/blocks/0/fields/0/text',
  ],
  ['a section that says something', [section({ fields: [mrkdwn(1)] })], [section({})], '/blocks/0'],
  ['header', [{ type: 'header', text: plain(150) }], [{ type: 'header', text: plain(151) }], '/blocks/0/text/text'],
  [
    'header in plain text',
    [{ type: 'header', text: plain(1) }],
    [{ type: 'header', text: mrkdwn(1) }],
    '/blocks/0/text/type',
  ],
  [
    'context elements',
    [{ type: 'context', elements: some(10, () => mrkdwn(1)) }],
    [{ type: 'context', elements: some(11, () => mrkdwn(1)) }],
    '/blocks/0/elements',
  ],
  ['buttons', [actions(...some(25, () => button()))], [actions(...some(26, () => button()))], '/blocks/0/elements'],
  ['no buttons', [actions(button())], [actions()], '/blocks/0/elements'],
  [
    'button text',
    [actions(button({ text: plain(75) }))],
    [actions(button({ text: plain(76) }))],
    '/blocks/0/elements/0/text/text',
  ],
  [
    'button value',
    [actions(button({ value: long(2000) }))],
    [actions(button({ value: long(2001) }))],
    '/blocks/0/elements/0/value',
  ],
  [
    'button url',
    [actions(button({ url: long(3000) }))],
    [actions(button({ url: long(3001) }))],
    '/blocks/0/elements/0/url',
  ],
  [
    'accessibility label',
    [actions(button({ accessibility_label: long(75) }))],
    [actions(button({ accessibility_label: long(76) }))],
    '/blocks/0/elements/0/accessibility_label',
  ],
  [
    'button style',
    [actions(button({ style: 'danger' }))],
    [actions(button({ style: 'default' }))],
    '/blocks/0/elements/0/style',
  ],
  [
    'action_id',
    [actions(button({ action_id: long(255) }))],
    [actions(button({ action_id: long(256) }))],
    '/blocks/0/elements/0/action_id',
  ],
  [
    'block_id',
    [{ type: 'divider', block_id: long(255) }],
    [{ type: 'divider', block_id: long(256) }],
    '/blocks/0/block_id',
  ],
  [
    'unique block_id',
    [
      { type: 'divider', block_id: 'a' },
      { type: 'divider', block_id: 'b' },
    ],
    [
      { type: 'divider', block_id: 'a' },
      { type: 'divider', block_id: 'a' },
    ],
    '/blocks/1/block_id',
  ],
  [
    'unique action_id in a block',
    [actions(button({ action_id: 'a' })), actions(button({ action_id: 'a' }))],
    [actions(button({ action_id: 'a' }), button({ action_id: 'a' }))],
    '/blocks/0/elements/1/action_id',
  ],
  [
    'options',
    [select({ options: some(100, option) })],
    [select({ options: some(101, option) })],
    '/blocks/0/elements/0/options',
  ],
  [
    'option text',
    [select({ options: [option(0, { text: plain(75) })] })],
    [select({ options: [option(0, { text: plain(76) })] })],
    '/blocks/0/elements/0/options/0/text/text',
  ],
  [
    'option value',
    [select({ options: [option(0, { value: long(75) })] })],
    [select({ options: [option(0, { value: long(76) })] })],
    '/blocks/0/elements/0/options/0/value',
  ],
  [
    'option value that is not text',
    [select({ options: [option(0)] })],
    [select({ options: [option(0, { value: 7 })] })],
    '/blocks/0/elements/0/options/0/value',
  ],
  [
    'option description',
    [select({ options: [option(0, { description: plain(75) })] })],
    [select({ options: [option(0, { description: plain(76) })] })],
    '/blocks/0/elements/0/options/0/description/text',
  ],
  [
    'first option is one of them',
    [select({ options: [option(0)], initial_option: option(0) })],
    [select({ options: [option(0)], initial_option: option(1) })],
    '/blocks/0/elements/0',
  ],
  [
    'options or groups',
    [select({ option_groups: [{ label: plain(75), options: [option(0)] }] })],
    [select({})],
    '/blocks/0/elements/0',
  ],
  [
    'option groups',
    [select({ option_groups: some(100, (i) => ({ label: plain(1), options: [option(i)] })) })],
    [select({ option_groups: some(101, (i) => ({ label: plain(1), options: [option(i)] })) })],
    '/blocks/0/elements/0/option_groups',
  ],
  [
    'placeholder',
    [select({ options: [option(0)], placeholder: plain(150) })],
    [select({ options: [option(0)], placeholder: plain(151) })],
    '/blocks/0/elements/0/placeholder/text',
  ],
  [
    'overflow',
    [actions({ type: 'overflow', options: some(5, option) })],
    [actions({ type: 'overflow', options: some(6, option) })],
    '/blocks/0/elements/0/options',
  ],
  [
    'radio buttons',
    [actions({ type: 'radio_buttons', options: some(10, option) })],
    [actions({ type: 'radio_buttons', options: some(11, option) })],
    '/blocks/0/elements/0/options',
  ],
  [
    'checkboxes',
    [actions({ type: 'checkboxes', options: some(10, option) })],
    [actions({ type: 'checkboxes', options: some(11, option) })],
    '/blocks/0/elements/0/options',
  ],
  [
    'confirm title',
    [actions(confirm({ title: plain(100) }))],
    [actions(confirm({ title: plain(101) }))],
    '/blocks/0/elements/0/confirm/title/text',
  ],
  [
    'confirm text',
    [actions(confirm({ text: mrkdwn(300) }))],
    [actions(confirm({ text: mrkdwn(301) }))],
    '/blocks/0/elements/0/confirm/text/text',
  ],
  [
    'confirm buttons',
    [actions(confirm({ deny: plain(30) }))],
    [actions(confirm({ deny: plain(31) }))],
    '/blocks/0/elements/0/confirm/deny/text',
  ],
  [
    'image alt text',
    [{ type: 'image', image_url: 'x', alt_text: long(2000) }],
    [{ type: 'image', image_url: 'x', alt_text: long(2001) }],
    '/blocks/0/alt_text',
  ],
  ['image source', [{ type: 'image', image_url: 'x', alt_text: 'x' }], [{ type: 'image', alt_text: 'x' }], '/blocks/0'],
  ['markdown', [{ type: 'markdown', text: long(12_000) }], [{ type: 'markdown', text: long(12_001) }], '/blocks'],
  [
    'markdown together',
    [
      { type: 'markdown', text: long(6000) },
      { type: 'markdown', text: long(6000) },
    ],
    [
      { type: 'markdown', text: long(6001) },
      { type: 'markdown', text: long(6000) },
    ],
    '/blocks',
  ],
  ['rows of a table', [table(100, 20)], [table(101, 20)], '/blocks/0/rows'],
  ['columns of a table', [table(1, 20)], [table(1, 21)], '/blocks/0/rows/0'],
  ['letters in a table', [table(1, 2, long(5000))], [table(1, 2, long(5001))], '/blocks/0/rows'],
  ['one table', [table(1, 1)], [table(1, 1), table(1, 1)], '/blocks'],
  [
    'cards',
    [{ type: 'carousel', elements: some(10, () => ({ type: 'card', body: mrkdwn(200) })) }],
    [{ type: 'carousel', elements: some(11, () => ({ type: 'card', body: mrkdwn(1) })) }],
    '/blocks/0/elements',
  ],
  ['inputs outside of messages', [], [input({ type: 'plain_text_input' })], '/blocks/0/type'],
  [
    'input label',
    [input({ type: 'plain_text_input' }, { label: plain(2000) })],
    [input({ type: 'plain_text_input' }, { label: plain(2001) })],
    '/blocks/0/label/text',
    'modal',
  ],
  [
    'input hint',
    [input({ type: 'plain_text_input' }, { hint: plain(2000) })],
    [input({ type: 'plain_text_input' }, { hint: plain(2001) })],
    '/blocks/0/hint/text',
    'modal',
  ],
  [
    'longest input',
    [input({ type: 'plain_text_input', max_length: 3000 })],
    [input({ type: 'plain_text_input', max_length: 3001 })],
    '/blocks/0/element/max_length',
    'modal',
  ],
  ['a button is no input', [input({ type: 'datepicker' })], [input(button())], '/blocks/0/element/type', 'modal'],
  [
    'focus',
    [input({ type: 'plain_text_input', focus_on_load: true })],
    some(2, () => input({ type: 'plain_text_input', focus_on_load: true })),
    '/blocks',
    'modal',
  ],
  [
    'alert',
    [{ type: 'alert', text: mrkdwn(200) }],
    [{ type: 'alert', text: mrkdwn(201) }],
    '/blocks/0/text/text',
    'modal',
  ],
  ['unknown fields', [{ type: 'divider' }], [{ type: 'divider', colour: 'red' }], '/blocks/0'],
  ['unknown blocks', [{ type: 'divider' }], [{ type: 'ruler' }], '/blocks/0/type'],
];

test.each(limits)(
  '%s: the most that fits is taken, one more is refused',
  (_what, fits, breaks, pointer, surface = 'message') => {
    expect(problemsOfBlocks(fits, surface)).toEqual([]);
    expect(problemsOfBlocks(breaks, surface)).toEqual([{ pointer, problem: expect.any(String) }]);
  },
);

describe('a view', () => {
  const wrong: [string, object, string][] = [
    ['a long title', { title: plain(25) }, '/title/text'],
    ['no title', { title: undefined }, ''],
    ['a long submit button', { submit: plain(25) }, '/submit/text'],
    ['a long close button', { close: plain(25) }, '/close/text'],
    ['long metadata', { private_metadata: long(3001) }, '/private_metadata'],
    ['a long callback_id', { callback_id: long(256) }, '/callback_id'],
    ['inputs without a submit button', { submit: undefined }, ''],
    ['an unknown field', { color: 'red' }, '/color'],
  ];
  test('that keeps to all limits is taken', () => {
    const fits = {
      title: plain(24),
      submit: plain(24),
      close: plain(24),
      private_metadata: long(3000),
      callback_id: long(255),
    };
    expect(problemsOfView(modal([textInput('a')], fits))).toEqual([]);
    expect(problemsOfView({ type: 'home', blocks: [textInput('a')] })).toEqual([]);
  });
  test.each(wrong)('with %s is refused', (_what, more, pointer) => {
    expect(problemsOfView(modal([textInput('a')], more))).toEqual([{ pointer, problem: expect.any(String) }]);
  });
  test('of the Home has no title', () => {
    expect(problemsOfView({ type: 'home', title: plain(3), blocks: [] })).toMatchObject([{ pointer: '/title' }]);
  });
  test('over 250 kB is refused', () => {
    const heavy = some(100, () => section({ fields: some(10, () => mrkdwn(400)) }));
    expect(problemsOfView(modal(heavy))).toMatchObject([{ problem: expect.stringContaining('view_too_large') }]);
  });
});

test('a message says something, and nothing that chat.update could not repeat', () => {
  expect(problemsOfMessage({ text: long(4000) })).toEqual([]);
  expect(problemsOfMessage({ text: long(4001) })).toMatchObject([{ pointer: '/text' }]);
  expect(problemsOfMessage({ text: '' })).toMatchObject([{ problem: 'no_text' }]);
  expect(problemsOfMessage({ text: '', blocks: [{ type: 'divider' } satisfies KnownBlock] })).toEqual([]);
});

test('suggested options keep to the limits of options', () => {
  expect(problemsOfOptions({ options: some(100, option) })).toEqual([]);
  expect(problemsOfOptions({ options: [] })).toEqual([]);
  expect(problemsOfOptions({ options: some(101, option) })).toMatchObject([{ pointer: '/options' }]);
  expect(problemsOfOptions({ option_groups: [{ label: plain(76), options: [] }] })).toMatchObject([
    { pointer: '/option_groups/0/label/text' },
  ]);
  expect(problemsOfOptions(null)).toHaveLength(1);
});
