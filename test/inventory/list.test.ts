import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { listAsk, listKeys } from '../../src/inventory/list.ts';
import { environments } from '../../src/inventory/model.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { day, Refusal } from '../../src/kernel.ts';
import { defaultPolicy as policy } from '../../src/policy.ts';
import { aKey, aPerson, aTeam, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, inventoryInSlack);
const [dana, olivia, kim] = [aPerson({ name: 'Dana' }), aPerson({ name: 'Olivia' }), aPerson({ tier: 'contractor' })];
const inDays = (days: number) => new Date(Date.now() + days * day);

describe('reading a filter', () => {
  it('understands every filter, in short forms too', () => {
    expect(listAsk('service:openai env:prod risk:HIGH owner:<@U1|x> due:14d nightly job', policy)).toEqual({
      service: 'openai',
      environment: 'production',
      risk: 'high',
      owner: '<@U1|x>',
      dueDays: 14,
      words: ['nightly', 'job'],
    });
    expect(listAsk('mine overdue', policy)).toEqual({ owner: 'me', dueDays: 0, words: [] });
    expect(listAsk('due', policy)).toEqual({ dueDays: policy.digest.aheadDays, words: [] });
    expect(listAsk('service:"order webhooks" stg', policy)).toEqual({ service: 'order webhooks', words: ['staging'] });
    expect(listAsk('owner: <@U1> risk:   low x', policy)).toEqual({ owner: '<@U1>', risk: 'low', words: ['x'] });
    expect(listAsk('team:payments overdue', policy)).toEqual({ team: 'payments', dueDays: 0, words: [] });
    expect(listAsk('@payments stg', policy)).toEqual({ team: '@payments', words: ['staging'] });
    expect(listAsk('<!subteam^S1>', policy)).toEqual({ team: '<!subteam^S1>', words: [] });
    expect(listAsk('', policy)).toEqual({ words: [] });
  });

  it('says what it did not understand, and what there is', () => {
    const why = (text: string) => {
      try {
        listAsk(text, policy);
        return null;
      } catch (error) {
        return (error as Refusal).sentence;
      }
    };
    expect(why('environment:moon')).toContain('production, staging, development');
    expect(why('risk:huge')).toContain('high, medium, low');
    expect(why('colour:red')).toContain('service, environment, risk, owner, team, due');
    expect(why('owner:')).toBe('Say what after "owner:", as in service:stripe.');
    expect(why('due:soon')).toContain('due:14d');
    expect(why('constructor:x')).toContain('There is no filter');
    expect(why('x'.repeat(301))).toContain('too long');
  });

  it('reads or refuses whatever is typed, and never breaks', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (text) => {
        try {
          listAsk(text, policy);
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal);
        }
      }),
    );
  });
});

describe('the keys of a team', () => {
  it('are found by its handle, its name or what Slack makes of a mention, and by no team that is closed', async () => {
    const mia = aPerson();
    const [payments, night] = [
      aTeam([mia], { name: 'Payments', handle: 'pay' }),
      aTeam([mia, kim], { name: 'Night shift', handle: 'night' }),
    ];
    const closed = aTeam([mia], { name: 'Old payments', handle: 'old-pay', closedAt: new Date() });
    const [hers, guests, others] = [aKey(mia), aKey(kim), aKey(dana)];
    await given(test.ports.store, {
      people: [mia, kim, dana],
      teams: [payments, night, closed],
      keys: [hers, guests, others],
    });
    const shown = async (text: string) => {
      const said = saying(await desk.type(mia, `list ${text}`));
      return [hers, guests, others].map(({ purpose }) => said.includes(purpose));
    };
    for (const text of [
      '@pay',
      '@PAY',
      'team:payments',
      'team: "night shift"',
      '@nig',
      `<!subteam^${payments.slackId}>`,
    ])
      expect([text, await shown(text)]).toEqual([text, [true, false, false]]);
    const mentioned = saying(await desk.type(mia, `list <!subteam^${payments.slackId}|@pay>`));
    expect(mentioned).toContain('Keys for "@pay"');
    expect(mentioned).toContain(hers.purpose);
    const none = expect.objectContaining({ code: 'invalid', sentence: expect.stringContaining('There is no team') });
    for (const text of ['@old-pay', '@nobody', `<!subteam^${closed.slackId}|>`, '<!subteam^S0NONE>'])
      await expect(desk.type(mia, `list ${text}`), text).rejects.toEqual(none);
    await expect(desk.type(mia, 'list team:t')).rejects.toMatchObject({ sentence: expect.stringContaining('@night') });
    expect(saying(await desk.type(mia, 'list @pay env:prod'))).toContain('No key matches "@pay env:prod"');
  });
});

describe('a large inventory', () => {
  const many = 10_000;
  beforeAll(async () => {
    const template = aKey(olivia, { purpose: 'Template' });
    await given(test.ports.store, { people: [dana, olivia, kim], keys: [template] });
    // Many are due at the same instant: the order must be total all the same.
    await test.database.store.pool.query(
      `insert into api_key (id, name, service, environment, purpose, owner_id, storage, scope, flags, tags, issuer, risk, status, next_rotation_at, added_by, added_at)
       select 'key_' || lpad(i::text, 26, '0'), s || ' API Key - ' || initcap(e) || ' - Purpose ' || lpad(i::text, 5, '0'), s, e,
         'Purpose ' || lpad(i::text, 5, '0'), case when i % 10 = 0 then $2 else $3 end, 'elsewhere', 'scope', '[]',
         case when i = 1234 then '["needle"]'::jsonb else '[]'::jsonb end, 'person',
         case when i % 7 = 0 then 'high' when i % 2 = 0 then 'medium' else 'low' end, 'active',
         now() + make_interval(hours => 24 * (i / 40) - 492), $2, now()
       from generate_series(1, $1::int) i,
         lateral (select (array['OpenAI', 'Stripe', 'GitHub'])[1 + (i / 7) % 3] s, ($4::text[])[1 + i % 6] e) parts`,
      [many, dana.id, olivia.id, environments],
    );
    await test.database.store.pool.query('analyze api_key');
  }, 120_000);

  it('is paged through on and back, each key once and in order', async () => {
    const ask = listAsk('env:prod service:openai', policy);
    const seen: string[] = [];
    const firsts: (string | undefined)[] = [];
    let at: string | null = null;
    let back: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof listKeys>> = await listKeys(test.ports, ask, {}, at, 100);
      expect(page.previous === null).toBe(seen.length === 0);
      seen.push(...page.rows.map((key) => key.id));
      firsts.push(page.rows[0]?.id);
      [at, back] = [page.next, page.previous];
    } while (at);
    const { rows } = await test.database.store.pool.query<{ id: string }>(
      `select id from api_key where environment = 'production' and service = 'OpenAI' order by next_rotation_at, id`,
    );
    expect(seen).toEqual(rows.map((each) => each.id));
    for (let i = firsts.length - 2; i >= 0; i--) {
      const page = await listKeys(test.ports, ask, {}, back, 100);
      expect(page.rows[0]?.id).toBe(firsts[i]);
      expect(page.rows).toHaveLength(100);
      expect(page.next).not.toBeNull();
      back = page.previous;
    }
    expect(back).toBeNull();
  });

  it('stays in place while a key is added in front of the page', async () => {
    const ask = listAsk('service:github', policy);
    const first = await listKeys(test.ports, ask, {}, null, 20);
    const second = await listKeys(test.ports, ask, {}, first.next, 20);
    await given(test.ports.store, { keys: [aKey(dana, { service: 'GitHub', nextRotationAt: inDays(-400) })] });
    expect((await listKeys(test.ports, ask, {}, first.next, 20)).rows).toEqual(second.rows);
    expect((await listKeys(test.ports, ask, {}, second.previous, 20)).rows).toEqual(first.rows);
  });

  it('is filtered by owner, risk, due date and free words', async () => {
    const of = async (text: string, owner = dana) =>
      (await listKeys(test.ports, listAsk(text, policy), text.includes('mine') ? { ownerId: owner.id } : {}, null, 50))
        .rows;
    expect((await of('mine')).every((key) => key.ownerId === dana.id)).toBe(true);
    expect((await of('risk:high')).every((key) => key.risk === 'high')).toBe(true);
    const now = Date.now();
    for (const key of await of('overdue')) expect(key.nextRotationAt!.getTime()).toBeLessThan(now);
    const overdue = await test.ports.store.read((view) => view.keys.count({ dueBefore: view.now }));
    expect(overdue).toBeGreaterThan(700);
    expect((await of('needle')).map((key) => key.purpose)).toEqual(['Purpose 01234']);
    expect(await of('needle 100%')).toEqual([]);
    expect((await of('purpose 00042')).map((key) => key.purpose)).toEqual(['Purpose 00042']);
  });

  it('shows ten a page, with buttons that replace the message by its neighbours', async () => {
    const buttons = (shown: unknown) =>
      [...JSON.stringify(shown).matchAll(/"action_id":"inventory\.turn:(\w+)"[^}]*?}[^}]*?"value":"([^"]*)"/g)].map(
        ([, way, value]) => [way!, value!.replaceAll('\\n', '\n')] as const,
      );
    const first = await desk.type(dana, 'list service:stripe prod');
    expect([...saying(first).matchAll(/Show Stripe/g)]).toHaveLength(10);
    expect(buttons(first).map(([way]) => way)).toEqual(['on']);
    const second = await desk.press(dana, 'inventory.turn:on', buttons(first)[0]![1]);
    expect(second).toHaveProperty('replace');
    expect(buttons(second).map(([way]) => way)).toEqual(['back', 'on']);
    const again = await desk.press(dana, 'inventory.turn:back', buttons(second)[0]![1]);
    expect(again).toEqual({ replace: (first as { say: object }).say });
    expect(saying(second)).toContain(olivia.slackId);
  });

  it('is never shown to contractors, whatever they press', async () => {
    await expect(desk.press(kim, 'inventory.turn:on', '\nmine')).rejects.toThrow(Refusal);
    await expect(desk.press(kim, 'inventory.mine', 'home')).rejects.toThrow(Refusal);
    expect(desk.registry.commands.get('list')!.action).toBe('inventory.list');
    const { rows } = await test.ports.store.read((view) => view.audit.list({ personId: kim.id }, 10));
    expect(rows).toMatchObject([{ outcome: 'refused' }, { outcome: 'refused' }]);
  });

  it('takes an owner by mention and says so when nobody knows them', async () => {
    expect(saying(await desk.type(dana, `list owner:<@${dana.slackId}|dana> service:openai`))).toContain(dana.slackId);
    await expect(desk.type(dana, 'list owner:<@U0NOBODY|x>')).rejects.toThrow('not met this person');
    await expect(desk.type(dana, 'list owner:dana')).rejects.toThrow('@mention');
    expect(saying(await desk.type(dana, 'list needle haystack'))).toMatch(/No key matches.* Filters: /);
    const understood = saying(await desk.type(dana, 'list service:needle over-permissioned'));
    expect(understood).toContain('No key matches');
    expect(understood).not.toContain('Filters:');
  });

  it('is searched without reading all of it', async () => {
    for (const query of [
      `select * from api_key where status = 'active' and environment = 'production' order by next_rotation_at, id limit 11`,
      `select * from api_key where status = 'active' and next_rotation_at < now() order by next_rotation_at, id limit 11`,
      `select * from api_key where status = 'active' and owner_id = '${dana.id}' order by next_rotation_at desc, id desc limit 11`,
    ]) {
      const { rows } = await test.database.store.pool.query<Record<string, string>>(`explain ${query}`);
      expect(rows.map((each) => each['QUERY PLAN']).join('\n')).not.toContain('Seq Scan');
    }
  });
});
