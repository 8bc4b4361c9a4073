import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chromiumPath } from '../support/chromium.ts';
import {
  actionIn,
  atTheTerminal,
  choose,
  confirm,
  done,
  field,
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

/** Nobody wants to wait an hour for the old value to die. */
const policy = { rotation: { graceMinutes: 0, settleSeconds: 2 } };
const here = newcomer(policy);
let keysteward: Running;
const staging = 'larkfield/staging/openai/support-assistant';
const dana = 'arn:aws:iam::123456789012:role/people/dana';

/** As a newcomer goes through it, one station after the other, in one company. */
describe.skipIf(!chromiumPath)('the whole product in the page (in Chromium)', { timeout: 3 * patienceMs }, () => {
  beforeAll(async () => {
    [keysteward] = await Promise.all([here.start(), here.browse()]);
  }, 3 * patienceMs);
  afterEach(({ task }) => here.leave(task.result?.state === 'fail'));
  afterAll(() => here.close(), patienceMs);

  it('a developer asks for a key by a prefilled form, its owner approves, and the access is real until it is ended', async () => {
    const page = await here.newPage();
    await page.goto(keysteward.slackUrl);
    await shot(page, '01-who-do-you-want-to-be');
    await page.getByTestId('choose-person').filter({ hasText: 'Dana' }).click();
    await page.getByTestId('channel').filter({ hasText: 'general' }).click();
    await send(page, '/keys help');
    await message(page, 'What you can do here').waitFor();
    await shot(page, '02-help');

    // What was printed at the start works word for word.
    expect(keysteward.child.output()).toContain('Type /keys request openai staging');
    await send(page, '/keys request openai staging');
    await expect
      .poll(() => field(page, 'keyId').inputValue(), { timeout: patienceMs })
      .toContain('OpenAI API Key - Staging');
    expect(await field(page, 'hours').inputValue()).toBe('1 hour');
    await modal(page).getByText('will be asked').waitFor();
    await modal(page).getByLabel('What will you use it for?').fill('Trying the new embedding model');
    await modal(page).getByLabel('Reason').fill('The support assistant finds too little in the *staging* index');
    await shot(page, '03-request-form');
    await submit(page);
    await modal(page).getByText('You hear from me').waitFor();
    await shot(page, '04-asked');
    await done(page, 'You hear from me');
    await openMessages(page);
    const mine = message(page, 'for 1 hour');
    await mine.getByText('Waiting for').waitFor();
    await shot(page, '04-waiting');

    const aws = await keysteward.awsAs(dana);
    await expect(aws.getSecretValue({ SecretId: staging })).rejects.toMatchObject({ name: 'AccessDeniedException' });

    // The owner, two clicks away in the same page.
    const olivia = await here.as('U0OLIVIA');
    const card = message(olivia, 'Trying the new embedding model');
    await actionIn(card, 'access.approve').waitFor();
    await shot(olivia, '05-approval-card');
    await actionIn(card, 'access.approve').click();
    await card.getByText('Access active').waitFor();
    expect(await actionIn(card, 'access.approve').count()).toBe(0);
    await shot(olivia, '06-approved');

    await mine.getByText('Active until').waitFor();
    await shot(page, '07-access-active');
    const command = await mine.locator('pre').innerText();
    expect(command).toBe(`aws secretsmanager get-secret-value --secret-id ${staging}`);
    const { SecretString } = await aws.getSecretValue({ SecretId: staging });
    expect(SecretString).toBeTruthy();
    await page.getByTestId('channel').filter({ hasText: 'general' }).click();
    await send(page, '/keys grants');
    await message(page, 'Your access').waitFor();
    await shot(page, '08-grants');
    await openMessages(page);

    await actionIn(mine, 'access.end').click();
    await confirm(page, 'End now');
    await mine.getByText('Access ended').waitFor();
    await card.getByText('Access ended').waitFor();
    await shot(page, '09-access-ended');
    await expect(aws.getSecretValue({ SecretId: staging })).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });

  it('a rotation is watched step by step on one card until the old value is dead', async () => {
    const SecretId = 'larkfield/production/order-webhooks/signing-secret';
    const before = await keysteward.admin.getSecretValue({ SecretId });
    const olivia = await here.as('U0OLIVIA', 'C0GENERAL');
    expect(keysteward.child.output()).toContain('type /keys rotate openai staging');
    await send(olivia, '/keys rotate openai staging');
    await modal(olivia).getByText('OpenAI API Key - Staging').waitFor();
    await shot(olivia, '10-rotate-prefilled');
    await modal(olivia).getByRole('button', { name: 'Cancel' }).click();
    await modal(olivia).waitFor({ state: 'hidden' });
    await send(olivia, '/keys rotate');
    await field(olivia, 'rotatedKey').waitFor();
    await field(olivia, 'rotatedKey').click();
    await olivia
      .getByRole('option', { name: /Order webhooks/ })
      .first()
      .waitFor();
    // Only what she answers for and what is in the store.
    expect(await olivia.getByRole('option', { name: /SendGrid|Telemetry/ }).count()).toBe(0);
    await shot(olivia, '10-rotate-empty');
    await modal(olivia).getByLabel('Why?').fill('The shop moves to new servers');
    await choose(olivia, 'rotatedKey', 'order', /Order webhooks API Key - Production/);
    await modal(olivia).getByText('Its secret is there and takes a new value').waitFor();
    expect(await modal(olivia).getByLabel('Why?').inputValue()).toBe('The shop moves to new servers');
    await shot(olivia, '11-rotate-form');
    await submit(olivia);
    await modal(olivia).getByText('is being rotated').waitFor();
    await shot(olivia, '12-rotation-started');
    await done(olivia, 'is being rotated');
    await openMessages(olivia);
    const card = message(olivia, 'Make a new value and store it');
    await card.waitFor();
    const ts = await card.getAttribute('data-ts');
    await shot(olivia, '13-rotating');
    await card.getByText('The old one is dead').waitFor();
    await shot(olivia, '14-rotated');
    expect(await card.getAttribute('data-ts')).toBe(ts);
    expect(await olivia.getByTestId('message').filter({ hasText: 'Make a new value and store it' }).count()).toBe(1);
    const after = await keysteward.admin.getSecretValue({ SecretId });
    expect(after.SecretString).not.toBe(before.SecretString);
    const { VersionIdsToStages } = await keysteward.admin.describeSecret({ SecretId });
    expect(VersionIdsToStages?.[before.VersionId!] ?? []).toEqual([]);
  });

  it('a key is added by a form that says what is wrong, keeps what was typed and refuses a pasted key', async () => {
    const page = await here.as('U0DANA', 'C0GENERAL');
    await send(page, '/keys add Shop replay staging');
    await expect.poll(() => field(page, 'service').inputValue(), { timeout: patienceMs }).toBe('Shop replay');
    await modal(page).getByLabel('Purpose').fill('Replays');
    await choose(page, 'owner', 'ben', /Ben Castillo/);
    await choose(page, 'storage', 'already', /Already in AWS/);
    await modal(page).getByLabel('Name or ARN').fill('larkfield/nowhere');
    await modal(page).getByLabel('What may it do?').fill('Signs replayed orders of the staging shop');
    await shot(page, '15-add-form');
    await submit(page);
    const errors = modal(page).getByTestId('field-error');
    await errors.first().waitFor();
    await shot(page, '16-add-wrong');
    expect(await field(page, 'scope').inputValue()).toBe('Signs replayed orders of the staging shop');

    const pasted = 'sk-proj-q8Zr4mTb91LxWc07Vn5KdPy3HsJf6Ua2'.repeat(2);
    await choose(page, 'storage', 'make', /make it for me/);
    await modal(page).getByLabel('What may it do?').fill(pasted);
    await submit(page);
    await errors.filter({ hasText: 'looks like a whole key' }).waitFor();
    expect(await field(page, 'scope').inputValue()).toBe(pasted);
    expect(await field(page, 'purpose').inputValue()).toBe('Replays');
    await shot(page, '17-pasted-key');
    await modal(page).getByLabel('What may it do?').fill('Signs replayed orders of the staging shop');
    await submit(page);
    await modal(page).getByText('is in the inventory').waitFor();
    await shot(page, '18-added');
    await done(page, 'is in the inventory');
    await send(page, `/keys show ${pasted}`);
    await message(page, 'looks like a whole key').waitFor();
    await shot(page, '19-pasted-command');
    const ben = await here.as('U0BEN');
    await message(ben, 'You answer for it').waitFor();
    await shot(ben, '20-told-of-a-new-key');
  });

  it('the inventory is listed by filters and pages, and one key is shown on one card', async () => {
    const page = await here.as('U0DANA', 'C0GENERAL');
    await send(page, '/keys list');
    const list = message(page, 'All keys, soonest due first');
    await list.getByRole('button', { name: 'Next' }).waitFor();
    await shot(page, '21-list');
    await list.getByRole('button', { name: 'Next' }).click();
    await list.getByRole('button', { name: 'Previous' }).waitFor();
    await shot(page, '22-list-page-two');
    await send(page, '/keys list environment:production risk:high');
    const filtered = message(page, 'Keys for');
    await filtered.waitFor();
    expect(await filtered.getByText('Stripe API Key - Production').count()).toBeGreaterThan(0);
    expect(await filtered.getByText('- Staging -').count()).toBe(0);
    await send(page, '/keys list service:nothing');
    await message(page, 'No key matches').waitFor();
    await shot(page, '23-list-filtered');
    await send(page, '/keys show openai prod');
    await message(page, 'larkfield/production/openai/support-assistant').waitFor();
    await shot(page, '24-show');
    await send(page, '/keys shwo openai');
    await message(page, 'Did you mean').waitFor();
    await send(page, '/keys whoami');
    await message(page, 'IAM identity').waitFor();
    await shot(page, '25-whoami');
  });

  it('an owner has their digest on demand, and snoozes what cannot be done now', async () => {
    const olivia = await here.as('U0OLIVIA', 'C0GENERAL');
    await send(olivia, '/keys digest');
    await message(olivia, 'Your digest is in').waitFor();
    await openMessages(olivia);
    const digest = message(olivia, 'Your keys this week');
    await digest.waitFor();
    await shot(olivia, '26-digest');
    await press(digest.getByRole('button', { name: /Snooze SendGrid/ }), olivia);
    await modal(olivia).getByLabel('Why?').fill('Moves to the new mail service next week');
    await shot(olivia, '27-snooze-form');
    await submit(olivia);
    await done(olivia, 'is snoozed until');
    await digest.getByText('Moves to the new mail service next week').waitFor();
    await shot(olivia, '28-snoozed');
  });

  it('what a key may do is reviewed by a form that follows its answers, and found until a narrower one is there', async () => {
    const dana = await here.as('U0DANA', 'C0GENERAL');
    await send(dana, '/keys show anthropic');
    const card = message(dana, 'Code review bot');
    await press(card.getByRole('button', { name: /Review permissions/ }), dana);
    await modal(dana).getByText('Development: lower rate limits, test data only.').waitFor();
    await modal(dana).getByLabel('What does it need to do?').fill('Comments on pull requests');
    await submit(dana);
    await modal(dana).getByTestId('field-error').first().waitFor();
    await modal(dana)
      .getByRole('radio', { name: /Yes, some/ })
      .check();
    await modal(dana).getByLabel('What is too much?').fill('All models, though one is used');
    await modal(dana)
      .getByRole('checkbox', { name: /certain addresses/ })
      .check();
    await modal(dana).getByLabel('From which addresses?').fill('203.0.113.0/24');
    expect(await modal(dana).getByLabel('What does it need to do?').inputValue()).toBe('Comments on pull requests');
    expect(await modal(dana).getByLabel('What is too much?').inputValue()).toBe('All models, though one is used');
    await shot(dana, '28-review-permissions');
    await submit(dana);
    await modal(dana).getByText('Rotate it to a narrower one').waitFor();
    await shot(dana, '28-too-much');
    await done(dana, 'may do more than it needs');
    await send(dana, '/keys list mine over-permissioned');
    await message(dana, 'over-permissioned since').waitFor();
    await shot(dana, '28-over-permissioned');
  });

  it('a key at the OpenAI of this machine is replaced without anybody, one at its Anthropic by whoever makes it in the console', async () => {
    const currentOf = async (SecretId: string) => (await keysteward.admin.getSecretValue({ SecretId })).SecretString!;
    const consoleAt = async (provider: string) => {
      const port = new RegExp(`${provider} on port (\\d+)`).exec(keysteward.child.output())![1];
      const shown = await here.newPage();
      await shown.goto(`http://127.0.0.1:${port}`);
      return shown;
    };
    const hint = (value: string) => `${value.slice(0, 12)}…${value.slice(-4)}`;
    const stateOf = (shown: Page, value: string) =>
      shown
        .locator('dt', { hasText: hint(value) })
        .locator('+ dd')
        .innerText();

    const before = await currentOf(staging);
    const olivia = await here.as('U0OLIVIA', 'C0GENERAL');
    await send(olivia, '/keys rotate openai staging');
    await modal(olivia).getByText('openai makes the new value').waitFor();
    await modal(olivia).getByLabel('Why?').fill('Trying a provider');
    await submit(olivia);
    await done(olivia, 'is being rotated');
    await openMessages(olivia);
    const card = message(olivia, 'Trying a provider');
    await card.getByText('The new value works; the old one is dead.').waitFor();
    await shot(olivia, '28-rotated-at-openai');
    const after = await currentOf(staging);
    const openai = await consoleAt('openai');
    expect([await stateOf(openai, before), await stateOf(openai, after)]).toEqual([
      'ended, Support assistant',
      expect.stringMatching(/^active, keysteward-/),
    ]);
    await shot(openai, '28-openai');

    const mine = 'larkfield/development/anthropic/code-review';
    const old = await currentOf(mine);
    const dana = await here.as('U0DANA', 'C0GENERAL');
    await send(dana, '/keys rotate anthropic');
    await modal(dana).getByLabel('Why?').fill('Trying to hand one in');
    await submit(dana);
    await done(dana, 'is being rotated');
    await openMessages(dana);
    const asked = message(dana, 'A new key has to be made by a person');
    const anthropic = await here.newPage();
    await anthropic.goto((await asked.getByRole('link', { name: /Claude Console/ }).getAttribute('href'))!);
    await anthropic.getByLabel('Name').fill('<b>Code review</b>, narrower');
    await anthropic.getByRole('button', { name: 'Create key' }).click();
    const made = await anthropic.getByLabel('The new key').inputValue();
    await shot(anthropic, '28-anthropic');
    await press(actionIn(asked, 'rotation.hand-in'), dana);
    const link = modal(dana).getByRole('link', { name: 'Open the page to hand in the new key' });
    await link.waitFor();
    const [tab] = await Promise.all([dana.context().waitForEvent('page'), link.click()]);
    await tab.getByRole('button', { name: 'Sign in with Slack' }).click();
    await tab.getByRole('button', { name: /Continue as Dana/ }).click();
    await tab.getByLabel('The new key').fill(`${made.slice(0, -4)}0000`);
    await tab.getByRole('button', { name: 'Hand it in' }).click();
    await tab.getByRole('alert').getByText('anthropic does not accept it').waitFor();
    await tab.getByLabel('The new key').fill(made);
    await tab.getByRole('button', { name: 'Hand it in' }).click();
    await tab.getByText('The new key was handed in').first().waitFor();
    await tab.close();
    await modal(dana).getByRole('button', { name: 'Close' }).last().click();
    // The scream test: for a day somebody may find that the old one is missed.
    await message(dana, 'Trying to hand one in').getByText('The old one is disabled').waitFor();
    expect(await currentOf(mine)).toBe(made);
    await anthropic.getByRole('link', { name: 'All keys' }).click();
    expect([await stateOf(anthropic, old), await stateOf(anthropic, made)]).toEqual([
      'inactive, Code review bot',
      'active, <b>Code review</b>, narrower',
    ]);
    for (const value of [before, after, old, made]) expect(keysteward.child.output()).not.toContain(value);
  });

  it('the audit log is shown to an administrator and refused to a developer', async () => {
    const page = await here.as('U0DANA', 'C0GENERAL');
    await send(page, '/keys audit');
    await message(page, 'Only administrators can do this').waitFor();
    expect(await page.getByText('Audit log').count()).toBe(0);
    await shot(page, '29-audit-refused');
    const ada = await here.as('U0ADA', 'C0GENERAL');
    await send(ada, '/keys audit');
    await message(ada, 'Audit log').waitFor();
    await shot(ada, '30-audit');
    await send(ada, '/keys audit refused');
    await message(ada, 'that were refused').getByText('Read the audit log').first().waitFor();
    await shot(ada, '31-audit-refusals');
  });

  it('somebody leaves by one line at the terminal, and their case turns green line by line until it is closed', async () => {
    const ada = await here.as('U0ADA', 'C0SECURITY');
    const said = await atTheTerminal(
      ['hr', 'send', '--hr-id', 'HR-BEN', '--url', keysteward.botUrl],
      `${here.folder}/data`,
    );
    expect(said).toMatchObject({ code: 0, output: expect.stringMatching(/^202 /) });
    const card = message(ada, 'Who says so');
    await card.getByText('has left.').waitFor();
    await shot(ada, '32-case-opened');
    await actionIn(card, 'offboarding.tick').waitFor();
    const handOver = card.getByRole('button', { name: /Hand over/ });
    await press(handOver, ada);
    await choose(ada, 'owner', 'olivia', /Olivia Brandt/);
    await shot(ada, '33-hand-over-form');
    await submit(ada);
    await done(ada, 'answers for');
    await handOver.waitFor({ state: 'detached' });
    const replaced = async () =>
      (await card.innerText()).split('no value that they could read works any more').length - 1;
    await expect.poll(replaced, { timeout: patienceMs }).toBe(2);
    await press(actionIn(card, 'offboarding.tick'), ada);
    await modal(ada).getByLabel('What did you look at').fill('CloudTrail of 30 days: nothing unusual');
    await submit(ada);
    await done(ada, 'Noted');
    await actionIn(card, 'offboarding.close').waitFor();
    await shot(ada, '34-case-green');
    await actionIn(card, 'offboarding.close').click();
    await card.getByText(/and all \d+ lines are done/).waitFor();
    expect(await card.getByRole('button').filter({ hasText: 'Close' }).count()).toBe(0);
    await shot(ada, '35-case-closed');
    const { ResourcePolicy } = await keysteward.admin.getResourcePolicy({
      SecretId: 'larkfield/staging/order-webhooks/signing-secret',
    });
    expect(ResourcePolicy ?? '').not.toContain('role/people/ben');
    const ben = await here.as('U0BEN', 'C0GENERAL');
    await send(ben, '/keys list');
    await message(ben, 'no longer active here').waitFor();
    await shot(ben, '36-locked-out');
  });

  it('the P0 button pages, ends access, replaces the key at once and keeps the clocks of the playbook', async () => {
    const SecretId = 'larkfield/sandbox/telemetry-gateway/robot-enrolment';
    const before = await keysteward.admin.getSecretValue({ SecretId });
    const nora = await here.as('U0NORA', 'C0GENERAL');
    await nora.getByRole('button', { name: 'Shortcuts' }).click();
    await nora.getByRole('menuitem', { name: 'Report a leaked key' }).click();
    await choose(nora, 'leakedKey', 'telemetry', /Telemetry gateway/);
    await modal(nora)
      .getByRole('radio', { name: /Somebody is doing harm/ })
      .check();
    await modal(nora).getByText('When you press Report').waitFor();
    await modal(nora).getByLabel('What do you know?').fill('Unknown robots enrol from an address in another country');
    await shot(nora, '37-report-form');
    await submit(nora);
    await modal(nora).getByText('declared for').waitFor();
    await shot(nora, '38-reported');
    await done(nora, 'declared for');
    const ada = await here.as('U0ADA', 'C0INCIDENTS');
    const card = message(ada, 'Contain');
    await card.waitFor();
    await shot(ada, '39-incident-card');
    await card.getByText('Immediately, all closed').waitFor();
    await shot(ada, '40-contained');
    const after = await keysteward.admin.getSecretValue({ SecretId });
    expect(after.SecretString).not.toBe(before.SecretString);
    const { VersionIdsToStages } = await keysteward.admin.describeSecret({ SecretId });
    expect(VersionIdsToStages?.[before.VersionId!] ?? []).toEqual([]);
    await actionIn(card, 'incidents.claim').click();
    await actionIn(card, 'incidents.claim').waitFor({ state: 'detached' });
    await press(actionIn(card, 'incidents.tick'), ada);
    await modal(ada)
      .getByRole('checkbox', { name: /Check billing/ })
      .check();
    await modal(ada).getByLabel('What shows it?').fill('Nothing on the bill of today');
    await shot(ada, '41-tick-form');
    await submit(ada);
    await done(ada, 'still open');
    await card.getByText('Nothing on the bill of today').first().waitFor();
    await shot(ada, '42-ticked');
    await openMessages(nora);
    await message(nora, 'because you reported it').waitFor();
    await shot(nora, '43-what-the-reporter-sees');
  });

  it('the App Home shows what waits, what one holds and what one answers for', async () => {
    for (const [who, name] of [
      ['U0DANA', 'dana'],
      ['U0OLIVIA', 'olivia'],
      ['U0KIM', 'kim'],
      ['U0ADA', 'ada'],
    ] as const) {
      const page = await here.as(who);
      await openMessages(page).catch(() => {});
      await page.getByRole('tab', { name: 'Home' }).click();
      await page.getByTestId('app-home').getByText('Waiting for you').waitFor();
      await shot(page, `44-home-${name}`);
    }
  });

  it('Ctrl-C stops it cleanly, and the second start keeps every message and every key', async () => {
    const seen = async () => {
      const page = await here.as('U0ADA', 'C0INCIDENTS');
      await message(page, 'Nothing on the bill of today').waitFor();
      const stamps = await page
        .getByTestId('message')
        .evaluateAll((all: { getAttribute(name: string): string | null }[]) =>
          all.map((each) => each.getAttribute('data-ts')),
        );
      await send(page, '/keys list');
      const list = message(page, 'All keys, soonest due first');
      await list.waitFor();
      const keys = await list
        .getByRole('button', { name: /^Show/ })
        .evaluateAll((all: { getAttribute(name: string): string | null }[]) =>
          all.map((each) => each.getAttribute('data-value')),
        );
      return { stamps, keys };
    };
    const before = await seen();
    keysteward.child.process.kill('SIGINT');
    expect(await keysteward.child.ended).toBe(0);
    expect(keysteward.child.output()).toContain('Everything is kept for the next start.');
    keysteward = await here.start();
    const after = await seen();
    expect(after.keys).toEqual(before.keys);
    expect(after.stamps.slice(0, before.stamps.length)).toEqual(before.stamps);
    keysteward.child.process.kill('SIGINT');
    expect(await keysteward.child.ended).toBe(0);
  });
});
