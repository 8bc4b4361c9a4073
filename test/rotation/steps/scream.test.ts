import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import type { ApiKey } from '../../../src/inventory/model.ts';
import { addConsumer } from '../../../src/inventory/record-consumer.ts';
import type { Issuer, Ports } from '../../../src/ports.ts';
import { confirmMove } from '../../../src/rotation/deployment/confirm.ts';
import { retireNow } from '../../../src/rotation/deployment/retire-now.ts';
import { conditionInWords, type Rotation } from '../../../src/rotation/model.ts';
import { reEnableOld } from '../../../src/rotation/re-enable.ts';
import { rollBackRotation } from '../../../src/rotation/roll-back.ts';
import { rotationInSlack } from '../../../src/rotation/slack.ts';
import { startForCause, startRotation } from '../../../src/rotation/start.ts';
import { fittingOf } from '../../providers/fakes/index.ts';
import type { Fake } from '../../providers/fakes/server.ts';
import { aKey, aPerson, given } from '../../support/company.ts';
import { deskOf, saying } from '../../support/desk.ts';
import { dying, useProviderStage } from '../provider-stage.ts';

const stage = useProviderStage();
const desk = deskOf(() => stage.ports, rotationInSlack);
const [dana, kim] = [aPerson({ name: 'Dana' }), aPerson({ name: 'Kim', tier: 'contractor' })];
beforeAll(() => given(stage.database.store, { people: [dana, kim] }));
const fitting = fittingOf('cloudflare');

interface Scene {
  fake: Fake;
  ports: Ports;
  key: ApiKey;
  old: string;
  begin(emergency?: boolean, ports?: Ports): Promise<Rotation['id']>;
  /** What the provider says of a value to whoever tries it. */
  says(value: string): Promise<'active' | 'disabled' | 'dead'>;
  current(): Promise<string>;
}
/** A key at a provider that can stop a key and start it again. */
async function scene(graceMinutes = 0): Promise<Scene> {
  const { fake, ports } = await stage.connect(fitting, 'cloudflare', {
    rotation: { screamTestHours: 24, graceMinutes },
  });
  const made = await ports.issuers.of('cloudflare')!.create(aKey(stage.owner), 'made-before-us');
  const old = (made as { value: { reveal(): string } }).value.reveal();
  const { key } = await stage.key({ issuer: 'cloudflare' }, old);
  return {
    fake,
    ports,
    key,
    old,
    async begin(emergency = false, using = ports) {
      const { id } = await startRotation(using, stage.owner, { keyId: key.id, reason: 'A test', emergency });
      await stage.work({ ports: using });
      return id;
    },
    async says(value) {
      const answer = await fetch(`${fake.url}/accounts/acc1/tokens/verify`, {
        headers: { authorization: `Bearer ${value}` },
      });
      if (answer.status === 401) return 'dead';
      return ((await answer.json()) as { result: { status: 'active' | 'disabled' } }).result.status;
    },
    current: async () => (await stage.bot.getSecretValue({ SecretId: key.secretId! })).SecretString!,
  };
}
const cardOf = async (id: string, kind = 'rotation', person = stage.owner) =>
  saying(await desk.card(kind, id, { person: person.id }));
async function afterwards(here: Scene, id: Rotation['id'], ports = here.ports): Promise<Rotation> {
  await stage.skipTime(id);
  await stage.work({ ports });
  return stage.rotation(id);
}

describe('where a provider can stop a key and start it again, the old one', () => {
  test('is disabled for the policy’s hours, which the card says with a way to undo it, and then deleted', async () => {
    const here = await scene();
    const id = await here.begin();
    const watched = await stage.rotation(id);
    expect(watched).toMatchObject({ status: 'running', step: 'watch', condition: 'new' });
    expect(watched.continuesAt!.getTime() - Date.parse(watched.record.at(-1)!.startedAt)).toBe(24 * 3_600_000);
    expect(await here.says(here.old)).toBe('disabled');
    expect(await here.says(await here.current())).toBe('active');
    expect(conditionInWords(watched)).toBe('The new value works. The old one is disabled, and can be enabled again.');
    expect(await cardOf(id)).toMatch(/Something broke\? Re-enable/);
    await expect(rollBackRotation(here.ports, stage.owner, id)).rejects.toThrow(/Re-enable it first/);
    const done = await afterwards(here, id);
    expect(done).toMatchObject({ status: 'done', condition: 'new' });
    expect(await here.says(here.old)).toBe('dead');
    expect(here.fake.world.live()).toEqual([await here.current()]);
    expect(await cardOf(id)).not.toMatch(/Re-enable/);
    await expect(reEnableOld(here.ports, stage.owner, id)).rejects.toMatchObject({ code: 'conflict' });
    const actions = (await stage.trail(id)).map((each) => each.action);
    for (const each of ['rotation.disable-key', 'rotation.watch', 'rotation.revoke']) expect(actions).toContain(each);
  });

  test('is not called retired by the card of its grace, at whose end it is only disabled', async () => {
    const here = await scene(60);
    const id = await here.begin();
    expect(await stage.rotation(id)).toMatchObject({ status: 'running', step: 'grace' });
    const its = deskOf(() => here.ports, rotationInSlack);
    const said = saying(await its.card('rotation', id, { person: stage.owner.id }));
    expect(said).toMatch(/The old value is disabled <!date[^>]*>, and deleted later/);
    expect(said).not.toContain('is retired');
  });

  test('works again at one press of whoever something broke for: the grace goes on, the owner hears of it, nobody deletes it by a timer', async () => {
    const here = await scene();
    const id = await here.begin();
    await expect(reEnableOld(here.ports, kim, id)).rejects.toMatchObject({ code: 'not_found' });
    await reEnableOld(here.ports, dana, id);
    await expect(reEnableOld(here.ports, dana, id)).rejects.toMatchObject({ code: 'conflict' });
    await stage.work({ ports: here.ports });
    const back = await stage.rotation(id);
    expect(back).toMatchObject({ status: 'running', step: 'grace', condition: 'both' });
    expect(await here.says(here.old)).toBe('active');
    const cards = await stage.database.store.pool.query<{ kind: string }>(
      `select kind from card where subject = $1 and kind like 'rotation:re-enabled%' and person_id = $2`,
      [id, stage.owner.id],
    );
    expect(cards.rows).toHaveLength(1);
    const toOwner = await cardOf(id, cards.rows[0]!.kind);
    expect(toOwner).toMatch(/wanted back.*Dana: something broke/s);
    expect(toOwner).toContain('inventory.show');
    // Nothing is retired by a timer now, so the card names no moment for it.
    const looked = await cardOf(id);
    expect(looked).toMatch(/Something broke when the old value was disabled/);
    expect(looked).not.toMatch(/The old value is retired|nobody was asked/);

    expect(await afterwards(here, id)).toMatchObject({ status: 'running', step: 'grace', condition: 'both' });
    expect(await here.says(here.old)).toBe('active');
    expect((await stage.rotation(id)).extension!.why).toContain('something broke when the old value was disabled');
    expect(await cardOf(id)).toMatch(
      /The old value lives on.*nobody needs it: something broke when the old value was disabled/s,
    );

    await retireNow(here.ports, stage.owner, { rotationId: id, reason: 'the thing that broke is repaired' });
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ step: 'watch', condition: 'new' });
    expect(await here.says(here.old)).toBe('disabled');
    await retireNow(here.ports, stage.owner, { rotationId: id, reason: 'it works, I have looked' });
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(await here.says(here.old)).toBe('dead');
  });

  test('is not believed to be unused by those who said so before it broke: each is asked anew', async () => {
    const here = await scene();
    const sheet = await addConsumer(here.ports, stage.owner.id, here.key.id, {
      name: 'the sheet',
      kind: 'person',
      url: null,
      personId: dana.id,
    });
    const id = await here.begin();
    const about = { rotationId: id, consumerId: sheet.id };
    await confirmMove(here.ports, dana, about);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ step: 'watch' });
    expect(await cardOf(id, 'rotation:move', dana)).toMatch(/Something broke\? Re-enable/);
    await desk.press(dana, 'rotation.re-enable', id);
    await stage.work({ ports: here.ports });
    expect((await stage.rotation(id)).deployments).toMatchObject([{ confirmedAt: null, round: 2 }]);
    expect(await afterwards(here, id)).toMatchObject({ step: 'grace' });
    await confirmMove(here.ports, dana, about);
    await stage.work({ ports: here.ports });
    expect(await stage.rotation(id)).toMatchObject({ step: 'watch', condition: 'new' });
    expect(await afterwards(here, id)).toMatchObject({ status: 'done' });
  });

  test('is deleted at once in an emergency and after somebody has left: nothing leads back to it', async () => {
    const here = await scene();
    const id = await here.begin(true);
    expect(await stage.rotation(id)).toMatchObject({ status: 'done', condition: 'new' });
    expect(await here.says(here.old)).toBe('dead');
    const left = await scene();
    const causeId = `cas_${randomUUID()}`;
    await startForCause(left.ports, { keyId: left.key.id, cause: 'leaver', causeId, emergency: false });
    await stage.work({ ports: left.ports });
    expect(await left.says(left.old)).toBe('dead');
    expect((await stage.trail(id)).map((each) => each.action)).not.toContain('rotation.disable-key');
  });

  test('dies when an emergency takes over while it is disabled', async () => {
    const here = await scene();
    const first = await here.begin();
    const between = await here.current();
    const second = await here.begin(true);
    expect(await stage.rotation(first)).toMatchObject({ status: 'superseded' });
    expect(await stage.rotation(second)).toMatchObject({ status: 'done', condition: 'new' });
    expect([await here.says(here.old), await here.says(between)]).toEqual(['dead', 'dead']);
    expect(here.fake.world.live()).toEqual([await here.current()]);
    await expect(reEnableOld(here.ports, stage.owner, first)).rejects.toMatchObject({ code: 'conflict' });
  });

  test('that was wanted back and dies of an emergency is not said to live on, nor that anything waits for anybody', async () => {
    const here = await scene();
    const first = await here.begin();
    await reEnableOld(here.ports, dana, first);
    await stage.work({ ports: here.ports });
    await afterwards(here, first);
    expect(await cardOf(first)).toContain('The old value lives on');
    await here.begin(true);
    expect(await stage.rotation(first)).toMatchObject({ status: 'superseded' });
    expect(await cardOf(first)).not.toContain('lives on');
    const { rows } = await stage.database.store.pool.query<{ kind: string }>(
      `select kind from card where subject = $1 and kind like 'rotation:re-enabled%'`,
      [first],
    );
    const toOwner = await cardOf(first, rows[0]!.kind);
    expect(toOwner).toContain('Find out what broke');
    expect(toOwner).not.toContain('The rotation goes on');
  });

  test('is disabled without a way back by label alone: whoever switches back meanwhile is told that nothing works', async () => {
    const here = await scene();
    const id = await here.begin();
    const { oldVersion, newVersion } = await stage.rotation(id);
    await stage.bot.updateSecretVersionStage({
      SecretId: here.key.secretId!,
      VersionStage: 'AWSCURRENT',
      RemoveFromVersionId: newVersion!,
      MoveToVersionId: oldVersion!,
    });
    const failed = await afterwards(here, id);
    expect(failed).toMatchObject({ status: 'failed', condition: 'none' });
    expect(failed.failure).toContain('Somebody else moved AWSCURRENT');
    expect(await here.says(here.old)).toBe('disabled');
  });
});

describe('a worker that dies before or after any outside call', () => {
  test.each(['before', 'after'] as const)(
    'that disables or enables (%s it) leaves what was asked for',
    async (moment) => {
      for (const at of [1, 2, 3]) {
        const here = await scene();
        const { ports, calls } = dying(here.ports, { issuer: ['enable'] }, at, moment);
        const id = await here.begin(false, ports);
        expect(await stage.rotation(id)).toMatchObject({ step: 'watch', condition: 'new' });
        expect(await here.says(here.old)).toBe('disabled');
        await reEnableOld(ports, dana, id);
        await stage.work({ ports });
        expect(await stage.rotation(id)).toMatchObject({ step: 'grace', condition: 'both' });
        expect(await here.says(here.old)).toBe('active');
        expect(calls()).toBeGreaterThanOrEqual(2);
        await rollBackRotation(ports, stage.owner, id);
        await stage.skipTime(id);
        await stage.work({ ports });
        expect(await stage.rotation(id)).toMatchObject({ status: 'rolled-back', condition: 'old' });
        expect(here.fake.world.live()).toEqual([here.old]);
      }
    },
  );

  test('of a disabling that nobody has written down: who objects meanwhile has it enabled all the same', async () => {
    const here = await scene();
    const gone = { ...here.ports, issuers: { ...here.ports.issuers, of: lost(here.ports) } };
    const id = await startRotation(gone, stage.owner, { keyId: here.key.id, reason: 'A test', emergency: false });
    await stage.work({
      ports: gone,
      until: (each) => each.step === 'disable' && each.record.at(-1)?.step === 'disable',
    });
    expect(await here.says(here.old)).toBe('disabled');
    expect((await stage.rotation(id.id)).issued.some((each) => each.disabled)).toBe(false);
    await reEnableOld(here.ports, dana, id.id);
    const back = await afterwards(here, id.id);
    expect(back).toMatchObject({ step: 'grace', condition: 'both' });
    expect(await here.says(here.old)).toBe('active');
  });
  const lost = (ports: Ports) => (name: string) => {
    const issuer = ports.issuers.of(name);
    return (
      issuer && {
        ...issuer,
        async enable(...asked: Parameters<NonNullable<Issuer['enable']>>) {
          await issuer.enable!(...asked);
          throw new Error('the answer was lost');
        },
      }
    );
  };
});
