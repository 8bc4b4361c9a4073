import { channelLink, md } from '../blocks.ts';
import type { SlackDoor } from '../doors.ts';
import type { Ports } from '../ports.ts';
import { askForDigest, askForSummary } from './ask.ts';
import { digestCards } from './cards.ts';

/** `/keys digest`, and how digests look. */
export function digestInSlack(slack: SlackDoor, ports: Ports): void {
  digestCards(slack, ports.policy);

  slack.command(
    'digest',
    {
      usage: 'digest',
      help: 'What is due of your keys; for administrators, `/keys digest summary` for all keys',
      action: 'digest.read',
    },
    async ({ person, text }) => {
      if (text.toLowerCase() === 'summary') {
        await askForSummary(ports, person.id);
        return {
          say: md`:white_check_mark: The summary of all keys is on its way to ${channelLink(ports.policy.channels.security)}.`,
        };
      }
      const owns = await ports.store.read((view) => view.keys.count({ ownerId: person.id }));
      if (owns === 0)
        return {
          say: md`You answer for no key, so nothing is due from you. \`/keys grants\` shows what you have access to.`,
        };
      await askForDigest(ports, person.id);
      return {
        say: md`:white_check_mark: Your digest is in our direct messages, where you can act on it. It stays up to date until the next one replaces it.`,
      };
    },
  );
}
