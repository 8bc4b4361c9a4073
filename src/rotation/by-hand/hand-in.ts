import type { ApiKey } from '../../inventory/model.ts';
import { handedOutBefore, isCurrentOf, notNew } from '../../inventory/version-model.ts';
import { after, failpoint, type Id, Refusal, refuseIf, type Secret, sha256 } from '../../kernel.ts';
import type { Person } from '../../people/model.ts';
import type { Issuer, Ports } from '../../ports.ts';
import type { PermissionReview } from '../../reviews/permissions-model.ts';
import { follow, tokenOf } from '../journal.ts';
import type { Rotation } from '../model.ts';
import { isOwn } from '../own-model.ts';
import { closedLink, type HandIn, tried, whyNotSession, wrong } from './hand-in-model.ts';
import { lookingAgain, settledByHand } from './model.ts';
import { type AboutLink, aboutLink, whoMayHandIn } from './sign-in.ts';

type HandInPorts = Pick<Ports, 'store' | 'secrets' | 'fingerprints' | 'issuers' | 'leases' | 'policy'>;

/** Longer than all outside calls of one hand-in may take: then the rotation looks by itself whether something was stored. */
const underWayMs = 90_000;

export interface HandInForm {
  link: HandIn;
  rotation: Rotation;
  key: ApiKey;
  person: Person;
}

export interface ShownForm extends HandInForm {
  /** What somebody said of what the key needs. */
  review: PermissionReview | null;
}

/** What the page shows to who has signed in in this browser; after it was used, that it was. Changes nothing. @throws Refusal */
export async function formOf(
  ports: Pick<Ports, 'store'>,
  id: Id<'handIn'>,
  session: string,
): Promise<ShownForm | 'used'> {
  const sessionHash = await sha256(session);
  const about = await aboutLink(ports, id);
  return ports.store.read(async (view) => {
    const link = await view.handIns.get(id);
    refuseIf(whyNotSession(link, sessionHash));
    if (link.status === 'used') return 'used';
    const form = await whoMayHandIn(view, about);
    return { ...form, review: await view.permissionReviews.find(form.key.id) };
  });
}

/**
 * Somebody hands in the new value of a key. It is tested, stored under AWSPENDING with the token of the attempt, and
 * then forgotten; the rotation goes on by itself. A value that cannot be it is stored nowhere, and can be corrected while
 * the link lives. Who dies between the two is found by the token, or has stored nothing and can hand in again.
 * @throws Refusal with what is wrong, in words that hold nothing of the value
 */
export async function handIn(ports: HandInPorts, id: Id<'handIn'>, session: string, value: Secret): Promise<void> {
  const about = await aboutLink(ports, id);
  const release = await ports.leases.take(`hand-in-${about.rotationId}`, underWayMs);
  if (!release)
    throw new Refusal(
      'conflict',
      'A value is being looked at right now. See what the card in Slack says, and try again in two minutes if it still asks.',
    );
  try {
    const form = await arrived(ports, about, session);
    const issuer = ports.issuers.of(form.key.issuer);
    if (!issuer) throw new Error(`nobody knows how ${form.key.issuer} makes values`);
    const token = await tokenOf(form.rotation.id, form.rotation.attempt);
    if (await isStored(ports, form.key, token)) {
      await stored(ports, about);
      throw new Refusal(
        'conflict',
        'An earlier try had stored a value already, and the rotation goes on with that one. What you handed in now was not kept.',
      );
    }
    const problem = await whatIsWrong(ports, form, issuer, value);
    if (problem) return await refusedValue(ports, about, problem);
    // Testing took its time: whoever lost the right to do this meanwhile has lost it.
    await ports.store.read((view) => whoMayHandIn(view, about));
    failpoint('rotation.hand-in:before');
    await ports.secrets.stage(form.key.secretId!, token, value);
    failpoint('rotation.hand-in:after');
    await stored(ports, about);
  } finally {
    await release();
  }
}

/** Found by the token of the attempt, whoever stored it and died. */
async function isStored({ secrets }: Pick<HandInPorts, 'secrets'>, key: ApiKey, token: string): Promise<boolean> {
  const found = await secrets.describe(key.secretId!);
  return found?.versions.some(({ id }) => id === token) ?? false;
}

const changeBy = (about: AboutLink, action: string) => ({
  actor: { kind: 'person', id: about.personId } as const,
  action,
  subject: about.rotationId,
  keyId: about.keyId,
});

/** The intent: should this process die, a job looks whether the value is in the store. */
async function arrived(ports: HandInPorts, about: AboutLink, session: string): Promise<HandInForm> {
  const sessionHash = await sha256(session);
  return ports.store.change(changeBy(about, 'rotation.receive'), async (tx) => {
    const form = await whoMayHandIn(tx, about);
    refuseIf(whyNotSession(form.link, sessionHash));
    const link = tried(form.link);
    await tx.handIns.save(link);
    const rotation = lookingAgain(form.rotation, after(tx.now, underWayMs), tx.now);
    await tx.rotations.save(rotation);
    await follow(tx, ports, rotation, form.key);
    tx.note({ linkId: link.id, tries: link.tries });
    return { ...form, link, rotation };
  });
}

/** What is wrong with the value, in words that hold nothing of it, or null. */
async function whatIsWrong(
  ports: HandInPorts,
  { key, rotation }: HandInForm,
  issuer: Issuer,
  value: Secret,
): Promise<string | null> {
  const { secrets, issuers, policy } = ports;
  const places = [
    { stage: 'AWSCURRENT' },
    { stage: 'AWSPREVIOUS' },
    ...rotation.tried.map((versionId) => ({ versionId })),
  ];
  const known = await Promise.all(places.map((each) => secrets.read(key.secretId!, each)));
  const implausible = issuers.whyImplausible(
    value,
    known.flatMap((each) => (each ? [each.value] : [])),
  );
  const elsewhere = implausible ?? (await whyNotFresh(ports, key, value));
  if (elsewhere) return elsewhere;
  const { verdict, evidence } = await issuer.test(key, value, async () => known[0]?.value ?? null);
  if (verdict === 'refused') return `The value does not work: ${evidence}. Nothing was stored.`;
  if (verdict === 'unclear') return laterInWords(evidence);
  if (!isOwn(key, policy)) return null;
  const tried = await issuers.tryAsCredential(key, value);
  if (tried.verdict === 'refused')
    return `Keysteward itself works with this key, and cannot with this value: ${tried.evidence}. Nothing was stored.`;
  return tried.verdict === 'unclear' ? laterInWords(tried.evidence) : null;
}

const laterInWords = (evidence: string) => `Nothing was stored: ${evidence}. Hand it in again in a minute.`;

/** A value is recognised by its fingerprint: one that this key had long ago, or that another key has now. */
async function whyNotFresh(
  { store, fingerprints }: Pick<HandInPorts, 'store' | 'fingerprints'>,
  key: ApiKey,
  value: Secret,
): Promise<string | null> {
  const fingerprint = await fingerprints.of(value);
  if (!fingerprint) return null;
  return store.read(async (view) => {
    const alike = await view.versions.withFingerprint(fingerprint);
    const own = alike.filter((each) => each.keyId === key.id);
    const before = handedOutBefore(own, fingerprint, null);
    if (before) return `${notNew(before)}. Make another one at ${key.service}, and hand that in.`;
    const others = await view.keys.many(alike.flatMap((each) => (each.keyId === key.id ? [] : [each.keyId])));
    const other = others.find((each) => each.status === 'active' && isCurrentOf(each, alike));
    return other
      ? `This is the value of another key, ${other.name}. Each key has a value of its own: make a new one at ${key.service}.`
      : null;
  });
}

async function refusedValue(ports: HandInPorts, about: AboutLink, problem: string): Promise<void> {
  const refusal = new Refusal('invalid', problem, 'value');
  await ports.store.change(changeBy(about, 'rotation.refuse-value'), async (tx) => {
    const link = await tx.handIns.get(about.id);
    const next = wrong(link, problem, tx.now);
    await tx.handIns.save(next);
    tx.note({ linkId: next.id, tries: next.tries, problem, status: next.status });
  });
  throw refusal;
}

async function stored(ports: HandInPorts, about: AboutLink): Promise<void> {
  await ports.store.change(changeBy(about, 'rotation.hand-in'), async (tx) => {
    const { key, person, rotation, link } = await whoMayHandIn(tx, about);
    const next = settledByHand(rotation, person.id, tx.now);
    await tx.handIns.save(closedLink(link, 'used', tx.now));
    await tx.rotations.save(next);
    tx.note({ linkId: link.id, version: rotation.tried.at(-1) });
    await follow(tx, ports, next, key);
  });
}
