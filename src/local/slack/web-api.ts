import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyText, sendJson } from './http.ts';
import type { Args, Method } from './methods.ts';
import { chatMethods } from './methods-chat.ts';
import { peopleMethods } from './methods-people.ts';
import { viewMethods } from './methods-views.ts';
import { SlackError } from './slack-error.ts';
import { type ApiCall, later, remember, takeFault, type World } from './world.ts';

const methods: Record<string, Method> = {
  ...chatMethods,
  ...viewMethods,
  ...peopleMethods,
  'api.test': { scopes: [], token: 'none', run: (_world, args) => ({ args }) },
  'apps.connections.open': {
    scopes: [],
    token: 'app',
    run: (world) => {
      if (world.app.requestUrl) throw new SlackError('socket_mode_not_enabled');
      return {
        url: `${world.url.replace('http:', 'ws:')}/link/?ticket=${world.openSocketTicket()}&app_id=${world.app.id}`,
      };
    },
  },
};

/** Method → the scopes of which one is needed, for tests that compare the manifest with what the app calls. */
export const scopesOfMethods: ReadonlyMap<string, Method['scopes']> = new Map(
  Object.entries(methods).map(([name, method]) => [name, method.scopes]),
);

/** Arguments that are JSON even in a form. */
const structured: Record<string, string> = {
  blocks: 'invalid_blocks_format',
  view: 'invalid_arguments',
  attachments: 'invalid_attachments',
  metadata: 'invalid_metadata_format',
  message: 'invalid_arguments',
};

function argsOf(type: string, body: string, query: URLSearchParams): Args {
  let args: Args = Object.fromEntries(query);
  if (type.startsWith('application/json')) {
    try {
      args = { ...args, ...(JSON.parse(body || '{}') as Args) };
    } catch {
      throw new SlackError('invalid_json');
    }
  } else if (type.startsWith('application/x-www-form-urlencoded') || type === '') {
    args = { ...args, ...Object.fromEntries(new URLSearchParams(body)) };
  } else throw new SlackError('invalid_post_type');
  for (const [name, error] of Object.entries(structured)) {
    if (typeof args[name] !== 'string' || args[name] === '') continue;
    try {
      args[name] = JSON.parse(args[name]) as unknown;
    } catch {
      throw new SlackError(error);
    }
  }
  return args;
}

/** Refuses a missing, unknown or wrong kind of token, and one without the scope. Answers the scopes that count. */
function authorize(world: World, method: Method, token: string | undefined, args: Args): string[] {
  if (method.token === 'none') return [];
  if (!token) throw new SlackError('not_authed');
  const { botToken, appToken } = world.app;
  if (token !== botToken && token !== appToken) throw new SlackError('invalid_auth');
  if ((token === appToken) !== (method.token === 'app')) throw new SlackError('not_allowed_token_type');
  const scopes = typeof method.scopes === 'function' ? method.scopes(world, args) : method.scopes;
  if (scopes.length > 0 && !scopes.some((each) => world.app.scopes.includes(each)))
    throw new SlackError('missing_scope', { needed: scopes.join(','), provided: world.app.scopes.join(',') });
  return scopes;
}

/** Answers `/api/<method>`. Errors of the method are HTTP 200 with `ok: false`, like Slack's. */
export async function answerWebApi(
  world: World,
  name: string,
  query: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const body = await bodyText(request);
  const call: ApiCall = { method: name, args: {}, at: world.now(), ok: false };
  let answer: Record<string, unknown>;
  let needed: string[] = [];
  const fault = takeFault(world, name);
  try {
    const { token: inBody, ...args } = argsOf(request.headers['content-type'] ?? '', body, query);
    call.args = args;
    remember(world.calls, call);
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
    if (!method) throw new SlackError('unknown_method', { req_method: name });
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? (inBody as string | undefined);
    needed = authorize(world, method, token, args);
    if (fault?.error) throw new SlackError(fault.error);
    if (!fault?.status && !fault?.timeout) answer = { ok: true, ...method.run(world, args) };
    else answer = { ok: false, error: fault.status === 429 ? 'ratelimited' : 'internal_error' };
  } catch (error) {
    if (!(error instanceof SlackError)) throw error;
    answer = { ok: false, error: error.error, ...error.more };
  }
  call.ok = answer.ok === true;
  if (!call.ok) call.error = String(answer.error);
  if (fault?.timeout) return;
  if (fault?.loseResponse) return void request.socket.destroy();
  if (fault?.delayMs) await later(world, fault.delayMs);
  if (needed.length > 0) response.setHeader('x-accepted-oauth-scopes', needed.join(','));
  response.setHeader('x-oauth-scopes', world.app.scopes.join(','));
  if (fault?.status === 429) response.setHeader('retry-after', String(fault.retryAfter ?? 1));
  sendJson(response, answer, fault?.status ?? 200);
}
