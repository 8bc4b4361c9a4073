// Where people write: messages, and slash commands with completion.
import { append, el, hidePopup, icon, newId, openMenu, showPopup } from './dom.js';
import { act, troubleText, world } from './world.js';

/** The verbs in a usage hint such as "[help | request | list [filter]]". */
export function verbsOf(usageHint) {
  const inner = /^\s*\[([\s\S]*)\]\s*$/.exec(usageHint)?.[1] ?? usageHint;
  if (!inner.includes('|')) return [];
  return inner
    .split('|')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => ({ verb: /^\S+/.exec(part)[0], rest: part.replace(/^\S+\s*/, '') }));
}

const isPrefix = (part, whole) => whole.toLowerCase().startsWith(part.toLowerCase());
const people = () => world.workspace.users.filter((each) => !each.deleted);

/** What could be meant by the text up to the caret: `{ from, items: [{ insert, title, hint, description }], eager }`. */
function completions(text, caret) {
  const upTo = text.slice(0, caret);
  if (/^\/\S*$/.test(upTo)) {
    const items = world.workspace.commands
      .filter((each) => isPrefix(upTo, each.command))
      .map((each) => ({
        insert: `${each.command} `,
        whole: each.command,
        title: each.command,
        hint: each.usageHint,
        description: each.description,
      }));
    return { from: 0, part: upTo, items, label: 'Commands' };
  }
  const command = world.workspace.commands.find((each) => upTo.startsWith(`${each.command} `));
  const verb = command && /^(\S+\s+)(\S*)$/.exec(upTo);
  if (verb) {
    const items = verbsOf(command.usageHint)
      .filter((each) => isPrefix(verb[2], each.verb))
      .map((each) => ({
        insert: `${each.verb} `,
        whole: each.verb,
        title: `${command.command} ${each.verb}`,
        hint: each.rest,
        description: '',
      }));
    return { from: verb[1].length, part: verb[2], items, label: `What ${command.command} can do` };
  }
  const person = /(^|\s)@([\p{L}\p{N}._-]*)$/u.exec(upTo);
  if (person) {
    const part = person[2];
    const items = people()
      .filter((each) => isPrefix(part, each.name) || each.realName.split(/\s+/).some((word) => isPrefix(part, word)))
      .slice(0, 8)
      .map((each) => ({
        insert: `@${each.name} `,
        whole: `@${each.name}`,
        title: each.realName || each.name,
        hint: `@${each.name}`,
        description: each.title,
      }));
    return { from: caret - part.length - 1, part: `@${part}`, items, label: 'People' };
  }
  return { from: 0, part: '', items: [], label: '' };
}

/** What was said before by whom, newest last; survives a reload of the page. */
function remembered(as) {
  try {
    return JSON.parse(sessionStorage.getItem(`said ${as}`) ?? '[]');
  } catch {
    return [];
  }
}
function remember(as, text) {
  const all = [...remembered(as).filter((each) => each !== text), text].slice(-50);
  try {
    sessionStorage.setItem(`said ${as}`, JSON.stringify(all));
  } catch {
    // Without storage there is nothing to recall.
  }
}

/** Drafts by place, kept while the page is open. */
const drafts = new Map();

/**
 * `target()` is `{ channel, thread? }`; `label` its accessible name; `sent()` is called when something went through.
 */
export function composer({ label, testId, target, sent, draftKey }) {
  const listId = newId('completion');
  const popup = el('div', { class: 'listbox completion', role: 'listbox', id: listId });
  const trouble = el('p', { class: 'trouble', role: 'alert', hidden: true });
  const area = el('textarea', {
    rows: '1',
    class: 'composer-text',
    'aria-label': label,
    'aria-autocomplete': 'list',
    'aria-haspopup': 'listbox',
    'aria-controls': listId,
    placeholder: label,
    'data-testid': testId,
    spellcheck: 'true',
    autocomplete: 'off',
    value: drafts.get(draftKey) ?? '',
  });
  const lightning = el(
    'button',
    {
      type: 'button',
      class: 'icon-button',
      'aria-label': 'Shortcuts',
      title: 'Shortcuts',
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
      'data-testid': 'shortcuts',
      onclick: () => shortcuts(),
    },
    icon('bolt'),
  );
  const slash = el(
    'button',
    {
      type: 'button',
      class: 'icon-button slash',
      'aria-label': 'Commands',
      title: 'Commands',
      onclick: () => startCommand(),
    },
    '/',
  );
  const sendButton = el(
    'button',
    { type: 'button', class: 'icon-button send', 'aria-label': 'Send', title: 'Send', onclick: () => void send() },
    icon('send'),
  );
  const hint = el(
    'span',
    { class: 'composer-hint', 'aria-hidden': 'true' },
    el('b', {}, 'Shift + Enter'),
    ' for a new line',
  );
  const node = el(
    'form',
    { class: 'composer', onsubmit: (event) => event.preventDefault() },
    trouble,
    el(
      'div',
      { class: 'composer-box' },
      area,
      el('div', { class: 'composer-bar' }, lightning, slash, hint, sendButton),
    ),
  );

  let offer = { items: [] };
  let active = -1;
  let open = false;
  let recalled = -1;
  let busy = false;

  function say(text) {
    trouble.textContent = text;
    trouble.hidden = text === '';
  }
  function grow() {
    area.style.height = 'auto';
    area.style.height = `${Math.min(area.scrollHeight, 220)}px`;
    sendButton.classList.toggle('ready', area.value.trim() !== '');
    hint.classList.toggle('shown', area.value.length > 1);
    drafts.set(draftKey, area.value);
  }
  function put(text) {
    area.value = text;
    area.setSelectionRange(text.length, text.length);
    grow();
  }
  function close() {
    if (!open) return;
    open = false;
    hidePopup(popup);
    area.removeAttribute('aria-activedescendant');
  }
  function point(at) {
    const rows = popup.querySelectorAll('[role=option]');
    rows[active]?.classList.remove('active');
    rows[active]?.setAttribute('aria-selected', 'false');
    active = at < 0 ? rows.length - 1 : at % rows.length;
    rows[active].classList.add('active');
    rows[active].setAttribute('aria-selected', 'true');
    rows[active].scrollIntoView({ block: 'nearest' });
    area.setAttribute('aria-activedescendant', rows[active].id);
  }
  function complete() {
    offer = completions(area.value, area.selectionStart);
    if (offer.items.length === 0 || (offer.items.length === 1 && offer.items[0].whole === offer.part)) {
      close();
      return;
    }
    popup.setAttribute('aria-label', offer.label);
    popup.replaceChildren(el('div', { class: 'group-label', role: 'presentation' }, offer.label));
    append(
      popup,
      offer.items.map((item) =>
        el(
          'div',
          {
            role: 'option',
            id: newId('completion-option'),
            class: 'option',
            'aria-selected': 'false',
            'data-value': item.whole,
            onclick: () => take(item),
          },
          el(
            'span',
            { class: 'option-text' },
            el('b', {}, item.title),
            item.hint ? el('span', { class: 'usage' }, ` ${item.hint}`) : null,
          ),
          item.description ? el('span', { class: 'option-description' }, item.description) : null,
        ),
      ),
    );
    open = true;
    active = -1;
    showPopup(popup, node.querySelector('.composer-box'), { above: true });
    // Nothing is chosen for somebody who has typed nothing yet, so that Enter sends what stands there.
    if (offer.part !== '' && !offer.items.some((each) => each.whole === offer.part)) point(0);
    else area.removeAttribute('aria-activedescendant');
  }
  function take(item) {
    const caret = offer.from + item.insert.length;
    const rest = area.value.slice(area.selectionStart).replace(/^ /, '');
    area.value = area.value.slice(0, offer.from) + item.insert + rest;
    area.setSelectionRange(caret, caret);
    grow();
    area.focus();
    complete();
  }
  function startCommand() {
    if (!area.value.startsWith('/')) put(`/${area.value}`);
    area.focus();
    complete();
  }
  function shortcuts() {
    const items = world.workspace.shortcuts.filter((each) => each.type === 'global');
    openMenu(
      lightning,
      'Shortcuts',
      [
        { heading: world.workspace.app.name },
        ...items.map((each) => ({
          label: each.name,
          description: each.description,
          value: each.callbackId,
          run: async () => {
            say('');
            const answer = await act({ kind: 'shortcut', callbackId: each.callbackId });
            if (!answer.ok) say(troubleText(answer.error));
          },
        })),
      ],
      { above: true },
    );
  }
  async function send() {
    const text = area.value.trim();
    if (text === '' || busy) return;
    close();
    say('');
    const { channel, thread } = target();
    const isCommand = /^\/[^\s/]/.test(text);
    if (isCommand && thread) {
      say('Slash commands do not work in threads. Write it in the channel instead.');
      return;
    }
    if (isCommand && !world.workspace.commands.some((each) => each.command === text.split(/\s/)[0])) {
      say(`${text.split(/\s/)[0]} is not a command here. To send it as a message, put a space in front of it.`);
      return;
    }
    busy = true;
    node.setAttribute('aria-busy', 'true');
    area.readOnly = true;
    remember(world.as, text);
    recalled = -1;
    const answer = await act(
      isCommand ? { kind: 'command', channel, text } : { kind: 'say', channel, text, ...(thread ? { thread } : {}) },
    );
    busy = false;
    area.readOnly = false;
    node.removeAttribute('aria-busy');
    if (!answer.ok) {
      // What the app did wrong is said in the conversation, as in Slack; the text stays for another try.
      if (!isCommand || !/^(app_|invalid_)/.test(answer.error)) say(troubleText(answer.error));
      area.focus();
      return;
    }
    put('');
    sent();
  }
  function recall(step) {
    const all = remembered(world.as);
    const at = recalled < 0 ? all.length : recalled;
    const next = at + step;
    if (next < 0 || all.length === 0) return;
    recalled = next >= all.length ? -1 : next;
    put(recalled < 0 ? '' : all[recalled]);
  }

  area.addEventListener('input', () => {
    recalled = -1;
    grow();
    complete();
  });
  area.addEventListener('blur', () => setTimeout(() => document.activeElement !== area && close(), 0));
  popup.addEventListener('pointerdown', (event) => event.preventDefault());
  popup.addEventListener('mousedown', (event) => event.preventDefault());
  area.addEventListener('keydown', (event) => {
    const { key } = event;
    if (event.isComposing) return;
    if (open && (key === 'ArrowDown' || key === 'ArrowUp')) {
      event.preventDefault();
      if (active < 0) point(key === 'ArrowDown' ? 0 : -1);
      else point(active + (key === 'ArrowDown' ? 1 : -1));
    } else if (open && key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      close();
    } else if (open && (key === 'Tab' || key === 'Enter') && !event.shiftKey && (active >= 0 || key === 'Tab')) {
      event.preventDefault();
      take(offer.items[Math.max(0, active)]);
    } else if (key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      void send();
    } else if (!event.altKey && key === 'ArrowUp' && (area.value === '' || recalled >= 0)) {
      event.preventDefault();
      recall(-1);
    } else if (!event.altKey && key === 'ArrowDown' && recalled >= 0) {
      event.preventDefault();
      recall(1);
    }
  });
  requestAnimationFrame(grow);
  return { node, focus: () => area.focus(), dispose: close };
}
