import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { exitCodeOf, type Line, median, percentile, tableOf, verdictOf } from '../../scripts/bench/verdict.mjs';

const kept: Line = {
  name: 'acknowledged',
  measured: 700.4,
  control: 1000,
  ratio: 0.7,
  unit: '/s',
  target: { atLeast: 0.65 },
};
const missed: Line = { name: 'slowest', measured: 2_501, unit: 'ms', target: { atMost: 2_500 } };
const info: Line = { name: 'beside', measured: 2.71, unit: 'ms' };

describe('a number of the benchmark', () => {
  it.each<[string, Line, string]>([
    ['that reaches what it has to', kept, 'kept'],
    ['exactly at what it may be at most', { ...missed, measured: 2_500 }, 'kept'],
    ['beyond what it may be at most', missed, 'missed'],
    ['whose ratio is too low, whatever was measured', { ...kept, ratio: 0.64 }, 'missed'],
    ['that could not be measured', { ...missed, measured: Number.NaN }, 'missed'],
    ['that was forgotten', { name: 'x', target: { atMost: 1 } }, 'missed'],
    ['without a target', info, 'info'],
  ])('%s is %s', (_name, line, verdict) => {
    expect(verdictOf(line)).toBe(verdict);
  });
  it('that misses its target fails the run, and so does a run that measured nothing', () => {
    expect(exitCodeOf([kept, info])).toBe(0);
    expect(exitCodeOf([kept, missed, info])).toBe(1);
    expect(exitCodeOf([])).toBe(1);
  });
  it('is shown in one table with its control, ratio, target and verdict', () => {
    expect(tableOf([kept, missed, info]).split('\n')).toEqual([
      'name          measured  control  ratio  target     verdict',
      '────────────  ────────  ───────  ─────  ─────────  ───────',
      'acknowledged  700 /s    1000 /s  0.70   ≥ 0.65     kept',
      'slowest       2501 ms                   ≤ 2500 ms  missed',
      'beside        2.71 ms                              info',
    ]);
  });
  it('is the median of what was seen, or what so many of it do not exceed', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 1)).toBe(100);
    expect(percentile([], 0.5)).toBeNaN();
  });
  it('asked for by a name that does not exist is answered with the names that do', () => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/bench.mjs', '--only', 'speed'], {
      encoding: 'utf8',
    });
    expect(stderr).toContain('There is no speed; there are acknowledging, in-time, keys, jobs, rotations, memory.');
    expect(status).toBe(2);
  });
  it.each(['bench', 'chaos'])('by a wrong option is answered with how %s is called', (script) => {
    const { status, stderr } = spawnSync(process.execPath, [`scripts/${script}.mjs`, '--sped'], { encoding: 'utf8' });
    expect(stderr).toMatch(new RegExp(`^Unknown option '--sped'.*\nnpm run ${script} -- .*\n$`));
    expect(status).toBe(2);
  });
});
