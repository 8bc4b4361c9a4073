import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { bodyText, sendJson } from './http.ts';
import type { LocalUser } from './workspace.ts';
import type { World } from './world.ts';

const codeMs = 600_000;
const scopes = ['openid', 'profile', 'email'];

interface Code {
  user: string;
  redirectUri: string;
  nonce: string | null;
  challenge: string | null;
  endsAt: number;
}

/** Answers `/.well-known/openid-configuration`, `/openid/connect/…` and `/api/openid.connect.token`; false for anything else. */
export interface Identity {
  answered(url: URL, request: IncomingMessage, response: ServerResponse): Promise<boolean>;
}

/** Sign in with Slack, as Slack does it. https://docs.slack.dev/authentication/sign-in-with-slack/ */
export function openIdentity(world: World): Identity {
  const keys = generateKeyPair('RS256');
  const keyId = randomBytes(8).toString('hex');
  const codes = new Map<string, Code>();

  async function discovery(response: ServerResponse): Promise<void> {
    const { url } = world;
    sendJson(response, {
      issuer: url,
      authorization_endpoint: `${url}/openid/connect/authorize`,
      token_endpoint: `${url}/api/openid.connect.token`,
      jwks_uri: `${url}/openid/connect/keys`,
      scopes_supported: scopes,
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      claims_supported: ['sub', 'auth_time', 'iss'],
      token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
      code_challenge_methods_supported: ['S256'],
    });
  }

  async function jwks(response: ServerResponse): Promise<void> {
    const jwk = await exportJWK((await keys).publicKey);
    sendJson(response, { keys: [{ ...jwk, kid: keyId, alg: 'RS256', use: 'sig' }] });
  }

  /** What Slack shows when a request is wrong: it never sends anybody to an address that the app has not named. */
  function wrong(query: URLSearchParams): string | null {
    const client = world.app.client;
    if (!client || query.get('client_id') !== client.id) return 'invalid_client_id';
    if (!client.redirectUris.includes(query.get('redirect_uri') ?? '')) return 'bad_redirect_uri';
    if (query.get('response_type') !== 'code') return 'invalid_response_type';
    if (!(query.get('scope') ?? '').split(/[ ,]+/).includes('openid')) return 'invalid_scope';
    if (query.get('code_challenge') && query.get('code_challenge_method') !== 'S256') return 'invalid_code_challenge';
    const team = query.get('team');
    return team && team !== world.workspace.team.id ? 'team_not_found' : null;
  }

  async function authorize(url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const query = request.method === 'POST' ? new URLSearchParams(await bodyText(request)) : url.searchParams;
    const error = wrong(query);
    if (error) return page(response, 400, `<h1>Something went wrong</h1><p>Slack says <code>${error}</code>.</p>`);
    const redirectUri = query.get('redirect_uri')!;
    const back = (answer: Record<string, string>) => {
      const to = new URL(redirectUri);
      for (const [name, value] of Object.entries({ ...answer, state: query.get('state') ?? '' }))
        to.searchParams.set(name, value);
      response.writeHead(302, { location: to.toString(), 'cache-control': 'no-store' }).end();
    };
    if (request.method !== 'POST') return page(response, 200, whoAreYou(world, query, personIn(request)));
    if (query.get('cancel')) return back({ error: 'access_denied' });
    const user = world.workspace.users.get(query.get('user') ?? '');
    if (!user || user.deleted || user.isBot) return page(response, 400, '<h1>There is nobody of this name</h1>');
    const code = randomBytes(24).toString('base64url');
    codes.set(code, {
      user: user.id,
      redirectUri,
      nonce: query.get('nonce'),
      challenge: query.get('code_challenge'),
      endsAt: world.now() + codeMs,
    });
    back({ code });
  }

  async function token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await bodyText(request));
    const client = world.app.client;
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const [id, secret] = basic
      ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
      : [form.get('client_id'), form.get('client_secret')];
    const refuse = (error: string) => sendJson(response, { ok: false, error });
    if (!client || id !== client.id) return refuse('invalid_client_id');
    if (secret !== client.secret) return refuse('bad_client_secret');
    const code = codes.get(form.get('code') ?? '');
    // A code is good for one try.
    codes.delete(form.get('code') ?? '');
    if (!code || code.endsAt < world.now()) return refuse('invalid_code');
    if (form.get('redirect_uri') !== code.redirectUri) return refuse('bad_redirect_uri');
    const proof = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (code.challenge && code.challenge !== proof) return refuse('invalid_code_verifier');
    const accessToken = `xoxp-local-${randomBytes(16).toString('hex')}`;
    const seconds = Math.floor(world.now() / 1000);
    const { team } = world.workspace;
    const idToken = await new SignJWT({
      auth_time: seconds,
      ...(code.nonce ? { nonce: code.nonce } : {}),
      at_hash: createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url'),
      'https://slack.com/team_id': team.id,
      'https://slack.com/user_id': code.user,
    })
      .setProtectedHeader({ alg: 'RS256', kid: keyId, typ: 'JWT' })
      .setIssuer(world.url)
      .setSubject(code.user)
      .setAudience(client.id)
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + 300)
      .sign((await keys).privateKey);
    sendJson(response, { ok: true, access_token: accessToken, token_type: 'Bearer', id_token: idToken });
  }

  return {
    async answered(url, request, response) {
      switch (url.pathname) {
        case '/.well-known/openid-configuration':
          await discovery(response);
          return true;
        case '/openid/connect/keys':
          await jwks(response);
          return true;
        case '/openid/connect/authorize':
          await authorize(url, request, response);
          return true;
        case '/api/openid.connect.token':
          await token(request, response);
          return true;
        default:
          return false;
      }
    },
  };
}

/** Whom the page in this browser last acted as. */
const personIn = (request: IncomingMessage) =>
  /(?:^|;\s*)local-slack-as=([UW][A-Z0-9]+)/.exec(request.headers.cookie ?? '')?.[1] ?? null;

const text = (value: string) =>
  value.replace(/[&<>"]/g, (each) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[each]!);

function whoAreYou({ workspace, app }: World, query: URLSearchParams, last: string | null): string {
  const hidden = [...query].map(([name, value]) => `<input type="hidden" name="${text(name)}" value="${text(value)}">`);
  const people = [...workspace.users.values()].filter((each) => !each.isBot && !each.deleted);
  const you = people.find((each) => each.id === last);
  const choice = (each: LocalUser, main: boolean) =>
    `<button name="user" value="${each.id}" class="${main ? 'main' : ''}" data-testid="sign-in-as">${main ? 'Continue as ' : ''}${text(each.realName)}</button>`;
  return `<h1>Sign in to ${text(app.name)}</h1>
<p>${text(app.name)} wants to know who you are in <b>${text(workspace.team.name)}</b>. This is the local Slack: anybody may be anybody here.</p>
<form method="post" action="/openid/connect/authorize">${hidden.join('')}
${you ? `<p>You are here as <b>${text(you.realName)}</b>.</p>${choice(you, true)}<p>Or somebody else:</p>` : '<p>Who are you?</p>'}
<div>${people
    .filter((each) => each !== you)
    .map((each) => choice(each, false))
    .join(' ')}</div>
<p><button name="cancel" value="yes" class="quiet">Cancel</button></p></form>`;
}

function page(response: ServerResponse, status: number, body: string): void {
  response
    .writeHead(status, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      // With `no-referrer` its form would not say that it is ours.
      'referrer-policy': 'same-origin',
      'content-security-policy':
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    })
    .end(`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in with Slack</title><style>
body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:10vh auto;padding:0 1rem;color:#1d1c1d}
button{font:inherit;padding:.45rem .9rem;margin:.2rem 0;border:1px solid #bbb;border-radius:6px;background:#fff;cursor:pointer}
button.main{background:#4a154b;color:#fff;border-color:#4a154b}button.quiet{border:0;text-decoration:underline}
</style></head><body>${body}</body></html>`);
}
