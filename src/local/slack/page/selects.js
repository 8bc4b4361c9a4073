// A select with type-ahead: static, from the app, or of people and channels; one value or several.
import { append, el, hidePopup, icon, newId, showPopup } from './dom.js';
import { plainText } from './mrkdwn.js';

const said = (option) => el('span', {}, plainText(option.text.text)).textContent;

/**
 * `load(query)` gives groups `[{ label?, options }]`, or `{ note }` when there is something to say instead; it may be
 * asked again before it has answered, and only the last answer counts.
 */
export function combobox({
  id,
  label,
  labelled,
  describedBy,
  placeholder,
  load,
  waitMs = 0,
  chosen,
  multi,
  max,
  clearable,
  invalid,
  required,
  hooks,
  onchange,
}) {
  const listId = newId('list');
  let picked = [...chosen];
  let shown = [];
  let active = -1;
  let asked = 0;
  let timer;
  let open = false;

  const input = el('input', {
    type: 'text',
    id,
    role: 'combobox',
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-autocomplete': 'list',
    'aria-expanded': 'false',
    'aria-controls': listId,
    'aria-label': labelled ? null : label,
    'aria-describedby': describedBy,
    'aria-invalid': invalid ? 'true' : null,
    'aria-required': required ? 'true' : null,
    ...hooks,
  });
  const chips = multi ? el('span', { class: 'chips', role: 'list', 'aria-label': 'Chosen' }) : null;
  const clear = el(
    'button',
    {
      type: 'button',
      class: 'clear',
      'aria-label': 'Clear',
      onclick: () => {
        choose([]);
        input.focus();
      },
    },
    icon('close'),
  );
  const box = el(
    'span',
    { class: multi ? 'combobox multi' : 'combobox' },
    chips,
    input,
    clear,
    multi ? null : icon('down'),
  );
  const popup = el('div', {
    class: 'listbox',
    role: 'listbox',
    id: listId,
    'aria-label': 'Options',
    'aria-multiselectable': multi ? 'true' : null,
  });
  const status = el('span', { class: 'visually-hidden', role: 'status' });
  box.append(status);

  function showChips() {
    chips.replaceChildren();
    append(
      chips,
      picked.map((option) =>
        el(
          'span',
          { class: 'chip', role: 'listitem' },
          plainText(option.text.text),
          el(
            'button',
            {
              type: 'button',
              'aria-label': `Remove ${said(option)}`,
              onclick: () => {
                choose(picked.filter((each) => each !== option));
                input.focus();
              },
            },
            icon('close'),
          ),
        ),
      ),
    );
  }
  /** Leaves the chips as they are: a press on one takes the focus first, and is a click only if it is still there. */
  function showText() {
    input.value = !multi && picked[0] ? said(picked[0]) : '';
    input.placeholder = multi && picked.length > 0 ? '' : placeholder;
  }
  function show() {
    if (multi) showChips();
    showText();
    clear.hidden = multi || !clearable || picked.length === 0;
  }
  function choose(options) {
    picked = options;
    show();
    onchange(picked);
  }
  function close() {
    if (!open) return;
    open = false;
    clearTimeout(timer);
    asked++;
    hidePopup(popup);
    input.setAttribute('aria-expanded', 'false');
    input.removeAttribute('aria-activedescendant');
  }
  function note(text) {
    shown = [];
    active = -1;
    popup.replaceChildren(el('div', { class: 'note', role: 'presentation' }, text));
    status.textContent = text;
    place();
  }
  function place() {
    if (open && box.isConnected) showPopup(popup, box);
  }
  function point(at) {
    const rows = popup.querySelectorAll('[role=option]');
    rows[active]?.classList.remove('active');
    active = rows.length === 0 ? -1 : (at + rows.length) % rows.length;
    if (active < 0) return;
    rows[active].classList.add('active');
    rows[active].scrollIntoView({ block: 'nearest' });
    input.setAttribute('aria-activedescendant', rows[active].id);
  }
  function list(groups) {
    shown = [];
    popup.replaceChildren();
    for (const group of groups) {
      const options = group.options.filter((option) => !multi || !picked.some((each) => each.value === option.value));
      if (options.length === 0) continue;
      const rows = options.map((option) => {
        shown.push(option);
        const isPicked = picked.some((each) => each.value === option.value);
        return el(
          'div',
          {
            role: 'option',
            id: newId('option'),
            class: isPicked ? 'option picked' : 'option',
            'aria-selected': isPicked ? 'true' : 'false',
            'data-value': option.value,
            onclick: () => take(option),
          },
          el('span', { class: 'option-text' }, plainText(option.text.text)),
          option.description ? el('span', { class: 'option-description' }, plainText(option.description.text)) : null,
        );
      });
      if (group.label)
        popup.append(
          el(
            'div',
            { role: 'group', 'aria-label': group.label },
            el('div', { class: 'group-label', role: 'presentation' }, group.label),
            rows,
          ),
        );
      else append(popup, rows);
    }
    if (shown.length === 0) {
      note('No results');
      return;
    }
    status.textContent = `${shown.length} ${shown.length === 1 ? 'option' : 'options'}`;
    place();
    active = -1;
    const at = shown.findIndex((option) => picked.some((each) => each.value === option.value));
    point(Math.max(0, at));
  }
  function take(option) {
    if (multi) {
      if (max && picked.length >= max) {
        note(`You can choose up to ${max}.`);
        return;
      }
      choose([...picked, option]);
      search();
    } else {
      close();
      choose([option]);
    }
    input.focus();
  }
  /** A single select lists everything until something is typed over the value. */
  const query = () => (!multi && picked[0] && input.value === said(picked[0]) ? '' : input.value.trim());
  function search() {
    if (!box.isConnected) return;
    open = true;
    input.setAttribute('aria-expanded', 'true');
    const number = ++asked;
    const text = query();
    const answer = load(text);
    if (!(answer instanceof Promise)) {
      if (answer.note) note(answer.note);
      else list(answer);
      return;
    }
    if (shown.length === 0) note('Looking…');
    else popup.setAttribute('aria-busy', 'true');
    void answer.then((found) => {
      if (number !== asked || !open) return;
      popup.removeAttribute('aria-busy');
      if (found.note) note(found.note);
      else list(found);
    });
  }
  function searchSoon() {
    clearTimeout(timer);
    if (waitMs > 0) timer = setTimeout(search, waitMs);
    else search();
  }

  input.addEventListener('input', searchSoon);
  input.addEventListener('click', () => {
    if (!open) search();
  });
  input.addEventListener('focus', () => {
    if (!multi) input.select();
  });
  input.addEventListener('blur', () => {
    // Text that was typed but not chosen is no value.
    setTimeout(() => {
      if (document.activeElement === input) return;
      close();
      if (!multi && clearable && input.value.trim() === '' && picked.length > 0) choose([]);
      else showText();
    }, 0);
  });
  input.addEventListener('keydown', (event) => {
    const { key } = event;
    if (key === 'ArrowDown' || key === 'ArrowUp') {
      event.preventDefault();
      if (!open) search();
      else point(active + (key === 'ArrowDown' ? 1 : -1));
    } else if (open && (key === 'Home' || key === 'End') && input.value === '') {
      event.preventDefault();
      point(key === 'Home' ? 0 : -1);
    } else if (key === 'Enter') {
      event.preventDefault();
      event.stopPropagation();
      if (!open) search();
      else if (shown[active]) take(shown[active]);
    } else if (key === 'Escape' && open) {
      event.preventDefault();
      event.stopPropagation();
      close();
      showText();
    } else if (key === 'Tab') {
      close();
    } else if (key === 'Backspace' && multi && input.value === '' && picked.length > 0) {
      choose(picked.slice(0, -1));
      search();
    }
  });
  // Keeps the focus in the field, so that choosing with the pointer is not a blur.
  popup.addEventListener('pointerdown', (event) => event.preventDefault());
  popup.addEventListener('mousedown', (event) => event.preventDefault());
  box.addEventListener('pointerdown', (event) => {
    if (event.target === input || event.target.closest('button')) return;
    event.preventDefault();
    input.focus();
    if (!open) search();
  });
  show();
  return box;
}

/** Looks through options that are all here: every word has to be somewhere in the text or description. */
export function searchIn(groups, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (option) => {
    const text = `${said(option)} ${option.description?.text ?? ''} ${option.alias ?? ''}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return groups.map((group) => ({ ...group, options: group.options.filter(fits) }));
}
