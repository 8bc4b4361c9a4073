import { type At, each, type Rule, text, words } from './limit-rules.ts';
import { blockRules, elementRules, type Surface } from './limit-tables.ts';

/**
 * Slack's limits on blocks, views and messages (docs.slack.dev/reference/block-kit), so that what Slack would refuse is
 * refused here too. Lengths are counted in UTF-16 units, which is never more lenient than counting characters.
 */
export interface Problem {
  /** JSON pointer to what is wrong, such as `/blocks/0/text/text`; empty for the whole. */
  pointer: string;
  problem: string;
}

type Thing = Record<string, unknown>;
const isThing = (value: unknown): value is Thing =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const elementsOf = (block: Thing): [name: string, element: Thing][] => {
  const found: [string, unknown][] = [];
  if (Array.isArray(block.elements))
    found.push(...block.elements.map((one, i): [string, unknown] => [`elements/${i}`, one]));
  for (const name of ['accessory', 'element']) if (block[name]) found.push([name, block[name]]);
  if (Array.isArray(block.actions))
    found.push(...block.actions.map((one, i): [string, unknown] => [`actions/${i}`, one]));
  return found.filter((pair): pair is [string, Thing] => isThing(pair[1]));
};

const mostBlocks: Record<Surface, number> = { message: 50, modal: 100, home: 100 };

function collector(): { problems: Problem[]; at: (pointer: string) => At } {
  const problems: Problem[] = [];
  const at = (pointer: string): At => ({
    say: (problem) => void problems.push({ pointer, problem }),
    in: (name) => at(`${pointer}/${name}`),
  });
  return { problems, at };
}

/** What Slack would refuse in these blocks of a message, a modal or the App Home; empty when it would take them. */
export function problemsOfBlocks(blocks: unknown, surface: Surface): Problem[] {
  const { problems, at } = collector();
  checkBlocks(blocks, surface, at(''), 'blocks');
  return problems;
}

function checkBlocks(blocks: unknown, surface: Surface, root: At, name: string): void {
  const at = root.in(name);
  if (!Array.isArray(blocks)) {
    at.say('must be an array');
    return;
  }
  if (blocks.length > mostBlocks[surface]) at.say(`no more than ${mostBlocks[surface]} items allowed`);
  const blockIds = new Set<string>();
  let focused = 0;
  let markdown = 0;
  let tables = 0;
  const look = (list: unknown[], list_at: At) => {
    for (const [i, block] of list.entries()) {
      const here = list_at.in(String(i));
      if (!isThing(block)) {
        here.say('must be an object');
        continue;
      }
      const rule = blockRules.get(String(block.type));
      if (!rule?.surfaces.includes(surface)) {
        here.in('type').say(`unsupported type: ${String(block.type)}`);
        continue;
      }
      rule.check(block, here);
      if (typeof block.block_id === 'string') {
        if (blockIds.has(block.block_id)) here.in('block_id').say(`\`block_id\` already exists: "${block.block_id}"`);
        blockIds.add(block.block_id);
      }
      const actionIds = new Set<string>();
      for (const [name, element] of elementsOf(block)) {
        if (typeof element.action_id === 'string') {
          if (actionIds.has(element.action_id))
            here.in(name).in('action_id').say(`\`action_id\` "${element.action_id}" already exists in this block`);
          actionIds.add(element.action_id);
        }
        if (element.focus_on_load === true) focused++;
      }
      if (block.type === 'markdown' && typeof block.text === 'string') markdown += block.text.length;
      if (block.type === 'table') tables++;
      if (block.type === 'container' && Array.isArray(block.child_blocks))
        look(block.child_blocks, here.in('child_blocks'));
    }
  };
  look(blocks, at);
  if (focused > 1) at.say('only one element can have `focus_on_load`');
  if (markdown > 12_000) at.say('markdown blocks must be less than 12001 characters together');
  if (tables > 1) at.say('only one table is allowed');
}

const titled = text(24, 'plain_text');
const viewFields: Record<string, Rule> = {
  callback_id: words(255),
  external_id: words(255),
  private_metadata: words(3000),
};
const modalOnly = ['title', 'submit', 'close', 'clear_on_close', 'notify_on_close', 'submit_disabled'];

/** What Slack would refuse in this view; pointers are within the view. */
export function problemsOfView(view: unknown): Problem[] {
  const { problems, at } = collector();
  const root = at('');
  if (!isThing(view)) {
    root.say('must be an object');
    return problems;
  }
  if (view.type !== 'modal' && view.type !== 'home') {
    root.in('type').say('must be one of: modal, home');
    return problems;
  }
  const modal = view.type === 'modal';
  for (const [name, value] of Object.entries(view)) {
    if (name === 'type' || name === 'blocks') continue;
    if (modalOnly.includes(name)) {
      if (!modal) root.in(name).say(`invalid additional property: ${name}`);
    } else if (!Object.hasOwn(viewFields, name)) root.in(name).say(`invalid additional property: ${name}`);
    else if (value !== undefined && value !== null) viewFields[name]!(value, root.in(name));
  }
  if (modal) {
    if (view.title === undefined) root.say('missing required field: title');
    for (const name of ['title', 'submit', 'close'])
      if (view[name] !== undefined && view[name] !== null) titled(view[name], root.in(name));
    const asks = (blocks: unknown): boolean =>
      Array.isArray(blocks) &&
      blocks.some((block) => isThing(block) && (block.type === 'input' || asks(block.child_blocks)));
    if (asks(view.blocks) && !view.submit) root.say('missing required field: submit (the view has inputs)');
  }
  if (view.blocks === undefined) root.say('missing required field: blocks');
  else checkBlocks(view.blocks, modal ? 'modal' : 'home', root, 'blocks');
  if (JSON.stringify(view).length > 250_000) root.say('view_too_large: more than 250 kB');
  return problems;
}

/**
 * What Slack would refuse in this message. Text is held to the 4000 characters of `chat.update`, because every message
 * may have to be edited.
 */
export function problemsOfMessage(message: { text?: unknown; blocks?: unknown }): Problem[] {
  const problems: Problem[] = [];
  if (message.text !== undefined && typeof message.text !== 'string')
    problems.push({ pointer: '/text', problem: 'must be a string' });
  const length = typeof message.text === 'string' ? message.text.length : 0;
  if (length > 4000) problems.push({ pointer: '/text', problem: 'must be less than 4001 characters' });
  if (length === 0 && !(Array.isArray(message.blocks) && message.blocks.length > 0))
    problems.push({ pointer: '/text', problem: 'no_text' });
  if (message.blocks !== undefined) problems.push(...problemsOfBlocks(message.blocks, 'message'));
  return problems;
}

/** What Slack would refuse in the answer to a `block_suggestion`. */
export function problemsOfOptions(answer: unknown): Problem[] {
  const { problems, at } = collector();
  const root = at('');
  const { options, option_groups: groups } = isThing(answer) ? answer : ({} as Thing);
  const option = elementRules.option!;
  const list = each(option, 0, 100);
  if (options !== undefined) list(options, root.in('options'));
  else if (groups !== undefined) {
    each(
      (group, here) => {
        if (!isThing(group)) return here.say('must be an object');
        text(75, 'plain_text')(group.label, here.in('label'));
        list(group.options, here.in('options'));
      },
      0,
      100,
    )(groups, root.in('option_groups'));
  } else root.say('missing required field: options');
  return problems;
}
