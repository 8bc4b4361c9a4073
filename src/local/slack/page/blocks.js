// The blocks of Block Kit: https://docs.slack.dev/reference/block-kit/blocks
import { append, el, newId, reconcile } from './dom.js';
import { interactive } from './elements.js';
import { emoji } from './emoji.js';
import { markdown } from './markdown.js';
import { broadcast, channelMention, dateNode, link, saidBy, textObject, userMention } from './mrkdwn.js';

/** Shows `blocks` in `parent`; blocks that did not change keep their nodes. `errors`: block_id → sentence. */
export function showBlocks(parent, blocks, surface, errors = {}) {
  reconcile(parent, blocks, {
    key: (block, i) => `${block.type} ${block.block_id ?? i}`,
    version: (block) => JSON.stringify([block, errors[block.block_id] ?? null]),
    render: (block) => showBlock(block, surface, errors[block.block_id]),
  });
}

function showBlock(block, surface, error) {
  const render = shapes[block.type];
  const node = el('div', {
    class: `block block-${block.type}`,
    'data-block-id': block.block_id,
    'data-testid': `block-${block.type}`,
  });
  append(node, [
    render
      ? render(block, surface, error)
      : el('p', { class: 'unknown' }, `The local Slack does not show “${block.type}” blocks.`),
  ]);
  return node;
}

function place(block, surface, element, label) {
  return {
    blockId: block.block_id,
    label: element.accessibility_label ?? (label || element.placeholder?.text || ''),
    surface,
    dispatches: true,
    clearable: false,
  };
}

const shapes = {
  header: ({ text }, surface) => el(surface.headingTag, {}, textObject(text)),
  divider: () => el('hr'),
  section(block, surface) {
    const { text, fields, accessory } = block;
    return [
      el(
        'div',
        { class: 'section-text' },
        text ? el('div', { class: 'text' }, textObject(text)) : null,
        fields
          ? el(
              'div',
              { class: 'fields' },
              fields.map((field) => el('div', { class: 'text' }, textObject(field))),
            )
          : null,
      ),
      accessory
        ? el(
            'div',
            { class: 'accessory' },
            interactive(
              accessory,
              place(block, surface, accessory, accessory.placeholder?.text ?? saidBy(text).slice(0, 100)),
            ),
          )
        : null,
    ];
  },
  context: ({ elements }) =>
    elements.map((each) =>
      each.type === 'image'
        ? el('img', { src: each.image_url, alt: each.alt_text })
        : el('span', { class: 'text' }, textObject(each)),
    ),
  actions: (block, surface) => block.elements.map((element) => interactive(element, place(block, surface, element))),
  input(block, surface, error) {
    const { element, label, hint, optional } = block;
    const id = newId('field');
    const grouped = ['radio_buttons', 'checkboxes'].includes(element.type);
    const described = [hint ? `${id}-hint` : null, error ? `${id}-error` : null].filter(Boolean).join(' ') || undefined;
    return [
      el(
        grouped ? 'div' : 'label',
        { class: 'input-label', id: `${id}-label`, for: grouped ? null : id },
        textObject(label),
        optional ? el('span', { class: 'optional' }, ' (optional)') : null,
      ),
      interactive(element, {
        blockId: block.block_id,
        id,
        label: saidBy(label),
        labelled: true,
        describedBy: described,
        invalid: Boolean(error),
        required: !optional,
        clearable: optional === true,
        dispatches: block.dispatch_action === true,
        surface,
      }),
      error
        ? el('p', { class: 'field-error', id: `${id}-error`, role: 'alert', 'data-testid': 'field-error' }, error)
        : null,
      hint ? el('p', { class: 'hint', id: `${id}-hint` }, textObject(hint)) : null,
    ];
  },
  image: ({ image_url, alt_text, title }) =>
    el(
      'figure',
      {},
      title ? el('figcaption', {}, textObject(title)) : null,
      el('img', { src: image_url, alt: alt_text, loading: 'lazy' }),
    ),
  markdown: ({ text }) => markdown(text),
  rich_text: ({ elements }) => elements.map(richPart),
  table: ({ rows, column_settings }) => table(rows, column_settings),
  data_table: ({ rows, caption }) => table(rows, undefined, caption),
  alert: ({ text, level }) => el('div', { class: `alert ${level ?? 'default'}`, role: 'note' }, textObject(text)),
  card(block, surface) {
    const { title, subtitle, body, icon: picture, hero_image, actions = [] } = block;
    return el(
      'div',
      { class: 'card' },
      hero_image ? el('img', { class: 'hero', src: hero_image.image_url, alt: hero_image.alt_text }) : null,
      el(
        'div',
        { class: 'card-head' },
        picture ? el('img', { src: picture.image_url, alt: picture.alt_text }) : null,
        el(
          'div',
          {},
          title ? el('strong', {}, textObject(title)) : null,
          subtitle ? el('small', {}, textObject(subtitle)) : null,
        ),
      ),
      body ? el('div', { class: 'text' }, textObject(body)) : null,
      actions.length > 0
        ? el(
            'div',
            { class: 'card-actions' },
            actions.map((each) => interactive(each, place(block, surface, each))),
          )
        : null,
    );
  },
  carousel: ({ elements }, surface) => elements.map((each) => showBlock({ ...each, type: 'card' }, surface)),
  container(block, surface) {
    const inner = el('div', { class: 'container-blocks' });
    showBlocks(inner, block.child_blocks ?? block.elements ?? [], surface);
    return el(
      'details',
      { class: 'container', open: block.default_collapsed ? null : true },
      el('summary', {}, textObject(block.title), block.subtitle ? el('small', {}, textObject(block.subtitle)) : null),
      inner,
    );
  },
  task_card: (block) => task(block),
  plan: ({ title, tasks = [] }) => [
    el('strong', {}, typeof title === 'string' ? title : textObject(title)),
    el(
      'ul',
      { class: 'plan' },
      tasks.map((each) => el('li', {}, task(each))),
    ),
  ],
};

const taskEmoji = {
  pending: 'white_large_square',
  in_progress: 'hourglass_flowing_sand',
  complete: 'white_check_mark',
  error: 'x',
};
const task = ({ title, status, details, output }) =>
  el(
    'div',
    { class: 'task' },
    emoji(taskEmoji[status] ?? 'white_large_square'),
    el(
      'div',
      {},
      el('span', { class: 'visually-hidden' }, `${status}: `),
      title,
      [details, output]
        .filter((each) => each?.elements)
        .map((each) => el('div', { class: 'text' }, each.elements.map(richPart))),
    ),
  );

function cell(content) {
  if (content.type === 'rich_text') return content.elements.map(richPart);
  return String(content.text ?? content.value ?? '');
}
function table(rows, columns, caption) {
  const [head = [], ...body] = rows;
  const side = (i) => `align-${columns?.[i]?.align ?? 'left'}${columns?.[i]?.is_wrapped ? ' wrapped' : ''}`;
  return el(
    'div',
    { class: 'table-frame', tabindex: '0', role: 'region', 'aria-label': caption ?? 'Table' },
    el(
      'table',
      {},
      caption ? el('caption', {}, caption) : null,
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          head.map((each, i) => el('th', { scope: 'col', class: side(i) }, cell(each))),
        ),
      ),
      el(
        'tbody',
        {},
        body.map((row) =>
          el(
            'tr',
            {},
            row.map((each, i) => el('td', { class: side(i) }, cell(each))),
          ),
        ),
      ),
    ),
  );
}

function richPart(part) {
  switch (part.type) {
    case 'rich_text_section':
      return el('div', { class: 'text' }, part.elements.map(richText));
    case 'rich_text_preformatted':
      return el('pre', {}, part.elements.map(richText));
    case 'rich_text_quote':
      return el('blockquote', {}, part.elements.map(richText));
    case 'rich_text_list': {
      const list = el(part.style === 'ordered' ? 'ol' : 'ul', {
        class: `indent-${Math.min(part.indent ?? 0, 6)}`,
        start: part.style === 'ordered' && part.offset ? part.offset + 1 : null,
      });
      append(
        list,
        part.elements.map((each) => el('li', {}, each.elements.map(richText))),
      );
      return list;
    }
    default:
      return '';
  }
}

const styleTags = { bold: 'strong', italic: 'em', strike: 's', code: 'code', underline: 'u' };
function richText(part) {
  let node = richLeaf(part);
  for (const [style, tag] of Object.entries(styleTags)) if (part.style?.[style]) node = el(tag, {}, node);
  return node;
}
function richLeaf(part) {
  switch (part.type) {
    case 'text':
      return part.text.split(/(\n)/).map((each) => (each === '\n' ? el('br') : each));
    case 'link':
      return link(part.url, part.text ?? part.url);
    case 'user':
      return userMention(part.user_id);
    case 'channel':
      return channelMention(part.channel_id);
    case 'broadcast':
      return broadcast(part.range);
    case 'emoji':
      return emoji(part.name) ?? `:${part.name}:`;
    case 'date':
      return dateNode(part.timestamp, part.format, part.fallback, part.url);
    case 'usergroup':
      return el('span', { class: 'mention' }, '@group');
    case 'color':
      return el('code', {}, part.value);
    default:
      return '';
  }
}
