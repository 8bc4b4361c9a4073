import { whyNotTouch } from '../inventory/may-model.ts';
import type { ApiKey } from '../inventory/model.ts';
import { type Id, isId, Later, minute, Refusal, refuseIf } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { Ports, Tx, View } from '../ports.ts';
import type { CampaignCause } from './campaigns/model.ts';
import { inherited } from './issued-model.ts';
import { follow } from './journal.ts';
import { isReal, type Rotation, whyNotByItself, whyNotIssue, whyNotRotate, whyNotSoonAgain } from './model.ts';
import { type Beginning, started, superseded } from './moves-model.ts';
import { block, lookOutside, missingFor, roomComesFor } from './preflight.ts';
import { missingOutside, type Outside, whyNotGo } from './preflight-model.ts';
import { holdInWords, waiting, waitsFor, whyNotHeld } from './timing/windows-model.ts';

type StartPorts = Pick<Ports, 'store' | 'issuers' | 'policy'>;

export interface RotateAsk {
  keyId: Id<'key'>;
  reason: string | null;
  /** The value may be known to others: no grace, ahead of everything, takes over whatever runs. */
  emergency: boolean;
  /** Another cause than that somebody asked; for administrators. */
  cause?: CampaignCause;
}

/** Somebody wants a new value for a key. What happens follows in jobs and shows on the rotation's card. */
export async function startRotation(
  ports: StartPorts & Pick<Ports, 'secrets'>,
  asker: Pick<Person, 'id'>,
  ask: RotateAsk,
): Promise<Rotation> {
  const actor = { kind: 'person', id: asker.id } as const;
  const outside = await lookedBefore(ports, asker, ask);
  return ports.store.change({ actor, action: 'rotation.start', subject: ask.keyId, keyId: ask.keyId }, async (tx) => {
    const key = await tx.keys.get(ask.keyId);
    const person = await tx.people.get(asker.id);
    const { cause = 'asked' } = ask;
    refuseIf(whyNotTouch(person, 'rotation.start', key));
    if (cause !== 'asked') refuseIf(whyNot(person, 'rotation.start-for-cause'));
    const running = await tx.rotations.runningOf(key.id);
    if (running && isReal(running)) {
      throw new Refusal('conflict', 'An emergency rotation of this key is already running, ahead of everything else.');
    }
    if (!ask.emergency) refuseIf(whyNotHeld(key, ports.policy, tx.now));
    const why: Beginning = {
      cause,
      causeId: null,
      askedBy: asker.id,
      reason: ask.reason,
      emergency: ask.emergency,
    };
    const rotation = await opened(tx, ports, key, running, why);
    if (outside) {
      const [, previous] = await tx.rotations.ofKey(key.id, 2);
      const roomComes = await roomComesFor(tx, ports.issuers, key);
      const inside = { key, issuer: ports.issuers.of(key.issuer), previous: previous ?? null, roomComes };
      refuseIf(whyNotGo(missingOutside(inside, outside), false));
    }
    return rotation;
  });
}

/** What is outside, looked at before the change. In an emergency nobody waits for that, and for who may not nobody looks. */
async function lookedBefore(
  ports: StartPorts & Pick<Ports, 'secrets'>,
  asker: Pick<Person, 'id'>,
  ask: RotateAsk,
): Promise<Outside | null> {
  if (ask.emergency) return null;
  const { key, person } = await ports.store.read(async (view) => ({
    key: await view.keys.find(ask.keyId),
    person: await view.people.find(asker.id),
  }));
  if (!key || !person || whyNotTouch(person, 'rotation.start', key)) return null;
  return lookOutside(ports, key);
}

interface CauseAsk {
  keyId: Id<'key'>;
  cause: 'incident' | 'leaver' | 'expiry';
  causeId: string;
  emergency: boolean;
}

/** So long until it is looked again whether what was missing is there. */
const lookAgainMs = 2 * minute;

/**
 * Another area needs this key replaced: the job `rotation.start`. One rotation per key and cause, however often it is
 * asked. What is no emergency waits until the key is free and nothing is missing, and people are told of what is; an
 * emergency takes over at once.
 */
export async function startForCause(ports: StartPorts & Pick<Ports, 'secrets'>, ask: CauseAsk): Promise<void> {
  const {
    key: seen,
    over,
    now,
  } = await ports.store.read(async (view) => ({
    key: await view.keys.get(ask.keyId),
    over: await isOver(view, ask),
    now: view.now,
  }));
  if (over) return seen.blocked?.causeId === ask.causeId ? unblock(ports, ask) : undefined;
  const refused =
    whyNotRotate(seen, null, true, ports.policy, now) ??
    whyNotIssue(seen, ports.issuers.of(seen.issuer), ports.policy) ??
    (ask.emergency ? null : whyNotByItself(seen, ports.policy));
  const able = !refused;
  const missing = able && !ask.emergency ? await missingFor(ports, seen) : [];
  if (missing.length > 0) {
    await block(ports, startActor, seen, { missing, causeId: ask.causeId });
    throw new Later('something is missing outside', lookAgainMs);
  }
  const actor = startActor;
  await ports.store.change({ actor, action: 'rotation.start', subject: ask.keyId, keyId: ask.keyId }, async (tx) => {
    const locked = await tx.keys.get(ask.keyId);
    tx.note({ cause: ask.cause, causeId: ask.causeId, emergency: ask.emergency });
    if ((await tx.rotations.ofCause(ask.causeId)).some((each) => each.keyId === ask.keyId)) return;
    const key = { ...locked, blocked: null };
    if (locked.blocked) await tx.keys.save(key);
    const running = await tx.rotations.runningOf(key.id);
    const forGood = whyNotRotate(key, running, true, ports.policy, tx.now);
    const [previous = null] = await tx.rotations.ofKey(key.id, 1);
    const notYet =
      whyNotRotate(key, running, false, ports.policy, tx.now) ?? whyNotSoonAgain(previous, ports.policy, tx.now);
    if (!ask.emergency && !forGood && notYet) {
      throw new Later('another rotation of this key is running or has just ended', 30_000);
    }
    await opened(tx, ports, key, running, {
      cause: ask.cause,
      causeId: ask.causeId,
      askedBy: null,
      reason: null,
      emergency: ask.emergency,
    });
  });
}

const startActor = { kind: 'job', id: 'rotation.start' } as const;

/** Whether nobody needs it any more: it was started for this cause, or by the time that it could be nobody asks for it. */
async function isOver(view: View, { keyId, cause, causeId }: CauseAsk): Promise<boolean> {
  if ((await view.rotations.ofCause(causeId)).some((each) => each.keyId === keyId)) return true;
  if (cause !== 'leaver' || !isId('case', causeId)) return false;
  const leaving = await view.cases.find(causeId);
  if (!leaving?.startedAt) return false;
  const since = leaving.startedAt;
  const replaced = (await view.rotations.ofKey(keyId, 50)).some(
    (each) => each.status === 'done' && each.startedAt >= since,
  );
  return replaced || leaving.status !== 'open' || leaving.ticks.some(({ line }) => line === `rotate:${keyId}`);
}

/** What was missing keeps nothing up any more. */
function unblock({ store }: Pick<Ports, 'store'>, { keyId, causeId }: CauseAsk): Promise<void> {
  return store.change({ actor: startActor, action: 'rotation.unblock', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    if (key.blocked?.causeId !== causeId) return;
    await tx.keys.save({ ...key, blocked: null });
    tx.note({ causeId });
    await tx.cards.touch(keyId);
  });
}

/** The rotation, in the transaction of whoever starts it. The key must be locked. */
export async function opened(
  tx: Tx,
  ports: StartPorts,
  key: ApiKey,
  running: Rotation | null,
  why: Beginning,
): Promise<Rotation> {
  refuseIf(whyNotRotate(key, running, why.emergency, ports.policy, tx.now));
  refuseIf(whyNotIssue(key, ports.issuers.of(key.issuer), ports.policy));
  if (!why.emergency && !why.askedBy) refuseIf(whyNotByItself(key, ports.policy));
  const over = running ? await tx.rotations.get(running.id) : null;
  const [previous] = await tx.rotations.ofKey(key.id, 1);
  if (!why.emergency) refuseIf(whyNotSoonAgain(previous ?? null, ports.policy, tx.now));
  const fresh = started(tx.newId('rotation'), key, why, over, ports.policy, tx.now);
  const ready = inherited(fresh, previous ?? null);
  const opening = waitsFor(ready, key, ports.policy, tx.now);
  const rotation = opening ? waiting(ready, opening, tx.now) : ready;
  if (over) {
    await tx.rotations.save(superseded(over, rotation.id, tx.now));
    tx.record('rotation.supersede', over.id, { by: rotation.id, step: over.step, cleanup: rotation.cleanup });
    await tx.cards.touch(over.id);
    if (over.causeId) await tx.cards.touch(over.causeId);
  }
  await tx.rotations.save(rotation);
  // Its buttons mean nothing any more.
  if (previous) await tx.cards.touch(previous.id);
  await tx.cards.touch(key.ownerId);
  tx.note({
    rotationId: rotation.id,
    cause: why.cause,
    causeId: why.causeId,
    emergency: why.emergency,
    reason: why.reason,
    ...(opening ? { waitsUntil: opening.at, waitsFor: opening.holds.map(holdInWords) } : {}),
  });
  await show(tx, ports, rotation, key);
  await follow(tx, ports, rotation, key);
  return rotation;
}

/** Who has to see each step. Of a campaign there is one card for all of its keys. */
async function show(tx: Tx, { policy }: Pick<Ports, 'policy'>, rotation: Rotation, key: ApiKey): Promise<void> {
  const { id, causeId, askedBy, emergency } = rotation;
  if (isId('campaign', causeId)) return;
  const owner = await tx.people.find(key.ownerId);
  if (owner?.status === 'active') await tx.cards.show('rotation', id, { person: owner.id });
  if (askedBy && askedBy !== owner?.id) await tx.cards.show('rotation', id, { person: askedBy });
  if (emergency || owner?.status !== 'active') {
    await tx.cards.show('rotation', id, { channel: policy.channels.security });
  }
}
