import type { View as SlackView } from '@slack/types';
import { z } from 'zod';
import { block, channelLink, form, input, md, option, page, when } from '../../blocks.ts';
import { type Answer, done, idField, type SlackDoor } from '../../doors.ts';
import { environments } from '../../inventory/model.ts';
import { type Id, idOf } from '../../kernel.ts';
import { type Person, whyNot } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { causeOption } from '../cards.ts';
import { emergencyField, emergencyQuestion, noneMatches, whyField, whyQuestion } from '../modals.ts';
import { campaignCards, keysInWords, previewBlocks, scopeOf } from './cards.ts';
import { decideCampaign, withdrawCampaign } from './decide.ts';
import { campaignFacts } from './facts.ts';
import { type Campaign, campaignCauses, needsConfirmation, toRotate, wouldStart } from './model.ts';
import { askForCampaign, planCampaign } from './plan.ts';
import { retryCampaign, stopCampaign } from './stop.ts';

const PlanForm = z.object({
  /** One of its keys: an id, where a service is somebody's words. */
  bulkService: idField('key', 'Choose a service from the list.'),
  environment: z
    .enum(environments)
    .nullish()
    .transform((chosen) => chosen ?? null),
  bulkCause: z.enum(campaignCauses, { error: 'Say what it is for.' }),
  reason: whyField,
  emergency: emergencyField,
});
const AskForm = z.object({
  campaignId: idField('campaign'),
});

/** `/keys rotate-all`: all keys of a service, after a preview and, where there are many, with a second person. */
export function campaignsInSlack(slack: SlackDoor, ports: Ports): void {
  const { store, policy } = ports;
  campaignCards(slack, ports);

  const services = (query: string) => store.read((view) => view.keys.services(query.slice(0, 100), 50));
  const asOption = ({ service, keyId, keys }: Awaited<ReturnType<typeof services>>[number]) =>
    option(keyId, service, keys === 1 ? '1 key' : `${keys} keys`);

  async function planModal(words: string): Promise<SlackView> {
    const found = words ? await services(words) : [];
    const exact = found.filter((each) => each.service.toLowerCase() === words.toLowerCase());
    const chosen = exact[0] ?? (found.length === 1 ? found[0] : undefined);
    if (words && found.length === 0) throw noneMatches('service with keys', words);
    return form('rotation.plan-campaign', 'Rotate all keys', 'Preview', [
      block.text(
        md`All keys of one service get new values, for instance because its provider had an incident. First you see what that means; nothing happens before you have.`,
      ),
      input({
        kind: 'search',
        name: 'bulkService',
        label: 'Service',
        placeholder: 'Type its name',
        ...(chosen ? { initial: asOption(chosen) } : {}),
      }),
      input({
        kind: 'select',
        name: 'environment',
        label: 'Environment',
        optional: true,
        placeholder: 'All',
        options: environments.map((each) => option(each, each)),
      }),
      input({
        kind: 'select',
        name: 'bulkCause',
        label: 'What for?',
        options: campaignCauses.map(causeOption),
      }),
      whyQuestion,
      emergencyQuestion(
        'The values may be known to others',
        'Ahead of everything; the old values die at once, and nothing leads back.',
      ),
    ]);
  }

  slack.suggest('bulkService', async ({ person, query }) =>
    whyNot(person, 'rotation.campaign') ? [] : (await services(query)).map(asOption),
  );
  slack.command(
    'rotate-all',
    {
      usage: 'rotate-all [service]',
      help: 'Replace the values of all keys of a service, e.g. after an incident at its provider',
      action: 'rotation.campaign',
      opens: 'Rotate all keys',
    },
    async ({ text }) => ({ open: await planModal(text) }),
  );

  slack.submit('rotation.plan-campaign', PlanForm, async ({ person, form: ask }): Promise<Answer> => {
    const { bulkService, bulkCause: cause, environment, reason, emergency } = ask;
    const { service } = await store.read((view) => view.keys.get(bulkService));
    const campaign = await planCampaign(ports, person, { service, environment, cause, reason, emergency });
    return { update: await preview(campaign) };
  });

  async function preview(campaign: Campaign): Promise<SlackView> {
    const facts = await store.read((view) => campaignFacts(view, ports, campaign));
    const own = wouldStart(campaign).length;
    const head = block.text(
      md`*All keys of ${scopeOf(campaign)}*: ${keysInWords(campaign.lines.length)}, ${own} of them can be rotated now.${campaign.emergency ? md` :rotating_light: *Emergency.*` : md``}`,
    );
    const blocks = [head, ...previewBlocks(facts, policy)];
    if (own === 0) {
      return page('Nothing to rotate', [
        ...blocks,
        block.small(
          toRotate(campaign).length === 0
            ? md`A person has to see to each of these keys. Nothing was done.`
            : md`See to what is missing first, then look again. Nothing was done.`,
        ),
      ]);
    }
    const second = needsConfirmation(campaign, policy);
    return form(
      'rotation.ask-campaign',
      'Rotate all keys',
      second ? 'Ask for confirmation' : 'Rotate',
      [
        ...blocks,
        block.small(
          second
            ? md`More than ${policy.rotation.bulk.confirmAbove} keys: another administrator has to confirm, within ${policy.rotation.bulk.confirmHours} hours. Until then nothing happens.`
            : md`It begins as soon as you press Rotate.`,
        ),
      ],
      { campaignId: campaign.id },
    );
  }

  slack.submit('rotation.ask-campaign', AskForm, async ({ person, form: { campaignId } }): Promise<Answer> => {
    const campaign = await askForCampaign(ports, person, campaignId);
    const channel = channelLink(policy.channels.security);
    return {
      update:
        campaign.status === 'asked'
          ? page('Asked for', [
              block.text(
                md`Another administrator has to confirm, on the card in ${channel}, until ${when(campaign.expiresAt)}. You can withdraw it there.`,
              ),
            ])
          : page('Rotation started', [
              block.text(md`One card in ${channel} shows how far it is. Each owner has one with their keys.`),
            ]),
    };
  });

  const pressed: Record<string, (person: Person, id: Id<'campaign'>) => Promise<unknown>> = {
    'rotation.confirm-campaign': (person, id) => decideCampaign(ports, person, id, 'confirmed'),
    'rotation.refuse-campaign': (person, id) => decideCampaign(ports, person, id, 'refused'),
    'rotation.withdraw-campaign': (person, id) => withdrawCampaign(ports, person, id),
    'rotation.stop-campaign': (person, id) => stopCampaign(ports, person, id),
    'rotation.retry-campaign': (person, id) => retryCampaign(ports, person, id),
  };
  for (const [actionId, press] of Object.entries(pressed)) {
    slack.action(actionId, {}, async ({ person, value }) => {
      await press(person, idOf('campaign', value));
      return done;
    });
  }
}
