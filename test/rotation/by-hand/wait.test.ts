import { describe, expect, test } from 'vitest';
import { hour, minute } from '../../../src/kernel.ts';
import { defaultPolicy } from '../../../src/policy.ts';
import { askedOfPerson, takenOn, waitedOn, waitsNow, whyNotTake } from '../../../src/rotation/by-hand/model.ts';
import { takeOn } from '../../../src/rotation/by-hand/take.ts';
import type { Rotation } from '../../../src/rotation/model.ts';
import { started } from '../../../src/rotation/moves-model.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { aKey, aPerson } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { quick, useStage } from '../stage.ts';

const always = { from: '00:00', to: '23:59', days: [1, 2, 3, 4, 5, 6, 7] };
const stage = useStage({ ...quick, people: { ...quick.people, workingHours: always } });
const desk = deskOf(() => stage.ports, rotationInSlack);
const pool = () => stage.database.store.pool;

async function waiting(emergency = false): Promise<Rotation['id']> {
  const { key } = await stage.key({ issuer: 'person', recipe: null });
  const { id } = await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency });
  await stage.work();
  return id;
}
/** As if the person had been asked so much earlier. */
async function longAgo(id: Rotation['id'], ms: number): Promise<Rotation> {
  await pool().query(
    `update rotation set waits = jsonb_set(waits, '{since}', to_jsonb(to_char((waits ->> 'since')::timestamptz at time zone 'UTC'
       - $2 * interval '1 ms', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))) where id = $1`,
    [id, ms],
  );
  await stage.skipTime(id);
  await stage.work();
  return stage.rotation(id);
}
const askedOf = async (id: Rotation['id']) => {
  const cards = await stage.database.store.read((view) => view.cards.of('rotation:person', id));
  return cards.map((each) => each.channel ?? each.personId).sort();
};

describe('what waits for a person', () => {
  test('is asked of the owner, again at each reminder, and of administrators when nobody does it', async () => {
    const id = await waiting();
    expect(await askedOf(id)).toEqual([stage.owner.id]);
    expect(waitsNow(await stage.rotation(id))).toMatchObject({ nudges: 0, escalatedAt: null });
    await pool().query("update card set anew = false where kind = 'rotation:person' and subject = $1", [id]);
    expect(waitsNow(await longAgo(id, 7 * hour))).toMatchObject({ nudges: 0 });
    expect(waitsNow(await longAgo(id, 2 * hour))).toMatchObject({ nudges: 1, escalatedAt: null });
    const { rows } = await pool().query("select anew from card where kind = 'rotation:person' and subject = $1", [id]);
    expect(rows).toEqual([{ anew: true }]);
    await longAgo(id, 16 * hour);
    await longAgo(id, 24 * hour);
    const late = await longAgo(id, 24 * hour);
    expect(waitsNow(late)).toMatchObject({ nudges: 4, escalatedAt: expect.any(String) });
    expect(await askedOf(id)).toEqual([stage.owner.id, stage.admin.id, 'security'].sort());
    expect(late.continuesAt!.getTime() - Date.now()).toBeGreaterThan(20 * hour);
    const card = async () => saying(await desk.card('rotation:person', id, { person: stage.owner.id }));
    expect(await card()).not.toContain('which has passed');
    await pool().query(
      `update rotation set waits = jsonb_set(waits, '{dueAt}', '"2026-01-01T00:00:00.000Z"') where id = $1`,
      [id],
    );
    expect(await card()).toContain('which has passed');
  });

  test('is asked of everybody at once in an emergency, and escalates within the hour', async () => {
    const id = await waiting(true);
    expect(await askedOf(id)).toEqual([stage.owner.id, 'security'].sort());
    const { waits } = await stage.rotation(id);
    expect(Date.parse(waits!.dueAt) - Date.parse(waits!.since)).toBe(60 * minute);
    expect(waitsNow(await longAgo(id, 11 * minute))).toMatchObject({ nudges: 1, escalatedAt: null });
    expect(waitsNow(await longAgo(id, 20 * minute))).toMatchObject({ escalatedAt: expect.any(String) });
    expect(await askedOf(id)).toContain(stage.admin.id);
  });

  test('is free again when whoever had taken it has left', async () => {
    const id = await waiting();
    await takeOn(stage.ports, stage.admin, id);
    await pool().query("update person set status = 'left' where id = $1", [stage.admin.id]);
    expect((await longAgo(id, hour)).taken).toBeNull();
    await pool().query("update person set status = 'active' where id = $1", [stage.admin.id]);
  });

  test('reminds in working hours alone, and is due before its provider ends the key', () => {
    const key = aKey(aPerson());
    const why = { cause: 'due', causeId: null, askedBy: null, reason: null, emergency: false } as const;
    const friday = new Date('2026-11-27T15:00:00Z');
    const fresh = started('rot_1', key, why, null, defaultPolicy, friday);
    const clock = { zone: 'UTC', policy: defaultPolicy, now: friday };
    const asked = askedOfPerson(fresh, 'hand-in', { expiresAt: new Date('2026-11-30T12:00:00Z') }, clock);
    expect(asked.continuesAt).toEqual(new Date('2026-11-30T09:00:00Z'));
    expect(asked.waits!.dueAt).toBe('2026-11-30T12:00:00.000Z');
    const early = waitedOn(asked, asked.waits!, { ...clock, now: new Date('2026-11-28T12:00:00Z') });
    expect(early).toMatchObject({ nudge: false, next: { waits: { nudges: 0 } } });
  });

  test('is kept by whoever took it, but for administrators', () => {
    const [owner, admin] = [aPerson(), aPerson({ tier: 'administrator' })];
    const key = aKey(owner);
    const why = { cause: 'due', causeId: null, askedBy: null, reason: null, emergency: false } as const;
    const now = new Date('2026-11-27T15:00:00Z');
    const clock = { zone: 'UTC', policy: defaultPolicy, now };
    const asked = askedOfPerson(started('rot_1', key, why, null, defaultPolicy, now), 'hand-in', key, clock);
    expect(whyNotTake(asked, owner)).toBeNull();
    const taken = takenOn(asked, admin, now);
    expect(whyNotTake(taken, owner)?.sentence).toContain('Somebody else');
    expect(whyNotTake(takenOn(asked, owner, now), admin)).toBeNull();
    expect(whyNotTake({ ...taken, status: 'superseded' }, owner)?.sentence).toContain('An emergency has taken over');
  });
});
