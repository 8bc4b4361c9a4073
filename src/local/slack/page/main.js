// The page as a whole: who looks, at what, and what changes it.
import { asked, keepAddress, lastPerson, lastPlaceOf } from './address.js';
import { composer } from './composer.js';
import { el } from './dom.js';
import { bareBanner, buildFrame } from './frame.js';
import { aboutChannel, calledAs, readOnlyNote, showHead, showTitle } from './head.js';
import { homePage } from './home.js';
import { listen } from './live.js';
import { messageList } from './messages.js';
import { showModals } from './modals.js';
import { choosable, chooser } from './people.js';
import { keyHelp, quickSwitcher } from './quick.js';
import { directWith, showSidebar, sidebarOrder } from './sidebar.js';
import { threadPanel } from './thread.js';
import { act, ask, channelOf, coalesced, newestOf, troubleText, world } from './world.js';

const root = document.querySelector('#app');
/** What is shown in the middle: a channel's id, or 'home' for the app's own page; and the thread beside it. */
let current = null;
let thread = null;
let newFrom = null;
let frame = null;
let main = null;
let stopListening = () => {};

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
  drawHead();
  main?.home?.show();
  showTitle(current);
  readHere();
}
let fetching = null;
/** The state as it is now; callers at the same time share one answer that is newer than their call. */
world.refresh = async () => {
  while (fetching) await fetching;
  fetching = fetchState().finally(() => {
    fetching = null;
  });
  await fetching;
};
const refreshSoon = coalesced(() => world.refresh());
const messagesSoon = coalesced(() => showMessages());
const threadSoon = coalesced(() => thread?.show());
const othersSoon = coalesced(() => frame?.me.lookAround(), 700);

async function showMessages() {
  if (!main?.list) return;
  const { channel, fetchMessages } = main;
  const answer = await fetchMessages(channel);
  if (!answer || main?.fetchMessages !== fetchMessages) return;
  const first = !main.shown;
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
  main.shown = true;
  if (main.reveal) main.list.reveal(main.reveal);
  main.reveal = null;
}
/** What stands before somebody's eyes is read. */
function readHere() {
  const channel = channelOf(main?.channel);
  if (!channel?.unread || document.visibilityState !== 'visible') return;
  void act({ kind: 'read', channel: channel.id }).then(refreshSoon);
}
// ————— Drawing —————

function drawHead() {
  if (!main) return;
  showHead(main.head, current, headActions);
  if (main.foot) showFoot();
}

/** Below the messages: a place to write, a way to join, or that only the app writes here. */
function showFoot() {
  const channel = channelOf(main.channel);
  const mode = channel && channel.kind !== 'im' && !channel.isMember ? 'join' : channel?.readOnly ? 'read' : 'write';
  if (main.footMode === mode) return;
  main.footMode = mode;
  main.foot.replaceChildren();
  if (mode === 'read') {
    main.foot.append(readOnlyNote());
    return;
  }
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
  const at = main.channel;
  main.writer = composer({
    label: `Message ${calledAs(channel)}`,
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

function openHome() {
  leave();
  current = 'home';
  const home = homePage();
  main = { head: el('header', { class: 'head-bar' }), home };
  frame.main.replaceChildren(main.head, el('div', { class: 'home-scroller' }, home.node));
  drawHead();
  home.show();
  void act({ kind: 'openHome' }).then(async (answer) => {
    if (!answer.ok) home.note = troubleText(answer.error);
    await world.refresh();
    home.show();
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
  main.fetchMessages = newestOf(ask.messages);
  main.list = messageList({
    label: `Messages in ${calledAs(channel) || 'this channel'}`,
    testId: 'messages',
    openThread: (ts) => openThread(id, ts),
    trouble: toast,
  });
  frame.main.replaceChildren(main.head, main.list.node, main.foot);
  drawHead();
  void showMessages();
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
  showTitle(current);
  keepAddress(current);
  frame.node.classList.remove('show-nav');
}

function openThread(channel, ts, reveal = null) {
  if (thread?.ts === ts) {
    thread.focus();
    return;
  }
  closeThread();
  thread = threadPanel({ channel, ts, reveal, trouble: toast, sent: afterActing, close: () => closeThread(true) });
  frame.node.append(thread.node);
  frame.node.classList.add('with-thread');
  void thread.show();
  thread.focus();
}
function closeThread(back = false) {
  if (!thread) return;
  const { ts } = thread;
  thread.remove();
  thread = null;
  frame.node.classList.remove('with-thread');
  if (!back) return;
  const root = [...document.querySelectorAll('.message')].find((each) => each.dataset.ts === ts);
  (root ?? document.querySelector('[data-testid=composer]'))?.focus();
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

const toast = (text) => frame.toast(text);
const quickActions = { openChannel, openApp: openHome, openPerson, become };
const sidebarActions = { openChannel, openApp, startDirect: () => quickSwitcher(quickActions) };
const headActions = { openHome: () => openHome(), openMessages: () => void openPerson(world.workspace.app.botUserId) };

function showChooser() {
  stopListening();
  frame = null;
  main = null;
  thread = null;
  current = null;
  showModals([]);
  document.title = 'Local Slack';
  root.replaceChildren(bareBanner(), chooser(become));
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
  frame = buildFrame({ become, search: () => quickSwitcher(quickActions) });
  root.replaceChildren(frame.node);
  await world.refresh();
  if (!frame || world.as !== id) return;
  const wanted = at ?? lastPlaceOf(id);
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
    frame.main.querySelector('.message[tabindex="0"]') ?? main?.home?.node,
    main?.writer && frame.main.querySelector('[data-testid=composer]'),
    thread?.node.querySelector('textarea'),
  ].filter(Boolean);
  const holders = [
    frame.me.node,
    frame.nav,
    frame.main.querySelector('.messages') ?? main?.home?.node,
    main?.writer && main.foot,
    thread?.node,
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
  const wanted = asked('as') ?? lastPerson();
  const person = choosable().find((each) => each.id === wanted);
  const [at, ts, inThread] = ['at', 'message', 'thread'].map(asked);
  if (person) await become(person.id, at, { ts, thread: inThread });
  else showChooser();
}
void start();
