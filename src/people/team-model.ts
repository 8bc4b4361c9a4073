import type { Id, Instant } from '../kernel.ts';
import type { Person } from './model.ts';

/** A user group of Slack, as Slack last told of it. It says whose keys belong together, and gives nobody a right over them. */
export interface Team {
  id: Id<'team'>;
  slackId: string;
  name: string;
  /** What it is mentioned by, without the @. */
  handle: string;
  /** Slack ids of everybody in it; also of those who do not count. */
  members: string[];
  /** Since when Slack has not had it any more, or has not told; null while it is in use. */
  closedAt: Instant | null;
}

/** Who is in a team. Bots are nobody here; guests and whoever has left do not count (as `countedIn` in reads.ts). */
export function isIn(team: Team, person: Person): boolean {
  const counts = person.status === 'active' && person.tier !== 'contractor';
  return team.closedAt === null && counts && team.members.includes(person.slackId);
}
