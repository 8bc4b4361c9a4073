import { describe, expect, it } from 'vitest';
import { slackSignIn } from '../../src/adapters/sign-in.ts';
import { Secret } from '../../src/kernel.ts';
import type { Secrets } from '../../src/ports.ts';
import { handIn } from '../../src/rotation/by-hand/hand-in.ts';
import { handInOverHttp } from '../../src/rotation/by-hand/http.ts';
import { waitsNow } from '../../src/rotation/by-hand/model.ts';
import { openHandIn } from '../../src/rotation/by-hand/open-hand-in.ts';
import { handBack, takeOn } from '../../src/rotation/by-hand/take.ts';
import { rollBackRotation } from '../../src/rotation/roll-back.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { aNewKey, signInAtSlack, useHandIn, Visitor } from '../rotation/by-hand/hand-in-stage.ts';
import { refusalsOf, tablesOf } from '../support/abuse.ts';
import { useWeb } from '../support/web.ts';

const stage = useHandIn();
/** Gives out as many pages a minute as it does for everybody. */
const strict = useWeb();
const pool = () => stage.database.store.pool;
const linkOf = (url: string) => /hnd_[0-9a-z]{26}/.exec(url)![0];
const linkRow = async (url: string) => stage.database.store.read((view) => view.handIns.get(linkOf(url)));
/** Everything that a link and its rotation are made of. */
const factsOf = async (url: string) => {
  const link = await linkRow(url);
  return JSON.stringify([link, await stage.rotation(link.rotationId)]);
};
/** A value that Anthropic knows and nobody has handed in. */
function made(): string {
  const value = aNewKey();
  stage.anthropic.world.make('made in the Console', value);
  return value;
}
async function signedInForm(person = stage.owner) {
  const here = await stage.waiting('anthropic', { owner: person });
  const visitor = new Visitor();
  const link = await stage.linkFor(person, here.id);
  const form = await stage.signIn(visitor, link, person);
  expect(form.status).toBe(200);
  return { ...here, visitor, link, at: form.at, ...(await sessionOf(visitor, link)) };
}
async function sessionOf(visitor: Visitor, link: string) {
  const cookie = visitor.cookies.get(`${stage.home} hand-in-${linkOf(link).slice(4)}`)!;
  return { session: cookie.split('=')[1]!, linkId: linkOf(link) as `hnd_${string}` };
}
const versionsOf = async (secretId: string) =>
  Object.keys((await stage.bot.describeSecret({ SecretId: secretId })).VersionIdsToStages ?? {}).length;

describe('a one-time link', () => {
  it('is not used up by whatever fetches it: Slackbot, SafeLinks, curl with HEAD or OPTIONS, a thousand looks', async () => {
    const { id } = await stage.waiting();
    const link = await stage.linkFor(stage.owner, id);
    const before = await factsOf(link);
    const agents = [
      'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)',
      'Microsoft Office SafeLinks',
      'curl/8',
    ];
    for (const agent of agents) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'GET']) {
        const answer = await fetch(link, { method, headers: { 'user-agent': agent } });
        expect(answer.status).toBe(['GET', 'HEAD'].includes(method) ? 200 : 405);
        expect(answer.headers.get('set-cookie')).toBeNull();
      }
    }
    expect(await factsOf(link)).toBe(before);
    const visitor = new Visitor();
    const { at } = await stage.signIn(visitor, link, stage.owner);
    expect((await stage.handIn(visitor, at, made())).text).toContain('The new key was handed in');
  });

  it('shows nothing of the key before somebody has signed in, and neither runs nor loads anything', async () => {
    const { id, key } = await stage.waiting();
    const visitor = new Visitor();
    const { text, headers } = await visitor.ask(await stage.linkFor(stage.owner, id));
    for (const word of [key.name, key.service, key.secretId!, 'Olu', id]) expect(text).not.toContain(word);
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'content-security-policy':
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    });
    expect(text).not.toMatch(/<script|\son\w+=|javascript:|<img|<iframe/i);
    expect([...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, each]) => each)).toEqual(['/hand-in/style.css']);
  });

  it('is stored as a hash: neither its token nor a session is in Postgres', async () => {
    const { link, session } = await signedInForm();
    const token = link.split('/').at(-1)!;
    expect(token).toMatch(/^[\w-]{43}$/);
    const dump = await everyRow();
    expect(dump).toContain(linkOf(link));
    for (const secret of [token, session]) expect(dump).not.toContain(secret);
    expect(stage.logged.join('\n')).not.toContain(token);
  });

  it('that is guessed at is locked after five tries, for its owner too', async () => {
    const { id } = await stage.waiting();
    const link = await stage.linkFor(stage.owner, id);
    const wrong = `${link.slice(0, -5)}AAAAA`;
    for (let i = 0; i < 5; i++) {
      expect((await fetch(link)).status).toBe(200);
      expect((await fetch(wrong, i % 2 ? {} : { method: 'HEAD' })).status).toBe(404);
    }
    expect((await fetch(link)).status).toBe(404);
    expect((await fetch(`${link}/sign-in`, { method: 'POST' })).status).toBe(404);
    expect(await linkRow(link)).toMatchObject({ status: 'ended', guesses: 5 });
    expect((await fetch(await stage.linkFor(stage.owner, id))).status).toBe(200);
  });

  it('is over after ten minutes, at the look, at the sign-in and at the submit', async () => {
    const { at, visitor, link, linkId } = await signedInForm();
    const { text } = await visitor.ask(at);
    const csrf = /name="csrf" value="([^"]+)"/.exec(text)![1]!;
    await pool().query('update hand_in set ends_at = now() where id = $1', [linkId]);
    const answers = [
      await visitor.ask(link),
      await visitor.post(`${link}/sign-in`, {}),
      await visitor.ask(at),
      await visitor.post(at, { csrf, value: made() }),
    ];
    expect(answers.map((each) => each.status)).toEqual([404, 404, 404, 404]);
    for (const each of answers) expect(each.text).toContain('This link is over.');
    const { id } = await stage.rotation((await linkRow(link)).rotationId);
    expect(waitsNow(await stage.rotation(id))).toMatchObject({ task: 'hand-in' });
  });

  it('takes one value, and a newer link ends it', async () => {
    const { at, visitor, link, id } = await signedInForm();
    const second = await stage.linkFor(stage.owner, id);
    expect((await fetch(link)).status).toBe(404);
    expect((await stage.handIn(visitor, at, made())).status).toBe(403);
    const again = new Visitor();
    const form = await stage.signIn(again, second, stage.owner);
    expect((await stage.handIn(again, form.at, made())).text).toContain('was handed in');
    expect((await fetch(second)).status).toBe(404);
    const late = await again.post(form.at, { csrf: 'x', value: made() });
    expect(late.status).toBe(403);
    await expect(openHandIn(stage.ports, stage.owner, id)).rejects.toThrow(/does not wait/);
  });

  it('of which nobody can sign in says what has to be set, on the card and on the page', async () => {
    const { id } = await stage.waiting();
    const without = { ...stage.ports, signIn: slackSignIn(null) };
    await expect(openHandIn(without, stage.owner, id)).rejects.toThrow(/SLACK_CLIENT_ID and SLACK_CLIENT_SECRET/);
    expect((await stage.rotation(id)).taken).toBeNull();
  });
});

describe('signing in', () => {
  const begin = async (link: string) => {
    const visitor = new Visitor();
    const { text } = await visitor.post(`${link}/sign-in`, {});
    return { visitor, toSlack: /content="0; url=([^"]+)"/.exec(text)![1]!.replaceAll('&amp;', '&') };
  };

  it('asks Slack with state, nonce and PKCE, for who somebody is and nothing else', async () => {
    const { id } = await stage.waiting();
    const { toSlack, visitor } = await begin(await stage.linkFor(stage.owner, id));
    const query = new URL(toSlack).searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      response_type: 'code',
      scope: 'openid',
      team: 'T0HANDIN',
      redirect_uri: `${stage.home}/hand-in/signed-in`,
      code_challenge_method: 'S256',
    });
    for (const name of ['state', 'nonce', 'code_challenge']) expect(query.get(name)!.length).toBeGreaterThan(40);
    expect(visitor.seen.join()).toContain('HttpOnly; SameSite=Lax');
  });

  it('as somebody else leads nowhere, administrators included, is on record, and uses nothing up', async () => {
    const { id } = await stage.waiting();
    const link = await stage.linkFor(stage.owner, id);
    const stranger = await stage.someone();
    for (const person of [stranger, stage.admin]) {
      const answer = await stage.signIn(new Visitor(), link, person);
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining('given to somebody else')]);
      expect(await refusalsOf(pool())).toContainEqual({
        actor: person.slackId,
        action: 'rotation.sign-in',
        subject: linkOf(link),
      });
    }
    expect((await stage.signIn(new Visitor(), link, stage.owner)).status).toBe(200);
  });

  it('counts only in the browser that began it, and once', async () => {
    const { id } = await stage.waiting();
    const link = await stage.linkFor(stage.owner, id);
    const { visitor, toSlack } = await begin(link);
    const back = await signInAtSlack(visitor, toSlack, stage.owner);
    const thief = await new Visitor().ask(back);
    expect([thief.status, thief.text]).toEqual([403, expect.stringContaining('not begun in this browser')]);
    expect((await visitor.ask(back)).status).toBe(303);
    expect((await visitor.ask(back)).status).toBe(403);
  });

  it('with another state, a code of another sign-in, or none is refused', async () => {
    const { id } = await stage.waiting();
    const link = await stage.linkFor(stage.owner, id);
    const changed = async (change: (query: URLSearchParams) => void) => {
      const { visitor, toSlack } = await begin(link);
      const back = new URL(await signInAtSlack(visitor, toSlack, stage.owner));
      change(back.searchParams);
      return (await visitor.ask(back.toString())).status;
    };
    const other = new URL(await signInAtSlack(new Visitor(), (await begin(link)).toSlack, stage.owner));
    expect(await changed((query) => query.set('state', `${linkOf(link)}.forged`))).toBe(403);
    expect(await changed((query) => query.set('state', 'forged'))).toBe(404);
    expect(await changed((query) => query.set('code', other.searchParams.get('code')!))).toBe(403);
    expect(await changed((query) => query.delete('code'))).toBe(403);
    expect(await changed((query) => query.set('error', 'access_denied'))).toBe(403);
    expect((await linkRow(link)).signedInAt).toBeNull();
    expect((await stage.signIn(new Visitor(), link, stage.owner)).status).toBe(200);
  });

  it('in a second browser ends the first: one form at a time', async () => {
    const { visitor, link, at } = await signedInForm();
    const second = new Visitor();
    expect((await stage.signIn(second, link, stage.owner)).status).toBe(200);
    expect((await visitor.ask(at)).status).toBe(403);
    expect((await stage.handIn(second, at, made())).text).toContain('was handed in');
  });
});

describe('the form', () => {
  it('sent by another site, without its own mark, or with that of another browser, does nothing', async () => {
    const { at, visitor, link } = await signedInForm();
    const { text } = await visitor.ask(at);
    const csrf = /name="csrf" value="([^"]+)"/.exec(text)![1]!;
    const value = made();
    const before = await factsOf(link);
    const other = await signedInForm();
    const foreign = /name="csrf" value="([^"]+)"/.exec((await other.visitor.ask(other.at)).text)![1]!;
    const answers = [
      await visitor.post(at, { value }),
      await visitor.post(at, { csrf: foreign, value }),
      await visitor.post(at, { csrf, value }, { 'sec-fetch-site': 'cross-site' }),
      await visitor.post(at, { csrf, value }, { 'sec-fetch-site': 'same-site' }),
      await new Visitor().post(at, { csrf, value }),
    ];
    expect(answers.map((each) => each.status)).toEqual([403, 403, 403, 403, 403]);
    expect(await factsOf(link)).toBe(before);
  });

  it('says what is wrong with a value, stores nothing, and takes the right one afterwards', async () => {
    const { at, visitor, key, old, id } = await signedInForm();
    expect((await visitor.ask(at)).text).not.toContain('maxlength');
    const dead = aNewKey();
    const good = made();
    const wrong: [string, RegExp][] = [
      ['', /was empty/],
      [` ${good}`, /begins or ends with a space/],
      [`${good.slice(0, 20)} ${good.slice(20)}`, /in its middle/],
      [old, /has already, or had/],
      ['sk-ant-api03-abc...wxyz', /masked form/],
      // A browser that counts would cut it off, and half of it would be stored.
      ['a'.repeat(20_000), /longer than 16000 bytes/],
      [dead, /anthropic does not accept it \(HTTP 401\)/],
    ];
    for (const [value, sentence] of wrong) {
      const { status, text } = await stage.handIn(visitor, at, value);
      expect([status, text]).toEqual([200, expect.stringMatching(sentence)]);
      if (value.trim()) expect(text).not.toContain(value.trim());
    }
    expect(await versionsOf(key.secretId!)).toBe(2);
    expect((await stage.handIn(visitor, at, good)).text).toContain('was handed in');
    await stage.work({ ports: stage.ports });
    expect((await stage.rotation(id)).status).toBe('done');
  });

  it('takes eight values at most', async () => {
    const { at, visitor, link } = await signedInForm();
    for (let i = 0; i < 7; i++) expect((await stage.handIn(visitor, at, aNewKey())).status).toBe(200);
    const last = await stage.handIn(visitor, at, aNewKey());
    expect([last.status, last.text]).toEqual([404, expect.stringContaining('This link is over')]);
    expect(await linkRow(link)).toMatchObject({ status: 'ended', tries: 8 });
    expect((await stage.handIn(visitor, at, made())).status).toBe(403);
  });

  it('sent twice at once, with two values, stores one, and tells the other', async () => {
    const { key, session, linkId, id } = await signedInForm();
    const values = [made(), made()];
    const both = await Promise.allSettled(
      values.map((value) => handIn(stage.ports, linkId, session, new Secret(value))),
    );
    expect(both.map((each) => each.status).sort()).toEqual(['fulfilled', 'rejected']);
    await stage.work({ ports: stage.ports });
    expect((await stage.rotation(id)).status).toBe('done');
    const winner = values[both.findIndex((each) => each.status === 'fulfilled')];
    expect((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(winner);
  });

  it.each([
    ['has left', async () => ({ sql: "update person set status = 'left' where id = $1" })],
    [
      'was made a contractor who owns nothing',
      async () => ({ sql: 'update api_key set owner_id = $2 where owner_id = $1' }),
    ],
  ])('is closed to whoever %s between the look and the submit', async (_what, how) => {
    const person = await stage.someone({ name: 'Noor' });
    const { at, visitor, key } = await signedInForm(person);
    const { text } = await visitor.ask(at);
    const csrf = /name="csrf" value="([^"]+)"/.exec(text)![1]!;
    const { sql } = await how();
    await pool().query(sql, sql.includes('$2') ? [person.id, stage.owner.id] : [person.id]);
    const { status } = await visitor.post(at, { csrf, value: made() });
    expect([403, 404]).toContain(status);
    expect([403, 404]).toContain((await visitor.ask(at)).status);
    expect(await versionsOf(key.secretId!)).toBe(2);
    const refusals = await refusalsOf(pool());
    expect(refusals.at(-1)).toMatchObject({ actor: person.id, action: 'rotation.receive' });
  });

  it('is closed once somebody else has taken it over, once it was handed back, and once the rotation was turned back', async () => {
    const taken = await signedInForm();
    await takeOn(stage.ports, stage.admin, taken.id);
    expect((await stage.handIn(taken.visitor, taken.at, made())).status).toBe(403);
    await expect(openHandIn(stage.ports, stage.owner, taken.id)).rejects.toThrow(/Somebody else has taken this/);
    await expect(takeOn(stage.ports, stage.owner, taken.id)).rejects.toThrow(/administrator can take it over/);

    const back = await signedInForm();
    await handBack(stage.ports, stage.owner, back.id);
    expect((await stage.handIn(back.visitor, back.at, made())).status).toBe(403);

    const turned = await signedInForm();
    await rollBackRotation(stage.ports, stage.owner, turned.id);
    expect((await stage.handIn(turned.visitor, turned.at, made())).status).toBe(403);
    await stage.skipTime(turned.id);
    await stage.work({ ports: stage.ports });
    expect(await stage.rotation(turned.id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
    for (const { key } of [taken, back, turned]) expect(await versionsOf(key.secretId!)).toBe(2);
  });

  it('gives way to an emergency, which asks anew', async () => {
    const { at, visitor, id, key } = await signedInForm();
    const emergency = await startRotation(stage.ports, stage.owner, {
      keyId: key.id,
      reason: 'Leaked',
      emergency: true,
    });
    await stage.work({ ports: stage.ports });
    expect((await stage.handIn(visitor, at, made())).status).toBe(403);
    await expect(openHandIn(stage.ports, stage.owner, id)).rejects.toThrow(/An emergency has taken over/);
    const again = new Visitor();
    const form = await stage.signIn(again, await stage.linkFor(stage.owner, emergency.id), stage.owner);
    expect((await stage.handIn(again, form.at, made())).text).toContain('was handed in');
    await stage.work({ ports: stage.ports });
    expect(await stage.rotation(emergency.id)).toMatchObject({ status: 'done', condition: 'new' });
  });
});

describe('trouble on the way of a value', () => {
  /** A call to the store that ends like a machine that dies. */
  const dying = (moment: 'before' | 'after'): Secrets => ({
    ...stage.ports.secrets,
    async stage(...args) {
      if (moment === 'after') await stage.ports.secrets.stage(...args);
      throw new Error('the machine died');
    },
  });

  it('before it is stored: nothing is there, the page says so, and the same link takes it once more', async () => {
    const { session, linkId, key, id, visitor, at } = await signedInForm();
    const value = made();
    const ports = { ...stage.ports, secrets: dying('before') };
    await expect(handIn(ports, linkId, session, new Secret(value))).rejects.toThrow('the machine died');
    expect(await versionsOf(key.secretId!)).toBe(2);
    await stage.skipTime(id);
    await stage.work({ ports: stage.ports });
    expect(waitsNow(await stage.rotation(id))).toMatchObject({ task: 'hand-in', nudges: 0 });
    expect((await stage.handIn(visitor, at, value)).text).toContain('was handed in');
    await stage.work({ ports: stage.ports });
    expect((await stage.rotation(id)).status).toBe('done');
  });

  it('after it is stored: it is found by the token of the attempt, and nobody is asked again', async () => {
    const { session, linkId, key, id, visitor, at } = await signedInForm();
    const value = made();
    const ports = { ...stage.ports, secrets: dying('after') };
    await expect(handIn(ports, linkId, session, new Secret(value))).rejects.toThrow('the machine died');
    // Whoever tries once more meanwhile is told, and changes nothing.
    const late = await stage.handIn(visitor, at, made());
    expect([late.status, late.text]).toEqual([409, expect.stringContaining('had stored a value already')]);
    await stage.work({ ports: stage.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', attempt: 1 });
    expect((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(value);
  });

  it('after it is stored, and nobody comes back: the rotation looks by itself', async () => {
    const { session, linkId, key, id } = await signedInForm();
    const value = made();
    const ports = { ...stage.ports, secrets: dying('after') };
    await expect(handIn(ports, linkId, session, new Secret(value))).rejects.toThrow('the machine died');
    await stage.skipTime(id);
    await stage.work({ ports: stage.ports });
    expect((await stage.rotation(id)).status).toBe('done');
    expect((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(value);
  });

  it('at the provider: nothing is stored while it cannot say whether the value works', async () => {
    const { at, visitor, key } = await signedInForm();
    const value = made();
    stage.anthropic.world.faults.push({ on: 'probe', reply: { status: 529, body: { error: value } } });
    const { text } = await stage.handIn(visitor, at, value);
    expect(text).toContain('says neither yes nor no (HTTP 529)');
    expect(text).not.toContain(value);
    expect(await versionsOf(key.secretId!)).toBe(2);
    expect((await stage.handIn(visitor, at, value)).text).toContain('was handed in');
  });

  it('at the store: the page says that nothing was finished, the log names no value, and the link lives', async () => {
    const { at, visitor, key, id } = await signedInForm();
    await stage.bot.deleteSecret({ SecretId: key.secretId! });
    const value = made();
    const { status, text } = await stage.handIn(visitor, at, value);
    expect([status, text]).toEqual([503, expect.stringContaining('nothing was finished')]);
    expect(stage.logged.join('\n')).toContain('POST /hand-in/:id failed: Secrets Manager');
    expect(stage.logged.join('\n')).not.toContain(value);
    await stage.bot.restoreSecret({ SecretId: key.secretId! });
    expect((await stage.handIn(visitor, at, value)).text).toContain('was handed in');
    await stage.work({ ports: stage.ports });
    expect((await stage.rotation(id)).status).toBe('done');
  });
});

describe('no value that was handed in', () => {
  it('is in Postgres, the log, an address or a page: not a good one, not a wrong one, not half of one', async () => {
    const { at, visitor, id, session } = await signedInForm();
    const [dead, good] = [aNewKey(), made()];
    await stage.handIn(visitor, at, dead);
    await stage.handIn(visitor, at, `${good}!`);
    await stage.handIn(visitor, at, good);
    await stage.work({ ports: stage.ports });
    expect((await stage.rotation(id)).status).toBe('done');
    const places = {
      Postgres: await everyRow(),
      'the log': stage.logged.join('\n'),
      addresses: visitor.addresses.join('\n'),
      pages: visitor.seen.join('\n'),
    };
    for (const [place, text] of Object.entries(places)) {
      expect(text.length, place).toBeGreaterThan(10);
      for (const value of [dead, good]) {
        for (const part of [
          value,
          value.slice(0, 20),
          value.slice(-20),
          Buffer.from(value).toString('base64').slice(2, -4),
        ])
          expect(text.includes(part), `${part.length} characters in ${place}`).toBe(false);
      }
    }
    expect(places.Postgres).not.toContain(session);
  });
});

describe('rubbish', () => {
  it('is answered calmly, with a page and without a trace of what is inside', async () => {
    const { link } = await signedInForm();
    const long = 'A'.repeat(3_000);
    const asked = [
      ['GET', '/hand-in/x'],
      ['GET', '/hand-in/hnd_00000000000000000000000000'],
      ['GET', `/hand-in/hnd_00000000000000000000000000/${long}`],
      ['GET', `/hand-in/${linkOf(link)}/%00%ff`],
      ['GET', `/hand-in/${linkOf(link)}/..%2f..%2fetc`],
      ['GET', '/hand-in/signed-in'],
      ['GET', `/hand-in/signed-in?state=${linkOf(link)}&code=x`],
      ['GET', `/hand-in/signed-in?state=${'<script>'.repeat(200)}`],
      ['POST', `/hand-in/${linkOf(link)}`],
      ['POST', '/hand-in/__proto__'],
    ];
    for (const [method, path] of asked) {
      const answer = await fetch(stage.home + path!, { method: method!, redirect: 'manual' });
      const text = await answer.text();
      expect([403, 404], path).toContain(answer.status);
      expect(text).not.toMatch(/\bat \w+ \(|node_modules|select |<script/);
    }
    const huge = await fetch(`${stage.home}/hand-in/${linkOf(link)}`, {
      method: 'POST',
      body: 'value='.padEnd(70_000, 'x'),
    });
    expect(huge.status).toBe(413);
  });

  it('by the hundred from one address has to wait', async () => {
    handInOverHttp(strict.door, stage.ports);
    const answers = await Promise.all(
      Array.from({ length: 300 }, () => fetch(`${strict.home}/hand-in/hnd_00000000000000000000000000`)),
    );
    const refused = answers.filter((each) => each.status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

/** Every row of every table as text, with what it holds as bytes as text too. */
async function everyRow(): Promise<string> {
  const parts: string[] = [];
  for (const table of await tablesOf(pool())) {
    const { rows } = await pool().query<{ row: string }>(`select t::text as row from ${table} t`);
    for (const { row } of rows) {
      parts.push(row);
      for (const [, hex] of row.matchAll(/\\x([0-9a-f]{8,})/g)) parts.push(Buffer.from(hex!, 'hex').toString('utf8'));
    }
  }
  return parts.join('\n');
}
