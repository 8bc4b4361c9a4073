import type { KnownBlock } from '@slack/types';
import { problemsOfBlocks } from './limits.ts';
import { SlackError } from './slack-error.ts';
import { complaints, withIds } from './views.ts';
import { dmBetween, type LocalChannel, type LocalMessage, type LocalUser, messageAt } from './workspace.ts';
import type { World } from './world.ts';

/** A user that a method was asked about. */
export function userFor(world: World, id: unknown): LocalUser {
  const user = typeof id === 'string' ? world.workspace.users.get(id) : undefined;
  if (!user) throw new SlackError('user_not_found');
  return user;
}

/**
 * The channel that the app means, when it may know of it. A private channel without the app does not exist for it, nor
 * does other people's DM.
 */
export function channelForApp(world: World, id: unknown): LocalChannel {
  const channel = typeof id === 'string' ? world.workspace.channels.get(id) : undefined;
  if (!channel || (channel.kind !== 'public' && !channel.members.includes(world.app.botUserId)))
    throw new SlackError('channel_not_found');
  return channel;
}

/** Where a message goes: a channel by id or name, or a person, whose DM with the app is opened. */
export function targetOfPost(world: World, target: unknown): LocalChannel {
  if (typeof target !== 'string' || target === '') throw new SlackError('channel_not_found');
  const user = world.workspace.users.get(target);
  if (user) {
    // To somebody who was deactivated, Slack posts without complaint: slackapi/python-slack-sdk#1156.
    if (user.id === world.app.botUserId) throw new SlackError('channel_not_found');
    return dmBetween(world.workspace, world.app.botUserId, user.id);
  }
  const name = target.replace(/^#/, '');
  const named = [...world.workspace.channels.values()].find((each) => each.kind !== 'im' && each.name === name);
  return channelForApp(world, world.workspace.channels.has(target) ? target : named?.id);
}

/** Refuses where the app may not post. */
export function mayPostTo(world: World, channel: LocalChannel): void {
  if (channel.archived) throw new SlackError('is_archived');
  const isMember = channel.members.includes(world.app.botUserId);
  if (!isMember && !world.app.scopes.includes('chat:write.public')) throw new SlackError('not_in_channel');
}

/** A message that the app can see; ephemeral ones are found by nobody but their reader. */
export function messageFor(world: World, channel: LocalChannel, ts: unknown): LocalMessage {
  const found = messageAt(world.workspace, channel.id, String(ts));
  if (!found || found.deleted || found.onlyFor) throw new SlackError('message_not_found');
  return found;
}

/** The blocks of a message, when Slack would take them. */
export function acceptedBlocks(blocks: unknown): KnownBlock[] {
  if (blocks === undefined || blocks === null || blocks === '') return [];
  if (!Array.isArray(blocks)) throw new SlackError('invalid_blocks_format');
  const problems = problemsOfBlocks(blocks, 'message');
  if (problems.length > 0) {
    const errors = problems.map(({ pointer, problem }) => `${problem} [json-pointer:${pointer}]`);
    throw new SlackError('invalid_blocks', { errors, ...complaints(problems) });
  }
  return withIds(blocks as KnownBlock[]);
}
