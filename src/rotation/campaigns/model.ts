import type { ApiKey, Environment } from '../../inventory/model.ts';
import { after, hour, type Id, type Instant, notThere, Refusal } from '../../kernel.ts';
import { type Person, whyNot } from '../../people/model.ts';
import type { Policy } from '../../policy.ts';
import { madeByHand, waitsNow } from '../by-hand/model.ts';
import {
  type Rotation,
  type RotationCause,
  whyNotByItself,
  whyNotIssue,
  whyNotRotate,
  whyNotSoonAgain,
} from '../model.ts';
import { isOwn, type Maker, worksWith } from '../own-model.ts';
import { whyNotHeld } from '../timing/windows-model.ts';

/** Why all keys of a service are rotated at once (SOP 5.4). */
export const campaignCauses = ['provider', 'audit', 'unusual', 'asked'] as const satisfies RotationCause[];
export type CampaignCause = (typeof campaignCauses)[number];

/** A key of a campaign, as it was planned. */
export interface PlannedLine {
  keyId: Id<'key'>;
  /** Why no rotation can do it, so that a person has to see to it; null when one can. */
  why: string | null;
  /** A person makes the new value, on the card that asks for it. */
  byHand: boolean;
  /** What the store and the provider lacked at the preview, in words and with what to do; it may be there when its turn comes. */
  missing?: string[];
  /** Somebody outside did not answer at the preview. */
  unsure?: boolean;
}
/** What was seen outside of a key's rotation before it begins. */
export type Seen = Required<Pick<PlannedLine, 'missing' | 'unsure'>>;

/** All keys of a service, rotated together. What becomes of each is read from their rotations. */
export interface Campaign {
  id: Id<'campaign'>;
  service: string;
  environment: Environment | null;
  cause: CampaignCause;
  emergency: boolean;
  reason: string;
  askedBy: Id<'person'>;
  askedAt: Instant;
  lines: PlannedLine[];
  /** `drafted`: somebody looks at the preview. `asked`: waits for a second person. */
  status: 'drafted' | 'asked' | 'running' | 'ended' | 'refused' | 'withdrawn' | 'expired';
  /** When nobody can go on with it any more, as long as it has not begun. */
  expiresAt: Instant;
  /** Who confirmed, refused or withdrew it; null where nobody had to. */
  decidedBy: Id<'person'> | null;
  begunAt: Instant | null;
  stoppedBy: Id<'person'> | null;
  stoppedAt: Instant | null;
  endedAt: Instant | null;
  /** Something may still become of it: it runs, or has ended with rotations that failed. */
  unsettled: boolean;
}

export type LineState =
  | 'waiting'
  | 'running'
  | 'by-hand'
  | 'grace'
  | 'done'
  | 'failed'
  | 'rolled-back'
  | 'person'
  | 'left-out'
  | 'stopped';
export interface Line {
  key: ApiKey;
  state: LineState;
  /** Why it failed or was left out, or why a person has to do it. */
  why: string | null;
  rotation: Rotation | null;
}

/** The most keys of one campaign. */
export const maxKeys = 1_000;
/** So many rotations are handed out before they have begun, so that stopping a campaign stops something. */
export const maxUnbegun = 25;
const draftMs = hour;

type IssuerOf = (name: string) => (Maker & { can: { create: boolean; rotatesItself?: boolean } }) | null;

/** Why no rotation of this key can start in this campaign, or null. What only has to wait a little is waited for. */
function whyNotStart(key: ApiKey, emergency: boolean, issuerOf: IssuerOf, policy: Policy, now: Instant): string | null {
  const refusal =
    whyNotRotate(key, null, true, policy, now) ??
    whyNotIssue(key, issuerOf(key.issuer), policy) ??
    (emergency ? null : (whyNotByItself(key, policy) ?? whyNotHeld(key, policy, now)));
  return refusal?.sentence ?? null;
}

type CampaignAsk = Pick<Campaign, 'service' | 'environment' | 'cause' | 'emergency' | 'reason'>;

/** What would be done, before anybody has to answer for it. */
export function drafted(
  id: Id<'campaign'>,
  ask: CampaignAsk,
  asker: Pick<Person, 'id'>,
  keys: ApiKey[],
  seen: Map<string, Seen>,
  issuerOf: IssuerOf,
  policy: Policy,
  now: Instant,
): Campaign {
  const lines = keys.map((key) => {
    const issuer = issuerOf(key.issuer);
    const why = whyNotStart(key, ask.emergency, issuerOf, policy, now);
    const outside = why === null ? seen.get(key.id) : undefined;
    return { keyId: key.id, why, byHand: why === null && issuer !== null && madeByHand(issuer.can), ...outside };
  });
  return {
    id,
    ...ask,
    askedBy: asker.id,
    askedAt: now,
    lines,
    status: 'drafted',
    expiresAt: after(now, draftMs),
    decidedBy: null,
    begunAt: null,
    stoppedBy: null,
    stoppedAt: null,
    endedAt: null,
    unsettled: true,
  };
}

export const toRotate = (campaign: Pick<Campaign, 'lines'>) => campaign.lines.filter((line) => line.why === null);

/** Whether something is missing for it, so that it would not begin as things are; in an emergency it is tried all the same. */
export const isLacking = ({ missing = [] }: PlannedLine, { emergency }: Pick<Campaign, 'emergency'>): boolean =>
  !emergency && missing.length > 0;
/** What would begin as things are. */
export const wouldStart = (campaign: Pick<Campaign, 'lines' | 'emergency'>): PlannedLine[] =>
  toRotate(campaign).filter((line) => !isLacking(line, campaign));
/** Whether to look again before it begins. */
export const isLookedAtAgain = (line: PlannedLine, campaign: Pick<Campaign, 'emergency'>): boolean =>
  !campaign.emergency && (isLacking(line, campaign) || line.unsure === true);

/** At its turn something is still missing, so it is left to a person. */
export const leftOut = (campaign: Campaign, keyId: Id<'key'>, missing: string[]): Campaign => ({
  ...campaign,
  lines: campaign.lines.map((line) => (line.keyId === keyId ? { ...line, why: missing.join(' ') } : line)),
});

/** Keys that were left to a person because something was missing, and have had no rotation since. */
export const leftLacking = (
  campaign: Pick<Campaign, 'lines' | 'begunAt' | 'stoppedAt'>,
  lines: Line[],
): Id<'key'>[] => {
  if (!campaign.begunAt || campaign.stoppedAt) return [];
  const left = campaign.lines.filter(({ why, missing = [] }) => why !== null && missing.length > 0);
  return left.flatMap(({ keyId }) =>
    lines.some((line) => line.key.id === keyId && line.state === 'person') ? [keyId] : [],
  );
};

/** What was missing may be there now: these keys have their turn once more. */
export function reopened(campaign: Campaign, keyIds: Id<'key'>[]): Campaign {
  if (keyIds.length === 0) return campaign;
  const lines = campaign.lines.map((line) => (keyIds.includes(line.keyId) ? { ...line, why: null } : line));
  return { ...campaign, lines, status: 'running', endedAt: null, unsettled: true };
}

/** Whether a second person has to confirm. */
export const needsConfirmation = (campaign: Pick<Campaign, 'lines'>, policy: Policy) =>
  toRotate(campaign).length > policy.rotation.bulk.confirmAbove;

/** Why a campaign like this cannot be asked for, or null. */
export function whyNotAsk(campaign: Campaign, asker: Person, now: Instant): Refusal | null {
  if (asker.id !== campaign.askedBy) return notThere('campaign');
  if (campaign.status !== 'drafted')
    return new Refusal('conflict', 'This was asked for already; its card says how it stands.');
  if (campaign.expiresAt <= now) {
    return new Refusal('conflict', 'This preview is more than an hour old. Look again: `/keys rotate-all`.');
  }
  if (toRotate(campaign).length === 0) {
    return new Refusal('conflict', `No key of ${campaign.service} can be rotated here; a person has to see to each.`);
  }
  if (wouldStart(campaign).length === 0) {
    return new Refusal('conflict', 'Something is missing for each of these keys. See to that first, then look again.');
  }
  return whyNot(asker, 'rotation.campaign');
}

/** It waits for a second person, or begins. */
export function asked(campaign: Campaign, policy: Policy, now: Instant): Campaign {
  if (!needsConfirmation(campaign, policy)) return begunCampaign(campaign, now);
  return {
    ...campaign,
    status: 'asked',
    askedAt: now,
    expiresAt: after(now, policy.rotation.bulk.confirmHours * hour),
  };
}

function begunCampaign(campaign: Campaign, now: Instant): Campaign {
  return { ...campaign, status: 'running', begunAt: now };
}

const decidedWords: Partial<Record<Campaign['status'], string>> = {
  drafted: 'Nobody has asked for this campaign yet.',
  running: 'This campaign was confirmed already and is running.',
  ended: 'This campaign is over.',
  refused: 'This campaign was refused already.',
  withdrawn: 'This campaign was withdrawn.',
  expired: 'Nobody confirmed this campaign in time. Ask for a new one.',
};

/** Why this person cannot confirm or refuse it, or null. Nobody confirms what they asked for themselves. */
export function whyNotConfirm(
  campaign: Campaign,
  decider: Person,
  asker: Person,
  confirms: boolean,
  now: Instant,
): Refusal | null {
  const may = whyNot(decider, 'rotation.confirm-campaign');
  if (may) return may;
  if (campaign.status !== 'asked') return new Refusal('conflict', decidedWords[campaign.status]!);
  if (decider.id === campaign.askedBy) {
    const sentence = 'Another administrator has to confirm what you asked for. You can withdraw it.';
    return new Refusal('not_allowed', sentence, undefined, ['administrators']);
  }
  if (campaign.expiresAt <= now) return new Refusal('conflict', decidedWords.expired!);
  if (confirms && whyNot(asker, 'rotation.campaign')) {
    return new Refusal(
      'conflict',
      `${asker.name}, who asked for this, may no longer do so. Ask for it yourself, and another administrator confirms.`,
    );
  }
  return null;
}

export function whyNotWithdraw(campaign: Campaign, person: Person): Refusal | null {
  if (person.id !== campaign.askedBy) {
    const sentence = 'Only who asked for it can withdraw it; an administrator can refuse it.';
    return new Refusal('not_allowed', sentence, undefined, ['administrators']);
  }
  if (campaign.status !== 'asked') return new Refusal('conflict', decidedWords[campaign.status]!);
  return null;
}

export function decided(
  campaign: Campaign,
  outcome: 'confirmed' | 'refused' | 'withdrawn' | 'expired',
  by: Id<'person'> | null,
  now: Instant,
): Campaign {
  if (outcome === 'confirmed') return { ...begunCampaign(campaign, now), decidedBy: by };
  return { ...campaign, status: outcome, decidedBy: by, endedAt: now, unsettled: false };
}

/** Why what has not begun cannot be stopped, or null. */
export function whyNotStop(campaign: Campaign, person: Person): Refusal | null {
  const may = whyNot(person, 'rotation.campaign');
  if (may) return may;
  if (campaign.status !== 'running')
    return new Refusal('conflict', decidedWords[campaign.status] ?? 'It has not begun.');
  if (campaign.stoppedAt) return new Refusal('conflict', 'This campaign was stopped already.');
  return null;
}

export const stoppedCampaign = (campaign: Campaign, by: Id<'person'>, now: Instant): Campaign => ({
  ...campaign,
  stoppedBy: by,
  stoppedAt: now,
});

/** What became of one key. `rotation` is its newest that counts for this campaign. */
export function lineOf(
  campaign: Campaign,
  planned: PlannedLine,
  key: ApiKey,
  rotation: Rotation | null,
  issuerOf: IssuerOf,
  policy: Policy,
  now: Instant,
): Line {
  const { begunAt, stoppedAt } = campaign;
  if (rotation) {
    const state = stateOf(rotation);
    const stopped = state === 'rolled-back' && stoppedAt !== null && isUnbegun(rotation);
    return { key, state: stopped ? 'stopped' : state, why: stopped ? null : rotation.failure, rotation };
  }
  const line = { key, rotation, why: null };
  if (begunAt && key.lastRotatedAt && key.lastRotatedAt >= begunAt) return { ...line, state: 'done' };
  if (planned.why !== null) return { ...line, state: 'person', why: planned.why };
  const why = whyNotStart(key, true, issuerOf, policy, now);
  if (why) return { ...line, state: 'left-out', why };
  return { ...line, state: stoppedAt ? 'stopped' : 'waiting' };
}

/** Nothing of it has reached the store. */
const isUnbegun = ({ record }: Rotation) => record.every(({ step }) => step === 'generate' || step === 'discard');
/**
 * It can be taken back as if it had never been: it waits for its turn, or for the value that a person makes. Not where the old
 * value has died in an earlier one: then there is nothing to go back to.
 */
export const canTurnBack = (rotation: Rotation) =>
  rotation.status === 'running' &&
  !rotation.replacement &&
  (rotation.record.length === 0 || waitsNow(rotation)?.task === 'hand-in');

/** The new value is handed out, and the old one is still being waited with. */
const inGrace: ReadonlySet<string> = new Set(['grace', 'disable', 'watch']);

function stateOf(rotation: Rotation): LineState {
  if (rotation.status === 'done' || rotation.status === 'failed' || rotation.status === 'rolled-back')
    return rotation.status;
  if (waitsNow(rotation)) return 'by-hand';
  if (inGrace.has(rotation.step)) return 'grace';
  return rotation.step === 'generate' && rotation.record.length === 0 ? 'waiting' : 'running';
}

const active: LineState[] = ['waiting', 'running', 'by-hand', 'grace'];
export const isActive = (line: Pick<Line, 'state'>) => active.includes(line.state);
/** Somebody has to look. */
export const needsSomebody = (line: Line) =>
  ['by-hand', 'failed', 'rolled-back', 'person', 'left-out'].includes(line.state);

export const isOver = (lines: Line[]) => !lines.some(isActive);
export const isSettled = (lines: Line[]) => isOver(lines) && !lines.some((line) => line.state === 'failed');

export const endedCampaign = (campaign: Campaign, lines: Line[], now: Instant): Campaign => ({
  ...campaign,
  status: 'ended',
  endedAt: now,
  unsettled: !isSettled(lines),
});

/** Keys that have their turn last, because Keysteward itself works with them. */
export const goingLast = (lines: Line[], policy: Policy): ApiKey[] =>
  lines.flatMap(({ key }) => (isOwn(key, policy) ? [key] : []));

/**
 * Whether a line has to wait until this other one is over, because it is made with its value. In an emergency nobody waits
 * for what a person has to do.
 */
const isBefore = (other: Line, key: ApiKey, { emergency }: Campaign, policy: Policy) =>
  isActive(other) && !(emergency && other.state === 'by-hand') && worksWith(other.key, key, policy);

/** Why a key of a campaign cannot be rotated at this moment, or null. `previous` is its last rotation. */
export const whyNotYet = (
  { emergency }: Pick<Campaign, 'emergency'>,
  key: ApiKey,
  previous: Rotation | null,
  policy: Policy,
  now: Instant,
): Refusal | null =>
  whyNotRotate(key, null, emergency, policy, now) ?? (emergency ? null : whyNotSoonAgain(previous, policy, now));

/**
 * Of which keys a rotation can start now, `before` being what was rotated just before the campaign: of those without one, as many as may be handed out. What Keysteward itself works
 * with is last. Where such keys wait for one another only, one of them begins.
 */
export function nextToStart(
  campaign: Campaign,
  lines: Line[],
  before: ReadonlyMap<string, Rotation>,
  policy: Policy,
  now: Instant,
): ApiKey[] {
  if (campaign.status !== 'running' || campaign.stoppedAt) return [];
  const unbegun = lines.filter((line) => line.state === 'waiting' && line.rotation).length;
  // Who got a new value a moment ago waits until AWS allows another version, and holds nobody up.
  const open = lines.filter(
    ({ state, rotation, key }) =>
      state === 'waiting' && !rotation && !whyNotYet(campaign, key, before.get(key.id) ?? null, policy, now),
  );
  const free = open.filter(
    ({ key }) => !isOwn(key, policy) || !lines.some((other) => isBefore(other, key, campaign, policy)),
  );
  const isRing = free.length === 0 && lines.every((line) => !isActive(line) || open.includes(line));
  return (isRing ? open.slice(0, 1) : free).slice(0, Math.max(0, maxUnbegun - unbegun)).map((line) => line.key);
}

/** Seconds until all new values are handed out and, in an emergency, the old ones dead, as far as the pace allows. */
export function secondsNeeded(keys: Pick<ApiKey, 'issuer'>[], policy: Policy): number {
  const writesEach = 4;
  const callsEach = 9;
  const perProvider = Object.entries(policy.providers).map(([name, { callsPerMinute }]) => {
    const count = keys.filter((key) => key.issuer === name).length;
    return (count * callsEach * 60) / callsPerMinute;
  });
  return Math.ceil(Math.max((keys.length * writesEach) / policy.rotation.writesPerSecond, ...perProvider));
}
