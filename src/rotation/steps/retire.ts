import { failpoint } from '../../kernel.ts';
import { doneByHand, endedByHand, hasService } from '../by-hand/model.ts';
import { waitForPerson } from '../by-hand/wait.ts';
import { discarded, dying } from '../issued-model.ts';
import { begin, journal, type Run, settle, short } from '../journal.ts';
import { holderOf, labelsToDiscard, labelsToRetire } from '../labels-model.ts';
import type { Rotation } from '../model.ts';
import { aliveAgain, mayReviveAgain, partDone, passed, stopped, unproven } from '../moves-model.ts';
import { awaitTurn } from '../timing/pace.ts';
import { unlessDisabledFirst } from './disable.ts';
import { allEndedAtProvider, allThrownAwayAtProvider, deadAtProvider, endedInWords } from './end.ts';
import { leftInWords, leftOver, noteLeft } from './left-over.ts';
import { stillSwitched } from './look.ts';
import { workingWith } from './own.ts';

/** Step 6 of SOP 5.3: takes the labels off the old version, one at a time. From here there is no way back. */
export async function retireOld(seen: Run): Promise<void> {
  const ending = await unlessDisabledFirst(seen);
  if (!ending) return;
  const run = await begin(ending);
  const { ports, rotation } = run;
  const found = await stillSwitched(run);
  if (!found) return;
  if (endedByHand(run.issuer.can) && !doneByHand(rotation, 'delete')) return waitForPerson(run, 'delete');
  if (!(await allEndedAtProvider(run, dying(rotation)))) return;
  const [target, ...more] = labelsToRetire(found.versions, rotation);
  if (target) await takeOff(run, target);
  if (more.length > 0) return labelGone(run, target!);
  // Confirm looks again whether that is all of it.
  const last = target ? `${goneInWords(target)}; ` : '';
  const evidence = `${await deletedInWords(run)}${endedInWords(run, dying(rotation))}${last}no label leads to version ${short(rotation.oldVersion)}`;
  await journal(run, (each, now) => passed(each, evidence, ports.policy, now), {
    facts: { old: rotation.oldVersion, cleanup: rotation.cleanup, ...target },
  });
}

async function deletedInWords({ ports, rotation, key }: Run): Promise<string> {
  const done = doneByHand(rotation, 'delete');
  const person = done && (await ports.store.read((view) => view.people.find(done.by)));
  return person ? `deleted at ${key.service}, says ${person.name}; ` : '';
}

/** The way back, last part: nothing leads to what was tried. */
export async function discardNew(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, secretId } = run;
  const found = await ports.secrets.describe(secretId);
  const [target] = found ? labelsToDiscard(found.versions, rotation) : [];
  if (target) {
    await takeOff(run, target);
    return labelGone(run, target);
  }
  const restored = isRestored(rotation) ? rotation.oldVersion : holderOf(found?.versions ?? [], 'AWSCURRENT');
  const able = await workingWith(run, restored);
  // Where nothing overlaps, what was made last is what the next value is made from.
  const stays = able.issuer.can.overlap === 'none';
  const tried = discarded(found?.versions ?? [], rotation);
  if (!stays && !(await allThrownAwayAtProvider(able, tried))) return;
  const left = await leftOver(run, found?.versions ?? []);
  const evidence =
    rotation.tried.length > 0
      ? `${endedInWords(run, tried)}no label leads to version ${short(rotation.tried.at(-1)!)}${leftInWords(left, run.key)}`
      : 'nothing was stored';
  await journal(run, (each, now) => passed(each, evidence, ports.policy, now), {
    ...(left.length > 0
      ? { facts: { left }, also: (tx, _next, key) => noteLeft(tx, ports.policy.channels.security, key, left) }
      : {}),
  });
}

/** Whether the old value is handed out again, however late the store shows it. */
const isRestored = ({ record, attempt }: Rotation) =>
  record.some((each) => each.step === 'restore' && each.verdict === 'done' && each.attempt === attempt);

interface Target {
  stage: string;
  version: string;
}

/** One label off one version, exactly the ones seen before the call: a late repetition finds nothing to take. */
async function takeOff(run: Run, { stage, version }: Target): Promise<void> {
  const { ports, rotation, secretId } = run;
  await awaitTurn(run, { writes: 1 });
  failpoint(`rotation.${rotation.step}:before`);
  const did = await ports.secrets.move(secretId, stage, version, null);
  failpoint(`rotation.${rotation.step}:after`);
  if (did) return;
  await settle(run, `${stage} moved while it was looked at`);
  throw new Error(`Secrets Manager does not take ${stage} off version ${short(version)}`);
}

const goneInWords = ({ stage, version }: Target) => `${stage} taken off version ${short(version)}`;

const labelGone = (run: Run, target: Target) =>
  journal(run, (each, now) => partDone(each, goneInWords(target), now), {
    facts: { ...target },
    action: 'rotation.unlabel',
  });

/** Step 8 of SOP 5.3: looks again, as somebody who wants the old value would, and finds nothing. */
export async function confirmDead(seen: Run): Promise<void> {
  const run = await begin(seen);
  const { ports, rotation, secretId } = run;
  const found = await stillSwitched(run);
  if (!found) return;
  const previous = await ports.secrets.read(secretId, { stage: 'AWSPREVIOUS' });
  const old = dying(rotation);
  const left = labelsToRetire(found.versions, rotation);
  if (left.length > 0 || (previous && old.includes(previous.versionId))) {
    await settle(run, 'a label still leads to the old version');
    const which = left.map((each) => `${each.stage} on version ${short(each.version)}`).join(', ') || 'AWSPREVIOUS';
    return journal(run, (each, now) =>
      mayReviveAgain(rotation)
        ? aliveAgain(each, `still there: ${which}`, now)
        : stopped(each, `The old value keeps coming back (${which}). Something else writes this secret.`, 'both', now),
    );
  }
  const dead = await deadAtProvider(run);
  if (dead === null) return;
  // What we make ourselves lives in the store alone.
  const isUnproven = dead === '' && hasService(run.issuer.can);
  const evidence = `${dead}neither a label nor AWSPREVIOUS leads to the old value`;
  await journal(
    run,
    (each, now) => {
      const done = passed(each, evidence, ports.policy, now);
      return isUnproven ? unproven(done) : done;
    },
    { facts: { old: rotation.oldVersion, current: rotation.newVersion, ...(isUnproven ? { unproven: true } : {}) } },
  );
}
