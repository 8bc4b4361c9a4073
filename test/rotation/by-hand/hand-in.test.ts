import { describe, expect, test } from 'vitest';
import { confirmDeleted } from '../../../src/rotation/by-hand/confirm-deleted.ts';
import { waitsNow } from '../../../src/rotation/by-hand/model.ts';
import { conditionInWords } from '../../../src/rotation/model.ts';
import { aNewKey, aNewToken, useHandIn, Visitor } from './hand-in-stage.ts';

const stage = useHandIn();

describe('a key that only a person can make', () => {
  test('at Anthropic: made by hand, handed in once, tested, handed out; the old one is revoked there and proven dead', async () => {
    const { id, key, old } = await stage.waiting();
    const before = await stage.rotation(id);
    expect(before).toMatchObject({ status: 'running', step: 'generate', condition: 'old', taken: null });
    expect(waitsNow(before)).toMatchObject({ task: 'hand-in', nudges: 0 });
    expect(before.labels).toEqual([]);

    const fresh = aNewKey();
    stage.anthropic.world.make('made in the Console', fresh);
    const visitor = new Visitor();
    const link = await stage.linkFor(stage.owner, id);
    const form = await stage.signIn(visitor, link, stage.owner);
    expect([form.status, form.text]).toEqual([200, expect.stringContaining(`Hand in the new key for ${key.name}`)]);
    const shown = await stage.handIn(visitor, form.at, fresh);
    expect(shown.text).toContain('The new key was handed in');
    expect((await stage.rotation(id)).taken?.by).toBe(stage.owner.id);

    await stage.work({ ports: stage.ports });
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new', attempt: 1, failure: null });
    expect((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(fresh);
    expect(stage.anthropic.world.live()).toContain(fresh);
    expect(stage.anthropic.world.live()).not.toContain(old);
    const made = stage.anthropic.world.keys.find((each) => each.value === fresh)!;
    expect(await stage.database.store.read((view) => view.keys.get(key.id))).toMatchObject({
      providerKeyId: made.id,
      lastFour: fresh.slice(-4),
    });
    expect(done.record.find((each) => each.step === 'generate')!.evidence).toContain('handed in by Olu');
    expect(done.record.findLast((each) => each.step === 'confirm')!.evidence).toContain('no longer accepts');
  });

  test('at GitHub: a token is tried and its predecessor revoked for good, with nothing but the tokens themselves', async () => {
    const { id, key, old } = await stage.waiting('github');
    const fresh = aNewToken();
    const visitor = new Visitor();
    const form = await stage.signIn(visitor, await stage.linkFor(stage.owner, id), stage.owner);
    stage.github.world.make('made in the settings', fresh);
    expect((await stage.handIn(visitor, form.at, fresh)).text).toContain('The new key was handed in');
    stage.github.world.lag.ended = 1;
    await stage.work({ ports: stage.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new', attempt: 1, failure: null });
    expect((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(fresh);
    expect(stage.github.world.live()).toEqual([fresh]);
    expect(JSON.stringify([await stage.trail(id), await stage.rotation(id)])).not.toContain(old);
  });

  test('at a service that nobody talks to: a person makes the new one and says that the old one is deleted', async () => {
    const { id, key } = await stage.waiting('person', { facts: { service: 'Acme' } });
    const visitor = new Visitor();
    const { at } = await stage.signIn(visitor, await stage.linkFor(stage.owner, id), stage.owner);
    await stage.handIn(visitor, at, aNewKey());
    await stage.work({ ports: stage.ports });
    const waits = await stage.rotation(id);
    expect(waits).toMatchObject({ status: 'running', step: 'retire', condition: 'both' });
    expect(waitsNow(waits)).toMatchObject({ task: 'delete' });
    expect(conditionInWords(waits)).toBe('The new value works. The old one is being retired.');
    await confirmDeleted(stage.ports, stage.owner, id);
    await stage.work({ ports: stage.ports });
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new' });
    expect(done.record.findLast((each) => each.step === 'retire')!.evidence).toContain('deleted at Acme, says Olu');
    expect(Object.values(await stage.stages(key)).flat()).toEqual(['AWSCURRENT']);
    await expect(confirmDeleted(stage.ports, stage.owner, id)).rejects.toThrow(/does not wait/);
  });
});
