import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { Person } from '../../src/people/model.ts';
import { waitsNow } from '../../src/rotation/by-hand/model.ts';
import { aNewKey, useHandIn } from '../rotation/by-hand/hand-in-stage.ts';
import { chromiumPath, useChromium } from '../support/chromium.ts';

const stage = useHandIn();
const browser = useChromium();
/** A value that Anthropic knows and nobody has handed in. */
function made(): string {
  const value = aNewKey();
  stage.anthropic.world.make('made in the Console', value);
  return value;
}
async function asked() {
  const here = await stage.waiting();
  const link = await stage.linkFor(stage.owner, here.id);
  return { ...here, link, linkId: /hnd_[0-9a-z]{26}/.exec(link)![0] };
}
const rowOf = (linkId: string) => stage.database.store.read((view) => view.handIns.get(linkId));
const over = 'This link is over.';

async function signIn(page: Page, link: string, who: Person): Promise<void> {
  await page.goto(link);
  await page.getByRole('button', { name: 'Sign in with Slack' }).click();
  await page.getByRole('button', { name: who.name, exact: true }).click();
}
const field = (page: Page) => page.getByLabel('The new key');
const send = (page: Page) => page.getByRole('button', { name: 'Hand it in' }).click();
const saysSo = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor();
const versionsOf = async (secretId: string) =>
  Object.keys((await stage.bot.describeSecret({ SecretId: secretId })).VersionIdsToStages ?? {}).length;
/** Another site, under a name of its own. */
async function elsewhere(html: (path: string) => string) {
  const referers: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    referers.push(request.headers.referer);
    response.writeHead(200, { 'content-type': 'text/html' }).end(html(request.url ?? '/'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
  return { url, referers, close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()) };
}

describe.skipIf(!chromiumPath)('a one-time link in a real browser', { timeout: 60_000 }, () => {
  it('outlives every look: by Slackbot, SafeLinks and curl, and by its person over and over', async () => {
    const { link, linkId, id } = await asked();
    const before = await rowOf(linkId);
    for (const agent of ['Slackbot-LinkExpanding 1.0', 'Microsoft Office SafeLinks', 'curl/8'])
      for (const method of ['HEAD', 'GET'])
        expect((await fetch(link, { method, headers: { 'user-agent': agent } })).ok).toBe(true);
    const page = await browser.newPage();
    for (let i = 0; i < 3; i++) await page.goto(link);
    expect(await rowOf(linkId)).toEqual(before);
    await signIn(page, link, stage.owner);
    await field(page).fill(made());
    await send(page);
    await saysSo(page, 'The new key was handed in');
    expect(waitsNow(await stage.rotation(id))).toBeNull();
  });

  it('opened by two at once is one person’s: somebody else is turned away, whoever signs in first', async () => {
    const { link } = await asked();
    const [mine, theirs] = [await browser.newPage(), await browser.newPage()];
    await Promise.all([mine.goto(link), theirs.goto(link)]);
    await signIn(theirs, link, stage.admin);
    await saysSo(theirs, 'This link was given to somebody else');
    expect(await field(theirs).count()).toBe(0);
    await signIn(mine, link, stage.owner);
    await field(mine).fill(made());
    await send(mine);
    await saysSo(mine, 'The new key was handed in');
  });

  it('with its form in two tabs takes one of two values that are sent at the same instant, and says so in the other', async () => {
    const { link, key, id } = await asked();
    const one = await browser.newPage();
    await signIn(one, link, stage.owner);
    await field(one).waitFor();
    const two = await one.context().newPage();
    await two.goto(one.url());
    const values = [made(), made()];
    await Promise.all([one, two].map((each, i) => field(each).fill(values[i]!)));
    await Promise.all([send(one), send(two)]);
    await Promise.all([one, two].map((each) => each.getByRole('heading', { level: 1 }).waitFor()));
    const said = await Promise.all([one, two].map((each) => each.innerText('body')));
    expect(said.filter((each) => each.includes('was handed in')).length).toBeGreaterThanOrEqual(1);
    for (const each of said) expect(each).toMatch(/was handed in|is being looked at right now|This link is over/);
    // Two that were there, and one of these.
    expect(await versionsOf(key.secretId!)).toBe(3);
    await stage.work({ ports: stage.ports });
    expect((await stage.rotation(id)).status).toBe('done');
    expect(values).toContain((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString);
  });

  it('that is guessed at five times is locked, for its owner too; a new one is a press away', async () => {
    const { link, linkId, id } = await asked();
    const page = await browser.newPage();
    for (let i = 0; i < 5; i++) {
      await page.goto(link);
      await page.getByRole('button', { name: 'Sign in with Slack' }).waitFor();
      await page.goto(`${link.slice(0, -5)}AAAA${i}`);
      await saysSo(page, over);
    }
    await page.goto(link);
    await saysSo(page, over);
    expect(await rowOf(linkId)).toMatchObject({ status: 'ended', guesses: 5 });
    await signIn(page, await stage.linkFor(stage.owner, id), stage.owner);
    await field(page).waitFor();
  });

  it('leaves nothing of the value in history, cache or referrer, and shows no form again', async () => {
    const { link } = await asked();
    const page = await browser.newPage();
    const sent: { url: string; referer: string | undefined; body: string }[] = [];
    page.on('request', (each) => {
      sent.push({ url: each.url(), referer: each.headers().referer, body: each.postData() ?? '' });
    });
    await signIn(page, link, stage.owner);
    // Where the key is made is another site, and does not learn where somebody comes from.
    let headers: Record<string, string> = {};
    await page.context().route(/^https:/, (route) => {
      headers = route.request().headers();
      return route.fulfill({ status: 200, contentType: 'text/html', body: '<p>The Console</p>' });
    });
    const [there] = await Promise.all([
      page.context().waitForEvent('page'),
      page.locator('ol a[target=_blank]').first().click(),
    ]);
    await there.getByText('The Console').waitFor();
    expect(headers.referer).toBeUndefined();
    expect(await there.evaluate('[document.referrer, window.opener]')).toEqual(['', null]);

    const value = made();
    await field(page).fill(value);
    expect(await field(page).getAttribute('type')).toBe('password');
    await send(page);
    await saysSo(page, 'The new key was handed in');
    const ours = sent.filter((each) => each.url.startsWith(stage.home));
    expect(ours.filter((each) => each.referer)).toEqual([]);
    expect(ours.filter((each) => each.url.includes(value))).toEqual([]);
    expect(ours.filter((each) => each.body.includes(value))).toHaveLength(1);
    // Every page that it has been at, once more: none has the value, and none sends it again.
    const count = (await page.evaluate('history.length')) as number;
    for (let i = 1; i < count; i++) {
      await page.goBack().catch(() => {});
      expect(await page.content()).not.toContain(value);
      expect(await field(page).count()).toBe(0);
    }
    expect(sent.filter((each) => each.body.includes(value))).toHaveLength(1);
    // Without a network nothing of ours can be shown, because nothing of it was kept.
    await page.goto(page.url()).catch(() => {});
    await page.context().setOffline(true);
    for (const address of [link, link.replace(/\/[^/]+$/, '')]) {
      await expect(page.goto(address)).rejects.toThrow(/ERR_INTERNET_DISCONNECTED/);
    }
  });

  it('is over after ten minutes, with its form open in the browser', async () => {
    const { link, linkId, id, key } = await asked();
    const page = await browser.newPage();
    await signIn(page, link, stage.owner);
    await field(page).fill(made());
    await stage.database.store.pool.query('update hand_in set ends_at = now() where id = $1', [linkId]);
    await send(page);
    await saysSo(page, over);
    expect(waitsNow(await stage.rotation(id))).toMatchObject({ task: 'hand-in' });
    expect(await versionsOf(key.secretId!)).toBe(2);
  });

  it('cannot be framed, and its form cannot be sent by another site that the person looks at', async () => {
    const { link, linkId, key } = await asked();
    const page = await browser.newPage();
    await signIn(page, link, stage.owner);
    await field(page).waitFor();
    const csrf = await page.locator('input[name=csrf]').inputValue();
    const form = page.url();
    const before = await rowOf(linkId);
    const other = await elsewhere((path) =>
      path === '/frame'
        ? `<iframe src="${form}"></iframe>`
        : `<form method="post" action="${form}"><input name="csrf" value="${csrf}"><input name="value" value="${made()}"></form><script>document.forms[0].submit()</script>`,
    );
    const second = await page.context().newPage();
    await second.goto(`${other.url}frame`);
    await expect.poll(() => second.frames().length).toBe(2);
    expect(await second.frames()[1]!.content()).not.toContain('The new key');
    await second.goto(other.url);
    await saysSo(second, /This was sent by another site|was not opened in this browser/);
    expect(await rowOf(linkId)).toEqual(before);
    expect(await versionsOf(key.secretId!)).toBe(2);
    await other.close();
  });
});
