import { describe, expect, it } from 'vitest';
import { containsSecret } from '../../src/adapters/slack/pasted.ts';
import { typed } from '../../src/blocks.ts';
import { idPrefixes } from '../../src/kernel.ts';

const lower = 'abcdefghijklmnopqrstuvwxyz';
const letters = lower + lower.toUpperCase();
const digits = '0123456789';
const punctuation = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';
const random = (alphabet: string, length: number) =>
  Array.from(crypto.getRandomValues(new Uint32Array(length)), (each) => alphabet[each % alphabet.length]).join('');

describe('what looks like a whole key', () => {
  // Joined here, so that no scanner takes this file for a leak.
  it.each([
    ['OpenAI', ['sk-proj', random(letters + digits, 48)].join('-')],
    ['Anthropic', ['sk-ant-api03', random(letters + digits, 90)].join('-')],
    ['Stripe', ['sk', 'live', random(letters + digits, 24)].join('_')],
    ['GitHub', ['ghp', `${random(letters + digits, 34)}4a`].join('_')],
    ['Slack', ['xoxb', '123456789012', '1234567890123', random(letters + digits, 24)].join('-')],
    ['AWS', `AWS_SECRET_ACCESS_KEY=${random(letters + digits, 40)}`],
    ['a JWT', ['eyJhbGciOiJIUzI1NiJ9', 'eyJzdWIiOiIxMjM0NTY3ODkwIn0', random(letters + digits, 43)].join('.')],
    ['a private key', `-----BEGIN RSA PRIVATE KEY-----\n${random(letters, 64)}`],
    ['OpenAI, by chance of letters alone', ['sk-proj', random(letters, 48)].join('-')],
    ['OpenAI, of old', ['sk', random(lower, 48)].join('-')],
    ['Anthropic, by chance of letters alone', ['sk-ant-api03', random(lower, 90)].join('-')],
    ['Stripe, by chance of letters alone', ['rk', 'live', random(lower, 24)].join('_')],
    ['GitHub, by chance of letters alone', ['gho', random(lower, 36)].join('_')],
    ['GitLab, by chance of letters alone', ['glpat', random(lower, 20)].join('-')],
    ['a database', `postgres://app:${random(letters + digits, 20)}@db.example.com/app`],
  ])('is seen in words around it, and alone: %s', async (_name, key) => {
    expect(await containsSecret(key)).toBe(true);
    expect(await containsSecret(`please look, this one: ${key} does not work`)).toBe(true);
  });

  it('is seen when we made it ourselves, with and without punctuation', async () => {
    let missed = 0;
    for (let i = 0; i < 300; i++) {
      if (!(await containsSecret(`see ${random(letters + digits, 40)}`))) missed++;
      if (!(await containsSecret(`see ${random(letters + digits + punctuation, 40)} please`))) missed++;
    }
    // Of 600; what is missed has by chance no digit, or changes its kind of character as seldom as words do.
    expect(missed).toBeLessThan(30);
  });

  it.each([
    'The nightly-embedding-job_on-staging-cluster-eu-west-1 failed',
    'https://github.com/acme/repo/pull/1234#discussion_r123456789',
    'larkfield/production/stripe/card-payments-2024',
    'arn:aws:iam::123456789012:role/people/dana',
    ...Object.values(idPrefixes).map((prefix) => `/keys audit ${prefix}_01m8a5gggm97xpxzy65nyfbjs8`),
    'someVeryLongCamelCaseFunctionNameInJava',
    'npm_config_registry_of_the_whole_company_in_europe, sk-proj-name or sk-learn-classification-benchmarks',
    '<#C0PLATFORM|platform> <@U0DANA|dana>',
    '(see PLAT-7, PLAT-12; asked by Dana.Keller+x1@larkfield.example)',
    'key:key_01jd since:7d action:rotation. from:2026-11-01',
    '{"level":"warn","code":500}',
    'SELECT count(*) FROM api_key WHERE id=$1;',
    'Responses and embeddings in the project support-prod; 200 USD a day',
    typed('Ticket *PLAT-7* needs `a look` at live_payloads'),
  ])('is not seen in what people write: %s', async (text) => {
    expect(await containsSecret(text)).toBe(false);
  });

  it('is looked for in a hundred thousand characters without a pause that anybody would notice', async () => {
    for (const text of [
      'a1B'.repeat(33_000),
      '://'.repeat(33_000),
      `-----BEGIN ${'A '.repeat(50_000)}`,
      'x'.repeat(100_000),
    ]) {
      const started = performance.now();
      await containsSecret(text);
      expect(performance.now() - started).toBeLessThan(1_500);
    }
  });
});
