import type { Instant } from '../kernel.ts';
import { conditionInWords, isProvenDead, type Rotation, type Step } from '../rotation/model.ts';
import type { LineId } from './checklist-model.ts';
import { causeOf, type Incident, withEntry } from './model.ts';

// ————— What the facts show —————

export interface Findings {
  /** Rotations of the key, newest first. */
  rotations: Rotation[];
  /** People whose access from before the declaration has not ended. */
  stillOpen: number;
  /** Whether the incident's card is in the emergency channel. */
  posted: boolean;
}

/** Newest first. What was over before this round began says nothing about it. */
const since = (incident: Incident, rotations: Rotation[]): Rotation[] => {
  const begin = incident.containment ? new Date(incident.containment.at) : incident.declaredAt;
  return rotations.filter((each) => !each.endedAt || each.endedAt >= begin);
};

/** The rotation that matters. */
export const rotationSince = (incident: Incident, rotations: Rotation[]): Rotation | null =>
  since(incident, rotations)[0] ?? null;

/** Whether this rotation's attempt has got past a step. */
const past = (rotation: Rotation, step: Step) =>
  rotation.record.some((each) => each.step === step && each.attempt === rotation.attempt && each.verdict === 'done');

/** Whether a rotation that is done has killed the value that leaked. */
function kills(incident: Incident, rotation: Rotation, rotations: Rotation[]): boolean {
  if (rotation.status !== 'done' || rotation.condition !== 'new') return false;
  const ours = (each: Rotation | undefined): boolean =>
    each !== undefined &&
    (each.causeId === causeOf(incident) || rotations.some((older) => older.supersededBy === each.id && ours(older)));
  const dead = [rotation.oldVersion, ...rotation.cleanup];
  return ours(rotation) || (incident.leakedVersion !== null && dead.includes(incident.leakedVersion));
}

/** Not one that was turned back: what it made is in use, or on its way there. */
const goesForward = ({ status, condition, ending }: Rotation) =>
  status === 'done' ||
  (status === 'running' && !ending) ||
  (status === 'failed' && ['both', 'new'].includes(condition));

const endInWords = (rotation: Rotation) =>
  isProvenDead(rotation)
    ? 'the old value is dead'
    : 'the old value was ended, and nothing leads to it; its service cannot be asked whether it still takes it';

/** Lines that the facts show to be done, each with what shows it. Never a value of a key. */
export function proven(incident: Incident, findings: Findings): Partial<Record<LineId, string>> {
  const { rotations, stillOpen, posted } = findings;
  const recent = since(incident, rotations);
  const going = recent.filter(goesForward);
  const dead = recent.find((each) => kills(incident, each, rotations));
  const made = going.find((each) => past(each, 'test'));
  const handedOut = going.find((each) => past(each, 'verify'));
  const version = (each: Rotation) => (each.newVersion ?? '').slice(0, 8);
  const holders = incident.containment?.holders ?? 0;
  const ended = holders > 0 ? `; access of ${holders} ${holders === 1 ? 'person' : 'people'} ended` : '';
  return {
    ...(dead && stillOpen === 0 ? { 'S8.1-1': `${endInWords(dead)} (${dead.id})${ended}` } : {}),
    ...(made ? { 'S8.1-2': `version ${version(made)} was made and tested` } : {}),
    ...(handedOut ? { 'S8.1-3': `version ${version(handedOut)} is handed out and verified` } : {}),
    ...(posted ? { 'S8.1-4': 'posted in the emergency channel' } : {}),
  };
}

/** What the facts say of the containment beside its lines: access that has ended, and how the rotation goes. */
export function followed(incident: Incident, findings: Findings, now: Instant): Incident {
  const { containment } = incident;
  if (!containment) return incident;
  const ended = containment.endedAt === null && findings.stillOpen === 0;
  const rotation = rotationSince(incident, findings.rotations);
  const turned =
    rotation && (rotation.id !== containment.rotation?.id || rotation.status !== containment.rotation.status);
  if (!ended && !turned) return incident;
  const people = containment.holders === 1 ? 'one person' : `${containment.holders} people`;
  const next: Incident = {
    ...incident,
    containment: {
      ...containment,
      ...(ended ? { endedAt: now.toISOString() } : {}),
      ...(turned ? { rotation: { id: rotation.id, status: rotation.status } } : {}),
    },
  };
  const told = ended && containment.holders > 0 ? withEntry(next, null, `Access of ${people} has ended`, now) : next;
  if (!turned) return told;
  const text = `Rotation ${rotation.id} is ${rotation.status}. ${conditionInWords(rotation)}`;
  return withEntry(told, null, text, now);
}
