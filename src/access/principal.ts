import type { Id } from '../kernel.ts';
import type { Ports } from '../ports.ts';

/** Somebody's IAM identity became known or changed: what they hold is opened for it. Job `access.follow-principal`. */
export function followPrincipal(
  { store }: Pick<Ports, 'store'>,
  { personId }: { personId: Id<'person'> },
): Promise<void> {
  const actor = { kind: 'job', id: 'access.follow-principal' } as const;
  return store.change({ actor, action: 'access.follow-principal', subject: personId }, async (tx) => {
    const person = await tx.people.get(personId);
    const moved: string[] = [];
    for (const { id } of await tx.grants.liveOfPerson(personId)) {
      const grant = await tx.grants.get(id);
      const key = await tx.keys.get(grant.keyId);
      const technical = key.storage === 'secrets-manager' && key.secretId !== null;
      if (grant.status === 'ending' || grant.status === 'ended' || !technical) continue;
      if (grant.principal === person.iamPrincipal) continue;
      await tx.grants.save({ ...grant, principal: person.iamPrincipal, status: 'granting', failure: null });
      await tx.jobs.add('access.apply', { keyId: grant.keyId });
      await tx.cards.touch(grant.requestId);
      moved.push(id);
    }
    tx.note({ principal: person.iamPrincipal, grants: moved });
  });
}
