import type { ApiKey } from '../inventory/model.ts';
import { byId, type Id, type Instant, Refusal } from '../kernel.ts';
import { type Person, whyNot } from '../people/model.ts';
import type { FindingPage, View } from '../ports.ts';

/** A page of what is wrong, with whatever is needed to tell it. */
export interface FindingList extends FindingPage {
  keys: Map<string, ApiKey>;
  /** Keys that are being rotated, by their id. */
  rotating: Set<string>;
  people: Map<string, Person>;
  now: Instant;
}

/** Whose findings somebody means: everybody's, for administrators who say nothing else; else their own. */
export function whoseFindings(reader: Person, text: string): Id<'person'> | null {
  const asked = text.trim().toLowerCase();
  if (asked !== '' && asked !== 'mine') {
    throw new Refusal('invalid', 'Say `mine` or nothing. What is wrong with one key is on its card: `/keys show`.');
  }
  return asked === 'mine' || whyNot(reader, 'reviews.list-all') ? reader.id : null;
}

/** Open findings of all keys, or of those that this person answers for. */
export async function listFindings(
  view: View,
  ownerId: Id<'person'> | null,
  at: string | null,
  pageSize = 10,
): Promise<FindingList> {
  const page = await view.findings.open(ownerId, pageSize, at);
  // Everything behind that place is in order again.
  if (page.rows.length === 0 && at) return listFindings(view, ownerId, null, pageSize);
  const keys = await view.keys.many([...new Set(page.rows.map((each) => each.keyId))]);
  const rotating = new Set<string>();
  for (const { id } of keys) if (await view.rotations.runningOf(id)) rotating.add(id);
  const ids = [...keys.map((key) => key.ownerId), ...page.rows.flatMap(({ repair }) => (repair ? [repair.by] : []))];
  const people = await view.people.many([...new Set(ids)]);
  return {
    ...page,
    keys: byId(keys),
    rotating,
    people: byId(people),
    now: view.now,
  };
}
