import * as oidc from 'openid-client';
import type { SignIn } from '../ports.ts';

export interface SignInOptions {
  /** `https://slack.com`; another for the local Slack. Everything else is found there. */
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** The workspace whose people are believed. */
  teamId: string;
  timeoutSeconds?: number;
}

const teamClaim = 'https://slack.com/team_id';
const userClaim = 'https://slack.com/user_id';

/**
 * Sign in with Slack: OpenID Connect with the authorization code flow, state and nonce, and PKCE where the server offers
 * it. Who somebody is comes from the signed id_token alone; e-mail addresses are not asked for and prove nothing.
 * https://docs.slack.dev/authentication/sign-in-with-slack/
 */
export function slackSignIn(options: SignInOptions | null): SignIn {
  let found: Promise<oidc.Configuration> | undefined;

  /** Asked for at the first sign-in, and again after it could not be found. */
  function configuration({ issuer, clientId, clientSecret, timeoutSeconds = 5 }: SignInOptions) {
    const server = new URL(issuer);
    const insecure = server.protocol === 'http:' && /^(127\.0\.0\.1|localhost|\[::1\])$/.test(server.hostname);
    found ??= oidc
      .discovery(server, clientId, undefined, oidc.ClientSecretPost(clientSecret), {
        timeout: timeoutSeconds,
        // The signature too, which the package leaves out for a token that came straight from the server.
        execute: [oidc.enableNonRepudiationChecks, ...(insecure ? [oidc.allowInsecureRequests] : [])],
      })
      .catch((error: unknown) => {
        found = undefined;
        throw outage(error);
      });
    return found;
  }

  return {
    whyNot: options
      ? null
      : 'Sign in with Slack is not set up, so nobody can prove who they are on a page. Set SLACK_CLIENT_ID and SLACK_CLIENT_SECRET (in Slack: Basic Information, App Credentials), and add the address PUBLIC_URL/hand-in/signed-in under OAuth & Permissions, Redirect URLs.',

    async begin(returnTo, state) {
      if (!options) throw new Error('sign-in is not set up');
      const server = await configuration(options);
      const nonce = oidc.randomNonce();
      const verifier = server.serverMetadata().supportsPKCE() ? oidc.randomPKCECodeVerifier() : null;
      const url = oidc.buildAuthorizationUrl(server, {
        redirect_uri: returnTo,
        scope: 'openid',
        team: options.teamId,
        state,
        nonce,
        ...(verifier
          ? { code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256' }
          : {}),
      });
      return { url: url.toString(), nonce, verifier };
    },

    async finish(returnedTo, { state, nonce, verifier }) {
      if (!options) throw new Error('sign-in is not set up');
      const server = await configuration(options);
      try {
        const tokens = await oidc.authorizationCodeGrant(server, new URL(returnedTo), {
          expectedState: state,
          expectedNonce: nonce,
          idTokenExpected: true,
          ...(verifier ? { pkceCodeVerifier: verifier } : {}),
        });
        const claims = tokens.claims();
        const slackId = claims?.[userClaim] ?? claims?.sub;
        if (claims?.[teamClaim] !== options.teamId) return { refused: 'They signed in to another workspace.' };
        if (typeof slackId !== 'string' || (claims.sub !== slackId && claims.sub !== `${options.teamId}-${slackId}`)) {
          return { refused: 'Slack does not say who they are.' };
        }
        return { slackId };
      } catch (error) {
        if (!isRefusal(error)) throw outage(error);
        return { refused: `Slack's answer was not accepted (${codeOf(error)}).` };
      }
    },
  };
}

function codeOf(error: unknown): string {
  const { error: said, code } = (error ?? {}) as { error?: unknown; code?: unknown };
  return typeof said === 'string' ? said : typeof code === 'string' ? code : 'unknown';
}

/** What the server said, or what is wrong with it; a server that cannot be reached says nothing. */
function isRefusal(error: unknown): boolean {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError) return true;
  const code = codeOf(error);
  return error instanceof oidc.ClientError && !/TIMEOUT|ABORT|RESPONSE_IS_NOT_CONFORM/.test(code);
}

/** Without the request, which holds the code and the client's secret. */
function outage(error: unknown): Error {
  return new Error(`Sign in with Slack cannot be reached (${codeOf(error)})`);
}
