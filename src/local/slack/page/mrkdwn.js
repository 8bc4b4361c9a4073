// Slack's mrkdwn as page elements: https://docs.slack.dev/messaging/formatting-message-text
import { el } from './dom.js';
import { emoji } from './emoji.js';
import { nameButton } from './people.js';
import { fillDate, fullMoment } from './time.js';
import { channelOf, nameOf, userOf, world } from './world.js';

const entities = { '&amp;': '&', '&lt;': '<', '&gt;': '>' };
export const unescapeText = (text) => text.replace(/&(?:amp|lt|gt);/g, (each) => entities[each]);

/** What a permalink of this workspace leads to; null for any other address. */
export function permalink(url) {
  if (!url.startsWith(`${location.origin}/archives/`)) return null;
  const { pathname, searchParams } = new URL(url);
  const [, channel, seconds, micros] = /^\/archives\/([A-Z0-9]+)(?:\/p(\d+)(\d{6}))?$/.exec(pathname) ?? [];
  if (!channel) return null;
  return { channel, ts: seconds ? `${seconds}.${micros}` : null, thread: searchParams.get('thread_ts') };
}

/** A link, or the bare text where the address is not one that may be opened. */
export function link(url, label) {
  const place = permalink(url);
  if (place) {
    const open = (event) => {
      event.preventDefault();
      world.goTo(place.channel, place);
    };
    return el('a', { href: url, onclick: open }, label);
  }
  const safe = /^(https?:\/\/|mailto:|tel:)/i.test(url);
  return safe ? el('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, label) : el('span', {}, label);
}

export function userMention(id) {
  if (!userOf(id)) return el('span', { class: 'mention' }, `@${id}`);
  return nameButton(id, { class: id === world.as ? 'mention me' : 'mention', label: `@${nameOf(id)}` });
}
export function channelMention(id, label) {
  const channel = channelOf(id);
  if (!channel) return el('span', { class: 'mention' }, label ? `#${label}` : '#private channel');
  return el(
    'button',
    { type: 'button', class: 'mention link', onclick: () => world.goTo(id) },
    channel.kind === 'im' ? channel.name : `#${channel.name}`,
  );
}
export const broadcast = (range) => el('span', { class: 'mention me' }, `@${range}`);

export function dateNode(seconds, pattern, fallback, url, startsLine) {
  if (!Number.isFinite(seconds)) return fallback ?? '';
  const filled = fillDate(pattern, seconds);
  const text = startsLine ? filled.replace(/^[a-z]/, (letter) => letter.toUpperCase()) : filled;
  const moment = el(
    'time',
    { datetime: new Date(seconds * 1000).toISOString(), title: fullMoment(seconds * 1000) },
    text,
  );
  return url ? link(url, moment) : moment;
}

/** What stands between < and >; null when it is nothing that Slack knows. */
function control(body, startsLine) {
  const bar = body.indexOf('|');
  const target = bar < 0 ? body : body.slice(0, bar);
  const label = bar < 0 ? undefined : unescapeText(body.slice(bar + 1));
  if (/^@[UW][A-Z0-9]+$/.test(target)) return userMention(target.slice(1));
  if (/^#[CGD][A-Z0-9]+$/.test(target)) return channelMention(target.slice(1), label);
  if (/^!(here|channel|everyone)$/.test(target)) return broadcast(target.slice(1));
  if (target.startsWith('!subteam^')) return el('span', { class: 'mention' }, label ?? '@group');
  if (target.startsWith('!date^')) {
    const [, seconds, pattern = '', url] = target.split('^');
    return dateNode(
      /^\d+$/.test(seconds) ? Number(seconds) : Number.NaN,
      unescapeText(pattern),
      label,
      url && unescapeText(url),
      startsLine,
    );
  }
  if (target.startsWith('!')) return label ?? `<${unescapeText(body)}>`;
  if (/^(https?:|mailto:|tel:)/i.test(target)) {
    const url = unescapeText(target);
    return link(url, label ?? url.replace(/^mailto:/, ''));
  }
  return null;
}

const marks = { '*': 'strong', _: 'em', '~': 's' };
// A zero-width space counts as part of a word: that is how typed text is kept from being formatting.
const opensAfter = (before) => before === undefined || /[^\p{L}\p{N}\u200b]/u.test(before);
const closesBefore = (after) => after === undefined || /[^\p{L}\p{N}]/u.test(after);

/** Where the span that opens at `from` with `mark` closes, or -1. Spans end on their own line. */
function closing(text, from, mark) {
  for (let i = from + 1; i < text.length; i++) {
    const letter = text[i];
    if (letter === '\n') return -1;
    if (letter === '<' && mark !== '`') {
      const end = text.indexOf('>', i);
      if (end > 0) i = end;
      continue;
    }
    if (letter === '`' && mark !== '`') {
      const end = closing(text, i, '`');
      if (end > 0) i = end;
      continue;
    }
    if (letter !== mark || i === from + 1) continue;
    const before = text[i - 1];
    if (mark === '`') {
      if (before !== '\u200b') return i;
    } else if (!/[\s\u200b]/.test(before) && before !== mark && closesBefore(text[i + 1])) return i;
  }
  return -1;
}

const urlHere = /^https?:\/\/[^\s<>|\u200b]+/;
const emojiHere = /^:([a-z0-9_+'-]+):/;

/** Text without line structure. `plain` has emoji and nothing else. */
function inline(text, { plain = false, verbatim = false } = {}) {
  const nodes = [];
  let run = '';
  const flush = () => {
    if (run) nodes.push(unescapeText(run));
    run = '';
  };
  const put = (node) => {
    flush();
    nodes.push(node);
  };
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (letter === '\n') {
      put(el('br'));
      continue;
    }
    if (letter === ':') {
      const found = emojiHere.exec(text.slice(i, i + 60));
      const shown = found && emoji(found[1]);
      if (shown) {
        put(shown);
        i += found[0].length - 1;
        continue;
      }
    }
    if (!plain) {
      if (letter === '<') {
        const end = text.indexOf('>', i);
        const startsLine = (nodes.length === 0 || nodes.at(-1)?.tagName === 'BR') && run.trim() === '';
        const node = end > 0 ? control(text.slice(i + 1, end), startsLine) : null;
        if (node !== null) {
          put(node);
          i = end;
          continue;
        }
      }
      if (letter === '`' && text[i - 1] !== '\u200b') {
        const end = closing(text, i, '`');
        if (end > 0) {
          put(el('code', {}, inlineCode(text.slice(i + 1, end))));
          i = end;
          continue;
        }
      }
      if (marks[letter] && opensAfter(text[i - 1]) && text[i - 1] !== letter && /\S/.test(text[i + 1] ?? '')) {
        const end = closing(text, i, letter);
        if (end > 0) {
          put(el(marks[letter], {}, inline(text.slice(i + 1, end), { verbatim })));
          i = end;
          continue;
        }
      }
      if (!verbatim && letter === 'h' && opensAfter(text[i - 1])) {
        const found = urlHere.exec(text.slice(i))?.[0].replace(/(?:[.,;:!?)\]'"*_~]|&gt;|&lt;)+$/, '');
        if (found && found.length > 8) {
          const url = unescapeText(found);
          put(link(url, url));
          i += found.length - 1;
          continue;
        }
      }
    }
    run += letter;
  }
  flush();
  return nodes;
}

/** Inside code only what stands between < and > means something. */
function inlineCode(text) {
  return text
    .split(/(<[^<>\n]+>)/)
    .map((part) => (part.startsWith('<') ? control(part.slice(1, -1), false) : null) ?? unescapeText(part));
}

/** Lines with quotes put together. */
function lines(text, options) {
  const nodes = [];
  let plainLines = [];
  let quoted = null;
  const flush = () => {
    if (quoted) nodes.push(el('blockquote', {}, inline(quoted.join('\n'), options)));
    else if (plainLines.length > 0) nodes.push(...inline(plainLines.join('\n'), options));
    quoted = null;
    plainLines = [];
  };
  const all = text.split('\n');
  for (let i = 0; i < all.length; i++) {
    const rest = /^(?:&gt;|>){3} ?/.exec(all[i]);
    if (rest) {
      flush();
      quoted = [all[i].slice(rest[0].length), ...all.slice(i + 1)];
      break;
    }
    const mark = /^(?:&gt;|>) ?/.exec(all[i]);
    if (Boolean(mark) !== Boolean(quoted)) {
      flush();
      if (mark) quoted = [];
    }
    if (mark) quoted.push(all[i].slice(mark[0].length));
    else plainLines.push(all[i]);
  }
  flush();
  return nodes;
}

/** mrkdwn as a list of nodes and strings. */
export function mrkdwn(text, options = {}) {
  const nodes = [];
  // ``` that was typed has a zero-width space before each tick and stays as it is.
  for (const [i, part] of text.split('```').entries()) {
    if (i % 2 === 1 && i < text.split('```').length - 1)
      nodes.push(el('pre', {}, inlineCode(part.replace(/^\n|\n$/g, ''))));
    else {
      const shown = (i > 0 && i % 2 === 1 ? '```' : '') + part;
      const trimmed = i > 0 && i % 2 === 0 ? shown.replace(/^\n/, '') : shown;
      if (trimmed) nodes.push(...lines(trimmed, options));
    }
  }
  return nodes;
}

export const plainText = (text) => inline(text, { plain: true });

/** A text object of Block Kit. */
export function textObject(object) {
  if (!object) return [];
  return object.type === 'mrkdwn'
    ? mrkdwn(object.text, { verbatim: object.verbatim === true })
    : object.emoji === false
      ? [object.text]
      : plainText(object.text);
}

/** What a text object says, for labels that cannot hold elements. */
export function saidBy(object) {
  const holder = el('span', {}, textObject(object));
  return holder.textContent.replace(/\s+/g, ' ').trim();
}
