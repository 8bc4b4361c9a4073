import { type Id, type Instant, minute, Refusal } from '../kernel.ts';
import type { Person } from '../people/model.ts';
import { nothingWorks, type Rotation, type RotationPage } from './model.ts';

/** A page of which nothing was heard for so long may be asked for again: whoever should have sent it has given up. */
const patienceMs = 10 * minute;

/** The failure that it stands at, or comes to unless what is still tried helps. */
export const failureOf = ({ status, fence }: Pick<Rotation, 'status' | 'fence'>): number =>
  status === 'running' ? fence + 1 : fence;

/** The pages about that, oldest first. */
export const pagesNow = (rotation: Pick<Rotation, 'status' | 'pages' | 'fence'>): RotationPage[] =>
  rotation.pages.filter((each) => each.fence === failureOf(rotation));

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

/** Whether nobody waits for its end to wake somebody: nothing works, its step keeps failing, and nobody has been woken for it yet. */
export const isPageDue = (rotation: Rotation): boolean =>
  rotation.status === 'running' && nothingWorks(rotation) && rotation.pages.length === 0;

/** Somebody wants that whoever is on call is woken; null where Keysteward does by itself. */
export function pageAsked(rotation: Rotation, by: Id<'person'> | null, now: Instant): Rotation {
  const page: RotationPage = { fence: failureOf(rotation), by, askedAt: now.toISOString(), at: null, outcome: null };
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
  const isAsked = about.some((each) => each.outcome === null);
  if (rotation.status === 'running') return isAsked && nothingWorks(rotation);
  return rotation.status === 'failed' && (about.length === 0 || isAsked);
}

/** Whoever asked for a rotation may wake somebody for it, beside those who answer for the key. */
export const hasAskedFor = (rotation: Pick<Rotation, 'askedBy'>, person: Pick<Person, 'id' | 'status'>): boolean =>
  rotation.askedBy === person.id && person.status === 'active';
