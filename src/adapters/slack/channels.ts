import { type SlackClients, slackError } from './clients.ts';

/** What Slack says of a channel that the bot cannot post into, and what a person has to do about it. */
export const mends: Record<string, string> = {
  not_in_channel: 'invite the bot to the channel',
  channel_not_found: 'check the channel in the policy, and invite the bot if it is private',
  is_archived: 'name another channel in the policy',
  restricted_action: 'let the bot post there, or name another channel in the policy',
};

/**
 * Which of the policy's channels the bot cannot post into, and what mends it. Asked by a message that only the bot itself
 * would see: it takes no further scope and nobody is disturbed.
 */
export async function unreachableChannels(
  clients: SlackClients,
  botUserId: string,
  channels: Record<string, string | null>,
): Promise<string[]> {
  const found: string[] = [];
  for (const [name, channel] of Object.entries(channels)) {
    if (!channel) continue;
    const said = await clients.bulk.chat
      .postEphemeral({ channel, user: botUserId, text: 'Keysteward can post here.' })
      .then(() => null, slackError);
    if (said && mends[said])
      found.push(`policy.channels.${name}: cannot post into ${channel} (${said}); ${mends[said]}`);
  }
  return found;
}
