import { beforeAll, describe, expect, it } from 'vitest';
import type { Message } from '../../src/blocks.ts';
import type { Answer } from '../../src/doors.ts';
import { type ApiKey, riskFlags } from '../../src/inventory/model.ts';
import { inventoryInSlack } from '../../src/inventory/slack.ts';
import { problemsOfBlocks, problemsOfView } from '../../src/local/slack/limits.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf } from '../support/desk.ts';
import { usePorts } from '../support/ports.ts';

const test = usePorts();
const desk = deskOf(() => test.ports, inventoryInSlack);
const extremes: Record<string, (length: number) => string> = {
  long: (length) => 'x'.repeat(length),
  'full of formatting': (length) => '*_~`<>&'.repeat(length).slice(0, length),
  'full of pictures': (length) => '👩‍👩‍👧‍👦'.repeat(length).slice(0, length - 1),
  'lines and marks': (length) => '\u202e> •\n'.repeat(length).slice(0, length),
};
const admin = aPerson({ name: 'A'.repeat(300), tier: 'administrator' });
const newcomer = aPerson();
const keys = new Map<string, ApiKey>();
beforeAll(async () => {
  await given(test.ports.store, { people: [admin, newcomer] });
  for (const [name, text] of Object.entries(extremes)) {
    const facts = {
      service: text(3001),
      purpose: `${text(3001)}${name}`,
      scope: text(3001),
      secretId: `${name}/${text(900)}`,
      tags: Array.from({ length: 60 }, (_, i) => `${i}${text(100)}`),
      flags: Object.keys(riskFlags) as ApiKey['flags'],
      riskSet: { risk: 'low' as const, reason: text(3001), by: admin.id },
    };
    keys.set(name, aKey(admin, facts));
  }
  await given(test.ports.store, { keys: [...keys.values()] });
});

/** What Slack would refuse in an answer. */
function problems(answer: Answer): unknown[] {
  if ('open' in answer) return problemsOfView(answer.open);
  if ('update' in answer) return problemsOfView(answer.update);
  if ('replace' in answer) return problemsOfBlocks(answer.replace.blocks, 'message');
  if (!('say' in answer) || typeof answer.say === 'string') return [];
  // The same message is shown in a modal where there is no channel to answer in.
  return [...problemsOfBlocks(answer.say.blocks, 'message'), ...problemsOfBlocks(answer.say.blocks, 'modal')];
}

describe.each(Object.keys(extremes))('with texts that are %s, Slack takes', (name) => {
  const key = () => keys.get(name)!;

  it('the card and the list', async () => {
    expect(problems(await desk.type(admin, `show ${key().id}`))).toEqual([]);
    expect(problems(await desk.type(admin, 'list'))).toEqual([]);
    expect(problems(await desk.type(admin, `list ${extremes[name]!(250)}`))).toEqual([]);
    expect(problemsOfBlocks(await desk.home(admin), 'home')).toEqual([]);
  });

  it('every form', async () => {
    for (const action of ['change', 'hand-over', 'set-risk', 'retire']) {
      expect([action, problems(await desk.press(admin, `inventory.${action}`, key().id))]).toEqual([action, []]);
    }
    expect(problems(await desk.type(admin, `add ${extremes[name]!(500)}`))).toEqual([]);
    const fields = { service: extremes[name]!(60), tags: extremes[name]!(200), issuer: 'self-made', flags: ['writes'] };
    for (const storage of ['make', 'secrets-manager', 'password-manager', 'environment-file', 'elsewhere']) {
      expect([storage, problems(await desk.press(newcomer, 'storage', storage, { fields }))]).toEqual([storage, []]);
    }
  });

  it('every message of its own', async () => {
    for (const kind of ['inventory.added', 'inventory.added:made', 'inventory.handed-over:1', 'inventory.risk']) {
      for (const person of [admin, newcomer]) {
        const card = (await desk.card(kind, key().id, { person: person.id })) as Message;
        expect([kind, problemsOfBlocks(card.blocks, 'message')]).toEqual([kind, []]);
      }
    }
  });
});
