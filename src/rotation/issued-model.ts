import type { ApiKey } from '../inventory/model.ts';
import type { Instant } from '../kernel.ts';
import type { Stages } from './labels-model.ts';
import { compromised, type Issued, type Rotation, unique } from './model.ts';

export function issuedAlready({ currentVersion, providerKeyId }: ApiKey): Issued[] {
  return currentVersion && providerKeyId
    ? [{ version: currentVersion, providerKeyId, expiresAt: null, ended: false }]
    : [];
}

/** The name that the value of one attempt gets at the provider, so that a try whose answer was lost is found again. */
export const labelOf = ({ id, attempt }: Pick<Rotation, 'id' | 'attempt'>) => `keysteward-${id}-${attempt}`;

/** What the provider calls the value of a version. Whoever says it first is believed: a worker that comes late made another. */
export function named(rotation: Rotation, known: Omit<Issued, 'ended'>): Rotation {
  if (rotation.issued.some((each) => each.version === known.version)) return rotation;
  return { ...rotation, issued: [...rotation.issued, { ...known, ended: false }] };
}

/** The value that was tried last is that of an earlier version: at the provider they are one key, which must not be ended as one made for nothing. */
export function sameAtProvider(rotation: Rotation, earlier: string): Rotation {
  const tried = issuedOf(rotation, rotation.tried.at(-1) ?? null);
  if (!tried || earlier !== rotation.oldVersion) return rotation;
  return named(rotation, { version: earlier, providerKeyId: tried.providerKeyId, expiresAt: tried.expiresAt });
}

/** A key was ended at the provider, one of ours or one that was made for nothing. */
export function ended(rotation: Rotation, providerKeyId: string): Rotation {
  if (!rotation.issued.some((each) => each.providerKeyId === providerKeyId)) {
    return { ...rotation, issued: [...rotation.issued, { version: '', providerKeyId, expiresAt: null, ended: true }] };
  }
  const issued = rotation.issued.map(({ ending, ...each }) =>
    each.providerKeyId === providerKeyId ? { ...each, ended: true } : { ...each, ...(ending ? { ending } : {}) },
  );
  return { ...rotation, issued };
}

/** The intent to end what seems to be made for nothing. It counts as ended: its maker, who may only be slow, must not go on with it. */
export function givenUpOn(rotation: Rotation, providerKeyId: string): Rotation {
  const next = ended(rotation, providerKeyId);
  const issued = next.issued.map((each) =>
    each.providerKeyId === providerKeyId ? { ...each, ending: true as const } : each,
  );
  return { ...next, issued };
}

/** Whether somebody is removing, or has removed, what was made for this version, because its maker seemed to be gone. */
export const isGivenUp = ({ issued }: Pick<Rotation, 'issued'>, version: string, providerKeyId: string): boolean =>
  issued.some((each) => each.providerKeyId === providerKeyId && each.ended && ['', version].includes(each.version));

/** Whatever was made for this attempt is gone, and its value with it; another can be made. */
export function unnamed(rotation: Rotation, version: string): Rotation {
  return { ...rotation, issued: rotation.issued.filter((each) => each.version !== version) };
}

/** The intent, written before the call: a key without a label may be made from here on. */
export function asked(rotation: Rotation, now: Instant): Rotation {
  return { ...rotation, unanswered: [...rotation.unanswered, now.toISOString()] };
}

export const unansweredOf = ({ unanswered }: Rotation): Instant[] => unanswered.map((each) => new Date(each));

/** The call of that moment was answered, so nothing has to be looked for. */
export function answered(rotation: Rotation, at: string | undefined): Rotation {
  const place = at === undefined ? -1 : rotation.unanswered.indexOf(at);
  return place < 0 ? rotation : { ...rotation, unanswered: rotation.unanswered.toSpliced(place, 1) };
}

/** Keys that an issuer takes for left behind, without those that are known: what becomes of them is decided by their versions. */
export function strangers<T extends Pick<Issued, 'providerKeyId'>>(found: T[], { issued }: Rotation, own: string): T[] {
  const known = issued.filter((each) => !each.ended && each.version !== '' && each.version !== own);
  return found.filter(({ providerKeyId }) => !known.some((each) => each.providerKeyId === providerKeyId));
}

export const issuedOf = (rotation: Pick<Rotation, 'issued'>, version: string | null): Issued | null =>
  rotation.issued.find((each) => each.version === version) ?? null;

/** The versions whose values have to die so that only the new one works. */
export const dying = (rotation: Rotation): string[] =>
  unique([rotation.oldVersion, ...rotation.cleanup, ...rotation.tried]).filter((each) => each !== rotation.newVersion);

/** Versions that were tried and that nothing leads to any more; their values are thrown away at the provider too. */
export function discarded(stages: Stages, rotation: Rotation): string[] {
  const led = new Set(stages.filter((each) => each.stages.length > 0).map((each) => each.id));
  return unique([...rotation.tried, ...rotation.cleanup]).filter(
    (each) => each !== rotation.oldVersion && !led.has(each),
  );
}

/** Keys at the provider that live on when these versions die. */
export const idsToKeep = ({ issued }: Rotation, versions: string[]): string[] =>
  issued.filter((each) => !each.ended && !versions.includes(each.version)).map((each) => each.providerKeyId);

/** Keys at the provider that these versions are, and that live. A slot that holds a value which stays is not one of them. */
export function idsToEnd(rotation: Rotation, versions: string[]): Issued[] {
  const keep = idsToKeep(rotation, versions);
  return rotation.issued.filter(
    (each) => versions.includes(each.version) && (!each.ended || each.ending) && !keep.includes(each.providerKeyId),
  );
}

/**
 * Versions whose values may go before a new one is made, where the provider allows no more beside them: those that nobody
 * is handed any more. In an emergency these are all but the current one.
 */
export function mayMakeRoom(stages: Stages, rotation: Rotation): string[] {
  const led = stages.filter((each) => each.stages.includes('AWSCURRENT') || (!compromised(rotation) && isLed(each)));
  return unique([rotation.oldVersion, ...rotation.cleanup, ...rotation.tried]).filter(
    (version) => !led.some(({ id }) => id === version),
  );
}
const isLed = ({ stages }: Stages[number]) => stages.some((stage) => stage !== 'AWSPENDING');

/** What a rotation takes over from one whose old value may have died while no new one was handed out. */
export const takenOver = (before: Pick<Rotation, 'replacement' | 'condition'> | null) =>
  before?.replacement && before.condition === 'none'
    ? ({ replacement: before.replacement, condition: 'none' } as const)
    : ({ replacement: null, condition: 'old' } as const);

/** Whether its key has moved to another provider since, where what it calls a key is another key, or none. */
export const isElsewhere = (rotation: Pick<Rotation, 'issuer'>, { issuer }: { issuer: string | null }): boolean =>
  rotation.issuer !== null && issuer !== null && rotation.issuer !== issuer;

/** What a failed rotation may have left at the provider is this one's to look after, unless the key has moved to another one. */
export function inherited(rotation: Rotation, previous: Rotation | null): Rotation {
  if (previous?.status !== 'failed' || isElsewhere(previous, rotation)) return rotation;
  const known = new Set(rotation.issued.map((each) => each.version));
  const left = previous.issued.filter((each) => !each.ended && !known.has(each.version));
  return {
    ...rotation,
    labels: unique([...previous.labels, ...rotation.labels]),
    unanswered: unique([...previous.unanswered, ...rotation.unanswered]),
    issued: [...rotation.issued, ...left],
    cleanup: unique([...rotation.cleanup, ...left.map((each) => each.version)]),
    ...(rotation.replacement ? {} : takenOver(previous)),
  };
}

/** Whether it has made its new key and will end the old one, which makes room where a provider allows only so many. */
export const makesRoom = (rotation: Rotation) => rotation.status === 'running' && rotation.step !== 'generate';
