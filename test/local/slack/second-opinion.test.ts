import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalSlack } from '../../../src/local/slack/server.ts';
import { scopesOfMethods } from '../../../src/local/slack/web-api.ts';
import { type OtherSlack, type SlackAnswer, startOtherSlack } from '../../support/other-slack.ts';
import { aSlack } from './world.ts';

/**
 * An imitation of Slack shares its author's misreadings. Here another program that imitates it, by other people, says
 * which scope each method needs.
 */
const everything = [
  ...new Set([...scopesOfMethods.values()].flatMap((each) => (typeof each === 'function' ? [] : each))),
].concat(['channels:read', 'groups:read', 'im:read', 'channels:join', 'users:read.email']);

let other: OtherSlack;
let slack: LocalSlack;
beforeAll(async () => {
  const sets = ['', ...everything].map((missing) => [
    `without:${missing}`,
    everything.filter((each) => each !== missing),
  ]);
  other = await startOtherSlack(Object.fromEntries(sets) as Record<string, string[]>);
  ({ slack } = await aSlack());
});
afterAll(async () => {
  await other.close();
  await slack.close();
});

/** Arguments that each side can make sense of: the methods look before they judge. */
function argsFor(id: string, method: string): Record<string, string> {
  const dana = { user: id, users: id, user_id: id, email: 'dana@example.com' };
  return method === 'conversations.open' ? dana : { ...dana, channel: other.channel, text: 'x' };
}
async function callHere(method: string): Promise<SlackAnswer> {
  const response = await fetch(`${slack.url}/api/${method}`, {
    method: 'POST',
    headers: { authorization: 'Bearer xoxb-test' },
    body: new URLSearchParams(argsFor('U0DANA', method)),
  });
  return (await response.json()) as SlackAnswer;
}

/** What emulate does not have. */
const unknownToIt = [
  'api.test',
  'apps.connections.open',
  'blocks.validate',
  'usergroups.list',
  'usergroups.users.list',
];

describe.each([...scopesOfMethods.keys()].filter((each) => !unknownToIt.includes(each)))('%s', (method) => {
  test('needs the same scope here as in emulate', async () => {
    const mine: string[] = [];
    const theirs: string[] = [];
    for (const scope of everything) {
      const said = await other.call(method, `without:${scope}`, argsFor(other.dana, method));
      if (said.error === 'missing_scope') theirs.push(scope);
      slack.control.setScopes(everything.filter((each) => each !== scope));
      const ours = await callHere(method);
      if (ours.error === 'missing_scope') mine.push(scope);
    }
    expect(mine).toEqual(theirs);
  });
});
