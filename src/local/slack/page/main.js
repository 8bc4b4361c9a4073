// The page as a whole: who looks, at what, and what changes it.
import { showBlocks } from './blocks.js';
import { composer } from './composer.js';
import { el, icon, reconcile } from './dom.js';
import { listen } from './live.js';
import { messageList } from './messages.js';
import { showModals } from './modals.js';
import { avatar, choosable, chooser, personSwitcher } from './people.js';
import { keyHelp, quickSwitcher } from './quick.js';
import { directWith, showSidebar, sidebarOrder } from './sidebar.js';
import { surfaceOf } from './surfaces.js';
import { Values } from './values.js';
import { act, ask, channelOf, coalesced, nameOf, troubleText, world } from './world.js';

const root = document.querySelector('#app');
/** What is shown in the middle: a channel's id, or 'home' for the app's own page; and the thread beside it. */
let current = null;
let thread = null;
let newFrom = null;
let frame = null;
let main = null;
let stopListening = () => {};

// ————— Addresses —————

const params = () => new URLSearchParams(location.search);
function keepAddress() {
  const wanted = new URLSearchParams({ as: world.as, ...(current ? { at: current } : {}) });
  history.replaceState(null, '', `/?${wanted}`);
  try {
    localStorage.setItem('local-slack-as', world.as);
    localStorage.setItem(`local-slack-at ${world.as}`, current ?? '');
  } catch {
    // The address alone remembers.
  }
}
function remembered(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

// ————— Fetching —————

async function fetchState() {
  const as = world.as;
  const state = await ask.state(as);
  if (as !== world.as) return;
  if (!state.ok) {
    if (['user_not_found', 'account_inactive', 'user_is_bot'].includes(state.error)) showChooser();
    return;
  }
  world.state = state;
  showModals(state.views);
  if (!frame) return;
  // No longer a member, or archived: there is nothing to look at any more.
  if (main?.channel && !channelOf(main.channel)) openFirst();
  showSidebar(frame.nav, current, sidebarActions);
  showHead();
  showHome();
  showTitle();
  readHere();
}
let fetching = null;
/** The state as it is now; callers at the same time share one answer that is newer than their call. */
world.refresh = async () => {
  while (fetching) await fetching;
  fetching = fetchState();
  await fetching;
  fetching = null;
};
const refreshSoon = coalesced(() => world.refresh());
const messagesSoon = coalesced(() => showMessages());
const threadSoon = coalesced(() => showThread());
const othersSoon = coalesced(() => frame?.me.lookAround(), 700);

async function showMessages({ first = false } = {}) {
  if (!main?.list) return;
  const channel = main.channel;
  const answer = await ask.messages(channel);
  if (main?.channel !== channel) return;
  if (!answer.ok) {
    if (answer.error !== 'page_offline')
      main.list.show([], { about: el('p', { class: 'trouble' }, troubleText(answer.error)), first });
    return;
  }
  const { messages } = answer;
  const unread = main.unreadAtFirst;
  if (first && unread > 0)
    newFrom = messages.filter((each) => each.user !== world.as && !each.ephemeral).at(-unread)?.ts ?? null;
  main.list.show(messages, { about: aboutChannel(channel), newFrom, first });
  if (main.reveal) main.list.reveal(main.reveal);
  main.reveal = null;
}
/** What stands before somebody's eyes is read. */
function readHere() {
  const channel = channelOf(main?.channel);
  if (!channel?.unread || document.visibilityState !== 'visible') return;
  void act({ kind: 'read', channel: channel.id }).then(refreshSoon);
}
async function showThread() {
  if (!thread) return;
  const { channel, ts } = thread;
  const answer = await ask.messages(channel, ts);
  if (thread?.ts !== ts || !answer.ok) return;
  thread.list.show(answer.messages, { first: !thread.shown });
  thread.shown = true;
  if (thread.reveal) thread.list.reveal(thread.reveal);
  thread.reveal = null;
}

// ————— Drawing —————

function aboutChannel(id) {
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
      el('p', {}, `What ${world.workspace.app.name} has to say to you alone. Type / for its commands.`),
    );
  return el(
    'div',
    { class: 'about' },
    el('h2', {}, channel.name),
    el('p', {}, `Only you and ${channel.name} see what is written here.`),
  );
}

function showTitle() {
  const unread = world.state.channels.reduce((sum, each) => sum + each.unread, 0);
  const channel = channelOf(current);
  const place =
    current === 'home'
      ? world.workspace.app.name
      : channel
        ? channel.kind === 'im'
          ? channel.name
          : `#${channel.name}`
        : '';
  document.title = `${unread > 0 ? `(${unread}) ` : ''}${[place, nameOf(world.as), 'Local Slack'].filter(Boolean).join(' | ')}`;
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

function showHead() {
  if (!main) return;
  const channel = channelOf(current);
  const ofApp = current === 'home' || channel?.withApp;
  const parts = ofApp ? ['app', 'tabs'] : channel ? ['name', ...(channel.topic ? ['topic'] : [])] : [];
  reconcile(main.head, parts, {
    key: (part) => part,
    version: (part) => (ofApp ? part : `${channel.kind} ${channel.name} ${channel.topic}`),
    render: (part) => headParts[part]({ channel }),
  });
  if (ofApp) {
    const all = [
      { id: 'home', label: 'Home', selected: current === 'home', unread: 0, open: () => openHome() },
      {
        id: 'messages',
        label: 'Messages',
        selected: current !== 'home',
        unread: sidebarOrder().app?.unread ?? 0,
        open: () => void openPerson(world.workspace.app.botUserId),
      },
    ];
    reconcile(main.head.querySelector('.tabs'), all, {
      key: (each) => each.id,
      version: (each) => JSON.stringify(each),
      render: tab,
    });
  }
  if (main.foot) showFoot();
}

/** Below the messages: a place to write, or a way to join. */
function showFoot() {
  const channel = channelOf(main.channel);
  const mode = channel && channel.kind !== 'im' && !channel.isMember ? 'join' : 'write';
  if (main.footMode === mode) return;
  main.footMode = mode;
  main.foot.replaceChildren();
  if (mode === 'join') {
    main.foot.append(
      el(
        'div',
        { class: 'join' },
        el('p', {}, 'You are looking at ', el('strong', {}, `#${channel.name}`)),
        el(
          'button',
          {
            type: 'button',
            class: 'button primary',
            onclick: async () => {
              await act({ kind: 'join', channel: channel.id });
              await world.refresh();
              main?.writer?.focus();
            },
          },
          'Join channel',
        ),
      ),
    );
    return;
  }
  const name = channel ? (channel.kind === 'im' ? channel.name : `#${channel.name}`) : '';
  const at = main.channel;
  main.writer = composer({
    label: `Message ${name}`,
    testId: 'composer',
    draftKey: `${world.as} ${at}`,
    target: () => ({ channel: at }),
    sent: afterActing,
  });
  main.foot.append(main.writer.node);
}
function afterActing() {
  newFrom = null;
  messagesSoon();
  threadSoon();
  refreshSoon();
  othersSoon();
}

let homeValues = null;
let homeSurface = null;
function showHome() {
  if (current !== 'home' || !main?.home) return;
  const home = world.state.home;
  main.home.setAttribute('aria-busy', home ? 'false' : 'true');
  if (!home) {
    main.home.replaceChildren(el('p', { class: 'note' }, main.homeTrouble ?? 'One moment…'));
    return;
  }
  if (!homeSurface || homeSurface.id !== home.id) {
    homeValues = new Values();
    main.home.replaceChildren();
    homeSurface = {
      id: home.id,
      ...surfaceOf({
        from: { view: home.id },
        values: homeValues,
        blocks: () => world.state.home?.view.blocks ?? [],
        holder: () => main?.home,
        headingTag: 'h2',
        redraw: () => {
          main?.home?.replaceChildren();
          showHome();
        },
      }),
    };
  }
  main.home.querySelector(':scope > .note')?.remove();
  showBlocks(main.home, home.view.blocks, homeSurface);
}

function openHome() {
  leave();
  current = 'home';
  homeSurface = null;
  main = {
    head: el('header', { class: 'head-bar' }),
    home: el('div', {
      class: 'home',
      'data-testid': 'app-home',
      role: 'tabpanel',
      'aria-label': `${world.workspace.app.name} Home`,
      tabindex: '-1',
    }),
  };
  frame.main.replaceChildren(main.head, el('div', { class: 'home-scroller' }, main.home));
  const here = main;
  showHead();
  showHome();
  void act({ kind: 'openHome' }).then(async (answer) => {
    if (!answer.ok) here.homeTrouble = troubleText(answer.error);
    await world.refresh();
    if (main === here) showHome();
  });
  arrived();
}

/** Shows a channel; `ts` names a message to show in it, `thread` the thread that it is in. */
function openChannel(id, { ts = null, thread: inThread = null } = {}) {
  leave();
  current = id;
  newFrom = null;
  const channel = channelOf(id);
  main = { channel: id, head: el('header', { class: 'head-bar' }), foot: el('div', { class: 'foot' }) };
  main.reveal = inThread ?? ts;
  main.unreadAtFirst = channel?.unread ?? 0;
  main.list = messageList({
    label: `Messages in ${channel ? (channel.kind === 'im' ? channel.name : `#${channel.name}`) : 'this channel'}`,
    testId: 'messages',
    openThread: (ts) => openThread(id, ts),
    trouble: toast,
  });
  frame.main.replaceChildren(main.head, main.list.node, main.foot);
  showHead();
  showFoot();
  void showMessages({ first: true });
  readHere();
  arrived();
  main.writer?.focus();
  if (inThread) openThread(id, inThread, ts);
}
function leave() {
  main?.writer?.dispose();
  closeThread();
}
function arrived() {
  showSidebar(frame.nav, current, sidebarActions);
  showTitle();
  keepAddress();
  frame.node.classList.remove('show-nav');
}

function openThread(channel, ts, reveal = null) {
  if (thread?.ts === ts) {
    thread.writer.focus();
    return;
  }
  closeThread();
  const list = messageList({ label: 'Thread', testId: 'thread-messages', openThread: null, trouble: toast });
  const writer = composer({
    label: 'Reply…',
    testId: 'thread-composer',
    draftKey: `${world.as} ${channel} ${ts}`,
    target: () => ({ channel, thread: ts }),
    sent: afterActing,
  });
  const name = channelOf(channel);
  const panel = el(
    'aside',
    { class: 'thread', 'aria-label': 'Thread', 'data-testid': 'thread' },
    el(
      'header',
      { class: 'head-bar' },
      el('h2', {}, 'Thread ', el('small', {}, name ? (name.kind === 'im' ? name.name : `#${name.name}`) : '')),
      el(
        'button',
        { type: 'button', class: 'icon-button', 'aria-label': 'Close thread', onclick: () => closeThread(true) },
        icon('close'),
      ),
    ),
    list.node,
    el('div', { class: 'foot' }, writer.node),
  );
  panel.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented) closeThread(true);
  });
  thread = { channel, ts, list, writer, panel, shown: false, reveal };
  frame.node.append(panel);
  frame.node.classList.add('with-thread');
  void showThread();
  writer.focus();
}
function closeThread(back = false) {
  if (!thread) return;
  const { panel, writer, ts } = thread;
  writer.dispose();
  panel.remove();
  thread = null;
  frame.node.classList.remove('with-thread');
  if (back)
    (
      [...document.querySelectorAll('.message')].find((each) => each.dataset.ts === ts) ??
      document.querySelector('[data-testid=composer]')
    )?.focus();
}

async function openPerson(userId) {
  const id = await directWith(userId);
  if (id) openChannel(id);
  else toast('That conversation cannot be opened.');
}
function openApp() {
  const app = sidebarOrder().app;
  if (app?.unread > 0) openChannel(app.id);
  else openHome();
}
world.goTo = (id, message) => (channelOf(id) ? openChannel(id, message) : toast(troubleText('channel_not_found')));
world.openPerson = (id) => void openPerson(id);
world.become = (id) => void become(id);

let toastTimer;
function toast(text) {
  frame.toast.textContent = text;
  frame.toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    frame.toast.hidden = true;
  }, 6_000);
}

const quickActions = { openChannel, openApp: openHome, openPerson, become };
const sidebarActions = { openChannel, openApp, startDirect: () => quickSwitcher(quickActions) };

function buildFrame() {
  const nav = el('nav', { class: 'places-nav', 'aria-label': 'Channels and conversations' });
  const me = personSwitcher(become);
  const offline = el(
    'div',
    { class: 'offline', role: 'status', hidden: true },
    'The local Slack does not answer. Looking for it again…',
  );
  const middle = el('main', { class: 'main', tabindex: '-1' });
  const toastNode = el('div', { class: 'toast', role: 'alert', hidden: true });
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
      el(
        'span',
        { class: 'banner-text' },
        `Local Slack, for trying ${world.workspace.app.name || 'Keysteward'}. Nothing leaves this machine.`,
      ),
      el(
        'button',
        {
          type: 'button',
          class: 'search',
          onclick: () => quickSwitcher(quickActions),
          'aria-keyshortcuts': 'Control+K Meta+K',
        },
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
    middle,
    offline,
    toastNode,
  );
  frame = { node, nav, me, main: middle, offline, toast: toastNode };
  root.replaceChildren(node);
}

function showChooser() {
  stopListening();
  frame = null;
  main = null;
  thread = null;
  current = null;
  showModals([]);
  document.title = 'Local Slack';
  root.replaceChildren(
    el(
      'header',
      { class: 'banner' },
      el(
        'span',
        { class: 'banner-text' },
        `Local Slack, for trying ${world.workspace.app.name || 'Keysteward'}. Nothing leaves this machine.`,
      ),
    ),
    chooser(become),
  );
}

/** Looks at everything with this person's eyes from now on. */
async function become(id, at = null, message = {}) {
  if (frame && thread) closeThread();
  stopListening();
  showModals([]);
  world.as = id;
  world.state = { ok: true, channels: [], views: [], home: null };
  main = null;
  current = null;
  buildFrame();
  await world.refresh();
  if (!frame || world.as !== id) return;
  const wanted = at ?? remembered(`local-slack-at ${id}`);
  const { app } = sidebarOrder();
  stopListening = listen(id, {
    heard,
    back: () => {
      frame.offline.hidden = true;
      void reloadAll();
    },
    down: () => {
      if (frame) frame.offline.hidden = false;
    },
  });
  if (app?.unread > 0 && !at) openChannel(app.id);
  else if (at && channelOf(at)) openChannel(at, message);
  else if (wanted === 'home') openHome();
  else if (channelOf(wanted)) openChannel(wanted);
  else openFirst();
  othersSoon();
}
function openFirst() {
  const { joined } = sidebarOrder();
  if (joined.length > 0) openChannel((joined.find((each) => each.name === 'general') ?? joined[0]).id);
  else openHome();
}

async function reloadAll() {
  const workspace = await ask.workspace();
  if (workspace.users) world.workspace = workspace;
  frame?.me.show();
  refreshSoon();
  messagesSoon();
  threadSoon();
}
function heard(event) {
  if (event.type === 'messages') {
    if (event.channel === main?.channel) messagesSoon();
    if (event.channel === thread?.channel) threadSoon();
    refreshSoon();
    othersSoon();
  } else if (event.type === 'users') void reloadAll();
  else refreshSoon();
}

// ————— Keys —————

function stepChannel(step, unreadOnly) {
  const { joined, others, direct, app } = sidebarOrder();
  const all = [...joined, ...others, ...direct, ...(app ? [app] : [{ id: 'home', unread: 0 }])];
  const at = all.findIndex((each) => each.id === current);
  for (let i = 1; i <= all.length; i++) {
    const next = all[(at + step * i + all.length * 2) % all.length];
    if (unreadOnly && next.unread === 0) continue;
    if (next.id === 'home') openHome();
    else openChannel(next.id);
    return;
  }
}
function nextRegion() {
  const regions = [
    frame.me.node,
    frame.nav.querySelector('[aria-current]') ?? frame.nav.querySelector('button'),
    frame.main.querySelector('.message[tabindex="0"]') ?? main?.home,
    main?.writer && frame.main.querySelector('[data-testid=composer]'),
    thread?.panel.querySelector('textarea'),
  ].filter(Boolean);
  const holders = [
    frame.me.node,
    frame.nav,
    frame.main.querySelector('.messages') ?? main?.home,
    main?.foot,
    thread?.panel,
  ].filter(Boolean);
  const at = holders.findIndex((each) => each.contains(document.activeElement));
  regions[(at + 1) % regions.length]?.focus();
}
document.addEventListener('keydown', (event) => {
  if (!frame || document.querySelector('dialog[open]')) return;
  const mod = event.ctrlKey || event.metaKey;
  if (mod && event.key.toLowerCase() === 'k') quickSwitcher(quickActions);
  else if (mod && event.key === '/') keyHelp();
  else if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown'))
    stepChannel(event.key === 'ArrowUp' ? -1 : 1, event.shiftKey);
  else if (event.key === 'F6') nextRegion();
  else return;
  event.preventDefault();
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') {
    refreshSoon();
    messagesSoon();
  }
});

// ————— Start —————

async function start() {
  let workspace = await ask.workspace();
  while (!workspace.users) {
    root.replaceChildren(el('p', { class: 'waiting' }, 'Waiting for the local Slack…'));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    workspace = await ask.workspace();
  }
  world.workspace = workspace;
  const wanted = params().get('as') ?? remembered('local-slack-as');
  const person = choosable().find((each) => each.id === wanted);
  const [at, ts, inThread] = ['at', 'message', 'thread'].map((name) => params().get(name));
  if (person) await become(person.id, at, { ts, thread: inThread });
  else showChooser();
}
void start();
