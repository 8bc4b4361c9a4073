import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { postgresInbox } from '../../src/adapters/postgres/slack.ts';
import { slackClients } from '../../src/adapters/slack/clients.ts';
import { slackDoor, underField } from '../../src/adapters/slack/door.ts';
import { handler } from '../../src/adapters/slack/handle.ts';
import { type Receive, receiveSlack } from '../../src/adapters/slack/receive.ts';
import { form, input, md } from '../../src/blocks.ts';
import { done } from '../../src/doors.ts';
import { Refusal, refuseIf } from '../../src/kernel.ts';
import { type Person, whyNot } from '../../src/people/model.ts';
import type { Inbox } from '../../src/ports.ts';
import { aPerson, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { type StubSlack, signed, startStubSlack } from '../support/stub-slack.ts';

const secret = 'the-signing-secret';
const database = useDatabase();
let slack: StubSlack;
let receive: Receive;
let server: http.Server;
let url: string;
let person: Person;
let inboxDown = false;
const ran: string[] = [];
const logged: string[] = [];

beforeAll(async () => {
  slack = await startStubSlack();
  person = aPerson({ slackId: 'U0DANA' });
  const owner = aPerson({ name: 'Olivia Brandt' });
  const administrators = ['Ada Moreau', 'Sam Okafor', 'Lena Vogt', 'Tom Ek'].map((name, i) =>
    aPerson({ name, tier: 'administrator', joinedAt: new Date(i) }),
  );
  const gone = aPerson({ name: 'Max Left', tier: 'administrator', slackId: 'U0GONE', status: 'left' });
  const contractor = aPerson({ slackId: 'U0KIM', tier: 'contractor' });
  await given(database.store, { people: [person, owner, ...administrators, gone, contractor] });
  const { door, registry } = slackDoor();
  door.command(
    'list',
    { usage: 'list <words>', help: 'List, e.g. `list mine`', action: 'inventory.list' },
    async ({ text }) => {
      ran.push(`list ${text}`);
      return { say: md`listed` };
    },
  );
  door.command('tier', { usage: 'tier', help: 'Tier', action: 'people.set-tier' }, async () => {
    ran.push('tier');
    return done;
  });
  door.command('broken', { usage: 'broken', help: 'Broken', action: 'help.read' }, async () => {
    ran.push('broken');
    throw new Error('the database went away');
  });
  door.command('add', { usage: 'add', help: 'Add', action: 'inventory.add', opens: 'Add a key' }, async () => ({
    open: form('t.add', 'Add', 'Add', [input({ kind: 'text', name: 'purpose', label: 'Purpose' })]),
  }));
  door.action('t.press', {}, async ({ value }) => {
    ran.push(`press ${value}`);
    return done;
  });
  door.action('rotation.start', { opens: 'Rotate' }, async (click) => {
    refuseIf(whyNot(click.person, 'rotation.start', { ownerId: owner.id, environment: 'staging' }));
    return done;
  });
  door.submit(
    't.add',
    z.object({ purpose: z.string().min(3, 'Say more.'), key: z.string().optional() }),
    async ({ form: { purpose } }) => {
      ran.push(`add ${purpose}`);
      if (purpose === 'administered')
        throw new Refusal('invalid', 'An administrator can.', 'purpose', ['administrators']);
      if (purpose === 'taken') throw new Refusal('conflict', 'That one is taken.', 'purpose');
      return { say: md`added` };
    },
  );
  door.submit('rotation.start', z.object({ purpose: z.string() }), async ({ person: asker }) => {
    refuseIf(whyNot(asker, 'rotation.start', { ownerId: owner.id, environment: 'staging' }));
    return done;
  });
  const clients = slackClients('xoxb-test', slack.apiUrl);
  const inner = postgresInbox(database.store.pool);
  const inbox: Inbox = {
    ...inner,
    store: (...args) => (inboxDown ? Promise.reject(new Error('connection refused')) : inner.store(...args)),
  };
  const log = (_level: string, message: string) => void logged.push(message);
  receive = receiveSlack({
    mode: { kind: 'http', signingSecret: secret },
    token: 'xoxb-test',
    apiUrl: slack.apiUrl,
    bot: { botId: 'BBOT', botUserId: 'UBOT' },
    inbox,
    log,
    handle: handler({
      registry,
      store: database.store,
      clients,
      teamId: 'T1',
      personOf: async (slackId) => {
        const known = await database.store.read((view) => view.people.bySlackId(slackId));
        if (!known) throw new Refusal('not_allowed', 'Not a member.');
        if (known.status !== 'active') throw new Refusal('not_allowed', 'No longer active.');
        return known;
      },
      meet: async () => {},
      teamChanged: async () => {},
      commandName: '/keys',
      log,
    }),
  });
  await receive.start();
  server = http.createServer((request, response) => receive.listener!(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await receive.stop(1_000);
  await slack.close();
});
beforeEach(() => {
  ran.length = 0;
  logged.length = 0;
  slack.calls.length = 0;
  inboxDown = false;
});

let triggers = 0;
const command = (text: string, facts: Record<string, string> = {}) =>
  new URLSearchParams({
    command: '/keys',
    text,
    user_id: 'U0DANA',
    team_id: 'T1',
    channel_id: 'C1',
    trigger_id: `trigger.${++triggers}`,
    response_url: `${slack.url}/respond`,
    ...facts,
  }).toString();
const interactive = (payload: object) =>
  `payload=${encodeURIComponent(JSON.stringify({ user: { id: 'U0DANA', team_id: 'T1' }, team: { id: 'T1' }, trigger_id: `trigger.${++triggers}`, response_url: `${slack.url}/respond`, ...payload }))}`;
const submission = (values: Record<string, string>, form = 't.add') =>
  interactive({
    type: 'view_submission',
    response_url: undefined,
    view: {
      id: 'V1',
      type: 'modal',
      callback_id: form,
      private_metadata: '{}',
      state: {
        values: Object.fromEntries(
          Object.entries(values).map(([name, value]) => [name, { [name]: { type: 'plain_text_input', value } }]),
        ),
      },
    },
  });
const send = (path: string, body: string, options = {}) => fetch(`${url}/slack/${path}`, signed(secret, body, options));
async function until<T>(what: () => T | Promise<T>, timeoutMs = 5_000): Promise<NonNullable<T>> {
  for (const end = Date.now() + timeoutMs; ; ) {
    const found = await what();
    if (found) return found;
    if (Date.now() > end)
      throw new Error(`did not happen; seen: ${JSON.stringify({ ran, logged, calls: slack.calls })}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const inboxRows = async () =>
  (await database.store.pool.query('select dedupe_key, payload::text as payload, handled_at from inbox')).rows as {
    dedupe_key: string;
    payload: string;
    handled_at: Date | null;
  }[];
const refusals = async () =>
  (await database.store.pool.query("select actor_id, action from audit_event where outcome = 'refused' order by id"))
    .rows as { actor_id: string; action: string }[];

describe('a request that is not Slack’s', () => {
  it.each([
    ['without a signature', { signWith: null }],
    ['signed with another secret', { signWith: 'another' }],
    ['older than five minutes', { at: Date.now() / 1000 - 301 }],
    ['more than a minute in the future', { at: Date.now() / 1000 + 120 }],
  ])('%s is refused, and nothing runs', async (_name, options) => {
    const answer = await send('commands', command('list'), options);
    expect(answer.status).toBe(401);
    expect(ran).toEqual([]);
  });
  it('of ten megabytes is refused before it is read', async () => {
    expect((await send('commands', command('list', { text: 'x'.repeat(10_000_000) }))).status).toBe(413);
    expect(ran).toEqual([]);
  });
  it('to an unknown address is answered 404', async () => {
    expect((await send('nowhere', command('list'))).status).toBe(404);
  });
});

describe('a command', () => {
  it('is stored, acknowledged, run and answered to this person alone', async () => {
    const answer = await send('commands', command('list env:prod'));
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe('');
    const said = await until(() => slack.of('respond')[0]);
    expect(said.args).toMatchObject({ response_type: 'ephemeral', text: 'listed' });
    expect(ran).toEqual(['list env:prod']);
    await until(async () => (await inboxRows()).every((row) => row.handled_at));
  });
  it('delivered five times, also under a retry header, runs once', async () => {
    const body = command('list again');
    const answers = await Promise.all(
      [0, 1, 2, 3, 4].map((i) => send('commands', body, { headers: i ? { 'x-slack-retry-num': String(i) } : {} })),
    );
    expect(answers.map((each) => each.status)).toEqual([200, 200, 200, 200, 200]);
    await until(() => slack.of('respond')[0]);
    expect(ran).toEqual(['list again']);
  });
  it('that nobody knows is answered with help and the nearest verb', async () => {
    await send('commands', command('lst'));
    const said = await until(() => slack.of('respond')[0]);
    expect(JSON.stringify(said.args.blocks)).toContain('Did you mean');
    expect(JSON.stringify(said.args.blocks)).toContain('/keys list');
  });
  it('help shows what the person may do and nothing else', async () => {
    await send('commands', command('help'));
    const text = JSON.stringify((await until(() => slack.of('respond')[0])).args.blocks);
    expect(text).toContain('/keys list');
    expect(text).not.toContain('/keys tier');
    // Slack reads what stands between angle brackets as a link, unless they are escaped.
    expect(text.replace(/&[lg]t;/g, '')).not.toMatch(/[<>]/);
    expect(text).toContain('`/keys list &lt;words&gt;`  List, e.g. `list mine`');
  });
  it('beyond the person’s tier is refused and recorded', async () => {
    await send('commands', command('tier'));
    await until(() => slack.of('respond')[0]);
    expect(ran).toEqual([]);
    expect(await refusals()).toContainEqual({ actor_id: person.id, action: 'people.set-tier' });
  });
  it('beyond the person’s tier is answered with who may, three at most and nobody who left', async () => {
    await send('commands', command('tier'));
    const said = await until(() => slack.of('respond')[0]);
    expect(said.args.text).toBe(
      'Only administrators can do this; you are here as a developer. Ask Ada Moreau, Sam Okafor or Lena Vogt.',
    );
  });
  it.each([
    [
      'a developer whose the key is, before administrators',
      'U0DANA',
      "Only administrators and the key's owner can do this; you are here as a developer. Ask Olivia Brandt (the owner), Ada Moreau or Sam Okafor.",
    ],
    [
      'a contractor of no owner',
      'U0KIM',
      "Only administrators and the key's owner can do this; you are here as a contractor. Ask Ada Moreau, Sam Okafor or Lena Vogt.",
    ],
  ])('for a key tells %s', async (_whom, slackId, sentence) => {
    const actions = [{ type: 'button', action_id: 'rotation.start', value: 'key' }];
    await send('interactive', interactive({ type: 'block_actions', user: { id: slackId, team_id: 'T1' }, actions }));
    const shown = await until(() => slack.of('views.update')[0]);
    expect(JSON.stringify(shown.args.view)).toContain(sentence);
  });
  it.each([
    ['somebody from another workspace', { team_id: 'T2' }, 'U0DANA'],
    ['somebody unknown', { user_id: 'U0NOBODY' }, 'U0NOBODY'],
    ['somebody who has left', { user_id: 'U0GONE' }, 'U0GONE'],
  ])('by %s is refused and recorded', async (_name, facts, actor) => {
    await send('commands', command('list', facts));
    await until(() => slack.of('respond')[0]);
    expect(ran).toEqual([]);
    expect(await refusals()).toContainEqual({ actor_id: actor, action: 'slack.enter' });
  });
  it('that fails says so with a number, and is kept to be handled again', async () => {
    const body = command('broken');
    expect((await send('commands', body)).status).toBe(200);
    const said = await until(() => slack.of('respond')[0]);
    expect(JSON.stringify(said.args)).toContain('Something went wrong on our side');
    expect(JSON.stringify(said.args)).not.toContain('the database went away');
    expect((await inboxRows()).filter((row) => !row.handled_at)).toHaveLength(1);
    await database.store.pool.query('delete from inbox where handled_at is null');
  });
  it('while nothing can be stored says so and does nothing', async () => {
    inboxDown = true;
    const answer = await send('commands', command('list'));
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('cannot reach its database');
    expect(ran).toEqual([]);
  });
  it('with a whole key in it is not kept anywhere, and answered with what to do instead', async () => {
    const pasted = ['sk-proj', 'Zx81aPq0LmN4vB7cD2eF9gH3jK5sT6uW8yR1iO0pQ'].join('-');
    const answer = await send('commands', command(`request ${pasted}`));
    expect(await answer.text()).toContain('looks like a whole key');
    expect(ran).toEqual([]);
    expect(JSON.stringify(await inboxRows())).not.toContain(pasted);
    expect(logged.join()).not.toContain(pasted);
  });
  it('that opens a form opens it before anything is looked up', async () => {
    await send('commands', command('add'));
    await until(() => slack.of('views.update')[0]);
    expect(slack.calls.map((each) => each.method)).toEqual(['views.open', 'views.update']);
    expect(slack.of('views.open')[0]!.args.view).toMatchObject({ title: { text: 'Add a key' } });
    expect(slack.of('views.update')[0]!.args.view).toMatchObject({ callback_id: 't.add' });
  });
  it('whose trigger expired says so instead of failing silently', async () => {
    slack.answer('views.open', { status: 200, body: { ok: false, error: 'expired_trigger_id' } });
    await send('commands', command('add openai'));
    const said = await until(() => slack.of('respond')[0]);
    expect(JSON.stringify(said.args)).toContain('/keys add openai');
  });
});

describe('a form', () => {
  it('is answered under its fields when something is wrong, so that nothing typed is lost', async () => {
    const answer = await send('interactive', submission({ purpose: 'x' }));
    expect(await answer.json()).toEqual({ response_action: 'errors', errors: { purpose: 'Say more.' } });
  });
  it('shows a refusal under the field that it concerns', async () => {
    const answer = await send('interactive', submission({ purpose: 'taken' }));
    expect(await answer.json()).toEqual({ response_action: 'errors', errors: { purpose: 'That one is taken.' } });
  });
  it('names who may under the field too', async () => {
    const answer = await send('interactive', submission({ purpose: 'administered' }));
    const errors = { purpose: 'An administrator can. Ask Ada Moreau, Sam Okafor or Lena Vogt.' };
    expect(await answer.json()).toEqual({ response_action: 'errors', errors });
  });
  it('keeps whom to ask under a field where the sentence before is too long', () => {
    const said = underField(`It has \`a\` reason: ${'w'.repeat(300)}`, 'Ask Ada Moreau.');
    expect(said).toMatch(/^It has a reason: w+… Ask Ada Moreau\.$/);
    expect(said).toHaveLength(250);
    expect(underField('w'.repeat(250))).toBe('w'.repeat(250));
  });
  it('stays, with what was typed, also for whoever may not do that', async () => {
    const answer = await send('interactive', submission({ purpose: 'it is old' }, 'rotation.start'));
    expect(await answer.json()).toEqual({
      response_action: 'errors',
      errors: {
        purpose: expect.stringMatching(/^Only administrators and the key's owner can do this.* Ask Olivia Brandt/),
      },
    });
  });
  it('with a pasted key is refused under that field and nothing of it is stored', async () => {
    const pasted = ['AKIA', 'Q3EGRIZ7XK4LMN2P', '/', 'wJalrXUtnFEMI7K7MDENGbPxRfiCYz1aB2cD3eF4'].join('');
    const answer = await send('interactive', submission({ purpose: 'nightly job', key: pasted }));
    const { errors } = (await answer.json()) as { errors: Record<string, string> };
    expect(errors.key).toContain('looks like a whole key');
    expect(ran).toEqual([]);
    expect(JSON.stringify(await inboxRows())).not.toContain(pasted);
  });
  it('while nothing can be stored keeps what was typed', async () => {
    inboxDown = true;
    const answer = await send('interactive', submission({ purpose: 'nightly' }));
    expect(((await answer.json()) as { errors: object }).errors).toMatchObject({
      purpose: expect.stringContaining('cannot reach its database'),
    });
  });
  it('done is answered in the same window', async () => {
    const answer = await send('interactive', submission({ purpose: 'nightly' }));
    expect(await answer.json()).toMatchObject({ response_action: 'update', view: { type: 'modal' } });
    expect(ran).toEqual(['add nightly']);
  });
});

describe('what a process that died left behind', () => {
  it('is handled again, once, and answered in the person’s messages', async () => {
    const body = {
      type: 'block_actions',
      user: { id: 'U0DANA', team_id: 'T1' },
      team: { id: 'T1' },
      trigger_id: 'lost.1',
      actions: [{ type: 'button', action_id: 't.press', value: 'thing' }],
    };
    await database.store.pool.query(
      "insert into inbox (dedupe_key, kind, payload, received_at) values ('block_actions:lost.1', 'block_actions', $1, now() - interval '1 minute')",
      [JSON.stringify(body)],
    );
    expect(await receive.replayLost()).toBe(1);
    expect(await receive.replayLost()).toBe(0);
    expect(ran).toEqual(['press thing']);
  });
  it('an event is stored before it is acknowledged, and Slack is asked to repeat it when it cannot be', async () => {
    inboxDown = true;
    const event = JSON.stringify({
      type: 'event_callback',
      event_id: 'Ev1',
      team_id: 'T1',
      event: { type: 'app_home_opened', user: 'U0DANA', tab: 'home' },
    });
    expect((await send('events', event)).status).toBe(500);
    inboxDown = false;
    expect((await send('events', event)).status).toBe(200);
    await until(() => slack.of('views.publish')[0]);
  });
});
