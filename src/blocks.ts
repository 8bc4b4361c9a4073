import type { Button, ContextBlock, ExternalSelect, KnownBlock, View } from '@slack/types';
import type { Instant } from './kernel.ts';

/**
 * The one way to build what Slack shows. Every text that a person or another system wrote goes through `typed`, so that
 * it can neither break a message (lengths) nor forge one (mentions, links, formatting). Limits: docs.slack.dev/reference/block-kit.
 */
export interface Message {
  /** What screen readers and notifications say. Never empty. */
  text: string;
  blocks: KnownBlock[];
}

declare const safe: unique symbol;
/** mrkdwn that is safe to show: made by `typed`, `mention`, `when` or the `md` template, never by concatenation. */
export type Mrkdwn = string & { readonly [safe]: true };

/** At most `max` characters, with an ellipsis where something was cut; never half a surrogate pair. */
export function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  return `${text
    .slice(0, max - 1)
    .toWellFormed()
    .replace(/\uFFFD$/, '')}…`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is for
const invisible = /[\u0000-\u0008\u000b-\u001f\u007f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Text that somebody typed, shown literally: no mention, link or formatting in it works. At most `max` characters before escaping. */
export function typed(text: string, max = 500): Mrkdwn {
  return (
    escaped(cut(text.replace(invisible, '').trim(), max))
      // A zero-width space before a formatting character keeps Slack from formatting, and is not seen.
      // An underscore inside a word formats nothing: ids and names stay as they can be copied.
      .replace(/[*~`]|(?<![a-z0-9])_|_(?![a-z0-9])/gi, '\u200b$&')
      .replace(/^([ \t]*)(&gt;|[•-]|\d+[.)])/gm, '$1\u200b$2') as Mrkdwn
  );
}

/** In what comes out no mention or link works. */
const escaped = (text: string) =>
  text.toWellFormed().replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Text for a code span or block of ours, where nothing is formatted: it stays as it is, so that it can be copied. */
export function literal(text: string, max = 500): Mrkdwn {
  const flat = text
    .replace(invisible, '')
    .replace(/[`\n\r]/g, "'")
    .trim();
  return escaped(cut(flat, max)) as Mrkdwn;
}

/** A name or id as a code span. */
export function code(text: string, max = 300): Mrkdwn {
  return `\`${literal(text, max) || ' '}\`` as Mrkdwn;
}

/** A sentence of ours, which may quote what somebody typed: what stands in it between backticks is a code span. */
export function spanned(text: string, max = 500): Mrkdwn {
  const parts = cut(text, max).split('`');
  if (parts.length % 2 === 0) return typed(text, max);
  const shown = parts.map((part, i) => {
    if (i % 2 === 1) return code(part, max);
    // What surrounds a span keeps its spaces.
    const [, before, inner, behind] = /^(\s*)(.*?)(\s*)$/s.exec(part)!;
    return `${before}${typed(inner!, max)}${behind}`;
  });
  return shown.join('') as Mrkdwn;
}

/** A person by their Slack id. */
export function mention(slackId: string): Mrkdwn {
  return (/^[UW][A-Z0-9]+$/.test(slackId) ? `<@${slackId}>` : typed(slackId)) as Mrkdwn;
}

/** The Slack id in a mention that somebody typed (`<@U123|dana>`), or null. */
export function mentioned(word: string): string | null {
  return /^<@([UW][A-Z0-9]+)(?:\|[^>]*)?>$/.exec(word.trim())?.[1] ?? null;
}

/** What somebody typed, before Slack put ids in for the handles of user groups. */
export const withHandles = (text: string): string => text.replace(/<!subteam\^S[A-Z0-9]+\|(@[^>\s]+)>/g, '$1');
/** The Slack id in a user group that somebody mentioned, or null. */
export function mentionedGroup(word: string): string | null {
  return /^<!subteam\^(S[A-Z0-9]+)(?:\|[^>]*)?>$/.exec(word.trim())?.[1] ?? null;
}

/** A channel by its Slack id, or by its name as the policy may have it. */
export function channelLink(channel: string): Mrkdwn {
  return /^[CGD][A-Z0-9]+$/.test(channel) ? (`<#${channel}>` as Mrkdwn) : md`#${typed(channel, 80)}`;
}

/** Wakes everybody in the channel. Only where the company's policy asks for it, and never for what somebody typed. */
export const everybodyHere = '<!channel>' as Mrkdwn;

/** A link to a message in this workspace. */
export function messageLink({ channel, ts }: { channel: string; ts: string }, label: string): Mrkdwn {
  const known = /^[CGD][A-Z0-9]+$/.test(channel) && /^\d+\.\d+$/.test(ts);
  if (!known) return typed(label);
  return `<https://slack.com/archives/${channel}/p${ts.replace('.', '')}|${typed(label).replaceAll('|', '')}>` as Mrkdwn;
}

/** A link to somewhere else, by our own or the company's word; never to what somebody typed. A click on it reaches no program. */
export function link(url: string, label: string): Mrkdwn {
  if (!/^(https:\/\/|http:\/\/127\.0\.0\.1[:/])[^\s<>|]+$/.test(url)) return typed(label);
  return `<${url.replaceAll('&', '&amp;')}|${typed(label).replaceAll('|', '')}>` as Mrkdwn;
}

/** A moment in the reader's own zone. */
export function when(at: Instant, form: 'date' | 'time' = 'time'): Mrkdwn {
  const fallback = `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  const pattern = form === 'date' ? '{date_short_pretty}' : '{date_short_pretty} at {time}';
  return `<!date^${Math.floor(at.getTime() / 1000)}^${pattern}|${fallback}>` as Mrkdwn;
}

/** Template for mrkdwn: our own words stay as they are, plain strings are escaped, `Mrkdwn` is kept. */
export function md(parts: TemplateStringsArray, ...values: (Mrkdwn | number)[]): Mrkdwn {
  return parts.reduce((all, part, i) => all + part + (i < values.length ? String(values[i]) : ''), '') as Mrkdwn;
}

/** Several pieces as one. */
export function join(pieces: Mrkdwn[], separator: string): Mrkdwn {
  return pieces.join(separator) as Mrkdwn;
}

export const block = {
  header: (text: string): KnownBlock => ({
    type: 'header',
    text: { type: 'plain_text', text: cut(text, 150), emoji: true },
  }),
  text: (text: Mrkdwn): KnownBlock => ({ type: 'section', text: { type: 'mrkdwn', text: cut(text || ' ', 3000) } }),
  /** A text with a button beside it, as in a list, or with something to choose from. */
  row: (text: Mrkdwn, accessory: Button | ExternalSelect): KnownBlock => ({
    type: 'section',
    text: { type: 'mrkdwn', text: cut(text || ' ', 3000) },
    accessory,
  }),
  /** At most ten label–value pairs; more go into further blocks. */
  facts: (pairs: [label: string, value: Mrkdwn][]): KnownBlock[] => {
    const fields = pairs
      .filter(([, value]) => value !== '')
      .map(([label, value]) => ({ type: 'mrkdwn' as const, text: cut(`*${label}*\n${value}`, 2000) }));
    return Array.from({ length: Math.ceil(fields.length / 10) }, (_, i) => ({
      type: 'section',
      fields: fields.slice(i * 10, i * 10 + 10),
    }));
  },
  small: (...texts: Mrkdwn[]): ContextBlock => ({
    type: 'context',
    elements: texts
      .filter(Boolean)
      .slice(0, 10)
      .map((text) => ({ type: 'mrkdwn', text: cut(text, 2000) })),
  }),
  line: (): KnownBlock => ({ type: 'divider' }),
  buttons: (...buttons: Button[]): KnownBlock => ({ type: 'actions', elements: buttons.slice(0, 25) }),
};

/** A button. `value` is an opaque id and proves nothing: the listener reads the state again and asks who may. */
export function button(
  actionId: string,
  label: string,
  value: string,
  options: {
    style?: 'primary' | 'danger';
    confirm?: { title: string; text: string; yes: string };
    describe?: string;
  } = {},
): Button {
  return {
    type: 'button',
    action_id: actionId,
    text: { type: 'plain_text', text: cut(label, 75), emoji: true },
    value,
    ...(options.style ? { style: options.style } : {}),
    ...(options.describe ? { accessibility_label: cut(options.describe, 75) } : {}),
    ...(options.confirm
      ? {
          confirm: {
            title: { type: 'plain_text', text: cut(options.confirm.title, 100) },
            text: { type: 'mrkdwn', text: cut(options.confirm.text, 300) },
            confirm: { type: 'plain_text', text: cut(options.confirm.yes, 30) },
            deny: { type: 'plain_text', text: 'Cancel' },
          },
        }
      : {}),
  };
}

/** What is chosen in it comes like the value of a pressed button. Its options are what `slack.suggest` offers under this name. */
export function choice(actionId: string, placeholder: string): ExternalSelect {
  return { type: 'external_select', action_id: actionId, min_query_length: 0, placeholder: plain(placeholder, 150) };
}

/** A message whose blocks are kept within Slack's fifty. Slack reads mentions in `text` too, so it is shown literally. */
export function message(text: string, blocks: KnownBlock[]): Message {
  return within(escaped(cut(text.replace(invisible, '').trim(), 700)), blocks);
}

function within(text: string, blocks: KnownBlock[]): Message {
  const kept =
    blocks.length <= 50 ? blocks : [...blocks.slice(0, 49), block.small(md`There is more than fits in one message.`)];
  return { text: cut(text || 'Keysteward', 3000).toWellFormed(), blocks: kept };
}

/** The same message with further lines at its end. */
export function withNotes({ text, blocks }: Message, notes: KnownBlock[]): Message {
  return within(text, [...blocks.slice(0, 50 - notes.length), ...notes]);
}

/** A one-paragraph message. */
export function say(text: Mrkdwn): Message {
  return within(text.replace(invisible, '').trim(), [block.text(text)]);
}

const plain = (text: string, max: number) => ({
  type: 'plain_text' as const,
  text: cut(text.replace(invisible, '').trim() || ' ', max),
  emoji: true,
});

/** An option of a select; label and description are cut to Slack's 75 characters. */
export function option(value: string, label: string, description?: string) {
  return { value, text: plain(label, 75), ...(description ? { description: plain(description, 75) } : {}) };
}

interface FieldBase {
  /** The form field's name: becomes both action_id and, with the form's version, block_id. */
  name: string;
  label: string;
  hint?: string;
  optional?: boolean;
}
export type Field =
  | (FieldBase & {
      kind: 'text';
      multiline?: boolean;
      initial?: string;
      placeholder?: string;
      min?: number;
      max?: number;
    })
  | (FieldBase & {
      kind: 'select';
      options: ReturnType<typeof option>[];
      initial?: string;
      placeholder?: string;
      live?: boolean;
    })
  | (FieldBase & { kind: 'search'; initial?: ReturnType<typeof option>; placeholder?: string; live?: boolean })
  | (FieldBase & { kind: 'checkboxes'; options: ReturnType<typeof option>[]; initial?: string[]; live?: boolean })
  | (FieldBase & { kind: 'radio'; options: ReturnType<typeof option>[]; initial?: string; live?: boolean })
  | (FieldBase & { kind: 'person'; initial?: string })
  | (FieldBase & { kind: 'date'; initial?: string })
  | (FieldBase & { kind: 'datetime'; initial?: number });

/** An input block. In a form, `action_id` and `block_id` are the field's name, so that typed text survives a views.update. */
export function input(field: Field): KnownBlock {
  const base = { action_id: field.name };
  const element = (() => {
    switch (field.kind) {
      case 'text':
        return {
          ...base,
          type: 'plain_text_input' as const,
          multiline: field.multiline ?? false,
          max_length: field.max ?? (field.multiline ? 3000 : 200),
          ...(field.min ? { min_length: field.min } : {}),
          ...(field.initial ? { initial_value: cut(field.initial, field.max ?? (field.multiline ? 3000 : 200)) } : {}),
          ...(field.placeholder ? { placeholder: plain(field.placeholder, 150) } : {}),
        };
      case 'select': {
        const options = field.options.slice(0, 100);
        const initial = options.find((each) => each.value === field.initial);
        return {
          ...base,
          type: 'static_select' as const,
          options,
          ...(initial ? { initial_option: initial } : {}),
          ...(field.placeholder ? { placeholder: plain(field.placeholder, 150) } : {}),
        };
      }
      case 'search':
        return {
          ...base,
          type: 'external_select' as const,
          min_query_length: 0,
          ...(field.initial ? { initial_option: field.initial } : {}),
          ...(field.placeholder ? { placeholder: plain(field.placeholder, 150) } : {}),
        };
      case 'checkboxes': {
        const options = field.options.slice(0, 10);
        const initial = options.filter((each) => field.initial?.includes(each.value));
        return {
          ...base,
          type: 'checkboxes' as const,
          options,
          ...(initial.length > 0 ? { initial_options: initial } : {}),
        };
      }
      case 'radio': {
        const options = field.options.slice(0, 10);
        const initial = options.find((each) => each.value === field.initial);
        return { ...base, type: 'radio_buttons' as const, options, ...(initial ? { initial_option: initial } : {}) };
      }
      case 'person':
        return { ...base, type: 'users_select' as const, ...(field.initial ? { initial_user: field.initial } : {}) };
      case 'date':
        return { ...base, type: 'datepicker' as const, ...(field.initial ? { initial_date: field.initial } : {}) };
      case 'datetime':
        return {
          ...base,
          type: 'datetimepicker' as const,
          ...(field.initial ? { initial_date_time: field.initial } : {}),
        };
    }
  })();
  return {
    type: 'input',
    block_id: field.name,
    label: plain(field.label, 2000),
    element,
    optional: field.optional ?? false,
    ...(field.hint ? { hint: plain(field.hint, 2000) } : {}),
    ...('live' in field && field.live ? { dispatch_action: true } : {}),
  } as KnownBlock;
}

/** A modal with inputs. `context` are opaque ids for the submit; like a button's value they prove nothing. */
export function form(
  callbackId: string,
  title: string,
  submit: string,
  blocks: KnownBlock[],
  context: Record<string, string> = {},
): View {
  return {
    type: 'modal',
    callback_id: callbackId,
    title: plain(title, 24),
    submit: plain(submit, 24),
    close: plain('Cancel', 24),
    private_metadata: JSON.stringify(context),
    blocks: blocks.slice(0, 100),
  };
}

/** A modal that only shows something. */
export function page(title: string, blocks: KnownBlock[]): View {
  return { type: 'modal', title: plain(title, 24), close: plain('Close', 24), blocks: blocks.slice(0, 100) };
}
