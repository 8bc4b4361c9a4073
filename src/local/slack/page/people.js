// Who the viewer is, and how everybody looks.
import { append, el, icon, newId, openMenu } from './dom.js';
import { clock } from './time.js';
import { ask, nameOf, userOf, world } from './world.js';

const initials = (name) =>
  name
    .split(/[\s._-]+/)
    .filter(Boolean)
    .slice(0, 2)
    .map((word) => [...word][0].toUpperCase())
    .join('') || '?';

/** A picture made of initials: nothing is fetched from anywhere. */
export function avatar(id, size = '') {
  const user = userOf(id);
  const isApp = id === world.workspace.app.botUserId;
  let hash = 0;
  for (const letter of id) hash = (hash * 31 + letter.charCodeAt(0)) % 997;
  return el(
    'span',
    { class: `avatar ${size} ${isApp ? 'avatar-app' : `avatar-${hash % 8}`}`, 'aria-hidden': 'true' },
    initials(user?.realName || user?.name || id),
  );
}

/** A person's name, with what one can do about them behind it. */
export function nameButton(id, options = {}) {
  const { class: look = 'name', label = nameOf(id) } = options;
  const node = el(
    'button',
    { type: 'button', class: look, 'aria-haspopup': 'menu', 'aria-expanded': 'false', 'data-user-id': id },
    label,
  );
  node.addEventListener('click', () => {
    const user = userOf(id);
    const about = [user?.title, user?.isGuest ? 'Guest' : '', user && !user.isBot ? zoneTime(user) : '']
      .filter(Boolean)
      .join(' · ');
    openMenu(node, nameOf(id), [
      { heading: [el('strong', {}, nameOf(id)), about ? el('small', {}, about) : null] },
      ...(id === world.as ? [] : [{ label: `Message ${nameOf(id)}`, run: () => world.openPerson(id) }]),
      ...(id === world.as || !choosable().some((each) => each.id === id)
        ? []
        : [
            {
              label: `Be ${nameOf(id)}`,
              description: 'See this workspace with their eyes',
              run: () => world.become(id),
            },
          ]),
      ...(id === world.as ? [{ label: 'This is you', run: () => {} }] : []),
    ]);
  });
  return node;
}

export const choosable = () => world.workspace.users.filter((each) => !each.isBot && !each.deleted);

function zoneTime(user) {
  const place = user.tz.split('/').at(-1).replaceAll('_', ' ');
  try {
    return `${new Intl.DateTimeFormat('en-US', { timeZone: user.tz, hour: 'numeric', minute: '2-digit' }).format(Date.now())} in ${place}`;
  } catch {
    return clock(Date.now());
  }
}

/** A whole page to choose from, for the first visit. */
export function chooser(onchoose) {
  const titleId = newId('who');
  return el(
    'main',
    { class: 'chooser', 'aria-labelledby': titleId },
    el('h1', { id: titleId }, 'Who do you want to be?'),
    el(
      'p',
      {},
      `This is ${world.workspace.team.name}, a small company on your own machine. Everybody here is made up. You can change places at any time, at the top left.`,
    ),
    el(
      'ul',
      { class: 'people' },
      choosable().map((user) =>
        el(
          'li',
          {},
          el(
            'button',
            {
              type: 'button',
              'data-user-id': user.id,
              'data-testid': 'choose-person',
              onclick: () => onchoose(user.id),
            },
            avatar(user.id),
            el(
              'span',
              { class: 'who' },
              el('strong', {}, user.realName || user.name),
              el('small', {}, [user.title, user.isGuest ? 'Guest' : ''].filter(Boolean).join(' · ') || user.name),
            ),
          ),
        ),
      ),
    ),
  );
}

/** How much waits for each of the others: channel state per person, asked for when it is shown. */
async function unreadOf(id) {
  const state = await ask.state(id);
  return state.ok ? state.channels.reduce((sum, each) => sum + (each.kind === 'im' ? each.unread : 0), 0) : 0;
}

export function personSwitcher(onchoose) {
  const node = el('button', {
    type: 'button',
    class: 'person-switcher',
    'aria-haspopup': 'menu',
    'aria-expanded': 'false',
    'data-testid': 'person-switcher',
  });
  const waiting = el('span', { class: 'others', hidden: true });
  const show = () => {
    const user = userOf(world.as);
    node.replaceChildren();
    append(node, [
      avatar(world.as),
      el(
        'span',
        { class: 'who' },
        el('strong', {}, el('span', { class: 'visually-hidden' }, 'You are '), nameOf(world.as)),
        el('small', {}, user?.title || user?.name || ''),
      ),
      waiting,
      el('span', { class: 'visually-hidden' }, 'Be somebody else'),
      icon('down'),
    ]);
  };
  node.addEventListener('click', async () => {
    if (node.getAttribute('aria-expanded') === 'true') return;
    node.setAttribute('aria-expanded', 'true');
    const users = choosable();
    const unread = await Promise.all(users.map((each) => unreadOf(each.id)));
    openMenu(
      node,
      'Be somebody else',
      users.map((user, i) => ({
        label: [
          avatar(user.id, 'small'),
          el(
            'span',
            { class: 'who' },
            el('strong', {}, user.realName || user.name),
            el('small', {}, [user.title, user.isGuest ? 'Guest' : '', zoneTime(user)].filter(Boolean).join(' · ')),
          ),
          user.id === world.as
            ? el('span', { class: 'you' }, 'you')
            : unread[i] > 0
              ? el('span', { class: 'badge' }, String(unread[i]), el('span', { class: 'visually-hidden' }, ' unread'))
              : null,
        ],
        value: user.id,
        run: () => onchoose(user.id),
      })),
      { minWidth: 300, maxHeight: 620 },
    );
  });
  /** A dot that says somebody else has something to read: the next step of a story is often theirs. */
  const lookAround = async () => {
    const users = choosable().filter((each) => each.id !== world.as);
    const counts = await Promise.all(users.map((each) => unreadOf(each.id)));
    const some = users.filter((_, i) => counts[i] > 0);
    waiting.hidden = some.length === 0;
    waiting.title = some.length === 0 ? '' : `Unread for ${some.map((each) => each.realName || each.name).join(', ')}`;
    waiting.replaceChildren(
      String(some.length),
      el('span', { class: 'visually-hidden' }, ' others have something to read'),
    );
  };
  show();
  return { node, show, lookAround };
}
