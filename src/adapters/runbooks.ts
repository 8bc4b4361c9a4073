import { readdirSync, readFileSync } from 'node:fs';
import type { Runbooks } from '../ports.ts';
import { parsed } from '../runbooks/model.ts';

const folder = new URL('../../docs/runbooks/', import.meta.url);

/** The pages of docs/runbooks, read once. They are part of the product: one that cannot be read ends the start. */
export function shippedRunbooks(): Runbooks {
  const files = readdirSync(folder).filter((file) => file.endsWith('.md') && file !== 'README.md');
  const all = new Map(
    files.map((file) => {
      const name = file.replace(/\.md$/, '');
      return [name, parsed(name, readFileSync(new URL(file, folder), 'utf8'))];
    }),
  );
  return { of: (name) => all.get(name) ?? null, names: () => [...all.keys()] };
}
