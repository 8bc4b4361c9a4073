import type { Directory, DirectoryEntry } from '../../ports.ts';
import { type SlackClients, slackError } from './clients.ts';

/** A user as Slack describes them, in events and in `users.*`. */
export interface SlackUser {
  id?: string;
  team_id?: string;
  name?: string;
  real_name?: string;
  tz?: string;
  deleted?: boolean;
  is_bot?: boolean;
  is_restricted?: boolean;
  is_ultra_restricted?: boolean;
  is_stranger?: boolean;
  profile?: { real_name?: string; display_name?: string };
}

export function entryOf(user: SlackUser): DirectoryEntry {
  return {
    slackId: user.id ?? '',
    teamId: user.team_id ?? '',
    name: user.profile?.real_name || user.real_name || user.name || user.id || '',
    timeZone: user.tz ?? 'UTC',
    isGuest: Boolean(user.is_restricted || user.is_ultra_restricted || user.is_stranger),
    isBot: Boolean(user.is_bot) || user.id === 'USLACKBOT',
    deleted: Boolean(user.deleted),
  };
}

/** `teamId` is our own workspace: whoever belongs to another is nobody here. */
export function slackDirectory(clients: SlackClients, teamId: string): Directory {
  const ours = (entry: DirectoryEntry) => entry.teamId === teamId;
  return {
    async person(slackId) {
      try {
        const { user } = await clients.interactive.users.info({ user: slackId });
        const entry = user ? entryOf(user as SlackUser) : null;
        return entry && ours(entry) ? entry : null;
      } catch (error) {
        if (slackError(error) === 'user_not_found' || slackError(error) === 'user_not_visible') return null;
        throw error;
      }
    },
    async *everybody() {
      let cursor: string | undefined;
      do {
        const answer = await clients.bulk.users.list({ limit: 200, ...(cursor ? { cursor } : {}) });
        yield ((answer.members ?? []) as SlackUser[]).map(entryOf).filter(ours);
        cursor = answer.response_metadata?.next_cursor || undefined;
      } while (cursor);
    },
  };
}
