import { describe, expect, test } from 'vitest';
import { deadlinesOf } from '../../../src/incidents/clocks.ts';
import { declared } from '../../../src/incidents/model.ts';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { inventoryInSlack } from '../../../src/inventory/slack.ts';
import { snoozeKey } from '../../../src/inventory/snooze.ts';
import { newId } from '../../../src/kernel.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { findDue } from '../../../src/rotation/timing/find-due.ts';
import { endPause, pauseRotation, resumeRotation } from '../../../src/rotation/timing/pause.ts';
import { aPerson, given } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { waitingJobs } from '../../support/ports.ts';
import { quick, useStage } from '../stage.ts';

const stage = useStage();
const desk = deskOf(
  () => stage.ports,
  (door, ports) => {
    inventoryInSlack(door, ports);
    rotationInSlack(door, ports);
  },
);
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);
const reason = 'The vendor moves its data centre';
const pause = (key: ApiKey, days: number, who = stage.owner) =>
  pauseRotation(stage.ports, who.id, { keyId: key.id, until: inDays(days), reason });
const keyNow = (key: ApiKey) => stage.database.store.read((view) => view.keys.get(key.id));
const rotationsOf = (key: ApiKey) => stage.database.store.read((view) => view.rotations.ofKey(key.id, 5));
/** The pause began, and ends, so many days earlier. */
const shiftPause = (key: ApiKey, days: number) =>
  stage.database.store.pool.query(
    `update api_key set pause = pause || jsonb_build_object(
       'since', to_char((pause ->> 'since')::timestamptz - $2 * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
       'until', to_char((pause ->> 'until')::timestamptz - $2 * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
     where id = $1`,
    [key.id, days],
  );
const due = () => ({ nextRotationAt: inDays(-1) });
const ask = (key: ApiKey, emergency = false) =>
  startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency });

describe('a paused key', () => {
  test('is not rotated by the schedule nor by people, shows why, and is again when the pause has ended by itself', async () => {
    const { key } = await stage.key(due());
    await pause(key, 3);
    expect(await findDue(stage.ports)).toBe(0);
    await expect(ask(key)).rejects.toThrow(/is paused until .*The vendor moves its data centre.*Resume it first/);
    const card = saying(await desk.press(stage.owner, 'inventory.show', key.id));
    expect(card).toMatch(/paused until .*“The vendor moves its data centre”/);
    expect(card).toContain('rotation.resume');
    expect(card).not.toContain('rotation.pause');
    const jobs = (await waitingJobs(stage.database, 'rotation.end-pause')).filter(
      (job) => job.payload.keyId === key.id,
    );
    expect(jobs).toHaveLength(1);
    expect(Math.abs(jobs[0]!.runAt.getTime() - inDays(3).getTime())).toBeLessThan(60_000);
    await endPause(stage.ports, { keyId: key.id });
    expect((await keyNow(key)).pause!.endedAt).toBeNull();
    await shiftPause(key, 3);
    expect(await findDue(stage.ports)).toBe(1);
    await endPause(stage.ports, { keyId: key.id });
    await endPause(stage.ports, { keyId: key.id });
    await stage.work();
    expect((await rotationsOf(key)).map((each) => each.status)).toEqual(['done']);
    expect((await keyNow(key)).pause).toBeNull();
    const { rows } = await stage.database.store.read((view) => view.audit.list({ keyId: key.id }, 50));
    expect(rows.filter((each) => each.action === 'rotation.end-pause' && each.outcome === 'done')).toHaveLength(1);
  });

  test('is rotated in an emergency all the same, and stays paused', async () => {
    const { key } = await stage.key();
    await pause(key, 3);
    const { id } = await ask(key, true);
    expect(saying(await desk.card('rotation', id, { channel: 'security' }))).toMatch(
      /Does not wait for\*\nthe end of the pause “The vendor moves its data centre”, as an emergency/,
    );
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'done' });
    expect((await keyNow(key)).pause).toMatchObject({ reason, endedAt: null });
  });

  test('has its running rotation stand still at the next step that matters, and go on at once when it is resumed', async () => {
    const { key } = await stage.key();
    const { id } = await ask(key);
    await stage.work({ until: (each) => each.step === 'promote' });
    await pause(key, 3);
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'running', step: 'promote', condition: 'old' });
    expect(saying(await desk.card('rotation', id, { channel: 'security' }))).toMatch(
      /Hand it out, .*: it waits for the end of the pause/,
    );
    await desk.press(stage.owner, 'rotation.resume', key.id);
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
  });

  test('keeps the old value beyond its grace, and the card says so before the grace is over', async () => {
    const ports = { ...stage.ports, policy: { ...quick, rotation: { ...quick.rotation, graceMinutes: 5 } } };
    const { key } = await stage.key();
    const { id } = await ask(key);
    await stage.work({ ports, until: (each) => each.step === 'grace' });
    const card = async () => saying(await desk.card('rotation', id, { channel: 'security' }));
    expect(await card()).toMatch(/The old value is retired <!date/);
    expect(await card()).not.toContain('its grace is over before');
    const until = inDays(3);
    await pauseRotation(stage.ports, stage.owner.id, { keyId: key.id, until, reason });
    expect(await card()).toContain(`The old value is retired <!date^${Math.floor(until.getTime() / 1000)}^`);
    expect(await card()).toMatch(/its grace is over before, and then it waits for the end of the pause/);
  });

  test('that is resumed twice, or never was paused, is left as it is', async () => {
    const { key } = await stage.key();
    await expect(resumeRotation(stage.ports, stage.owner.id, key.id)).rejects.toThrow(/is not paused/);
    await pause(key, 3);
    const both = await Promise.allSettled([1, 2].map(() => resumeRotation(stage.ports, stage.owner.id, key.id)));
    expect(both.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('is shown to its owner when somebody else paused it, in one message that becomes true when it is over', async () => {
    const { key } = await stage.key();
    await pause(key, 60, stage.admin);
    const cards = await stage.database.store.read((view) => view.cards.of('rotation.paused', key.id));
    expect(cards.map((each) => each.personId)).toEqual([stage.owner.id]);
    const to = { person: stage.owner.id };
    expect(saying(await desk.card('rotation.paused', key.id, to))).toMatch(
      new RegExp(`<@${stage.admin.slackId}> paused the rotation`),
    );
    await resumeRotation(stage.ports, stage.owner.id, key.id);
    const over = saying(await desk.card('rotation.paused', key.id, to));
    expect(over).toMatch(/The pause of .* ended/);
    expect(over).not.toContain('rotation.resume');
  });
});

describe('nobody pauses', () => {
  test('a key that they do not answer for; a contractor learns nothing of it', async () => {
    const [developer, contractor] = [aPerson(), aPerson({ tier: 'contractor' })];
    await given(stage.database.store, { people: [developer, contractor] });
    const { key } = await stage.key();
    await expect(pause(key, 1, developer)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(pause(key, 1, contractor)).rejects.toMatchObject({ code: 'not_found' });
    await pause(key, 1);
    await expect(resumeRotation(stage.ports, developer.id, key.id)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(resumeRotation(stage.ports, contractor.id, key.id)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('for longer than the policy lets them: an owner over all pauses together, an administrator each time', async () => {
    const { key } = await stage.key();
    await expect(pause(key, 15)).rejects.toMatchObject({
      field: 'until',
      message: expect.stringMatching(/14 are left/),
    });
    await pause(key, 10);
    await shiftPause(key, 10);
    await expect(pause(key, 5)).rejects.toThrow(/14 days between two rotations/);
    await pause(key, 3);
    await shiftPause(key, 4);
    await expect(pause(key, 1)).rejects.toMatchObject({ code: 'not_allowed' });
    expect(saying(await desk.type(stage.admin, `pause ${key.id}`))).toMatch(/Until/);
    await expect(desk.type(stage.owner, `pause ${key.id}`)).rejects.toThrow(/paused for 14 days already/);
    await expect(pause(key, 91, stage.admin)).rejects.toThrow(/longest pause is 90 days/);
    await pause(key, 89, stage.admin);
  });

  test('until after the end that the provider set, into the past, without a reason, or in an incident', async () => {
    const { key } = await stage.key({ expiresAt: inDays(5) });
    await expect(pause(key, 4.5)).rejects.toMatchObject({ field: 'until' });
    await expect(pause(key, -1)).rejects.toMatchObject({ field: 'until' });
    await expect(
      pauseRotation(stage.ports, stage.owner.id, { keyId: key.id, until: inDays(1), reason: '   short   ' }),
    ).rejects.toMatchObject({ field: 'reason' });
    const operator = { actor: { kind: 'operator', id: 'test' } as const, action: 'test.given', subject: 'test' };
    await stage.database.store.change(operator, async (tx) => {
      const report = { keyId: key.id, which: null, reach: 'unknown', how: 'exposed', what: '', seen: null } as const;
      const deadlines = deadlinesOf('P1', tx.now, stage.ports.policy);
      await tx.incidents.save(
        declared(newId('incident'), { ...report, again: false }, key, stage.owner.id, deadlines, tx.now),
      );
    });
    await expect(pause(key, 1)).rejects.toThrow(/running incident/);
    expect((await keyNow(key)).pause).toBeNull();
  });
});

describe('/keys pause and /keys resume', () => {
  test('lead from words to the key, and show what is paused to those who answer for it', async () => {
    const owner = aPerson({ name: 'Pia' });
    await given(stage.database.store, { people: [owner] });
    const { key } = await stage.key({
      ownerId: owner.id,
      service: 'Pausable',
      name: 'Pausable API Key - Staging - One',
    });
    expect(saying(await desk.type(owner, 'resume'))).toMatch(/No key that you answer for is paused/);
    const modal = await desk.type(owner, 'pause pausable');
    expect(saying(modal)).toContain(key.name);
    const berliner = aPerson({ tier: 'administrator', timeZone: 'Europe/Berlin' });
    expect(saying(await desk.type(berliner, 'pause pausable'))).toMatch(/At the latest .* \(Europe\/Berlin\)/);
    const until = inDays(3).toISOString().slice(0, 10);
    await desk.send(owner, 'rotation.pause', { keyId: key.id, until, reason });
    expect((await keyNow(key)).pause!.until).toBe(`${until}T00:00:00.000Z`);
    expect(saying(await desk.type(owner, 'resume'))).toMatch(
      new RegExp(`Pausable[\\s\\S]*by <@${owner.slackId}>: “The vendor moves its data centre”`),
    );
    expect(saying(await desk.type(aPerson(), 'resume'))).not.toMatch(/Pausable/);
    await expect(desk.type(owner, 'pause no-such-key')).rejects.toThrow(/No key that you answer for matches/);
    await desk.press(owner, 'rotation.resume', key.id);
    expect(saying(await desk.type(owner, 'resume pausable'))).toMatch(/is paused/);
  });
});

describe('a snooze', () => {
  test('can be given as often between two rotations as the policy says', async () => {
    const policy = { ...stage.ports.policy, digest: { ...stage.ports.policy.digest, maxSnoozes: 2 } };
    const { key } = await stage.key(due());
    const snooze = (who = stage.owner) =>
      snoozeKey({ ...stage.ports, policy }, who.id, { keyId: key.id, until: inDays(2), reason: 'Release week, later' });
    await snooze();
    await snooze();
    await expect(snooze()).rejects.toThrow(/snoozed 2 times since its last rotation/);
    expect((await snooze(stage.admin)).snooze).toMatchObject({ times: 3 });
    await ask(key);
    await stage.work();
    expect((await snooze()).snooze).toMatchObject({ times: 1 });
  });
});
