import { describe, expect, test } from 'vitest';
import { accessInSlack } from '../../../src/access/slack.ts';
import { addConsumer } from '../../../src/inventory/record-consumer.ts';
import { removeConsumer } from '../../../src/inventory/remove-consumer.ts';
import type { Person } from '../../../src/people/model.ts';
import { confirmDeleted } from '../../../src/rotation/by-hand/confirm-deleted.ts';
import { waitsNow } from '../../../src/rotation/by-hand/model.ts';
import { takeOn } from '../../../src/rotation/by-hand/take.ts';
import { conditionInWords } from '../../../src/rotation/model.ts';
import { rollBackRotation } from '../../../src/rotation/roll-back.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startRotation } from '../../../src/rotation/start.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { aNewKey, aNewToken, useHandIn, Visitor } from './hand-in-stage.ts';

const stage = useHandIn();

describe('a key that only a person can make', () => {
  test('is in App Home among what waits for its owner, or for whoever has taken it, until that is done', async () => {
    const owner = await stage.someone();
    const taker = await stage.someone({ tier: 'administrator' });
    const { id, key } = await stage.waiting('anthropic', { owner });
    const home = async (person: Person) => saying(await deskOf(() => stage.ports, accessInSlack).home(person));
    const waits = new RegExp(
      `Waiting for you[\\s\\S]*${key.name}\\*\\nA new key has to be made at ${key.service}, by `,
    );
    expect(await home(owner)).toMatch(waits);
    expect(await home(owner)).not.toContain('Nothing. :tada:');
    expect(await home(taker)).not.toContain(key.name);
    await takeOn(stage.ports, taker, id);
    expect(await home(owner)).toContain('Nothing. :tada:');
    expect(await home(taker)).toMatch(waits);
    // Who may not know of it any more reads nothing of it.
    const tierOf = (tier: string) =>
      stage.database.store.pool.query('update person set tier = $2 where id = $1', [taker.id, tier]);
    await tierOf('contractor');
    const now = await stage.database.store.read((view) => view.people.get(taker.id));
    expect(await home(now)).not.toContain(key.name);
    await tierOf('administrator');
    await rollBackRotation(stage.ports, owner, id);
    await stage.work();
    expect(await home(taker)).not.toContain('has to be made');
  });

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
    expect(conditionInWords(done)).toBe('The new value works; the old one is dead.');
  });

  test('at Anthropic: the old one lives on while its report shows use of it, and goes when that has been silent for the window and for as long as it may be late', async () => {
    const { id, key, old } = await stage.waiting();
    const sheet = { name: 'the sheet', kind: 'person', url: null, personId: stage.owner.id } as const;
    const { id: sheetId } = await addConsumer(stage.ports, stage.owner.id, key.id, { ...sheet, readsAs: null });
    const batch = { name: 'the batch', kind: 'reads-store', url: null, personId: null, readsAs: null } as const;
    await addConsumer(stage.ports, stage.owner.id, key.id, batch);
    const fresh = aNewKey();
    stage.anthropic.world.make('made in the Console', fresh);
    const visitor = new Visitor();
    const { at } = await stage.signIn(visitor, await stage.linkFor(stage.owner, id), stage.owner);
    await stage.handIn(visitor, at, fresh);
    const look = async () => {
      await stage.work({ ports: stage.ports, until: (each) => each.step === 'disable' });
      return stage.rotation(id);
    };
    expect(await look()).toMatchObject({ status: 'running', step: 'grace', condition: 'both' });

    await stage.endedEarlier(id, 40);
    const oldKey = stage.anthropic.world.keys.find((each) => each.value === old)!;
    const hoursAgo = (hours: number, amount: number) => ({ atMs: Date.now() - hours * 3_600_000, amount });
    oldKey.uses = [hoursAgo(50, 7_000), hoursAgo(35, 30_000), hoursAgo(27, 4_500)];
    await stage.skipTime(id);
    const waits = await look();
    expect(waits).toMatchObject({ step: 'grace', status: 'running' });
    expect(waits.extension!.why).toMatch(
      /^anthropic last saw the old key used .* UTC; anthropic has counted 34,500 tokens with the old key since .* UTC; what is less than 4 hours old may not be counted yet; the sheet: nobody has said that it is on the new value; the batch: /,
    );
    // What costs no tokens is not seen, so silence says nothing of whoever has yet to say that they have moved.
    oldKey.uses = [hoursAgo(35, 30_000), hoursAgo(29, 4_500)];
    await stage.skipTime(id);
    expect(await look()).toMatchObject({ step: 'grace', status: 'running' });
    await removeConsumer(stage.ports, stage.owner.id, sheetId);
    await stage.skipTime(id);
    await stage.work({ ports: stage.ports });
    const done = await stage.rotation(id);
    expect(done).toMatchObject({ status: 'done', condition: 'new' });
    expect(done.record.find((each) => each.step === 'grace')!.evidence).toMatch(
      /^anthropic has seen no use that costs something of the old key since /,
    );
    expect(stage.anthropic.world.live()).not.toContain(old);
  });

  test('at GitHub: a token is tried and its predecessor revoked for good, with nothing but the tokens themselves', async () => {
    const { id, key, old } = await stage.waiting('github');
    const fresh = aNewToken();
    const visitor = new Visitor();
    const form = await stage.signIn(visitor, await stage.linkFor(stage.owner, id), stage.owner);
    expect(form.text).toContain('It is tried at Anthropic before it is used.');
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
    const { at, text } = await stage.signIn(visitor, await stage.linkFor(stage.owner, id), stage.owner);
    expect(text).toContain('Nobody can try it at Acme before it is used');
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
    expect(conditionInWords(done)).toContain('Whether its service still takes the old one, Keysteward cannot ask.');
    expect(Object.values(await stage.stages(key)).flat()).toEqual(['AWSCURRENT']);
    await expect(confirmDeleted(stage.ports, stage.owner, id)).rejects.toThrow(/does not wait/);
  });
});

test('the page says until when it is open in the time of whoever it was opened for', async () => {
  const owner = await stage.someone({ timeZone: 'Asia/Kolkata' });
  const { id } = await stage.waiting('person', { owner });
  const { text } = await stage.signIn(new Visitor(), await stage.linkFor(owner, id), owner);
  const clock = (minutes: number) =>
    new Date(Date.now() + minutes * 60_000).toLocaleTimeString('en-GB', {
      timeZone: 'Asia/Kolkata',
      hour: '2-digit',
      minute: '2-digit',
    });
  expect([clock(9), clock(10)]).toContain(/Until<\/dt><dd>(\d\d:\d\d) \(Asia\/Kolkata\)/.exec(text)?.[1]);
});

describe('a value that is no new one', () => {
  /** Opens the page for what waits, and hands this in. */
  const handedIn = async (id: Parameters<typeof stage.linkFor>[1], value: string) => {
    const visitor = new Visitor();
    const { at } = await stage.signIn(visitor, await stage.linkFor(stage.owner, id), stage.owner);
    return (await stage.handIn(visitor, at, value)).text;
  };
  const person = { service: 'Acme' };
  const again = async (key: { id: `key_${string}` }) => {
    const ask = { keyId: key.id, reason: 'Once more', emergency: true };
    const { id } = await startRotation(stage.ports, stage.owner, ask);
    await stage.work({ ports: stage.ports });
    return id;
  };

  test('is recognised rotations later, when the store leads to it no more, and stored nowhere', async () => {
    const { id, key, old } = await stage.waiting('person', { facts: person });
    for (let current = id, times = 1; times <= 2; times++) {
      await handedIn(current, aNewKey());
      await stage.work({ ports: stage.ports });
      await confirmDeleted(stage.ports, stage.owner, current);
      await stage.work({ ports: stage.ports });
      expect(await stage.rotation(current)).toMatchObject({ status: 'done' });
      current = await again(key);
      if (times < 2) continue;
      const before = await stage.stages(key);
      const said = await handedIn(current, old);
      expect(said).toContain(`the key had it before, as version ${key.currentVersion!.slice(0, 8)}`);
      expect(said).not.toContain(old);
      expect(await stage.stages(key)).toEqual(before);
      expect(waitsNow(await stage.rotation(current))).toMatchObject({ task: 'hand-in' });
      expect(await handedIn(current, aNewKey())).toContain('The new key was handed in');
    }
  });

  test('but that of another key is not taken either: each key has its own', async () => {
    const other = await stage.waiting('person', { facts: person });
    const fresh = aNewKey();
    await handedIn(other.id, fresh);
    await stage.work({ ports: stage.ports });
    const { id } = await stage.waiting('person', { facts: person });
    expect(await handedIn(id, fresh)).toContain(`This is the value of another key, ${other.key.name}.`);
  });

  test('cannot be told while there is no key for fingerprints; then everything else still holds', async () => {
    const blind = { ...stage.ports, fingerprints: { ...stage.ports.fingerprints, of: async () => null } };
    const { id, key } = await stage.waiting('person', { facts: person, ports: blind });
    await handedIn(id, aNewKey());
    await stage.work({ ports: blind });
    await confirmDeleted(blind, stage.owner, id);
    await stage.work({ ports: blind });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    const versions = await stage.database.store.read((view) => view.versions.ofKey(key.id));
    expect(versions.map((each) => each.fingerprint)).toEqual([null, null]);
  });
});

describe('a credential that Keysteward itself works with, and only a person can make', () => {
  test('is tried as that before it is stored: another value, or one that nobody can say anything of, is not taken', async () => {
    const { id, key } = await stage.waiting('person');
    const { policy } = stage.ports;
    const entry = policy.providers.anthropic!;
    Object.assign(entry, { credential: key.secretId });
    try {
      const visitor = new Visitor();
      const { at, text } = await stage.signIn(visitor, await stage.linkFor(stage.owner, id), stage.owner);
      expect(text).toContain('It is tried at Anthropic before it is used.');
      // Said before somebody makes one of the ordinary kind.
      const manages = 'It has to be one that may manage keys, as Keysteward itself works with it at anthropic.';
      const card = await deskOf(() => stage.ports, rotationInSlack).card('rotation:person', id, {
        person: stage.owner.id,
      });
      for (const shown of [text, saying(card)]) expect(shown).toContain(manages);
      const ordinary = aNewKey();
      stage.anthropic.world.make('made in the Console', ordinary);
      const wrong = await stage.handIn(visitor, at, ordinary);
      expect(wrong.text).toContain('cannot with this value: it may not manage keys at anthropic. Nothing was stored.');
      expect(wrong.text).not.toContain(ordinary);
      const admin = aNewKey();
      stage.anthropic.world.admin = admin;
      stage.anthropic.world.faults = [{ on: 'list', reply: { status: 503 } }];
      expect((await stage.handIn(visitor, at, admin)).text).toContain('Nothing was stored: anthropic does not say');
      expect(Object.values(await stage.stages(key)).flat()).not.toContain('AWSPENDING');
      expect((await stage.handIn(visitor, at, admin)).text).toContain('The new key was handed in');
      await stage.work({ ports: stage.ports });
      await stage.skipTime(id);
      await stage.work({ ports: stage.ports });
      const waits = await stage.rotation(id);
      expect(waitsNow(waits)).toMatchObject({ task: 'delete' });
      for (const step of ['test', 'verify'])
        expect(waits.record.find((each) => each.step === step)!.evidence).toContain('it may manage keys at anthropic');
      await confirmDeleted(stage.ports, stage.owner, id);
      await stage.work({ ports: stage.ports });
      expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
      expect((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(admin);
    } finally {
      Object.assign(entry, { credential: 'keysteward/another' });
    }
  });
});
