import { beforeAll, describe, expect, test } from 'vitest';
import { rotationEntry } from '../../src/calendar/model.ts';
import { remindOwners } from '../../src/calendar/remind.ts';
import { calendarInSlack } from '../../src/calendar/slack.ts';
import { digestInSlack } from '../../src/digest/slack.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import { scheduleRotation } from '../../src/inventory/schedule.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { day, newId } from '../../src/kernel.ts';
import { factsOf } from '../../src/offboarding/facts.ts';
import { linesOf, opened, readyToRotate } from '../../src/offboarding/model.ts';
import { diesAtOnce } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import { waitingOf } from '../../src/rotation/by-hand/model.ts';
import { planCampaign } from '../../src/rotation/campaigns/plan.ts';
import { campaignsInSlack } from '../../src/rotation/campaigns/slack.ts';
import { startDrill } from '../../src/rotation/drills/start.ts';
import { rotationInSlack } from '../../src/rotation/slack.ts';
import { startForCause, startRotation } from '../../src/rotation/start.ts';
import { escalateOverdue } from '../../src/rotation/timing/escalate.ts';
import { findDue } from '../../src/rotation/timing/find-due.ts';
import { fittingOf } from '../providers/fakes/index.ts';
import { chance, type Fake } from '../providers/fakes/server.ts';
import { deskOf, saying } from '../support/desk.ts';
import { useProviderStage } from './provider-stage.ts';

const stage = useProviderStage();
const always = { from: '00:00', to: '23:59', days: [1, 2, 3, 4, 5, 6, 7] };
let fake: Fake;
let ports: Ports;
beforeAll(async () => {
  const connected = await stage.connect(fittingOf('gitlab-rotates'), 'gitlab');
  fake = connected.fake;
  const { policy } = connected.ports;
  ports = { ...connected.ports, policy: { ...policy, people: { ...policy.people, workingHours: always } } };
});
const desk = deskOf(
  () => ports,
  (door, all) => {
    inventoryInSlack(door, all);
    rotationInSlack(door, all);
    campaignsInSlack(door, all);
    calendarInSlack(door, all);
    digestInSlack(door, all);
  },
);
/** A key whose old value dies when a new one is made, due in so many days. */
async function guarded(inDays: number, facts: Partial<ApiKey> = {}): Promise<ApiKey> {
  const value = `glpat-${chance()}`;
  fake.world.make('Deploys', value, { id: `${10_000 + fake.world.keys.length}` });
  const nextRotationAt = new Date(Date.now() + inDays * day);
  const more = { issuer: 'gitlab', service: 'GitLab', lastRotatedAt: null, nextRotationAt, ...facts };
  return (await stage.key(more, value)).key;
}
const rotationsOf = (key: ApiKey) => stage.database.store.read((view) => view.rotations.ofKey(key.id, 10));
const toOwner = () => ({ person: stage.owner.id });
const risk =
  /At gitlab the old value stops working the moment the new one is made; whoever uses it fails until it has read the new one\./;

describe('a key whose old value dies when the new one is made', () => {
  test('is never rotated by the schedule, however late, and by a person at once', async () => {
    const key = await guarded(-2);
    await findDue(ports);
    expect(await rotationsOf(key)).toEqual([]);
    expect(waitingOf(key, ports.issuers.of('gitlab'), ports.policy)).toBe('a start');
    const { id } = await startRotation(ports, stage.owner, { keyId: key.id, reason: 'It is time', emergency: false });
    await stage.work({ ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
  });

  test('cannot be planned for later, when nobody would be there', async () => {
    const key = await guarded(3);
    const asked = scheduleRotation(ports, stage.owner.id, { keyId: key.id, at: new Date(Date.now() + day) });
    await expect(asked).rejects.toThrow(/So its rotation never starts by itself: press Rotate when they are ready\./);
  });

  test('names the risk before anything is pressed, and says that there is no way back', async () => {
    const key = await guarded(3);
    const shown = saying(await desk.press(stage.owner, 'rotation.start', key.id));
    expect(shown).toMatch(risk);
    expect(shown).toContain('There is no way back.');
    expect(shown).toContain('gitlab makes the new value; the old one ends by that.');
    expect(shown).not.toMatch(/works for|at the switch/);
  });

  test('is put before its owner like one that waits for a person, with true words and the button that helps', async () => {
    const key = await guarded(0.5);
    expect(await remindOwners(ports)).toBeGreaterThan(0);
    const reminder = saying(await desk.card('calendar.reminder', key.id, toOwner()));
    expect(reminder).toMatch(/Press \*Rotate\* when whoever uses it is ready: it never starts by itself/);
    expect(reminder).toMatch(risk);
    expect(reminder).toContain('rotation.start');
    const late = await guarded(-2);
    await escalateOverdue(ports);
    const overdue = saying(await desk.card('rotation.overdue', late.id, toOwner()));
    expect(overdue).toMatch(/is overdue for rotation/);
    expect(overdue).toMatch(/A person has to press \*Rotate\*/);
    const digest = saying(await desk.card('digest.owner', stage.owner.id, toOwner()));
    expect(digest).toMatch(/Press \*Rotate\* when whoever uses it is ready; it never starts by itself/);
    const card = saying(await desk.type(stage.owner, `show ${late.id}`));
    expect(card).toMatch(/Its rotation never starts by itself/);
    const facts = {
      key: late,
      owner: stage.owner,
      several: false,
      waits: 'a start' as const,
      runbook: null,
      changedAt: new Date(),
    };
    const entry = rotationEntry(facts, 'UTC', ports.policy, new Date())!;
    expect(entry).toMatchObject({ title: `Rotate ${late.name}`, remindDays: ports.policy.rotation.remindDays });
    expect(entry.at).toHaveProperty('day');
    expect(entry.lines[0]).toMatch(/A person has to start it: \/keys rotate/);
    for (const each of [reminder, overdue, digest, card, entry.lines.join('\n')]) {
      expect(each).not.toMatch(/make a new key|Schedule…|by itself within minutes/i);
    }
  });

  test('is rotated at once in an incident, and left to a person when somebody leaves', async () => {
    const [leaked, read] = [await guarded(30), await guarded(30)];
    await startForCause(ports, { keyId: leaked.id, cause: 'incident', causeId: 'inc_guarded', emergency: true });
    expect(await rotationsOf(leaked)).toMatchObject([{ cause: 'incident', emergency: true }]);
    const left = { keyId: read.id, cause: 'leaver', causeId: 'case_guarded', emergency: false } as const;
    await expect(startForCause(ports, left)).rejects.toThrow(risk);
    expect(await rotationsOf(read)).toEqual([]);
    const now = new Date();
    const why = { cause: { kind: 'slack' as const }, effectiveAt: now, hold: null };
    const before = opened(newId('case'), stage.owner, why, now);
    const leaving = { ...before, status: 'open' as const, startedAt: now, ownedKeys: [read.id], rotateKeys: [read.id] };
    const facts = await stage.database.store.read((view) => factsOf(view, ports, leaving));
    expect(readyToRotate(leaving, facts, now)).toEqual([]);
    expect(linesOf(leaving, facts, now).find((each) => each.id === `rotate:${read.id}`)).toMatchObject({
      state: 'open',
      says: expect.stringMatching(/^At gitlab the old value stops .* Press Rotate on its card when they are ready$/),
      byHand: true,
    });
    await stage.work({ ports });
    expect((await rotationsOf(leaked))[0]).toMatchObject({ status: 'done' });
  });

  test('is left out of a campaign with why, and is in one that is an emergency, whose preview names the outage', async () => {
    const key = await guarded(30, { service: 'GitLab of a campaign' });
    const ask = { service: key.service, environment: null, cause: 'audit', reason: 'An audit' } as const;
    const calm = await planCampaign(ports, stage.admin, { ...ask, emergency: false });
    expect(calm.lines).toMatchObject([{ keyId: key.id, why: expect.stringMatching(risk) }]);
    const shown = saying(await desk.card('campaign', calm.id, { person: stage.admin.id }));
    expect(shown).toMatch(/Left to a person[\s\S]*press Rotate when they are ready\.$/m);
    const urgent = await planCampaign(ports, stage.admin, { ...ask, cause: 'provider', emergency: true });
    expect(urgent.lines).toMatchObject([{ keyId: key.id, why: null }]);
    expect(saying(await desk.card('campaign', urgent.id, { person: stage.admin.id }))).toMatch(/An outage/);
  });

  test('is in no drill', async () => {
    const key = await guarded(30, { environment: 'test', risk: 'low' });
    await expect(startDrill(ports, stage.admin, key.id)).rejects.toThrow(/That is no drill/);
  });

  test('is known by its entry in the policy, and its provider says the same', () => {
    expect(diesAtOnce({ issuer: 'gitlab' }, ports.policy)).toBe(true);
    expect(ports.issuers.of('gitlab')!.can.overlap).toBe('none');
    for (const issuer of ['person', 'self-made', 'nobody']) expect(diesAtOnce({ issuer }, ports.policy)).toBe(false);
  });
});
