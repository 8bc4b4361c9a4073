// The stack of open modals. Only the uppermost is shown; those below keep what was typed in them.

import { showBlocks } from './blocks.js';
import { el, icon, newId, reconcile } from './dom.js';
import { saidBy } from './mrkdwn.js';
import { surfaceOf } from './surfaces.js';
import { problemsIn, Values } from './values.js';
import { act, troubleText, world } from './world.js';

/** View id → what belongs to it while it is open. */
const open = new Map();
let dialog = null;
let shownId = null;
let opener = null;

/** Whoever is waiting for a modal to come: the element that gets the focus back. */
function rememberOpener() {
  const active = document.activeElement;
  const body = active === document.body || active === null;
  opener = { node: body ? null : active, place: active?.closest('[data-focus]')?.getAttribute('data-focus') ?? null };
}
function giveFocusBack() {
  const again = opener?.node?.isConnected
    ? opener.node
    : opener?.place
      ? [...document.querySelectorAll('[data-focus]')].find((each) => each.dataset.focus === opener.place)
      : null;
  (again ?? document.querySelector('[data-testid=composer]') ?? document.querySelector('main button'))?.focus({
    preventScroll: true,
  });
  opener = null;
}

function partsFor(view) {
  let parts = open.get(view.id);
  if (parts) return parts;
  const values = new Values();
  parts = {
    values,
    body: el('div', { class: 'modal-body', tabindex: '-1' }),
    errors: {},
    blocks: [],
    trouble: null,
    busy: false,
    errorsSeen: null,
  };
  parts.surface = surfaceOf({
    from: { view: view.id },
    values,
    blocks: () => parts.blocks,
    holder: () => parts.body,
    submit: () => void submit(view.id),
    redraw: () => {
      parts.body.replaceChildren();
      showBlocks(parts.body, parts.blocks, parts.surface, parts.errors);
    },
  });
  // Where there is nothing to fill in, Enter does what one would press.
  parts.body.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.target !== parts.body) return;
    void (world.state.views.at(-1)?.view.submit ? submit(view.id) : closeTop());
  });
  open.set(view.id, parts);
  return parts;
}

/** Shows what the server says is open. */
export function showModals(views) {
  for (const id of open.keys()) if (!views.some((each) => each.id === id)) open.delete(id);
  const top = views.at(-1);
  if (!top) {
    if (dialog) {
      const old = dialog;
      dialog = null;
      shownId = null;
      old.close();
      old.remove();
      giveFocusBack();
    }
    return;
  }
  if (!dialog) {
    rememberOpener();
    dialog = el('dialog', { class: 'modal', 'data-testid': 'modal' });
    dialog.addEventListener('cancel', (event) => {
      if (event.target !== dialog) return;
      event.preventDefault();
      void closeTop();
    });
    // The second of two quick Escapes closes a dialog without asking; it is only closed when the server says so.
    dialog.addEventListener('close', () => dialog?.isConnected && dialog.showModal());
    document.body.append(dialog);
    dialog.showModal();
  }
  draw(top, views.length);
}

function draw({ id, view, errors }, depth) {
  const parts = partsFor({ id });
  parts.blocks = view.blocks;
  const errorsNow = JSON.stringify(errors ?? null);
  if (errors && errorsNow !== parts.errorsSeen) parts.errors = errors;
  parts.errorsSeen = errorsNow;
  const isNew = shownId !== id;
  shownId = id;
  const active = document.activeElement;
  const hadFocus = dialog.contains(active) && active !== parts.body && active !== dialog;
  const title = saidBy(view.title);
  const close = view.close ? saidBy(view.close) : 'Cancel';
  const submitText = view.submit ? saidBy(view.submit) : null;
  const { busy, trouble } = parts;
  dialog.dataset.viewId = id;
  dialog.dataset.callbackId = view.callback_id ?? '';
  // Only what changed is replaced: a button must not go away under a click.
  reconcile(
    dialog,
    [
      { part: 'header', what: { title, depth }, make: () => headerOf(title, depth) },
      { part: `body ${id}`, what: '', make: () => parts.body },
      {
        part: 'footer',
        what: { id, close, submitText, busy, trouble },
        make: () => footerOf({ id, close, submitText, busy, trouble }),
      },
    ],
    { key: (each) => each.part, version: (each) => JSON.stringify(each.what), render: (each) => each.make() },
  );
  dialog.setAttribute('aria-labelledby', dialog.querySelector('h2').id);
  showBlocks(parts.body, view.blocks, parts.surface, parts.errors);
  if (isNew || !hadFocus || !dialog.contains(document.activeElement) || document.activeElement === dialog) {
    if (isNew || !dialog.contains(document.activeElement) || [dialog, parts.body].includes(document.activeElement))
      focusFirst(parts.body);
  }
}

function headerOf(title, depth) {
  return el(
    'header',
    {},
    depth > 1
      ? el(
          'button',
          {
            type: 'button',
            class: 'icon-button',
            'aria-label': 'Back',
            'data-focus': 'modal/back',
            onclick: () => void closeTop(),
          },
          icon('back'),
        )
      : null,
    el('span', { class: 'app-badge', 'aria-hidden': 'true' }, (world.workspace.app.name || 'K').slice(0, 1)),
    el('h2', { id: newId('modal') }, title),
    el(
      'button',
      {
        type: 'button',
        class: 'icon-button',
        'aria-label': 'Close',
        'data-focus': 'modal/close',
        onclick: () => void closeAll(),
      },
      icon('close'),
    ),
  );
}
function footerOf({ id, close, submitText, busy, trouble }) {
  return el(
    'footer',
    {},
    trouble
      ? el('p', { class: 'trouble', role: 'alert' }, trouble)
      : el('span', { class: 'by' }, `From ${world.workspace.app.name}`),
    el(
      'button',
      { type: 'button', class: 'button', 'data-focus': 'modal/cancel', onclick: () => void closeTop() },
      close,
    ),
    submitText
      ? el(
          'button',
          {
            type: 'button',
            class: 'button primary',
            'data-focus': 'modal/submit',
            'data-testid': 'modal-submit',
            'aria-busy': busy ? 'true' : null,
            onclick: () => void submit(id),
          },
          submitText,
        )
      : null,
  );
}

const focusable = 'input, textarea, .block .button';
function focusFirst(body) {
  (body.querySelector('[data-autofocus]') ?? body.querySelector(focusable) ?? body).focus({ preventScroll: true });
}
function focusFirstError(parts) {
  const block = [...parts.body.querySelectorAll('.block')].find((each) => each.querySelector('.field-error'));
  block?.querySelector('input, textarea')?.focus();
  block?.scrollIntoView({ block: 'nearest' });
}

const redraw = () => {
  const top = world.state.views.at(-1);
  if (top && dialog) draw(top, world.state.views.length);
};

async function submit(id) {
  const parts = open.get(id);
  if (!parts || parts.busy) return;
  const problems = problemsIn(parts.blocks, parts.values);
  parts.trouble = null;
  parts.errors = problems;
  if (Object.keys(problems).length > 0) {
    redraw();
    focusFirstError(parts);
    return;
  }
  parts.busy = true;
  redraw();
  const answer = await act({ kind: 'submit', view: id, state: parts.values.collect(parts.blocks) });
  parts.busy = false;
  const stillOpen = open.get(id) === parts;
  if (answer.errors) parts.errors = answer.errors;
  else if (!answer.ok) parts.trouble = troubleText(answer.error);
  if (stillOpen) {
    redraw();
    if (answer.errors) focusFirstError(parts);
  }
  await world.refresh();
}

async function closeView(id) {
  const answer = await act({ kind: 'close', view: id });
  await world.refresh();
  // A modal that the server no longer knows, or cannot close, must not lock the page.
  if (!answer.ok) showModals(world.state.views.filter((each) => each.id !== id));
}
async function closeTop() {
  if (shownId) await closeView(shownId);
}
async function closeAll() {
  for (const { id } of [...world.state.views].reverse()) await closeView(id);
}
