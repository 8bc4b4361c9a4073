import type {
  BlockAction,
  BlockElementAction,
  BlockSuggestion,
  GlobalShortcut,
  MessageShortcut,
  SlashCommand,
  ViewClosedAction,
  ViewOutput,
  ViewSubmitAction,
} from '@slack/bolt';
import type { StateValues } from './contract.ts';
import {
  type LocalChannel,
  type LocalGroup,
  type LocalMessage,
  type LocalUser,
  type LocalView,
  repliesTo,
} from './workspace.ts';
import type { World } from './world.ts';

/** What Slack sends, checked against the types that Bolt reads it with. */
const token = 'local-verification-token';

type Values = ViewOutput['state']['values'];

const teamOf = (world: World) => ({ id: world.workspace.team.id, domain: world.workspace.team.domain });
const userOf = (world: World, user: LocalUser) => ({
  id: user.id,
  username: user.name,
  name: user.name,
  team_id: world.workspace.team.id,
});
const common = (world: World, user: LocalUser) => ({
  team: teamOf(world),
  user: userOf(world, user),
  api_app_id: world.app.id,
  token,
  is_enterprise_install: false,
});

/** Slack hides the names of what is not public. */
export function channelNameFor(channel: LocalChannel): string {
  return channel.kind === 'im' ? 'directmessage' : channel.kind === 'private' ? 'privategroup' : channel.name;
}
const channelOf = (channel: LocalChannel) => ({ id: channel.id, name: channelNameFor(channel) });

/** A message as the Web API and interaction payloads show it. */
export function messageObject(world: World, message: LocalMessage) {
  const replies = repliesTo(world.workspace, message);
  return {
    type: 'message' as const,
    user: message.user,
    ts: message.ts,
    ...(message.isApp ? { bot_id: world.app.botId, app_id: world.app.id } : {}),
    text: message.text,
    team: world.workspace.team.id,
    ...(message.blocks.length > 0 ? { blocks: message.blocks } : {}),
    ...(message.metadata ? { metadata: message.metadata } : {}),
    ...(message.edited ? { edited: { user: message.isApp ? world.app.botId : message.user, ts: message.ts } } : {}),
    ...(message.threadTs ? { thread_ts: message.threadTs } : {}),
    ...(replies.length > 0 ? { thread_ts: message.ts, reply_count: replies.length } : {}),
  };
}

/** A view as the Web API and interaction payloads show it. */
export function viewObject(world: World, { id, hash, view, root, previous, state }: LocalView): ViewOutput {
  const modal = view.type === 'modal' ? view : null;
  return {
    id,
    team_id: world.workspace.team.id,
    type: view.type,
    blocks: view.blocks,
    private_metadata: view.private_metadata ?? '',
    callback_id: view.callback_id ?? '',
    state: { values: (state ?? {}) as Values },
    hash,
    title: (modal?.title ?? { type: 'plain_text', text: 'View Title', emoji: true }) as ViewOutput['title'],
    clear_on_close: modal?.clear_on_close ?? false,
    notify_on_close: modal?.notify_on_close ?? false,
    close: (modal?.close ?? null) as ViewOutput['close'],
    submit: (modal?.submit ?? null) as ViewOutput['submit'],
    previous_view_id: previous ?? null,
    root_view_id: root,
    app_id: world.app.id,
    external_id: view.external_id ?? '',
    app_installed_team_id: world.workspace.team.id,
    bot_id: world.app.botId,
  } satisfies ViewOutput;
}

export function slashCommand(
  world: World,
  user: LocalUser,
  channel: LocalChannel,
  said: { command: string; text: string; triggerId: string; responseUrl: string },
) {
  return {
    token,
    team_id: world.workspace.team.id,
    team_domain: world.workspace.team.domain,
    channel_id: channel.id,
    channel_name: channelNameFor(channel),
    user_id: user.id,
    user_name: user.name,
    command: said.command,
    text: said.text,
    api_app_id: world.app.id,
    is_enterprise_install: 'false',
    response_url: said.responseUrl,
    trigger_id: said.triggerId,
  } satisfies SlashCommand;
}

/** A click in a message. Like Slack, an ephemeral message is named but not shown again. */
export function clickInMessage(
  world: World,
  user: LocalUser,
  channel: LocalChannel,
  message: LocalMessage,
  said: { action: BlockElementAction; state: StateValues; triggerId: string; responseUrl: string },
) {
  return {
    type: 'block_actions',
    ...common(world, user),
    container: {
      type: 'message',
      message_ts: message.ts,
      channel_id: channel.id,
      is_ephemeral: Boolean(message.onlyFor),
      ...(message.threadTs ? { thread_ts: message.threadTs } : {}),
    },
    trigger_id: said.triggerId,
    channel: channelOf(channel),
    ...(message.onlyFor ? {} : { message: messageObject(world, message) }),
    state: { values: said.state as Values },
    response_url: said.responseUrl,
    actions: [said.action],
  } satisfies BlockAction;
}

/** A click in a modal or in the App Home: no channel, and no address to answer to. */
export function clickInView(
  world: World,
  user: LocalUser,
  view: LocalView,
  said: { action: BlockElementAction; triggerId: string },
) {
  return {
    type: 'block_actions',
    ...common(world, user),
    container: { type: 'view', view_id: view.id },
    trigger_id: said.triggerId,
    view: viewObject(world, view),
    state: { values: (view.state ?? {}) as Values },
    actions: [said.action],
  } satisfies Omit<BlockAction, 'response_url'>;
}

export function viewSubmission(world: World, user: LocalUser, view: LocalView, triggerId: string) {
  return {
    type: 'view_submission',
    ...common(world, user),
    trigger_id: triggerId,
    view: viewObject(world, view),
    response_urls: [],
  } satisfies ViewSubmitAction;
}

export function viewClosed(world: World, user: LocalUser, view: LocalView, isCleared: boolean) {
  return {
    type: 'view_closed',
    ...common(world, user),
    view: viewObject(world, view),
    is_cleared: isCleared,
  } satisfies ViewClosedAction;
}

export function suggestion(
  world: World,
  user: LocalUser,
  asked: { actionId: string; blockId: string; value: string },
  from: { view: LocalView } | { channel: LocalChannel; message: LocalMessage },
) {
  return {
    type: 'block_suggestion',
    ...common(world, user),
    action_id: asked.actionId,
    block_id: asked.blockId,
    value: asked.value,
    ...('view' in from
      ? { container: { type: 'view', view_id: from.view.id }, view: viewObject(world, from.view) }
      : {
          container: {
            type: 'message',
            message_ts: from.message.ts,
            channel_id: from.channel.id,
            is_ephemeral: Boolean(from.message.onlyFor),
          },
          channel: channelOf(from.channel),
          message: messageObject(world, from.message),
        }),
  } satisfies BlockSuggestion;
}

export function globalShortcut(world: World, user: LocalUser, callbackId: string, triggerId: string) {
  return {
    type: 'shortcut',
    ...common(world, user),
    callback_id: callbackId,
    trigger_id: triggerId,
    action_ts: (world.now() / 1000).toFixed(6),
  } satisfies GlobalShortcut;
}

export function messageShortcut(
  world: World,
  user: LocalUser,
  channel: LocalChannel,
  message: LocalMessage,
  said: { callbackId: string; triggerId: string; responseUrl: string },
) {
  return {
    type: 'message_action',
    ...common(world, user),
    callback_id: said.callbackId,
    trigger_id: said.triggerId,
    action_ts: (world.now() / 1000).toFixed(6),
    message_ts: message.ts,
    response_url: said.responseUrl,
    channel: channelOf(channel),
    message: messageObject(world, message),
  } satisfies MessageShortcut;
}

/** A person as `users.info` and events show them; the e-mail only to who may read it. */
export function userObject(world: World, user: LocalUser) {
  const withEmail = world.app.scopes.includes('users:read.email');
  return {
    id: user.id,
    team_id: world.workspace.team.id,
    name: user.name,
    deleted: user.deleted,
    color: '4bbe2e',
    real_name: user.realName,
    tz: user.tz,
    tz_label: user.tz,
    tz_offset: zoneOffsetSeconds(user.tz, world.now()),
    profile: {
      title: user.title,
      phone: '',
      skype: '',
      real_name: user.realName,
      real_name_normalized: user.realName,
      display_name: user.name,
      display_name_normalized: user.name,
      status_text: '',
      status_emoji: '',
      status_expiration: 0,
      first_name: user.realName.split(' ')[0] ?? '',
      last_name: user.realName.split(' ').slice(1).join(' '),
      team: world.workspace.team.id,
      ...(withEmail ? { email: user.email } : {}),
      ...(user.isBot ? { api_app_id: world.app.id, bot_id: world.app.botId } : {}),
    },
    is_admin: false,
    is_owner: false,
    is_primary_owner: false,
    is_restricted: user.isGuest,
    is_ultra_restricted: false,
    is_bot: user.isBot,
    is_app_user: false,
    is_email_confirmed: true,
    updated: Math.floor(world.now() / 1000),
    who_can_share_contact_card: 'EVERYONE',
  };
}

function zoneOffsetSeconds(zone: string, now: number): number {
  try {
    const name = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
      .formatToParts(now)
      .find((part) => part.type === 'timeZoneName')?.value;
    const [, sign, hours, minutes] = /GMT([+-])(\d\d):(\d\d)/.exec(name ?? '') ?? [];
    return sign ? (sign === '-' ? -1 : 1) * (Number(hours) * 3600 + Number(minutes) * 60) : 0;
  } catch {
    return 0;
  }
}

/** A user group; who is in it only where that was asked for. */
export function groupObject(world: World, group: LocalGroup, { users, count }: { users: boolean; count: boolean }) {
  return {
    id: group.id,
    team_id: world.workspace.team.id,
    is_usergroup: true,
    is_subteam: true,
    name: group.name,
    description: group.description,
    handle: group.handle,
    is_external: false,
    date_create: group.createdAt,
    date_update: group.changedAt,
    date_delete: group.disabled ? group.changedAt : 0,
    auto_type: null,
    auto_provision: false,
    enterprise_subteam_id: '',
    created_by: world.app.botUserId,
    updated_by: world.app.botUserId,
    deleted_by: group.disabled ? world.app.botUserId : null,
    prefs: { channels: [], groups: [] },
    ...(users ? { users: group.members } : {}),
    ...(count ? { user_count: group.members.length } : {}),
  };
}

export function channelObject(world: World, channel: LocalChannel) {
  const isIm = channel.kind === 'im';
  const shared = { id: channel.id, is_archived: channel.archived, is_channel: channel.kind === 'public' };
  if (isIm) {
    const other = channel.members.find((each) => each !== world.app.botUserId) ?? world.app.botUserId;
    return { ...shared, is_im: true, is_group: false, is_private: true, user: other, is_open: true };
  }
  return {
    ...shared,
    name: channel.name,
    name_normalized: channel.name,
    is_group: channel.kind === 'private',
    is_im: false,
    is_mpim: false,
    is_private: channel.kind === 'private',
    is_member: channel.members.includes(world.app.botUserId),
    is_general: false,
    topic: { value: channel.topic, creator: '', last_set: 0 },
    purpose: { value: '', creator: '', last_set: 0 },
    num_members: channel.members.length,
    context_team_id: world.workspace.team.id,
  };
}
