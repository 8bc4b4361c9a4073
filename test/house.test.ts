import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { jobs } from '../src/jobs.ts';
import { Secret } from '../src/kernel.ts';
import { contentOf, filesUnder } from './support/repository.ts';

const source = filesUnder('src', '.ts');
/** What is near the world: it may hold values, read clocks and wait. */
const outside = /^src\/(adapters|local)\/|^src\/(app|command-line|stand-ins|main)\.ts$/;
const inside = source.filter((path) => !outside.test(path));

/** Lines of code, without comments, that a pattern is found in. */
function linesWith(paths: string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    contentOf(path)
      .split('\n')
      .flatMap((line, i) =>
        pattern.test(line.replace(/^\s*(\/\/|\/?\*).*/, '')) ? [`${path}:${i + 1} ${line.trim()}`] : [],
      ),
  );
}

describe('a secret value', () => {
  it('shows as [secret] however it is printed', () => {
    const value = ['sk', 'live', 'x7Qz'].join('-');
    const secret = new Secret(value);
    const error = new Error('trouble', { cause: secret });
    const printed = [
      String(secret),
      ['', secret, ''].join(),
      JSON.stringify({ secret, nested: [secret] }),
      inspect(secret, { depth: 9, showHidden: true }),
      inspect({ deep: { secret } }, { depth: 9 }),
      inspect(error),
      JSON.stringify(Object.entries(secret)),
    ];
    for (const text of printed) expect(text).not.toContain(value);
    expect(printed[0]).toBe('[secret]');
    expect(secret.reveal()).toBe(value);
  });

  it('is revealed by adapters and stand-ins alone', () => {
    expect(inside.length).toBeGreaterThan(50);
    expect(linesWith(inside, /\breveal\(/)).toEqual(linesWith(['src/kernel.ts'], /^ {2}reveal\(\): string/));
    expect(linesWith(source, /\breveal\(/).length).toBeGreaterThan(3);
  });
});

describe('time', () => {
  it("comes from the database's clock, and later means a job: nothing inside reads a clock or sets a timer", () => {
    // A command of the terminal is a client of the program and has a clock of its own; ids carry the time they were made.
    const own = /^src\/(offboarding\/cli|kernel)\.ts/;
    const found = linesWith(
      inside,
      /\bDate\.now\(|new Date\(\)|\bset(Timeout|Interval|Immediate)\(|DateTime\.(now|local|utc)\(\)/,
    );
    expect(found.filter((line) => !own.test(line))).toEqual([]);
  });
});

describe('a job', () => {
  const harmless = new Set(['hours', 'fence', 'emergency', 'cause', 'phase', 'occasion']);

  it.each(Object.entries(jobs))('%s carries ids and nothing that somebody wrote', (_name, job) => {
    const { shape } = job.payload as unknown as { shape: Record<string, z.ZodType> };
    for (const field of Object.keys(shape)) expect(field.endsWith('Id') || harmless.has(field), field).toBe(true);
  });
});
