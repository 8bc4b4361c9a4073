import { describe, expect, it } from 'vitest';
import { takingTurns } from '../../src/adapters/slack/turns.ts';

/** Handling that ends when the test says so. */
function work(turns: ReturnType<typeof takingTurns>, count: number) {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const all = Array.from({ length: count }, (_, i) =>
    turns.take(async () => {
      begun.push(i);
      await new Promise<void>((resolve) => {
        ends[i] = resolve;
      });
    }),
  );
  return { begun, end: (i: number) => ends[i]!(), all: Promise.all(all) };
}
const settled = () => new Promise((resolve) => setImmediate(resolve));
async function until(what: () => boolean): Promise<void> {
  for (const end = Date.now() + 5_000; !what(); ) {
    if (Date.now() > end) throw new Error('did not happen');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('what was acknowledged', () => {
  it('is handled at once while nobody waits for an acknowledgement', async () => {
    const { begun, end, all } = work(takingTurns({ wide: 10, narrow: 2 }), 5);
    await settled();
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    for (const i of begun) end(i);
    await all;
  });
  it('gives way to acknowledgements: few at a time and in order, then all of it', async () => {
    const turns = takingTurns({ wide: 10, narrow: 2 });
    turns.waitingForAck(1);
    const { begun, end, all } = work(turns, 6);
    await settled();
    expect(begun).toEqual([0, 1]);
    end(1);
    await settled();
    expect(begun).toEqual([0, 1, 2]);
    turns.waitingForAck(-1);
    await until(() => begun.length === 6);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
    for (const i of [0, 2, 3, 4, 5]) end(i);
    await all;
  });
  it('does not wait for ever behind handling that hangs', async () => {
    const turns = takingTurns({ wide: 10, narrow: 1 });
    turns.waitingForAck(1);
    const { begun, end, all } = work(turns, 2);
    await until(() => begun.length === 2);
    end(0);
    end(1);
    await all;
  });
  it('that fails lets the next one begin', async () => {
    const turns = takingTurns({ wide: 1, narrow: 1 });
    const failing = turns.take(() => Promise.reject(new Error('no')));
    const { begun, end, all } = work(turns, 1);
    await expect(failing).rejects.toThrow('no');
    await settled();
    expect(begun).toEqual([0]);
    end(0);
    await all;
  });
});
