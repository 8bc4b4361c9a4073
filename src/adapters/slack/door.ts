import type { KnownBlock, View as ModalView } from '@slack/types';
import { distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { block, cut, type Message, type Mrkdwn, md, message, page, say, spanned, typed } from '../../blocks.ts';
import type { ActionSpec, Answer, Caller, Click, CommandAsk, CommandSpec, SlackDoor, Submit } from '../../doors.ts';
import { Refusal } from '../../kernel.ts';
import { aTier, type Person, whyNot } from '../../people/model.ts';
import type { View } from '../../ports.ts';
import type { RenderCard } from './cards.ts';

type Form = { schema: z.ZodType<unknown>; run: (submit: Submit<unknown>) => Promise<Answer> };

/** Everything that the areas registered, by name. */
export interface Registry {
  commands: Map<string, CommandSpec & { run: (ask: CommandAsk) => Promise<Answer> }>;
  actions: Map<string, ActionSpec & { run: (click: Click) => Promise<Answer> }>;
  forms: Map<string, Form>;
  suggestions: Map<string, (ask: { person: Person; query: string }) => Promise<{ value: string }[]>>;
  shortcuts: Map<
    string,
    ActionSpec & { run: (ask: Caller & { message: { channel: string; ts: string } | null }) => Promise<Answer> }
  >;
  cards: Map<string, RenderCard>;
  home: ((view: View, person: Person) => Promise<KnownBlock[]>)[];
}

function once<V>(map: Map<string, V>, name: string, value: V): void {
  if (map.has(name)) throw new Error(`${name} is registered twice`);
  map.set(name, value);
}

/** The door that the areas register with, and what they registered. */
export function slackDoor(): { door: SlackDoor; registry: Registry } {
  const registry: Registry = {
    commands: new Map(),
    actions: new Map(),
    forms: new Map(),
    suggestions: new Map(),
    shortcuts: new Map(),
    cards: new Map(),
    home: [],
  };
  const door: SlackDoor = {
    command: (verb, spec, run) => once(registry.commands, verb, { ...spec, run }),
    action: (actionId, spec, run) => once(registry.actions, actionId, { ...spec, run }),
    submit: (callbackId, schema, run) => once(registry.forms, callbackId, { schema, run } as Form),
    suggest: (field, run) => once(registry.suggestions, field, run),
    shortcut: (callbackId, spec, run) => once(registry.shortcuts, callbackId, { ...spec, run }),
    card: (kind, render) => once(registry.cards, kind, render),
    home: (render) => void registry.home.push(render),
  };
  return { door, registry };
}

/** Our own words, in which code stays code; `<key>` must not be read as a link. */
const ours = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;') as Mrkdwn;

/** `/keys help`: what this person may do, and what they can type. */
export function helpFor(registry: Registry, person: Person, commandName: string): Message {
  const mine = [...registry.commands.entries()].filter(([, spec]) => !whyNot(person, spec.action));
  const lines = mine.map(([, spec]) => md`\`${ours(`${commandName} ${spec.usage}`)}\`  ${ours(spec.help)}`);
  return {
    text: `What you can do with ${commandName}`,
    blocks: [
      block.text(md`*What you can do here*`),
      ...chunks(lines, 12).map((some) => block.text(some.join('\n') as Mrkdwn)),
      block.small(
        md`You are here as ${typed(aTier[person.tier])}. Keysteward never asks for a key itself, only for its last four characters.`,
      ),
    ],
  };
}

function chunks<T>(list: T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

/** "Did you mean …": the verb that is only a slip away. */
export function nearestVerb(registry: Registry, verb: string): string | null {
  const sorted = (word: string) => word.split('').sort().join('');
  const [best] = [...registry.commands.keys()]
    // Two letters that changed places are one slip.
    .map((each) => ({ each, away: sorted(each) === sorted(verb) ? 1 : distance(each, verb) }))
    .sort((a, b) => a.away - b.away);
  return best && best.away <= Math.max(1, Math.floor(best.each.length / 3)) ? best.each : null;
}

/** A sentence for a person, as a message. */
export function sayRefusal(sentence: string): Message {
  return message(sentence, [block.text(md`:no_entry_sign: ${spanned(sentence, 2500)}`)]);
}
export function sayTrouble(errorId: string): Message {
  return say(
    md`:warning: Something went wrong on our side and nothing was finished. Try again in a minute; if it stays, tell an administrator the number \`${errorId as Mrkdwn}\`.`,
  );
}

/** A message as a modal, for places where Slack has no other way to answer. */
export function asPage(title: string, message: Message): ModalView {
  return page(title, message.blocks);
}
export function asMessage(said: Message | Mrkdwn): Message {
  return typeof said === 'string' ? say(said) : said;
}

const mostUnderField = 250;
/** A sentence under a field, where Slack formats nothing. Whom to ask stays when it is too long. */
export function underField(why: string, ask = ''): string {
  const plain = (text: string) => text.replaceAll('`', '');
  const end = ask && ` ${cut(plain(ask), mostUnderField / 2)}`;
  return cut(plain(why), mostUnderField - end.length) + end;
}

/** What a form's schema found, under the fields that it concerns; the first of each field. */
export function fieldErrors(error: z.ZodError, blockOf: Record<string, string>): Record<string, string> {
  const errors: Record<string, string> = {};
  const anywhere = Object.values(blockOf)[0];
  for (const issue of error.issues) {
    const block = blockOf[String(issue.path[0] ?? '')] ?? anywhere;
    if (block) errors[block] ??= cut(issue.message, 200);
  }
  return errors;
}

export function isRefusal(error: unknown): error is Refusal {
  return error instanceof Refusal;
}
