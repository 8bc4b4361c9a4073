import type { View as SlackView } from '@slack/types';
import { DateTime } from 'luxon';
import { z } from 'zod';
import { block, button, form, input, md, mention, message, option, typed, when } from '../../blocks.ts';
import { idField, type SlackDoor } from '../../doors.ts';
import { whyNotTouch } from '../../inventory/may-model.ts';
import { type ApiKey, asChoice, inFull, pausedNow } from '../../inventory/model.ts';
import { byId, day, idOf, Refusal, refuseIf } from '../../kernel.ts';
import { zoneOf } from '../../people/hours-model.ts';
import { type Person, whyNot } from '../../people/model.ts';
import type { Ports, View } from '../../ports.ts';
import { keysMeant, noneMatches, refuseHidden, whichKey } from '../modals.ts';
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

  async function pauseModal(person: Person, words: string): Promise<SlackView> {
    const { keys, hidden, chosen, leaked, people, now } = await store.read(async (view) => {
      const meant = await keysMeant(view, person, 'rotation.pause', words);
      const chosen = meant.keys.length === 1 ? meant.keys[0]! : null;
      const leaked = chosen && (await view.incidents.openOfKey(chosen.id));
      return { ...meant, chosen, leaked, people: await whoPaused(view, chosen ? [chosen] : []), now: view.now };
    });
    await refuseHidden(store, person, 'rotation.pause', hidden);
    if (words && keys.length === 0) throw noneMatches('key that you answer for', words);
    const latest = latestEnd(chosen ?? { pause: null }, person, policy, now);
    if (chosen) {
      const soon = { until: new Date(now.getTime() + 1), reason: 'looked at only' };
      refuseIf(whyNotPause(chosen, leaked !== null, person, soon, policy, now));
    }
    const inAWeek = new Date(Math.min(now.getTime() + 7 * day, latest.getTime()));
    const initial = DateTime.fromJSDate(inAWeek, { zone: zoneOf(person.timeZone, policy) }).toISODate();
    const which = chosen
      ? block.text(md`*${typed(chosen.name, 200)}*${pauseLine(chosen, people, now)}`)
      : whichKey(keys, { chosen: 'keyId', searched: 'pausedKey' });
    return form(
      'rotation.pause',
      'Pause a rotation',
      'Pause',
      [
        which,
        block.text(
          md`Until then Keysteward does not begin to rotate it, hand out a new value or retire the old one; it stays due in every count. The pause ends by itself. An emergency does not care about it.`,
        ),
        input({
          kind: 'date',
          name: 'until',
          label: 'Until',
          hint: `At the latest ${momentInWords(latest, policy, zoneOf(person.timeZone, policy))}.`,
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
  slack.action('rotation.pause', { opens }, async ({ person, value }) => ({
    open: await pauseModal(person, idOf('key', value)),
  }));
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
    const at = DateTime.fromISO(until, { zone: zoneOf(person.timeZone, policy) })
      .startOf('day')
      .toJSDate();
    const key = await pauseRotation(ports, person.id, { keyId: chosen, until: at, reason });
    return {
      say: message(`The rotation of ${key.name} is paused`, [
        block.text(
          md`:double_vertical_bar: *${typed(key.name, 200)}* is not rotated until ${when(at)}. The pause ends by itself then; Resume ends it before.`,
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
      const { paused, hidden, people, now } = await store.read(async (view) => {
        const owned = whyNot(person, 'rotation.resume') ? { ownerId: person.id } : {};
        const { keys, hidden } = text
          ? await keysMeant(view, person, 'rotation.resume', text)
          : { keys: (await view.keys.list({ ...owned, paused: true }, 30)).rows, hidden: null };
        const paused = keys.filter((key) => pausedNow(key, view.now)).slice(0, 30);
        return { paused, hidden, people: await whoPaused(view, paused), now: view.now };
      });
      await refuseHidden(store, person, 'rotation.resume', hidden);
      if (paused.length === 0) {
        const about = text ? md` that matches "${typed(text, 100)}"` : md``;
        return { say: md`No key that you answer for${about} is paused.` };
      }
      return {
        say: message('Paused rotations', [
          block.text(md`*Paused*`),
          ...paused.map((key) =>
            block.row(
              md`*${typed(key.name, 200)}*${pauseLine(key, people, now)}`,
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

const whoPaused = async (view: View, keys: ApiKey[]) =>
  byId(await view.people.many([...new Set(keys.flatMap(({ pause }) => pause?.by ?? []))]));

function pauseLine(key: ApiKey, people: Map<string, Person>, now: Date) {
  const pause = pausedNow(key, now);
  if (!pause) return md``;
  const by = people.get(pause.by);
  return md`\nPaused until ${when(new Date(pause.until))}${by ? md` by ${mention(by.slackId)}` : md``}: “${typed(pause.reason, 200)}”`;
}
