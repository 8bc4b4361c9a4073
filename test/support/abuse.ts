import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type pg from 'pg';
import { afterAll, beforeAll } from 'vitest';
import type { House } from './house.ts';
import { signed } from './stub-slack.ts';

/** Every table of ours, and BullMQ's where it lives in Postgres. */
export async function tablesOf(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
  );
  return rows.map((each) => each.name);
}

/** What people could have changed: everything but the log, what came in, and what the machine does by itself. */
const ours =
  /^public\.(person|api_key|access_request|access_grant|rotation|offboarding_case|hr_message|incident|finding)$/;
/** All facts as one text, to see whether anything has changed. */
export async function factsOf(pool: pg.Pool): Promise<string> {
  const parts: string[] = [];
  for (const table of (await tablesOf(pool)).filter((each) => ours.test(each))) {
    const { rows } = await pool.query<{ row: string }>(`select t::text as row from ${table} t order by 1`);
    parts.push(`${table}\n${rows.map((each) => each.row).join('\n')}`);
  }
  return parts.join('\n');
}

export interface RefusedRow {
  actor: string;
  action: string;
  subject: string;
}
export async function refusalsOf(pool: pg.Pool): Promise<RefusedRow[]> {
  const { rows } = await pool.query<RefusedRow>(
    "select actor_id as actor, action, subject from audit_event where outcome = 'refused' order by occurred_at, id",
  );
  return rows;
}

export type Path = 'commands' | 'interactive' | 'events' | 'options';
/** A request to the program's door, signed as Slack would sign it unless told otherwise. */
export function knock(
  house: House,
  path: Path,
  body: string,
  options: Parameters<typeof signed>[2] = {},
): Promise<Response> {
  return fetch(
    `http://127.0.0.1:${house.program.port}/slack/${path}`,
    signed('house-signing-secret', body, { ...options }),
  );
}

/** Where answers go that Slack would show to the person alone. */
export const told: { url: string; answers: string[] } = { url: '', answers: [] };
export function useEars(): void {
  const server = http.createServer((request, response) => {
    let text = '';
    request.on('data', (piece: Buffer) => (text += piece.toString()));
    request.on('end', () => {
      told.answers.push(text);
      response.end('ok');
    });
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    told.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
}

let triggers = 0;
const nextTrigger = () => `${Date.now()}.${++triggers}.abuse`;
const team = 'T0LARKFIELD';

export const commandBody = (user: string, text: string, facts: Record<string, string> = {}): string =>
  new URLSearchParams({
    command: '/keys',
    text,
    user_id: user,
    team_id: team,
    channel_id: 'C0PLATFORM',
    trigger_id: nextTrigger(),
    response_url: told.url,
    ...facts,
  }).toString();

export const interactiveBody = (user: string, payload: Record<string, unknown>): string =>
  new URLSearchParams({
    payload: JSON.stringify({
      user: { id: user, team_id: team },
      team: { id: team },
      trigger_id: nextTrigger(),
      ...payload,
    }),
  }).toString();

/** A click on a button in a message, whatever it says. */
export const clickBody = (
  user: string,
  actionId: string,
  value: string,
  payload: Record<string, unknown> = {},
): string =>
  interactiveBody(user, {
    type: 'block_actions',
    container: { type: 'message', message_ts: '1.1', channel_id: 'C0PLATFORM' },
    channel: { id: 'C0PLATFORM' },
    message: { ts: '1.1' },
    response_url: told.url,
    actions: [{ type: 'button', action_id: actionId, block_id: 'b', value }],
    ...payload,
  });

/** A modal sent off, with any context and fields. */
export const submitBody = (
  user: string,
  callbackId: string,
  fields: Record<string, Record<string, unknown>>,
  context: Record<string, unknown> = {},
  payload: Record<string, unknown> = {},
): string =>
  interactiveBody(user, {
    type: 'view_submission',
    view: {
      id: `V${++triggers}`,
      type: 'modal',
      callback_id: callbackId,
      private_metadata: JSON.stringify(context),
      state: { values: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { [name]: value }])) },
    },
    ...payload,
  });
export const typedInto = (value: string) => ({ type: 'plain_text_input', value });
