import { type KnownBlock, WebClient } from '@slack/web-api';

/**
 * Two clients, because one 429 on a bulk call pauses a whole client, and a modal has to open within three seconds.
 * Neither waits for rate limits by itself: the job that called is put back for as long as Slack asks.
 */
export interface SlackClients {
  interactive: WebClient;
  bulk: WebClient;
}

export type { KnownBlock };

export function slackClients(token: string, apiUrl: string | undefined): SlackClients {
  const shared = { rejectRateLimitedCalls: true, ...(apiUrl ? { slackApiUrl: apiUrl } : {}) };
  return {
    interactive: new WebClient(token, { ...shared, timeout: 2_500, retryConfig: { retries: 0 } }),
    bulk: new WebClient(token, { ...shared, timeout: 15_000, retryConfig: { retries: 0 } }),
  };
}

interface SlackSaid {
  code?: string;
  data?: { error?: string };
  retryAfter?: number;
}
/** Slack's own error name, such as `message_not_found`, or null when it was not Slack that answered. */
export function slackError(error: unknown): string | null {
  return (error as SlackSaid | null)?.data?.error ?? null;
}
/** Milliseconds that Slack asks us to wait, or null. */
export function rateLimitedMs(error: unknown): number | null {
  const seconds = (error as SlackSaid | null)?.retryAfter;
  return typeof seconds === 'number' ? seconds * 1000 : slackError(error) === 'ratelimited' ? 30_000 : null;
}
