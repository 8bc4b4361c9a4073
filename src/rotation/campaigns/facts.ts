import { after, byId, type Instant, minute } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports, View } from '../../ports.ts';
import type { Rotation } from '../model.ts';
import { type Campaign, type Line, lineOf } from './model.ts';

export interface CampaignFacts {
  campaign: Campaign;
  lines: Line[];
  /** The last rotation of each key that may have stored a value just before the campaign began, by the key's id. */
  before: Map<string, Rotation>;
  /** Owners, and who asked, decided and stopped, by their id. */
  people: Map<string, Person>;
  now: Instant;
}

/** How a campaign stands, read from the keys and their rotations. */
export async function campaignFacts(
  view: View,
  { issuers, policy }: Pick<Ports, 'issuers' | 'policy'>,
  campaign: Campaign,
): Promise<CampaignFacts> {
  const keys = byId(await view.keys.many(campaign.lines.map((line) => line.keyId)));
  const rotations = campaign.begunAt ? await view.campaigns.rotationsOf(campaign) : [];
  const newest = new Map(rotations.map((rotation) => [rotation.keyId, rotation]));
  const lines = campaign.lines.flatMap((planned) => {
    const key = keys.get(planned.keyId);
    if (!key) return [];
    return [lineOf(campaign, planned, key, newest.get(key.id) ?? null, (name) => issuers.of(name), policy, view.now)];
  });
  const { begunAt, emergency, status } = campaign;
  const since = after(view.now, -policy.rotation.minMinutesBetween * minute);
  const isJustBegun = status === 'running' && !emergency && begunAt !== null && begunAt > since;
  const unbegun = new Set(isJustBegun ? lines.flatMap(({ key, rotation }) => (rotation ? [] : [key.id])) : []);
  const open = campaign.lines.filter((line) => unbegun.has(line.keyId));
  const before = open.length > 0 ? await view.campaigns.rotationsOf({ ...campaign, lines: open, begunAt: since }) : [];
  const { askedBy, decidedBy, stoppedBy } = campaign;
  const ids = [...lines.map((line) => line.key.ownerId), askedBy, decidedBy ?? askedBy, stoppedBy ?? askedBy];
  const people = await view.people.many([...new Set(ids)]);
  return {
    campaign,
    lines,
    before: new Map(before.map((each) => [each.keyId, each])),
    people: byId(people),
    now: view.now,
  };
}
