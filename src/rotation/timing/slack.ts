import type { View as SlackView } from '@slack/types';
import { DateTime } from 'luxon';
import { z } from 'zod';
import { block, button, form, input, md, message, option, typed, when } from '../../blocks.ts';
import { idField, type SlackDoor } from '../../doors.ts';
import { whyNotTouch } from '../../inventory/may-model.ts';
import { type ApiKey, asChoice, inFull, pausedNow } from '../../inventory/model.ts';
import { day, idOf, isId, Refusal } from '../../kernel.ts';
import { type Person, whyNot } from '../../people/model.ts';
import type { Ports, View } from '../../ports.ts';
import { pauseRotation, resumeRotation } from './pause.ts';
import { latestEnd, whyNotPause } from './pauses-model.ts';
import { momentInWords } from './windows-model.ts';

const keyId = idField('key', 'Choose a key from the list.');
const PauseForm = z.object({
  keyId: keyId.optional(),
  /** From the search. */
  pausedKey: keyId.optional(),
  until: z.iso.date('Choose a day.'),
  reason: z.string({ error: 'Say why.' }).trim(),
});

/** `/keys pause` and `/keys resume`, and their buttons wherever a key is shown. */
export function pausesInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;

  /** The keys that somebody meant and may do this to. Who named one that they may not is refused on record. */
  async function meant(view: View, person: Person, action: 'rotation.pause' | 'rotation.resume', words: string) {
    const found = isId('key', words)
      ? [await view.keys.find(words)].filter((key) => key !== null)
      : words
        ? await view.keys.search(inFull(words), 100)
        : [];
    const may = found.filter((key) => !whyNotTouch(person, action, key));
    const hidden = found.length === 1 && may.length === 0 ? found[0]! : null;
    return { may, hidden };
  }
  async function refuse(person: Person, action: 'rotation.pause' | 'rotation.resume', key: ApiKey): Promise<never> {
    const refusal = whyNotTouch(person, action, key)!;
    const actor = { kind: 'person' as const, id: person.id };
    await store.refused({ actor, action, subject: key.id, keyId: key.id }, refusal);
    throw refusal;
  }
  const nothingMatches = (words: string) =>
    new Refusal('not_found', `No key that you answer for matches "${words.slice(0, 100)}". Try fewer words.`);

  async function pauseModal(person: Person, words: string): Promise<SlackView> {
    const { may, hidden, leaked, now } = await store.read(async (view) => {
      const keys = await meant(view, person, 'rotation.pause', words);
      const [only, ...others] = keys.may;
      const leaked = only && others.length === 0 ? (await view.incidents.openOfKey(only.id)) !== null : false;
      return { ...keys, leaked, now: view.now };
    });
    if (hidden) return refuse(person, 'rotation.pause', hidden);
    if (words && may.length === 0) throw nothingMatches(words);
    const chosen = may.length === 1 ? may[0]! : null;
    const latest = latestEnd(chosen ?? { pause: null }, person, policy, now);
    if (chosen) {
      const soon = { until: new Date(now.getTime() + 1), reason: 'looked at only' };
      const refusal = whyNotPause(chosen, leaked, person, soon, policy, now);
      if (refusal) throw refusal;
    }
    const inAWeek = new Date(Math.min(now.getTime() + 7 * day, latest.getTime()));
    const initial = DateTime.fromJSDate(inAWeek, { zone: zoneOf(person) }).toISODate();
    const which = chosen
      ? [block.text(md`*${typed(chosen.name, 200)}*${pauseLine(chosen, now)}`)]
      : [
          may.length > 0
            ? input({
                kind: 'select',
                name: 'keyId',
                label: `${may.length === 100 ? 'Many' : may.length} keys match. Which one?`,
                options: may.map((key) => option(...asChoice(key))),
              })
            : input({
                kind: 'search',
                name: 'pausedKey',
                label: 'Key',
                placeholder: 'Type a service, environment or purpose',
              }),
        ];
    return form(
      'rotation.pause',
      'Pause a rotation',
      'Pause',
      [
        ...which,
        block.text(
          md`Until then Keysteward does not begin to rotate it, hand out a new value or retire the old one; it stays due in every count. The pause ends by itself. An emergency does not care about it.`,
        ),
        input({
          kind: 'date',
          name: 'until',
          label: 'Until',
          hint: `At the latest ${momentInWords(latest, policy)}.`,
          ...(initial ? { initial } : {}),
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
      chosen ? { keyId: chosen.id } : {},
    );
  }

  const opens = 'Pause a rotation';
  slack.command(
    'pause',
    {
      usage: 'pause [key]',
      help: 'Stop the rotation of a key until a day, e.g. `/keys pause stripe prod`',
      action: 'inventory.list',
      opens,
    },
    async ({ person, text }) => ({ open: await pauseModal(person, text) }),
  );
  slack.action('rotation.pause', { opens }, async ({ person, value }) => {
    return { open: await pauseModal(person, idOf('key', value)) };
  });
  slack.suggest('pausedKey', ({ person, query }) =>
    store.read(async (view) => {
      const owned = whyNot(person, 'rotation.pause') ? { ownerId: person.id } : {};
      const { rows } = await view.keys.list({ ...owned, words: inFull(query) }, 100);
      const may = rows.filter((key) => !whyNotTouch(person, 'rotation.pause', key));
      return may.slice(0, 50).map((key) => option(...asChoice(key)));
    }),
  );
  slack.submit('rotation.pause', PauseForm, async ({ person, form: { until, reason, ...which } }) => {
    const chosen = which.pausedKey ?? which.keyId;
    if (!chosen) throw new Refusal('invalid', 'Choose a key from the list.', 'pausedKey');
    const at = DateTime.fromISO(until, { zone: zoneOf(person) })
      .startOf('day')
      .toJSDate();
    const key = await pauseRotation(ports, person.id, { keyId: chosen, until: at, reason });
    return {
      say: message(`The rotation of ${key.name} is paused`, [
        block.text(
          md`:double_vertical_bar: *${typed(key.name, 200)}* is not rotated until ${when(at)}. It ends by itself.`,
        ),
        block.buttons(button('rotation.resume', 'Resume', key.id)),
      ]),
    };
  });

  slack.command(
    'resume',
    {
      usage: 'resume [key]',
      help: 'Let a paused rotation go on; without a key, what is paused',
      action: 'inventory.list',
    },
    async ({ person, text }) => {
      const { paused, hidden, now } = await store.read(async (view) => {
        if (!text) {
          const owned = whyNot(person, 'rotation.resume') ? { ownerId: person.id } : {};
          return { paused: (await view.keys.list({ ...owned, paused: true }, 30)).rows, hidden: null, now: view.now };
        }
        const { may, hidden } = await meant(view, person, 'rotation.resume', text);
        return { paused: may.filter((key) => pausedNow(key, view.now)), hidden, now: view.now };
      });
      if (hidden) return refuse(person, 'rotation.resume', hidden);
      if (paused.length === 0) {
        const about = text ? md` that matches "${typed(text, 100)}"` : md``;
        return { say: md`No key that you answer for${about} is paused.` };
      }
      return {
        say: message('Paused rotations', [
          block.text(md`*Paused*`),
          ...paused
            .slice(0, 30)
            .map((key) =>
              block.row(
                md`*${typed(key.name, 200)}*${pauseLine(key, now)}`,
                button('rotation.resume', 'Resume', key.id, { describe: `Resume ${key.name}` }),
              ),
            ),
        ]),
      };
    },
  );
  slack.action('rotation.resume', {}, async ({ person, value }) => {
    const key = await resumeRotation(ports, person.id, idOf('key', value));
    return { say: md`:arrow_forward: The rotation of *${typed(key.name, 200)}* may go on.` };
  });
}

function pauseLine(key: ApiKey, now: Date) {
  const pause = pausedNow(key, now);
  return pause ? md`\nPaused until ${when(new Date(pause.until))}: “${typed(pause.reason, 200)}”` : md``;
}
const zoneOf = (person: Person) => (DateTime.local({ zone: person.timeZone }).isValid ? person.timeZone : 'utc');
