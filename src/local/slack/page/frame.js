// What stands around everything: the banner, the left side, and the places for the rest.
import { el, icon } from './dom.js';
import { personSwitcher } from './people.js';
import { keyHelp } from './quick.js';
import { world } from './world.js';

const promise = () =>
  el(
    'span',
    { class: 'banner-text' },
    `Local Slack, for trying ${world.workspace.app.name || 'Keysteward'}. Nothing leaves this machine.`,
  );

/** Before anybody is chosen. */
export const bareBanner = () => el('header', { class: 'banner' }, promise());

/** `become(userId)` and `search()` are what the frame's own buttons do. */
export function buildFrame({ become, search }) {
  const nav = el('nav', { class: 'places-nav', 'aria-label': 'Channels and conversations' });
  const me = personSwitcher(become);
  const offline = el(
    'div',
    { class: 'offline', role: 'status', hidden: true },
    'The local Slack does not answer. Looking for it again…',
  );
  const main = el('main', { class: 'main', tabindex: '-1' });
  const toast = el('div', { class: 'toast', role: 'alert', hidden: true });
  const node = el(
    'div',
    { class: 'frame' },
    el(
      'header',
      { class: 'banner' },
      el(
        'button',
        {
          type: 'button',
          class: 'icon-button menu-button',
          'aria-label': 'Channels',
          onclick: () => node.classList.toggle('show-nav'),
        },
        icon('more'),
      ),
      promise(),
      el(
        'button',
        { type: 'button', class: 'search', onclick: search, 'aria-keyshortcuts': 'Control+K Meta+K' },
        icon('search'),
        el('span', {}, 'Go to…'),
        el('kbd', {}, /Mac/.test(navigator.platform) ? '⌘K' : 'Ctrl K'),
      ),
      el(
        'button',
        { type: 'button', class: 'icon-button', 'aria-label': 'Keyboard help', title: 'Keyboard', onclick: keyHelp },
        icon('info'),
      ),
    ),
    el(
      'aside',
      { class: 'side', 'aria-label': 'Workspace' },
      me.node,
      el('div', { class: 'team' }, world.workspace.team.name),
      nav,
    ),
    main,
    offline,
    toast,
  );
  let timer;
  return {
    node,
    nav,
    me,
    main,
    offline,
    /** A line that goes away by itself. */
    toast(text) {
      toast.textContent = text;
      toast.hidden = false;
      clearTimeout(timer);
      timer = setTimeout(() => {
        toast.hidden = true;
      }, 6_000);
    },
  };
}
