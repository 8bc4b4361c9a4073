import type { Consumer } from '../inventory/consumer-model.ts';
import { whyNotTouch } from '../inventory/may-model.ts';
import type { ApiKey } from '../inventory/model.ts';
import { isCurrentOf, seenVersion, type Version } from '../inventory/version-model.ts';
import { after, failpoint, type Id, type Instant, Later, minute, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { KeyPage, Ports, Tx, View } from '../ports.ts';
import type { Rotation } from '../rotation/model.ts';
import { type Alike, allDrift, driftOf } from './drift-model.ts';
import { remindOfLeft } from './left.ts';
import { lookAt } from './look.ts';
import { type FindingKind, found, gone, isCompared, kindsOf, seenAgain, type Verdicts } from './model.ts';
import { hasOurs } from './readers-model.ts';

type CheckPorts = Pick<Ports, 'store' | 'secrets' | 'fingerprints' | 'issuers' | 'pace' | 'policy'>;

/** So far apart are the checks of one key and the next, so that nothing else has to wait for them. */
const apartMs = 250;
/** Whom the policies of so many keys let in is told of for these; for all others it is in the lists. A company has such rules. */
const mostAlike = 5;
/** A rotation that has ended so lately may not be seen everywhere yet. */
const settlingMs = 5 * minute;

/** Every active key is compared with the store and its provider, each in a job of its own. Job `reviews.check-drift`. */
export async function checkAllForDrift({ store }: Pick<Ports, 'store'>): Promise<void> {
  const actor = { kind: 'job', id: 'reviews.check-drift' } as const;
  let next: string | null = null;
  let count = 0;
  do {
    const from: string | null = next;
    const page: KeyPage = await store.read((view) => view.keys.list({}, 200, from));
    const compared = page.rows.filter(isCompared);
    await store.change({ actor, action: 'reviews.check-drift', subject: 'keys' }, async (tx) => {
      tx.note({ keys: compared.length, upTo: page.rows.at(-1)?.id ?? null });
      for (const { id: keyId } of compared) {
        await tx.jobs.add('reviews.check-key', { keyId }, { once: keyId, at: after(tx.now, count++ * apartMs) });
      }
    });
    next = page.next;
  } while (next);
}

/** Somebody wants to see at once whether it is in order again. */
export function askForCheck(
  { store }: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  keyId: Id<'key'>,
): Promise<void> {
  const actor = { kind: 'person', id: asker.id } as const;
  return store.change({ actor, action: 'reviews.check', subject: keyId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(asker.id), 'reviews.check', key));
    await tx.jobs.add('reviews.check-key', { keyId }, { once: keyId, lane: 'normal' });
  });
}

/** What the comparison is about; when it has changed since, nothing that was seen outside counts. */
interface Inside {
  key: ApiKey;
  running: Rotation | null;
  past: Rotation[];
  now: Instant;
}
async function insideOf(view: View, keyId: Id<'key'>): Promise<Inside> {
  const key = await view.keys.get(keyId);
  return {
    key,
    running: await view.rotations.runningOf(keyId),
    past: await view.rotations.ofKey(keyId, 50),
    now: view.now,
  };
}
const editionOf = ({ key, running, past }: Inside) =>
  JSON.stringify([
    key.status,
    key.secretId,
    key.currentVersion,
    key.providerKeyId,
    key.lastFour,
    key.issuer,
    running?.id,
    past[0]?.id,
    past[0]?.fence,
  ]);

/**
 * Compares one key. What is wrong becomes a finding, once; a finding that is gone closes by itself; whoever did not answer
 * changes neither. Job `reviews.check-key`.
 */
export async function checkKey(ports: CheckPorts, { keyId }: { keyId: Id<'key'> }): Promise<void> {
  const seen = await ports.store.read(async (view) => ({
    inside: await insideOf(view, keyId),
    open: await view.findings.openOfKey(keyId),
    granted: (await view.grants.countLive(keyId)) > 0,
    consumers: await view.consumers.ofKey(keyId),
  }));
  const { inside } = seen;
  const { key, running, past, now } = inside;
  const left = seen.open.find((each) => each.kind === 'left-at-service');
  if (left) await remindOfLeft(ports, left, now);
  const endedAt = past[0]?.endedAt;
  if (running) return;
  const settlesIn = endedAt ? settlingMs - (now.getTime() - endedAt.getTime()) : 0;
  if (settlesIn > 0) throw new Later('its last rotation has just ended', settlesIn);
  const { verdicts, learned, ours } = isCompared(key)
    ? await compare(ports, { ...inside, key }, seen.consumers)
    : { verdicts: allDrift('in order'), learned: null, ours: false };
  const stray = ours && !seen.granted;
  const news = kindsOf('drift').some((kind) => typeof verdicts[kind] === 'object');
  const open = seen.open.filter((each) => kindsOf('drift').includes(each.kind));
  if (!news && open.length === 0 && !stray && !learned) return;
  const actor = { kind: 'job', id: 'reviews.check-key' } as const;
  failpoint('reviews.check-key:looked');
  await ports.store.change({ actor, action: 'reviews.check-drift', subject: keyId, keyId }, async (tx) => {
    const again = await insideOf(tx, keyId);
    if (editionOf(again) !== editionOf(inside)) return tx.note({ changedMeanwhile: true });
    // Without any access there should be nothing of ours in the policy; the area that writes it sees to that.
    if (stray) await tx.jobs.add('access.apply', { keyId }, { once: keyId });
    if (learned) await tx.versions.save(learned);
    if (learned) tx.note({ learned: learned.version });
    await conclude(tx, ports, again.key, verdicts);
  });
}

/** What differs; the current value, where its fingerprint was not known yet; and whether its policy still says something of ours. */
async function compare(
  ports: CheckPorts,
  { key, past, now }: Inside & { key: ApiKey & { secretId: string } },
  consumers: Consumer[],
): Promise<{ verdicts: Verdicts; learned: Version | null; ours: boolean }> {
  const rotatesItself = ports.issuers.of(key.issuer)?.can.rotatesItself === true;
  const outside = await lookAt(ports, key);
  const { current } = outside;
  const fingerprint = current === 'unknown' ? null : current.fingerprint;
  const alike = fingerprint ? await valuesLike(ports, key.id, fingerprint) : { own: [], keys: [] };
  const verdicts = driftOf(key, past, rotatesItself, outside, alike, consumers, ports.policy, now);
  const isNew = current !== 'unknown' && fingerprint && !alike.own.some((each) => each.version === current.version);
  const ours = outside.policy !== 'unknown' && hasOurs(outside.policy.text);
  return { verdicts, learned: isNew ? seenVersion(key.id, current, true, now) : null, ours };
}

function valuesLike({ store }: Pick<Ports, 'store'>, keyId: Id<'key'>, fingerprint: string): Promise<Alike> {
  return store.read(async (view) => {
    const alike = await view.versions.withFingerprint(fingerprint);
    const own = alike.filter((each) => each.keyId === keyId);
    const others = await view.keys.many(alike.flatMap((each) => (each.keyId === keyId ? [] : [each.keyId])));
    return { own, keys: others.filter((each) => each.status === 'active' && isCurrentOf(each, alike)) };
  });
}

/** Opens, keeps and closes findings. The key must be locked. */
async function conclude(tx: Tx, { policy }: Pick<Ports, 'policy'>, key: ApiKey, verdicts: Verdicts): Promise<void> {
  const open = await tx.findings.openOfKey(key.id);
  const did: Record<'found' | 'still' | 'gone', FindingKind[]> = { found: [], still: [], gone: [] };
  let isNews = false;
  for (const kind of kindsOf('drift')) {
    const verdict = verdicts[kind] ?? 'unknown';
    const before = open.find((each) => each.kind === kind);
    if (verdict === 'unknown' || (verdict === 'in order' && !before)) continue;
    if (verdict === 'in order') {
      await tx.findings.save(gone(before!, tx.now));
      tx.record('reviews.close', before!.id, { kind, repairedBy: before!.repair?.by ?? null }, key.id);
      did.gone.push(kind);
    } else if (before) {
      await tx.findings.save(seenAgain(before, verdict, tx.now));
      did.still.push(kind);
    } else {
      const finding = found(tx.newId('finding'), key.id, kind, verdict, tx.now);
      await tx.findings.save(finding);
      tx.record('reviews.find', finding.id, { kind, sentence: finding.sentence }, key.id);
      did.found.push(kind);
      isNews ||= kind !== 'strangers-let-in' || (await tx.findings.countAlike(finding)) < mostAlike;
    }
  }
  tx.note(did);
  if (isNews) {
    const owner = await tx.people.find(key.ownerId);
    // Something new: an edited card would wake nobody.
    if (owner?.status === 'active') {
      await tx.cards.show('reviews.findings', key.id, { person: owner.id }, { anew: true });
    }
    await tx.cards.show('reviews.findings', key.id, { channel: policy.channels.security }, { anew: true });
  }
  await tx.cards.touch(key.id);
}
