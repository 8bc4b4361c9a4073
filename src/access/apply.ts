import { failpoint, type Id, Later, Refusal } from '../kernel.ts';
import type { Ports, Tx } from '../ports.ts';
import type { Grant } from './model.ts';
import { isAltered, leaseOn, policyFor, samePolicy } from './policy-document-model.ts';

/**
 * Makes the key's resource policy say exactly what the grants say, sees that it took effect, and only then calls grants
 * active or ended. Level-triggered: it derives everything from the grants as they are, so it may run at any time, any
 * number of times. Jobs `access.apply` and `access.apply-now`. Answers whether somebody had changed what the policy said of
 * grants that were in effect.
 */
export async function applyGrants(
  ports: Pick<Ports, 'store' | 'secrets' | 'leases'>,
  { keyId }: { keyId: Id<'key'> },
): Promise<boolean> {
  const { name, holdMs } = leaseOn(keyId);
  const release = await ports.leases.take(name, holdMs);
  if (!release) throw new Later("this key's policy is being written", 500);
  try {
    return await apply(ports, keyId);
  } finally {
    await release();
  }
}

async function apply({ store, secrets }: Pick<Ports, 'store' | 'secrets'>, keyId: Id<'key'>): Promise<boolean> {
  const { key, grants, now } = await store.read(async (view) => ({
    key: await view.keys.get(keyId),
    grants: await view.grants.liveOfKey(keyId),
    now: view.now,
  }));
  if (grants.length === 0 && !key.secretId) return false;
  const technical =
    key.storage === 'secrets-manager' && key.secretId
      ? grants.filter((each) => each.principal && opens(each) && each.endsAt > now)
      : [];
  let [changed, altered] = [false, false];
  const failures = new Map<string, string>();
  if (key.storage === 'secrets-manager' && key.secretId) {
    const current = await secrets.policy(key.secretId).catch(missing);
    if (current === undefined) {
      for (const grant of technical) failures.set(grant.id, 'The secret does not exist in Secrets Manager.');
    } else {
      const wanted = policyFor(current, technical);
      for (const id of wanted.left)
        failures.set(id, "The secret's policy is full: it holds about fifty people. End somebody else's access first.");
      if (!samePolicy(current, wanted.text)) {
        failpoint('access.apply:before');
        altered =
          isAltered(current, wanted.text) && grants.every((each) => each.status === 'active' && each.endsAt > now);
        try {
          await secrets.setPolicy(key.secretId, wanted.text);
          failpoint('access.apply:after');
          changed = true;
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          const culprits = await rejected(secrets, key.secretId, current, technical);
          for (const id of culprits)
            failures.set(id, `AWS does not accept this person's IAM principal: ${error.sentence}`);
          if (culprits.length === 0) throw new Error(`AWS refused the policy: ${error.sentence}`);
          changed = true;
        }
        const seen = await secrets.policy(key.secretId);
        const kept = technical.filter((each) => !failures.has(each.id));
        if (!samePolicy(seen, policyFor(current, kept).text))
          throw new Later('the new policy is not visible yet', 1_000);
      }
    }
  }
  await store.change(
    { actor: { kind: 'job', id: 'access.apply' }, action: 'access.apply', subject: keyId, keyId },
    async (tx) => {
      const applied: string[] = [];
      const ended: string[] = [];
      for (const { id, status } of grants) {
        const grant = await tx.grants.get(id);
        // Changed since it was read: another run follows, which sees it as it is now.
        if (grant.status !== status) continue;
        if (status === 'ending' || (opens(grant) && grant.endsAt <= now)) {
          await settle(tx, {
            ...grant,
            status: 'ended',
            endedAt: tx.now,
            endReason: grant.endReason ?? 'Its time was over',
          });
          await tx.cards.show('access.told:ended', grant.id, { person: grant.personId });
          ended.push(id);
        } else if (failures.has(id)) {
          if (grant.failure !== failures.get(id))
            await settle(tx, { ...grant, status: 'failed', failure: failures.get(id)! });
        } else if (status === 'granting' || status === 'failed') {
          await settle(tx, { ...grant, status: 'active', failure: null });
          await tx.cards.show('access.told:active', grant.requestId, { person: grant.personId });
          applied.push(id);
        }
      }
      tx.note({ changed, active: applied, ended, failed: Object.fromEntries(failures) });
    },
  );
  failpoint('access.apply:journaled');
  return altered;
}

const opens = (grant: Grant) => grant.status === 'granting' || grant.status === 'active' || grant.status === 'failed';

async function settle(tx: Tx, grant: Grant): Promise<void> {
  await tx.grants.save(grant);
  await tx.cards.touch(grant.id);
  await tx.cards.touch(grant.requestId);
}

function missing(error: unknown): undefined {
  if (error instanceof Refusal && error.code === 'not_found') return undefined;
  throw error;
}

/** AWS refuses a policy as a whole: finds which grants it refuses by adding them one by one, keeping what it accepts. */
async function rejected(
  secrets: Ports['secrets'],
  secretId: string,
  current: string | null,
  grants: Grant[],
): Promise<string[]> {
  const kept: Grant[] = [];
  const refused: string[] = [];
  for (const grant of grants) {
    try {
      await secrets.setPolicy(secretId, policyFor(current, [...kept, grant]).text);
      kept.push(grant);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refused.push(grant.id);
    }
  }
  if (kept.length === 0) await secrets.setPolicy(secretId, policyFor(current, []).text);
  return refused;
}

/** Compares every key's policy with its grants and repairs what somebody changed by hand. Job `access.check-drift`. */
export async function checkDrift(ports: Pick<Ports, 'store' | 'secrets' | 'leases'>): Promise<void> {
  let after: string | null = null;
  do {
    const ids: Id<'key'>[] = await ports.store.read((view) => view.grants.keysWithLive(after, 200));
    for (const keyId of ids) {
      const altered = await applyGrants(ports, { keyId }).catch((error: unknown) => {
        // Somebody else is writing it right now; the next check looks again.
        if (error instanceof Later) return false;
        throw error;
      });
      if (altered) {
        await ports.store.change(
          { actor: { kind: 'job', id: 'access.check-drift' }, action: 'access.repair', subject: keyId, keyId },
          async (tx) => {
            tx.note({ what: "The secret's resource policy did not match the grants and was written again." });
            await tx.jobs.add('reviews.policy-altered', { keyId }, { once: keyId });
          },
        );
      }
    }
    after = ids.at(-1) ?? null;
  } while (after);
}

/** Tells the holder that the end comes near. Job `access.notice`. */
export function noticeEnd(
  { store }: Pick<Ports, 'store'>,
  { grantId, hours }: { grantId: Id<'grant'>; hours: number },
): Promise<void> {
  return store.change(
    { actor: { kind: 'job', id: 'access.notice' }, action: 'access.notice', subject: grantId },
    async (tx) => {
      const grant = await tx.grants.get(grantId);
      tx.note({ keyId: grant.keyId, hours, status: grant.status });
      if (!opens(grant) || grant.endsAt <= tx.now || grant.noticed.includes(hours)) return;
      await tx.grants.save({ ...grant, noticed: [...grant.noticed, hours] });
      await tx.cards.show(`access.ending:${hours}`, grant.id, { person: grant.personId });
    },
  );
}
