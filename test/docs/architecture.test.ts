import { describe, expect, it } from 'vitest';
import { contentOf, entriesOf, whyNotTest } from '../support/repository.ts';

const map = contentOf('docs/architecture.md');
const section = (title: string): string => map.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';

describe('the map', () => {
  it('shows everything that lies in src, and nothing else', () => {
    const shown = [...section('The shape').matchAll(/^ {2}([\w.-]+)(\/?) {2,}/gm)].map(
      ([, name, folder]) => `${name}${folder}`,
    );
    expect(shown.sort()).toEqual(entriesOf('src').sort());
  });

  it('shows the sub-areas of every area', () => {
    const areas = entriesOf('src').filter((name) => name.endsWith('/') && !['adapters/', 'local/'].includes(name));
    const there = areas.flatMap((area) => entriesOf(`src/${area}`).filter((name) => name.endsWith('/')));
    const shown = [...section('The shape').matchAll(/^ {4}([\w-]+\/) {2,}/gm)].map(([, folder]) => folder);
    expect(shown.sort()).toEqual(there.sort());
    expect(shown).toContain('steps/');
  });

  it('names for each of the nine promises a test that exists', () => {
    const rows = section('The promises, and what holds them')
      .split('\n')
      .filter((line) => /^\| \d/.test(line))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(rows.map(([, number]) => Number(number))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const [, number, , held] of rows) {
      const tests = [...held!.matchAll(/`([^`]+)`/g)].map(([, reference]) => reference!);
      expect(tests.length, `promise ${number}`).toBeGreaterThan(0);
      expect(tests.map(whyNotTest).filter(Boolean), `promise ${number}`).toEqual([]);
    }
  });

  it('has an import table that names every rule of the check', () => {
    const table = section('Who may import whom');
    for (const file of [
      'kernel.ts',
      'policy.ts',
      'blocks.ts',
      'jobs.ts',
      'ports.ts',
      'doors.ts',
      'app.ts',
      '<area>/model.ts',
    ])
      expect(table, file).toContain(`\`${file}\``);
  });
});

describe('the decisions', () => {
  it('are all in their index, each with what was decided and why', () => {
    const index = contentOf('docs/decisions/README.md');
    const files = entriesOf('docs/decisions').filter((name) => name !== 'README.md');
    expect(files.length).toBeGreaterThan(5);
    for (const file of files) {
      expect(index).toContain(`](${file})`);
      const text = contentOf(`docs/decisions/${file}`);
      expect(text, file).toMatch(/^# .+\n\n/);
      expect(text, file).toMatch(/^\*\*Decided\.\*\* /m);
      expect(text, file).toMatch(/^\*\*Why\.\*\* /m);
      expect(text, file).toMatch(/^\*\*Cost\.\*\* /m);
    }
  });
});
