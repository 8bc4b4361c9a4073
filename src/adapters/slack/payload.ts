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
  actions?: SlackAction[];
  action_id?: string;
  value?: string;
  // events
  event_id?: string;
  event?: { type: string; user?: string | { id: string; team_id?: string }; tab?: string; channel?: string };
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

/** Every text in a delivery that a person typed, with a way to blank it. */
export function typedTexts(body: SlackBody): { field: string; text: string; blank: () => void }[] {
  const found: { field: string; text: string; blank: () => void }[] = [];
  const look = (holder: Record<string, unknown>, name: string, field: string) => {
    const text = holder[name];
    if (typeof text === 'string' && text)
      found.push({ field, text, blank: () => Object.assign(holder, { [name]: '' }) });
  };
  if (body.command) look(body as Record<string, unknown>, 'text', 'text');
  for (const block of Object.values(body.view?.state?.values ?? {})) {
    for (const [name, value] of Object.entries(block)) look(value, 'value', name);
  }
  if (body.type === 'block_actions')
    for (const action of body.actions ?? [])
      if (action.type === 'plain_text_input') look(action as never, 'value', action.action_id);
  return found;
}
