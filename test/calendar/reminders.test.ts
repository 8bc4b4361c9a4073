import { beforeEach, describe, expect, it } from 'vitest';
import { remindOwners } from '../../src/calendar/remind.ts';
import { type Reminder, reminderOwed, saidByDigest } from '../../src/calendar/reminder-model.ts';
import { calendarInSlack } from '../../src/calendar/slack.ts';
import { handOver } from '../../src/inventory/hand-over.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { snoozeKey } from '../../src/inventory/snooze.ts';
import { day, hour, newId } from '../../src/kernel.ts';
import { problemsOfMessage } from '../../src/local/slack/limits.ts';
import { workBeginning } from '../../src/people/hours-model.ts';
import type { Person } from '../../src/people/model.ts';
import { type Policy, policySchema } from '../../src/policy.ts';
import { started } from '../../src/rotation/moves-model.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';

const always = { from: '00:00', to: '23:59', days: [1, 2, 3, 4, 5, 6, 7] };
const policy = policySchema.parse({ people: { workingHours: always } });
const nineToFive = policySchema.parse({});

describe('when a reminder is owed', () => {
  const due = new Date('2026-12-09T15:00:00Z');
  const key = { status: 'active', ownerId: 'usr_a', nextRotationAt: due, plannedAt: null, snooze: null } as never;
  const owed = (now: string, last: Partial<Reminder> | null = null, zone = 'UTC', rules: Policy = nineToFive) =>
    reminderOwed(
      key,
      { timeZone: zone },
      last && ({ personId: 'usr_a', dueAt: due, sentAt: due, ...last } as Reminder),
      rules,
      new Date(now),
    );

  it('is at each of the policy’s days, from the beginning of work in the owner’s own zone', () => {
    expect(owed('2026-11-25T08:59:00Z')).toBeNull();
    expect(owed('2026-11-25T09:00:00Z')).toBe(14);
    expect(owed('2026-11-25T16:59:00Z')).toBe(14);
    expect(owed('2026-11-25T17:00:00Z')).toBeNull();
    expect(owed('2026-12-02T09:00:00Z', { days: 14 })).toBe(7);
    expect(owed('2026-12-08T09:00:00Z', { days: 7 })).toBe(1);
    expect(owed('2026-11-25T09:00:00Z', null, 'America/New_York')).toBeNull();
    expect(owed('2026-11-25T14:00:00Z', null, 'America/New_York')).toBe(14);
    expect(owed('2026-11-25T09:00:00Z', null, 'Mars/Olympus')).toBe(14);
  });

  it('is once for each day, one where several were missed, and none when it is due already', () => {
    expect(owed('2026-11-26T09:00:00Z', { days: 14 })).toBeNull();
    expect(owed('2026-12-08T12:00:00Z')).toBe(1);
    expect(owed('2026-12-09T15:00:00Z')).toBeNull();
    expect(owed('2026-11-20T09:00:00Z')).toBeNull();
  });

  it('is owed anew to a new owner, and for a new date', () => {
    expect(owed('2026-12-02T09:00:00Z', { days: 7, personId: 'usr_b' })).toBe(7);
    expect(owed('2026-12-02T09:00:00Z', { days: 1, dueAt: new Date('2026-11-09T15:00:00Z') })).toBe(7);
  });

  it('comes before a weekend that it would fall on, and never on it', () => {
    // The 14th of December 2026 is a Monday; a day before is Sunday.
    const monday = { ...(key as object), nextRotationAt: new Date('2026-12-14T08:00:00Z') } as never;
    const at = (now: string) => reminderOwed(monday, { timeZone: 'UTC' }, null, nineToFive, new Date(now));
    expect(at('2026-12-11T09:30:00Z')).toBe(1);
    expect(at('2026-12-13T10:00:00Z')).toBeNull();
    expect(workBeginning(new Date('2026-12-13T08:00:00Z'), 'UTC', nineToFive)).toEqual(
      new Date('2026-12-11T09:00:00Z'),
    );
    const never = policySchema.parse({ people: { workingHours: { days: [] } } });
    expect(workBeginning(due, 'UTC', never)).toEqual(due);
  });

  it('is left to a digest of the last day, except the last one', () => {
    const now = new Date('2026-12-02T09:30:00Z');
    const anHourAgo = new Date(now.getTime() - hour);
    expect(saidByDigest(7, anHourAgo, nineToFive, now)).toBe(true);
    expect(saidByDigest(7, new Date(now.getTime() - 25 * hour), nineToFive, now)).toBe(false);
    expect(saidByDigest(7, null, nineToFive, now)).toBe(false);
    expect(saidByDigest(1, anHourAgo, nineToFive, now)).toBe(false);
    const long = policySchema.parse({ rotation: { remindDays: [60, 7] } });
    expect(saidByDigest(60, anHourAgo, long, now)).toBe(false);
  });
});

/** Where it is about noon now, so that no test depends on the hour at which it runs. */
const noonThere = () => {
  const hours = 12 - new Date().getUTCHours();
  return `Etc/GMT${hours >= 0 ? '-' : '+'}${Math.abs(hours)}`;
};

const soonISO = (days: number) => new Date(Date.now() + days * day).toISOString();

describe('an owner', () => {
  const test = usePorts(policy);
  const desk = deskOf(() => test.ports, calendarInSlack);
  const ports = (rules: Policy = policy) => ({ ...test.ports, policy: rules });
  const query = async (sql: string, values: unknown[] = []) => (await test.database.store.pool.query(sql, values)).rows;
  const soon = (days: number) => new Date(Date.now() + days * day);
  let olu: Person;
  beforeEach(async () => {
    olu = aPerson({ name: 'Olu', timeZone: noonThere() });
    await given(test.ports.store, { people: [olu] });
  });
  const key = async (facts: Partial<ApiKey> = {}, owner = olu) => {
    const made = aKey(owner, { issuer: 'person', nextRotationAt: soon(5), addedAt: soon(-90), ...facts });
    await given(test.ports.store, { keys: [made] });
    return made;
  };
  const messages = (keyId: string) =>
    query(`select person_id as "personId", anew from card where kind = 'calendar.reminder' and subject = $1`, [keyId]);
  const card = async (keyId: string, person = olu) => {
    const shown = await desk.card('calendar.reminder', keyId, { person: person.id });
    if (shown) expect(problemsOfMessage(shown)).toEqual([]);
    return saying(shown);
  };

  it('is reminded of a key that only a person can rotate, in one message, however many workers ask', async () => {
    const due = await key();
    await Promise.all([remindOwners(ports()), remindOwners(ports()), remindOwners(ports())]);
    await remindOwners(ports());
    expect(await messages(due.id)).toEqual([{ personId: olu.id, anew: true }]);
    const done = await query(
      `select 1 from audit_event where action = 'calendar.remind' and key_id = $1 and outcome = 'done'`,
      [due.id],
    );
    expect(done).toHaveLength(1);
    expect(await query(`select days from reminder where id = $1`, [due.id])).toEqual([{ days: 7 }]);
    const said = await card(due.id);
    for (const part of [
      'has to be rotated by',
      'You answer for it',
      'Nobody has access',
      'runbooks.show',
      'If nobody does anything',
    ])
      expect(said).toContain(part);
  });

  it('is reminded again at the next of the days, in the place of the last message', async () => {
    const due = await key();
    await remindOwners(ports());
    await query('update api_key set next_rotation_at = $2 where id = $1', [due.id, soon(0.5)]);
    await query(`update reminder r set due_at = k.next_rotation_at from api_key k where k.id = r.id and k.id = $1`, [
      due.id,
    ]);
    await remindOwners(ports());
    expect(await query(`select days from reminder where id = $1`, [due.id])).toEqual([{ days: 1 }]);
    expect(await messages(due.id)).toHaveLength(1);
  });

  it.each<[string, Partial<ApiKey>]>([
    ['rotates itself', { issuer: 'self-made' }],
    ['is not due for long', { nextRotationAt: soon(30) }],
    ['is overdue, which the digest says', { nextRotationAt: soon(-1) }],
    ['is retired', { status: 'retired', nextRotationAt: null }],
    [
      'is paused',
      {
        pause: {
          until: soonISO(3),
          reason: 'a migration',
          by: newId('person'),
          since: soonISO(-1),
          endedAt: null,
        },
      },
    ],
    ['is snoozed', { snooze: { until: soon(3).toISOString(), reason: 'the vendor is closed', by: newId('person') } }],
  ])('is not reminded of a key that %s', async (_what, facts) => {
    const made = await key(facts);
    await remindOwners(ports());
    expect(await messages(made.id)).toEqual([]);
    expect(
      await query(`select 1 from audit_event where key_id = $1 and action = 'calendar.remind'`, [made.id]),
    ).toEqual([]);
  });

  it('is reminded where Keysteward would rotate it but nobody connected makes its values', async () => {
    const made = await key({ issuer: 'a-provider-that-is-gone' });
    await remindOwners(ports());
    expect(await messages(made.id)).toHaveLength(1);
  });

  it('who has left is reminded of nothing, nor is anybody outside of their hours, or by a policy without days', async () => {
    const gone = aPerson({ status: 'left' });
    await given(test.ports.store, { people: [gone] });
    const theirs = await key({}, gone);
    await given(test.ports.store, { people: [{ ...olu, timeZone: 'UTC' }] });
    const mine = await key();
    const now = new Date();
    const clock = (ms: number) => new Date(now.getTime() + ms).toISOString().slice(11, 16);
    const later = policySchema.parse({
      people: { workingHours: { ...always, from: clock(2 * hour), to: clock(3 * hour) } },
    });
    expect(await remindOwners(ports(policySchema.parse({ rotation: { remindDays: [] } })))).toBe(0);
    await remindOwners(ports(later));
    expect(await messages(mine.id)).toEqual([]);
    await given(test.ports.store, { people: [olu] });
    await remindOwners(ports());
    expect(await messages(theirs.id)).toEqual([]);
    expect(await messages(mine.id)).toHaveLength(1);
  });

  it('is not told twice a day: after a digest only the last reminder comes, and the others count as given', async () => {
    const [early, last] = [await key(), await key({ nextRotationAt: soon(0.4) })];
    await query(`insert into digest (id, sent_at) values ($1, now() - interval '1 hour')`, [olu.id]);
    await remindOwners(ports());
    expect(await messages(early.id)).toEqual([]);
    expect(await messages(last.id)).toHaveLength(1);
    await query(`update digest set sent_at = now() - interval '2 days' where id = $1`, [olu.id]);
    await remindOwners(ports());
    expect(await messages(early.id)).toEqual([]);
  });

  it('sees in the same message what became of it: snoozed, rotated, moved, retired, handed over, running, overdue', async () => {
    const [snoozed, rotated, moved, retired, handed, running, overdue] = await Promise.all(
      Array.from({ length: 7 }, () => key()),
    );
    const ada = aPerson({ name: 'Ada', timeZone: noonThere() });
    await given(test.ports.store, { people: [ada] });
    await remindOwners(ports());
    const touched = async (keyId: string) =>
      query(
        `select 1 from work w join card c on w.payload ->> 'cardId' = c.id where c.subject = $1 and c.kind = 'calendar.reminder'`,
        [keyId],
      );

    await query(`update work set status = 'done' where name = 'slack.card'`);
    await snoozeKey(ports(), olu.id, { keyId: snoozed!.id, until: soon(3), reason: 'the vendor is closed' });
    expect(await touched(snoozed!.id)).not.toEqual([]);
    expect(await card(snoozed!.id)).toContain('is snoozed until');

    const change = (id: string, facts: Partial<ApiKey>) =>
      given(test.ports.store, { keys: [{ ...[rotated, moved, retired].find((each) => each!.id === id)!, ...facts }] });
    await change(rotated!.id, { lastRotatedAt: new Date(Date.now() - 5 * hour), nextRotationAt: soon(90) });
    expect(await card(rotated!.id)).toContain('has been rotated');
    await change(moved!.id, { nextRotationAt: soon(20) });
    expect(await card(moved!.id)).toContain('has a new date');
    await change(retired!.id, { status: 'retired', nextRotationAt: null });
    expect(await card(retired!.id)).toContain('is retired');

    await handOver(ports(), olu.id, { keyId: handed!.id, to: ada.id });
    expect(await card(handed!.id)).toContain('answers for');
    expect(await card(handed!.id)).not.toContain('runbooks.show');
    await remindOwners(ports());
    expect(await messages(handed!.id)).toHaveLength(2);
    expect(await card(handed!.id, ada)).toContain('You answer for it');

    await test.ports.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.rotate', subject: 'test' },
      (tx) =>
        tx.rotations.save(
          started(
            tx.newId('rotation'),
            running!,
            { cause: 'asked', causeId: null, askedBy: olu.id, reason: null, emergency: false },
            null,
            policy,
            tx.now,
          ),
        ),
    );
    expect(await card(running!.id)).toContain('is being rotated now');

    await query(`update api_key set next_rotation_at = now() - interval '1 day' where id = $1`, [overdue!.id]);
    await query(`update reminder r set due_at = k.next_rotation_at from api_key k where k.id = r.id and k.id = $1`, [
      overdue!.id,
    ]);
    expect(await card(overdue!.id)).toContain('should have been rotated');
    await query(`update person set status = 'left' where id = $1`, [olu.id]);
    expect(await card(overdue!.id)).toBe('');
  });
});
