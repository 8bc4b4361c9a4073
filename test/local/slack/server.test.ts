import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { appFromManifest, type LocalSlack, startLocalSlack } from '../../../src/local/slack/server.ts';
import { anApp, aSlack, seed } from './world.ts';

let slack: LocalSlack;
beforeEach(async () => {
  ({ slack } = await aSlack());
});
afterEach(() => slack.close());

/** A request with any header, which `fetch` would not send. */
function raw(
  route: string,
  headers: Record<string, string>,
  method = 'GET',
  body = '',
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: slack.port, path: route, method, headers }, (response) => {
      let text = '';
      response.on('data', (piece) => {
        text += String(piece);
      });
      response.on('end', () => resolve({ status: response.statusCode!, body: text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('a page of another site', () => {
  const host = () => `127.0.0.1:${slack.port}`;
  test('gets nothing, whatever name it gives this server', async () => {
    for (const route of ['/', '/page-api/workspace'])
      expect((await raw(route, { host: 'evil.example' })).status).toBe(403);
    for (const route of ['/page-api/workspace', '/control/calls', '/api/auth.test']) {
      expect((await raw(route, { host: 'evil.example' })).status).toBe(403);
      expect((await raw(route, { host: host(), origin: 'http://evil.example' })).status).toBe(403);
      expect((await raw(route, { host: host(), origin: 'null' })).status).toBe(403);
      expect((await raw(route, { host: host(), 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    }
    expect((await raw('/page-api/workspace', { host: host(), origin: `http://${host()}` })).status).toBe(200);
    expect((await raw('/page-api/workspace', { host: `localhost:${slack.port}` })).status).toBe(200);
    const followed = { host: host(), 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    for (const route of ['/', '/archives/C0GENERAL/p1']) expect((await raw(route, followed)).status).toBeLessThan(400);
  });

  test('cannot act with a form, which browsers send without asking', async () => {
    const act = JSON.stringify({ kind: 'say', as: 'U0DANA', channel: 'C0GENERAL', text: 'forged' });
    for (const route of ['/page-api/act', '/control/act'])
      expect((await raw(route, { host: host(), 'content-type': 'text/plain' }, 'POST', act)).status).toBe(415);
    expect(slack.control.messages('U0DANA', 'C0GENERAL')).toEqual([]);
  });
});

test('the page’s files are served, and nothing beside them', async () => {
  const host = `127.0.0.1:${slack.port}`;
  for (const route of [
    '/page/../server.ts',
    '/page/%2e%2e/server.ts',
    '/page/..%2fserver.ts',
    '/page/../../../../package.json',
    '/page//etc/passwd',
    '/page/%00',
    '/page/%',
  ])
    expect([route, (await raw(route, { host })).status]).toEqual([route, 404]);
  expect((await raw('/elsewhere', { host })).status).toBe(404);
});

test('it says what the page needs to begin, without e-mail addresses', async () => {
  const workspace = await (await fetch(`${slack.url}/page-api/workspace`)).text();
  expect(JSON.parse(workspace)).toMatchObject({
    team: seed.team,
    app: { name: 'Testbot', botUserId: 'U0BOT' },
    commands: [{ command: '/keys', description: 'Keys', usageHint: '[help | list]' }],
    shortcuts: [{ callbackId: 'report' }, { callbackId: 'report-message', type: 'message' }],
  });
  expect(workspace).not.toContain('@example.com');
});

test('tests in other processes control it over HTTP', async () => {
  const post = (name: string, body?: unknown) =>
    fetch(`${slack.url}/control/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: body === undefined ? '' : JSON.stringify(body),
    }).then((response) => response.json() as Promise<{ ok: boolean; result: unknown; error?: string }>);
  expect(await post('act', { kind: 'say', as: 'U0DANA', channel: 'C0GENERAL', text: 'by HTTP' })).toEqual({
    ok: true,
    result: { ok: true },
  });
  expect(await post('messages', ['U0DANA', 'C0GENERAL'])).toMatchObject({ result: [{ text: 'by HTTP' }] });
  expect(await post('state', ['U0NOBODY'])).toEqual({ ok: false, error: 'user_not_found' });
  expect(await post('addUser', { name: 'new', realName: 'New Person' })).toMatchObject({
    ok: true,
    result: { name: 'new' },
  });
  expect(await post('toString')).toMatchObject({ error: 'not_found' });
  expect(await post('reset')).toEqual({ ok: true, result: null });
  expect(await post('messages', ['U0DANA', 'C0GENERAL'])).toEqual({ ok: true, result: [] });
  const workspace = (await (await fetch(`${slack.url}/page-api/workspace`)).json()) as { users: { name: string }[] };
  expect(workspace.users.map((each) => each.name)).not.toContain('new');
});

describe('a workspace with a state file', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'local-slack-'));
  const stateFile = path.join(folder, 'slack.json');
  afterEach(() => fs.rmSync(stateFile, { force: true }));

  test('is there again after a restart, but for what was ephemeral', async () => {
    const first = await aSlack({ stateFile });
    await first.client.chat.postMessage({ channel: 'C0GENERAL', text: 'kept' });
    await first.client.chat.postEphemeral({ channel: 'C0GENERAL', user: 'U0DANA', text: 'lost' });
    await first.client.chat.postMessage({ channel: 'U0DANA', text: 'in the DM' });
    await first.client.views.publish({ user_id: 'U0DANA', view: { type: 'home', blocks: [{ type: 'divider' }] } });
    await first.slack.control.deactivateUser('U0GUEST');
    await first.slack.close();
    const { slack: second, client } = await aSlack({ stateFile });
    try {
      expect(second.control.messages('U0DANA', 'C0GENERAL').map((each) => each.text)).toEqual(['kept']);
      expect(second.control.state('U0DANA').channels.find((each) => each.withApp)).toMatchObject({ unread: 1 });
      expect(second.control.state('U0DANA').home?.view.blocks).toHaveLength(1);
      expect(() => second.control.state('U0GUEST')).toThrow('account_inactive');
      const before = second.control.messages('U0DANA', 'C0GENERAL')[0]!.ts;
      const { ts } = await client.chat.postMessage({ channel: 'C0GENERAL', text: 'next' });
      expect(ts! > before).toBe(true);
    } finally {
      await second.close();
    }
  });

  test('that is damaged says so', async () => {
    fs.writeFileSync(stateFile, '{');
    await expect(aSlack({ stateFile })).rejects.toThrow(/damaged/);
  });
});

test('it does not start in production', async () => {
  vi.stubEnv('NODE_ENV', 'production');
  try {
    await expect(startLocalSlack({ workspace: seed, app: anApp() })).rejects.toThrow('In production');
  } finally {
    vi.unstubAllEnvs();
  }
});

test('the app is installed from its manifest as it is', () => {
  const secrets = { botToken: 'xoxb-1', appToken: 'xapp-1', signingSecret: 's' };
  expect(appFromManifest('manifest.yml', secrets)).toMatchObject({
    ...secrets,
    name: 'Keysteward',
    messagesReadOnly: true,
    scopes: expect.arrayContaining(['chat:write', 'commands', 'users:read']),
    events: expect.arrayContaining(['app_home_opened', 'team_join', 'user_change']),
    commands: [{ command: '/keys', shouldEscape: true, usageHint: expect.stringContaining('request') }],
    shortcuts: expect.arrayContaining([expect.objectContaining({ callbackId: 'incidents.declare', type: 'global' })]),
  });
});
