import { describe, expect, test } from 'vitest';
import { type ApiKey, editionOf } from '../../../src/inventory/model.ts';
import { inventoryInSlack } from '../../../src/inventory/slack.ts';
import { day } from '../../../src/kernel.ts';
import type { Policy } from '../../../src/policy.ts';
import type { Ports } from '../../../src/ports.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { escalateOverdue } from '../../../src/rotation/timing/escalate.ts';
import { findDue } from '../../../src/rotation/timing/find-due.ts';
import { escalationOwed, stagesOf } from '../../../src/rotation/timing/overdue-model.ts';
import { pauseRotation, resumeRotation } from '../../../src/rotation/timing/pause.ts';
import { aKey, aPerson, given } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { quick, useStage } from '../stage.ts';

const always = { from: '00:00', to: '23:59', days: [1, 2, 3, 4, 5, 6, 7] };
const policy: Policy = { ...quick, people: { ...quick.people, workingHours: always } };
const stage = useStage(policy);
const desk = deskOf(
  () => stage.ports,
  (door, ports) => {
    inventoryInSlack(door, ports);
    rotationInSlack(door, ports);
  },
);
const daysAgo = (days: number) => new Date(Date.now() - days * day);
const keyNow = (key: ApiKey) => stage.database.store.read((view) => view.keys.get(key.id));
const audiences = async (key: ApiKey, kind = 'rotation.overdue') =>
  (await stage.database.store.read((view) => view.cards.of(kind, key.id))).map((each) => each.channel ?? each.personId);
/** A key that only a person can replace, so many days late. */
async function late(days: number, facts: Partial<ApiKey> = {}) {
  const elsewhere = { issuer: 'person', storage: 'elsewhere' as const, secretId: null };
  const key = aKey(stage.owner, { ...elsewhere, nextRotationAt: daysAgo(days), ...facts });
  await given(stage.database.store, { keys: [key] });
  return { key };
}
const isLaterBy = (key: ApiKey, days: number) =>
  stage.database.store.pool.query(
    `update api_key set next_rotation_at = next_rotation_at - $2 * interval '1 day', overdue = overdue || jsonb_build_object('dueAt',
       to_char((overdue ->> 'dueAt')::timestamptz - $2 * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) where id = $1`,
    [key.id, days],
  );
const overdueCard = async (key: ApiKey, person = stage.owner) =>
  saying(await desk.card('rotation.overdue', key.id, { person: person.id }));

describe('an overdue key', () => {
  test('is brought before its owner, then the security channel, then the administrators, each once', async () => {
    const { key } = await late(0.5);
    await escalateOverdue(stage.ports);
    expect(await audiences(key)).toEqual([]);
    const fresh = await late(1.5);
    await Promise.all([1, 2, 3].map(() => escalateOverdue(stage.ports)));
    expect(await audiences(fresh.key)).toEqual([stage.owner.id]);
    expect(await overdueCard(fresh.key)).toMatch(
      /overdue for rotation since .*Only a person can replace it.*the security channel is told too/s,
    );
    await isLaterBy(fresh.key, 2);
    await escalateOverdue(stage.ports);
    expect(await audiences(fresh.key)).toEqual([stage.owner.id, 'security']);
    await isLaterBy(fresh.key, 5);
    await escalateOverdue(stage.ports);
    expect(await audiences(fresh.key)).toEqual([stage.owner.id, 'security', stage.admin.id]);
    expect(await overdueCard(fresh.key)).toMatch(/If nobody does anything: it stays overdue/);
    expect((await keyNow(fresh.key)).overdue!.told).toEqual(['owner', 'security', 'administrators']);
    const events = await stage.database.store.read((view) => view.audit.list({ keyId: fresh.key.id }, 50));
    const escalations = events.rows.filter((each) => each.action === 'rotation.escalate' && each.outcome === 'done');
    expect(escalations.map((each) => each.facts.stages).reverse()).toEqual([
      ['owner'],
      ['security'],
      ['administrators'],
    ]);
    expect(await escalateOverdue(stage.ports)).toBe(0);
  });

  test('stops being one when it is rotated, and every message says so; late once more it is told of anew', async () => {
    const { key } = await stage.key({ nextRotationAt: daysAgo(2) });
    await escalateOverdue(stage.ports);
    expect(await overdueCard(key)).toContain('rotation.start');
    await startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency: false });
    expect(await overdueCard(key)).toMatch(/was overdue\. It is being rotated/);
    await stage.work();
    expect(await overdueCard(key)).toMatch(/was overdue\. It was last rotated/);
    expect(await overdueCard(key)).not.toContain('rotation.start');
    expect((await keyNow(key)).overdue).toBeNull();
    await given(stage.database.store, { keys: [{ ...(await keyNow(key)), nextRotationAt: daysAgo(2) }] });
    expect(await escalateOverdue(stage.ports)).toBe(1);
    expect(await audiences(key)).toEqual([stage.owner.id]);
  });

  test('of an owner who has left is brought before the security channel at once', async () => {
    const gone = aPerson({ status: 'left' });
    await given(stage.database.store, { people: [gone] });
    const { key } = await late(1.5, { ownerId: gone.id });
    await escalateOverdue(stage.ports);
    expect(await audiences(key)).toEqual(['security']);
  });

  test('that somebody has snoozed, planned or paused, or that waits for a freeze to end, is brought before nobody', async () => {
    const tomorrow = new Date(Date.now() + day);
    const snooze = { until: tomorrow.toISOString(), reason: 'The vendor is closed', by: stage.owner.id };
    const quiet = [
      await late(9, { snooze }),
      await stage.key({ nextRotationAt: daysAgo(9), plannedAt: tomorrow }),
      await late(9),
    ];
    const paused = quiet[2]!.key;
    await pauseRotation(stage.ports, stage.owner.id, {
      keyId: paused.id,
      until: tomorrow,
      reason: 'The vendor is closed',
    });
    await escalateOverdue(stage.ports);
    for (const { key } of quiet) expect(await audiences(key)).toEqual([]);
    await resumeRotation(stage.ports, stage.owner.id, paused.id);
    await escalateOverdue(stage.ports);
    expect(await audiences(paused)).toHaveLength(3);
    const freezes = [
      { reason: 'Year end', from: daysAgo(9).toISOString().slice(0, 10), to: tomorrow.toISOString().slice(0, 10) },
    ];
    const frozen: Ports = { ...stage.ports, policy: { ...policy, rotation: { ...policy.rotation, freezes } } };
    const { key } = await stage.key({ nextRotationAt: daysAgo(9) });
    await escalateOverdue(frozen);
    expect(await audiences(key)).toEqual([]);
  });

  test('disturbs people within their working hours alone, and only where the policy says', () => {
    const owner = aPerson({ timeZone: 'America/New_York' });
    const due = { ...aKey(owner, { issuer: 'person', nextRotationAt: new Date('2026-05-20T00:00:00Z') }) };
    const owed = (at: string, rules: Policy = quick) => escalationOwed(due, owner, false, rules, new Date(at));
    // A Wednesday: nine in New York is thirteen in UTC, in which the company reckons.
    expect(owed('2026-06-03T12:59:00Z')).toEqual(['security', 'administrators']);
    expect(owed('2026-06-03T13:00:00Z')).toEqual(['owner', 'security', 'administrators']);
    expect(owed('2026-06-03T18:00:00Z')).toEqual(['owner']);
    expect(owed('2026-06-06T14:00:00Z')).toEqual([]);
    const never = { owner: 30, security: null, administrators: null };
    const rules = { ...quick, rotation: { ...quick.rotation, escalateOverdueDays: never } };
    expect(owed('2026-06-03T14:00:00Z', rules)).toEqual([]);
    expect(stagesOf(due, rules).map(({ stage: each }) => each)).toEqual(['owner']);
  });
});

describe('a due key whose rotation lacks something', () => {
  test('is not begun; its owner is told once what to do, and it starts by itself when nothing is missing', async () => {
    await findDue(stage.ports);
    await stage.work();
    const { key } = await stage.key({ nextRotationAt: daysAgo(0.1) });
    const edition = editionOf(await keyNow(key));
    const away = await stage.bot.deleteSecret({ SecretId: key.secretId! });
    expect(await findDue(stage.ports)).toBe(0);
    expect(await findDue(stage.ports)).toBe(0);
    expect(await stage.database.store.read((view) => view.rotations.ofKey(key.id, 5))).toEqual([]);
    const blocked = (await keyNow(key)).blocked!;
    expect(blocked.missing).toEqual([
      'The secret is scheduled for deletion in Secrets Manager. Restore it, or retire the key.',
    ]);
    expect(editionOf(await keyNow(key))).toBe(edition);
    expect(await audiences(key, 'rotation.blocked')).toEqual([stage.owner.id]);
    const to = { person: stage.owner.id };
    expect(saying(await desk.card('rotation.blocked', key.id, to))).toMatch(
      /is due, and Keysteward cannot rotate it yet.*scheduled for deletion/s,
    );
    expect(saying(await desk.press(stage.owner, 'inventory.show', key.id))).toMatch(
      /could not be started.*scheduled for deletion/,
    );
    const events = await stage.database.store.read((view) => view.audit.list({ keyId: key.id }, 50));
    expect(events.rows.filter((each) => each.action === 'rotation.block')).toHaveLength(1);
    await stage.bot.restoreSecret({ SecretId: away.ARN! });
    expect(await findDue(stage.ports)).toBe(1);
    expect((await keyNow(key)).blocked).toBeNull();
    expect(saying(await desk.card('rotation.blocked', key.id, to))).toMatch(/has been seen to/);
    await stage.work();
    expect((await stage.database.store.read((view) => view.rotations.ofKey(key.id, 5)))[0]).toMatchObject({
      status: 'done',
    });
  });
});
