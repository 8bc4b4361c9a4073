import { after, day, type Instant, minute, type Secret } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import { endsTheOldAtOnce, type ProviderSettings } from '../../provider-settings.ts';
import { answerMs, at, instantAt, listAt, type Means, ofWhichKey, path, talkingTo, textAt } from './call.ts';
import { allPages, listed, provider } from './provider.ts';

const isActive = (token: unknown) => at(token, '/active') === true && at(token, '/revoked') !== true;
/** GitLab's clock and ours may differ by less. */
const clocksMs = 5 * minute;

/**
 * GitLab access tokens of a project, a group or a user. By default a new one is made and the old one revoked. With
 * `method: rotate` GitLab's own rotation is used, which is the only way to a new personal token: it ends the old token at
 * the call, the new one keeps its name, and whoever rotates a token that was rotated ends its successors too. So it is asked
 * to rotate only what was just seen active, and a try whose answer was lost is continued with its successor.
 * https://docs.gitlab.com/api/project_access_tokens/ https://docs.gitlab.com/api/personal_access_tokens/
 */
export function gitlab(name: string, settings: ProviderSettings<'gitlab'>, means: Means): Issuer {
  const api = { ...settings, baseUrl: `${settings.baseUrl.replace(/\/+$/, '')}/api/v4` };
  const { as, admin, must } = talkingTo(name, api, means, (value) => ({ 'private-token': value.reveal() }));
  const { of, id, scopes, accessLevel = 30 } = settings;
  const tokens = of === 'personal' ? '/personal_access_tokens' : path`/${`${of}s`}/${id!}/access_tokens`;
  const rotates = endsTheOldAtOnce(settings);
  const self = (value: Secret) => as(value, { path: '/personal_access_tokens/self' });
  const tokenOf = async (tokenId: string) =>
    (await must('look for a token', { path: tokens + path`/${tokenId}` }, [200, 404])).body;
  const expires = () => ({ expires_at: new Date(Date.now() + settings.lifetimeDays * day).toISOString().slice(0, 10) });
  const all = (query: Record<string, string | undefined>) =>
    allPages(name, async (page) => {
      const { body, headers } = await must('list tokens', {
        path: tokens,
        query: { ...query, per_page: 100, page: page ?? '1' },
      });
      return { rows: listAt(body, ''), next: headers.get('x-next-page') || null };
    });
  /** An administrator is shown the tokens of everybody. */
  const userOf = async (tokenId: string | null) =>
    of === 'personal' && tokenId ? (textAt(await tokenOf(tokenId), '/user_id') ?? undefined) : undefined;

  const frame = provider({
    name,
    settings,
    overlap: rotates ? 'none' : 'many',
    create: (_key, label, replaces) =>
      rotates
        ? admin({ method: 'POST', path: tokens + path`/${replaces!}/rotate`, body: expires() })
        : admin({
            method: 'POST',
            path: tokens,
            body: { name: label, scopes, access_level: accessLevel, ...expires() },
          }),
    made: ({ body }) => ({
      value: textAt(body, '/token'),
      providerKeyId: textAt(body, '/id'),
      expiresAt: instantAt(body, '/expires_at'),
    }),
    list: async (key) =>
      (await all({ user_id: await userOf(key.providerKeyId) })).map((each) =>
        listed(each, '/id', '/name', isActive(each)),
      ),
    async identify(_key, value) {
      const { status, body } = ofWhichKey(name, await self(value));
      return status === 200 ? textAt(body, '/id') : null;
    },
    probe: (_key, value) => self(value),
    judge({ status, body }) {
      if (status === 200) return 'works';
      if (status === 401) return 'refused';
      // GitLab knows the token, and would say 401 if it did not.
      return status === 403 && textAt(body, '/error') === 'insufficient_scope' ? 'works' : 'unclear';
    },
    async revoke(_key, tokenId) {
      await must('revoke a token', { method: 'DELETE', path: tokens + path`/${tokenId}` }, [204, 404]);
    },
    lastUsed: async (_key, tokenId) => instantAt(await tokenOf(tokenId), '/last_used_at'),
  });
  if (!rotates) return frame;

  /**
   * Active tokens of the same name that were made while it was asked for one: what this one was rotated to may be among them,
   * and has not been used then, because nobody has its value. What was made at another time a person has made.
   */
  async function successorsOf(
    token: unknown,
    { from, to }: { from: Instant; to: Instant },
  ): Promise<{ tokenId: string; isUsed: boolean }[]> {
    const [earliest, latest] = [after(from, -clocksMs), after(to, answerMs + clocksMs)];
    const called = textAt(token, '/name') ?? undefined;
    const user_id = of === 'personal' ? (textAt(token, '/user_id') ?? undefined) : undefined;
    const rows = await all({ user_id, state: 'active', search: called });
    return rows.flatMap((each) => {
      const madeAt = instantAt(each, '/created_at');
      const isOne = isActive(each) && textAt(each, '/name') === called;
      const isOfThen = madeAt !== null && madeAt >= earliest && madeAt <= latest;
      const tokenId = textAt(each, '/id');
      const isUsed = textAt(each, '/last_used_at') !== null;
      return isOne && isOfThen && tokenId && tokenId !== textAt(token, '/id') ? [{ tokenId, isUsed }] : [];
    });
  }
  return {
    ...frame,
    // A token keeps the name that a person has given it, whoever rotates it.
    find: async () => [],
    create: async (key, label, replaces) =>
      replaces
        ? frame.create(key, label, replaces)
        : { refused: `${name} makes a new token only in place of one that is active.` },
    async replaceable(_key, { providerKeyId, asked }) {
      const token = await tokenOf(providerKeyId);
      const byHand = `Make a new one there by hand, store it as the current value of the secret, then start again.`;
      if (!asked) {
        return isActive(token)
          ? { providerKeyId }
          : { refused: `Token ${providerKeyId} is not active at ${name}, so it cannot be rotated. ${byHand}` };
      }
      const made = await successorsOf(token, asked);
      if (isActive(token)) {
        if (made.length === 0) return { providerKeyId };
        // A replica that lags shows both; to rotate the old one now would end the new one.
        throw new Error(
          `${name} shows token ${providerKeyId} as active beside ${made.map((each) => each.tokenId).join(', ')} of the same name, so it is not certain which of them counts`,
        );
      }
      const found = made.flatMap(({ tokenId, isUsed }) => (isUsed ? [] : [tokenId]));
      if (found.length === 1) return { providerKeyId: found[0]! };
      const why = `Token ${providerKeyId} has ended at ${name}`;
      return found.length === 0
        ? { refused: `${why}, and no active token of its name was made by that call. ${byHand}` }
        : {
            refused: `${why}, and ${found.length} active ones of its name have been made since (${found.join(', ')}): which took its place cannot be told. Revoke those that nobody uses, then press Retry.`,
          };
    },
  };
}
