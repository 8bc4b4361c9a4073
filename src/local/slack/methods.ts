import { SlackError } from './slack-error.ts';
import type { World } from './world.ts';

export type Args = Record<string, unknown>;
export interface Method {
  /** Any one of these is enough; none when empty. May depend on what is asked about. */
  scopes: string[] | ((world: World, args: Args) => string[]);
  token: 'bot' | 'app' | 'none';
  run: (world: World, args: Args) => Record<string, unknown>;
}

/** One page of a list and where the next begins. */
export function pageOf<T>(list: T[], args: Args, most: number): { items: T[]; next_cursor: string } {
  const [, at] = /^at:(\d+)$/.exec(Buffer.from(wordOf(args.cursor), 'base64').toString()) ?? [];
  if (args.cursor && at === undefined) throw new SlackError('invalid_cursor');
  const start = Number(at ?? 0);
  const limit = Math.min(Math.max(1, Number(args.limit) || most), most);
  const next = start + limit;
  return {
    items: list.slice(start, next),
    next_cursor: next < list.length ? Buffer.from(`at:${next}`).toString('base64') : '',
  };
}

export const isTrue = (value: unknown): boolean => value === true || value === 'true' || value === '1' || value === 1;

/** An argument as text; nothing when it is an object or missing. */
export const wordOf = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';
