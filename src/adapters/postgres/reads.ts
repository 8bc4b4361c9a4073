import { and, eq, gt, inArray, isNull, lt, lte, ne, type SQL, sql } from 'drizzle-orm';
import type { AccessRequest, Grant } from '../../access/model.ts';
import type { Incident } from '../../incidents/model.ts';
import type { Consumer } from '../../inventory/consumer-model.ts';
import type { ApiKey } from '../../inventory/model.ts';
import type { Instant } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Team } from '../../people/team-model.ts';
import type {
  ConsumerReads,
  GrantReads,
  HandInReads,
  IncidentReads,
  KeyFilter,
  KeyReads,
  PersonReads,
  RequestReads,
  RotationReads,
  TeamReads,
} from '../../ports.ts';
import type { HandIn } from '../../rotation/by-hand/hand-in-model.ts';
import type { Rotation } from '../../rotation/model.ts';
import { ask, counted, notFound, rowsOf, type Session, shape, type TableRows, unnamed } from './rows.ts';
import { consumers, grants, handIns, incidents, keys, people, requests, rotations, teams } from './schema.ts';

function keyConditions(filter: KeyFilter): SQL[] {
  return [
    eq(keys.status, filter.status ?? 'active'),
    ...(filter.service ? [sql`lower(${keys.service}) = ${filter.service.toLowerCase()}`] : []),
    ...(filter.environment ? [eq(keys.environment, filter.environment)] : []),
    ...(filter.risk ? [eq(keys.risk, filter.risk)] : []),
    ...(filter.ownerId ? [eq(keys.ownerId, filter.ownerId)] : []),
    ...(filter.teamId ? [inArray(keys.ownerId, countedIn(filter.teamId))] : []),
    ...(filter.dueBefore ? [lt(keys.nextRotationAt, filter.dueBefore)] : []),
    ...(filter.paused ? [sql`pause ->> 'endedAt' is null and (pause ->> 'until')::timestamptz > now()`] : []),
    ...(filter.reviewedBefore ? [sql`not exists (${reviewThatCounts(filter.reviewedBefore)})`] : []),
    ...(filter.overPermissioned
      ? [sql`exists (select 1 from permission_review r where r.id = ${keys.id} and r.excess is not null)`]
      : []),
    ...wordsIn(filter.words ?? ''),
  ];
}

/** As `isIn` in people/team-model.ts. */
const countedIn = (teamId: Team['id']) =>
  sql`(select p.id from team t cross join jsonb_array_elements_text(t.members) as m (slack_id)
      join person p on p.slack_id = m.slack_id where t.id = ${teamId} and t.closed_at is null and p.status = 'active' and p.tier <> 'contractor')`;

/** As `whyReview` in reviews/permissions-model.ts. */
const reviewThatCounts = (since: Instant) =>
  sql`select 1 from permission_review r where r.id = ${keys.id} and r.reviewed_at > ${since.toISOString()}::timestamptz
      and r.scope = ${keys.scope} and not coalesce(r.excess is not null and ${keys.lastRotatedAt} > r.reviewed_at, false)`;

const escapeLike = (word: string) => word.replace(/[\\%_]/g, '\\$&');
const wordsIn = (text: string): SQL[] =>
  text
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .slice(0, 8)
    .map((word) => sql`words LIKE ${`%${escapeLike(word)}%`}`);

/** Where a page of keys begins: behind this key, or (`<`) in front of it. */
const placeOf = (key: ApiKey) => `${key.nextRotationAt?.toISOString() ?? ''}~${key.id}`;
function cursorIn(at: string | null | undefined) {
  const [, way, due, id] = /^([<>])([\d\-T:.Z]*)~(key_\w+)$/.exec(at ?? '') ?? [];
  return { back: way === '<', place: id ? { due: due!, id } : null };
}

export function keyRows(session: Session): TableRows<ApiKey> & KeyReads {
  const rows = rowsOf<ApiKey>(session, keys, 'key');
  const noted = <K extends ApiKey | null>(key: K): K => {
    if (key) session.locked?.add(key.id);
    return key;
  };
  return {
    ...rows,
    find: async (id) => noted(await rows.find(id)),
    get: async (id) => noted(await rows.get(id)),
    async list(filter, limit, at) {
      const conditions = keyConditions(filter);
      const { back, place } = cursorIn(at);
      // Retired keys are not due: they have no date, and are listed by their id alone.
      const order = filter.status === 'retired' ? [keys.id] : [keys.nextRotationAt, keys.id];
      if (place) {
        const columns = sql.join(order, sql`, `);
        const values = order.length === 1 ? sql`${place.id}` : sql`${place.due}::timestamptz, ${place.id}`;
        conditions.push(back ? sql`(${columns}) < (${values})` : sql`(${columns}) > (${values})`);
      }
      const by = sql.join(back ? order.map((each) => sql`${each} DESC`) : order, sql`, `);
      const found = await rows.where(and(...conditions), by, limit + 1);
      const page = found.slice(0, limit);
      const more = found.length > limit;
      if (back) page.reverse();
      const [first, last] = [page[0], page.at(-1)];
      return {
        rows: page,
        previous: first && (back ? more : place) ? `<${placeOf(first)}` : null,
        next: last && (back || more) ? `>${placeOf(last)}` : null,
      };
    },
    async search(text, limit) {
      const words = wordsIn(text);
      return rows.where(
        and(eq(keys.status, 'active'), ...words),
        words.length > 0 ? sql`lower(${keys.name})` : sql`${keys.nextRotationAt}, ${keys.id}`,
        limit,
      );
    },
    async neverRotated(madeBefore, after, limit) {
      const found = await session.db
        .select({ id: keys.id })
        .from(keys)
        .where(
          and(
            eq(keys.status, 'active'),
            isNull(keys.lastRotatedAt),
            isNull(keys.riskSet),
            lt(keys.createdOn, madeBefore),
            ne(keys.risk, 'high'),
            after ? gt(keys.id, after) : undefined,
          ),
        )
        .orderBy(keys.id)
        .limit(limit);
      return found.map((each) => each.id);
    },
    count: (filter) => counted(session, keys, and(...keyConditions(filter))),
    services: (text, limit) =>
      session.db
        .select({
          service: sql<string>`min(${keys.service})`,
          keyId: sql<ApiKey['id']>`min(${keys.id})`,
          keys: sql<number>`count(*)::int`,
        })
        .from(keys)
        .where(
          and(
            eq(keys.status, 'active'),
            sql`lower(${keys.service}) like ${`%${escapeLike(text.trim().toLowerCase())}%`}`,
          ),
        )
        .groupBy(sql`lower(${keys.service})`)
        .orderBy(sql`lower(${keys.service})`)
        .limit(limit),
    many: async (ids) => (ids.length > 0 ? rows.where(inArray(keys.id, ids as ApiKey['id'][])) : []),
  };
}

export function consumerRows(session: Session): TableRows<Consumer> & ConsumerReads {
  const rows = rowsOf<Consumer>(session, consumers, 'consumer');
  return {
    ...rows,
    ofKey: (keyId) =>
      rows.where(
        and(isNull(consumers.removedAt), eq(consumers.keyId, keyId as ApiKey['id'])),
        sql`${consumers.addedAt}, ${consumers.id}`,
      ),
    movedBy: (personId) =>
      rows.where(
        and(isNull(consumers.removedAt), eq(consumers.personId, personId as Person['id'])),
        sql`${consumers.addedAt}, ${consumers.id}`,
      ),
    many: async (ids) => (ids.length > 0 ? rows.where(inArray(consumers.id, ids as Consumer['id'][])) : []),
  };
}

export function personRows(session: Session): TableRows<Person> & PersonReads {
  const rows = rowsOf<Person>(session, people, 'person');
  return {
    ...rows,
    // Asked before everything that comes from Slack.
    async bySlackId(slackId) {
      const ask = session.keep('person by slack id', () =>
        session.db
          .select()
          .from(people)
          .where(eq(people.slackId, sql.placeholder('slackId')))
          .prepare(unnamed),
      );
      const [person] = await ask.execute({ slackId });
      return (person as Person | undefined) ?? null;
    },
    byHrId: async (hrId) => (await rows.where(eq(people.hrId, hrId)))[0] ?? null,
    withTier: (tier) =>
      rows.where(and(eq(people.tier, tier), eq(people.status, 'active')), sql`${people.joinedAt}, ${people.id}`),
    many: async (ids) => (ids.length > 0 ? rows.where(inArray(people.id, ids as Person['id'][])) : []),
  };
}

export function teamRows(session: Session): TableRows<Team> & TeamReads {
  const rows = rowsOf<Team>(session, teams, 'team');
  const byName = sql`lower(${teams.name}), ${teams.id}`;
  return {
    ...rows,
    all: () => rows.where(undefined, byName),
    bySlackId: async (slackId) => (await rows.where(eq(teams.slackId, slackId)))[0] ?? null,
    many: async (ids) => (ids.length > 0 ? rows.where(inArray(teams.id, ids as Team['id'][]), byName) : []),
    ofMember: (slackId) => rows.where(and(isNull(teams.closedAt), sql`${teams.members} ? ${slackId}::text`), byName),
    search(text, limit) {
      const wanted = `%${escapeLike(text.trim().toLowerCase().replace(/^@/, ''))}%`;
      const fits = sql`(lower(${teams.name}) like ${wanted} or lower(${teams.handle}) like ${wanted})`;
      return rows.where(and(isNull(teams.closedAt), fits), byName, limit);
    },
  };
}

export function requestRows(session: Session): TableRows<AccessRequest> & RequestReads {
  const rows = rowsOf<AccessRequest>(session, requests, 'request');
  return {
    ...rows,
    waitingFor: (personId) =>
      rows.where(
        and(eq(requests.status, 'pending'), sql`${requests.asked} @> ${JSON.stringify([personId])}::jsonb`),
        sql`${requests.askedAt}`,
      ),
    openBy: (personId) =>
      rows.where(
        and(eq(requests.status, 'pending'), eq(requests.askedBy, personId as Person['id'])),
        sql`${requests.askedAt}`,
      ),
    openFor: (keyId) =>
      rows.where(
        and(eq(requests.status, 'pending'), eq(requests.keyId, keyId as ApiKey['id'])),
        sql`${requests.askedAt}`,
      ),
    ofKey: (keyId, limit) =>
      rows.where(eq(requests.keyId, keyId as ApiKey['id']), sql`${requests.askedAt} DESC`, limit),
  };
}

export function grantRows(session: Session): TableRows<Grant> & GrantReads {
  const rows = rowsOf<Grant>(session, grants, 'access');
  const live = ne(grants.status, 'ended');
  const byEnd = sql`${grants.endsAt}, ${grants.id}`;
  const liveOf = (keyId: string) => and(live, eq(grants.keyId, keyId as ApiKey['id']));
  const count = (where: SQL | undefined, what = sql`*`) => counted(session, grants, where, what);
  return {
    ...rows,
    ofRequest: async (requestId) =>
      (await rows.where(eq(grants.requestId, requestId as AccessRequest['id'])))[0] ?? null,
    liveOfKey: (keyId) => rows.where(liveOf(keyId), byEnd),
    countLive: (keyId, begunBy) => count(and(liveOf(keyId), begunBy && lte(grants.startsAt, begunBy))),
    countHolders: (keyId) => count(and(liveOf(keyId), ne(grants.status, 'ending')), sql`distinct ${grants.personId}`),
    liveOfPerson: (personId) => rows.where(and(live, eq(grants.personId, personId as Person['id'])), byEnd),
    everOfPerson: (personId) => rows.where(eq(grants.personId, personId as Person['id']), byEnd),
    endingBefore: (at, limit) => rows.where(and(live, lt(grants.endsAt, at)), byEnd, limit),
    async keysWithLive(after, limit) {
      const found = await session.db
        .selectDistinct({ keyId: grants.keyId })
        .from(grants)
        .where(and(live, after ? sql`${grants.keyId} > ${after}` : undefined))
        .orderBy(grants.keyId)
        .limit(limit);
      return found.map((each) => each.keyId);
    },
  };
}

const isRunningAt = (issuer: string) =>
  and(
    eq(rotations.status, 'running'),
    sql`${rotations.keyId} in (select ${keys.id} from ${keys} where ${keys.issuer} = ${issuer})`,
  );

export function rotationRows(session: Session): TableRows<Rotation> & RotationReads {
  const rows = rowsOf<Rotation>(session, rotations, 'rotation');
  return {
    ...rows,
    async withKey(id) {
      const [itsRotation, itsKey] = [shape<Rotation>(rotations), shape<ApiKey>(keys)];
      const found = await ask<{ rotation: unknown[]; key: unknown[]; now: Date }>(session, {
        text: `select ${itsRotation.asked} as rotation, ${itsKey.asked} as key, date_trunc('milliseconds', now()) as now
               from api_key join rotation on rotation.key_id = api_key.id
               where rotation.id = $1${session.locking ? ' for update of api_key, rotation' : ''}`,
        values: [id],
      });
      const [both] = found.rows;
      if (!both) throw notFound('rotation');
      const key = itsKey.read(both.key);
      session.locked?.add(key.id);
      return { rotation: itsRotation.read(both.rotation), key, now: both.now };
    },
    runningOf: async (keyId) =>
      (await rows.where(and(eq(rotations.status, 'running'), eq(rotations.keyId, keyId as ApiKey['id']))))[0] ?? null,
    runningAt: (issuer) => rows.where(isRunningAt(issuer), sql`${rotations.startedAt}, ${rotations.id}`),
    waitingFor: (personId, limit) =>
      rows.where(
        and(
          eq(rotations.status, 'running'),
          sql`${rotations.waits} ->> 'done' is null and ${rotations.waits} ->> 'dueAt' is not null`,
          sql`coalesce(${rotations.taken} ->> 'by', (select ${keys.ownerId} from ${keys} where ${keys.id} = ${rotations.keyId})) = ${personId}`,
        ),
        sql`${rotations.waits} ->> 'dueAt', ${rotations.id}`,
        limit,
      ),
    replacing: (issuer, providerKeyId) =>
      rows.where(and(isRunningAt(issuer), sql`${rotations.replacement} ->> 'of' = ${providerKeyId}`)),
    ofKey: (keyId, limit) =>
      rows.where(eq(rotations.keyId, keyId as ApiKey['id']), sql`${rotations.startedAt} DESC`, limit),
    ofCause: (causeId) => rows.where(eq(rotations.causeId, causeId), sql`${rotations.startedAt}, ${rotations.id}`),
    drills: (since, limit) =>
      rows.where(
        and(eq(rotations.cause, 'drill'), since ? gt(rotations.startedAt, since) : undefined),
        sql`${rotations.startedAt} DESC, ${rotations.id} DESC`,
        limit,
      ),
    async stalled(since, limit) {
      const works = sql`select 1 from work where payload ? 'rotationId' and payload ->> 'rotationId' = ${rotations.id} and (payload ->> 'fence')::int = ${rotations.fence}`;
      const found = await rows.where(
        and(
          eq(rotations.status, 'running'),
          lt(rotations.touchedAt, since),
          sql`(${rotations.continuesAt} is null or ${rotations.continuesAt} < ${since.toISOString()}::timestamptz)`,
          sql`not exists (${works} and status in ('waiting', 'running'))`,
        ),
        sql`${rotations.touchedAt}`,
        limit,
      );
      return Promise.all(
        found.map(async (rotation) => {
          const died = await session.db.execute<{ trouble: string | null }>(
            sql`select last_error as trouble from work where payload ? 'rotationId' and payload ->> 'rotationId' = ${rotation.id}
                and (payload ->> 'fence')::int = ${rotation.fence} and status = 'dead' order by ended_at desc limit 1`,
          );
          const last = died.rows[0];
          return { rotation, trouble: last ? (last.trouble ?? 'it kept failing') : null };
        }),
      );
    },
    async troubled(failures, limit) {
      const { rows: found } = await session.db.execute<{ id: Rotation['id']; fence: number; trouble: string | null }>(
        sql`select payload ->> 'rotationId' as id, (payload ->> 'fence')::int as fence, last_error as trouble from work
            where status in ('waiting', 'running') and failures >= ${failures} and payload ? 'rotationId' and payload ? 'fence'
            order by id limit ${limit}`,
      );
      const running = await rows.where(
        and(
          eq(rotations.status, 'running'),
          inArray(rotations.id, ['' as Rotation['id'], ...found.map((each) => each.id)]),
        ),
        sql`${rotations.id}`,
        limit,
      );
      return running.flatMap((rotation) => {
        const its = found.find((each) => each.id === rotation.id && each.fence === rotation.fence);
        return its ? [{ rotation, trouble: its.trouble ?? 'it kept failing' }] : [];
      });
    },
    async dueKeys(failedSince, after, limit) {
      const [at, id] = after?.split('~') ?? [];
      const startsAt = sql<Date>`coalesce(${keys.plannedAt}, ${keys.nextRotationAt})`.mapWith(keys.plannedAt);
      const found = await session.db
        .select({ id: keys.id, startsAt })
        .from(keys)
        .where(
          sql`status = 'active' and storage = 'secrets-manager' and secret_id is not null
              and ${startsAt} <= now()
              and (planned_at is not null or snooze is null or (snooze ->> 'until')::timestamptz <= now())
              ${after ? sql`and (${startsAt}, ${keys.id}) > (${at}::timestamptz, ${id})` : sql``}
              and not exists (select 1 from rotation r where r.key_id = ${keys.id} and (r.status = 'running'
                or r.status in ('failed', 'rolled-back') and r.ended_at > ${failedSince.toISOString()}::timestamptz))`,
        )
        .orderBy(startsAt, keys.id)
        .limit(limit);
      const last = found.at(-1);
      return {
        ids: found.map((each) => each.id),
        next: found.length === limit && last ? `${last.startsAt.toISOString()}~${last.id}` : null,
      };
    },
  };
}

export function handInRows(session: Session): TableRows<HandIn> & HandInReads {
  const rows = rowsOf<HandIn>(session, handIns, 'link');
  return {
    ...rows,
    openOf: (rotationId) =>
      rows.where(
        and(eq(handIns.status, 'open'), eq(handIns.rotationId, rotationId as Rotation['id'])),
        sql`${handIns.madeAt}, ${handIns.id}`,
      ),
  };
}

export function incidentRows(session: Session): TableRows<Incident> & IncidentReads {
  const rows = rowsOf<Incident>(session, incidents, 'incident');
  const notClosed = ne(incidents.status, 'closed');
  return {
    ...rows,
    openOfKey: async (keyId) =>
      (await rows.where(and(notClosed, eq(incidents.keyId, keyId as ApiKey['id']))))[0] ?? null,
    openOfMessage: async ({ channel, ts }) =>
      (
        await rows.where(
          and(
            notClosed,
            sql`${incidents.keyId} is null and ${incidents.seen} ->> 'channel' = ${channel} and ${incidents.seen} ->> 'ts' = ${ts}`,
          ),
        )
      )[0] ?? null,
    open: (limit) => rows.where(notClosed, sql`${incidents.declaredAt}, ${incidents.id}`, limit),
  };
}
