import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Registry, slackDoor } from '../../src/adapters/slack/door.ts';
import { openSlack } from '../../src/app.ts';
import { scopesOfMethods } from '../../src/local/slack/web-api.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';

const read = (file: string) => fs.readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8');
interface Manifest {
  features: {
    shortcuts: { type: string; callback_id: string }[];
    slash_commands: { command: string; usage_hint: string; should_escape: boolean }[];
  };
  oauth_config: { scopes: { bot: string[] } };
  settings: { event_subscriptions: { bot_events: string[] } };
}
const manifest = parse(read('manifest.yml')) as Manifest;
const scopes = manifest.oauth_config.scopes.bot;

const database = useDatabase();
let house: House;
let registry: Registry;
beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url });
  const made = slackDoor();
  openSlack(made.door, house.program.ports);
  registry = made.registry;
}, 120_000);
afterAll(() => house.stop());

describe('the manifest and the program', () => {
  it('name the same verbs of one command', () => {
    const [command, ...more] = manifest.features.slash_commands;
    expect(more).toEqual([]);
    expect(command!.command).toBe(house.settings.slack.commandName ?? '/keys');
    const hinted = command!.usage_hint
      .replace(/[[\]]/g, '')
      .split('|')
      .map((each) => each.trim());
    expect(hinted.sort()).toEqual(['help', ...registry.commands.keys()].sort());
    // Without it a mention arrives as a bare name, and nobody can be named.
    expect(command!.should_escape).toBe(true);
  });

  it('name the same shortcuts', () => {
    expect(manifest.features.shortcuts.map((each) => each.callback_id).sort()).toEqual(
      [...registry.shortcuts.keys()].sort(),
    );
  });

  it('name the same events', () => {
    const handled = [...read('src/adapters/slack/handle.ts').matchAll(/event\.type === '(\w+)'/g)].map(
      ([, name]) => name!,
    );
    expect(manifest.settings.event_subscriptions.bot_events.sort()).toEqual([...new Set(handled)].sort());
  });

  it('need the same scopes: the ones that the calls of the main flows need, and none more', async () => {
    const dana = house.as('U0DANA');
    await dana.home();
    await dana.type('/keys request order webhooks staging');
    await dana.submit({ use: 'Local debugging', reason: 'Ticket PLAT-7 needs a look' });
    await dana.sees('Waiting for');
    await house.as('U0OLIVIA').press('access.approve');
    await dana.sees('Access active');
    await house.slack.control.addUser({ id: 'U0NEW', name: 'new', realName: 'New Person' });
    await house.as('U0NEW').type('/keys whoami', 'C0GENERAL');
    await house.as('U0DANA').type('/keys incident order webhooks staging');
    await dana.submit({ leakHow: 'exposed', what: 'In a log' });
    await dana.sees(/incident/);
    await house.program.store.change(
      { actor: { kind: 'operator', id: 'test' }, action: 'test.sync', subject: 'test' },
      (tx) => tx.jobs.add('people.sync', {}),
    );
    const { control } = house.slack;
    const called = () => [...new Set(control.calls().map((each) => each.method))];
    await until(
      () => called().includes('users.list') && called().includes('chat.update'),
      'the calls of the main flows',
    );
    const needed = new Set(['commands']);
    for (const { method, ok } of control.calls()) {
      if (method === 'response_url') continue;
      expect([method, ok, scopesOfMethods.has(method)]).toEqual([method, expect.any(Boolean), true]);
      const some = scopesOfMethods.get(method)!;
      if (typeof some === 'function')
        throw new Error(`the scope of ${method} depends on its arguments: look at it here`);
      for (const scope of some) needed.add(scope);
    }
    expect([...needed].sort()).toEqual([...scopes].sort());
  });

  it.each([
    ['chat:write', 'chat.postMessage', { channel: 'U0DANA', text: 'x' }],
    ['users:read', 'users.info', { user: 'U0DANA' }],
    ['users:read', 'users.list', {}],
  ])('without %s, %s is refused', async (scope, method, args) => {
    const call = async () =>
      (await (
        await fetch(`${house.slack.url}/api/${method}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${house.settings.slack.botToken}` },
          body: new URLSearchParams(args as Record<string, string>),
        })
      ).json()) as { ok: boolean; error?: string };
    expect((await call()).ok).toBe(true);
    house.slack.control.setScopes(scopes.filter((each) => each !== scope));
    expect(await call()).toMatchObject({ ok: false, error: 'missing_scope' });
    house.slack.control.setScopes(scopes);
  });
});
