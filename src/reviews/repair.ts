import { leaseOn } from '../access/policy-document-model.ts';
import { whyNotTouch } from '../inventory/may-model.ts';
import type { ApiKey } from '../inventory/model.ts';
import { seenVersion } from '../inventory/version-model.ts';
import { failpoint, type Id, Later, Refusal, refuseIf } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Ports } from '../ports.ts';
import { checkKey } from './check-drift.ts';
import { lookAt } from './look.ts';
import { type Finding, isCompared, type Remedy, remedyOf, repairAsked, repairSettled, whyNotRepair } from './model.ts';
import { knownReaders, strangersIn, withoutStrangers } from './readers-model.ts';

type RepairPorts = Pick<Ports, 'store' | 'secrets' | 'fingerprints' | 'issuers' | 'pace' | 'policy' | 'leases'>;

/** Somebody presses Repair: what follows is done by a job, once, and is looked at again afterwards. */
export async function askForRepair(
  { store }: Pick<Ports, 'store'>,
  asker: Pick<Person, 'id'>,
  findingId: Id<'finding'>,
): Promise<Finding> {
  const { keyId } = await store.read((view) => view.findings.get(findingId));
  const actor = { kind: 'person', id: asker.id } as const;
  return store.change({ actor, action: 'reviews.repair', subject: findingId, keyId }, async (tx) => {
    const key = await tx.keys.get(keyId);
    refuseIf(whyNotTouch(await tx.people.get(asker.id), 'reviews.repair', key));
    const finding = await tx.findings.get(findingId);
    refuseIf(whyNotRepair(finding, (await tx.rotations.runningOf(keyId)) !== null, tx.now));
    const next = repairAsked(finding, asker.id, tx.now);
    await tx.findings.save(next);
    tx.note({ kind: finding.kind, remedy: remedyOf(finding), ...finding.facts });
    await tx.jobs.add('reviews.repair', { findingId }, { once: findingId });
    await tx.cards.touch(keyId);
    return next;
  });
}

/** Does what was asked for, unless things have changed since; then looks again. Job `reviews.repair`. */
export async function repairFinding(ports: RepairPorts, { findingId }: { findingId: Id<'finding'> }): Promise<void> {
  const { store } = ports;
  const { finding, key, running } = await store.read(async (view) => {
    const finding = await view.findings.get(findingId);
    const key = await view.keys.get(finding.keyId);
    return { finding, key, running: await view.rotations.runningOf(key.id) };
  });
  const owed = finding.closedAt === null && finding.repair !== null && finding.repair.outcome === null;
  if (owed) {
    const refused =
      running && remedyOf(finding) !== 'shut-out'
        ? 'A rotation of this key has started meanwhile; it sees to this.'
        : isCompared(key)
          ? await repairs[remedyOf(finding)]!(ports, finding, key)
          : 'This key is not kept in Secrets Manager any more.';
    if (refused !== null || remedyOf(finding) !== 'adopt') await settle(ports, finding, refused);
  }
  await checkKey(ports, { keyId: key.id });
}

type Repairs = (ports: RepairPorts, finding: Finding, key: ApiKey & { secretId: string }) => Promise<string | null>;

/** Takes labels off exactly the versions that were seen to have them; what has moved on is left alone. */
async function takeOff(
  { secrets }: Pick<Ports, 'secrets'>,
  { facts }: Finding,
  key: ApiKey & { secretId: string },
): Promise<null> {
  for (const { stage, version } of facts.labels ?? []) {
    failpoint('reviews.repair:before');
    await secrets.move(key.secretId, stage, version, null);
    failpoint('reviews.repair:after');
  }
  return null;
}

/** The inventory says what the store says, when that is still what was found and its provider does not refuse it. */
async function adopt(
  ports: RepairPorts,
  { id, facts, keyId }: Finding,
  key: ApiKey & { secretId: string },
): Promise<string | null> {
  const { secret, current } = await lookAt(ports, key);
  // Nobody answered: the job comes again.
  if (secret === 'unknown' || current === 'unknown') throw new Error('Secrets Manager did not say what is current');
  if (current.version !== facts.version) return 'Another version has become current since this was found.';
  if (current.verdict === 'refused') return `The provider does not accept it: ${current.evidence}. Rotate the key.`;
  const actor = { kind: 'job', id: 'reviews.repair' } as const;
  failpoint('reviews.adopt:before');
  const said = await ports.store.change({ actor, action: 'reviews.adopt', subject: id, keyId }, async (tx) => {
    const now = await tx.keys.get(keyId);
    const finding = await tx.findings.get(id);
    const late = finding.closedAt !== null || finding.repair?.outcome !== null;
    if (late || now.currentVersion !== key.currentVersion || (await tx.rotations.runningOf(keyId))) {
      tx.note({ adopted: false });
      return 'The key has changed meanwhile.';
    }
    const isOther = now.currentVersion !== current.version;
    const providerKeyId = current.named === 'unknown' ? null : current.named.providerKeyId;
    const next: ApiKey = {
      ...now,
      currentVersion: current.version,
      lastFour: current.lastFour ?? (isOther ? null : now.lastFour),
      // What an older value was called says nothing about this one.
      providerKeyId: providerKeyId ?? (isOther ? null : now.providerKeyId),
    };
    await tx.keys.save(next);
    await tx.versions.save(seenVersion(keyId, current, true, tx.now));
    await tx.findings.save(repairSettled(finding, null, tx.now));
    tx.note({ adopted: true, before: factsOf(now), after: factsOf(next) });
    await tx.cards.touch(keyId);
    return null;
  });
  failpoint('reviews.adopt:after');
  return said;
}
const factsOf = ({ currentVersion, lastFour, providerKeyId }: ApiKey) => ({ currentVersion, lastFour, providerKeyId });

/** Takes out of its policy exactly whom the finding names and nobody knows since; what it says of everybody else stays. */
async function shutOut(
  { store, secrets, leases, policy: rules }: RepairPorts,
  { facts }: Finding,
  key: ApiKey & { secretId: string },
): Promise<string | null> {
  const { name, holdMs } = leaseOn(key.id);
  const release = await leases.take(name, holdMs);
  if (!release) throw new Later("this key's policy is being written", 500);
  try {
    const known = knownReaders(await store.read((view) => view.consumers.ofKey(key.id)), rules.reviews);
    const found = (policy: string | null, but: string[]) =>
      strangersIn(policy, but).filter((each) => facts.principals?.includes(each));
    const policy = await secrets.policy(key.secretId);
    const strangers = found(policy, known);
    if (strangers.length === 0)
      return found(policy, []).length > 0 ? 'Whoever it let in is known meanwhile, and was left in.' : null;
    failpoint('reviews.shut-out:before');
    await secrets.setPolicy(key.secretId, withoutStrangers(policy, strangers));
    failpoint('reviews.shut-out:after');
    if (found(await secrets.policy(key.secretId), known).length > 0)
      throw new Later('the new policy is not visible yet', 1_000);
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.sentence;
    throw error;
  } finally {
    await release();
  }
}

const repairs: Partial<Record<Remedy, Repairs>> = { adopt, unlabel: takeOff, 'shut-out': shutOut };

async function settle({ store }: Pick<Ports, 'store'>, seen: Finding, refused: string | null): Promise<void> {
  const { id, keyId } = seen;
  const actor = { kind: 'job', id: 'reviews.repair' } as const;
  await store.change({ actor, action: 'reviews.repair', subject: id, keyId }, async (tx) => {
    await tx.keys.get(keyId);
    const finding = await tx.findings.get(id);
    tx.note({ kind: finding.kind, done: refused === null, ...(refused === null ? {} : { why: refused }) });
    if (finding.closedAt !== null || finding.repair?.outcome !== null) return;
    await tx.findings.save(repairSettled(finding, refused, tx.now));
    await tx.cards.touch(keyId);
  });
}
