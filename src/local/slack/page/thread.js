// The panel at the right: one message and what was replied to it.
import { composer } from './composer.js';
import { el, icon } from './dom.js';
import { calledAs, readOnlyNote } from './head.js';
import { messageList } from './messages.js';
import { ask, channelOf, newestOf, world } from './world.js';

/** `reveal` names a reply to show; `sent()` hears of a new one, `close()` that the panel is not wanted any more. */
export function threadPanel({ channel, ts, reveal, trouble, sent, close }) {
  const list = messageList({ label: 'Thread', testId: 'thread-messages', openThread: null, trouble });
  const writer = channelOf(channel)?.readOnly
    ? null
    : composer({
        label: 'Reply…',
        testId: 'thread-composer',
        draftKey: `${world.as} ${channel} ${ts}`,
        target: () => ({ channel, thread: ts }),
        sent,
      });
  const node = el(
    'aside',
    { class: 'thread', 'aria-label': 'Thread', 'data-testid': 'thread' },
    el(
      'header',
      { class: 'head-bar' },
      el('h2', {}, 'Thread ', el('small', {}, calledAs(channelOf(channel)))),
      el(
        'button',
        { type: 'button', class: 'icon-button', 'aria-label': 'Close thread', onclick: close },
        icon('close'),
      ),
    ),
    list.node,
    el('div', { class: 'foot' }, writer ? writer.node : readOnlyNote()),
  );
  node.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented) close();
  });
  const fetchMessages = newestOf(ask.messages);
  let shown = false;
  return {
    channel,
    ts,
    node,
    focus: () => (writer ?? node.querySelector('button')).focus(),
    async show() {
      const answer = await fetchMessages(channel, ts);
      if (!node.isConnected || !answer?.ok) return;
      list.show(answer.messages, { first: !shown });
      if (!shown && reveal) list.reveal(reveal);
      shown = true;
    },
    remove() {
      writer?.dispose();
      node.remove();
    },
  };
}
