// The `markdown` block: the part of Markdown that messages use. Everything else stays as it was typed.
import { append, el } from './dom.js';
import { emoji } from './emoji.js';
import { link } from './mrkdwn.js';

const spans = [
  [/^`([^`\n]+)`/, ([, text]) => el('code', {}, text)],
  [/^\*\*(?=\S)([\s\S]+?)\*\*/, ([, text]) => el('strong', {}, inline(text))],
  [/^__(?=\S)([\s\S]+?)__/, ([, text]) => el('strong', {}, inline(text))],
  [/^~~(?=\S)([\s\S]+?)~~/, ([, text]) => el('s', {}, inline(text))],
  [/^\*(?=\S)([^*\n]+)\*/, ([, text]) => el('em', {}, inline(text))],
  [/^_(?=\S)([^_\n]+)_(?!\w)/, ([, text]) => el('em', {}, inline(text))],
  [/^\[([^\]\n]+)\]\(([^)\s]+)\)/, ([, text, url]) => link(url, inline(text))],
  [/^https?:\/\/[^\s<>)]+/, ([url]) => link(url, url)],
  [/^:([a-z0-9_+-]+):/, ([, name]) => emoji(name)],
  [/^\\([\\`*_{}[\]()#+.!~>|-])/, ([, letter]) => letter],
];
function inline(text) {
  const nodes = [];
  let run = '';
  for (let i = 0; i < text.length; ) {
    const rest = text.slice(i);
    let made = null;
    let length = 0;
    // A mark inside a word is a letter.
    const inWord = /\w/.test(text[i - 1] ?? '') && /^[_*h:]/.test(rest) && !rest.startsWith('**');
    for (const [pattern, make] of inWord ? [] : spans) {
      const found = pattern.exec(rest);
      if (!found) continue;
      made = make(found);
      length = found[0].length;
      if (made !== null) break;
    }
    if (made === null) {
      run += text[i++];
      continue;
    }
    if (run) nodes.push(run);
    run = '';
    nodes.push(made);
    i += length;
  }
  if (run) nodes.push(run);
  return nodes.flatMap((node) =>
    typeof node === 'string' ? node.split(/(\n)/).map((part) => (part === '\n' ? el('br') : part)) : [node],
  );
}

const cells = (row) =>
  row
    .replace(/^\s*\||\|\s*$/g, '')
    .split('|')
    .map((each) => each.trim());

export function markdown(text) {
  const root = el('div', { class: 'markdown' });
  const lines = text.replaceAll('\r', '').split('\n');
  let i = 0;
  const take = (test) => {
    const taken = [];
    while (i < lines.length && test(lines[i])) taken.push(lines[i++]);
    return taken;
  };
  while (i < lines.length) {
    const line = lines[i];
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    if (line.trim() === '') i++;
    else if (line.startsWith('```')) {
      i++;
      const code = take((each) => !each.startsWith('```'));
      i++;
      root.append(el('pre', {}, code.join('\n')));
    } else if (heading) {
      i++;
      root.append(el('h3', { class: `level-${heading[1].length}` }, inline(heading[2])));
    } else if (/^(-{3,}|\*{3,})\s*$/.test(line)) {
      i++;
      root.append(el('hr'));
    } else if (line.startsWith('>')) {
      root.append(
        el(
          'blockquote',
          {},
          inline(
            take((each) => each.startsWith('>'))
              .map((each) => each.replace(/^> ?/, ''))
              .join('\n'),
          ),
        ),
      );
    } else if (/^\s*([-*+]|\d+[.)])\s/.test(line)) {
      const ordered = /^\s*\d/.test(line);
      const list = el(ordered ? 'ol' : 'ul');
      for (const item of take((each) => /^\s*([-*+]|\d+[.)])\s/.test(each))) {
        const [, space, body] = /^(\s*)(?:[-*+]|\d+[.)])\s+(.*)$/.exec(item) ?? [null, '', item.trim()];
        const box = /^\[([ xX])\]\s+(.*)$/.exec(body);
        const entry = el('li', { class: `indent-${Math.min(Math.floor(space.length / 2), 6)}` });
        append(
          entry,
          box ? [emoji(box[1] === ' ' ? 'white_large_square' : 'white_check_mark'), ' ', inline(box[2])] : inline(body),
        );
        list.append(entry);
      }
      root.append(list);
    } else if (line.includes('|') && /^\s*\|?\s*:?-{2,}/.test(lines[i + 1] ?? '')) {
      const [head, , ...body] = take((each) => each.includes('|'));
      root.append(
        el(
          'div',
          { class: 'table-frame' },
          el(
            'table',
            {},
            el(
              'thead',
              {},
              el(
                'tr',
                {},
                cells(head).map((each) => el('th', { scope: 'col' }, inline(each))),
              ),
            ),
            el(
              'tbody',
              {},
              body.map((row) =>
                el(
                  'tr',
                  {},
                  cells(row).map((each) => el('td', {}, inline(each))),
                ),
              ),
            ),
          ),
        ),
      );
    } else {
      const paragraph = [
        lines[i++],
        ...take((each) => each.trim() !== '' && !/^(#{1,6}\s|```|>|\s*([-*+]|\d+[.)])\s)/.test(each)),
      ];
      root.append(el('p', {}, inline(paragraph.join('\n'))));
    }
  }
  return root;
}
