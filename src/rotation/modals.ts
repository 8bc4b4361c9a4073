import type { KnownBlock } from '@slack/types';
import { z } from 'zod';
import { input, option } from '../blocks.ts';
import { keysNamed, refuseAtClick } from '../doors.ts';
import { whyNotTouch } from '../inventory/may-model.ts';
import { type ApiKey, asChoice } from '../inventory/model.ts';
import { Refusal } from '../kernel.ts';
import type { Action, Person } from '../people/model.ts';
import type { Store, View } from '../ports.ts';

const mostKeys = 100;

export interface Meant {
  /** Those that they may do this to. */
  keys: ApiKey[];
  /** The only one that they named, when they may not. */
  hidden: ApiKey | null;
}

/** The keys that somebody means by words or by the id on a button. */
export async function keysMeant(view: View, person: Person, action: Action, words: string): Promise<Meant> {
  const found = await keysNamed(view, words, mostKeys);
  const keys = found.filter((key) => !whyNotTouch(person, action, key));
  const [only, ...others] = found;
  return { keys, hidden: only && others.length === 0 && keys.length === 0 ? only : null };
}

/** Who named a key that they may not do this to is refused on record. */
export async function refuseHidden(
  store: Pick<Store, 'refused'>,
  person: Person,
  action: Action,
  hidden: Meant['hidden'],
): Promise<void> {
  if (!hidden) return;
  const refusal = whyNotTouch(person, action, hidden);
  await refuseAtClick(store, person, { action, subject: hidden.id, keyId: hidden.id }, refusal);
}

export const noneMatches = (what: string, words: string): Refusal =>
  new Refusal('not_found', `No ${what} matches "${words.slice(0, 100)}". Try fewer words.`);

/**
 * A choice among those found, or else a search, whose suggestions are found by the name of its field. Where it is `live`,
 * choosing is an action of that name.
 */
export function whichKey(
  keys: ApiKey[],
  fields: { chosen: string; searched: string; live?: boolean },
  hint?: string,
): KnownBlock {
  const live = fields.live ?? false;
  if (keys.length > 0)
    return input({
      kind: 'select',
      name: fields.chosen,
      live,
      label: `${keys.length === mostKeys ? 'Many' : keys.length} keys match. Which one?`,
      options: keys.map((key) => option(...asChoice(key))),
    });
  return input({
    kind: 'search',
    name: fields.searched,
    live,
    label: 'Key',
    placeholder: 'Type a service, environment or purpose',
    ...(hint ? { hint } : {}),
  });
}

export const whyField = z
  .string({ error: 'Say why.' })
  .trim()
  .min(3, 'Say why, in a few words: it is kept in the audit log.');
export const whyQuestion = input({
  kind: 'text',
  name: 'reason',
  label: 'Why?',
  max: 500,
  hint: 'Kept in the audit log. Never paste a key here.',
});

export const emergencyField = z
  .array(z.string())
  .nullish()
  .transform((chosen) => chosen?.includes('emergency') ?? false);
export const emergencyQuestion = (label: string, hint: string): KnownBlock =>
  input({
    kind: 'checkboxes',
    name: 'emergency',
    label: 'Emergency',
    optional: true,
    options: [option('emergency', label, hint)],
  });
