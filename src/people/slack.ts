import { block, code, md, mention, mentioned, message, typed, when } from '../blocks.ts';
import { administratorsToAsk, type SlackDoor } from '../doors.ts';
import { Refusal } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { type Action, aTier, notMetYet, type Person, tiers, whyNot } from './model.ts';
import { setHrId, setPrincipal, setTier } from './set.ts';

/** Who I am here, and what administrators say of others. */
export function peopleInSlack(slack: SlackDoor, { store }: Pick<Ports, 'store'>): void {
  const somebody = async (word: string): Promise<Person> => {
    const slackId = mentioned(word);
    const person = slackId ? await store.read((view) => view.people.bySlackId(slackId)) : null;
    if (person) return person;
    throw new Refusal('not_found', slackId ? notMetYet : 'Name the person with an @mention.');
  };

  slack.command(
    'whoami',
    { usage: 'whoami', help: 'Who you are here and what you may do', action: 'people.whoami' },
    async ({ person }) => {
      const { grants, waiting, administrators } = await store.read(async (view) => ({
        grants: (await view.grants.liveOfPerson(person.id)).length,
        waiting: (await view.requests.openBy(person.id)).length,
        administrators: await administratorsToAsk(view, person.slackId),
      }));
      return {
        say: message(`You are ${person.name}`, [
          block.header(person.name),
          ...block.facts([
            ['Tier', typed(person.tier)],
            ['Here since', when(person.joinedAt, 'date')],
            ['Time zone', typed(person.timeZone)],
            [
              'Access now',
              md`${grants} ${grants === 1 ? md`key` : md`keys`}, ${waiting} open ${waiting === 1 ? md`request` : md`requests`}`,
            ],
            [
              'IAM identity',
              person.iamPrincipal
                ? code(person.iamPrincipal)
                : md`not known: what you are granted is recorded, but AWS cannot let you in yet. Ask ${administrators} to run \`/keys principal\` for you.`,
            ],
          ]),
          block.text(md`*You may*\n${typed(mayInWords(person), 1500)}`),
        ]),
      };
    },
  );

  slack.command(
    'tier',
    {
      usage: 'tier @person <tier>',
      help: 'Make somebody an administrator, developer or contractor',
      action: 'people.set-tier',
    },
    async ({ person, text }) => {
      const [who = '', word = ''] = text.split(/\s+/);
      const tier = tiers.find((each) => each === word.toLowerCase());
      if (!tier) throw new Refusal('invalid', `Say which tier: ${tiers.join(', ')}. For example: tier @dana developer`);
      const changed = await setTier({ store }, person.id, { personId: (await somebody(who)).id, tier });
      return { say: md`:white_check_mark: ${mention(changed.slackId)} is now ${typed(aTier[tier])}.` };
    },
  );

  slack.command(
    'principal',
    {
      usage: 'principal @person <IAM ARN | none>',
      help: 'Which IAM user or role reads secrets as this person',
      action: 'people.set-principal',
    },
    async ({ person, text }) => {
      const [who = '', word = ''] = text.split(/\s+/);
      if (!word)
        throw new Refusal(
          'invalid',
          'Say which IAM user or role, for example: principal @dana arn:aws:iam::123456789012:role/dana',
        );
      const principal = word.toLowerCase() === 'none' ? null : word;
      const changed = await setPrincipal({ store }, person.id, { personId: (await somebody(who)).id, principal });
      return {
        say: principal
          ? md`:white_check_mark: ${mention(changed.slackId)} reads secrets as ${code(principal)}. What they hold opens for it now.`
          : md`:white_check_mark: ${mention(changed.slackId)} has no IAM identity any more. What they hold is recorded only.`,
      };
    },
  );

  slack.command(
    'hr-id',
    {
      usage: 'hr-id @person <id | none>',
      help: 'Which id the HR system knows somebody by',
      action: 'people.set-hr-id',
    },
    async ({ person, text }) => {
      const [who = '', word = ''] = text.split(/\s+/);
      if (!word) throw new Refusal('invalid', 'Say which id, for example: hr-id @dana E-1042');
      // Copied from one of our cards, it brings the unseen spaces along that keep Slack from formatting.
      const hrId = word.toLowerCase() === 'none' ? null : word.replaceAll('\u200b', '');
      const changed = await setHrId({ store }, person.id, { personId: (await somebody(who)).id, hrId });
      return {
        say: hrId
          ? md`:white_check_mark: The HR system knows ${mention(changed.slackId)} as ${code(hrId, 100)}. If it has said that they left, their offboarding starts now.`
          : md`:white_check_mark: ${mention(changed.slackId)} has no HR id any more.`,
      };
    },
  );
}

/** The table of permissions, for one person, in words. */
function mayInWords(person: Person): string {
  const words: Partial<Record<Action, string>> = {
    'access.request': 'ask for access to any key',
    'incidents.declare': 'report a leaked key',
    'inventory.list': 'see the inventory',
    'inventory.add': 'add keys',
    'access.decide': 'decide requests for every key',
    'rotation.start': 'rotate every key',
    'offboarding.open': 'offboard people',
    'audit.read': 'read the audit log',
    'people.set-tier': 'say who is an administrator',
  };
  const mine = Object.entries(words).filter(([action]) => !whyNot(person, action as Action));
  const own =
    person.tier === 'administrator' ? '' : '; for keys that you own: decide requests, end access, rotate, hand over';
  return `${mine.map(([, each]) => each).join(', ')}${own}.`;
}
