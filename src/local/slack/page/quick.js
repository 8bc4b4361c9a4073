// Ctrl/⌘+K: go anywhere by typing. And the list of keys that this page knows.
import { append, el, icon, newId } from './dom.js';
import { avatar, choosable } from './people.js';
import { world } from './world.js';

function places({ openChannel, openApp, openPerson, become }) {
  const { channels } = world.state;
  return [
    ...channels.map((channel) => ({
      text: channel.name,
      note: channel.unread > 0 ? `${channel.unread} unread` : channel.topic,
      unread: channel.unread,
      picture: () =>
        channel.kind === 'private'
          ? icon('lock')
          : channel.kind === 'im'
            ? avatar(channel.withApp ? world.workspace.app.botUserId : channel.id, 'tiny')
            : el('span', { class: 'hash' }, '#'),
      run: () => openChannel(channel.id),
    })),
    { text: `${world.workspace.app.name} Home`, note: 'App', unread: 0, picture: () => icon('home'), run: openApp },
    ...choosable()
      .filter(
        (each) =>
          each.id !== world.as && !channels.some((channel) => channel.kind === 'im' && channel.name === each.realName),
      )
      .map((each) => ({
        text: each.realName || each.name,
        note: `Message, ${each.title}`,
        unread: 0,
        picture: () => avatar(each.id, 'tiny'),
        run: () => openPerson(each.id),
      })),
    ...choosable()
      .filter((each) => each.id !== world.as)
      .map((each) => ({
        text: `Be ${each.realName || each.name}`,
        note: each.title,
        unread: 0,
        last: true,
        picture: () => avatar(each.id, 'tiny'),
        run: () => become(each.id),
      })),
  ];
}

export function quickSwitcher(actions) {
  if (document.querySelector('dialog[open]')) return;
  const from = document.activeElement;
  const listId = newId('places');
  const all = places(actions);
  const input = el('input', {
    type: 'text',
    role: 'combobox',
    'aria-label': 'Where do you want to go?',
    'aria-expanded': 'true',
    'aria-controls': listId,
    'aria-autocomplete': 'list',
    autocomplete: 'off',
    placeholder: 'Where do you want to go?',
  });
  const list = el('div', { role: 'listbox', id: listId, class: 'places', 'aria-label': 'Places' });
  const dialog = el(
    'dialog',
    { class: 'quick', 'aria-label': 'Quick switcher', 'data-testid': 'quick-switcher' },
    el('div', { class: 'quick-field' }, icon('search'), input),
    list,
  );
  let shown = [];
  let active = 0;
  let chosen = null;

  function point(at) {
    const rows = list.querySelectorAll('[role=option]');
    rows[active]?.classList.remove('active');
    rows[active]?.setAttribute('aria-selected', 'false');
    active = rows.length === 0 ? 0 : (at + rows.length) % rows.length;
    rows[active]?.classList.add('active');
    rows[active]?.setAttribute('aria-selected', 'true');
    rows[active]?.scrollIntoView({ block: 'nearest' });
    if (rows[active]) input.setAttribute('aria-activedescendant', rows[active].id);
    else input.removeAttribute('aria-activedescendant');
  }
  function search() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rank = (place) => {
      const text = place.text.toLowerCase().replace(/^#/, '');
      return (
        (place.unread > 0 ? -2 : 0) +
        (words[0] && text.startsWith(words[0].replace(/^#/, '')) ? -4 : 0) +
        (place.last ? 1 : 0)
      );
    };
    shown = all
      .filter((place) => words.every((word) => place.text.toLowerCase().includes(word.replace(/^#/, ''))))
      .sort((a, b) => rank(a) - rank(b))
      .slice(0, 40);
    list.replaceChildren();
    append(
      list,
      shown.map((place, i) =>
        el(
          'div',
          { role: 'option', id: newId('place'), class: 'option', 'aria-selected': 'false', onclick: () => go(i) },
          place.picture(),
          el('span', { class: 'option-text' }, place.text),
          el('span', { class: 'option-description' }, place.note ?? ''),
        ),
      ),
    );
    if (shown.length === 0) list.append(el('div', { class: 'note' }, 'Nothing by that name.'));
    active = 0;
    point(0);
  }
  function go(i) {
    chosen = shown[i];
    dialog.close();
  }
  input.addEventListener('input', search);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      point(active + (event.key === 'ArrowDown' ? 1 : -1));
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (shown[active]) go(active);
    }
  });
  dialog.addEventListener('pointerdown', (event) => event.target === dialog && dialog.close());
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (chosen) chosen.run();
    else if (from?.isConnected) from.focus();
  });
  document.body.append(dialog);
  search();
  dialog.showModal();
  input.focus();
}

const mac = /Mac|iPhone|iPad/.test(navigator.platform);
const mod = mac ? '⌘' : 'Ctrl';
const keys = [
  [`${mod} + K`, 'Go to a channel, a person, or be somebody else'],
  ['Alt + ↑ / ↓', 'The channel above or below'],
  ['Alt + Shift + ↑ / ↓', 'The unread channel above or below'],
  ['F6', 'To the next part of the page'],
  ['↑ / ↓ in the messages', 'From message to message; Enter opens the thread'],
  ['/ in an empty field', 'Commands'],
  ['↑ in an empty field', 'What you sent before'],
  ['Esc', 'Close a window, a thread or a menu'],
  [`${mod} + /`, 'This list'],
];
export function keyHelp() {
  if (document.querySelector('dialog[open]')) return;
  const from = document.activeElement;
  const titleId = newId('keys');
  const dialog = el(
    'dialog',
    { class: 'modal', 'aria-labelledby': titleId },
    el(
      'header',
      {},
      el('h2', { id: titleId }, 'Keyboard'),
      el(
        'button',
        { type: 'button', class: 'icon-button', 'aria-label': 'Close', onclick: () => dialog.close() },
        icon('close'),
      ),
    ),
    el(
      'div',
      { class: 'modal-body' },
      el(
        'dl',
        { class: 'keys' },
        keys.map(([key, what]) => el('div', {}, el('dt', {}, key), el('dd', {}, what))),
      ),
    ),
  );
  dialog.addEventListener('close', () => {
    dialog.remove();
    if (from?.isConnected) from.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}
