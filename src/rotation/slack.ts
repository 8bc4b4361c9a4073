import type { View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, button, form, input, join, type Mrkdwn, md, mention, option, page, typed, when } from '../blocks.ts';
import { type Answer, done, idField, type SlackDoor } from '../doors.ts';
import { whyNotTouch } from '../inventory/may-model.ts';
import { type ApiKey, asChoice, inFull } from '../inventory/model.ts';
import { idOf, Refusal } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { narrowing, type PermissionReview, rightsFor } from '../reviews/permissions-model.ts';
import { handInBlocks } from './by-hand/cards.ts';
import { confirmDeleted } from './by-hand/confirm-deleted.ts';
import { madeByHand } from './by-hand/model.ts';
import { openHandIn } from './by-hand/open-hand-in.ts';
import { handBack, takeOn } from './by-hand/take.ts';
import { campaignCauses } from './campaigns/model.ts';
import { causeOption, checkBlocks, rotationCards } from './cards.ts';
import { deploymentInSlack } from './deployment/slack.ts';
import { drillsInSlack } from './drills/slack.ts';
import {
  emergencyField,
  emergencyQuestion,
  keysMeant,
  noneMatches,
  refuseHidden,
  whichKey,
  whyField,
  whyQuestion,
} from './modals.ts';
import { whyNotRotate } from './model.ts';
import { askForPage } from './page.ts';
import { preflight } from './preflight.ts';
import { whyNotGo } from './preflight-model.ts';
import { retryRotation } from './retry.ts';
import { rollBackRotation } from './roll-back.ts';
import { showRotation } from './show.ts';
import { startRotation } from './start.ts';
import { overdueCards } from './timing/overdue-cards.ts';
import { pausesInSlack } from './timing/slack.ts';

const keyId = idField('key', 'Choose a key from the list.');
const StartForm = z.object({
  keyId: keyId.optional(),
  /** From the choice or the search, until the form is about that key. */
  rotatedKey: keyId.optional(),
  reason: whyField,
  rotateCause: z
    .enum(campaignCauses)
    .nullish()
    .transform((chosen) => chosen ?? 'asked'),
  emergency: emergencyField,
});

/** A rotation is when a key can become narrower. */
function tooMuchIn(key: ApiKey, review: PermissionReview & { excess: string }): Mrkdwn {
  const next =
    key.issuer === 'person'
      ? md`The new one needs only: ${typed(rightsFor(key, review).rights, 600)}`
      : md`_${typed(narrowing(key, { seenAt: review.reviewedAt }).sentence, 300)}_`;
  return md`:warning: It may do more than it needs: ${typed(review.excess, 300)}\n${next}`;
}

/** `/keys rotate`, the Rotate button wherever it is shown, and the card of each rotation. */
export function rotationInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;
  rotationCards(slack, ports);
  overdueCards(slack, policy);
  deploymentInSlack(slack, ports);

  /** What would happen, before anything does; or why it cannot. */
  async function startModal(person: Person, words: string): Promise<SlackView> {
    const { keys, chosen, owner, review, hidden } = await store.read(async (view) => {
      const meant = await keysMeant(view, person, 'rotation.start', words);
      const chosen = meant.keys.length === 1 ? meant.keys[0]! : null;
      const review = chosen && (await view.permissionReviews.find(chosen.id));
      return { ...meant, chosen, review, owner: chosen && (await view.people.find(chosen.ownerId)) };
    });
    await refuseHidden(store, person, 'rotation.start', hidden);
    if (words && keys.length === 0) throw noneMatches('key that you answer for', words);
    if (!chosen) {
      const which = whichKey(keys, { chosen: 'rotatedKey', searched: 'rotatedKey', live: true });
      return form('rotation.start', 'Rotate a key', 'Rotate', [which, ...questions(person)]);
    }
    const checks = await preflight(ports, chosen.id);
    const forGood = whyNotGo(checks, true);
    const forNow = whyNotGo(checks, false);
    const head = [
      block.text(md`*${typed(chosen.name, 200)}*`),
      ...block.facts([
        ['Owner', owner ? mention(owner.slackId) : md`nobody`],
        ['Value ends with', chosen.lastFour ? md`…${typed(chosen.lastFour)}` : md`not known`],
        ['Last rotated', chosen.lastRotatedAt ? when(chosen.lastRotatedAt, 'date') : md`never`],
      ]),
      ...(review?.excess ? [block.text(tooMuchIn(chosen, { ...review, excess: review.excess }))] : []),
      ...checkBlocks(checks),
    ];
    if (forGood) {
      return page('Not yet', [
        ...head,
        ...(chosen.issuer === 'self-made' || whyNot(person, 'runbooks.show', chosen)
          ? []
          : [block.buttons(button('runbooks.show', 'Steps', chosen.id, { describe: `Steps for ${chosen.name}` }))]),
        block.small(md`Nothing was touched. When this is seen to, type \`/keys rotate\` again.`),
      ]);
    }
    return form(
      'rotation.start',
      'Rotate a key',
      'Rotate',
      [...head, ...(forNow ? [block.text(md`:warning: Only an emergency can start now.`)] : []), ...questions(person)],
      { keyId: chosen.id },
    );
  }

  const questions = (person: Person) => [
    ...(whyNot(person, 'rotation.start-for-cause')
      ? []
      : [
          input({
            kind: 'select',
            name: 'rotateCause',
            label: 'What for?',
            optional: true,
            placeholder: causeOption('asked').text.text,
            options: campaignCauses.map(causeOption),
          }),
        ]),
    whyQuestion,
    emergencyQuestion(
      'The value may be known to others',
      'The old value dies at once, without a grace, and nothing leads back to it.',
    ),
  ];

  // Only what they could rotate here.
  slack.suggest('rotatedKey', ({ person, query }) =>
    store.read(async (view) => {
      const owned = whyNot(person, 'rotation.start') ? { ownerId: person.id } : {};
      const { rows } = await view.keys.list({ ...owned, words: inFull(query) }, 100);
      return rows
        .filter(
          (key) => !whyNotTouch(person, 'rotation.start', key) && !whyNotRotate(key, null, true, policy, view.now),
        )
        .slice(0, 50)
        .map((key) => option(...asChoice(key)));
    }),
  );

  // What is known of a key is shown before anything is asked of it, however it was found.
  slack.action('rotatedKey', {}, async ({ person, value }) => ({
    update: await startModal(person, idOf('key', value)),
  }));
  const opens = 'Rotate a key';
  slack.command(
    'rotate',
    {
      usage: 'rotate [key]',
      help: 'Replace the value of a key, e.g. `/keys rotate order webhooks prod`',
      action: 'inventory.list',
      opens,
    },
    async ({ person, text }) => ({ open: await startModal(person, text) }),
  );
  // Help lists commands as they come: first how a key is rotated, then how that is stopped or tried out.
  pausesInSlack(slack, ports);
  drillsInSlack(slack, ports);
  slack.action('rotation.start', { opens }, async ({ person, value }) => ({
    open: await startModal(person, idOf('key', value)),
  }));

  slack.submit('rotation.start', StartForm, async ({ person, form: asked }): Promise<Answer> => {
    const chosen = asked.rotatedKey ?? asked.keyId;
    if (!chosen) throw new Refusal('invalid', 'Choose a key from the list.', 'rotatedKey');
    const rotation = await startRotation(ports, person, { ...asked, cause: asked.rotateCause, keyId: chosen });
    const key = await store.read((view) => view.keys.get(rotation.keyId));
    const name = typed(key.name, 200);
    const owns = key.ownerId === person.id;
    const readers = [...(owns ? [] : [md`its owner`]), md`you`];
    const where = rotation.emergency ? md`${join(readers, ', ')} and the security channel` : join(readers, ' and ');
    const issuer = ports.issuers.of(key.issuer);
    const asks =
      issuer && madeByHand(issuer.can)
        ? md` Another asks ${owns ? md`you` : md`its owner`} to make the new key and to hand it in.`
        : md``;
    if (rotation.continuesAt) {
      return {
        update: page('Rotation planned', [
          block.text(
            md`*${name}* is rotated ${when(rotation.continuesAt)}. One card shows ${where} what it waits for, and then each step. Roll back there calls it off.`,
          ),
        ]),
      };
    }
    return {
      update: page('Rotation started', [
        block.text(md`*${name}* is being rotated. One card shows ${where} each step, and what works.${asks}`),
      ]),
    };
  });

  slack.action('rotation.show', {}, async ({ person, value }) => {
    await showRotation(ports, person, idOf('rotation', value));
    return { say: md`:white_check_mark: The card of the rotation is in our direct messages, and stays up to date.` };
  });
  slack.action('rotation.retry', {}, async ({ person, value }) => {
    await retryRotation(ports, person, idOf('rotation', value));
    return done;
  });
  slack.action('rotation.take', {}, async ({ person, value }) => {
    await takeOn(ports, person, idOf('rotation', value));
    return done;
  });
  slack.action('rotation.hand-back', {}, async ({ person, value }) => {
    await handBack(ports, person, idOf('rotation', value));
    return done;
  });
  slack.action('rotation.confirm-deleted', {}, async ({ person, value }) => {
    await confirmDeleted(ports, person, idOf('rotation', value));
    return done;
  });
  slack.action('rotation.hand-in', { opens: 'Hand in the new key' }, async ({ person, value }) => {
    const { url, link } = await openHandIn(ports, person, idOf('rotation', value));
    const key = await store.read(async (view) => view.keys.get((await view.rotations.get(link.rotationId)).keyId));
    return { open: page('Hand in the new key', handInBlocks(key, url, link.endsAt)) };
  });
  slack.action('rotation.roll-back', {}, async ({ person, value }) => {
    await rollBackRotation(ports, person, idOf('rotation', value));
    return done;
  });
  slack.action('rotation.page', {}, async ({ person, value }) => {
    await askForPage(ports, person, idOf('rotation', value));
    return done;
  });
}
