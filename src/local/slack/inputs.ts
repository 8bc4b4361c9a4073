import type { StateValues } from './contract.ts';

/** What Slack's client knows about inputs: their first values, and when it lets a form be sent. */
type Thing = Record<string, unknown>;

export interface Input {
  blockId: string;
  actionId: string;
  element: Thing & { type: string };
  /** The input block around it; null for an element of a section or of actions. */
  block: Thing | null;
}

/** The value of each kind of element when nothing is chosen, in the form of `state.values`. */
const firstValues: Record<string, (element: Thing) => Thing> = {
  plain_text_input: (e) => ({ value: e.initial_value ?? null }),
  number_input: (e) => ({ value: e.initial_value ?? null }),
  email_text_input: (e) => ({ value: e.initial_value ?? null }),
  url_text_input: (e) => ({ value: e.initial_value ?? null }),
  rich_text_input: (e) => ({ rich_text_value: e.initial_value ?? null }),
  file_input: () => ({ files: [] }),
  checkboxes: (e) => ({ selected_options: e.initial_options ?? [] }),
  radio_buttons: (e) => ({ selected_option: e.initial_option ?? null }),
  static_select: (e) => ({ selected_option: e.initial_option ?? null }),
  external_select: (e) => ({ selected_option: e.initial_option ?? null }),
  users_select: (e) => ({ selected_user: e.initial_user ?? null }),
  conversations_select: (e) => ({ selected_conversation: e.initial_conversation ?? null }),
  channels_select: (e) => ({ selected_channel: e.initial_channel ?? null }),
  multi_static_select: (e) => ({ selected_options: e.initial_options ?? [] }),
  multi_external_select: (e) => ({ selected_options: e.initial_options ?? [] }),
  multi_users_select: (e) => ({ selected_users: e.initial_users ?? [] }),
  multi_conversations_select: (e) => ({ selected_conversations: e.initial_conversations ?? [] }),
  multi_channels_select: (e) => ({ selected_channels: e.initial_channels ?? [] }),
  datepicker: (e) => ({ selected_date: e.initial_date ?? null }),
  timepicker: (e) => ({ selected_time: e.initial_time ?? null }),
  datetimepicker: (e) => ({ selected_date_time: e.initial_date_time ?? null }),
};

/** Every element of these blocks that a person can act on, buttons included. */
export function elementsIn(blocks: unknown): Input[] {
  if (!Array.isArray(blocks)) return [];
  return (blocks as Thing[]).flatMap((block) => {
    const nested = elementsIn(block.child_blocks ?? (block.type === 'carousel' ? block.elements : undefined));
    const own = [
      block.element,
      block.accessory,
      ...(block.type === 'carousel' ? [] : ((block.elements as unknown[]) ?? [])),
      ...((block.actions as unknown[]) ?? []),
    ] as (Thing | undefined)[];
    const found = own.filter((each): each is Input['element'] => typeof each?.action_id === 'string');
    return [
      ...found.map((element) => ({
        blockId: String(block.block_id),
        actionId: String(element.action_id),
        element,
        block: block.type === 'input' ? block : null,
      })),
      ...nested,
    ];
  });
}

const optionsOf = (element: Thing): { value?: string }[] => [
  ...((element.options as { value?: string }[] | undefined) ?? []),
  ...((element.option_groups as { options: { value?: string }[] }[] | undefined) ?? []).flatMap((each) => each.options),
];

/** Whether the person could choose this: of a fixed list, only what is in it. */
export function isOffered(element: Thing, value: Thing): boolean {
  const options = optionsOf(element);
  if (options.length === 0) return true;
  const chosen = [value.selected_option, ...((value.selected_options as unknown[] | undefined) ?? [])].filter(Boolean);
  return (chosen as { value?: string }[]).every((one) => options.some((each) => each.value === one.value));
}
const offered = (element: Thing, value: Thing | undefined) => (value && isOffered(element, value) ? value : undefined);

/** The state of these blocks: what the client says, and first values for what nobody touched. */
export function stateOf(blocks: unknown, said: StateValues = {}): StateValues {
  const values: StateValues = {};
  for (const { blockId, actionId, element } of elementsIn(blocks)) {
    const first = firstValues[element.type];
    if (!first) continue;
    const typed = offered(element, said[blockId]?.[actionId] as Thing | undefined);
    const value: Thing = { type: element.type, ...first(element), ...(typed ?? {}) };
    if (value.value === '') value.value = null;
    values[blockId] = { ...values[blockId], [actionId]: { ...value, type: element.type } };
  }
  return values;
}

const isEmpty = (value: Thing): boolean =>
  Object.entries(value).every(
    ([name, each]) => name === 'type' || each === null || each === '' || (Array.isArray(each) && each.length === 0),
  );

const checks: Record<string, (element: Thing, value: string) => string | null> = {
  plain_text_input: ({ min_length: min, max_length: max }, value) => {
    if (typeof min === 'number' && value.length < min) return `This must be at least ${min} characters.`;
    const most = typeof max === 'number' ? max : 3000;
    return value.length > most ? `This must be at most ${most} characters.` : null;
  },
  number_input: ({ min_value: min, max_value: max, is_decimal_allowed: decimal }, value) => {
    const number = Number(value);
    if (value.trim() === '' || !Number.isFinite(number)) return 'Enter a number.';
    if (!decimal && !Number.isInteger(number)) return 'Enter a whole number.';
    if (min !== undefined && number < Number(min)) return `This must be at least ${Number(min)}.`;
    return max !== undefined && number > Number(max) ? `This must be at most ${Number(max)}.` : null;
  },
  email_text_input: (_, value) => (/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value) ? null : 'Enter a valid email address.'),
  url_text_input: (_, value) => (URL.canParse(value) ? null : 'Enter a valid URL.'),
};

/** What keeps the form from being sent, by block; empty when nothing does. */
export function whyNotSend(blocks: unknown, state: StateValues): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const { blockId, actionId, element, block } of elementsIn(blocks)) {
    if (!block) continue;
    const value = (state[blockId]?.[actionId] ?? {}) as Thing;
    if (isEmpty(value)) {
      if (!block.optional) errors[blockId] = 'Please complete this required field.';
      continue;
    }
    const problem = typeof value.value === 'string' ? checks[element.type]?.(element, value.value) : null;
    const most = element.max_selected_items;
    const chosen = Object.values(value).find(Array.isArray);
    if (problem) errors[blockId] = problem;
    else if (typeof most === 'number' && chosen && chosen.length > most) errors[blockId] = `Choose at most ${most}.`;
  }
  return errors;
}
