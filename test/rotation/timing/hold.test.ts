import { describe, expect, test } from 'vitest';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { inventoryInSlack } from '../../../src/inventory/slack.ts';
import { hour } from '../../../src/kernel.ts';
import type { Policy } from '../../../src/policy.ts';
import type { Ports } from '../../../src/ports.ts';
import { reconcileRotations } from '../../../src/rotation/reconcile.ts';
import { rollBackRotation } from '../../../src/rotation/roll-back.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startForCause, startRotation } from '../../../src/rotation/start.ts';
import { takeStep } from '../../../src/rotation/step.ts';
import { findDue } from '../../../src/rotation/timing/find-due.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { waitingJobs } from '../../support/ports.ts';
import { quick, useStage } from '../stage.ts';

const stage = useStage();
const under = (rules: Partial<Policy['rotation']>): Policy => ({ ...quick, rotation: { ...quick.rotation, ...rules } });
const inSixHours = new Date(Math.floor((Date.now() + 6 * hour) / hour) * hour);
const isoDay = (days: number) => new Date(Date.now() + days * 24 * hour).toISOString().slice(0, 10);
/** A window that opens in about six hours, and a freeze that lasts over tomorrow. */
const closed = under({ windows: [{ name: 'Nightly', cron: `0 ${inSixHours.getUTCHours()} * * *`, minutes: 60 }] });
const frozen = under({ freezes: [{ reason: 'Year end', from: isoDay(-1), to: isoDay(1) }] });
const frozenEnds = new Date(`${isoDay(2)}T00:00:00Z`);
const portsUnder = (policy: Policy): Ports => ({ ...stage.ports, policy });
const desk = (policy: Policy) => deskOf(() => portsUnder(policy), rotationInSlack);
const card = async (id: string, policy: Policy) =>
  saying(await desk(policy).card('rotation', id, { channel: 'security' }));
const due = { nextRotationAt: new Date(Date.now() - 24 * hour) };
const latest = async (key: ApiKey) =>
  (await stage.database.store.read((view) => view.rotations.ofKey(key.id, 1)))[0] ?? null;
const ask = (key: ApiKey, policy: Policy, emergency = false) =>
  startRotation(portsUnder(policy), stage.owner, { keyId: key.id, reason: 'A test', emergency });

describe('the schedule', () => {
  test.each([
    ['outside of the window', closed],
    ['in a freeze', frozen],
  ])(
    'starts nothing %s, neither what is due nor what is planned, and everything once it may',
    async (_when, policy) => {
      const { key } = await stage.key(due);
      const planned = await stage.key({ plannedAt: new Date(Date.now() - hour) });
      expect(await findDue(portsUnder(policy))).toBe(0);
      expect([await latest(key), await latest(planned.key)]).toEqual([null, null]);
      expect(await findDue(stage.ports)).toBe(2);
      await stage.work();
      expect((await latest(key))!.status).toBe('done');
    },
  );

  test('does not wait for what comes after the end that the provider set', async () => {
    const { key } = await stage.key({ ...due, expiresAt: new Date(Date.now() + 30 * hour) });
    expect(await findDue(portsUnder(frozen))).toBe(1);
    const { id } = (await latest(key))!;
    expect(await card(id, frozen)).toMatch(
      /Does not wait for\*\nthe end of the freeze “Year end”: the provider ends the key/,
    );
    await stage.work({ ports: portsUnder(frozen) });
    expect((await latest(key))!).toMatchObject({ status: 'done', cause: 'expiry' });
  });

  test('is foretold on the card of the key', async () => {
    const { key } = await stage.key(due);
    const inventory = deskOf(() => portsUnder(closed), inventoryInSlack);
    expect(saying(await inventory.press(stage.owner, 'inventory.show', key.id))).toMatch(
      /it waits for the maintenance window “Nightly” and starts/,
    );
    await findDue(stage.ports);
    await stage.work();
  });
});

describe('who asks for a rotation', () => {
  test('outside of the window gets one that touches nothing until it opens, says so, and then runs', async () => {
    const { key, version } = await stage.key();
    const { id, continuesAt } = await ask(key, closed);
    expect(continuesAt).toEqual(inSixHours);
    const shown = await card(id, closed);
    expect(shown).toMatch(/Make a new value and store it, .*: it waits for the maintenance window “Nightly”/);
    // Nothing has begun, so nothing is called rotating.
    expect(shown).toContain('Rotation planned');
    expect(shown).not.toContain('Rotating');
    const inventory = deskOf(() => portsUnder(closed), inventoryInSlack);
    const itsKey = saying(await inventory.press(stage.owner, 'inventory.show', key.id));
    expect(itsKey).toMatch(/Asked to rotate\* .*waits for its time/);
    expect(itsKey).not.toContain('Rotating');
    expect(
      (await waitingJobs(stage.database, 'rotation.step')).filter((each) => each.payload.rotationId === id),
    ).toMatchObject([{ runAt: inSixHours }]);
    await stage.work({ ports: portsUnder(closed) });
    await reconcileRotations(portsUnder(closed));
    expect(await stage.stages(key)).toEqual({ [version]: ['AWSCURRENT'] });
    expect(await stage.rotation(id)).toMatchObject({ status: 'running', step: 'generate', record: [] });
    await stage.skipTime(id);
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
  });

  test('looks again when the time has come, and waits on when the policy has changed meanwhile', async () => {
    const { key, version } = await stage.key();
    const { id } = await ask(key, closed);
    await stage.skipTime(id);
    await stage.work({ ports: portsUnder(frozen) });
    expect(await stage.rotation(id)).toMatchObject({ continuesAt: frozenEnds, step: 'generate', record: [] });
    expect(await stage.stages(key)).toEqual({ [version]: ['AWSCURRENT'] });
    expect(await stage.trail(id)).toMatchObject([
      { action: 'rotation.wait', facts: { step: 'generate', why: ['the end of the freeze “Year end”'] } },
    ]);
    const { fence } = await stage.rotation(id);
    await expect(takeStep(portsUnder(frozen), { rotationId: id, fence })).rejects.toMatchObject({ name: 'Later' });
    expect(await stage.trail(id)).toHaveLength(1);
    await rollBackRotation(stage.ports, stage.owner, id);
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect(await stage.stages(key)).toEqual({ [version]: ['AWSCURRENT'] });
  });

  test('in a freeze is refused, with its reason and its end', async () => {
    const { key } = await stage.key();
    await expect(ask(key, frozen)).rejects.toThrow(
      /the freeze “Year end” lasts until then.*An emergency does not wait/,
    );
    expect(await latest(key)).toBeNull();
    expect(saying(await desk(frozen).type(stage.owner, `rotate ${key.id}`))).toMatch(/Only an emergency can start now/);
  });

  test('in an emergency gets it at once, in window and freeze alike, and the card says what it did not wait for', async () => {
    const both = under({ windows: closed.rotation.windows, freezes: frozen.rotation.freezes });
    const { key } = await stage.key();
    const { id } = await ask(key, both, true);
    expect(await card(id, both)).toMatch(/Does not wait for\*\nthe end of the freeze “Year end”, as an emergency/);
    await stage.work({ ports: portsUnder(both) });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect((await stage.trail(id)).some((each) => each.action === 'rotation.wait')).toBe(false);
  });

  test('in an emergency takes over one that waits', async () => {
    const { key } = await stage.key();
    const { id } = await ask(key, closed);
    const over = await ask(key, closed, true);
    expect(await stage.rotation(id)).toMatchObject({ status: 'superseded', supersededBy: over.id });
    await stage.work({ ports: portsUnder(closed) });
    expect(await stage.rotation(over.id)).toMatchObject({ status: 'done' });
  });
});

describe('a rotation that is under way when its window closes', () => {
  test.each([
    ['promote', 'old'],
    ['retire', 'both'],
  ] as const)('does not %s until the next one, and says what works', async (step, condition) => {
    const { key } = await stage.key();
    const { id } = await ask(key, quick);
    await stage.work({ until: (each) => each.step === step });
    const before = await stage.stages(key);
    await stage.work({ ports: portsUnder(closed) });
    expect(await stage.rotation(id)).toMatchObject({ status: 'running', step, condition, continuesAt: inSixHours });
    expect(await stage.stages(key)).toEqual(before);
    expect(await card(id, closed)).toMatch(/it waits for the maintenance window/);
    await stage.skipTime(id);
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
  });

  test('finishes what it has begun: a half-retired value is retired', async () => {
    const { key, version } = await stage.key();
    const { id } = await ask(key, quick);
    await stage.work({ until: (each) => each.step === 'retire' && each.record.some((one) => one.step === 'retire') });
    await stage.work({ ports: portsUnder(closed) });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done' });
    expect(await stage.stages(key)).not.toHaveProperty(version);
  });

  test('goes back at once when somebody turns back', async () => {
    const { key, version } = await stage.key();
    const { id } = await ask(key, quick);
    await stage.work({ until: (each) => each.step === 'retire' });
    await stage.work({ ports: portsUnder(frozen) });
    await rollBackRotation(portsUnder(frozen), stage.owner, id);
    await stage.work({ ports: portsUnder(frozen) });
    expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    expect((await stage.stages(key))[version]).toContain('AWSCURRENT');
  });
});

describe('a leaver’s key', () => {
  test('waits for the window, but the value that they know does not outlive its grace for one', async () => {
    const { key } = await stage.key();
    const cause = { keyId: key.id, cause: 'leaver' as const, causeId: `cas_${key.id}`, emergency: false };
    await startForCause(portsUnder(closed), cause);
    const { id } = (await latest(key))!;
    await stage.work({ ports: portsUnder(closed) });
    expect(await stage.rotation(id)).toMatchObject({ step: 'generate', continuesAt: inSixHours });
    await stage.skipTime(id);
    await stage.work({ until: (each) => each.step === 'retire' });
    await stage.work({ ports: portsUnder(closed) });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
  });
});
