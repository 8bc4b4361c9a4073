import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import type { KnownBlock, View } from '@slack/types';
import type { StateValues } from './contract.ts';

export interface LocalUser {
  id: string;
  name: string;
  realName: string;
  title: string;
  email: string;
  tz: string;
  isBot: boolean;
  isGuest: boolean;
  deleted: boolean;
}
export interface LocalChannel {
  id: string;
  name: string;
  kind: 'public' | 'private' | 'im';
  topic: string;
  /** For a DM, its two people. */
  members: string[];
  archived: boolean;
}
/** A user group, which people mention by its handle. */
export interface LocalGroup {
  id: string;
  name: string;
  handle: string;
  description: string;
  members: string[];
  disabled: boolean;
  /** Seconds. */
  createdAt: number;
  changedAt: number;
}
export interface LocalMessage {
  ts: string;
  channel: string;
  user: string;
  isApp: boolean;
  text: string;
  blocks: KnownBlock[];
  threadTs?: string;
  edited: boolean;
  /** Seen by this person alone. */
  onlyFor?: string;
  subtype?: 'system' | 'error';
  metadata?: unknown;
  /** A reply that is shown in the channel too. */
  broadcast?: boolean;
  deleted?: boolean;
}
export interface LocalView {
  id: string;
  hash: string;
  user: string;
  view: View;
  root: string;
  previous?: string;
  /** What the person has typed and chosen so far, as their client last said. */
  state?: StateValues;
  /** From `response_action: errors`. */
  errors?: Record<string, string>;
}

/** What a workspace starts with. */
export interface WorkspaceSeed {
  team: { id: string; name: string; domain: string };
  users: (Partial<LocalUser> & { id: string; name: string; realName: string })[];
  channels: { id: string; name: string; topic?: string; private?: boolean; members: string[] }[];
  groups?: { id: string; name: string; handle: string; description?: string; members: string[] }[];
}

export interface Workspace {
  team: WorkspaceSeed['team'];
  users: Map<string, LocalUser>;
  channels: Map<string, LocalChannel>;
  groups: Map<string, LocalGroup>;
  messages: Map<string, LocalMessage[]>;
  /** Open modals by person, bottom first. */
  stacks: Map<string, LocalView[]>;
  homes: Map<string, LocalView>;
  /** `${user} ${channel}` → ts of the last message seen. */
  read: Map<string, string>;
  newTs(): string;
  newId(prefix: string): string;
  /** Who hears of a change: a callback per listener. */
  listeners: Set<(event: { type: string; channel?: string; user?: string }) => void>;
  changed(event: { type: string; channel?: string; user?: string }): void;
  save(): void;
  flush(): void;
}

function fullUser(user: Partial<LocalUser> & { id: string; name: string; realName: string }): LocalUser {
  return {
    title: '',
    email: `${user.name}@example.com`,
    tz: 'UTC',
    isBot: false,
    isGuest: false,
    deleted: false,
    ...user,
  };
}

/** The workspace in memory, kept in a file when one is named: written whole, and only ever replaced as a whole. */
export function openWorkspace(
  seed: WorkspaceSeed,
  bot: { userId: string; name: string },
  stateFile: string | undefined,
  now: () => number,
): Workspace {
  const createdAt = Math.floor(now() / 1000);
  let lastTs = 0;
  let timer: NodeJS.Timeout | undefined;
  const workspace: Workspace = {
    team: seed.team,
    users: new Map(seed.users.map((each) => [each.id, fullUser(each)])),
    channels: new Map(
      seed.channels.map((each) => [
        each.id,
        {
          id: each.id,
          name: each.name,
          kind: each.private ? 'private' : 'public',
          topic: each.topic ?? '',
          members: [...each.members],
          archived: false,
        },
      ]),
    ),
    groups: new Map(
      (seed.groups ?? []).map((each) => [
        each.id,
        { description: '', ...each, members: [...each.members], disabled: false, createdAt, changedAt: createdAt },
      ]),
    ),
    messages: new Map(),
    stacks: new Map(),
    homes: new Map(),
    read: new Map(),
    newTs() {
      // Microseconds, never twice the same.
      lastTs = Math.max(lastTs + 1, Math.floor(now() * 1000));
      return `${Math.floor(lastTs / 1e6)}.${String(lastTs % 1e6).padStart(6, '0')}`;
    },
    newId: (prefix) => `${prefix}${randomBytes(5).toString('hex').toUpperCase()}`,
    listeners: new Set(),
    changed(event) {
      for (const listener of workspace.listeners) listener(event);
      workspace.save();
    },
    save() {
      if (stateFile) timer ??= setTimeout(() => workspace.flush(), 200).unref();
    },
    flush() {
      clearTimeout(timer);
      timer = undefined;
      if (!stateFile) return;
      const messages = [...workspace.messages].map(
        ([channel, list]) => [channel, list.filter((each) => !each.onlyFor).slice(-500)] as const,
      );
      const state = {
        users: [...workspace.users.values()],
        channels: [...workspace.channels.values()],
        groups: [...workspace.groups.values()],
        messages,
        read: [...workspace.read],
        homes: [...workspace.homes],
      };
      fs.writeFileSync(`${stateFile}.new`, JSON.stringify(state), { mode: 0o600 });
      fs.renameSync(`${stateFile}.new`, stateFile);
    },
  };
  workspace.users.set(
    bot.userId,
    fullUser({ id: bot.userId, name: bot.name.toLowerCase(), realName: bot.name, isBot: true }),
  );
  if (stateFile && fs.existsSync(stateFile)) restore(workspace, stateFile);
  return workspace;
}

function restore(workspace: Workspace, stateFile: string): void {
  let state: {
    users: LocalUser[];
    channels: LocalChannel[];
    /** Not in files of before there were any. */
    groups?: LocalGroup[];
    messages: [string, LocalMessage[]][];
    read: [string, string][];
    homes: [string, LocalView][];
  };
  try {
    state = JSON.parse(fs.readFileSync(stateFile, 'utf8')) as typeof state;
  } catch {
    throw new Error(
      `The local Slack cannot read ${stateFile}: it is damaged. Delete it to start with an empty Slack; keys and grants are kept elsewhere.`,
    );
  }
  for (const user of state.users) workspace.users.set(user.id, user);
  for (const channel of state.channels) workspace.channels.set(channel.id, channel);
  for (const group of state.groups ?? []) workspace.groups.set(group.id, group);
  for (const [channel, list] of state.messages) workspace.messages.set(channel, list);
  workspace.read = new Map(state.read);
  workspace.homes = new Map(state.homes);
}

export function messagesOf(workspace: Workspace, channel: string): LocalMessage[] {
  const list = workspace.messages.get(channel) ?? [];
  workspace.messages.set(channel, list);
  return list;
}

/** No two messages share a time. The newest are looked at first: they are what is edited and answered. */
export function messageAt(workspace: Workspace, channel: string, ts: string): LocalMessage | undefined {
  return messagesOf(workspace, channel).findLast((each) => each.ts === ts);
}

/** They stand behind what they answer. Oldest first. */
export function repliesTo(workspace: Workspace, message: LocalMessage): LocalMessage[] {
  const list = messagesOf(workspace, message.channel);
  return list.slice(list.lastIndexOf(message) + 1).filter((each) => each.threadTs === message.ts && !each.deleted);
}

/** What this person may see in a channel: not what was shown to others alone. */
export function visibleTo(workspace: Workspace, channel: string, user: string): LocalMessage[] {
  return messagesOf(workspace, channel).filter((each) => !each.deleted && (!each.onlyFor || each.onlyFor === user));
}

/** Whether this person can see that the channel exists. Guests see only what they were invited to. */
export function canSee(workspace: Workspace, channel: LocalChannel, user: string): boolean {
  return channel.members.includes(user) || (channel.kind === 'public' && !workspace.users.get(user)?.isGuest);
}

/** The DM between two people, opened when there is none. */
export function dmBetween(workspace: Workspace, a: string, b: string): LocalChannel {
  for (const channel of workspace.channels.values()) {
    if (channel.kind === 'im' && channel.members.includes(a) && channel.members.includes(b)) return channel;
  }
  const channel: LocalChannel = {
    id: workspace.newId('D'),
    name: '',
    kind: 'im',
    topic: '',
    members: [a, b],
    archived: false,
  };
  workspace.channels.set(channel.id, channel);
  workspace.changed({ type: 'channels' });
  return channel;
}

export function addMessage(workspace: Workspace, message: Omit<LocalMessage, 'ts' | 'edited'>): LocalMessage {
  const full: LocalMessage = { ...message, ts: workspace.newTs(), edited: false };
  messagesOf(workspace, message.channel).push(full);
  workspace.changed({ type: 'messages', channel: message.channel });
  return full;
}
