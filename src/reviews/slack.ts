import { md } from '../blocks.ts';
import { done, type SlackDoor } from '../doors.ts';
import { isId, Refusal } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { reviewCards } from './cards.ts';
import { askForCheck } from './check-drift.ts';
import { askForRepair } from './repair.ts';

/** The card of what is wrong with a key, and its buttons. */
export function reviewsInSlack(slack: SlackDoor, ports: Ports): void {
  reviewCards(slack);
  slack.action('reviews.repair', {}, async ({ person, value }) => {
    if (!isId('finding', value)) throw new Refusal('not_found', 'This finding does not exist, or not any more.');
    await askForRepair(ports, person, value);
    return done;
  });
  slack.action('reviews.check', {}, async ({ person, value }) => {
    if (!isId('key', value)) throw new Refusal('not_found', 'This key does not exist, or not any more.');
    await askForCheck(ports, person, value);
    return { say: md`It is being looked at; the card follows within a minute.` };
  });
}
