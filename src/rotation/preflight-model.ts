import type { Consumer } from '../inventory/consumer-model.ts';
import { type ApiKey, atOnceInWords } from '../inventory/model.ts';
import { type Instant, Refusal } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { diesAtOnce, type Policy } from '../policy.ts';
import { endedByHand, madeByHand } from './by-hand/model.ts';
import { holderOf, type Stages } from './labels-model.ts';
import { minutesInWords, type Rotation, whyNotIssue, whyNotRotate, whyNotSoonAgain } from './model.ts';
import { isOwn, type Maker, ownInWords } from './own-model.ts';
import { holdInWords, holdsInWords, momentInWords, openingFor, whyNotHeld } from './timing/windows-model.ts';

/** One thing that is known before anything is touched: that it is in order, what it will mean, or that it is missing. */
export interface Check {
  level: 'ok' | 'warning' | 'blocking';
  sentence: string;
  /** What somebody can do about it; empty when there is nothing to do. */
  whatToDo: string;
  /** Blocks what is scheduled or asked for, but not an emergency. */
  emergencyPasses?: boolean;
}

/** What was seen outside; `unknown` where nobody answered, which holds nothing up: the steps themselves try again. */
export interface Outside {
  secret: { deletedAt: Instant | null; rotationEnabled: boolean; versions: Stages } | null | 'unknown';
  /** Of the issuer's own credential; null when it needs none. */
  credential: 'there' | 'missing' | 'unknown' | null;
  /** How many keys the provider has; null when no limit is known. */
  keys: number | 'unknown' | null;
}

export interface Inside {
  key: ApiKey;
  owner: Person | null;
  running: Rotation | null;
  /** The one before. */
  previous: Rotation | null;
  /** Rotations of other keys of this provider have made their new ones and are about to end the old ones. */
  roomComes: boolean;
  holders: number;
  consumers: Consumer[];
  /** Who is asked whether somebody has read the new value; null where nobody is. */
  readers: string | null;
  issuer: IssuerFacts | null;
}
interface IssuerFacts extends Maker {
  credential: string | null;
  can: Maker['can'] & {
    create: boolean;
    rotatesItself?: boolean;
    disable?: boolean;
    test: boolean;
    revoke: boolean;
    confirmDead: boolean;
    keyLimit: number | null;
  };
}

const ok = (sentence: string): Check => ({ level: 'ok', sentence, whatToDo: '' });
const warning = (sentence: string, whatToDo = ''): Check => ({ level: 'warning', sentence, whatToDo });
const blocking = (sentence: string, whatToDo: string): Check => ({ level: 'blocking', sentence, whatToDo });

/** Why this secret cannot take a new version from us, or from AWS where AWS is to make it, in words and with what to do, or null. */
export function whyNotStage(
  found: Exclude<Outside['secret'], 'unknown'>,
  byAws = false,
): [sentence: string, whatToDo: string] | null {
  if (!found) {
    return ['The secret does not exist in Secrets Manager.', 'Correct its name in the inventory, or create it.'];
  }
  if (found.deletedAt) {
    return ['The secret is scheduled for deletion in Secrets Manager.', 'Restore it, or retire the key.'];
  }
  if (byAws && !found.rotationEnabled) {
    return ['AWS does not rotate this secret.', 'Set up its rotation in Secrets Manager, and switch it on.'];
  }
  if (!byAws && found.rotationEnabled) {
    return ['AWS rotates this secret itself.', 'Two that rotate one secret break it: switch off one of them.'];
  }
  if (!holderOf(found.versions, 'AWSCURRENT')) {
    return ['The secret has no current value, so there is nothing to rotate.', 'Store its first value.'];
  }
  return null;
}

/** What is missing outside before this key can be rotated. */
export function missingOutside(
  { key, issuer, previous, roomComes }: Pick<Inside, 'key' | 'issuer' | 'previous' | 'roomComes'>,
  outside: Outside,
): Check[] {
  const found: Check[] = [];
  if (outside.secret === 'unknown') {
    found.push(
      warning('Secrets Manager did not say whether the secret is in order.', 'It is looked at again at the start.'),
    );
  } else {
    const byAws = issuer?.can.rotatesItself ?? false;
    const why = whyNotStage(outside.secret, byAws);
    if (why) found.push(blocking(...why));
    const pending = !why && outside.secret ? holderOf(outside.secret.versions, 'AWSPENDING') : null;
    const current = outside.secret ? holderOf(outside.secret.versions, 'AWSCURRENT') : null;
    if (pending && pending !== current) {
      found.push(
        byAws
          ? warning('AWS has not finished an earlier rotation of it.', 'The new one begins when that is over.')
          : warning('Somebody has left an unfinished new value behind.', 'It is replaced; nobody was handed it.'),
      );
    }
  }
  if (!issuer) return found;
  if (outside.credential === 'missing') {
    found.push(
      blocking(
        `The credential that Keysteward works with at ${issuer.name} is not in Secrets Manager.`,
        `Store it under ${issuer.credential}, or correct providers.${issuer.name}.credential in policy.yml.`,
      ),
    );
  }
  if (outside.credential === 'unknown' || outside.keys === 'unknown') {
    found.push(
      warning(`${issuer.name} could not be asked whether it takes another key.`, 'It is asked again at the start.'),
    );
  }
  const { keyLimit } = issuer.can;
  if (keyLimit !== null && typeof outside.keys === 'number' && outside.keys >= keyLimit) {
    const full = `${issuer.name} has ${outside.keys} keys here and allows ${keyLimit}.`;
    found.push(
      leftBehind(key, previous)
        ? warning(full, 'What the last rotation left behind there goes first.')
        : roomComes
          ? warning(full, 'Another rotation there is about to end one, and this one waits for it.')
          : blocking(full, 'Remove one there that nobody uses.'),
    );
  }
  return found;
}

/** Whether the last rotation has left a key at the provider that can go to make room. */
function leftBehind(key: ApiKey, previous: Rotation | null): boolean {
  const left = (previous?.issued ?? []).filter((each) => !each.ended && each.providerKeyId !== key.providerKeyId);
  // One that runs is overtaken.
  return (previous?.status === 'failed' || previous?.status === 'running') && left.length > 0;
}

/** Everything that is known before this key is rotated: what is missing, what will break, who is told, what updates itself. */
export function checksFor(inside: Inside, outside: Outside, policy: Policy, now: Instant): Check[] {
  const { key, running, issuer } = inside;
  const forGood = whyNotRotate(key, running, true, policy, now) ?? whyNotIssue(key, issuer, policy);
  if (forGood) {
    const kept = key.status === 'active' && key.storage !== 'secrets-manager';
    return [blocking(forGood.sentence, kept ? 'A person makes and stores the new one; Steps has how.' : '')];
  }
  const tooSoon = whyNotRotate(key, running, false, policy, now) ?? whyNotSoonAgain(inside.previous, policy, now);
  const forNow = [tooSoon, whyNotHeld(key, policy, now)];
  const outsideFound = missingOutside(inside, outside);
  return [
    ...forNow.flatMap((each) => (each ? [{ ...blocking(each.sentence, ''), emergencyPasses: true }] : [])),
    ...outsideFound,
    ...(outsideFound.some((each) => each.level === 'blocking') || outside.secret === 'unknown'
      ? []
      : [ok('Its secret is there and takes a new value.')]),
    ...whenItStarts(key, policy, now),
    ...goesLast(key, policy),
    ...whatChanges(inside, policy),
    ...whoUsesIt(inside, policy),
    whoIsTold(inside),
  ];
}

function whenItStarts(key: ApiKey, policy: Policy, now: Instant): Check[] {
  const { at, holds, despite } = openingFor(key, policy, now);
  if (despite.length > 0)
    return [warning(`It does not wait for ${holdInWords(despite[0]!)}: its provider ends it before.`)];
  if (holds.length === 0 || holds[0]!.kind !== 'window') return [];
  const then = at ? `, and starts ${momentInWords(at, policy)}` : ', and the policy leaves no time after it';
  return [warning(`It waits for ${holdsInWords(holds)}${then}.`, 'An emergency starts at once.')];
}

/** What Keysteward itself works with is rotated on terms of its own. */
function goesLast(key: ApiKey, policy: Policy): Check[] {
  const said = ownInWords(key, false, policy);
  return said ? [ok(said)] : [];
}

/** How the new value comes to be and what becomes of the old one. */
function whatChanges({ key, issuer }: Inside, policy: Policy): Check[] {
  const { graceMinutes } = policy.rotation;
  const { can, credential, name } = issuer!;
  if (can.rotatesItself) {
    return [ok('AWS makes the new value and tries it; what becomes of the old one is up to its rotation function.')];
  }
  const made = madeByHand(can)
    ? `A person makes the new key at ${key.service} and hands it in on a page; a message to the owner says how`
    : `${key.issuer === 'self-made' ? 'Keysteward' : name} makes the new value`;
  const atOnce = diesAtOnce(key, policy);
  const dies = atOnce
    ? 'ends by that'
    : graceMinutes > 0
      ? `works for ${minutesInWords(graceMinutes)} after the switch`
      : 'stops working at the switch';
  const screams = can.disable && policy.rotation.screamTestHours > 0;
  return [
    ok(`${made}; the old one ${dies}.`),
    ...(screams
      ? [
          ok(
            `Then the old one is disabled for ${minutesInWords(policy.rotation.screamTestHours * 60)}, and everybody can have it enabled again, before it is deleted. Not in an emergency.`,
          ),
        ]
      : []),
    ...(atOnce ? [warning(`${atOnceInWords(key)} There is no way back.`)] : []),
    ...(endedByHand(can)
      ? [warning(`A person has to delete the old one at ${key.service} too, and is asked to when it is time.`)]
      : []),
    ...(can.test || isOwn(key, policy)
      ? []
      : [
          warning(
            key.issuer === 'person'
              ? `Keysteward is not connected to ${key.service}, so nobody tries the new value before it is handed out.`
              : `${credential ? name : key.service} offers no way to try the new value before it is handed out.`,
          ),
        ]),
    ...(key.plannedAt && key.plannedAt > new Date(0)
      ? [warning(`It was planned for ${momentInWords(key.plannedAt, policy)}; this takes its place.`)]
      : []),
  ];
}

const named = (consumers: Consumer[]) =>
  consumers
    .slice(0, 5)
    .map((each) => each.name)
    .join(', ') + (consumers.length > 5 ? ` and ${consumers.length - 5} more` : '');

/** What updates itself, and what breaks unless somebody acts. */
function whoUsesIt({ consumers, readers, key }: Inside, policy: Policy): Check[] {
  const by = (kind: Consumer['kind']) => consumers.filter((each) => each.kind === kind);
  const [hooked, byHand] = [by('webhook'), by('person')];
  const lookedFor = readers ? by('reads-store').filter((each) => each.readsAs) : [];
  const itself = by('reads-store').filter((each) => !lookedFor.includes(each));
  return [
    ...(lookedFor.length > 0
      ? [ok(`Updates itself, and its read is looked for in ${readers}: ${named(lookedFor)}.`)]
      : []),
    ...(itself.length > 0 ? [ok(`Updates itself, from Secrets Manager: ${named(itself)}.`)] : []),
    ...(hooked.length > 0 ? [ok(`Is told by a webhook: ${named(hooked)}.`)] : []),
    ...(byHand.length > 0
      ? [
          warning(
            diesAtOnce(key, policy)
              ? `Breaks at once, until a person moves it: ${named(byHand)}.`
              : `Breaks when the old value ends, unless a person moves it: ${named(byHand)}.`,
          ),
        ]
      : []),
    ...(consumers.length === 0
      ? [
          warning(
            'Nobody has recorded what uses it. What reads Secrets Manager gets the new value by itself; whatever keeps a copy breaks when the old one ends.',
            'Record it under Consumers… on the card of the key.',
          ),
        ]
      : []),
  ];
}

function whoIsTold({ owner, holders }: Inside): Check {
  const access =
    holders === 0
      ? 'Nobody has access to it now.'
      : `${holders === 1 ? '1 person has' : `${holders} people have`} access to it and can fetch the new value.`;
  if (owner?.status === 'active') return ok(`Whoever asks and its owner, ${owner.name}, see each step. ${access}`);
  return warning(
    `Its owner is no longer active; the security channel sees each step instead. ${access}`,
    'Hand it over.',
  );
}

/** What is missing, a sentence each, with what to do. */
export const sentencesOf = (checks: Check[]): string[] =>
  checks.filter((each) => each.level === 'blocking').map(({ sentence, whatToDo }) => `${sentence} ${whatToDo}`.trim());

/** Why it cannot be started, with all that is missing in one sentence each, or null. */
export function whyNotGo(checks: Check[], emergency: boolean): Refusal | null {
  const missing = sentencesOf(checks.filter((each) => !(emergency && each.emergencyPasses)));
  return missing.length > 0 ? new Refusal('conflict', missing.join(' ')) : null;
}
