import { DrizzleQueryError, eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import type { AuditEvent } from '../../audit/model.ts';
import type { JobName } from '../../jobs.ts';
import { type Actor, type Id, type Instant, isId, newId, Refusal, type RefusalCode, storable } from '../../kernel.ts';
import type { Audience, Card, Change, Store, Tx } from '../../ports.ts';
import { auditReads, auditStatements } from './audit.ts';
import { calendarRows, reminderRows } from './calendars.ts';
import { campaignRows } from './campaigns.ts';
import { writableCases } from './cases.ts';
import { again, deadWork } from './dead-work.ts';
import { digestRows } from './digests.ts';
import { findingRows, permissionReviewRows } from './findings.ts';
import { type FollowUps, followUps } from './follow-ups.ts';
import { progressPace } from './progress.ts';
import {
  consumerRows,
  grantRows,
  handInRows,
  incidentRows,
  keyRows,
  personRows,
  requestRows,
  rotationRows,
  teamRows,
} from './reads.ts';
import { type Session, type Statement, sending } from './rows.ts';
import { cards } from './schema.ts';
import { inTransaction } from './transaction.ts';
import { versionRows } from './versions.ts';

/** What people are told when a rule that lives in an index was broken by two of them at once. */
const constraintSentences: Record<string, [RefusalCode, string, string?]> = {
  api_key_name: ['conflict', 'The inventory already has a key with this service, environment and purpose.', 'purpose'],
  api_key_secret: ['conflict', 'Another key in the inventory already uses this secret.', 'secretId'],
  access_request_open: ['conflict', 'You already have an open request for this key.', 'keyId'],
  person_slack_id_key: ['conflict', 'Keysteward is just getting to know you. Try again in a second.'],
  offboarding_case_open: ['conflict', 'There is already a case for this person.'],
  person_hr_id_key: ['conflict', 'Somebody else already has this HR id.'],
  incident_open: ['conflict', 'This key is being reported just now. Try again in a second.', 'leakedKey'],
  incident_open_message: ['conflict', 'This message is being reported just now. Try again in a second.', 'which'],
  consumer_name: ['conflict', 'A consumer with this name is recorded for this key already.', 'consumerName'],
  rotation_drill: ['conflict', 'This occasion has had its drill.'],
  rotation_running: ['conflict', 'A rotation of this key is already running.'],
};

const retriable = new Set(['40001', '40P01']);

interface PgError {
  code?: string;
  constraint?: string;
}
/** drizzle wraps what Postgres said. */
function pgError(error: unknown): PgError {
  const cause = error instanceof Error && error.cause ? error.cause : error;
  return typeof cause === 'object' && cause !== null ? (cause as PgError) : {};
}

/** What Postgres said, without the statement, the values and the rows that are said beside it: they are what people typed. */
function withoutValues(error: unknown): unknown {
  if (!(error instanceof DrizzleQueryError || error instanceof pg.DatabaseError)) return error;
  const { code, constraint } = pgError(error);
  const its = error instanceof DrizzleQueryError ? error.cause : error;
  const said = new Error(its instanceof Error ? its.message : 'a query failed', { cause: { code, constraint } });
  said.name = 'PostgresError';
  return said;
}

/** Everything that can be asked and saved, made once for a connection. */
function nounsOf(session: Session) {
  return {
    keys: keyRows(session),
    versions: versionRows(session),
    consumers: consumerRows(session),
    people: personRows(session),
    teams: teamRows(session),
    requests: requestRows(session),
    grants: grantRows(session),
    rotations: rotationRows(session),
    handIns: handInRows(session),
    campaigns: campaignRows(session),
    cases: writableCases(session),
    incidents: incidentRows(session),
    digests: digestRows(session),
    calendars: calendarRows(session),
    reminders: reminderRows(session),
    findings: findingRows(session),
    permissionReviews: permissionReviewRows(session),
    audit: auditReads(session),
    work: deadWork(session),
    cards: { of: (kind: string, subject: string) => cardsOf(session, kind, subject) },
  };
}
const nouns = (session: Session) => session.keep(session.locking ? 'writing' : 'reading', () => nounsOf(session));

async function cardsOf(session: Session, kind: string, subject: string): Promise<Card[]> {
  const rows = await session.db
    .select()
    .from(cards)
    .where(sql`${cards.kind} = ${kind} AND ${cards.subject} = ${subject}`);
  return rows as unknown as Card[];
}

/** Everything that was asked of one transaction beside its rows: jobs, cards, audit facts. */
function txOf(
  session: Session,
  now: Instant,
  change: Change,
  events: AuditEvent[],
  facts: Record<string, unknown>,
  follow: FollowUps,
): Tx {
  const rows = nouns(session);
  return {
    ...rows,
    now,
    newId,
    jobs: { add: follow.add, again: (workId) => again(session, workId) },
    cards: {
      ...rows.cards,
      async show(kind, subject, audience: Audience, options = {}) {
        const to =
          'channel' in audience
            ? { channel: audience.channel, personId: null }
            : { channel: null, personId: audience.person };
        const making = session.db.insert(cards).values({ id: newId('card'), kind, subject, ...to, createdAt: now });
        await sending(session, making.onConflictDoNothing().execute());
        const same = (await cardsOf(session, kind, subject)).find(
          (card) => card.channel === to.channel && card.personId === to.personId,
        );
        if (same && options.anew)
          await sending(session, session.db.update(cards).set({ anew: true }).where(eq(cards.id, same.id)).execute());
        if (same) await follow.refresh(same.id);
      },
      touch: follow.touch,
    },
    note(more) {
      Object.assign(facts, more);
    },
    record(action, subject, more = {}, keyId) {
      events.push(
        eventOf(
          {
            actor: change.actor,
            action,
            subject,
            ...(keyId ? { keyId } : change.keyId ? { keyId: change.keyId } : {}),
          },
          now,
          'done',
          null,
          more,
        ),
      );
    },
  };
}

/** The key that a change concerns, for the log's filter: the one that it names, else the only one that it locked. */
function keyOf(change: Change, facts: Record<string, unknown>, lockedKeys: Set<Id<'key'>>): Pick<Change, 'keyId'> {
  const named = [change.keyId, change.subject, facts.keyId].find((each) => isId('key', each)) as Id<'key'> | undefined;
  const keyId = named ?? (lockedKeys.size === 1 ? [...lockedKeys][0] : undefined);
  return keyId ? { keyId } : {};
}

function eventOf(
  change: Change,
  at: Instant,
  outcome: AuditEvent['outcome'],
  reason: string | null,
  facts: Record<string, unknown>,
): AuditEvent {
  return {
    id: newId('audit'),
    at,
    actor: change.actor,
    action: change.action,
    subject: change.subject,
    keyId: change.keyId ?? null,
    outcome,
    reason,
    facts: storableFacts(facts),
  };
}

/** Facts as JSON will hold them: instants as text, no characters that Postgres refuses. */
function storableFacts(facts: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(facts), (_key, value: unknown) =>
    typeof value === 'string' ? storable(value) : value,
  ) as Record<string, unknown>;
}

export interface PostgresStore extends Store {
  pool: pg.Pool;
  close(): Promise<void>;
}

export interface PoolOptions {
  max?: number;
  /** A connection or an answer that takes longer is an error. Without it, only connecting has a limit: 5 s. */
  patienceMs?: number;
  /** Statements are sent before those ahead of them were answered. */
  pipeline?: boolean;
  /** Hears of connections that break while idle. */
  onError?: (error: Error) => void;
}

export function openPool(
  url: string,
  { max = 10, patienceMs, pipeline = false, onError = () => {} }: PoolOptions = {},
): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max,
    keepAlive: true,
    connectionTimeoutMillis: patienceMs ?? 5_000,
    ...(patienceMs ? { query_timeout: patienceMs } : {}),
    application_name: 'keysteward',
    pipeline,
  });
  pool.on('error', onError);
  // A connection that breaks off while somebody uses it says so to nobody else, and what nobody hears ends the process.
  pool.on('connect', (client) => void client.on('error', onError));
  return pool;
}

const seen = new Map<string, string | null>();
let names = 0;
/** A name for a statement that is asked for again and again, so that Postgres parses and plans it once a connection. */
function nameOf(text: string): string | undefined {
  const name = seen.get(text);
  if (name === undefined && seen.size < 2_000) seen.set(text, null);
  if (name !== null) return name;
  const given = `statement_${++names}`;
  seen.set(text, given);
  return given;
}

/** A connection that has Postgres remember what it is asked often, and counts what it is asked. */
function counted(client: pg.PoolClient): { client: pg.PoolClient; asked: () => number } {
  let asked = 0;
  const query = (config: pg.QueryConfig, values: unknown[]) => {
    asked++;
    return client.query({ ...config, name: config.name || nameOf(config.text) } as pg.QueryConfig, values);
  };
  return { client: { query } as pg.PoolClient, asked: () => asked };
}

/** The store over a pool of its own. */
export function postgresStore(url: string, options: PoolOptions = {}): PostgresStore {
  const pool = openPool(url, { pipeline: true, ...options });
  const progress = progressPace();

  /** What was made for a connection lives as long as the connection. */
  const connections = new WeakMap<pg.PoolClient, { reading: Session; writing: Session; asked: () => number }>();
  function sessionsOn(client: pg.PoolClient) {
    let known = connections.get(client);
    if (!known) {
      const kept = new Map<string, unknown>();
      const keep = <V>(name: string, make: () => V): V => {
        if (!kept.has(name)) kept.set(name, make());
        return kept.get(name) as V;
      };
      const named = counted(client);
      const db = drizzle(named.client);
      known = { reading: { db, keep, locking: false }, writing: { db, keep, locking: true }, asked: named.asked };
      connections.set(client, known);
    }
    return known;
  }

  /**
   * What is written goes out at once and its answer is waited for at the end, with those of `last` and of the commit: where
   * one of them failed, Postgres has made a rollback of it. The first that failed says why.
   */
  async function transaction<T>(
    begin: string,
    locking: boolean,
    fn: (session: Session, now: Instant) => Promise<{ result: T; last: Statement[] }>,
  ): Promise<T> {
    return inTransaction(pool, async (client) => {
      // Both in one round trip.
      const begun = (await client.query(`${begin}; select date_trunc('milliseconds', now()) as now`)) as unknown as [
        unknown,
        pg.QueryResult<{ now: Date }>,
      ];
      const { reading, writing } = sessionsOn(client);
      const session = locking ? writing : reading;
      const sent: Promise<unknown>[] = [];
      // A connection has one transaction at a time.
      if (locking) Object.assign(session, { sent, locked: new Set() });
      const heard = async (more: Promise<unknown>[]) => {
        for (const each of await Promise.allSettled([...sent, ...more]))
          if (each.status === 'rejected') throw each.reason;
      };
      const { result, last } = await fn(session, begun[1].rows[0]!.now).catch(async (error: unknown) => {
        // What was asked behind a write that failed only says that something has.
        await heard([]);
        throw error;
      });
      await heard([...last.map((each) => client.query({ ...each, name: nameOf(each.text) })), client.query('commit')]);
      return result;
    }).catch((error: unknown) => {
      throw withoutValues(error);
    });
  }

  /** Doors record what they carry back to people; what was recorded deeper inside is not recorded twice. */
  const recorded = new WeakSet<Refusal>();
  const refused: Store['refused'] = async (change, refusal) => {
    if (recorded.has(refusal)) return;
    await transaction('begin', false, async (_session, now) => ({
      result: undefined,
      last: auditStatements([eventOf(change, now, 'refused', refusal.sentence, { code: refusal.code })]),
    }));
    recorded.add(refusal);
  };

  return {
    pool,
    close: () => pool.end(),
    refused,
    read: (fn) =>
      transaction('begin isolation level repeatable read read only', false, async (session, now) => ({
        result: await fn({ ...nouns(session), now }),
        last: [],
      })),
    async look(fn) {
      const client = await pool.connect();
      try {
        const { reading, asked } = sessionsOn(client);
        const before = asked();
        const found = await fn(nouns(reading));
        if (asked() > before + 1) throw new Error('a look is one question; several need `read` to agree');
        return found;
      } catch (error) {
        throw withoutValues(error);
      } finally {
        client.release();
      }
    },
    async change(change, fn) {
      for (let attempt = 1; ; attempt++) {
        const facts: Record<string, unknown> = {};
        let locked = new Set<Id<'key'>>();
        try {
          return await transaction('begin', true, async (session, now) => {
            const events: AuditEvent[] = [];
            locked = session.locked!;
            const follow = followUps(now, progress);
            const result = await fn(txOf(session, now, change, events, facts, follow));
            const whole = { ...change, ...keyOf(change, facts, locked) };
            const audited = [eventOf(whole, now, 'done', null, facts), ...events];
            return { result, last: [...follow.statements(), ...auditStatements(audited)] };
          });
        } catch (error) {
          const { code, constraint } = pgError(error);
          if (code && retriable.has(code) && attempt < 4) continue;
          const sentence = code === '23505' && constraint ? constraintSentences[constraint] : undefined;
          const refusal = error instanceof Refusal ? error : sentence ? new Refusal(...sentence) : null;
          if (!refusal) throw error;
          await refused({ ...change, ...keyOf(change, facts, locked) }, refusal);
          throw refusal;
        }
      }
    },
  };
}

/** How an actor is named in jobs and logs. */
export function actorOfJob(name: JobName): Actor {
  return { kind: 'job', id: name };
}
