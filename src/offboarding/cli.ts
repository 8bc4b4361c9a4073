import { parseArgs } from 'node:util';
import type { CliDoor } from '../doors.ts';
import type { Webhooks } from '../ports.ts';

const usage = 'hr send --hr-id ID [--slack-user ID] [--effective-at TIME] [--url URL]';

/** Where a running program is reached, null where nobody has said it, and how it believes the HR system. */
export interface RunningProgram {
  url: string | null;
  webhooks: Webhooks;
}

/** `keysteward hr send`: what the HR system would send, signed, to a running program. */
export function offboardingInCli(door: CliDoor, running: () => RunningProgram, send: typeof fetch = fetch): void {
  door.command('hr send', { usage, help: 'Say as the HR system would that somebody has left' }, async (args, out) => {
    const { values } = parseArgs({
      args,
      options: {
        'hr-id': { type: 'string' },
        'slack-user': { type: 'string' },
        'effective-at': { type: 'string' },
        url: { type: 'string' },
      },
    });
    if (!values['hr-id']) {
      out(`Say whom: keysteward ${usage}`);
      return 2;
    }
    const { webhooks, ...program } = running();
    const url = values.url ?? program.url;
    if (!url) {
      out(`PORT is 0, so the running program chose one: say which by --url, as in keysteward ${usage}`);
      return 2;
    }
    const now = new Date();
    const body = JSON.stringify({
      person: { hrId: values['hr-id'], ...(values['slack-user'] ? { slackUserId: values['slack-user'] } : {}) },
      event: 'left',
      effectiveAt: values['effective-at'] ?? now.toISOString(),
    });
    const id = `msg_${crypto.randomUUID()}`;
    if (!URL.canParse(url) || !/^https?:/i.test(url)) {
      out(`"${url}" is no address. Write it like http://127.0.0.1:3000.`);
      return 2;
    }
    const answer = await send(`${url.replace(/\/+$/, '')}/webhooks/hr`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...webhooks.sign(id, now, body) },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(10_000),
    }).catch((error: Error) => {
      const why = error.cause instanceof Error ? error.cause.message : error.message;
      out(`Keysteward was not reached at ${url} (${why}). Is it running there? --url says where else.`);
      return null;
    });
    if (!answer) return 1;
    out(`${answer.status} ${(await answer.text()).trim()}`);
    return answer.ok ? 0 : 1;
  });
}
