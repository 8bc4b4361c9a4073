// The left side: channels, conversations and the app.
import { append, el, icon, newId } from './dom.js';
import { avatar } from './people.js';
import { act, userOf, world } from './world.js';

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

function entry({ id, label, unread, current, picture, open, dim }) {
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

function section(title, entries, action) {
  if (entries.length === 0 && !action) return null;
  const id = newId('section');
  return el(
    'section',
    { 'aria-labelledby': id },
    el('h2', {}, el('span', { id }, title), action),
    el('ul', {}, entries),
  );
}

let drawn = '';
/** Draws the sidebar into `nav`, when something in it changed. */
export function showSidebar(nav, current, { openChannel, openApp, startDirect }) {
  const version = JSON.stringify([world.as, current, world.state.channels, world.workspace.app]);
  if (version === drawn) return;
  drawn = version;
  const focused = nav.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  const { joined, others, direct, app } = sidebarOrder();
  const channelEntry = (channel) =>
    entry({
      id: channel.id,
      label: channel.name,
      unread: channel.unread,
      current: current === channel.id,
      picture: channel.kind === 'private' ? icon('lock') : el('span', { class: 'hash', 'aria-hidden': 'true' }, '#'),
      open: () => openChannel(channel.id),
      dim: !channel.isMember,
    });
  nav.replaceChildren();
  append(nav, [
    section('Channels', joined.map(channelEntry)),
    others.length > 0 ? section('Other channels', others.map(channelEntry)) : null,
    section(
      'Direct messages',
      direct.map((channel) =>
        entry({
          id: channel.id,
          label: channel.name,
          unread: channel.unread,
          current: current === channel.id,
          picture: avatar(userBehind(channel)?.id ?? channel.id, 'tiny'),
          open: () => openChannel(channel.id),
        }),
      ),
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
      ),
    ),
    section('Apps', [
      entry({
        id: app?.id ?? 'app',
        label: world.workspace.app.name,
        unread: app?.unread ?? 0,
        current: current === 'home' || (app !== null && current === app.id),
        picture: avatar(world.workspace.app.botUserId, 'tiny'),
        open: openApp,
      }),
    ]),
  ]);
  if (focused) [...nav.querySelectorAll('[data-focus]')].find((each) => each.dataset.focus === focused)?.focus();
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
export const displayName = (userId) => userOf(userId)?.realName ?? userId;
