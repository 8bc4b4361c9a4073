import { type Id, type Instant, minute, Refusal } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import type { Rotation, RotationPage } from './model.ts';

/** A page of which nothing was heard for so long may be asked for again: whoever should have sent it has given up. */
const patienceMs = 10 * minute;

/** The pages about the failure that it stands at now, oldest first. */
export const pagesNow = ({ pages, fence }: Pick<Rotation, 'pages' | 'fence'>): RotationPage[] =>
  pages.filter((each) => each.fence === fence);

/** Why nobody can be woken for this rotation now, or null. */
export function whyNotPage(rotation: Rotation, newer: Rotation | null, now: Instant): Refusal | null {
  if (rotation.status !== 'failed') {
    return new Refusal('conflict', 'This rotation has not failed, so there is nothing to wake anybody for.');
  }
  if (newer) return new Refusal('conflict', 'A newer rotation of this key has started since. Look at that one.');
  const last = pagesNow(rotation).at(-1);
  if (last?.outcome === 'paged') {
    return new Refusal('conflict', 'On-call was paged for this already; the card says when.');
  }
  if (last && last.outcome === null && now.getTime() - Date.parse(last.askedAt) < patienceMs) {
    return new Refusal('conflict', 'On-call is being paged for this right now.');
  }
  return null;
}

/** Somebody wants that whoever is on call is woken. */
export function pageAsked(rotation: Rotation, by: Id<'person'>, now: Instant): Rotation {
  const page: RotationPage = { fence: rotation.fence, by, askedAt: now.toISOString(), at: null, outcome: null };
  return { ...rotation, pages: [...rotation.pages, page] };
}

/** What came of it. A page that nobody had asked for was Keysteward's own. */
export function pageSettled(
  rotation: Rotation,
  fence: number,
  outcome: NonNullable<RotationPage['outcome']>,
  now: Instant,
): Rotation {
  const at = now.toISOString();
  if (!rotation.pages.some((each) => each.fence === fence)) {
    return { ...rotation, pages: [...rotation.pages, { fence, by: null, askedAt: at, at, outcome }] };
  }
  const pages = rotation.pages.map((each) =>
    each.fence === fence && each.outcome === null ? { ...each, at, outcome } : each,
  );
  return { ...rotation, pages };
}

/** Whether a job that pages for this failure has something to do. */
export function isPageOwed(rotation: Rotation): boolean {
  const about = pagesNow(rotation);
  return rotation.status === 'failed' && (about.length === 0 || about.some((each) => each.outcome === null));
}

/** Whoever asked for a rotation may wake somebody for it, beside those who answer for the key. */
export const hasAskedFor = (rotation: Pick<Rotation, 'askedBy'>, person: Pick<Person, 'id' | 'status'>): boolean =>
  rotation.askedBy === person.id && person.status === 'active';
