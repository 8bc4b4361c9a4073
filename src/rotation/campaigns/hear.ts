import type { TouchOptions, Tx } from '../../ports.ts';
import type { Rotation } from '../model.ts';

/** A campaign's card is brought up to date at most this often, however many of its rotations end. */
const showWithinMs = 2_000;
const telling: ReadonlySet<string> = new Set(['generate', 'test', 'grace', 'watch', 'retire']);

/** A campaign follows every rotation of its keys, whoever started it: an emergency that has taken over too. */
export async function campaignsHear(tx: Tx, rotation: Rotation, soon: TouchOptions): Promise<void> {
  const isOver = rotation.status !== 'running';
  if (!isOver && !telling.has(rotation.step)) return;
  for (const campaign of await tx.campaigns.unsettledOfKey(rotation.keyId)) {
    // Who waits, ends or is in a hurry is no mere progress.
    const urgent = soon.withinMs === undefined || soon.urgent === true;
    await tx.cards.touch(campaign.id, { withinMs: showWithinMs, urgent });
    if (isOver && campaign.status === 'ended') {
      await tx.jobs.add('rotation.run-campaign', { campaignId: campaign.id }, { once: campaign.id });
    }
  }
}
