// What stands above a conversation: its name, the tabs of the app, the beginning of the channel, the window's title.
import { el, icon, reconcile } from './dom.js';
import { avatar } from './people.js';
import { sidebarOrder } from './sidebar.js';
import { channelOf, nameOf, world } from './world.js';

/** A channel as people call it. */
export const calledAs = (channel) => (!channel ? '' : channel.kind === 'im' ? channel.name : `#${channel.name}`);

/** Above the first message of a channel. */
export function aboutChannel(id) {
  const channel = channelOf(id);
  if (!channel) return null;
  if (channel.kind !== 'im') {
    return el(
      'div',
      { class: 'about' },
      el('h2', {}, channel.kind === 'private' ? icon('lock') : '#', ` ${channel.name}`),
      el(
        'p',
        {},
        channel.topic ? `${channel.topic}. ` : '',
        `This is the very beginning of the ${channel.kind === 'private' ? 'private ' : ''}channel.`,
      ),
    );
  }
  if (channel.withApp)
    return el(
      'div',
      { class: 'about' },
      el('h2', {}, avatar(world.workspace.app.botUserId), world.workspace.app.name),
      el(
        'p',
        {},
        `What ${world.workspace.app.name} has to say to you alone.${channel.readOnly ? '' : ' Type / for its commands.'}`,
      ),
    );
  return el(
    'div',
    { class: 'about' },
    el('h2', {}, channel.name),
    el('p', {}, `Only you and ${channel.name} see what is written here.`),
  );
}

/** Where a place to write would be, of a conversation in which only the app writes. */
export const readOnlyNote = () =>
  el(
    'p',
    { class: 'read-only', 'data-testid': 'read-only' },
    `Sending messages to ${world.workspace.app.name} is turned off. Type its commands in any channel.`,
  );

export function showTitle(current) {
  const unread = world.state.channels.reduce((sum, each) => sum + each.unread, 0);
  const place = current === 'home' ? world.workspace.app.name : calledAs(channelOf(current));
  const parts = [place, nameOf(world.as), 'Local Slack'].filter(Boolean);
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${parts.join(' | ')}`;
}

function tab({ id, label, selected, unread, open }) {
  return el(
    'button',
    {
      type: 'button',
      role: 'tab',
      class: 'tab',
      'aria-selected': selected ? 'true' : 'false',
      'data-focus': `tab/${id}`,
      onclick: open,
    },
    label,
    unread > 0 ? el('span', { class: 'badge' }, String(unread)) : null,
  );
}
const headParts = {
  app: () => el('h1', {}, avatar(world.workspace.app.botUserId, 'tiny'), ' ', world.workspace.app.name),
  tabs: () => el('div', { role: 'tablist', class: 'tabs', 'aria-label': world.workspace.app.name }),
  name: ({ channel }) =>
    el(
      'h1',
      {},
      channel.kind === 'private' ? [icon('lock'), ' '] : channel.kind === 'public' ? '# ' : '',
      channel.name,
    ),
  topic: ({ channel }) => el('p', { class: 'topic', title: channel.topic }, channel.topic),
};

/** Draws the head of what is shown into `node`. */
export function showHead(node, current, { openHome, openMessages }) {
  const channel = channelOf(current);
  const ofApp = current === 'home' || channel?.withApp;
  const parts = ofApp ? ['app', 'tabs'] : channel ? ['name', ...(channel.topic ? ['topic'] : [])] : [];
  reconcile(node, parts, {
    key: (part) => part,
    version: (part) => (ofApp ? part : `${channel.kind} ${channel.name} ${channel.topic}`),
    render: (part) => headParts[part]({ channel }),
  });
  if (!ofApp) return;
  const all = [
    { id: 'home', label: 'Home', selected: current === 'home', unread: 0, open: openHome },
    {
      id: 'messages',
      label: 'Messages',
      selected: current !== 'home',
      unread: sidebarOrder().app?.unread ?? 0,
      open: openMessages,
    },
  ];
  reconcile(node.querySelector('.tabs'), all, {
    key: (each) => each.id,
    version: (each) => JSON.stringify(each),
    render: tab,
  });
}
