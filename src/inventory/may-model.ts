import { notThere, type Refusal } from '../kernel.ts';
import { type Action, type Person, whyNot } from '../people/model.ts';
import type { ApiKey } from './model.ts';

/** Why this person may not see this key: contractors see only what they hold or held (SOP 6.1), and nothing tells them of the rest. */
export function whyNotSee(person: Person, key: ApiKey, held: boolean): Refusal | null {
  const refusal = whyNot(person, 'inventory.show', key);
  if (!refusal || person.status !== 'active') return refusal;
  return held ? whyNot(person, 'inventory.show-held') : notThere('key');
}

/** Why this person may not do this to a key, or to what belongs to it; one that they may not even see does not exist for them. */
export function whyNotTouch(person: Person, action: Action, key: ApiKey): Refusal | null {
  const refusal = whyNot(person, action, key);
  if (!refusal || person.status !== 'active' || !whyNot(person, 'inventory.show', key)) return refusal;
  return notThere('key');
}
