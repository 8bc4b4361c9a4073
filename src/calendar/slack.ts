import type { KnownBlock, View as SlackView } from '@slack/types';
import { block, button, code, md, page, typed, when } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import { Refusal } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { reminderCards } from './cards.ts';
import { closeFeed } from './close-feed.ts';
import { type CalendarFeed, type Scope, scopes, whyNotSubscribe } from './model.ts';
import { openFeed } from './open-feed.ts';

const title = 'Your calendar';
const words: Record<Scope, { name: string; shows: string }> = {
  own: {
    name: 'Your keys',
    shows: 'When each of your keys is rotated, when its service ends it, and when your access to other keys ends.',
  },
  team: { name: 'All keys', shows: 'The same of every key of the company, with its owner. For administrators.' },
};

/** `/keys calendar`: the private address that somebody's calendar program fetches, made, replaced and turned off. */
export function calendarInSlack(slack: SlackDoor, ports: Ports): void {
  const { store } = ports;
  reminderCards(slack);

  async function overview(person: Person): Promise<SlackView> {
    const feeds = await store.read((view) => view.calendars.ofPerson(person.id));
    const feedOf = (scope: Scope) => feeds.find((each) => each.scope === scope && each.addressHash !== null);
    // Whoever is no administrator any more sees what they had left on, to turn it off.
    const shown = scopes.filter((scope) => !whyNotSubscribe(person, scope) || feedOf(scope));
    return page(title, [
      block.text(
        md`Calendar programs can show when keys are due: they fetch a private address again and again. Whoever has the address can read names and dates, never a value.`,
      ),
      ...shown.flatMap((scope) => feedBlocks(scope, feedOf(scope), !whyNotSubscribe(person, scope))),
    ]);
  }

  function feedBlocks(scope: Scope, feed: CalendarFeed | undefined, may: boolean): KnownBlock[] {
    const { name, shows } = words[scope];
    const state = !feed
      ? md`Not in use.`
      : !may
        ? md`:no_entry_sign: This is for administrators, so its address gives nothing any more.`
        : md`Its address was made ${when(feed.madeAt)}. ${feed.fetchedAt ? md`Last fetched: ${when(feed.fetchedAt, 'date')}.` : md`It has not been fetched yet.`} It was shown once; a new one ends it.`;
    const buttons = [
      ...(may && !feed
        ? [button(`calendar.address:${scope}`, 'Get the address', scope, { describe: `Get the address of ${name}` })]
        : []),
      ...(may && feed
        ? [
            button(`calendar.address:${scope}`, 'New address', scope, {
              describe: `Get a new address of ${name}`,
              confirm: {
                title: 'Make a new address?',
                text: 'The present one stops working at once, in every calendar that fetches it.',
                yes: 'New address',
              },
            }),
          ]
        : []),
      ...(feed
        ? [
            button(`calendar.close:${scope}`, 'Turn off', scope, {
              describe: `Turn off ${name}`,
              confirm: { title: 'Turn it off?', text: 'The address stops working at once.', yes: 'Turn off' },
            }),
          ]
        : []),
    ];
    return [block.text(md`*${typed(name)}*\n${typed(shows)}\n${state}`), block.buttons(...buttons)];
  }

  const scopeOf = (value: string): Scope => {
    const scope = scopes.find((each) => each === value);
    if (!scope) throw new Refusal('not_found', 'There is no such calendar.');
    return scope;
  };

  slack.command(
    'calendar',
    {
      usage: 'calendar',
      help: 'When your keys are due, in your own calendar',
      action: 'calendar.subscribe',
      opens: title,
    },
    async ({ person }) => ({ open: await overview(person) }),
  );

  // What this shows has nothing to press: Slack sends a window back with every click in it, and it would be kept.
  slack.action('calendar.address', {}, async ({ person, value }) => {
    const address = await openFeed(ports, person.id, scopeOf(value));
    return {
      update: page(title, [
        block.text(md`:calendar: *Copy the address now: it is not shown again.*\n${code(address, 500)}`),
        block.text(
          md`*Google Calendar* Other calendars, +, From URL\n*Outlook* Add calendar, Subscribe from web\n*Apple Calendar* File, New Calendar Subscription`,
        ),
        block.small(
          md`Treat it as you would a password. Lost, or seen by others? \`/keys calendar\` makes a new one, and this one stops at once.`,
          ...(isOfThisMachine(address)
            ? [
                md`:warning: It works on this machine only: PUBLIC_URL is not set, so nobody has said where others reach Keysteward.`,
              ]
            : []),
        ),
      ]),
    };
  });
  slack.action('calendar.close', {}, async ({ person, value }) => {
    await closeFeed(ports, person.id, scopeOf(value));
    return { update: await overview(person) };
  });
}

const isOfThisMachine = (address: string) => ['127.0.0.1', 'localhost', '[::1]'].includes(new URL(address).hostname);
