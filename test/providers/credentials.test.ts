import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Credentials, credentials } from '../../src/adapters/providers/credentials.ts';
import { Secret } from '../../src/kernel.ts';

const of = { provider: 'acme', secretId: 'keysteward/acme' };
const turnedDown = (status: number) => status === 401;
type Answer = { value: Secret } | null | Error;

/** A store that answers when it is told to. */
function slowStore() {
  const waiting: ((answer: Answer) => void)[] = [];
  const store = {
    reads: 0,
    nowMs: 0,
    read: async () => {
      store.reads++;
      const answer = await new Promise<Answer>((resolve) => waiting.push(resolve));
      if (answer instanceof Error) throw answer;
      return answer && { ...answer, versionId: randomUUID(), lastFour: null };
    },
    /** Answers the oldest read, once there is one. */
    async answers(answer: string | null | Error) {
      await vi.waitFor(() => expect(waiting.length).toBeGreaterThan(0));
      waiting.shift()!(typeof answer === 'string' ? { value: new Secret(answer) } : answer);
    },
  };
  return store;
}
/** A provider that accepts this credential alone, and writes down what it was shown. */
function provider(accepted: string) {
  const shown: string[] = [];
  const it = {
    accepted,
    shown,
    call: async (credential: Secret) => {
      shown.push(credential.reveal());
      return credential.reveal() === it.accepted ? 200 : 401;
    },
  };
  return it;
}
const ask = (by: Credentials, at: ReturnType<typeof provider>) => by.using(of, at.call, turnedDown);
/** A credential that was read and worked once, and has been replaced since. */
async function replaced(before: string, after: string) {
  const store = slowStore();
  const by = credentials(store, () => store.nowMs);
  const acme = provider(before);
  const first = ask(by, acme);
  await store.answers(before);
  await first;
  acme.accepted = after;
  acme.shown.length = 0;
  return { store, by, acme };
}
afterEach(() => void vi.useRealTimers());

describe('a credential', () => {
  test('that is on its way is waited for by all who need it, and by nobody who needs another', async () => {
    const store = slowStore();
    const by = credentials(store, () => store.nowMs);
    const acme = provider('one');
    const all = [ask(by, acme), ask(by, acme), ask(by, acme)];
    const other = by.using({ provider: 'other', secretId: 'keysteward/other' }, acme.call, turnedDown);
    expect(store.reads).toBe(2);
    // However long it takes.
    store.nowMs = 60_000;
    const late = ask(by, acme);
    expect(store.reads).toBe(2);
    await store.answers('one');
    await store.answers('two');
    expect(await Promise.all([...all, late])).toEqual([200, 200, 200, 200]);
    expect(await other).toBe(401);
    // Its age counts from when it was asked for.
    const next = ask(by, acme);
    await store.answers('one');
    expect({ said: await next, reads: store.reads }).toEqual({ said: 200, reads: 3 });
  });

  test('that could not be read is asked for again, also while others wait for the same failure', async () => {
    const store = slowStore();
    const by = credentials(store, () => store.nowMs);
    const acme = provider('one');
    for (const [answer, said] of [
      [new Error('away'), /^away$/],
      [null, /The credential of acme is not in Secrets Manager: there is no secret called keysteward\/acme/],
    ] as const) {
      const both = [ask(by, acme), ask(by, acme)];
      const failed = Promise.all(both.map((each) => expect(each).rejects.toThrow(said)));
      await store.answers(answer);
      await failed;
    }
    const next = ask(by, acme);
    await store.answers('one');
    expect({ said: await next, reads: store.reads, shown: acme.shown }).toEqual({
      said: 200,
      reads: 3,
      shown: ['one'],
    });
  });

  test('that was turned down for many at once is read again once, and each is asked once more', async () => {
    const { store, by, acme } = await replaced('old', 'new');
    const all = [ask(by, acme), ask(by, acme), ask(by, acme)];
    await store.answers('new');
    expect(await Promise.all(all)).toEqual([200, 200, 200]);
    expect({ reads: store.reads, shown: acme.shown }).toEqual({
      reads: 2,
      shown: ['old', 'old', 'old', 'new', 'new', 'new'],
    });
  });

  test('that is turned down late takes nothing from the one that was read meanwhile', async () => {
    const { store, by, acme } = await replaced('old', 'new');
    let answer = (_status: number): void => {};
    const held: string[] = [];
    const slow = by.using(
      of,
      async (credential) => {
        held.push(credential.reveal());
        return held.length > 1 ? 200 : new Promise<number>((resolve) => (answer = resolve));
      },
      turnedDown,
    );
    await vi.waitFor(() => expect(held).toEqual(['old']));
    const quick = ask(by, acme);
    await store.answers('new');
    expect(await quick).toBe(200);
    answer(401);
    expect(await slow).toBe(200);
    expect(held).toEqual(['old', 'new']);
    expect({ said: await ask(by, acme), reads: store.reads }).toEqual({ said: 200, reads: 2 });
  });

  test('is shown twice at most, though it changes each time that it is read', async () => {
    const { store, by, acme } = await replaced('one', 'none');
    const again = ask(by, acme);
    await store.answers('two');
    expect({ said: await again, shown: acme.shown, reads: store.reads }).toEqual({
      said: 401,
      shown: ['one', 'two'],
      reads: 2,
    });
    // Neither of them is remembered; one that was read for the call is not tried again.
    const last = ask(by, acme);
    await store.answers('three');
    expect({ said: await last, shown: acme.shown, reads: store.reads }).toEqual({
      said: 401,
      shown: ['one', 'two', 'three'],
      reads: 3,
    });
  });

  test('whose second look fails says so, and does not pass the refusal on', async () => {
    const store = slowStore();
    const by = credentials(store, () => store.nowMs);
    const acme = provider('one');
    const first = ask(by, acme);
    await store.answers('one');
    await first;
    acme.accepted = 'two';
    const again = expect(ask(by, acme)).rejects.toThrow(/^away$/);
    await store.answers(new Error('away'));
    await again;
  });

  test('that was turned down late is not tried again within the same call, which has to end in time', async () => {
    const { store, by, acme } = await replaced('old', 'new');
    const slow = by.using(
      of,
      async (credential) => {
        acme.shown.push(credential.reveal());
        store.nowMs += 6_001;
        return 401;
      },
      turnedDown,
    );
    const failed = expect(slow).rejects.toThrow(/^acme took long to turn the credential down/);
    await store.answers('new');
    await failed;
    // The next try has the new one already.
    expect({ said: await ask(by, acme), shown: acme.shown }).toEqual({ said: 200, shown: ['old', 'new'] });
  });

  test('is gone from memory after ten seconds, asked for or not, and printed by nothing', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    let reads = 0;
    const read = async () => {
      reads++;
      return { value: new Secret('a-credential-nobody-may-see'), versionId: 'v', lastFour: null };
    };
    const by = credentials({ read }, () => 0);
    const acme = provider('a-credential-nobody-may-see');
    await ask(by, acme);
    expect(inspect(by, { depth: 9, showHidden: true })).not.toContain('nobody-may-see');
    vi.advanceTimersByTime(9_999);
    await ask(by, acme);
    expect(reads).toBe(1);
    vi.advanceTimersByTime(1);
    await ask(by, acme);
    expect(reads).toBe(2);
  });
});
