import { inspect } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/kernel.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';

const database = useDatabase();
const owner = aPerson({ slackId: 'U0STORE', name: 'Olivia' });
const [key, other] = [aKey(owner, { purpose: 'one' }), aKey(owner, { purpose: 'two' })];
const change = { actor: { kind: 'person', id: owner.id }, action: 'test.change', subject: key.id } as const;
const lastLogged = async () =>
  (
    await database.store.pool.query(
      "select outcome from audit_event where action = 'test.change' order by occurred_at desc limit 1",
    )
  ).rows[0];

beforeAll(() => given(database.store, { people: [owner], keys: [key, other] }));

describe('a change', () => {
  it('whose write is refused says what was wrong with it, also when something else was asked behind it', async () => {
    const same = database.store.change(change, async (tx) => {
      const mine = await tx.keys.get(key.id);
      await tx.keys.save({ ...mine, purpose: other.purpose, name: other.name });
      // The transaction is over already, and whoever asks hears that first.
      return tx.people.get(owner.id);
    });
    await expect(same).rejects.toMatchObject({
      name: 'Refusal',
      message: 'The inventory already has a key with this service, environment and purpose.',
    });
    expect(await database.store.read((view) => view.keys.get(key.id))).toEqual(key);
    expect(await lastLogged()).toEqual({ outcome: 'refused' });
  });

  it('whose last write is refused says so', async () => {
    const same = database.store.change(change, async (tx) => {
      const mine = await tx.keys.get(key.id);
      await tx.keys.save({ ...mine, purpose: other.purpose, name: other.name });
    });
    await expect(same).rejects.toMatchObject({ name: 'Refusal' });
    expect(await lastLogged()).toEqual({ outcome: 'refused' });
  });

  it('that Postgres refuses for good says so without the row that was to be written', async () => {
    const typed = 'what somebody typed';
    const failed = await database.store
      .change(change, async (tx) => {
        const mine = await tx.keys.get(key.id);
        await tx.keys.save({ ...mine, purpose: typed, risk: null as never });
      })
      .catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: 'PostgresError', cause: { code: '23502' } });
    expect(inspect(failed, { depth: 9 })).not.toContain(typed);
  });

  it('sees its own writes in what it asks next', async () => {
    const seen = await database.store.change(change, async (tx) => {
      const mine = await tx.keys.get(key.id);
      await tx.keys.save({ ...mine, scope: 'Reads' });
      const { rows } = await tx.keys.list({}, 10);
      await tx.keys.save(mine);
      return rows.find(({ id }) => id === key.id)?.scope;
    });
    expect(seen).toBe('Reads');
  });
});

describe('a look', () => {
  it('answers one question as a read would', async () => {
    const { store } = database;
    expect(await store.look((view) => view.keys.get(key.id))).toEqual(key);
    expect(await store.look((view) => view.keys.find(newId('key')))).toBeNull();
    await expect(store.look((view) => view.keys.get(newId('key')))).rejects.toMatchObject({ code: 'not_found' });
  });

  it('refuses to be two questions, which might not agree', async () => {
    const two = database.store.look((view) => Promise.all([view.keys.get(key.id), view.people.get(owner.id)]));
    await expect(two).rejects.toThrow('a look is one question');
  });
});
