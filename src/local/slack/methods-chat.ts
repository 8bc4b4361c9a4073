import { acceptedBlocks, channelForApp, mayPostTo, messageFor, targetOfPost, userFor } from './channels.ts';
import { type Args, isTrue, type Method, wordOf } from './methods.ts';
import { messageObject } from './payloads.ts';
import { SlackError } from './slack-error.ts';
import { addMessage, type LocalChannel, type LocalMessage, messageAt, repliesTo } from './workspace.ts';
import type { World } from './world.ts';

const longestPost = 40_000;
const longestUpdate = 4_000;

interface Said {
  text: string;
  blocks: LocalMessage['blocks'];
}
function saidIn(args: Args): Said {
  const blocks = acceptedBlocks(args.blocks);
  const text = typeof args.text === 'string' ? args.text : '';
  const attachments = Array.isArray(args.attachments) ? args.attachments.length : 0;
  if (text.trim() === '' && blocks.length === 0 && attachments === 0) throw new SlackError('no_text');
  return { text, blocks };
}

function metadataIn(args: Args): { metadata?: unknown } {
  if (args.metadata === undefined || args.metadata === null) return {};
  const metadata = args.metadata as { event_type?: unknown; event_payload?: unknown };
  if (Object.keys(metadata).length === 0) return { metadata: undefined };
  if (typeof metadata.event_type !== 'string' || typeof metadata.event_payload !== 'object')
    throw new SlackError('invalid_metadata_format');
  return { metadata };
}

/** A reply to a reply goes to the thread's root, as in Slack. */
function threadIn(world: World, channel: LocalChannel, args: Args): { threadTs?: string } {
  if (!args.thread_ts) return {};
  const root = messageAt(world.workspace, channel.id, wordOf(args.thread_ts));
  if (!root || root.onlyFor) throw new SlackError('thread_not_found');
  return { threadTs: root.threadTs ?? root.ts };
}

function postMessage(world: World, args: Args): Record<string, unknown> {
  const channel = targetOfPost(world, args.channel);
  mayPostTo(world, channel);
  const said = saidIn(args);
  const message = addMessage(world.workspace, {
    channel: channel.id,
    user: world.app.botUserId,
    isApp: true,
    ...said,
    text: said.text.slice(0, longestPost),
    ...threadIn(world, channel, args),
    ...metadataIn(args),
    ...(isTrue(args.reply_broadcast) && args.thread_ts ? { broadcast: true } : {}),
  });
  return {
    channel: channel.id,
    ts: message.ts,
    message: messageObject(world, message),
    ...(said.text.length > longestPost ? { warning: 'message_truncated' } : {}),
  };
}

function own(world: World, args: Args, refusal: string): { channel: LocalChannel; message: LocalMessage } {
  const channel = channelForApp(world, args.channel);
  const message = messageFor(world, channel, args.ts);
  if (!message.isApp) throw new SlackError(refusal);
  return { channel, message };
}

function update(world: World, args: Args): Record<string, unknown> {
  const { channel, message } = own(world, args, 'cant_update_message');
  if (channel.archived) throw new SlackError('is_inactive');
  if (typeof args.text === 'string' && args.text.length > longestUpdate) throw new SlackError('msg_too_long');
  const said =
    args.text === undefined && args.blocks !== undefined ? { ...saidIn(args), text: message.text } : saidIn(args);
  // Slack marks a message as edited only where its text is what shows.
  Object.assign(message, said, metadataIn(args), { edited: message.edited || said.blocks.length === 0 });
  world.workspace.changed({ type: 'messages', channel: channel.id });
  return { channel: channel.id, ts: message.ts, text: message.text, message: messageObject(world, message) };
}

const tombstone = {
  user: 'USLACKBOT',
  isApp: false,
  text: 'This message was deleted.',
  blocks: [],
  subtype: 'system',
  metadata: undefined,
} as const;

function remove(world: World, args: Args): Record<string, unknown> {
  const { channel, message } = own(world, args, 'cant_delete_message');
  const isRoot = repliesTo(world.workspace, message).length > 0;
  // A thread outlives its first message: Slack leaves a mark in its place.
  if (isRoot) Object.assign(message, tombstone);
  else message.deleted = true;
  world.workspace.changed({ type: 'messages', channel: channel.id });
  return { channel: channel.id, ts: message.ts };
}

function postEphemeral(world: World, args: Args): Record<string, unknown> {
  const channel = targetOfPost(world, args.channel);
  mayPostTo(world, channel);
  const user = userFor(world, args.user);
  if (!channel.members.includes(user.id)) throw new SlackError('user_not_in_channel');
  const message = addMessage(world.workspace, {
    channel: channel.id,
    user: world.app.botUserId,
    isApp: true,
    onlyFor: user.id,
    ...saidIn(args),
    ...threadIn(world, channel, args),
  });
  return { message_ts: message.ts };
}

function getPermalink(world: World, args: Args): Record<string, unknown> {
  const channel = channelForApp(world, args.channel);
  const message = messageFor(world, channel, args.message_ts);
  const thread = message.threadTs ? `?thread_ts=${message.threadTs}&cid=${channel.id}` : '';
  return {
    channel: channel.id,
    permalink: `${world.url}/archives/${channel.id}/p${message.ts.replace('.', '')}${thread}`,
  };
}

const chatWrite = (run: Method['run']): Method => ({ scopes: ['chat:write'], token: 'bot', run });

export const chatMethods: Record<string, Method> = {
  'chat.postMessage': chatWrite(postMessage),
  'chat.update': chatWrite(update),
  'chat.delete': chatWrite(remove),
  'chat.postEphemeral': chatWrite(postEphemeral),
  'chat.getPermalink': { scopes: [], token: 'bot', run: getPermalink },
};
