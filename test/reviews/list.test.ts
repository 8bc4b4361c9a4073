import { beforeAll, describe, expect, test } from 'vitest';
import type { ApiKey } from '../../src/inventory/model.ts';
import { newId, type Refusal } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import { type Finding, type FindingKind, found, gone } from '../../src/reviews/model.ts';
import { reviewsInSlack } from '../../src/reviews/slack.ts';
import { quick, useStage } from '../rotation/stage.ts';
import { aKey, aPerson, given } from '../support/company.ts';
import { deskOf, saying } from '../support/desk.ts';

const stage = useStage(quick);
const desk = deskOf(
  () => stage.ports,
  (door, ports) => reviewsInSlack(door, ports),
);
const operator = { actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' } as const;
const wrong = (sentence: string) => ({ sentence, facts: { version: crypto.randomUUID() } });
const put = (...findings: Finding[]) =>
  stage.database.store.change(operator, async (tx) => {
    for (const each of findings) await tx.findings.save(each);
  });
const about = (key: ApiKey, kind: FindingKind, sentence: string, foundAt = new Date()) =>
  found(newId('finding'), key.id, kind, wrong(sentence), foundAt);
const buttonsIn = (shown: unknown): { action_id: string; value: string }[] => {
  const all: { action_id: string; value: string }[] = [];
  JSON.stringify(shown, (_, value) => {
    if (value?.type === 'button') all.push(value);
    return value;
  });
  return all;
};

let dana: Person;
let keys: { high: ApiKey; low: ApiKey; retired: ApiKey; others: ApiKey };
beforeAll(async () => {
  dana = aPerson();
  await given(stage.database.store, { people: [dana] });
  keys = {
    high: aKey(dana, { risk: 'high' }),
    low: aKey(dana, { risk: 'low' }),
    retired: aKey(dana, { status: 'retired', nextRotationAt: null }),
    others: aKey(stage.owner),
  };
  await given(stage.database.store, { keys: Object.values(keys) });
  const longAgo = new Date(Date.now() - 86_400_000);
  await put(
    about(keys.low, 'last-four-differ', 'The low one ends otherwise.', longAgo),
    about(keys.high, 'other-current', 'The high one is another.'),
    about(keys.retired, 'other-current', 'The retired one is another.'),
    gone(about(keys.low, 'value-refused', 'The low one was refused once.'), new Date()),
    about(keys.others, 'secret-missing', 'The secret of Olu is gone.'),
  );
});

describe('the list of findings', () => {
  test('shows owners their own open ones, the highest risk first, and nobody else’s', async () => {
    const said = saying(await desk.type(dana, 'findings'));
    expect(said).toContain('2 findings for the keys that you answer for');
    expect(said.indexOf('The high one is another')).toBeGreaterThan(-1);
    expect(said.indexOf('The high one is another')).toBeLessThan(said.indexOf('The low one ends otherwise'));
    for (const hidden of ['retired one', 'refused once', 'Olu is gone']) expect(said).not.toContain(hidden);
    expect(saying(await desk.type(aPerson(), 'findings'))).toContain('Nothing is known to be wrong');
  });

  test('shows administrators those of all keys, or with `mine` of their own', async () => {
    const said = saying(await desk.type(stage.admin, 'findings'));
    for (const each of ['3 findings for all keys', 'The high one', 'The low one', 'Olu is gone'])
      expect(said).toContain(each);
    expect(saying(await desk.type(stage.admin, 'findings mine'))).toContain('Nothing is known to be wrong');
    await expect(desk.type(stage.admin, 'findings yours')).rejects.toMatchObject({ code: 'invalid' });
  });

  test('never shows more because a button says so: whose it is follows from who presses', async () => {
    const said = saying(await desk.press(dana, 'reviews.turn', '\n'));
    expect(said).toContain('2 findings for the keys that you answer for');
    const contractor = aPerson({ tier: 'contractor' });
    await given(stage.database.store, { people: [contractor] });
    const refused = (await desk.press(contractor, 'reviews.turn', '\n').catch((error: unknown) => error)) as Refusal;
    expect(refused.code).toBe('not_allowed');
    expect(await desk.home(contractor)).toEqual([]);
  });

  test('offers what can be done: Repair, Show where only a person can, nothing for who may not', async () => {
    const buttons = buttonsIn(await desk.type(stage.admin, 'findings'));
    expect(buttons.filter((each) => each.action_id === 'reviews.repair')).toHaveLength(2);
    expect(buttons.filter((each) => each.action_id === 'inventory.show').map((each) => each.value)).toEqual([
      keys.others.id,
    ]);
  });

  test('is brought up to date by a press of Repair in it, and stays at its page', async () => {
    const owner = aPerson();
    const many = Array.from({ length: 12 }, (_, i) => aKey(owner, { purpose: `Many ${i}`, risk: 'medium' }));
    await given(stage.database.store, { people: [owner], keys: many });
    await put(...many.map((key, i) => about(key, 'other-current', `Number ${i}.`, new Date(1_700_000_000_000 + i))));
    const first = await desk.type(owner, 'findings');
    const next = buttonsIn(first).find((each) => each.action_id === 'reviews.turn:on')!;
    expect(saying(first)).not.toContain('Number 10.');
    const second = await desk.press(owner, 'reviews.turn', next.value);
    expect(saying(second)).toContain('Number 10.');
    expect(saying(second)).not.toContain('Number 9.');
    const repair = buttonsIn(second).find((each) => each.action_id === 'reviews.repair')!;
    const after = await desk.press(owner, 'reviews.repair', repair.value);
    expect(after).toHaveProperty('replace');
    expect(saying(after)).toContain(`Being repaired for <@${owner.slackId}>`);
    expect(saying(after)).toContain('Number 11.');
    expect(saying(after)).not.toContain('Number 9.');
    const previous = buttonsIn(after).find((each) => each.action_id === 'reviews.turn:back')!;
    const back = await desk.press(owner, 'reviews.turn', previous.value);
    expect(saying(back)).toContain('Number 0.');
    expect(saying(back)).toContain('Number 9.');
    // Everything on the second page is in order again: its Refresh leads to what is left.
    const { rows } = await stage.database.store.read((view) => view.findings.open(owner.id, 20));
    await put(...rows.slice(10).map((each) => gone(each, new Date())));
    expect(saying(await desk.press(owner, 'reviews.turn', next.value))).toContain('Number 0.');
  });
});

describe('App Home', () => {
  test('counts open findings and shows one’s own; who has none sees nothing of it', async () => {
    const own = saying(await desk.home(dana));
    expect(own).toContain('2 findings about your keys');
    expect(own).toContain('The high one is another.');
    expect(own).not.toContain('Olu is gone');
    expect(saying(await desk.home(stage.admin))).toMatch(/findings about all keys, 0 about yours/);
    expect(await desk.home(aPerson())).toEqual([]);
  });
});
