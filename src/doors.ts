import type { KnownBlock, View as SlackView } from '@slack/types';
import { z } from 'zod';
import { join, type Message, type Mrkdwn, md, mention, type option } from './blocks.ts';
import { type ApiKey, inFull } from './inventory/model.ts';
import { byId, type Id, isId, type Noun, Refusal, type Secret } from './kernel.ts';
import type { Action, Person } from './people/model.ts';
import type { Audience, Change, Store, View } from './ports.ts';

/** The ways in. An area registers what it answers; the adapters verify, store, acknowledge, and carry the answers back. */
export interface SlackDoor {
  /** `/keys <verb> …`. `usage` and `help` are shown by `/keys help` to those who may. */
  command(verb: string, spec: CommandSpec, run: (ask: CommandAsk) => Promise<Answer>): void;
  /** A button or menu in a card or a modal, by action_id. */
  action(actionId: string, spec: ActionSpec, run: (click: Click) => Promise<Answer>): void;
  /**
   * The submit of a modal, by callback_id. The form's fields and its context are parsed by `schema`; what does not fit
   * is shown under its field, with what was typed kept. A `Refusal` with a `field` is shown there too.
   */
  submit<F>(callbackId: string, schema: z.ZodType<F>, run: (submit: Submit<F>) => Promise<Answer>): void;
  /** Suggestions for a `search` field, by its name. */
  suggest(field: string, run: (ask: { person: Person; query: string }) => Promise<ReturnType<typeof option>[]>): void;
  /** A global shortcut, or one on a message; `message` is null for a global one. */
  shortcut(
    callbackId: string,
    spec: ActionSpec,
    run: (ask: Caller & { message: { channel: string; ts: string } | null }) => Promise<Answer>,
  ): void;
  /**
   * How a fact looks as a card; called by the worker whenever the fact may have changed. `null` takes the card away.
   * Several messages about one fact are shown as `kind:variant`.
   */
  card(
    kind: string,
    render: (view: View, subject: string, audience: Audience, variant: string | null) => Promise<Message | null>,
  ): void;
  /** A part of App Home, in the order of registration. */
  home(render: (view: View, person: Person) => Promise<KnownBlock[]>): void;
}

export interface CommandSpec {
  /** E.g. `request [key]`. */
  usage: string;
  help: string;
  action: Action;
  /** The answer is a modal: it is opened with this title at once, before anything is looked up. */
  opens?: string;
}
export interface ActionSpec {
  /** The answer is a modal, opened with this title at once (pushed when the click came from a modal). */
  opens?: string;
}

export interface Caller {
  person: Person;
  /** Where they were, when Slack says so. */
  channel: string | null;
}
export interface CommandAsk extends Caller {
  /** What follows the verb, trimmed. */
  text: string;
}
export interface Click extends Caller {
  /** The button's opaque value, or the chosen option's. Re-read and re-authorise. */
  value: string;
  /** Inputs of the modal that the click came from, by field name. */
  fields: Record<string, unknown>;
  /** The modal's context. */
  context: Record<string, string>;
  /** The message it came from. */
  message: { channel: string; ts: string } | null;
}
export interface Submit<F> extends Caller {
  form: F;
}

/** What goes back to the person. Cards are not answers: they follow from the change. */
export type Answer =
  /** Seen by this person only; for help, errors and confirmations. */
  | { say: Message | Mrkdwn }
  | { open: SlackView }
  /** Replaces the modal that the click or submit came from. */
  | { update: SlackView }
  /** Replaces the answer (`say`) that the click came from, for paging. Cards are never replaced this way. */
  | { replace: Message }
  | { done: true };
export const done: Answer = { done: true };

/**
 * Who may not is told at the click, before they type anything, and it is on record under what they wanted. Verbs are
 * called at the submit and record their own refusals.
 */
export async function refuseAtClick(
  store: Pick<Store, 'refused'>,
  person: Pick<Person, 'id'>,
  wanted: Omit<Change, 'actor'>,
  refusal: Refusal | null,
): Promise<void> {
  if (!refusal) return;
  await store.refused({ actor: { kind: 'person', id: person.id }, ...wanted }, refusal);
  throw refusal;
}

const mostNamed = 3;

/** Whom of these to turn to: who is here, and never whoever asks. */
const toTurnTo = (people: Person[], slackId: string | null): Person[] =>
  people.filter((each) => each.status === 'active' && each.slackId !== slackId).slice(0, mostNamed);

/** "@Ada or @Sam", for what only administrators can do; without anybody else to name, what they are. */
export async function administratorsToAsk({ people }: Pick<View, 'people'>, slackId: string | null): Promise<Mrkdwn> {
  const named = toTurnTo(await people.withTier('administrator'), slackId).map((each) => mention(each.slackId));
  return named.length === 0 ? md`an administrator` : join(named, ' or ');
}

/** What whoever was refused is told: why, and whom to ask instead, never themselves; `ask` is empty where there is nobody. */
export async function toldOf(
  store: Pick<Store, 'read'>,
  { sentence, instead }: Refusal,
  slackId: string | null,
): Promise<{ why: string; ask: string }> {
  if (instead.length === 0) return { why: sentence, ask: '' };
  const named = new Map(instead.flatMap((each) => (each === 'administrators' ? [] : [[each.id, each.as]])));
  const people = await store.read(async ({ people }) => [
    ...(await people.many([...named.keys()])),
    ...(instead.includes('administrators') ? await people.withTier('administrator') : []),
  ]);
  const names = toTurnTo([...byId(people).values()], slackId).map((each) =>
    named.has(each.id) ? `${each.name} (${named.get(each.id)})` : each.name,
  );
  return { why: sentence, ask: names.length === 0 ? '' : `Ask ${names.join(', ').replace(/, ([^,]*)$/, ' or $1')}.` };
}

/** The keys that are meant by an id, as a button carries it, or by words, as people type them. Nothing means none. */
export async function keysNamed({ keys }: Pick<View, 'keys'>, words: string, limit: number): Promise<ApiKey[]> {
  if (!isId('key', words)) return words.trim() ? keys.search(inFull(words), limit) : [];
  const key = await keys.find(words);
  return key ? [key] : [];
}

/** An id of this kind, as a field of a form or of a webhook's body. */
export const idField = <N extends Noun>(noun: N, otherwise?: string): z.ZodType<Id<N>> =>
  z.custom<Id<N>>((value) => isId(noun, value), otherwise);

/** A webhook's body as it arrived; the adapter has bounded its size but not verified anything. */
export interface WebhookAsk {
  headers: Record<string, string>;
  rawBody: string;
}
/** What a webhook says, by its schema, or what is wrong with it. */
export function saidIn<T>(rawBody: string, schema: z.ZodType<T>): T | Refusal {
  const parsed = schema.safeParse(jsonOf(rawBody));
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.slice(0, 5).map((each) => `${each.path.join('.') || 'body'}: ${each.message}`);
  return new Refusal('invalid', `The body does not fit. ${wrong.join('; ')}`);
}
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
/** What a browser or a calendar asks for. */
export interface PageAsk {
  method: 'GET' | 'POST';
  /** What stands in the path for each `:name`. */
  params: Record<string, string>;
  query: URLSearchParams;
  headers: Record<string, string>;
  /** As it arrived, its size bounded; empty in a GET, and where the page has `secrets`. */
  rawBody: string;
  /** The fields of a form, but for its secrets. Each once: the first counts. */
  fields: Record<string, string>;
  secrets: Record<string, Secret>;
}
export interface PageSpec {
  /** Fields of the form whose values go from the body straight into `Secret`. */
  secrets?: readonly string[];
}
export interface PageAnswer {
  status: number;
  /** Beside what every page says: kept nowhere, shown in no frame, sends no referrer, loads and runs nothing. */
  headers?: Record<string, string | string[]>;
  body?: string;
  /** What went wrong on our side: logged, never shown. */
  trouble?: unknown;
}

export interface HttpDoor {
  /**
   * A path such as `/calendar/:file`; where it takes both methods it is registered twice, and a GET answers a HEAD too.
   * What stands for a `:name` may be a secret: it is never logged. An answer whose `etag` the asker has already goes
   * back as 304.
   */
  page(method: 'GET' | 'POST', path: string, run: (ask: PageAsk) => Promise<PageAnswer>, spec?: PageSpec): void;
  /** `POST /webhooks/<name>`. The answer's status goes back as it is. */
  webhook(name: string, run: (ask: WebhookAsk) => Promise<{ status: number; body: Record<string, unknown> }>): void;
}

/** `keysteward <area> <verb> …` */
export interface CliDoor {
  command(
    path: string,
    spec: { usage: string; help: string },
    run: (args: string[], out: (line: string) => void) => Promise<number>,
  ): void;
}
