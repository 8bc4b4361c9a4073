import type { KnownBlock } from '@slack/types';
import { block, button, code, join, type Message, type Mrkdwn, md, mention, message, typed, when } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import type { Instant } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Policy } from '../policy.ts';
import type { KeyPage, View } from '../ports.ts';
import type { PermissionReview } from '../reviews/permissions-model.ts';
import { holdInWords, holdsInWords, nextStartOf } from '../rotation/timing/windows-model.ts';
import { type ApiKey, assessed, daysOverdue, isUnmade, pausedNow, rotatesHere, snoozedNow } from './model.ts';

/** When a key is due, with a warning where it is late. */
export function dueLine(key: ApiKey, now: Instant): Mrkdwn {
  if (key.status === 'retired' || !key.nextRotationAt) return md`retired`;
  const late = daysOverdue(key, now);
  if (key.nextRotationAt <= now) {
    return late > 0
      ? md`:warning: overdue since ${when(key.nextRotationAt, 'date')}, ${late} ${late === 1 ? md`day` : md`days`}`
      : md`:warning: due today`;
  }
  return md`due ${when(key.nextRotationAt, 'date')}`;
}

/** A plan or a snooze that somebody made for a key; nobody who looks at it has to wonder why nothing happens. */
export function heldBack(key: ApiKey, now: Instant): Mrkdwn {
  const pause = pausedNow(key, now);
  if (pause) {
    return md` · :double_vertical_bar: paused until ${when(new Date(pause.until), 'date')}: “${typed(pause.reason, 150)}”`;
  }
  if (key.plannedAt) return md` · :calendar: planned for ${when(key.plannedAt)}`;
  const snooze = snoozedNow(key, now);
  return snooze
    ? md` · :zzz: snoozed until ${when(new Date(snooze.until), 'date')}: “${typed(snooze.reason, 150)}”`
    : md``;
}

/** When the schedule will start, where that waits for a window or for the end of a freeze. */
export function waitLine(key: ApiKey, policy: Policy, now: Instant): Mrkdwn {
  const start = key.status === 'active' && rotatesHere(key) ? nextStartOf(key, policy, now) : null;
  // Its pause is said already.
  if (!start || start.holds.length === 0 || start.holds.every(({ kind }) => kind === 'pause')) return md``;
  if (!start.at)
    return md`it waits for ${typed(holdInWords(start.holds[0]!), 150)}, and the policy leaves no time after it`;
  return md`it waits for ${typed(holdsInWords(start.holds), 300)} and starts ${when(start.at)}`;
}

/** One key in a list: whose, how risky, due when, and the way to its card. */
export function keyRow(
  key: ApiKey,
  owner: Person | 'yours' | undefined,
  now: Instant,
  review: PermissionReview | null = null,
): KnownBlock {
  const who = owner === 'yours' ? md`` : md`${owner ? mention(owner.slackId) : md`nobody`} · `;
  return block.row(
    md`*${typed(key.name, 200)}*\n${who}${typed(key.risk)} risk · ${dueLine(key, now)}${heldBack(key, now)}${tooWide(review)}`,
    button('inventory.show', 'Show', key.id, { describe: `Show ${key.name}` }),
  );
}

/** Only where there is something to say. */
const tooWide = (review: PermissionReview | null): Mrkdwn =>
  review?.excessSince
    ? md`\n:warning: Needs: ${typed(review.needs, 150)}; over-permissioned since ${when(review.excessSince, 'date')}`
    : md``;

/** A page of the inventory. `text` is the filter as it was typed; the buttons carry it to the neighbours. */
export function listMessage(
  page: KeyPage & { reviews: Map<string, PermissionReview>; now: Instant },
  owners: Map<string, Person>,
  text: string,
): Message {
  const turn = (label: string, way: string, at: string | null) =>
    at ? [button(`inventory.turn:${way}`, label, `${at}\n${text}`)] : [];
  const buttons = [...turn('Previous', 'back', page.previous), ...turn('Next', 'on', page.next)];
  const filter = text ? md`Keys for "${typed(text, 200)}", soonest due first` : md`All keys, soonest due first`;
  return message('Keys', [
    block.text(md`*${filter}*`),
    ...page.rows.map((key) => keyRow(key, owners.get(key.ownerId), page.now, page.reviews.get(key.id))),
    ...(buttons.length > 0 ? [block.buttons(...buttons)] : []),
    ...(page.previous || page.next ? [] : [block.small(md`${page.rows.length} in all.`)]),
  ]);
}

/** What owners are told of their keys, in messages of their own. */
export function inventoryCards(slack: SlackDoor, policy: Policy): void {
  const storyFor = async (view: View, id: string) => {
    const key = await view.keys.get(id);
    const [owner, adder] = [await view.people.find(key.ownerId), await view.people.find(key.addedBy)];
    return { key, owner, adder, now: view.now, name: md`*${typed(key.name, 200)}*` };
  };
  const show = (key: ApiKey) => block.buttons(button('inventory.show', 'Show', key.id));

  slack.card('inventory.added', async (view, id, audience, variant) => {
    const { key, adder, now, name } = await storyFor(view, id);
    const owns = 'person' in audience && audience.person === key.ownerId;
    const made = variant === 'made';
    if (made && key.status === 'retired' && key.currentVersion === null) {
      const why = md`Another secret called ${code(key.secretId ?? '')} was made in the same moment, so ${name} was not added. Add it again under another name.`;
      return message(`${key.name} was not added`, [block.text(md`:no_entry_sign: ${why}`)]);
    }
    const value = isUnmade(key)
      ? md`:hourglass_flowing_sand: Its value is being made.`
      : made
        ? md`Its value is in ${code(key.secretId ?? '')}; nobody has seen it. Whoever needs it asks for access.`
        : md``;
    const role = owns
      ? md`You answer for it: you decide who gets access, and are reminded of its rotation, ${dueLine(key, now)}.`
      : md``;
    const by =
      adder && audience && 'person' in audience && audience.person !== adder.id ? mention(adder.slackId) : md`You`;
    const said = join(
      [md`:key: ${by} added ${name}.`, value, role].filter((each) => each !== ''),
      '\n',
    );
    return message(`${key.name} is in the inventory`, [block.text(said), show(key)]);
  });

  slack.card('inventory.handed-over', async (view, id, audience) => {
    const { key, owner, now, name } = await storyFor(view, id);
    const owns = 'person' in audience && audience.person === key.ownerId;
    const said = owns
      ? md`:handshake: You answer for ${name} now: you decide who gets access, and are reminded of its rotation, ${dueLine(key, now)}.`
      : md`:handshake: You no longer answer for ${name}; ${owner ? mention(owner.slackId) : md`nobody`} does. There is nothing left for you to do.`;
    return message(`${key.name} has a new owner`, [block.text(said), ...(owns ? [show(key)] : [])]);
  });

  slack.card('inventory.risk', async (view, id) => {
    const { key, now, name } = await storyFor(view, id);
    const { risk, reasons } = assessed(key, policy, now);
    const said = md`:scales: The risk of ${name} is *${typed(risk)}* now: ${typed(reasons.join('; '), 400)}. Its rotation is ${dueLine(key, now)}.`;
    return message(`The risk of ${key.name} is ${risk} now`, [block.text(said), show(key)]);
  });
}
