import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cardLedger } from '../../src/adapters/postgres/slack.ts';
import { cardSync } from '../../src/adapters/slack/cards.ts';
import { slackClients } from '../../src/adapters/slack/clients.ts';
import { md, say } from '../../src/blocks.ts';
import { useDatabase } from '../support/database.ts';
import { type StubSlack, startStubSlack } from '../support/stub-slack.ts';

const database = useDatabase();
let slack: StubSlack;
let text = 'one';
let sync: (payload: { cardId: string }) => Promise<void>;
let subjects = 0;

beforeAll(async () => {
  slack = await startStubSlack();
  sync = cardSync({
    store: database.store,
    ledger: cardLedger(database.store.pool),
    clients: slackClients('xoxb-test', slack.apiUrl),
    renderers: new Map([['test.card', async () => say(md`${text.length} ${text as never}`)]]),
    warn: () => {},
  });
});
afterAll(() => slack.close());
beforeEach(() => {
  slack.calls.length = 0;
  text = 'one';
});

async function card(): Promise<{ cardId: string; show: (anew?: boolean) => Promise<void> }> {
  const subject = `subject-${++subjects}`;
  const show = (anew = false) =>
    database.store.change({ actor: { kind: 'operator', id: 'test' }, action: 'test.show', subject }, (tx) =>
      tx.cards.show('test.card', subject, { channel: 'C1' }, { anew }),
    );
  await show();
  const [shown] = await database.store.read((view) => view.cards.of('test.card', subject));
  await sync({ cardId: shown!.id });
  expect(slack.calls.map((each) => each.method)).toEqual(['chat.postMessage']);
  slack.calls.length = 0;
  return { cardId: shown!.id, show };
}
const called = () => slack.calls.map((each) => each.method);

describe('a card', () => {
  it('is edited in place when it changed, and left alone when it did not', async () => {
    const { cardId, show } = await card();
    await show();
    await sync({ cardId });
    expect(called()).toEqual([]);
    text = 'three';
    await sync({ cardId });
    expect(called()).toEqual(['chat.update']);
  });

  it('that is shown anew takes the place of its old copy once, and is edited in place from then on', async () => {
    const { cardId, show } = await card();
    await show(true);
    await sync({ cardId });
    expect(called()).toEqual(['chat.delete', 'chat.postMessage']);
    await sync({ cardId });
    expect(called()).toHaveLength(2);
    text = 'three';
    await sync({ cardId });
    expect(called()).toEqual(['chat.delete', 'chat.postMessage', 'chat.update']);
  });

  it.each(['message_not_found', 'cant_delete_message'])(
    'is shown anew although its old copy cannot be taken away: %s',
    async (error) => {
      const { cardId, show } = await card();
      await show(true);
      slack.answer('chat.delete', { status: 200, body: { ok: false, error } });
      await sync({ cardId });
      expect(called()).toEqual(['chat.delete', 'chat.postMessage']);
    },
  );

  it('is not forgotten when Slack fails in between: the next try posts it', async () => {
    const { cardId, show } = await card();
    await show(true);
    slack.answer('chat.postMessage', { status: 500, body: { ok: false, error: 'internal_error' } });
    await expect(sync({ cardId })).rejects.toThrow();
    await sync({ cardId });
    expect(called()).toEqual(['chat.delete', 'chat.postMessage', 'chat.delete', 'chat.postMessage']);
    await sync({ cardId });
    expect(called()).toHaveLength(4);
  });
});
