import type { Secret } from '../../kernel.ts';
import { entriesBy, isSameSecret } from '../../policy.ts';
import { journal, type Run, settle } from '../journal.ts';
import { givenUp, rejected } from '../moves-model.ts';
import { isOwn } from '../own-model.ts';
import { valueAt } from './look.ts';

/**
 * Where a key is the credential of its own issuer: the same run, whose issuer works with the value of exactly this version.
 * What the store shows as current may be late, and what is remembered of it is: the value that is about to end, or that
 * has ended, must not be what ends it.
 */
export async function workingWith(run: Run, version: string | null): Promise<Run> {
  const { ports, issuer, secretId } = run;
  if (!version || !issuer.credential || !isSameSecret(issuer.credential, secretId)) return run;
  const value = await valueAt(run, version);
  return { ...run, issuer: (value && ports.issuers.workingWith(issuer.name, value)) ?? issuer };
}

/**
 * Tries a value as what Keysteward works with, at every provider where it does. What shows that it can, added to what is
 * known; null when it cannot, and the rotation has gone back: more values of this kind would be of no more use.
 */
export async function triedAsCredential(run: Run, value: Secret, known: string): Promise<string | null> {
  const { ports, key } = run;
  const { policy, issuers } = ports;
  if (!isOwn(key, policy)) return known;
  const { verdict, evidence } = await issuers.tryAsCredential(key, value);
  if (verdict === 'works') return `${known}; ${evidence}`;
  if (verdict === 'unclear') throw new Error(`it is not known whether Keysteward can work with it: ${evidence}`);
  const seconds = entriesBy(key, policy.providers).map((name) => issuers.of(name)?.can.propagationSeconds ?? 0);
  await settle(run, 'the new value may not be known everywhere where Keysteward works with it', Math.max(...seconds));
  const why = `Keysteward itself works with this key, and cannot with the new value: ${evidence}. See that new ones may manage keys, then press Retry.`;
  await journal(run, (each, now) =>
    each.step === 'verify' ? rejected(each, why, now, true) : givenUp(each, why, 'old', now),
  );
  return null;
}
