import { describe, expect, it } from 'vitest';
import { isThere, rowsOf, titlesIn, whyNotTest } from '../support/repository.ts';

const items = rowsOf('docs/sop-items.tsv');
const rows = rowsOf('docs/coverage.tsv');
const ways = ['automated', 'guided', 'evidenced', 'not yet'];

const whatIsWrong = (row: Record<string, string>): string[] => {
  const { id, how, where, test } = row as Record<'id' | 'how' | 'where' | 'test', string>;
  if (!ways.includes(how)) return [`${id}: "${how}" is no way to cover it`];
  if (how === 'not yet') return test === '-' ? [] : [`${id}: not yet, but names a test`];
  const missing = [...where.matchAll(/(?<![\w/.])(?:src|docs|migrations|test)\/[\w./-]*\w/g)]
    .map(([path]) => path)
    .filter((path) => !isThere(path));
  return [
    ...(where.length < 3 || where === '-' ? [`${id}: covered, but does not say where`] : []),
    ...missing.map((path) => `${id}: ${path} does not exist`),
    ...test.split(' | ').flatMap((each) => {
      const why = each === '-' ? 'covered, but names no test' : whyNotTest(each);
      return why ? [`${id}: ${why}`] : [];
    }),
  ];
};

describe('the coverage table', () => {
  it('has every line of the procedure exactly once, in its order', () => {
    expect(rows.map((row) => row.id)).toEqual(items.map((item) => item.id));
    expect(new Set(items.map((item) => item.id)).size).toBe(items.length);
  });

  it('says how and where each covered line is covered, and names a test that exists', () => {
    expect(rows.flatMap(whatIsWrong)).toEqual([]);
  });

  it.each([
    [{ how: 'somehow' }, 'is no way to cover it'],
    [{ test: '-' }, 'names no test'],
    [{ where: '-' }, 'does not say where'],
    [{ where: 'src/nowhere/model.ts' }, 'src/nowhere/model.ts does not exist'],
    [{ test: 'test/docs/nothing.test.ts › it is' }, 'test/docs/nothing.test.ts does not exist'],
    [{ test: 'test/docs/coverage.test.ts › the moon is round' }, 'has no test called "the moon is round"'],
    [{ how: 'not yet' }, 'not yet, but names a test'],
  ])('notices %o', (change, complaint) => {
    const test = 'test/docs/coverage.test.ts › has every line of the procedure exactly once, in its order';
    const good = { id: 'X', how: 'automated', where: 'src/kernel.ts', test };
    expect(whatIsWrong(good)).toEqual([]);
    expect(whatIsWrong({ ...good, ...change }).join()).toContain(complaint);
  });

  it('finds titles however they are quoted, and not those of skipped tests', () => {
    const source = `it('a\\'b', x); test.each([1, f(2)])("%i c", x); it.skip('d', x); describe('e', x); audit('f', x); it(\`g\`, x);`;
    expect([...titlesIn(source)]).toEqual(["a'b", '%i c', 'g']);
  });
});
