import { describe, expect, test } from 'vitest';
import { openSlack } from '../../../src/app.ts';
import type { Issuer, Ports } from '../../../src/ports.ts';
import { checkKey } from '../../../src/reviews/check-drift.ts';
import { confirmGone } from '../../../src/reviews/left.ts';
import type { Rotation } from '../../../src/rotation/model.ts';
import { rollBackRotation } from '../../../src/rotation/roll-back.ts';
import { aPerson, given } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { aNewKey, useHandIn, Visitor } from './hand-in-stage.ts';

const stage = useHandIn();
const desk = deskOf(() => stage.ports, openSlack);
/** With a grace, in which a rotation can be turned back. */
const graceful = (issuers = stage.ports.issuers): Ports => ({
  ...stage.ports,
  issuers,
  policy: { ...stage.ports.policy, rotation: { ...stage.ports.policy.rotation, graceMinutes: 60 } },
});
/** Hands in a new key; it is handed out and has its grace. */
async function handedOut(issuer: 'person' | 'anthropic', ports: Ports) {
  const waiting = await stage.waiting(issuer, { ports, facts: issuer === 'person' ? { service: 'Acme' } : {} });
  const fresh = aNewKey();
  if (issuer === 'anthropic') stage.anthropic.world.make('made in the Console', fresh);
  const visitor = new Visitor();
  const { at } = await stage.signIn(visitor, await stage.linkFor(stage.owner, waiting.id), stage.owner);
  expect((await stage.handIn(visitor, at, fresh)).text).toContain('The new key was handed in');
  await stage.work({ ports });
  expect(await stage.rotation(waiting.id)).toMatchObject({ step: 'grace', condition: 'both' });
  return { ...waiting, fresh };
}
async function turnedBack(ports: Ports, id: Rotation['id']): Promise<Rotation> {
  await rollBackRotation(ports, stage.owner, id);
  await stage.skipTime(id);
  await stage.work({ ports });
  const rotation = await stage.rotation(id);
  expect(rotation).toMatchObject({ status: 'rolled-back', condition: 'old' });
  return rotation;
}
const open = (keyId: string) => stage.database.store.read((view) => view.findings.openOfKey(keyId));
const rotationCard = async (id: string) => saying(await desk.card('rotation', id, { person: stage.owner.id }));

describe('a key that was handed in and is not used after all', () => {
  test('where nobody can delete it by API, is named until a person says that they have deleted it', async () => {
    const ports = graceful();
    const { id, key, old, fresh } = await handedOut('person', ports);
    const back = await turnedBack(ports, id);
    expect((await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString).toBe(old);
    const [finding] = await open(key.id);
    expect(finding).toMatchObject({
      kind: 'left-at-service',
      sentence: `What was handed in and is not used may still work at Acme: the one that ends with …${fresh.slice(-4)}.`,
      facts: { left: [{ version: back.tried[0], lastFour: fresh.slice(-4), rotationId: id }] },
    });
    expect(back.record.findLast((each) => each.step === 'discard')!.evidence).toContain(
      `still to be deleted at Acme by a person: …${fresh.slice(-4)}`,
    );
    for (const shown of [
      await rotationCard(id),
      saying(await desk.card('reviews.findings', key.id, { person: stage.owner.id })),
      saying(await desk.press(stage.owner, 'inventory.show', key.id)),
      saying(await desk.type(stage.owner, 'findings')),
    ]) {
      expect(shown).toContain(`…${fresh.slice(-4)}`);
      expect(shown).toContain('reviews.confirm-deleted');
      expect(shown).not.toContain(fresh);
    }
    const cards = await stage.database.store.read((view) => view.cards.of('reviews.findings', key.id));
    expect(cards.map((each) => each.channel ?? each.personId).sort()).toEqual([stage.owner.id, 'security'].sort());

    const other = aPerson();
    await given(stage.database.store, { people: [other] });
    await expect(confirmGone(stage.ports, other, finding!.id)).rejects.toMatchObject({ code: 'not_allowed' });
    await desk.press(stage.owner, 'reviews.confirm-deleted', finding!.id);
    expect(await open(key.id)).toEqual([]);
    expect(await rotationCard(id)).not.toContain('reviews.confirm-deleted');
    await expect(confirmGone(stage.ports, stage.admin, finding!.id)).rejects.toThrow(/already/);
    const { rows } = await stage.database.store.read((view) =>
      view.audit.list({ keyId: key.id, action: 'reviews.confirm-deleted', outcome: 'done' }, 10),
    );
    expect(rows[0]).toMatchObject({ facts: { service: 'Acme' } });
  });

  test('is added to what was left there before; reminded of every week; and the daily look does not close it', async () => {
    const ports = graceful();
    const { id, key } = await handedOut('person', ports);
    await turnedBack(ports, id);
    const [before] = await open(key.id);
    await stage.database.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: key.id },
      async (tx) => {
        const left = [...before!.facts.left!, { version: 'another', lastFour: null, rotationId: id }];
        await tx.findings.save({ ...before!, facts: { left } });
      },
    );
    await stage.database.store.pool.query(`update rotation set ended_at = now() - interval '1 hour' where id = $1`, [
      id,
    ]);
    await stage.database.store.pool.query(`update card set anew = false where subject = $1`, [key.id]);
    const anew = async () =>
      (await stage.database.store.pool.query('select 1 from card where subject = $1 and anew', [key.id])).rowCount;
    await checkKey(stage.ports, { keyId: key.id });
    expect([(await open(key.id)).map((each) => each.kind), await anew()]).toEqual([['left-at-service'], 0]);
    await stage.database.store.pool.query(`update finding set seen_at = now() - interval '8 days' where key_id = $1`, [
      key.id,
    ]);
    await checkKey(stage.ports, { keyId: key.id });
    await checkKey(stage.ports, { keyId: key.id });
    expect([(await open(key.id)).length, await anew()]).toEqual([1, 2]);
    // Whoever has seen only one of the two says nothing of the other.
    await expect(
      confirmGone(
        {
          ...stage.ports,
          store: {
            ...stage.ports.store,
            read: (fn) =>
              stage.ports.store.read((view) =>
                fn({ ...view, findings: { ...view.findings, get: async () => before! } }),
              ),
          },
        },
        stage.owner,
        before!.id,
      ),
    ).rejects.toThrow(/Another one/);
  });

  test('where its provider can end it, is ended there, and nobody is asked', async () => {
    const ports = graceful();
    const { id, key, old, fresh } = await handedOut('anthropic', ports);
    await turnedBack(ports, id);
    expect(stage.anthropic.world.live()).toContain(old);
    expect(stage.anthropic.world.live()).not.toContain(fresh);
    expect(await open(key.id)).toEqual([]);
    expect(await rotationCard(id)).not.toContain('reviews.confirm-deleted');
  });

  test('where its provider does not say which one it is, but whether it works, is not believed to be gone before it is', async () => {
    const { of } = stage.ports.issuers;
    const nameless = (name: string): Issuer | null => {
      const issuer = of(name);
      return issuer && { ...issuer, identify: async () => null };
    };
    const ports = graceful({ ...stage.ports.issuers, of: nameless });
    const { id, key, fresh } = await handedOut('anthropic', ports);
    await turnedBack(ports, id);
    const [finding] = await open(key.id);
    expect(finding!.facts.left).toHaveLength(1);
    await expect(confirmGone(stage.ports, stage.owner, finding!.id)).rejects.toThrow(/still works at anthropic/);
    expect(await open(key.id)).toHaveLength(1);
    stage.anthropic.world.keys.find((each) => each.value === fresh)!.ended = true;
    await confirmGone(stage.ports, stage.owner, finding!.id);
    expect(await open(key.id)).toEqual([]);
  });

  test('and was not handed in yet, is known to who made it alone: their message says to delete it', async () => {
    const { id } = await stage.waiting('person', { facts: { service: 'Acme' } });
    await rollBackRotation(stage.ports, stage.owner, id);
    await stage.work({ ports: stage.ports });
    const shown = saying(await desk.card('rotation:person', id, { person: stage.owner.id }));
    expect(shown).toContain('Have you made a new key at Acme already? It is not used: delete it there.');
    expect(shown).not.toContain('was handed in');
  });
});
