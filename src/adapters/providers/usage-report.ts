import { day, hour, minute } from '../../kernel.ts';
import { at, instantAt, listAt, textAt } from './call.ts';

/** Usage is reported in spans of time, so many of which come on one page: at OpenAI and at Anthropic alike. */
const spans = {
  '1m': { ms: minute, onPage: 1440 },
  '1h': { ms: hour, onPage: 168 },
  '1d': { ms: day, onPage: 31 },
};
export interface Spans {
  width: keyof typeof spans;
  limit: number;
  /** Where the first one begins. */
  from: Date;
}

/** Whole spans since then, so that nothing earlier is counted: minutes, or hours where a page holds no more minutes. Null before the first begins. */
export function spansSince(since: Date): Spans | null {
  const now = Date.now();
  const width = now - since.getTime() < spans['1m'].onPage * minute ? '1m' : '1h';
  const { ms, onPage } = spans[width];
  const from = new Date(Math.ceil(since.getTime() / ms) * ms);
  return from.getTime() < now ? { width, limit: onPage, from } : null;
}

/** As many as a page holds, up to the one that has begun. */
export function latestSpans(width: Spans['width']): Spans {
  const { ms, onPage } = spans[width];
  const from = new Date((Math.floor(Date.now() / ms) - onPage + 1) * ms);
  return { width, limit: onPage, from };
}

/** A page of a report, with the spans as they are. */
export const pageOfReport = (body: unknown): { rows: unknown[]; next: string | null } => ({
  rows: listAt(body, '/data'),
  next: at(body, '/has_more') === true ? textAt(body, '/next_page') : null,
});

/** What one key has in a span. What is reported of others, or of none, is not its own. */
export function countOf(span: unknown, providerKeyId: string, fields: string[]): number {
  const its = listAt(span, '/results').filter((each) => textAt(each, '/api_key_id') === providerKeyId);
  const counts = its.flatMap((each) => fields.map((field) => at(each, field)));
  return counts.reduce<number>((sum, count) => sum + (typeof count === 'number' ? count : 0), 0);
}

/** The last of these spans in which the key was used. */
export function lastUsedSpan(
  all: unknown[],
  isUsed: (span: unknown) => boolean,
): { startsAt: Date; endsAt: Date } | null {
  const used = all.filter(isUsed).flatMap((each) => {
    const [startsAt, endsAt] = [instantAt(each, '/starting_at'), instantAt(each, '/ending_at')];
    return startsAt && endsAt ? { startsAt, endsAt } : [];
  });
  return used.reduce<(typeof used)[number] | null>(
    (last, each) => (last && last.endsAt >= each.endsAt ? last : each),
    null,
  );
}
