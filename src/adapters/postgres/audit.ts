import { createHash, randomBytes } from 'node:crypto';
import canonicalize from 'canonicalize';
import { and, asc, desc, eq, gte, like, lt, or, type SQL, sql } from 'drizzle-orm';
import type { AuditEvent, AuditFilter } from '../../audit/model.ts';
import type { AuditReads } from '../../ports.ts';
import type { Session, Statement } from './rows.ts';
import { auditEvents } from './schema.ts';

/** The bytes that are hashed: the event as RFC 8785 canonical JSON. */
export function canonicalBytes(event: AuditEvent): Buffer {
  return Buffer.from(canonicalize({ v: 1, ...event, at: event.at.toISOString() }) ?? '', 'utf8');
}

/** `SHA-256(0x00 ‖ salt ‖ canonical)`: the form of an RFC 6962 leaf, salted so that a pruned body cannot be guessed. */
export function leafHash(salt: Buffer, canonical: Buffer): Buffer {
  return createHash('sha256').update(Buffer.of(0)).update(salt).update(canonical).digest();
}

const appending = `insert into audit_event
  (id, occurred_at, actor_kind, actor_id, action, subject, key_id, outcome, canonical, salt, leaf)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;

export const auditStatements = (events: AuditEvent[]): Statement[] =>
  events.map((event) => {
    const canonical = canonicalBytes(event);
    const salt = randomBytes(16);
    const { id, at, actor, action, subject, keyId, outcome } = event;
    const said = [id, at, actor.kind, actor.id, action, subject, keyId, outcome];
    return { text: appending, values: [...said, canonical, salt, leafHash(salt, canonical)] };
  });

const escapeLike = (text: string) => text.replace(/[\\%_]/g, '\\$&');

function conditionsOf(filter: AuditFilter): (SQL | undefined)[] {
  return [
    filter.keyId ? eq(auditEvents.keyId, filter.keyId) : undefined,
    filter.personId
      ? or(eq(auditEvents.actorId, filter.personId), eq(auditEvents.subject, filter.personId))
      : undefined,
    filter.action?.endsWith('.')
      ? like(auditEvents.action, `${escapeLike(filter.action)}%`)
      : filter.action
        ? eq(auditEvents.action, filter.action)
        : undefined,
    filter.from ? gte(auditEvents.at, filter.from) : undefined,
    filter.to ? lt(auditEvents.at, filter.to) : undefined,
    filter.outcome ? eq(auditEvents.outcome, filter.outcome) : undefined,
    filter.subject ? eq(auditEvents.subject, filter.subject) : undefined,
  ];
}

/** The event as it was written, from exactly the bytes that were hashed. */
function eventIn(canonical: Buffer): AuditEvent {
  const {
    v: _version,
    at,
    ...event
  } = JSON.parse(canonical.toString('utf8')) as Omit<AuditEvent, 'at'> & {
    v: 1;
    at: string;
  };
  return { ...event, at: new Date(at) };
}

const cursorOf = (event: AuditEvent | undefined) => (event ? `${event.at.toISOString()}~${event.id}` : null);

export function auditReads(session: Session): AuditReads {
  async function page(filter: AuditFilter, limit: number, order: 'asc' | 'desc', cursor: string | null | undefined) {
    const conditions = conditionsOf(filter);
    if (cursor) {
      const [at, id] = cursor.split('~');
      const place = sql`(${auditEvents.at}, ${auditEvents.id})`;
      const from = sql`(${at}::timestamptz, ${id})`;
      conditions.push(order === 'desc' ? sql`${place} < ${from}` : sql`${place} > ${from}`);
    }
    const by = order === 'desc' ? desc : asc;
    const rows = await session.db
      .select({ canonical: auditEvents.canonical })
      .from(auditEvents)
      .where(and(...conditions))
      .orderBy(by(auditEvents.at), by(auditEvents.id))
      .limit(limit + 1);
    const events = rows.slice(0, limit).map((row) => eventIn(row.canonical));
    return { rows: events, next: rows.length > limit ? cursorOf(events.at(-1)) : null };
  }
  return {
    list: (filter, limit, before) => page(filter, limit, 'desc', before),
    async newer(filter, limit, after) {
      const { rows, next } = await page(filter, limit, 'asc', after);
      return { rows: rows.reverse(), next };
    },
  };
}
