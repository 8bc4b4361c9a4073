import { type ApiKey, rotatesHere } from '../../inventory/model.ts';
import { after, day, hour, type Id, type Instant, minute, Refusal } from '../../kernel.ts';
import { inWorkingHours } from '../../people/hours-model.ts';
import type { Person } from '../../people/model.ts';
import { diesAtOnce, type Policy } from '../../policy.ts';
import { type Rotation, type Step, type Task, type Waits, whyNotIssue } from '../model.ts';
import type { Maker } from '../own-model.ts';

/** Whether a person makes the new values of a key, because no API does. */
export const madeByHand = ({ create, rotatesItself = false }: { create: boolean; rotatesItself?: boolean }) =>
  !create && !rotatesItself;
/** Whether a person has to end the old ones too. What we make ourselves ends in the store. */
export const endedByHand = ({ revoke, ...can }: { create: boolean; rotatesItself?: boolean; revoke: boolean }) =>
  madeByHand(can) && !revoke;
/** Whether the key is taken by a service outside, which alone can say whether the old value is dead. */
export const hasService = ({ revoke, ...can }: { create: boolean; rotatesItself?: boolean; revoke: boolean }) =>
  revoke || endedByHand({ revoke, ...can });

/** What a key that is due waits for: nothing, a person who starts its rotation, or one who makes its next value. */
export type Waiting = 'nothing' | 'a start' | 'a value';

export function waitingOf(
  key: ApiKey,
  issuer: (Maker & { can: { create: boolean; rotatesItself?: boolean } }) | null,
  policy: Policy,
): Waiting {
  if (!rotatesHere(key) || !issuer || whyNotIssue(key, issuer, policy) || madeByHand(issuer.can)) return 'a value';
  return diesAtOnce(key, policy) ? 'a start' : 'nothing';
}

const stepOf: Record<Task, Step> = { 'hand-in': 'generate', delete: 'retire' };

/** What waits for a person right now, or null. */
export function waitsNow(rotation: Rotation): Waits | null {
  const { waits } = rotation;
  if (!waits || waits.done || rotation.status !== 'running') return null;
  return rotation.step === stepOf[waits.task] && rotation.attempt === waits.attempt ? waits : null;
}

/** Who has done what this step waited for, or null. */
export function doneByHand({ waits, attempt }: Pick<Rotation, 'waits' | 'attempt'>, task: Task): Waits['done'] {
  return waits?.task === task && waits.attempt === attempt ? waits.done : null;
}

interface Clock {
  /** Of whoever is reminded. */
  zone: string;
  policy: Policy;
  now: Instant;
}

/** From now on a person has to do this step. */
export function askedOfPerson(rotation: Rotation, task: Task, key: Pick<ApiKey, 'expiresAt'>, clock: Clock): Rotation {
  const { dueDays, urgentDueMinutes } = clock.policy.rotation.byHand;
  const due = after(clock.now, rotation.emergency ? urgentDueMinutes * minute : dueDays * day);
  const ends = task === 'hand-in' && key.expiresAt && key.expiresAt > clock.now ? key.expiresAt : null;
  const waits: Waits = {
    task,
    attempt: rotation.attempt,
    since: clock.now.toISOString(),
    dueAt: (ends && ends < due ? ends : due).toISOString(),
    nudges: 0,
    escalatedAt: null,
    done: null,
  };
  return lookingAgain({ ...rotation, waits }, nextNudge(rotation, waits, clock), clock.now);
}

/** Somebody looked, and nothing was done yet. What is due of reminders has been sent when this is saved. */
export function waitedOn(rotation: Rotation, waits: Waits, clock: Clock): { next: Rotation; nudge: boolean } {
  const nudge = nextNudge(rotation, waits, clock) <= clock.now;
  const escalate = nudge && !waits.escalatedAt && clock.now >= escalatesAt(rotation, waits, clock.policy);
  const later: Waits = {
    ...waits,
    nudges: nudge ? waits.nudges + 1 : waits.nudges,
    escalatedAt: escalate ? clock.now.toISOString() : waits.escalatedAt,
  };
  return { nudge, next: lookingAgain({ ...rotation, waits: later }, nextNudge(rotation, later, clock), clock.now) };
}

/** When administrators are asked too. */
export function escalatesAt({ emergency }: Pick<Rotation, 'emergency'>, waits: Waits, policy: Policy): Instant {
  const { escalateHours, urgentEscalateMinutes } = policy.rotation.byHand;
  return after(new Date(waits.since), emergency ? urgentEscalateMinutes * minute : escalateHours * hour);
}

function nextNudge({ emergency }: Pick<Rotation, 'emergency'>, waits: Waits, { zone, policy }: Clock): Instant {
  const { nudgeHours, urgentNudgeMinutes } = policy.rotation.byHand;
  const waitsMs = emergency ? urgentNudgeMinutes.map((each) => each * minute) : nudgeHours.map((each) => each * hour);
  const since = new Date(waits.since);
  const daily = (waitsMs.at(-1) ?? 0) + (waits.nudges - waitsMs.length + 1) * (emergency ? hour : day);
  const regular = after(since, waitsMs[waits.nudges] ?? daily);
  const escalation = escalatesAt({ emergency }, waits, policy);
  const next = !waits.escalatedAt && escalation < regular ? escalation : regular;
  return emergency ? next : inWorkingHours(next, zone, policy);
}

/** A job looks again then, whatever it was to look at before. */
export function lookingAgain(rotation: Rotation, at: Instant, now: Instant): Rotation {
  return { ...rotation, fence: rotation.fence + 1, continuesAt: at, touchedAt: now };
}

/** A person has done it; the rotation goes on by itself. */
export function settledByHand(rotation: Rotation, by: Id<'person'>, now: Instant): Rotation {
  const waits = rotation.waits && { ...rotation.waits, done: { by, at: now.toISOString() } };
  return { ...rotation, waits, fence: rotation.fence + 1, continuesAt: null, touchedAt: now };
}

/** Why this rotation has nothing for a person to do, or null. */
export function whyNotByHand(rotation: Rotation, task: Task | null): Refusal | null {
  if (rotation.status === 'superseded') {
    return new Refusal(
      'conflict',
      'An emergency has taken over this rotation. Its own card asks for what is needed now.',
    );
  }
  const waits = waitsNow(rotation);
  if (waits && (task === null || waits.task === task)) return null;
  return new Refusal(
    'conflict',
    'This does not wait for anybody any more; the card of the rotation says how it stands.',
  );
}

/** Why this person cannot take it on, or null. Whoever has it keeps it until they hand it back, or an administrator takes it over. */
export function whyNotTake(rotation: Rotation, person: Pick<Person, 'id' | 'tier'>): Refusal | null {
  const refusal = whyNotByHand(rotation, null);
  if (refusal) return refusal;
  if (!rotation.taken) return null;
  if (rotation.taken.by === person.id) return new Refusal('conflict', 'You have taken this already.');
  if (person.tier === 'administrator') return null;
  return takenBy(rotation.taken);
}

export function whyNotHandBack(rotation: Rotation, person: Pick<Person, 'id'>): Refusal | null {
  const refusal = whyNotByHand(rotation, null);
  if (refusal) return refusal;
  if (rotation.taken?.by === person.id) return null;
  return new Refusal('conflict', 'You have not taken this, so there is nothing to hand back.');
}

/** Why this person cannot do it now, or null. Doing what nobody has taken is taking it. */
export function whyNotDo(rotation: Rotation, task: Task, person: Pick<Person, 'id'>): Refusal | null {
  const refusal = whyNotByHand(rotation, task);
  if (refusal) return refusal;
  if (!rotation.taken || rotation.taken.by === person.id) return null;
  return takenBy(rotation.taken);
}

const takenBy = ({ by }: NonNullable<Rotation['taken']>): Refusal =>
  new Refusal('conflict', 'Somebody else has taken this. An administrator can take it over, on the card.', undefined, [
    { id: by, as: 'who has taken it' },
    'administrators',
  ]);

export function takenOn(rotation: Rotation, person: Pick<Person, 'id'>, now: Instant): Rotation {
  if (rotation.taken?.by === person.id) return rotation;
  return { ...rotation, taken: { by: person.id, at: now.toISOString() }, touchedAt: now };
}

export const handedBack = (rotation: Rotation, now: Instant): Rotation => ({
  ...rotation,
  taken: null,
  touchedAt: now,
});

// ————— Where people make and end keys —————

interface Place {
  /** Words of which one is in the service's name. */
  names: RegExp;
  url: string;
  where: string;
}
const places: Place[] = [
  { names: /anthropic|claude/i, url: 'https://platform.claude.com/settings/keys', where: 'Claude Console, API keys' },
  // Before OpenAI, whose name is in its own.
  { names: /azure/i, url: 'https://portal.azure.com/', where: 'Azure portal' },
  { names: /openai/i, url: 'https://platform.openai.com/api-keys', where: 'OpenAI, API keys' },
  { names: /stripe/i, url: 'https://dashboard.stripe.com/apikeys', where: 'Stripe Dashboard, API keys' },
  { names: /github/i, url: 'https://github.com/settings/tokens', where: 'GitHub, access tokens' },
  {
    names: /gitlab/i,
    url: 'https://gitlab.com/-/user_settings/personal_access_tokens',
    where: 'GitLab, access tokens',
  },
  { names: /datadog/i, url: 'https://app.datadoghq.com/organization-settings/api-keys', where: 'Datadog, API keys' },
  { names: /sendgrid/i, url: 'https://app.sendgrid.com/settings/api_keys', where: 'SendGrid, API keys' },
  { names: /mistral/i, url: 'https://console.mistral.ai/api-keys', where: 'Mistral Console, API keys' },
  { names: /gemini|google ai/i, url: 'https://aistudio.google.com/apikey', where: 'Google AI Studio, API keys' },
  { names: /cloudflare/i, url: 'https://dash.cloudflare.com/profile/api-tokens', where: 'Cloudflare, API tokens' },
  {
    names: /twilio/i,
    url: 'https://console.twilio.com/us1/account/keys-credentials/api-keys',
    where: 'Twilio Console',
  },
  { names: /\bokta\b/i, url: 'https://login.okta.com/', where: 'Okta Admin Console, Applications' },
  { names: /\b(aws|iam)\b/i, url: 'https://console.aws.amazon.com/iam/home#/users', where: 'AWS console, IAM users' },
  { names: /\bnpm\b/i, url: 'https://www.npmjs.com/settings/~/tokens', where: 'npm, access tokens' },
];

/** Where keys of this service are made and ended: as the policy says, else as far as we know. */
export function placeOf(
  { service, issuer }: Pick<ApiKey, 'service' | 'issuer'>,
  { providers }: Pick<Policy, 'providers'>,
): Pick<Place, 'url' | 'where'> | null {
  const known = places.find(({ names }) => names.test(service)) ?? null;
  const settings = providers[issuer];
  const url = settings && 'console' in settings ? settings.console : undefined;
  return url ? { url, where: known?.where ?? `${issuer}, keys` } : known;
}
