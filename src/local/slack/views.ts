import { randomInt } from 'node:crypto';
import type { KnownBlock, View } from '@slack/types';
import { stateOf } from './inputs.ts';
import { type Problem, problemsOfView } from './limits.ts';
import { SlackError } from './slack-error.ts';
import type { LocalView } from './workspace.ts';
import type { World } from './world.ts';

const mostStacked = 3;

/** Slack's way to say what is wrong with blocks. */
export function complaints(problems: Problem[], prefix = ''): Record<string, unknown> {
  const messages = problems.map(({ pointer, problem }) => `[ERROR] ${problem} [json-pointer:${prefix}${pointer}]`);
  return { response_metadata: { messages } };
}

/** `randomInt` draws from a stock; fresh random bytes for every element of every message are slow. */
const shortId = () =>
  randomInt(36 ** 5)
    .toString(36)
    .padStart(5, '0');

/** Slack gives an id to every block and element that has none. */
export function withIds<T extends { block_id?: string }>(blocks: readonly T[]): KnownBlock[] {
  const named = (element: unknown): unknown => {
    const one = element as { type?: string; action_id?: string } | null | undefined;
    const acts = one && typeof one === 'object' && one.type && !['image', 'mrkdwn', 'plain_text'].includes(one.type);
    return acts ? { ...one, action_id: one.action_id ?? shortId() } : element;
  };
  return blocks.map((block) => {
    const whole: Record<string, unknown> = { ...block, block_id: block.block_id ?? shortId() };
    if (whole.element) whole.element = named(whole.element);
    if (whole.accessory) whole.accessory = named(whole.accessory);
    if (whole.type === 'actions') whole.elements = (whole.elements as unknown[]).map(named);
    if (whole.type === 'card' && whole.actions) whole.actions = (whole.actions as unknown[]).map(named);
    if (whole.type === 'carousel') whole.elements = withIds(whole.elements as T[]);
    if (whole.child_blocks) whole.child_blocks = withIds(whole.child_blocks as T[]);
    return whole as unknown as KnownBlock;
  });
}

/** The view as given, when Slack would take it. */
export function acceptedView(given: unknown, type?: 'modal' | 'home'): View {
  const view = given as View | null;
  if (JSON.stringify(view ?? '').length > 250_000) throw new SlackError('view_too_large');
  const problems = problemsOfView(view);
  if (type && view?.type !== type && problems.length === 0)
    problems.push({ pointer: '/type', problem: `must be ${type}` });
  if (problems.length > 0) throw new SlackError('invalid_arguments', complaints(problems, '/view'));
  return { ...view!, blocks: withIds(view!.blocks) } as View;
}

function newHash(world: World): string {
  return `${Math.floor(world.now() / 1000)}.${shortId()}${shortId()}`;
}

function madeView(world: World, user: string, view: View, below?: LocalView): LocalView {
  const id = world.workspace.newId('V');
  return {
    id,
    hash: newHash(world),
    user,
    view,
    root: below?.root ?? id,
    ...(below ? { previous: below.id } : {}),
    state: stateOf(view.blocks),
  };
}

const stackOf = (world: World, user: string) => world.workspace.stacks.get(user) ?? [];

function setStack(world: World, user: string, stack: LocalView[]): void {
  if (stack.length > 0) world.workspace.stacks.set(user, stack);
  else world.workspace.stacks.delete(user);
  world.workspace.changed({ type: 'views', user });
}

function refuseTakenExternalId(world: World, view: View, own?: string): void {
  if (!view.external_id) return;
  const all = [...world.workspace.stacks.values()].flat().concat([...world.workspace.homes.values()]);
  if (all.some((each) => each.view.external_id === view.external_id && each.id !== own))
    throw new SlackError('duplicate_external_id');
}

/** Opens a modal; one that the person had open goes away. */
export function openView(world: World, user: string, view: View): LocalView {
  refuseTakenExternalId(world, view);
  const made = madeView(world, user, view);
  setStack(world, user, [made]);
  return made;
}

export function pushView(world: World, user: string, view: View): LocalView {
  const stack = stackOf(world, user);
  if (stack.length >= mostStacked) throw new SlackError('push_limit_reached');
  refuseTakenExternalId(world, view);
  const made = madeView(world, user, view, stack.at(-1));
  setStack(world, user, [...stack, made]);
  return made;
}

/** Replaces what a view shows. What was typed stays where block_id and action_id stay, as in Slack. */
export function replaceView(world: World, old: LocalView, view: View): LocalView {
  if (old.view.type !== view.type)
    throw new SlackError(
      'invalid_arguments',
      complaints([{ pointer: '/type', problem: `must be ${old.view.type}` }], '/view'),
    );
  refuseTakenExternalId(world, view, old.id);
  old.view = view;
  old.hash = newHash(world);
  old.state = stateOf(view.blocks, old.state);
  delete old.errors;
  world.workspace.changed({ type: view.type === 'home' ? 'home' : 'views', user: old.user });
  return old;
}

export function publishHome(world: World, user: string, view: View): LocalView {
  const old = world.workspace.homes.get(user);
  if (old) return replaceView(world, old, view);
  refuseTakenExternalId(world, view);
  const made = madeView(world, user, view);
  world.workspace.homes.set(user, made);
  world.workspace.changed({ type: 'home', user });
  return made;
}

/** Takes away the topmost view, or all. Answers what went, top first. */
export function closeViews(world: World, user: string, all: boolean): LocalView[] {
  const stack = stackOf(world, user);
  const gone = all ? [...stack].reverse() : stack.slice(-1);
  setStack(world, user, all ? [] : stack.slice(0, -1));
  return gone;
}

export function topView(world: World, user: string): LocalView | undefined {
  return stackOf(world, user).at(-1);
}

/** An open modal or a published Home. */
export function findView(world: World, by: { id?: string; externalId?: string }): LocalView | undefined {
  const all = [...world.workspace.stacks.values()].flat().concat([...world.workspace.homes.values()]);
  return all.find((each) => (by.id ? each.id === by.id : each.view.external_id === by.externalId));
}
