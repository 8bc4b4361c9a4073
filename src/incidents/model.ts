import type { ApiKey, Environment } from '../inventory/model.ts';
import { type Id, type Instant, Refusal } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import { conditionInWords, type Rotation, type RotationStatus, type Step } from '../rotation/model.ts';

/** SOP 8.2, worst first. */
export const severities = ['P0', 'P1', 'P2', 'P3'] as const;
export type Severity = (typeof severities)[number];

interface HappeningFacts {
  label: string;
  example: string;
  /** Others may have the value, so access ends and the key is replaced at once, ahead of everything (SOP 5.4). */
  contains: boolean;
}
/** What can have happened to a key (SOP 8.2), in the order in which it is asked. */
export const happenings = {
  misused: {
    label: 'Somebody is doing harm with it',
    example: 'Seen at the service, on the bill or by monitoring',
    contains: true,
  },
  public: {
    label: 'It is in a public place',
    example: 'A public repository, a web page, a package, a video',
    contains: true,
  },
  known: {
    label: 'Somebody has it who must not',
    example: 'A stolen laptop, phishing, a message to the wrong person',
    contains: true,
  },
  exposed: {
    label: 'It was seen where it should not be',
    example: 'Chat, e-mail, a document, a log, a screenshot',
    contains: true,
  },
  unusual: {
    label: 'It is used in an unusual way',
    example: 'Not confirmed as harm: volume, places, errors, cost',
    contains: true,
  },
  expiring: {
    label: 'It is about to expire and was not rotated',
    example: 'No leak: nothing is changed by itself',
    contains: false,
  },
  finding: {
    label: 'An audit or a reminder found something about it',
    example: 'No leak: nothing is changed by itself',
    contains: false,
  },
} as const satisfies Record<string, HappeningFacts>;
export type Happening = keyof typeof happenings;

/** What is known when a severity is proposed; null for a key that is not in the inventory and of which nobody knows. */
export interface Situation {
  how: Happening;
  environment: Environment | null;
  customerData: boolean | null;
}

/** Others have the value, or could. */
const leaked = ({ how }: Situation) => ['misused', 'public', 'known', 'exposed'].includes(how);

/** SOP 8.2 as a table; the first line that fits counts. */
const gradings: { severity: Severity; fits: (situation: Situation) => boolean; because: string }[] = [
  { severity: 'P0', fits: ({ how }) => how === 'misused', because: 'the key is used for harm' },
  {
    severity: 'P0',
    fits: (s) => leaked(s) && s.environment === 'production' && s.customerData === true,
    because: 'a production key that reaches customer data is exposed',
  },
  { severity: 'P1', fits: ({ how }) => how === 'public', because: 'the key is in a public place' },
  {
    severity: 'P1',
    fits: (s) => leaked(s) && s.environment === null,
    because: 'the key is exposed, and what it reaches is not known; raise it if that is customer data in production',
  },
  {
    severity: 'P1',
    fits: (s) => leaked(s) && s.environment === 'production',
    because: 'a production key is exposed; customer data is not in its reach',
  },
  { severity: 'P1', fits: leaked, because: 'a key outside production is exposed' },
  {
    severity: 'P2',
    fits: ({ how }) => how === 'unusual',
    because: 'its use is unusual, and not confirmed as malicious',
  },
  { severity: 'P2', fits: ({ how }) => how === 'expiring', because: 'the key is about to expire and was not rotated' },
  { severity: 'P3', fits: () => true, because: 'an audit or a reminder found it, and there is no sign of a leak' },
];

/** The severity by SOP 8.2, and why. */
export function proposedSeverity(situation: Situation): { severity: Severity; because: string } {
  const { severity, because } = gradings.find((each) => each.fits(situation))!;
  return { severity, because };
}

/** What a reporter may know of a key that is not in the inventory. */
export const reaches = {
  customerData: { label: 'Production, with customer data', environment: 'production', customerData: true },
  production: { label: 'Production, without customer data', environment: 'production', customerData: false },
  elsewhere: { label: 'Not production', environment: 'development', customerData: false },
  unknown: { label: 'I do not know', environment: null, customerData: null },
} as const satisfies Record<string, { label: string } & Omit<Situation, 'how'>>;
export type Reach = keyof typeof reaches;

/** SOP 8.1: the parts of the checklist, each with its clock. */
export const phases = ['immediately', 'hour', 'day', 'week'] as const;
export type Phase = (typeof phases)[number];
export const isPhase = (text: string | null): text is Phase => phases.some((each) => each === text);
export const phaseWords: Record<Phase, string> = {
  immediately: 'Immediately',
  hour: 'Within an hour',
  day: 'Within a day',
  week: 'Within a week',
};

interface LineFacts {
  phase: Phase;
  text: string;
  /** It is ticked by what is seen to be true; by hand only with what proves it. */
  byFact?: true;
}
/** SOP 8.1, line by line. */
export const checklist = {
  'S8.1-1': { phase: 'immediately', text: 'Revoke the compromised key', byFact: true },
  'S8.1-2': { phase: 'immediately', text: 'Make a new key to replace it', byFact: true },
  'S8.1-3': { phase: 'immediately', text: 'Update production systems with the new key', byFact: true },
  'S8.1-4': { phase: 'immediately', text: 'Notify the team via the emergency channel', byFact: true },
  'S8.1-5': { phase: 'hour', text: "Review the service's access logs for unauthorized usage" },
  'S8.1-6': { phase: 'hour', text: 'Check billing for unexpected charges' },
  'S8.1-7': { phase: 'hour', text: 'Identify the scope of potential data exposure' },
  'S8.1-8': { phase: 'hour', text: 'Document the timeline of events' },
  'S8.1-9': { phase: 'day', text: 'Complete the incident report' },
  'S8.1-10': { phase: 'day', text: 'Notify affected stakeholders, if data was exposed' },
  'S8.1-11': { phase: 'day', text: 'Implement controls that prevent a recurrence' },
  'S8.1-12': { phase: 'day', text: 'Review and update security procedures' },
  'S8.1-13': { phase: 'week', text: 'Conduct the post-incident review' },
  'S8.1-14': { phase: 'week', text: 'Update documentation with lessons learned' },
  'S8.1-15': { phase: 'week', text: 'Train the team on prevention' },
  'S8.1-16': { phase: 'week', text: 'Consider a third-party security audit' },
} as const satisfies Record<string, LineFacts>;
export type LineId = keyof typeof checklist;
export const lineIds = Object.keys(checklist) as LineId[];
export const isLine = (id: string): id is LineId => Object.hasOwn(checklist, id);
const factsOf = (line: LineId): LineFacts => checklist[line];
export const linesOf = (phase: Phase) => lineIds.filter((line) => checklist[line].phase === phase);

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

/** What is known of the reported key, for its severity. */
export function situationOf(
  report: Pick<Report, 'how' | 'reach'>,
  key: Pick<ApiKey, 'environment' | 'flags'> | null,
): Situation {
  if (key) return { how: report.how, environment: key.environment, customerData: key.flags.includes('customerData') };
  const { environment, customerData } = reaches[report.reach];
  return { how: report.how, environment, customerData };
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
export const isWorse = (severity: Severity, than: Severity) => severities.indexOf(severity) < severities.indexOf(than);

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
    ...(dead && stillOpen === 0 ? { 'S8.1-1': `the old value is dead (${dead.id})${ended}` } : {}),
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
