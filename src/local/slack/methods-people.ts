import { channelForApp, userFor } from './channels.ts';
import { type Args, isTrue, type Method, pageOf, wordOf } from './methods.ts';
import { channelObject, groupObject, userObject } from './payloads.ts';
import { SlackError } from './slack-error.ts';
import { dmBetween, type LocalChannel } from './workspace.ts';
import type { World } from './world.ts';

type ListKind = 'public_channel' | 'private_channel' | 'im' | 'mpim';
const readScopes: Record<ListKind, string> = {
  public_channel: 'channels:read',
  private_channel: 'groups:read',
  im: 'im:read',
  mpim: 'mpim:read',
};
const kindOf: Record<LocalChannel['kind'], ListKind> = {
  public: 'public_channel',
  private: 'private_channel',
  im: 'im',
};

/** Reading about a channel needs the scope of its kind; one that does not exist asks for the public one. */
function scopeToRead(world: World, args: Args): string[] {
  const channel = world.workspace.channels.get(wordOf(args.channel));
  return [readScopes[channel ? kindOf[channel.kind] : 'public_channel']];
}
const typesIn = (args: Args): ListKind[] =>
  (wordOf(args.types) || 'public_channel')
    .split(',')
    .map((each) => each.trim())
    .filter((each): each is ListKind => Object.hasOwn(readScopes, each));

function info(world: World, args: Args): Record<string, unknown> {
  return { channel: channelObject(world, channelForApp(world, args.channel)) };
}

function list(world: World, args: Args): Record<string, unknown> {
  const types = typesIn(args);
  for (const type of types) {
    const needed = readScopes[type];
    if (!world.app.scopes.includes(needed))
      throw new SlackError('missing_scope', { needed, provided: world.app.scopes.join(',') });
  }
  const mine = [...world.workspace.channels.values()].filter(
    (each) =>
      types.includes(kindOf[each.kind]) &&
      (each.kind === 'public' || each.members.includes(world.app.botUserId)) &&
      !(isTrue(args.exclude_archived) && each.archived),
  );
  const { items, next_cursor } = pageOf(mine, args, 1000);
  return { channels: items.map((each) => channelObject(world, each)), response_metadata: { next_cursor } };
}

function members(world: World, args: Args): Record<string, unknown> {
  const { items, next_cursor } = pageOf(channelForApp(world, args.channel).members, args, 1000);
  return { members: items, response_metadata: { next_cursor } };
}

function join(world: World, args: Args): Record<string, unknown> {
  const channel = channelForApp(world, args.channel);
  if (channel.kind !== 'public') throw new SlackError('method_not_supported_for_channel_type');
  if (channel.archived) throw new SlackError('is_archived');
  const already = channel.members.includes(world.app.botUserId);
  if (!already) {
    channel.members.push(world.app.botUserId);
    world.workspace.changed({ type: 'channels' });
  }
  return { channel: channelObject(world, channel), ...(already ? { warning: 'already_in_channel' } : {}) };
}

function open(world: World, args: Args): Record<string, unknown> {
  if (args.channel) return { channel: { id: channelForApp(world, args.channel).id } };
  const ids = wordOf(args.users).split(',').filter(Boolean);
  if (ids.length === 0) throw new SlackError('users_list_not_supplied');
  if (ids.length > 1) throw new SlackError('method_not_supported_for_channel_type');
  const user = userFor(world, ids[0]);
  if (user.deleted) throw new SlackError('user_disabled');
  const channel = dmBetween(world.workspace, world.app.botUserId, user.id);
  return { channel: isTrue(args.return_im) ? channelObject(world, channel) : { id: channel.id } };
}

function userInfo(world: World, args: Args): Record<string, unknown> {
  return { user: userObject(world, userFor(world, args.user)) };
}

function userList(world: World, args: Args): Record<string, unknown> {
  const { items, next_cursor } = pageOf([...world.workspace.users.values()], args, 1000);
  return {
    members: items.map((each) => userObject(world, each)),
    cache_ts: Math.floor(world.now() / 1000),
    response_metadata: { next_cursor },
  };
}

function lookupByEmail(world: World, args: Args): Record<string, unknown> {
  const user = [...world.workspace.users.values()].find((each) => each.email === args.email && !each.deleted);
  if (!user) throw new SlackError('users_not_found');
  return { user: userObject(world, user) };
}

function groupList(world: World, args: Args): Record<string, unknown> {
  const shown = { users: isTrue(args.include_users), count: isTrue(args.include_count) };
  const usergroups = [...world.workspace.groups.values()]
    .filter((each) => !each.disabled || isTrue(args.include_disabled))
    .map((each) => groupObject(world, each, shown));
  return { usergroups };
}

function groupMembers(world: World, args: Args): Record<string, unknown> {
  const group = world.workspace.groups.get(wordOf(args.usergroup));
  if (!group || (group.disabled && !isTrue(args.include_disabled))) throw new SlackError('no_such_subteam');
  return { users: group.members };
}

function authTest(world: World): Record<string, unknown> {
  const { workspace, app } = world;
  return {
    url: `${world.url}/`,
    team: workspace.team.name,
    team_id: workspace.team.id,
    user: app.name.toLowerCase(),
    user_id: app.botUserId,
    bot_id: app.botId,
    is_enterprise_install: false,
  };
}

export const peopleMethods: Record<string, Method> = {
  'auth.test': { scopes: [], token: 'bot', run: authTest },
  'users.info': { scopes: ['users:read'], token: 'bot', run: userInfo },
  'users.list': { scopes: ['users:read'], token: 'bot', run: userList },
  'users.lookupByEmail': { scopes: ['users:read.email'], token: 'bot', run: lookupByEmail },
  'usergroups.list': { scopes: ['usergroups:read'], token: 'bot', run: groupList },
  'usergroups.users.list': { scopes: ['usergroups:read'], token: 'bot', run: groupMembers },
  'conversations.open': { scopes: ['im:write'], token: 'bot', run: open },
  'conversations.info': { scopes: scopeToRead, token: 'bot', run: info },
  'conversations.list': { scopes: [], token: 'bot', run: list },
  'conversations.members': { scopes: scopeToRead, token: 'bot', run: members },
  'conversations.join': { scopes: ['channels:join'], token: 'bot', run: join },
};
