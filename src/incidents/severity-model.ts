import type { ApiKey, Environment } from '../inventory/model.ts';

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

/** What is known of the reported key, for its severity. */
export function situationOf(
  report: { how: Happening; reach: Reach },
  key: Pick<ApiKey, 'environment' | 'flags'> | null,
): Situation {
  if (key) return { how: report.how, environment: key.environment, customerData: key.flags.includes('customerData') };
  const { environment, customerData } = reaches[report.reach];
  return { how: report.how, environment, customerData };
}

export const isWorse = (severity: Severity, than: Severity) => severities.indexOf(severity) < severities.indexOf(than);
