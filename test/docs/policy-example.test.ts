import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { defaultPolicy, policySchema } from '../../src/policy.ts';
import { contentOf } from '../support/repository.ts';

const example: unknown = parse(contentOf('policy.example.yml'));

const leaves = (value: unknown, path = ''): string[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([name, each]) => leaves(each, path ? `${path}.${name}` : name))
    : [path];

describe('policy.example.yml', () => {
  it("says exactly the product's defaults", () => {
    expect(policySchema.parse(example)).toEqual(defaultPolicy);
  });

  it('names every rule, so that nobody has to look into the source for one', () => {
    expect(leaves(example).sort()).toEqual(leaves(defaultPolicy).sort());
  });

  it('carries the numbers of the procedure', () => {
    expect(defaultPolicy).toMatchObject({
      risk: { neverRotatedDays: 90 },
      rotation: { everyDays: { high: 30, medium: 90, low: 180 } },
      incidents: {
        clocks: { immediately: 5, hour: 60, day: 24 * 60, week: 7 * 24 * 60 },
        responseMinutes: { P0: 5, P1: 60, P2: 24 * 60 },
      },
      digest: { aheadDays: 30 },
      audit: { retainDays: 365 },
    });
  });

  it('is joined by examples of providers that are accepted as they stand', () => {
    const shown = [...contentOf('docs/how-to/connect-a-provider.md').matchAll(/```yaml\n([\s\S]*?)```/g)];
    const names = shown.flatMap(([, yaml]) => Object.keys(policySchema.parse(parse(yaml!)).providers));
    expect(names).toEqual([
      'openai',
      'mail',
      'gitlab',
      'gitlab-deploy-bot',
      'aws-deployer',
      'okta-shop',
      'aws-rotation',
      'shop-deploy-key',
      'github-tokens',
      'openai-admin',
      'openai',
      'acme',
      'azure-openai',
    ]);
  });

  it('refuses a name that no rule has', () => {
    expect(() => policySchema.parse({ rotation: { everyWeeks: 4 } })).toThrow(/everyWeeks/);
  });
});
