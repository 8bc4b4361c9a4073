import type { Secret } from '../../kernel.ts';
import type { Secrets } from '../../ports.ts';
import { rememberedMs } from '../../rotation/own-model.ts';

/** A call that took longer until it was turned down is not repeated within the same try: whoever waits for stragglers counts on its end. */
const repeatedWithinMs = 6_000;

/** The credentials that Keysteward works with at providers, as the store has them. */
export interface Credentials {
  /**
   * Makes a call with a credential that was read from the store up to ten seconds ago. When it is turned down, what was
   * remembered is forgotten and read again; has it changed meanwhile, the call is made once more with the new one. Only for
   * calls that do nothing where they are turned down.
   * @throws Error when the store does not have it, or cannot be asked
   */
  using<A>(
    of: { provider: string; secretId: string },
    call: (credential: Secret) => Promise<A>,
    isTurnedDown: (answer: A) => boolean,
  ): Promise<A>;
}

interface Held {
  /** Null when there is no such secret. */
  value: Promise<Secret | null>;
  /** When it is too old to be used; null while it is on its way. */
  until: number | null;
}

/** One memory for one process: whoever wants a credential that is on its way waits for the same read. `now` is in milliseconds, from whenever. */
export function credentials(secrets: Pick<Secrets, 'read'>, now: () => number = () => performance.now()): Credentials {
  const held = new Map<string, Held>();

  function forget(secretId: string, which: Held): void {
    if (held.get(secretId) === which) held.delete(secretId);
  }

  function look(secretId: string): { found: Held; isFresh: boolean } {
    const there = held.get(secretId);
    if (there && (there.until === null || now() < there.until)) return { found: there, isFresh: false };
    const begun = now();
    const found: Held = { until: null, value: read(secretId) };
    held.set(secretId, found);
    found.value.then(
      (value) => {
        if (!value) return forget(secretId, found);
        found.until = begun + rememberedMs;
        // What is not used again is not left lying in memory either.
        setTimeout(() => forget(secretId, found), rememberedMs).unref();
      },
      () => forget(secretId, found),
    );
    return { found, isFresh: true };
  }

  async function read(secretId: string): Promise<Secret | null> {
    return (await secrets.read(secretId, { stage: 'AWSCURRENT' }))?.value ?? null;
  }

  return {
    async using({ provider, secretId }, call, isTurnedDown) {
      const arrived = async ({ value }: Held) => {
        const credential = await value;
        if (credential) return credential;
        throw new Error(
          `The credential of ${provider} is not in Secrets Manager: there is no secret called ${secretId}.`,
        );
      };
      const begun = now();
      const first = look(secretId);
      const credential = await arrived(first.found);
      const answer = await call(credential);
      if (!isTurnedDown(answer)) return answer;
      forget(secretId, first.found);
      if (first.isFresh) return answer;

      const second = look(secretId);
      const next = await arrived(second.found);
      const hasChanged = next.reveal() !== credential.reveal();
      if (hasChanged && now() - begun > repeatedWithinMs)
        throw new Error(`${provider} took long to turn the credential down, which has been replaced meanwhile`);
      const repeated = hasChanged ? await call(next) : answer;
      if (isTurnedDown(repeated)) forget(secretId, second.found);
      return repeated;
    },
  };
}

/** This value and no other one, whatever the store has. Whether a call was turned down with it shows afterwards. */
export function fixed(value: Secret): Credentials & { wasTurnedDown(): boolean } {
  let turnedDown = false;
  return {
    async using(_of, call, isTurnedDown) {
      const answer = await call(value);
      if (isTurnedDown(answer)) turnedDown = true;
      return answer;
    },
    wasTurnedDown: () => turnedDown,
  };
}
