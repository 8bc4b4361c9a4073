import { type ApiKey, isUnmade } from '../inventory/model.ts';
import { type Id, type Instant, minute, Refusal } from '../kernel.ts';

/**
 * What can be done about a finding: by us at a press, by a rotation, by a person alone, by a person who says so then, or by
 * a narrower key and another review.
 */
export type Remedy = 'adopt' | 'unlabel' | 'shut-out' | 'rotate' | 'person' | 'word' | 'narrow';

/** Every kind of finding: which review finds it, and what can be done. */
export const findingKinds = {
  'secret-missing': { review: 'drift', remedy: 'person', whatToDo: 'Correct its name under Edit…, or store it again.' },
  'secret-deleted': {
    review: 'drift',
    remedy: 'person',
    whatToDo: 'Restore it in Secrets Manager, or retire the key.',
  },
  'foreign-rotation': {
    review: 'drift',
    remedy: 'person',
    whatToDo: 'Two that rotate one secret break it: switch off one of them.',
  },
  'no-current': { review: 'drift', remedy: 'person', whatToDo: 'Store a value, or move AWSCURRENT back by hand.' },
  'other-current': {
    review: 'drift',
    remedy: 'adopt',
    whatToDo: 'If somebody stored it on purpose, Repair takes it over into the inventory; else rotate the key.',
  },
  'retired-current': { review: 'drift', remedy: 'rotate', whatToDo: 'Rotate the key: what was retired may be known.' },
  'stray-pending': {
    review: 'drift',
    remedy: 'unlabel',
    whatToDo: 'Repair takes the label off; nobody was handed it.',
  },
  'retired-readable': {
    review: 'drift',
    remedy: 'unlabel',
    whatToDo: 'Repair takes the label off, so that nothing leads to it.',
  },
  'strangers-let-in': {
    review: 'drift',
    remedy: 'shut-out',
    whatToDo:
      'If a system of yours reads with it, record that under Consumers… with its user or role, or in reviews.knownReaders of policy.yml if it reads all keys. If not, Repair takes it out of the policy; then rotate the key.',
  },
  'policy-altered': {
    review: 'access',
    remedy: 'person',
    whatToDo: 'It was put right already. Find out in CloudTrail who did it.',
  },
  'value-refused': { review: 'drift', remedy: 'rotate', whatToDo: 'Rotate the key: whoever uses it fails.' },
  'value-shared': {
    review: 'drift',
    remedy: 'rotate',
    whatToDo: 'Each key has a value of its own: make another at its service for one of them, and rotate that one.',
  },
  'last-four-differ': { review: 'drift', remedy: 'adopt', whatToDo: 'Repair takes them over from the store.' },
  'provider-id-differs': { review: 'drift', remedy: 'adopt', whatToDo: 'Repair takes over what the provider says.' },
  'left-at-service': {
    review: 'rotation',
    remedy: 'word',
    whatToDo: 'Delete it there by hand, and say so here. The key that is in use stays.',
  },
  'over-permissioned': {
    review: 'permissions',
    remedy: 'narrow',
    whatToDo: 'Rotate it to a narrower one, or narrow it at its service; then review it again.',
  },
} as const satisfies Record<string, { review: string; remedy: Remedy; whatToDo: string }>;
export type FindingKind = keyof typeof findingKinds;
export type Review = (typeof findingKinds)[FindingKind]['review'];

/** What a repair needs to know: ids and labels, never a value. */
export interface FindingFacts {
  /** The version that it is about. */
  version?: string;
  /** Labels that should not be where they are. */
  labels?: { stage: string; version: string }[];
  /** Whom its policy names, as it names them. */
  principals?: string[];
  providerKeyId?: string;
  left?: Left[];
  /** What a person said that it needs to do. */
  needs?: string;
}

/** A value that was made by a person for a rotation that has not come to use it, and that lives on at its service. */
export interface Left {
  version: string;
  lastFour: string | null;
  rotationId: string;
}

/** Somebody has had it repaired. */
export interface Repair {
  by: Id<'person'>;
  askedAt: string;
  /** When what came of it was known. */
  at: string | null;
  outcome: 'done' | 'refused' | null;
  /** Why not, where it was refused. */
  said: string | null;
}

/** Something that a scan or a review says is wrong with a key. At most one of a kind is open for each key. */
export interface Finding {
  id: Id<'finding'>;
  keyId: Id<'key'>;
  kind: FindingKind;
  sentence: string;
  facts: FindingFacts;
  foundAt: Instant;
  /** When it was last seen to be still so. */
  seenAt: Instant;
  /** When it was gone. */
  closedAt: Instant | null;
  repair: Repair | null;
}

/** What one look says of one kind. */
export type Verdict = 'in order' | 'unknown' | { sentence: string; facts: FindingFacts };
export type Verdicts = Partial<Record<FindingKind, Verdict>>;

export const remedyOf = ({ kind }: Pick<Finding, 'kind'>): Remedy => findingKinds[kind].remedy;
export const whatToDo = ({ kind }: Pick<Finding, 'kind'>): string => findingKinds[kind].whatToDo;
export const kindsOf = (review: Review): FindingKind[] =>
  (Object.keys(findingKinds) as FindingKind[]).filter((kind) => findingKinds[kind].review === review);

export function found(
  id: Id<'finding'>,
  keyId: Id<'key'>,
  kind: FindingKind,
  { sentence, facts }: Exclude<Verdict, string>,
  now: Instant,
): Finding {
  return { id, keyId, kind, sentence, facts, foundAt: now, seenAt: now, closedAt: null, repair: null };
}

/** Still so. When it is about something else than before, a repair of that before says nothing any more. */
export function seenAgain(finding: Finding, { sentence, facts }: Exclude<Verdict, string>, now: Instant): Finding {
  const same = JSON.stringify(sorted(facts)) === JSON.stringify(sorted(finding.facts));
  return { ...finding, sentence, facts, seenAt: now, repair: same ? finding.repair : null };
}
const sorted = (facts: FindingFacts) => [
  facts.version ?? '',
  facts.providerKeyId ?? '',
  facts.needs ?? '',
  ...(facts.principals ?? []).toSorted(),
  ...(facts.left ?? []).map(({ version }) => version).sort(),
  ...(facts.labels ?? []).map(({ stage, version }) => `${stage} ${version}`).sort(),
];

/** What is left at a service of a key, with what was left there before. */
export function leftAtService(
  before: Finding | null,
  id: Id<'finding'>,
  key: Pick<ApiKey, 'id' | 'service'>,
  left: Left[],
  now: Instant,
): Finding {
  const known = before?.facts.left ?? [];
  const all = [...known, ...left.filter(({ version }) => !known.some((each) => each.version === version))];
  const ends = all.map(({ lastFour }) => (lastFour ? `that ends with …${lastFour}` : 'whose end is not known'));
  const which = all.length === 1 ? `the one ${ends[0]}` : `the ones ${ends.join(', ')}`;
  const sentence = `What was handed in and is not used may still work at ${key.service}: ${which}.`;
  const verdict = { sentence, facts: { left: all } };
  return before ? seenAgain(before, verdict, now) : found(id, key.id, 'left-at-service', verdict, now);
}

/** Why nobody can say now that this is gone, or null. */
export function whyNotConfirmGone(finding: Finding): Refusal | null {
  if (finding.closedAt) return new Refusal('conflict', 'Somebody has said that it is gone already.');
  if (remedyOf(finding) === 'word') return null;
  return new Refusal('conflict', `Nobody has to say so: this closes by itself. ${whatToDo(finding)}`);
}

export const gone = (finding: Finding, now: Instant): Finding => ({ ...finding, closedAt: now });

/** Whether a key is compared with the store at all; one whose first value is still being made is not. */
export const isCompared = (key: ApiKey): key is ApiKey & { secretId: string } =>
  key.status === 'active' && key.storage === 'secrets-manager' && key.secretId !== null && !isUnmade(key);

/** A repair of which nothing was heard for so long may be asked for again. */
const patienceMs = 10 * minute;

export const isBeingRepaired = ({ repair }: Finding, now: Instant): boolean =>
  repair !== null && repair.outcome === null && now.getTime() - Date.parse(repair.askedAt) < patienceMs;

/** Why this finding cannot be repaired at a press now, or null. */
export function whyNotRepair(finding: Finding, isRotating: boolean, now: Instant): Refusal | null {
  const no = (sentence: string) => new Refusal('conflict', sentence);
  if (finding.closedAt) return no('This is in order again, so there is nothing to repair.');
  const remedy = remedyOf(finding);
  if (remedy !== 'adopt' && remedy !== 'unlabel' && remedy !== 'shut-out')
    return no(`Keysteward cannot repair this. ${whatToDo(finding)}`);
  // Who reads what they must not can be shut out at any time.
  if (isRotating && remedy !== 'shut-out')
    return no('A rotation of this key is running. When it is over, it is looked at again.');
  if (isBeingRepaired(finding, now)) return no('This is being repaired right now.');
  return null;
}

export const repairAsked = (finding: Finding, by: Id<'person'>, now: Instant): Finding => ({
  ...finding,
  repair: { by, askedAt: now.toISOString(), at: null, outcome: null, said: null },
});

export const repairSettled = (finding: Finding, refused: string | null, now: Instant): Finding => ({
  ...finding,
  repair: finding.repair && {
    ...finding.repair,
    at: now.toISOString(),
    outcome: refused === null ? 'done' : 'refused',
    said: refused,
  },
});
