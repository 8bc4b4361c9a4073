import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fittingOf } from '../providers/fakes/index.ts';
import { startFake } from '../providers/fakes/server.ts';
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

const fitting = fittingOf('openai');
const openai = await startFake(fitting.dialect());
const credential = 'keysteward/openai-admin';
const here = newcomer({
  rotation: { graceMinutes: 0, settleSeconds: 2, screamTestHours: 0 },
  providers: { openai: fitting.settings(openai.url, credential, 0) },
});
let keysteward: Running;

describe.skipIf(!chromiumPath)(
  'new values, without a person who makes them (in Chromium)',
  { timeout: 3 * patienceMs },
  () => {
    beforeAll(async () => {
      [keysteward] = await Promise.all([here.start(), here.browse({ keepPictures: true })]);
      await keysteward.admin.createSecret({ Name: credential, SecretString: openai.world.admin });
    }, 3 * patienceMs);
    afterEach(({ task }) => here.leave(task.result?.state === 'fail'));
    afterAll(async () => {
      await here.close();
      await openai.close();
    }, patienceMs);

    it('a key at OpenAI is connected by its owner and rotated by itself: one live key there, which is the one handed out', async () => {
      const SecretId = 'larkfield/staging/openai/support-assistant';
      const before = (await keysteward.admin.getSecretValue({ SecretId })).SecretString!;
      openai.world.make('made in the dashboard', before);
      const olivia = await here.as('U0OLIVIA', 'C0GENERAL');
      await send(olivia, '/keys show openai staging');
      const shown = message(olivia, SecretId);
      await press(shown.getByRole('button', { name: /Edit/ }), olivia);
      await choose(olivia, 'issuer', 'openai', /openai/);
      await shot(olivia, 'rotations-01-connect');
      await submit(olivia);
      await modal(olivia).getByRole('button', { name: 'Close' }).last().click();
      await modal(olivia).waitFor({ state: 'hidden' });

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
      await shot(ada, 'rotations-04-preview');
      await submit(ada);
      await done(ada, 'Another administrator has to confirm');
      const card = message(ada, 'The fleet’s provider was broken into');
      await card.getByText('Needs a second person').first().waitFor();
      await shot(ada, 'rotations-05-asked');
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
      await shot(sam, 'rotations-06-rotated');
      for (const [i, { Name }] of SecretList.entries()) {
        const after = await currentOf(Name!);
        expect(after.SecretString).not.toBe(before[i]!.SecretString);
        const { VersionIdsToStages } = await keysteward.admin.describeSecret({ SecretId: Name! });
        expect(VersionIdsToStages).toEqual({ [after.VersionId!]: ['AWSCURRENT'] });
      }
    });
  },
);
