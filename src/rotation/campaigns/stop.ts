import { type Id, Refusal, refuseIf } from '../../kernel.ts';
import { type Person, whyNot } from '../../people/model.ts';
import type { Ports } from '../../ports.ts';
import { retryRotation } from '../retry.ts';
import { campaignFacts } from './facts.ts';
import { leftLacking, reopened, stoppedCampaign, whyNotStop } from './model.ts';
import { turnBackUnbegun } from './run.ts';

/** Nothing more begins; what has begun is finished, because a rotation that stands in the middle helps nobody. */
export async function stopCampaign(
  ports: Pick<Ports, 'store' | 'issuers' | 'policy'>,
  asker: Pick<Person, 'id'>,
  campaignId: Id<'campaign'>,
): Promise<void> {
  const { store } = ports;
  const actor = { kind: 'person', id: asker.id } as const;
  await store.change({ actor, action: 'rotation.stop-campaign', subject: campaignId }, async (tx) => {
    const campaign = await tx.campaigns.get(campaignId);
    refuseIf(whyNotStop(campaign, await tx.people.get(asker.id)));
    await tx.campaigns.save(stoppedCampaign(campaign, asker.id, tx.now));
    await tx.jobs.add('rotation.run-campaign', { campaignId }, { once: campaignId });
    await tx.cards.touch(campaignId);
  });
  // At once; what a crash leaves, the job takes back.
  await turnBackUnbegun(
    ports,
    await store.read(async (view) => campaignFacts(view, ports, await view.campaigns.get(campaignId))),
  );
}

/**
 * Every rotation of the campaign that failed goes on from where it did, and what was left to a person because something
 * was missing has its turn once more. Answers how many.
 */
export async function retryCampaign(
  ports: Pick<Ports, 'store' | 'issuers' | 'policy'>,
  asker: Pick<Person, 'id'>,
  campaignId: Id<'campaign'>,
): Promise<number> {
  const actor = { kind: 'person', id: asker.id } as const;
  const change = { actor, action: 'rotation.retry-campaign', subject: campaignId };
  const failed = await ports.store.change(change, async (tx) => {
    const campaign = await tx.campaigns.get(campaignId);
    refuseIf(whyNot(await tx.people.get(asker.id), 'rotation.campaign'));
    const { lines } = await campaignFacts(tx, ports, campaign);
    const found = lines.flatMap((line) => (line.state === 'failed' && line.rotation ? [line.rotation.id] : []));
    const left = leftLacking(campaign, lines);
    if (found.length + left.length === 0) {
      throw new Refusal('conflict', 'Nothing of this campaign has failed, or not any more.');
    }
    tx.note({ rotations: found, keys: left });
    if (left.length > 0) {
      await tx.campaigns.save(reopened(campaign, left));
      await tx.jobs.add('rotation.run-campaign', { campaignId }, { once: campaignId });
    }
    await tx.cards.touch(campaignId);
    return { found, left };
  });
  let retried = failed.left.length;
  for (const id of failed.found) {
    try {
      await retryRotation(ports, asker, id);
      retried++;
    } catch (error) {
      // Somebody was faster with this one; it is on record.
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return retried;
}
