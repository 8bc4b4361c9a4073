import { type Id, Refusal, refuseIf } from '../../kernel.ts';
import { type Person, whyNot } from '../../people/model.ts';
import type { Ports, Tx } from '../../ports.ts';
import { lookAtAll } from './look.ts';
import { asked, type Campaign, drafted, maxKeys, type Seen, toRotate, whyNotAsk } from './model.ts';

type PlanPorts = Pick<Ports, 'store' | 'issuers' | 'policy' | 'secrets'>;
export type CampaignAsk = Pick<Campaign, 'service' | 'environment' | 'cause' | 'emergency' | 'reason'>;

/**
 * What rotating all keys of a service would mean, and what the store and their providers say to that. Nothing is touched;
 * what is shown is what can then be asked for.
 */
export async function planCampaign(ports: PlanPorts, asker: Pick<Person, 'id'>, ask: CampaignAsk): Promise<Campaign> {
  const { store, policy, issuers } = ports;
  const seen = await seenOutside(ports, asker, ask);
  const actor = { kind: 'person', id: asker.id } as const;
  return store.change({ actor, action: 'rotation.plan-campaign', subject: ask.service }, async (tx) => {
    refuseIf(whyNot(await tx.people.get(asker.id), 'rotation.campaign'));
    const { rows: keys, next } = await tx.keys.list(filterOf(ask), maxKeys);
    if (keys.length === 0) {
      const where = ask.environment ? ` in ${ask.environment}` : '';
      throw new Refusal('not_found', `The inventory has no key of ${ask.service}${where}.`, 'bulkService');
    }
    if (next) {
      throw new Refusal(
        'conflict',
        `More than ${maxKeys} keys at once are too many. Choose an environment.`,
        'environment',
      );
    }
    // As the inventory writes it, however it was typed.
    const exact = { ...ask, service: keys[0]!.service };
    const campaign = drafted(
      tx.newId('campaign'),
      exact,
      asker,
      keys,
      seen,
      (name) => issuers.of(name),
      policy,
      tx.now,
    );
    await tx.campaigns.save(campaign);
    tx.note({
      campaignId: campaign.id,
      environment: ask.environment,
      cause: ask.cause,
      emergency: ask.emergency,
      reason: ask.reason,
      keys: campaign.lines.length,
      toRotate: toRotate(campaign).length,
      lacking: toRotate(campaign).flatMap(({ keyId, missing = [] }) =>
        missing.length > 0 ? [{ keyId, missing }] : [],
      ),
    });
    return campaign;
  });
}

const filterOf = ({ service, environment }: CampaignAsk) => ({ service, ...(environment ? { environment } : {}) });

/** For who may not nobody looks, and for too many neither: the change below says so. */
async function seenOutside(ports: PlanPorts, asker: Pick<Person, 'id'>, ask: CampaignAsk): Promise<Map<string, Seen>> {
  const keys = await ports.store.read(async (view) => {
    const person = await view.people.find(asker.id);
    if (!person || whyNot(person, 'rotation.campaign')) return [];
    const { rows, next } = await view.keys.list(filterOf(ask), maxKeys);
    return next ? [] : rows;
  });
  return lookAtAll(ports, keys);
}

/** The asker has seen what would happen and wants it. Above the policy's number a second person has to confirm. */
export function askForCampaign(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  asker: Pick<Person, 'id'>,
  campaignId: Id<'campaign'>,
): Promise<Campaign> {
  const actor = { kind: 'person', id: asker.id } as const;
  return store.change({ actor, action: 'rotation.ask-campaign', subject: campaignId }, async (tx) => {
    const campaign = await tx.campaigns.get(campaignId);
    refuseIf(whyNotAsk(campaign, await tx.people.get(asker.id), tx.now));
    const next = asked(campaign, policy, tx.now);
    await tx.campaigns.save(next);
    tx.note({ status: next.status, keys: toRotate(next).length, reason: next.reason, cause: next.cause });
    await tx.cards.show('campaign', next.id, { channel: policy.channels.security });
    await tx.cards.show('campaign', next.id, { person: asker.id });
    if (next.status === 'running') await begin(tx, next);
    else if (next.emergency) {
      // A channel can be overlooked, and this cannot wait.
      for (const { id } of await tx.people.withTier('administrator')) {
        if (id !== asker.id) await tx.cards.show('campaign', next.id, { person: id });
      }
    }
    return next;
  });
}

/** What follows from its beginning: its owners hear of it, and the first rotations start. */
export async function begin(tx: Tx, campaign: Campaign): Promise<void> {
  const keys = await tx.keys.many(campaign.lines.map((line) => line.keyId));
  for (const owner of await tx.people.many([...new Set(keys.map((key) => key.ownerId))])) {
    if (owner.status === 'active') await tx.cards.show('campaign:owner', campaign.id, { person: owner.id });
  }
  await tx.jobs.add(
    'rotation.run-campaign',
    { campaignId: campaign.id },
    { once: campaign.id, ...(campaign.emergency ? { lane: 'urgent' as const } : {}) },
  );
}
