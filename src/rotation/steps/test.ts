import { begin, journal, type Run, settle, short } from '../journal.ts';
import { conditionIn, switchOver } from '../labels-model.ts';
import { passed, rejected, stopped } from '../moves-model.ts';

/** Step 2 of SOP 5.3: the new value as the store gives it back, tried before anybody depends on it. */
export async function testValue(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, key, secretId, issuer } = run;
  const version = rotation.tried.at(-1)!;
  const staged = await ports.secrets.read(secretId, { versionId: version });
  if (!staged) {
    await settle(run, 'the new version cannot be read yet');
    return journal(run, (each, now) => rejected(each, `version ${short(version)} cannot be read back`, now));
  }
  const old = await oldValue(run);
  const { verdict, evidence } = await issuer.test(key, staged.value, old);
  if (verdict === 'unclear') throw new Error(`${issuer.name} could not say whether the new value works: ${evidence}`);
  if (verdict === 'refused') {
    await settle(run, `the new value may not have reached all of ${issuer.name} yet`, issuer.can.propagationSeconds);
    return journal(run, (each, now) => rejected(each, evidence, now));
  }
  await journal(run, (each, now) => passed({ ...each, newLastFour: staged.lastFour }, evidence, ports.policy, now), {
    facts: { version },
  });
}

/** Step 5 of SOP 5.3: whoever asks for the current value gets the new one, and it works. */
export async function verifyValue(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, key, secretId, issuer } = run;
  const current = await ports.secrets.read(secretId, { stage: 'AWSCURRENT' });
  if (current?.versionId !== rotation.newVersion) {
    await settle(run, 'the current value is not the new one yet');
    const found = await ports.secrets.describe(secretId);
    const over = found && switchOver(found.versions, rotation);
    if (!found || over?.is === 'done') throw new Error('Secrets Manager still hands out an older value than it says');
    return journal(
      run,
      (each, now) => stopped(each, movedAway(over), conditionIn(found.versions, each), now),
      moved(over),
    );
  }
  const { verdict, evidence } = await issuer.test(key, current.value, await oldValue(run));
  if (verdict === 'unclear') throw new Error(`${issuer.name} could not say whether the new value works: ${evidence}`);
  if (verdict === 'refused') {
    await settle(run, `the new value may not have reached all of ${issuer.name} yet`, issuer.can.propagationSeconds);
    return journal(run, (each, now) => rejected(each, evidence, now));
  }
  await journal(run, (each, now) =>
    passed(each, `AWSCURRENT gives version ${short(current.versionId)}; ${evidence}`, ports.policy, now),
  );
}

async function oldValue({ ports, rotation, secretId }: Run) {
  if (!rotation.oldVersion) return null;
  return (await ports.secrets.read(secretId, { versionId: rotation.oldVersion }))?.value ?? null;
}

type Over = ReturnType<typeof switchOver> | null;
const holding = (over: Over) => (over?.is === 'open' ? over.from : over?.is === 'foreign' ? over.holder : null);

/** The sentence for an AWSCURRENT that somebody moved after the switch. */
export const movedAway = (over: Over) =>
  `Somebody else moved AWSCURRENT to version ${short(holding(over))} after the switch, so this rotation stopped.`;
/** What the inventory has to say then. */
export function moved(over: Over) {
  const version = holding(over);
  return version ? { current: { version, lastFour: null } } : {};
}
