import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fingerprints } from '../../src/adapters/fingerprints.ts';
import { Secret } from '../../src/kernel.ts';
import type { Secrets } from '../../src/ports.ts';
import { useSecrets } from '../support/secrets.ts';

const aws = useSecrets();
const freshName = () => `keysteward/fingerprints-${randomUUID()}-for-test`;
/** A value that nobody could find by trying. */
const value = (text: string = randomUUID()) => new Secret(text);
/** The store, with what it was asked written down. */
function watched(over: Partial<Secrets> = {}): { secrets: Secrets; asked: string[] } {
  const asked: string[] = [];
  const { secrets } = aws;
  return {
    asked,
    secrets: {
      ...secrets,
      read: (...how) => {
        asked.push('read');
        return (over.read ?? secrets.read)(...how);
      },
      create: (...how) => {
        asked.push('create');
        return (over.create ?? secrets.create)(...how);
      },
    },
  };
}

describe('a fingerprint', () => {
  test('is the same for the same value, in every process, and another for every other; it holds nothing of the value', async () => {
    const name = freshName();
    const text = `sk-${randomUUID()}`;
    const one = fingerprints(aws.secrets, name);
    const first = await one.of(value(text));
    expect(first).toMatch(/^[0-9A-Za-z-]{8}\.[0-9a-f]{32}$/);
    expect(await one.of(value(text))).toBe(first);
    expect(await fingerprints(aws.secrets, name).of(value(text))).toBe(first);
    expect(await one.of(value(`${text} `))).not.toBe(first);
    expect(await fingerprints(aws.secrets, freshName()).of(value(text))).not.toBe(first);
    expect(first).not.toContain(text.slice(-8));
  });

  test('needs a key that is made once, however many want it at the same instant, and read once by each', async () => {
    const name = freshName();
    const workers = Array.from({ length: 6 }, () => watched());
    const ports = workers.map(({ secrets }) => fingerprints(secrets, name));
    const text = randomUUID();
    const found = await Promise.all(ports.flatMap((each) => [each.of(value(text)), each.of(value(text))]));
    expect(new Set(found).size).toBe(1);
    expect(found[0]).not.toBeNull();
    const before = workers.map(({ asked }) => asked.length);
    await Promise.all(ports.map((each) => each.of(value())));
    expect(workers.map(({ asked }) => asked.length)).toEqual(before);
    expect(workers.flatMap(({ asked }) => asked.filter((each) => each === 'create')).length).toBeGreaterThan(0);
    const { versions } = (await aws.secrets.describe(name))!;
    expect(versions).toHaveLength(1);
  });

  test('of a lost key is not taken for one of the next: what was known is unknown, and nothing breaks', async () => {
    const name = freshName();
    const text = randomUUID();
    const before = await fingerprints(aws.secrets, name).of(value(text));
    const gone = { ...aws.secrets, read: async () => null, create: aws.secrets.create };
    // Whoever finds it neither there nor to be made has none.
    expect(await fingerprints(gone, name).of(value(text))).toBeNull();
    const next = await fingerprints(aws.secrets, `${name}-again`).of(value(text));
    expect(next).not.toBe(before);
    expect(next!.slice(0, 8)).not.toBe(before!.slice(0, 8));
  });

  test('is null while the store does not answer, or holds what is no key; it says so once and does not ask each time', async () => {
    const warned: string[] = [];
    const down = watched({
      read: async () => {
        throw new Error('Secrets Manager, GetSecretValue: TimeoutError');
      },
    });
    const none = fingerprints(down.secrets, freshName(), (message) => warned.push(message));
    expect(await Promise.all([none.of(value()), none.of(value())])).toEqual([null, null]);
    expect(await none.of(value())).toBeNull();
    expect(down.asked).toEqual(['read']);
    expect(warned).toEqual(['values cannot be fingerprinted: Secrets Manager, GetSecretValue: TimeoutError']);
    const short = freshName();
    await aws.secrets.create(short, randomUUID(), new Secret('guessable'), 'Made by somebody');
    expect(await fingerprints(aws.secrets, short, (message) => warned.push(message)).of(value())).toBeNull();
    expect(warned[1]).toContain('is no key');
    expect(warned.join()).not.toContain('guessable');
  });
});
