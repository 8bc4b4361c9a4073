import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { slackSignIn } from '../../src/adapters/sign-in.ts';

/** A Slack that says whatever a test wants it to. */
let server: http.Server;
let issuer: string;
let answer: () => Promise<{ status: number; body: unknown }>;
let offersPkce = false;
const asked: URLSearchParams[] = [];
const keys = generateKeyPair('RS256');
const others = generateKeyPair('RS256');
const seconds = () => Math.floor(Date.now() / 1000);

beforeAll(async () => {
  server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    const reply = async () => {
      const send = (status: number, sent: unknown) =>
        void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(sent));
      if (request.url === '/.well-known/openid-configuration')
        return send(200, {
          issuer,
          authorization_endpoint: `${issuer}/openid/connect/authorize`,
          token_endpoint: `${issuer}/api/openid.connect.token`,
          jwks_uri: `${issuer}/keys`,
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
          id_token_signing_alg_values_supported: ['RS256'],
          ...(offersPkce ? { code_challenge_methods_supported: ['S256'] } : {}),
        });
      if (request.url === '/keys')
        return send(200, { keys: [{ ...(await exportJWK((await keys).publicKey)), kid: 'one', alg: 'RS256' }] });
      asked.push(new URLSearchParams(body));
      const { status, body: said } = await answer();
      send(status, said);
    };
    request.on('end', () => void reply());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  offersPkce = false;
  asked.length = 0;
});

const here = () =>
  slackSignIn({ issuer, clientId: '1.2', clientSecret: 'the-secret', teamId: 'T1', timeoutSeconds: 10 });
const returnTo = 'http://127.0.0.1:3000/hand-in/signed-in';
interface Forged {
  claims?: Record<string, unknown>;
  audience?: string;
  issuer?: string;
  expires?: number;
  by?: Awaited<typeof keys>['privateKey'];
}
/** A token as Slack makes it, but for what a test forges. */
async function idToken(nonce: string, forged: Forged = {}): Promise<string> {
  return new SignJWT({
    nonce,
    'https://slack.com/team_id': 'T1',
    'https://slack.com/user_id': 'U1',
    sub: 'U1',
    ...forged.claims,
  })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setIssuer(forged.issuer ?? issuer)
    .setAudience(forged.audience ?? '1.2')
    .setIssuedAt(seconds())
    .setExpirationTime(forged.expires ?? seconds() + 300)
    .sign(forged.by ?? (await keys).privateKey);
}
/** From the beginning of a sign-in to its end, with what Slack answers. */
async function signIn(forged: Forged = {}, said?: { status: number; body: unknown }) {
  const slack = here();
  const begun = await slack.begin(returnTo, 'the-state');
  answer = async () =>
    said ?? {
      status: 200,
      body: {
        ok: true,
        access_token: 'xoxp-1',
        token_type: 'Bearer',
        id_token: await idToken(begun.nonce, forged),
      },
    };
  return slack.finish(`${returnTo}?code=c&state=the-state`, { state: 'the-state', ...begun });
}

describe('Sign in with Slack', () => {
  it('says who somebody is by the signed token alone', async () => {
    expect(await signIn()).toEqual({ slackId: 'U1' });
    expect(Object.fromEntries(asked[0]!)).toMatchObject({
      grant_type: 'authorization_code',
      client_id: '1.2',
      client_secret: 'the-secret',
      redirect_uri: returnTo,
    });
  });

  it('uses PKCE where it is offered, and not where it is not', async () => {
    expect((await here().begin(returnTo, 's')).verifier).toBeNull();
    offersPkce = true;
    const { url, verifier } = await here().begin(returnTo, 's');
    expect(verifier).not.toBeNull();
    expect(new URL(url).searchParams.get('code_challenge_method')).toBe('S256');
    await signIn();
    expect(asked.at(-1)!.get('code_verifier')!.length).toBeGreaterThan(40);
  });

  it.each<[string, Forged | (() => Promise<Forged>)]>([
    ['another audience', { audience: '9.9' }],
    ['another issuer', { issuer: 'https://slack.example.com' }],
    ['another nonce, as a replayed token has', { claims: { nonce: 'of an earlier sign-in' } }],
    ['no nonce', { claims: { nonce: undefined } }],
    ['an end in the past', { expires: 1_000_000_000 }],
    ['a signature by another key', async () => ({ by: (await others).privateKey })],
    ['another workspace', { claims: { 'https://slack.com/team_id': 'T2' } }],
    ['no workspace', { claims: { 'https://slack.com/team_id': undefined } }],
    ['another subject than its user', { claims: { sub: 'U2' } }],
  ])('believes no token with %s', async (_what, forged) => {
    expect(await signIn(typeof forged === 'function' ? await forged() : forged)).toEqual({
      refused: expect.any(String),
    });
  });

  it.each([
    ['an error in Slack’s way, with status 200', { status: 200, body: { ok: false, error: 'invalid_code' } }],
    ['no id_token', { status: 200, body: { ok: true, access_token: 'x', token_type: 'Bearer' } }],
    ['an unsigned id_token', { status: 200, body: { access_token: 'x', token_type: 'Bearer', id_token: 'e30.e30.' } }],
  ])('believes nothing after %s', async (_what, said) => {
    expect(await signIn({}, said)).toEqual({ refused: expect.any(String) });
  });

  it('refuses another state, no code, and a "no" at Slack, without asking for a token', async () => {
    const slack = here();
    const begun = { state: 'the-state', ...(await slack.begin(returnTo, 'the-state')) };
    for (const query of ['code=c&state=other', 'state=the-state', 'error=access_denied&state=the-state', 'code=c'])
      expect(await slack.finish(`${returnTo}?${query}`, begun)).toEqual({ refused: expect.any(String) });
    expect(asked).toEqual([]);
  });

  it('is in trouble, not refused, while Slack cannot be reached, and names no code or secret then', async () => {
    await expect(signIn({}, { status: 503, body: { error: 'later' } })).rejects.toThrow(/cannot be reached/);
    const away = slackSignIn({ issuer: 'http://127.0.0.1:9', clientId: '1', clientSecret: 'hidden', teamId: 'T1' });
    await expect(away.begin(returnTo, 's')).rejects.toThrow(/cannot be reached/);
    await expect(away.begin(returnTo, 's')).rejects.not.toThrow(/hidden/);
  });

  it('never goes to another machine without TLS', async () => {
    const plain = slackSignIn({ issuer: 'http://slack.example.com', clientId: '1', clientSecret: 's', teamId: 'T1' });
    await expect(plain.begin(returnTo, 's')).rejects.toThrow(/cannot be reached \(OAUTH_HTTP_REQUEST_FORBIDDEN\)/);
  });

  it('says what has to be set where it is not set up', () => {
    expect(slackSignIn(null).whyNot).toContain('SLACK_CLIENT_ID');
  });
});
