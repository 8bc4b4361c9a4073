import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { type LocalProviders, startLocalProviders } from '../../src/local/providers/index.ts';
import { policySchema } from '../../src/policy.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'keysteward-providers-'));
const running: LocalProviders[] = [];
const start = async () => {
  const started = await startLocalProviders(folder);
  running.push(started);
  return started;
};
afterEach(() => Promise.all(running.splice(0).map((each) => each.close())));

const accepts = async ({ urls }: LocalProviders, value: string) =>
  (await fetch(`${urls.openai}/models`, { headers: { authorization: `Bearer ${value}` } })).status;
const make = ({ urls }: LocalProviders, credential: string) =>
  fetch(`${urls.openai}/organization/projects/proj_larkfield/service_accounts`, {
    method: 'POST',
    headers: { authorization: `Bearer ${credential}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'made by its API' }),
  });

it('are at the next start as they were at the last one: their addresses, their keys, what Keysteward works with', async () => {
  const first = await start();
  const byHand = first.makeKey('openai', 'made by hand');
  const { api_key } = (await (await make(first, first.credentials[0]!.value)).json()) as { api_key: { value: string } };
  await first.close();

  const second = await start();
  expect([second.urls, second.credentials]).toEqual([first.urls, first.credentials]);
  for (const value of [byHand, api_key.value]) expect(await accepts(second, value)).toBe(200);
  expect(await accepts(second, `${byHand.slice(0, -1)}!`)).toBe(401);
  // Keys are known by their last four.
  const ends = [byHand, api_key.value, second.makeKey('openai', 'a'), second.makeKey('openai', 'b')];
  expect(new Set(ends.map((each) => each.slice(-4))).size).toBe(4);
  for (const file of fs.readdirSync(folder)) expect(fs.statSync(path.join(folder, file)).mode & 0o077).toBe(0);
});

it('are told from real ones of the same name, and fit into a policy', async () => {
  const local = await start();
  const { providers } = policySchema.parse({ providers: local.entries });
  expect(local.isLocal('openai', providers)).toBe(true);
  const real = policySchema.parse({
    providers: { openai: { kind: 'openai', credential: 'keysteward/openai', project: 'proj_1' } },
  }).providers;
  expect([local.isLocal('openai', real), local.isLocal('anthropic', real)]).toEqual([false, false]);
});

it('show no value on their page but the one that was just made, and nothing that somebody typed as markup', async () => {
  const local = await start();
  const value = local.makeKey('anthropic', '<script>alert(1)</script>');
  const page = await fetch(local.urls.anthropic!);
  const text = await page.text();
  expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'/);
  expect(text).toContain(`…${value.slice(-4)}`);
  expect(text).not.toContain(value);
  expect(text).not.toContain('<script>');
  const made = await (
    await fetch(`${local.urls.anthropic}/console/keys`, { method: 'POST', body: new URLSearchParams({ name: 'x' }) })
  ).text();
  const [fresh] = /sk-ant-api03-[0-9a-f]{96}/.exec(made)!;
  const models = (key: string) =>
    fetch(`${local.urls.anthropic}/v1/models`, { headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' } });
  expect([(await models(fresh)).status, (await models(`${fresh}x`)).status]).toEqual([200, 401]);
  expect(await (await fetch(local.urls.anthropic!)).text()).not.toContain(fresh);
});

it('go on after requests that nobody could answer', async () => {
  const { urls, ...local } = await start();
  for (const [path, body] of [
    ['/%zz', undefined],
    ['//', undefined],
    ['/organization/projects/proj_larkfield/service_accounts', '{"name":'],
  ] as const) {
    const request = body === undefined ? {} : { method: 'POST', body };
    expect((await fetch(`${urls.openai}${path}`, request)).status).toBeGreaterThanOrEqual(400);
  }
  expect((await fetch(urls.openai!)).status).toBe(200);
  await local.close();
});
