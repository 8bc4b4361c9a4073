import type { ApiKey } from '../inventory/model.ts';
import { type Id, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports, View } from '../ports.ts';
import { type AccessRequest, type Ask, opened, whyNotAsk } from './model.ts';

/** Who is asked to decide: the owner, and administrators where more than the owner is needed. Never the asker. */
export async function whoDecides(
  view: View,
  key: ApiKey,
  asker: Person,
  needs: { people: number; administrator: boolean },
): Promise<Id<'person'>[]> {
  const owner = await view.people.find(key.ownerId);
  const owners = owner && owner.status === 'active' && owner.id !== asker.id ? [owner.id] : [];
  const enough = owners.length >= needs.people && (!needs.administrator || owner?.tier === 'administrator');
  if (enough) return owners;
  const administrators = await view.people.withTier('administrator');
  return [...new Set([...owners, ...administrators.map((each) => each.id)])].filter((id) => id !== asker.id);
}

/** Someone asks for a key. Its owners hear of it from the worker, so Slack never waits on Slack. */
export function requestAccess(
  { store, policy }: Pick<Ports, 'store' | 'policy'>,
  askerId: Id<'person'>,
  ask: Ask,
): Promise<AccessRequest> {
  return store.change(
    { actor: { kind: 'person', id: askerId }, action: 'access.request', subject: ask.keyId, keyId: ask.keyId },
    async (tx) => {
      const [key, asker] = [await tx.keys.get(ask.keyId), await tx.people.get(askerId)];
      const open = (await tx.requests.openBy(askerId)).find((each) => each.keyId === key.id) ?? null;
      refuseIf(whyNotAsk(key, asker, ask, open, policy));
      if (ask.extendsGrant) {
        const grant = await tx.grants.get(ask.extendsGrant);
        if (grant.personId !== askerId || grant.keyId !== key.id) ask = { ...ask, extendsGrant: undefined };
      }
      const draft = opened(tx.newId('request'), ask, key, asker, [], policy, tx.now);
      const asked = await whoDecides(tx, key, asker, { people: draft.needs, administrator: draft.needsAdministrator });
      const request = { ...draft, asked };
      await tx.requests.save(request);
      await tx.jobs.add('access.announce', { requestId: request.id });
      await tx.jobs.add('access.expire-request', { requestId: request.id }, { at: request.expiresAt });
      tx.note({
        requestId: request.id,
        hours: request.hours,
        reason: request.reason,
        use: request.use,
        ticket: request.ticket,
        needs: request.needs,
        asked,
      });
      return request;
    },
  );
}
