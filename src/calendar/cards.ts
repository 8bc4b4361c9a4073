import { block, button, type Message, type Mrkdwn, md, mention, message, typed, when } from '../blocks.ts';
import { howLate } from '../digest/model.ts';
import type { SlackDoor } from '../doors.ts';
import { type ApiKey, atOnceInWords, pausedNow, snoozedNow } from '../inventory/model.ts';
import type { Id, Instant } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { diesAtOnce, type Policy } from '../policy.ts';
import type { Rotation } from '../rotation/model.ts';
import type { Reminder } from './reminder-model.ts';

/** The reminder of one key that a person has to rotate. It stays true: rotated, put off or handed over, it says so. */
export function reminderCards(slack: SlackDoor, policy: Policy): void {
  slack.card('calendar.reminder', async (view, subject, audience) => {
    const key = await view.keys.find(subject);
    const reminder = await view.reminders.find(subject);
    const reader = 'person' in audience ? await view.people.find(audience.person) : null;
    if (!key || !reminder || reader?.status !== 'active') return null;
    const owner = await view.people.find(key.ownerId);
    const running = await view.rotations.runningOf(key.id);
    const over = whyOver(key, reminder, running, reader.id, owner, view.now);
    return over
      ? message(`${key.name}: nothing to do`, [block.text(over)])
      : dueMessage(key, await view.grants.countHolders(key.id), policy, view.now);
  });
}

/** Why nothing is left to do for this reader, or null. */
function whyOver(
  key: ApiKey,
  reminder: Reminder,
  running: Rotation | null,
  readerId: Id<'person'>,
  owner: Person | null,
  now: Instant,
): Mrkdwn | null {
  const name = md`*${typed(key.name, 200)}*`;
  if (key.ownerId !== readerId) {
    return md`:handshake: ${owner ? mention(owner.slackId) : md`Nobody`} answers for ${name} now. There is nothing left for you to do.`;
  }
  if (key.status !== 'active') return md`${name} is retired. There is nothing left to do.`;
  const due = key.nextRotationAt ? md`It is due again ${when(key.nextRotationAt, 'date')}.` : md``;
  if (key.nextRotationAt?.getTime() !== reminder.dueAt.getTime()) {
    const rotated = key.lastRotatedAt && key.lastRotatedAt.getTime() > reminder.sentAt.getTime() - lateEntryMs;
    return rotated
      ? md`:white_check_mark: ${name} has been rotated. ${due}`
      : md`:calendar: ${name} has a new date. ${due}`;
  }
  if (running) return md`:arrows_counterclockwise: ${name} is being rotated now; its card shows each step.`;
  const snooze = snoozedNow(key, now);
  if (snooze) return md`:zzz: ${name} is snoozed until ${when(new Date(snooze.until), 'date')}.`;
  const pause = pausedNow(key, now);
  if (pause)
    return md`:double_vertical_bar: The rotation of ${name} is paused until ${when(new Date(pause.until), 'date')}.`;
  return null;
}

/** Who rotates by hand enters a day, which is its midnight: it may lie before the reminder of that day. */
const lateEntryMs = 36 * 3_600_000;

function dueMessage(key: ApiKey, holders: number, policy: Policy, now: Instant): Message {
  const due = key.nextRotationAt!;
  const late = due <= now;
  const head = late
    ? md`:red_circle: *${typed(key.name, 200)}* should have been rotated ${when(due, 'date')}.`
    : md`:calendar: *${typed(key.name, 200)}* has to be rotated by ${when(due, 'date')}.`;
  const depend =
    holders === 0
      ? md`Nobody has access to it now.`
      : md`${holders} ${holders === 1 ? md`person has` : md`people have`} access to it now.`;
  const others = [
    button('inventory.snooze', 'Snooze…', key.id, { describe: `Snooze ${key.name}` }),
    button('inventory.hand-over', 'Hand over…', key.id, { describe: `Hand over ${key.name}` }),
  ];
  if (diesAtOnce(key, policy)) {
    return message(`${key.name} has to be rotated, and a person starts it. ${howLate(key, now)}.`, [
      block.text(
        md`${head}\nYou answer for it. Press *Rotate* when whoever uses it is ready: it never starts by itself. ${typed(atOnceInWords(key))} ${depend}`,
      ),
      block.buttons(
        button('rotation.start', 'Rotate', key.id, { style: 'primary', describe: `Rotate ${key.name}` }),
        ...others,
      ),
      block.small(md`If nobody does anything, it stays overdue in your digest and in the security channel's summary.`),
    ]);
  }
  return message(`${key.name} has to be rotated by a person. ${howLate(key, now)}.`, [
    block.text(
      md`${head}\nYou answer for it, and only a person can: make a new key at ${typed(key.service, 60)}, store it, end the old one. ${depend}`,
    ),
    block.buttons(
      button('runbooks.show', 'Steps', key.id, { style: 'primary', describe: `Steps for ${key.name}` }),
      button('inventory.change', 'Edit…', key.id, { describe: `Enter that ${key.name} was rotated` }),
      ...others,
    ),
    block.small(
      md`Rotated? *Edit…* takes the day and the last four characters. If nobody does anything, it stays overdue in your digest and in the security channel's summary.`,
    ),
  ]);
}
