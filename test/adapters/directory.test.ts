import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { slackClients } from '../../src/adapters/slack/clients.ts';
import { slackDirectory } from '../../src/adapters/slack/directory.ts';
import type { LocalSlack } from '../../src/local/slack/server.ts';
import type { Directory } from '../../src/ports.ts';
import { anApp, aSlack } from '../local/slack/world.ts';
import { type StubSlack, startStubSlack } from '../support/stub-slack.ts';

const warned: string[] = [];
const directoryAt = (apiUrl: string) =>
  slackDirectory(slackClients('xoxb-test', apiUrl), 'T0TEST', (message) => warned.push(message));
let slack: LocalSlack;
let stub: StubSlack;
let directory: Directory;
beforeAll(async () => {
  const scopes = ['users:read', 'usergroups:read'];
  ({ slack } = await aSlack({ app: anApp({ scopes }) }));
  stub = await startStubSlack();
  directory = directoryAt(`${slack.url}/api/`);
});
afterEach(() => {
  slack.control.reset();
  warned.length = 0;
});
afterAll(async () => {
  await slack.close();
  await stub.close();
});

describe('Slack’s user groups', () => {
  it('come in one call, disabled ones too, with everybody who is in them', async () => {
    await slack.control.addGroup({ id: 'S0OLD', name: 'Old', handle: 'old', members: ['U0GUEST'] });
    await slack.control.changeGroup('S0OLD', { disabled: true });
    expect(await directory.teams()).toEqual([
      { slackId: 'S0BACKEND', name: 'Backend', handle: 'backend', disabled: false, members: ['U0DANA', 'U0OLIVIA'] },
      { slackId: 'S0OLD', name: 'Old', handle: 'old', disabled: true, members: ['U0GUEST'] },
    ]);
    expect(slack.control.calls().map((each) => each.method)).toEqual(['usergroups.list']);
    expect(await directory.membersOf('S0BACKEND')).toEqual(['U0DANA', 'U0OLIVIA']);
    expect(await directory.membersOf('S0NONE')).toBeNull();
  });

  it('are read to the last page, and those that it does not name everybody of are marked', async () => {
    const page = (usergroups: object[], next_cursor = '') => ({
      status: 200,
      body: { ok: true, usergroups, response_metadata: { next_cursor } },
    });
    stub.answer(
      'usergroups.list',
      page([{ id: 'S1', name: 'One', handle: 'one', users: ['UA'], user_count: '1', date_delete: 0 }], 'more'),
      page([
        { id: 'S2', name: 'Two', handle: 'two', users: ['UA'], user_count: 2, date_delete: 0 },
        { id: 'S3', name: 'Three', handle: 'three', user_count: 7, date_delete: 0 },
        { id: 'S4', name: 'Four', handle: 'four', user_count: 0, date_delete: 1446670362 },
      ]),
    );
    const teams = (await directoryAt(stub.apiUrl).teams())!;
    expect(teams.map(({ slackId, disabled, members }) => [slackId, disabled, members])).toEqual([
      ['S1', false, ['UA']],
      ['S2', false, null],
      ['S3', false, null],
      ['S4', true, []],
    ]);
    expect(stub.of('usergroups.list').map((each) => each.args.cursor)).toEqual([undefined, 'more']);
  });

  it('that Slack does not tell of are none, and why is said once, with what to do, until it tells again', async () => {
    slack.control.setScopes(['users:read']);
    for (let i = 0; i < 3; i++) expect(await directory.teams()).toBeNull();
    expect(await directory.membersOf('S0BACKEND')).toBeNull();
    expect(warned).toHaveLength(1);
    expect(warned[0]).toMatch(/missing_scope.*usergroups:read.*install it again/);
    slack.control.setScopes(['users:read', 'usergroups:read']);
    expect(await directory.teams()).toHaveLength(1);
    const others = ['plan_upgrade_required', 'paid_teams_only', 'no_permission', 'access_denied', 'unknown_method'];
    for (const error of others) {
      slack.control.fail({ method: 'usergroups.list', error, times: 2 });
      expect([await directory.teams(), await directory.teams()]).toEqual([null, null]);
    }
    expect(warned.slice(1).map((each) => /\((\w+)\): \w/.exec(each)?.[1])).toEqual(others);
  });

  it('and people are left alone for as long as Slack asks; any other trouble is tried again, and closes nothing', async () => {
    for (const method of ['usergroups.list', 'usergroups.users.list', 'users.list'])
      slack.control.fail({ method, status: 429, retryAfter: 7 });
    const later = { name: 'Later', retryInMs: 7_000 };
    await expect(directory.teams()).rejects.toMatchObject(later);
    await expect(directory.membersOf('S0BACKEND')).rejects.toMatchObject(later);
    await expect(directory.everybody()[Symbol.asyncIterator]().next()).rejects.toMatchObject(later);
    slack.control.fail({ method: 'usergroups.list', error: 'internal_error' });
    await expect(directory.teams()).rejects.toThrow('internal_error');
    slack.control.fail({ method: 'usergroups.users.list', status: 503 });
    await expect(directory.membersOf('S0BACKEND')).rejects.toThrow();
    expect(warned).toEqual([]);
  });
});
