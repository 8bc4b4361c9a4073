// What the page knows: the workspace, who the viewer is, and what they see. One page, one world.

export const world = {
  /** @type {import('../contract.ts').Workspace} */
  workspace: {
    team: { id: '', name: '', domain: '' },
    app: { id: '', name: '', botUserId: '' },
    commands: [],
    shortcuts: [],
    users: [],
  },
  /** The viewer's user id. */
  as: '',
  /** @type {import('../contract.ts').PageState} */
  state: { ok: true, channels: [], views: [], home: null },
  /** Where one can go from anywhere; set by main.js. */
  goTo: (_channelId, _message) => {},
  openPerson: (_userId) => {},
  become: (_userId) => {},
  refresh: async () => {},
};

export const userOf = (id) => world.workspace.users.find((each) => each.id === id);
export const channelOf = (id) => world.state.channels.find((each) => each.id === id);
export const nameOf = (id) => userOf(id)?.realName || userOf(id)?.name || id;
export const viewerZone = () => userOf(world.as)?.tz || 'UTC';

/** What went wrong, in words. `name` is the app's. */
export function troubleText(error) {
  const app = world.workspace.app.name || 'The app';
  const words = {
    app_timeout: `${app} did not respond in time. Nothing you typed is lost; try again.`,
    app_unreachable: `${app} did not respond: it is not running or cannot be reached. Try again.`,
    page_offline: 'The local Slack is not running. Start it again and try once more.',
    not_in_channel: 'You are not a member of this channel.',
    restricted_action_read_only_channel: 'Nobody can write here but the app.',
    channel_not_found: 'This channel is gone, or you may not see it.',
    message_not_found: 'This message is gone.',
    view_not_found: 'This window is gone. Close it and start again.',
    invalid_command_response: `${app} gave an answer that Slack does not understand.`,
  };
  const status = /^app_http_(\d+)$/.exec(error);
  if (status) return `${app} did not respond: it answered with an error (${status[1]}). Try again.`;
  return words[error] ?? `That did not work (${error}).`;
}

async function call(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
    return await answer.json();
  } catch {
    return { ok: false, error: answer && !answer.ok ? `page_http_${answer.status}` : 'page_offline' };
  }
}
const query = (parts) => new URLSearchParams(Object.entries(parts).filter(([, value]) => value)).toString();

export const ask = {
  workspace: () => call('/page-api/workspace'),
  state: (as) => call(`/page-api/state?${query({ as })}`),
  messages: (channel, thread) => call(`/page-api/messages?${query({ as: world.as, channel, thread })}`),
};

/** Does something as the viewer. Never throws: the answer says how it went. */
export function act(what) {
  return call('/page-api/act', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ as: world.as, ...what }),
  });
}

/** The same call, whose answer is null where a later one has been answered before it: answers can overtake each other. */
export function newestOf(call) {
  let asked = 0;
  let answered = 0;
  return async (...what) => {
    const turn = ++asked;
    const answer = await call(...what);
    if (turn < answered) return null;
    answered = turn;
    return answer;
  };
}

/** Many calls in one go become one, run at most every `ms`; a call during a run is followed by another. */
export function coalesced(run, ms = 40) {
  let planned = false;
  let running = false;
  const plan = () => {
    if (planned) return;
    planned = true;
    setTimeout(go, ms);
  };
  async function go() {
    if (running) {
      setTimeout(go, ms);
      return;
    }
    planned = false;
    running = true;
    try {
      await run();
    } finally {
      running = false;
    }
  }
  return plan;
}
