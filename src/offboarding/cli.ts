import { parseArgs } from 'node:util';
import type { CliDoor } from '../doors.ts';
import type { Webhooks } from '../ports.ts';

const usage = 'hr send --hr-id ID [--slack-user ID] [--effective-at TIME] [--url URL]';

/** `keysteward hr send`: what the HR system would send, signed, to a running program. */
export function offboardingInCli(door: CliDoor, webhooks: () => Webhooks, send: typeof fetch = fetch): void {
  door.command('hr send', { usage, help: 'Say as the HR system would that somebody has left' }, async (args, out) => {
    const { values } = parseArgs({
      args,
      options: {
        'hr-id': { type: 'string' },
        'slack-user': { type: 'string' },
        'effective-at': { type: 'string' },
        url: { type: 'string', default: `http://127.0.0.1:${process.env.PORT ?? 3000}` },
      },
    });
    if (!values['hr-id']) {
      out(`Say whom: keysteward ${usage}`);
      return 2;
    }
    const now = new Date();
    const body = JSON.stringify({
      person: { hrId: values['hr-id'], ...(values['slack-user'] ? { slackUserId: values['slack-user'] } : {}) },
      event: 'left',
      effectiveAt: values['effective-at'] ?? now.toISOString(),
    });
    const id = `msg_${crypto.randomUUID()}`;
    const answer = await send(new URL('/webhooks/hr', values.url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...webhooks().sign(id, now, body) },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(10_000),
    });
    out(`${answer.status} ${(await answer.text()).trim()}`);
    return answer.ok ? 0 : 1;
  });
}
