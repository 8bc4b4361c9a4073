import { boolean, customType, integer, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import type { AccessRequest, Grant } from '../../access/model.ts';
import type { CalendarFeed } from '../../calendar/model.ts';
import type { Reminder } from '../../calendar/reminder-model.ts';
import type { Digest } from '../../digest/model.ts';
import type { Incident } from '../../incidents/model.ts';
import type { Consumer } from '../../inventory/consumer-model.ts';
import type { ApiKey } from '../../inventory/model.ts';
import type { Version } from '../../inventory/version-model.ts';
import type { Case, HrMessage } from '../../offboarding/model.ts';
import type { Person } from '../../people/model.ts';
import type { Team } from '../../people/team-model.ts';
import type { Finding } from '../../reviews/model.ts';
import type { PermissionReview } from '../../reviews/permissions-model.ts';
import type { HandIn } from '../../rotation/by-hand/hand-in-model.ts';
import type { Campaign } from '../../rotation/campaigns/model.ts';
import type { Rotation } from '../../rotation/model.ts';

/** Tables as the SQL in migrations/ makes them; a test compares the two. Property names are those of the models. */
export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => 'bytea' });
export const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: 'date' });

export const auditEvents = pgTable('audit_event', {
  id: text('id').primaryKey(),
  at: instant('occurred_at').notNull(),
  actorKind: text('actor_kind').notNull(),
  actorId: text('actor_id').notNull(),
  action: text('action').notNull(),
  subject: text('subject').notNull(),
  keyId: text('key_id'),
  outcome: text('outcome').notNull(),
  canonical: bytea('canonical').notNull(),
  salt: bytea('salt').notNull(),
  leaf: bytea('leaf').notNull(),
});

export const work = pgTable('work', {
  id: text('id').primaryKey(),
  name: text('name').notNull(),
  payload: jsonb('payload').notNull(),
  lane: text('lane').notNull(),
  status: text('status').$type<'waiting' | 'running' | 'done' | 'dead'>().notNull().default('waiting'),
  onceKey: text('once_key'),
  runAt: instant('run_at').notNull(),
  queuedAt: instant('queued_at'),
  leasedUntil: instant('leased_until'),
  lease: integer('lease').notNull().default(0),
  failures: integer('failures').notNull().default(0),
  crashes: integer('crashes').notNull().default(0),
  lastError: text('last_error'),
  createdAt: instant('created_at').notNull(),
  endedAt: instant('ended_at'),
});

export const schedules = pgTable('schedule', {
  name: text('name').primaryKey(),
  cron: text('cron').notNull(),
  zone: text('zone').notNull(),
  nextAt: instant('next_at').notNull(),
});

export const inbox = pgTable('inbox', {
  dedupeKey: text('dedupe_key').primaryKey(),
  kind: text('kind').notNull(),
  payload: jsonb('payload').notNull(),
  receivedAt: instant('received_at').notNull().defaultNow(),
  handledAt: instant('handled_at'),
  tries: integer('tries').notNull().default(0),
});

export const cards = pgTable('card', {
  id: text('id').primaryKey(),
  kind: text('kind').notNull(),
  subject: text('subject').notNull(),
  channel: text('channel'),
  personId: text('person_id'),
  postedChannel: text('posted_channel'),
  ts: text('ts'),
  shown: bytea('shown'),
  heldUntil: instant('held_until'),
  heldBy: text('held_by'),
  anew: boolean('anew').notNull().default(false),
  postingSince: instant('posting_since'),
  copied: boolean('copied').notNull().default(false),
  astray: text('astray'),
  createdAt: instant('created_at').notNull(),
});

const id = <T extends string>(name: string) => text(name).$type<T>();

export const people = pgTable('person', {
  id: id<Person['id']>('id').primaryKey(),
  slackId: text('slack_id').notNull(),
  name: text('name').notNull(),
  tier: id<Person['tier']>('tier').notNull(),
  timeZone: text('time_zone').notNull(),
  status: id<Person['status']>('status').notNull(),
  iamPrincipal: text('iam_principal'),
  hrId: text('hr_id'),
  joinedAt: instant('joined_at').notNull(),
  leftAt: instant('left_at'),
});

export const teams = pgTable('team', {
  id: id<Team['id']>('id').primaryKey(),
  slackId: text('slack_id').notNull(),
  name: text('name').notNull(),
  handle: text('handle').notNull(),
  members: jsonb('members').$type<Team['members']>().notNull(),
  closedAt: instant('closed_at'),
});

export const keys = pgTable('api_key', {
  id: id<ApiKey['id']>('id').primaryKey(),
  name: text('name').notNull(),
  service: text('service').notNull(),
  environment: id<ApiKey['environment']>('environment').notNull(),
  purpose: text('purpose').notNull(),
  ownerId: id<ApiKey['ownerId']>('owner_id').notNull(),
  storage: id<ApiKey['storage']>('storage').notNull(),
  secretId: text('secret_id'),
  lastFour: text('last_four'),
  scope: text('scope').notNull(),
  flags: jsonb('flags').$type<ApiKey['flags']>().notNull(),
  tags: jsonb('tags').$type<ApiKey['tags']>().notNull(),
  createdOn: instant('created_on'),
  expiresAt: instant('expires_at'),
  issuer: text('issuer').notNull(),
  recipe: jsonb('recipe').$type<ApiKey['recipe']>(),
  risk: id<ApiKey['risk']>('risk').notNull(),
  riskSet: jsonb('risk_set').$type<ApiKey['riskSet']>(),
  status: id<ApiKey['status']>('status').notNull(),
  currentVersion: text('current_version'),
  providerKeyId: text('provider_key_id'),
  lastRotatedAt: instant('last_rotated_at'),
  nextRotationAt: instant('next_rotation_at'),
  plannedAt: instant('planned_at'),
  snooze: jsonb('snooze').$type<ApiKey['snooze']>(),
  pause: jsonb('pause').$type<ApiKey['pause']>(),
  overdue: jsonb('overdue').$type<ApiKey['overdue']>(),
  blocked: jsonb('blocked').$type<ApiKey['blocked']>(),
  addedBy: id<ApiKey['addedBy']>('added_by').notNull(),
  addedAt: instant('added_at').notNull(),
});

export const versions = pgTable('key_version', {
  keyId: id<Version['keyId']>('key_id').primaryKey(),
  version: text('version').primaryKey(),
  lastFour: text('last_four'),
  fingerprint: text('fingerprint'),
  seenAt: instant('seen_at').notNull(),
  currentAt: instant('current_at'),
});

export const consumers = pgTable('consumer', {
  id: id<Consumer['id']>('id').primaryKey(),
  keyId: id<Consumer['keyId']>('key_id').notNull(),
  name: text('name').notNull(),
  kind: id<Consumer['kind']>('kind').notNull(),
  url: text('url'),
  personId: id<NonNullable<Consumer['personId']>>('person_id'),
  readsAs: text('reads_as'),
  signedWith: text('signed_with'),
  addedBy: id<Consumer['addedBy']>('added_by').notNull(),
  addedAt: instant('added_at').notNull(),
  removedAt: instant('removed_at'),
});

export const requests = pgTable('access_request', {
  id: id<AccessRequest['id']>('id').primaryKey(),
  keyId: id<AccessRequest['keyId']>('key_id').notNull(),
  askedBy: id<AccessRequest['askedBy']>('asked_by').notNull(),
  use: text('use').notNull(),
  reason: text('reason').notNull(),
  ticket: text('ticket'),
  hours: integer('hours').notNull(),
  extendsGrant: id<Grant['id']>('extends_grant'),
  status: id<AccessRequest['status']>('status').notNull(),
  needs: integer('needs').notNull(),
  needsAdministrator: boolean('needs_administrator').notNull(),
  asked: jsonb('asked').$type<AccessRequest['asked']>().notNull(),
  decisions: jsonb('decisions').$type<AccessRequest['decisions']>().notNull(),
  nudges: integer('nudges').notNull(),
  escalatedAt: instant('escalated_at'),
  askedAt: instant('asked_at').notNull(),
  expiresAt: instant('expires_at').notNull(),
  closedAt: instant('closed_at'),
});

export const grants = pgTable('access_grant', {
  id: id<Grant['id']>('id').primaryKey(),
  requestId: id<Grant['requestId']>('request_id').notNull(),
  keyId: id<Grant['keyId']>('key_id').notNull(),
  personId: id<Grant['personId']>('person_id').notNull(),
  status: id<Grant['status']>('status').notNull(),
  principal: text('principal'),
  failure: text('failure'),
  startsAt: instant('starts_at').notNull(),
  endsAt: instant('ends_at').notNull(),
  endedAt: instant('ended_at'),
  endedBy: text('ended_by'),
  endReason: text('end_reason'),
  noticed: jsonb('noticed').$type<number[]>().notNull(),
});

export const rotations = pgTable('rotation', {
  id: id<Rotation['id']>('id').primaryKey(),
  keyId: id<Rotation['keyId']>('key_id').notNull(),
  cause: id<Rotation['cause']>('cause').notNull(),
  causeId: text('cause_id'),
  askedBy: id<NonNullable<Rotation['askedBy']>>('asked_by'),
  reason: text('reason'),
  emergency: boolean('emergency').notNull(),
  status: id<Rotation['status']>('status').notNull(),
  step: id<Rotation['step']>('step').notNull(),
  condition: id<Rotation['condition']>('condition').notNull(),
  attempt: integer('attempt').notNull(),
  lastAttempt: integer('last_attempt').notNull(),
  fence: integer('fence').notNull(),
  oldVersion: text('old_version'),
  newVersion: text('new_version'),
  oldLastFour: text('old_last_four'),
  newLastFour: text('new_last_four'),
  tried: jsonb('tried').$type<Rotation['tried']>().notNull(),
  cleanup: jsonb('cleanup').$type<Rotation['cleanup']>().notNull(),
  issuer: text('issuer'),
  labels: jsonb('labels').$type<Rotation['labels']>().notNull().default([]),
  issued: jsonb('issued').$type<Rotation['issued']>().notNull().default([]),
  unanswered: jsonb('unanswered').$type<Rotation['unanswered']>().notNull().default([]),
  replacement: jsonb('replacement').$type<Rotation['replacement']>(),
  deployments: jsonb('deployments').$type<Rotation['deployments']>().notNull().default([]),
  extension: jsonb('extension').$type<Rotation['extension']>(),
  forced: jsonb('forced').$type<Rotation['forced']>(),
  ending: jsonb('ending').$type<Rotation['ending']>(),
  record: jsonb('record').$type<Rotation['record']>().notNull(),
  failure: text('failure'),
  supersededBy: id<Rotation['id']>('superseded_by'),
  pages: jsonb('pages').$type<Rotation['pages']>().notNull().default([]),
  waits: jsonb('waits').$type<Rotation['waits']>(),
  taken: jsonb('taken').$type<Rotation['taken']>(),
  startedAt: instant('started_at').notNull(),
  continuesAt: instant('continues_at'),
  touchedAt: instant('touched_at').notNull(),
  endedAt: instant('ended_at'),
});

export const handIns = pgTable('hand_in', {
  id: id<HandIn['id']>('id').primaryKey(),
  rotationId: id<HandIn['rotationId']>('rotation_id').notNull(),
  attempt: integer('attempt').notNull(),
  personId: id<HandIn['personId']>('person_id').notNull(),
  tokenHash: text('token_hash').notNull(),
  madeAt: instant('made_at').notNull(),
  endsAt: instant('ends_at').notNull(),
  status: id<HandIn['status']>('status').notNull(),
  guesses: integer('guesses').notNull(),
  tries: integer('tries').notNull(),
  sessionHash: text('session_hash'),
  signIn: jsonb('sign_in').$type<HandIn['signIn']>(),
  signedInAt: instant('signed_in_at'),
  problem: text('problem'),
  closedAt: instant('closed_at'),
});

export const campaigns = pgTable('rotation_campaign', {
  id: id<Campaign['id']>('id').primaryKey(),
  service: text('service').notNull(),
  environment: id<NonNullable<Campaign['environment']>>('environment'),
  cause: id<Campaign['cause']>('cause').notNull(),
  emergency: boolean('emergency').notNull(),
  reason: text('reason').notNull(),
  askedBy: id<Campaign['askedBy']>('asked_by').notNull(),
  askedAt: instant('asked_at').notNull(),
  lines: jsonb('lines').$type<Campaign['lines']>().notNull(),
  status: id<Campaign['status']>('status').notNull(),
  expiresAt: instant('expires_at').notNull(),
  decidedBy: id<NonNullable<Campaign['decidedBy']>>('decided_by'),
  begunAt: instant('begun_at'),
  stoppedBy: id<NonNullable<Campaign['stoppedBy']>>('stopped_by'),
  stoppedAt: instant('stopped_at'),
  endedAt: instant('ended_at'),
  unsettled: boolean('unsettled').notNull(),
});

export const cases = pgTable('offboarding_case', {
  id: id<Case['id']>('id').primaryKey(),
  personId: id<Case['personId']>('person_id').notNull(),
  status: id<Case['status']>('status').notNull(),
  cause: jsonb('cause').$type<Case['cause']>().notNull(),
  byMachine: boolean('by_machine').notNull(),
  hold: id<NonNullable<Case['hold']>>('hold'),
  effectiveAt: instant('effective_at').notNull(),
  openedAt: instant('opened_at').notNull(),
  startedAt: instant('started_at'),
  confirmedBy: id<NonNullable<Case['confirmedBy']>>('confirmed_by'),
  closedAt: instant('closed_at'),
  closedBy: id<NonNullable<Case['closedBy']>>('closed_by'),
  ownedKeys: jsonb('owned_keys').$type<Case['ownedKeys']>().notNull(),
  rotateKeys: jsonb('rotate_keys').$type<Case['rotateKeys']>().notNull(),
  asked: jsonb('asked').$type<Case['asked']>().notNull(),
  ticks: jsonb('ticks').$type<Case['ticks']>().notNull(),
  seen: jsonb('seen').$type<Case['seen']>().notNull(),
});

export const hrMessages = pgTable('hr_message', {
  id: text('id').primaryKey(),
  hrId: text('hr_id').notNull(),
  slackUserId: text('slack_user_id'),
  effectiveAt: instant('effective_at').notNull(),
  receivedAt: instant('received_at').notNull(),
  outcome: id<HrMessage['outcome']>('outcome').notNull(),
  caseId: id<NonNullable<HrMessage['caseId']>>('case_id'),
});

export const incidents = pgTable('incident', {
  id: id<Incident['id']>('id').primaryKey(),
  keyId: id<NonNullable<Incident['keyId']>>('key_id'),
  which: text('which'),
  how: id<Incident['how']>('how').notNull(),
  what: text('what').notNull(),
  seen: jsonb('seen').$type<Incident['seen']>(),
  severity: id<Incident['severity']>('severity').notNull(),
  because: text('because').notNull(),
  declaredBy: id<Incident['declaredBy']>('declared_by').notNull(),
  declaredAt: instant('declared_at').notNull(),
  status: id<Incident['status']>('status').notNull(),
  containment: jsonb('containment').$type<Incident['containment']>(),
  byHand: text('by_hand'),
  leakedVersion: text('leaked_version'),
  ticks: jsonb('ticks').$type<Incident['ticks']>().notNull(),
  deadlines: jsonb('deadlines').$type<Incident['deadlines']>().notNull(),
  overdue: jsonb('overdue').$type<Incident['overdue']>().notNull(),
  pages: jsonb('pages').$type<Incident['pages']>().notNull(),
  commander: id<NonNullable<Incident['commander']>>('commander'),
  timeline: jsonb('timeline').$type<Incident['timeline']>().notNull(),
  containedAt: instant('contained_at'),
  closedAt: instant('closed_at'),
  closedBy: id<NonNullable<Incident['closedBy']>>('closed_by'),
  lesson: text('lesson'),
});

export const digests = pgTable('digest', {
  id: id<Digest['id']>('id').primaryKey(),
  sentAt: instant('sent_at').notNull(),
});

export const calendarFeeds = pgTable('calendar_feed', {
  id: id<CalendarFeed['id']>('id').primaryKey(),
  personId: id<CalendarFeed['personId']>('person_id').notNull(),
  scope: id<CalendarFeed['scope']>('scope').notNull(),
  addressHash: text('address_hash'),
  madeAt: instant('made_at').notNull(),
  fetchedAt: instant('fetched_at'),
});

export const reminders = pgTable('reminder', {
  id: id<Reminder['id']>('id').primaryKey(),
  personId: id<Reminder['personId']>('person_id').notNull(),
  dueAt: instant('due_at').notNull(),
  days: integer('days').notNull(),
  sentAt: instant('sent_at').notNull(),
});

export const findings = pgTable('finding', {
  id: id<Finding['id']>('id').primaryKey(),
  keyId: id<Finding['keyId']>('key_id').notNull(),
  kind: id<Finding['kind']>('kind').notNull(),
  sentence: text('sentence').notNull(),
  facts: jsonb('facts').$type<Finding['facts']>().notNull(),
  foundAt: instant('found_at').notNull(),
  seenAt: instant('seen_at').notNull(),
  closedAt: instant('closed_at'),
  repair: jsonb('repair').$type<Finding['repair']>(),
});

export const permissionReviews = pgTable('permission_review', {
  id: id<PermissionReview['id']>('id').primaryKey(),
  scope: text('scope').notNull(),
  needs: text('needs').notNull(),
  excess: text('excess'),
  excessSince: instant('excess_since'),
  restrictions: jsonb('restrictions').$type<PermissionReview['restrictions']>().notNull(),
  reviewedBy: id<PermissionReview['reviewedBy']>('reviewed_by').notNull(),
  reviewedAt: instant('reviewed_at').notNull(),
});
