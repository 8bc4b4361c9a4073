import type { KnownBlock } from '@slack/types';
import { z } from 'zod';
import {
  block,
  button,
  code,
  form,
  input,
  join,
  type Mrkdwn,
  md,
  mention,
  message,
  option,
  typed,
  when,
} from '../blocks.ts';
import { administratorsToAsk, done, idField, keysNamed, type SlackDoor } from '../doors.ts';
import { type ApiKey, asChoice, inFull } from '../inventory/model.ts';
import { type Id, isId, Refusal, refuseIf } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { Ports, View } from '../ports.ts';
import { guidanceFor } from '../reviews/permissions-model.ts';
import { waitsNow } from '../rotation/by-hand/model.ts';
import { accessCards, endNow, statusOf, withdraw } from './cards.ts';
import { decideRequest, withdrawRequest } from './decide.ts';
import { endGrant } from './end.ts';
import { allowedHours, type Grant, inWords, offeredHours, whyNotDecide } from './model.ts';
import { requestAccess, whoDecides } from './request.ts';

const keyId = idField('key', 'Choose a key from the list.');
const text = (sentence: string, min: number) => z.string({ error: sentence }).trim().min(min, sentence);

const RequestForm = z.object({
  keyId,
  use: text('Say what you will use it for.', 3),
  hours: z.coerce.number({ error: 'Choose how long.' }).int(),
  reason: text('Say why, in at least ten characters: it is kept in the audit log.', 10),
  ticket: z.string().nullish(),
  extendsGrant: idField('grant').optional(),
});
const DecideForm = z.object({
  requestId: idField('request'),
  hours: z.coerce.number().int().optional(),
  reason: z.string().nullish(),
});

/** Requests, decisions, grants and their ends, as people meet them in Slack. */
export function accessInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;
  accessCards(slack);

  // Whoever may not see the inventory has to know what they ask for; nothing is listed for them.
  slack.suggest('keyId', async ({ person, query }) => {
    const sees = whyNot(person, 'inventory.list') === null;
    if (!sees && query.trim().length < 4) return [];
    return store.read(async (view) =>
      (await view.keys.search(inFull(query), sees ? 50 : 5)).map((key) => option(...asChoice(key))),
    );
  });

  // ————— Asking —————

  async function requestModal(
    person: Person,
    chosen: ApiKey | null,
    extend: Grant | null,
    found: string,
  ): Promise<ReturnType<typeof form>> {
    const hours = chosen
      ? offeredHours(chosen, person, policy)
      : policy.access.leaseHours.filter((each) => each <= 24 * policy.access.maxDays.production);
    const asks = chosen
      ? await store.read((view) => whoWillBeAsked(view, chosen, person))
      : md`Who is asked depends on the key: its owner, and administrators for production.`;
    const guidance = chosen ? guidanceFor(chosen.environment, policy) : null;
    const previous = extend ? await store.read((view) => view.requests.get(extend.requestId)) : null;
    return form(
      'access.request',
      extend ? 'Extend access' : 'Request access',
      'Ask',
      [
        ...(found ? [block.small(typed(found, 300))] : []),
        input({
          kind: 'search',
          name: 'keyId',
          label: 'Key',
          placeholder: 'Type a service, environment or purpose',
          live: true,
          ...(chosen ? { initial: option(...asChoice(chosen)) } : {}),
        }),
        input({
          kind: 'text',
          name: 'use',
          label: 'What will you use it for?',
          placeholder: 'Nightly embedding job on the staging cluster',
          ...(previous ? { initial: previous.use } : {}),
        }),
        input({
          kind: 'select',
          name: 'hours',
          label: 'For how long?',
          hint: 'The shortest time that does the job. It ends by itself; you can extend it.',
          options: hours.map((each) => option(String(each), inWords(each))),
          initial: String(hours[0]),
        }),
        input({
          kind: 'text',
          name: 'reason',
          label: 'Reason',
          multiline: true,
          max: 1000,
          hint: 'Kept in the audit log. Never paste a key here.',
        }),
        input({
          kind: 'text',
          name: 'ticket',
          label: 'Ticket',
          optional: true,
          max: 100,
          placeholder: 'PLAT-123',
          ...(previous?.ticket ? { initial: previous.ticket } : {}),
        }),
        ...(guidance ? [block.small(md`${typed(guidance, 300)}`)] : []),
        block.small(md`:busts_in_silhouette: ${asks}`),
      ],
      extend ? { extendsGrant: extend.id } : {},
    );
  }

  async function whoWillBeAsked(view: View, key: ApiKey, asker: Person): Promise<Mrkdwn> {
    const production = key.environment === 'production';
    const needs = production ? policy.access.approvals.production : policy.access.approvals.other;
    const administrator =
      production && key.flags.includes('customerData') && policy.access.administratorForCustomerData;
    const people = await view.people.many(await whoDecides(view, key, asker, { people: needs, administrator }));
    if (people.length === 0)
      return md`Nobody can decide this yet: the key needs an owner other than you, or a second administrator.`;
    const names = join(
      people.slice(0, 5).map((each) => mention(each.slackId)),
      ', ',
    );
    const more = people.length > 5 ? md` and ${people.length - 5} more` : md``;
    const rule = administrator
      ? md` ${needs === 1 ? md`An administrator has to approve.` : md`${needs} of them have to approve, at least one an administrator.`}`
      : people.length > 1
        ? md` ${needs === 1 ? md`One of them decides.` : md`${needs} of them have to approve.`}`
        : md``;
    return md`${names}${more} will be asked.${rule}`;
  }

  /** The key that the words after a command mean: the only match, or none and what was found. */
  const findKey = (words: string): Promise<{ key: ApiKey | null; found: string }> =>
    store.read(async (view) => {
      const keys = await keysNamed(view, words, 20);
      if (keys.length === 1 || isId('key', words) || !words.trim()) return { key: keys[0] ?? null, found: '' };
      return {
        key: null,
        found:
          keys.length === 0
            ? `No key matches "${words}". Search for it below.`
            : `${keys.length === 20 ? 'Many' : keys.length} keys match "${words}". Choose one below.`,
      };
    });

  slack.command(
    'request',
    {
      usage: 'request [key]',
      help: 'Ask for access to a key, e.g. `/keys request openai prod`',
      action: 'access.request',
      opens: 'Request access',
    },
    async ({ person, text: words }) => {
      const { key, found } = await findKey(words);
      return { open: await requestModal(person, key, null, found) };
    },
  );
  slack.action('access.request', { opens: 'Request access' }, async ({ person, value }) => {
    const key = await store.read((view) => view.keys.get(value));
    return { open: await requestModal(person, key, null, '') };
  });
  slack.action('access.extend', { opens: 'Extend access' }, async ({ person, value }) => {
    const { grant, key } = await store.read(async (view) => {
      const grant = await view.grants.get(value);
      return { grant, key: await view.keys.get(grant.keyId) };
    });
    if (grant.personId !== person.id) throw new Refusal('not_allowed', 'Only the holder can ask to extend an access.');
    return { open: await requestModal(person, key, grant, '') };
  });
  // Choosing a key shows who will be asked for it, and the durations that it allows.
  slack.action('keyId', {}, async ({ person, value, context }) => {
    const key = await store.read((view) => view.keys.find(value));
    if (!key) return done;
    const extend = isId('grant', context.extendsGrant)
      ? await store.read((view) => view.grants.find(context.extendsGrant!))
      : null;
    return { update: await requestModal(person, key, extend?.keyId === key.id ? extend : null, '') };
  });
  slack.submit('access.request', RequestForm, async ({ form: ask, person }) => {
    const request = await requestAccess(ports, person.id, { ...ask, ticket: ask.ticket ?? undefined });
    const asked = await store.read((view) => view.people.many(request.asked));
    const who =
      asked.length > 0
        ? md`${join(
            asked.map((each) => mention(each.slackId)),
            ', ',
          )} will be asked.`
        : md`Nobody can decide it yet; administrators are told.`;
    return {
      say: md`:white_check_mark: Sent. ${who} You hear from me in our direct messages, at the latest ${when(request.expiresAt)}, when the request expires.`,
    };
  });
  slack.action('access.withdraw', {}, async ({ person, value }) => {
    await withdrawRequest(ports, person, value as Id<'request'>);
    return done;
  });

  // ————— Deciding —————

  slack.action('access.approve', {}, async ({ person, value }) => {
    await decideRequest(ports, person.id, {
      requestId: value as Id<'request'>,
      verdict: 'approve',
      hours: null,
      reason: '',
    });
    return done;
  });
  /** Who may not decide is told at the click, before they type anything. */
  const mayDecide = (person: Person, requestId: string, verdict: 'approve' | 'deny') =>
    store.read(async (view) => {
      const request = await view.requests.get(requestId);
      const key = await view.keys.get(request.keyId);
      refuseIf(whyNotDecide(request, key, person, { verdict, hours: 1, reason: 'looked at' }, view.now));
      return { request, key, asker: await view.people.get(request.askedBy) };
    });
  slack.action('access.approve-shorter', { opens: 'Approve for less time' }, async ({ person, value }) => {
    const { request, key, asker } = await mayDecide(person, value, 'approve');
    const hours = offeredHours(key, asker, policy).filter((each) => each <= request.hours);
    return {
      open: form(
        'access.approve-shorter',
        'Approve for less time',
        'Approve',
        [
          block.text(
            md`${mention(asker.slackId)} asked for *${typed(inWords(request.hours))}* on *${typed(key.name, 200)}*.`,
          ),
          input({
            kind: 'select',
            name: 'hours',
            label: 'Allow',
            options: hours.map((each) => option(String(each), inWords(each))),
            initial: String(hours[0]),
          }),
        ],
        { requestId: request.id },
      ),
    };
  });
  slack.submit('access.approve-shorter', DecideForm, async ({ form: { requestId, hours }, person }) => {
    const request = await decideRequest(ports, person.id, {
      requestId,
      verdict: 'approve',
      hours: hours ?? null,
      reason: '',
    });
    return { say: md`:white_check_mark: Approved for ${typed(inWords(allowedHours(request)))}.` };
  });
  slack.action('access.deny', { opens: 'Deny access' }, async ({ person, value }) => {
    const { request, key, asker } = await mayDecide(person, value, 'deny');
    return {
      open: form(
        'access.deny',
        'Deny access',
        'Deny',
        [
          block.text(
            md`${mention(asker.slackId)} asked for *${typed(inWords(request.hours))}* on *${typed(key.name, 200)}*.`,
          ),
          input({
            kind: 'text',
            name: 'reason',
            label: 'Why not?',
            multiline: true,
            max: 500,
            hint: 'They read this, and it is kept in the audit log.',
          }),
        ],
        { requestId: request.id },
      ),
    };
  });
  slack.submit('access.deny', DecideForm, async ({ form: { requestId, reason }, person }) => {
    await decideRequest(ports, person.id, { requestId, verdict: 'deny', hours: null, reason: reason ?? '' });
    return { say: md`Denied. They have been told why.` };
  });

  // ————— What people hold —————

  const grantLine = (grant: Grant, key: ApiKey | undefined, administrators: Mrkdwn): KnownBlock[] => [
    block.text(md`*${typed(key?.name ?? 'A key', 200)}*\n${statusOf(grant, administrators)}`),
    block.buttons(button('access.extend', 'Extend', grant.id), endNow(grant)),
  ];

  async function grantsOf(view: View, person: Person): Promise<KnownBlock[]> {
    const grants = (await view.grants.liveOfPerson(person.id)).filter((each) => each.status !== 'ending');
    const keys = new Map<string, ApiKey>();
    for (const grant of grants.slice(0, 15)) keys.set(grant.keyId, await view.keys.get(grant.keyId));
    const administrators = await administratorsToAsk(view, person.slackId);
    return grants.slice(0, 15).flatMap((grant) => grantLine(grant, keys.get(grant.keyId), administrators));
  }

  slack.command(
    'grants',
    { usage: 'grants', help: 'What you have access to, and until when', action: 'access.list' },
    async ({ person }) => {
      const blocks = await store.read((view) => grantsOf(view, person));
      if (blocks.length === 0) return { say: md`You have access to no key right now. \`/keys request\` asks for one.` };
      return { say: message('Your access', [block.header('Your access'), ...blocks]) };
    },
  );
  slack.command(
    'end',
    { usage: 'end <key>', help: 'End your access to a key now', action: 'access.list' },
    async ({ person, text: words }) => {
      const { live, administrators } = await store.read(async (view) => {
        const grants = (await view.grants.liveOfPerson(person.id)).filter((each) => each.status !== 'ending');
        return {
          live: await Promise.all(grants.map(async (grant) => ({ grant, key: await view.keys.get(grant.keyId) }))),
          administrators: await administratorsToAsk(view, person.slackId),
        };
      });
      const wanted = inFull(words).toLowerCase().split(/\s+/).filter(Boolean);
      const matches = live.filter(
        ({ grant, key }) => grant.id === words || wanted.every((word) => key.name.toLowerCase().includes(word)),
      );
      if (wanted.length === 0 || matches.length !== 1) {
        const why =
          wanted.length === 0
            ? md`Say which: ${code('/keys end <key>')}.`
            : matches.length === 0
              ? md`You hold no access that matches "${typed(words, 100)}".`
              : md`${matches.length} of yours match "${typed(words, 100)}".`;
        const list = live.slice(0, 15).flatMap(({ grant, key }) => grantLine(grant, key, administrators));
        return { say: message('Which access?', [block.text(why), ...list]) };
      }
      await endGrant(ports, person.id, matches[0]!.grant.id, 'Ended by its holder');
      return { say: md`:white_check_mark: Your access to *${typed(matches[0]!.key.name, 200)}* ends now.` };
    },
  );
  slack.action('access.end', {}, async ({ person, value }) => {
    const grant = await store.read((view) => view.grants.get(value));
    const by = grant.personId === person.id ? 'its holder' : person.name;
    await endGrant(ports, person.id, grant.id, `Ended by ${by}`);
    return { say: md`:white_check_mark: Ended. The secret's policy is being rewritten now.` };
  });

  /** Rotations that stand still until this person has made a new key or deleted an old one. */
  async function byHand(view: View, person: Person): Promise<KnownBlock[]> {
    const blocks: KnownBlock[] = [];
    for (const rotation of await view.rotations.waitingFor(person.id, 5)) {
      const waits = waitsNow(rotation);
      if (!waits) continue;
      const key = await view.keys.get(rotation.keyId);
      if (whyNot(person, waits.task === 'hand-in' ? 'rotation.hand-in' : 'rotation.confirm-deleted', key)) continue;
      const what = waits.task === 'hand-in' ? md`A new key has to be made` : md`The old key has to be deleted`;
      blocks.push(
        block.row(
          md`*${typed(key.name, 200)}*\n${what} at ${typed(key.service, 60)}, by ${when(new Date(waits.dueAt))}. Our direct messages have the steps.`,
          waits.task === 'hand-in'
            ? button('rotation.hand-in', 'Hand in the new key', rotation.id, { style: 'primary' })
            : button('rotation.show', 'Its card', rotation.id, {
                describe: `Bring up the card of the rotation of ${key.name}`,
              }),
        ),
      );
    }
    return blocks;
  }

  slack.home(async (view, person) => {
    const waiting = (await view.requests.waitingFor(person.id)).slice(0, 5);
    const lines: KnownBlock[] = await byHand(view, person);
    for (const request of waiting) {
      const [key, asker] = [await view.keys.get(request.keyId), await view.people.get(request.askedBy)];
      if (whyNot(person, 'access.decide', key) || request.askedBy === person.id) continue;
      lines.push(
        block.text(
          md`${mention(asker.slackId)} asks for *${typed(key.name, 200)}* for ${typed(inWords(request.hours))}\n>${typed(request.reason, 300)}`,
        ),
        block.buttons(
          button('access.approve', 'Approve', request.id, { style: 'primary' }),
          button('access.approve-shorter', 'Approve shorter…', request.id),
          button('access.deny', 'Deny…', request.id, { style: 'danger' }),
        ),
      );
    }
    const mine = await grantsOf(view, person);
    const asked: KnownBlock[] = [];
    for (const request of (await view.requests.openBy(person.id)).slice(0, 5)) {
      const key = await view.keys.get(request.keyId);
      asked.push(
        block.row(
          md`:hourglass: *${typed(key.name, 200)}* for ${typed(inWords(request.hours))}\nNot decided yet; expires ${when(request.expiresAt)}`,
          withdraw(request),
        ),
      );
    }
    return [
      block.header('Waiting for you'),
      ...(lines.length > 0 ? lines : [block.text(md`Nothing. :tada:`)]),
      block.header('Your access'),
      ...(mine.length > 0 ? mine.slice(0, 20) : [block.text(md`You have access to no key right now.`)]),
      ...asked,
      block.buttons(button('access.start', 'Request access', 'home', { style: 'primary' })),
    ];
  });
  slack.action('access.start', { opens: 'Request access' }, async ({ person }) => ({
    open: await requestModal(person, null, null, ''),
  }));
}
