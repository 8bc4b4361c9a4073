// The interactive elements of Block Kit: buttons, menus, selects, boxes, pickers and text fields.
import { append, askToConfirm, el, icon, newId, openMenu } from './dom.js';
import { plainText, saidBy, textObject } from './mrkdwn.js';
import { combobox, searchIn } from './selects.js';
import { localFromSeconds, secondsFromLocal } from './time.js';
import { optionsOf } from './values.js';
import { nameOf, troubleText, viewerZone, world } from './world.js';

/**
 * Where an element stands:
 * `blockId`; `label`, its accessible name; `labelled`, whether a <label> names it; `id` for that label;
 * `describedBy`, `invalid`, `required`, `clearable`; `dispatches`, whether the app hears of a change;
 * `surface` with `values`, `act(action)`, `suggest(element, blockId, text)` and `submit()`.
 */
const hooks = (element, at) => ({
  'data-action-id': element.action_id,
  'data-block-id': at.blockId,
  'data-focus': `${at.blockId}/${element.action_id}`,
  'data-type': element.type,
  'data-autofocus': element.focus_on_load === true,
});
const valueNow = (element, at) => at.surface.values.of(at.blockId, element);

async function confirmed(confirm) {
  if (!confirm) return true;
  return askToConfirm({
    title: saidBy(confirm.title),
    text: textObject(confirm.text),
    yes: saidBy(confirm.confirm),
    no: saidBy(confirm.deny),
    danger: confirm.style === 'danger',
  });
}

/** Sends what happened to the app, showing at `node` that it is on its way, and what went wrong. */
async function send(node, element, at, facts) {
  if (node.getAttribute('aria-busy') === 'true') return false;
  if (!(await confirmed(element.confirm))) return false;
  const holder = node.closest('.block') ?? node;
  holder.querySelector(':scope > .trouble')?.remove();
  node.setAttribute('aria-busy', 'true');
  const answer = await at.surface.act({
    type: element.type,
    action_id: element.action_id,
    block_id: at.blockId,
    ...facts,
    action_ts: String(Date.now() / 1000),
  });
  node.removeAttribute('aria-busy');
  if (answer.ok) return true;
  const place = holder.isConnected ? holder : at.surface.holder?.();
  place?.append(el('p', { class: 'trouble', role: 'alert' }, troubleText(answer.error)));
  return false;
}

/** A new value: kept, and told to the app where it listens. */
function changed(node, element, at, value) {
  const before = valueNow(element, at);
  at.surface.values.set(at.blockId, element, value);
  if (!at.dispatches) return;
  void send(node, element, at, value).then((sent) => {
    if (sent || !element.confirm) return;
    at.surface.values.set(at.blockId, element, before);
    at.surface.redraw?.();
  });
}

function button(element, at) {
  const node = el(
    element.url ? 'a' : 'button',
    {
      type: element.url ? null : 'button',
      class: `button ${element.style ?? ''}`,
      'aria-label': element.accessibility_label,
      ...(element.url && /^https?:/i.test(element.url)
        ? { href: element.url, target: '_blank', rel: 'noopener noreferrer' }
        : {}),
      ...hooks(element, at),
      'data-focus': `${at.blockId}/${element.action_id}/${element.value ?? ''}`,
      'data-value': element.value,
    },
    plainText(element.text.text),
    element.url ? el('span', { class: 'visually-hidden' }, ' (opens in a new tab)') : null,
  );
  node.addEventListener('click', () => {
    void send(node, element, at, {
      text: element.text,
      ...(element.value === undefined ? {} : { value: element.value }),
      ...(element.style ? { style: element.style } : {}),
    });
  });
  return node;
}

function overflow(element, at) {
  const node = el(
    'button',
    {
      type: 'button',
      class: 'button icon-button',
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
      'aria-label': at.label || 'More',
      ...hooks(element, at),
    },
    icon('more'),
  );
  node.addEventListener('click', () => {
    openMenu(
      node,
      at.label || 'More',
      element.options.map((option) => ({
        label: plainText(option.text.text),
        description: option.description?.text,
        value: option.value,
        run: () => {
          if (option.url && /^https?:/i.test(option.url)) window.open(option.url, '_blank', 'noopener');
          void send(node, element, at, { selected_option: option });
        },
      })),
      { align: 'end' },
    );
  });
  return node;
}

const asOption = (value, text, alias) => ({ value, text: { type: 'plain_text', text }, alias });
const people = () =>
  world.workspace.users
    .filter((each) => !each.deleted)
    .map((each) => ({
      ...asOption(each.id, each.realName || each.name, each.name),
      description: { text: each.title },
    }));
const conversations = (filter) =>
  world.state.channels
    .filter((each) => !filter?.include || filter.include.includes(each.kind))
    .map((each) => asOption(each.id, each.kind === 'im' ? each.name : `#${each.name}`));
const channels = () => conversations({ include: ['public'] });

/** Type of select → where its options come from and which field of the state holds them. */
const sources = {
  static: {
    field: 'selected_option',
    groups: (element) =>
      element.option_groups?.map((group) => ({ label: saidBy(group.label), options: group.options })) ?? [
        { options: optionsOf(element) },
      ],
  },
  external: { field: 'selected_option' },
  users: { field: 'selected_user', groups: () => [{ options: people() }], name: (id) => nameOf(id) },
  conversations: {
    field: 'selected_conversation',
    groups: (element) => [{ options: conversations(element.filter) }],
    name: (id) => conversations().find((each) => each.value === id)?.text.text ?? id,
  },
  channels: {
    field: 'selected_channel',
    groups: () => [{ options: channels() }],
    name: (id) => conversations().find((each) => each.value === id)?.text.text ?? id,
  },
};

function select(element, at) {
  const multi = element.type.startsWith('multi_');
  const source = sources[element.type.replace(/^multi_/, '').replace(/_select$/, '')];
  const field = multi ? `${source.field}s` : source.field;
  const now = valueNow(element, at)[field];
  const chosen = (multi ? now : now ? [now] : []).map((each) =>
    typeof each === 'string' ? asOption(each, source.name(each)) : each,
  );
  const least = element.min_query_length ?? 3;
  const load = source.groups
    ? (query) => searchIn(source.groups(element), query)
    : (query) =>
        query.length < least
          ? { note: `Type at least ${least} ${least === 1 ? 'character' : 'characters'} to search` }
          : suggestions(element, at, query);
  const node = combobox({
    id: at.id,
    label: at.label,
    labelled: at.labelled,
    describedBy: at.describedBy,
    placeholder: element.placeholder?.text ?? (multi ? 'Choose some' : source.groups ? 'Choose an option' : 'Search'),
    load,
    waitMs: source.groups ? 0 : 200,
    chosen,
    multi,
    max: element.max_selected_items,
    clearable: at.clearable,
    invalid: at.invalid,
    required: at.required,
    hooks: hooks(element, at),
    onchange: (options) => {
      const values = options.map((option) => (source.name ? option.value : option));
      changed(node, element, at, { [field]: multi ? values : (values[0] ?? null) });
    },
  });
  return node;
}

async function suggestions(element, at, query) {
  const answer = await at.surface.suggest(element, at.blockId, query);
  if (!answer.ok) return { note: troubleText(answer.error) };
  if (answer.optionGroups)
    return answer.optionGroups.map((group) => ({ label: saidBy(group.label), options: group.options }));
  return [{ options: answer.options ?? [] }];
}

function boxes(element, at) {
  const radio = element.type === 'radio_buttons';
  const now = valueNow(element, at);
  const picked = radio ? [now.selected_option].filter(Boolean) : now.selected_options;
  const name = newId('choice');
  const node = el('div', {
    class: 'choices',
    role: radio ? 'radiogroup' : 'group',
    'aria-labelledby': at.labelled ? `${at.id}-label` : null,
    'aria-label': at.labelled ? null : at.label,
    'aria-describedby': at.describedBy,
    'aria-invalid': at.invalid ? 'true' : null,
    'data-action-id': element.action_id,
    'data-block-id': at.blockId,
    'data-type': element.type,
  });
  append(
    node,
    element.options.map((option) => {
      const box = el('input', {
        type: radio ? 'radio' : 'checkbox',
        name,
        value: option.value,
        checked: picked.some((each) => each.value === option.value),
        'data-focus': `${at.blockId}/${element.action_id}/${option.value}`,
        onchange: () => {
          const on = [...node.querySelectorAll('input')].flatMap((each, i) =>
            each.checked ? [element.options[i]] : [],
          );
          changed(node, element, at, radio ? { selected_option: on[0] ?? null } : { selected_options: on });
        },
      });
      return el(
        'label',
        { class: 'choice' },
        box,
        el(
          'span',
          {},
          textObject(option.text),
          option.description ? el('small', {}, textObject(option.description)) : null,
        ),
      );
    }),
  );
  return node;
}

const pickers = {
  datepicker: { type: 'date', field: 'selected_date', show: (value) => value ?? '', read: (text) => text || null },
  timepicker: { type: 'time', field: 'selected_time', show: (value) => value ?? '', read: (text) => text || null },
  datetimepicker: {
    type: 'datetime-local',
    field: 'selected_date_time',
    show: (value) => (value ? localFromSeconds(value) : ''),
    read: (text) => (text ? secondsFromLocal(text) : null),
  },
};
function picker(element, at) {
  const { type, field, show, read } = pickers[element.type];
  const input = el('input', {
    type,
    class: 'field',
    id: at.id,
    value: show(valueNow(element, at)[field]),
    title: element.placeholder?.text,
    'aria-label': at.labelled ? null : at.label,
    'aria-describedby': at.describedBy,
    'aria-invalid': at.invalid ? 'true' : null,
    'aria-required': at.required ? 'true' : null,
    ...hooks(element, at),
    onchange: () => changed(input, element, at, { [field]: read(input.value) }),
  });
  const zone = element.timezone ?? viewerZone();
  return type === 'date' ? input : el('span', { class: 'picker' }, input, el('small', {}, zone.replaceAll('_', ' ')));
}

const inputTypes = { plain_text_input: 'text', number_input: 'text', email_text_input: 'email', url_text_input: 'url' };
function textField(element, at) {
  const multiline = element.multiline === true;
  const max = element.type === 'plain_text_input' ? (element.max_length ?? 3000) : null;
  const least = element.min_length ?? 0;
  const counter = el('small', { class: 'counter', 'aria-hidden': 'true' });
  const triggers = element.dispatch_action_config?.trigger_actions_on ?? ['on_enter_pressed'];
  const input = el(multiline ? 'textarea' : 'input', {
    type: multiline ? null : inputTypes[element.type],
    inputmode: element.type === 'number_input' ? 'decimal' : null,
    class: 'field',
    id: at.id,
    rows: multiline ? '4' : null,
    autocomplete: 'off',
    placeholder: element.placeholder?.text,
    value: valueNow(element, at).value ?? '',
    'aria-label': at.labelled ? null : at.label,
    'aria-describedby': at.describedBy,
    'aria-invalid': at.invalid ? 'true' : null,
    'aria-required': at.required ? 'true' : null,
    ...hooks(element, at),
  });
  const tell = () => send(input, element, at, { value: input.value || null });
  let timer;
  const count = () => {
    const used = input.value.length;
    const left = max === null ? null : max - used;
    const close = left !== null && left <= Math.max(20, max * 0.1);
    counter.textContent = close ? String(left) : used > 0 && used < least ? `${least - used} more` : '';
    counter.classList.toggle('over', left !== null && left < 0);
  };
  input.addEventListener('input', () => {
    at.surface.values.set(at.blockId, element, { value: input.value || null });
    count();
    if (at.dispatches && triggers.includes('on_character_entered')) {
      clearTimeout(timer);
      timer = setTimeout(tell, 300);
    }
  });
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.isComposing) return;
    if (multiline && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    if (at.dispatches && !multiline && triggers.includes('on_enter_pressed')) void tell();
    else at.surface.submit?.();
  });
  count();
  return el('span', { class: 'text-field' }, input, counter);
}

const renderers = {
  button,
  workflow_button: button,
  overflow,
  checkboxes: boxes,
  radio_buttons: boxes,
  datepicker: picker,
  timepicker: picker,
  datetimepicker: picker,
  plain_text_input: textField,
  number_input: textField,
  email_text_input: textField,
  url_text_input: textField,
};

export function interactive(element, at) {
  if (element.type === 'image')
    return el('img', { class: 'accessory-image', src: element.image_url, alt: element.alt_text });
  const render = renderers[element.type] ?? (/_select$/.test(element.type) ? select : null);
  return render?.(element, at) ?? el('span', { class: 'unknown' }, `The local Slack does not show ${element.type}.`);
}
