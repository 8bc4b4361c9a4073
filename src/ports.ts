import type { AccessRequest, Grant } from './access/model.ts';
import type { AuditEvent, AuditFilter } from './audit/model.ts';
import type { CalendarFeed } from './calendar/model.ts';
import type { Reminder } from './calendar/reminder-model.ts';
import type { Counts, Digest, Reader, Standing } from './digest/model.ts';
import type { Incident, Seen } from './incidents/model.ts';
import type { Consumer } from './inventory/consumer-model.ts';
import type { ApiKey, Environment, Risk } from './inventory/model.ts';
import type { Version } from './inventory/version-model.ts';
import type { JobName, JobPayload, Lane } from './jobs.ts';
import type { Actor, Id, Instant, newId, Refusal, Secret } from './kernel.ts';
import type { Case, HrMessage } from './offboarding/model.ts';
import type { Person } from './people/model.ts';
import type { Team } from './people/team-model.ts';
import type { Policy } from './policy.ts';
import type { Finding } from './reviews/model.ts';
import type { PermissionReview } from './reviews/permissions-model.ts';
import type { HandIn } from './rotation/by-hand/hand-in-model.ts';
import type { Campaign } from './rotation/campaigns/model.ts';
import type { Use } from './rotation/deployment/model.ts';
import type { ReadsFound } from './rotation/deployment/reads-model.ts';
import type { Rotation } from './rotation/model.ts';
import type { Need } from './rotation/timing/pace-model.ts';
import type { Runbook } from './runbooks/model.ts';

/** The ways out: everything that the verbs need from the world. */
export interface Ports {
  store: Store;
  policy: Policy;
  secrets: Secrets;
  /** Null where nobody is asked who reads secrets. */
  readers: Readers | null;
  fingerprints: Fingerprints;
  issuers: Issuers;
  hooks: Hooks;
  pager: Pager;
  directory: Directory;
  leases: Leases;
  pace: Pace;
  address: Address;
  runbooks: Runbooks;
  signIn: SignIn;
}

/** The steps for people that come with the product, by the name of their service. */
export interface Runbooks {
  of(name: string): Runbook | null;
  names(): string[];
}

/** The address under which people and their programs reach a path of our own server, such as `/calendar/x.ics`. */
export type Address = (path: string) => string;

// ————— Store —————

export interface Change {
  actor: Actor;
  /** `area.verb`, as in the audit log. */
  action: string;
  /** The id of what it is done to. */
  subject: string;
  /** The key it concerns, for the log's filter. */
  keyId?: Id<'key'>;
}

export interface Store {
  /**
   * The only way to write. One transaction holds the state change, its audit event and the jobs that follow. A `Refusal`
   * rolls back, is recorded as a refusal and thrown on. Deadlocks and serialisation failures are retried. No network
   * calls inside.
   */
  change<T>(change: Change, fn: (tx: Tx) => Promise<T>): Promise<T>;
  /** A consistent read-only view. What is read here is never saved. */
  read<T>(fn: (view: View) => Promise<T>): Promise<T>;
  /** One question to the same view: it needs no transaction to be consistent, and costs less. */
  look<T>(fn: (view: Omit<View, 'now'>) => Promise<T>): Promise<T>;
  /** Records that somebody was refused outside of a change. A refusal that is on record already is not recorded twice. */
  refused(change: Change, refusal: Refusal): Promise<void>;
}

/** Rows of one noun. Inside `store.change`, `get` and `find` lock the row until the transaction ends. */
export interface Rows<N> {
  /** @throws Refusal `not_found` */
  get(id: string): Promise<N>;
  find(id: string): Promise<N | null>;
}
export interface WritableRows<N> extends Rows<N> {
  save(row: N): Promise<void>;
}

/** One page of a listing; `next` is what to ask for the next page with. */
export interface Page<N> {
  rows: N[];
  next: string | null;
}

export interface KeyFilter {
  service?: string;
  environment?: Environment;
  risk?: Risk;
  ownerId?: Id<'person'>;
  /** Only those whose owner is in this team. */
  teamId?: Id<'team'>;
  /** Rotation due up to this instant. */
  dueBefore?: Instant;
  status?: ApiKey['status'];
  /** Only those whose rotation is paused now. */
  paused?: boolean;
  /** Only those whose permissions have to be reviewed again: last before this instant, never, or before something changed. */
  reviewedBefore?: Instant;
  /** Only those that may do more than they need, by their last review. */
  overPermissioned?: boolean;
  /** All of these words are in the key's name, service or tags. */
  words?: string;
}

/** A page that one can also go back from: `previous` and `next` are what to ask for the neighbours with. */
export interface KeyPage extends Page<ApiKey> {
  previous: string | null;
}

export interface KeyReads extends Rows<ApiKey> {
  /** Soonest due first. `at` is the `next` or `previous` of another page. */
  list(filter: KeyFilter, limit: number, at?: string | null): Promise<KeyPage>;
  /** Keys whose name, service, purpose or tags match all words; best first. */
  search(text: string, limit: number): Promise<ApiKey[]>;
  count(filter: KeyFilter): Promise<number>;
  /** Services with active keys whose name has this in it, by name, each with one of its keys. */
  services(text: string, limit: number): Promise<{ service: string; keyId: Id<'key'>; keys: number }[]>;
  /** Active keys that were made before this instant, were never rotated and are not high risk, by id. */
  neverRotated(madeBefore: Instant, after: Id<'key'> | null, limit: number): Promise<Id<'key'>[]>;
  many(ids: string[]): Promise<ApiKey[]>;
}
export interface VersionReads {
  /** In the order in which they were first seen. */
  ofKey(keyId: string): Promise<Version[]>;
  /** Versions of any key that have this very value. */
  withFingerprint(fingerprint: string): Promise<Version[]>;
}
export interface VersionWrites {
  /** What is known already stays where this says nothing; it counts as current since the earliest time. */
  save(version: Version): Promise<void>;
}
export interface ConsumerReads extends Rows<Consumer> {
  /** Those that use this key now, in the order in which they were recorded. */
  ofKey(keyId: string): Promise<Consumer[]>;
  /** What this person moves by hand now. */
  movedBy(personId: string): Promise<Consumer[]>;
  many(ids: string[]): Promise<Consumer[]>;
}
export interface PersonReads extends Rows<Person> {
  bySlackId(slackId: string): Promise<Person | null>;
  byHrId(hrId: string): Promise<Person | null>;
  withTier(tier: Person['tier']): Promise<Person[]>;
  many(ids: string[]): Promise<Person[]>;
}
export interface TeamReads extends Rows<Team> {
  all(): Promise<Team[]>;
  bySlackId(slackId: string): Promise<Team | null>;
  many(ids: string[]): Promise<Team[]>;
  /** In use, and somebody with this Slack id is in them; by name. */
  ofMember(slackId: string): Promise<Team[]>;
  /** In use, with this in their name or handle; by name. */
  search(text: string, limit: number): Promise<Team[]>;
}
export interface RequestReads extends Rows<AccessRequest> {
  openBy(personId: string): Promise<AccessRequest[]>;
  openFor(keyId: string): Promise<AccessRequest[]>;
  ofKey(keyId: string, limit: number): Promise<AccessRequest[]>;
  /** Pending requests in which this person was asked, oldest first. */
  waitingFor(personId: string): Promise<AccessRequest[]>;
}
export interface GrantReads extends Rows<Grant> {
  ofRequest(requestId: string): Promise<Grant | null>;
  /** Not yet ended, soonest end first. */
  liveOfKey(keyId: string): Promise<Grant[]>;
  /** How many those are; of those alone that had begun by this instant, where one is given. */
  countLive(keyId: string, begunBy?: Instant): Promise<number>;
  /** How many people have one that nothing is ending yet. */
  countHolders(keyId: string): Promise<number>;
  liveOfPerson(personId: string): Promise<Grant[]>;
  /** Every grant that this person ever held, for offboarding. */
  everOfPerson(personId: string): Promise<Grant[]>;
  /** Live grants that end before this instant. */
  endingBefore(at: Instant, limit: number): Promise<Grant[]>;
  keysWithLive(after: string | null, limit: number): Promise<Id<'key'>[]>;
}
export interface RotationReads extends Rows<Rotation> {
  /**
   * With its key, and the time. Inside `store.change` both are locked, the key first, as everywhere.
   * @throws Refusal `not_found`
   */
  withKey(id: string): Promise<{ rotation: Rotation; key: ApiKey; now: Instant }>;
  runningOf(keyId: string): Promise<Rotation | null>;
  /** Newest first. */
  ofKey(keyId: string, limit: number): Promise<Rotation[]>;
  /** Of all keys of this issuer. */
  runningAt(issuer: string): Promise<Rotation[]>;
  /** Running, and at a step that asks something of a person: of this one's keys, unless somebody else has taken it, and what they took. */
  waitingFor(personId: string, limit: number): Promise<Rotation[]>;
  /** Of these, those that have asked for a replacement of what the issuer calls so. */
  replacing(issuer: string, providerKeyId: string): Promise<Rotation[]>;
  /** Every rotation that this incident, case or person caused. */
  ofCause(causeId: string): Promise<Rotation[]>;
  /** Drills that began since then, or ever; newest first. */
  drills(since: Instant | null, limit: number): Promise<Rotation[]>;
  /** Running, untouched since and with nothing that would take them further; `trouble` is what the last job died of, if it died. */
  stalled(since: Instant, limit: number): Promise<{ rotation: Rotation; trouble: string | null }[]>;
  /** Running, and with a step that has failed so often in a row and is tried again; `trouble` is what it failed of last. */
  troubled(failures: number, limit: number): Promise<{ rotation: Rotation; trouble: string }[]>;
  /** Keys that are due, are in the store, are not snoozed, are not being rotated and have not failed since. */
  dueKeys(
    failedSince: Instant,
    after: string | null,
    limit: number,
  ): Promise<{ ids: Id<'key'>[]; next: string | null }>;
}
export interface HandInReads extends Rows<HandIn> {
  /** Links of this rotation that nobody has used yet, ended or not by their time. */
  openOf(rotationId: string): Promise<HandIn[]>;
}
export interface CampaignReads extends Rows<Campaign> {
  /** Drafts, and what waits for a second person. */
  unconfirmed(): Promise<Campaign[]>;
  /** Running, and with nothing that would take them further. */
  stalled(): Promise<Campaign[]>;
  /** Of which this key is part and of which something may still become. */
  unsettledOfKey(keyId: string): Promise<Campaign[]>;
  /** Of each of its keys the newest rotation that counts for it, if there is one. */
  rotationsOf(campaign: Campaign): Promise<Rotation[]>;
}
export interface CaseReads extends Rows<Case> {
  /** The newest; the only one that may be unfinished. */
  latestOf(personId: string): Promise<Case | null>;
  /** Everything that is not over, oldest first. */
  unfinished(): Promise<Case[]>;
  /** How many were opened by a machine since then. Inside `store.change` this waits for others who count, so that a crowd is counted. */
  openedByMachineSince(at: Instant): Promise<number>;
  message(id: string): Promise<HrMessage | null>;
  /** What the HR system said of somebody whom nobody could find then, newest first. */
  unknown(hrId: string): Promise<HrMessage[]>;
}
export interface IncidentReads extends Rows<Incident> {
  openOfKey(keyId: string): Promise<Incident | null>;
  /** Of a message that shows a key which is not in the inventory. */
  openOfMessage(seen: Seen): Promise<Incident | null>;
  /** Not closed, oldest first. */
  open(limit: number): Promise<Incident[]>;
}
export interface DigestReads extends Rows<Digest> {
  /** Active people who own active keys, with when their digest was last sent, else when the first of these keys was added. */
  readers(after: string | null, limit: number): Promise<{ rows: Reader[]; next: string | null }>;
  /** Those who were sent one since. */
  sentSince(since: Instant): Promise<Digest['id'][]>;
  /** How many keys of this owner are due up to this instant. */
  countsOf(ownerId: string, dueBefore: Instant): Promise<Counts>;
  /** How all keys stand that are due up to this instant; at most so many in each list. */
  standing(dueBefore: Instant, most: number): Promise<Standing>;
}
export interface CalendarReads extends Rows<CalendarFeed> {
  byAddress(addressHash: string): Promise<CalendarFeed | null>;
  ofPerson(personId: string): Promise<CalendarFeed[]>;
  /** When each of these keys and grants last changed, by its id; nothing for one that the log does not know. */
  changesOf(keyIds: readonly string[], grantIds: readonly string[]): Promise<Map<string, Instant>>;
}
export interface FindingPage extends Page<Finding> {
  previous: string | null;
  /** Of how many it is a page. */
  count: number;
}
export interface FindingReads extends Rows<Finding> {
  /** In the order in which they were found. */
  openOfKey(keyId: string): Promise<Finding[]>;
  /** Open ones first, then those that were gone last. */
  ofKey(keyId: string, limit: number): Promise<Finding[]>;
  /** Open ones of active keys, of all or of this owner's: the highest risk first, then the oldest. `at` as for keys. */
  open(ownerId: Id<'person'> | null, limit: number, at?: string | null): Promise<FindingPage>;
  /** How many open ones of its kind say the same of other keys. */
  countAlike(finding: Pick<Finding, 'keyId' | 'kind' | 'facts'>): Promise<number>;
}
/** By the id of its key: the last review of what it may do. */
export interface PermissionReviewReads extends Rows<PermissionReview> {
  many(keyIds: string[]): Promise<PermissionReview[]>;
}
export interface ReminderReads extends Rows<Reminder> {
  /** Active keys that are due from now to this instant, and whose owner has not had the last of the reminders, by id. */
  candidates(before: Instant, leastDays: number, after: Id<'key'> | null, limit: number): Promise<Id<'key'>[]>;
}
export interface AuditReads {
  /** Newest first; `before` is the `next` of the page before. */
  list(filter: AuditFilter, limit: number, before?: string | null): Promise<Page<AuditEvent>>;
  /** The page that comes before: the events right after this one, newest first. `next` leads to still newer ones. */
  newer(filter: AuditFilter, limit: number, after: string): Promise<Page<AuditEvent>>;
}

/** Work that was given up: it kept failing, or every worker that took it crashed. */
export interface DeadWork {
  id: Id<'work'>;
  name: string;
  payload: unknown;
  failures: number;
  lastError: string | null;
  endedAt: Instant;
}
export interface WorkReads {
  /** What was given up and not tried again since, newest first. */
  dead(limit: number): Promise<DeadWork[]>;
}

export interface View {
  /** The database's clock at the start of the transaction. */
  now: Instant;
  keys: KeyReads;
  versions: VersionReads;
  consumers: ConsumerReads;
  people: PersonReads;
  teams: TeamReads;
  requests: RequestReads;
  grants: GrantReads;
  rotations: RotationReads;
  handIns: HandInReads;
  campaigns: CampaignReads;
  cases: CaseReads;
  incidents: IncidentReads;
  digests: DigestReads;
  calendars: CalendarReads;
  reminders: ReminderReads;
  findings: FindingReads;
  permissionReviews: PermissionReviewReads;
  audit: AuditReads;
  work: WorkReads;
  cards: CardReads;
}

type Writable<R, N> = R & WritableRows<N>;
export interface Tx extends View {
  newId: typeof newId;
  keys: Writable<KeyReads, ApiKey>;
  versions: VersionReads & VersionWrites;
  consumers: Writable<ConsumerReads, Consumer>;
  people: Writable<PersonReads, Person>;
  teams: Writable<TeamReads, Team>;
  requests: Writable<RequestReads, AccessRequest>;
  grants: Writable<GrantReads, Grant>;
  rotations: Writable<RotationReads, Rotation>;
  handIns: Writable<HandInReads, HandIn>;
  campaigns: Writable<CampaignReads, Campaign>;
  cases: Writable<CaseReads, Case> & {
    /** Keeps a message of the HR system; false when one with this id was kept before. Waits for whoever is keeping it right now. */
    hear(message: HrMessage): Promise<boolean>;
    /** What came of it. */
    settle(message: HrMessage): Promise<void>;
  };
  incidents: Writable<IncidentReads, Incident>;
  digests: Writable<DigestReads, Digest>;
  calendars: Writable<CalendarReads, CalendarFeed>;
  reminders: Writable<ReminderReads, Reminder>;
  findings: Writable<FindingReads, Finding>;
  permissionReviews: Writable<PermissionReviewReads, PermissionReview>;
  jobs: {
    /** Work that follows from this change; it exists when, and only when, the change does. With `once`, a second waiting job of that name and key is not added. */
    add<N extends JobName>(
      name: N,
      payload: JobPayload<N>,
      options?: { at?: Instant; once?: string; lane?: Lane },
    ): Promise<void>;
    /** Puts work that was given up back, due at once and with all its attempts. Null when it is not given up (any more). */
    again(workId: string): Promise<DeadWork | null>;
  };
  cards: CardReads & Cards;
  /** Facts for this change's audit event. Never a value of a key. */
  note(facts: Record<string, unknown>): void;
  /** A further event of the same transaction, with the same actor. */
  record(action: string, subject: string, facts?: Record<string, unknown>, keyId?: Id<'key'>): void;
}

// ————— Cards: what Slack shows of a fact —————

/** Who sees a card: a channel (id or name) or a person in their DM with the app. */
export type Audience = { channel: string } | { person: Id<'person'> };

export interface Card {
  id: Id<'card'>;
  /** Names the renderer, e.g. `access.request`. */
  kind: string;
  /** The id of the fact that it shows. */
  subject: string;
  channel: string | null;
  personId: Id<'person'> | null;
  /** Where Slack has it; null until posted. */
  postedChannel: string | null;
  ts: string | null;
}
export interface CardReads {
  of(kind: string, subject: string): Promise<Card[]>;
}
export interface TouchOptions {
  withinMs?: number;
  urgent?: boolean;
}
export interface Cards {
  /** The fact has to be seen there. Showing it twice to the same audience is the same card; `anew` posts it once more, in place of the old copy. */
  show(kind: string, subject: string, audience: Audience, options?: { anew?: boolean }): Promise<void>;
  /**
   * The fact changed: every copy of every card of this subject is rendered again and edited in place. With `withinMs` it
   * only shows how far something has come: then, or later when Slack would not let so many be edited, unless it is urgent.
   */
  touch(subject: string, options?: TouchOptions): Promise<void>;
}

// ————— The world —————

/** One holder at a time, over all processes, for outside calls that must not interleave. */
export interface Leases {
  /** Null while somebody else holds it. A holder that dies loses it after `holdMs`; keep outside calls well below that. */
  take(name: string, holdMs: number): Promise<(() => Promise<void>) | null>;
}

/** Who asks others how much when, over all processes, so that nobody is asked more than they allow. */
export interface Pace {
  /** 0 when it is this holder's turn for all of these at once; else for how many milliseconds to stay away, with a place in the queue. */
  turn(holder: string, needs: Need[], urgent: boolean): Promise<number>;
  /** The same before it is needed: a place in the queue where there is one. Where nobody waits, 0, and nothing is used up. */
  reserve(holder: string, needs: Need[], urgent: boolean): Promise<number>;
  /** Somebody said to leave them alone for so long. */
  leaveAlone(need: Pick<Need, 'of' | 'perSecond'>, ms: number): Promise<void>;
}

export interface SecretVersion {
  id: string;
  stages: string[];
}
export interface SecretDescription {
  arn: string;
  versions: SecretVersion[];
  rotationEnabled: boolean;
  deletedAt: Instant | null;
}

/** AWS Secrets Manager, as far as we need it. Values go in and out as `Secret` only. */
export interface Secrets {
  describe(secretId: string): Promise<SecretDescription | null>;
  /** A new secret with a first value. Idempotent by token. */
  create(
    secretId: string,
    token: string,
    value: Secret,
    description: string,
  ): Promise<{ arn: string; versionId: string }>;
  /** A new version under AWSPENDING only. The token becomes its id; a version that has it already stays as it is, whatever its value. */
  stage(secretId: string, token: string, value: Secret): Promise<void>;
  /** The value of a version, or null when it is not there (yet). `lastFour` is null where it would tell too much. */
  read(
    secretId: string,
    version: { versionId: string } | { stage: string },
  ): Promise<{ versionId: string; value: Secret; lastFour: string | null } | null>;
  /** Moves a stage from exactly the version that is believed to hold it; null as `to` takes it away. False, and nothing moved, when that version does not hold it. */
  move(secretId: string, stage: string, from: string | null, to: string | null): Promise<boolean>;
  /** Has AWS rotate a secret that it rotates itself; the token becomes the new version's id. Idempotent by token. `busy` while an earlier rotation is not over. */
  rotate(secretId: string, token: string): Promise<'started' | 'busy' | { refused: string }>;
  random(recipe: { length: number; exclude: string; punctuation: boolean }): Promise<Secret>;
  policy(secretId: string): Promise<string | null>;
  /** Replaces the whole policy; null deletes it. Public policies are blocked. */
  setPolicy(secretId: string, policy: string | null): Promise<void>;
  /** Whether the service answers. */
  ping(): Promise<void>;
}

/** Who reads secrets, as far as somebody writes that down. */
export interface Readers {
  /** Whoever does, as people know them. */
  name: string;
  /** How long a read may take to be written down. */
  lateMs: number;
  /** Successful reads of the value of this secret since then, but for our own. What is not known is said, and not thrown. */
  of(arn: string, since: Instant): Promise<ReadsFound>;
}

/** Keyed fingerprints of values: equal for equal values, and of no use to anybody who has not the key for them. */
export interface Fingerprints {
  /** The secret that holds the key: nobody's to be granted. */
  keptIn: string;
  /**
   * What stands before the dot names the key that it was taken under. Null while the key cannot be had; then nothing is
   * recognised, and nothing else is the worse for it.
   */
  of(value: Secret): Promise<string | null>;
}

/** What an issuer can do by API; what it cannot is done by a person. */
export interface IssuerAbilities {
  create: boolean;
  /** The store has the value replaced by itself: it is asked to, and watched. */
  rotatesItself?: boolean;
  test: boolean;
  /** Stop a key so that it can be started again. */
  disable: boolean;
  revoke: boolean;
  confirmDead: boolean;
  list: boolean;
  lastUsed: boolean;
  /** Counts how much a key is used. */
  usage: boolean;
  /** So much later than it happened a use may show in `lastUsed` and `usage`, in minutes: of what lies less far back, silence proves nothing. */
  usageLagMinutes: number;
  /** `lastUsed` and `usage` see only uses that cost something: of all others silence proves nothing. */
  usageIsPartial?: boolean;
  /** Whether its values may be such that keys can be managed with them, so that Keysteward can work with one itself. */
  managesKeys?: boolean;
  /** Its keys bear no names: what was made by a call whose answer was lost is known by the moment at which it was made. */
  unlabelled?: boolean;
  /** How many of its keys can live side by side. `none`: the call that makes the new value ends the old one. */
  overlap: 'many' | 'two' | 'none';
  /** How many keys there can be at most; null where no limit is known. */
  keyLimit: number | null;
  /** How long the provider may take until a new key works everywhere, or an ended one nowhere. */
  propagationSeconds: number;
}
/** A key as its provider lists it; never the value. */
export interface IssuedKey {
  /** What the provider calls it. Opaque, and no secret. */
  providerKeyId: string;
  label: string | null;
  active: boolean;
}
/** A value that is read from the store only by whoever needs it; null when the store does not have it. */
export type LaterValue = () => Promise<Secret | null>;
/** A value to be ended: what the provider calls it, and the value itself, as far as they are known. */
export interface Ending {
  providerKeyId: string | null;
  value: Secret | null;
}
export type Made =
  | { value: Secret; providerKeyId: string | null; expiresAt: Instant | null }
  /** Final: trying again would give the same answer. */
  | { refused: string }
  /** Nothing was made, for certain; asked again later, it may be. */
  | { notYet: string };
/** What came of trying a value. */
export interface Tried {
  verdict: 'works' | 'refused' | 'unclear';
  evidence: string;
}
/** Who makes and ends the values of a key: a provider's API, or ourselves. One file each in adapters/providers. */
export interface Issuer {
  name: string;
  can: IssuerAbilities;
  /** The secret that holds the credential which it works with; null when it needs none. */
  credential: string | null;
  /**
   * A new value, or the sentence that says why there cannot be one. `label` is unique to the attempt, so that an orphan can
   * be found again. The key's `currentVersion` is the one that was just seen as current. Where nothing overlaps, `replaces`
   * is what the provider calls the key that ends by this call: then its answer has the only copy of the new value, and no
   * call is repeated blindly.
   * @throws AskedTooOften when nothing was made, for certain, and when to ask again
   */
  create(key: ApiKey, label: string, replaces?: string): Promise<Made>;
  /**
   * Only where `can.overlap` is `none`: which key the next `create` can replace, or the sentence that says why there is none.
   * That is the given one while it is active. Where its replacement was `asked` for between two instants, and no answer seen,
   * it may be the one that has taken its place then, whose value nobody has.
   */
  replaceable?(
    key: ApiKey,
    last: { providerKeyId: string; asked: { from: Instant; to: Instant } | null },
  ): Promise<{ providerKeyId: string } | { refused: string }>;
  /**
   * Keys that an earlier try has left behind: under one of these labels or, where `can.unlabelled`, made when one of the calls
   * was under way that were made at these instants and whose answers nobody has seen.
   */
  find(key: ApiKey, labels: string[], unanswered: Instant[]): Promise<IssuedKey[]>;
  /** What the provider calls the key with this value; null where it does not say. */
  identify(key: ApiKey, value: Secret): Promise<string | null>;
  /**
   * Whether the value works. `old` reads what it replaces, for those who compare; null where there is nothing to compare
   * with. `unclear` is neither yes nor no (throttled, outage, no permission) and is tried again.
   */
  test(key: ApiKey, value: Secret, old: LaterValue | null): Promise<Tried>;
  /** Ends a key at the provider. Idempotent: one that is gone already is no trouble. `value` reads it, for those who have to show it. */
  revoke(key: ApiKey, ending: Pick<Ending, 'providerKeyId'> & { value: LaterValue | null }): Promise<void>;
  /** Stops a key, or starts it again; only where `can.disable`. */
  enable?(key: ApiKey, providerKeyId: string, on: boolean): Promise<void>;
  /** Whether a value is dead, by the provider's own signal. Being throttled, an outage, a missing permission or a bill unpaid prove nothing. */
  confirmDead(key: ApiKey, ending: Ending): Promise<{ verdict: 'dead' | 'alive' | 'unclear'; evidence: string }>;
  /** All keys that are there, over all pages. */
  list(key: ApiKey): Promise<IssuedKey[]>;
  /** The last use that shows by now, or the end of the shortest span of time that it is known to lie in; null where none shows. */
  lastUsed(key: ApiKey, providerKeyId: string): Promise<Instant | null>;
  /** How much of its use since then shows by now; null where nobody counts, or nothing can have been counted yet. */
  usage(key: ApiKey, providerKeyId: string, since: Instant): Promise<Use | null>;
}
export interface Issuers {
  /** `person` is one of them: somebody who does by hand what no API does. */
  of(name: string): Issuer | null;
  /** The same as `of` names, working with exactly this credential, whatever the store has; null where it needs none. */
  workingWith(name: string, credential: Secret): Issuer | null;
  /**
   * Whether Keysteward can work with this value wherever it works with this key: keys are listed with it, and with no other
   * one, at every such entry of the policy. `refused` when one of them turns it down.
   */
  tryAsCredential(key: ApiKey, value: Secret): Promise<Tried>;
  /** Those that a key can be given to, beside a person. */
  names(): string[];
  /** Why this can hardly be a whole new value, in words that hold nothing of it, or null. `known` are values that it must not be; the first is what it replaces. */
  whyImplausible(value: Secret, known: Secret[]): string | null;
}

export interface Pager {
  /** Wakes somebody. Idempotent by `dedupKey`. Answers whether a pager is connected at all. */
  page(alert: {
    dedupKey: string;
    severity: 'critical' | 'error' | 'warning' | 'info';
    summary: string;
    details: Record<string, string>;
  }): Promise<boolean>;
}

/** Proof, for a page in a browser, of who somebody is in Slack. */
export interface SignIn {
  /** The sentence that says what has to be set before anybody can sign in, or null. */
  whyNot: string | null;
  /** Where to send the browser. It comes back to `returnTo` with `state`; nonce and verifier are kept for `finish`. */
  begin(returnTo: string, state: string): Promise<{ url: string; nonce: string; verifier: string | null }>;
  /** Who came back, a member of our workspace; or why nobody can be believed. `returnedTo` is the whole address that the browser came to. */
  finish(
    returnedTo: string,
    begun: { state: string; nonce: string; verifier: string | null },
  ): Promise<{ slackId: string } | { refused: string }>;
}

/** Webhooks signed by the Standard Webhooks scheme, in both directions. */
export interface Webhooks {
  /** False when there is no secret to check anything with. */
  ready: boolean;
  /** The message's id, or why it is not believed. */
  verify(headers: Record<string, string>, rawBody: string): { id: string } | { refused: string };
  /** The headers that prove a body; signed with the newest secret. */
  sign(id: string, at: Instant, rawBody: string): Record<string, string>;
}

/** Who exists, according to Slack. */
export interface DirectoryEntry {
  slackId: string;
  teamId: string;
  name: string;
  timeZone: string;
  isGuest: boolean;
  isBot: boolean;
  deleted: boolean;
}
export interface TeamEntry {
  slackId: string;
  name: string;
  handle: string;
  disabled: boolean;
  /** Slack ids; null where the list does not name them all, so that they have to be asked for. */
  members: string[] | null;
}
/** Whom Slack knows. Throws `Later` where Slack asks to be left alone for a while. */
export interface Directory {
  person(slackId: string): Promise<DirectoryEntry | null>;
  everybody(): AsyncIterable<DirectoryEntry[]>;
  /** Every user group; null where Slack does not tell, because the app may not ask or the workspace has none. */
  teams(): Promise<TeamEntry[] | null>;
  /** Slack ids of who is in this user group; null where there is none, or Slack does not tell. */
  membersOf(teamSlackId: string): Promise<string[] | null>;
}

/** What a webhook said: it is deployed, it is not, it will say so later; or why it could not be asked. */
export type HookAnswer =
  | { said: 'deployed' | 'failed' | 'accepted' | 'gone'; status: number }
  | { trouble: string; status: number | null };

/** What Keysteward tells the webhooks of those who use a key. */
export interface Hooks {
  /** A new signing secret, as Standard Webhooks writes it. */
  freshSecret(): Secret;
  /** Sends a signed message, once. What comes back is bounded and never shown. Only where `whyNotTell` and the address that the name leads to allow it. */
  post(url: string, secret: Secret, message: { id: string; at: Instant; body: string }): Promise<HookAnswer>;
  /** The id of a message that one of them sent, or why it is not believed. */
  verify(secret: Secret, headers: Record<string, string>, rawBody: string): { id: string } | { refused: string };
}

// ————— Work: jobs as Postgres knows them. The queue carries ids only and may be lost at any time —————

export interface Work {
  id: Id<'work'>;
  name: JobName;
  payload: unknown;
  lane: Lane;
  /** Fencing number of this run. */
  lease: number;
  failures: number;
  crashes: number;
}
export interface WorkLedger {
  /** Marks what is due as queued and hands it to `publish`; nothing stays marked when `publish` throws. Answers how many. */
  publishDue(
    limit: number,
    publish: (due: { lane: Lane; queueId: string; workId: string }[]) => Promise<void>,
  ): Promise<number>;
  /** Takes the work for so long, unless it is done or somebody else has it. */
  claim(workId: string, leaseMs: number): Promise<Work | null>;
  /** False when another worker has taken over. */
  renew(work: Work, leaseMs: number): Promise<boolean>;
  finish(work: Work): Promise<void>;
  /** Puts the work back without counting a failure. */
  postpone(work: Work, ms: number): Promise<void>;
  /** `retryInMs` null gives up. */
  fail(work: Work, error: string, retryInMs: number | null): Promise<void>;
  /** Puts back what the queue has lost and what dead workers held. Answers how many. */
  recover(queuedForMs: number): Promise<number>;
  /** Adds the scheduled jobs that are due; each occasion once, however many ask. Missed occasions count as one. */
  runSchedules(): Promise<number>;
  /** Forgets what was done longer ago than this. */
  forget(doneForMs: number): Promise<void>;
  /** Calls `wake` when new work has been committed, until the connection is `lost`. Answers how to stop. */
  onNew(wake: () => void, lost: () => void): Promise<() => Promise<void>>;
  /** For metrics and readiness. */
  backlog(): Promise<{ waiting: number; dead: number; oldestDueSeconds: number }>;
}

// ————— What came in, and what Slack shows —————

/** Requests from Slack, stored before they are acknowledged. */
export interface Inbox {
  /** False when this delivery was stored before: it is a duplicate. */
  store(dedupeKey: string, kind: string, payload: unknown): Promise<boolean>;
  handled(dedupeKey: string): Promise<void>;
  /** Deliveries that nobody finished in this time, e.g. because the process died; each is handed out at most `maxTries` times. */
  claimLost(olderThanMs: number, maxTries: number, limit: number): Promise<{ dedupeKey: string; payload: unknown }[]>;
}

/** A card as the process that brings Slack up to date holds it. */
export interface HeldCard extends Card {
  /** Who has it, until it is let go of or its time is over. */
  holder: string;
  shown: string | null;
  /** To be posted once more; the old copy goes. */
  anew: boolean;
  /** An earlier process may have posted it and died before it could say where. */
  copied: boolean;
  /** What Slack said when it could not be posted into its channel. */
  astray: string | null;
  /** The channel that this person has it for, because the bot cannot post there. */
  insteadOf: { channel: string; astray: string } | null;
}
export interface CardLedger {
  /** Takes the card for so long; `busy` when another process has it, null when it does not exist. */
  hold(cardId: string, holdMs: number): Promise<HeldCard | 'busy' | null>;
  /** The intent, written before a card is posted. */
  posting(cardId: string): Promise<void>;
  /** Slack has refused to post it, so there is no copy. */
  notPosted(cardId: string): Promise<void>;
  /** It cannot be posted into its channel; what Slack said. */
  goneAstray(cardId: string, said: string): Promise<void>;
  /** What Slack shows now; `shown` is a hash of it. Lets go of the card; who has lost it to another by then changes nothing. */
  release(
    card: Pick<HeldCard, 'id' | 'holder'>,
    posted: { channel: string; ts: string; shown: string; anew: boolean } | null,
  ): Promise<void>;
}
