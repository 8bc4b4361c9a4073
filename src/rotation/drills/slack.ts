import type { View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, channelLink, form, md, mention, option, page, typed } from '../../blocks.ts';
import { type Answer, idField, keysNamed, refuseAtClick, type SlackDoor } from '../../doors.ts';
import { whyNotTouch } from '../../inventory/may-model.ts';
import { type ApiKey, asChoice, inFull } from '../../inventory/model.ts';
import { type Id, Refusal } from '../../kernel.ts';
import { type Person, whyNot } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { checkBlocks } from '../cards.ts';
import { noneMatches, whichKey } from '../modals.ts';
import { preflight } from '../preflight.ts';
import { whyNotGo } from '../preflight-model.ts';
import { drillCards, resultBlocks, resultsIn } from './cards.ts';
import { whyNotOfDrills } from './model.ts';
import { startDrill } from './start.ts';

const keyId = idField('key', 'Choose a key from the list.');
const DrillForm = z.object({
  /** Of the form that has said what will happen. */
  keyId: keyId.optional(),
  chosenKey: keyId.optional(),
  drilledKey: keyId.optional(),
});

/** `/keys drill`: what it would do and to whom, then the drill; and what drills have shown. */
export function drillsInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;
  drillCards(slack);

  async function results(): Promise<SlackView> {
    return page('Drills', resultBlocks(await store.read((view) => resultsIn(view, 30))));
  }

  /** Which key? */
  async function chooseModal(words: string): Promise<SlackView> {
    const { named, last } = await store.read(async (view) => ({
      named: await keysNamed(view, words, 100),
      last: await resultsIn(view, 3),
    }));
    const keys = named.filter((key) => !whyNotOfDrills(key, policy));
    if (words && keys.length === 0) throw whyNone(named, words);
    if (keys.length === 1) return confirmModal(keys[0]!.id);
    const which = whichKey(
      keys,
      { chosen: 'chosenKey', searched: 'drilledKey' },
      'Of low risk, and not in production.',
    );
    return form('rotation.drill', 'Drill', 'Next', [which, block.text(md`*The last drills*`), ...resultBlocks(last)]);
  }
  /** Who named a key hears what is wrong with it, not that it is not there. */
  function whyNone(named: ApiKey[], words: string): Refusal {
    const [only, ...others] = named;
    if (!only) return noneMatches('key', words);
    const all = `None of the ${named.length} keys that match "${words.slice(0, 100)}" is of low risk and outside of production. Drills are for those.`;
    return (others.length === 0 && whyNotOfDrills(only, policy)) || new Refusal('conflict', all);
  }

  /** What will happen to whom, before anything does; or why it cannot. */
  async function confirmModal(chosen: Id<'key'>): Promise<SlackView> {
    const { key, owner } = await store.read(async (view) => {
      const key = await view.keys.get(chosen);
      return { key, owner: await view.people.find(key.ownerId) };
    });
    // As in an emergency, there is no grace.
    const ungraced = { ...policy, rotation: { ...policy.rotation, graceMinutes: 0 } };
    const checks = await preflight({ ...ports, policy: ungraced }, chosen);
    const head = [block.text(md`*${typed(key.name, 200)}*`), ...checkBlocks(checks)];
    if (whyNotGo(checks, false)) {
      return page('Not yet', [...head, block.small(md`Nothing was touched.`)]);
    }
    const whose = owner ? mention(owner.slackId) : md`nobody`;
    return form(
      'rotation.drill',
      'Drill',
      'Start the drill',
      [
        block.text(
          md`:dart: *A drill replaces this value at once, over the path of a real emergency:* ahead of everything else and without a grace. The old value dies within minutes; whatever keeps a copy of it breaks.`,
        ),
        ...head,
        block.text(
          md`${whose}, who owns it, you and ${channelLink(policy.channels.security)} see each step, marked as a drill. The channel hears how long it took. Nobody is paged unless neither value works. If the new value does not work, the old one is handed out again.`,
        ),
      ],
      { keyId: key.id },
    );
  }

  slack.suggest('drilledKey', ({ person, query }) =>
    store.read(async (view) => {
      if (whyNot(person, 'rotation.drill')) return [];
      const { rows } = await view.keys.list({ risk: 'low', words: inFull(query) }, 100);
      return rows
        .filter((key) => !whyNotOfDrills(key, policy))
        .slice(0, 50)
        .map((key) => option(...asChoice(key)));
    }),
  );

  slack.command(
    'drill',
    {
      usage: 'drill [key]',
      help: 'Replace a low-risk key as if it had leaked, and see how long it takes; `/keys drill results` lists the last ones',
      action: 'rotation.drill',
      opens: 'Drill',
    },
    async ({ text }) => ({ open: await (/^results?$/i.test(text) ? results() : chooseModal(text)) }),
  );
  slack.submit('rotation.drill', DrillForm, async ({ person, form: asked }): Promise<Answer> => {
    const chosen = asked.drilledKey ?? asked.chosenKey;
    if (!asked.keyId) {
      if (!chosen) throw new Refusal('invalid', 'Choose a key from the list.', 'drilledKey');
      await refuseToShow(person, chosen);
      return { update: await confirmModal(chosen) };
    }
    const rotation = await startDrill(ports, person, asked.keyId);
    const { name } = await store.read((view) => view.keys.get(rotation.keyId));
    return {
      update: page('Drill started', [
        block.text(
          md`:dart: *${typed(name, 200)}* is being replaced. Its card shows each step, and what works; the summary comes to ${channelLink(policy.channels.security)}.`,
        ),
      ]),
    };
  });

  async function refuseToShow(person: Person, id: Id<'key'>): Promise<void> {
    const refusal = await store.read(async (view) => {
      const now = await view.people.find(person.id);
      return whyNotTouch(now ?? person, 'rotation.drill', await view.keys.get(id));
    });
    await refuseAtClick(store, person, { action: 'rotation.drill', subject: id, keyId: id }, refusal);
  }
}
