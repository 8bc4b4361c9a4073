import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { whyNotSee } from '../../src/inventory/may-model.ts';
import {
  type ApiKey,
  assessed,
  computedRisk,
  type Environment,
  editionOf,
  environmentOf,
  environments,
  inFull,
  nameOf,
  nextRotation,
  type Risk,
  type RiskFlag,
  reassessed,
  riskFlags,
  risks,
  secretNameFor,
  serviceOf,
  whyNotFacts,
  whyNotOwn,
  whyNotSetRisk,
  whyNotSoften,
} from '../../src/inventory/model.ts';
import { day } from '../../src/kernel.ts';
import { tiers } from '../../src/people/model.ts';
import { defaultPolicy as policy, policySchema } from '../../src/policy.ts';
import { aKey, aPerson } from '../support/company.ts';

const now = new Date('2026-03-02T10:00:00Z');
const ago = (days: number) => new Date(now.getTime() - days * day);
const flags = Object.keys(riskFlags) as RiskFlag[];
const facts = fc.record({
  environment: fc.constantFrom(...environments),
  flags: fc.subarray(flags),
  createdOn: fc.option(fc.integer({ min: 0, max: 1000 }).map(ago), { nil: null }),
  lastRotatedAt: fc.option(fc.integer({ min: 0, max: 1000 }).map(ago), { nil: null }),
});

describe('risk (SOP 5.1 and 1.3)', () => {
  const plain: Record<Environment, Risk> = {
    production: 'medium',
    staging: 'medium',
    development: 'medium',
    test: 'low',
    sandbox: 'low',
    demo: 'low',
  };

  it('follows from the environment where nothing makes the key dangerous', () => {
    for (const environment of environments) {
      const { risk, reasons } = computedRisk({ environment, flags: [], createdOn: null }, policy, now);
      expect([environment, risk]).toEqual([environment, plain[environment]]);
      expect(reasons).toHaveLength(1);
    }
  });

  it('is high for each single dangerous attribute in every environment, and names it', () => {
    for (const environment of environments) {
      for (const flag of flags) {
        expect(computedRisk({ environment, flags: [flag], createdOn: null }, policy, now)).toEqual({
          risk: 'high',
          reasons: [riskFlags[flag]],
        });
      }
    }
  });

  it('is high for what Keysteward itself manages keys with, whatever was ticked', () => {
    const may = {
      effect: 'allow',
      permission_groups: [{ id: 'pg1' }],
      resources: { 'com.cloudflare.api.account.a': '*' },
    };
    const mail = { kind: 'cloudflare', credential: 'keysteward/mail', account: 'a', policies: [may] };
    const own = policySchema.parse({ providers: { mail } });
    const of = (secretId: string | null) =>
      computedRisk({ environment: 'test', flags: [], createdOn: null, secretId }, own, now);
    expect(of('keysteward/mail')).toEqual({
      risk: 'high',
      reasons: ['Keysteward itself manages keys with it at mail'],
    });
    expect([of('keysteward/other').risk, of(null).risk]).toEqual(['low', 'low']);
  });

  it('is high for a key that was never rotated in more than 90 days, and for none of 90', () => {
    const of = (days: number, lastRotatedAt: Date | null = null) =>
      computedRisk({ environment: 'test', flags: [], createdOn: ago(days), lastRotatedAt }, policy, now).risk;
    expect([of(90), of(91), of(400), of(400, ago(100))]).toEqual(['low', 'high', 'high', 'low']);
  });

  it('never falls when something dangerous is added, and has a reason for every dangerous thing', () => {
    fc.assert(
      fc.property(facts, fc.constantFrom(...flags), (some, flag) => {
        const before = computedRisk(some, policy, now);
        const after = computedRisk({ ...some, flags: [...new Set([...some.flags, flag])] }, policy, now);
        expect(risks.indexOf(after.risk)).toBeLessThanOrEqual(risks.indexOf(before.risk));
        expect(after.risk).toBe('high');
        for (const each of some.flags) expect(before.reasons).toContain(riskFlags[each]);
        expect(before.reasons.length).toBeGreaterThan(0);
      }),
    );
  });

  it('decides when the key is due: 30, 90 or 180 days after its last rotation, 14 days before its end', () => {
    const due = (risk: Risk, more: Partial<ApiKey> = {}) =>
      nextRotation({ risk, lastRotatedAt: ago(10), createdOn: ago(500), expiresAt: null, ...more }, policy, now);
    expect(due('high')).toEqual(ago(-20));
    expect(due('medium')).toEqual(ago(-80));
    expect(due('low')).toEqual(ago(-170));
    expect(due('low', { lastRotatedAt: null })).toEqual(ago(320));
    expect(due('low', { lastRotatedAt: null, createdOn: null })).toEqual(ago(-180));
    expect(due('low', { expiresAt: ago(-40) })).toEqual(ago(-26));
    expect(due('high', { expiresAt: ago(-400) })).toEqual(ago(-20));
  });

  it('may be set higher at will and lower only with a reason', () => {
    for (const computed of risks) {
      for (const wanted of risks) {
        const lower = risks.indexOf(wanted) > risks.indexOf(computed);
        expect(whyNotSetRisk(computed, wanted, '')?.field).toBe(lower ? 'reason' : undefined);
        expect(whyNotSetRisk(computed, wanted, 'only test data, checked')).toBeNull();
      }
    }
  });

  it('is what an administrator set, with their reason, until the facts agree', () => {
    const owner = aPerson();
    const key = aKey(owner, { riskSet: { risk: 'high', reason: 'the board asked', by: owner.id } });
    expect(assessed(key, policy, now)).toEqual({ risk: 'high', reasons: ['Set by an administrator: the board asked'] });
    expect(assessed({ ...key, flags: ['writes'] }, policy, now).reasons).toEqual([riskFlags.writes]);
  });

  it('moves the next rotation only when what it follows from has changed', () => {
    const chosen = ago(-5);
    const key = aKey(aPerson(), { nextRotationAt: chosen, lastRotatedAt: ago(10) });
    expect(reassessed(key, { ...key, purpose: 'other' }, policy, now).nextRotationAt).toEqual(chosen);
    expect(reassessed(key, { ...key, flags: ['writes'] }, policy, now)).toMatchObject({
      risk: 'high',
      nextRotationAt: ago(-20),
    });
    expect(reassessed(key, { ...key, lastRotatedAt: now }, policy, now).nextRotationAt).toEqual(ago(-90));
    expect(reassessed(key, { ...key, status: 'retired' }, policy, now).nextRotationAt).toBeNull();
  });
});

describe('names (SOP 2)', () => {
  it('are [Service] API Key - [Environment] - [Purpose], without saying API Key twice', () => {
    const name = (service: string) =>
      nameOf({ service: serviceOf(service), environment: 'production', purpose: 'Support assistant' });
    const wanted = 'OpenAI API Key - Production - Support assistant';
    for (const each of ['OpenAI', ' OpenAI  API ', 'OpenAI API key', 'OpenAI api keys'])
      expect(name(each)).toBe(wanted);
    expect(serviceOf('API')).toBe('API');
    expect(serviceOf('Rapid API')).toBe('Rapid');
  });

  it('are found by the short forms that people type', () => {
    expect(inFull('openai PROD stg dev')).toBe('openai production staging development');
    expect(inFull('constructor toString')).toBe('constructor toString');
    expect(environmentOf('Prod')).toBe('production');
    expect(environmentOf('sandbox')).toBe('sandbox');
    for (const word of ['', 'prods', 'everything', 'constructor']) expect(environmentOf(word)).toBeNull();
  });

  it('give a secret a place that AWS accepts and cannot mistake for an ARN, whatever was typed', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 60 }),
        fc.string({ unit: 'grapheme', maxLength: 100 }),
        fc.constantFrom(...environments),
        (service, purpose, environment) => {
          const name = secretNameFor({ service, purpose, environment });
          expect(name).toMatch(/^[\w/+=.@-]{1,512}$/);
          expect(name).not.toMatch(/-[A-Za-z\d]{6}$/);
        },
      ),
    );
    expect(secretNameFor({ service: 'Order webhooks', purpose: 'Signing secret', environment: 'staging' })).toBe(
      'keysteward/staging/order-webhooks/signing-secret-value',
    );
  });
});

describe('what cannot be', () => {
  it('is refused under the field that it concerns', () => {
    const fine = {
      storage: 'secrets-manager' as const,
      secretId: 'a/b',
      issuer: 'self-made',
      createdOn: ago(5),
      lastRotatedAt: ago(2),
      expiresAt: ago(-30),
    };
    const field = (more: object) => whyNotFacts({ ...fine, ...more }, null, now)?.field;
    expect(whyNotFacts(fine, null, now)).toBeNull();
    expect(field({ createdOn: ago(-3) })).toBe('createdOn');
    expect(field({ lastRotatedAt: ago(-3) })).toBe('lastRotatedAt');
    expect(field({ lastRotatedAt: ago(9) })).toBe('lastRotatedAt');
    expect(field({ expiresAt: ago(3) })).toBe('expiresAt');
    expect(field({ secretId: null })).toBe('secretId');
    expect(field({ storage: 'elsewhere' })).toBe('issuer');
    // An end that was entered long ago may have passed; it is no reason to refuse every other change.
    expect(whyNotFacts({ ...fine, expiresAt: ago(3) }, { expiresAt: ago(3) }, now)).toBeNull();
  });

  it('an owner who has left or does not stay', () => {
    expect(whyNotOwn(aPerson())).toBeNull();
    expect(whyNotOwn(aPerson({ status: 'left' }))?.field).toBe('owner');
    expect(whyNotOwn(aPerson({ status: 'deactivated' }))?.field).toBe('owner');
    expect(whyNotOwn(aPerson({ tier: 'contractor' }))?.field).toBe('owner');
  });

  it('an owner who takes approvers away from a production key alone; anybody who makes a key harmless without a reason', () => {
    const [owner, admin] = [aPerson(), aPerson({ tier: 'administrator' })];
    const key = aKey(owner, { environment: 'production', flags: ['customerData', 'writes'] });
    const staging = { ...key, environment: 'staging' as const };
    const noData = { ...key, flags: ['writes'] as RiskFlag[] };
    const readOnly = { ...key, flags: ['customerData'] as RiskFlag[] };
    const why = 'it never reached any customer';
    for (const after of [staging, noData]) {
      expect(whyNotSoften(key, after, owner, why)?.code).toBe('not_allowed');
      expect(whyNotSoften(key, after, admin, '')?.field).toBe('reason');
      expect(whyNotSoften(key, after, admin, why)).toBeNull();
    }
    expect(whyNotSoften(key, readOnly, owner, 'short')?.field).toBe('reason');
    expect(whyNotSoften(key, readOnly, owner, why)).toBeNull();
    expect(whyNotSoften(readOnly, key, owner, '')).toBeNull();
  });
});

it('a contractor sees a key that they hold or held, and of every other only that it does not exist', () => {
  const key = aKey(aPerson());
  for (const tier of tiers) {
    for (const held of [true, false]) {
      const refusal = whyNotSee(aPerson({ tier }), key, held);
      expect(refusal?.code).toBe(tier === 'contractor' && !held ? 'not_found' : undefined);
    }
  }
  expect(whyNotSee(aPerson({ status: 'left' }), key, true)?.code).toBe('not_allowed');
});

it('an edition changes with every fact, and not with what others do about reminders', () => {
  const key = aKey(aPerson());
  expect(editionOf({ ...key, scope: `${key.scope}!` })).not.toBe(editionOf(key));
  expect(editionOf({ ...key, lastRotatedAt: now })).not.toBe(editionOf(key));
  expect(editionOf({ ...key, nextRotationAt: now })).toBe(editionOf(key));
});
