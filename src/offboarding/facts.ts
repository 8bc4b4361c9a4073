import type { ApiKey } from '../inventory/model.ts';
import type { Id } from '../kernel.ts';
import type { Ports, View } from '../ports.ts';
import type { Rotation } from '../rotation/model.ts';
import { whyNotRotate } from '../rotation/model.ts';
import type { Case, Facts } from './model.ts';

export type OffboardingPorts = Pick<Ports, 'store' | 'policy' | 'issuers'>;
const pageSize = 200;

/** Everything that the lines of a case are computed from, read in one transaction and without locking it. */
export async function factsOf(
  view: View,
  { policy, issuers }: Pick<Ports, 'policy' | 'issuers'>,
  about: Pick<Case, 'personId' | 'ownedKeys' | 'rotateKeys'>,
): Promise<Facts> {
  const [person] = await view.people.many([about.personId]);
  const grants = await view.grants.everOfPerson(about.personId);
  const owned = await everyKeyOf(view, about.personId);
  const ids = new Set([
    ...grants.map((grant) => grant.keyId),
    ...owned.map((key) => key.id),
    ...about.ownedKeys,
    ...about.rotateKeys,
  ]);
  const keys = new Map<string, ApiKey>((await view.keys.many([...ids])).map((key) => [key.id, key]));
  const rotations = new Map<string, Rotation[]>();
  for (const id of keys.keys()) rotations.set(id, await view.rotations.ofKey(id, 50));
  const byItself = [...keys.values()].filter(
    (key) => issuers.of(key.issuer)?.can.create && !whyNotRotate(key, null, true, policy, view.now),
  );
  return {
    person: person!,
    grants,
    requests: await view.requests.openBy(about.personId),
    owned,
    keys,
    rotations,
    byItself: new Set(byItself.map((key) => key.id)),
  };
}

async function everyKeyOf(view: View, ownerId: Id<'person'>): Promise<ApiKey[]> {
  const all: ApiKey[] = [];
  let next: string | null = null;
  do {
    const page: Awaited<ReturnType<View['keys']['list']>> = await view.keys.list({ ownerId }, pageSize, next);
    all.push(...page.rows);
    next = page.next;
  } while (next);
  return all;
}
