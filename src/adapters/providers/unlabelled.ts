import type { ApiKey } from '../../inventory/model.ts';
import { after, type Instant, minute, type Secret } from '../../kernel.ts';
import type { IssuedKey } from '../../ports.ts';
import { answerMs, type Means } from './call.ts';

/** How far the clock of a provider and the one that calls are written down by may be apart. */
const clocksApartMs = minute;

/** A key of a provider whose keys have no names. */
export interface Unlabelled {
  key: IssuedKey;
  madeAt: Instant | null;
  /** Whether this is the key that a value from the store belongs to. */
  isOf(value: Secret): boolean;
}

/**
 * What a call whose answer nobody has seen has left behind, where keys have no names: it was made while such a call was under
 * way, it is not the one that the inventory knows, and the store does not hand it out. What was made at another time is
 * somebody else's, who may use it. Where the store hands out something and none of the keys is it, nobody can say which of
 * them is in use, so nothing counts as left behind; nor does it where there is more of it than such calls can have made.
 */
export async function leftBehind(
  { secrets }: Pick<Means, 'secrets'>,
  { secretId, providerKeyId }: ApiKey,
  unanswered: Instant[],
  list: () => Promise<Unlabelled[]>,
): Promise<IssuedKey[]> {
  if (unanswered.length === 0) return [];
  const all = await list();
  const made = all.filter((each) => each.key.providerKeyId !== providerKeyId && isOfOne(unanswered, each.madeAt));
  if (made.length === 0) return [];
  const stages = secretId ? ['AWSCURRENT', 'AWSPREVIOUS', 'AWSPENDING'] : [];
  const read = await Promise.all(stages.map((stage) => secrets.read(secretId!, { stage })));
  const held = read.flatMap((each) => each?.value ?? []);
  const isHeld = (each: Unlabelled) => held.some((value) => each.isOf(value));
  if (held.length > 0 && !all.some(isHeld)) return [];
  const left = made.filter((each) => !isHeld(each));
  return left.length > unanswered.length ? [] : left.map((each) => each.key);
}

/** Whether something that was made then can be of one of these calls, each of which has an end. */
const isOfOne = (calls: Instant[], made: Instant | null): boolean =>
  made !== null &&
  calls.some((call) => made >= after(call, -clocksApartMs) && made <= after(call, answerMs + clocksApartMs));
