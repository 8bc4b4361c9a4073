import { byId, type Id, refuseIf } from '../../kernel.ts';
import { type Person, whyNot } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { type Campaign, decided, whyNotConfirm, whyNotWithdraw } from './model.ts';
import { begin } from './plan.ts';

/** A second person confirms or refuses what somebody asked for; it begins at once. */
export function decideCampaign(
  { store }: Pick<Ports, 'store'>,
  decider: Pick<Person, 'id'>,
  campaignId: Id<'campaign'>,
  outcome: 'confirmed' | 'refused',
): Promise<Campaign> {
  const actor = { kind: 'person', id: decider.id } as const;
  const action = outcome === 'confirmed' ? 'rotation.confirm-campaign' : 'rotation.refuse-campaign';
  return store.change({ actor, action, subject: campaignId }, async (tx) => {
    const campaign = await tx.campaigns.get(campaignId);
    const person = await tx.people.get(decider.id);
    const asker = await tx.people.get(campaign.askedBy);
    refuseIf(whyNotConfirm(campaign, person, asker, outcome === 'confirmed', tx.now));
    const next = decided(campaign, outcome, decider.id, tx.now);
    await tx.campaigns.save(next);
    tx.note({ askedBy: campaign.askedBy, keys: campaign.lines.length });
    if (outcome === 'confirmed') await begin(tx, next);
    await tx.cards.touch(next.id);
    return next;
  });
}

/** Who asked for it takes it back before anybody has confirmed. */
export function withdrawCampaign(
  { store }: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  campaignId: Id<'campaign'>,
): Promise<Campaign> {
  const actor = { kind: 'person', id: asker.id } as const;
  return store.change({ actor, action: 'rotation.withdraw-campaign', subject: campaignId }, async (tx) => {
    const campaign = await tx.campaigns.get(campaignId);
    refuseIf(whyNotWithdraw(campaign, await tx.people.get(asker.id)));
    const next = decided(campaign, 'withdrawn', asker.id, tx.now);
    await tx.campaigns.save(next);
    await tx.cards.touch(next.id);
    return next;
  });
}

/**
 * Lets end what nobody confirmed in time or whose asker has gone, and takes up what runs, should its job be lost.
 * Job `rotation.sweep-campaigns`.
 */
export async function sweepCampaigns({ store }: Pick<Ports, 'store'>): Promise<void> {
  const { over, stalled } = await store.read(async (view) => {
    const open = await view.campaigns.unconfirmed();
    const askers = byId(await view.people.many(open.map((each) => each.askedBy)));
    const may = (campaign: Campaign) => {
      const asker = askers.get(campaign.askedBy);
      return asker !== undefined && whyNot(asker, 'rotation.campaign') === null;
    };
    return {
      over: open.filter((each) => each.expiresAt <= view.now || !may(each)),
      stalled: await view.campaigns.stalled(),
    };
  });
  const actor = { kind: 'job', id: 'rotation.sweep-campaigns' } as const;
  for (const seen of over) {
    await store.change({ actor, action: 'rotation.expire-campaign', subject: seen.id }, async (tx) => {
      const campaign = await tx.campaigns.get(seen.id);
      tx.note({ status: campaign.status });
      if (campaign.status !== seen.status) return;
      await tx.campaigns.save(decided(campaign, 'expired', null, tx.now));
      await tx.cards.touch(campaign.id);
    });
  }
  for (const { id } of stalled) {
    await store.change({ actor, action: 'rotation.sweep-campaigns', subject: id }, (tx) =>
      tx.jobs.add('rotation.run-campaign', { campaignId: id }, { once: id }),
    );
  }
}
