import { describe, expect, it } from 'vitest';
import { askForDigest, askForSummary } from '../../src/digest/ask.ts';
import { planDigests } from '../../src/digest/plan.ts';
import { refreshDigests } from '../../src/digest/refresh.ts';
import { digestInSlack } from '../../src/digest/slack.ts';
import { declareIncident } from '../../src/incidents/declare.ts';
import { remindersInSlack } from '../../src/inventory/home.ts';
import { type ApiKey, snoozedNow } from '../../src/inventory/model.ts';
import { scheduleRotation } from '../../src/inventory/schedule.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { snoozeKey } from '../../src/inventory/snooze.ts';
import { day, minute, newId } from '../../src/kernel.ts';
import { problemsOfMessage, problemsOfView } from '../../src/local/slack/limits.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy, type Policy } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import { started } from '../../src/rotation/moves-model.ts';
import { pauseRotation, resumeRotation } from '../../src/rotation/timing/pause.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { deskOf, saying } from '../support/desk.ts';
import { waitingJobs } from '../support/ports.ts';

const database = useDatabase();
const issuers = { of: () => null, names: () => [] };
const ports = (policy: Policy = defaultPolicy) => ({ store: database.store, policy, issuers }) as unknown as Ports;
const desk = deskOf(ports, (door, all) => {
  digestInSlack(door, all);
  remindersInSlack(door, all);
});
const query = <T extends object>(sql: string, values: unknown[] = []) =>
  database.store.pool.query<T & Record<string, unknown>>(sql, values).then(({ rows }) => rows);
const ago = (days: number) => new Date(Date.now() - days * day);
const ahead = (days: number) => ago(-days);
const keyNow = (id: string) => database.store.read((view) => view.keys.get(id));
const digestOf = async (person: Person) => {
  const card = await desk.card('digest.owner', person.id, { person: person.id });
  if (card) expect(problemsOfMessage(card)).toEqual([]);
  return card;
};
const summary = async () => {
  const card = await desk.card('digest.summary', 'summary', { channel: 'security' });
  expect(problemsOfMessage(card!)).toEqual([]);
  return card!;
};

/** A policy whose digest came round ten minutes ago in this zone, and not at that time in others. */
function tenMinutesAgo(zone: string): Policy {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: zone,
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  const [hours, minutes] = format
    .format(new Date(Date.now() - 10 * minute))
    .split(':')
    .map(Number);
  return {
    ...defaultPolicy,
    digest: { ...defaultPolicy.digest, cron: `${minutes} ${hours} * * *` },
    company: { ...defaultPolicy.company, timeZone: zone },
  };
}
const sentTo = async (person: Person) =>
  (
    await query<{ outcome: string }>(
      `select outcome from audit_event where action = 'digest.send' and subject = $1 and outcome = 'done'`,
      [person.id],
    )
  ).length;
/** Everybody so far has had theirs a moment ago, and the summary too. */
const allServed = () =>
  query(
    `insert into digest (id, sent_at) select id, now() from person on conflict (id) do update set sent_at = now()`,
  ).then(() => query(`update digest set sent_at = now()`));
const lastSent = (person: Pick<Person, 'id'>, at: Date) =>
  query('insert into digest (id, sent_at) values ($1, $2) on conflict (id) do update set sent_at = $2', [
    person.id,
    at,
  ]);

async function owner(facts: Partial<Person> = {}, ...keys: Partial<ApiKey>[]) {
  const person = aPerson(facts);
  const made = keys.map((each) => aKey(person, each));
  await given(database.store, { people: [person], keys: made });
  return { person, keys: made, key: made[0]! };
}

describe('planning digests', () => {
  it('sends one to each owner whose morning has come in their own zone, and one summary, however many workers plan at once', async () => {
    await allServed();
    const auckland = await owner({ timeZone: 'Pacific/Auckland' }, {}, {});
    const newYork = await owner({ timeZone: 'America/New_York' }, {});
    const keyless = await owner({ timeZone: 'Pacific/Auckland' });
    const gone = await owner({ timeZone: 'Pacific/Auckland', status: 'left' }, {});
    for (const { person } of [auckland, newYork, keyless, gone])
      await lastSent(person, new Date(Date.now() - 60 * minute));
    await query(`update digest set sent_at = now() - interval '1 hour' where id = 'summary'`);
    const policy = tenMinutesAgo('Pacific/Auckland');
    const counts = await Promise.all([
      planDigests(ports(policy)),
      planDigests(ports(policy)),
      planDigests(ports(policy)),
    ]);
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(2);
    expect(await sentTo(auckland.person)).toBe(1);
    for (const { person } of [newYork, keyless, gone]) expect(await sentTo(person)).toBe(0);
    const cards = await query<{ kind: string; anew: boolean }>(
      `select kind, anew, person_id, channel from card where subject in ($1, 'summary') order by kind`,
      [auckland.person.id],
    );
    expect(cards).toEqual([
      { kind: 'digest.owner', anew: true, person_id: auckland.person.id, channel: null },
      { kind: 'digest.summary', anew: true, person_id: null, channel: 'security' },
    ]);
    expect(await planDigests(ports(policy))).toBe(0);
  });

  it('counts missed weeks once', async () => {
    await allServed();
    const { person } = await owner({}, {});
    await lastSent(person, ago(40));
    const policy = tenMinutesAgo('UTC');
    expect(await planDigests(ports(policy))).toBe(1);
    expect(await planDigests(ports(policy))).toBe(0);
    expect(await sentTo(person)).toBe(1);
  });

  it('does not owe a new owner what came round before they had a key', async () => {
    await allServed();
    const policy = tenMinutesAgo('UTC');
    const { person } = await owner({}, { addedAt: new Date(Date.now() - 5 * minute) });
    const longer = await owner({}, { addedAt: new Date(Date.now() - 15 * minute) });
    expect(await planDigests(ports(policy))).toBe(1);
    expect([await sentTo(person), await sentTo(longer.person)]).toEqual([0, 1]);
  });

  it('reaches owners beyond one page of them', async () => {
    await allServed();
    const people = Array.from({ length: 7 }, () => aPerson());
    await given(database.store, { people, keys: people.map((person) => aKey(person, { addedAt: ago(60) })) });
    expect(await planDigests(ports(tenMinutesAgo('UTC')), 3)).toBe(7);
  });
});

describe("an owner's digest", () => {
  it('has overdue keys first, says how late, what that means, who depends on each, why they are asked, and what happens if they do nothing', async () => {
    const { person, keys } = await owner(
      {},
      { purpose: 'Later', risk: 'low', nextRotationAt: ahead(3.5) },
      { purpose: 'Late', risk: 'high', nextRotationAt: ago(17.5) },
      { purpose: 'Far', nextRotationAt: ahead(90) },
      { purpose: 'Manual', storage: 'environment-file', secretId: null, nextRotationAt: ago(2.5) },
      { purpose: 'Handed in', issuer: 'person', nextRotationAt: ago(2) },
    );
    const holder = aPerson();
    await given(database.store, { people: [holder] });
    const key = keys[1]!;
    await query(
      `insert into access_request values ('req_x1', $1, $2, 'u', 'r', null, 8, null, 'approved', 1, false, '[]', '[]', 0, null, now(), now(), null)`,
      [key.id, holder.id],
    );
    await query(
      `insert into access_grant values ('grt_x1', 'req_x1', $1, $2, 'active', null, null, now(), now() + interval '8 hours', null, null, null, '[]')`,
      [key.id, holder.id],
    );
    const said = saying(await digestOf(person));
    const order = ['Late', 'Manual', 'Later'].map((each) => said.indexOf(`Staging - ${each}*`));
    expect(order.every((each) => each > 0)).toBe(true);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    expect(said).not.toContain('Far');
    expect(said).toContain('3 overdue, 1 due within 30 days.');
    expect(said).toContain('17 days overdue');
    expect(said).toContain('High risk: a value that leaks unnoticed should stop working within 30 days.');
    expect(said).toContain('1 person has access to it now.');
    expect(said).toContain('Only a person can rotate it');
    expect(said).toContain('Keysteward asks for a new value within minutes: a person has to make it at OpenAI.');
    expect(said).toContain('You get this because you own these keys.');
    expect(said).toContain('stays overdue');
  });

  it('offers for each key what can be done with it, and nothing that cannot', async () => {
    const { person, keys } = await owner(
      {},
      { purpose: 'Own', nextRotationAt: ago(9) },
      { purpose: 'Hand', storage: 'elsewhere', secretId: null, issuer: 'person', nextRotationAt: ago(8) },
      { purpose: 'Busy', nextRotationAt: ago(7) },
    );
    const why = { cause: 'asked', causeId: null, askedBy: null, reason: null, emergency: false } as const;
    await database.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' },
      (tx) => tx.rotations.save(started(newId('rotation'), keys[2]!, why, null, defaultPolicy, tx.now)),
    );
    const card = await digestOf(person);
    const offered = (key: ApiKey) =>
      card!.blocks
        .flatMap((each) => (each.type === 'actions' ? each.elements : []))
        .flatMap((each) => ('value' in each && each.value === key.id ? [each.action_id] : []));
    expect(offered(keys[0]!)).toEqual([
      'rotation.start',
      'inventory.schedule',
      'inventory.snooze',
      'inventory.hand-over',
    ]);
    expect(offered(keys[1]!)).toEqual(['runbooks.show', 'inventory.snooze', 'inventory.hand-over']);
    expect(offered(keys[2]!)).toEqual(['inventory.hand-over']);
    expect(saying(card)).toContain('Being rotated now.');
  });

  it('of 200 keys stays within what Slack takes, shows the ten most overdue and counts the rest', async () => {
    const long = (i: number) => ({ purpose: `${i} ${'&<>*_~`'.repeat(60)}`, nextRotationAt: ago(250 - i) });
    const { person, keys } = await owner({}, ...Array.from({ length: 200 }, (_, i) => long(i)));
    await given(database.store, {
      keys: keys.slice(100, 130).map((key) => ({
        ...key,
        snooze: { until: ahead(5).toISOString(), reason: '<!channel> & * '.repeat(30), by: person.id },
      })),
    });
    const card = await digestOf(person);
    expect(card!.blocks.length).toBeLessThanOrEqual(50);
    expect(saying(card)).toContain('and 160 more: `/keys list mine due`');
    expect(saying(card)).toContain('170 overdue, 0 due within 30 days, 30 snoozed.');
    expect(saying(card)).not.toContain('<!channel>');
    expect(saying(await summary())).not.toContain('<!channel>');
  });

  it('is one calm line when nothing is due, and goes away with its reader', async () => {
    const { person, key } = await owner({}, { purpose: 'Quiet', nextRotationAt: ahead(60) });
    const said = { ...{ id: key.id, scope: key.scope, needs: 'Embeddings' }, excess: null, excessSince: null };
    await database.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: key.id },
      (tx) => tx.permissionReviews.save({ ...said, restrictions: [], reviewedBy: person.id, reviewedAt: tx.now }),
    );
    const card = await digestOf(person);
    expect(card!.blocks).toHaveLength(1);
    expect(saying(card)).toContain('Nothing is due of your 1 key in the next 30 days.');
    expect(saying(card)).toContain('Quiet');
    await given(database.store, { keys: [{ ...key, status: 'retired', nextRotationAt: null }] });
    expect(saying(await digestOf(person))).toContain('You answer for no key');
    await given(database.store, { people: [{ ...person, status: 'left' }] });
    expect(await digestOf(person)).toBeNull();
  });

  it('comes on demand to the direct messages and not for the moment only; who owns nothing is told so', async () => {
    const { person } = await owner({}, { nextRotationAt: ago(1) });
    const before = await waitingJobs(database, 'slack.card');
    expect(saying(await desk.type(person, 'digest'))).toContain('in our direct messages');
    expect((await waitingJobs(database, 'slack.card')).length).toBe(before.length + 1);
    expect(await sentTo(person)).toBe(1);
    const nobody = aPerson({ tier: 'contractor' });
    await given(database.store, { people: [nobody] });
    expect(saying(await desk.type(nobody, 'digest'))).toContain('You answer for no key');
    expect(await sentTo(nobody)).toBe(0);
    await expect(askForDigest(ports(), newId('person'))).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is rendered again each day, so that how late a key is stays true', async () => {
    const [fresh, old] = [await owner({}, {}), await owner({}, {})];
    for (const { person } of [fresh, old]) await askForDigest(ports(), person.id);
    await lastSent(old.person, ago(20));
    await query(`update work set status = 'done' where name = 'slack.card'`);
    await refreshDigests(ports());
    const cards = await query<{ subject: string }>(
      `select c.subject from work w join card c on c.id = w.payload ->> 'cardId' where w.name = 'slack.card' and w.status = 'waiting'`,
    );
    const subjects = cards.map((each) => each.subject);
    expect(subjects).toContain(fresh.person.id);
    expect(subjects).not.toContain(old.person.id);
  });
});

describe('the summary of all keys', () => {
  it('counts by risk, names the worst owners first without waking them, and shows snoozes with their reasons and keys without an owner', async () => {
    const base = await database.store.read((view) => view.digests.standing(ahead(30), 10));
    const bad = await owner(
      { name: 'Zed Bad' },
      ...Array.from({ length: 12 }, () => ({ risk: 'high' as const, nextRotationAt: ago(100) })),
    );
    const gone = await owner(
      { name: 'Gone Girl', status: 'left' },
      { purpose: 'Orphan', risk: 'high', nextRotationAt: ago(400) },
    );
    const admin = aPerson({ tier: 'administrator', name: 'Ada' });
    await given(database.store, { people: [admin] });
    await snoozeKey(ports(), admin.id, {
      keyId: bad.key.id,
      until: ahead(2),
      reason: 'the vendor <@U123> is on holiday',
    });
    const after_ = await database.store.read((view) => view.digests.standing(ahead(30), 10));
    expect(after_.byRisk.high).toEqual({
      overdue: base.byRisk.high.overdue + 12,
      due: base.byRisk.high.due,
      snoozed: base.byRisk.high.snoozed + 1,
    });
    expect(after_.owners[0]).toMatchObject({ ownerId: bad.person.id, overdue: 11, high: 11 });
    expect(after_.ownerless[0]).toMatchObject({ id: gone.key.id, ownerId: gone.person.id });
    const said = saying(await summary());
    expect(said).toContain('Zed Bad: 11 overdue, 11 of high risk');
    expect(said).toContain('by Ada: “the vendor &lt;@U123&gt; is on holiday”');
    expect(said).toContain('Orphan (high risk, was Gone Girl’s)');
    expect(said).not.toMatch(/<@/);
  });

  it('lists every pause that lasts, with until when, by whom and why; a paused key stays counted, and the summary follows', async () => {
    const late = await owner({ name: 'Pia Paused' }, { risk: 'high', nextRotationAt: ago(10), purpose: 'Paused one' });
    const admin = aPerson({ tier: 'administrator', name: 'Amos' });
    await given(database.store, { people: [admin] });
    const before = await database.store.read((view) => view.digests.standing(ahead(30), 10));
    const ask = { until: ahead(5), reason: 'the vendor <@U123> moves house' };
    await database.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.card', subject: 'summary' },
      (tx) => tx.cards.show('digest.summary', 'summary', { channel: 'security' }),
    );
    await query(`update work set status = 'done' where name = 'slack.card' and status = 'waiting'`);
    await pauseRotation(ports(), admin.id, { keyId: late.key.id, ...ask });
    const standing = await database.store.read((view) => view.digests.standing(ahead(30), 10));
    expect(standing.byRisk).toEqual(before.byRisk);
    expect(standing.pausesInAll).toBe(before.pausesInAll + 1);
    const said = saying(await summary());
    expect(said).toContain('Paused one (high risk) until');
    expect(said).toContain('by Amos: “the vendor &lt;@U123&gt; moves house”');
    expect(
      await query(
        `select 1 as one from work join card on payload ->> 'cardId' = card.id where work.status = 'waiting' and card.kind = 'digest.summary'`,
      ),
    ).toEqual([{ one: 1 }]);
    await resumeRotation(ports(), admin.id, late.key.id);
    expect(saying(await summary())).not.toContain('Paused one (high risk) until');
  });

  it('agrees with the rules about which key is overdue, due and snoozed', async () => {
    const rows = await database.store.read(async (view) => ({
      standing: await view.digests.standing(ahead(30), 10),
      all: (await view.keys.list({ dueBefore: ahead(30) }, 5_000)).rows,
      now: view.now,
    }));
    for (const risk of ['high', 'medium', 'low'] as const) {
      const some = rows.all.filter((key) => key.risk === risk);
      const snoozed = some.filter((key) => snoozedNow(key, rows.now));
      const open = some.filter((key) => !snoozedNow(key, rows.now));
      const overdue = open.filter((key) => key.nextRotationAt! <= rows.now);
      expect(rows.standing.byRisk[risk]).toEqual({
        overdue: overdue.length,
        due: open.length - overdue.length,
        snoozed: snoozed.length,
      });
    }
  });

  it('is posted on demand for administrators alone, and the attempt of others is on record', async () => {
    const [admin, other] = [aPerson({ tier: 'administrator' }), aPerson()];
    await given(database.store, { people: [admin, other] });
    await expect(desk.type(other, 'digest summary')).rejects.toMatchObject({ code: 'not_allowed' });
    expect(
      await query(`select outcome from audit_event where action = 'digest.summarise' and actor_id = $1`, [other.id]),
    ).toEqual([{ outcome: 'refused' }]);
    expect(saying(await desk.type(admin, 'digest summary'))).toContain('#security');
    await askForSummary(ports(), admin.id);
  });
});

describe('snoozing a key', () => {
  const reason = 'the vendor is down until Friday';
  const due = async (facts: Partial<ApiKey> = {}) => {
    const made = await owner({}, { nextRotationAt: ago(5), ...facts });
    const admin = aPerson({ tier: 'administrator' });
    await given(database.store, { people: [admin] });
    return { ...made, admin };
  };
  const dueKeys = () => database.store.read(async (view) => (await view.rotations.dueKeys(ago(1), null, 10_000)).ids);

  it('silences its reminder and the schedule until then, and says why wherever it is listed', async () => {
    const { person, key } = await due();
    expect(await dueKeys()).toContain(key.id);
    await snoozeKey(ports(), person.id, { keyId: key.id, until: ahead(3), reason });
    expect(await dueKeys()).not.toContain(key.id);
    const said = saying(await digestOf(person));
    expect(said).toContain('0 overdue, 0 due within 30 days, 1 snoozed.');
    expect(said).toContain(`“${reason}”`);
    expect(said).not.toContain('inventory.snooze');
    const shown = deskOf(ports, (door, all) => inventoryInSlack(door, all));
    expect(saying(await shown.type(person, 'list mine'))).toContain(`“${reason}”`);
    expect(saying(await shown.type(person, `show ${key.id}`))).toContain(`“${reason}”`);
    await query(
      `update api_key set snooze = jsonb_set(snooze, '{until}', to_jsonb((now() - interval '1 second')::text)) where id = $1`,
      [key.id],
    );
    expect(await dueKeys()).toContain(key.id);
    expect(saying(await digestOf(person))).toContain('5 days overdue');
  });

  it.each([
    ['no end in the future', { until: ago(0.01) }, 'until'],
    ['an end beyond the longest snooze', { until: ahead(30.1) }, 'until'],
    ['a reason of nine characters', { reason: '123456789' }, 'reason'],
    ['a reason of blanks', { reason: ' '.repeat(40) }, 'reason'],
  ])('needs a reason and an end that the policy allows: not %s', async (_what, wrong, field) => {
    const { person, key } = await due();
    await expect(
      snoozeKey(ports(), person.id, { keyId: key.id, until: ahead(3), reason, ...wrong }),
    ).rejects.toMatchObject({ code: 'invalid', field });
    expect((await keyNow(key.id)).snooze).toBeNull();
  });

  it('takes an administrator the second time in a row, also when the first is over, until the key was rotated', async () => {
    const { person, key, admin } = await due();
    const ask = { keyId: key.id, until: ahead(3), reason };
    await snoozeKey(ports(), person.id, ask);
    await query(
      `update api_key set snooze = jsonb_set(snooze, '{until}', to_jsonb((now() - interval '1 day')::text)) where id = $1`,
      [key.id],
    );
    await expect(snoozeKey(ports(), person.id, ask)).rejects.toMatchObject({ code: 'not_allowed' });
    await snoozeKey(ports(), admin.id, ask);
    expect((await keyNow(key.id)).snooze?.by).toBe(admin.id);
    await given(database.store, { keys: [{ ...key, snooze: null, lastRotatedAt: new Date() }] });
    await snoozeKey(ports(), person.id, ask);
  });

  it('is refused to everybody but the owner and administrators, and a contractor is not even told that the key exists', async () => {
    const { key } = await due();
    const [other, contractor] = [aPerson(), aPerson({ tier: 'contractor' })];
    await given(database.store, { people: [other, contractor] });
    for (const [person, code] of [
      [other, 'not_allowed'],
      [contractor, 'not_found'],
    ] as const) {
      await expect(snoozeKey(ports(), person.id, { keyId: key.id, until: ahead(3), reason })).rejects.toMatchObject({
        code,
      });
      await expect(scheduleRotation(ports(), person.id, { keyId: key.id, at: ahead(1) })).rejects.toMatchObject({
        code,
      });
      await expect(desk.press(person, 'inventory.snooze', key.id)).rejects.toMatchObject({ code });
      await expect(desk.press(person, 'inventory.schedule', key.id)).rejects.toMatchObject({ code });
    }
    const refused = await query(`select 1 from audit_event where key_id = $1 and outcome = 'refused'`, [key.id]);
    expect(refused).toHaveLength(8);
  });

  it('is refused while the key is part of an incident, to administrators too', async () => {
    const { person, key, admin } = await due();
    const report = {
      keyId: key.id,
      which: null,
      reach: 'not-production',
      how: 'unusual',
      what: 'calls from elsewhere',
      seen: null,
    };
    await declareIncident(ports(), person.id, report as never);
    const ask = { keyId: key.id, until: ahead(3), reason };
    await expect(snoozeKey(ports(), admin.id, ask)).rejects.toMatchObject({ code: 'conflict' });
  });

  it("is asked for in a form that Slack takes, ends at the start of the day in the reader's own zone, and edits the digest", async () => {
    const { person, key } = await due();
    await given(database.store, { people: [{ ...person, timeZone: 'Pacific/Auckland' }] });
    const there = { ...person, timeZone: 'Pacific/Auckland' };
    await askForDigest(ports(), person.id);
    await query(`update work set status = 'done' where name = 'slack.card'`);
    const opened = await desk.press(there, 'inventory.snooze', key.id);
    expect('open' in opened && problemsOfView(opened.open)).toEqual([]);
    const until = new Intl.DateTimeFormat('en-CA', { timeZone: 'Pacific/Auckland' }).format(ahead(5));
    await desk.send(there, 'inventory.snooze', { keyId: key.id, until, reason });
    const stored = new Date((await keyNow(key.id)).snooze!.until);
    expect(
      new Intl.DateTimeFormat('en-CA', {
        timeZone: 'Pacific/Auckland',
        dateStyle: 'short',
        timeStyle: 'short',
        hourCycle: 'h23',
      }).format(stored),
    ).toMatch(new RegExp(`^${until}, (00|24):00`));
    expect((await waitingJobs(database, 'slack.card')).length).toBeGreaterThan(0);
  });
});

describe('scheduling a rotation', () => {
  const dueKeys = () => database.store.read(async (view) => (await view.rotations.dueKeys(ago(1), null, 10_000)).ids);
  const planned = async (id: string, at: Date) => query('update api_key set planned_at = $2 where id = $1', [id, at]);

  it('lets the schedule start it then, not before, whether it is due or snoozed', async () => {
    const { person, key } = await owner({}, { nextRotationAt: ago(2) });
    const early = await owner({}, { nextRotationAt: ahead(20) });
    await scheduleRotation(ports(), person.id, { keyId: key.id, at: ahead(1) });
    await scheduleRotation(ports(), early.person.id, { keyId: early.key.id, at: ahead(1) });
    expect(await dueKeys()).not.toContain(key.id);
    expect(saying(await digestOf(person))).toContain('Planned for');
    // Still overdue in every count: a plan is no rotation.
    expect(saying(await digestOf(person))).toContain('1 overdue');
    for (const each of [key, early.key]) await planned(each.id, ago(0.001));
    await query(`update api_key set snooze = $2 where id = $1`, [
      key.id,
      JSON.stringify({ until: ahead(9).toISOString(), reason: 'whatever it was', by: person.id }),
    ]);
    expect(await dueKeys()).toEqual(expect.arrayContaining([key.id, early.key.id]));
  });

  it('is bounded for owners and free for administrators, and cannot be put off again and again', async () => {
    const { person, key } = await owner({}, { nextRotationAt: ahead(10) });
    const overdue = await owner({}, { nextRotationAt: ago(30) });
    const admin = aPerson({ tier: 'administrator' });
    await given(database.store, { people: [admin] });
    const plan = (who: Person, on: ApiKey, days: number) =>
      scheduleRotation(ports(), who.id, { keyId: on.id, at: ahead(days) });
    await expect(plan(person, key, -1)).rejects.toMatchObject({ code: 'invalid', field: 'at' });
    await expect(plan(person, key, 17.1)).rejects.toMatchObject({ code: 'invalid', field: 'at' });
    await plan(person, key, 16.9);
    await plan(person, key, 3);
    await plan(admin, key, 200);
    await expect(plan(overdue.person, overdue.key, 7.1)).rejects.toMatchObject({ code: 'invalid' });
    await plan(overdue.person, overdue.key, 6);
    await plan(overdue.person, overdue.key, 2);
    await expect(plan(overdue.person, overdue.key, 3)).rejects.toMatchObject({ code: 'not_allowed' });
    await plan(admin, overdue.key, 3);
  });

  it('is refused for a key that is not rotated here', async () => {
    const { person, key } = await owner({}, { storage: 'password-manager', secretId: null });
    await expect(scheduleRotation(ports(), person.id, { keyId: key.id, at: ahead(1) })).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  it('and snoozing undo each other: the last word counts', async () => {
    const { person, key } = await owner({}, { nextRotationAt: ago(2) });
    await scheduleRotation(ports(), person.id, { keyId: key.id, at: ahead(1) });
    await snoozeKey(ports(), person.id, { keyId: key.id, until: ahead(5), reason: 'waiting for the vendor' });
    expect((await keyNow(key.id)).plannedAt).toBeNull();
    await scheduleRotation(ports(), person.id, { keyId: key.id, at: ahead(2) });
    expect(saying(await digestOf(person))).toContain('Planned for');
  });

  it('is asked for in a form that Slack takes', async () => {
    const { person, key } = await owner({ timeZone: 'America/New_York' }, { nextRotationAt: ago(2) });
    const opened = await desk.press(person, 'inventory.schedule', key.id);
    expect('open' in opened && problemsOfView(opened.open)).toEqual([]);
    await desk.send(person, 'inventory.schedule', { keyId: key.id, at: Math.floor(ahead(1).getTime() / 1000) });
    expect((await keyNow(key.id)).plannedAt).not.toBeNull();
  });
});
