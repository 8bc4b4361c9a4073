import { storable } from '../../kernel.ts';
import type { SlackUser } from './directory.ts';

/** What Slack delivers, as far as it is read here. Everything in it came from outside and proves only who sent it. */
export interface SlackBody {
  type?: string;
  // slash commands
  command?: string;
  text?: string;
  user_id?: string;
  team_id?: string;
  channel_id?: string;
  // interactive
  user?: { id: string; team_id?: string };
  team?: { id: string } | null;
  trigger_id?: string;
  response_url?: string;
  callback_id?: string;
  channel?: { id: string };
  container?: { type?: string; message_ts?: string; channel_id?: string; is_ephemeral?: boolean };
  message?: { ts: string };
  view?: SlackView;
  /** Ours, never Slack's: the fields in which somebody typed a key. What they typed is not kept. */
  pasted?: string[];
  actions?: SlackAction[];
  action_id?: string;
  value?: string;
  // events
  event_id?: string;
  event?: {
    type: string;
    user?: string | (SlackUser & { id: string });
    tab?: string;
    channel?: string;
    subteam_id?: string;
    subteam?: { id: string };
  };
}

export interface SlackView {
  id: string;
  type: string;
  callback_id: string;
  hash?: string;
  private_metadata?: string;
  state?: { values: Record<string, Record<string, Record<string, unknown>>> };
}
export interface SlackAction {
  action_id: string;
  block_id?: string;
  type: string;
  value?: string;
  selected_option?: { value: string } | null;
  selected_user?: string | null;
}

/** The delivery's own identity, equal in every repetition of it; null for what is answered and forgotten. */
export function dedupeKeyOf(body: SlackBody): { key: string; kind: string } | null {
  if (body.type === 'event_callback' && body.event_id)
    return { key: `event:${body.event_id}`, kind: `event:${body.event?.type ?? ''}` };
  if (body.command) return { key: `command:${body.trigger_id}`, kind: 'command' };
  if (body.type && ['block_actions', 'view_submission', 'shortcut', 'message_action'].includes(body.type)) {
    return { key: `${body.type}:${body.trigger_id ?? `${body.view?.id}:${body.view?.hash}`}`, kind: body.type };
  }
  return null;
}

/** Who sent it, and from which workspace. */
export function senderOf(body: SlackBody): { userId: string; teamId: string; homeTeamId: string } | null {
  const eventUser = typeof body.event?.user === 'string' ? body.event.user : body.event?.user?.id;
  const userId = body.user_id ?? body.user?.id ?? eventUser;
  if (!userId) return null;
  const teamId = body.team?.id ?? body.team_id ?? '';
  return { userId, teamId, homeTeamId: body.user?.team_id ?? teamId };
}

/** One value of `state.values`, as forms want it: text, an option's value, a list of them, a person, a date. */
function plainValue(value: Record<string, unknown>): unknown {
  const option = (each: unknown) => (each as { value: string } | null)?.value;
  switch (value.type) {
    case 'static_select':
    case 'external_select':
    case 'radio_buttons':
      return option(value.selected_option);
    case 'checkboxes':
    case 'multi_static_select':
    case 'multi_external_select':
      return ((value.selected_options as unknown[] | null) ?? []).map(option);
    case 'users_select':
      return value.selected_user ?? undefined;
    case 'datepicker':
      return value.selected_date ?? undefined;
    case 'datetimepicker':
      return value.selected_date_time ?? undefined;
    default:
      return value.value ?? undefined;
  }
}

/** A form's fields by name, and which block shows each of them. */
export function fieldsOf(view: SlackView | undefined): {
  fields: Record<string, unknown>;
  blockOf: Record<string, string>;
} {
  const fields: Record<string, unknown> = {};
  const blockOf: Record<string, string> = {};
  for (const [blockId, block] of Object.entries(view?.state?.values ?? {})) {
    for (const [name, value] of Object.entries(block)) {
      fields[name] = plainValue(value);
      blockOf[name] = blockId;
    }
  }
  return { fields, blockOf };
}

type Shape = true | { [name: string]: Shape } | [Shape];
const user: Shape = {
  ...{ id: true, team_id: true, name: true, real_name: true, tz: true, deleted: true, is_bot: true },
  ...{ is_restricted: true, is_ultra_restricted: true, is_stranger: true },
  profile: { real_name: true, display_name: true },
};
const action: Shape = {
  ...{ action_id: true, block_id: true, type: true, value: true, selected_user: true },
  selected_option: { value: true },
};
/** What is read of a delivery that is handled again. */
const kept: Shape = {
  ...{ type: true, command: true, text: true, user_id: true, team_id: true, channel_id: true, callback_id: true },
  ...{ trigger_id: true, action_id: true, value: true, event_id: true },
  user: { id: true, team_id: true },
  team: { id: true },
  channel: { id: true },
  container: { type: true, message_ts: true, channel_id: true, is_ephemeral: true },
  message: { ts: true },
  view: { id: true, type: true, callback_id: true, hash: true, private_metadata: true, state: true },
  actions: [action],
  event: { type: true, user, tab: true, channel: true, subteam_id: true, subteam: { id: true } },
};

/** Deeper than anything that Slack sends. */
const deepest = 12;
/** The same with text that Postgres can hold, and without what is nested to trip up whoever walks through it. */
function holdable(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return storable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > deepest) return null;
  if (Array.isArray(value)) return value.map((each) => holdable(each, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [storable(name), holdable(each, depth + 1)]));
}

function pick(value: unknown, shape: Shape): unknown {
  if (shape === true || typeof value !== 'object' || value === null) return holdable(value);
  if (Array.isArray(shape)) return Array.isArray(value) ? value.map((each) => pick(each, shape[0])) : undefined;
  return Object.fromEntries(
    Object.entries(shape)
      .filter(([name]) => Object.hasOwn(value, name))
      .map(([name, inner]) => [name, pick((value as Record<string, unknown>)[name], inner)]),
  );
}

/**
 * What is stored of a delivery: only what is read again. Slack sends along the whole message that somebody reports
 * because it shows a key, statuses that people typed, tokens and addresses that open something.
 */
export function keptOf(body: SlackBody): SlackBody {
  return pick(body, kept) as SlackBody;
}

/** What is stored of a delivery in which somebody typed a key: who, where, and nothing that they typed. */
export function withoutTexts(body: SlackBody, pasted: string[]): SlackBody {
  const { text: _text, value: _value, actions: _actions, view, ...rest } = keptOf(body);
  return {
    ...rest,
    ...(view ? { view: { id: view.id, type: view.type, callback_id: view.callback_id } } : {}),
    pasted,
  };
}

/** Slack escapes these three in the text of a command; mentions stay as they are. */
export function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

/** The opaque ids that a modal carries; nothing when they are not what we put there. */
export function contextOf(view: SlackView | undefined): Record<string, string> {
  try {
    const parsed: unknown = JSON.parse(view?.private_metadata || '{}');
    if (typeof parsed !== 'object' || parsed === null) return {};
    return Object.fromEntries(
      Object.entries(parsed).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    );
  } catch {
    return {};
  }
}

/** Every text in a delivery that a person typed. */
export function typedTexts(body: SlackBody): { field: string; text: string }[] {
  const found: { field: string; text: unknown }[] = [];
  if (body.command) found.push({ field: 'text', text: unescaped(body.text ?? '') });
  if (body.type === 'block_suggestion') found.push({ field: body.action_id ?? 'search', text: body.value });
  for (const block of Object.values(body.view?.state?.values ?? {}))
    for (const [field, { value }] of Object.entries(block)) found.push({ field, text: value });
  for (const each of (body.type === 'block_actions' && body.actions) || [])
    if (each.type === 'plain_text_input') found.push({ field: each.action_id, text: each.value });
  return found.filter((each): each is { field: string; text: string } => typeof each.text === 'string' && !!each.text);
}
