import { after, type Id, type Instant, minute, Refusal } from '../../kernel.ts';
import type { Rotation } from '../model.ts';

/** How long a link lives, from the click that made it. */
export const linkMinutes = 10;
/** Values that can be handed in over one link, so that a wrong one can be corrected and nothing can be tried out. */
export const mostTries = 8;
/** Wrong addresses after which a link is locked. */
export const mostGuesses = 5;

/** A link to the page where one person hands in one value. Who has the address has nothing before they have signed in. */
export interface HandIn {
  id: Id<'handIn'>;
  rotationId: Id<'rotation'>;
  attempt: number;
  personId: Id<'person'>;
  /** SHA-256 of the token in its address; the token itself is nowhere. */
  tokenHash: string;
  madeAt: Instant;
  endsAt: Instant;
  status: 'open' | 'used' | 'ended';
  guesses: number;
  tries: number;
  /** SHA-256 of what the cookie of the one browser holds that has signed in last, or is about to. */
  sessionHash: string | null;
  /** A sign-in that was begun; good for one answer. */
  signIn: { stateHash: string; nonce: string; verifier: string | null } | null;
  signedInAt: Instant | null;
  /** What was wrong with the value that was handed in last, in our own words. */
  problem: string | null;
  closedAt: Instant | null;
}

export function linkMade(
  id: Id<'handIn'>,
  rotation: Pick<Rotation, 'id' | 'attempt'>,
  personId: Id<'person'>,
  tokenHash: string,
  now: Instant,
): HandIn {
  return {
    id,
    rotationId: rotation.id,
    attempt: rotation.attempt,
    personId,
    tokenHash,
    madeAt: now,
    endsAt: after(now, linkMinutes * minute),
    status: 'open',
    guesses: 0,
    tries: 0,
    sessionHash: null,
    signIn: null,
    signedInAt: null,
    problem: null,
    closedAt: null,
  };
}

const over = 'This link is over. Press "Hand in the new key" on the card in Slack once more.';

/** Why this link leads nowhere any more, or null. One sentence for all reasons: it tells nobody what there was. */
export function whyNotOpen(link: HandIn | null, now: Instant): Refusal | null {
  return link?.status === 'open' && link.endsAt > now ? null : new Refusal('not_found', over);
}

/** Why this browser is not the one that has signed in, or null. */
export function whyNotSession(link: HandIn, sessionHash: string): Refusal | null {
  return link.signedInAt && link.sessionHash === sessionHash ? null : new Refusal('not_allowed', over);
}

/** Somebody came with a wrong token. */
export function guessed(link: HandIn, now: Instant): HandIn {
  const guesses = link.guesses + 1;
  return guesses < mostGuesses ? { ...link, guesses } : closedLink({ ...link, guesses }, 'ended', now);
}

/** A browser goes to Slack; whatever was signed in before is not any more. */
export function signInBegun(link: HandIn, sessionHash: string, signIn: NonNullable<HandIn['signIn']>): HandIn {
  return { ...link, sessionHash, signIn, signedInAt: null };
}

/** It came back; the answer counts once. */
export const signInAnswered = (link: HandIn): HandIn => ({ ...link, signIn: null });

/** As the person whom the link is for, with a session of its own from here. */
export function signedIn(link: HandIn, sessionHash: string, now: Instant): HandIn {
  return { ...link, sessionHash, signIn: null, signedInAt: now };
}

/** A value arrived and is about to be looked at. */
export const tried = (link: HandIn): HandIn => ({ ...link, tries: link.tries + 1, problem: null });

/** The value cannot be it; after the last try the link is over. */
export function wrong(link: HandIn, problem: string, now: Instant): HandIn {
  const noted = { ...link, problem };
  return link.tries < mostTries ? noted : closedLink(noted, 'ended', now);
}

export function closedLink(link: HandIn, status: 'used' | 'ended', now: Instant): HandIn {
  return { ...link, status, signIn: null, closedAt: now };
}
