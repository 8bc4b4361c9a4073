import { type Actor, type Id, refuseIf } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import { type Grant, whyNotEnd } from './model.ts';

/** Somebody ends a grant before its time: its holder, the key's owner or an administrator. */
export function endGrant(
  { store }: Pick<Ports, 'store'>,
  enderId: Id<'person'>,
  grantId: Id<'grant'>,
  reason: string,
): Promise<Grant> {
  return store.change(
    { actor: { kind: 'person', id: enderId }, action: 'access.end', subject: grantId },
    async (tx) => {
      const grant = await tx.grants.get(grantId);
      const [key, ender] = [await tx.keys.get(grant.keyId), await tx.people.get(enderId)];
      refuseIf(whyNotEnd(grant, key, ender));
      tx.note({ keyId: key.id, personId: grant.personId, reason });
      return ending(tx, grant, enderId, reason);
    },
  );
}

/** A grant whose time has come ends. Job `access.end`; also the sweep, for what was missed. */
export function endWhenDue({ store }: Pick<Ports, 'store'>, { grantId }: { grantId: Id<'grant'> }): Promise<void> {
  return store.change(
    { actor: { kind: 'job', id: 'access.end' }, action: 'access.end', subject: grantId },
    async (tx) => {
      const grant = await tx.grants.get(grantId);
      tx.note({ keyId: grant.keyId, personId: grant.personId, status: grant.status });
      if (grant.status === 'ended' || grant.status === 'ending' || grant.endsAt > tx.now) return;
      await ending(tx, grant, 'access.end', 'Its time was over');
    },
  );
}

/** Grants that outlived their end, because every worker was down. Job `access.sweep`. */
export async function sweepGrants({ store }: Pick<Ports, 'store'>): Promise<void> {
  const due = await store.read(async (view) => ({
    now: view.now,
    grants: await view.grants.endingBefore(view.now, 500),
  }));
  for (const grant of due.grants) {
    if (grant.status !== 'ending') await endWhenDue({ store }, { grantId: grant.id });
    else {
      await store.change(
        { actor: { kind: 'job', id: 'access.sweep' }, action: 'access.sweep', subject: grant.id, keyId: grant.keyId },
        (tx) => tx.jobs.add('access.apply-now', { keyId: grant.keyId }, { once: grant.keyId }),
      );
    }
  }
}

/** A leak: nobody keeps access to this key. Job `access.end-all-of-key`. */
export function endAllOfKey(
  { store }: Pick<Ports, 'store'>,
  { keyId, causeId }: { keyId: Id<'key'>; causeId: string },
): Promise<void> {
  return endAll(
    store,
    { kind: 'job', id: 'access.end-all-of-key' },
    keyId,
    (tx) => tx.grants.liveOfKey(keyId),
    causeId,
  );
}

/** A leaver: they keep access to nothing. Job `access.end-all-of-person`. */
export function endAllOfPerson(
  { store }: Pick<Ports, 'store'>,
  { personId, causeId }: { personId: Id<'person'>; causeId: string },
): Promise<void> {
  return endAll(
    store,
    { kind: 'job', id: 'access.end-all-of-person' },
    personId,
    (tx) => tx.grants.liveOfPerson(personId),
    causeId,
  );
}

function endAll(
  store: Ports['store'],
  actor: Actor,
  subject: string,
  which: (tx: Tx) => Promise<Grant[]>,
  causeId: string,
): Promise<void> {
  return store.change({ actor, action: 'access.end-all', subject }, async (tx) => {
    const ended: string[] = [];
    for (const { id } of await which(tx)) {
      const grant = await tx.grants.get(id);
      if (grant.status === 'ended' || grant.status === 'ending') continue;
      await ending(tx, grant, causeId, `Ended by ${causeId}`);
      ended.push(id);
    }
    tx.note({ causeId, ended });
  });
}

/** Marks the grant; the technical access goes with the next writing of the key's policy, which follows at once. */
async function ending(tx: Tx, grant: Grant, by: string, reason: string): Promise<Grant> {
  const after: Grant = { ...grant, status: 'ending', endedBy: by, endReason: reason };
  await tx.grants.save(after);
  await tx.jobs.add('access.apply-now', { keyId: grant.keyId }, { once: grant.keyId });
  await tx.cards.touch(grant.id);
  await tx.cards.touch(grant.requestId);
  return after;
}
