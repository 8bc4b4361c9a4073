// A list of messages: of a channel, or of a thread.

import { showBlocks } from './blocks.js';
import { append, el, icon, openMenu, reconcile } from './dom.js';
import { mrkdwn } from './mrkdwn.js';
import { avatar, nameButton } from './people.js';
import { surfaceOf } from './surfaces.js';
import { clock, dayHeading, dayOf, fullMoment, msOfTs } from './time.js';
import { Values } from './values.js';
import { act, channelOf, nameOf, troubleText, world } from './world.js';

/** Values of the inputs in messages, by channel and ts, so that an edit of the message does not lose them. */
const valuesOf = new Map();

function bodyOf(message) {
  const edited = message.edited && !message.ephemeral ? el('span', { class: 'edited' }, ' (edited)') : null;
  if (!message.blocks?.length) return el('div', { class: 'text' }, mrkdwn(message.text), edited);
  const holder = el('div', { class: 'blocks' });
  const place = `${world.as} ${message.channel} ${message.ts}`;
  if (!valuesOf.has(place)) valuesOf.set(place, new Values());
  const from = { channel: message.channel, ts: message.ts, ...(message.ephemeral ? { ephemeral: true } : {}) };
  const surface = surfaceOf({
    from,
    values: valuesOf.get(place),
    blocks: () => message.blocks,
    holder: () => holder,
    redraw: () => {
      holder.replaceChildren();
      showBlocks(holder, message.blocks, surface);
    },
  });
  showBlocks(holder, message.blocks, surface);
  return edited ? [holder, edited] : holder;
}

function messageNode(message, { compact, openThread }) {
  const ms = msOfTs(message.ts);
  const time = el('time', { datetime: new Date(ms).toISOString(), title: fullMoment(ms) }, clock(ms));
  if (message.subtype === 'system') {
    return el(
      'div',
      { class: 'message system', 'data-testid': 'message', 'data-ts': message.ts, tabindex: '-1' },
      el('div', { class: 'text' }, mrkdwn(message.text)),
      time,
    );
  }
  const error = message.subtype === 'error';
  const name = error ? 'Local Slack' : nameOf(message.user);
  return el(
    'div',
    {
      class: `message${compact ? ' compact' : ''}${message.ephemeral ? ' ephemeral' : ''}${error ? ' error' : ''}`,
      role: 'article',
      tabindex: '-1',
      'aria-label': `${name}, ${clock(ms)}${message.ephemeral ? ', only visible to you' : ''}`,
      'data-testid': 'message',
      'data-ts': message.ts,
      'data-user-id': message.user,
      'data-ephemeral': message.ephemeral ? 'true' : 'false',
      'data-focus': `message/${message.ts}`,
    },
    message.ephemeral ? el('div', { class: 'only-you' }, icon('eye'), 'Only visible to you') : null,
    el(
      'div',
      { class: 'gutter' },
      compact
        ? time
        : error
          ? el('span', { class: 'avatar avatar-error', 'aria-hidden': 'true' }, '!')
          : avatar(message.user),
    ),
    el(
      'div',
      { class: 'content' },
      compact
        ? null
        : el(
            'div',
            { class: 'head' },
            error ? el('strong', {}, name) : nameButton(message.user),
            message.isApp && !error ? el('span', { class: 'app-tag' }, 'APP') : null,
            time,
          ),
      message.threadTs && message.threadTs !== message.ts && openThread
        ? el(
            'button',
            { type: 'button', class: 'in-thread', onclick: () => openThread(message.threadTs) },
            'replied to a thread',
          )
        : null,
      bodyOf(message),
      message.replyCount > 0 && openThread
        ? el(
            'button',
            {
              type: 'button',
              class: 'replies',
              'data-focus': `replies/${message.ts}`,
              onclick: () => openThread(message.ts),
            },
            `${message.replyCount} ${message.replyCount === 1 ? 'reply' : 'replies'}`,
            el('span', { class: 'view' }, 'View thread'),
          )
        : null,
    ),
  );
}

/** Copying is not allowed everywhere; then nothing happens. */
const copy = (text) => navigator.clipboard?.writeText(text).catch(() => {});
const permalinkOf = ({ channel, ts, threadTs }) =>
  `${location.origin}/archives/${channel}/p${ts.replace('.', '')}${threadTs && threadTs !== ts ? `?thread_ts=${threadTs}` : ''}`;

const pageSize = 200;
const groupMs = 5 * 60_000;
/** Messages with what stands between them: days, and the line above what is new. */
function rowsOf(messages, newFrom) {
  const rows = [];
  let before = null;
  for (const message of messages) {
    const ms = msOfTs(message.ts);
    const day = dayOf(ms);
    const newDay = !before || dayOf(msOfTs(before.ts)) !== day;
    if (newDay) rows.push({ key: `day ${day}`, day: ms });
    const isNew = message.ts === newFrom;
    if (isNew) rows.push({ key: 'new', isNew: true });
    const compact =
      !newDay &&
      !isNew &&
      !message.subtype &&
      !message.ephemeral &&
      !before.ephemeral &&
      !before.subtype &&
      before.user === message.user &&
      ms - msOfTs(before.ts) < groupMs;
    rows.push({ key: `message ${message.ts} ${message.ephemeral}`, message, compact });
    before = message;
  }
  return rows;
}

/**
 * `label` names the list for screen readers; `openThread` is null in a thread; `trouble(text)` shows what failed.
 * The list keeps its place while messages change, and follows new ones when it is at its end.
 */
export function messageList({ label, testId, openThread, trouble }) {
  const list = el('div', {
    class: 'message-list',
    role: 'log',
    'aria-live': 'polite',
    'aria-label': label,
    'data-testid': testId,
  });
  const intro = el('div', { class: 'intro' });
  const earlier = el('button', { type: 'button', class: 'button earlier', hidden: true }, 'Show earlier messages');
  const scroller = el('div', { class: 'scroller', tabindex: '-1' }, intro, earlier, list);
  const pill = el(
    'button',
    { type: 'button', class: 'new-pill', hidden: true, onclick: () => toEnd() },
    'New messages',
    icon('down'),
  );
  const node = el('div', { class: 'messages' }, scroller, pill);
  let atEnd = true;
  let lastTs = '';
  let messages = [];
  let most = pageSize;
  let again = () => {};
  earlier.addEventListener('click', () => {
    const fromEnd = scroller.scrollHeight - scroller.scrollTop;
    most += pageSize;
    again();
    scroller.scrollTop = scroller.scrollHeight - fromEnd;
  });

  function toEnd() {
    scroller.scrollTop = scroller.scrollHeight;
    atEnd = true;
    pill.hidden = true;
  }
  /** To the end, or to where reading starts when that is further up. */
  function toUnread() {
    toEnd();
    const line = list.querySelector('.new-line');
    const above = line ? scroller.getBoundingClientRect().top - line.getBoundingClientRect().top : 0;
    if (above <= 0) return;
    atEnd = false;
    scroller.scrollTop -= above + 40;
  }
  scroller.addEventListener('scroll', () => {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 60;
    if (atEnd) pill.hidden = true;
  });
  new ResizeObserver(() => {
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  }).observe(list);
  new ResizeObserver(() => {
    if (atEnd) scroller.scrollTop = scroller.scrollHeight;
  }).observe(scroller);

  // ————— What can be done with a message —————

  const byTs = (holder) =>
    messages.find((each) => each.ts === holder.dataset.ts && String(each.ephemeral) === holder.dataset.ephemeral);
  const shortcutsFor = (message) =>
    message.ephemeral ? [] : world.workspace.shortcuts.filter((each) => each.type === 'message');
  const canReply = (message) => openThread && !message.ephemeral && !channelOf(message.channel)?.readOnly;
  function moreMenu(button, holder) {
    const message = byTs(holder);
    const items = [
      ...(canReply(message)
        ? [{ label: 'Reply in thread', run: () => openThread(message.threadTs ?? message.ts) }]
        : []),
      ...(message.ephemeral ? [] : [{ label: 'Copy link', run: () => void copy(permalinkOf(message)) }]),
      {
        label: 'Copy text',
        run: () => void copy(holder.querySelector('.content').innerText),
      },
      ...(shortcutsFor(message).length > 0 ? [{ heading: world.workspace.app.name }] : []),
      ...shortcutsFor(message).map((each) => ({
        label: each.name,
        description: each.description,
        value: each.callbackId,
        run: async () => {
          const answer = await act({
            kind: 'shortcut',
            callbackId: each.callbackId,
            message: { channel: message.channel, ts: message.ts },
          });
          if (!answer.ok) trouble(troubleText(answer.error));
        },
      })),
    ];
    openMenu(button, 'What to do with this message', items, { align: 'end' });
  }
  function toolbar(holder) {
    const bar = el('div', { class: 'toolbar', role: 'toolbar', 'aria-label': 'Message actions' });
    const message = byTs(holder);
    if (canReply(message))
      bar.append(
        el(
          'button',
          {
            type: 'button',
            class: 'icon-button',
            'aria-label': 'Reply in thread',
            title: 'Reply in thread',
            onclick: () => openThread(message.threadTs ?? message.ts),
          },
          icon('reply'),
        ),
      );
    const more = el(
      'button',
      {
        type: 'button',
        class: 'icon-button',
        'aria-label': 'More actions',
        title: 'More actions',
        'aria-haspopup': 'menu',
        'aria-expanded': 'false',
        'data-focus': `more/${message.ts}`,
        onclick: () => moreMenu(more, holder),
      },
      icon('more'),
    );
    bar.append(more);
    return bar;
  }
  function arm(holder) {
    if (!holder || !byTs(holder) || holder.querySelector(':scope > .toolbar')) return;
    for (const bar of list.querySelectorAll('.message > .toolbar'))
      if (!bar.contains(document.activeElement) && !bar.querySelector('[aria-expanded=true]')) bar.remove();
    holder.append(toolbar(holder));
  }
  list.addEventListener('pointerover', (event) => arm(event.target.closest('.message:not(.system)')));
  list.addEventListener('focusin', (event) => {
    const holder = event.target.closest('.message');
    rove(holder);
    arm(event.target.closest('.message:not(.system)'));
  });

  /** One message is in the tab order; arrows move from there. */
  function rove(holder) {
    for (const each of list.querySelectorAll('.message[tabindex="0"]')) if (each !== holder) each.tabIndex = -1;
    if (holder) holder.tabIndex = 0;
  }
  list.addEventListener('keydown', (event) => {
    if (!event.target.classList.contains('message')) return;
    const all = [...list.querySelectorAll('.message')];
    const at = all.indexOf(event.target);
    const to = {
      ArrowUp: Math.max(0, at - 1),
      ArrowDown: Math.min(all.length - 1, at + 1),
      Home: 0,
      End: all.length - 1,
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      all[to].focus();
    } else if (event.key === 'Enter' && openThread) {
      const message = byTs(event.target);
      if (message && !message.ephemeral && !message.subtype) openThread(message.threadTs ?? message.ts);
    }
  });

  return {
    node,
    /** `about` stands above the first message; `newFrom` is the ts of the first unread message. */
    show(next, { about = null, newFrom = null, first = false } = {}) {
      again = () => this.show(next, { about, newFrom });
      messages = next.slice(-most);
      earlier.hidden = messages.length === next.length;
      intro.replaceChildren();
      append(intro, [earlier.hidden ? about : null]);
      reconcile(list, rowsOf(messages, newFrom), {
        key: (row) => row.key,
        // Names and zones are part of how a message looks; a change of them redraws it.
        version: (row) =>
          JSON.stringify([row, row.message ? nameOf(row.message.user) : '', row.day ? dayHeading(row.day) : '']),
        render: (row) => {
          if (row.message) return messageNode(row.message, { compact: row.compact, openThread });
          if (row.day) return el('div', { class: 'day', role: 'separator' }, el('span', {}, dayHeading(row.day)));
          return el('div', { class: 'new-line', role: 'separator' }, el('span', {}, 'New'));
        },
      });
      const last = messages.at(-1);
      const arrived = last && last.ts > lastTs;
      const mine = arrived && (last.user === world.as || last.ephemeral);
      lastTs = last?.ts ?? '';
      if (!list.querySelector('.message[tabindex="0"]')) rove([...list.querySelectorAll('.message')].at(-1));
      if (first) toUnread();
      else if (atEnd || mine) toEnd();
      else if (arrived) pill.hidden = false;
    },
    toEnd,
    /** Brings a message before one's eyes, also one that is not shown for its age. */
    reveal(ts) {
      const find = () => [...list.querySelectorAll('.message')].find((each) => each.dataset.ts === ts);
      while (!find() && !earlier.hidden) {
        most += pageSize;
        again();
      }
      const found = find();
      if (!found) return;
      atEnd = false;
      found.scrollIntoView({ block: 'center' });
      found.classList.add('found');
      setTimeout(() => found.classList.remove('found'), 3_000);
    },
    focusLast: () => (list.querySelector('.message[tabindex="0"]') ?? scroller).focus(),
    get atEnd() {
      return atEnd;
    },
  };
}
