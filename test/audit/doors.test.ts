import { beforeAll, describe, expect, it } from 'vitest';
import { endGrant } from '../../src/access/end.ts';
import { requestAccess } from '../../src/access/request.ts';
import { auditInTerminal } from '../../src/audit/cli.ts';
import type { AuditEvent } from '../../src/audit/model.ts';
import { auditInSlack } from '../../src/audit/slack.ts';
import type { CliDoor } from '../../src/doors.ts';
import type { ApiKey } from '../../src/inventory/model.ts';
import type { Person } from '../../src/people/model.ts';
import { setTier } from '../../src/people/set.ts';
import { defaultPolicy } from '../../src/policy.ts';
import type { Ports } from '../../src/ports.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { useDatabase } from '../support/database.ts';
import { deskOf, saying } from '../support/desk.ts';

const database = useDatabase();
const ports = () => ({ store: database.store, policy: defaultPolicy }) as unknown as Ports;
const desk = deskOf(ports, auditInSlack);
let [admin, owner, asker] = [] as Person[] as [Person, Person, Person];
let key: ApiKey;
const evil = '<!channel> *bold* <https://evil.example|click> \u202etxt.exe \u001b[31mred';

beforeAll(async () => {
  [admin, owner, asker] = [aPerson({ tier: 'administrator', timeZone: 'Pacific/Auckland' }), aPerson(), aPerson()];
  key = aKey(owner, { service: 'OpenAI', purpose: 'Evals' });
  await given(database.store, {
    people: [admin, owner, asker],
    keys: [key, aKey(owner, { service: 'Stripe', purpose: 'Payouts' })],
  });
  await requestAccess(ports(), asker.id, { keyId: key.id, use: 'evals', hours: 8, reason: evil });
  await setTier(ports(), admin.id, { personId: asker.id, tier: 'contractor' });
  await expect(setTier(ports(), asker.id, { personId: asker.id, tier: 'administrator' })).rejects.toThrow();
  await database.store.change(
    { actor: { kind: 'job', id: 'test.many' }, action: 'test.main', subject: 'test' },
    async (tx) => {
      for (let i = 0; i < 24; i++) tx.record('test.more', `thing-${i}`);
    },
  );
});

const replaced = async (value: string, who = admin) => {
  const answer = await desk.press(who, 'audit.page:older', value);
  if (!('replace' in answer)) throw new Error('the page is not replaced');
  return answer.replace;
};
interface Pressable {
  text: { text: string };
  value: string;
}
const buttonsOf = (answer: unknown): Record<string, string> => {
  const { blocks } = (answer as { say?: { blocks: object[] } }).say ?? (answer as { blocks: object[] });
  const elements = blocks.flatMap((each) =>
    ((each as { elements?: Pressable[] }).elements ?? []).filter((one) => one.value),
  );
  return Object.fromEntries(elements.map((each) => [each.text.text, each.value]));
};
const subjectsOf = (shown: unknown) => [...saying(shown as never).matchAll(/thing-\d+/g)].map(([thing]) => thing);

describe('/keys audit', () => {
  it('says in words who did what to which key, when, and why it was refused', async () => {
    const said = saying(await desk.type(admin, `audit key:${key.id}`));
    expect(said).toContain('*Ask for access* · OpenAI API Key - Staging - Evals');
    expect(said).toContain(`:white_check_mark: done · <@${asker.slackId}> · <!date^`);
    const refused = saying(await desk.type(admin, 'audit refused'));
    expect(refused).toContain('*Set what a person may do*');
    expect(refused).toContain(
      ':no_entry_sign: refused: Only administrators can do this; you are here as a contractor.',
    );
    expect(refused).not.toContain('Ask for access');
  });

  it('shows what people typed literally: no mention, link or formatting works', async () => {
    const said = saying(await desk.type(admin, `audit key:${key.id}`));
    expect(said).toContain('&lt;!channel&gt;');
    for (const live of ['<!channel>', '<https://evil', ' *bold* ', '\u202e', '\u001b'])
      expect(said).not.toContain(live);
  });

  it('falls back to the name of an action that nobody has put into words', async () => {
    expect(saying(await desk.type(admin, 'audit action:test.main'))).toContain('*test.main*');
  });

  it('pages older and newer without losing or repeating an event', async () => {
    const first = await desk.type(admin, 'audit action:test.more');
    expect(Object.keys(buttonsOf(first))).toEqual(['Older']);
    const second = await replaced(buttonsOf(first).Older!);
    expect(Object.keys(buttonsOf(second))).toEqual(['Newer', 'Older']);
    const third = await replaced(buttonsOf(second).Older!);
    expect(Object.keys(buttonsOf(third))).toEqual(['Newer']);
    const all = [first, second, third].flatMap(subjectsOf);
    expect([all.length, new Set(all).size]).toEqual([24, 24]);
    const back = await replaced(buttonsOf(third).Newer!);
    expect(subjectsOf(back)).toEqual(subjectsOf(second));
    const start = await replaced(buttonsOf(back).Newer!);
    expect(subjectsOf(start)).toEqual(subjectsOf(first));
    expect(Object.keys(buttonsOf(start))).toEqual(['Older']);
  });

  it('refuses a page to somebody who is no administrator, whatever button they send, and records that', async () => {
    const value = buttonsOf(await desk.type(admin, 'audit action:test.more')).Older!;
    await expect(replaced(value, owner)).rejects.toMatchObject({ code: 'not_allowed' });
    const { rows } = await database.store.read((view) =>
      view.audit.list({ personId: owner.id, outcome: 'refused' }, 5),
    );
    expect(rows).toMatchObject([{ action: 'audit.read', actor: { id: owner.id } }]);
    expect(desk.registry.commands.get('audit')?.action).toBe('audit.read');
  });

  it.each([
    '',
    'nonsense',
    '{"older":"2026-01-01~x"}',
    '{"from":"yesterday"}',
    '{"outcome":"maybe"}',
    '{"older":"\' or 1=1 --"}',
  ])('answers a forged page %j with a sentence', async (value) => {
    await expect(replaced(value)).rejects.toMatchObject({ code: 'invalid' });
  });

  it.each([
    ['audit key:openai evals', 'Ask for access'],
    ['audit openai', 'Ask for access'],
    ['audit action:access.', 'Ask for access'],
    ['audit since:1h action:access.request', 'Ask for access'],
    ['audit from:2020-01-01 action:access.request', 'Ask for access'],
    ['audit to:2020-01-01', 'Nothing matches'],
    ['audit from:2999-01-01', 'Nothing matches'],
    ['audit done action:people.set-tier', 'Set what a person may do'],
  ])('%s finds what it should', async (line, expected) => {
    expect(saying(await desk.type(admin, line))).toContain(expected);
  });

  it('finds a person by their mention: what they did and what was done to them', async () => {
    const said = saying(await desk.type(admin, `audit <@${asker.slackId}|asker>`));
    expect(said).toContain('Ask for access');
    expect(said).toContain(`done · <@${admin.slackId}>`);
    expect(said).not.toContain('test.more');
  });

  it.each([
    ['audit key:nothing-like-it', 'not_found', 'No key matches'],
    ['audit key:api', 'invalid', 'More than one key matches "api"'],
    ['audit <@U0NOBODY>', 'not_found', 'does not know this person'],
    ['audit since:soon', 'invalid', 'no span of time'],
    ['audit from:tomorrow', 'invalid', 'no date'],
    ['audit action:everything', 'invalid', 'An action looks like'],
  ])('%s is answered with what is wrong with it', async (line, code, sentence) => {
    await expect(desk.type(admin, line)).rejects.toMatchObject({ code, sentence: expect.stringContaining(sentence) });
  });

  it("counts days in the reader's own zone", async () => {
    const said = saying(await desk.type(admin, 'audit from:2026-11-01 to:2026-11-01'));
    const [from, to] = [...said.matchAll(/\|(\S+ \S+) UTC>/g)].map(([, at]) => at);
    expect([from, to]).toEqual(['2026-10-31 11:00', '2026-11-01 11:00']);
  });
});

describe('keysteward audit list', () => {
  type Run = Parameters<CliDoor['command']>[2];
  const run = async (...args: string[]) => {
    let command: Run | undefined;
    const door: CliDoor = {
      command(path, _spec, made) {
        if (path === 'audit list') command = made;
      },
    };
    auditInTerminal(door, (use) => use(ports()));
    const lines: string[] = [];
    const code = await command!(args, (line) => void lines.push(line));
    return { code, lines };
  };

  it('prints one line per event and never lets what people typed steer the terminal', async () => {
    const { code, lines } = await run('--key', key.id, '--action', 'access.request');
    expect(code).toBe(0);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      new RegExp(`^\\S+Z {2}person ${asker.id} {2}Ask for access \\[access.request\\] {2}${key.id} {2}done`),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
    expect(lines[0]).not.toMatch(/[\u0000-\u001f\u202e]/);
  });

  it('prints whole events as NDJSON, as many as were asked for, newest first', async () => {
    const { lines } = await run('--format', 'ndjson', '--action', 'test.more', '--limit', '7');
    const events = lines.map((line) => JSON.parse(line) as AuditEvent);
    expect(events).toHaveLength(7);
    const stored = (await database.store.read((view) => view.audit.list({ action: 'test.more' }, 7))).rows;
    expect(events).toEqual(JSON.parse(JSON.stringify(stored)));
    expect((await run('--outcome', 'refused', '--person', asker.id)).lines).toHaveLength(1);
    expect((await run('--to', '2020-01-01')).lines).toEqual([]);
  });

  it.each([
    [['--limit', 'many']],
    [['--format', 'xml']],
    [['--outcome', 'maybe']],
    [['--nonsense']],
    [['--from', 'soon']],
  ])('%j ends with 2, what is wrong, and the usage', async (args) => {
    const { code, lines } = await run(...args);
    expect(code).toBe(2);
    expect(lines.at(-1)).toContain('usage: keysteward audit list');
  });
});

it('an event of a change that nobody allowed names the one who tried', async () => {
  await expect(endGrant(ports(), asker.id, 'grt_none' as never, 'just because')).rejects.toMatchObject({
    code: 'not_found',
  });
  const { rows } = await database.store.read((view) => view.audit.list({ action: 'access.end' }, 1));
  expect(rows).toMatchObject([{ outcome: 'refused', actor: { kind: 'person', id: asker.id }, subject: 'grt_none' }]);
});
