import { describe, expect, test } from 'vitest';
import { followUps } from '../../src/adapters/postgres/follow-ups.ts';
import { progressPace } from '../../src/adapters/postgres/progress.ts';

const noon = new Date('2026-11-26T12:00:00Z');
const secondsAfterNoon = (at: Date) => (at.getTime() - noon.getTime()) / 1000;
const later = (seconds: number) => new Date(noon.getTime() + seconds * 1000);

describe('cards that show how far something has come', () => {
  test('one alone is shown within the time that was asked for, and again', () => {
    const pace = progressPace();
    expect(secondsAfterNoon(pace('rotation_1', noon, 2_000))).toBe(2);
    expect(secondsAfterNoon(pace('rotation_1', later(1), 2_000))).toBe(2);
    expect(secondsAfterNoon(pace('rotation_1', later(3), 2_000))).toBe(5);
  });

  test('many are shown as fast as Slack lets an app edit, each once, and none later than two minutes', () => {
    const pace = progressPace();
    const when = Array.from({ length: 300 }, (_, i) => secondsAfterNoon(pace(`rotation_${i}`, noon, 2_000)));
    const inFirstMinute = when.filter((each) => each <= 60).length;
    expect(inFirstMinute).toBeGreaterThanOrEqual(45);
    expect(inFirstMinute).toBeLessThanOrEqual(55);
    expect(Math.max(...when)).toBe(120);
    // What is planned already is not planned anew by the next step.
    expect(secondsAfterNoon(pace('rotation_40', later(1), 2_000))).toBe(when[40]);
  });

  test('after a burst it is as quick as before', () => {
    const pace = progressPace();
    for (let i = 0; i < 10_000; i++) pace(`rotation_${i}`, noon, 2_000);
    expect(secondsAfterNoon(pace('rotation_new', later(300), 2_000))).toBe(302);
  });

  test('one change plans one edit, for what it touches first: most of its subjects have no card', async () => {
    const planned: string[] = [];
    const its = followUps(noon, (subject) => {
      planned.push(subject);
      return later(30);
    });
    await its.touch('campaign_1', { withinMs: 2_000 });
    await its.touch('rot_1', { withinMs: 2_000 });
    await its.touch('key_1');
    await its.touch('incident_1', { withinMs: 2_000, urgent: true });
    expect(planned).toEqual(['campaign_1']);
    const [statement] = its.statements();
    const touched = JSON.parse(statement!.values![1] as string) as { subject: string; at: string }[];
    expect(Object.fromEntries(touched.map(({ subject, at }) => [subject, secondsAfterNoon(new Date(at))]))).toEqual({
      campaign_1: 30,
      rot_1: 30,
      key_1: 0,
      incident_1: 2,
    });
  });
});
