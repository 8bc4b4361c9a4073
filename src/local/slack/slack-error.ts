/** An answer `ok: false`, with the error's name in Slack's words. */
export class SlackError extends Error {
  readonly error: string;
  readonly more: Record<string, unknown>;
  constructor(error: string, more: Record<string, unknown> = {}) {
    super(error);
    this.error = error;
    this.more = more;
  }
}
