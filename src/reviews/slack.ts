import { md } from '../blocks.ts';
import { type Answer, done, refuseAtClick, type SlackDoor } from '../doors.ts';
import { idOf } from '../kernel.ts';
import { type Action, type Person, whyNot } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { findingsAtHome, findingsListMessage, reviewCards } from './cards.ts';
import { askForCheck } from './check-drift.ts';
import { confirmGone } from './left.ts';
import { listFindings, whoseFindings } from './list.ts';
import { permissionsInSlack } from './permissions-slack.ts';
import { askForRepair } from './repair.ts';

/** The card of what is wrong with a key, the list of everything that is, and their buttons. */
export function reviewsInSlack(slack: SlackDoor, ports: Ports): void {
  const { store } = ports;
  reviewCards(slack);
  permissionsInSlack(slack, ports);

  slack.action('reviews.repair', {}, async ({ person, value }) => {
    const [id, ...page] = value.split('\n');
    await askForRepair(ports, person, idOf('finding', id));
    return page.length > 0 ? { replace: await pageOf(person, page.join('\n')) } : done;
  });
  slack.action('reviews.confirm-deleted', {}, async ({ person, value }) => {
    const [id = '', ...page] = value.split('\n');
    await confirmGone(ports, person, idOf('finding', id));
    return page.length > 0 ? { replace: await pageOf(person, page.join('\n')) } : done;
  });
  slack.action('reviews.check', {}, async ({ person, value }) => {
    await askForCheck(ports, person, idOf('key', value));
    return { say: md`It is being looked at; the card follows within a minute.` };
  });

  /** `page` as a button carries it: whose findings, and from where on. What it may show is decided anew. */
  async function pageOf(person: Person, page: string) {
    const [whose = '', at = ''] = page.split('\n');
    const ownerId = whoseFindings(person, whose);
    const list = await store.read((view) => listFindings(view, ownerId, at || null));
    return findingsListMessage(list, ownerId !== null, { whose, at });
  }
  const allowed = (person: Person, action: Action) =>
    refuseAtClick(store, person, { action, subject: 'findings' }, whyNot(person, action));
  slack.command(
    'findings',
    {
      usage: 'findings [mine]',
      help: 'What is not as the inventory says: of your keys, or of all if you are an administrator',
      action: 'reviews.list',
    },
    async ({ person, text }): Promise<Answer> => ({ say: await pageOf(person, text) }),
  );
  slack.action('reviews.list', {}, async ({ person }) => {
    await allowed(person, 'reviews.list');
    return { say: await pageOf(person, '') };
  });
  slack.action('reviews.turn', {}, async ({ person, value }) => {
    await allowed(person, 'reviews.list');
    return { replace: await pageOf(person, value) };
  });

  slack.home(async (view, person) => {
    if (whyNot(person, 'reviews.list')) return [];
    const own = await listFindings(view, person.id, null, 3);
    const all = whyNot(person, 'reviews.list-all') ? null : (await view.findings.open(null, 1)).count;
    return findingsAtHome(own, all);
  });
}
