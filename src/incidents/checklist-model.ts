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
export const factsOf = (line: LineId): LineFacts => checklist[line];
export const linesOf = (phase: Phase) => lineIds.filter((line) => checklist[line].phase === phase);
