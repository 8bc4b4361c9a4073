import { createHmac } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface StubCall {
  method: string;
  args: Record<string, unknown>;
}

/** The least of Slack's Web API that the door needs: it says yes to everything and remembers what it was asked. */
export async function startStubSlack(users: Record<string, object> = {}) {
  const calls: StubCall[] = [];
  /** Method → answers to give before saying yes again. */
  const answers = new Map<string, { status: number; headers?: Record<string, string>; body: object }[]>();
  const server = http.createServer((request, response) => void answer(request, response));
  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    let text = '';
    for await (const piece of request) text += piece;
    const method = (request.url ?? '').replace(/^\/(api\/)?/, '').split('?')[0]!;
    const args: Record<string, unknown> = request.headers['content-type']?.startsWith('application/json')
      ? (JSON.parse(text || '{}') as Record<string, unknown>)
      : Object.fromEntries(new URLSearchParams(text));
    for (const name of ['view', 'blocks'] as const)
      if (typeof args[name] === 'string') args[name] = JSON.parse(args[name] as string);
    calls.push({ method, args });
    const planned = answers.get(method)?.shift();
    if (planned) {
      response
        .writeHead(planned.status, { 'content-type': 'application/json', ...planned.headers })
        .end(JSON.stringify(planned.body));
      return;
    }
    const user = users[String(args.user)];
    const body: Record<string, unknown> = {
      ok: true,
      team_id: 'T1',
      user_id: 'UBOT',
      bot_id: 'BBOT',
      channel: 'D1',
      ts: `${Date.now()}.000100`,
      view: { id: `V${calls.length}` },
    };
    if (method === 'users.info')
      Object.assign(
        body,
        user ? { user: { id: args.user, team_id: 'T1', ...user } } : { ok: false, error: 'user_not_found' },
      );
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    apiUrl: `${url}/api/`,
    calls,
    of: (method: string) => calls.filter((each) => each.method === method),
    answer: (method: string, ...planned: { status: number; headers?: Record<string, string>; body: object }[]) =>
      void answers.set(method, planned),
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
export type StubSlack = Awaited<ReturnType<typeof startStubSlack>>;

/** A request as Slack would send it. `at` in seconds; `signWith` null leaves the signature out. */
export function signed(
  secret: string,
  body: string,
  { at = Date.now() / 1000, signWith = secret as string | null, headers = {} as Record<string, string> } = {},
) {
  const stamp = String(Math.floor(at));
  const signature =
    signWith === null
      ? {}
      : { 'x-slack-signature': `v0=${createHmac('sha256', signWith).update(`v0:${stamp}:${body}`).digest('hex')}` };
  const type = body.startsWith('{') ? 'application/json' : 'application/x-www-form-urlencoded';
  return {
    method: 'POST',
    body,
    headers: { 'content-type': type, 'x-slack-request-timestamp': stamp, ...signature, ...headers },
  };
}
