import type { BlockElementAction } from '@slack/bolt';
import { type AppAnswer, showAnswer, slackSays } from './answers.ts';
import type { Act, ActResult } from './contract.ts';
import { deliver, deliverEvent } from './deliver.ts';
import { sendForm, shutViews } from './forms.ts';
import { elementsIn, isOffered, stateOf } from './inputs.ts';
import { problemsOfOptions } from './limits.ts';
import * as payloads from './payloads.ts';
import { SlackError } from './slack-error.ts';
import { asSlackText } from './typed-text.ts';
import { findView } from './views.ts';
import {
  addMessage,
  canSee,
  dmBetween,
  type LocalChannel,
  type LocalMessage,
  type LocalUser,
  type LocalView,
  visibleTo,
} from './workspace.ts';
import { newResponseUrl, newTrigger, type Outcome, type World } from './world.ts';

type Of<K extends Act['kind']> = Extract<Act, { kind: K }>;

export function actor(world: World, id: unknown): LocalUser {
  const user = world.workspace.users.get(String(id));
  if (!user) throw new SlackError('user_not_found');
  if (user.deleted) throw new SlackError('account_inactive');
  if (user.isBot) throw new SlackError('user_is_bot');
  return user;
}

export function visibleChannel(world: World, user: LocalUser, id: unknown): LocalChannel {
  const channel = world.workspace.channels.get(String(id));
  if (!channel || !canSee(world.workspace, channel, user.id)) throw new SlackError('channel_not_found');
  return channel;
}

function ownChannel(world: World, user: LocalUser, id: unknown): LocalChannel {
  const channel = visibleChannel(world, user, id);
  if (!channel.members.includes(user.id)) throw new SlackError('not_in_channel');
  if (channel.archived) throw new SlackError('is_archived');
  return channel;
}

/** The app's Messages tab, as one person sees it. */
export const isWithApp = (channel: LocalChannel, app: World['app']): boolean =>
  channel.kind === 'im' && channel.members.includes(app.botUserId);

function writableChannel(world: World, user: LocalUser, id: unknown): LocalChannel {
  const channel = ownChannel(world, user, id);
  if (isWithApp(channel, world.app) && world.app.messagesReadOnly)
    throw new SlackError('restricted_action_read_only_channel');
  return channel;
}

function visibleMessage(world: World, user: LocalUser, channel: LocalChannel, ts: unknown): LocalMessage {
  const message = visibleTo(world.workspace, channel.id, user.id).find((each) => each.ts === ts);
  if (!message) throw new SlackError('message_not_found');
  return message;
}

function ownView(world: World, user: LocalUser, id: string): LocalView {
  const view = findView(world, { id });
  if (!view || view.user !== user.id) throw new SlackError('not_found');
  return view;
}

const resultOf = (outcome: Outcome): ActResult => (outcome.ok ? { ok: true } : { ok: false, error: outcome.error });

function markRead(world: World, user: LocalUser, channel: LocalChannel): void {
  const last = visibleTo(world.workspace, channel.id, user.id).at(-1);
  if (last) world.workspace.read.set(`${user.id} ${channel.id}`, last.ts);
}

async function say(world: World, user: LocalUser, act: Of<'say'>): Promise<ActResult> {
  const channel = writableChannel(world, user, act.channel);
  if (act.text.trim() === '') throw new SlackError('no_text');
  const root = act.thread ? visibleMessage(world, user, channel, act.thread) : undefined;
  const message = addMessage(world.workspace, {
    channel: channel.id,
    user: user.id,
    isApp: false,
    text: asSlackText(world.workspace, act.text),
    blocks: [],
    ...(root ? { threadTs: root.threadTs ?? root.ts } : {}),
  });
  markRead(world, user, channel);
  if (channel.members.includes(world.app.botUserId)) {
    const kind = { public: 'channel', private: 'group', im: 'im' }[channel.kind];
    const { type: _, ...shown } = payloads.messageObject(world, message);
    const heard = { ...shown, channel: channel.id, channel_type: kind, event_ts: message.ts };
    void deliverEvent(world, { type: 'message', ...heard });
    if (message.text.includes(`<@${world.app.botUserId}>`)) void deliverEvent(world, { type: 'app_mention', ...heard });
  }
  return { ok: true };
}

/** What Slack's client says under a command that went wrong. */
function failureOf(command: string, error: string): string {
  return error === 'app_timeout' || error === 'app_unreachable'
    ? `${command} failed because the app did not respond.`
    : `${command} failed with the error "${error.startsWith('app_http_') ? 'dispatch_failed' : error}".`;
}

async function command(world: World, user: LocalUser, act: Of<'command'>): Promise<ActResult> {
  const channel = writableChannel(world, user, act.channel);
  const [, name = '', rest = ''] = /^\s*(\/\S+)\s*([\s\S]*?)\s*$/.exec(act.text) ?? [];
  const known = world.app.commands.find((each) => each.command === name.toLowerCase());
  if (!known) {
    slackSays(world, channel.id, user.id, `${name || act.text.trim()} is not a valid command.`);
    return { ok: false, error: 'invalid_command' };
  }
  const target = { user: user.id, channel: channel.id };
  const payload = payloads.slashCommand(world, user, channel, {
    command: known.command,
    text: known.shouldEscape ? asSlackText(world.workspace, rest) : rest,
    triggerId: newTrigger(world, user.id),
    responseUrl: newResponseUrl(world, target),
  });
  const outcome = await deliver(world, 'command', known.command, payload);
  let error = outcome.ok ? null : outcome.error;
  if (outcome.ok) {
    const answer = typeof outcome.body === 'string' ? { text: outcome.body } : (outcome.body as AppAnswer | null);
    try {
      if (answer && (answer.text || answer.blocks)) showAnswer(world, { ...target, at: world.now(), uses: 0 }, answer);
    } catch (problem) {
      if (!(problem instanceof SlackError)) throw problem;
      error = problem.error;
    }
  }
  if (error === null) return { ok: true };
  slackSays(world, channel.id, user.id, failureOf(known.command, error));
  return { ok: false, error };
}

/** What a client may say of each element beside its ids; the rest is read from the element itself. */
const chosenFields = [
  'value',
  'selected_option',
  'selected_options',
  'selected_user',
  'selected_users',
  'selected_conversation',
  'selected_conversations',
  'selected_channel',
  'selected_channels',
  'selected_date',
  'selected_time',
  'selected_date_time',
  'rich_text_value',
];

/** Slack's action object for what was clicked: facts of the element as the app made it, and what the person chose. */
function actionOf(world: World, blocks: unknown, said: Of<'action'>['action']): BlockElementAction {
  const found = elementsIn(blocks).find((each) => each.blockId === said.block_id && each.actionId === said.action_id);
  if (!found || found.element.type !== said.type) throw new SlackError('no_such_action');
  const { element } = found;
  const facts =
    element.type === 'button'
      ? Object.fromEntries(['text', 'value', 'url', 'style', 'confirm'].map((name) => [name, element[name]]))
      : { ...Object.fromEntries(chosenFields.map((name) => [name, said[name]])), placeholder: element.placeholder };
  if (!isOffered(element, facts)) throw new SlackError('no_such_option');
  const action = {
    type: element.type,
    action_id: found.actionId,
    block_id: found.blockId,
    ...facts,
    action_ts: (world.now() / 1000).toFixed(6),
  };
  return Object.fromEntries(
    Object.entries(action).filter(([, value]) => value !== undefined),
  ) as unknown as BlockElementAction;
}

async function action(world: World, user: LocalUser, act: Of<'action'>): Promise<ActResult> {
  if ('view' in act.from) {
    const view = ownView(world, user, act.from.view);
    const chosen = actionOf(world, view.view.blocks, act.action);
    view.state = stateOf(view.view.blocks, { ...view.state, ...act.state });
    const triggerId = newTrigger(world, user.id, view.view.type === 'modal' ? view.id : undefined);
    const payload = payloads.clickInView(world, user, view, { action: chosen, triggerId });
    return resultOf(await deliver(world, 'interactive', 'block_actions', payload));
  }
  const channel = visibleChannel(world, user, act.from.channel);
  const message = visibleMessage(world, user, channel, act.from.ts);
  const chosen = actionOf(world, message.blocks, act.action);
  const payload = payloads.clickInMessage(world, user, channel, message, {
    action: chosen,
    state: stateOf(message.blocks, act.state),
    triggerId: newTrigger(world, user.id),
    responseUrl: newResponseUrl(world, {
      user: user.id,
      channel: channel.id,
      message: { ts: message.ts, ephemeral: Boolean(message.onlyFor) },
      ...(message.threadTs ? { threadTs: message.threadTs } : {}),
    }),
  });
  return resultOf(await deliver(world, 'interactive', 'block_actions', payload));
}

async function shortcut(world: World, user: LocalUser, act: Of<'shortcut'>): Promise<ActResult> {
  const type = act.message ? 'message' : 'global';
  const known = world.app.shortcuts.find((each) => each.callbackId === act.callbackId && each.type === type);
  if (!known) throw new SlackError('no_such_shortcut');
  const triggerId = newTrigger(world, user.id);
  if (!act.message) {
    const payload = payloads.globalShortcut(world, user, act.callbackId, triggerId);
    return resultOf(await deliver(world, 'interactive', 'shortcut', payload));
  }
  const channel = visibleChannel(world, user, act.message.channel);
  const message = visibleMessage(world, user, channel, act.message.ts);
  if (message.onlyFor) throw new SlackError('message_not_found');
  const responseUrl = newResponseUrl(world, { user: user.id, channel: channel.id });
  const said = { callbackId: act.callbackId, triggerId, responseUrl };
  const payload = payloads.messageShortcut(world, user, channel, message, said);
  return resultOf(await deliver(world, 'interactive', 'message_action', payload));
}

async function suggest(world: World, user: LocalUser, act: Of<'suggest'>): Promise<ActResult> {
  let blocks: unknown;
  let from: Parameters<typeof payloads.suggestion>[3];
  if ('view' in act.from) {
    from = { view: ownView(world, user, act.from.view) };
    blocks = from.view.view.blocks;
  } else {
    const channel = visibleChannel(world, user, act.from.channel);
    from = { channel, message: visibleMessage(world, user, channel, act.from.ts) };
    blocks = from.message.blocks;
  }
  const found = elementsIn(blocks).find((each) => each.blockId === act.blockId && each.actionId === act.actionId);
  if (!found?.element.type.endsWith('external_select')) throw new SlackError('no_such_action');
  if (act.value.length < Number(found.element.min_query_length ?? 3)) return { ok: true, options: [] };
  const outcome = await deliver(world, 'options', 'block_suggestion', payloads.suggestion(world, user, act, from));
  if (!outcome.ok) return { ok: false, error: outcome.error };
  if (problemsOfOptions(outcome.body).length > 0) return { ok: false, error: 'invalid_options' };
  const { options, option_groups: optionGroups } = outcome.body as { options?: unknown[]; option_groups?: unknown[] };
  return { ok: true, ...(options ? { options } : {}), ...(optionGroups ? { optionGroups } : {}) };
}

function tellHomeOpened(world: World, user: LocalUser, tab: 'home' | 'messages'): Promise<Outcome | null> {
  const channel = dmBetween(world.workspace, world.app.botUserId, user.id);
  const home = world.workspace.homes.get(user.id);
  return deliverEvent(world, {
    type: 'app_home_opened',
    user: user.id,
    channel: channel.id,
    tab,
    ...(home && tab === 'home' ? { view: payloads.viewObject(world, home) } : {}),
    event_ts: (world.now() / 1000).toFixed(6),
  });
}

async function openHome(world: World, user: LocalUser): Promise<ActResult> {
  const outcome = await tellHomeOpened(world, user, 'home');
  return outcome ? resultOf(outcome) : { ok: true };
}

async function openDm(world: World, user: LocalUser, act: Of<'openDm'>): Promise<ActResult> {
  const other = world.workspace.users.get(act.with);
  if (!other) throw new SlackError('user_not_found');
  const channel = dmBetween(world.workspace, user.id, other.id);
  if (other.id === world.app.botUserId) void tellHomeOpened(world, user, 'messages');
  return { ok: true, channel: channel.id };
}

async function join(world: World, user: LocalUser, act: Of<'join'>): Promise<ActResult> {
  const channel = visibleChannel(world, user, act.channel);
  if (channel.kind !== 'public') throw new SlackError('method_not_supported_for_channel_type');
  if (channel.archived) throw new SlackError('is_archived');
  if (channel.members.includes(user.id)) return { ok: true };
  channel.members.push(user.id);
  world.workspace.changed({ type: 'channels' });
  addMessage(world.workspace, {
    channel: channel.id,
    user: user.id,
    isApp: false,
    text: `<@${user.id}> joined #${channel.name}`,
    blocks: [],
    subtype: 'system',
  });
  return { ok: true };
}

async function read(world: World, user: LocalUser, act: Of<'read'>): Promise<ActResult> {
  const channel = visibleChannel(world, user, act.channel);
  const before = world.workspace.read.get(`${user.id} ${channel.id}`);
  markRead(world, user, channel);
  if (before !== world.workspace.read.get(`${user.id} ${channel.id}`))
    world.workspace.changed({ type: 'channels', user: user.id });
  return { ok: true };
}

/** Does what somebody did in their client, and waits for the app where Slack's client would. */
export async function perform(world: World, act: Act): Promise<ActResult> {
  try {
    const user = actor(world, act.as);
    switch (act.kind) {
      case 'say':
        return await say(world, user, act);
      case 'command':
        return await command(world, user, act);
      case 'action':
        return await action(world, user, act);
      case 'submit':
        return await sendForm(world, user, ownView(world, user, act.view), act.state);
      case 'close':
        return await shutViews(world, user, ownView(world, user, act.view));
      case 'shortcut':
        return await shortcut(world, user, act);
      case 'suggest':
        return await suggest(world, user, act);
      case 'openHome':
        return await openHome(world, user);
      case 'openDm':
        return await openDm(world, user, act);
      case 'join':
        return await join(world, user, act);
      case 'read':
        return await read(world, user, act);
      default:
        throw new SlackError('unknown_act');
    }
  } catch (error) {
    if (error instanceof SlackError) return { ok: false, error: error.error };
    throw error;
  }
}
