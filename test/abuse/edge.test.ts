import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  clickBody,
  commandBody,
  factsOf,
  interactiveBody,
  knock,
  type Path,
  refusalsOf,
  submitBody,
  tablesOf,
  typedInto,
  useEars,
} from '../support/abuse.ts';
import { useDatabase } from '../support/database.ts';
import { type House, openHouse, until } from '../support/house.ts';

const database = useDatabase();
useEars();
let house: House;
let before: string;
beforeAll(async () => {
  house = await openHouse({ databaseUrl: database.url, roles: { bot: true, worker: false } });
});
afterAll(() => house.stop());
beforeEach(async () => {
  await pool().query('delete from inbox');
  await house.slack.control.settled();
  before = await factsOf(database.store.pool);
});

const pool = () => database.store.pool;
const unhandled = async () =>
  (await pool().query<{ n: number }>('select count(*)::int n from inbox where handled_at is null')).rows[0]!.n;
/** Until everything that was accepted has been dealt with. */
const quiet = () => until(async () => (await unhandled()) === 0, 'everything is handled');
const keyNamed = async (words: string) => (await house.program.store.read((view) => view.keys.search(words, 2)))[0]!;
const slackWasAsked = () => house.slack.control.calls().length;
const everything = async () => {
  const parts: string[] = [];
  for (const table of await tablesOf(pool()))
    parts.push(
      ...(await pool().query<{ row: string }>(`select t::text as row from ${table} t`)).rows.map((each) => each.row),
    );
  return parts.join('\n');
};

describe('a request that Slack did not send now', () => {
  const bodies: [Path, () => string][] = [
    ['commands', () => commandBody('U0SAM', 'tier <@U0DANA|dana> administrator')],
    ['interactive', () => clickBody('U0SAM', 'access.approve', 'req_00000000000000000000000000')],
    ['options', () => interactiveBody('U0SAM', { type: 'block_suggestion', action_id: 'keyId', value: 'stripe' })],
    [
      'events',
      () =>
        JSON.stringify({
          type: 'event_callback',
          event_id: `Ev${Math.random()}`,
          team_id: 'T0LARKFIELD',
          event: { type: 'user_change', user: { id: 'U0DANA', team_id: 'T0LARKFIELD', name: 'x', deleted: true } },
        }),
    ],
  ];
  const wrongs: [string, Parameters<typeof knock>[3]][] = [
    ['unsigned', { signWith: null }],
    ['signed with another secret', { signWith: 'somebody-elses-secret' }],
    ['with a cut signature', { headers: { 'x-slack-signature': 'v0=abc' } }],
    ['with a signature of another version', { headers: { 'x-slack-signature': 'v1=abc' } }],
    ['five minutes and a second old', { at: Date.now() / 1000 - 301 }],
    ['two minutes ahead', { at: Date.now() / 1000 + 120 }],
    ['a year ahead', { at: Date.now() / 1000 + 365 * 86_400 }],
    ['with a timestamp that is none', { headers: { 'x-slack-request-timestamp': 'soon' } }],
  ];
  for (const [path, body] of bodies) {
    it.each(wrongs)(`to /slack/${path}, %s, is refused and stored nowhere`, async (_name, options) => {
      const asked = slackWasAsked();
      const stored = (await pool().query('select 1 from inbox')).rowCount;
      expect((await knock(house, path, body(), options)).status).toBe(401);
      expect((await pool().query('select 1 from inbox')).rowCount).toBe(stored);
      expect(await factsOf(pool())).toBe(before);
      expect(slackWasAsked()).toBe(asked);
    });
  }

  it('and says that it only checks the certificate is answered and not handled, whatever else it carries', async () => {
    for (const body of [
      `ssl_check=1&${commandBody('U0SAM', 'tier <@U0DANA|dana> administrator')}`,
      `${commandBody('U0SAM', 'tier <@U0DANA|dana> administrator')}&ssl_check=1`,
    ]) {
      const answer = await knock(house, 'commands', body, { signWith: null });
      expect([200, 401]).toContain(answer.status);
    }
    await quiet();
    expect(await factsOf(pool())).toBe(before);
  });

  it('of ten megabytes is refused before it is read', async () => {
    expect((await knock(house, 'commands', commandBody('U0SAM', 'x'.repeat(10_000_000)))).status).toBe(413);
  });
});

describe('a request that Slack signed', () => {
  it.each([
    ['deeply nested JSON', `payload=${encodeURIComponent(`${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`)}`],
    ['deeply nested lists', `payload=${encodeURIComponent(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)}`],
    ['JSON that is cut off', `payload=${encodeURIComponent('{"type":"block_actions"')}`],
    ['a payload that is no object', 'payload=5'],
    ['two payloads', 'payload=%7B%7D&payload=%7B%7D'],
    ['nothing at all', ''],
  ])('with %s harms nothing, and the next one is answered', async (_name, body) => {
    const answer = await knock(house, 'interactive', body);
    expect(answer.status).toBeLessThan(501);
    expect(await factsOf(pool())).toBe(before);
    expect((await knock(house, 'commands', commandBody('U0DANA', 'whoami'))).status).toBe(200);
    await quiet();
  });

  it('with __proto__ and constructor in it changes no prototype and no rule', async () => {
    const poison =
      '{"__proto__":{"tier":"administrator","polluted":true},"constructor":{"prototype":{"polluted":true}}';
    const user = '"user":{"id":"U0KIM","team_id":"T0LARKFIELD"},"team":{"id":"T0LARKFIELD"}';
    const body = `${poison},"type":"block_actions",${user},"trigger_id":"p.1","actions":[{"type":"button","action_id":"__proto__","value":"toString"},{"type":"button","action_id":"constructor","value":"x"}]}`;
    expect((await knock(house, 'interactive', `payload=${encodeURIComponent(body)}`)).status).toBe(200);
    const metadata = '{"__proto__":{"personId":"x"},"personId":"__proto__"}';
    const submit = JSON.parse(
      decodeURIComponent(submitBody('U0KIM', 'offboarding.open', {}).slice('payload='.length).replaceAll('+', ' ')),
    ) as {
      view: { private_metadata: string };
    };
    submit.view.private_metadata = metadata;
    expect((await knock(house, 'interactive', `payload=${encodeURIComponent(JSON.stringify(submit))}`)).status).toBe(
      200,
    );
    await quiet();
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    expect(await factsOf(pool())).toBe(before);
  });

  it('repeated to the letter is answered again and has one effect', async () => {
    const body = commandBody('U0SAM', 'tier <@U0BEN|ben> contractor');
    const answers = [];
    for (let i = 0; i < 4; i++)
      answers.push(
        (await knock(house, 'commands', body, { headers: i ? { 'x-slack-retry-num': `${i}` } : {} })).status,
      );
    await quiet();
    expect(answers).toEqual([200, 200, 200, 200]);
    const { rows } = await pool().query(
      "select 1 from audit_event where action = 'people.set-tier' and outcome = 'done'",
    );
    expect(rows).toHaveLength(1);
    await knock(house, 'commands', commandBody('U0SAM', 'tier <@U0BEN|ben> developer'));
    await quiet();
  });
});

describe('somebody who is nobody here', () => {
  const strangers: [string, string, Record<string, string>, string][] = [
    ['of another workspace', 'U0DANA', { team_id: 'T0ELSEWHERE' }, 'T0ELSEWHERE'],
    ['unknown to Slack', 'U0NOBODY', {}, 'T0LARKFIELD'],
  ];
  it.each(strangers)(
    '%s is refused by command, button and form, and it is on record',
    async (_name, user, facts, teamId) => {
      const request = await house.program.store.read(async (view) => {
        for (const person of [
          ...(await view.people.withTier('developer')),
          ...(await view.people.withTier('contractor')),
        ]) {
          const [open] = await view.requests.openBy(person.id);
          if (open) return open;
        }
        throw new Error('no request is open');
      });
      const recorded = (await refusalsOf(pool())).length;
      const from = { user: { id: user, team_id: teamId }, team: { id: teamId } };
      await knock(house, 'commands', commandBody(user, 'tier <@U0DANA|dana> administrator', facts));
      await knock(house, 'interactive', clickBody(user, 'access.approve', request.id, from));
      await knock(
        house,
        'interactive',
        submitBody(user, 'access.deny', { reason: typedInto('because I can') }, { requestId: request.id }, from),
      );
      await quiet();
      expect(await factsOf(pool())).toBe(before);
      const refused = (await refusalsOf(pool())).slice(recorded);
      expect(refused).toHaveLength(3);
      for (const each of refused) expect(each).toMatchObject({ actor: user, action: 'slack.enter' });
    },
  );

  it('from a workspace that shares a channel with ours is refused, although the channel is ours', async () => {
    const recorded = (await refusalsOf(pool())).length;
    const guest = { user: { id: 'U0OUTSIDE', team_id: 'T0PARTNER' } };
    await knock(house, 'interactive', clickBody('U0OUTSIDE', 'inventory.mine', 'home', guest));
    await quiet();
    expect((await refusalsOf(pool())).slice(recorded)).toMatchObject([{ actor: 'U0OUTSIDE', action: 'slack.enter' }]);
  });

  it('a bot is refused', async () => {
    await house.slack.control.addUser({ id: 'U0ROBOT', name: 'robot', realName: 'Robot', isBot: true });
    await quiet();
    const recorded = (await refusalsOf(pool())).length;
    before = await factsOf(pool());
    await knock(house, 'interactive', clickBody('U0ROBOT', 'incidents.declare', 'home'));
    await quiet();
    expect(await factsOf(pool())).toBe(before);
    expect((await refusalsOf(pool())).slice(recorded)).toMatchObject([{ actor: 'U0ROBOT', action: 'slack.enter' }]);
  });

  it('who was deactivated while a form was open is refused at the submit, and it is on record', async () => {
    const key = await keyNamed('order webhooks staging');
    const ben = house.as('U0BEN');
    await ben.type('/keys request order webhooks staging');
    await ben.modal();
    await house.slack.control.deactivateUser('U0BEN');
    await until(async () => {
      const person = await house.program.store.read((view) => view.people.bySlackId('U0BEN'));
      return person?.status === 'deactivated';
    }, 'Keysteward has heard of it');
    before = await factsOf(pool());
    const recorded = (await refusalsOf(pool())).length;
    const option = (value: string) => ({ type: 'static_select', selected_option: { value } });
    const answer = await knock(
      house,
      'interactive',
      submitBody('U0BEN', 'access.request', {
        keyId: { ...option(key.id), type: 'external_select' },
        use: typedInto('Getting my own back'),
        hours: option('1'),
        reason: typedInto('Getting my own back, at length'),
      }),
    );
    expect(await answer.text()).toContain('no longer active');
    expect(await factsOf(pool())).toBe(before);
    expect((await refusalsOf(pool())).slice(recorded)).toMatchObject([{ actor: 'U0BEN', action: 'slack.enter' }]);
    // Neither suggestions nor their App Home tell them anything any more.
    const suggested = await knock(
      house,
      'options',
      interactiveBody('U0BEN', { type: 'block_suggestion', action_id: 'keyId', value: 'stripe' }),
    );
    expect(await suggested.text()).not.toContain('Stripe');
    await knock(
      house,
      'events',
      JSON.stringify({
        type: 'event_callback',
        event_id: 'EvHome',
        team_id: 'T0LARKFIELD',
        event: { type: 'app_home_opened', user: 'U0BEN', tab: 'home' },
      }),
    );
    await quiet();
    const [home] = house.slack.control.calls('views.publish').slice(-1);
    expect(JSON.stringify(home!.args)).toContain('no longer active');
    expect(await factsOf(pool())).toBe(before);
  });
});

describe('a key that somebody types', () => {
  const pasted = ['sk-proj', 'Zx81aPq0LmN4vB7cD2eF9gH3jK5sT6uW8yR1iO0pQ'].join('-');

  it('in a command is on record once, with where and without what, however often it is delivered', async () => {
    const recorded = (await refusalsOf(pool())).length;
    const body = commandBody('U0DANA', `request ${pasted}`);
    for (let i = 0; i < 3; i++) expect(await (await knock(house, 'commands', body)).text()).toContain('whole key');
    const refused = await until(async () => {
      const all = (await refusalsOf(pool())).slice(recorded);
      return all.length > 0 && all;
    }, 'the refusal');
    await quiet();
    const dana = await house.program.store.read((view) => view.people.bySlackId('U0DANA'));
    expect(refused).toEqual([{ actor: dana!.id, action: 'slack.paste', subject: '/keys' }]);
    expect((await refusalsOf(pool())).slice(recorded)).toHaveLength(1);
    expect(await everything()).not.toContain(pasted);
    const { rows } = await pool().query<{ said: string }>(
      "select convert_from(canonical, 'UTF8') said from audit_event where action = 'slack.paste'",
    );
    expect(rows[0]!.said).toContain('typed into: text');
  });

  it('in a form is refused under its field, and neither it nor what stands beside it is kept', async () => {
    const recorded = (await refusalsOf(pool())).length;
    const answer = await knock(
      house,
      'interactive',
      submitBody('U0DANA', 'access.request', {
        use: typedInto('harmless words beside it'),
        reason: typedInto(`look: ${pasted}`),
      }),
    );
    expect(Object.keys(((await answer.json()) as { errors: object }).errors)).toEqual(['reason']);
    await until(async () => (await refusalsOf(pool())).length > recorded, 'the refusal');
    await quiet();
    const stored = await everything();
    expect(stored).not.toContain(pasted);
    expect(stored).not.toContain('harmless words beside it');
    expect((await refusalsOf(pool())).at(-1)).toMatchObject({ action: 'slack.paste', subject: 'access.request' });
  });

  it('in a search is not looked for', async () => {
    const answer = await knock(
      house,
      'options',
      interactiveBody('U0DANA', { type: 'block_suggestion', action_id: 'keyId', value: pasted }),
    );
    expect(await answer.json()).toEqual({ options: [] });
  });

  it('in a message that somebody reports is not kept: the report carries the place, not the text', async () => {
    await knock(
      house,
      'interactive',
      interactiveBody('U0DANA', {
        type: 'message_action',
        callback_id: 'incidents.report-message',
        channel: { id: 'C0PLATFORM', name: 'platform' },
        message: { ts: '1700000000.000100', text: `here you go: ${pasted}`, user: 'U0BEN' },
      }),
    );
    // The trigger is made up, so the form cannot open; what counts is what was stored before that.
    await until(async () => (await everything()).includes('incidents.report-message'), 'the delivery is stored');
    expect(await everything()).not.toContain(pasted);
    expect(house.logged.join('\n')).not.toContain(pasted);
  });

  it('in their Slack status is not kept either', async () => {
    await house.slack.control.sendEvent({
      type: 'user_change',
      user: {
        id: 'U0DANA',
        team_id: 'T0LARKFIELD',
        name: 'dana',
        real_name: 'Dana Keller',
        tz: 'Europe/Berlin',
        profile: { real_name: 'Dana Keller', status_text: pasted },
      },
    });
    await quiet();
    expect(await everything()).not.toContain(pasted);
  });
});

describe('what Slack escapes in a command', () => {
  it('is read as it was typed, mentions included', async () => {
    await knock(house, 'commands', commandBody('U0DANA', 'list Research &amp; Development &lt;3'));
    await knock(house, 'commands', commandBody('U0SAM', 'hr-id <@U0NORA|nora> R&amp;D-1'));
    await quiet();
    const nora = await house.program.store.read((view) => view.people.bySlackId('U0NORA'));
    expect(nora!.hrId).toBe('R&D-1');
  });
});
