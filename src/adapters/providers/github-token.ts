import { createHash } from 'node:crypto';
import type { Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { expected, type Means, talkingTo } from './call.ts';
import { byToken, inGithubsWords } from './github.ts';
import { provider } from './provider.ts';

/** What GitHub revokes for whoever holds it: personal access tokens, and tokens of apps for a user. */
const revocable = /^(ghp|gho|ghu|ghr|github_pat)_\w+$/;

/**
 * Tokens of people at GitHub. Only a person can make one; whoever holds it can try it and have it revoked for good, with
 * no other credential. GitHub calls a token by the hash of it, as in its audit log.
 * https://docs.github.com/en/rest/credentials/revoke
 */
export function githubToken(name: string, settings: ProviderSettings<'github-token'>, means: Means): Issuer {
  const { ask, as } = talkingTo(name, { ...settings, credential: null }, means, byToken);
  return provider({
    name,
    settings: { ...settings, credential: null },
    async identify(_key, value) {
      const text = value.reveal();
      return revocable.test(text) ? createHash('sha256').update(text).digest('base64') : null;
    },
    probe: (_key, value) => as(value, { path: '/user' }),
    async revoke(_key, _id, read) {
      const value = await read?.();
      if (!value) throw new Error(`${name} revokes a token only for whoever shows it, and its value is gone`);
      const body = { credentials: [value.reveal()] };
      // Shown with a credential, GitHub would refuse it.
      const answer = await ask({ method: 'POST', path: '/credentials/revoke', headers: inGithubsWords, body });
      expected(name, 'revoke a token', answer, [202]);
    },
  });
}
