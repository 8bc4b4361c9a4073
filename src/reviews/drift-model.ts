import type { Consumer } from '../inventory/consumer-model.ts';
import type { ApiKey } from '../inventory/model.ts';
import type { Version } from '../inventory/version-model.ts';
import { hour, type Instant } from '../kernel.ts';
import type { Policy } from '../policy.ts';
import { dying } from '../rotation/issued-model.ts';
import { holderOf, type Stages } from '../rotation/labels-model.ts';
import type { Rotation } from '../rotation/model.ts';
import { kindsOf, type Verdict, type Verdicts } from './model.ts';
import { knownReaders, strangersIn } from './readers-model.ts';

/** What was seen outside; `unknown` where nobody answered, which proves nothing. */
export interface SeenOutside {
  secret: { deletedAt: Instant | null; rotationEnabled: boolean; versions: Stages } | null | 'unknown';
  current: SeenValue | 'unknown';
  /** The secret's resource policy; its text is null where it has none. */
  policy: { text: string | null } | 'unknown';
}
export interface SeenValue {
  version: string;
  lastFour: string | null;
  /** Null where it cannot be told. */
  fingerprint: string | null;
  /** What the provider calls it, when it was asked; null where it does not say. */
  named: { providerKeyId: string | null } | 'unknown';
  /** What the provider says of it; `unclear` also where it cannot be asked. */
  verdict: 'works' | 'refused' | 'unclear';
  evidence: string;
}

/** What is known of values like the one that was seen, by their fingerprints. */
export interface Alike {
  /** Versions of this key. */
  own: Version[];
  /** Other active keys that hand out this very value. */
  keys: ApiKey[];
}

const wrong = (sentence: string, facts: Exclude<Verdict, string>['facts'] = {}): Verdict => ({ sentence, facts });
const short = (version: string) => version.slice(0, 8);

/** Every kind of drift with the same verdict. */
export const allDrift = (verdict: Verdict): Verdicts =>
  Object.fromEntries(kindsOf('drift').map((kind) => [kind, verdict]));

/**
 * How the store and the provider differ from what the inventory says of a key that is not being rotated. `past` are its
 * rotations, newest first. Where AWS rotates a secret itself, its versions and labels are AWS's business.
 */
export function driftOf(
  key: ApiKey,
  past: Rotation[],
  rotatesItself: boolean,
  seen: SeenOutside,
  alike: Alike,
  consumers: Consumer[],
  policy: Policy,
  now: Instant,
): Verdicts {
  const { secret } = seen;
  if (secret === 'unknown') return allDrift('unknown');
  const there = { 'secret-missing': 'in order', 'secret-deleted': 'in order' } as const;
  if (!secret) {
    return {
      ...allDrift('unknown'),
      ...there,
      'secret-missing': wrong(`Its secret ${key.secretId} does not exist in Secrets Manager.`),
    };
  }
  if (secret.deletedAt) {
    return {
      ...allDrift('unknown'),
      ...there,
      'secret-deleted': wrong(
        `Its secret ${key.secretId} is scheduled for deletion in Secrets Manager, and nobody can read it.`,
      ),
    };
  }
  const labels = rotatesItself
    ? { 'stray-pending': 'in order' as const, 'retired-readable': 'in order' as const }
    : labelsOutOfPlace(secret.versions, past, policy, now);
  return {
    ...there,
    'foreign-rotation':
      secret.rotationEnabled && !rotatesItself
        ? wrong('Somebody has switched on a rotation by AWS for its secret, beside ours.')
        : 'in order',
    ...labels,
    ...currentOf(key, past, rotatesItself, seen, alike, holderOf(secret.versions, 'AWSCURRENT')),
    ...sharedBy(seen, alike),
    ...letIn(seen, consumers, policy),
  };
}

/** Versions that a finished rotation has retired: no label may lead to one of them any more. */
const retiredIn = (past: Rotation[]): Set<string> =>
  new Set(past.filter((each) => each.status === 'done' && each.condition === 'new').flatMap(dying));

function labelsOutOfPlace(versions: Stages, past: Rotation[], policy: Policy, now: Instant): Verdicts {
  const pending = holderOf(versions, 'AWSPENDING');
  const [latest] = past;
  // The card of a rotation that has just failed sees to its own.
  const failedLately =
    latest?.status === 'failed' &&
    latest.endedAt !== null &&
    now.getTime() - latest.endedAt.getTime() < policy.rotation.failedPauseHours * hour;
  const isStray = pending !== null && !(failedLately && latest.tried.includes(pending));
  const retired = retiredIn(past);
  const leading = versions
    .filter(({ id }) => retired.has(id))
    .flatMap(({ id, stages }) =>
      stages
        .filter((stage) => stage !== 'AWSCURRENT' && stage !== 'AWSPENDING')
        .map((stage) => ({ stage, version: id })),
    );
  return {
    'stray-pending': isStray
      ? wrong(`AWSPENDING leads to version ${short(pending)}, and no rotation is running.`, {
          labels: [{ stage: 'AWSPENDING', version: pending }],
        })
      : 'in order',
    'retired-readable':
      leading.length > 0
        ? wrong(
            `${leading.map(({ stage, version }) => `${stage} leads to version ${short(version)}`).join(', ')}, which a rotation has retired.`,
            { labels: leading },
          )
        : 'in order',
  };
}

function currentOf(
  key: ApiKey,
  past: Rotation[],
  rotatesItself: boolean,
  { current }: SeenOutside,
  alike: Alike,
  holder: string | null,
): Verdicts {
  const kinds = [
    'other-current',
    'retired-current',
    'value-refused',
    'last-four-differ',
    'provider-id-differs',
  ] as const;
  const all = (verdict: Verdict): Verdicts => Object.fromEntries(kinds.map((kind) => [kind, verdict]));
  if (!holder) return { ...all('unknown'), 'no-current': wrong('No version of its secret is AWSCURRENT.') };
  const retiredVersions = retiredIn(past);
  const isSeen = current !== 'unknown' && current.version === holder;
  // A value that was retired is no other one because somebody has stored it anew.
  const revived = isSeen
    ? alike.own.find((each) => each.version !== holder && retiredVersions.has(each.version))
    : null;
  const retired = retiredVersions.has(holder) || Boolean(revived);
  const other = holder !== key.currentVersion && !rotatesItself;
  const same = isSeen && alike.own.some((each) => each.version === key.currentVersion && each.version !== holder);
  const was = !key.currentVersion
    ? 'the inventory knows none'
    : `the inventory knows ${short(key.currentVersion)}${same ? ', which has the same value' : ''}`;
  const again = revived ? `holds the value of ${short(revived.version)} again` : 'is AWSCURRENT again';
  const verdicts: Verdicts = {
    ...all('in order'),
    'no-current': 'in order',
    ...(retired && (other || revived)
      ? {
          'retired-current': wrong(`Version ${short(holder)} ${again}, although a rotation has retired it.`, {
            version: holder,
          }),
        }
      : {}),
    ...(other && !retired
      ? {
          'other-current': wrong(`Somebody else has stored a version: ${short(holder)} is AWSCURRENT, ${was}.`, {
            version: holder,
          }),
        }
      : {}),
  };
  // What was read a moment later may be another version already.
  if (!isSeen) {
    return { ...verdicts, 'value-refused': 'unknown', 'last-four-differ': 'unknown', 'provider-id-differs': 'unknown' };
  }
  const { lastFour, named, verdict, evidence, version } = current;
  const fourDiffer = !other && key.lastFour !== null && lastFour !== null && lastFour !== key.lastFour;
  const providerKeyId = named === 'unknown' ? null : named.providerKeyId;
  const known = !other && key.providerKeyId !== null && providerKeyId !== null;
  return {
    ...verdicts,
    'value-refused':
      verdict === 'unclear'
        ? 'unknown'
        : verdict === 'refused'
          ? wrong(`Its current value does not work: ${evidence}.`, { version })
          : 'in order',
    'last-four-differ': fourDiffer
      ? wrong(`Its current value ends with …${lastFour}; the inventory says …${key.lastFour}.`, { version })
      : 'in order',
    'provider-id-differs':
      named === 'unknown'
        ? 'unknown'
        : known && providerKeyId !== key.providerKeyId
          ? wrong(`Its provider calls the current value ${providerKeyId}; the inventory says ${key.providerKeyId}.`, {
              version,
              providerKeyId,
            })
          : 'in order',
  };
}

/** A value that several keys hand out: a leak of one is a leak of all, and none can be rotated alone. */
function sharedBy({ current }: SeenOutside, { keys }: Alike): Verdicts {
  if (current === 'unknown' || current.fingerprint === null) return { 'value-shared': 'unknown' };
  if (keys.length === 0) return { 'value-shared': 'in order' };
  const names = keys.map((each) => each.name).sort();
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return { 'value-shared': wrong(`Its current value is also that of ${names.slice(0, 3).join(', ')}${more}.`) };
}

/** Whom its policy lets in, although no grant, no consumer and no rule of the company says so. */
function letIn({ policy: seen }: SeenOutside, consumers: Consumer[], { reviews }: Policy): Verdicts {
  if (seen === 'unknown') return { 'strangers-let-in': 'unknown' };
  const strangers = strangersIn(seen.text, knownReaders(consumers, reviews));
  if (strangers.length === 0) return { 'strangers-let-in': 'in order' };
  const names = strangers.map((each) =>
    each.replace(/^(?:\*$|(?=aws:))/, (found) => (found ? 'everybody' : 'everybody with ')),
  );
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  const who = `${names.slice(0, 3).join(', ')}${more}`;
  return {
    'strangers-let-in': wrong(
      `The policy of its secret lets ${who} in, and nobody here has granted that. Somebody wrote it there by hand.`,
      { principals: strangers },
    ),
  };
}
