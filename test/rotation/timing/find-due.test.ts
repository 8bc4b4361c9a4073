import { describe, expect, it } from 'vitest';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { findDue } from '../../../src/rotation/timing/find-due.ts';
import { useStage } from '../stage.ts';

const stage = useStage();
const days = (count: number) => new Date(Date.now() + count * 86_400_000);
const rotationsOf = (key: ApiKey) => stage.database.store.read((view) => view.rotations.ofKey(key.id, 5));

describe('the schedule', () => {
  it('rotates a due key without anybody asking, once, and then leaves it until it is due again', async () => {
    const { key, version } = await stage.key({ nextRotationAt: days(-1) });
    expect(await findDue(stage.ports)).toBe(1);
    expect(await findDue(stage.ports)).toBe(0);
    await stage.work();
    const [rotation, ...others] = await rotationsOf(key);
    expect(others).toEqual([]);
    expect(rotation).toMatchObject({ status: 'done', condition: 'new', cause: 'due', askedBy: null, emergency: false });
    expect(await stage.stages(key)).not.toHaveProperty(version);
    expect(
      (await stage.database.store.read((view) => view.keys.get(key.id))).nextRotationAt!.getTime(),
    ).toBeGreaterThan(days(89).getTime());
    expect(await findDue(stage.ports)).toBe(0);
  });

  it('rotates a key before its provider ends it, and says that this is why', async () => {
    const { key } = await stage.key({ nextRotationAt: days(-1), expiresAt: days(13) });
    await findDue(stage.ports);
    await stage.work();
    expect((await rotationsOf(key)).map((each) => each.cause)).toEqual(['expiry']);
  });

  it('starts one rotation however many workers look at the same moment', async () => {
    const { key } = await stage.key({ nextRotationAt: days(-1) });
    const begun = await Promise.all(Array.from({ length: 4 }, () => findDue(stage.ports)));
    expect(begun.reduce((sum, each) => sum + each, 0)).toBe(1);
    expect(await rotationsOf(key)).toHaveLength(1);
    await stage.work();
  });

  it('leaves alone what is not due, snoozed, retired, stored elsewhere, or failed a moment ago', async () => {
    const due = { nextRotationAt: days(-1) };
    const snooze = { until: days(3).toISOString(), reason: 'release freeze', by: stage.owner.id };
    const quiet = [
      await stage.key({ nextRotationAt: days(1) }),
      await stage.key({ ...due, snooze }),
      await stage.key({ ...due, status: 'retired' }),
      await stage.key({ ...due, storage: 'password-manager' }),
    ];
    const failed = await stage.key(due);
    expect(await findDue(stage.ports)).toBe(1);
    await stage.bot.deleteSecret({ SecretId: failed.key.secretId!, ForceDeleteWithoutRecovery: true });
    await stage.work();
    expect((await rotationsOf(failed.key)).map((each) => each.status)).toEqual(['failed']);
    expect(await findDue(stage.ports)).toBe(0);
    for (const { key } of quiet) expect(await rotationsOf(key)).toEqual([]);
    await stage.database.store.pool.query(
      "update rotation set ended_at = now() - interval '25 hours' where key_id = $1",
      [failed.key.id],
    );
    // The secret is still gone: what is missing is found before anything is touched.
    expect(await findDue(stage.ports)).toBe(0);
    await stage.bot.createSecret({ Name: failed.key.secretId!, SecretString: 'made again' });
    expect(await findDue(stage.ports)).toBe(1);
    await stage.work();
  });

  it('asks a person for the new value of a due key that only a person can make, once', async () => {
    const { key } = await stage.key({ nextRotationAt: days(-1), issuer: 'person' });
    expect(await findDue(stage.ports)).toBe(1);
    await stage.work();
    const [rotation] = await rotationsOf(key);
    expect(rotation).toMatchObject({ status: 'running', step: 'generate', cause: 'due', waits: { task: 'hand-in' } });
    const asked = await stage.database.store.read((view) => view.cards.of('rotation:person', rotation!.id));
    expect(asked.map((each) => each.personId)).toEqual([stage.owner.id]);
    expect(await findDue(stage.ports)).toBe(0);
  });

  it('takes up a snoozed key when the snooze is over', async () => {
    const snooze = { until: days(-0.01).toISOString(), reason: 'release freeze', by: stage.owner.id };
    const { key } = await stage.key({ nextRotationAt: days(-1), snooze });
    expect(await findDue(stage.ports)).toBe(1);
    await stage.work();
    expect((await rotationsOf(key)).map((each) => each.status)).toEqual(['done']);
  });
});
