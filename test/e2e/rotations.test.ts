import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fittingOf } from '../providers/fakes/index.ts';
import { chance, startFake } from '../providers/fakes/server.ts';
import { chromiumPath } from '../support/chromium.ts';
import {
  actionIn,
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

const fittings = { openai: fittingOf('openai'), anthropic: fittingOf('anthropic') };
const openai = await startFake(fittings.openai.dialect());
const anthropic = await startFake(fittings.anthropic.dialect());
const credentials = { openai: 'keysteward/openai-admin', anthropic: 'keysteward/anthropic-admin' };
const here = newcomer({
  rotation: { graceMinutes: 0, settleSeconds: 2, screamTestHours: 0 },
  providers: {
    openai: fittings.openai.settings(openai.url, credentials.openai, 0),
    anthropic: fittings.anthropic.settings(anthropic.url, credentials.anthropic, 0),
  },
});
let keysteward: Running;

/** Somebody who answers for a key says who makes its new values. */
async function connect(page: Page, command: string, secretId: string, issuer: string): Promise<void> {
  await send(page, command);
  await press(message(page, secretId).getByRole('button', { name: /Edit/ }), page);
  await choose(page, 'issuer', issuer, new RegExp(`${issuer} \\(connected\\)`));
  await shot(page, `rotations-01-connect-${issuer}`);
  await submit(page);
  await modal(page).getByRole('button', { name: 'Close' }).last().click();
  await modal(page).waitFor({ state: 'hidden' });
}

describe.skipIf(!chromiumPath)('new values (in Chromium)', { timeout: 3 * patienceMs }, () => {
  beforeAll(async () => {
    [keysteward] = await Promise.all([here.start(), here.browse({ keepPictures: true })]);
    await keysteward.admin.createSecret({ Name: credentials.openai, SecretString: openai.world.admin });
    await keysteward.admin.createSecret({ Name: credentials.anthropic, SecretString: anthropic.world.admin });
  }, 3 * patienceMs);
  afterEach(({ task }) => here.leave(task.result?.state === 'fail'));
  afterAll(async () => {
    await here.close();
    await Promise.all([openai.close(), anthropic.close()]);
  }, patienceMs);

  it('a key at OpenAI is connected by its owner and rotated by itself: one live key there, which is the one handed out', async () => {
    const SecretId = 'larkfield/staging/openai/support-assistant';
    const before = (await keysteward.admin.getSecretValue({ SecretId })).SecretString!;
    openai.world.make('made in the dashboard', before);
    const olivia = await here.as('U0OLIVIA', 'C0GENERAL');
    await connect(olivia, '/keys show openai staging', SecretId, 'openai');
    await send(olivia, '/keys rotate openai staging');
    await modal(olivia).getByText('openai makes the new value').waitFor();
    await modal(olivia).getByText('Its secret is there and takes a new value').waitFor();
    await modal(olivia).getByLabel('Why?').fill('Trying how OpenAI makes one');
    await shot(olivia, 'rotations-02-preflight');
    await submit(olivia);
    await done(olivia, 'is being rotated');
    await openMessages(olivia);
    const card = message(olivia, 'Trying how OpenAI makes one');
    await card.getByText('The new value works; the old one is dead.').waitFor();
    await shot(olivia, 'rotations-03-rotated');
    const after = (await keysteward.admin.getSecretValue({ SecretId })).SecretString!;
    expect(after).not.toBe(before);
    expect(openai.world.live()).toEqual([after]);
    const { VersionIdsToStages } = await keysteward.admin.describeSecret({ SecretId });
    expect(Object.values(VersionIdsToStages!).flat()).toEqual(['AWSCURRENT']);
    for (const value of [before, after, openai.world.admin]) {
      expect(keysteward.child.output()).not.toContain(value);
      expect(await olivia.content()).not.toContain(value);
    }
  });

  it('a key at Anthropic is made by a person, handed in, tried there, and its old one ended there without anybody', async () => {
    const SecretId = 'larkfield/development/anthropic/code-review';
    const before = (await keysteward.admin.getSecretValue({ SecretId })).SecretString!;
    anthropic.world.make('made in the Console', before);
    const dana = await here.as('U0DANA', 'C0GENERAL');
    await connect(dana, '/keys show anthropic', SecretId, 'anthropic');
    await send(dana, '/keys rotate anthropic');
    await modal(dana).getByText('A person makes the new key at Anthropic').waitFor();
    await modal(dana).getByLabel('Why?').fill('Trying how a key at Anthropic is handed in');
    await submit(dana);
    await done(dana, 'is being rotated');
    await openMessages(dana);
    const asked = message(dana, 'A new key has to be made by a person');
    await press(actionIn(asked, 'rotation.hand-in'), dana);
    const link = modal(dana).getByRole('link', { name: 'Open the page to hand in the new key' });
    await link.waitFor();
    const [tab] = await Promise.all([dana.context().waitForEvent('page'), link.click()]);
    await tab.getByRole('button', { name: 'Sign in with Slack' }).click();
    await tab.getByRole('button', { name: /Continue as Dana/ }).click();
    const handIn = async (value: string) => {
      await tab.getByLabel('The new key').fill(value);
      await tab.getByRole('button', { name: 'Hand it in' }).click();
    };
    // One that Anthropic does not know is not taken, and the right one is.
    await handIn(`sk-ant-api03-${chance()}${chance()}`);
    await tab.getByRole('alert').getByText('anthropic does not accept it').waitFor();
    const made = `sk-ant-api03-${chance()}${chance()}`;
    anthropic.world.make('made in the Console', made);
    await handIn(made);
    await tab.getByText('The new key was handed in').first().waitFor();
    await tab.close();
    await modal(dana).getByRole('button', { name: 'Close' }).last().click();
    const card = message(dana, 'Trying how a key at Anthropic is handed in');
    await card.getByText('The new value works; the old one is dead.').waitFor();
    await shot(dana, 'rotations-04-handed-in');
    expect((await keysteward.admin.getSecretValue({ SecretId })).SecretString).toBe(made);
    expect(anthropic.world.live()).toEqual([made]);
    for (const value of [before, made, anthropic.world.admin]) {
      expect(keysteward.child.output()).not.toContain(value);
      expect(await dana.content()).not.toContain(value);
    }
  });

  it('in an emergency all keys of a service are replaced once a second administrator says so, and their old values are dead', async () => {
    const { SecretList = [] } = await keysteward.admin.listSecrets({
      Filters: [{ Key: 'name', Values: ['larkfield/staging/robot-fleet', 'larkfield/development/robot-fleet'] }],
    });
    expect(SecretList).toHaveLength(6);
    const currentOf = (SecretId: string) => keysteward.admin.getSecretValue({ SecretId });
    const before = await Promise.all(SecretList.map(({ Name }) => currentOf(Name!)));

    const ada = await here.as('U0ADA', 'C0SECURITY');
    await send(ada, '/keys rotate-all robot fleet');
    await choose(ada, 'bulkCause', 'incident', /incident/i);
    await modal(ada).getByLabel('Why?').fill('The fleet’s provider was broken into');
    await field(ada, 'emergency').getByRole('checkbox').check();
    await submit(ada);
    await modal(ada).getByText('6 keys, 6 of them can be rotated now').waitFor();
    await shot(ada, 'rotations-05-preview');
    await submit(ada);
    await done(ada, 'Another administrator has to confirm');
    const card = message(ada, 'The fleet’s provider was broken into');
    await card.getByText('Needs a second person').first().waitFor();
    await shot(ada, 'rotations-06-asked');
    // Whoever asked is refused, and nothing has begun.
    await actionIn(card, 'rotation.confirm-campaign').click();
    await confirm(ada, 'Rotate');
    await message(ada, 'Another administrator has to confirm what you asked for').waitFor();
    for (const [i, { Name }] of SecretList.entries())
      expect((await currentOf(Name!)).VersionId).toBe(before[i]!.VersionId);

    const sam = await here.as('U0SAM', 'C0SECURITY');
    const his = message(sam, 'The fleet’s provider was broken into');
    await actionIn(his, 'rotation.confirm-campaign').click();
    await confirm(sam, 'Rotate');
    await his.getByText('6 of 6 keys').first().waitFor();
    await shot(sam, 'rotations-07-rotated');
    for (const [i, { Name }] of SecretList.entries()) {
      const after = await currentOf(Name!);
      expect(after.SecretString).not.toBe(before[i]!.SecretString);
      const { VersionIdsToStages } = await keysteward.admin.describeSecret({ SecretId: Name! });
      expect(VersionIdsToStages).toEqual({ [after.VersionId!]: ['AWSCURRENT'] });
    }
  });
});
