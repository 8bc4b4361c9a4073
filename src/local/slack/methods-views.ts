import { userFor } from './channels.ts';
import { problemsOfBlocks, problemsOfMessage, problemsOfView } from './limits.ts';
import { type Args, type Method, wordOf } from './methods.ts';
import { viewObject } from './payloads.ts';
import { SlackError } from './slack-error.ts';
import { acceptedView, complaints, findView, openView, publishHome, pushView, replaceView } from './views.ts';
import type { LocalView } from './workspace.ts';
import type { Trigger, World } from './world.ts';

/** A trigger that still opens something. The caller marks it used when it did. */
function liveTrigger(world: World, args: Args): Trigger {
  const trigger = world.triggers.get(wordOf(args.trigger_id));
  if (!trigger) throw new SlackError(args.trigger_id ? 'invalid_trigger_id' : 'invalid_arguments');
  if (world.now() - trigger.at > world.speeds.triggerMs) throw new SlackError('expired_trigger_id');
  if (trigger.used) throw new SlackError('exchanged_trigger_id');
  return trigger;
}

function open(world: World, args: Args): Record<string, unknown> {
  const trigger = liveTrigger(world, args);
  const view = acceptedView(args.view, 'modal');
  trigger.used = true;
  return { view: viewObject(world, openView(world, trigger.user, view)) };
}

function push(world: World, args: Args): Record<string, unknown> {
  const trigger = liveTrigger(world, args);
  const view = acceptedView(args.view, 'modal');
  // Only a click in an open modal has something to push onto.
  if (!trigger.view) throw new SlackError('invalid_trigger_id');
  if (!findView(world, { id: trigger.view })) throw new SlackError('not_found');
  const made = pushView(world, trigger.user, view);
  trigger.used = true;
  return { view: viewObject(world, made) };
}

function refuseStale(view: LocalView | undefined, args: Args): void {
  if (args.hash && view && view.hash !== args.hash) throw new SlackError('hash_conflict');
}

function update(world: World, args: Args): Record<string, unknown> {
  if (!args.view_id && !args.external_id) throw new SlackError('invalid_arguments');
  const old = findView(world, args.view_id ? { id: wordOf(args.view_id) } : { externalId: wordOf(args.external_id) });
  const view = acceptedView(args.view);
  if (!old) throw new SlackError('not_found');
  refuseStale(old, args);
  return { view: viewObject(world, replaceView(world, old, view)) };
}

function publish(world: World, args: Args): Record<string, unknown> {
  const user = userFor(world, args.user_id);
  const view = acceptedView(args.view, 'home');
  refuseStale(world.workspace.homes.get(user.id), args);
  return { view: viewObject(world, publishHome(world, user.id, view)) };
}

/** Slack's own judge of Block Kit, which needs no token. */
function validate(_world: World, args: Args): Record<string, unknown> {
  const problems = [
    ...(args.blocks === undefined ? [] : problemsOfBlocks(args.blocks, 'message')),
    ...(args.view === undefined ? [] : problemsOfView(args.view)),
    ...(args.message === undefined ? [] : problemsOfMessage(args.message as { text?: unknown; blocks?: unknown })),
  ];
  if (problems.length > 0) throw new SlackError('invalid_blocks', complaints(problems));
  return {};
}

export const viewMethods: Record<string, Method> = {
  'views.open': { scopes: [], token: 'bot', run: open },
  'views.push': { scopes: [], token: 'bot', run: push },
  'views.update': { scopes: [], token: 'bot', run: update },
  'views.publish': { scopes: [], token: 'bot', run: publish },
  'blocks.validate': { scopes: [], token: 'none', run: validate },
};
