import type { ApiKey } from '../../inventory/model.ts';
import { handedOutBefore } from '../../inventory/version-model.ts';
import { Later } from '../../kernel.ts';
import type { Tx } from '../../ports.ts';
import { type Left, leftAtService } from '../../reviews/model.ts';
import { madeByHand } from '../by-hand/model.ts';
import { discarded } from '../issued-model.ts';
import type { Run } from '../journal.ts';
import type { Stages } from '../labels-model.ts';

/**
 * Values that a person has made for nothing, and that live on at their service because nobody can end them there by API:
 * only where their provider says that one is dead, or where it was ended there, is nothing left to do.
 */
export async function leftOver(run: Run, stages: Stages): Promise<Left[]> {
  const { ports, rotation, key, secretId, issuer } = run;
  if (!madeByHand(issuer.can)) return [];
  const known = await ports.store.look((view) => view.versions.ofKey(key.id));
  const left: Left[] = [];
  for (const version of discarded(stages, rotation)) {
    if (rotation.issued.some((each) => each.version === version && each.ended)) continue;
    const seen = known.find((each) => each.version === version) ?? null;
    // What is in use under another version must not be deleted.
    if (handedOutBefore(known, seen?.fingerprint ?? null, version)) continue;
    const read = await ports.secrets.read(secretId, { versionId: version });
    // Nobody has handed in anything for that attempt.
    if (!read && !seen) continue;
    if (read && issuer.can.confirmDead) {
      const ending = { providerKeyId: null, value: read.value };
      const said = await issuer.confirmDead(key, ending).catch((error: unknown) => {
        if (error instanceof Later) throw error;
        return { verdict: 'unclear' as const };
      });
      if (said.verdict === 'dead') continue;
    }
    left.push({ version, lastFour: read?.lastFour ?? seen?.lastFour ?? null, rotationId: rotation.id });
  }
  return left;
}

/** Somebody has to delete them by hand, and say so; until then it is a finding. */
export async function noteLeft(tx: Tx, security: string, key: ApiKey, left: Left[]): Promise<void> {
  const before = (await tx.findings.openOfKey(key.id)).find((each) => each.kind === 'left-at-service') ?? null;
  const finding = leftAtService(before, before?.id ?? tx.newId('finding'), key, left, tx.now);
  await tx.findings.save(finding);
  tx.record('reviews.find', finding.id, { kind: finding.kind, sentence: finding.sentence }, key.id);
  const owner = await tx.people.find(key.ownerId);
  if (owner?.status === 'active') await tx.cards.show('reviews.findings', key.id, { person: owner.id }, { anew: true });
  await tx.cards.show('reviews.findings', key.id, { channel: security }, { anew: true });
}

/** For the line of the step. */
export function leftInWords(left: Left[], { service }: Pick<ApiKey, 'service'>): string {
  if (left.length === 0) return '';
  const ends = left.map(({ lastFour }) => (lastFour ? `…${lastFour}` : 'one whose end is not known'));
  return `; still to be deleted at ${service} by a person: ${ends.join(', ')}`;
}
