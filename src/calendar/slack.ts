import type { KnownBlock, View as SlackView } from '@slack/types';
import { block, button, choice, code, type Mrkdwn, md, option, page, typed, when } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import { byId, isId, notThere, refuseIf } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import { isIn, type Team } from '../people/team-model.ts';
import type { Ports, View } from '../ports.ts';
import { reminderCards } from './cards.ts';
import { closeFeed } from './close-feed.ts';
import { type CalendarFeed, type Scope, whyNotSubscribe } from './model.ts';
import { openFeed } from './open-feed.ts';

const title = 'Your calendar';
/** More of one's own teams than this are chosen, not listed. */
const mostListed = 5;

/** One calendar in the window, on or off. */
interface Offer {
  scope: Scope;
  name: string;
  shows: Mrkdwn;
  /** Why its address gives nothing, for somebody who may not have it any more. */
  over: Mrkdwn | null;
  feed: CalendarFeed | undefined;
}

/** `/keys calendar`: the private addresses that somebody's calendar program fetches, made, replaced and turned off. */
export function calendarInSlack(slack: SlackDoor, ports: Ports): void {
  const { store } = ports;
  reminderCards(slack, ports.policy);

  const feedsOf = async (view: View, person: Person): Promise<CalendarFeed[]> =>
    (await view.calendars.ofPerson(person.id)).filter((each) => each.addressHash !== null);

  /** Whoever may not have a calendar any more sees what they had left on, to turn it off. */
  async function overview(person: Person): Promise<SlackView> {
    return store.read(async (view) => {
      const feeds = await feedsOf(view, person);
      const feedOf = (scope: Scope) => feeds.find((each) => each.scope === scope);
      const mine = await teamsOf(view, person);
      const subscribed = await view.teams.many(feeds.map((each) => each.scope).filter((each) => isId('team', each)));
      const ofTeams = [];
      for (const team of byId([...subscribed, ...mine.slice(0, mostListed)]).values())
        ofTeams.push(await offerOf(view, person, team, feedOf(team.id)));
      const company = whyNotSubscribe(person, 'company', null);
      const own: Offer = {
        scope: 'own',
        name: 'Your keys',
        shows: md`When each of your keys is rotated, when its service ends it, and when your access to other keys ends.`,
        over: null,
        feed: feedOf('own'),
      };
      const all: Offer = {
        scope: 'company',
        name: 'All keys',
        shows: md`When each key of the company is rotated and when its service ends it, with its owner. For administrators.`,
        over: company && md`This is for administrators, so its address gives nothing any more.`,
        feed: feedOf('company'),
      };
      return page(title, [
        block.text(
          md`Calendar programs can show when keys are due: they fetch a private address again and again. Whoever has the address can read names and dates, never a value.`,
        ),
        ...feedBlocks(own),
        ...ofTeams.flatMap(feedBlocks),
        ...(company && !all.feed ? [] : feedBlocks(all)),
        ...(await furtherTeams(view, person, mine)),
      ]);
    });
  }

  /** By itself, so that its button is in sight. */
  async function chosenTeam(person: Person, team: Team): Promise<SlackView> {
    return store.read(async (view) => {
      const feed = (await feedsOf(view, person)).find((each) => each.scope === team.id);
      return page(title, [
        ...feedBlocks(await offerOf(view, person, team, feed)),
        ...(await furtherTeams(view, person, await teamsOf(view, person))),
      ]);
    });
  }

  const teamsOf = async (view: Pick<View, 'teams'>, person: Person): Promise<Team[]> =>
    (await view.teams.ofMember(person.slackId)).filter((each) => isIn(each, person));

  async function offerOf(
    view: Pick<View, 'keys'>,
    person: Person,
    team: Team,
    feed: CalendarFeed | undefined,
  ): Promise<Offer> {
    const refusal = whyNotSubscribe(person, team.id, team);
    const keys = refusal ? 0 : await view.keys.count({ teamId: team.id });
    const many =
      keys === 0 ? md`None of them owns a key now` : md`They own ${keys} ${keys === 1 ? md`key` : md`keys`} now`;
    return {
      scope: team.id,
      name: team.name,
      shows: md`When each key of those in ${typed(`@${team.handle}`, 80)} is rotated and when its service ends it, with its owner. ${refusal ? md`` : md`${many}.`}`,
      over: refusal && md`${typed(refusal.sentence)} Its address gives nothing any more.`,
      feed,
    };
  }

  /** Where there are teams that are not listed: how to get at them, or why there are none. */
  async function furtherTeams(view: Pick<View, 'teams'>, person: Person, mine: Team[]): Promise<KnownBlock[]> {
    const any = !whyNot(person, 'calendar.subscribe-any-team');
    if (!any && (mine.length > 0 ? mine.length <= mostListed : whyNot(person, 'calendar.subscribe-team'))) return [];
    if ((await view.teams.search('', 1)).length === 0) return [];
    if (!any && mine.length === 0)
      return [block.small(md`Teams have calendars too: those in one of Slack's user groups. You are in none.`)];
    return [
      block.row(
        any
          ? md`*Another team*\nAs an administrator you may have the calendar of every user group of Slack.`
          : md`*Another of your teams*\nYou are in ${mine.length} user groups of Slack.`,
        choice('calendar.choose-team', 'Choose a team'),
      ),
    ];
  }

  function feedBlocks({ scope, name, shows, over, feed }: Offer): KnownBlock[] {
    const state = !feed
      ? md`Not in use.`
      : over
        ? md`:no_entry_sign: ${over}`
        : md`Its address was made ${when(feed.madeAt)}. ${feed.fetchedAt ? md`Last fetched: ${when(feed.fetchedAt, 'date')}.` : md`It has not been fetched yet.`} It was shown once; a new one ends it.`;
    const buttons = [
      ...(!over && !feed
        ? [button(`calendar.address:${scope}`, 'Get the address', scope, { describe: `Get the address of ${name}` })]
        : []),
      ...(!over && feed
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
    return [
      block.text(md`*${typed(name, 100)}*\n${shows}\n${state}`),
      ...(buttons.length > 0 ? [block.buttons(...buttons)] : []),
    ];
  }

  const scopeOf = (value: string): Scope => {
    if (value === 'own' || value === 'company' || isId('team', value)) return value;
    throw notThere('calendar');
  };

  slack.suggest('calendar.choose-team', async ({ person, query }) => {
    const wanted = query.trim().toLowerCase().replace(/^@/, '');
    const fits = ({ name, handle }: Team) => [name, handle].some((each) => each.toLowerCase().includes(wanted));
    const teams = await store.read(async (view) =>
      whyNot(person, 'calendar.subscribe-any-team')
        ? (await teamsOf(view, person)).filter(fits)
        : view.teams.search(query, 100),
    );
    return teams.map((each) => option(each.id, each.name, `@${each.handle}`));
  });
  slack.action('calendar.choose-team', {}, async ({ person, value }) => {
    const team = await store.read((view) => view.teams.find(value));
    if (!team) throw notThere('team');
    refuseIf(whyNotSubscribe(person, team.id, team));
    return { update: await chosenTeam(person, team) };
  });

  slack.command(
    'calendar',
    {
      usage: 'calendar',
      help: 'When your keys, or those of your team, are due, in your own calendar',
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
