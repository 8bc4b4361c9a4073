import type { Secret } from '../../kernel.ts';
import type { SecretDescription } from '../../ports.ts';
import { issuedOf, named } from '../issued-model.ts';
import { journal, noteDown, type Read, type Run, settle, short } from '../journal.ts';
import { conditionIn, switchOver } from '../labels-model.ts';
import { stopped } from '../moves-model.ts';

/** The secret with its versions and their labels, as the store shows it now. */
export async function secretNow({ ports, secretId }: Run): Promise<SecretDescription> {
  const found = await ports.secrets.describe(secretId);
  if (!found) throw new Error('the secret cannot be seen in Secrets Manager');
  return found;
}

/** A version with its value, while the store has it. One that is not there is looked for again. */
export async function readAt({ ports, secretId, values }: Run, version: string): Promise<Read | null> {
  const found = values.get(version) ?? (await ports.secrets.read(secretId, { versionId: version }));
  if (found) values.set(version, found);
  return found;
}

/** The value of a version, while the store has it. */
export async function valueAt(run: Run, version: string): Promise<Secret | null> {
  return (await readAt(run, version))?.value ?? null;
}

/**
 * The secret, as long as it hands out the tested new value: while it hands out anything else, the old value must not
 * die. Null when somebody else has moved AWSCURRENT, and the rotation has stopped.
 */
export async function stillSwitched(run: Run): Promise<SecretDescription | null> {
  const found = await secretNow(run);
  const over = switchOver(found.versions, run.rotation);
  if (over.is === 'done') return found;
  await settle(run, 'AWSCURRENT is not on the new version');
  await stopMoved(run, found, over);
  return null;
}

/** Somebody else moved AWSCURRENT after the switch: the rotation stops, and the inventory says what is current. */
export async function stopMoved(
  run: Run,
  { versions }: SecretDescription,
  over: Exclude<ReturnType<typeof switchOver>, { is: 'done' }>,
): Promise<void> {
  const holder = over.is === 'open' ? over.from : over.holder;
  const why = `Somebody else moved AWSCURRENT to version ${short(holder)} after the switch, so this rotation stopped.`;
  await journal(
    run,
    (each, now) => stopped(each, why, conditionIn(versions, each), now),
    holder ? { current: { version: holder, lastFour: null } } : {},
  );
}

/** Writes down what the provider calls a value that it has not made for us, where it says so. */
export async function withName(run: Run, version: string): Promise<Run> {
  if (issuedOf(run.rotation, version)) return run;
  const value = await valueAt(run, version);
  const providerKeyId = value && (await run.issuer.identify(run.key, value));
  if (!providerKeyId) return run;
  const entry = { version, providerKeyId, expiresAt: null };
  return noteDown(run, 'rotation.identify', { version, providerKeyId }, (each) => named(each, entry));
}
