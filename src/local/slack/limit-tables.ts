import {
  type At,
  anything,
  each,
  flag,
  like,
  oneOf,
  type Rule,
  type Shape,
  shaped,
  text,
  whole,
  words,
} from './limit-rules.ts';

export type Surface = 'message' | 'modal' | 'home';
type Thing = Record<string, unknown>;

const plain = (max: number) => text(max, 'plain_text');
const id = words(255);
const placeholder = plain(150);
const url = words(3000, 1);

const optionShape = (label: Rule, extra: Record<string, Rule> = {}): Rule =>
  shaped({ required: { text: label, value: words(75) }, optional: { description: text(75), ...extra } });
const option = optionShape(plain(75));
const choice = optionShape(text(75));
const overflowOption: Rule = shaped({
  required: { text: plain(75) },
  optional: { value: words(75), url, description: plain(75) },
});

const confirm = shaped({
  required: { text: text(300) },
  optional: { title: plain(100), confirm: plain(30), deny: plain(30), style: oneOf('primary', 'danger') },
});
const dispatchConfig = shaped({
  optional: { trigger_actions_on: each(oneOf('on_enter_pressed', 'on_character_entered'), 1, 2) },
});
const filter = shaped({
  optional: {
    include: each(oneOf('im', 'mpim', 'private', 'public'), 1, 4),
    exclude_external_shared_channels: flag,
    exclude_bot_users: flag,
  },
});

const valuesOf = (thing: Thing): unknown[] => {
  const groups = Array.isArray(thing.option_groups) ? thing.option_groups : [];
  const lists = [thing.options, ...groups.map((group) => (group as Thing)?.options)];
  return lists.flatMap((list) => (Array.isArray(list) ? list : [])).map((one) => (one as Thing)?.value);
};

/** What is selected at first must be one of the options, and no two options may have one value. */
const knowsItsInitial: Rule = (value, at) => {
  const thing = value as Thing;
  const values = valuesOf(thing);
  const initial = [thing.initial_option, ...(Array.isArray(thing.initial_options) ? thing.initial_options : [])];
  for (const one of initial) {
    if (one && !values.includes((one as Thing).value)) at.say('initial option is not one of the options');
  }
  if (new Set(values).size < values.length) at.say('two options have the same value');
};
const optionsOrGroups: Rule = (value, at) => {
  const thing = value as Thing;
  if ((thing.options === undefined) === (thing.option_groups === undefined))
    at.say('needs either options or option_groups');
  knowsItsInitial(value, at);
};

const group = shaped({ required: { label: plain(75), options: each(option, 1, 100) } });
const manyOptions: Record<string, Rule> = { options: each(option, 1, 100), option_groups: each(group, 1, 100) };
const base: Record<string, Rule> = { action_id: id };
const select: Record<string, Rule> = { ...base, placeholder, confirm, focus_on_load: flag };
const multi: Record<string, Rule> = { ...select, max_selected_items: whole(1, 1000) };
const typing: Record<string, Rule> = {
  ...base,
  placeholder,
  focus_on_load: flag,
  dispatch_action_config: dispatchConfig,
};
const labelled: Record<string, Rule> = { accessibility_label: words(75) };
const ids = each(words(255, 1), 0, 1000);

const textBounds: Rule = (value, at) => {
  const { min_length: min, max_length: max, initial_value: initial } = value as Record<string, unknown>;
  if (typeof min === 'number' && typeof max === 'number' && min > max)
    at.say('min_length must not be more than max_length');
  if (typeof initial === 'string' && typeof max === 'number' && initial.length > max)
    at.say('initial_value is longer than max_length');
};

const imageSource: Rule = (value, at) => {
  const thing = value as Thing;
  if ((thing.image_url === undefined) === (thing.slack_file === undefined))
    at.say('needs either image_url or slack_file');
};
const slackFile = shaped({ optional: { id: words(255, 1), url } });
const feedback = shaped({ required: { text: plain(75), value: words(2000) }, optional: labelled });

const elementShapes: Record<string, Shape> = {
  button: {
    required: { text: plain(75) },
    optional: { ...base, ...labelled, url, value: words(2000), style: oneOf('primary', 'danger'), confirm },
  },
  workflow_button: {
    required: { text: plain(75), workflow: anything },
    optional: { ...base, ...labelled, style: oneOf('primary', 'danger'), confirm },
  },
  icon_button: {
    required: { icon: words(255, 1), text: plain(75) },
    optional: { ...base, ...labelled, value: words(2000), confirm, visible_to_user_ids: ids },
  },
  feedback_buttons: { required: { positive_button: feedback, negative_button: feedback }, optional: base },
  checkboxes: {
    required: { options: each(choice, 1, 10) },
    optional: { ...base, initial_options: each(choice, 1, 10), confirm, focus_on_load: flag },
    also: knowsItsInitial,
  },
  radio_buttons: {
    required: { options: each(choice, 1, 10) },
    optional: { ...base, initial_option: choice, confirm, focus_on_load: flag },
    also: knowsItsInitial,
  },
  overflow: { required: { options: each(overflowOption, 1, 5) }, optional: { ...base, confirm } },
  datepicker: { optional: { ...select, initial_date: like(/^\d{4}-\d{2}-\d{2}$/, 'a date YYYY-MM-DD') } },
  timepicker: { optional: { ...select, initial_time: like(/^\d{2}:\d{2}$/, 'a time HH:mm'), timezone: words(255, 1) } },
  datetimepicker: { optional: { ...base, confirm, focus_on_load: flag, initial_date_time: whole(1e9, 9_999_999_999) } },
  plain_text_input: {
    optional: {
      ...typing,
      multiline: flag,
      initial_value: words(3000),
      min_length: whole(0, 3000),
      max_length: whole(1, 3000),
    },
    also: textBounds,
  },
  number_input: {
    required: { is_decimal_allowed: flag },
    optional: { ...typing, initial_value: words(255), min_value: words(255), max_value: words(255) },
  },
  email_text_input: { optional: { ...typing, initial_value: words(3000) } },
  url_text_input: { optional: { ...typing, initial_value: words(3000) } },
  rich_text_input: {
    optional: { ...typing, initial_value: anything, min_lines: whole(1, 100), max_lines: whole(1, 100) },
  },
  file_input: { optional: { ...base, filetypes: each(words(255, 1), 1, 100), max_files: whole(1, 10) } },
  static_select: { optional: { ...select, ...manyOptions, initial_option: option }, also: optionsOrGroups },
  multi_static_select: {
    optional: { ...multi, ...manyOptions, initial_options: each(option, 1, 100) },
    also: optionsOrGroups,
  },
  external_select: { optional: { ...select, initial_option: option, min_query_length: whole(0, 3000) } },
  multi_external_select: {
    optional: { ...multi, initial_options: each(option, 1, 100), min_query_length: whole(0, 3000) },
  },
  users_select: { optional: { ...select, initial_user: words(255, 1) } },
  multi_users_select: { optional: { ...multi, initial_users: ids } },
  conversations_select: {
    optional: {
      ...select,
      initial_conversation: words(255, 1),
      default_to_current_conversation: flag,
      response_url_enabled: flag,
      filter,
    },
  },
  multi_conversations_select: {
    optional: { ...multi, initial_conversations: ids, default_to_current_conversation: flag, filter },
  },
  channels_select: { optional: { ...select, initial_channel: words(255, 1), response_url_enabled: flag } },
  multi_channels_select: { optional: { ...multi, initial_channels: ids } },
  image: {
    required: { alt_text: words(2000, 1) },
    optional: { image_url: url, slack_file: slackFile },
    also: imageSource,
  },
};

export const elementRules: Record<string, Rule> = Object.fromEntries(
  Object.entries(elementShapes).map(([type, shape]) => [type, shaped(shape)]),
);
elementRules.option = option;

/** One of these elements, by its `type`. */
const element =
  (...types: string[]): Rule =>
  (value: unknown, at: At) => {
    const type = (value as Thing | null)?.type;
    if (typeof type !== 'string' || !types.includes(type))
      return at.in('type').say(`unsupported type: ${String(type)}`);
    elementRules[type]!(value, at);
  };
const selects = ['static', 'external', 'users', 'conversations', 'channels'].flatMap((kind) => [
  `${kind}_select`,
  `multi_${kind}_select`,
]);
const pickers = ['checkboxes', 'radio_buttons', 'datepicker', 'timepicker', 'datetimepicker', ...selects];
const typed = [
  'plain_text_input',
  'number_input',
  'email_text_input',
  'url_text_input',
  'rich_text_input',
  'file_input',
];

const contextElement: Rule = (value, at) => {
  const type = (value as Thing | null)?.type;
  if (type === 'image') elementRules.image!(value, at);
  else text(3000)(value, at);
};

const sectionSays: Rule = (value, at) => {
  const section = value as Thing;
  if (section.text === undefined && section.fields === undefined) at.say('needs text or fields');
};
const cardSays: Rule = (value, at) => {
  const card = value as Thing;
  if (!['hero_image', 'title', 'actions', 'body'].some((name) => card[name] !== undefined))
    at.say('needs hero_image, title, actions or body');
};

const image = elementRules.image!;
const cardShape: Shape = {
  optional: {
    block_id: id,
    hero_image: image,
    icon: image,
    title: text(150, 'mrkdwn'),
    subtitle: text(150, 'mrkdwn'),
    body: text(200, 'mrkdwn'),
    actions: each(element('button'), 1, 25),
  },
  also: cardSays,
};
const taskShape: Shape = {
  required: {
    task_id: words(255, 1),
    title: words(3000, 1),
    status: oneOf('pending', 'in_progress', 'complete', 'error'),
  },
  optional: { block_id: id, details: anything, output: anything, sources: each(anything, 0, 100) },
};
const richText: Rule = (value, at) => {
  const type = (value as Thing | null)?.type;
  oneOf('rich_text_section', 'rich_text_list', 'rich_text_preformatted', 'rich_text_quote')(type, at.in('type'));
};
const cell: Rule = (value, at) => {
  const type = (value as Thing | null)?.type;
  oneOf('raw_text', 'raw_number', 'rich_text')(type, at.in('type'));
  if (type === 'raw_text') words(10_000, 1)((value as Thing).text, at.in('text'));
};
const lettersIn = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce(
    (sum, [name, part]) => sum + (name === 'text' && typeof part === 'string' ? part.length : lettersIn(part)),
    0,
  );
};
const tableFits: Rule = (value, at) => {
  if (lettersIn((value as Thing).rows) > 10_000) at.in('rows').say('must be less than 10001 characters together');
};

const everywhere: Surface[] = ['message', 'modal', 'home'];
const blockShapes: Record<string, Shape & { on?: Surface[] }> = {
  divider: {},
  header: { required: { text: plain(150) } },
  section: {
    optional: {
      text: text(3000),
      fields: each(text(2000), 1, 10),
      accessory: element('button', 'workflow_button', 'overflow', 'image', ...pickers),
      expand: flag,
    },
    also: sectionSays,
  },
  context: { required: { elements: each(contextElement, 1, 10) } },
  actions: {
    required: {
      elements: each(element('button', 'workflow_button', 'overflow', 'rich_text_input', ...pickers), 1, 25),
    },
  },
  context_actions: {
    on: ['message'],
    required: { elements: each(element('feedback_buttons', 'icon_button'), 1, 5) },
  },
  input: {
    on: ['modal', 'home'],
    required: { label: plain(2000), element: element(...typed, ...pickers) },
    optional: { hint: plain(2000), optional: flag, dispatch_action: flag },
  },
  image: {
    required: { alt_text: words(2000, 1) },
    optional: { title: plain(2000), image_url: url, slack_file: slackFile },
    also: imageSource,
  },
  // Its limit of 12,000 characters counts all of a message's markdown together.
  markdown: { on: ['message'], required: { text: words(1_000_000, 1) } },
  rich_text: { required: { elements: each(richText, 0, 1000) } },
  table: {
    on: ['message'],
    required: { rows: each(each(cell, 1, 20), 1, 100) },
    optional: { column_settings: each(anything, 0, 20) },
    also: tableFits,
  },
  data_table: {
    required: { rows: each(each(cell, 1, 20), 2, 101), caption: words(2000, 1) },
    optional: { page_size: whole(1, 100), row_header_column_index: whole(0, 19) },
  },
  card: cardShape,
  carousel: { required: { elements: each(shaped(cardShape), 1, 10) } },
  container: {
    required: { child_blocks: each(anything, 1, 10) },
    optional: {
      title: plain(150),
      rich_text_title: anything,
      subtitle: text(150),
      width: oneOf('narrow', 'standard', 'wide', 'full'),
      icon: image,
      is_collapsible: flag,
      default_collapsed: flag,
      has_header_divider: flag,
    },
    also: (value, at) => {
      if (!(value as Thing).title && !(value as Thing).rich_text_title) at.say('missing required field: title');
    },
  },
  // The reference names modals only; what it does not name is refused here.
  alert: {
    on: ['modal'],
    required: { text: text(200) },
    optional: { level: oneOf('default', 'info', 'warning', 'error', 'success') },
  },
  task_card: taskShape,
  plan: { required: { title: words(3000, 1) }, optional: { tasks: each(shaped(taskShape), 0, 100) } },
  video: {
    required: { video_url: url, thumbnail_url: url, alt_text: words(2000, 1), title: plain(200) },
    optional: {
      title_url: url,
      author_name: words(50),
      provider_name: words(255),
      provider_icon_url: url,
      description: plain(200),
    },
  },
  file: { on: ['message'], required: { source: oneOf('remote'), external_id: words(255, 1) } },
};

export const blockRules = new Map<string, { surfaces: Surface[]; check: Rule }>(
  Object.entries(blockShapes).map(([type, { on, ...shape }]) => [
    type,
    { surfaces: on ?? everywhere, check: shaped({ ...shape, optional: { block_id: id, ...shape.optional } }) },
  ]),
);
