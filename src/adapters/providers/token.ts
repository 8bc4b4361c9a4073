import { Secret } from '../../kernel.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { type Answer, expected, isTurnedDown as isDenied, type Talk, textAt, waitMs } from './call.ts';
import type { Credentials } from './credentials.ts';
import { credentialPair } from './pair.ts';

type TokenSettings = NonNullable<ProviderSettings<'http'>['token']>;

/** Shorter than a call with it: whoever waits for stragglers counts on the end of both. */
const tokenMs = 4_000;

/** A limit is said by 403 as well. What else is wrong with the call is no word on the client (RFC 6749, 5.2). */
const isTurnedDown = (answer: Answer) => waitMs(answer) === null && (isDenied(answer) || isNoClient(answer));
const isNoClient = ({ status, body }: Answer) =>
  status === 400 && ['invalid_client', 'unauthorized_client'].includes(textAt(body, '/error') ?? '');

/**
 * Credentials that are no more than the id and the secret of a client: calls are made with the token that they are changed
 * for (RFC 6749, 4.4). It is remembered for as long as the credential itself, which is seconds: no token ends sooner.
 */
export function changedForTokens(
  name: string,
  { url, scope, fields }: TokenSettings,
  ask: Talk['ask'],
  credentials: Credentials,
): Credentials {
  const tokens = new WeakMap<Secret, Promise<Secret | Answer>>();

  /** The token; or the answer by which the credential was turned down, as a call with it would have been. */
  async function changed(credential: Secret, secretId: string): Promise<Secret | Answer> {
    const { id, secret } = credentialPair(credential, secretId, fields);
    const asked = { grant_type: 'client_credentials', client_id: id, client_secret: secret };
    const body = new URLSearchParams({ ...asked, ...(scope ? { scope } : {}) });
    const answer = await ask({ method: 'POST', path: url, body, withinMs: tokenMs });
    if (isTurnedDown(answer)) return { status: 401, body: null, headers: answer.headers };
    const token = textAt(expected(name, 'ask for a token', answer, [200]).body, '/access_token');
    if (!token) throw new Error(`${name}, ask for a token: there is none in the answer.`);
    return new Secret(token);
  }
  function tokenFor(credential: Secret, secretId: string): Promise<Secret | Answer> {
    const known = tokens.get(credential);
    if (known) return known;
    const made = changed(credential, secretId);
    tokens.set(credential, made);
    const forget = () => tokens.delete(credential);
    made.then((each) => each instanceof Secret || forget(), forget);
    return made;
  }
  return {
    using: (of, call, isTurnedDown) =>
      credentials.using(
        of,
        async (credential) => {
          const token = await tokenFor(credential, of.secretId);
          // Only answers of this adapter's own calls go through here.
          return token instanceof Secret ? call(token) : (token as Awaited<ReturnType<typeof call>>);
        },
        isTurnedDown,
      ),
  };
}
