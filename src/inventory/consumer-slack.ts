import type { KnownBlock, View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, button, form, input, type Message, md, message, option, page, typed } from '../blocks.ts';
import { type Answer, idField, refuseAtClick, type SlackDoor } from '../doors.ts';
import { byId, type Id, idOf, notThere, Refusal } from '../kernel.ts';
import { notMetYet, type Person } from '../people/model.ts';
import type { Ports, View } from '../ports.ts';
import { ownInWords } from '../rotation/own-model.ts';
import { consumerBlocks, consumerLine } from './consumer-cards.ts';
import { type Consumer, type ConsumerEntry, type ConsumerKind, consumerKinds, isUnsigned } from './consumer-model.ts';
import { whyNotTouch } from './may-model.ts';
import type { ApiKey } from './model.ts';
import { addConsumer, changeConsumer } from './record-consumer.ts';
import { removeConsumer } from './remove-consumer.ts';

interface Draft {
  name?: string | undefined;
  kind?: string | undefined;
  url?: string | undefined;
  /** A Slack id. */
  mover?: string | undefined;
  readsAs?: string | undefined;
}

const mostOfArn = 600;

const ConsumerForm = z.object({
  keyId: idField('key').optional(),
  consumerId: idField('consumer').optional(),
  consumerName: z
    .string({ error: 'Name it, for example: checkout service.' })
    .transform((text) => text.replace(/\s+/g, ' ').trim())
    .refine((text) => text.length >= 2 && text.length <= 80, 'Name it in 2 to 80 characters.'),
  consumerKind: z.enum(Object.keys(consumerKinds) as [ConsumerKind], { error: 'Say how it gets a new value.' }),
  url: z.string().trim().max(500, 'At most 500 characters.').nullish(),
  mover: z.string().nullish(),
  readsAs: z
    .string()
    // Copied from one of our cards, it brings the unseen spaces along that keep Slack from formatting.
    .transform((text) => text.replaceAll('\u200b', '').trim())
    .refine((text) => text.length <= mostOfArn, `At most ${mostOfArn} characters.`)
    .nullish(),
});

const hints: Record<ConsumerKind, string> = {
  'reads-store': 'It has a new value by itself, as soon as its cache has run out',
  webhook: 'It is sent the key and version, never the value, and says when it is done',
  person: 'They get a message, and press "On the new key" when it is done',
};

/** Who uses a key: recorded from its card, so that a rotation can wait for them. */
export function consumersInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, readers, policy } = ports;

  /** The key, if this person may look after who uses it. */
  async function keyFor(person: Person, keyId: string): Promise<ApiKey> {
    const key = await store.read((view) => view.keys.get(idOf('key', keyId)));
    const wanted = { action: 'inventory.keep-consumers', subject: key.id, keyId: key.id } as const;
    await refuseAtClick(store, person, wanted, whyNotTouch(person, wanted.action, key));
    return key;
  }
  async function consumerFor(person: Person, id: string): Promise<{ key: ApiKey; consumer: Consumer }> {
    const consumer = await store.read((view) => view.consumers.get(idOf('consumer', id)));
    const key = await keyFor(person, consumer.keyId);
    if (consumer.removedAt) throw new Refusal('conflict', 'Somebody has removed this consumer meanwhile.');
    return { key, consumer };
  }

  function consumerModal(draft: Draft, key: ApiKey, consumerId?: string): SlackView {
    const kinds = Object.keys(consumerKinds) as ConsumerKind[];
    const remove = consumerId
      ? [
          block.buttons(
            button('inventory.remove-consumer', 'Remove it', consumerId, {
              style: 'danger',
              confirm: { title: 'Remove it?', text: 'No rotation waits for it any more.', yes: 'Remove' },
            }),
          ),
        ]
      : [];
    return form(
      consumerId ? 'inventory.change-consumer' : 'inventory.add-consumer',
      consumerId ? 'Edit a consumer' : 'Add a consumer',
      consumerId ? 'Save' : 'Add',
      [
        block.text(
          md`*${typed(key.name, 200)}*\nSomebody or something that uses this key. When its value is replaced, the old one is not retired before all of them are on the new one.`,
        ),
        input({
          kind: 'text',
          name: 'consumerName',
          label: 'What uses it?',
          placeholder: 'checkout service',
          max: 80,
          ...(draft.name ? { initial: draft.name } : {}),
        }),
        input({
          kind: 'radio',
          name: 'consumerKind',
          label: 'How does it get a new value?',
          live: true,
          options: kinds.map((kind) => option(kind, consumerKinds[kind], hints[kind])),
          ...(draft.kind ? { initial: draft.kind } : {}),
        }),
        ...kindFields(draft),
        ...remove,
      ],
      { keyId: key.id, ...(consumerId ? { consumerId } : {}) },
    );
  }
  function kindFields(draft: Draft): KnownBlock[] {
    if (draft.kind === 'webhook') {
      return [
        input({
          kind: 'text',
          name: 'url',
          label: 'Where is it told?',
          placeholder: 'https://deploy.example.com/hooks/keysteward',
          max: 500,
          hint: 'A POST by the Standard Webhooks scheme. The secret that signs it is made for you, in Secrets Manager.',
          ...(draft.url ? { initial: draft.url } : {}),
        }),
      ];
    }
    if (draft.kind === 'reads-store') {
      return [
        input({
          kind: 'text',
          name: 'readsAs',
          label: 'As which IAM role or user does it read?',
          placeholder: 'arn:aws:iam::123456789012:role/checkout',
          max: mostOfArn,
          optional: true,
          hint: readers
            ? `A rotation then waits until ${readers.name} says that it has read the new value.`
            : 'Kept for later: rotation.evidence.readsFrom in policy.yml says that nobody is asked who reads secrets.',
          ...(draft.readsAs ? { initial: draft.readsAs } : {}),
        }),
      ];
    }
    if (draft.kind === 'person') {
      return [
        input({
          kind: 'person',
          name: 'mover',
          label: 'Who moves it?',
          ...(draft.mover ? { initial: draft.mover } : {}),
        }),
      ];
    }
    return [];
  }

  async function listOf(key: ApiKey): Promise<Message> {
    const { consumers, people } = await store.read((view) => consumersOf(view, key.id));
    return message(`Who uses ${key.name}`, [
      block.text(md`*Who uses ${typed(key.name, 200)}*`),
      ...(consumers.length === 0
        ? consumerBlocks([], people, ownInWords(key, false, policy))
        : consumers.map((each) =>
            block.row(
              consumerLine(each, people.get(each.personId ?? '')),
              button('inventory.change-consumer', 'Edit…', each.id, { describe: `Edit ${each.name}` }),
            ),
          )),
      block.buttons(button('inventory.add-consumer', 'Add a consumer…', key.id)),
    ]);
  }

  slack.action('inventory.consumers', {}, async ({ person, value }) => ({
    say: await listOf(await keyFor(person, value)),
  }));
  slack.action('inventory.add-consumer', { opens: 'Add a consumer' }, async ({ person, value }) => ({
    open: consumerModal({}, await keyFor(person, value)),
  }));
  slack.action('inventory.change-consumer', { opens: 'Edit a consumer' }, async ({ person, value }) => {
    const { key, consumer } = await consumerFor(person, value);
    const mover = consumer.personId ? await store.read((view) => view.people.find(consumer.personId!)) : null;
    const { name, kind, url, readsAs } = consumer;
    const draft = { name, kind, url: url ?? undefined, mover: mover?.slackId, readsAs: readsAs ?? undefined };
    return { open: consumerModal(draft, key, consumer.id) };
  });
  // How it gets a new value decides what else is asked.
  slack.action('consumerKind', {}, async ({ person, fields, value, context }) => {
    const text = (name: string) => (typeof fields[name] === 'string' ? (fields[name] as string) : undefined);
    const typed = { name: text('consumerName'), url: text('url'), mover: text('mover'), readsAs: text('readsAs') };
    const draft = { ...typed, kind: value };
    return { update: consumerModal(draft, await keyFor(person, context.keyId ?? ''), context.consumerId) };
  });
  slack.action('inventory.remove-consumer', {}, async ({ person, value }): Promise<Answer> => {
    const { consumer } = await consumerFor(person, value);
    await removeConsumer(ports, person.id, consumer.id);
    return { update: page('Removed', [block.text(md`*${typed(consumer.name, 80)}* is no longer recorded.`)]) };
  });

  async function entryOf(asked: z.infer<typeof ConsumerForm>): Promise<ConsumerEntry> {
    const mover = asked.mover ? await store.read((view) => view.people.bySlackId(asked.mover!)) : null;
    if (asked.consumerKind === 'person' && asked.mover && !mover) {
      throw new Refusal('invalid', notMetYet, 'mover');
    }
    return {
      name: asked.consumerName,
      kind: asked.consumerKind,
      url: asked.url || null,
      personId: mover?.id ?? null,
      readsAs: asked.readsAs || null,
    };
  }
  async function answered(keyId: Id<'key'>, consumer: Consumer): Promise<Answer> {
    const key = await store.read((view) => view.keys.get(keyId));
    const { text, blocks } = await listOf(key);
    const next = isUnsigned(consumer)
      ? [block.small(md`Its signing secret is being made; the key's card says where it lies.`)]
      : [];
    return { say: { text, blocks: [...blocks, ...next] } };
  }
  slack.submit('inventory.add-consumer', ConsumerForm, async ({ form: asked, person }) => {
    if (!asked.keyId) throw notThere('key');
    return answered(asked.keyId, await addConsumer(ports, person.id, asked.keyId, await entryOf(asked)));
  });
  slack.submit('inventory.change-consumer', ConsumerForm, async ({ form: asked, person }) => {
    if (!asked.consumerId) throw notThere('consumer');
    const consumer = await changeConsumer(ports, person.id, asked.consumerId, await entryOf(asked));
    return answered(consumer.keyId, consumer);
  });
}

/** Who uses a key, with the people among them. */
export async function consumersOf(
  view: View,
  keyId: string,
): Promise<{ consumers: Consumer[]; people: Map<string, Person> }> {
  const consumers = await view.consumers.ofKey(keyId);
  const ids = consumers.flatMap((each) => (each.personId ? [each.personId] : []));
  const people = byId(await view.people.many(ids));
  return { consumers, people };
}
