import type { Button, KnownBlock } from '@slack/types';
import {
  block,
  button,
  code,
  join,
  link,
  type Message,
  type Mrkdwn,
  md,
  mention,
  message,
  typed,
  when,
} from '../../blocks.ts';
import type { ApiKey } from '../../inventory/model.ts';
import type { Instant } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Policy } from '../../policy.ts';
import type { Audience } from '../../ports.ts';
import { guidanceFor, type PermissionReview, rightsFor } from '../../reviews/permissions-model.ts';
import type { Rotation, Task, Waits } from '../model.ts';
import { askedOfMaker } from '../own-model.ts';
import { linkMinutes } from './hand-in-model.ts';
import { escalatesAt, placeOf, waitsNow } from './model.ts';

export interface PersonStory {
  rotation: Rotation;
  key: ApiKey;
  owner: Person | null;
  taker: Person | null;
  /** Who did the last step that waited. */
  doer: Person | null;
  /** What somebody said of what the key needs. */
  review: PermissionReview | null;
  now: Instant;
}

const headline: Record<Task, string> = {
  'hand-in': 'A new key has to be made by a person',
  delete: 'An old key has to be deleted by a person',
};

/** What waits for a person: what, whose, why them, by when, and what happens if nobody does it. */
export function personMessage(story: PersonStory, audience: Audience, policy: Policy): Message {
  const { rotation, key } = story;
  const waits = waitsNow(rotation);
  if (!waits) return overMessage(story);
  const urgent = rotation.emergency ? md`:rotating_light: *Emergency.* ` : md`:bust_in_silhouette: `;
  return message(`${headline[waits.task]}: ${key.name}`, [
    block.text(md`${urgent}*${typed(headline[waits.task])}: ${typed(key.name, 200)}*`),
    ...block.facts([
      ['Owner', story.owner ? mention(story.owner.slackId) : md`nobody`],
      ['Taken by', takenBy(story)],
      ['By', byWhen(waits, story.now)],
      ['Why you', whyYou(story, waits, audience)],
    ]),
    block.text(join(stepsOf(story, waits.task, policy), '\n')),
    block.buttons(...buttonsFor(story, waits, audience)),
    block.small(outlook(story, waits, policy), code(rotation.id)),
  ]);
}

function overMessage({ rotation, key, doer }: PersonStory): Message {
  const done = rotation.waits?.done;
  const what = rotation.waits?.task === 'delete' ? 'The old key was deleted' : 'The new key was handed in';
  // What somebody has made meanwhile and not handed in nobody else knows of.
  const unused =
    rotation.waits?.task === 'hand-in'
      ? md` Have you made a new key at ${typed(key.service, 60)} already? It is not used: delete it there.`
      : md``;
  const head =
    done && doer
      ? md`:white_check_mark: *${typed(what)}: ${typed(key.name, 200)}*\n${mention(doer.slackId)}, ${when(new Date(done.at))}. The rotation goes on by itself; its card says how it stands.`
      : md`*${typed(key.name, 200)}*\nThere is nothing for a person to do here any more; the card of the rotation says how it stands.${unused}`;
  const title = done && doer ? what : 'Nothing waits for a person any more';
  return message(`${title}: ${key.name}`, [block.text(head), block.small(code(rotation.id))]);
}

const byWhen = ({ dueAt }: Waits, now: Instant): Mrkdwn =>
  new Date(dueAt) < now ? md`:warning: ${when(new Date(dueAt))}, which has passed` : when(new Date(dueAt));

const takenBy = ({ rotation, taker }: PersonStory): Mrkdwn =>
  rotation.taken && taker ? md`${mention(taker.slackId)} since ${when(new Date(rotation.taken.at))}` : md`nobody yet`;

function whyYou({ rotation, owner }: PersonStory, waits: Waits, audience: Audience): Mrkdwn {
  if ('channel' in audience)
    return md`${owner?.status === 'active' ? md`It waits for its owner or an administrator` : md`It has no owner here; any administrator can do it`}`;
  if (rotation.taken?.by === audience.person) return md`You have taken it`;
  if (owner?.id === audience.person) return md`You own this key`;
  return waits.escalatedAt ? md`You are an administrator, and its owner has not done it` : md`You are an administrator`;
}

function stepsOf({ rotation, key, review }: PersonStory, task: Task, policy: Policy): Mrkdwn[] {
  const place = placeOf(key, policy);
  const there = place ? link(place.url, place.where) : md`${typed(key.service, 60)}`;
  const keep = rotation.newLastFour ? md` Keep the one that ends with …${typed(rotation.newLastFour)}.` : md``;
  if (task === 'delete') {
    const old = rotation.oldLastFour ? md` that ends with …${typed(rotation.oldLastFour)}` : md``;
    const more = rotation.cleanup.length > 0 ? md`, and any older one of it that is still there` : md``;
    return [
      md`1. Open ${there}.`,
      md`2. Delete the old key${old}${more}.${keep}`,
      md`3. Say so here. The new one is handed out and works already.`,
    ];
  }
  const again = rotation.attempt > 1 ? md` The one that was handed in before did not work; make another.` : md``;
  const { rights, less } = rightsFor(key, review);
  const which = less ? md`with *fewer rights than the old one*, only what it needs` : md`with the same rights`;
  const guidance = guidanceFor(key.environment, policy);
  const expected = guidance ? md` ${typed(guidance, 300)}` : md``;
  const asked = askedOfMaker(key, policy);
  const manages = asked ? md` *${typed(asked)}*` : md``;
  return [
    md`1. Open ${there} and make a new key ${which}: ${typed(rights, 600)}.${expected}${manages}${again}`,
    md`2. Leave the old key alone: it is in use until the new one is handed out.`,
    md`3. Press *Hand in the new key* and paste it on the page that opens, never here. Nobody but you gets that page.`,
  ];
}

function buttonsFor({ rotation, key }: PersonStory, waits: Waits, audience: Audience): Button[] {
  const mine = 'person' in audience && rotation.taken?.by === audience.person;
  const free = rotation.taken === null;
  const id = rotation.id;
  const act =
    waits.task === 'hand-in'
      ? button('rotation.hand-in', 'Hand in the new key', id, { style: 'primary', describe: `Hand in ${key.name}` })
      : button('rotation.confirm-deleted', 'I have deleted it', id, {
          style: 'primary',
          confirm: {
            title: 'Is it deleted?',
            text: `Your word is kept as the proof that the old key at ${key.service.slice(0, 60)} is gone.`,
            yes: 'It is deleted',
          },
        });
  return [
    ...(free ? [button('rotation.take', 'Take it', id, { describe: `Take on ${key.name}` })] : []),
    ...(free || mine ? [act] : []),
    ...(mine ? [button('rotation.hand-back', 'Hand back', id)] : []),
    button('runbooks.show', 'Steps', key.id, { describe: `Steps for ${key.name}` }),
    ...(!free && !mine ? [button('rotation.take', 'Take over', id, { describe: 'For administrators' })] : []),
  ];
}

function outlook({ rotation }: PersonStory, waits: Waits, policy: Policy): Mrkdwn {
  const nothing =
    waits.task === 'hand-in'
      ? rotation.emergency
        ? md`If nobody does it: the value that may be known to others stays in use.`
        : md`If nobody does it: the old key stays in use, and stays due.`
      : md`If nobody does it: the old key goes on working beside the new one.`;
  const next = waits.escalatedAt
    ? md` Administrators were asked ${when(new Date(waits.escalatedAt))}; everybody asked is reminded.`
    : md` You are reminded, and administrators are asked ${when(escalatesAt(rotation, waits, policy))}.`;
  return md`${nothing}${next}`;
}

/** Where the page opens. The address is a link and no button: a button would send it back to us, to be stored. */
export function handInBlocks(key: ApiKey, url: string, endsAt: Instant): KnownBlock[] {
  return [
    block.text(md`*${typed(key.name, 200)}*`),
    block.text(md`${link(url, 'Open the page to hand in the new key')}`),
    block.text(
      md`It opens in your browser and asks you to sign in with Slack. It is for you alone, takes one value, and lives for ${linkMinutes} minutes, until ${when(endsAt)}. Do not pass it on; whoever else does this gets their own.`,
    ),
  ];
}
