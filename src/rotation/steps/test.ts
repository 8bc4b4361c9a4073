import type { Secret } from '../../kernel.ts';
import { begin, journal, type Run, settle, short } from '../journal.ts';
import { switchOver } from '../labels-model.ts';
import { passed, rejected } from '../moves-model.ts';
import { isOwn, rememberedMs } from '../own-model.ts';
import { readAt, secretNow, stopMoved, valueAt } from './look.ts';
import { triedAsCredential } from './own.ts';
import { recognised } from './recognise.ts';

/** Step 2 of SOP 5.3: the new value as the store gives it back, tried before anybody depends on it. */
export async function testValue(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation } = run;
  const version = rotation.tried.at(-1)!;
  const staged = await readAt(run, version);
  if (!staged) {
    await settle(run, 'the new version cannot be read yet');
    return journal(run, (each, now) => rejected(each, `version ${short(version)} cannot be read back`, now));
  }
  const also = await recognised(run, staged);
  if (!also) return;
  const evidence = await working(run, staged.value);
  if (evidence === null) return;
  await journal(run, (each, now) => passed({ ...each, newLastFour: staged.lastFour }, evidence, ports.policy, now), {
    facts: { version },
    also,
  });
}

/** Step 5 of SOP 5.3: whoever asks for the current value gets the new one, and it works. */
export async function verifyValue(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, secretId } = run;
  const current = await ports.secrets.read(secretId, { stage: 'AWSCURRENT' });
  if (current?.versionId !== rotation.newVersion) {
    await settle(run, 'the current value is not the new one yet');
    const found = await secretNow(run);
    const over = switchOver(found.versions, rotation);
    if (over.is === 'done') throw new Error('Secrets Manager still hands out an older value than it says');
    return stopMoved(run, found, over);
  }
  const evidence = await working(run, current.value);
  if (evidence === null) return;
  const said = `AWSCURRENT gives version ${short(current.versionId)}; ${evidence}`;
  // So long whoever works with the old one may not know that it was replaced.
  const leastGraceMs = isOwn(run.key, ports.policy) ? rememberedMs : 0;
  await journal(run, (each, now) => passed(each, said, ports.policy, now, leastGraceMs));
}

/** What shows that the new value works; null when it does not, and the rotation has gone back for another. */
async function working(run: Run, value: Secret): Promise<string | null> {
  const { key, issuer } = run;
  const { oldVersion } = run.rotation;
  const { verdict, evidence } = await issuer.test(key, value, oldVersion ? () => valueAt(run, oldVersion) : null);
  if (verdict === 'works') return triedAsCredential(run, value, evidence);
  if (verdict === 'unclear') throw new Error(`${issuer.name} could not say whether the new value works: ${evidence}`);
  await settle(run, `the new value may not have reached all of ${issuer.name} yet`, issuer.can.propagationSeconds);
  await journal(run, (each, now) => rejected(each, evidence, now, isOwn(key, run.ports.policy)));
  return null;
}
