import type { ApiKey } from '../../inventory/model.ts';
import { type Id, Later, minute, Refusal } from '../../kernel.ts';
import type { Policy } from '../../policy.ts';
import type { Ports } from '../../ports.ts';
import { follow } from '../journal.ts';
import { isReal, whyNotRotate } from '../model.ts';
import { turnedBack } from '../moves-model.ts';
import { missingFor } from '../preflight.ts';
import { opened } from '../start.ts';
import { type CampaignFacts, campaignFacts } from './facts.ts';
import {
  type Campaign,
  canTurnBack,
  endedCampaign,
  isActive,
  isLookedAtAgain,
  isOver,
  type LineState,
  leftOut,
  nextToStart,
  toRotate,
  whyNotYet,
} from './model.ts';

type RunPorts = Pick<Ports, 'store' | 'issuers' | 'policy' | 'secrets'>;
const actor = { kind: 'job', id: 'rotation.run-campaign' } as const;

/**
 * Starts the rotations of a campaign as fast as they are begun, and ends it when none is left. What is done it reads from
 * the rotations, so a repeated, late or lost job does no harm. Job `rotation.run-campaign`.
 */
export async function runCampaign(ports: RunPorts, { campaignId }: { campaignId: Id<'campaign'> }): Promise<void> {
  const look = () => ports.store.read(async (view) => campaignFacts(view, ports, await view.campaigns.get(campaignId)));
  let facts = await look();
  const { campaign } = facts;
  if (!campaign.begunAt || !campaign.unsettled) return;
  if (campaign.stoppedAt) await turnBackUnbegun(ports, facts);
  const next = nextToStart(campaign, facts.lines, facts.before, ports.policy, facts.now);
  for (const key of next) if (!(await leftToPerson(ports, campaign, key))) await startOne(ports, campaign, key.id);
  facts = await look();
  if (isOver(facts.lines)) return end(ports, campaignId);
  // What failed is being tried again; its end brings the next look.
  if (campaign.status === 'ended') return;
  throw new Later('the campaign goes on', pauseMs(facts, ports.policy));
}

/** Soon while there is something to start, seldom while old values have their grace, windows open or people come. */
function pauseMs({ campaign, lines, before, now }: CampaignFacts, policy: Policy): number {
  if (nextToStart(campaign, lines, before, policy, now).length > 0) return 1_000;
  const soon = lines.some(
    ({ state, rotation }) => state === 'running' || (state === 'waiting' && rotation && rotation.continuesAt === null),
  );
  if (soon) return 2_000;
  return lines.some((line) => line.state === 'grace' || line.state === 'waiting') ? 10_000 : minute;
}

/** What lacked something at the preview is looked at again at its turn; true when it still does, and a person has to see to it. */
async function leftToPerson(ports: RunPorts, seen: Campaign, key: ApiKey): Promise<boolean> {
  const line = seen.lines.find((each) => each.keyId === key.id);
  if (!line || !isLookedAtAgain(line, seen)) return false;
  const missing = await missingFor(ports, key);
  if (missing.length === 0) return false;
  await ports.store.change({ actor, action: 'rotation.leave-out', subject: seen.id, keyId: key.id }, async (tx) => {
    await tx.campaigns.save(leftOut(await tx.campaigns.get(seen.id), key.id, missing));
    tx.note({ missing });
    await tx.cards.touch(seen.id);
  });
  return true;
}

async function startOne(ports: RunPorts, seen: Campaign, keyId: Id<'key'>): Promise<void> {
  try {
    await ports.store.change({ actor, action: 'rotation.start', subject: keyId, keyId }, async (tx) => {
      // The campaign before the key, as everywhere here: who stops it and who starts its rotations take turns.
      const campaign = await tx.campaigns.get(seen.id);
      const key = await tx.keys.get(keyId);
      tx.note({ cause: campaign.cause, causeId: campaign.id, emergency: campaign.emergency });
      if (campaign.stoppedAt) throw new Refusal('conflict', 'The campaign was stopped.');
      if ((await tx.rotations.ofCause(campaign.id)).some((each) => each.keyId === keyId)) {
        throw new Refusal('conflict', 'The campaign has a rotation of this key already.');
      }
      const running = await tx.rotations.runningOf(keyId);
      if (running && (isReal(running) || !campaign.emergency)) {
        throw new Refusal('conflict', 'A rotation of this key is already running, and the campaign follows that.');
      }
      // Its last value was made a moment ago: its turn comes when AWS allows another version.
      const [previous = null] = campaign.emergency ? [] : await tx.rotations.ofKey(keyId, 1);
      const forNow = whyNotYet(campaign, key, previous, ports.policy, tx.now);
      if (forNow && !whyNotRotate(key, null, true, ports.policy, tx.now)) throw new Later(forNow.sentence, minute);
      const { cause, emergency, reason } = campaign;
      await opened(tx, ports, key, running, { cause, causeId: campaign.id, askedBy: null, reason, emergency });
    });
  } catch (error) {
    // Refusals are on record and on the campaign's card; the other keys do not wait for this one.
    if (!(error instanceof Refusal) && !(error instanceof Later)) throw error;
  }
}

/** What was handed out and has not begun is taken back. */
export async function turnBackUnbegun(ports: Pick<Ports, 'store' | 'policy'>, facts: CampaignFacts): Promise<void> {
  for (const { state, rotation } of facts.lines) {
    if (isActive({ state }) && rotation?.causeId === facts.campaign.id && canTurnBack(rotation)) {
      await turnBack(ports, facts.campaign, rotation.id);
    }
  }
}

async function turnBack(
  ports: Pick<Ports, 'store' | 'policy'>,
  campaign: Campaign,
  rotationId: Id<'rotation'>,
): Promise<void> {
  const { keyId } = await ports.store.read((view) => view.rotations.get(rotationId));
  await ports.store.change({ actor, action: 'rotation.roll-back', subject: rotationId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    const rotation = await tx.rotations.get(rotationId);
    tx.note({ causeId: campaign.id, from: rotation.step });
    if (!canTurnBack(rotation)) return;
    const next = turnedBack(rotation, 'The campaign was stopped before it began.', tx.now, null);
    await tx.rotations.save(next);
    await follow(tx, ports, next, key);
  });
}

/** The end, with what became of each key, for whoever asks later. */
async function end(ports: RunPorts, campaignId: Id<'campaign'>): Promise<void> {
  await ports.store.change({ actor, action: 'rotation.end-campaign', subject: campaignId }, async (tx) => {
    const campaign = await tx.campaigns.get(campaignId);
    const { lines } = await campaignFacts(tx, ports, campaign);
    if (!isOver(lines)) throw new Later('something of it runs again', 1_000);
    await tx.campaigns.save(endedCampaign(campaign, lines, tx.now));
    const count = (state: LineState) => lines.filter((line) => line.state === state).length;
    tx.note({
      askedBy: campaign.askedBy,
      confirmedBy: campaign.decidedBy,
      stoppedBy: campaign.stoppedBy,
      begunAt: campaign.begunAt,
      planned: campaign.lines.length,
      toRotate: toRotate(campaign).length,
      done: count('done'),
      failed: count('failed'),
      keys: lines.map(({ key, state, rotation, why }) => ({ key: key.id, state, rotation: rotation?.id ?? null, why })),
    });
    await tx.cards.touch(campaignId);
  });
}
