import { whyNotTouch } from '../../inventory/may-model.ts';
import type { ApiKey } from '../../inventory/model.ts';
import { snoozedNow } from '../../inventory/model.ts';
import { failpoint, type Id, Refusal, refuseIf, sha256 } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Ports, View } from '../../ports.ts';
import type { Rotation } from '../model.ts';
import { insideOf, lookOutside } from '../preflight.ts';
import { missingOutside, whyNotGo } from '../preflight-model.ts';
import { opened } from '../start.ts';
import { type DrillFacts, restsSince, whyNotDrill } from './model.ts';

type DrillPorts = Pick<Ports, 'store' | 'issuers' | 'policy' | 'secrets'>;

async function factsOf(view: View, { issuers }: Pick<Ports, 'issuers'>, key: ApiKey): Promise<DrillFacts> {
  const { running, previous } = await insideOf(view, { issuers }, key);
  const leaked = (await view.incidents.openOfKey(key.id)) !== null;
  return { key, running, previous, leaked, issuer: issuers.of(key.issuer) };
}

/** An administrator wants to see how fast this key would be replaced if it had leaked. */
export async function startDrill(ports: DrillPorts, asker: Pick<Person, 'id'>, keyId: Id<'key'>): Promise<Rotation> {
  const actor = { kind: 'person', id: asker.id } as const;
  const may = await ports.store.read(async (view) => {
    const key = await view.keys.find(keyId);
    const person = await view.people.find(asker.id);
    return key && person && !whyNotTouch(person, 'rotation.drill', key) ? key : null;
  });
  const missing = may && (await whyNotReady(ports, may));
  return ports.store.change({ actor, action: 'rotation.drill', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(asker.id), 'rotation.drill', key));
    refuseIf(whyNotDrill(await factsOf(tx, ports, key), ports.policy, tx.now) ?? missing);
    return opened(tx, ports, key, null, {
      cause: 'drill',
      causeId: null,
      askedBy: asker.id,
      reason: null,
      emergency: true,
    });
  });
}

/** What is missing outside, so that a drill would only show what is known already. */
async function whyNotReady(ports: DrillPorts, key: ApiKey): Promise<Refusal | null> {
  const outside = await lookOutside(ports, key);
  const issuer = ports.issuers.of(key.issuer);
  return whyNotGo(missingOutside({ key, issuer, previous: null, roomComes: false }, outside), false);
}

/**
 * Takes one key by surprise: the job `rotation.drill`, whose id is the occasion. Which key is by chance and yet the same
 * whenever the job is tried again, and the database allows one drill per occasion. Answers it, or null.
 */
export async function drillByChance(ports: DrillPorts, occasion: string): Promise<Rotation | null> {
  const { store, policy } = ports;
  // Its schedule may outlive the policy that had made it.
  if (policy.rotation.drill.cron === null) return null;
  const had = () => store.read(async (view) => (await view.rotations.ofCause(occasion))[0] ?? null);
  const already = await had();
  if (already) return already;
  const tried: Id<'key'>[] = [];
  for (const key of await inChanceOrder(await fitting(ports), occasion)) {
    const drill = await attempt(ports, key, occasion);
    if (drill) return drill;
    const other = await had();
    if (other) return other;
    tried.push(key.id);
  }
  const actor = { kind: 'job', id: 'rotation.drill' } as const;
  await store.change({ actor, action: 'rotation.drill', subject: occasion }, async (tx) => {
    tx.note({ drill: false, tried });
    await tx.cards.show('rotation.drill-missed', occasion, { channel: policy.channels.security });
  });
  return null;
}

async function attempt(ports: DrillPorts, { id: keyId }: ApiKey, occasion: string): Promise<Rotation | null> {
  const actor = { kind: 'job', id: 'rotation.drill' } as const;
  try {
    const missing = await whyNotReady(ports, await ports.store.read((view) => view.keys.get(keyId)));
    if (missing) return null;
    failpoint('rotation.drill:before');
    const drill = await ports.store.change({ actor, action: 'rotation.drill', subject: keyId, keyId }, async (tx) => {
      const key = await tx.keys.get(keyId);
      refuseIf(whyNotDrill(await factsOf(tx, ports, key), ports.policy, tx.now));
      return opened(tx, ports, key, null, {
        cause: 'drill',
        causeId: occasion,
        askedBy: null,
        reason: null,
        emergency: true,
      });
    });
    failpoint('rotation.drill:after');
    return drill;
  } catch (error) {
    // The key has changed meanwhile, or this occasion has had its drill.
    if (error instanceof Refusal) return null;
    throw error;
  }
}

/** Keys that a drill may take by surprise now: also not snoozed, and in no drill lately. */
async function fitting(ports: DrillPorts): Promise<ApiKey[]> {
  const { store, policy } = ports;
  const found: ApiKey[] = [];
  let next: string | null = null;
  do {
    const from: string | null = next;
    const page = await store.read(async (view) => {
      const keys = await view.keys.list({ risk: 'low' }, 200, from);
      const rest = new Set((await view.rotations.drills(restsSince(policy, view.now), 1000)).map((each) => each.keyId));
      const fits: ApiKey[] = [];
      for (const key of keys.rows) {
        if (rest.has(key.id) || snoozedNow(key, view.now)) continue;
        if (!whyNotDrill(await factsOf(view, ports, key), policy, view.now)) fits.push(key);
      }
      return { fits, next: keys.next };
    });
    found.push(...page.fits);
    next = page.next;
  } while (next);
  return found;
}

async function inChanceOrder(keys: ApiKey[], occasion: string): Promise<ApiKey[]> {
  const drawn = await Promise.all(
    keys.map(async (key) => ({ key, lot: await sha256(`drill/v1:${occasion}:${key.id}`) })),
  );
  return drawn.sort((one, other) => (one.lot < other.lot ? -1 : 1)).map(({ key }) => key);
}
