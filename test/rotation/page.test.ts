import { describe, expect, test } from 'vitest';
import { Refusal } from '../../src/kernel.ts';
import type { Ports } from '../../src/ports.ts';
import { askForPage, pageForRotation } from '../../src/rotation/page.ts';
import { retryRotation } from '../../src/rotation/retry.ts';
import { rotationInSlack } from '../../src/rotation/slack.ts';
import { startForCause, startRotation } from '../../src/rotation/start.ts';
import { aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { useStage } from './stage.ts';

const stage = useStage();
const desk = deskOf(() => stage.ports, rotationInSlack);
const withPager = (page: Ports['pager']['page']): Ports => ({ ...stage.ports, pager: { page } });
const unconnected = () => withPager(async () => false);

/** A rotation that failed because its secret went away. */
async function failed(emergency = false, ports: Ports = stage.ports) {
  const { key } = await stage.key();
  const { id } = await startRotation(ports, stage.owner, { keyId: key.id, reason: 'A test', emergency });
  await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
  await stage.work({ ports });
  expect((await stage.rotation(id)).status).toBe('failed');
  return { key, id };
}
const pagesOn = async (id: string) =>
  (await stage.trail(id))
    .filter((each) => each.action === 'rotation.page')
    .map(({ outcome, facts }) => ({ outcome, ...facts }));
const card = async (id: string, kind = 'rotation') => saying(await desk.card(kind, id, { channel: 'security' }));

describe('Page on the card of a failed rotation', () => {
  test('wakes whoever is on call once, however often it is pressed, and the card says who asked and when', async () => {
    const { id } = await failed();
    expect(await card(id)).toContain('rotation.page');
    const before = stage.pages.length;
    await desk.press(stage.admin, 'rotation.page', id);
    const twice = await Promise.allSettled([1, 2].map(() => askForPage(stage.ports, stage.owner, id)));
    for (const each of twice) expect(each).toMatchObject({ status: 'rejected', reason: { code: 'conflict' } });
    await stage.work();
    await expect(askForPage(stage.ports, stage.owner, id)).rejects.toThrow(/was paged for this already/);
    expect(stage.pages.slice(before)).toEqual([
      {
        dedupKey: `rotation-${id}-${(await stage.rotation(id)).fence}`,
        severity: 'error',
        summary: expect.stringContaining('failed'),
        details: expect.objectContaining({ rotation: id, owner: stage.owner.name, condition: 'old' }),
      },
    ]);
    expect(await pagesOn(id)).toMatchObject([
      { outcome: 'done', asked: true },
      { outcome: 'refused' },
      { outcome: 'refused' },
      { outcome: 'done', paged: true },
      { outcome: 'refused' },
    ]);
    const shown = await card(id);
    expect(shown).toMatch(new RegExp(`On-call was paged for <@${stage.admin.slackId}>`));
    expect(shown).not.toContain('rotation.page');
  });

  test('can be pressed again when a retry has failed anew', async () => {
    const { id } = await failed();
    await askForPage(stage.ports, stage.owner, id);
    await stage.work();
    await retryRotation(stage.ports, stage.owner, id);
    await expect(askForPage(stage.ports, stage.owner, id)).rejects.toThrow(/has not failed/);
    await stage.work();
    const before = stage.pages.length;
    await askForPage(stage.ports, stage.owner, id);
    await stage.work();
    expect(stage.pages.slice(before)).toHaveLength(1);
    expect(new Set(stage.pages.filter((each) => each.details.rotation === id).map((each) => each.dedupKey)).size).toBe(
      2,
    );
  });

  test('is for those who answer for the key and for who asked for the rotation, and for nobody else', async () => {
    const asker = aPerson({ tier: 'administrator', name: 'Asker' });
    const other = aPerson();
    const contractor = aPerson({ tier: 'contractor' });
    await given(stage.database.store, { people: [asker, other, contractor] });
    const { key } = await stage.key();
    const { id } = await startRotation(stage.ports, asker, { keyId: key.id, reason: 'A test', emergency: false });
    await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
    await stage.work();
    await given(stage.database.store, { people: [{ ...asker, tier: 'developer' }] });
    await expect(askForPage(stage.ports, other, id)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(askForPage(stage.ports, contractor, id)).rejects.toMatchObject({ code: 'not_found' });
    await askForPage(stage.ports, asker, id);
    await given(stage.database.store, { people: [{ ...asker, status: 'left' }] });
    await expect(askForPage(stage.ports, asker, id)).rejects.toMatchObject({ code: 'not_allowed' });
  });

  test('says that nobody was woken without a pager, and what to set; then it can be pressed again', async () => {
    const { id } = await failed();
    await askForPage(stage.ports, stage.owner, id);
    await stage.work({ ports: unconnected() });
    expect(await pagesOn(id)).toMatchObject([
      { asked: true },
      { paged: false, why: 'no pager is connected: PAGERDUTY_ROUTING_KEY is not set' },
    ]);
    for (const kind of ['rotation', 'rotation:failed']) {
      expect(await card(id, kind)).toMatch(/Nobody was paged for <@\w+>.*`PAGERDUTY_ROUTING_KEY`/);
      expect(await card(id, kind)).toContain('rotation.page');
    }
    await askForPage(stage.ports, stage.owner, id);
    await stage.work();
    expect(await card(id)).toMatch(/On-call was paged/);
  });
});

describe('an emergency that failed', () => {
  test('pages by itself, once, and it is on record although no pager is connected or it refused', async () => {
    const none = await failed(true, unconnected());
    expect(await pagesOn(none.id)).toMatchObject([{ paged: false, why: expect.stringContaining('no pager') }]);
    const refusing = withPager(async () => {
      throw new Refusal('invalid', 'PagerDuty refused the page: check the routing key.');
    });
    const refused = await failed(true, refusing);
    expect(await pagesOn(refused.id)).toMatchObject([{ paged: false, why: expect.stringContaining('refused') }]);
    const { id } = await failed(true);
    expect(await pagesOn(id)).toEqual([{ outcome: 'done', paged: true }]);
    expect(await card(id)).toMatch(/On-call was paged/);
    const before = stage.pages.length;
    await pageForRotation(stage.ports, { rotationId: id });
    expect(stage.pages.length).toBe(before);
  });

  test('is tried again when the pager does not answer, with the same key', async () => {
    let down = 2;
    const keys: string[] = [];
    const flaky = withPager(async ({ dedupKey }) => {
      keys.push(dedupKey);
      if (down-- > 0) throw new Error('PagerDuty answered 503');
      return true;
    });
    const { id } = await failed(true, flaky);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(await pagesOn(id)).toEqual([{ outcome: 'done', paged: true }]);
  });

  test('pages nobody any more when it has been taken up again before the job came', async () => {
    const { key } = await stage.key();
    await startForCause(stage.ports, { keyId: key.id, cause: 'incident', causeId: 'inc_page', emergency: true });
    await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
    await stage.work({ until: (each) => each.status === 'failed' });
    const [rotation] = await stage.database.store.read((view) => view.rotations.ofKey(key.id, 1));
    await retryRotation(stage.ports, stage.owner, rotation!.id);
    const before = stage.pages.length;
    await pageForRotation(stage.ports, { rotationId: rotation!.id });
    expect(stage.pages.length).toBe(before);
    expect(await pagesOn(rotation!.id)).toEqual([]);
    await stage.work();
  });
});
