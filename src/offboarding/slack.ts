import type { View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, form, input, join, md, mention, mentioned, page, typed, when } from '../blocks.ts';
import { type Answer, done, idField, refuseAtClick, type SlackDoor } from '../doors.ts';
import { idOf, Refusal, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { callOff } from './call-off.ts';
import { offboardingCards } from './cards.ts';
import { closeCase } from './close.ts';
import { confirmCase } from './confirm.ts';
import { factsOf, keysHandedOn, type OffboardingPorts } from './facts.ts';
import { grantsToEnd, keysToRotate, linesOf, moving, opened, statusWords, whyNotTick, whyNotWork } from './model.ts';
import { openCase } from './open.ts';
import { tickLine } from './tick.ts';

const OpenForm = z.object({
  personId: idField('person'),
  at: z.coerce
    .number()
    .int()
    .nullish()
    .transform((seconds) => (seconds ? new Date(seconds * 1000) : null)),
});
const TickForm = z.object({
  caseId: idField('case'),
  line: z.string(),
  note: z.string({ error: 'Say what you did or found.' }),
});

/** `/keys offboard`, and the buttons on the card of a case. */
export function offboardingInSlack(slack: SlackDoor, ports: OffboardingPorts): void {
  const { store } = ports;
  offboardingCards(slack, ports);

  /** What would happen, before anything does. */
  async function openModal(asker: Person, word: string): Promise<SlackView> {
    if (!word) return whoLeaves();
    const slackId = mentioned(word);
    if (!slackId) throw new Refusal('invalid', 'Name the person with an @mention, for example: offboard @dana');
    const { leaver, grants, requests, owned, moves, rotate, byHand } = await store.read(async (view) => {
      const leaver = await view.people.bySlackId(slackId);
      if (!leaver) throw new Refusal('not_found', 'Keysteward has not met this person, so they hold nothing here.');
      const would = { cause: { kind: 'asked', by: asker.id }, effectiveAt: view.now, hold: null } as const;
      const draft = { ...opened('cas_draft', leaver, would, view.now), ownedKeys: await keysHandedOn(view, leaver.id) };
      const facts = await factsOf(view, ports, draft);
      const rotate = keysToRotate(draft, facts, view.now);
      return {
        leaver,
        grants: grantsToEnd(draft, facts).length,
        requests: facts.requests.length,
        owned: facts.owned.length,
        moves: moving(draft, facts),
        rotate: rotate.length,
        byHand: rotate.filter((key) => !facts.byItself.has(key.id)).length,
      };
    });
    const wanted = { action: 'offboarding.open', subject: leaver.id } as const;
    await refuseAtClick(store, asker, wanted, whyNotWork(asker, wanted.action, leaver.id));
    return form(
      'offboarding.open',
      'Somebody leaves',
      'Offboard',
      [
        block.text(
          md`*${mention(leaver.slackId)} (${typed(leaver.name, 80)}) leaves.* From then on they can do nothing here.`,
        ),
        ...block.facts([
          ['Access that ends', md`${grants}`],
          ['Requests withdrawn', md`${requests}`],
          ['Keys to hand over', md`${owned}`],
          ['Moved by them by hand, to hand over', moves > 0 ? md`${moves}` : md``],
          ['Keys to rotate', byHand > 0 ? md`${rotate}, ${byHand} of them by hand` : md`${rotate}`],
        ]),
        input({
          kind: 'datetime',
          name: 'at',
          label: 'When?',
          optional: true,
          hint: 'Leave it empty for now, at once.',
        }),
        block.small(
          md`A card in the security channel shows each line until it is done. Whoever has left joins again by \`/keys tier\`.`,
        ),
      ],
      { personId: leaver.id },
    );
  }

  /** Everybody whose case is not over. */
  async function whoLeaves(): Promise<SlackView> {
    const all = await store.read(async (view) => {
      const cases = await view.cases.unfinished();
      const people = await view.people.many(cases.map((each) => each.personId));
      const rows = cases.slice(0, 30).map((each) => {
        const leaver = people.find((one) => one.id === each.personId);
        const undone = Object.values(each.seen).filter(({ state }) => state !== 'done').length;
        const state =
          each.status === 'open'
            ? md`${undone} of ${Object.keys(each.seen).length} lines to do`
            : typed(statusWords[each.status]);
        return md`• ${mention(leaver?.slackId ?? each.personId)}: ${state}, last day ${when(each.effectiveAt, 'date')}`;
      });
      return { rows, count: cases.length };
    });
    return page('Who is leaving', [
      block.text(all.count > 0 ? join(all.rows, '\n') : md`Nobody.`),
      block.small(md`Their cards are in the security channel. \`/keys offboard @person\` opens a case.`),
    ]);
  }

  slack.command(
    'offboard',
    {
      usage: 'offboard [@person]',
      help: 'Somebody leaves: end their access, hand over, rotate what they could read',
      action: 'offboarding.open',
      opens: 'Somebody leaves',
    },
    async ({ person, text }) => ({ open: await openModal(person, text) }),
  );
  slack.submit('offboarding.open', OpenForm, async ({ person, form: ask }): Promise<Answer> => {
    const each = await openCase(ports, person.id, { personId: ask.personId, effectiveAt: ask.at });
    const leaver = await store.read((view) => view.people.get(each.personId));
    const says =
      each.status === 'open'
        ? md`${mention(leaver.slackId)} has lost all rights here; their access is being ended now.`
        : md`${mention(leaver.slackId)} leaves ${when(each.effectiveAt)}. Until then nothing changes.`;
    return {
      update: page('Somebody leaves', [
        block.text(md`:white_check_mark: ${says} The security channel shows how far it is.`),
      ]),
    };
  });

  const caseOf = (value: string) => ({ caseId: idOf('case', value) });
  slack.action('offboarding.confirm', {}, async ({ person, value }) => {
    await confirmCase(ports, person.id, caseOf(value));
    return done;
  });
  slack.action('offboarding.call-off', {}, async ({ person, value }) => {
    await callOff(ports, person.id, caseOf(value));
    return done;
  });
  slack.action('offboarding.close', {}, async ({ person, value }) => {
    await closeCase(ports, person.id, caseOf(value));
    return done;
  });

  slack.action('offboarding.tick', { opens: 'Say what was done' }, async ({ person, value }) => {
    const [id = '', line = ''] = value.split(' ');
    const { caseId } = caseOf(id);
    const { leaver, name } = await store.read(async (view) => {
      const each = await view.cases.get(caseId);
      const facts = await factsOf(view, ports, each);
      const lines = linesOf(each, facts, view.now);
      refuseIf(whyNotWork(person, 'offboarding.close', each.personId));
      refuseIf(whyNotTick(each, lines, line, 'asked at the click'));
      const keyId = lines.find((one) => one.id === line)?.keyId;
      return { leaver: facts.person, name: keyId ? (facts.keys.get(keyId)?.name ?? keyId) : null };
    });
    const about = name
      ? md`*${typed(name, 200)}* was rotated by hand, because ${mention(leaver.slackId)} could read it: a new key is in use, the old one is revoked.`
      : md`Somebody has looked at what ${mention(leaver.slackId)} did with keys in their last weeks, here and in the services' own logs.`;
    return {
      open: form(
        'offboarding.tick',
        'Say what was done',
        'Done',
        [
          block.text(about),
          input({
            kind: 'text',
            name: 'note',
            label: name ? 'What proves it?' : 'What did you look at, and what did you find?',
            multiline: true,
            max: 500,
            hint: 'Kept in the audit log. Never paste a key here.',
          }),
        ],
        { caseId, line },
      ),
    };
  });
  slack.submit('offboarding.tick', TickForm, async ({ person, form: said }): Promise<Answer> => {
    await tickLine(ports, person.id, said);
    return { say: md`:white_check_mark: Noted.` };
  });
}
