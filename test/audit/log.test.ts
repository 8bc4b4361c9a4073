import { drizzle } from 'drizzle-orm/node-postgres';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { decideRequest } from '../../src/access/decide.ts';
import { requestAccess } from '../../src/access/request.ts';
import { auditReads, auditStatements } from '../../src/adapters/postgres/audit.ts';
import type { AuditEvent, AuditFilter } from '../../src/audit/model.ts';
import { newId } from '../../src/kernel.ts';
import { setTier } from '../../src/people/set.ts';
import { defaultPolicy } from '../../src/policy.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { whatIsWrongInTheLog } from '../support/log.ts';

const database = useDatabase();
const ports = () => ({ store: database.store, policy: defaultPolicy });
const query = <T extends pg.QueryResultRow>(sql: string, values: unknown[] = []) =>
  database.store.pool.query<T>(sql, values).then(({ rows }) => rows);

async function company() {
  const [owner, asker, admin] = [aPerson(), aPerson(), aPerson({ tier: 'administrator' })];
  const key = aKey(owner);
  await given(database.store, { people: [owner, asker, admin], keys: [key] });
  return { owner, asker, admin, key };
}
const ask = (askerId: never, keyId: never) =>
  requestAccess(ports(), askerId, { keyId, use: 'a nightly job', hours: 8, reason: 'the nightly job needs it' });

describe('the audit log', () => {
  it.each([
    'update audit_event set outcome = $$done$$',
    'delete from audit_event',
    'truncate audit_event',
    'truncate audit_event cascade',
  ])('is append-only: the database refuses %s, also to its own user', async (statement) => {
    await company();
    const before = await query('select * from audit_event order by id');
    expect(before.length).toBeGreaterThan(0);
    await expect(query(statement)).rejects.toMatchObject({ code: '42501', message: /append-only/ });
    expect(await query('select * from audit_event order by id')).toEqual(before);
  });

  it('notices a single flipped bit, a lost actor, a column that tells another story and an action without words', async () => {
    const { asker, key } = await company();
    await ask(asker.id as never, key.id as never);
    expect(await whatIsWrongInTheLog(database.store.pool)).toEqual([]);
    const tampered = async (change: string) => {
      const client = await database.store.pool.connect();
      try {
        await client.query('begin');
        await client.query('alter table audit_event disable trigger user');
        await client.query(
          `update audit_event set ${change} where action = 'access.request' and subject = '${key.id}'`,
        );
        return await whatIsWrongInTheLog(client as never);
      } finally {
        await client.query('rollback');
        client.release();
      }
    };
    expect(await tampered('canonical = set_bit(canonical, 100, 1 - get_bit(canonical, 100))')).toContainEqual(
      expect.stringContaining('its leaf is another'),
    );
    expect(await tampered("actor_id = ''")).toContainEqual(expect.stringContaining('nobody did it'));
    expect(await tampered("outcome = 'refused'")).toContainEqual(
      expect.stringContaining('its columns say something else'),
    );
    expect(await tampered("action = 'access.dream'")).toContainEqual(
      expect.stringContaining('its action has no words in src/audit/tell.ts'),
    );
  });

  it('records a refusal although everything else of its transaction is rolled back', async () => {
    const { asker, admin, key } = await company();
    const request = await ask(asker.id as never, key.id as never);
    await expect(
      decideRequest(ports(), asker.id, { requestId: request.id, verdict: 'approve', hours: null, reason: '' }),
    ).rejects.toMatchObject({ code: 'not_allowed' });
    const [event] = (
      await database.store.read((view) => view.audit.list({ outcome: 'refused', personId: asker.id }, 10))
    ).rows;
    expect(event).toMatchObject({
      action: 'access.approve',
      subject: request.id,
      actor: { kind: 'person', id: asker.id },
      keyId: key.id,
      reason: 'Someone else has to decide your request.',
      facts: { code: 'not_allowed' },
    });
    expect((await database.store.read((view) => view.requests.get(request.id))).decisions).toEqual([]);

    // Refused after it had written: what it wrote is gone, that it was refused stays.
    await expect(
      database.store.change(
        { actor: { kind: 'person', id: admin.id }, action: 'test.write', subject: asker.id },
        async (tx) => {
          await tx.people.save({ ...asker, tier: 'administrator' });
          await tx.people.get('usr_nobody');
        },
      ),
    ).rejects.toMatchObject({ code: 'not_found' });
    expect((await database.store.read((view) => view.people.get(asker.id))).tier).toBe('developer');
    expect((await database.store.read((view) => view.audit.list({ action: 'test.write' }, 10))).rows).toMatchObject([
      { outcome: 'refused' },
    ]);
  });

  it('does not let a change happen whose event cannot be written, nor its jobs and cards', async () => {
    const { asker, admin, key } = await company();
    await query(
      `create function fail_audit() returns trigger language plpgsql as $$ begin raise exception 'the disk is full'; end $$`,
    );
    await query(
      `create trigger fail_audit before insert on audit_event for each row when (new.action in ('people.set-tier', 'access.request')) execute function fail_audit()`,
    );
    const work = () => query('select id from work order by id');
    const before = await work();
    await expect(setTier(ports(), admin.id, { personId: asker.id, tier: 'administrator' })).rejects.toThrow();
    await expect(ask(asker.id as never, key.id as never)).rejects.toThrow();
    expect((await database.store.read((view) => view.people.get(asker.id))).tier).toBe('developer');
    expect(await database.store.read((view) => view.requests.openFor(key.id))).toEqual([]);
    expect(await work()).toEqual(before);
    await query('drop trigger fail_audit on audit_event');
    await setTier(ports(), admin.id, { personId: asker.id, tier: 'administrator' });
  });

  it('finds what concerns a key by the key, whatever the event is about itself', async () => {
    const { owner, asker, key } = await company();
    const request = await ask(asker.id as never, key.id as never);
    await decideRequest(ports(), owner.id, { requestId: request.id, verdict: 'approve', hours: null, reason: '' });
    const { rows } = await database.store.read((view) => view.audit.list({ keyId: key.id }, 10));
    expect(rows.map((each) => each.action).sort()).toEqual(['access.approve', 'access.grant', 'access.request']);
  });
});

describe('reading the log', () => {
  const start = Date.parse('2026-03-01T00:00:00Z');
  const [dana, omar] = [newId('person'), newId('person')];
  const keyIds = Array.from({ length: 40 }, () => newId('key'));
  const eventAt = (i: number): AuditEvent => ({
    id: newId('audit'),
    // Four events share each instant.
    at: new Date(start + Math.floor(i / 4) * 60_000),
    actor: i % 50 === 0 ? { kind: 'person', id: dana } : { kind: 'job', id: `job.number-${i % 60}` },
    action: i % 40 === 0 ? 'test-zebra.feed' : `test-area-${i % 30}.verb`,
    subject: i % 100 === 1 ? omar : `sub_${i}`,
    keyId: keyIds[i % keyIds.length]!,
    outcome: i % 70 === 0 ? 'refused' : 'done',
    reason: null,
    facts: { i },
  });

  it('gives every event once, newest first, however it is turned, and each filter by an index', {
    timeout: 120_000,
  }, async () => {
    const client = new pg.Client(database.url);
    await client.connect();
    const asked: { sql: string; params: unknown[] }[] = [];
    try {
      const db = drizzle(client, { logger: { logQuery: (sql, params) => void asked.push({ sql, params }) } });
      const session = { db, locking: false, keep: <V>(_name: string, make: () => V) => make() };
      const all = Array.from({ length: 10_000 }, (_, i) => eventAt(i));
      for (const { text, values } of auditStatements(all)) await client.query({ name: 'append', text, values });
      await client.query('analyze audit_event');
      const reads = auditReads(session);
      const minute = (n: number) => new Date(start + n * 60_000);

      const cases: [AuditFilter, (event: AuditEvent) => boolean][] = [
        [{ keyId: keyIds[3]! }, (each) => each.keyId === keyIds[3]],
        [{ personId: dana }, (each) => each.actor.id === dana],
        [{ personId: omar }, (each) => each.subject === omar],
        [{ action: 'test-zebra.' }, (each) => each.action === 'test-zebra.feed'],
        [{ action: 'test-zebra.feed' }, (each) => each.action === 'test-zebra.feed'],
        [{ to: minute(50) }, (each) => each.at < minute(50)],
        [{ from: minute(100), to: minute(150) }, (each) => each.at >= minute(100) && each.at < minute(150)],
        [
          { from: minute(1_000), to: minute(1_500), outcome: 'refused' },
          (each) => each.at >= minute(1_000) && each.at < minute(1_500) && each.outcome === 'refused',
        ],
        [
          { keyId: keyIds[0]!, action: 'test-zebra.', outcome: 'refused' },
          (each) => each.keyId === keyIds[0] && each.action === 'test-zebra.feed' && each.outcome === 'refused',
        ],
      ];
      const ids = (events: AuditEvent[]) => events.map((each) => each.id);
      for (const [filter, matches] of cases) {
        const expected = all.filter(matches).sort((a, b) => b.at.getTime() - a.at.getTime() || (a.id < b.id ? 1 : -1));
        expect(expected.length).toBeGreaterThan(0);
        asked.length = 0;
        const pages: AuditEvent[][] = [];
        for (let next: string | null = null; pages.length === 0 || next; ) {
          const page = await reads.list(filter, 70, next);
          pages.push(page.rows);
          next = page.next;
        }
        expect(ids(pages.flat()), JSON.stringify(filter)).toEqual(ids(expected));
        for (let i = pages.length - 1; i > 0; i--) {
          const first = pages[i]![0]!;
          const back = await reads.newer(filter, 70, `${first.at.toISOString()}~${first.id}`);
          expect(ids(back.rows)).toEqual(ids(pages[i - 1]!));
          expect(back.next === null).toBe(i === 1);
        }
        for (const { sql, params } of [asked[0]!, asked.at(-1)!]) {
          const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${sql}`, params as unknown[]);
          const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
          expect(plan, JSON.stringify(filter)).not.toContain('Seq Scan');
          expect(plan, JSON.stringify(filter)).toMatch(/Index/);
        }
      }
    } finally {
      await client.end();
    }
  });
});
