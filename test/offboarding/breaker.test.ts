import { describe, expect, it } from 'vitest';
import { hour } from '../../src/kernel.ts';
import { sweepCases } from '../../src/offboarding/check.ts';
import { meetPerson } from '../../src/people/meet.ts';
import { setTier } from '../../src/people/set.ts';
import { aPerson, given } from '../support/company.ts';
import { saying } from '../support/desk.ts';
import { left, quick, useOffice } from './office.ts';

const limit = 3;
const office = useOffice({ ...quick, offboarding: { maxLeaversPerDay: limit } });
const store = () => office.ports.store;
const caseOf = (personId: string) => store().read((view) => view.cases.latestOf(personId));
const personNow = (id: string) => store().read((view) => view.people.get(id));
const later = () =>
  office.database.store.pool.query("update offboarding_case set opened_at = opened_at - interval '2 days'");
let counter = 0;
async function staff(count: number) {
  const people = Array.from({ length: count }, () => aPerson({ hrId: `B-${++counter}` }));
  await given(store(), { people });
  return people;
}

describe('when more people leave than usual', () => {
  it('those above the limit wait for an administrator, also when everybody is reported at the same instant', async () => {
    const people = await staff(8);
    const answers = await Promise.all(people.map((each) => office.post(office.signed(left(each.hrId!)))));
    expect(answers.every((each) => each.status === 202)).toBe(true);
    const cases = await Promise.all(people.map((each) => caseOf(each.id)));
    const waiting = cases.filter((each) => each!.status === 'waiting');
    expect(waiting).toHaveLength(people.length - limit);
    for (const each of waiting) {
      expect((await personNow(each!.personId)).status).toBe('active');
      expect(saying(await office.desk.card('offboarding.case', each!.id, { channel: 'security' }))).toContain(
        'goes wrong',
      );
    }
    await sweepCases(office.ports);
    const [right, wrong, mine] = waiting;
    await expect(office.desk.press(office.owner, 'offboarding.confirm', right!.id)).rejects.toMatchObject({
      code: 'not_allowed',
    });
    await office.desk.press(office.admin, 'offboarding.confirm', right!.id);
    expect(await caseOf(right!.personId)).toMatchObject({ status: 'open', confirmedBy: office.admin.id, hold: null });
    expect((await personNow(right!.personId)).status).toBe('left');
    await expect(office.desk.press(office.admin, 'offboarding.confirm', right!.id)).rejects.toMatchObject({
      code: 'conflict',
    });

    await office.desk.press(office.admin, 'offboarding.call-off', wrong!.id);
    expect((await caseOf(wrong!.personId))!.status).toBe('called-off');
    expect((await personNow(wrong!.personId)).status).toBe('active');
    await expect(office.desk.press(office.admin, 'offboarding.call-off', right!.id)).rejects.toMatchObject({
      code: 'conflict',
    });

    // An administrator who says it themself has confirmed it.
    await office.desk.send(office.admin, 'offboarding.open', { personId: mine!.personId });
    expect(await caseOf(mine!.personId)).toMatchObject({ id: mine!.id, status: 'open', confirmedBy: office.admin.id });
    await later();
  });

  it('an administrator is not slowed down by it', async () => {
    for (const person of await staff(limit + 2))
      await office.desk.send(office.admin, 'offboarding.open', { personId: person.id });
    const [next] = await staff(1);
    await office.post(office.signed(left(next!.hrId!)));
    expect((await caseOf(next!.id))!.status).toBe('open');
    await later();
  });

  it('people whom Slack deactivated wait too, and are let go when Slack lets them in again', async () => {
    const people = await staff(limit + 1);
    const entries = people.map(({ slackId, name }) => ({
      slackId,
      name,
      teamId: 'T1',
      timeZone: 'UTC',
      isGuest: false,
      isBot: false,
    }));
    for (const entry of entries) await meetPerson(office.ports, { ...entry, deleted: true }, []);
    await office.work();
    const held = (await Promise.all(people.map((each) => caseOf(each.id)))).find((each) => each!.status === 'waiting')!;
    expect(held.cause.kind).toBe('slack');
    const back = entries[people.findIndex((each) => each.id === held.personId)]!;
    await meetPerson(office.ports, { ...back, deleted: false }, []);
    await sweepCases(office.ports);
    expect((await caseOf(held.personId))!.status).toBe('called-off');
    await later();
  });
});

describe('the only administrator', () => {
  it('is not shut out by the HR system before there is another one', async () => {
    const { rows } = await office.database.store.pool.query(
      "select id from person where tier = 'administrator' and id <> $1",
      [office.admin.id],
    );
    expect(rows).toEqual([]);
    await store().change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.hr', subject: office.admin.id },
      async (tx) => tx.people.save({ ...(await tx.people.get(office.admin.id)), hrId: 'BOSS' }),
    );
    expect((await office.post(office.signed(left('BOSS')))).status).toBe(202);
    const each = (await caseOf(office.admin.id))!;
    expect(each).toMatchObject({ status: 'waiting', hold: 'administrator' });
    expect((await personNow(office.admin.id)).status).toBe('active');
    await expect(office.desk.press(office.admin, 'offboarding.call-off', each.id)).rejects.toMatchObject({
      code: 'not_allowed',
    });
    const [heir] = await staff(1);
    await setTier(office.ports, office.admin.id, { personId: heir!.id, tier: 'administrator' });
    await office.desk.press(heir!, 'offboarding.confirm', each.id);
    expect((await personNow(office.admin.id)).status).toBe('left');

    // Whoever is the only one when their planned day comes waits as well.
    await office.post(office.signed(left(heir!.hrId!, { effectiveAt: new Date(Date.now() + hour).toISOString() })));
    const planned = (await caseOf(heir!.id))!;
    expect(planned.status).toBe('waiting');
  });
});
