import type { IncomingMessage, ServerResponse } from 'node:http';
import { perform } from './acts.ts';
import type { Act, ActResult, PageMessage, PageState } from './contract.ts';
import { deliverEvent } from './deliver.ts';
import { bodyText, sendJson } from './http.ts';
import { pageMessages, pageState } from './page-api.ts';
import { groupObject, userObject } from './payloads.ts';
import { SlackError } from './slack-error.ts';
import type { Sockets } from './socket.ts';
import { closeViews } from './views.ts';
import type { LocalChannel, LocalGroup, LocalUser } from './workspace.ts';
import type { ApiCall, Delivery, Fault, Speeds, World } from './world.ts';

type NewUser = Partial<LocalUser> & { name: string; realName: string };
type NewChannel = { id?: string; name: string; topic?: string; private?: boolean; members?: string[] };

type NewGroup = Partial<LocalGroup> & { name: string; handle: string };

/** What tests do to the local Slack; each is `POST /control/<name>` too, with its arguments as a JSON array. */
export interface Control {
  /** Does what a person does in their client. */
  act(act: Act): Promise<ActResult>;
  state(as: string): PageState;
  messages(as: string, channel: string, thread?: string): PageMessage[];

  /** Somebody joins the workspace; the app hears `team_join`. */
  addUser(user: NewUser): Promise<LocalUser>;
  /** Somebody's profile changes; the app hears `user_change`. */
  changeUser(id: string, changes: Partial<Omit<LocalUser, 'id'>>): Promise<LocalUser>;
  deactivateUser(id: string): Promise<LocalUser>;
  addChannel(channel: NewChannel): LocalChannel;
  addMember(channel: string, user: string): void;
  removeMember(channel: string, user: string): void;
  archiveChannel(channel: string): void;
  /** A user group is made; the app hears `subteam_created`. */
  addGroup(group: NewGroup): Promise<LocalGroup>;
  /** Its name, handle or being disabled changes: `subteam_updated`. Who is in it: `subteam_members_changed`. */
  changeGroup(id: string, changes: Partial<Omit<LocalGroup, 'id'>>): Promise<LocalGroup>;
  /** Any event, as it is. */
  sendEvent(event: { type: string } & Record<string, unknown>): Promise<void>;

  /** Calls of the Web API fail like Slack's. */
  fail(fault: Fault): void;
  clearFaults(): void;
  /** Every delivery arrives so many times from now on. */
  duplicateDeliveries(times: number): void;
  expireTriggers(): void;
  /** Ends the life of every response_url. */
  expireResponseUrls(): void;
  refreshSockets(reason?: string): void;
  dropSockets(): void;
  openSockets(): number;
  /** Nothing reaches the app any more, until `dropApp(false)`. */
  dropApp(gone?: boolean): void;
  /** The app holds these scopes from now on. */
  setScopes(scopes: string[]): void;
  setSpeeds(speeds: Partial<Speeds>): void;
  /** The clock of the local Slack goes forward. */
  advance(ms: number): void;

  /** Every call of the Web API, without tokens. */
  calls(method?: string): ApiCall[];
  /** Everything that was delivered to the app. */
  sent(name?: string): Delivery[];
  /** Waits until nothing is being delivered and no redelivery waits. */
  settled(): Promise<void>;
  /** Back to the workspace that it started with. */
  reset(): void;
}

export function controlled(
  world: World,
  sockets: Sockets,
  parts: { restart: () => void; advance: (ms: number) => void },
): Control {
  const { workspace } = world;
  const scopes = [...world.app.scopes];
  const speeds = { ...world.speeds };
  const channelOf = (id: string) => {
    const channel = workspace.channels.get(id);
    if (!channel) throw new SlackError('channel_not_found');
    return channel;
  };
  const seconds = () => Math.floor(world.now() / 1000);
  const wholeGroup = (group: LocalGroup) => groupObject(world, group, { users: true, count: true });
  async function changeUser(id: string, changes: Partial<Omit<LocalUser, 'id'>>): Promise<LocalUser> {
    const user = workspace.users.get(id);
    if (!user) throw new SlackError('user_not_found');
    Object.assign(user, changes, { id });
    if (user.deleted) closeViews(world, id, true);
    for (const type of ['users', 'channels']) workspace.changed({ type });
    const at = seconds();
    await deliverEvent(world, {
      type: 'user_change',
      user: userObject(world, user),
      cache_ts: at,
      event_ts: `${at}.000100`,
    });
    return user;
  }

  return {
    act: (act) => perform(world, act),
    state: (as) => pageState(world, as),
    messages: (as, channel, thread) => pageMessages(world, as, channel, thread),

    async addUser(given) {
      const user: LocalUser = {
        title: '',
        email: `${given.name}@example.com`,
        tz: 'UTC',
        isBot: false,
        isGuest: false,
        deleted: false,
        ...given,
        id: given.id ?? workspace.newId('U'),
      };
      workspace.users.set(user.id, user);
      workspace.changed({ type: 'users' });
      await deliverEvent(world, {
        type: 'team_join',
        user: userObject(world, user),
        cache_ts: seconds(),
      });
      return user;
    },
    changeUser,
    deactivateUser: (id) => changeUser(id, { deleted: true }),
    addChannel({ id = workspace.newId('C'), name, topic = '', private: hidden = false, members = [] }) {
      const channel: LocalChannel = { id, name, kind: hidden ? 'private' : 'public', topic, members, archived: false };
      workspace.channels.set(id, channel);
      workspace.changed({ type: 'channels' });
      return channel;
    },
    addMember(channel, user) {
      const { members } = channelOf(channel);
      if (!members.includes(user)) members.push(user);
      workspace.changed({ type: 'channels' });
    },
    removeMember(channel, user) {
      const found = channelOf(channel);
      found.members = found.members.filter((each) => each !== user);
      workspace.changed({ type: 'channels' });
    },
    archiveChannel(channel) {
      channelOf(channel).archived = true;
      workspace.changed({ type: 'channels' });
    },
    async addGroup(given) {
      const at = seconds();
      const group: LocalGroup = {
        description: '',
        members: [],
        disabled: false,
        createdAt: at,
        changedAt: at,
        ...given,
        id: given.id ?? workspace.newId('S'),
      };
      workspace.groups.set(group.id, group);
      workspace.save();
      await deliverEvent(world, { type: 'subteam_created', subteam: wholeGroup(group) });
      return group;
    },
    async changeGroup(id, { members, ...changes }) {
      const group = workspace.groups.get(id);
      if (!group) throw new SlackError('no_such_subteam');
      const [before, date_previous_update] = [group.members, group.changedAt];
      Object.assign(group, changes, members ? { members } : {}, { id, changedAt: seconds() });
      workspace.save();
      if (Object.keys(changes).length > 0)
        await deliverEvent(world, { type: 'subteam_updated', subteam: wholeGroup(group) });
      if (!members) return group;
      const added_users = members.filter((each) => !before.includes(each));
      const removed_users = before.filter((each) => !members.includes(each));
      await deliverEvent(world, {
        type: 'subteam_members_changed',
        subteam_id: id,
        team_id: workspace.team.id,
        date_previous_update,
        date_update: group.changedAt,
        added_users,
        added_users_count: added_users.length,
        removed_users,
        removed_users_count: removed_users.length,
      });
      return group;
    },
    sendEvent: async (event) => void (await deliverEvent(world, event)),

    fail: (fault) => void world.faults.push({ ...fault }),
    clearFaults: () => void world.faults.splice(0),
    duplicateDeliveries(times) {
      world.copies = Math.max(1, times);
    },
    expireTriggers() {
      for (const trigger of world.triggers.values()) trigger.at = Number.NEGATIVE_INFINITY;
    },
    expireResponseUrls() {
      for (const reply of world.replies.values()) reply.at = Number.NEGATIVE_INFINITY;
    },
    refreshSockets: (reason) => sockets.refresh(reason),
    dropSockets: () => sockets.drop(),
    openSockets: () => sockets.count(),
    dropApp(gone = true) {
      world.appIsGone = gone;
    },
    setScopes(given) {
      world.app.scopes = [...given];
    },
    setSpeeds: (speeds) => void Object.assign(world.speeds, speeds),
    advance: parts.advance,

    calls: (method) => world.calls.filter((each) => !method || each.method === method),
    sent: (name) => world.sent.filter((each) => !name || each.name === name),
    async settled() {
      while (world.running.size > 0) await Promise.allSettled(world.running);
    },
    reset() {
      parts.restart();
      world.app.scopes = [...scopes];
      Object.assign(world.speeds, speeds);
      world.triggers.clear();
      world.replies.clear();
      for (const list of [world.faults, world.calls, world.sent]) list.length = 0;
      world.copies = 1;
      world.appIsGone = false;
      for (const type of ['users', 'channels', 'views', 'home']) workspace.changed({ type });
    },
  };
}

/** Answers `POST /control/<name>`: the arguments as a JSON array, or one argument as it is. */
export async function answerControl(
  control: Control,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'POST') return sendJson(response, { ok: false, error: 'method_not_allowed' }, 405);
  if (!Object.hasOwn(control, name)) return sendJson(response, { ok: false, error: 'not_found' }, 404);
  try {
    const body = await bodyText(request);
    const given: unknown = body.trim() === '' ? [] : JSON.parse(body);
    const call = control[name as keyof Control] as (...args: unknown[]) => unknown;
    const result = await call(...(Array.isArray(given) ? (given as unknown[]) : [given]));
    sendJson(response, { ok: true, result: result ?? null });
  } catch (error) {
    if (error instanceof SyntaxError) return sendJson(response, { ok: false, error: 'invalid_json' }, 400);
    if (!(error instanceof SlackError)) throw error;
    sendJson(response, { ok: false, error: error.error });
  }
}
