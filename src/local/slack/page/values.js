// What people chose or typed in the inputs of one message or view, in the form of Slack's `state.values`.

const chosen = (field, from) => (element) => ({ [field]: element[from] ?? null });
const several = (field, from) => (element) => ({ [field]: element[from] ?? [] });
const typed = chosen('value', 'initial_value');
/** Element type → its value before anybody touched it. What is missing here has no state (buttons, overflow menus). */
const untouched = {
  plain_text_input: typed,
  number_input: typed,
  email_text_input: typed,
  url_text_input: typed,
  static_select: chosen('selected_option', 'initial_option'),
  external_select: chosen('selected_option', 'initial_option'),
  users_select: chosen('selected_user', 'initial_user'),
  conversations_select: chosen('selected_conversation', 'initial_conversation'),
  channels_select: chosen('selected_channel', 'initial_channel'),
  multi_static_select: several('selected_options', 'initial_options'),
  multi_external_select: several('selected_options', 'initial_options'),
  multi_users_select: several('selected_users', 'initial_users'),
  multi_conversations_select: several('selected_conversations', 'initial_conversations'),
  multi_channels_select: several('selected_channels', 'initial_channels'),
  radio_buttons: chosen('selected_option', 'initial_option'),
  checkboxes: several('selected_options', 'initial_options'),
  datepicker: chosen('selected_date', 'initial_date'),
  timepicker: chosen('selected_time', 'initial_time'),
  datetimepicker: chosen('selected_date_time', 'initial_date_time'),
};
export const hasState = (element) => Object.hasOwn(untouched, element?.type ?? '');

/** Options of a select or of boxes, groups laid flat; null where they come from somewhere else. */
export function optionsOf(element) {
  if (element.options) return element.options;
  if (element.option_groups) return element.option_groups.flatMap((group) => group.options);
  return null;
}

export function elementsOf(block) {
  if (block.type === 'input') return [block.element];
  if (block.type === 'section') return block.accessory ? [block.accessory] : [];
  if (block.type === 'container') return (block.child_blocks ?? block.elements ?? []).flatMap(elementsOf);
  return block.type === 'actions' ? block.elements : [];
}

export class Values {
  #touched = new Map();

  #slot = (blockId, actionId) => JSON.stringify([blockId, actionId]);

  /** The value now: what was chosen while it still can be, else what the app proposed. */
  of(blockId, element) {
    const initial = { type: element.type, ...untouched[element.type]?.(element) };
    const touched = this.#touched.get(this.#slot(blockId, element.action_id));
    if (!touched || touched.type !== element.type) return initial;
    const options = element.type.includes('external') ? null : optionsOf(element);
    if (!options) return touched;
    const offered = (option) => options.some((each) => each.value === option.value);
    if (touched.selected_option && !offered(touched.selected_option)) return initial;
    if (touched.selected_options && !touched.selected_options.every(offered))
      return { ...touched, selected_options: touched.selected_options.filter(offered) };
    return touched;
  }

  set(blockId, element, value) {
    this.#touched.set(this.#slot(blockId, element.action_id), { type: element.type, ...value });
  }

  /** All of them, for Slack. */
  collect(blocks) {
    const state = {};
    for (const block of blocks) {
      for (const element of elementsOf(block)) {
        if (!hasState(element)) continue;
        state[block.block_id] ??= {};
        state[block.block_id][element.action_id] = this.of(block.block_id, element);
      }
    }
    return state;
  }
}

/** Whether nothing was chosen or typed. */
export function isEmpty(value) {
  return Object.entries(value).every(
    ([name, each]) =>
      name === 'type' ||
      each === null ||
      each === undefined ||
      (typeof each === 'string' && each.trim() === '') ||
      (Array.isArray(each) && each.length === 0),
  );
}

/** What Slack's own client refuses before the app hears of it: block_id → sentence. */
export function problemsIn(blocks, values) {
  const problems = {};
  for (const block of blocks) {
    if (block.type !== 'input') continue;
    const { element } = block;
    if (!hasState(element)) continue;
    const value = values.of(block.block_id, element);
    const text = value.value;
    if (isEmpty(value)) {
      if (!block.optional) problems[block.block_id] = 'Please complete this required field.';
    } else if (element.type === 'number_input') {
      const number = Number(text);
      if (!Number.isFinite(number)) problems[block.block_id] = 'Please enter a number.';
      else if (!element.is_decimal_allowed && !Number.isInteger(number))
        problems[block.block_id] = 'Please enter a whole number.';
      else if (element.min_value !== undefined && number < Number(element.min_value))
        problems[block.block_id] = `Must be at least ${element.min_value}.`;
      else if (element.max_value !== undefined && number > Number(element.max_value))
        problems[block.block_id] = `Must be at most ${element.max_value}.`;
    } else if (element.type === 'email_text_input' && !/^\S+@\S+\.\S+$/.test(text))
      problems[block.block_id] = 'Please enter an email address.';
    else if (element.type === 'url_text_input' && !/^https?:\/\/\S+$/.test(text))
      problems[block.block_id] = 'Please enter a web address.';
    else if (typeof text === 'string' && element.min_length && text.length < element.min_length)
      problems[block.block_id] = `Must be at least ${element.min_length} characters long.`;
    else if (typeof text === 'string' && element.max_length && text.length > element.max_length)
      problems[block.block_id] = `Must be at most ${element.max_length} characters long.`;
  }
  return problems;
}
