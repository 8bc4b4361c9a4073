import { Later } from '../../kernel.ts';
import type { Directory, DirectoryEntry, TeamEntry } from '../../ports.ts';
import { rateLimitedMs, type SlackClients, slackError } from './clients.ts';

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

/** A user group as Slack lists it. */
export interface SlackGroup {
  id?: string;
  name?: string;
  handle?: string;
  date_delete?: number;
  users?: string[];
  user_count?: number | string;
}

function teamOf(group: SlackGroup): TeamEntry {
  const { id = '', name = '', handle = '', users = [] } = group;
  const disabled = Boolean(group.date_delete);
  const whole = users.length >= Number(group.user_count ?? 0);
  return { slackId: id, name, handle, disabled, members: whole ? users : null };
}

/** What Slack says where nobody will get to know the user groups, and what would change that. */
const untold: Record<string, string> = {
  missing_scope:
    'add the scope usergroups:read and the subteam events of manifest.yml to the app, and install it again',
  plan_upgrade_required: 'the plan of this workspace has no user groups',
  paid_teams_only: 'the plan of this workspace has no user groups',
  no_permission: 'an administrator of the workspace has to let the app read them',
  access_denied: 'an administrator of the workspace has to let the app read them',
  unknown_method: 'the server at SLACK_API_URL has none',
};

/** A list of Slack's may be asked for in too many pages a minute; whoever asked comes again when Slack says so. */
async function bulk<T>(call: Promise<T>): Promise<T> {
  return call.catch((error: unknown) => {
    const waitMs = rateLimitedMs(error);
    throw waitMs === null ? error : new Later('Slack asked to wait', waitMs);
  });
}

/** `teamId` is our own workspace: whoever belongs to another is nobody here. */
export function slackDirectory(
  clients: SlackClients,
  teamId: string,
  warn: (message: string) => void = () => {},
): Directory {
  const ours = (entry: DirectoryEntry) => entry.teamId === teamId;
  let said: string | null = null;
  /** Null, and said once, where Slack does not tell of user groups at all. */
  async function ifTold<T>(call: Promise<T>): Promise<T | null> {
    try {
      const answer = await bulk(call);
      said = null;
      return answer;
    } catch (error) {
      const why = slackError(error) ?? '';
      if (!untold[why]) throw error;
      if (said !== why) warn(`there are no teams, because Slack does not tell of user groups (${why}): ${untold[why]}`);
      said = why;
      return null;
    }
  }
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
        const answer = await bulk(clients.bulk.users.list({ limit: 200, ...(cursor ? { cursor } : {}) }));
        yield ((answer.members ?? []) as SlackUser[]).map(entryOf).filter(ours);
        cursor = answer.response_metadata?.next_cursor || undefined;
      } while (cursor);
    },
    async teams() {
      const found: TeamEntry[] = [];
      let cursor: string | undefined;
      do {
        // One call for all of them: Slack allows twenty a minute.
        const asked = { include_users: true, include_count: true, include_disabled: true };
        const answer = await ifTold(clients.bulk.usergroups.list({ ...asked, ...(cursor ? { cursor } : {}) }));
        if (!answer) return null;
        found.push(...((answer.usergroups ?? []) as SlackGroup[]).map(teamOf));
        cursor = answer.response_metadata?.next_cursor || undefined;
      } while (cursor);
      return found;
    },
    async membersOf(slackId) {
      try {
        const answer = await ifTold(clients.bulk.usergroups.users.list({ usergroup: slackId, include_disabled: true }));
        return answer && (answer.users ?? []);
      } catch (error) {
        if (slackError(error) === 'no_such_subteam') return null;
        throw error;
      }
    },
  };
}
