import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath } from '../support/chromium.ts';
import {
  actionIn,
  confirm,
  done,
  message,
  modal,
  newcomer,
  openMessages,
  patienceMs,
  press,
  type Running,
  send,
  shot,
  submit,
} from './newcomer.ts';

const here = newcomer({ rotation: { graceMinutes: 0, settleSeconds: 2 } });
let keysteward: Running;
const SecretId = 'larkfield/production/datadog/service-metrics';
const fresh = `${'7fa'.repeat(9)}4vZ9`;

describe.skipIf(!chromiumPath)('a key that only a person can make (in Chromium)', { timeout: 3 * patienceMs }, () => {
  beforeAll(async () => {
    [keysteward] = await Promise.all([here.start(), here.browse({ keepPictures: true })]);
  }, 3 * patienceMs);
  afterEach(({ task }) => here.leave(task.result?.state === 'fail'));
  afterAll(() => here.close(), patienceMs);

  it('is taken on, handed in once on a page of its own, and the old one is confirmed deleted', async () => {
    const page = await here.as('U0PRIYA', 'C0GENERAL');
    await send(page, '/keys rotate datadog');
    await modal(page).getByText('hands it in on a page').waitFor();
    await modal(page).getByLabel('Why?').fill('Trying how a key is handed in');
    await shot(page, 'hand-in-01-rotate');
    await submit(page);
    await done(page, 'is being rotated');
    await openMessages(page);
    const card = message(page, 'A new key has to be made by a person');
    await actionIn(card, 'rotation.take').click();
    await card.getByText('You have taken it').waitFor();
    await shot(page, 'hand-in-02-card');
    expect(await card.getByRole('link', { name: /Datadog, API keys/ }).getAttribute('href')).toContain('datadoghq.com');

    await press(actionIn(card, 'rotation.hand-in'), page);
    const link = modal(page).getByRole('link', { name: 'Open the page to hand in the new key' });
    await link.waitFor();
    await shot(page, 'hand-in-03-link');
    const address = (await link.getAttribute('href'))!;
    expect(address).toMatch(new RegExp(`^${keysteward.botUrl}/hand-in/hnd_[0-9a-z]{26}/[\\w-]{43}$`));

    // Whatever else fetches it uses nothing up.
    for (const method of ['GET', 'HEAD'])
      expect((await fetch(address, { method, headers: { 'user-agent': 'Slackbot-LinkExpanding 1.0' } })).status).toBe(
        200,
      );

    // Nobody else gets in, though they have the address.
    const thief = await here.newPage();
    await thief.goto(address);
    await thief.getByRole('button', { name: 'Sign in with Slack' }).click();
    await thief.getByRole('button', { name: /Olivia/ }).click();
    await thief.getByText('This link was given to somebody else').waitFor();
    await shot(thief, 'hand-in-04-somebody-else');

    // Her own browser, without scripts: it has to work without.
    const [tab] = await Promise.all([page.context().waitForEvent('page'), link.click()]);
    const asked: string[] = [];
    const referers: string[] = [];
    tab.on('request', (each) => {
      asked.push(each.url());
      if (each.headers().referer) referers.push(each.headers().referer!);
    });
    await tab.getByRole('button', { name: 'Sign in with Slack' }).waitFor();
    await shot(tab, 'hand-in-05-door');
    await tab.getByRole('button', { name: 'Sign in with Slack' }).click();
    await tab.getByRole('button', { name: /Continue as Priya/ }).waitFor();
    await shot(tab, 'hand-in-06-who-are-you');
    await tab.getByRole('button', { name: /Continue as Priya/ }).click();
    await tab.getByLabel('The new key').waitFor();
    expect(new URL(tab.url()).pathname).toMatch(/^\/hand-in\/hnd_[0-9a-z]{26}$/);
    await shot(tab, 'hand-in-07-form');

    await tab.getByLabel('The new key').fill('7fa7fa7fa7fa...wxyz');
    await tab.getByRole('button', { name: 'Hand it in' }).click();
    await tab.getByRole('alert').getByText('masked form').waitFor();
    expect(await tab.getByLabel('The new key').inputValue()).toBe('');
    await shot(tab, 'hand-in-08-wrong');

    await tab.getByLabel('The new key').fill(fresh);
    await tab.getByLabel('The new key').press('Enter');
    await tab.getByText('The new key was handed in').first().waitFor();
    await shot(tab, 'hand-in-09-done');

    // Neither history, nor the page, nor an address, nor a referrer has it.
    expect(await tab.content()).not.toContain(fresh.slice(0, 20));
    expect(asked.join()).not.toContain(fresh.slice(0, 20));
    const own = referers.filter((each) => each.startsWith(keysteward.botUrl));
    expect(own).toEqual([]);
    await tab.goBack();
    await tab.getByText('The new key was handed in').first().waitFor();
    await tab.reload();
    await tab.getByText('The new key was handed in').first().waitFor();
    await tab.goto(address);
    await tab.getByText('This link is over.').waitFor();
    await shot(tab, 'hand-in-10-over');
    await tab.close();

    const told = message(page, 'An old key has to be deleted by a person');
    await actionIn(told, 'rotation.confirm-deleted').waitFor();
    await modal(page).getByRole('button', { name: 'Close' }).last().click();
    expect((await keysteward.admin.getSecretValue({ SecretId })).SecretString).toBe(fresh);
    await shot(page, 'hand-in-11-delete');
    await actionIn(told, 'rotation.confirm-deleted').click();
    await confirm(page, 'It is deleted');
    await message(page, 'Rotated').waitFor();
    await shot(page, 'hand-in-12-rotated');
    const { VersionIdsToStages } = await keysteward.admin.describeSecret({ SecretId });
    expect(Object.values(VersionIdsToStages!).flat()).toEqual(['AWSCURRENT']);
    for (const place of [keysteward.child.output(), await page.content()])
      expect(place).not.toContain(fresh.slice(0, 20));
  });
});
