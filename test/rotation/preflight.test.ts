import { describe, expect, test } from 'vitest';
import type { Consumer } from '../../src/inventory/consumer-model.ts';
import { newId } from '../../src/kernel.ts';
import type { Policy } from '../../src/policy.ts';
import type { Issuer, Ports } from '../../src/ports.ts';
import { preflight } from '../../src/rotation/preflight.ts';
import { checksFor, type Inside, type Outside, whyNotGo } from '../../src/rotation/preflight-model.ts';
import { rotationInSlack } from '../../src/rotation/slack.ts';
import { startRotation } from '../../src/rotation/start.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { quick, useStage } from './stage.ts';

const now = new Date('2026-06-01T10:00:00Z');
const owner = aPerson({ name: 'Olu' });
const issuer = {
  name: 'acme',
  credential: 'keysteward/acme' as string | null,
  can: {
    create: true,
    test: true,
    revoke: true,
    confirmDead: true,
    overlap: 'many' as const,
    keyLimit: 8 as number | null,
  },
};
const key = aKey(owner, { issuer: 'acme', currentVersion: 'v1', providerKeyId: 'k1' });
const inside: Inside = {
  key,
  owner,
  running: null,
  previous: null,
  roomComes: false,
  holders: 2,
  consumers: [],
  readers: null,
  issuer,
};
const outside: Outside = {
  secret: { deletedAt: null, rotationEnabled: false, versions: [{ id: 'v1', stages: ['AWSCURRENT'] }] },
  credential: 'there',
  keys: 3,
};
const consumer = (name: string, kind: Consumer['kind']): Consumer => ({
  id: newId('consumer'),
  keyId: key.id,
  name,
  kind,
  url: null,
  personId: null,
  readsAs: null,
  signedWith: null,
  addedBy: owner.id,
  addedAt: now,
  removedAt: null,
});
const found = (more: { inside?: Partial<Inside>; outside?: Partial<Outside>; policy?: Policy } = {}) =>
  checksFor({ ...inside, ...more.inside }, { ...outside, ...more.outside }, more.policy ?? quick, now);
const blocking = (...args: Parameters<typeof found>) => found(...args).filter((each) => each.level === 'blocking');
const under = (rules: Partial<Policy['rotation']>): Policy => ({ ...quick, rotation: { ...quick.rotation, ...rules } });

describe('the preflight of a rotation', () => {
  test('says whose read of the new value is looked for, and who just updates itself', () => {
    const consumers = [
      { ...consumer('checkout', 'reads-store'), readsAs: 'arn:aws:iam::123456789012:role/checkout' },
      consumer('reports', 'reads-store'),
    ];
    const saying = (readers: string | null) => found({ inside: { consumers, readers } }).map((each) => each.sentence);
    expect(saying('CloudTrail')).toEqual(
      expect.arrayContaining([
        'Updates itself, and its read is looked for in CloudTrail: checkout.',
        'Updates itself, from Secrets Manager: reports.',
      ]),
    );
    expect(saying(null)).toContain('Updates itself, from Secrets Manager: checkout, reports.');
  });

  test('of a key where nothing is missing blocks nothing and says what it means', () => {
    const findings = found({
      inside: {
        consumers: [consumer('checkout', 'reads-store'), consumer('mailer', 'webhook'), consumer('old cron', 'person')],
      },
    });
    expect(findings.filter((each) => each.level === 'blocking')).toEqual([]);
    expect(findings.map((each) => `${each.level}: ${each.sentence}`)).toEqual([
      'ok: Its secret is there and takes a new value.',
      'ok: acme makes the new value; the old one stops working at the switch.',
      'ok: Updates itself, from Secrets Manager: checkout.',
      'ok: Is told by a webhook: mailer.',
      'warning: Breaks when the old value ends, unless a person moves it: old cron.',
      'ok: Whoever asks and its owner, Olu, see each step. 2 people have access to it and can fetch the new value.',
    ]);
    expect(whyNotGo(findings, false)).toBeNull();
  });

  test('says before that the old value is disabled for a while first, only where its provider can do that', () => {
    const disables = { ...issuer, can: { ...issuer.can, disable: true } };
    const said = (can: Inside['issuer'], screamTestHours: number) =>
      found({ inside: { issuer: can }, policy: under({ screamTestHours }) })
        .map((each) => each.sentence)
        .join(' ');
    expect(said(disables, 24)).toContain(
      'Then the old one is disabled for 24 hours, and everybody can have it enabled',
    );
    expect(said(disables, 0)).not.toContain('disabled');
    expect(said(issuer, 24)).not.toContain('disabled');
  });

  test.each<[string, Partial<Outside>, RegExp]>([
    ['a secret that is not there', { secret: null }, /does not exist in Secrets Manager/],
    [
      'a secret that is being deleted',
      { secret: { ...(outside.secret as object), deletedAt: now } as never },
      /Restore it/,
    ],
    [
      'a secret that AWS rotates',
      { secret: { ...(outside.secret as object), rotationEnabled: true } as never },
      /switch off/,
    ],
    [
      'a secret without a value',
      { secret: { deletedAt: null, rotationEnabled: false, versions: [] } },
      /Store its first value/,
    ],
    ['a credential that is not there', { credential: 'missing' }, /Store it under keysteward\/acme/],
    ['a provider at its limit', { keys: 8 }, /has 8 keys here and allows 8\. Remove one/],
  ])('is stopped by %s, with what to do', (_what, seen, sentence) => {
    const findings = found({ outside: seen });
    const [only, ...others] = findings.filter((each) => each.level === 'blocking');
    expect(others).toEqual([]);
    expect(`${only!.sentence} ${only!.whatToDo}`).toMatch(sentence);
    expect(whyNotGo(findings, true)).toMatchObject({ code: 'conflict' });
  });

  test('is not stopped at a full provider where another rotation is about to end a key', () => {
    const findings = found({ inside: { roomComes: true }, outside: { keys: 8 } });
    expect(findings.filter((each) => each.level === 'blocking')).toEqual([]);
    expect(findings).toContainEqual(
      expect.objectContaining({ level: 'warning', whatToDo: expect.stringMatching(/waits for it/) }),
    );
  });

  test('names everything that is missing at once', () => {
    const refusal = whyNotGo(found({ outside: { secret: null, credential: 'missing', keys: null } }), false)!;
    expect(refusal.sentence).toMatch(/does not exist.*Store it under keysteward\/acme/);
  });

  test('is stopped for good by what cannot be rotated at all, and says nothing else', () => {
    expect(found({ inside: { issuer: null } })).toMatchObject([
      { level: 'blocking', sentence: expect.stringContaining('not connected') },
    ]);
    for (const facts of [{ status: 'retired' as const }, { storage: 'elsewhere' as const }]) {
      expect(found({ inside: { key: { ...key, ...facts } } })).toHaveLength(1);
    }
  });

  test('says what a person has to do where no program makes keys, or ends them', () => {
    const can = {
      create: false,
      test: true,
      revoke: true,
      confirmDead: true,
      overlap: 'many' as const,
      keyLimit: null,
    };
    const said = (issuerFacts: Inside['issuer']) =>
      found({ inside: { issuer: issuerFacts } }).map((each) => `${each.level}: ${each.sentence}`);
    const hands = 'A person makes the new key at OpenAI and hands it in on a page; a message to the owner says how';
    expect(said({ name: 'anthropic', credential: 'c', can })).toContain(
      `ok: ${hands}; the old one stops working at the switch.`,
    );
    const unconnected = { ...key, issuer: 'person' };
    const nobody = { name: 'person', credential: null, can: { ...can, test: false, revoke: false } };
    const alone = found({ inside: { key: unconnected, issuer: nobody } }).map(
      (each) => `${each.level}: ${each.sentence}`,
    );
    expect(alone).toContain(
      'warning: A person has to delete the old one at OpenAI too, and is asked to when it is time.',
    );
    expect(alone.join()).toContain('warning: Keysteward is not connected to OpenAI, so nobody tries the new value');
  });

  test('counts minutes and people as one says it', () => {
    const said = (minutes: number, holders: number) =>
      found({ inside: { holders }, policy: under({ graceMinutes: minutes }) })
        .map((each) => each.sentence)
        .join('\n');
    expect(said(1, 0)).toMatch(/works for 1 minute after the switch[\s\S]*Nobody has access to it now/);
    expect(said(60, 1)).toMatch(/works for 1 hour after the switch[\s\S]*1 person has access/);
    expect(said(90, 2)).toMatch(/works for 90 minutes after the switch[\s\S]*2 people have access/);
  });

  test('is stopped by a freeze, a pause and a rotation of a moment ago, but not in an emergency', () => {
    const freezes = [{ reason: 'Year end', from: '2026-05-30', to: '2026-06-03' }];
    const pause = {
      since: now.toISOString(),
      until: '2026-06-09T00:00:00.000Z',
      reason: 'The vendor moves',
      by: owner.id,
      endedAt: null,
    };
    const cases = [
      found({ policy: under({ freezes }) }),
      found({ inside: { key: { ...key, pause } } }),
      found({ inside: { key: { ...key, lastRotatedAt: new Date(now.getTime() - 20_000) } } }),
    ];
    for (const findings of cases) {
      expect(whyNotGo(findings, false)).toMatchObject({ code: 'conflict' });
      expect(whyNotGo(findings, true)).toBeNull();
    }
    expect(cases.map((each) => each[0]!.sentence)).toEqual([
      expect.stringContaining('the freeze “Year end” lasts until then'),
      expect.stringContaining('“The vendor moves”'),
      expect.stringContaining('was rotated less than a minute ago; wait until 1 minute has passed'),
    ]);
  });

  test('warns of a window, an unfinished value, an untestable provider, an owner who left and what nobody has recorded', () => {
    const windows = [{ name: 'Nightly', cron: '0 22 * * *', minutes: 60 }];
    const versions = [
      { id: 'v1', stages: ['AWSCURRENT'] },
      { id: 'v2', stages: ['AWSPENDING'] },
    ];
    const findings = found({
      inside: { owner: { ...owner, status: 'left' }, issuer: { ...issuer, can: { ...issuer.can, test: false } } },
      outside: { secret: { deletedAt: null, rotationEnabled: false, versions } },
      policy: under({ windows }),
    });
    const warnings = findings.filter((each) => each.level === 'warning').map((each) => each.sentence);
    expect(warnings).toHaveLength(5);
    for (const word of [
      /window “Nightly”, and starts 1 June 2026, 22:00/,
      /unfinished/,
      /no way to try/,
      /no longer active/,
      /Nobody has recorded/,
    ]) {
      expect(warnings.join('\n')).toMatch(word);
    }
    expect(whyNotGo(findings, false)).toBeNull();
  });

  test('is held up by nobody who does not answer', () => {
    const findings = found({ outside: { secret: 'unknown', credential: 'unknown', keys: 'unknown' } });
    expect(whyNotGo(findings, false)).toBeNull();
    expect(findings.filter((each) => each.level === 'warning').map((each) => each.sentence)).toEqual(
      expect.arrayContaining([expect.stringContaining('did not say'), expect.stringContaining('could not be asked')]),
    );
  });

  test('lets a full provider pass where the last rotation has left something that can go', () => {
    const previous = {
      status: 'failed',
      record: [],
      issued: [{ version: 'v0', providerKeyId: 'k0', expiresAt: null, ended: false }],
    } as never;
    expect(blocking({ inside: { previous }, outside: { keys: 8 } })).toEqual([]);
  });
});

const stage = useStage();
/** An issuer that takes one more key or none, or does not answer. */
const portsWith = (list: Issuer['list'], keyLimit = 2): Ports => {
  const real = stage.ports.issuers.of('self-made')!;
  const limited: Issuer = { ...real, name: 'acme', can: { ...real.can, list: true, keyLimit }, list };
  return { ...stage.ports, issuers: { ...stage.ports.issuers, of: () => limited, names: () => ['acme'] } };
};
const oneKey = { providerKeyId: 'k', label: null, active: true };

describe('before anything is touched', () => {
  test('a missing secret is refused with what to do, and nothing is begun; in an emergency the rotation itself says so', async () => {
    const { key } = await stage.key();
    await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
    const ask = (emergency: boolean) =>
      startRotation(stage.ports, stage.owner, { keyId: key.id, reason: 'A test', emergency });
    await expect(ask(false)).rejects.toThrow(/does not exist in Secrets Manager\. Correct its name/);
    expect(await stage.database.store.read((view) => view.rotations.ofKey(key.id, 5))).toEqual([]);
    const { id } = await ask(true);
    await stage.work();
    expect(await stage.rotation(id)).toMatchObject({ status: 'failed', condition: 'old' });
  });

  test('a full provider is refused, one that does not answer holds nothing up, and nobody else is asked for it', async () => {
    const { key } = await stage.key();
    let looks = 0;
    const full = portsWith(async () => {
      looks++;
      return [oneKey, oneKey];
    });
    const ask = (ports: Ports, who = stage.owner) =>
      startRotation(ports, who, { keyId: key.id, reason: 'A test', emergency: false });
    await expect(ask(full)).rejects.toThrow(/acme has 2 keys here and allows 2/);
    const stranger = aPerson();
    await given(stage.database.store, { people: [stranger] });
    looks = 0;
    await expect(ask(full, stranger)).rejects.toMatchObject({ code: 'not_allowed' });
    expect(looks).toBe(0);
    const away = portsWith(async () => {
      throw new Error('503');
    });
    await ask(away);
    await stage.work();
  });

  test('/keys rotate shows what is missing instead of the form, and what is in order with it', async () => {
    const { key } = await stage.key();
    const desk = deskOf(() => stage.ports, rotationInSlack);
    const shown = await desk.type(stage.owner, `rotate ${key.id}`);
    expect(saying(shown)).toMatch(/:white_check_mark: Its secret is there and takes a new value/);
    expect(saying(shown)).toMatch(/:warning: Nobody has recorded what uses it/);
    expect(shown).toMatchObject({ open: { callback_id: 'rotation.start' } });
    // Where words mean several keys, choosing one shows the same.
    await stage.key({ service: 'Twins', environment: 'staging' });
    const { key: twin } = await stage.key({ service: 'Twins', environment: 'sandbox' });
    expect(saying(await desk.type(stage.owner, 'rotate twins'))).toContain('2 keys match. Which one?');
    const drawn = await desk.press(stage.owner, 'rotatedKey', twin.id);
    expect(drawn).toMatchObject({ update: { callback_id: 'rotation.start' } });
    expect(saying(drawn)).toMatch(new RegExp(`${twin.name}[\\s\\S]*Its secret is there and takes a new value`));
    await stage.bot.deleteSecret({ SecretId: key.secretId!, ForceDeleteWithoutRecovery: true });
    const missing = await desk.type(stage.owner, `rotate ${key.id}`);
    expect(saying(missing)).toMatch(/:no_entry_sign: The secret does not exist in Secrets Manager\. _Correct its name/);
    expect(missing).not.toHaveProperty('open.callback_id');
    expect(await preflight(stage.ports, key.id)).toContainEqual(expect.objectContaining({ level: 'blocking' }));
  });
});
