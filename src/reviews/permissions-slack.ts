import type { KnownBlock } from '@slack/types';
import { block, button, type Mrkdwn, md, message, typed, when } from '../blocks.ts';
import { type Answer, refuseAtClick, type SlackDoor } from '../doors.ts';
import { whyNotTouch } from '../inventory/may-model.ts';
import { type ApiKey, riskFlags } from '../inventory/model.ts';
import { after, day, idOf, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { narrowButton } from './cards.ts';
import { draftFrom, draftOf, ReviewForm, reviewingOf, reviewModal } from './permissions-modals.ts';
import { narrowing, type PermissionReview, seenBy, whyNotReview } from './permissions-model.ts';
import { type Reviewed, reviewPermissions } from './review-permissions.ts';

/** **Review permissions…**, wherever a key is shown. */
export function permissionsInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;
  const opens = 'Review permissions';

  async function storyFor(person: Person, value: string): Promise<{ key: ApiKey; last: PermissionReview | null }> {
    const story = await store.read(async (view) => {
      const key = await view.keys.get(idOf('key', value));
      return { key, last: await view.permissionReviews.find(key.id) };
    });
    const { key, last } = story;
    const action = 'reviews.review-permissions';
    await refuseAtClick(store, person, { action, subject: key.id, keyId: key.id }, whyNotTouch(person, action, key));
    refuseIf(whyNotReview(key, last, { seen: seenBy(key, last) }));
    return story;
  }

  slack.action('reviews.review-permissions', { opens }, async ({ person, value }) => {
    const { key, last } = await storyFor(person, value);
    return { open: reviewModal(key, last, draftOf(key, last), policy, seenBy(key, last)) };
  });
  // What is ticked and chosen decides what else is asked.
  for (const field of ['hasExcess', 'restrictedBy']) {
    slack.action(field, {}, async ({ person, fields, context }) => {
      const { key, last } = await storyFor(person, context.keyId ?? '');
      return { update: reviewModal(key, last, draftFrom(fields), policy, context.seen ?? '') };
    });
  }
  slack.submit('reviews.review-permissions', ReviewForm, async ({ form, person }): Promise<Answer> => {
    const reviewed = await reviewPermissions(ports, person.id, form.keyId, reviewingOf(form));
    const { key, review, finding } = reviewed;
    const name = md`*${typed(key.name, 200)}*`;
    const show = button('inventory.show', 'Show', key.id, { describe: `Show ${key.name}` });
    if (!finding) {
      const next = after(review.reviewedAt, policy.permissions.reviewDays * day);
      const said = md`:white_check_mark: ${name} may do what it needs, and no more. It is to be reviewed again ${when(next, 'date')}.`;
      return {
        say: message(`${key.name} is reviewed`, [block.text(said), ...besides(reviewed), block.buttons(show)]),
      };
    }
    const { sentence, by } = narrowing(key, finding);
    const first = by === 'review' ? [] : [narrowButton(key, finding)];
    return {
      say: message(`${key.name} may do more than it needs`, [
        block.text(
          md`:warning: ${name} may do more than it needs: ${typed(review.excess ?? '', 300)}\n_${typed(sentence, 300)}_`,
        ),
        ...besides(reviewed),
        block.buttons(...first, show),
        block.small(md`It is in \`/keys findings\` until a later review says that nothing is too much.`),
      ]),
    };
  });
}

/** Where the inventory says something else. */
function besides({ key, review }: Reviewed): KnownBlock[] {
  const has = (kind: string) => review.restrictions.some((each) => each.kind === kind);
  const lines: Mrkdwn[] = [
    ...(has('readOnly') && key.flags.includes('writes')
      ? [md`The inventory still says “${typed(riskFlags.writes)}”. If it cannot any more, untick that under *Edit…*.`]
      : []),
    ...(has('ends') && !key.expiresAt
      ? [md`Enter the day on which it ends under *Edit…*: then it is rotated before.`]
      : []),
    ...(review.excess === null && key.flags.includes('fullAccount')
      ? [md`The inventory still says “${typed(riskFlags.fullAccount)}”. Untick that under *Edit…* if it has not.`]
      : []),
  ];
  return lines.map((line) => block.text(md`:information_source: ${line}`));
}
