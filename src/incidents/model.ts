import type { ApiKey } from '../inventory/model.ts';
import { type Id, type Instant, Refusal } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { RotationStatus } from '../rotation/model.ts';
import { checklist, factsOf, type LineId, lineIds, linesOf, type Phase, phases } from './checklist-model.ts';
import {
  type Happening,
  happenings,
  proposedSeverity,
  type Reach,
  type Severity,
  situationOf,
} from './severity-model.ts';

/** A line that is no longer open: done, or not needed here. */
export interface Tick {
  line: LineId;
  verdict: 'done' | 'skipped';
  /** Null when the facts show it. */
  by: Id<'person'> | null;
  at: string;
  /** What proves it, or why it is not needed. */
  note: string;
}
export interface Entry {
  at: string;
  /** Null for what Keysteward did or saw. */
  by: Id<'person'> | null;
  text: string;
}
/** Somebody was, or could not be, paged. */
export interface Page {
  occasion: Occasion;
  /** Of which containment; the first is 1. */
  round: number;
  at: string;
  outcome: 'paged' | 'no pager' | 'refused';
}
/** Pages go out when it is declared, and again when a clock runs out. */
export const occasions = ['declared', ...phases] as const;
export type Occasion = (typeof occasions)[number];

export interface Containment {
  at: string;
  /** How many people had access. */
  holders: number;
  round: number;
  /** When the last of it was seen to have ended. */
  endedAt: string | null;
  /** The rotation as it was last seen, so that every turn of it is on the timeline and on the card. */
  rotation: { id: Id<'rotation'>; status: RotationStatus } | null;
}

/** The Slack message in which the key was seen; never its text. */
export interface Seen {
  channel: string;
  ts: string;
}

export interface Incident {
  id: Id<'incident'>;
  /** Null when the key is not in the inventory; then `which` describes it. */
  keyId: Id<'key'> | null;
  which: string | null;
  how: Happening;
  what: string;
  seen: Seen | null;
  severity: Severity;
  because: string;
  declaredBy: Id<'person'>;
  declaredAt: Instant;
  /** `contained` once nothing of "immediately" is open. */
  status: 'open' | 'contained' | 'closed';
  /**
   * Access was ended and, unless `byHand` says why not, the key's emergency rotation started; for so many people. A
   * further round follows when the new value leaks too.
   */
  containment: Containment | null;
  /** Why the key cannot be, or was not, replaced without a person. */
  byHand: string | null;
  /** The version that was current when this round began. */
  leakedVersion: string | null;
  ticks: Tick[];
  deadlines: Record<Phase, string>;
  /** Clocks that ran out with open lines, and of which people were told. */
  overdue: Phase[];
  pages: Page[];
  /** Who coordinates the response (SOP 8.3). */
  commander: Id<'person'> | null;
  timeline: Entry[];
  containedAt: Instant | null;
  closedAt: Instant | null;
  closedBy: Id<'person'> | null;
  /** What was learned, said at the end. */
  lesson: string | null;
}

export interface Report {
  keyId: Id<'key'> | null;
  which: string | null;
  reach: Reach;
  how: Happening;
  what: string;
  seen: Seen | null;
  /** The value that was made to contain the open incident has leaked too. */
  again: boolean;
}

export function whyNotDeclare(reporter: Person, report: Report): Refusal | null {
  if (!report.keyId && (report.which ?? '').trim().length < 3) {
    return new Refusal('invalid', 'Say which key it is, as far as you know: its service and what it is for.', 'which');
  }
  return whyNot(reporter, 'incidents.declare');
}

export function declared(
  id: Id<'incident'>,
  report: Report,
  key: ApiKey | null,
  reporter: Id<'person'>,
  deadlines: Record<Phase, string>,
  now: Instant,
): Incident {
  const { severity, because } = proposedSeverity(situationOf(report, key));
  return {
    id,
    keyId: report.keyId,
    which: key ? null : (report.which?.trim() ?? null),
    how: report.how,
    what: report.what.trim(),
    seen: report.seen,
    severity,
    because,
    declaredBy: reporter,
    declaredAt: now,
    status: 'open',
    containment: null,
    byHand: null,
    leakedVersion: key?.currentVersion ?? null,
    ticks: [],
    deadlines,
    overdue: [],
    pages: [],
    commander: null,
    timeline: [
      { at: now.toISOString(), by: reporter, text: `Reported as ${severity}: ${happenings[report.how].label}` },
    ],
    containedAt: null,
    closedAt: null,
    closedBy: null,
    lesson: null,
  };
}

/** How often it had to be contained; 1 also before the first time. */
export const roundOf = ({ containment }: Pick<Incident, 'containment'>) => containment?.round ?? 1;
/** What its rotation and the ends of access are caused by: a round has one rotation, however often it is asked for. */
export const causeOf = (incident: Incident) =>
  roundOf(incident) === 1 ? incident.id : `${incident.id}-${roundOf(incident)}`;

/** Open once more, for the value that is current now: what was done about the one before says nothing about it. */
export function renewed(
  incident: Incident,
  key: ApiKey,
  deadlines: Record<Phase, string>,
  by: Id<'person'>,
  now: Instant,
): Incident {
  const ticks = incident.ticks.filter(({ line }) => line === 'S8.1-4' || checklist[line].phase !== 'immediately');
  const fresh: Incident = {
    ...incident,
    ticks,
    deadlines,
    overdue: [],
    byHand: null,
    leakedVersion: key.currentVersion,
  };
  return settled(withEntry(fresh, by, 'The new value has leaked too', now), now);
}

/** So many entries of a timeline are kept in the incident; more belong into its report. */
export const maxEntries = 400;
export const withEntry = (incident: Incident, by: Id<'person'> | null, text: string, now: Instant): Incident => ({
  ...incident,
  timeline: [...incident.timeline, { at: now.toISOString(), by, text }],
});

export const tickOf = (incident: Incident, line: LineId) => incident.ticks.find((each) => each.line === line) ?? null;
export const openLines = (incident: Incident, phase?: Phase) =>
  (phase ? linesOf(phase) : lineIds).filter((line) => !tickOf(incident, line));

/** Why this person may not work on this incident, or null. A closed one is history. */
export function whyNotWork(incident: Incident, worker: Person, key: ApiKey | null): Refusal | null {
  return whyNot(worker, 'incidents.work', key ?? undefined) ?? whyNotOpen(incident);
}
export function whyNotOpen(incident: Incident): Refusal | null {
  return incident.status === 'closed'
    ? new Refusal('conflict', 'This incident is closed. Report the key again if something new has happened.')
    : null;
}

/** Skipping a line is an administrator's judgement; what follows facts is ticked by hand only with what proves it. */
export function whyNotTick(
  incident: Incident,
  worker: Person,
  key: ApiKey | null,
  lines: LineId[],
  verdict: Tick['verdict'],
  note: string,
): Refusal | null {
  const refusal =
    verdict === 'skipped'
      ? (whyNot(worker, 'incidents.skip') ?? whyNotOpen(incident))
      : whyNotWork(incident, worker, key);
  if (refusal) return refusal;
  const closed = lines.find((line) => tickOf(incident, line));
  if (closed) return new Refusal('conflict', `"${checklist[closed].text}" is ticked already. Open the list again.`);
  if (lines.length === 0) return new Refusal('invalid', 'Choose at least one line.');
  if (verdict === 'skipped' && note.trim().length < 10) {
    return new Refusal('invalid', 'Say why it is not needed here, so that an auditor would accept it.', 'note');
  }
  if (verdict === 'done' && lines.some((line) => factsOf(line).byFact) && note.trim().length < 5) {
    return new Refusal(
      'invalid',
      'The first lines follow what Keysteward can see. To tick one by hand, say what proves it.',
      'note',
    );
  }
  return null;
}

export function ticked(
  incident: Incident,
  lines: LineId[],
  verdict: Tick['verdict'],
  by: Id<'person'> | null,
  note: (line: LineId) => string,
  now: Instant,
): Incident {
  const ticks = lines.map((line): Tick => ({ line, verdict, by, at: now.toISOString(), note: note(line).trim() }));
  const text = (tick: Tick) =>
    `${verdict === 'done' ? 'Done' : 'Not needed'}: ${checklist[tick.line].text}${tick.note ? ` (${tick.note})` : ''}`;
  const after = ticks.reduce((all, tick) => withEntry(all, by, text(tick), now), incident);
  return settled({ ...after, ticks: [...incident.ticks, ...ticks] }, now);
}

/** What somebody ticked by mistake is open again. What the facts show stays. */
export function whyNotReopen(
  incident: Incident,
  worker: Person,
  key: ApiKey | null,
  line: LineId,
  why: string,
): Refusal | null {
  const refusal = whyNotWork(incident, worker, key);
  if (refusal) return refusal;
  const tick = tickOf(incident, line);
  if (!tick) return new Refusal('conflict', 'This line is open already.');
  if (!tick.by) return new Refusal('conflict', 'This line follows what Keysteward sees, so it cannot be opened again.');
  return why.trim().length < 3 ? new Refusal('invalid', 'Say why it is open again.', 'note') : null;
}
export function reopened(incident: Incident, line: LineId, by: Id<'person'>, why: string, now: Instant): Incident {
  const after = { ...incident, ticks: incident.ticks.filter((each) => each.line !== line) };
  return settled(withEntry(after, by, `Open again: ${checklist[line].text} (${why.trim()})`, now), now);
}

/** Open or contained, as its lines say. */
function settled(incident: Incident, now: Instant): Incident {
  if (incident.status === 'closed') return incident;
  const contained = openLines(incident, 'immediately').length === 0;
  if (contained === (incident.status === 'contained')) return incident;
  return contained
    ? withEntry({ ...incident, status: 'contained', containedAt: now }, null, 'Contained', now)
    : { ...incident, status: 'open', containedAt: null };
}

/** The reporter, the commander and administrators judge how severe it is. */
export function whyNotRegrade(incident: Incident, person: Person, severity: Severity, why: string): Refusal | null {
  const judges = person.status === 'active' && [incident.declaredBy, incident.commander].includes(person.id);
  const refusal = (judges ? null : whyNot(person, 'incidents.change-severity')) ?? whyNotOpen(incident);
  if (refusal) return refusal;
  if (severity === incident.severity) return new Refusal('conflict', `It is ${severity} already.`, 'severity');
  return why.trim().length < 10
    ? new Refusal('invalid', 'Give a reason that an auditor would accept.', 'reason')
    : null;
}
export function regraded(
  incident: Incident,
  to: { severity: Severity; because: string },
  by: Id<'person'> | null,
  deadlines: Record<Phase, string>,
  now: Instant,
): Incident {
  const text = `Severity changed from ${incident.severity} to ${to.severity}: ${to.because}`;
  return withEntry({ ...incident, ...to, deadlines }, by, text, now);
}

/** Taking the lead is free while nobody has it; from somebody else it is taken over on purpose. */
export function whyNotClaim(
  incident: Incident,
  person: Person,
  key: ApiKey | null,
  takesOver: boolean,
): Refusal | null {
  const refusal = whyNotWork(incident, person, key);
  if (refusal) return refusal;
  if (incident.commander === person.id) return new Refusal('conflict', 'You lead this already.');
  return incident.commander && !takesOver
    ? new Refusal('conflict', 'Somebody else leads this already. Take over if you have agreed on it.')
    : null;
}

/** Who works on it may add to the timeline, and so may the reporter. */
export function whyNotNote(incident: Incident, person: Person, key: ApiKey | null, text: string): Refusal | null {
  const reported = person.status === 'active' && person.id === incident.declaredBy;
  const refusal = reported ? whyNotOpen(incident) : whyNotWork(incident, person, key);
  if (refusal) return refusal;
  if (incident.timeline.length >= maxEntries) {
    return new Refusal('conflict', `The timeline has ${maxEntries} entries. Go on in the incident report.`, 'note');
  }
  return text.trim().length < 3 ? new Refusal('invalid', 'Say what happened.', 'note') : null;
}

/** The commander or an administrator closes it, and only with nothing open (SOP 8.1). */
export function whyNotClose(incident: Incident, person: Person, lesson: string): Refusal | null {
  const commands = person.status === 'active' && person.id === incident.commander;
  const refusal = (commands ? null : whyNot(person, 'incidents.close')) ?? whyNotOpen(incident);
  if (refusal) return refusal;
  const open = openLines(incident);
  if (open.length > 0) {
    const named = open.slice(0, 3).map((line) => `"${checklist[line].text}"`);
    const more = open.length > 3 ? ` and ${open.length - 3} more` : '';
    return new Refusal(
      'conflict',
      `${open.length} ${open.length === 1 ? 'line is' : 'lines are'} open: ${named.join(', ')}${more}. Tick them, or have an administrator say why they are not needed.`,
    );
  }
  return lesson.trim().length < 10
    ? new Refusal('invalid', 'Say in a sentence what was learned, or that nothing was.', 'lesson')
    : null;
}
export function closed(incident: Incident, by: Id<'person'>, lesson: string, now: Instant): Incident {
  const after: Incident = { ...incident, status: 'closed', closedAt: now, closedBy: by, lesson: lesson.trim() };
  return withEntry(after, by, `Closed: ${lesson.trim()}`, now);
}
