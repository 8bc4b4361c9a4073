import type { Consumer } from '../../inventory/consumer-model.ts';
import { after, Later, minute, Refusal } from '../../kernel.ts';
import type { Issuer } from '../../ports.ts';
import { consumersOf, spread } from '../deployment/deploy.ts';
import {
  deploymentOf,
  extended,
  isSameConsumer,
  listed,
  readersConfirmed,
  standing,
  switchedAt,
  type Usage,
  type Use,
  unconfirmed,
} from '../deployment/model.ts';
import { readsSeen } from '../deployment/reads.ts';
import { nextReadLooks, readsTaken } from '../deployment/reads-model.ts';
import { idsToEnd, issuedOf } from '../issued-model.ts';
import { journal, notBeforeItsTime, type Run } from '../journal.ts';
import { reached, unique } from '../model.ts';
import { passed } from '../moves-model.ts';
import { awaitTurn } from '../timing/pace.ts';
import { withOldNamed } from './end.ts';

/**
 * The time in which those who still hold the old value can move on. It ends on evidence: everybody who is recorded is on
 * the new value, or the provider sees no more use of the old key. Without any it goes on, says why, and in time asks.
 */
export async function endGrace(seen: Run): Promise<void> {
  const { ports, now } = seen;
  notBeforeItsTime(seen, 'the old value still has its grace');
  // A rotation that an older program began has told nobody.
  const consumers = reached(seen.rotation, 'deploy') ? await consumersOf(seen) : [];
  const asks = consumers.length > 0 || reached(seen.rotation, 'enable');
  // Where nobody is recorded, somebody may use it all the same.
  const asksUse = seen.issuer.can.lastUsed && (asks || reached(seen.rotation, 'deploy'));
  const { run, usage: told, old } = asksUse ? await asked(seen) : { run: seen, usage: null, old: null };
  const { rotation } = run;
  let usage = told;
  const reads = asks ? await readsSeen(run, consumers) : null;
  const { policy } = ports;
  const look = (each: typeof rotation, at: Date) => {
    const current = readersConfirmed(readsTaken(listed(each, consumers), reads, at), usage, policy, at);
    return { current, found: standing(current, usage, policy, at) };
  };
  const looksAgain = (each: typeof rotation, at: Date) => [
    ...nextReadLooks(each, reads, policy.rotation.evidence.cacheMinutes, at),
    ...(usage?.trouble ? [after(at, troubledLookMs)] : []),
  ];
  const lacks = 'lacking' in look(rotation, now).found;
  if (lacks && usage && !usage.trouble) usage = { ...usage, oldUse: await oldUseIn(run, old) };
  await journal(
    run,
    (each, at) => {
      const { current, found } = look(each, at);
      return 'enough' in found
        ? passed(current, found.enough, policy, at)
        : extended(current, found.lacking, policy, at, looksAgain(current, at), usage?.trouble?.since);
    },
    {
      ...(lacks ? { action: 'rotation.extend' } : {}),
      facts: {
        ...(usage ? { oldUsedAt: usage.oldUsedAt, newUsedAt: usage.newUsedAt, oldUse: usage.oldUse } : {}),
        ...(reads ? { reads: reads.reads.length, readsMissing: reads.missing?.why ?? null } : {}),
      },
      also: async (tx, next, key) => {
        // Asking outside takes its time: who was recorded meanwhile has not been told, and is waited for too.
        const there = await tx.consumers.ofKey(key.id);
        if (reached(rotation, 'deploy') && asRecorded(there) !== asRecorded(consumers))
          throw new Later('who uses the key has changed meanwhile', 1_000);
        const came = unconfirmed(next).filter((each) => !isSameConsumer(each, deploymentOf(rotation, each.consumerId)));
        if (came.length > 0) await spread(tx, ports, { ...next, deployments: came });
        if (!next.extension?.escalatedAt || rotation.extension?.escalatedAt) return;
        tx.note({ escalated: true });
        for (const person of new Set([key.ownerId, ...(next.askedBy ? [next.askedBy] : [])])) {
          await tx.cards.show('rotation:waiting', next.id, { person });
        }
        await tx.cards.show('rotation:waiting', next.id, { channel: policy.channels.security });
      },
    },
  );
}

/** After so long a provider that could not be asked is asked again. */
const troubledLookMs = 10 * minute;
const asRecorded = (consumers: Consumer[]) =>
  consumers
    .map(({ id, kind, personId, readsAs }) => JSON.stringify([id, kind, personId, readsAs]))
    .sort()
    .join();

/**
 * What the provider has seen of the keys, when it is this rotation's turn to ask that much, and the old one that was used
 * last. What it calls them was learned when they were made, or is asked for once. One that does not answer is no reason to
 * fail: it says nothing for now, and the grace goes on. Reports of their use have limits of their own.
 */
async function asked(seen: Run): Promise<{ run: Run; usage: Usage; old: string | null }> {
  await awaitTurn(seen, { calls: 2 + idsOf(seen).left.length });
  try {
    const run = await withOldNamed(seen);
    return { run, ...(await usageOf(run)) };
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const why = error instanceof Error ? error.message : 'it did not answer';
    const since = new Date(seen.rotation.extension?.silentSince ?? seen.now);
    return { run: seen, usage: { ...unknownTo(seen.issuer), trouble: { why, since } }, old: null };
  }
}

/**
 * What the provider calls both keys, and what an earlier rotation has left there that dies with the old one. A slot that the
 * new value has taken over says nothing about the old one.
 */
function idsOf({ rotation }: Pick<Run, 'rotation'>): { old: string | null; current: string | null; left: string[] } {
  const [old, current] = [rotation.oldVersion, rotation.newVersion].map(
    (version) => issuedOf(rotation, version)?.providerKeyId ?? null,
  ) as [string | null, string | null];
  const left = idsToEnd(rotation, rotation.cleanup).map((each) => each.providerKeyId);
  return {
    old: old === current ? null : old,
    current,
    left: unique(left).filter((each) => each !== old && each !== current),
  };
}

async function usageOf({ key, issuer, ...run }: Run): Promise<{ usage: Usage; old: string | null }> {
  const { old, current, left } = idsOf(run);
  let last = { old, usedAt: old ? await issuer.lastUsed(key, old) : null };
  for (const each of left) {
    const usedAt = await issuer.lastUsed(key, each);
    if (usedAt && (!last.usedAt || usedAt > last.usedAt)) last = { old: each, usedAt };
  }
  const usage: Usage = {
    ...unknownTo(issuer),
    knowsOld: old !== null,
    knowsNew: current !== null,
    oldUsedAt: last.usedAt,
    newUsedAt: current ? await issuer.lastUsed(key, current) : null,
  };
  return { usage, old: last.old };
}

/** A provider that has not said anything. */
const unknownTo = ({ name, can: { usageLagMinutes, usageIsPartial = false } }: Issuer): Usage => ({
  provider: name,
  knowsOld: false,
  knowsNew: false,
  oldUsedAt: null,
  newUsedAt: null,
  lagMs: usageLagMinutes * minute,
  isPartial: usageIsPartial,
  oldUse: null,
  trouble: null,
});

/** How much the old key is still used: for those who read why it lives on. Without an answer it goes on all the same. */
async function oldUseIn(run: Run, old: string | null): Promise<Use | null> {
  const since = switchedAt(run.rotation);
  if (!run.issuer.can.usage || !old || !since) return null;
  return run.issuer.usage(run.key, old, since).catch(() => null);
}
