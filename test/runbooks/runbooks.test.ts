import { beforeAll, describe, expect, it } from 'vitest';
import { shippedRunbooks } from '../../src/adapters/runbooks.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { problemsOfView } from '../../src/local/slack/limits.ts';
import type { Person } from '../../src/people/model.ts';
import { defaultPolicy, policySchema } from '../../src/policy.ts';
import { placeOf } from '../../src/rotation/by-hand/model.ts';
import { asName, companyRunbook, handingIn, pageFor, parsed, storing } from '../../src/runbooks/model.ts';
import { runbooksInSlack } from '../../src/runbooks/slack.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';
import { contentOf, entriesOf } from '../support/repository.ts';

const runbooks = shippedRunbooks();
const ofServices = runbooks.names().filter((name) => name !== storing && name !== handingIn);
const policy = policySchema.parse({
  runbooks: { openai: 'https://wiki.example.com/a?b=1&c=2', 'order-webhooks': 'https://wiki.example.com/orders' },
});

describe('the pages in docs/runbooks', () => {
  it('are there for every service that keys can be connected to, and for any other', () => {
    const kinds = [...contentOf('src/provider-settings.ts').matchAll(/\.\.\.each\('([\w-]+)'/g)].map(
      ([, kind]) => kind!,
    );
    expect(kinds.length).toBeGreaterThan(7);
    const ours = kinds.filter((kind) => !kind.startsWith('http'));
    for (const kind of ours) expect(pageFor(kind, runbooks.names()), kind).not.toBe('generic');
    expect(ofServices).toEqual(expect.arrayContaining(['github', 'generic', 'aws-iam', 'anthropic']));
  });

  it.each(ofServices)(
    '%s says in numbered steps how to make, store and end a key, how to see its use, and where it is official',
    (name) => {
      const { sections, title } = runbooks.of(name)!;
      expect(title.length).toBeGreaterThan(2);
      const titles = ['Make the new key', 'End the old key', 'See when it was last used', 'Official pages'];
      expect(sections.map((each) => each.title)).toEqual(name === 'generic' ? titles.slice(0, 3) : titles);
      for (const { title: heading, numbered, lines } of sections) {
        expect(numbered, heading).toBe(heading !== 'Official pages');
        expect(lines.length).toBeLessThan(8);
      }
      const text = contentOf(`docs/runbooks/${name}.md`);
      expect(text).toContain('](store-it.md)');
      for (const [, url] of text.matchAll(/\]\((?!store-it\.md)([^)]+)\)/g))
        expect(new URL(url!).protocol).toBe('https:');
      expect(contentOf('docs/runbooks/README.md')).toContain(`](${name}.md)`);
    },
  );

  it('are in the image', () => {
    expect(contentOf('Dockerfile')).toContain('COPY docs/runbooks ./docs/runbooks');
    expect(entriesOf('docs/runbooks').length).toBe(runbooks.names().length + 1);
  });

  it('end the start when one is not written as the others are', () => {
    for (const text of ['', '# Title', '# Title\n\nWords', '# Title\n\nWords\n\n## Steps\n\nProse instead of steps']) {
      expect(() => parsed('broken', text)).toThrow(/broken/);
    }
  });
});

describe('which page is shown', () => {
  it.each([
    ['OpenAI', 'openai'],
    ['openai admin', 'openai'],
    ['Azure OpenAI', 'azure-openai'],
    ['GitHub Actions', 'github'],
    ['AWS', 'aws-iam'],
    ['Amazon Web Services', 'aws-iam'],
    ['Claude', 'anthropic'],
    ['Order webhooks', 'generic'],
    ['Store it', 'generic'],
    ['Hand it in', 'generic'],
    ['../../etc', 'generic'],
    ['', 'generic'],
    ['日本', 'generic'],
  ])('%s has the steps of %s', (service, page) => {
    expect(pageFor(service, runbooks.names())).toBe(page);
  });

  it.each([
    ['OpenAI', 'platform.openai.com'],
    ['Azure OpenAI', 'portal.azure.com'],
    ['AWS', 'console.aws.amazon.com'],
  ])('%s leads to where its keys are made: %s', (service, host) => {
    expect(new URL(placeOf({ service, issuer: 'person' }, defaultPolicy)!.url).host).toBe(host);
  });

  it('the company’s own is found by the service as it is called, or by the page', () => {
    expect(companyRunbook('Order webhooks', policy, runbooks.names())).toBe('https://wiki.example.com/orders');
    expect(companyRunbook('OpenAI admin', policy, runbooks.names())).toBe('https://wiki.example.com/a?b=1&c=2');
    expect(companyRunbook('Stripe', policy, runbooks.names())).toBeNull();
    expect(asName('  Ünïcode & Co. ')).toBe('u-ni-code-co');
  });

  it('the policy takes https addresses alone', () => {
    for (const url of ['http://wiki.example.com', 'javascript:alert(1)', 'https://a b', 'https://a|b', 'wiki']) {
      expect(policySchema.safeParse({ runbooks: { openai: url } }).success, url).toBe(false);
    }
    expect(policySchema.safeParse({ runbooks: { 'Open AI': 'https://wiki.example.com' } }).success).toBe(false);
  });
});

describe('Steps', () => {
  const test = usePorts(policy);
  const desk = deskOf(
    () => test.ports,
    (door, ports) => {
      runbooksInSlack(door, ports);
      inventoryInSlack(door, ports);
    },
  );
  let olu: Person;
  beforeAll(async () => {
    olu = aPerson({ name: 'Olu' });
    await given(test.ports.store, { people: [olu] });
  });

  it('shows, in a window that Slack takes, what is known of the key, the company’s own steps first, then ours in order', async () => {
    const key = aKey(olu, { service: 'OpenAI', issuer: 'person', lastFour: 'wxyz', secretId: 'prod/openai' });
    await given(test.ports.store, { keys: [key] });
    expect(saying(await desk.type(olu, `show ${key.id}`))).toContain('runbooks.show');
    const shown = await desk.press(olu, 'runbooks.show', key.id);
    expect('open' in shown && problemsOfView(shown.open)).toEqual([]);
    const said = saying(shown);
    const order = [
      'prod/openai',
      'wxyz',
      '<https://wiki.example.com/a?b=1&amp;c=2|Your company',
      'Make the new key',
      '<https://platform.openai.com/settings/organization/api-keys|API keys>',
      'Then hand it in',
      'Hand in the new key',
      'End the old key, when a card asks you to',
      'Official pages',
    ].map((each) => said.indexOf(each));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(Math.min(...order)).toBeGreaterThan(-1);
    expect(said).not.toMatch(/\*\*|\]\(|store-it\.md/);
    // Stored by hand, it would break the rotation that waits for it.
    expect(said).not.toMatch(/Retrieve secret value|as its last rotation/);
  });

  it('says how to store the value by hand where no rotation takes it', async () => {
    const elsewhere = aKey(olu, { service: 'SendGrid', issuer: 'person', storage: 'environment-file', secretId: null });
    await given(test.ports.store, { keys: [elsewhere] });
    const said = saying(await desk.press(olu, 'runbooks.show', elsewhere.id));
    expect(said).toMatch(/Then store it[\s\S]*Retrieve secret value[\s\S]*as its last rotation/);
    expect(said).not.toContain('Hand in the new key');
  });

  it.each(ofServices)('fits into a window for %s', async (name) => {
    const key = aKey(olu, { service: name, issuer: 'person' });
    await given(test.ports.store, { keys: [key] });
    const shown = await desk.press(olu, 'runbooks.show', key.id);
    expect('open' in shown && problemsOfView(shown.open)).toEqual([]);
    expect(saying(shown)).toContain(runbooks.of(name)!.sections[0]!.title);
  });

  it('is not offered for what we make ourselves, and tells a contractor nothing of a key', async () => {
    const contractor = aPerson({ tier: 'contractor' });
    const key = aKey(olu, { issuer: 'self-made' });
    await given(test.ports.store, { people: [contractor], keys: [key] });
    expect(saying(await desk.type(olu, `show ${key.id}`))).not.toContain('runbooks.show');
    await expect(desk.press(contractor, 'runbooks.show', key.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(desk.press(olu, 'runbooks.show', 'key_nothing')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('shows what people typed as they typed it', async () => {
    const key = aKey(olu, { service: 'OpenAI', issuer: 'person', scope: '<!channel> *all*', secretId: '`x` <@U1>' });
    await given(test.ports.store, { keys: [key] });
    expect(saying(await desk.press(olu, 'runbooks.show', key.id))).not.toMatch(/<!channel>|<@U1>/);
  });
});
