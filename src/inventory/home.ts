import { DateTime } from 'luxon';
import { z } from 'zod';
import { block, form, input, type Mrkdwn, md, typed, when } from '../blocks.ts';
import { idField, refuseAtClick, type SlackDoor } from '../doors.ts';
import { day, type Refusal } from '../kernel.ts';
import { zoneOf } from '../people/hours-model.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { holdsInWords, openingFor } from '../rotation/timing/windows-model.ts';
import { whyNotTouch } from './may-model.ts';
import { type ApiKey, whyNotSchedule, whyNotSnooze } from './model.ts';
import { scheduleRotation } from './schedule.ts';
import { snoozeKey } from './snooze.ts';

const keyId = idField('key', 'Choose a key.');
const SnoozeForm = z.object({
  keyId,
  until: z.iso.date('Choose a day.'),
  reason: z.string({ error: 'Say why.' }).trim(),
});
const ScheduleForm = z.object({ keyId, at: z.coerce.number({ error: 'Choose a day and a time.' }).int().positive() });

/** Schedule… and Snooze…, wherever a key that is due is shown: in digests and at home. */
export function remindersInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;

  async function looked(
    person: Person,
    action: 'inventory.snooze' | 'inventory.schedule',
    value: string,
    rule: (key: ApiKey, now: Date) => Refusal | null,
  ): Promise<{ key: ApiKey; now: Date }> {
    const { key, now } = await store.read(async (view) => ({ key: await view.keys.get(value), now: view.now }));
    const refusal = whyNotTouch(person, action, key) ?? rule(key, now);
    await refuseAtClick(store, person, { action, subject: key.id, keyId: key.id }, refusal);
    return { key, now };
  }

  const localDay = (person: Person, now: Date, inDays: number) =>
    DateTime.fromMillis(now.getTime() + inDays * day, { zone: zoneOf(person.timeZone, policy) }).startOf('day');

  slack.action('inventory.snooze', { opens: 'Snooze a key' }, async ({ person, value }) => {
    const { key, now } = await looked(person, 'inventory.snooze', value, (key, now) => {
      const ask = { until: new Date(now.getTime() + 1), reason: 'looked at only' };
      return whyNotSnooze(key, false, person, ask, policy, now);
    });
    const { maxSnoozeDays } = policy.digest;
    const ends = localDay(person, now, Math.min(7, maxSnoozeDays)).toISODate();
    return {
      open: form(
        'inventory.snooze',
        'Snooze a key',
        'Snooze',
        [
          block.text(md`*${typed(key.name, 200)}*, ${dueOf(key)}.`),
          block.text(
            md`While it is snoozed, nobody is reminded of it and Keysteward does not rotate it by itself. It stays ${typed(key.risk)} risk, and everybody sees that it is snoozed and why.`,
          ),
          input({
            kind: 'date',
            name: 'until',
            label: 'Until',
            hint: `At most ${maxSnoozeDays} days.`,
            ...(ends ? { initial: ends } : {}),
          }),
          input({
            kind: 'text',
            name: 'reason',
            label: 'Why?',
            multiline: true,
            max: 500,
            hint: 'Shown with the key, and kept in the audit log.',
          }),
        ],
        { keyId: key.id },
      ),
    };
  });
  slack.submit('inventory.snooze', SnoozeForm, async ({ person, form: { keyId, until, reason } }) => {
    const at = DateTime.fromISO(until, { zone: zoneOf(person.timeZone, policy) })
      .startOf('day')
      .toJSDate();
    const key = await snoozeKey(ports, person.id, { keyId, until: at, reason });
    return { say: md`:zzz: *${typed(key.name, 200)}* is snoozed until ${when(at, 'date')}.` };
  });

  slack.action('inventory.schedule', { opens: 'Schedule a rotation' }, async ({ person, value }) => {
    const { key, now } = await looked(person, 'inventory.schedule', value, (key, now) =>
      whyNotSchedule(key, person, new Date(now.getTime() + 1), policy, now),
    );
    const morning = localDay(person, now, 1).set({ hour: 10 }).toSeconds();
    const { planMarginDays } = policy.rotation;
    return {
      open: form(
        'inventory.schedule',
        'Schedule a rotation',
        'Schedule',
        [
          block.text(md`*${typed(key.name, 200)}*, ${dueOf(key)}.`),
          block.text(
            key.plannedAt
              ? md`Planned for ${when(key.plannedAt)} so far.`
              : md`Choose a moment that suits those who use it. The rotation starts then by itself, and its card shows each step.`,
          ),
          input({
            kind: 'datetime',
            name: 'at',
            label: 'When?',
            hint:
              person.tier === 'administrator'
                ? 'Any time, as you are an administrator.'
                : `At most ${planMarginDays} days after it is due.`,
            initial: morning,
          }),
        ],
        { keyId: key.id },
      ),
    };
  });
  slack.submit('inventory.schedule', ScheduleForm, async ({ person, form: { keyId, at } }) => {
    const key = await scheduleRotation(ports, person.id, { keyId, at: new Date(at * 1000) });
    const planned = new Date(at * 1000);
    const { at: opens, holds } = openingFor(key, policy, planned);
    if (holds.length === 0) return { say: md`:calendar: *${typed(key.name, 200)}* is rotated ${when(planned)}.` };
    const then = opens ? md` It starts ${when(opens)}.` : md``;
    return {
      say: md`:calendar: *${typed(key.name, 200)}* is planned for ${when(planned)}, but has to wait then for ${typed(holdsInWords(holds), 300)}.${then}`,
    };
  });
}

const dueOf = (key: ApiKey): Mrkdwn => (key.nextRotationAt ? md`due ${when(key.nextRotationAt, 'date')}` : md`not due`);
