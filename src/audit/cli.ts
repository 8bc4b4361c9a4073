import { parseArgs } from 'node:util';
import type { CliDoor } from '../doors.ts';
import { Refusal } from '../kernel.ts';
import type { Ports } from '../ports.ts';
import { type AuditWish, filterOf } from './ask.ts';
import type { AuditEvent } from './model.ts';
import { retryWork } from './retry-work.ts';
import { inWords, reasonGiven } from './tell.ts';

type Use = <T>(run: (ports: Pick<Ports, 'store' | 'policy'>) => Promise<T>) => Promise<T>;

const usage =
  'audit list [--key <id or words>] [--person <id>] [--action <area.verb | area.>] [--since 7d] [--from <date>] [--to <date>] [--outcome done|refused] [--limit <n>] [--format text|ndjson]';
const batch = 500;

/** `keysteward audit list`: the log for whoever runs the program, newest first. */
export function auditInTerminal(door: CliDoor, use: Use): void {
  jobsInTerminal(door, use);
  door.command('audit list', { usage, help: 'Who did what, when, and what was refused' }, async (args, out) => {
    try {
      const { wish, limit, format } = argumentsOf(args);
      await use(({ store, policy }) =>
        store.read(async (view) => {
          const filter = await filterOf(view, wish, policy.company.timeZone);
          let next: string | null = null;
          let left = limit;
          do {
            const page = await view.audit.list(filter, Math.min(batch, left), next);
            for (const event of page.rows) out(format(event));
            left -= page.rows.length;
            next = page.next;
          } while (next && left > 0);
        }),
      );
      return 0;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      out(error.sentence);
      out(`usage: keysteward ${usage}`);
      return 2;
    }
  });
}

/** `keysteward jobs …`: what was given up, and trying it again. */
function jobsInTerminal(door: CliDoor, use: Use): void {
  const most = 500;
  door.command(
    'jobs dead',
    { usage: 'jobs dead', help: 'Jobs that were given up, newest first' },
    async (args, out) => {
      parseArgs({ args });
      const dead = await use(({ store }) => store.read((view) => view.work.dead(most)));
      for (const each of dead)
        out(
          oneLine(
            `${each.id}  ${each.endedAt.toISOString()}  ${each.name} ${JSON.stringify(each.payload)}  failures: ${each.failures}, the last: ${each.lastError ?? 'nothing was said'}`,
          ),
        );
      if (dead.length === 0) out('Nothing is given up.');
      return 0;
    },
  );
  const usage = 'jobs retry <id> | --all';
  door.command('jobs retry', { usage, help: 'Try what was given up again' }, async ([which, ...more], out) => {
    if (!which || more.length > 0 || (which.startsWith('-') && which !== '--all')) {
      out(`Say which: keysteward ${usage}`);
      return 2;
    }
    return use(async ({ store }) => {
      const all = which === '--all';
      const ids = all ? (await store.read((view) => view.work.dead(most))).map((each) => each.id) : [which];
      let refused = 0;
      for (const id of ids) {
        try {
          const { name } = await retryWork({ store }, { kind: 'operator', id: 'command-line' }, id);
          out(`${id}  ${name} is tried again.`);
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          refused++;
          out(`${id}  ${error.sentence}`);
        }
      }
      if (ids.length === 0) out('Nothing is given up.');
      return refused > 0 ? 1 : 0;
    });
  });
}
/** What a provider or a database said must not move the cursor or start a line of its own. */
const oneLine = (said: string) => said.replace(/[\p{C}\s]+/gu, ' ');

const text = { type: 'string' } as const;

function argumentsOf(args: string[]): { wish: AuditWish; limit: number; format: (event: AuditEvent) => string } {
  const options = {
    key: text,
    person: text,
    action: text,
    since: text,
    from: text,
    to: text,
    outcome: text,
    limit: text,
    format: text,
  };
  const given = (() => {
    try {
      return parseArgs({ args, options, strict: true }).values;
    } catch (error) {
      throw new Refusal('invalid', (error as Error).message);
    }
  })();
  const { limit: typedLimit = '100', format: typedFormat = 'text', ...wish } = given;
  const limit = Number(typedLimit);
  if (!Number.isInteger(limit) || limit < 1) {
    throw new Refusal('invalid', `--limit is ${typedLimit.slice(0, 50)}; expected a whole number from 1 on.`);
  }
  const format = formats[typedFormat];
  if (!format)
    throw new Refusal(
      'invalid',
      `--format is ${typedFormat.slice(0, 50)}; expected ${Object.keys(formats).join(' or ')}.`,
    );
  return { wish, limit, format };
}

const formats: Record<string, (event: AuditEvent) => string> = {
  text(event) {
    const key = event.keyId && event.keyId !== event.subject ? ` (${event.keyId})` : '';
    const given = reasonGiven(event);
    const outcome = event.outcome === 'done' ? 'done' : `refused: ${event.reason ?? ''}`;
    const line = `${event.at.toISOString()}  ${event.actor.kind} ${event.actor.id}  ${inWords(event.action)} [${event.action}]  ${event.subject}${key}  ${outcome}${given ? `  "${given}"` : ''}`;
    return printable(line);
  },
  ndjson: (event) => JSON.stringify(event),
};

/** What somebody typed must not move the cursor, colour the terminal or turn the line around. */
function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}
