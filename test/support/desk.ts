import type { KnownBlock, View as SlackView } from '@slack/types';
import { type Registry, slackDoor } from '../../src/adapters/slack/door.ts';
import type { Message } from '../../src/blocks.ts';
import type { Answer, SlackDoor } from '../../src/doors.ts';
import type { Person } from '../../src/people/model.ts';
import type { Audience, Ports } from '../../src/ports.ts';

/** What areas registered with the Slack door, worked by hand: commands typed, buttons pressed, forms sent, cards looked at. */
export interface Desk {
  registry: Registry;
  /** `/keys <verb> <text>` */
  type(person: Person, line: string): Promise<Answer>;
  press(
    person: Person,
    actionId: string,
    value: string,
    more?: { fields?: Record<string, unknown>; context?: Record<string, string> },
  ): Promise<Answer>;
  /** The fields as the form's schema gets them. Throws the schema's or the verb's refusal. */
  send(person: Person, callbackId: string, fields: Record<string, unknown>): Promise<Answer>;
  card(kind: string, subject: string, audience: Audience): Promise<Message | null>;
  home(person: Person): Promise<KnownBlock[]>;
}

export function deskOf(ports: () => Ports, open: (door: SlackDoor, ports: Ports) => void): Desk {
  let opened: Registry | undefined;
  const registry = () => {
    if (opened) return opened;
    const made = slackDoor();
    open(made.door, ports());
    opened = made.registry;
    return opened;
  };
  const registered = <V>(map: Map<string, V>, name: string): V => {
    const found = map.get(name);
    if (!found) throw new Error(`nobody registered ${name}; there are ${[...map.keys()].join(', ')}`);
    return found;
  };
  return {
    get registry() {
      return registry();
    },
    async type(person, line) {
      const [, verb = '', text = ''] = /^(\S+)\s*([\s\S]*)$/.exec(line) ?? [];
      return registered(registry().commands, verb).run({ person, channel: null, text });
    },
    async press(person, actionId, value, { fields = {}, context = {} } = {}) {
      const spec = registry().actions.get(actionId) ?? registered(registry().actions, actionId.split(':')[0]!);
      return spec.run({ person, channel: null, value, fields, context, message: null });
    },
    async send(person, callbackId, fields) {
      const { schema, run } = registered(registry().forms, callbackId);
      return run({ person, channel: null, form: schema.parse(fields) });
    },
    card: (kind, subject, audience) =>
      ports().store.read((view) => {
        const [name, variant = null] = kind.split(':') as [string, string?];
        return registered(registry().cards, name)(view, subject, audience, variant);
      }),
    async home(person) {
      const parts = await ports().store.read(async (view) => {
        const all: KnownBlock[][] = [];
        for (const render of registry().home) all.push(await render(view, person));
        return all;
      });
      return parts.flat();
    },
  };
}

/** Everything that a view or a message says, as one text. */
export function saying(shown: SlackView | Message | KnownBlock[] | Answer | null): string {
  const texts: string[] = [];
  const walk = (value: unknown) => {
    if (typeof value === 'string') texts.push(value);
    else if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk);
  };
  walk(shown);
  return texts.join('\n');
}

/** Every text that Slack would read as mrkdwn. */
export function mrkdwnIn(shown: unknown): string[] {
  const texts: string[] = [];
  const walk = (value: unknown) => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (typeof value === 'object' && value !== null) {
      const { type, text } = value as { type?: string; text?: unknown };
      if (type === 'mrkdwn' && typeof text === 'string') texts.push(text);
      Object.values(value).forEach(walk);
    }
  };
  walk(shown);
  return texts;
}
