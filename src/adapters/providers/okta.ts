import { createHash } from 'node:crypto';
import type { Secret } from '../../kernel.ts';
import type { IssuedKey, Issuer } from '../../ports.ts';
import type { ProviderSettings } from '../../provider-settings.ts';
import { at, expected, instantAt, listAt, type Means, path, segment, talkingTo, textAt } from './call.ts';
import { documentIn, type Form, providerOfForm } from './document.ts';
import { basic } from './pair.ts';
import { leftBehind } from './unlabelled.ts';

/**
 * Client secrets of one application at Okta, of which there are two at most. They have no names; which of them a value is
 * can be told by what the list shows of it. One has to be inactive before it can be deleted, and the last active one stays.
 * https://developer.okta.com/docs/guides/client-secret-rotation-key/main/
 */
export function okta(name: string, settings: ProviderSettings<'okta'>, means: Means): Issuer {
  const { ask, admin, must } = talkingTo(name, settings, means, (token) => ({
    authorization: `SSWS ${token.reveal()}`,
  }));
  const secrets = path`/api/v1/apps/${settings.app}/credentials/secrets`;
  const clientId = settings.clientId ?? settings.app;
  const form = valueOrDocument(clientId, settings.fields);

  async function all(): Promise<unknown[]> {
    return listAt((await must('list client secrets', { path: secrets })).body, '');
  }
  const rowOf = async (id: string) => (await all()).find((each) => textAt(each, '/id') === id);
  const isActive = (row: unknown) => at(row, '/status') === 'ACTIVE';
  const listed = (row: unknown): IssuedKey => ({
    providerKeyId: textAt(row, '/id') ?? '',
    label: null,
    active: isActive(row),
  });
  async function turn(id: string, on: boolean, statuses: number[]): Promise<void> {
    const doing = on ? 'activate' : 'deactivate';
    const answer = await admin({ method: 'POST', path: `${secrets}/${segment(id)}/lifecycle/${doing}` });
    if (!on && answer.status === 400) {
      // Another try may have deactivated it a moment ago.
      const row = await rowOf(id);
      if (!row || !isActive(row)) return;
      throw new Error(
        `${name} deactivates no client secret that is the only active one of its application, as ${id} is. Make or activate another one there, then press Retry.`,
      );
    }
    expected(name, `${doing} a client secret`, answer, statuses);
  }

  const issuer = providerOfForm<string>(
    {
      name,
      settings,
      overlap: 'two',
      keyLimit: 2,
      unlabelled: true,
      async create() {
        const answer = await admin({ method: 'POST', path: secrets, body: {} });
        // Fewer were listed a moment ago: another one has come since, and it may be ours.
        if (answer.status === 400 && /maximum number/i.test(textAt(answer.body, '/errorCauses/0/errorSummary') ?? '')) {
          return { notYet: `${name} counts more client secrets of ${settings.app} than it lists` };
        }
        return answer;
      },
      made: ({ body }) => ({
        value: textAt(body, '/client_secret'),
        providerKeyId: textAt(body, '/id'),
        expiresAt: null,
      }),
      list: async () => (await all()).map(listed),
      async identify(_key, secret) {
        const found = (await all()).find((each) => isShownAs(secret, each));
        return found ? textAt(found, '/id') : null;
      },
      // Whoever asks about a token has to say who they are, and gets none for it.
      probe(secret) {
        const token = { token: 'keysteward', token_type_hint: 'access_token' };
        const inBody = settings.clientAuthentication === 'client_secret_post';
        return ask({
          method: 'POST',
          path: '/oauth2/v1/introspect',
          headers: inBody ? {} : basic({ id: clientId, secret }),
          body: new URLSearchParams(inBody ? { ...token, client_id: clientId, client_secret: secret } : token),
        });
      },
      judge({ status, body }) {
        if (status === 200) return typeof at(body, '/active') === 'boolean' ? 'works' : 'unclear';
        // It says the same, in other words, of a client that it does not know, and of a secret that it did not see.
        return status === 401 &&
          at(body, '/error') === 'invalid_client' &&
          !/client_id|no client credentials/i.test(textAt(body, '/error_description') ?? '')
          ? 'refused'
          : 'unclear';
      },
      async revoke(_key, id) {
        const row = await rowOf(id);
        if (!row) return;
        if (isActive(row)) await turn(id, false, [200, 404]);
        await must('delete a client secret', { method: 'DELETE', path: `${secrets}/${segment(id)}` }, [204, 404]);
      },
      async enable(_key, id, on) {
        const row = await rowOf(id);
        if (!row || isActive(row) !== on) await turn(id, on, [200]);
      },
    },
    form,
    means,
  );
  return {
    ...issuer,
    // What was deactivated and not deleted is left behind as well: it takes up one of two places.
    find: (key, _labels, unanswered) =>
      leftBehind(means, key, unanswered, async () =>
        (await all()).map((row) => ({
          key: listed(row),
          madeAt: instantAt(row, '/created'),
          isOf(value: Secret) {
            const secret = form.read(value);
            return secret !== null && isShownAs(secret, row);
          },
        })),
      ),
  };
}

/** The secret alone, or a JSON document of which it is a field. One with another client's id belongs elsewhere. */
function valueOrDocument(clientId: string, fields: { id: string; secret: string }): Form<string> {
  return {
    read(value) {
      const document = documentIn(value);
      // Half a document is no secret either.
      if (!document) return /^(?![[{"])[\x21-\x7e]+$/.test(value.reveal()) ? value.reveal() : null;
      const [id, secret] = [document[fields.id] ?? clientId, document[fields.secret]];
      return id === clientId && typeof secret === 'string' && secret !== '' ? secret : null;
    },
    write: (before, { value }) =>
      before ? JSON.stringify({ ...before, [fields.secret]: value.reveal() }) : value.reveal(),
    otherwise: `neither a value alone nor a JSON document with ${fields.secret} for ${clientId}`,
  };
}

/** The list shows a secret by a hash, the first half of its SHA-256, and some organizations' also as it is. */
function isShownAs(secret: string, row: unknown): boolean {
  const hash = createHash('sha256').update(secret).digest().subarray(0, 16).toString('base64url');
  return textAt(row, '/secret_hash') === hash || textAt(row, '/client_secret') === secret;
}
