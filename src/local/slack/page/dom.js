// Building and updating the page's elements. Text only ever becomes a text node, so nothing that anybody typed can
// turn into markup.

/** A new element. Attributes that are null, undefined or false are left out; `onclick` and the like add listeners. */
export function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked') node[name] = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  append(node, children);
  return node;
}

export function append(node, children) {
  for (const child of children.flat(Number.POSITIVE_INFINITY)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
}

const SVG = 'http://www.w3.org/2000/svg';
/** An SVG element; the same conventions as `el`. */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) node.setAttribute(name, String(value));
  append(node, children);
  return node;
}

const outlines = {
  bolt: 'M11 2 4 11h5l-1 7 7-9h-5z',
  send: 'M3 4l15 6-15 6 2-6zM5 10h8',
  more: 'M4.5 10h1M9.5 10h1M14.5 10h1',
  reply: 'M3 5h14v9h-7l-4 3v-3H3zM6.5 8.5h7M6.5 11h4',
  close: 'M5 5l10 10M15 5 5 15',
  back: 'M12 4l-6 6 6 6',
  down: 'M5 8l5 5 5-5',
  lock: 'M5 9h10v8H5zM7 9V6a3 3 0 0 1 6 0v3',
  eye: 'M2 10s3-5 8-5 8 5 8 5-3 5-8 5-8-5-8-5zM10 8.2a1.8 1.8 0 1 0 0 3.6 1.8 1.8 0 0 0 0-3.6',
  search: 'M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4zM13 13l4 4',
  plus: 'M10 4v12M4 10h12',
  home: 'M3 10l7-6 7 6M5 9v8h10V9',
  info: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM10 9v5M10 6.2h.01',
};
/** A small line drawing; decoration only, so screen readers skip it. */
export function icon(name) {
  return svg(
    'svg',
    { viewBox: '0 0 20 20', class: 'icon', 'aria-hidden': 'true', focusable: 'false' },
    svg('path', { d: outlines[name] }),
  );
}

let ids = 0;
export const newId = (prefix) => `${prefix}-${++ids}`;

const known = new WeakMap();
/**
 * Makes the children of `parent` show `items`. A child whose `version` is unchanged stays the same node, with its
 * focus, caret and open menus; a replaced one gets the focus back at the same place.
 */
export function reconcile(parent, items, { key, version, render }) {
  const old = new Map();
  for (const child of [...parent.children]) {
    const entry = known.get(child);
    if (entry) old.set(entry.key, { node: child, version: entry.version });
  }
  const nodes = items.map((item, i) => {
    const id = key(item, i);
    const wanted = version(item, i);
    const before = old.get(id);
    if (before?.version === wanted) {
      old.delete(id);
      return before.node;
    }
    const node = render(item, i);
    known.set(node, { key: id, version: wanted });
    if (before) {
      old.delete(id);
      keepFocus(before.node, node);
    }
    return node;
  });
  for (const { node } of old.values()) node.remove();
  let cursor = parent.firstElementChild;
  for (const node of nodes) {
    if (node === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(node, cursor);
  }
}

function keepFocus(before, after) {
  const active = document.activeElement;
  const had = active && before.contains(active);
  const place = had ? active.closest('[data-focus]')?.getAttribute('data-focus') : null;
  const caret = had && typeof active.selectionStart === 'number' ? [active.selectionStart, active.selectionEnd] : null;
  before.replaceWith(after);
  if (!had) return;
  const same = place && [...after.querySelectorAll('[data-focus]')].find((each) => each.dataset.focus === place);
  const target =
    same ?? (after.hasAttribute('tabindex') ? after : after.querySelector('button, input, textarea, [tabindex]'));
  target?.focus({ preventScroll: true });
  if (same && caret && same.tagName === active.tagName) same.setSelectionRange(...caret);
}

/** Shows `popup` below `anchor`, or above it where there is more room; over everything, also over dialogs. */
export function showPopup(
  popup,
  anchor,
  { align = 'start', minWidth = anchor.offsetWidth, maxHeight = 360, above = false } = {},
) {
  const host = anchor.closest('dialog') ?? document.body;
  popup.setAttribute('popover', 'manual');
  if (popup.parentNode !== host) host.append(popup);
  if (!popup.matches(':popover-open')) popup.showPopover();
  const box = anchor.getBoundingClientRect();
  const below = innerHeight - box.bottom - 12;
  const up = above || (below < Math.min(popup.scrollHeight, 240) && box.top > below);
  popup.style.minWidth = `${minWidth}px`;
  popup.style.maxHeight = `${Math.max(120, Math.min(maxHeight, up ? box.top - 12 : below))}px`;
  const left = align === 'end' ? box.right - popup.offsetWidth : box.left;
  popup.style.left = `${Math.max(8, Math.min(left, innerWidth - popup.offsetWidth - 8))}px`;
  popup.style.top = up ? 'auto' : `${box.bottom + 4}px`;
  popup.style.bottom = up ? `${innerHeight - box.top + 4}px` : 'auto';
}

export function hidePopup(popup) {
  if (popup.matches(':popover-open')) popup.hidePopover();
  popup.remove();
}

/** A menu of things to do, opened from `anchor`; arrows move, Escape closes and gives the focus back. */
export function openMenu(anchor, label, items, options) {
  const menu = el('div', { class: 'menu', role: 'menu', 'aria-label': label });
  const close = (back = true) => {
    hidePopup(menu);
    anchor.setAttribute('aria-expanded', 'false');
    document.removeEventListener('pointerdown', outside, true);
    if (back && anchor.isConnected) anchor.focus();
  };
  const outside = (event) => {
    if (!menu.contains(event.target)) close(false);
  };
  const entries = items.map((item) =>
    item.heading
      ? el('div', { class: 'menu-heading', role: 'presentation' }, item.heading)
      : el(
          'button',
          {
            type: 'button',
            role: 'menuitem',
            tabindex: '-1',
            class: item.danger ? 'danger' : null,
            'data-value': item.value,
            onclick: () => {
              close();
              item.run();
            },
          },
          el('span', { class: 'menu-label' }, item.label),
          item.description ? el('span', { class: 'menu-description' }, item.description) : null,
        ),
  );
  append(menu, entries);
  const buttons = entries.filter((each) => each.getAttribute('role') === 'menuitem');
  menu.addEventListener('keydown', (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === 'Escape' || event.key === 'Tab') {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (to !== undefined) {
      event.preventDefault();
      buttons.at(to % buttons.length)?.focus();
    }
  });
  showPopup(menu, anchor, { minWidth: 220, ...options });
  anchor.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  buttons[0]?.focus();
}

/** Asks yes or no in a dialog. Resolves to whether the person said yes. */
export function askToConfirm({ title, text, yes, no, danger }) {
  return new Promise((resolve) => {
    const titleId = newId('confirm');
    const from = document.activeElement;
    const dialog = el(
      'dialog',
      { class: 'modal confirm', 'aria-labelledby': titleId, 'data-testid': 'confirm' },
      el('header', {}, el('h2', { id: titleId }, title)),
      el('div', { class: 'modal-body' }, text),
      el(
        'footer',
        {},
        el('button', { type: 'button', class: 'button', onclick: () => dialog.close('') }, no),
        el(
          'button',
          {
            type: 'button',
            class: `button ${danger ? 'danger' : 'primary'}`,
            autofocus: true,
            onclick: () => dialog.close('yes'),
          },
          yes,
        ),
      ),
    );
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (from?.isConnected) from.focus();
      resolve(dialog.returnValue === 'yes');
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
