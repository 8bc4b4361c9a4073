import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Registry, slackDoor } from '../../src/adapters/slack/door.ts';
import { openSlack } from '../../src/app.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';
import { type OtherSlack, startOtherSlack } from '../support/other-slack.ts';

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
let other: OtherSlack;
const without = (scope: string) => scopes.filter((each) => each !== scope);
beforeAll(async () => {
  other = await startOtherSlack({
    manifest: scopes,
    ...Object.fromEntries(scopes.map((each) => [`without:${each}`, without(each)])),
  });
  house = await openHouse({ databaseUrl: database.url });
  const made = slackDoor();
  openSlack(made.door, house.program.ports);
  registry = made.registry;
}, 120_000);
afterAll(async () => {
  await house.stop();
  await other.close();
});

/** What Slack was really asked, once for each method and choice of arguments. */
function askedOfSlack(): { method: string; args: Record<string, unknown> }[] {
  const calls = house.slack.control.calls().filter(({ method }) => method !== 'response_url');
  return [...new Map(calls.map((each) => [`${each.method} ${Object.keys(each.args).sort().join()}`, each])).values()];
}

/** The same call at emulate: its arguments as they were, about the member, the channel and a message that are there. */
async function askOther({ method, args }: { method: string; args: Record<string, unknown> }, token: string) {
  const post = await other.call('chat.postMessage', 'manifest', { channel: other.channel, text: 'x' });
  const there: Record<string, string> = {
    channel: other.channel,
    user: other.dana,
    user_id: other.dana,
    users: other.dana,
    ts: post.ts ?? '',
  };
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const same = Object.entries(args).map(([name, value]) => [name, there[name] ?? text(value)]);
  return other.call(method, token, Object.fromEntries(same));
}

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

  it('need the same scopes: with the manifest’s another imitation of Slack takes every call of the main flows, and refuses some without any one of them', async () => {
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
      async (tx) => {
        await tx.jobs.add('people.sync', {});
        await tx.jobs.add('people.sync-teams', {});
      },
    );
    const { control } = house.slack;
    const called = () => [...new Set(control.calls().map((each) => each.method))];
    await until(
      () => ['users.list', 'usergroups.list', 'chat.update'].every((each) => called().includes(each)),
      'the calls of the main flows',
    );
    // It has no user groups; the local Slack alone says what they need.
    const asked = askedOfSlack().filter(({ method }) => !method.startsWith('usergroups.'));
    expect(asked.length).toBeGreaterThan(6);
    // It has seen no click and no window of ours, and takes no scope for them; Slack asks for none either.
    const needsClick = /^views\.(open|push|update)$/;
    for (const each of asked) {
      const { ok, error } = await askOther(each, 'manifest');
      expect([each.method, error]).not.toEqual([each.method, 'missing_scope']);
      expect([each.method, ok || needsClick.test(each.method), error]).toEqual([each.method, true, error]);
    }
    // `commands` is asked for by no method: it is what makes Slack bring /keys and the shortcuts to the program.
    expect(scopes).toContain('commands');
    for (const scope of scopes.filter((each) => !['commands', 'usergroups:read'].includes(each))) {
      const answers = await Promise.all(asked.map((each) => askOther(each, `without:${scope}`)));
      expect([scope, answers.some(({ error }) => error === 'missing_scope')]).toEqual([scope, true]);
    }
  });

  it.each([
    ['chat:write', 'chat.postMessage', { channel: 'U0DANA', text: 'x' }],
    ['users:read', 'users.info', { user: 'U0DANA' }],
    ['users:read', 'users.list', {}],
    ['usergroups:read', 'usergroups.list', {}],
    ['usergroups:read', 'usergroups.users.list', { usergroup: 'S0PAYMENTS' }],
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
