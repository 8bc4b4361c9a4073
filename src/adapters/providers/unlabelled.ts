import type { ApiKey } from '../../inventory/model.ts';
import { type Instant, madeAt, minute, type Secret } from '../../kernel.ts';
import type { IssuedKey } from '../../ports.ts';
import type { Means } from './call.ts';

/** How far the clock of a provider and the one that a rotation's id was made by may be apart. */
const clocksApartMs = minute;

/** A key of a provider whose keys have no names. */
export interface Unlabelled {
  key: IssuedKey;
  madeAt: Instant | null;
  /** Whether this is the key that a value from the store belongs to. */
  isOf(value: Secret): boolean;
}

/**
 * What an earlier try has left behind where keys have no names: it was made since the rotation began, it is not the one that
 * the inventory knows, and the store does not hand it out. Where the store hands out something and none of the keys is it,
 * nobody can say which of them is in use, so nothing counts as left behind.
 */
export async function leftBehind(
  { secrets }: Pick<Means, 'secrets'>,
  { secretId, providerKeyId }: ApiKey,
  labels: string[],
  list: () => Promise<Unlabelled[]>,
): Promise<IssuedKey[]> {
  const begun = labels.flatMap((label) => begunAt(label) ?? []);
  if (begun.length === 0) return [];
  const since = Math.min(...begun) - clocksApartMs;
  const all = await list();
  const made = all.filter((each) => (each.madeAt?.getTime() ?? 0) >= since && each.key.providerKeyId !== providerKeyId);
  if (made.length === 0) return [];
  const stages = secretId ? ['AWSCURRENT', 'AWSPREVIOUS', 'AWSPENDING'] : [];
  const read = await Promise.all(stages.map((stage) => secrets.read(secretId!, { stage })));
  const held = read.flatMap((each) => each?.value ?? []);
  const isHeld = (each: Unlabelled) => held.some((value) => each.isOf(value));
  if (held.length > 0 && !all.some(isHeld)) return [];
  return made.filter((each) => !isHeld(each)).map((each) => each.key);
}

/** When the rotation began whose value this is the label of, in milliseconds. */
function begunAt(label: string): number | null {
  const [, id] = /^keysteward-(rot_[0-9a-z]{26})-\d+$/.exec(label) ?? [];
  return id ? madeAt(id).getTime() : null;
}
