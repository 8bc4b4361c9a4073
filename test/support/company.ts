import { type ApiKey, nameOf } from '../../src/inventory/model.ts';
import { newId } from '../../src/kernel.ts';
import type { Person } from '../../src/people/model.ts';
import type { Team } from '../../src/people/team-model.ts';
import type { Store } from '../../src/ports.ts';

let counter = 0;

/** A person with what a test does not care about filled in. */
export function aPerson(facts: Partial<Person> = {}): Person {
  counter++;
  return {
    id: newId('person'),
    slackId: `U${String(counter).padStart(4, '0')}${Math.random().toString(36).slice(2, 7).toUpperCase()}`,
    name: `Person ${counter}`,
    tier: 'developer',
    timeZone: 'UTC',
    status: 'active',
    iamPrincipal: null,
    hrId: null,
    joinedAt: new Date(),
    leftAt: null,
    ...facts,
  };
}

/** A staging key with what a test does not care about filled in. */
export function aKey(owner: Pick<Person, 'id'>, facts: Partial<ApiKey> = {}): ApiKey {
  counter++;
  const base = { service: 'OpenAI', environment: 'staging' as const, purpose: `Purpose ${counter}`, ...facts };
  return {
    id: newId('key'),
    name: nameOf(base),
    ownerId: owner.id,
    storage: 'secrets-manager',
    secretId: `keysteward/test-${counter}-${Math.random().toString(36).slice(2, 8)}`,
    lastFour: null,
    scope: 'Embeddings only',
    flags: [],
    tags: [],
    createdOn: null,
    expiresAt: null,
    issuer: 'self-made',
    recipe: { length: 40, exclude: '', punctuation: false },
    risk: 'medium',
    riskSet: null,
    status: 'active',
    currentVersion: null,
    providerKeyId: null,
    lastRotatedAt: null,
    nextRotationAt: new Date(Date.now() + 30 * 86_400_000),
    plannedAt: null,
    snooze: null,
    pause: null,
    overdue: null,
    blocked: null,
    addedBy: owner.id,
    addedAt: new Date(),
    ...base,
  };
}

/** A team of these people. */
export function aTeam(members: Pick<Person, 'slackId'>[], facts: Partial<Team> = {}): Team {
  counter++;
  return {
    id: newId('team'),
    slackId: `S${String(counter).padStart(4, '0')}${Math.random().toString(36).slice(2, 7).toUpperCase()}`,
    name: `Team ${counter}`,
    handle: `team-${counter}`,
    members: members.map((each) => each.slackId),
    closedAt: null,
    ...facts,
  };
}

/** Puts people, teams and keys into the store as they are. */
export async function given(
  store: Store,
  { people = [], teams = [], keys = [] }: { people?: Person[]; teams?: Team[]; keys?: ApiKey[] },
): Promise<void> {
  await store.change({ actor: { kind: 'operator', id: 'test' }, action: 'test.given', subject: 'test' }, async (tx) => {
    for (const person of people) await tx.people.save(person);
    for (const team of teams) await tx.teams.save(team);
    for (const key of keys) await tx.keys.save(key);
  });
}
