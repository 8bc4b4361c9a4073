import {
  block,
  button,
  type Message,
  md,
  mention,
  mentioned,
  mentionedGroup,
  message,
  typed,
  when,
  withHandles,
} from '../blocks.ts';
import { type Answer, refuseAtClick, type SlackDoor } from '../doors.ts';
import { byId, idOf, isId, notThere, Refusal } from '../kernel.ts';
import { type Action, notMetYet, type Person, whyNot } from '../people/model.ts';
import type { Team } from '../people/team-model.ts';
import type { Ports, View } from '../ports.ts';
import { addKey } from './add.ts';
import { inventoryCards, keyRow, listMessage } from './cards.ts';
import { changeKey } from './change.ts';
import { consumersInSlack } from './consumer-slack.ts';
import { handOver } from './hand-over.ts';
import { keyMessage } from './key-cards.ts';
import { listAsk, listKeys } from './list.ts';
import { whyNotSee, whyNotTouch } from './may-model.ts';
import {
  type Draft,
  draftFrom,
  draftOf,
  EntryForm,
  entryOf,
  HandOverForm,
  handOverModal,
  keyModal,
  RetireForm,
  retireModal,
  SetRiskForm,
  setRiskModal,
} from './modals.ts';
import { type ApiKey, assessed, computedRisk, editionOf, environmentOf, inFull } from './model.ts';
import { retireKey } from './retire.ts';
import { setRisk } from './set-risk.ts';

/** The inventory, as people meet it in Slack: adding, finding, looking at and looking after keys. */
export function inventoryInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;
  inventoryCards(slack, policy);
  consumersInSlack(slack, ports);
  const issuers = () => ports.issuers.names();

  /** The person whom a form's user field or a mention means. */
  async function personOf(slackId: string | null | undefined, field?: string): Promise<Person> {
    const person = slackId ? await store.read((view) => view.people.bySlackId(slackId)) : null;
    if (person) return person;
    const why = slackId ? notMetYet : 'Choose somebody.';
    throw new Refusal('invalid', why, field);
  }

  // ————— Adding —————

  /** `openai prod`: the service, and the environment when the last word is one. */
  function draftFor(person: Person, text: string): Draft {
    const words = text.split(/\s+/).filter(Boolean);
    const environment = environmentOf(words.at(-1) ?? '');
    const service = (environment ? words.slice(0, -1) : words).join(' ');
    return { owner: person.slackId, service: service.slice(0, 60), ...(environment ? { environment } : {}) };
  }
  const adding = 'Add a key';
  slack.command(
    'add',
    {
      usage: 'add [service] [environment]',
      help: 'Enter a key, or have one made, e.g. `/keys add stripe prod`',
      action: 'inventory.add',
      opens: adding,
    },
    async ({ person, text }) => ({ open: keyModal(draftFor(person, text), issuers(), null, policy) }),
  );
  slack.action('inventory.add', { opens: adding }, async ({ person }) => {
    await allowed(person, 'inventory.add');
    return { open: keyModal(draftFor(person, ''), issuers(), null, policy) };
  });
  // What is expected of a key follows from its environment; what else is asked, from where the value is and who makes it.
  for (const field of ['environment', 'storage', 'issuer'] as const) {
    slack.action(field, {}, async ({ fields, value, context }) => {
      const { keyId, edition } = context;
      const editing = isId('key', keyId) && edition ? { keyId, edition } : null;
      return { update: keyModal({ ...draftFrom(fields), [field]: value }, issuers(), editing, policy) };
    });
  }
  slack.submit('inventory.add', EntryForm, async ({ form, person }): Promise<Answer> => {
    const owner = await personOf(form.owner, 'owner');
    const make = form.storage === 'make';
    const key = await addKey(ports, person.id, entryOf(form, owner.id, null), make);
    const head = make
      ? md`:white_check_mark: *${typed(key.name, 200)}* is in the inventory. Its value is being made; you hear from me in our direct messages when it is stored.`
      : md`:white_check_mark: *${typed(key.name, 200)}* is in the inventory.`;
    return { say: message(`${key.name} is in the inventory`, [block.text(head), ...(await afterwards(key))]) };
  });
  /** What a new or changed key means: its risk and why, and when it is due. */
  async function afterwards(key: ApiKey) {
    const { risk, reasons } = assessed(key, policy, await store.read(async (view) => view.now));
    return [
      block.text(
        md`Risk: *${typed(risk)}* (${typed(reasons.join('; '), 400)}). ${key.nextRotationAt ? md`Next rotation: ${when(key.nextRotationAt, 'date')}.` : md``}`,
      ),
      block.buttons(
        button('inventory.show', 'Show', key.id),
        button('reviews.review-permissions', 'Review permissions…', key.id),
      ),
    ];
  }

  // ————— Finding —————

  async function pageOf(person: Person, text: string, at: string | null): Promise<Message> {
    const ask = listAsk(text, policy);
    const whose = {
      ...(ask.owner === undefined ? {} : { ownerId: (await ownerMeant(person, ask.owner)).id }),
      ...(ask.team === undefined ? {} : { teamId: (await teamMeant(ask.team)).id }),
    };
    const page = await listKeys(ports, ask, whose, at);
    if (page.rows.length === 0 && !at) return nothing(text, ask.words.length > 0);
    const ids = [...new Set(page.rows.map((key) => key.ownerId))];
    return listMessage(page, byId(await store.read((view) => view.people.many(ids))), text);
  }
  function ownerMeant(person: Person, word: string): Person | Promise<Person> {
    if (word.toLowerCase() === 'me') return person;
    const slackId = mentioned(word);
    if (slackId) return personOf(slackId);
    throw new Refusal('invalid', 'Name the owner with an @mention, for example owner: @dana, or say mine.');
  }
  /** The team of this handle or name; also one that they are only the beginning of, where it is the only one. */
  async function teamMeant(word: string): Promise<Team> {
    const wanted = word.toLowerCase().replace(/^@/, '');
    const slackId = mentionedGroup(word);
    const found = await store.read(async ({ teams }) => {
      if (!slackId) return teams.search(wanted, 200);
      const team = await teams.bySlackId(slackId);
      return team?.closedAt === null ? [team] : [];
    });
    const exact =
      found.find(({ handle }) => handle.toLowerCase() === wanted) ??
      found.find(({ name }) => name.toLowerCase() === wanted);
    if (exact) return exact;
    if (found.length === 1) return found[0]!;
    const some = found.slice(0, 5).map((each) => `@${each.handle}`);
    throw some.length > 0
      ? new Refusal('invalid', `Several teams fit "${word.slice(0, 60)}": ${some.join(', ')}. Name one of them.`)
      : new Refusal(
          'invalid',
          `There is no team "${word.slice(0, 60)}". A team is a user group of Slack, such as @payments.`,
        );
  }
  /** Words that were found nowhere may have been meant as a filter. */
  const filterHint = md` Filters: \`service:\`, \`environment:\`, \`risk:\`, \`owner: @x\` or \`mine\`, \`@team\`, \`due:14d\`, \`overdue\`, \`unreviewed\`, \`over-permissioned\`.`;
  const nothing = (text: string, hasWords: boolean) =>
    message('No keys', [
      block.text(
        text
          ? md`No key matches "${typed(text, 200)}".${hasWords ? filterHint : md``}`
          : md`The inventory is empty. \`/keys add\` enters the first key.`,
      ),
    ]);
  slack.command(
    'list',
    {
      usage: 'list [filter]',
      help: 'The inventory, soonest due first, e.g. `/keys list mine due:14d`',
      action: 'inventory.list',
    },
    async ({ person, text }) => ({ say: await pageOf(person, withHandles(text), null) }),
  );
  slack.action('inventory.turn', {}, async ({ person, value }) => {
    await allowed(person, 'inventory.list');
    const [at = '', text = ''] = value.split('\n', 2);
    return { replace: await pageOf(person, text, at || null) };
  });
  slack.action('inventory.mine', {}, async ({ person }) => {
    await allowed(person, 'inventory.list');
    return { say: await pageOf(person, 'mine', null) };
  });

  const allowed = (person: Person, action: Action) =>
    refuseAtClick(store, person, { action, subject: action }, whyNot(person, action));

  /** Whether somebody holds or ever held access to a key. */
  const heldBy = async (view: View, person: Person, key: ApiKey) =>
    (await view.grants.everOfPerson(person.id)).some((each) => each.keyId === key.id);

  async function cardOf(person: Person, keyId: string): Promise<Message> {
    const { key, refusal, card } = await store.read(async (view) => {
      const key = await view.keys.get(idOf('key', keyId));
      const refusal = whyNotSee(person, key, await heldBy(view, person, key));
      return { key, refusal, card: refusal ? null : await keyMessage(view, key, person, policy) };
    });
    await refuseAtClick(store, person, { action: 'inventory.show', subject: key.id, keyId: key.id }, refusal);
    return card!;
  }
  slack.command(
    'show',
    {
      usage: 'show <key>',
      help: 'Everything about one key, e.g. `/keys show stripe prod`',
      action: 'inventory.show-held',
    },
    async ({ person, text }) => {
      if (!text) throw new Refusal('invalid', 'Say which key, for example `/keys show stripe prod`.');
      if (isId('key', text)) return { say: await cardOf(person, text) };
      const { found, owners, now } = await store.read(async (view) => {
        const found: ApiKey[] = [];
        // Enough to find the few that a contractor may see among those that match.
        const staff = whyNot(person, 'inventory.list') === null;
        for (const key of staff ? await view.keys.search(inFull(text), 11) : await heldKeys(view, person, text)) {
          if (!whyNotSee(person, key, true)) found.push(key);
        }
        const people = await view.people.many([...new Set(found.map((key) => key.ownerId))]);
        return { found, owners: byId(people), now: view.now };
      });
      if (found.length === 0)
        throw new Refusal('not_found', `No key matches "${text.slice(0, 100)}". Try fewer words.`);
      if (found.length === 1) return { say: await cardOf(person, found[0]!.id) };
      const head = `${found.length > 10 ? 'More than ten' : found.length} keys match. Which one?`;
      const rows = found.slice(0, 10).map((key) => keyRow(key, owners.get(key.ownerId), now));
      return { say: message(head, [block.text(md`*${typed(head)}*`), ...rows]) };
    },
  );
  slack.action('inventory.show', {}, async ({ person, value }) => ({ say: await cardOf(person, value) }));

  /** The keys that somebody holds or held, by words of their names. */
  async function heldKeys(view: View, person: Person, text: string): Promise<ApiKey[]> {
    const ids = new Set((await view.grants.everOfPerson(person.id)).map((each) => each.keyId));
    const words = inFull(text).toLowerCase().split(/\s+/);
    const keys: ApiKey[] = [];
    for (const id of ids) keys.push(await view.keys.get(id));
    return keys.filter((key) => words.every((word) => key.name.toLowerCase().includes(word))).slice(0, 11);
  }

  // ————— Looking after —————

  const keyFor = async (person: Person, action: Action, value: string) => {
    const key = await store.read((view) => view.keys.get(idOf('key', value)));
    await refuseAtClick(store, person, { action, subject: key.id, keyId: key.id }, whyNotTouch(person, action, key));
    if (key.status !== 'active') throw new Refusal('conflict', `${key.name} is retired.`);
    return key;
  };

  slack.action('inventory.change', { opens: 'Edit a key' }, async ({ person, value }) => {
    const key = await keyFor(person, 'inventory.change', value);
    return { open: keyModal(draftOf(key), issuers(), { keyId: key.id, edition: editionOf(key) }, policy) };
  });
  slack.submit('inventory.change', EntryForm, async ({ form, person }) => {
    if (!form.keyId || !form.edition) throw notThere('key');
    const edit = { keyId: form.keyId, edition: form.edition, reason: form.reason ?? '' };
    const key = await changeKey(ports, person.id, edit, (before) => entryOf(form, before.ownerId, before));
    const head = block.text(md`:white_check_mark: *${typed(key.name, 200)}* is changed.`);
    return { say: message(`${key.name} is changed`, [head, ...(await afterwards(key))]) };
  });

  slack.action('inventory.hand-over', { opens: 'Hand over a key' }, async ({ person, value }) => ({
    open: handOverModal(await keyFor(person, 'inventory.hand-over', value)),
  }));
  slack.submit('inventory.hand-over', HandOverForm, async ({ form, person }) => {
    const owner = await personOf(form.owner, 'owner');
    const key = await handOver(ports, person.id, { keyId: form.keyId, to: owner.id });
    return {
      say: md`:handshake: ${mention(owner.slackId)} answers for *${typed(key.name, 200)}* now, and has been told.`,
    };
  });

  slack.action('inventory.set-risk', { opens: 'Set the risk' }, async ({ person, value }) => {
    const key = await keyFor(person, 'inventory.set-risk', value);
    const now = await store.read(async (view) => view.now);
    return { open: setRiskModal(key, computedRisk(key, policy, now)) };
  });
  slack.submit('inventory.set-risk', SetRiskForm, async ({ form, person }) => {
    const key = await setRisk(ports, person.id, form);
    const due = key.nextRotationAt ? md` Next rotation: ${when(key.nextRotationAt, 'date')}.` : md``;
    return { say: md`:white_check_mark: The risk of *${typed(key.name, 200)}* is *${typed(key.risk)}* now.${due}` };
  });

  slack.action('inventory.retire', { opens: 'Retire a key' }, async ({ person, value }) => ({
    open: retireModal(await keyFor(person, 'inventory.retire', value), person),
  }));
  slack.submit('inventory.retire', RetireForm, async ({ form, person }) => {
    const key = await retireKey(ports, person.id, form);
    return {
      say: md`:white_check_mark: *${typed(key.name, 200)}* is retired. End its value at the service and delete the secret, if that is not done yet.`,
    };
  });

  slack.home(async (view, person) => {
    const { rows, next } = await view.keys.list({ ownerId: person.id }, 5);
    if (rows.length === 0) return [];
    const reviews = byId(await view.permissionReviews.many(rows.map((key) => key.id)));
    return [
      block.header('Your keys'),
      ...rows.map((key) => keyRow(key, 'yours', view.now, reviews.get(key.id))),
      block.buttons(
        ...(next ? [button('inventory.mine', 'All your keys', 'home')] : []),
        button('inventory.add', 'Add a key', 'home'),
      ),
    ];
  });
}
