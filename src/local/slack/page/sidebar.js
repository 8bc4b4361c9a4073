// The left side: channels, conversations and the app.
import { el, icon, newId, reconcile } from './dom.js';
import { avatar } from './people.js';
import { act, world } from './world.js';

const byName = (a, b) => a.name.localeCompare(b.name);
const userBehind = (channel) => world.workspace.users.find((each) => (each.realName || each.name) === channel.name);

export function sidebarOrder() {
  const { channels } = world.state;
  const joined = channels.filter((each) => each.kind !== 'im' && each.isMember).sort(byName);
  const others = channels.filter((each) => each.kind === 'public' && !each.isMember).sort(byName);
  const direct = channels.filter((each) => each.kind === 'im' && !each.withApp).sort(byName);
  const app = channels.find((each) => each.withApp) ?? null;
  return { joined, others, direct, app };
}

function entry({ id, label, unread, current, kind, face, open, dim }) {
  const picture =
    kind === 'im'
      ? avatar(face, 'tiny')
      : kind === 'private'
        ? icon('lock')
        : el('span', { class: 'hash', 'aria-hidden': 'true' }, '#');
  return el(
    'li',
    {},
    el(
      'button',
      {
        type: 'button',
        class: `entry${unread > 0 ? ' unread' : ''}${dim ? ' dim' : ''}`,
        'aria-current': current ? 'page' : null,
        'data-testid': 'channel',
        'data-channel-id': id,
        'data-focus': `sidebar/${id}`,
        onclick: open,
      },
      picture,
      el('span', { class: 'entry-name' }, label),
      unread > 0
        ? el('span', { class: 'badge' }, String(unread), el('span', { class: 'visually-hidden' }, ' unread'))
        : null,
    ),
  );
}

function section({ title, action }) {
  const id = newId('section');
  return el('section', { 'aria-labelledby': id }, el('h2', {}, el('span', { id }, title), action?.()), el('ul', {}));
}

/** Draws the sidebar into `nav`. What did not change stays the same node, so that no click gets lost. */
export function showSidebar(nav, current, { openChannel, openApp, startDirect }) {
  const { joined, others, direct, app } = sidebarOrder();
  const channelEntry = (channel) => ({
    id: channel.id,
    label: channel.name,
    unread: channel.unread,
    current: current === channel.id,
    kind: channel.kind,
    face: channel.kind === 'im' ? (userBehind(channel)?.id ?? channel.id) : null,
    dim: channel.kind !== 'im' && !channel.isMember,
    open: () => openChannel(channel.id),
  });
  const newDirect = () =>
    el(
      'button',
      {
        type: 'button',
        class: 'icon-button',
        'aria-label': 'New direct message',
        title: 'New direct message',
        onclick: startDirect,
      },
      icon('plus'),
    );
  const sections = [
    { title: 'Channels', entries: joined.map(channelEntry) },
    { title: 'Other channels', entries: others.map(channelEntry) },
    { title: 'Direct messages', entries: direct.map(channelEntry), action: newDirect },
    {
      title: 'Apps',
      entries: [
        {
          id: app?.id ?? 'app',
          label: world.workspace.app.name,
          unread: app?.unread ?? 0,
          current: current === 'home' || (app !== null && current === app.id),
          kind: 'im',
          face: world.workspace.app.botUserId,
          dim: false,
          open: openApp,
        },
      ],
    },
  ].filter((each) => each.entries.length > 0 || each.action);
  reconcile(nav, sections, { key: (each) => each.title, version: () => world.as, render: section });
  sections.forEach(({ entries }, i) => {
    reconcile(nav.children[i].querySelector('ul'), entries, {
      key: (each) => each.id,
      version: (each) => JSON.stringify(each),
      render: entry,
    });
  });
}

/** The DM with this person or the app, made when there is none. */
export async function directWith(userId) {
  const known = world.state.channels.find(
    (each) =>
      each.kind === 'im' &&
      (userId === world.workspace.app.botUserId ? each.withApp : !each.withApp && userBehind(each)?.id === userId),
  );
  if (known) return known.id;
  const answer = await act({ kind: 'openDm', with: userId });
  await world.refresh();
  return answer.ok ? (answer.channel ?? null) : null;
}
