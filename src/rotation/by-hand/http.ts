import { type HttpDoor, type PageAnswer, type PageAsk, toldOf } from '../../doors.ts';
import { type Html, htmlHeaders, style, stylePath } from '../../html.ts';
import { type Id, isId, Refusal, Secret, sha256 } from '../../kernel.ts';
import type { Ports } from '../../ports.ts';
import { formOf, handIn } from './hand-in.ts';
import { linkMinutes } from './hand-in-model.ts';
import { doorPage, formPage, onTheWayPage, saidPage, usedPage } from './pages.ts';
import { beginSignIn, finishSignIn, linkOfState, lookAtLink, signedInPath } from './sign-in.ts';

const statusOf = { invalid: 422, not_found: 404, not_allowed: 403, conflict: 409 } as const;
const shown = (status: number, body: Html, headers: PageAnswer['headers'] = {}): PageAnswer => ({
  status,
  headers: { ...htmlHeaders, ...headers },
  body,
});
/** After a POST, so that nothing of it is in the browser's history or sent again. */
const goTo = (path: string, headers: PageAnswer['headers'] = {}): PageAnswer => ({
  status: 303,
  headers: { ...htmlHeaders, location: path, ...headers },
});

/**
 * The page where a person hands in the value that they have made: an address for one person, a sign-in that proves who
 * looks, one form. A GET never changes anything, so that what fetches links on its own uses nothing up; the answer of
 * the sign-in excepted, which nobody has but who has signed in.
 */
export function handInOverHttp(door: HttpDoor, ports: Ports): void {
  const secure = () => ports.address('/').startsWith('https:');
  /** A name for each link, so that two can be open in one browser. `__Host-` keeps other hosts from setting it. */
  const cookieOf = (id: string) => `${secure() ? '__Host-' : ''}hand-in-${id.slice(4)}`;
  const cookie = (id: string, value: string, seconds: number) =>
    `${cookieOf(id)}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure() ? '; Secure' : ''}`;
  const sessionIn = ({ headers }: PageAsk, id: string) =>
    new RegExp(`(?:^|;\\s*)${cookieOf(id)}=([\\w-]{43})(?:;|$)`).exec(headers.cookie ?? '')?.[1] ?? '';

  const linkIn = ({ params: { id } }: PageAsk): Id<'handIn'> => {
    if (!isId('handIn', id)) throw new Refusal('not_found', 'There is no such page.');
    return id;
  };

  /** Every answer is a page, also that something went wrong. */
  const answered =
    (run: (ask: PageAsk) => Promise<PageAnswer>) =>
    async (ask: PageAsk): Promise<PageAnswer> => {
      // Written by another site, whatever it says.
      const crossSite = ['cross-site', 'same-site'].includes(ask.headers['sec-fetch-site'] ?? '');
      try {
        if (crossSite && ask.method === 'POST') throw new Refusal('not_allowed', 'This was sent by another site.');
        return await run(ask);
      } catch (error) {
        if (error instanceof Refusal) {
          const { why, ask: whom } = await toldOf(ports.store, error, null);
          return shown(statusOf[error.code], saidPage('This did not work', `${why} ${whom}`.trim()));
        }
        const sentence = 'Something went wrong on our side; nothing was finished. Try again in a minute.';
        return { ...shown(503, saidPage('This did not work', sentence)), trouble: error };
      }
    };

  door.page('GET', stylePath, async () => ({
    status: 200,
    headers: { 'content-type': 'text/css; charset=utf-8', 'cross-origin-resource-policy': 'same-origin' },
    body: style,
  }));

  door.page(
    'GET',
    signedInPath,
    answered(async (ask) => {
      const state = ask.query.get('state') ?? '';
      const id = linkOfState(state);
      if (!isId('handIn', id)) throw new Refusal('not_found', 'There is no such page.');
      const session = await finishSignIn(ports, id, { session: sessionIn(ask, id), state, query: ask.query });
      return goTo(`/hand-in/${id}`, { 'set-cookie': cookie(id, session, linkMinutes * 60) });
    }),
  );

  door.page(
    'GET',
    '/hand-in/:id/:token',
    answered(async (ask) => {
      const id = linkIn(ask);
      await lookAtLink(ports, id, ask.params.token!);
      if (ports.signIn.whyNot) return shown(503, saidPage('Nobody can sign in yet', ports.signIn.whyNot));
      return shown(200, doorPage(`/hand-in/${id}/${ask.params.token!}`));
    }),
  );

  door.page(
    'POST',
    '/hand-in/:id/:token/sign-in',
    answered(async (ask) => {
      const id = linkIn(ask);
      const { url, session } = await beginSignIn(ports, id, ask.params.token!);
      return shown(200, onTheWayPage(url), { 'set-cookie': cookie(id, session, linkMinutes * 60) });
    }),
  );

  door.page(
    'GET',
    '/hand-in/:id',
    answered(async (ask) => {
      const id = linkIn(ask);
      const session = sessionIn(ask, id);
      const form = await formOf(ports, id, session);
      return shown(200, form === 'used' ? usedPage() : formPage(form, await csrfOf(session), ports));
    }),
  );

  door.page(
    'POST',
    '/hand-in/:id',
    answered(async (ask) => {
      const id = linkIn(ask);
      const session = sessionIn(ask, id);
      if (!session || ask.fields.csrf !== (await csrfOf(session))) {
        throw new Refusal('not_allowed', 'This form was not opened in this browser, or is too old. Open it again.');
      }
      try {
        await handIn(ports, id, session, ask.secrets.value ?? new Secret(''));
      } catch (error) {
        // What is wrong with the value is kept with the link, and shown over the form again.
        if (!(error instanceof Refusal && error.field === 'value')) throw error;
      }
      return goTo(`/hand-in/${id}`);
    }),
    { secrets: ['value'] },
  );
}

/** Derived from what only the cookie holds; another site can neither read nor make it. */
const csrfOf = (session: string) => sha256(`hand-in/csrf/${session}`);
