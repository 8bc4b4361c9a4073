/** A UTC instant. Business rules never read a clock: they are handed `now`, taken once per transaction from the database. */
export type Instant = Date;

/** Every kind of thing that has an id, with its prefix. */
export const idPrefixes = {
  key: 'key',
  person: 'usr',
  team: 'tea',
  request: 'req',
  grant: 'grt',
  rotation: 'rot',
  handIn: 'hnd',
  campaign: 'cmp',
  incident: 'inc',
  consumer: 'con',
  case: 'cas',
  calendar: 'cal',
  finding: 'fnd',
  card: 'crd',
  work: 'wrk',
  audit: 'aud',
} as const;
export type Noun = keyof typeof idPrefixes;
/** A typed, prefixed id such as `key_01jd…`: no colons, never digits only, sortable by the time it was made. */
export type Id<N extends Noun> = `${(typeof idPrefixes)[N]}_${string}`;

const crockford = '0123456789abcdefghjkmnpqrstvwxyz';

/** A new id: 48 bits of time, 80 bits of chance (the ULID layout). */
export function newId<N extends Noun>(noun: N): Id<N> {
  const random = crypto.getRandomValues(new Uint8Array(16));
  let time = Date.now();
  let head = '';
  for (let i = 0; i < 10; i++) {
    head = crockford[time % 32] + head;
    time = Math.floor(time / 32);
  }
  const tail = Array.from(random, (byte) => crockford[byte % 32]).join('');
  return `${idPrefixes[noun]}_${head}${tail}` as Id<N>;
}

/** Whether a text that came from outside has the form of an id of this kind. It says nothing about existence or permission. */
export function isId<N extends Noun>(noun: N, text: unknown): text is Id<N> {
  return typeof text === 'string' && new RegExp(`^${idPrefixes[noun]}_[0-9a-z]{26}$`).test(text);
}

/** Who does something. `operator` is a person at the command line of the machine. */
export type Actor =
  | { kind: 'person'; id: Id<'person'> }
  | { kind: 'job'; id: string }
  | { kind: 'webhook'; id: string }
  | { kind: 'operator'; id: string }
  | { kind: 'slack-user'; id: string };

export type RefusalCode = 'invalid' | 'not_found' | 'not_allowed' | 'conflict';

/** Somebody who may do what others may not, and what makes them so: `the owner`. */
export type Instead = 'administrators' | { id: Id<'person'>; as: string };

/** A final "no" whose sentence is shown to the person. Anything else that is thrown is a bug or an outage, and is retried. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly sentence: string;
  /** The form field that the sentence belongs under. */
  readonly field: string | undefined;
  /** Who may do it instead: doors name them after the sentence. */
  readonly instead: readonly Instead[];
  constructor(code: RefusalCode, sentence: string, field?: string, instead: readonly Instead[] = []) {
    super(sentence);
    this.name = 'Refusal';
    this.code = code;
    this.sentence = sentence;
    this.field = field;
    this.instead = instead;
  }
}

/** The answer about what is not there, or what whoever asks may not know of. */
export const notThere = (what: string): Refusal =>
  new Refusal('not_found', `This ${what} does not exist, or not any more.`);

/** What came with a click, a link or a message, as an id of this kind. Anything else is not there. */
export function idOf<N extends Noun>(noun: N, text: unknown): Id<N> {
  if (isId(noun, text)) return text;
  throw notThere(noun);
}

/** Throws what a `whyNot…` rule found, if it found something. */
export function refuseIf(refusal: Refusal | null): void {
  if (refusal) throw refusal;
}

/** Thrown by a job that is neither done nor failed: try again in so many milliseconds. It does not count as a failure. */
export class Later extends Error {
  readonly retryInMs: number;
  constructor(why: string, retryInMs: number) {
    super(why);
    this.name = 'Later';
    this.retryInMs = retryInMs;
  }
}

/** Whoever was asked wants to be left alone for so long, by everybody. */
export class AskedTooOften extends Later {}

/** A secret value. It shows as `[secret]` however it is printed; `reveal` is for adapters alone (a test holds them to it). */
export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  /** The value itself. Only adapters may call this. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return '[secret]';
  }
  toJSON(): string {
    return '[secret]';
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

export const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** `now` moved by so many milliseconds. */
export function after(now: Instant, ms: number): Instant {
  return new Date(now.getTime() + ms);
}

export const byId = <T extends { id: string }>(rows: T[]): Map<string, T> => new Map(rows.map((row) => [row.id, row]));

/** What nobody can guess, for an address or a cookie: 256 bits of chance. */
export const freshToken = (): string => Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');

/** SHA-256 in hexadecimal digits. */
export async function sha256(text: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))).toString('hex');
}

/** Text that Postgres and JSON can hold: without U+0000 and lone surrogates. */
export function storable(text: string): string {
  return text.replaceAll('\u0000', '').toWellFormed();
}

/** Dies here, as if the machine had lost its power, when KEYSTEWARD_FAILPOINT names this place. For crash tests; never in production. */
export function failpoint(place: string): void {
  if (process.env.KEYSTEWARD_FAILPOINT === place && process.env.NODE_ENV !== 'production') {
    process.kill(process.pid, 'SIGKILL');
  }
}
