import { type Id, Refusal, refuseIf } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import { asSpelled, whyNotIssuer } from './add.ts';
import { type FoundSecret, findSecret, recorded } from './find-secret.ts';
import { whyNotTouch } from './may-model.ts';
import {
  type ApiKey,
  editionOf,
  type KeyEntry,
  nameOf,
  notLater,
  reassessed,
  whyNotFacts,
  whyNotSoften,
} from './model.ts';
import { seenVersion } from './version-model.ts';

type ChangePorts = Pick<Ports, 'store' | 'secrets' | 'fingerprints' | 'issuers' | 'policy'>;

export interface Edit {
  keyId: Id<'key'>;
  /** What the editor saw (`editionOf`). */
  edition: string;
  reason: string;
}

/** The owner or an administrator corrects what the inventory says of a key, or moves it into Secrets Manager (SOP 3). */
export async function changeKey(
  ports: ChangePorts,
  changerId: Id<'person'>,
  { keyId, edition, reason }: Edit,
  entryFrom: (before: ApiKey) => KeyEntry,
): Promise<ApiKey> {
  const actor = { kind: 'person', id: changerId } as const;
  const change = { actor, action: 'inventory.change', subject: keyId, keyId };
  const found = await recorded(ports.store, change, async () => {
    const { before, changer } = await ports.store.read(async (view) => ({
      before: await view.keys.get(keyId),
      changer: await view.people.get(changerId),
    }));
    refuseIf(whyNotTouch(changer, 'inventory.change', before));
    refuseIf(whyNotEdit(before, edition));
    const entry = entryFrom(before);
    if (entry.storage !== 'secrets-manager' || !entry.secretId) return null;
    const looks = entry.secretId !== before.secretId || entry.lastFour !== before.lastFour;
    if (!looks && entry.issuer === before.issuer && entry.lastRotatedAt === before.lastRotatedAt) return null;
    const same = entry.secretId === before.secretId;
    // A secret that is in the inventory already needs no proof again.
    const finder = same && entry.lastFour === before.lastFour ? { tier: 'administrator' as const } : changer;
    const secret = await findSecret(ports, finder, {
      secretId: entry.secretId,
      lastFour: entry.lastFour === before.lastFour && same ? null : entry.lastFour,
    });
    refuseIf(whyNotIssuer(ports, entry.issuer, secret));
    return secret;
  });
  return ports.store.change(change, async (tx) => {
    const before = await tx.keys.get(keyId);
    const changer = await tx.people.get(changerId);
    refuseIf(whyNotTouch(changer, 'inventory.change', before));
    refuseIf(whyNotEdit(before, edition));
    const entry = entryFrom(before);
    refuseIf(whyNotFacts(entry, before, tx.now));
    const after = changed(before, { ...notLater(entry, tx.now), service: await asSpelled(tx, entry.service) }, found);
    refuseIf(whyNotSoften(before, after, changer, reason));
    await refuseMoveInUse(tx, before, after);
    const key = reassessed(before, after, ports.policy, tx.now);
    await tx.keys.save(key);
    if (found) await tx.versions.save(seenVersion(keyId, { ...found, version: found.versionId }, true, tx.now));
    await followMove(tx, before, key);
    await tx.cards.touch(key.id);
    await tx.cards.touch(key.ownerId);
    tx.note({ reason: reason.trim() || null, ...difference(before, key) });
    return key;
  });
}

export function whyNotEdit(key: ApiKey, edition: string): Refusal | null {
  if (key.status !== 'active') return new Refusal('conflict', `${key.name} is retired.`);
  if (editionOf(key) === edition) return null;
  return new Refusal('conflict', 'This key has changed since you opened the form. Close it and open it again.');
}

/** The key with its new facts. Who owns it, and what an administrator has said of its risk, is not among them. */
function changed(before: ApiKey, entry: KeyEntry, found: FoundSecret | null): ApiKey {
  const moved = entry.storage !== before.storage || (found !== null && found.secretId !== before.secretId);
  const after: ApiKey = {
    ...before,
    ...entry,
    ownerId: before.ownerId,
    name: nameOf(entry),
    currentVersion: moved ? null : before.currentVersion,
    ...(found
      ? { secretId: found.secretId, currentVersion: found.versionId, lastFour: found.lastFour ?? entry.lastFour }
      : {}),
  };
  // A provider's name for a value is that value's.
  if (after.currentVersion !== before.currentVersion || after.issuer !== before.issuer) after.providerKeyId = null;
  const set = before.riskSet;
  const worse = after.environment !== before.environment || after.flags.some((flag) => !before.flags.includes(flag));
  // What an administrator judged harmless was another key than this one.
  return set && worse && set.risk !== 'high' ? { ...after, riskSet: null } : after;
}

/** A secret's policy says who may read it; moving the key while it does would leave those people in. */
async function refuseMoveInUse(tx: Tx, before: ApiKey, after: ApiKey): Promise<void> {
  if (after.secretId === before.secretId && after.issuer === before.issuer) return;
  if (await tx.rotations.runningOf(before.id)) {
    throw new Refusal('conflict', 'A rotation of this key is running. Change this when it has ended.');
  }
  if (after.secretId === before.secretId || before.secretId === null) return;
  const live = await tx.grants.countLive(before.id);
  if (live === 0) return;
  const people = live === 1 ? '1 person has' : `${live} people have`;
  throw new Refusal('conflict', `${people} access to the secret where it is now. End that first.`, 'secretId');
}

/** What was granted on paper opens once the value is where it can be opened. */
async function followMove(tx: Tx, before: ApiKey, after: ApiKey): Promise<void> {
  if (before.secretId !== null || after.secretId === null) return;
  const holders = new Set((await tx.grants.liveOfKey(after.id)).map((each) => each.personId));
  for (const personId of holders) await tx.jobs.add('access.follow-principal', { personId });
}

/** What changed, from and to, for the log. */
function difference(before: ApiKey, after: ApiKey): Record<string, unknown> {
  const from: Record<string, unknown> = {};
  const to: Record<string, unknown> = {};
  for (const name of Object.keys(after) as (keyof ApiKey)[]) {
    if (JSON.stringify(before[name]) === JSON.stringify(after[name])) continue;
    from[name] = before[name];
    to[name] = after[name];
  }
  return { from, to };
}
