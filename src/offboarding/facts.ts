import type { ApiKey } from '../inventory/model.ts';
import { byId, type Id, type Instant } from '../kernel.ts';
import { diesAtOnce } from '../policy.ts';
import type { Ports, View } from '../ports.ts';
import type { Rotation } from '../rotation/model.ts';
import { whyNotIssue, whyNotRotate } from '../rotation/model.ts';
import { type Case, consumersIn, type Facts, valueSince } from './model.ts';

export type OffboardingPorts = Pick<Ports, 'store' | 'policy' | 'issuers'>;
const pageSize = 200;

/** Everything that the lines of a case are computed from, read in one transaction and without locking it. */
export async function factsOf(
  view: View,
  { policy, issuers }: Pick<Ports, 'policy' | 'issuers'>,
  about: Pick<Case, 'personId' | 'ownedKeys' | 'rotateKeys' | 'seen'>,
): Promise<Facts> {
  const [person] = await view.people.many([about.personId]);
  const grants = await view.grants.everOfPerson(about.personId);
  const owned = await everyKeyOf(view, about.personId);
  const moves = await view.consumers.movedBy(about.personId);
  const known = new Set(moves.map((each) => each.id as string));
  const moved = await view.consumers.many(consumersIn(about.seen).filter((id) => !known.has(id)));
  const consumers = [...moves, ...moved];
  const ids = new Set([
    ...consumers.map((each) => each.keyId),
    ...grants.map((grant) => grant.keyId),
    ...owned.map((key) => key.id),
    ...about.ownedKeys,
    ...about.rotateKeys,
  ]);
  const keys = byId(await view.keys.many([...ids]));
  const rotations = new Map<string, Rotation[]>();
  for (const id of keys.keys()) rotations.set(id, await view.rotations.ofKey(id, 50));
  const able = [...keys.values()].filter(
    (key) => !whyNotIssue(key, issuers.of(key.issuer), policy) && !whyNotRotate(key, null, true, policy, view.now),
  );
  const [byItself, byPress] = [
    able.filter((key) => !diesAtOnce(key, policy)),
    able.filter((key) => diesAtOnce(key, policy)),
  ];
  return {
    person: person!,
    grants,
    requests: await view.requests.openBy(about.personId),
    owned,
    consumers,
    keys,
    rotations,
    byItself: new Set(byItself.map((key) => key.id)),
    byPress: new Set(byPress.map((key) => key.id)),
  };
}

/**
 * Keys that somebody handed on before anybody said that they leave, while a value that they had still works. Whoever
 * leaves in good order hands over first.
 */
export async function keysHandedOn(view: View, personId: Id<'person'>): Promise<Id<'key'>[]> {
  const until = new Map<string, Instant>();
  let next: string | null = null;
  do {
    const page: Awaited<ReturnType<View['audit']['list']>> = await view.audit.list(
      { action: 'inventory.hand-over', outcome: 'done' },
      pageSize,
      next,
    );
    for (const { keyId, facts, at } of page.rows) {
      // Newest first: the last time that they gave it away.
      if (keyId && facts.from === personId && !until.has(keyId)) until.set(keyId, at);
    }
    next = page.next;
  } while (next);
  const stillWorks: Id<'key'>[] = [];
  for (const key of await view.keys.many([...until.keys()])) {
    const since = valueSince(key, await view.rotations.ofKey(key.id, 50));
    if (!since || until.get(key.id)! >= since) stillWorks.push(key.id);
  }
  return stillWorks;
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
